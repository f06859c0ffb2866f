"""Every distinct score as threshold, from one sort: performance and bias at all cuts, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.errors import ModelError, Problem
from debias.fairness.counts import FloatArray, IntArray

FloatScores = npt.NDArray[np.floating[Any]]
# Counts, or weights.
Sums = list[npt.NDArray[Any]]

# The mantissa of a float64 that holds a float32 ends in this many zero bits.
_SPARE_BITS = 29


@dataclass(frozen=True)
class OperatingPoint:
    """Where the score is cut, and what that does on the selection rows.

    Parameters
    ----------
    cut : float
        Positive decision iff logit > cut.
    balanced_accuracy : float
        (TPR + TNR) / 2 over all rows.
    bias : float
        Bias of the favourable decision; for more than two groups the lowest minus the highest rate.
    objective : float
        Balanced accuracy if the point is feasible, else 0 (parity-proxies paper, eq. 3).
    feasible : bool
        True when \\|bias\\| is below the bound and the balanced accuracy is not below the least allowed.
    """

    cut: float
    balanced_accuracy: float
    bias: float
    objective: float
    feasible: bool


@dataclass(frozen=True, eq=False)
class Sweep:
    """Performance and bias at every candidate cut, in ascending order of the cut.

    Parameters
    ----------
    cuts : ndarray of float64, shape [T]
        Midway between neighbouring distinct logits.
    balanced_accuracy, bias : ndarray of float64, shape [T]
        Figures of the decision ``logit > cut``.
    rates : ndarray of float64, shape [K, T]
        Selection rate or TPR of each group, whichever the metric compares.
    bound : float
        Bound on \\|bias\\| that the methods use when none is given.
    min_performance : float
        Least balanced accuracy of a feasible cut.
    """

    cuts: FloatArray
    balanced_accuracy: FloatArray
    bias: FloatArray
    rates: FloatArray
    bound: float
    min_performance: float

    def __len__(self) -> int:
        return len(self.cuts)

    @property
    def low(self) -> IntArray:
        """Group with the lowest rate at each cut, shape [T]."""
        group: IntArray = self.rates.argmin(axis=0)
        return group

    @property
    def high(self) -> IntArray:
        """Group with the highest rate at each cut, shape [T]."""
        group: IntArray = self.rates.argmax(axis=0)
        return group

    def point(self, index: int, bound: float | None = None) -> OperatingPoint:
        """Return candidate `index`, judged by `bound`."""
        performance, bias = float(self.balanced_accuracy[index]), float(self.bias[index])
        feasible = abs(bias) < (self.bound if bound is None else bound) and performance >= self.min_performance
        return OperatingPoint(float(self.cuts[index]), performance, bias, performance if feasible else 0.0, feasible)

    def best(self) -> OperatingPoint | None:
        """Return the cut with the highest balanced accuracy, whatever its bias; None without candidates."""
        return self._first(np.arange(len(self)), -self.balanced_accuracy, np.abs(self.bias))

    def best_feasible(self, bound: float | None = None) -> OperatingPoint | None:
        """Return the feasible cut with the highest balanced accuracy (ties: smaller \\|bias\\|), or None."""
        bound = self.bound if bound is None else bound
        size = np.abs(self.bias)
        feasible = np.flatnonzero((size < bound) & (self.balanced_accuracy >= self.min_performance))
        return self._first(feasible, -self.balanced_accuracy, size, bound)

    def closest(self) -> OperatingPoint | None:
        """Return the cut with the smallest \\|bias\\| where performance suffices, else the best performing."""
        performing = np.flatnonzero(self.balanced_accuracy >= self.min_performance)
        return self._first(performing, np.abs(self.bias), -self.balanced_accuracy) or self.best()

    def _first(
        self, among: IntArray, key: FloatArray, tie: FloatArray, bound: float | None = None
    ) -> OperatingPoint | None:
        """Return the candidate with the smallest `key`, ties by `tie`, then by the cut."""
        if not len(among):
            return None
        keys = key[among]
        tied = among[keys == keys.min()]
        return self.point(int(tied[np.argmin(tie[tied])]), bound)


class PrefixSums:
    """Sums of several columns over the first rows of any order.

    Columns of 0 and 1 are packed side by side into int64, so that one pass sums several of them.

    Parameters
    ----------
    columns : sequence of ndarray of bool, each of shape [N]
        What is summed.
    weight : ndarray of float64, shape [N], optional
        Weight of each row; without it the sums are exact counts.
    """

    def __init__(self, columns: Sequence[npt.NDArray[np.bool_]], weight: FloatArray | None = None) -> None:
        self._width = 0
        self._packed: list[IntArray] = []
        self._weighted: list[FloatArray] = []
        self._n_columns = len(columns)
        if weight is not None:
            self._weighted = [column * weight for column in columns]
            return
        self._width = max(1, len(columns[0]).bit_length())
        self._per_word = 63 // self._width
        for start in range(0, len(columns), self._per_word):
            word = np.zeros(len(columns[0]), np.int64)
            for place, column in enumerate(columns[start : start + self._per_word]):
                word |= column.astype(np.int64) << (place * self._width)
            self._packed.append(word)

    def at(self, order: IntArray, last: IntArray) -> Sums:
        """Return, for each column, its sums over ``order[: last + 1]``, shape [T] each."""
        if self._weighted:
            return [np.cumsum(column.take(order)).take(last) for column in self._weighted]
        mask = (1 << self._width) - 1
        sums: Sums = []
        for word in self._packed:
            total = np.cumsum(word.take(order)).take(last)
            places = min(self._per_word, self._n_columns - len(sums))
            sums += [(total >> (place * self._width)) & mask for place in range(places)]
        return sums


def sort_rows(logits: FloatScores) -> tuple[FloatArray, IntArray]:
    """Return the logits in ascending order as float64, and the row of each.

    Raises
    ------
    ModelError
        If a logit is NaN or infinite.
    """
    if logits.dtype == np.float32 and len(logits) < 1 << _SPARE_BITS:
        # Faster than argsort: the row number rides in the bits that a float32 leaves free.
        values = logits.astype(np.float64)
        values += 0.0  # −0.0 becomes 0.0, which the row number would else order below it
        bits = values.view(np.int64)
        bits |= np.arange(len(bits))
        values.sort()
        order = bits & ((1 << _SPARE_BITS) - 1)
        bits &= -1 << _SPARE_BITS
    else:
        order = np.argsort(logits)
        values = logits.take(order).astype(np.float64)
    # An infinity with a row number in its mantissa reads as NaN and is last, as NaN is.
    if len(values) and not (np.isfinite(values[0]) and np.isfinite(values[-1])):
        bad = np.flatnonzero(~np.isfinite(logits))
        raise ModelError(
            Problem(
                f"the network returns NaN or infinite scores for {len(bad)} of {len(logits)} rows "
                f"(the first: row {bad[0] + 1} of those used)",
                remedy="Check the features of these rows and the network's weights.",
            )
        )
    return values, order


def candidate_cuts(values: FloatArray, resolution: float) -> tuple[FloatArray, IntArray]:
    """Return the cuts midway between neighbouring distinct values, and the index of the value below each.

    Parameters
    ----------
    values : ndarray of float64, shape [N]
        In ascending order.
    resolution : float
        A cut counts only where the gap round it exceeds ``resolution * max(1, |cut|)``.
    """
    below, above = values[:-1], values[1:]
    cuts = below * 0.5
    cuts += above * 0.5
    least = np.abs(cuts)
    np.maximum(least, 1.0, out=least)
    least *= resolution
    with np.errstate(over="ignore"):
        last = np.flatnonzero(above - below > least)
    return cuts.take(last), last
