"""The sentences of a report: which figure meets which bound on which rows."""

from __future__ import annotations

from debias.methods.base import Repair
from debias.objective import Objective, Verdict, decide
from debias.report.model import Figures


def bound_statement(verdict: Verdict, figures: Figures, eps: float | None, rows: str) -> str:
    """Return the verdict as one sentence."""
    value = "undefined" if figures.bias is None else f"{abs(figures.bias):.4f}"
    if verdict == "no-bound" or eps is None:
        return f"No bound was asked (--eps). |bias| is {value} on {rows}."
    if verdict == "pass":
        return f"Bound met: |bias| is {value}, below {eps:g}, on {rows}."
    return f"Bound not met: |bias| is {value}, not below {eps:g}, on {rows}."


def one_decision(figures: Figures) -> list[str]:
    """Return a note where the deployed network decides all rows of all groups alike; a bound then holds trivially."""
    rates = {group.selection_rate for group in figures.groups}
    if rates not in ({0.0}, {1.0}):
        return []
    side = "favourable" if rates == {1.0} else "unfavourable"
    return [f"Every row gets the {side} decision at the threshold {figures.threshold:g}, so there is no difference."]


def holds(chosen: Figures, objective: Objective) -> bool:
    """Return whether the written file still does on the selection rows what its candidate was chosen for.

    Scores that are left as they come may be saturated where the threshold lies, and then decide all rows alike.
    """
    accuracy = chosen.balanced_accuracy
    enough = accuracy is not None and accuracy >= objective.min_performance
    return enough and decide(chosen.bias, objective.constraint.eps) == "pass"


def repair_statement(
    verdict: Verdict, after: Figures, chosen: Figures, repair: Repair, objective: Objective, rows: str
) -> str:
    """Return the verdict of a repair; where no candidate was feasible, the closest one is named."""
    eps = objective.constraint.eps
    if repair.point.feasible and not holds(chosen, objective):
        return (
            f"Bound not met: the file's own scores, cut at {chosen.threshold!r}, do not decide as chosen; their "
            f"balanced accuracy is {chosen.balanced_accuracy:.4f} on the selection rows, that of the candidate "
            f"{repair.point.balanced_accuracy:.4f}. The scores are saturated there: leave --keep-scores out."
        )
    if repair.point.feasible:
        return bound_statement(verdict, after, eps, rows)
    value = "undefined" if after.bias is None else f"{abs(after.bias):.4f}"
    return (
        f"Bound not met: no candidate has |bias| below {objective.bounds[0]:g} and balanced accuracy of at least "
        f"{objective.min_performance:g} on the selection rows. The closest is step {repair.chosen} with |bias| "
        f"{abs(repair.point.bias):.4f} and balanced accuracy {repair.point.balanced_accuracy:.4f} there, "
        f"|bias| {value} on {rows}."
    )
