"""Weight, mean and spread of numbers in cells; those of parts of a table, and of cells put together, add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from debias.fairness.counts import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Pooled:
    """Numbers by cell, held as mean and squared distances from it, so that no digits are lost where they are alike.

    Chan, Golub and LeVeque, The American Statistician 37 (1983) 242.

    Parameters
    ----------
    weight : ndarray of float64, shape [...]
        Sum of the weights.
    mean : ndarray of float64, shape [...]
        Weighted mean; 0 in a cell without weight.
    squares : ndarray of float64, shape [...]
        Σ w (value − mean)².
    """

    weight: FloatArray
    mean: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, values: FloatArray, cell: IntArray, cells: int, weight: FloatArray | None = None) -> Pooled:
        """Pool numbers.

        Parameters
        ----------
        values : ndarray of float64, shape [N]
        cell : ndarray of int64, shape [N]
            Cell of each in 0 … cells − 1.
        cells : int
        weight : ndarray of float64, shape [N], optional
            Weight of each.
        """
        mass = np.bincount(cell, weight, minlength=cells).astype(np.float64)
        total = np.bincount(cell, values if weight is None else weight * values, minlength=cells)
        mean = np.divide(total, mass, out=np.zeros(cells), where=mass > 0)
        apart = (values - mean[cell]) ** 2
        squares = np.bincount(cell, apart if weight is None else weight * apart, minlength=cells)
        return cls(mass, mean, squares.astype(np.float64))

    def __add__(self, other: Pooled) -> Pooled:
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        apart = other.mean - self.mean
        return Pooled(weight, self.mean + apart * share, self.squares + other.squares + apart**2 * self.weight * share)

    def over(self, codes: IntArray, n_groups: int) -> Pooled:
        """Return the cells put together by group.

        Parameters
        ----------
        codes : ndarray of int64, of the shape of the cells
            Group of each cell in 0 … n_groups − 1; −1 for a cell that takes no part.
        n_groups : int
        """
        known = codes >= 0
        group, weight, mean = codes[known], self.weight[known], self.mean[known]
        mass, total = (
            np.bincount(group, each, minlength=n_groups).astype(np.float64) for each in (weight, weight * mean)
        )
        whole = np.divide(total, mass, out=np.zeros(n_groups), where=mass > 0)
        between = weight * (mean - whole[group]) ** 2
        squares = np.bincount(group, self.squares[known] + between, minlength=n_groups)
        return Pooled(mass, whole, squares.astype(np.float64))

    @property
    def means(self) -> FloatArray:
        """The means; NaN without weight."""
        return np.where(self.weight > 0, self.mean, np.nan)

    @property
    def variances(self) -> FloatArray:
        """The variances, the divisor being the weight; NaN without weight."""
        return np.divide(self.squares, self.weight, out=np.full_like(self.weight, np.nan), where=self.weight > 0)
