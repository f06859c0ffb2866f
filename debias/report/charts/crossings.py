"""Attributes crossed: a cell for each combination of groups, darker where the rate is higher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from debias.report.charts.canvas import SMALL, TINY, Canvas
from debias.report.charts.chart import FULL, HALF, Chart
from debias.report.charts.colours import stand_in
from debias.report.charts.looks import Look
from debias.report.charts.scales import finite
from debias.report.charts.stages import after_look, before_look
from debias.report.charts.svg import Data, Mark
from debias.report.charts.widths import fitting, width_of
from debias.report.content.evidence import FEW
from debias.report.text import amount, count, rate, shortened
from debias.report.values.evidence import CrossedGroup, Crossing
from debias.report.values.figures import GroupFigures
from debias.report.values.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 10
"""Groups to each side that are drawn; of more, those with most rows."""
_NAME, _ROW, _HEAD, _FOOT = 18, 44, 44, 6
_LIGHTEST, _DARKEST = 0.05, 0.5
"""Opacity of the lowest and of the highest rate: letters on it stay legible in both themes."""


_Name: TypeAlias = tuple[str, ...]
_Sides: TypeAlias = tuple[list[_Name], list[_Name], dict[tuple[_Name, _Name], CrossedGroup]]


@dataclass(frozen=True)
class _Stage:
    """One network: how its cells are read and written, and the scale of all networks."""

    after: bool
    look: Look
    field: str
    low: float
    high: float

    def figures(self, cell: CrossedGroup) -> GroupFigures | None:
        return cell.after if self.after else cell.before

    def value(self, cell: CrossedGroup) -> float | None:
        figures = self.figures(cell)
        return None if figures is None else getattr(figures, self.field)

    def opacity(self, value: float | None) -> float:
        share = 0.0 if value is None or self.high <= self.low else (value - self.low) / (self.high - self.low)
        return round(_LIGHTEST + (_DARKEST - _LIGHTEST) * share, 3)

    def written(self, value: float | None) -> str:
        return rate(value) if self.field == "selection_rate" else amount(value)


def crossing_charts(report: Report) -> Iterator[Chart]:
    """Yield a chart for each pair of attributes, before and after."""
    field = "mean_prediction" if report.task == "regression" else "selection_rate"
    for index, crossing in enumerate(report.crossings):
        if len(crossing.attributes) < 2 or not crossing.cells:
            continue
        figures = [one for cell in crossing.cells for one in (cell.before, cell.after) if one is not None]
        known = finite(getattr(one, field) for one in figures)
        low, high = (min(0.0, *known), max(known)) if known else (0.0, 1.0)
        sides = _sides(crossing, {one.name: one.groups for one in report.attributes})
        yield _chart(f"{index + 1}-before", crossing, sides, _Stage(False, before_look(report), field, low, high))
        if any(cell.after is not None for cell in crossing.cells):
            yield _chart(f"{index + 1}-after", crossing, sides, _Stage(True, after_look(report), field, low, high))


def _chart(id: str, crossing: Crossing, sides: _Sides, stage: _Stage) -> Chart:
    down, along, cells = sides
    left = 18 + max(width_of(shortened(_joined(name), _NAME), SMALL) for name in down)
    width = HALF if (HALF - left) / len(along) >= 62 else FULL
    canvas = Canvas(f"chart-crossing-{id}", width, _HEAD + _ROW * len(down) + _FOOT)
    axes = canvas.panel(left, _HEAD, 4, _FOOT)
    axes.set_xlim(0, len(along))
    axes.set_ylim(len(down), 0)
    axes.set_axis_off()
    by = [shortened(name, 20) for name in crossing.attributes]
    canvas.text(width - 4, 10, _joined(by[1:]), ha="right", color=stand_in("muted"), fontsize=TINY)
    canvas.text(left - 10, 10, by[0], ha="right", color=stand_in("muted"), fontsize=TINY)
    wide = (width - left - 4) / len(along)
    for place, name in enumerate(along):
        shown = fitting(_joined(name), _NAME, TINY, wide - 6)
        axes.text(place + 0.5, -8 / _ROW, shown, ha="center", va="bottom", fontsize=TINY)
    for place, name in enumerate(down):
        axes.text(
            -10 / wide, place + 0.5, shortened(_joined(name), _NAME), ha="right", va="center_baseline", fontsize=SMALL
        )
    for (row, first), (column, second) in product(enumerate(down), enumerate(along)):
        _cell(canvas, axes, row, column, cells.get((first, second)), stage)
    what = "Mean prediction" if stage.field == "mean_prediction" else "Selection rate"
    return canvas.chart(
        "crossings",
        f"{what} by {' and '.join(by)}, {stage.look.name}",
        _caption(crossing, len(cells)),
        f"{what} of {count(len(cells))} combinations, {stage.look.name}: {_extremes(list(cells.values()), stage)}.",
    )


def _joined(names: Sequence[str]) -> str:
    return " · ".join(names)


def _extremes(cells: Sequence[CrossedGroup], stage: _Stage) -> str:
    told = sorted(
        (value, shortened(" and ".join(cell.groups), 60)) for cell in cells if (value := stage.value(cell)) is not None
    )
    if not told:
        return "undefined"
    (low, first), (high, last) = told[0], told[-1]
    return f"from {amount(low)} ({first}) to {amount(high)} ({last})"


def _caption(crossing: Crossing, drawn: int) -> str:
    told = [f"Darker is higher. Under each rate its rows; ! has fewer than {FEW}. – has no rows."]
    if drawn < len(crossing.cells):
        told.append(f"{count(drawn)} of {count(len(crossing.cells))} combinations: the groups with most rows.")
    if crossing.unknown:
        told.append(f"{count(crossing.unknown)} rows lack one of the attributes.")
    return " ".join(told)


def _sides(crossing: Crossing, groups: Mapping[str, Sequence[str]]) -> _Sides:
    """Return the groups of the first attribute, those of the others, and the cells of both."""
    rows: dict[_Name, int] = {}
    other: dict[_Name, int] = {}
    cells: dict[tuple[_Name, _Name], CrossedGroup] = {}
    for cell in crossing.cells:
        first, second = (cell.groups[0],), tuple(cell.groups[1:])
        rows[first] = rows.get(first, 0) + cell.before.n
        other[second] = other.get(second, 0) + cell.before.n
        cells[first, second] = cell
    places = [{name: place for place, name in enumerate(groups.get(one, ()))} for one in crossing.attributes]
    down, along = _most(rows, places[:1]), _most(other, places[1:])
    kept = {key: cell for key, cell in cells.items() if key[0] in down and key[1] in along}
    return down, along, kept


def _most(sizes: Mapping[_Name, int], places: Sequence[Mapping[str, int]]) -> list[_Name]:
    """Return those with most rows, in the order of the attributes' groups."""
    chosen = sorted(sizes, key=lambda name: -sizes[name])[:MOST]
    return sorted(chosen, key=lambda name: [at.get(part, len(at)) for part, at in zip(name, places, strict=True)])


