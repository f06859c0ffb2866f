"""How near the models of a fleet come to their bounds: all of them in order, and the nearest by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.report.charts.chart import FULL, Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look
from debias.report.charts.svg import Data, Mark
from debias.report.content.fleet import outcome, reach, told_bias
from debias.report.content.thinning import spread
from debias.report.findings.fleet import OUTCOMES
from debias.report.text import count, shortened
from debias.report.values.fleet import Fleet, FleetRow

MOST_MARKS, MOST_ROWS = 240, 20
_LOOKS = {
    "pass": Look(OUTCOMES["pass"], "band", "o", size=6),
    "inconclusive": Look(OUTCOMES["inconclusive"], "before", "D", hollow=True, size=6),
    "fail": Look(OUTCOMES["fail"], "warn", "X", size=7),
}
_BAND = "within the bound"


def fleet_charts(found: Fleet) -> Iterator[Chart]:
    """Yield the charts, where two models or more have a bias and a bound."""
    known = [(value, row) for row in found.rows if (value := reach(row)) is not None and outcome(row) in _LOOKS]
    if len(known) < 2:
        return
    known.sort(key=lambda one: one[0])
    yield _ranked(known)
    yield _nearest(known)


def _ranked(known: Sequence[tuple[float, FleetRow]]) -> Chart:
    """Return all models from the smallest to the largest bias, in units of their bounds."""
    beyond = sum(value >= 1 for value, _ in known)
    kept = spread(len(known), MOST_MARKS, [len(known) - beyond - 1, len(known) - beyond])
    curves = []
    for name, look in _LOOKS.items():
        places = [place for place in kept if outcome(known[place][1]) == name]
        if places:
            curves.append(Curve(look, [_ranked_mark(place, *known[place]) for place in places], joined=False))
    told = f"{count(beyond)} of {count(len(known))} have a bias of their bound or more"
    shown = "" if len(kept) == len(known) else f" {count(len(kept))} of {count(len(known))} are drawn."
    return LinePlot(
        across="models and attributes, in order of |bias|/bound",
        curves=curves,
        upward="|bias|/bound",
        band=(0.0, 1.0),
        band_name=_BAND,
        least=0.0,
        whole=True,
        legend=[curve.look.handle() for curve in curves],
    ).draw(
        "chart-fleet-ranked",
        key="outcomes",
        title="All models in order of their bias",
        caption=f"Each model under each attribute; 1 is its bound.{shown}",
        alt=f"{told}; |bias|/bound reaches from {known[0][0]:.3g} to {known[-1][0]:.3g}, its middle is "
        f"{known[len(known) // 2][0]:.3g}.",
        width=FULL,
    )


def _ranked_mark(place: int, value: float, row: FleetRow) -> Mark:
    data: Data = {"figure": "bias", "series": outcome(row), "x": place + 1, "y": value}
    return Mark(place + 1, value, f"{count(place + 1)}. {_tip(value, row)}", data)


def _nearest(known: Sequence[tuple[float, FleetRow]]) -> Chart:
    """Return those that are farthest beyond their bounds, or nearest to them."""
    shown = known[-MOST_ROWS:][::-1]
    names = [name for name in _LOOKS if any(outcome(row) == name for _, row in shown)]
    rows = []
    several = len({row.attribute for _, row in known}) > 1
    for value, row in shown:
        data: Data = {"figure": "bias", "series": outcome(row), "x": f"{row.name}, {row.attribute}"[:200], "y": value}
        dots: list[Dot | None] = [None] * len(names)
        dots[names.index(outcome(row))] = Dot(value, _tip(value, row), data)
        rows.append(Row(_name(row, several), dots))
    left = len(known) - len(shown)
    return DotPlot(
        axis="|bias|/bound",
        looks=[_LOOKS[name] for name in names],
        rows=rows,
        band=(0.0, 1.0),
        band_name=_BAND,
        least=0.0,
        written=lambda value: "–" if value is None else f"{value:.2f}" if value < 1e3 else f"{value:.3g}",
        paired=False,
        joined=False,
    ).draw(
        "chart-fleet-nearest",
        key="outcomes",
        title="The largest biases, measured by their bounds",
        caption=f"The {count(len(shown))} with the largest |bias|/bound; {count(left)} lie below." if left else "",
        alt="Largest |bias|/bound: "
        + ", ".join(f"{_name(row, several)} {value:.3g}" for value, row in shown[:8])
        + (", and more." if len(shown) > 8 else "."),
        width=FULL,
    )


def _name(row: FleetRow, several: bool) -> str:
    return f"{shortened(row.name, 30)}, {shortened(row.attribute or '–', 14)}" if several else shortened(row.name, 44)


def _tip(value: float, row: FleetRow) -> str:
    return (
        f"{shortened(row.name, 60)}, {shortened(row.attribute or '–', 40)}: {OUTCOMES[outcome(row)]}, "
        f"bias {told_bias(row, row.bias)}, bound {row.eps:g}, |bias|/bound {value:.3g}"
    )
