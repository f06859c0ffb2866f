"""Figures as horizontal bars, one for each name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from debias.report.charts.canvas import AXIS, SMALL, Canvas, above
from debias.report.charts.chart import HALF, Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.scales import across
from debias.report.charts.svg import Data, Mark
from debias.report.charts.widths import LEAST, fitting, width_of

_ROW = 24


@dataclass(frozen=True)
class Kind:
    """What a kind of bar is called, its colour and the hatch that sets it apart in print."""

    name: str
    colour: str
    hatch: str = ""


@dataclass(frozen=True)
class Bar:
    """A name and its figure."""

    name: str
    value: float
    beside: str
    tip: str
    data: Data
    kind: Kind = Kind("", "after")


@dataclass(frozen=True)
class BarPlot:
    """Bars from 0, from top to bottom; kinds are told apart by colour and hatch."""

    axis: str
    bars: Sequence[Bar]
    longest: int = 22

    def draw(self, id: str, *, key: str, title: str, caption: str, alt: str, width: int = HALF) -> Chart:
        """Return the chart, `width` pixels wide."""
        handles = self._handles()
        top = above(handles, width)
        right = 16 + max(width_of(bar.beside, SMALL) for bar in self.bars)
        names = [fitting(bar.name, self.longest, SMALL, width - right - 20 - LEAST) for bar in self.bars]
        left = 20 + max(width_of(name, SMALL) for name in names)
        canvas = Canvas(id, width, top + _ROW * len(self.bars) + AXIS)
        axes = canvas.panel(left, top, right, AXIS)
        high = max(bar.value for bar in self.bars) * 1.04 or 1.0
        across(axes, 0, high, 4)
        axes.set_ylim(len(self.bars) - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xlabel(self.axis, labelpad=4)
        axes.axvline(0, color=stand_in("muted"), linewidth=1)
        a_pixel = high / (width - left - right)
        for at, (bar, name) in enumerate(zip(self.bars, names, strict=True)):
            colour = stand_in(bar.kind.colour)
            look: dict[str, Any] = {
                "facecolor": colour,
                "edgecolor": stand_in("paper"),
                "hatch": bar.kind.hatch,
                "linewidth": 0.5,
            }
            (drawn,) = axes.barh(at, bar.value, height=0.62, **look)
            canvas.shape(drawn, Mark(bar.value, at, bar.tip, bar.data))
            axes.text(-10 * a_pixel, at, name, ha="right", va="center_baseline", fontsize=SMALL)
            beside = high + (right - 4) * a_pixel
            axes.text(beside, at, bar.beside, ha="right", va="center_baseline", fontsize=SMALL)
        canvas.legend(handles)
        return canvas.chart(key, title, caption, alt)

    def _handles(self) -> list[Any]:
        from matplotlib.patches import Patch

        kinds = list(dict.fromkeys(bar.kind for bar in self.bars))
        if len(kinds) == 1:
            return []
        edge = stand_in("paper")
        return [
            Patch(facecolor=stand_in(kind.colour), hatch=kind.hatch, edgecolor=edge, label=kind.name) for kind in kinds
        ]
