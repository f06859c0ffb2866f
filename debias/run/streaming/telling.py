"""Which columns of the inputs tell an attribute, found while rows pass: those with one value in each of its groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import IntArray

Values = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Telling:
    """The value of each input column in every group of an attribute, as long as there is one.

    Columns that vary in a group that is one value of the attribute are followed no further: most are out after the
    first rows.

    Parameters
    ----------
    values : ndarray, shape [K, d]
        The value of each column in the rows of each group; NaN for a group without rows.
    same : ndarray of bool, shape [K, d]
        Where all rows have it.
    single : ndarray of bool, shape [K]
        Groups that stand for one value; the others are merged groups and rows without a value.
    """

    values: Values
    same: Flags
    single: Flags

    @classmethod
    def none(cls, columns: int, single: Flags) -> Telling:
        """Return what is known of no rows."""
        shape = len(single), columns
        return cls(np.full(shape, np.nan), np.ones(shape, bool), single)

    def seeing(self, rows: Values, group: IntArray) -> Telling:
        """Return what is known with more rows [N, d], from the group of each [N]; −1 takes no part."""
        followed = np.flatnonzero(self.same[self.single].all(axis=0))
        if not len(followed):
            return self
        values, same = self.values.copy(), self.same.copy()
        of_columns, still = values[:, followed], same[:, followed]
        part = rows if len(followed) == rows.shape[1] else rows[:, followed]
        for k in range(len(self.single)):
            its = part[group == k]
            if len(its):
                new = np.isnan(of_columns[k])
                of_columns[k] = np.where(new, its[0], of_columns[k])
                still[k] &= (its == of_columns[k].astype(its.dtype)).all(axis=0)
        values[:, followed], same[:, followed] = of_columns, still
        return Telling(values, same, self.single)

    def __add__(self, other: Telling) -> Telling:
        first = np.isnan(self.values)
        values = np.where(first, other.values, self.values)
        agree = first | np.isnan(other.values) | (self.values == other.values)
        return Telling(values, self.same & other.same & agree, self.single)

    def rows(self, group: IntArray, more: int = 0) -> Values:
        """Return a row for each group given, [N, d]; `more` is added where the rows of a group differ."""
        known = np.nan_to_num(self.values)
        found: Values = (known + more * ~self.same)[group]
        return found
