"""How far apart groups lie whatever their number, and what an adversary reads of the attribute."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.charts.chart import Chart
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look
from debias.report.charts.stages import stages
from debias.report.charts.svg import Data
from debias.report.text import amount, shortened
from debias.report.values.report import Report

_FIGURES = {
    "tpr_sd": "SD of TPR",
    "fpr_sd": "SD of FPR",
    "mse_sd": "SD of MSE",
    "demographic_parity": "parity",
    "demographic_parity_soft": "parity, soft",
    "attribute_swap": "attribute swap",
}


def dispersion_chart(report: Report) -> Iterator[Chart]:
    """Yield the dispersion figures, where an attribute has more than two groups or rows have clusters."""
    if report.effects is None and all(len(attribute.groups) < 3 for attribute in report.attributes):
        return
    shown = [(look, figures) for look, figures in stages(report) if figures.dispersion]
    if not shown:
        return
    rows = []
    for index, attribute in enumerate(report.attributes):
        for field, name in _FIGURES.items():
            if all(getattr(figures.dispersion[index], field) is None for _, figures in shown):
                continue
            dots: list[Dot | None] = []
            for look, figures in shown:
                value = getattr(figures.dispersion[index], field)
                tip = f"{shortened(attribute.name, 40)}, {look.name}: {name} {amount(value)}"
                data: Data = {"figure": field, "series": look.name, "x": attribute.name[:200], "y": value}
                dots.append(None if value is None else Dot(value, tip, data))
            of = f"{shortened(attribute.name, 10)}: " if len(report.attributes) > 1 else ""
            rows.append(Row(f"{of}{name}", dots))
    plot = DotPlot(
        axis="over groups; lower is closer",
        looks=[look for look, _ in shown],
        rows=rows,
        least=0.0,
        zero=True,
        written=_short,
    )
    if rows and not plot.empty:
        told = "; ".join(f"{row.name} {plot.beside(row)}" for row in rows[:8])
        caption = "SD: standard deviation over groups. Parity: mean absolute pairwise difference."
        yield plot.draw(
            "chart-dispersion",
            key="dispersion",
            title="How far apart the groups lie",
            caption=caption,
            alt=f"How far apart the groups lie: {told}.",
        )


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if 1e-3 <= abs(value) < 100 or not value else f"{value:.2g}"


def information_chart(report: Report) -> Iterator[Chart]:
    """Yield the bits that a fresh adversary reads about each attribute."""
    rows = []
    for told in report.information:
        if told.bits is None:
            continue
        name = f"{shortened(told.attribute, 12)}, {told.prediction}"
        error = told.error or 0.0
        tip = f"{name}: {told.bits:.4f} bits, standard error {amount(told.error)}, at most {amount(told.entropy)}"
        data: Data = {"figure": "bits", "series": told.prediction, "x": told.attribute[:200], "y": told.bits}
        rows.append(Row(name, [Dot(told.bits, tip, data, told.bits - error, told.bits + error)]))
    plot = DotPlot("bits", [Look("adversary", "after")], rows, zero=True, written=lambda value: f"{value or 0.0:.4f}")
    if rows and not plot.empty:
        yield plot.draw(
            "chart-information",
            key="adversary",
            title="What an adversary reads of the attribute",
            caption="Bits per row, given the label; lines are one standard error to each side.",
            alt="Bits read: " + "; ".join(f"{row.name} {plot.beside(row)}" for row in rows[:8]) + ".",
        )
