"""The metrics by name; parity and performance figures from counts; ranking and calibration figures from scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from debias.errors import Problem, UsageError
from debias.fairness.counts import Counts, FloatArray, IntArray

Metric = Literal[
    "statistical-parity",
    "equal-opportunity",
    "predictive-equality",
    "equalized-odds",
    "impact-ratio",
    "mean-difference",
    "mse-dispersion",
]
Task = Literal["classification", "regression"]
"""What a network predicts: a class, or a number."""
Moment = Literal["mean", "mse"]
"""Of predicted numbers: their mean, or the mean squared error (`debias.fairness.moments`)."""
Rate = Literal["selection", "tpr", "fpr"]
"""A rate of favourable decisions: among all rows, among favourable labels, among the others."""

RATE_TEXT: dict[Rate, str] = {"selection": "P(+ | {})", "tpr": "P(+ | y = +, {})", "fpr": "P(+ | y = −, {})"}
"""How a rate is written; ``{}`` takes the name of a group."""
MOMENT_TEXT: dict[Moment, str] = {"mean": "E[ŷ | {}]", "mse": "E[(ŷ − y)² | {}]"}
"""How a moment is written; ``{}`` takes the name of a group."""


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
    rates : tuple of {"selection", "tpr", "fpr"}
        The rates compared; of two, the larger difference counts. None of a metric of predicted numbers.
    ratio : bool
        The rates are divided, not subtracted; the bias is the ratio of the lower to the higher rate minus 1.
    moment : {"mean", "mse"}, optional
        What a metric of predicted numbers compares.
    """

    name: Metric
    alias: str
    formula: str
    rates: tuple[Rate, ...]
    ratio: bool = False
    moment: Moment | None = None

    @property
    def task(self) -> Task:
        """What the networks predict that it is for."""
        return "classification" if self.moment is None else "regression"


