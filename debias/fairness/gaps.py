"""The rates of all pairs of groups side by side, and the limits of their differences or ratios."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.intervals import DifferenceMethod, Limits, difference_limits, ratio_limits
from debias.fairness.metrics import METRICS, Metric, Rate, two_groups

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Gaps:
    """P comparisons of a rate between two groups: every pair, for every rate of a metric.

    Parameters
    ----------
    rates : tuple of {"selection", "tpr", "fpr"}, length P
        The rate compared.
    first, second : ndarray of int64, shape [P]
        The groups; the gap is the rate of `first` minus that of `second`.
    k1, n1, k2, n2 : ndarray of float64, shape [P]
        Favourable decisions and rows of both; effective ones where rows are weighted.
    ratio : bool
        The rates are divided, not subtracted. The gap of a ratio r is r − 1, or 1 − 1 / r where r > 1: the lower rate
        over the higher one minus 1, with the sign of the difference, in [−1, 1].
    method : {"clopper-pearson", "newcombe", "miettinen-nurminen"}
        Of the limits; ratios take ``koopman`` for the last one.
    """

    rates: tuple[Rate, ...]
    first: IntArray
    second: IntArray
    k1: FloatArray
    n1: FloatArray
    k2: FloatArray
    n2: FloatArray
    ratio: bool
    method: DifferenceMethod = "clopper-pearson"

    def __len__(self) -> int:
        return len(self.rates)

    @property
    def estimates(self) -> FloatArray:
        """The gaps observed, shape [P]; NaN for the ratio of two rates of 0."""
        p1, p2 = self.k1 / self.n1, self.k2 / self.n2
        if not self.ratio:
            return np.asarray(p1 - p2)
        return _signed(np.divide(p1, p2, out=np.where(p1 > 0, np.inf, np.nan), where=p2 > 0))

    def limits(self, tail: npt.ArrayLike) -> Limits:
        """Return both limits of each gap, each of which misses with probability `tail`; shape [P]."""
        counts = (self.k1, self.n1, self.k2, self.n2)
        if not self.ratio:
            return difference_limits(*counts, tail, self.method)
        method = "koopman" if self.method == "miettinen-nurminen" else self.method
        low, high = ratio_limits(*counts, tail, method)
        return _signed(low), _signed(high)

    def inside(self, tail: float, eps: float) -> Mask:
        """Whether both limits lie strictly inside (−eps, eps), shape [P]."""
        low, high = self.limits(tail)
        return (low > -eps) & (high < eps)

    def outside(self, error: float, eps: float) -> Mask:
        """Whether a gap is at or beyond the bound, each wrongly said with probability `error` at most; shape [P]."""
        low, high = self.limits(self.outer_tail(error, eps))
        return (low >= eps) | (high <= -eps)

    def outer_tail(self, error: float, eps: float) -> FloatArray:
        """Return the miss of one limit with which the interval lies wholly outside by chance in `error` at most.

        An interval can lie beyond either side of the bound. At a true gap of eps the chance is Φ(−z) + Φ(−z − 2 eps /
        se), largest where the bound is narrow against the standard error se. The tail Φ(−z) therefore runs from
        `error` (wide bounds) to `error` / 2 (narrow ones).
        """
        from scipy.special import ndtr, ndtri

        width = self._width(eps)
        low, high = np.full(len(self), -ndtri(error)), np.full(len(self), -ndtri(error / 2))
        for _ in range(50):
            z = (low + high) / 2
            too_often = ndtr(-z) + ndtr(-z - width) > error
            low, high = np.where(too_often, z, low), np.where(too_often, high, z)
        tail: FloatArray = ndtr(-high)
        return tail

    def _width(self, eps: float) -> FloatArray:
        """Return how many standard errors the bound is wide, shape [P]; one row of each outcome is added to a group."""
        p1, p2 = (self.k1 + 1) / (self.n1 + 2), (self.k2 + 1) / (self.n2 + 2)
        if not self.ratio:
            return np.asarray(2 * eps / np.sqrt(p1 * (1 - p1) / self.n1 + p2 * (1 - p2) / self.n2))
        span = np.inf if eps >= 1 else -2 * np.log1p(-eps)
        return np.asarray(span / np.sqrt((1 - p1) / (p1 * self.n1) + (1 - p2) / (p2 * self.n2)))

    def grown(self, factor: FloatArray) -> Gaps:
        """Return the gaps at the same rates with `factor` [K] times as many rows of each group."""
        one, two = factor[self.first], factor[self.second]
        return replace(self, k1=self.k1 * one, n1=self.n1 * one, k2=self.k2 * two, n2=self.n2 * two)

    def only(self, kept: Mask) -> Gaps:
        """Return some of the gaps."""
        return replace(
            self,
            rates=tuple(rate for rate, keep in zip(self.rates, kept, strict=True) if keep),
            first=self.first[kept],
            second=self.second[kept],
            k1=self.k1[kept],
            n1=self.n1[kept],
            k2=self.k2[kept],
            n2=self.n2[kept],
        )


def compared(
    counts: Counts, metric: Metric, privileged: int | None = None, method: DifferenceMethod = "clopper-pearson"
) -> Gaps | None:
    """Return every gap that a metric compares; None where a rate is undefined or there is one group only.

    Two groups are compared as unprivileged minus privileged, each pair of more as the lower rate minus the higher one.
    """
    info = METRICS[metric]
    k = counts.n_groups
    found = [effective(counts, rate) for rate in info.rates]
    if k < 2 or any(not (rows > 0).all() for _, rows in found):
        return None
    pairs = [_pairs(chosen / rows, privileged) for chosen, rows in found]
    first, second = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    k1, k2 = (
        np.concatenate([chosen[pair[side]] for (chosen, _), pair in zip(found, pairs, strict=True)]) for side in (0, 1)
    )
    n1, n2 = (
        np.concatenate([rows[pair[side]] for (_, rows), pair in zip(found, pairs, strict=True)]) for side in (0, 1)
    )
    rates = tuple(rate for rate, (one, _) in zip(info.rates, pairs, strict=True) for _ in one)
    gaps = Gaps(rates, first, second, k1, n1, k2, n2, info.ratio, method)
    return None if np.isnan(gaps.estimates).all() else gaps


def _pairs(rates: FloatArray, privileged: int | None) -> tuple[IntArray, IntArray]:
    """Return both sides of every pair: (unprivileged, privileged), or of more than two groups (lower, higher)."""
    if len(rates) == 2:
        low, high = two_groups(privileged)
        return np.array([low]), np.array([high])
    one, two = (side.astype(np.int64) for side in np.triu_indices(len(rates), 1))
    turned = rates[one] > rates[two]
    return np.where(turned, two, one), np.where(turned, one, two)


def effective(counts: Counts, rate: Rate) -> tuple[FloatArray, FloatArray]:
    """Return favourable decisions and rows that a rate is of, per group, shapes [K]; effective ones for weighted rows.

    The effective number of rows is (Σ w)² / Σ w² (Kish 1965); it is 0 where there is no weight.
    """
    labels = {"selection": slice(None), "tpr": slice(1, 2), "fpr": slice(0, 1)}[rate]
    weight = counts.weights[:-1, labels].sum(axis=(1, 2))
    squares = counts.squares[:-1, labels].sum(axis=(1, 2))
    rows = np.divide(weight**2, squares, out=np.zeros(len(weight)), where=squares > 0)
    chosen = counts.weights[:-1, labels, 1].sum(axis=1)
    return np.divide(chosen * rows, weight, out=np.zeros(len(weight)), where=weight > 0), rows


def _signed(ratio: FloatArray) -> FloatArray:
    """Return r − 1 for r <= 1, else 1 − 1 / r; infinity becomes 1."""
    with np.errstate(divide="ignore"):
        return np.where(ratio <= 1, ratio - 1, 1 - 1 / ratio)
