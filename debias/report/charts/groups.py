"""Rates of the groups of each attribute, before and after, and the bias against its bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from debias.report.charts.chart import Chart
from debias.report.charts.dots import Dot, DotPlot, Row
from debias.report.charts.looks import Look
from debias.report.charts.scales import brief
from debias.report.charts.stages import stages
from debias.report.text import amount, between, count, rate, shortened
from debias.report.values.figures import GroupFigures, Parity
from debias.report.values.report import Report

RATES = {
    "selection_rate": ("Selection rate", "P(favourable decision)"),
    "tpr": ("True positive rate", "P(favourable decision | favourable label)"),
    "fpr": ("False positive rate", "P(favourable decision | unfavourable label)"),
    "balanced_accuracy": ("Balanced accuracy", "(TPR + TNR) / 2 within the group"),
}
MEANS = {"mean_prediction": ("Mean prediction", "ŷ"), "mse": ("Mean squared error", "squared units of the target")}
MOST = 20
"""Groups that are drawn; of more, the lowest and the highest."""
TOLD = 6
"""Groups that a description names."""


def group_charts(report: Report) -> Iterator[Chart]:
    """Yield a chart of each figure that groups have, for each attribute."""
    shown = stages(report)
    figures = MEANS if report.task == "regression" else RATES
    written = amount if report.task == "regression" else brief
    for index, attribute in enumerate(report.attributes):
        parities = [figures_.parities[index] for _, figures_ in shown]
        of = f" of {shortened(attribute.name, 40)}" if len(report.attributes) > 1 else ""
        for field, (title, axis) in figures.items():
            rows = _rows(field, title.lower(), [look for look, _ in shown], parities)
            plot = DotPlot(
                axis=axis,
                looks=[look for look, _ in shown],
                rows=rows,
                least=0.0 if field != "mean_prediction" else None,
                most=1.0 if field in RATES else None,
                zero=field != "mean_prediction",
                written=written,
            )
            if plot.empty:
                continue
            yield plot.draw(
                f"chart-groups-{index + 1}-{field.replace('_', '-')}",
                key="groups",
                title=f"{title} by group{of}",
                caption=_caption(parities[0].groups, rows),
                alt=_alt(title, rows),
            )


def _rows(field: str, called: str, looks: Sequence[Look], parities: Sequence[Parity]) -> list[Row]:
    written: Callable[[float | None], str] = rate if field in RATES else amount
    rows = []
    for index in _chosen(field, parities):
        dots: list[Dot | None] = []
        for look, parity in zip(looks, parities, strict=True):
            one = parity.groups[index]
            value: float | None = getattr(one, field)
            name = shortened(one.name, 60)
            limits: tuple[float, float] | None = getattr(one.intervals, field, None)
            within = "" if limits is None else f" [{between(limits)}]"
            dots.append(
                None
                if value is None
                else Dot(
                    value,
                    f"{name}, {look.name}: {called} {written(value)}{within}, {count(one.n)} rows",
                    {"figure": field, "series": look.name, "x": one.name[:200], "y": value},
                    *(limits or ()),
                )
            )
        group = parities[0].groups[index]
        rows.append(Row(f"{shortened(group.name, 25)}*" if group.privileged else group.name, dots))
    return rows


def _chosen(field: str, parities: Sequence[Parity]) -> list[int]:
    """Return the places of the groups to draw, in their order."""
    groups = parities[0].groups
    if len(groups) <= MOST:
        return list(range(len(groups)))
    known = [(value, index) for index, group in enumerate(groups) if (value := getattr(group, field)) is not None]
    ordered = [index for _, index in sorted(known)]
    return ordered[: MOST // 2] + ordered[-(MOST - MOST // 2) :] if len(ordered) > MOST else ordered


def _caption(groups: Sequence[GroupFigures], rows: Sequence[Row]) -> str:
    told = []
    if len(rows) < len(groups):
        told.append(f"{len(rows)} of {count(len(groups))} groups: the lowest and the highest before.")
    if any(dot.ranged for row in rows for _, dot in row.known):
        told.append("Lines are the intervals of each group by itself.")
    if any(group.privileged for group in groups):
        told.append("* is the privileged group.")
    return " ".join(told)


def _alt(title: str, rows: Sequence[Row]) -> str:
    told = []
    for row in rows[:TOLD]:
        values = ["undefined" if dot is None else amount(dot.value) for dot in row.dots]
        told.append(f"{shortened(row.name, 40)} {' to '.join(values)}")
    more = f"; and {len(rows) - TOLD} more" if len(rows) > TOLD else ""
    return f"{title}: {'; '.join(told)}{more}."
