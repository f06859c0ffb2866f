"""Figures as lines over steps, epochs or thresholds, or as points in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from debias.report.charts.canvas import AXIS, SMALL, TINY, Canvas, above
from debias.report.charts.chart import HALF, Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.dots import band_handle, draw_band
from debias.report.charts.looks import Look
from debias.report.charts.scales import across, finite, limits, ticks, upward
from debias.report.charts.svg import Mark
from debias.report.charts.widths import width_of
from debias.report.content.thinning import thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_MARKS = 100
"""Places of a line that can be pointed at."""
_DENSE = 40
"""From so many places on, they are not drawn, only pointed at."""
_PLOT, _NAME = 190, 18


@dataclass(frozen=True)
class Curve:
    """Places with what they stand for, in their order; joined by a line or each for itself."""

    look: Look
    marks: Sequence[Mark]
    joined: bool = True


@dataclass(frozen=True)
class LinePlot:
    """What a plot of lines or points shows.

    Attributes
    ----------
    across, upward : str
        What the two axes are; nothing of the second where the title tells it.
    curves : sequence of Curve
    band : tuple of float, or None
        From where to where a figure is as asked.
    band_name : str
    band_across : bool
        The band is of the horizontal axis.
    level : tuple of (float, str), or None
        A height to reach, with its name.
    uprights : sequence of (float, str)
        Vertical lines with their names.
    ringed : sequence of Mark
        Places to stand out.
    zero : bool
        The vertical axis holds 0, marked by a line.
    least, most : float or None
        The vertical axis never goes beyond.
    whole : bool
        The horizontal axis counts: its ticks are whole numbers.
    legend : sequence, or None
        Handles of the series; None takes those of the curves.
    ranges : sequence of (float, float, float)
        Upright intervals: place, lower and upper limit.
    """

    across: str
    curves: Sequence[Curve]
    upward: str = ""
    band: tuple[float, float] | None = None
    band_name: str = ""
    band_across: bool = False
    level: tuple[float, str] | None = None
    uprights: Sequence[tuple[float, str]] = ()
    ringed: Sequence[Mark] = ()
    zero: bool = False
    least: float | None = None
    most: float | None = None
    whole: bool = False
    legend: Sequence[Any] | None = None
    ranges: Sequence[tuple[float, float, float]] = ()

    def draw(
        self, id: str, *, key: str, title: str, caption: str, alt: str, width: int = HALF, height: int = _PLOT
    ) -> Chart:
        """Return the chart: `width` pixels wide, its plot `height` high."""
        handles = self._handles()
        top = above(handles, width) + (_NAME if self.upward or self.uprights else 0)
        low, high = self._upward_limits()
        left = 16 + max(width_of(label, TINY) for label in ticks(low, high)[1])
        canvas = Canvas(id, width, round(top + height + AXIS))
        axes = canvas.panel(left, top, 16, AXIS)
        self._across(axes)
        upward(axes, low, high)
        axes.spines["bottom"].set_color(stand_in("muted"))
        axes.set_xlabel(self.across, labelpad=4)
        if self.upward:
            canvas.text(4, top - _NAME / 2 - 3, self.upward, color=stand_in("muted"), fontsize=TINY)
        self._marked(axes)
        for curve in self.curves:
            self._curve(canvas, axes, curve)
        ring = {"marker": "o", "markersize": 15, "markerfacecolor": "none", "markeredgecolor": stand_in("ink")}
        canvas.points(axes, self.ringed, zorder=9, markeredgewidth=1.8, **ring)
        canvas.legend(handles)
        return canvas.chart(key, title, caption, alt)

    def _upward_limits(self) -> tuple[float, float]:
        values = finite(mark.y for curve in self.curves for mark in curve.marks)
        values += [0.0] if self.zero else []
        values += [limit for _, *both in self.ranges for limit in both]
        values += [*self.band] if self.band is not None and not self.band_across else []
        values += [self.level[0]] if self.level is not None else []
        return limits(values, least=self.least, most=self.most)

    def _across(self, axes: Axes) -> None:
        values = finite(mark.x for curve in self.curves for mark in curve.marks)
        values += [at for at, _ in self.uprights]
        values += [*self.band] if self.band is not None and self.band_across else []
        low, high = limits(values)
        if self.whole:
            low, high = min(values) - 0.02 * (high - low), max(values) + 0.02 * (high - low)
        across(axes, low, high, whole=self.whole)

    def _marked(self, axes: Axes) -> None:
        """Draw what lies behind the lines."""
        if self.band is not None:
            draw_band(axes, self.band, across=self.band_across)
        if self.zero:
            axes.axhline(0, color=stand_in("muted"), linewidth=1, zorder=0.6)
        if self.level is not None:
            axes.axhline(self.level[0], color=stand_in("warn"), linewidth=1.2, linestyle=(0, (4, 3)), zorder=0.6)
        if self.ranges:
            axes.vlines(*zip(*self.ranges, strict=True), color=stand_in("muted"), linewidth=1.2, alpha=0.5, zorder=1)
        low, high = axes.get_xlim()
        for at, name in self.uprights:
            axes.axvline(at, color=stand_in("ink"), linewidth=1, linestyle=(0, (2, 2)), zorder=0.7)
            near = at > (low + high) / 2
            words = f"{name} " if near else f" {name}"
            place: dict[str, Any] = {"ha": "right" if near else "left", "va": "bottom", "fontsize": SMALL}
            axes.text(at, 1.0, words, transform=axes.get_xaxis_transform(), **place)

    def _curve(self, canvas: Canvas, axes: Axes, curve: Curve) -> None:
        known = [mark for mark in curve.marks if len(finite([mark.x, mark.y])) == 2]
        look = curve.look
        if curve.joined:
            xs, ys = [mark.x for mark in known], [mark.y for mark in known]
            axes.plot(xs, ys, color=stand_in(look.colour), linewidth=1.8, linestyle=look.dash, zorder=2)
            known = thinned(known, MOST_MARKS)
        symbol = look.of_points
        if curve.joined and len(known) > _DENSE:
            symbol = {"marker": "o", "markersize": 9, "markerfacecolor": (0, 0, 0, 0), "markeredgecolor": "none"}
        canvas.points(axes, known, zorder=3, **symbol)

    def _handles(self) -> list[Any]:
        from matplotlib.lines import Line2D

        handles = list(self.legend or ())
        if self.legend is None and len(self.curves) > 1:
            handles = [curve.look.handle(line=curve.joined) for curve in self.curves]
        if self.band is not None and self.band_name:
            handles.append(band_handle(self.band_name))
        if self.level is not None:
            dashes: dict[str, Any] = {"color": stand_in("warn"), "linewidth": 1.2, "linestyle": (0, (4, 3))}
            handles.append(Line2D([], [], label=self.level[1], **dashes))
        return handles
