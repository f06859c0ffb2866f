"""Which charts a report value has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from debias.report.charts.adaptation import adaptation_charts
from debias.report.charts.bias import bias_chart
from debias.report.charts.chart import Chart
from debias.report.charts.clusters import cluster_charts
from debias.report.charts.crossings import crossing_charts
from debias.report.charts.crossval import crossval_charts
from debias.report.charts.fleet import fleet_charts
from debias.report.charts.fronts import front_charts
from debias.report.charts.groups import group_charts
from debias.report.charts.impacts import impact_charts
from debias.report.charts.importance import importance_charts
from debias.report.charts.layers import layer_charts
from debias.report.charts.spreads import dispersion_chart, information_chart
from debias.report.charts.sweeps import sweep_charts
from debias.report.charts.training import training_charts
from debias.report.charts.trajectory import trajectory_charts
from debias.report.charts.tuning import tuning_charts

if TYPE_CHECKING:
    from debias.report.values.every import Value
    from debias.report.values.report import Report


def charts(value: Value) -> Iterator[Chart]:
    """Yield the charts of a value in reading order; within `canvas.drawing`. Other values have none."""
    from debias.report.values.adaptation import Adaptation
    from debias.report.values.comparison import Comparison
    from debias.report.values.crossval import CrossValidation
    from debias.report.values.fleet import Fleet
    from debias.report.values.importance import Importance
    from debias.report.values.report import Report
    from debias.report.values.training import TrainingReport
    from debias.report.values.tuning import Tuning

    if isinstance(value, Report):
        yield from _of_report(value)
    elif isinstance(value, Comparison):
        yield from front_charts(value)
        yield from _of_report(value.report)
    elif isinstance(value, TrainingReport):
        yield from training_charts(value)
    elif isinstance(value, Tuning):
        yield from tuning_charts(value)
        yield from training_charts(value.training)
    elif isinstance(value, CrossValidation):
        yield from crossval_charts(value)
    elif isinstance(value, Importance):
        yield from importance_charts(value)
    elif isinstance(value, Adaptation):
        yield from adaptation_charts(value)
    elif isinstance(value, Fleet):
        yield from fleet_charts(value)


def _of_report(report: Report) -> Iterator[Chart]:
    yield from bias_chart(report)
    yield from group_charts(report)
    yield from dispersion_chart(report)
    yield from trajectory_charts(report)
    yield from layer_charts(report)
    yield from sweep_charts(report)
    yield from crossing_charts(report)
    yield from cluster_charts(report)
    yield from information_chart(report)
    yield from impact_charts(report)
