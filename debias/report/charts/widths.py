"""How wide words are at most, so that they have room in whatever font a page has."""

from __future__ import annotations

import unicodedata

from debias.report.text import shortened

_NARROW, _WIDE = frozenset("iljtfrI.,;:'|!()[]{}/\\ -"), frozenset("mwMW@%…")
_MATHS = frozenset("+=<>~^−→±×")

LEAST = 48
"""Pixels that names leave to what is drawn beside them."""


def width_of(text: str, size: float) -> float:
    """Return the pixels that a line of text takes at most, its letters `size` pixels high."""
    return size * sum(map(_em, text))


def fitting(text: str, longest: int, size: float, room: float) -> str:
    """Return text of others cut to `longest` columns, and further where it takes more than `room` pixels."""
    return next(
        (shown for most in range(longest, 2, -1) if width_of(shown := shortened(text, most), size) <= room),
        "…",
    )


def _em(char: str) -> float:
    if char in _WIDE or unicodedata.east_asian_width(char) in "WF":
        return 1.0
    if unicodedata.combining(char):
        return 0.0
    if char in _MATHS or char.isupper():
        return 0.8
    if char in _NARROW:
        return 0.42
    return 0.64 if char.isascii() else 0.75
