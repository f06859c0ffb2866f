"""How series look: each by its colour and by its symbol, so that neither is needed alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from debias.report.charts.colours import SERIES, stand_in
from debias.report.text import shortened

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
NAME = 30
"""Characters of a series' name at most."""


@dataclass(frozen=True)
class Look:
    """The name, colour variable and symbol of a series.

    Attributes
    ----------
    name : str
        As a legend shows it; of others' text the caller shortens it.
    colour : str
        Name of the variable.
    marker : str
        matplotlib's letter of the symbol.
    hollow : bool
        Only the symbol's outline is coloured.
    size : float
        Of the symbol, in pixels.
    dash : str or tuple
        matplotlib's style of its line.
    """

    name: str
    colour: str
    marker: str = "o"
    hollow: bool = False
    size: float = 7.5
    dash: Any = "solid"

    @property
    def of_points(self) -> dict[str, Any]:
        """What matplotlib's ``plot`` takes for its symbols."""
        colour = stand_in(self.colour)
        return {
            "marker": self.marker,
            "markersize": self.size,
            "markerfacecolor": stand_in("paper") if self.hollow else colour,
            "markeredgecolor": colour if self.hollow else stand_in("paper"),
            "markeredgewidth": 1.7 if self.hollow else 0.8,
        }

    def handle(self, line: bool = False) -> Any:
        """Return what a legend shows of it."""
        from matplotlib.lines import Line2D

        style = {"linestyle": self.dash, "color": stand_in(self.colour), "linewidth": 1.8}
        return Line2D([], [], label=self.name, **(style if line else {"linestyle": "none"}), **self.of_points)


def series(names: list[str]) -> list[Look]:
    """Return a look for each name: all differ by symbol up to 12, by colour up to 8."""
    return [
        Look(
            shortened(name, NAME),
            SERIES[index % len(SERIES)],
            MARKERS[index % len(MARKERS)],
            dash=DASHES[index % len(DASHES)],
        )
        for index, name in enumerate(names)
    ]
