"""The verdict of a run, for CLI, Python and compare alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debias.fairness.assessment import Assessment, assess, together
from debias.fairness.counts import Counts
from debias.fairness.moment_assessment import assess_moments
from debias.fairness.moments import Moments
from debias.objective import Constraint, Objective, Verdict, decide
from debias.objective.comparison import Groups
from debias.report.figures import Figures
from debias.report.model import MoreRows
from debias.words import bare


@dataclass(frozen=True)
class Ruling:
    """A verdict, and where it is open why, and what would settle it."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    more_rows: tuple[MoreRows, ...] = ()


def rule(
    figures: Figures,
    counts: Sequence[Counts | Moments],
    attributes: Sequence[Groups],
    objective: Objective,
    *,
    bounded: bool = True,
    held: bool = True,
    fresh: bool = True,
) -> Ruling:
    """Return the verdict.

    Parameters
    ----------
    figures : Figures
        Of the deciding file on the verdict rows.
    counts : sequence of Counts or Moments
        By the groups of each constraint, on the verdict rows.
    attributes : sequence of Attribute
        The attribute of each constraint.
    objective : Objective
        Bounds and, where the gate asks for one, the confidence.
    bounded : bool
        A bound was asked.
    held : bool
        The candidate met its bound where it was chosen; a bound that the verdict rows meet by chance is not met.
    fresh : bool
        The verdict rows took no part in selection; only then can a verdict have a confidence.
    """
    if not bounded:
        return Ruling("no-bound")
    if not held:
        return Ruling("fail")
    if objective.confidence is None:
        met = [
            decide(parity.bias, item.eps) for parity, item in zip(figures.parities, objective.constraints, strict=True)
        ]
        return Ruling("pass" if set(met) == {"pass"} else "fail")
    found = [
        _assessed(one, item, attribute, objective.confidence, len(objective.constraints))
        for one, item, attribute in zip(counts, objective.constraints, attributes, strict=True)
    ]
    conclusion = together(found)
    open_ones = [
        (one, item.attribute, attribute)
        for one, item, attribute in zip(found, objective.constraints, attributes, strict=True)
        if one.verdict == conclusion
    ]
    reasons = tuple(one.reason for one, _, _ in open_ones)
    if conclusion == "fail":
        return Ruling("fail", reasons)
    if conclusion == "pass":
        return Ruling("pass", reasons) if fresh else Ruling("inconclusive", (_STALE,))
    more = tuple(
        MoreRows(attribute=name, group=attribute.groups[group], rows=rows)
        for one, name, attribute in open_ones
        for group, rows in (one.more_rows or {}).items()
    )
    return Ruling("inconclusive", reasons if fresh else (*reasons, _STALE), more)


def _assessed(
    found: Counts | Moments, constraint: Constraint, attribute: Groups, confidence: float, comparisons: int
) -> Assessment:
    privileged, groups = attribute.privileged, [bare(name) for name in attribute.groups]
    if isinstance(found, Moments):
        return assess_moments(
            found, constraint.metric, constraint.eps, confidence, privileged, comparisons=comparisons, groups=groups
        )
    return assess(
        found, constraint.metric, constraint.eps, confidence, privileged, comparisons=comparisons, groups=groups
    )


_STALE = "The verdict rows took part in selection; give others with --test or --holdout."
