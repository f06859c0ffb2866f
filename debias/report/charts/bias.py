"""The bias of each attribute against its bound, network by network."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.charts.chart import Chart
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.stages import bound, stages
from debias.report.text import percent, shortened, signed, signed_amount
from debias.report.values.report import Report


def bias_chart(report: Report) -> Iterator[Chart]:
    """Yield the chart, where any bias is defined."""
    written = signed_amount if report.task == "regression" else signed
    shown = stages(report, every=True)
    rows = []
    told = []
    for index, attribute in enumerate(report.attributes):
        for place, (look, figures) in enumerate(shown):
            parity = figures.parities[index]
            name = f"{shortened(attribute.name, 12)}, {look.name}" if len(report.attributes) > 1 else look.name
            within = ""
            low = high = None
            if parity.interval is not None:
                low, high = parity.interval.low, parity.interval.high
                within = f", {percent(parity.interval.confidence)} interval {written(low)} to {written(high)}"
            data = {"figure": "bias", "series": look.name, "x": attribute.name[:200], "y": parity.bias}
            tip = f"{name}: bias {written(parity.bias)}{within}"
            dots: list[Dot | None] = [None] * len(shown)
            dots[place] = Dot(parity.bias, tip, data, low, high)
            rows.append(Row(name, dots))
            told.append(f"{name} {written(parity.bias)}{within}")
    band, name = bound(report)
    plot = DotPlot(
        axis="bias",
        looks=[look for look, _ in shown],
        rows=rows,
        band=band,
        band_name=name,
        zero=True,
        written=written,
        named=False,
    )
    if plot.empty:
        return
    alt = f"Bias: {'; '.join(told[:8])}{'; and more' if len(told) > 8 else ''}. {f'The {name}.' if name else ''}"
    caption = "Lines are the intervals of the bias, from these rows alone." if "interval" in alt else ""
    yield plot.draw("chart-bias", key="bias", title="Bias", caption=caption, alt=alt.strip())
