"""What the estimated effects of added clusters bring, beside the predictions without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from debias.report.charts.chart import Chart
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look
from debias.report.charts.svg import Data
from debias.report.text import amount, count, rate, shortened, signed, signed_amount
from debias.report.values.adaptation import Adaptation, Prediction, PredictionFigures

MOST = 24
"""Clusters that are drawn."""
_LOOKS: dict[Prediction, Look] = {
    "fixed": Look("fixed effects alone", "before", hollow=True, size=9.5),
    "soft": Look("predicted clusters", "series-4", "s"),
    "estimate": Look("estimated effects", "after", "D"),
}


def adaptation_charts(found: Adaptation) -> Iterator[Chart]:
    """Yield performance and bias of each added cluster, by prediction."""
    sides: list[tuple[str, Sequence[PredictionFigures]]] = [
        (one.name, one.figures) for one in found.clusters[:MOST] if one.figures
    ]
    if len(found.clusters) > 1 and found.figures:
        sides.insert(0, ("all", found.figures))
    regression = found.task == "regression"
    if regression:
        yield from _chart(found, sides, "mse", "mean squared error", lambda one: one.mse, amount)
    else:
        yield from _chart(
            found, sides, "balanced_accuracy", "balanced accuracy", lambda one: one.balanced_accuracy, rate
        )
    for index, attribute in enumerate(found.attributes):

        def bias(one: PredictionFigures, at: int = index) -> float | None:
            return one.biases[at].bias

        of = f" of {shortened(attribute.name, 30)}" if len(found.attributes) > 1 else ""
        written = signed_amount if regression else signed
        yield from _chart(found, sides, "bias", f"bias{of}", bias, written, f"bias-{index + 1}")


def _chart(
    found: Adaptation,
    sides: Sequence[tuple[str, Sequence[PredictionFigures]]],
    field: str,
    called: str,
    value: Callable[[PredictionFigures], float | None],
    written: Callable[[float | None], str],
    id: str = "performance",
) -> Iterator[Chart]:
    used = [kind for kind in _LOOKS if any(one.prediction == kind for _, figures in sides for one in figures)]
    rows = []
    for name, figures in sides:
        by = {one.prediction: one for one in figures}
        dots: list[Dot | None] = []
        for kind in used:
            number = value(by[kind]) if kind in by else None
            tip = f"{shortened(name, 60)}, {_LOOKS[kind].name}: {called} {written(number)}"
            data: Data = {"figure": field, "series": _LOOKS[kind].name, "x": name[:200], "y": number}
            dots.append(None if number is None else Dot(number, tip, data))
        rows.append(Row(name, dots))
    plot = DotPlot(
        axis=called,
        looks=[_LOOKS[kind] for kind in used],
        rows=rows,
        zero=field == "bias",
    )
    if plot.empty:
        return
    caption = f"On {count(found.held)} rows that took no part in the estimates."
    if len(found.clusters) > MOST:
        caption += f" {MOST} of {count(len(found.clusters))} clusters."
    told = [
        f"{shortened(row.name, 40)} "
        + ", ".join(f"{plot.looks[at].name} {written(dot.value)}" for at, dot in row.known)
        for row in rows[:4]
    ]
    title = f"{called[0].upper()}{called[1:]} of the added clusters"
    yield plot.draw(
        f"chart-adaptation-{id}", key="adaptation", title=title, caption=caption, alt=f"{title}: {'; '.join(told)}."
    )