METRICS: dict[Metric, MetricInfo] = {
    "statistical-parity": MetricInfo(
        "statistical-parity", "spd", "P(ŷ = + | a = 0) − P(ŷ = + | a = 1)", ("selection",)
    ),
    "equal-opportunity": MetricInfo(
        "equal-opportunity", "eod", "P(ŷ = + | y = +, a = 0) − P(ŷ = + | y = +, a = 1)", ("tpr",)
    ),
    "predictive-equality": MetricInfo(
        "predictive-equality", "fprd", "P(ŷ = + | y = −, a = 0) − P(ŷ = + | y = −, a = 1)", ("fpr",)
    ),
    "equalized-odds": MetricInfo(
        "equalized-odds",
        "eqodds",
        "the larger in size of the differences of P(ŷ = + | y = +, a) and of P(ŷ = + | y = −, a)",
        ("tpr", "fpr"),
    ),
    "impact-ratio": MetricInfo(
        "impact-ratio", "air", "min P(ŷ = + | a) / max P(ŷ = + | a) − 1", ("selection",), ratio=True
    ),
    "mean-difference": MetricInfo(
        "mean-difference",
        "mdp",
        "E[ŷ | a = 0] − E[ŷ | a = 1]; of more than two groups the mean of |E[ŷ | a] − E[ŷ | b]| over all pairs a, b",
        (),
        moment="mean",
    ),
    "mse-dispersion": MetricInfo(
        "mse-dispersion", "msesd", "the standard deviation over the groups a of E[(ŷ − y)² | a]", (), moment="mse"
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


def group_rates(counts: Counts, rate: Rate) -> FloatArray:
    """Return a rate of favourable decisions of each group, shape [K]; NaN where undefined."""
    return {"selection": selection_rates, "tpr": tprs, "fpr": fprs}[rate](counts)


def f1(true_positives: FloatArray, selected: FloatArray, positives: float) -> FloatArray:
    """2 TP / (selected + positives), element by element; 0 where nothing is selected and nothing positive."""
    whole = selected + positives
    ratio = np.zeros(len(whole))
    np.divide(2 * true_positives, whole, out=ratio, where=whole > 0)
    return ratio


def disparity(rates: FloatArray, privileged: int | None, ratio: bool = False) -> FloatArray:
    """Return how far the rates of the groups lie apart.

    Parameters
    ----------
    rates : ndarray of float64, shape [K, ...]
        A rate of each group.
    privileged : int or None
        The privileged one of two groups.
    ratio : bool
        Ratio of the lower to the higher rate minus 1 instead of the difference; NaN where all rates are 0.

    Returns
    -------
    ndarray of float64, shape [...]
        Two groups: unprivileged minus privileged. More: the lowest minus the highest. A ratio has the sign of the
        difference.
    """
    if len(rates) == 2:
        low, high = two_groups(privileged)
        first, second = rates[low], rates[high]
    else:
        first, second = rates.min(axis=0), rates.max(axis=0)
    if not ratio:
        difference: FloatArray = first - second
        return difference
    top = np.maximum(first, second)
    gap = np.full(np.shape(top), np.nan)
    np.divide(np.minimum(first, second), top, out=gap, where=top > 0)
    signed: FloatArray = np.where(first <= second, gap - 1, 1 - gap)
    return signed


@dataclass(frozen=True)
class Bias:
    """How far a rate lies apart between groups.

    Parameters
    ----------
    value : float or None
        Rate of the first group of `pair` minus that of the second (impact ratio: their ratio minus 1, with the sign
        of the difference); None where a rate is undefined.
    pair : tuple of int or None
        Two groups: (unprivileged, privileged). More: (lowest rate, highest rate), None where undefined.
    mean_pairwise : float or None
        Mean absolute difference over all pairs of groups (Fair MEDL paper, eq. 3).
    rate : {"selection", "tpr", "fpr"}
        The rate compared; of equalized odds the one with the larger difference.
    """

    value: float | None
    pair: tuple[int, int] | None
    mean_pairwise: float | None
    rate: Rate = "selection"


def bias(counts: Counts, metric: Metric, privileged: int | None = None) -> Bias:
    """Return the bias under a metric.

    Parameters
    ----------
    counts : Counts
        Counts in the favourable frame.
    metric : str
        A name of `METRICS` (parity-proxies paper, section 2; equalized odds as max(\\|ΔTPR\\|, \\|ΔFPR\\|)).
    privileged : int, optional
        The privileged one of two groups; 1 when not given. No effect on more than two groups.

    Returns
    -------
    Bias
        Two groups: unprivileged minus privileged. More: the lowest minus the highest rate.
    """
    info = METRICS[metric]
    found = [_bias_of(counts, rate, privileged, info.ratio) for rate in info.rates]
    undefined = [item for item in found if item.value is None]
    return undefined[0] if undefined else max(found, key=lambda item: abs(item.value or 0.0))


def _bias_of(counts: Counts, rate: Rate, privileged: int | None, ratio: bool) -> Bias:
    rates = group_rates(counts, rate)
    k = len(rates)
    if k < 2:
        return Bias(None, None, None, rate)
    if np.isnan(rates).any():
        return Bias(None, two_groups(privileged) if k == 2 else None, None, rate)
    first, second = np.triu_indices(k, 1)
    mean_pairwise = float(np.abs(rates[first] - rates[second]).mean())
    return Bias(_defined(float(disparity(rates, privileged, ratio))), pair_of(rates, privileged), mean_pairwise, rate)


def pair_of(rates: FloatArray, privileged: int | None) -> tuple[int, int]:
    """Return the groups whose difference is the bias, from the rate of each, shape [K].

    Two groups: (unprivileged, privileged). More: (lowest, highest).
    """
    if len(rates) == 2:
        return two_groups(privileged)
    low, high = int(np.argmin(rates)), int(np.argmax(rates))
    # All rates equal: argmin and argmax agree, and a pair has two members.
    return low, high if high != low else (low + 1) % len(rates)


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
