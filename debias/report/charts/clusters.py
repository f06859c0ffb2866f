"""What the network does in each cluster, and what its random effects add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from debias.report.charts.chart import FULL, Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look
from debias.report.charts.stages import after_look, before_look, bound
from debias.report.charts.svg import Data, Mark
from debias.report.text import amount, count, percent, rate, shortened, signed, signed_amount
from debias.report.values.effects import ClusterFigures, Effects
from debias.report.values.figures import IntervalFigures
from debias.report.values.report import Report

LISTED = 32
"""Clusters that have a line of their own; more stand side by side without their names."""
MOST = 200
"""Clusters that are drawn at most; of more, those with most rows."""


@dataclass(frozen=True)
class _Figure:
    """One figure of a cluster."""

    field: str
    name: str
    value: Callable[[ClusterFigures], float | None]
    interval: Callable[[ClusterFigures], IntervalFigures | None]
    written: Callable[[float | None], str]


def cluster_charts(report: Report) -> Iterator[Chart]:
    """Yield rate and bias of every cluster."""
    if report.effects is None:
        return
    stages = [(after_look(report) if report.effects_before is not None else before_look(report), report.effects)]
    if report.effects_before is not None:
        stages.insert(0, (before_look(report), report.effects_before))
    for number, figure in enumerate(_figures(report)):
        band, name = bound(report) if figure.field == "bias" else (None, "")
        clusters = report.effects.clusters
        if len(clusters) <= LISTED:
            yield from _listed(number, report.effects, figure, stages, band, name)
        else:
            yield from _side_by_side(number, report.effects, figure, stages[-1][0], band, name)


def _figures(report: Report) -> Iterator[_Figure]:
    regression = report.task == "regression"
    if regression:
        yield _Figure("mse", "mean squared error", lambda one: one.mse, lambda _: None, amount)
    else:
        yield _Figure(
            "selection_rate", "selection rate", lambda one: one.selection_rate, lambda one: one.selection_interval, rate
        )
    for place, attribute in enumerate(report.attributes):
        of = f" of {shortened(attribute.name, 40)}" if len(report.attributes) > 1 else ""
        yield _Figure(
            "bias",
            f"bias{of}",
            lambda one, place=place: one.biases[place].bias,  # type: ignore[misc]
            lambda one, place=place: one.biases[place].interval,  # type: ignore[misc]
            signed_amount if regression else signed,
        )


def _title(figure: _Figure) -> str:
    return f"{figure.name[0].upper()}{figure.name[1:]} by cluster"


def _listed(
    number: int,
    effects: Effects,
    figure: _Figure,
    stages: Sequence[tuple[Look, Effects]],
    band: tuple[float, float] | None,
    band_name: str,
) -> Iterator[Chart]:
    by_name = [{cluster.name: cluster for cluster in told.clusters} for _, told in stages]
    ordered = sorted(effects.clusters, key=lambda one: (not one.known, one.name))
    rows = []
    for cluster in ordered:
        dots: list[Dot | None] = []
        for (look, _), named in zip(stages, by_name, strict=True):
            own = named.get(cluster.name)
            dots.append(None if own is None or figure.value(own) is None else _dot(own, figure, look.name))
        rows.append(Row(cluster.name if cluster.known else f"{shortened(cluster.name, 22)} †", dots))
    plot = DotPlot(
        axis=figure.name,
        looks=[look for look, _ in stages],
        rows=rows,
        band=band,
        band_name=band_name,
        zero=figure.field == "bias",
        least=None if figure.field == "bias" else 0.0,
    )
    if not plot.empty:
        yield plot.draw(
            f"chart-clusters-{number + 1}",
            key="clusters",
            title=_title(figure),
            caption=_caption(effects, figure, "† is a cluster that the network does not know."),
            alt=_alt(effects, figure),
        )


def _dot(cluster: ClusterFigures, figure: _Figure, network: str) -> Dot:
    mark = _mark(cluster, figure, network, 0.0)
    interval = figure.interval(cluster)
    low, high = (interval.low, interval.high) if interval is not None else (None, None)
    return Dot(figure.value(cluster), mark.tip, mark.data, low, high)


def _mark(cluster: ClusterFigures, figure: _Figure, network: str, x: float) -> Mark:
    value = figure.value(cluster)
    interval = figure.interval(cluster)
    within = ""
    if interval is not None:
        within = f" ({percent(interval.confidence)} interval {figure.written(interval.low)} to "
        within += f"{figure.written(interval.high)})"
    known = "" if cluster.known else ", not known to the network"
    tip = f"{shortened(cluster.name, 60)}, {network}: {figure.name} {figure.written(value)}{within}, "
    tip += f"{count(cluster.n)} rows{known}"
    data: Data = {"figure": figure.field, "series": network, "x": cluster.name[:200], "y": value}
    return Mark(x, value if value is not None else 0.0, tip, data)


def _side_by_side(
    number: int, effects: Effects, figure: _Figure, look: Look, band: tuple[float, float] | None, band_name: str
) -> Iterator[Chart]:
    known = [cluster for cluster in effects.clusters if figure.value(cluster) is not None]
    known = sorted(known, key=lambda one: -one.n)[:MOST]
    known.sort(key=lambda one: (figure.value(one), one.name))
    if not known:
        return
    placed = [(place, cluster) for place, cluster in enumerate(known, 1)]
    sides = (
        (Look("known cluster", look.colour, "o", size=5), [one for one in placed if one[1].known]),
        (Look("not known", "warn", "D", hollow=True, size=5), [one for one in placed if not one[1].known]),
    )
    curves = [
        Curve(side, [_mark(cluster, figure, look.name, place) for place, cluster in own], joined=False)
        for side, own in sides
        if own
    ]
    ranges = [
        (float(place), interval.low, interval.high)
        for place, cluster in placed
        if (interval := figure.interval(cluster)) is not None
    ]
    plot = LinePlot(
        across="clusters, by rising value",
        upward=figure.name,
        curves=curves,
        band=band,
        band_name=band_name,
        zero=figure.field == "bias",
        whole=True,
        ranges=ranges,
    )
    shown = f"The {MOST} with most rows." if len(effects.clusters) > MOST else ""
    yield plot.draw(
        f"chart-clusters-{number + 1}",
        key="clusters",
        title=_title(figure),
        caption=_caption(effects, figure, shown),
        alt=_alt(effects, figure),
        width=FULL,
    )


def _caption(effects: Effects, figure: _Figure, more: str) -> str:
    told = []
    if any(figure.interval(cluster) is not None for cluster in effects.clusters):
        told.append("Lines are the intervals of each cluster by itself: of many, some miss by chance.")
    if more and (more[0] != "†" or any(not cluster.known for cluster in effects.clusters)):
        told.append(more)
    undefined = sum(figure.value(cluster) is None for cluster in effects.clusters)
    if undefined:
        told.append(f"Undefined in {count(undefined)}: no rows bear on it.")
    return " ".join(told)


def _alt(effects: Effects, figure: _Figure) -> str:
    values = sorted(
        (value, shortened(cluster.name, 40))
        for cluster in effects.clusters
        if (value := figure.value(cluster)) is not None
    )
    if not values:
        return f"{_title(figure)}: undefined everywhere."
    (low, first), (high, last) = values[0], values[-1]
    return (
        f"{_title(figure)}: {count(len(values))} clusters from {figure.written(low)} ({first}) to "
        f"{figure.written(high)} ({last})."
    )
