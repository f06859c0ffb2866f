"""Feature importances as bars, probes and protected attributes set apart (as in Fair MEDL Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.charts.bars import Bar, BarPlot, Kind
from debias.report.charts.chart import Chart
from debias.report.charts.svg import Data
from debias.report.content.importance import place
from debias.report.importance_picture import chosen
from debias.report.text import amount, shortened
from debias.report.values.importance import ColumnImportance, Importance

MOST = 30
"""Bars of a network at most."""
_INPUT = Kind("input", "series-6")
_PROBE = Kind("confounding probe", "series-2", "////")
_PROTECTED = Kind("protected attribute", "series-3", "\\\\\\\\")


def importance_charts(found: Importance) -> Iterator[Chart]:
    """Yield a chart for each network."""
    for index, model in enumerate(found.models):
        bars = [
            _bar(item) for item in chosen(model, min(found.top, MOST), "column") if isinstance(item, ColumnImportance)
        ]
        if not any(bar.value for bar in bars):
            continue
        title = f"What the output of {shortened(model.title, 40)} moves with"
        rank = "" if model.best_probe_rank is None else f"The best probe has rank {place(model.best_probe_rank)}."
        told = ", ".join(f"{shortened(bar.name, 40)} {bar.beside}" for bar in bars[:6])
        yield BarPlot("share of all importances, %", bars, longest=26).draw(
            f"chart-importance-{index + 1}",
            key="importance",
            title=title,
            caption=rank,
            alt=f"{title}: {told}. {rank}".strip(),
        )


def _bar(item: ColumnImportance) -> Bar:
    share = 100 * item.share
    kind = _PROBE if item.probe else _PROTECTED if item.protected else _INPUT
    name = f"{place(item.rank)}. {shortened(item.name, 60)}"
    tip = f"{name} ({kind.name}): {share:.2f}% of all importances; "
    tip += f"slope {amount(item.slope)}, spread {amount(item.spread)}"
    data: Data = {"figure": "share", "series": kind.name, "x": item.name[:200], "y": item.share}
    return Bar(name, share, f"{share:.1f}%", tip, data, kind)
