"""The networks of a report that charts compare."""

from __future__ import annotations

from debias.report.charts.looks import Look
from debias.report.content.networks import after_name, before_name
from debias.report.values.figures import Figures
from debias.report.values.report import Report


def before_look(report: Report) -> Look:
    """Return how the network that came in looks."""
    if report.verb == "audit":
        return Look(before_name(report), "after")
    return Look(before_name(report), "before", hollow=True, size=9, dash=(0, (5, 2)))


def after_look(report: Report) -> Look:
    """Return how the network that was made looks."""
    return Look(after_name(report), "after")


def stages(report: Report, every: bool = False) -> list[tuple[Look, Figures]]:
    """Return the networks to compare with how they look, before first; `every` adds the best other cut."""
    found = [(before_look(report), report.before)]
    if every and report.threshold_only is not None and (report.verb != "threshold" or report.after is None):
        found.append((Look("threshold only", "series-8", "s", hollow=True), report.threshold_only))
    if report.after is not None:
        found.append((after_look(report), report.after))
    return found


def bound(report: Report) -> tuple[tuple[float, float] | None, str]:
    """Return between which biases the bound holds, and what a legend calls it; None without one."""
    if report.eps is None:
        return None, ""
    return (-report.eps, report.eps), f"bound: |bias| < {report.eps:g}"
