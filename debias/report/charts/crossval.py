"""Kinds of networks in cross-validation: performance and spread over groups with intervals over folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.report.charts.chart import Chart
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look, series
from debias.report.charts.svg import Data
from debias.report.text import amount, shortened
from debias.report.values.crossval import CrossValidation, Figure, HeadFigures, Model, Rows

_HEADS = {"mixed": ", ME", "fixed": ", FE", "plain": ""}
_WHERE: dict[Rows, str] = {"seen": "seen clusters", "unseen": "unseen clusters"}
_SPREADS = {
    "tpr_sd": "SD of the true positive rate over groups",
    "fpr_sd": "SD of the false positive rate over groups",
    "mse_sd": "SD of the mean squared error over groups",
    "demographic_parity": "Demographic parity: mean pairwise difference",
}
_MOST_ATTRIBUTES = 4


def crossval_charts(found: CrossValidation) -> Iterator[Chart]:
    """Yield performance and spreads, on seen and on unseen clusters."""
    measure, called = (
        ("mse", "Mean squared error") if found.task == "regression" else ("balanced_accuracy", "Balanced accuracy")
    )
    for rows, where in _WHERE.items():
        shown = [(model, item) for model in found.models for item in model.heads if item.rows == rows]
        if not shown:
            continue
        plot = DotPlot(
            axis=called.lower(),
            looks=[Look("network", "after")],
            rows=[
                Row(_name(model, item), [_dot(item.performance.get(measure), measure, _name(model, item), None)])
                for model, item in shown
            ],
            written=_short,
        )
        yield from _drawn(plot, rows, "performance", f"{called}, {where}")
        names = [one.attribute for one in shown[0][1].attributes[:_MOST_ATTRIBUTES]]
        for metric, title in _SPREADS.items():
            yield from _spread(shown, names, metric, f"{title}, {where}", rows)


def _spread(
    shown: Sequence[tuple[Model, HeadFigures]], names: list[str], metric: str, title: str, where: Rows
) -> Iterator[Chart]:
    rows = []
    for model, item in shown:
        own = {one.attribute: one.figures.get(metric) for one in item.attributes}
        rows.append(Row(_name(model, item), [_dot(own.get(name), metric, _name(model, item), name) for name in names]))
    if names:
        plot = DotPlot(
            axis="lower is closer",
            looks=series(names),
            rows=rows,
            least=0.0,
            zero=True,
            written=_short if len(names) == 1 else None,
            joined=False,
        )
        yield from _drawn(plot, where, metric.replace("_", "-"), title)


def _drawn(plot: DotPlot, rows: Rows, id: str, title: str) -> Iterator[Chart]:
    if plot.empty:
        return
    told = []
    for row in plot.rows[:8]:
        several = len(plot.looks) > 1
        values = [
            f"{plot.looks[at].name} {amount(dot.value)}" if several else amount(dot.value) for at, dot in row.known
        ]
        told.append(f"{row.name} {', '.join(values)}")
    yield plot.draw(
        f"chart-crossval-{id}-{rows}",
        key=f"crossval-{rows}",
        title=title,
        caption="Mean over folds with its 95% interval."
        + (" ME: mixed effects, FE: fixed effects alone." if any(", " in row.name for row in plot.rows) else ""),
        alt=f"{title}: {'; '.join(told)}.",
    )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if abs(value) < 100 else amount(value)


def _name(model: Model, item: HeadFigures) -> str:
    return f"{shortened(model.name, 18)}{_HEADS[item.head]}"


def _dot(figure: Figure | None, metric: str, network: str, attribute: str | None) -> Dot | None:
    """Return the mean over folds, or of one fold its value."""
    if figure is None or (figure.mean is None and figure.value is None):
        return None
    value = figure.value if figure.mean is None else figure.mean
    of = f" of {shortened(attribute, 40)}" if attribute is not None else ""
    within = ""
    if figure.low is not None and figure.high is not None:
        within = f", 95% interval {amount(figure.low)} to {amount(figure.high)}"
    tip = f"{network}: {metric.replace('_', ' ')}{of} {amount(value)}{within}; {figure.folds} folds"
    pooled = f", pooled {amount(figure.value)}" if figure.value is not None else ""
    data: Data = {"figure": metric, "series": attribute or "network", "x": network, "y": value}
    return Dot(value, f"{tip}{pooled}", data, figure.low, figure.high)
