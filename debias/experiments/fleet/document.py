"""The text of a manifest, YAML or TOML, as plain values, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from debias.errors import Problem, UsageError
from debias.experiments.fleet.yaml_values import Key, YamlError, read_yaml
from debias.inputs import read_input
from debias.words import bare

LARGEST = 8 << 20
"""Bytes of a manifest at most."""
DEEPEST = 24
"""Lists and mappings within each other at most."""


@dataclass(frozen=True)
class Document:
    """Values of a manifest.

    Parameters
    ----------
    value : object
        Mappings, lists, texts, numbers, truth values and None.
    name : str
        How messages call the file; empty where the values were given in Python.
    folder : Path
        What relative paths are relative to.
    lines : mapping of tuple to int
        Lines of the file by place, as far as they are known.
    flags : bool
        The values came as flags, which places are called by.
    """

    value: Any
    name: str = ""
    folder: Path = field(default_factory=Path)
    lines: Mapping[Key, int] = field(default_factory=dict)
    flags: bool = False

    def place(self, key: Key) -> str:
        """Return a place in words: ``fleet.yaml, line 4, jobs[0].eps``."""
        if self.flags:
            last = str(key[-1]) if key else ""
            return "MODEL" if last in ("", "model") or isinstance(key[-1], int) else f"--{last.replace('_', '-')}"
        line = next((self.lines[key[:end]] for end in range(len(key), -1, -1) if key[:end] in self.lines), None)
        return ", ".join(part for part in (self.name, "" if line is None else f"line {line}", path_text(key)) if part)


def path_text(key: Key) -> str:
    """Return a place without its file: ``jobs[0].repair.steps``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{bare(part)}" if text else bare(part)
    return text


def read_document(path: Path) -> Document:
    """Return what a manifest holds.

    Parameters
    ----------
    path : Path
        ``.toml`` is TOML, everything else YAML.

    Raises
    ------
    UsageError
        It cannot be read, is too large or too deep, or is no such text; with every problem that was found.
    """
    name = bare(path)
    return parse_document(_bytes(path, name), name, path.parent, toml=path.suffix.lower() == ".toml")


def parse_document(data: bytes, name: str, folder: Path, *, toml: bool) -> Document:
    """Return what the bytes of a manifest hold, see `read_document`."""
    if len(data) > LARGEST:
        raise UsageError(Problem(f"is larger than {LARGEST >> 20} MiB", name, "Split it into several manifests."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(Problem(f"is not UTF-8 (byte {error.start})", name, "Save it as UTF-8.")) from None
    if toml:
        return Document(_toml(text, name), name, folder)
    try:
        value, lines = read_yaml(text, deepest=DEEPEST)
    except YamlError as error:
        problems = [Problem(found, f"{name}, line {line}", remedy) for line, found, remedy in error.problems]
        raise UsageError(dict.fromkeys(problems)) from None
    return Document(value, name, folder, lines)


def _toml(text: str, name: str) -> Any:
    import tomllib

    try:
        value = tomllib.loads(text)
    except RecursionError:
        raise UsageError(Problem("is nested too deeply", name, f"At most {DEEPEST} levels are read.")) from None
    except ValueError as error:
        raise UsageError(Problem(f"is no TOML: {bare(error)}", name, "Mend it there.")) from None
    return _plain(value, name, ())


def _plain(value: Any, name: str, key: Key) -> Any:
    """Return a value of TOML without its dates and times, which no key of a manifest takes: they are texts."""
    if len(key) > DEEPEST:
        raise UsageError(Problem("is nested too deeply", name, f"At most {DEEPEST} levels are read."))
    if isinstance(value, dict):
        return {item: _plain(inner, name, (*key, item)) for item, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, name, (*key, number)) for number, inner in enumerate(value)]
    return value if isinstance(value, str | bool | int | float) else str(value)


def _bytes(path: Path, name: str) -> bytes:
    try:
        return read_input(path, LARGEST)
    except OSError as error:
        raise UsageError(Problem(f"cannot be read ({error.strerror or error})", name, "Check the path.")) from None
    except ValueError:
        raise UsageError(Problem("is no usable name", name, "Check the path.")) from None
