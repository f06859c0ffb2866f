"""Charts of report values, as SVG for a page: drawn by matplotlib, coloured by the page's variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias.report.charts.chart import FULL, HALF, Chart

if TYPE_CHECKING:
    from debias.report.values.every import Value

__all__ = ["FULL", "HALF", "Chart", "charts_of"]


def charts_of(value: Value) -> tuple[Chart, ...]:
    """Return the charts of a report value in reading order; the same bytes for the same value.

    Parameters
    ----------
    value : any report value
        Parts that it does not have give no chart.
    """
    from debias.report.charts.canvas import drawing
    from debias.report.charts.every import charts

    with drawing():
        return tuple(charts(value))
