"""What other thresholds would do: performance and bias before and after, with the cut in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from debias.report.charts.chart import Chart
from debias.report.charts.curves import Curve, LinePlot
from debias.report.charts.looks import Look
from debias.report.charts.stages import after_look, before_look, bound
from debias.report.charts.svg import Data, Mark
from debias.report.text import rate, shortened, signed
from debias.report.values.evidence import Sweep, SweepPoint
from debias.report.values.report import Report

_Of = Callable[[SweepPoint], float | None]


def sweep_charts(report: Report) -> Iterator[Chart]:
    """Yield balanced accuracy by threshold, and the bias of each attribute by threshold."""
    sweeps = [sweep for sweep in report.sweeps if len(sweep.points) > 1]
    if not sweeps:
        return
    yield _chart(report, sweeps, "performance", "balanced_accuracy", lambda point: point.balanced_accuracy)
    for index, attribute in enumerate(report.attributes):
        of = f" of {shortened(attribute.name, 40)}" if len(report.attributes) > 1 else ""
        yield _chart(report, sweeps, f"bias-{index + 1}", "bias", lambda point, at=index: point.biases[at], of)  # type: ignore[misc]


def _chart(report: Report, sweeps: list[Sweep], id: str, field: str, value: _Of, of: str = "") -> Chart:
    name = field.replace("_", " ") + of
    written = signed if field == "bias" else rate
    curves = []
    told = []
    for sweep in sweeps:
        look = before_look(report) if sweep.network == "before" else after_look(report)
        marks = [mark for point in sweep.points for mark in _marks(look, field, name, point, value(point), written)]
        curves.append(Curve(look, marks))
        near = min(marks, key=lambda mark: abs(mark.x - sweep.deployed), default=None)
        if near is not None:
            told.append(f"{look.name} {written(near.y)} next to the cut in use, {sweep.deployed:g}")
    band, band_name = bound(report) if field == "bias" else (None, "")
    plot = LinePlot(
        across="threshold",
        curves=curves,
        band=band,
        band_name=band_name,
        uprights=_cuts(report, sweeps),
        zero=field == "bias",
    )
    return plot.draw(
        f"chart-sweep-{id}",
        key="sweep",
        title=f"{name[0].upper()}{name[1:]} by threshold",
        caption="On the verdict rows; no threshold was chosen on these.",
        alt=f"{name[0].upper()}{name[1:]} at other thresholds: {'; '.join(told)}.",
    )


def _marks(
    look: Look, field: str, name: str, point: SweepPoint, value: float | None, written: Callable[[float | None], str]
) -> Iterator[Mark]:
    if value is not None:
        tip = f"{look.name}, cut at {point.threshold:.4g}: {name} {written(value)}, "
        tip += f"selection rate {rate(point.selection_rate)}"
        data: Data = {"figure": field, "series": look.name, "x": point.threshold, "y": value}
        yield Mark(point.threshold, value, tip, data)


def _cuts(report: Report, sweeps: list[Sweep]) -> list[tuple[float, str]]:
    cuts = {sweep.deployed for sweep in sweeps}
    if len(cuts) == 1:
        return [(cuts.pop(), "in use")]
    looks = {"before": before_look(report).name, "after": after_look(report).name}
    return [(sweep.deployed, f"in use {looks[sweep.network]}") for sweep in sweeps]
