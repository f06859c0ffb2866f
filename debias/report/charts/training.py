"""The course of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from debias.report.charts.chart import Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.looks import series
from debias.report.charts.svg import Data, Mark
from debias.report.text import amount, count
from debias.report.values.training import TrainingReport

_PLOTS = (
    ("performance", "Performance on the validation rows", ("balanced_accuracy", "r2", "auroc")),
    ("error", "Error on the validation rows", ("mse", "mae")),
    ("dispersion", "Spread over groups on the validation rows", ("dispersion",)),
    ("losses", "Losses", ("loss",)),
    ("adversaries", "Losses of the adversaries", ("",)),
)
_SHORT = {"balanced_accuracy": "bal.acc", "auroc": "AUROC", "r2": "R²", "mse": "MSE", "mae": "MAE"}
_MOST = 6
"""Lines of a plot at most."""


def training_charts(found: TrainingReport) -> Iterator[Chart]:
    """Yield the lines of what a training recorded, by what they are."""
    history = [entry for entry in found.history if isinstance(entry.get("epoch"), int)]
    if len(history) < 2:
        return
    for id, title, starts in _PLOTS:
        names = _names(history, id, starts)
        if names:
            yield _chart(found, history, id, title, names)


def _names(history: Sequence[dict[str, Any]], id: str, starts: Sequence[str]) -> list[str]:
    """Return the entries of the history that a plot shows, those with two numbers or more."""
    names = list(dict.fromkeys(name for entry in history for name in entry))
    adversary = [name for name in names if "adversary" in name]
    chosen = (
        adversary
        if id == "adversaries"
        else [
            name
            for start in starts
            for name in names
            if (name == start or name.startswith(f"{start}_")) and name not in adversary
        ]
    )
    return [name for name in chosen if sum(_number(entry.get(name)) is not None for entry in history) > 1][:_MOST]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _called(name: str, names: Sequence[str]) -> str:
    """Return what a legend calls an entry; of two predictions, the mixed-effects one has no ending of its own."""
    bare = name.removesuffix("_fixed")
    head = ", FE" if bare != name else ", ME" if f"{name}_fixed" in names else ""
    if name.startswith("loss"):
        bare, head = name, ""
    return _SHORT.get(bare, bare.replace("_adversary.", " adversary: ").replace("_", " ")) + head


def _chart(found: TrainingReport, history: Sequence[dict[str, Any]], id: str, title: str, names: list[str]) -> Chart:
    curves = []
    for name, look in zip(names, series([_called(name, names) for name in names]), strict=True):
        marks = []
        for entry in history:
            value = _number(entry.get(name))
            if value is not None:
                data: Data = {"figure": name, "series": look.name, "x": entry["epoch"], "y": value}
                tip = f"epoch {count(entry['epoch'])}: {look.name} {amount(value)}"
                marks.append(Mark(entry["epoch"], value, tip, data))
        curves.append(Curve(look, marks))
    plot = LinePlot(
        across="epoch",
        curves=curves,
        uprights=[(found.best_epoch, f"taken: {count(found.best_epoch)}")],
        whole=True,
    )
    told = "; ".join(
        f"{curve.look.name} {amount(curve.marks[0].y)} at first, {amount(curve.marks[-1].y)} at last"
        for curve in curves
    )
    return plot.draw(
        f"chart-training-{id}",
        key="history",
        title=title if len(names) > 1 else f"{title}: {curves[0].look.name}",
        caption="ME: mixed effects, FE: fixed effects alone." if any(", ME" in one.look.name for one in curves) else "",
        alt=f"{title} over {count(len(history))} epochs: {told}.",
    )
