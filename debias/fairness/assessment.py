"""The gate at a confidence: pass, fail or inconclusive, and how many more rows would settle it.

What is asked of an attribute with K groups is \\|gap\\| < eps for every pair of groups and every rate of the metric.

**Pass** needs both one-sided bounds at confidence c of every gap inside (−eps, eps): two one-sided tests (Schuirmann
1987), which for one gap pass wrongly with probability 1 − c at most. It needs no correction for the number of gaps: if
the constraint is violated, some gap is at or beyond the bound, and a pass needs that very gap to pass its own test
(intersection-union test, Berger 1982; Berger and Hsu 1996). The same holds over attributes, which all have to pass.

**Fail** needs one gap shown to be outside. Any of m gaps may be outside by chance, so this side is corrected: within
an attribute by Holm's step-down (Holm 1979), whose first step is Bonferroni's and decides the verdict, its further
steps which other gaps are named; over attributes (`comparisons`) by Bonferroni. The chance of a wrong fail is then
1 − c at most over all of them together. An interval can be outside on either side; `Gaps.outer_tail` sees to both.

Otherwise the rows do not tell: **inconclusive**. A rate that no row bears on is **undefined**.

Sources: D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657. R. L. Berger, Technometrics
24 (1982) 295. R. L. Berger and J. C. Hsu, Statistical Science 11 (1996) 283. S. Holm, Scandinavian Journal of
Statistics 6 (1979) 65. The intervals are those of `debias.fairness.intervals`. They are approximations: "at most" holds
as far as their coverage does. For two groups, over the sizes, rates and bounds of benchmarks/coverage.py, the worst
chance of a wrong pass at a confidence of 95% is 5.2% (most are below 5%), that of a wrong fail 4.8%.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from debias.fairness.counts import Counts, FloatArray
from debias.fairness.gaps import Gaps, Mask, compared
from debias.fairness.intervals import DifferenceMethod, Interval
from debias.fairness.metrics import METRICS, RATE_TEXT, Metric, Rate
from debias.fairness.settling import Plan, settle

Conclusion = Literal["pass", "fail", "inconclusive", "undefined"]
DEFAULT: DifferenceMethod = "clopper-pearson"


@dataclass(frozen=True)
class Gap:
    """One rate compared between two groups.

    Parameters
    ----------
    rate : {"selection", "tpr", "fpr"}
        The rate.
    pair : tuple of int
        The gap is the rate of ``pair[0]`` minus that of ``pair[1]`` (impact ratio: their ratio minus 1, see `Gaps`).
    estimate : float or None
        The gap observed; None for the ratio of two rates of 0.
    interval : Interval
        The two one-sided bounds at the gate's confidence.
    simultaneous : Interval
        The interval that has to lie outside for a fail: corrected for the number of gaps and attributes.
    inside : bool
        Shown to be within the bound.
    outside : bool
        Shown to be at or beyond the bound.
    """

    rate: Rate
    pair: tuple[int, int]
    estimate: float | None
    interval: Interval
    simultaneous: Interval
    inside: bool
    outside: bool


@dataclass(frozen=True)
class Assessment:
    """What rows say about a bound at a confidence.

    Parameters
    ----------
    verdict : {"pass", "fail", "inconclusive", "undefined"}
        See the module.
    interval : Interval or None
        Of the gap that decides: for a fail the simultaneous one, else the two one-sided bounds.
    pair : tuple of int or None
        The groups of that gap.
    more_rows : dict of int to int or None
        Of an inconclusive verdict: how many more rows of which groups would settle it at the observed rates; groups
        that need none are left out. None where it is settled, or where no number of rows would.
    reason : str
        One or two sentences.
    heading : {"pass", "fail"} or None
        What `more_rows` would settle it to.
    gaps : tuple of Gap
        Every gap.
    decisive : Gap or None
        The one that decides.
    """

    verdict: Conclusion
    interval: Interval | None
    pair: tuple[int, int] | None
    more_rows: dict[int, int] | None
    reason: str
    heading: Literal["pass", "fail"] | None = None
    gaps: tuple[Gap, ...] = ()
    decisive: Gap | None = None


def assess(
    counts: Counts,
    metric: Metric,
    eps: float,
    confidence: float,
    privileged: int | None = None,
    comparisons: int = 1,
    groups: Sequence[str] | None = None,
    method: DifferenceMethod = DEFAULT,
    plan: bool = True,
) -> Assessment:
    """Assess one attribute under one metric.

    Parameters
    ----------
    counts : Counts
        Counts of the verdict rows in the favourable frame; independent rows are assumed.
    metric : str
        A name of `METRICS`.
    eps : float
        The bound, in (0, 1]; of the impact ratio 1 minus the least ratio.
    confidence : float
        Of each one-sided bound, in (0.5, 1).
    privileged : int, optional
        The privileged one of two groups; 1 when not given.
    comparisons : int
        Number of attributes (constraints) that are judged together.
    groups : sequence of str, optional
        Names of the groups for the reason.
    method : {"clopper-pearson", "newcombe", "miettinen-nurminen"}
        Of the intervals. Error rates are kept with the default only.
    plan : bool
        Whether to work out `more_rows`, which takes most of the time.

    Returns
    -------
    Assessment

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not (0 < eps <= 1 and 0.5 < confidence < 1 and comparisons >= 1):
        raise ValueError(f"eps {eps!r}, confidence {confidence!r} or comparisons {comparisons!r} out of range")
    names = [f"group {group}" for group in range(counts.n_groups)] if groups is None else list(groups)
    gaps = compared(counts, metric, privileged, method)
    if gaps is None:
        return Assessment("undefined", None, None, None, _why_undefined(counts, metric, names))
    error = (1 - confidence) / comparisons
    outside, simultaneous = holm(gaps, error, eps)
    inside = gaps.inside(1 - confidence, eps)
    low, high = gaps.limits(1 - confidence)
    listed = tuple(
        Gap(
            gaps.rates[i],
            (int(gaps.first[i]), int(gaps.second[i])),
            None if np.isnan(gaps.estimates[i]) else float(gaps.estimates[i]),
            Interval(float(low[i]), float(high[i]), round(2 * confidence - 1, 12), method),
            simultaneous[i],
            bool(inside[i]),
            bool(outside[i]),
        )
        for i in range(len(gaps))
    )
    if outside.any():
        decisive = max((gap for gap in listed if gap.outside), key=lambda gap: _depth(gap.simultaneous))
        return Assessment(
            "fail",
            decisive.simultaneous,
            decisive.pair,
            None,
            f"{_interval(decisive, decisive.simultaneous, metric, names)} lie outside {_bound(eps, metric)}.",
            gaps=listed,
            decisive=decisive,
        )
    if inside.all():
        decisive = max(listed, key=lambda gap: _reach(gap.interval))
        return Assessment(
            "pass",
            decisive.interval,
            decisive.pair,
            None,
            f"{_interval(decisive, decisive.interval, metric, names)} lie inside {_bound(eps, metric)}.",
            gaps=listed,
            decisive=decisive,
        )
    settling = settle(counts.n, gaps, eps, confidence, error) if plan else None
    return _inconclusive(counts, metric, listed, settling, eps, names)


