"""Ticks of an axis and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def finite(values: Iterable[float | None]) -> list[float]:
    """Return the numbers that can be drawn."""
    return [value for value in values if value is not None and math.isfinite(value)]


def limits(
    values: Iterable[float | None], *, least: float | None = None, most: float | None = None
) -> tuple[float, float]:
    """Return where an axis starts and ends so that all `values` have room; never beyond `least` and `most`."""
    known = finite(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.06 * abs(high) or 0.5
    low, high = low - room, high + room
    if least is not None:
        low = max(low, least)
    if most is not None:
        high = min(high, most)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def brief(value: float | None) -> str:
    """Return a rate with three decimals, or ``–`` where it is undefined."""
    return "–" if value is None else f"{value:.3f}"


def ticks(low: float, high: float, most: int = 5, whole: bool = False) -> tuple[list[float], list[str]]:
    """Return round numbers between the limits with their labels, of as many decimals as they need."""
    from matplotlib.ticker import MaxNLocator

    steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
    found = [float(one) for one in MaxNLocator(most, steps=steps, integer=whole).tick_values(low, high)]
    slack = 1e-9 * (high - low)
    found = [0.0 if abs(one) < slack else one for one in found if low - slack <= one <= high + slack]
    if any(one and not 1e-4 <= abs(one) < 1e5 for one in found):
        return found, [f"{one:.3g}".replace("-", "−") for one in found]
    step = min((after - before for before, after in pairwise(found)), default=1.0)
    decimals = next((digits for digits in range(9) if abs(step * 10**digits - round(step * 10**digits)) < 1e-6), 9)
    return found, [f"{one:.{decimals}f}".replace("-", "−") for one in found]


def across(axes: Axes, low: float, high: float, most: int = 5, whole: bool = False) -> None:
    """Give the horizontal axis its limits, ticks and grid."""
    axes.set_xlim(low, high)
    axes.set_xticks(*ticks(low, high, most, whole))
    axes.grid(True, axis="x", clip_on=False)


def upward(axes: Axes, low: float, high: float, most: int = 5) -> None:
    """Give the vertical axis its limits, ticks and grid."""
    axes.set_ylim(low, high)
    axes.set_yticks(*ticks(low, high, most))
    axes.grid(True, axis="y", clip_on=False)
