"""Impact ratios of the groups: their selection rate beside the highest."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.charts.chart import Chart
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.scales import brief
from debias.report.charts.stages import after_look, before_look
from debias.report.charts.svg import Data
from debias.report.text import count, rate, shortened
from debias.report.values.impact import Impact, RateImpact
from debias.report.values.report import Report

MOST = 20
"""Categories that are drawn; of more, the lowest before."""


def impact_charts(report: Report) -> Iterator[Chart]:
    """Yield the impact ratios of each attribute by itself."""
    alone = [impact for impact in report.impacts if len(impact.attributes) == 1]
    for index, impact in enumerate(alone):
        yield from _chart(report, impact, index, len(alone) > 1)


def _chart(report: Report, impact: Impact, index: int, several: bool) -> Iterator[Chart]:
    stages = [
        (look, rates)
        for look, told in ((before_look(report), impact.before), (after_look(report), impact.after))
        if (rates := next((one for one in told if one.rate == "selection"), None)) is not None
    ]
    if not stages:
        return
    ratios = [_ratios(rates) for _, rates in stages]
    names = sorted(ratios[0], key=lambda name: ratios[0][name][0])[:MOST]
    names = [name for name in ratios[0] if name in names]
    rows = []
    for name in names:
        dots: list[Dot | None] = []
        for (look, _), told in zip(stages, ratios, strict=True):
            if name not in told:
                dots.append(None)
                continue
            ratio, own, n = told[name]
            tip = f"{shortened(name, 60)}, {look.name}: impact ratio {rate(ratio)}, rate {rate(own)}, {count(n)} rows"
            data: Data = {"figure": "ratio", "series": look.name, "x": name[:200], "y": ratio}
            dots.append(Dot(ratio, tip, data))
        rows.append(Row(name, dots))
    plot = DotPlot(
        axis="selection rate / the highest of all groups",
        looks=[look for look, _ in stages],
        rows=rows,
        least=0.0,
        zero=True,
        written=brief,
    )
    if not rows or plot.empty:
        return
    of = f" of {shortened(impact.attributes[0], 40)}" if several else ""
    caption = "1 is the group with the highest rate."
    if len(rows) < len(ratios[0]):
        caption += f" {len(rows)} of {count(len(ratios[0]))} groups: the lowest before."
    told_rows = "; ".join(f"{shortened(row.name, 40)} {plot.beside(row)}" for row in rows[:8])
    yield plot.draw(
        f"chart-impact-{index + 1}",
        key="impact",
        title=f"Impact ratio by group{of}",
        caption=caption,
        alt=f"Impact ratio: {told_rows}.",
    )


def _ratios(rates: RateImpact) -> dict[str, tuple[float, float | None, int]]:
    """Return ratio, rate and rows of each category that has a ratio."""
    return {
        group.groups[0]: (group.highest.ratio, group.rate, group.n)
        for group in rates.groups
        if group.highest is not None and group.highest.ratio is not None
    }