def together(assessments: Iterable[Assessment]) -> Conclusion:
    """Return the verdict over attributes: all have to pass, one that fails decides.

    Each must have been assessed with `comparisons` equal to their number.
    """
    verdicts = {assessment.verdict for assessment in assessments}
    for verdict in ("fail", "undefined", "inconclusive"):
        if verdict in verdicts:
            return verdict
    return "pass"


def holm(gaps: Gaps, error: float, eps: float) -> tuple[Mask, list[Interval]]:
    """Return which gaps are shown to be outside (Holm's step-down), and for each the interval it was judged by.

    Parameters
    ----------
    gaps : Gaps
        The family.
    error : float
        Chance of one wrong statement among all of them, at most.
    eps : float
        The bound.
    """
    outside = np.zeros(len(gaps), bool)
    low, high, tail = (np.empty(len(gaps)) for _ in range(3))
    while True:
        left = ~outside
        family = gaps.only(left)
        tail[left] = family.outer_tail(error / len(family), eps)
        low[left], high[left] = family.limits(tail[left])
        found = left & ((low >= eps) | (high <= -eps))
        outside |= found
        if not found.any() or outside.all():
            break
    intervals = [
        Interval(float(a), float(b), float(1 - 2 * miss), gaps.method)
        for a, b, miss in zip(low, high, tail, strict=True)
    ]
    return outside, intervals


