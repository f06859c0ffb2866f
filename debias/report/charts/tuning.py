"""The trials of a search: performance against spread over groups, and what was reached by when."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.charts.chart import FULL, Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.looks import Look
from debias.report.charts.svg import Data, Mark
from debias.report.content.thinning import spread
from debias.report.text import amount, count, rate, shortened
from debias.report.values.tuning import Tuning, TuningTrial

MOST = 250
"""Trials that are drawn beside those of the front and the chosen one."""
_STATES = {
    "complete": Look("complete", "series-1", "o", size=6),
    "pruned": Look("ended early", "series-8", "v", hollow=True, size=5.5),
    "diverged": Look("diverged", "warn", "X", size=6.5),
    "failed": Look("failed", "warn", "s", hollow=True, size=6),
}


def tuning_charts(found: Tuning) -> Iterator[Chart]:
    """Yield the trials in the plane of both aims, and their objective in their order."""
    quality, called = (
        ("mse", "mean squared error") if found.task == "regression" else ("balanced_accuracy", "balanced accuracy")
    )
    shown = _shown(found.trials)
    placed = [trial for trial in shown if trial.dispersion is not None and getattr(trial, quality) is not None]
    if len(placed) > 1:
        yield _plane(found, placed, quality, called)
    judged = [trial for trial in shown if trial.objective is not None]
    if len(judged) > 1:
        yield _course(found, judged)


def _shown(trials: list[TuningTrial]) -> list[TuningTrial]:
    """Return the trials to draw, in their order: evenly thinned, the front and the chosen one always."""
    even = set(spread(len(trials), MOST))
    return [trial for place, trial in enumerate(trials) if place in even or trial.front or trial.chosen]


def _plane(found: Tuning, trials: list[TuningTrial], quality: str, called: str) -> Chart:
    def mark(trial: TuningTrial) -> Mark:
        value: float = getattr(trial, quality)
        spread = trial.dispersion or 0.0
        tip = f"trial {count(trial.number)}, {_STATES[trial.state].name}: {called} {rate(value)}, spread {rate(spread)}"
        settings = ", ".join(f"{name} {_set(one)}" for name, one in trial.parameters.items())
        data: Data = {
            "figure": quality,
            "series": _STATES[trial.state].name,
            "x": spread,
            "y": value,
            "trial": trial.number,
        }
        return Mark(spread, value, f"{tip}; {shortened(settings, 160)}" if settings else tip, data)

    states = list(dict.fromkeys(trial.state for trial in trials))
    curves = [
        Curve(_STATES[state], [mark(trial) for trial in trials if trial.state == state], joined=False)
        for state in states
    ]
    front = sorted((trial for trial in trials if trial.front), key=lambda trial: trial.dispersion or 0.0)
    if len(front) > 1:
        line = Look("front", "series-2", "D", size=8)
        curves.append(Curve(line, [mark(trial) for trial in front]))
    best = [trial for trial in trials if trial.chosen]
    plot = LinePlot(
        across="spread over groups (lower is closer)",
        upward=called,
        curves=curves,
        ringed=[mark(trial) for trial in best],
    )
    told = "".join(f" Chosen: {mark(trial).tip}." for trial in best)
    return plot.draw(
        "chart-trials-plane",
        key="trials",
        title=f"Trials: {called} against spread over groups",
        caption="On the validation rows, which chose: optimistic. Ringed: the trial that was chosen. "
        + _thinning(found, trials),
        alt=f"{count(len(trials))} trials, {count(len(front))} on the front.{told}",
        width=FULL,
        height=300,
    )


def _set(value: object) -> str:
    return amount(value) if isinstance(value, float) else str(value)[:40]


def _thinning(found: Tuning, trials: list[TuningTrial]) -> str:
    return f"{count(len(trials))} of {count(len(found.trials))} trials." if len(trials) < len(found.trials) else ""


def _course(found: Tuning, trials: list[TuningTrial]) -> Chart:
    def mark(trial: TuningTrial, value: float, series: str) -> Mark:
        data: Data = {"figure": "objective", "series": series, "x": trial.number, "y": value}
        return Mark(trial.number, value, f"trial {count(trial.number)}: {series} {amount(value)}", data)

    points = [mark(trial, trial.objective, "objective") for trial in trials if trial.objective is not None]
    chosen = [point for point, trial in zip(points, trials, strict=True) if trial.chosen]
    plot = LinePlot(
        across="trial",
        curves=[Curve(Look("trial", "series-1", size=5), points, joined=False)],
        ringed=chosen,
        whole=True,
    )
    return plot.draw(
        "chart-trials-course",
        key="trials",
        title="Objective J, trial by trial",
        caption=f"{shortened(found.measure, 200)} {_thinning(found, trials)}".strip(),
        alt=f"Objective of {count(len(points))} trials"
        + "".join(f"; the chosen one reaches {amount(point.y)}" for point in chosen)
        + ".",
    )
