"""Text of others (column names, group names, paths) made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

# Joiners that some scripts and emoji need; everything else that cannot be printed is shown escaped.
_HARMLESS = {"\u200c", "\u200d", "\u00a0", "\u3000"}


def visible(text: str, keep_newlines: bool = False) -> str:
    """Return `text` with control, direction and unpaired surrogate characters shown as escapes.

    Parameters
    ----------
    text : str
        Any text.
    keep_newlines : bool
        Leave line feeds as they are.

    Returns
    -------
    str
        Text that cannot move the cursor, start a new line or turn the reading direction.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char in _HARMLESS or (keep_newlines and char == "\n")
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


class Told(str):
    """A number as a reader sees it, with the number itself for writers that keep it (`value`)."""

    __slots__ = ("value",)
    value: float

    def __new__(cls, text: str, value: float) -> Told:
        """Make the text of a number."""
        made = super().__new__(cls, text)
        made.value = value
        return made


def shortened(text: str, longest: int) -> str:
    """Return text of others on one line, cut in the middle where it takes more than `longest` columns.

    Both ends stay: columns of one category differ at the end.
    """
    if len(text) > 8 * longest:  # what lies between takes no part, however long it is
        text = f"{text[: 4 * longest]}{text[-4 * longest :]}"
    text = visible(text).strip() or "(blank)"
    if columns(text) <= longest:
        return text
    front, back = _ahead(text, longest // 2), _ahead(text[::-1], longest - 1 - longest // 2)[::-1]
    return f"{front}…{back}"


def clipped(text: str, longest: int) -> str:
    """Return text with its end cut off where it has more than `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def columns(text: str) -> int:
    """Return the columns that a text takes where letters are of one width: wide ones take two."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _ahead(text: str, most: int) -> str:
    taken = ""
    for char in text:
        most -= _columns(char)
        if most < 0:
            break
        taken += char
    return taken


def rate(value: float | None) -> str:
    """Return a rate with four decimals, or ``–`` where it is undefined."""
    return "–" if value is None else Told(f"{value:.4f}", value)


def between(limits: tuple[float, float] | None) -> str:
    """Return the limits of a rate with four decimals, or ``–`` where it is undefined."""
    return "–" if limits is None else f"{limits[0]:.4f} to {limits[1]:.4f}"


def signed(value: float | None) -> str:
    """Return a difference with its sign and four decimals, or ``–`` where it is undefined."""
    return "–" if value is None else Told(f"{value:+.4f}".replace("-", "−"), value)


def percent(share: float) -> str:
    """Return a share as ``95%``, with at most four digits."""
    return f"{100 * share:.4g}%"


def bracketed(low: float, high: float, show: Callable[[float], str]) -> str:
    """Return the limits of an interval as ``[−0.12, +0.03]``."""
    return f"[{show(low)}, {show(high)}]"


def amount(value: float | None) -> str:
    """Return a number in units of a target with four significant digits, or ``–`` where it is undefined."""
    return "–" if value is None else Told(f"{value:.4g}".replace("-", "−"), value)


def signed_amount(value: float | None) -> str:
    """Return `amount` with its sign, as ``−0.12``."""
    return "–" if value is None else Told(f"{value:+.4g}".replace("-", "−"), value)


def count(value: int) -> str:
    """Return a number of rows with thousands separated."""
    return Told(f"{value:,}", value)


def size(value: int) -> str:
    """Return a number of bytes as a reader says it (powers of 1024)."""
    amount = float(value)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{value:,} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def ranges(numbers: list[int]) -> str:
    """Return sorted integers with runs of three or more joined: ``0-3, 7, 9``."""
    ordered = sorted(set(numbers))
    parts: list[str] = []
    start = 0
    for index, number in enumerate(ordered):
        if index + 1 < len(ordered) and ordered[index + 1] == number + 1:
            continue
        run = ordered[start : index + 1]
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(one) for one in run]
        start = index + 1
    return ", ".join(parts)
