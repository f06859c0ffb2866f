"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from debias.errors import Problem, UsageError

_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}
_UNITS |= {f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", 1)}
_UNITS |= {letter: 1024**power for power, letter in enumerate("KMGT", 1)}


def bytes_of(text: str | int, flag: str = "--memory") -> int:
    """Return the bytes that a text as ``2GiB``, ``500MB`` or ``2G`` tells.

    Raises
    ------
    UsageError
        It is no amount.
    """
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{0,3})", str(text).strip())
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None or not float(found[1]) * unit >= 1:
        raise UsageError(Problem(f"{str(text)[:60]!r} is no amount of memory", flag, "Give one such as 2GiB or 500MB."))
    return int(float(found[1]) * unit)
