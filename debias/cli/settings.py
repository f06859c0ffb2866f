"""What can be set of a verb, read from its options: the keys of a configuration and what each takes."""

from __future__ import annotations

import dataclasses
import math
import os
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

FLAG_ONLY = ("trust",)
"""Keys that no configuration may hold: a file that lies about must not lift a check."""

VERBS: dict[str, Callable[[], Mapping[str, Setting]]] = {}
"""What can be set, by key, of every verb that takes a configuration; read when it is asked for."""

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "the path of a file"}


@dataclass(frozen=True)
class Setting:
    """One thing that can be set of a verb.

    Parameters
    ----------
    key : str
        Name in a configuration: that of the flag, with underscores; ``model`` for the argument MODEL.
    field : str
        Name of the field of the verb's options.
    flag : str
        How the command line names it: ``--eps``, ``MODEL``.
    kind : type
        bool, int, float, str or Path.
    several : bool
        The flag is repeatable: a list of values.
    choices : tuple of str
        The only values, where there are such.
    least, most : float or None
        Limits of a number.
    required : bool
        The verb does not run without it.
    default : object
        Value of the field where nothing else is given.
    help : str
        What the help says of it.
    opposite : str or None
        Name of the flag that says no, as ``incoming`` beside ``outgoing``.
    """

    key: str
    field: str
    flag: str
    kind: type[Any]
    several: bool = False
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    required: bool = False
    default: Any = None
    help: str = ""
    opposite: str | None = None

    @property
    def takes(self) -> str:
        """What a value has to be, in words."""
        if self.choices:
            told = f"one of {', '.join(self.choices)}"
        else:
            told = _KINDS[self.kind]
            if self.least is not None and self.most is not None:
                told = f"{told} from {self.least:g} to {self.most:g}"
        return f"{told}, or a list of such" if self.several else told

    def read(self, value: object, folder: str | os.PathLike[str] = "") -> Any:
        """Return a value of a TOML file as the command line would hold it.

        Parameters
        ----------
        value : object
            What TOML gives: text, number, truth value, date, list or table.
        folder : path-like
            What a relative path is relative to; empty is the working directory.

        Raises
        ------
        ValueError
            Where it is of another kind; the message says what was found.
        """
        if not self.several:
            return self._one(value, folder)
        return [self._one(item, folder) for item in (value if isinstance(value, list) else [value])]

    def parse(self, text: str) -> Any:
        """Return the text of an environment variable as a value; of a repeatable flag one value a line.

        Raises
        ------
        ValueError
            Where it cannot be read; the message says what was found.
        """
        if not self.several:
            return self._one(self._from_text(text), "")
        return [self._one(self._from_text(line), "") for line in text.splitlines() if line.strip()]

    def _from_text(self, text: str) -> object:
        stripped = text.strip()
        if self.kind is bool and stripped.lower() in (*_YES, *_NO):
            return stripped.lower() in _YES
        try:
            if self.kind is int:
                return int(stripped)
            if self.kind is float:
                return float(stripped)
        except ValueError:
            pass
        return text

    def _one(self, value: object, folder: str | os.PathLike[str]) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {
            bool: isinstance(value, bool),
            int: number and isinstance(value, int),
            float: number and not (isinstance(value, float) and math.isnan(value)),
            str: isinstance(value, str) or number,
            Path: isinstance(value, str) and value != "" and "\0" not in value,
        }[self.kind]
        if not fits:
            raise ValueError(told(value))
        least, most = (-math.inf if self.least is None else self.least), (math.inf if self.most is None else self.most)
        if (self.choices and str(value) not in self.choices) or (number and not least <= float(str(value)) <= most):
            raise ValueError(told(value))
        if self.kind is Path:
            path = Path(str(value))
            return str(path if path.is_absolute() or not str(folder) else Path(os.path.normpath(folder / path)))
        return str(value) if self.kind is str else value


def told(value: object) -> str:
    """Return a value of TOML in a few words for a message."""
    from debias.words import show

    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {show(value)}" if value else "an empty text"
    if isinstance(value, int | float):
        return f"the number {value!r}"[:60]
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, Mapping) else f"the date or time {value}"


def settings_of_verbs() -> dict[str, Mapping[str, Setting]]:
    """Return what can be set, by verb and key."""
    return {name: settings() for name, settings in VERBS.items()}


def settings_of(options: type, hints: Mapping[str, Any]) -> dict[str, Setting]:
    """Return what can be set of a verb, by key, in the order of its fields.

    Parameters
    ----------
    options : dataclass
        The verb's options. Arguments other than MODEL have no key.
    hints : mapping
        The typer annotation of each field.
    """
    found = [_setting(item, hints[item.name]) for item in dataclasses.fields(options)]
    return {one.key: one for one in found if one is not None}


def _setting(item: dataclasses.Field[Any], hint: Any) -> Setting | None:
    assert get_origin(hint) is Annotated, item.name
    info = next(one for one in hint.__metadata__ if isinstance(one, OptionInfo | ArgumentInfo))
    kind, several, choices = _kind(hint.__origin__)
    flag, key, opposite = f"--{item.name.replace('_', '-')}", item.name, None
    if isinstance(info, ArgumentInfo):
        if info.metavar != "MODEL":
            return None
        flag = "MODEL"
    elif long := [str(one) for one in (info.default, *(info.param_decls or ())) if str(one).startswith("--")]:
        # within Annotated, the first name stands where a default would
        flag, _, no = long[0].partition("/")
        key, opposite = flag[2:].replace("-", "_"), no.lstrip("-").replace("-", "_") or None
    required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    return Setting(
        key=key,
        field=item.name,
        flag=flag,
        kind=kind,
        several=several,
        choices=choices,
        least=info.min,
        most=info.max,
        required=required,
        default=None if required else item.default,
        help=info.help or "",
        opposite=opposite,
    )


def _kind(hint: Any) -> tuple[type[Any], bool, tuple[str, ...]]:
    """Return the kind of a field's values, whether it takes several, and the choices."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    if get_origin(hint) in (list, Sequence):
        kind, _, choices = _kind(get_args(hint)[0])
        return kind, True, choices
    if get_origin(hint) is Literal:
        return str, False, tuple(map(str, get_args(hint)))
    if issubclass(hint, StrEnum):
        return str, False, tuple(one.value for one in hint)
    assert hint in _KINDS, hint
    return hint, False, ()