def _cell(canvas: Canvas, axes: Axes, row: int, column: int, cell: CrossedGroup | None, stage: _Stage) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    figures = None if cell is None else stage.figures(cell)
    middle: dict[str, Any] = {"ha": "center", "fontsize": SMALL}
    if cell is None or figures is None:
        axes.text(column + 0.5, row + 0.5, "–", va="center", color=stand_in("muted"), **middle)
        return
    value = stage.value(cell)
    tint = (*to_rgb(stand_in("accent")), stage.opacity(value))
    patch = Rectangle((column, row), 1, 1, facecolor=tint, edgecolor=stand_in("paper"), linewidth=2)
    axes.add_artist(patch)  # the axes have their limits
    names = " and ".join(shortened(name, 60) for name in cell.groups)
    tip = f"{names}, {stage.look.name}: {stage.field.replace('_', ' ')} {stage.written(value)}, {count(figures.n)} rows"
    data: Data = {"figure": stage.field, "series": stage.look.name, "x": _joined(cell.groups)[:200], "y": value}
    canvas.shape(patch, Mark(column, row, tip, {**data, "n": figures.n}))
    few = " !" if figures.n < FEW else ""
    shown = f"{value:.3f}" if value is not None and stage.field == "selection_rate" else amount(value)
    axes.text(column + 0.5, row + 0.46, shown, va="bottom", **middle)
    axes.text(column + 0.5, row + 0.58, f"n {count(figures.n)}{few}", va="top", ha="center", fontsize=TINY)
