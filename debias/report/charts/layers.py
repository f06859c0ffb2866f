"""What became of the network, layer by layer: units taken out, and how far the weights moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from debias.report.charts.bars import Bar, BarPlot
from debias.report.charts.canvas import SMALL, Canvas, above
from debias.report.charts.chart import FULL, HALF, Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.svg import Data, Mark
from debias.report.charts.widths import LEAST, fitting, width_of
from debias.report.text import amount, count, ranges, shortened
from debias.report.values.evidence import LayerChange
from debias.report.values.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

MOST = 40
"""Layers that are drawn; of more, those that changed most."""
_NAME, _ROW, _CELL = 22, 26, 14
_WIDE = 48
"""From so many units in a layer on, the chart takes a row of its own."""


def layer_charts(report: Report) -> Iterator[Chart]:
    """Yield the units with those that were pruned, and the change of each layer's weights."""
    pruned = [layer for layer in report.layers if layer.pruned]
    if pruned:
        shown = [layer for layer in report.layers if layer.kind == "dense" and not layer.output] or pruned
        yield _units(_chosen(shown, [len(layer.pruned) / layer.units for layer in shown]), report.layers)
    changed = [layer for layer in report.layers if layer.relative is not None]
    if any(layer.relative for layer in changed):
        yield _weights(_chosen(changed, [layer.relative or 0.0 for layer in changed]), report.layers)


def _chosen(layers: Sequence[LayerChange], sizes: Sequence[float]) -> list[LayerChange]:
    """Return the layers of the largest sizes, in their order."""
    order = sorted(range(len(layers)), key=lambda at: -sizes[at])[:MOST]
    return [layers[at] for at in sorted(order)]


def _caption(shown: Sequence[LayerChange], every: Sequence[LayerChange]) -> str:
    if len(shown) == MOST < len(every):
        return f"{MOST} of {count(len(every))} layers: those that changed most."
    return ""


def _units(layers: Sequence[LayerChange], every: Sequence[LayerChange]) -> Chart:
    width = FULL if max(layer.units for layer in layers) > _WIDE else HALF
    beside = [f"{count(len(layer.pruned))} of {count(layer.units)}" for layer in layers]
    right = 16 + max(width_of(one, SMALL) for one in beside)
    names = [fitting(layer.layer, _NAME, SMALL, width - right - 20 - LEAST) for layer in layers]
    left = 20 + max(width_of(name, SMALL) for name in names)
    handles = _handles()
    top = above(handles, width)
    canvas = Canvas("chart-layers-units", width, top + _ROW * len(layers) + 6)
    axes = canvas.panel(left, top, right, 6)
    room = width - left - right
    axes.set_xlim(0, room)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_axis_off()
    cell = min(_CELL, room / max(layer.units for layer in layers))
    for at, layer in enumerate(layers):
        _strip(canvas, axes, at, layer, cell)
        axes.text(-10, at, names[at], ha="right", va="center_baseline", fontsize=SMALL)
        axes.text(room + right - 4, at, beside[at], ha="right", va="center_baseline", fontsize=SMALL)
    canvas.legend(handles)
    total = sum(len(layer.pruned) for layer in every)
    told = ", ".join(f"{shortened(layer.layer, 40)} {said}" for layer, said in zip(layers[:8], beside, strict=False))
    return canvas.chart(
        "layers",
        "Units taken out, layer by layer",
        " ".join(["Each cell is a unit, in the order of the layer.", _caption(layers, every)]).strip(),
        f"{count(total)} units were taken out: {told}{', and more' if len(layers) > 8 else ''}.",
    )


def _strip(canvas: Canvas, axes: Axes, at: int, layer: LayerChange, cell: float) -> None:
    """Draw the units of a layer as cells of two shapes, however many: those left, and those taken out."""
    from matplotlib.patches import PathPatch

    gap = 1.5 if cell >= 5 else 0.0  # narrower cells run together, those left behind those taken out
    out = set(layer.pruned)
    left = [unit for unit in range(layer.units) if unit not in out]
    name, of = shortened(layer.layer, 60), count(layer.units)
    sides = (
        ("kept", left, "after", 0.45, 0.22, f"{name}: {count(len(left))} of {of} units left"),
        (
            "pruned",
            sorted(out),
            "warn",
            1.0,
            0.4,
            f"{name}: {count(len(out))} of {of} units taken out ({_listed(out)})",
        ),
    )
    for series, units, colour, opacity, high, tip in sides:
        if units:
            path = _cells(units if gap or series == "pruned" else range(layer.units), cell, gap, at, high)
            patch = PathPatch(path, facecolor=stand_in(colour), linewidth=0, alpha=opacity)
            axes.add_artist(patch)  # the axes have their limits
            data: Data = {"figure": "pruned", "series": series, "x": layer.layer[:200], "y": len(units)}
            canvas.shape(patch, Mark(0, at, tip, data))


def _listed(units: set[int]) -> str:
    return shortened(ranges(sorted(units)), 160)


def _cells(units: Sequence[int], cell: float, gap: float, at: int, high: float) -> Path:
    """Return a rectangle for each unit; without gaps, one for each run of neighbours."""
    from matplotlib.path import Path

    runs = [(unit, unit) for unit in units]
    if not gap:
        ends = [place for place, unit in enumerate(units) if place + 1 == len(units) or units[place + 1] != unit + 1]
        starts = [0, *(end + 1 for end in ends[:-1])]
        runs = [(units[start], units[end]) for start, end in zip(starts, ends, strict=True)]
    corners: list[tuple[float, float]] = []
    for first, last in runs:
        start, end = first * cell, max((last + 1) * cell - gap, first * cell + 1.0)
        corners += [(start, at - high), (end, at - high), (end, at + high), (start, at + high), (start, at - high)]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(runs)
    return Path(corners, codes)


def _handles() -> list[object]:
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=stand_in("after"), alpha=0.45, linewidth=0, label="left"),
        Patch(facecolor=stand_in("warn"), linewidth=0, label="taken out"),
    ]


def _weights(layers: Sequence[LayerChange], every: Sequence[LayerChange]) -> Chart:
    bars = []
    for layer in layers:
        name = shortened(layer.layer, 60)
        tip = (
            f"{name}: {count(layer.changed)} of {count(layer.weights)} numbers changed, by {amount(layer.relative)} of "
        )
        tip += f"the layer's norm; the largest change is {amount(layer.largest)}"
        data: Data = {"figure": "relative", "series": "weights", "x": layer.layer[:200], "y": layer.relative}
        bars.append(Bar(layer.layer, layer.relative or 0.0, amount(layer.relative), tip, data))
    told = ", ".join(f"{shortened(bar.name, 40)} {bar.beside}" for bar in bars[:8])
    return BarPlot("size of the change / size of the weights", bars).draw(
        "chart-layers-weights",
        key="layers",
        title="Change of the weights, layer by layer",
        caption=" ".join(
            ["Euclidean norm of the change divided by that of the layer before.", _caption(layers, every)]
        ).strip(),
        alt=f"Relative change of the weights: {told}{', and more' if len(bars) > 8 else ''}.",
    )
