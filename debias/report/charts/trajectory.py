"""How a repair got there: bias and performance step by step on the selection rows (the paper's Figure 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from debias.report.charts.chart import Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.looks import Look
from debias.report.charts.stages import bound
from debias.report.charts.svg import Data, Mark
from debias.report.text import count, rate, signed, signed_amount
from debias.report.values.report import Report, TrajectoryStep

_APART = ("perturb", "random", "eqodds", "roc")
"""Methods whose steps do not follow from each other: no line joins them."""


def trajectory_charts(report: Report) -> Iterator[Chart]:
    """Yield the course of the bias and that of the performance, where there are two steps or more."""
    if report.change is None or len(report.trajectory) < 2:
        return
    regression = report.task == "regression"
    quality, called = ("r2", "R²") if regression else ("balanced_accuracy", "balanced accuracy")
    written = signed_amount if regression else signed
    for field, name, told in (("bias", "bias", written), (quality, called, rate)):
        yield from _course(report, field, name, told)


def _course(report: Report, field: str, name: str, written: Callable[[float | None], str]) -> Iterator[Chart]:
    assert report.change is not None
    chosen = report.change.chosen_step
    marks = [_mark(step, field, name, written) for step in report.trajectory if getattr(step, field) is not None]
    if len(marks) < 2:
        return
    at_choice = [mark for mark in marks if mark.x == chosen]
    band, band_name = bound(report) if field == "bias" else (None, "")
    least = report.min_performance if field != "bias" else None
    apart = report.change.method in _APART
    look = Look(name, "after", size=4.5 if apart else 6)
    plot = LinePlot(
        across="step",
        curves=[Curve(look, marks, joined=not apart)],
        band=band,
        band_name=band_name,
        level=(least, f"least asked: {least:g}") if least is not None else None,
        uprights=[(chosen, f"chosen: {count(chosen)}")],
        ringed=at_choice,
        zero=field == "bias",
        whole=True,
    )
    start, end = marks[0], at_choice[0] if at_choice else marks[-1]
    which = ", which was chosen" if at_choice else f"; step {count(chosen)} was chosen"
    yield plot.draw(
        f"chart-trajectory-{'bias' if field == 'bias' else 'performance'}",
        key="trajectory",
        title=f"{name[0].upper()}{name[1:]} by step",
        caption="On the selection rows, each step at its cut of best balanced accuracy; the chosen step is ringed."
        if report.task == "classification"
        else "On the selection rows; the chosen step is ringed.",
        alt=f"{name[0].upper()}{name[1:]} over {count(len(marks))} steps: {written(start.y)} at step {start.x:.0f}, "
        f"{written(end.y)} at step {end.x:.0f}{which}.",
    )


def _mark(step: TrajectoryStep, field: str, name: str, written: Callable[[float | None], str]) -> Mark:
    value: float = getattr(step, field)
    data: Data = {"figure": field, "series": "trajectory", "x": step.step, "y": value}
    return Mark(step.step, value, f"step {count(step.step)}: {name} {written(value)}", data)
