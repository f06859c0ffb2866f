"""What holds for a verb besides its flags: environment variables, then the nearest configuration file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from debias.cli.settings import FLAG_ONLY, Setting
from debias.errors import Problem, UsageError
from debias.inputs import read_input

FILES = ("debias.toml", "pyproject.toml")
"""Names of configuration files, in the order in which a folder is asked for them."""

PREFIX = "DEBIAS_"
"""Environment variables: with it a key, or a verb and a key, in capitals."""

OWN_FILE = "DEBIAS_CONFIG"
_OTHERS = (OWN_FILE, "DEBIAS_TRACEBACK", "DEBIAS_CACHE")
_TESTS = "DEBIAS_TEST_"
_LARGEST = 2**20

Verbs = Mapping[str, Mapping[str, Setting]]
"""Settings by verb and key."""


@dataclass(frozen=True)
class Held:
    """A value that is set, and where."""

    value: Any
    source: Literal["environment", "file"]
    where: str


@dataclass(frozen=True)
class Configuration:
    """What is set for each verb.

    Parameters
    ----------
    path : Path or None
        The configuration file that was read.
    held : mapping of mappings
        Values by verb and key; the environment goes before the file, what is said of one verb before what is said of
        all.
    unknown : tuple of Problem
        Variables with the prefix that name no setting.
    """

    path: Path | None = None
    held: Mapping[str, Mapping[str, Held]] = field(default_factory=dict)
    unknown: tuple[Problem, ...] = ()

    def of(self, verb: str) -> Mapping[str, Held]:
        """Return what is set of one verb, by key."""
        return self.held.get(verb, {})


def load(
    verbs: Verbs, *, named: Path | None = None, verb: str | None = None, environ: Mapping[str, str] | None = None
) -> Configuration:
    """Return what file and environment set.

    Parameters
    ----------
    verbs : mapping of mappings
        What can be set.
    named : Path, optional
        The configuration file. Default: the file that ``DEBIAS_CONFIG`` names, else the nearest one from the working
        directory upwards.
    verb : str, optional
        Check environment and common keys for this verb alone. Default: for all.
    environ : mapping, optional
        Environment variables. Default: those of the process.

    Raises
    ------
    UsageError
        With every problem of file and environment.
    """
    environ = os.environ if environ is None else environ
    named = named or (Path(environ[OWN_FILE]) if environ.get(OWN_FILE) else None)
    path = named or nearest(Path.cwd())
    asked = verbs if verb is None else {verb: verbs[verb]}
    problems: list[Problem] = []
    found = _File(path, verbs, asked) if path is not None else None
    held = {name: dict[str, Held]() for name in asked}
    if found is not None:
        problems += found.problems
        for name in asked:
            held[name].update(found.common.get(name, {}) | found.own.get(name, {}))
    for name, settings in asked.items():
        values, wrong = _environment(name, settings, environ)
        held[name].update(values)
        problems += wrong
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return Configuration(path, held, tuple(_unknown(verbs, environ)))


def nearest(folder: Path) -> Path | None:
    """Return the nearest configuration file from a folder upwards; a pyproject.toml counts if it has [tool.debias]."""
    for place in (folder, *folder.parents):
        for name in FILES:
            path = place / name
            # other projects' files are not parsed, and may be broken
            if path.is_file() and (name == FILES[0] or (b"debias" in _bytes(path) and _table(path) is not None)):
                return path
    return None


class _File:
    """A configuration file, checked whole: `common` and `own` values by verb and key, and all `problems`."""

    def __init__(self, path: Path, verbs: Verbs, asked: Verbs) -> None:
        self.verbs, self.asked = verbs, asked
        self.name = os.path.relpath(path)
        self.folder = Path(os.path.relpath(path.parent))
        self.root = "tool.debias" if path.name == FILES[1] else ""
        self.problems: list[Problem] = []
        self.common: dict[str, dict[str, Held]] = {name: {} for name in verbs}
        self.own: dict[str, dict[str, Held]] = {name: {} for name in verbs}
        table = _table(path)
        if table is None:
            remedy = "Add it, or leave --config out."
            raise UsageError(Problem("there is no section [tool.debias]", self.name, remedy))
        sections = {key: part for key, part in table.items() if isinstance(part, dict) and key in verbs}
        rest = {key: value for key, value in table.items() if key not in sections}
        for key, spelled, value in self._entries(rest, ""):
            self._read_common(key, spelled, value)
        for verb, part in sections.items():
            for key, spelled, value in self._entries(part, verb):
                self._read_own(verb, key, spelled, value)

    def _entries(self, table: Mapping[str, Any], verb: str) -> Iterator[tuple[str, str, Any]]:
        """Yield each key with underscores, as spelled, and its value; a key that is there twice is a problem."""
        seen: dict[str, str] = {}
        for spelled, value in table.items():
            key = spelled.replace("-", "_")
            if key in seen:
                self._wrong(verb, spelled, f"is given as {seen[key]} too", "Leave one out.")
            else:
                seen[key] = spelled
                yield key, spelled, value

    def _read_common(self, key: str, spelled: str, value: Any) -> None:
        takers = {name: settings[key] for name, settings in self.verbs.items() if key in settings}
        if key in FLAG_ONLY or not takers:
            remedy = _flag_only(key) or self._no_such_key(key, value)
            self._wrong("", spelled, f"is no {'section' if isinstance(value, dict) else 'setting'}", remedy)
            return
        fits: dict[str, Held] = {}
        wrong: dict[str, str] = {}
        for name, setting in takers.items():
            try:
                fits[name] = Held(setting.read(value, self.folder), "file", self._where("", spelled))
            except ValueError as error:
                wrong[name] = str(error)
        # one key may take different values in different verbs: those that are asked count, else one has to fit
        hit = [name for name in wrong if name in self.asked and (not fits or len(self.asked) == 1)]
        if hit or not fits:
            name = hit[0] if hit else next(iter(wrong))
            self._wrong("", spelled, f"is {wrong[name]}", f"{takers[name].flag} takes {takers[name].takes}.")
        for name, held in fits.items():
            self.common[name][key] = held

    def _read_own(self, verb: str, key: str, spelled: str, value: Any) -> None:
        settings = self.verbs[verb]
        if key in FLAG_ONLY or key not in settings:
            self._wrong(verb, spelled, f"is no setting of {verb}", _flag_only(key) or _nearest_key(key, settings))
            return
        try:
            held = Held(settings[key].read(value, self.folder), "file", self._where(verb, spelled))
        except ValueError as error:
            self._wrong(verb, spelled, f"is {error}", f"{settings[key].flag} takes {settings[key].takes}.")
        else:
            self.own[verb][key] = held

    def _no_such_key(self, key: str, value: Any) -> str:
        if key == "tool" and not self.root:
            return "Leave [tool.debias] out: a debias.toml has nothing else."
        if isinstance(value, dict):
            near = get_close_matches(key, self.verbs, 1)
            return f"Did you mean [{self._section(near[0])}]?" if near else "debias --help lists the verbs."
        every = {name: setting for settings in self.verbs.values() for name, setting in settings.items()}
        return _nearest_key(key, every)

    def _section(self, verb: str) -> str:
        return ".".join(part for part in (self.root, verb) if part)

    def _where(self, verb: str, spelled: str) -> str:
        section = self._section(verb)
        return f"{self.name} [{section}] {spelled}" if section else f"{self.name} {spelled}"

    def _wrong(self, verb: str, spelled: str, found: str, remedy: str) -> None:
        from debias.words import bare

        self.problems.append(Problem(found, self._where(verb, bare(spelled)), remedy))


def _flag_only(key: str) -> str:
    if key not in FLAG_ONLY:
        return ""
    return f"--{key} lifts a check: it is taken from the command line alone."


def _nearest_key(key: str, settings: Mapping[str, Setting]) -> str:
    """Return the way out of a key that is not there."""
    for setting in settings.values():
        if setting.opposite == key:
            return f"Write {setting.key} = false (or true)."
    near = get_close_matches(key, [name for name in settings if name not in FLAG_ONLY], 1)
    return f"Did you mean {near[0]}?" if near else "debias config VERB lists the settings of a verb."


def _environment(
    verb: str, settings: Mapping[str, Setting], environ: Mapping[str, str]
) -> tuple[dict[str, Held], list[Problem]]:
    held, problems = {}, []
    for key, setting in settings.items():
        names = (variable(key, verb), variable(key))
        # an empty variable counts as not set, as shells and CI systems have it
        name = next((one for one in names if environ.get(one)), None)
        if name is None:
            continue
        if key in FLAG_ONLY:
            problems.append(Problem("is no setting of the environment", name, _flag_only(key)))
            continue
        try:
            held[key] = Held(setting.parse(environ[name]), "environment", name)
        except ValueError as error:
            takes = setting.takes.replace("a list of such", "several, one a line")
            problems.append(Problem(f"is {error}", name, f"{setting.flag} takes {takes}."))
    return held, problems


def variable(key: str, verb: str = "") -> str:
    """Return the name of the environment variable of a key, for one verb or for all."""
    return PREFIX + "_".join(part.upper().replace("-", "_") for part in (verb, key) if part)


def _unknown(verbs: Verbs, environ: Mapping[str, str]) -> Iterable[Problem]:
    names = sorted(name for name in environ if name.startswith(PREFIX) and not name.startswith(_TESTS))
    if not names:
        return
    known = {variable(key, one) for verb, settings in verbs.items() for key in settings for one in (verb, "")}
    for name in names:
        if name not in known and name not in _OTHERS:
            near = get_close_matches(name, known, 1)
            yield Problem("names no setting", name, f"Did you mean {near[0]}?" if near else "")


def _table(path: Path) -> dict[str, Any] | None:
    """Return what a file sets; None where a pyproject.toml has no [tool.debias].

    Raises
    ------
    UsageError
        The file cannot be read, is no TOML, or its section is no table.
    """
    import tomllib

    data = _bytes(path)
    where = os.path.relpath(path)
    try:
        table: Any = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(Problem(f"is not UTF-8 (byte {error.start})", where, "Save it as UTF-8.")) from None
    except ValueError as error:  # no TOML, or a number of thousands of digits
        found = f"is no TOML: {str(error)[:200]}"
        raise UsageError(Problem(found, where, "Mend it there, or run with --no-config.")) from None
    except RecursionError:
        raise UsageError(Problem("is nested too deeply", where, "Run with --no-config.")) from None
    if path.name != FILES[1]:
        return dict(table)
    tool = table.get("tool", {})
    section = tool.get("debias") if isinstance(tool, dict) else None
    if section is not None and not isinstance(section, dict):
        raise UsageError(Problem("is no section", f"{where} tool.debias", "Write [tool.debias] above its keys."))
    return section


def _bytes(path: Path) -> bytes:
    where = os.path.relpath(path)
    try:
        data = read_input(path, _LARGEST)
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
        raise UsageError(Problem(found, where, "Name another with --config, or run with --no-config.")) from None
    except ValueError:
        raise UsageError(Problem("not a usable name", repr(str(path)), "Name another with --config.")) from None
    if len(data) > _LARGEST:
        raise UsageError(Problem("is larger than 1 MiB", where, "Run with --no-config."))
    return data
