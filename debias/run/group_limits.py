"""Intervals of the rates of each group."""

from __future__ import annotations

import numpy as np

from debias.fairness import intervals
from debias.fairness.counts import Counts, FloatArray
from debias.fairness.gaps import effective
from debias.report.values.figures import GroupIntervals

METHOD = "Wilson; balanced accuracy: Newcombe's square-and-add of both rates"

Limits = tuple[FloatArray, FloatArray]


def group_limits(counts: Counts, confidence: float) -> list[GroupIntervals]:
    """Return the intervals of each group by itself, in the order of the groups.

    Rates are told by Wilson's limits, with effective sizes where rows are weighted. The balanced accuracy of a group is
    (1 + TPR − FPR) / 2; the limits of that difference are Newcombe's (1998, method 10).

    Parameters
    ----------
    counts : Counts
        Of K groups.
    confidence : float
        Two-sided, in (0, 1).

    Returns
    -------
    list of GroupIntervals
        K entries; a rate that no row bears on has no interval.
    """
    tail = (1 - confidence) / 2
    chosen, hits, alarms = (effective(counts, rate) for rate in ("selection", "tpr", "fpr"))
    found = {
        "selection_rate": _told(_rate(*chosen, tail)),
        "tpr": _told(_rate(*hits, tail)),
        "fpr": _told(_rate(*alarms, tail)),
        "balanced_accuracy": _told(_balanced(*hits, *alarms, tail)),
    }
    return [
        GroupIntervals(confidence=confidence, method=METHOD, **{name: each[k] for name, each in found.items()})
        for k in range(counts.n_groups)
    ]


def _rate(k: FloatArray, n: FloatArray, tail: float) -> Limits:
    known = n > 0
    low, high = np.full(len(n), np.nan), np.full(len(n), np.nan)
    low[known], high[known] = intervals.rate_limits(k[known], n[known], tail)
    return low, high


def _balanced(
    hits: FloatArray, positives: FloatArray, alarms: FloatArray, negatives: FloatArray, tail: float
) -> Limits:
    known = (positives > 0) & (negatives > 0)
    low, high = np.full(len(known), np.nan), np.full(len(known), np.nan)
    parts = (hits[known], positives[known], alarms[known], negatives[known])
    low[known], high[known] = intervals.difference_limits(*parts, tail, "newcombe")
    return (1 + low) / 2, (1 + high) / 2


def _told(limits: Limits) -> list[tuple[float, float] | None]:
    return [None if np.isnan(low) else (float(low), float(high)) for low, high in zip(*limits, strict=True)]
