"""The sentences of a report: which figure meets which bound on which rows."""

from __future__ import annotations

from debias.fairness.metrics import METRICS, MetricInfo
from debias.methods.base import Repair
from debias.objective import DEFAULTS, Objective, decide
from debias.report.values.figures import Figures, Parity
from debias.run.verdict import Ruling
from debias.words import bare


def bound_statement(ruling: Ruling, figures: Figures, objective: Objective, rows: str) -> str:
    """Return the verdict as one sentence, and what would settle it."""
    told = _told(figures, objective)
    if ruling.verdict == "no-bound":
        return f"No bound was asked (--eps). {_sentence(told)} on {rows}."
    bound = _bound(objective)
    if ruling.verdict == "pass":
        sure = "" if objective.confidence is None else f" with {objective.confidence:g} confidence"
        text = f"Bound met{sure}: {told}, {bound}, on {rows}."
    elif ruling.verdict == "fail":
        text = f"Bound not met: {told}, not {bound}, on {rows}."
    else:
        text = f"Inconclusive at {objective.confidence:g} confidence: {told}, asked is {bound}, on {rows}."
    return " ".join([text, *ruling.reasons])


def _told(figures: Figures, objective: Objective) -> str:
    """Return what each attribute's figure is."""
    info = METRICS[objective.constraints[0].metric]
    what = "the impact ratio is" if info.ratio else "|bias| is"
    values = [_value(parity, info) for parity in figures.parities]
    if len(values) == 1:
        return f"{what} {values[0]}"
    named = [f"{value} ({_name(parity)})" for value, parity in zip(values, figures.parities, strict=True)]
    return f"{what} {', '.join(named[:-1])} and {named[-1]}"


def _value(parity: Parity, info: MetricInfo) -> str:
    return "undefined" if parity.bias is None else _number(parity.bias, info)


def _number(bias: float, info: MetricInfo) -> str:
    """Return the size of a bias; of a regression it is in units of the target, and four digits of it are told."""
    if info.task == "regression":
        return f"{abs(bias):.4g}"
    return f"{1 - abs(bias) if info.ratio else abs(bias):.4f}"


def _name(parity: Parity) -> str:
    return bare(parity.attribute)


def _bound(objective: Objective) -> str:
    eps = objective.constraints[0].eps
    return f"above {1 - eps:g}" if METRICS[objective.constraints[0].metric].ratio else f"below {eps:g}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def one_decision(figures: Figures) -> list[str]:
    """Return a note where the deployed network decides all rows of all groups alike; a bound then holds trivially."""
    rates = {group.selection_rate for parity in figures.parities for group in parity.groups if group.n}
    if rates not in ({0.0}, {1.0}):
        return []
    assert figures.threshold is not None
    side = "favourable" if rates == {1.0} else "unfavourable"
    return [f"Every row gets the {side} decision at the threshold {figures.threshold:g}, so there is no difference."]


def holds(chosen: Figures, objective: Objective) -> bool:
    """Return whether the written file still does on the selection rows what its candidate was chosen for.

    Scores that are left as they come may be saturated where the threshold lies, and then decide all rows alike.
    """
    enough = chosen.quality is not None and chosen.quality >= objective.min_performance
    return enough and all(
        decide(parity.bias, item.eps) == "pass"
        for parity, item in zip(chosen.parities, objective.constraints, strict=True)
    )


def repair_statement(
    ruling: Ruling, after: Figures, chosen: Figures, repair: Repair, objective: Objective, rows: str
) -> str:
    """Return the verdict of a repair; where no candidate was feasible, the closest one is named."""
    if repair.point.feasible and not holds(chosen, objective) and objective.task == "classification":
        return (
            f"Bound not met: the file's own scores, cut at {chosen.threshold!r}, do not decide as chosen; their "
            f"balanced accuracy is {chosen.balanced_accuracy:.4f} on the selection rows, that of the candidate "
            f"{repair.point.quality:.4f}. The scores are saturated there: leave --keep-scores out."
        )
    if repair.point.feasible:
        return bound_statement(ruling, after, objective, rows)
    info, quality = METRICS[objective.constraints[0].metric], DEFAULTS[objective.task].quality
    least = objective.bounds[0]
    bound = f"an impact ratio above {1 - least:g}" if info.ratio else f"|bias| below {least:g}"
    size = f"{'an impact ratio of' if info.ratio else '|bias|'} {_number(repair.point.bias, info)}"
    if objective.selection != "margin":
        bound = f"{bound} with enough room (--selection {objective.selection})"
    return (
        f"Bound not met: no candidate has {bound} and {quality} of at least "
        f"{objective.min_performance:g} on the selection rows. The closest is step {repair.chosen} with {size} "
        f"and {quality} {repair.point.quality:.4f} there; {_told(after, objective)} on {rows}."
    )
