"""Figures as dots on a line for each name, several networks side by side, with intervals and a band to meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from debias.report.charts.canvas import AXIS, SMALL, Canvas, above
from debias.report.charts.chart import HALF, Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.looks import Look
from debias.report.charts.scales import across, finite, limits
from debias.report.charts.svg import Data, Mark
from debias.report.charts.widths import LEAST, fitting, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = 24
"""Characters of a row's name at most."""
_ROW, _APART = 26, 12
"""Pixels from row to row, and from dot to dot within one."""


@dataclass(frozen=True)
class Dot:
    """One figure, with the limits of its interval where it has one."""

    value: float | None
    tip: str
    data: Data
    low: float | None = None
    high: float | None = None

    @property
    def ranged(self) -> bool:
        """It has an interval."""
        return self.low is not None and self.high is not None


@dataclass(frozen=True)
class Row:
    """A name with a dot of each series; None where a series has none."""

    name: str
    dots: Sequence[Dot | None]

    @property
    def known(self) -> list[tuple[int, Dot]]:
        """The dots that can be drawn, with the place of their series."""
        return [(at, dot) for at, dot in enumerate(self.dots) if dot is not None and finite([dot.value])]


@dataclass(frozen=True)
class DotPlot:
    """What a dot plot shows, and within which limits.

    Attributes
    ----------
    axis : str
        What the numbers are.
    looks : sequence of Look
        The series, in the order of each row's dots.
    rows : sequence of Row
        From top to bottom.
    band : tuple of float, or None
        From where to where a figure is as asked; drawn behind the dots.
    band_name : str
        What the legend calls it.
    least, most : float or None
        The axis never goes beyond.
    zero : bool
        The axis holds 0, marked by a line.
    written : callable or None
        Writes a number beside its row, where that is of use.
    named : bool
        A legend names the series.
    paired : bool
        Each row has a dot of every series; else it has one of them.
    joined : bool
        A line joins the two dots of a row, where there are no intervals.
    """

    axis: str
    looks: Sequence[Look]
    rows: Sequence[Row]
    band: tuple[float, float] | None = None
    band_name: str = ""
    least: float | None = None
    most: float | None = None
    zero: bool = False
    written: Callable[[float | None], str] | None = None
    named: bool = True
    paired: bool = True
    joined: bool = True

    @property
    def empty(self) -> bool:
        """There is nothing to draw."""
        return not any(row.known for row in self.rows)

    def draw(self, id: str, *, key: str, title: str, caption: str, alt: str, width: int = HALF) -> Chart:
        """Return the chart, `width` pixels wide."""
        apart = _APART if any(dot.ranged for row in self.rows for _, dot in row.known) else 0
        step = max(_ROW, apart * max(len(row.known) for row in self.rows) + 8)
        right = 12 if self.written is None else 20 + max(width_of(self.beside(row), SMALL) for row in self.rows)
        names = [fitting(row.name, NAME, SMALL, width - right - 20 - LEAST) for row in self.rows]
        left = 20 + max(width_of(name, SMALL) for name in names)
        handles = self._handles()
        legend = above(handles, width)
        canvas = Canvas(id, width, round(legend + step * len(self.rows) + AXIS))
        axes = canvas.panel(left, legend, right, AXIS)
        self._scale(axes)
        if self.joined and not apart:
            self._changes(axes)
        self._series(canvas, axes, apart / step)
        self._names(axes, names, left, width - right, canvas)
        canvas.legend(handles)
        return canvas.chart(key, title, caption, alt)

    def _scale(self, axes: Axes) -> None:
        dots = [dot for row in self.rows for _, dot in row.known]
        values = finite(number for dot in dots for number in (dot.value, dot.low, dot.high))
        values += [0.0] if self.zero else []
        values += [*(self.band or ())]
        across(axes, *limits(values, least=self.least, most=self.most), 4)
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xlabel(self.axis, labelpad=4)
        axes.hlines(range(len(self.rows)), *axes.get_xlim(), color=stand_in("grid"), linewidth=1, zorder=0.5)
        if self.band is not None:
            draw_band(axes, self.band, across=True)
        if self.zero:
            axes.axvline(0, color=stand_in("muted"), linewidth=1, zorder=0.6)

    def _changes(self, axes: Axes) -> None:
        """Join what was to what is."""
        pairs = [(at, finite(dot.value for _, dot in row.known)) for at, row in enumerate(self.rows)]
        known = [(at, values) for at, values in pairs if len(values) == 2]
        if known:
            starts, ends = [values[0] for _, values in known], [values[1] for _, values in known]
            axes.hlines([at for at, _ in known], starts, ends, color=stand_in("muted"), linewidth=1.5, zorder=1)

    def _series(self, canvas: Canvas, axes: Axes, apart: float) -> None:
        for index, look in enumerate(self.looks):
            placed: list[tuple[float, Dot]] = []
            for at, row in enumerate(self.rows):
                for place, (series, dot) in enumerate(row.known):
                    if series == index:
                        placed.append((at + apart * (place - (len(row.known) - 1) / 2), dot))
            ranged = [(at, dot.low or 0.0, dot.high or 0.0) for at, dot in placed if dot.ranged]
            if ranged:
                ys, lows, highs = zip(*ranged, strict=True)
                axes.hlines(ys, lows, highs, color=stand_in(look.colour), linewidth=2.4, alpha=0.55, zorder=2)
            marks = [Mark(dot.value or 0.0, at, dot.tip, dot.data) for at, dot in placed]
            canvas.points(axes, marks, zorder=3 + index, **look.of_points)

    def _names(self, axes: Axes, names: Sequence[str], left: float, right: float, canvas: Canvas) -> None:
        low, high = axes.get_xlim()
        a_pixel = (high - low) / (right - left)
        for at, (row, name) in enumerate(zip(self.rows, names, strict=True)):
            axes.text(low - 10 * a_pixel, at, name, ha="right", va="center_baseline", fontsize=SMALL)
            if self.written is not None:
                beside = high + (canvas.width - right - 4) * a_pixel
                axes.text(beside, at, self.beside(row), ha="right", va="center_baseline", fontsize=SMALL)

    def beside(self, row: Row) -> str:
        """Return the numbers of a row as they are written beside it."""
        assert self.written is not None
        shown = [dot for dot in row.dots if dot is not None] if not (self.named and self.paired) else row.dots
        return " → ".join(self.written(dot.value if dot is not None else None) for dot in shown)

    def _handles(self) -> list[Any]:
        handles = [look.handle() for look in self.looks] if self.named and len(self.looks) > 1 else []
        return handles + ([band_handle(self.band_name)] if self.band is not None and self.band_name else [])


def draw_band(axes: Axes, band: tuple[float, float], *, across: bool) -> None:
    """Draw from where to where a figure is as asked, behind all else: on the horizontal axis, or the vertical one."""
    span, edge = (axes.axvspan, axes.axvline) if across else (axes.axhspan, axes.axhline)
    span(*band, color=stand_in("band"), alpha=0.14, linewidth=0, zorder=0.2)
    for end in band:
        edge(end, color=stand_in("band"), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.6)


def band_handle(name: str) -> Any:
    """Return what a legend shows of the band that a figure is asked to be in."""
    from matplotlib.patches import Patch

    return Patch(facecolor=stand_in("band"), alpha=0.3, linewidth=0, label=name)
