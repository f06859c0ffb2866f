"""Parity and performance figures from counts; ranking and calibration figures from scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from debias.errors import Problem, UsageError
from debias.fairness.counts import Counts, FloatArray, IntArray

Metric = Literal["statistical-parity", "equal-opportunity"]


@dataclass(frozen=True)
class MetricInfo:
    """How a parity metric is called and what it is.

    Parameters
    ----------
    name : str
        Name in flags and reports.
    alias : str
        Short name of the literature.
    formula : str
        Formula with a = 0 for the unprivileged and a = 1 for the privileged group.
    rate : str
        The rate compared, for the sentence of a report; ``{}`` takes the name of a group.
    """

    name: Metric
    alias: str
    formula: str
    rate: str


METRICS: dict[Metric, MetricInfo] = {
    "statistical-parity": MetricInfo("statistical-parity", "spd", "P(ŷ = + | a = 0) − P(ŷ = + | a = 1)", "P(+ | {})"),
    "equal-opportunity": MetricInfo(
        "equal-opportunity", "eod", "P(ŷ = + | y = +, a = 0) − P(ŷ = + | y = +, a = 1)", "P(+ | y = +, {})"
    ),
}


def canonical_metric(name: str) -> Metric:
    """Return the full name of a metric given by name or alias.

    Raises
    ------
    UsageError
        If no metric is called so.
    """
    for info in METRICS.values():
        if name in (info.name, info.alias):
            return info.name
    known = ", ".join(f"{info.name} ({info.alias})" for info in METRICS.values())
    raise UsageError(Problem(f"unknown metric {name!r}", "--metric", f"Choose one of: {known}."))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    ratio = np.full(len(whole), np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def selection_rates(counts: Counts) -> FloatArray:
    """P(favourable decision) of each group, shape [K]; NaN for a group without rows."""
    return _ratio(counts.selected, counts.weight)


def tprs(counts: Counts) -> FloatArray:
    """P(favourable decision | favourable label) of each group, shape [K]; NaN without such labels."""
    return _ratio(counts.true_positives, counts.positives)


def fprs(counts: Counts) -> FloatArray:
    """P(favourable decision | unfavourable label) of each group, shape [K]; NaN without such labels."""
    return _ratio(counts.false_positives, counts.negatives)


def balanced_accuracies(counts: Counts) -> FloatArray:
    """(TPR + TNR) / 2 of each group, shape [K]; NaN where either is undefined."""
    return (tprs(counts) + _ratio(counts.true_negatives, counts.negatives)) / 2


def accuracies(counts: Counts) -> FloatArray:
    """Share of decisions equal to the label in each group, shape [K]; NaN for a group without rows."""
    return _ratio(counts.true_positives + counts.true_negatives, counts.weight)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def balanced_accuracy(counts: Counts) -> float | None:
    """(TPR + TNR) / 2 over all rows, those without the attribute too; None where undefined."""
    return _defined(balanced_accuracies(counts.total)[0])


def accuracy(counts: Counts) -> float | None:
    """Share of decisions equal to the label over all rows; None without rows."""
    return _defined(accuracies(counts.total)[0])


@dataclass(frozen=True)
class Bias:
    """The difference of a rate between groups.

    Parameters
    ----------
    value : float or None
        Rate of the first group of `pair` minus that of the second; None where a rate is undefined.
    pair : tuple of int or None
        Two groups: (unprivileged, privileged). More: (lowest rate, highest rate), None where undefined.
    mean_pairwise : float or None
        Mean absolute difference over all pairs of groups (Fair MEDL paper, eq. 3).
    """

    value: float | None
    pair: tuple[int, int] | None
    mean_pairwise: float | None


def bias(counts: Counts, metric: Metric, privileged: int | None = None) -> Bias:
    """Return the bias under a metric.

    Parameters
    ----------
    counts : Counts
        Counts in the favourable frame.
    metric : {"statistical-parity", "equal-opportunity"}
        The rate compared: P(favourable) or the TPR (parity-proxies paper, section 2).
    privileged : int, optional
        The privileged one of two groups; 1 when not given. No effect on more than two groups.

    Returns
    -------
    Bias
        Two groups: unprivileged minus privileged. More: the lowest minus the highest rate.
    """
    rates = selection_rates(counts) if metric == "statistical-parity" else tprs(counts)
    k = len(rates)
    if k < 2:
        return Bias(None, None, None)
    pair = two_groups(privileged) if k == 2 else None
    if np.isnan(rates).any():
        return Bias(None, pair, None)
    low, high = pair or (int(np.argmin(rates)), int(np.argmax(rates)))
    # All rates equal: argmin and argmax agree, and a pair has two members.
    high = high if high != low else (low + 1) % k
    first, second = np.triu_indices(k, 1)
    mean_pairwise = float(np.abs(rates[first] - rates[second]).mean())
    return Bias(float(rates[low] - rates[high]), (low, high), mean_pairwise)


def two_groups(privileged: int | None) -> tuple[int, int]:
    """Return (unprivileged, privileged) of two groups; 1 is privileged when none is named."""
    return (1, 0) if privileged == 0 else (0, 1)


def auroc(scores: npt.ArrayLike, y: IntArray, weight: FloatArray | None = None) -> float | None:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counted half.

    Parameters
    ----------
    scores : array_like, shape [N]
        Scores on any scale.
    y : ndarray of int64, shape [N]
        Labels in {0, 1}.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Returns
    -------
    float or None
        None where one of the labels has no weight.
    """
    values, level = np.unique(np.asarray(scores), return_inverse=True)
    w = np.ones(len(y)) if weight is None else weight
    positive = np.bincount(level, weights=w * (y == 1), minlength=len(values))
    negative = np.bincount(level, weights=w * (y == 0), minlength=len(values))
    pairs = positive.sum() * negative.sum()
    if not pairs > 0:
        return None
    won = positive @ (np.cumsum(negative) - negative / 2)
    return float(min(won / pairs, 1.0))


def brier(prob: npt.ArrayLike, y: IntArray, weight: FloatArray | None = None) -> float | None:
    """Mean squared difference of probability and label; None without weight.

    Parameters
    ----------
    prob : array_like, shape [N]
        P(y = 1) in [0, 1].
    y : ndarray of int64, shape [N]
        Labels in {0, 1}.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    """
    squared = (np.asarray(prob, np.float64) - y) ** 2
    w = np.ones(len(squared)) if weight is None else weight
    mass = w.sum()
    return float(squared @ w / mass) if mass > 0 else None
