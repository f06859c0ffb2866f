"""How what was asked is written as a command that repeats it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from typing import Any

REPEATED = ("attr", "bins", "privileged", "view")
"""Flags that take one text each time."""


def operand(path: str | os.PathLike[str]) -> str:
    """Return a file as it is named without a flag: one that starts with a dash would be read as a flag."""
    text = str(path)
    return f"./{text}" if text.startswith("-") and text != "-" else text


def flag_parts(name: str, value: Any) -> list[str]:
    """Return how a value is written on the command line, under the flag of a field's name."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag] if value else [f"--no-{name}"] if name in {"pool", "stream"} else []
    if value is None or value == ():
        return []
    if name in REPEATED:
        return [part for text in value for part in (flag, text)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        line = io.StringIO()
        # The command line strips blanks round a name that is not quoted.
        blanks = any(str(item) != str(item).strip() for item in value)
        csv.writer(line, lineterminator="", quoting=csv.QUOTE_ALL if blanks else csv.QUOTE_MINIMAL).writerow(value)
        return [flag, line.getvalue()]
    return [flag, str(value)]
