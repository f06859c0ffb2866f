"""Which charts a report value has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from debias.report.charts.bias import bias_chart
from debias.report.charts.chart import Chart
from debias.report.charts.fronts import front_charts
from debias.report.charts.groups import group_charts
from debias.report.charts.layers import layer_charts
from debias.report.charts.sweeps import sweep_charts
from debias.report.charts.trajectory import trajectory_charts
from debias.report.comparison import Comparison
from debias.report.model import Report

if TYPE_CHECKING:
    from debias.report.documents import Value


def charts(value: Value) -> Iterator[Chart]:
    """Yield the charts of a value in reading order; within `canvas.drawing`."""
    if isinstance(value, Comparison):
        yield from front_charts(value)
        yield from _of_report(value.report)
    elif isinstance(value, Report):
        yield from _of_report(value)


def _of_report(report: Report) -> Iterator[Chart]:
    yield from bias_chart(report)
    yield from group_charts(report)
    yield from trajectory_charts(report)
    yield from layer_charts(report)
    yield from sweep_charts(report)
