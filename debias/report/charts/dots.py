"""Figures as dots on a line for each name, several networks side by side, with intervals and a band to meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from debias.report.charts.canvas import SMALL, Canvas
from debias.report.charts.chart import HALF, Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.scales import across, finite, limits
from debias.report.charts.svg import Mark
from debias.report.text import columns, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHAR, _LETTER = 6.9, 26
"""Pixels of a character at most; characters of a name at most."""
_LEGEND, _AXIS = 26, 36


@dataclass(frozen=True)
class Look:
    """How one series looks: by colour and by symbol."""

    name: str
    colour: str
    marker: str = "o"
    hollow: bool = False
    size: float = 7.5

    @property
    def of_points(self) -> dict[str, Any]:
        """What matplotlib's ``plot`` takes for its symbols."""
        colour = stand_in(self.colour)
        face = stand_in("paper") if self.hollow else colour
        return {
            "marker": self.marker,
            "markersize": self.size,
            "markerfacecolor": face,
            "markeredgecolor": colour,
            "markeredgewidth": 1.6,
        }

    def handle(self, **more: Any) -> Any:
        """Return what a legend shows of it."""
        from matplotlib.lines import Line2D

        return Line2D([], [], linestyle=more.pop("linestyle", "none"), label=self.name, **self.of_points, **more)


@dataclass(frozen=True)
class Dot:
    """One figure, with the limits of its interval where it has one."""

    value: float | None
    tip: str
    data: dict[str, str | float | None]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """A name with a dot of each series; None where a series has none."""

    name: str
    dots: Sequence[Dot | None]


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
    band : tuple of float or None
        From where to where a figure is as asked; drawn behind the dots.
    least, most : float or None
        The axis never goes beyond.
    zero : bool
        The axis holds 0, marked by a line.
    written : callable
        Writes a number beside its row, where there are two series at most.
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
    lines: Sequence[tuple[float, str]] = field(default=())

    def draw(self, id: str, *, key: str, title: str, caption: str, alt: str, width: int = HALF) -> Chart:
        """Return the chart, `width` pixels wide."""
        stacked = any(dot is not None and dot.low is not None for row in self.rows for dot in row.dots)
        step = max(26, 12 * len(self.looks) + 8) if stacked else 26
        named = min(_LETTER, max((columns(shortened(row.name, _LETTER)) for row in self.rows), default=0))
        left = 14 + _CHAR * named
        right = 10 if self.written is None else 22 + 6.4 * max(columns(self._beside(row)) for row in self.rows)
        legend = _LEGEND if len(self.looks) > 1 or self.band else 6
        canvas = Canvas(id, width, round(legend + step * len(self.rows) + _AXIS))
        axes = canvas.panel(left, legend, right, _AXIS)
        self._scale(axes)
        self._series(canvas, axes, 12 / step if stacked else 0.0)
        self._names(axes, left, width - right, canvas)
        if legend == _LEGEND:
            canvas.legend(self._handles(), 6)
        return canvas.chart(key, title, caption, alt)

    def _scale(self, axes: Axes) -> None:
        dots = [dot for row in self.rows for dot in row.dots if dot is not None]
        values = finite(number for dot in dots for number in (dot.value, dot.low, dot.high))
        values += [0.0] if self.zero else []
        values += [*(self.band or ()), *(at for at, _ in self.lines)]
        across(axes, *limits(values, least=self.least, most=self.most), 4)
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_xlabel(self.axis, labelpad=4)
        axes.hlines(range(len(self.rows)), *axes.get_xlim(), color=stand_in("grid"), linewidth=1, zorder=0.5)
        if self.band is not None:
            axes.axvspan(*self.band, color=stand_in("band"), alpha=0.14, linewidth=0, zorder=0.2)
            for end in self.band:
                axes.axvline(end, color=stand_in("band"), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.6)
        if self.zero:
            axes.axvline(0, color=stand_in("muted"), linewidth=1, zorder=0.6)
        for at, _ in self.lines:
            axes.axvline(at, color=stand_in("warn"), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.6)

    def _series(self, canvas: Canvas, axes: Axes, apart: float) -> None:
        if len(self.looks) == 2 and not apart:
            self._changes(axes)
        for index, look in enumerate(self.looks):
            shift = apart * (index - (len(self.looks) - 1) / 2)
            placed = [
                (row + shift, dot)
                for row, dots in enumerate(self.rows)
                if (dot := dots.dots[index]) is not None and finite([dot.value])
            ]
            ranged = [(at, dot.low, dot.high) for at, dot in placed if dot.low is not None and dot.high is not None]
            if ranged:
                ys, lows, highs = zip(*ranged, strict=True)
                axes.hlines(ys, lows, highs, color=stand_in(look.colour), linewidth=2.2, zorder=2)
            marks = [Mark(dot.value or 0.0, at, dot.tip, dot.data) for at, dot in placed]
            canvas.points(axes, marks, zorder=3 + index, **look.of_points)

    def _changes(self, axes: Axes) -> None:
        """Join what was to what is."""
        pairs = [(row, finite(dot.value for dot in one.dots if dot is not None)) for row, one in enumerate(self.rows)]
        known = [(row, values) for row, values in pairs if len(values) == 2]
        if known:
            rows = [row for row, _ in known]
            starts, ends = [values[0] for _, values in known], [values[1] for _, values in known]
            axes.hlines(rows, starts, ends, color=stand_in("muted"), linewidth=1.4, zorder=1)

    def _names(self, axes: Axes, left: float, right: float, canvas: Canvas) -> None:
        low, high = axes.get_xlim()
        a_pixel = (high - low) / (right - left)
        for at, row in enumerate(self.rows):
            name = shortened(row.name, _LETTER)
            axes.text(low - 8 * a_pixel, at, name, ha="right", va="center", fontsize=SMALL + 0.5)
            if self.written is not None:
                beside = high + (canvas.width - right - 8) * a_pixel
                axes.text(beside, at, self._beside(row), ha="right", va="center", fontsize=SMALL)

    def _beside(self, row: Row) -> str:
        assert self.written is not None
        return " → ".join(self.written(dot.value if dot is not None else None) for dot in row.dots)

    def _handles(self) -> list[Any]:
        from matplotlib.patches import Patch

        handles = [look.handle() for look in self.looks]
        if self.band is not None and self.band_name:
            handles.append(Patch(facecolor=stand_in("band"), alpha=0.25, linewidth=0, label=self.band_name))
        return handles