def bias_interval(
    counts: Counts, metric: Metric, confidence: float, privileged: int | None = None, comparisons: int = 1
) -> Interval | None:
    """Return a two-sided interval for the bias of an attribute, for a table; None where undefined.

    The bias is the largest gap by size. Two groups and one rate: its interval. Else the limits hold for all gaps at
    once (Bonferroni), and so for the largest of them: it is at least the largest lower limit of their sizes, at most
    the largest upper one.

    Parameters
    ----------
    counts, metric, privileged, comparisons
        See `assess`.
    confidence : float
        Two-sided, in (0, 1).
    """
    gaps = compared(counts, metric, privileged)
    if gaps is None:
        return None
    low, high = gaps.limits((1 - confidence) / 2 / comparisons / len(gaps))
    if len(gaps) == 1:
        return Interval(float(low[0]), float(high[0]), confidence, gaps.method)
    least = max(0.0, float(np.maximum(low, -high).max()))
    most = float(np.maximum(-low, high).max())
    largest = np.nanargmax(np.abs(gaps.estimates))
    if gaps.estimates[largest] > 0:
        return Interval(least, most, confidence, gaps.method)
    return Interval(-most, 0.0 - least, confidence, gaps.method)


def _inconclusive(
    counts: Counts, metric: Metric, listed: tuple[Gap, ...], plan: Plan | None, eps: float, names: list[str]
) -> Assessment:
    widest = max((gap for gap in listed if not gap.inside), key=lambda gap: _reach(gap.interval))
    decisive = widest if plan is None or plan.gap is None else listed[plan.gap]
    text = f"{_interval(decisive, decisive.interval, metric, names)} do not settle it for {_bound(eps, metric)}."
    if plan is None:
        return Assessment("inconclusive", decisive.interval, decisive.pair, None, text, None, listed, decisive)
    rows = plan.more_rows
    text = f"{text} {_wanted(counts, plan, names)}"
    return Assessment("inconclusive", decisive.interval, decisive.pair, rows, text, plan.heading, listed, decisive)


def _wanted(counts: Counts, plan: Plan, names: list[str]) -> str:
    if plan.more_rows is None:
        return "The rates observed lie at the bound: more rows with the same rates would not settle it."
    n = counts.n
    some = [f"{rows:,} more rows of {names[group]} (now {n[group]:,})" for group, rows in plan.more_rows.items()]
    listing = some[0] if len(some) == 1 else f"{', '.join(some[:-1])} and {some[-1]}"
    return f"At the rates observed, {listing} would make it {plan.heading}."


def _reach(interval: Interval) -> float:
    return max(-interval.low, interval.high)


def _depth(interval: Interval) -> float:
    return max(interval.low, -interval.high)


def _interval(gap: Gap, interval: Interval, metric: Metric, names: list[str]) -> str:
    one, two = (RATE_TEXT[gap.rate].format(names[group]) for group in gap.pair)
    what = f"{one} / {two} − 1" if METRICS[metric].ratio else f"{one} − {two}"
    side = f"{50 + 50 * interval.confidence:.4g}%"
    return f"The one-sided {side} bounds of {what}, {_signed(interval.low)} and {_signed(interval.high)},"


def _bound(eps: float, metric: Metric) -> str:
    return f"−{eps:g} to +{eps:g}" + (" (the lower rate over the higher one, minus 1)" if METRICS[metric].ratio else "")


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _why_undefined(counts: Counts, metric: Metric, names: list[str]) -> str:
    if counts.n_groups < 2:
        return "There is one group only, so there is nothing to compare."
    lacks = []
    labels: dict[Rate, tuple[FloatArray, str]] = {
        "selection": (counts.weight, "rows"),
        "tpr": (counts.positives, "rows with the favourable label"),
        "fpr": (counts.negatives, "rows with the unfavourable label"),
    }
    for rate in METRICS[metric].rates:
        weight, what = labels[rate]
        lacks += [f"{name} has no {what}" for name, mass in zip(names, weight, strict=True) if not mass > 0]
    if not lacks:
        return "No row gets the favourable decision, so there is no ratio of rates."
    return f"{'; '.join(dict.fromkeys(lacks))}: {metric} is undefined."
