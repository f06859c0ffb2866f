"""Names, values and row numbers of a user's file, made safe and short enough for one message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST = 60


def show(value: object) -> str:
    """Return a value in quotes on one line: control characters escaped, long text cut.

    A name of a column may hold anything: newlines, terminal escapes, half a megabyte.
    """
    text = str(value)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: LONGEST + 1])
    if len(text) > LONGEST:
        shown = f"{shown[: LONGEST - 1]}…"
    return f"'{shown}'"


def bare(value: object) -> str:
    """Return what `show` returns, without the quotes: for a name within a sentence or formula."""
    return show(value).strip("'")


def listing(values: Iterable[object], limit: int = 12) -> str:
    """Return values shown and joined by commas, the rest counted."""
    items = list(values)
    text = ", ".join(show(item) for item in items[:limit])
    return f"{text} and {len(items) - limit} more" if len(items) > limit else text


def spot(rows: Iterable[int] | npt.NDArray[np.integer], limit: int = 5, total: int | None = None) -> str:
    """Return ``row 3`` or ``rows 3, 9, 12 and 40 more``; the first row below the header is row 1.

    Of `total` rows `rows` are the first ones that are known; default: all.
    """
    numbers = [int(row) for row in rows]
    text, total = ", ".join(map(str, numbers[:limit])), len(numbers) if total is None else total
    shown = min(len(numbers), limit)
    if total > shown:
        text = f"{text} and {total - shown} more"
    return f"row{'s' if total > 1 else ''} {text}"


def number(value: float) -> str:
    """Return a number as short as it can be read back: 25, 0.5, 1e-07."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e16 else repr(float(value))


def count(n: int, thing: str) -> str:
    """Return ``1 row`` or ``3 rows``."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
