"""Texts of the command line made into values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from debias.errors import Problem, UsageError


def columns(values: Sequence[str] | None) -> list[str] | None:
    """Return column names written with commas; quotes protect a comma, as in CSV."""
    if values is None:
        return None
    names: list[str] = []
    for value in values:
        for row in csv.reader(io.StringIO(value), skipinitialspace=True):
            names += [name for name in row if name]
    return names


def pairs(values: Sequence[str] | None, flag: str, meaning: str) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping; a name may hold an equals sign.

    Raises
    ------
    UsageError
        For each text without an equals sign, without a name or value, and for a name given twice.
    """
    found: dict[str, str] = {}
    problems = []
    for text in values or ():
        name, equals, value = text.rpartition("=")
        if not (equals and name and value):
            problems.append(Problem(f"{text!r} is not of the form {meaning}", flag))
        elif found.setdefault(name, value) != value:
            problems.append(Problem(f"{name!r} is given as {found[name]} and as {value}", flag))
    if problems:
        raise UsageError(problems)
    return found


def beside(model: Path, verb: str) -> Path:
    """Return where a verb writes by default: the model's name with the verb before the ending."""
    return model.with_name(f"{model.stem}.{verb}{model.suffix}")
