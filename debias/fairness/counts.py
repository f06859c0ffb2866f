"""Counts per group: all that the parity metrics need, in one pass that merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_Kind = TypeVar("_Kind", np.int64, np.float64)


def _over(cells: npt.NDArray[_Kind], *axis: int) -> npt.NDArray[_Kind]:
    total: npt.NDArray[_Kind] = cells.sum(axis=axis)
    return total


@dataclass(frozen=True, eq=False)
class Counts:
    """Rows by group, label and decision, all in the favourable frame.

    Counts of two batches add up: ``count(first) + count(second)``.

    Parameters
    ----------
    rows : ndarray of int64, shape [K + 1, 2, 2]
        Number of rows by group, label (1 favourable) and decision (1 favourable).
        The last group holds the rows whose attribute is missing.
    weights : ndarray of float64, shape [K + 1, 2, 2]
        Sums of row weights in the same cells; equal to `rows` without weights.
    squares : ndarray of float64, shape [K + 1, 2, 2]
        Sums of squared row weights, for effective sizes; equal to `rows` without weights.
    """

    rows: IntArray
    weights: FloatArray
    squares: FloatArray

    def __add__(self, other: Counts) -> Counts:
        if self.rows.shape != other.rows.shape:
            raise ValueError(f"counts of {self.n_groups} and of {other.n_groups} groups do not add up")
        return Counts(self.rows + other.rows, self.weights + other.weights, self.squares + other.squares)

    @property
    def n_groups(self) -> int:
        """Number of groups K, the missing one not counted."""
        return len(self.rows) - 1

    @property
    def n(self) -> IntArray:
        """Rows of each group, shape [K]."""
        return _over(self.rows[:-1], 1, 2)

    @property
    def positives_n(self) -> IntArray:
        """Rows of each group whose label is the favourable one, shape [K]."""
        return _over(self.rows[:-1, 1], 1)

    @property
    def selected_n(self) -> IntArray:
        """Rows of each group that get the favourable decision, shape [K]."""
        return _over(self.rows[:-1, :, 1], 1)

    @property
    def weight(self) -> FloatArray:
        """Weight of each group, shape [K]."""
        return _over(self.weights[:-1], 1, 2)

    @property
    def positives(self) -> FloatArray:
        """Weight of favourable labels in each group, shape [K]."""
        return _over(self.weights[:-1, 1], 1)

    @property
    def negatives(self) -> FloatArray:
        """Weight of unfavourable labels in each group, shape [K]."""
        return _over(self.weights[:-1, 0], 1)

    @property
    def selected(self) -> FloatArray:
        """Weight of favourable decisions in each group, shape [K]."""
        return _over(self.weights[:-1, :, 1], 1)

    @property
    def true_positives(self) -> FloatArray:
        """Weight of favourable decisions on favourable labels in each group, shape [K]."""
        return self.weights[:-1, 1, 1]

    @property
    def false_positives(self) -> FloatArray:
        """Weight of favourable decisions on unfavourable labels in each group, shape [K]."""
        return self.weights[:-1, 0, 1]

    @property
    def true_negatives(self) -> FloatArray:
        """Weight of unfavourable decisions on unfavourable labels in each group, shape [K]."""
        return self.weights[:-1, 0, 0]

    @property
    def total(self) -> Counts:
        """All rows, those without the attribute too, as the counts of one group."""
        rows, weights, squares = np.zeros((2, 2, 2), np.int64), np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
        rows[0], weights[0] = self.rows.sum(axis=0), self.weights.sum(axis=0)
        squares[0] = self.squares.sum(axis=0)
        return Counts(rows, weights, squares)

    @property
    def missing_n(self) -> int:
        """Rows whose attribute is missing."""
        return int(self.rows[-1].sum())


def count(
    decisions: npt.NDArray[np.bool_], y: IntArray, codes: IntArray, n_groups: int, weight: FloatArray | None = None
) -> Counts:
    """Count rows by group, label and decision.

    Parameters
    ----------
    decisions : ndarray of bool, shape [N]
        True where the decision is the favourable one.
    y : ndarray of int64, shape [N]
        1 where the label is the favourable one, else 0.
    codes : ndarray of int64, shape [N]
        Group of each row in 0 … n_groups − 1; −1 where it is missing.
    n_groups : int
        Number of groups K.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Returns
    -------
    Counts

    Raises
    ------
    ValueError
        If the lengths differ or a code lies outside −1 … n_groups − 1.
    """
    if not len(decisions) == len(y) == len(codes) or (weight is not None and len(weight) != len(y)):
        raise ValueError("decisions, y, codes and weight differ in length")
    if len(codes) and not -1 <= codes.min() <= codes.max() < n_groups:
        raise ValueError(f"a group code lies outside -1 to {n_groups - 1}")
    group = np.where(codes < 0, n_groups, codes)
    cell = (group * 2 + y) * 2 + decisions
    shape = (n_groups + 1, 2, 2)
    size = 4 * (n_groups + 1)
    rows = np.bincount(cell, minlength=size).reshape(shape).astype(np.int64)
    if weight is None:
        return Counts(rows, rows.astype(np.float64), rows.astype(np.float64))
    weights, squares = (np.bincount(cell, weights=each, minlength=size).reshape(shape) for each in (weight, weight**2))
    return Counts(rows, weights.astype(np.float64), squares.astype(np.float64))
