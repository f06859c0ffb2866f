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
from debias.report.values.figures import Figures
from debias.report.values.report import AttributeVerdict, MoreRows
from debias.words import bare


@dataclass(frozen=True)
class Ruling:
    """A verdict, that of each attribute, and where it is open why, and what would settle it."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    more_rows: tuple[MoreRows, ...] = ()
    verdicts: tuple[AttributeVerdict, ...] = ()


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
    if objective.confidence is None:
        met = [
            AttributeVerdict(
                attribute=item.attribute, verdict="pass" if decide(parity.bias, item.eps) == "pass" else "fail"
            )
            for parity, item in zip(figures.parities, objective.constraints, strict=True)
        ]
        passed = held and all(one.verdict == "pass" for one in met)
        return Ruling("pass" if passed else "fail", verdicts=tuple(met))
    found = [
        _assessed(one, item, attribute, objective.confidence, len(objective.constraints))
        for one, item, attribute in zip(counts, objective.constraints, attributes, strict=True)
    ]
    verdicts = tuple(
        _verdict_of(item.attribute, one, fresh) for one, item in zip(found, objective.constraints, strict=True)
    )
    if not held:
        return Ruling("fail", verdicts=verdicts)
    conclusion = together(found)
    open_ones = [
        (one, item.attribute, attribute)
        for one, item, attribute in zip(found, objective.constraints, attributes, strict=True)
        if one.verdict == conclusion
    ]
    reasons = tuple(one.reason for one, _, _ in open_ones)
    if conclusion == "fail":
        return Ruling("fail", reasons, verdicts=verdicts)
    if conclusion == "pass":
        return (
            Ruling("pass", reasons, verdicts=verdicts)
            if fresh
            else Ruling("inconclusive", (_STALE,), verdicts=verdicts)
        )
    more = tuple(
        MoreRows(attribute=name, group=attribute.groups[group], rows=rows)
        for one, name, attribute in open_ones
        for group, rows in (one.more_rows or {}).items()
    )
    return Ruling("inconclusive", reasons if fresh else (*reasons, _STALE), more, verdicts)


def _verdict_of(attribute: str, found: Assessment, fresh: bool) -> AttributeVerdict:
    """Return the verdict of one attribute; rows that took part in selection show no pass at a confidence."""
    if found.verdict == "pass" and not fresh:
        return AttributeVerdict(attribute=attribute, verdict="inconclusive", reason=_STALE)
    return AttributeVerdict(attribute=attribute, verdict=found.verdict, reason=found.reason)


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
