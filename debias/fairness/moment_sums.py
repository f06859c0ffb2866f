"""Sums from which the moments of predicted numbers follow; those of parts of a table, and of cells, add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.moments import Moments, as_estimate
from debias.fairness.pooled import Pooled
from debias.fairness.regression import explained


@dataclass(frozen=True, eq=False)
class MomentSums:
    """Predictions of a regression by cell, in units of the target.

    Parameters
    ----------
    n : ndarray of int64, shape [G]
        Rows.
    squares : ndarray of float64, shape [G]
        Sum of the squared weights.
    value, target, squared, absolute : Pooled
        Of predictions, targets, squared and absolute errors.
    """

    n: IntArray
    squares: FloatArray
    value: Pooled
    target: Pooled
    squared: Pooled
    absolute: Pooled

    @classmethod
    def of(
        cls, values: FloatArray, target: FloatArray, cell: IntArray, cells: int, weight: FloatArray | None = None
    ) -> MomentSums:
        """Sum up rows.

        Parameters
        ----------
        values, target : ndarray of float64, shape [N]
            Predictions, and what was to be predicted.
        cell : ndarray of int64, shape [N]
            Cell of each row in 0 … cells − 1.
        cells : int
        weight : ndarray of float64, shape [N], optional
            Weight of each row.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        error = values - target
        if not np.isfinite(error).all():
            raise ValueError("a prediction or target is not finite")
        n = np.bincount(cell, minlength=cells).astype(np.int64)
        squares = n if weight is None else np.bincount(cell, weight**2, minlength=cells)
        columns = values, target, error**2, np.abs(error)
        return cls(n, squares.astype(np.float64), *(Pooled.of(each, cell, cells, weight) for each in columns))

    def __add__(self, other: MomentSums) -> MomentSums:
        return MomentSums(
            self.n + other.n,
            self.squares + other.squares,
            self.value + other.value,
            self.target + other.target,
            self.squared + other.squared,
            self.absolute + other.absolute,
        )

    def moments(self, codes: IntArray, n_groups: int) -> Moments:
        """Return the moments by group.

        Parameters
        ----------
        codes : ndarray of int64, shape [G]
            Group of each cell in 0 … n_groups − 1; −1 where it is missing.
        n_groups : int
            Number of groups K.
        """
        known = codes >= 0
        group = codes[known]
        value, target, squared, absolute = (
            each.over(codes, n_groups) for each in (self.value, self.target, self.squared, self.absolute)
        )
        n = np.bincount(group, self.n[known], minlength=n_groups).astype(np.int64)
        squares = np.bincount(group, self.squares[known], minlength=n_groups)
        effective = np.divide(value.weight**2, squares, out=np.zeros(n_groups), where=squares > 0)
        return Moments(
            n=n,
            weight=value.weight,
            effective=effective,
            mean=value.means,
            target_mean=target.means,
            mse=squared.means,
            mae=absolute.means,
            target_variance=target.variances,
            mean_variance=as_estimate(value.variances, effective),
            mse_variance=as_estimate(squared.variances, effective),
            missing_n=int(self.n[~known].sum()),
        )

    @property
    def mse(self) -> float | None:
        """Mean squared error of all rows; None without weight."""
        return _mean(self.squared)

    @property
    def mae(self) -> float | None:
        """Mean absolute error of all rows; None without weight."""
        return _mean(self.absolute)

    @property
    def r2(self) -> float | None:
        """Share of the target's variance that is explained, see `debias.fairness.regression.r2`."""
        target, error = _all(self.target), self.mse
        if error is None:
            return None
        return explained(error, float(target.variances[0]), float(target.mean[0]))


def _all(each: Pooled) -> Pooled:
    return each.over(np.zeros(len(each.mean), np.int64), 1)


def _mean(each: Pooled) -> float | None:
    found = float(_all(each).means[0])
    return None if np.isnan(found) else found
