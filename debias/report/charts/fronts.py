"""Methods side by side: their fronts on the rows that chose, and what each does on the verdict rows."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.charts.chart import FULL, Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look, series
from debias.report.charts.stages import bound
from debias.report.charts.svg import Data, Mark
from debias.report.text import count, rate, shortened, signed, signed_amount
from debias.report.values.comparison import Candidate, Comparison, FrontPoint
from debias.report.values.figures import Parity

_MOST = 60
"""Steps of a method that are drawn, beside the operating point it returned."""
_VERDICTS = {
    "pass": Look("bound met", "after"),
    "fail": Look("not met", "warn", "X", size=8.5),
    "unsure": Look("unsure", "warn", "X", hollow=True, size=8.5),
    "inconclusive": Look("inconclusive", "before", "D", hollow=True, size=7),
    "no-bound": Look("no bound asked", "series-8", "s"),
}


def front_charts(found: Comparison) -> Iterator[Chart]:
    """Yield the front, then bias and performance of the methods on the verdict rows."""
    if found.front:
        yield _front(found)
    told = [candidate for candidate in found.candidates if candidate.after is not None]
    if told:
        yield from _candidates(found, told)


def _front(found: Comparison) -> Chart:
    regression = found.report.task == "regression"
    quality = "R²" if regression else "balanced accuracy"
    methods = list(dict.fromkeys(point.method for point in found.front))
    looks = dict(zip(methods, series(methods), strict=True))
    curves = []
    for method in methods:
        own = [point for point in found.front if point.method == method]
        steps = [point for point in own if not point.chosen]
        steps = steps[:: -(-len(steps) // _MOST)] if steps else []
        look = looks[method]
        marks = [_mark(point, look.name, quality, regression) for point in steps]
        small = Look(look.name, look.colour, look.marker, size=4.5)
        curves.append(Curve(small, marks, joined=False))
    returned = [point for point in found.front if point.chosen]
    for point in returned:
        look = looks[point.method]
        large = Look(look.name, look.colour, look.marker, size=11)
        curves.append(Curve(large, [_mark(point, look.name, quality, regression)], joined=False))
    winner = [
        _mark(point, looks[point.method].name, quality, regression)
        for point in returned
        if found.winner == point.method
    ]
    band, name = bound(found.report)
    plot = LinePlot(
        across="|bias|",
        upward=quality,
        curves=curves,
        band=(0.0, band[1]) if band else None,
        band_name=name,
        band_across=True,
        ringed=winner,
        legend=[looks[method].handle() for method in methods],
    )
    points = "; ".join(
        f"{looks[point.method].name} {quality} {rate(point.quality)} at bias {signed(point.bias)}"
        for point in returned[:12]
    )
    return plot.draw(
        "chart-front",
        key="front",
        title="Performance against bias, method by method",
        caption="On the rows that chose, which makes all of them optimistic. Large: what a method returned; ringed: "
        "the one that was chosen; small: steps that no other step of the method beats in both.",
        alt=f"Operating points: {points}. {shortened(found.winner, 30)} was chosen.",
        width=FULL,
        height=330,
    )


def _mark(point: FrontPoint, name: str, quality: str, regression: bool) -> Mark:
    bias = (signed_amount if regression else signed)(point.bias)
    what = "returned" if point.chosen else f"step {count(point.step)}"
    field = "r2" if point.balanced_accuracy is None else "balanced_accuracy"
    data: Data = {"figure": field, "series": name, "x": abs(point.bias), "y": point.quality}
    return Mark(abs(point.bias), point.quality, f"{name}, {what}: {quality} {rate(point.quality)}, bias {bias}", data)


def _verdict(candidate: Candidate) -> str:
    return "unsure" if candidate.only_there else candidate.verdict or "no-bound"


def _candidates(found: Comparison, told: list[Candidate]) -> Iterator[Chart]:
    regression = found.report.task == "regression"
    written = signed_amount if regression else signed
    verdicts = list(dict.fromkeys(map(_verdict, told)))
    looks = [_VERDICTS[verdict] for verdict in verdicts]
    band, name = bound(found.report)
    biases, qualities = [], []
    for candidate in told:
        assert candidate.after is not None
        place = verdicts.index(_verdict(candidate))
        parity = _worst(candidate)
        called = shortened(candidate.method, 30)
        row = f"{called} (chosen)" if candidate.winner else called
        low, high = (parity.interval.low, parity.interval.high) if parity and parity.interval else (None, None)
        within = f", interval {written(low)} to {written(high)}" if low is not None else ""
        bias = candidate.after.bias
        tip = f"{called}: bias {written(bias)}{within}; {looks[place].name}"
        data = {"figure": "bias", "series": called, "x": called, "y": bias}
        biases.append(_row(row, place, len(looks), Dot(bias, tip, data, low, high)))
        quality = candidate.after.quality
        field = "r2" if regression else "balanced_accuracy"
        tip = f"{called}: {field.replace('_', ' ')} {rate(quality)}; {looks[place].name}"
        data = {"figure": field, "series": called, "x": called, "y": quality}
        qualities.append(_row(row, place, len(looks), Dot(quality, tip, data)))
    for id, axis, rows, banded in (
        ("bias", "bias", biases, True),
        ("performance", "R²" if regression else "balanced accuracy", qualities, False),
    ):
        plot = DotPlot(
            axis=axis,
            looks=looks,
            rows=rows,
            band=band if banded else None,
            band_name=name if banded else "",
            zero=banded,
            written=written if banded else rate,
            paired=False,
        )
        if not plot.empty:
            words = "; ".join(f"{row.name} {plot.beside(row)}" for row in rows[:12])
            yield plot.draw(
                f"chart-methods-{id}",
                key="methods",
                title=f"{axis[0].upper()}{axis[1:]} on the verdict rows",
                caption="Rows that took no part in the choice of the method."
                if not found.report.optimistic
                else "The verdict rows took part in the choice: optimistic.",
                alt=f"{axis[0].upper()}{axis[1:]} on the verdict rows: {words}.",
            )


def _row(name: str, place: int, places: int, dot: Dot) -> Row:
    dots: list[Dot | None] = [None] * places
    dots[place] = dot
    return Row(name, dots)


def _worst(candidate: Candidate) -> Parity | None:
    """Return the attribute whose bias is told."""
    assert candidate.after is not None
    own = [parity for parity in candidate.after.parities if parity.bias == candidate.after.bias]
    return own[0] if own else None
