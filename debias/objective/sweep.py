"""Every distinct score as threshold, from one sort: performance and bias at all cuts, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
        Positive decision iff logit > cut; NaN where a rule with a cut per group decides, and where nothing is cut.
    quality : float
        What a least performance is asked of: the balanced accuracy (TPR + TNR) / 2 over all rows, R² of a regression.
    bias : float
        Bias of the favourable decision; for more than two groups the lowest minus the highest rate. Of several
        constraints that which uses up most of its bound.
    objective : float
        Performance if the point is feasible, else 0 (parity-proxies paper, eq. 3).
    feasible : bool
        True when every constraint holds as the selection asks for it and the quality is not below the least allowed.
    performance : float
        The performance measure of the objective; the quality itself unless another was asked for.
    biases : tuple of float
        One for each constraint.
    merit : float
        What the selection maximises among feasible points (`debias.objective.selection`).
    """

    cut: float
    quality: float
    bias: float
    objective: float
    feasible: bool
    performance: float
    biases: tuple[float, ...]
    merit: float


@dataclass(frozen=True, eq=False)
class Sweep:
    """Performance and bias at every candidate cut, in ascending order of the cut.

    Parameters
    ----------
    cuts : ndarray of float64, shape [T]
        Midway between neighbouring distinct logits.
    performance, quality : ndarray of float64, shape [T]
        Of the decision ``logit > cut``; see `OperatingPoint`.
    differences : ndarray of float64, shape [M, T]
        Bias of each comparison; NaN where undefined.
    constraints : ndarray of int64, shape [M]
        The constraint that each comparison belongs to.
    eps : ndarray of float64, shape [M]
        The bound of each comparison.
    feasible : ndarray of bool, shape [T]
        Where every constraint holds as the selection asks for it, with enough quality.
    merit : ndarray of float64, shape [T]
        What the selection maximises among feasible cuts.
    min_performance : float
        Least quality of a feasible cut.
    """

    cuts: FloatArray
    performance: FloatArray
    quality: FloatArray
    differences: FloatArray
    constraints: IntArray
    eps: FloatArray
    feasible: npt.NDArray[np.bool_]
    merit: FloatArray
    min_performance: float

    def __len__(self) -> int:
        return len(self.cuts)

    @cached_property
    def use(self) -> FloatArray:
        """How much of its bound the tightest comparison uses up, \\|bias\\| / eps, shape [T]."""
        if len(self.differences) == 1:
            share: FloatArray = np.abs(self.differences[0]) / self.eps[0]
            return share
        largest: FloatArray = (np.abs(self.differences) / self.eps[:, None]).max(axis=0)
        return largest

    @cached_property
    def bias(self) -> FloatArray:
        """Bias of the comparison that uses up most of its bound, shape [T]."""
        return self._tightest(np.arange(len(self.differences)))

    def biases(self, index: int) -> tuple[float, ...]:
        """Return the bias of each constraint at candidate `index`."""
        at = self.differences[:, index]
        return tuple(
            float(max(at[self.constraints == constraint], key=abs)) for constraint in np.unique(self.constraints)
        )

    def point(self, index: int) -> OperatingPoint:
        """Return candidate `index`."""
        feasible, performance = bool(self.feasible[index]), float(self.performance[index])
        return OperatingPoint(
            cut=float(self.cuts[index]),
            quality=float(self.quality[index]),
            bias=float(self.bias[index]),
            objective=performance if feasible else 0.0,
            feasible=feasible,
            performance=performance,
            biases=self.biases(index),
            merit=float(self.merit[index]),
        )

    def best(self) -> OperatingPoint | None:
        """Return the cut with the highest performance, whatever its bias; None without candidates."""
        return self._first(np.arange(len(self)), -self.performance, -self.quality, self.use)

    def best_feasible(self) -> OperatingPoint | None:
        """Return the feasible cut with the highest merit (ties: quality, smaller bias), or None."""
        return self._first(np.flatnonzero(self.feasible), -self.merit, -self.quality, self.use)

    def closest(self) -> OperatingPoint | None:
        """Return the cut with the smallest bias where the quality suffices, else the best performing."""
        performing = np.flatnonzero(self.quality >= self.min_performance)
        return self._first(performing, self.use, -self.quality) or self.best()

    def _tightest(self, rows: IntArray) -> FloatArray:
        differences = self.differences[rows]
        if len(rows) == 1:
            only: FloatArray = differences[0]
            return only
        share = np.abs(differences) / self.eps[rows][:, None]
        which = np.where(np.isnan(share), np.inf, share).argmax(axis=0)
        chosen: FloatArray = np.take_along_axis(differences, which[None], axis=0)[0]
        return chosen

    def _first(self, among: IntArray, *keys: FloatArray) -> OperatingPoint | None:
        """Return the candidate with the smallest key, ties by the next key, then by the cut."""
        for key in keys:
            if not len(among):
                return None
            values = key[among]
            if np.isnan(values).any():
                values = np.where(np.isnan(values), np.inf, values)
            among = among[values == values.min()]
        return self.point(int(among[0])) if len(among) else None


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

    @classmethod
    def of(cls, columns: Sequence[FloatArray]) -> PrefixSums:
        """Return the sums of columns of any numbers."""
        sums = cls([], np.empty(0))
        sums._weighted = list(columns)
        return sums

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
        raise not_finite(logits)
    return values, order


def not_finite(logits: FloatScores) -> ModelError:
    """Return the error that names the rows whose scores are NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(logits))
    return ModelError(
        Problem(
            f"the network returns NaN or infinite scores for {len(bad)} of {len(logits)} rows "
            f"(the first: row {bad[0] + 1} of those used)",
            remedy="Check the features of these rows and the network's weights.",
        )
    )


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
