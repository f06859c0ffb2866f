"""Sums of floats that come out the same in whatever order and pieces they are taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import FloatArray, IntArray

_BITS = 32
_MASK = (1 << _BITS) - 1
_MANTISSA = 53
_CHUNK = 1 << 20
"""Rows at a time: sums of this many digits are whole numbers below 2**53, which a float holds exactly."""


@dataclass(frozen=True, eq=False)
class ExactSums:
    """Sums of floats without any rounding, one in each cell, as whole numbers in base 2**32.

    Sums of two batches add up, and the result says nothing of how the rows were divided or ordered.

    Parameters
    ----------
    digits : ndarray of int64, shape [L, ...]
        Digits of each sum, the lowest first; all but the highest lie in 0 … 2**32 − 1.
    place : int
        The lowest digit is worth 2**(32 × place).
    """

    digits: IntArray
    place: int = 0

    @classmethod
    def of(cls, values: npt.ArrayLike, cell: IntArray | None = None, cells: int = 1) -> ExactSums:
        """Return the sum of the values of each cell.

        Parameters
        ----------
        values : array_like of float, shape [N]
            Finite.
        cell : ndarray of int64, shape [N], optional
            Cell of each value in 0 … cells − 1; one cell where it is not given.
        cells : int
            Number of cells.

        Returns
        -------
        ExactSums
            Of shape [cells].

        Raises
        ------
        ValueError
            A value is NaN or infinite.
        """
        given = np.asarray(values, np.float64)
        if not np.isfinite(given).all():
            raise ValueError("a value is NaN or infinite")
        total = cls(np.zeros((1, cells), np.int64))
        for start in range(0, len(given), _CHUNK):
            chunk = given[start : start + _CHUNK]
            where = np.zeros(len(chunk), np.int64) if cell is None else cell[start : start + _CHUNK]
            total += _summed(chunk, where, cells)
        return total

    def __add__(self, other: ExactSums) -> ExactSums:
        if self.digits.shape[1:] != other.digits.shape[1:]:
            raise ValueError(f"sums of shape {self.digits.shape[1:]} and {other.digits.shape[1:]} do not add up")
        one, two, place = _aligned(self, other)
        return _carried(one + two, place)

    def beside(self, other: ExactSums) -> ExactSums:
        """Return both, one after the other along the first axis of the cells."""
        one, two, place = _aligned(self, other)
        return ExactSums(np.concatenate([one, two], axis=1), place)

    def after_zero(self) -> ExactSums:
        """Return the same with a sum of 0 in front, along the first axis of the cells."""
        zero = np.zeros_like(self.digits[:, :1])
        return ExactSums(np.concatenate([zero, self.digits], axis=1), self.place)

    def reshaped(self, *shape: int) -> ExactSums:
        """Return the same sums in cells of another shape."""
        return ExactSums(self.digits.reshape(len(self.digits), *shape), self.place)

    def take(self, index: IntArray) -> ExactSums:
        """Return the sums at these places of the first axis of the cells."""
        return ExactSums(self.digits[:, index], self.place)

    def pooled(self, starts: IntArray) -> ExactSums:
        """Return the sums over runs of the first axis of the cells, which begin at `starts`."""
        return _carried(np.add.reduceat(self.digits, starts, axis=1), self.place)

    def cumulated(self) -> ExactSums:
        """Return the running sums along the first axis of the cells."""
        return _carried(self.digits.cumsum(axis=1), self.place)

    def over(self, axis: int) -> ExactSums:
        """Return the sums over one axis of the cells."""
        return _carried(self.digits.sum(axis=axis + 1), self.place)

    @property
    def values(self) -> FloatArray:
        """The sums as floats, at most one unit in the last place from the true ones."""
        negative = self.digits[-1] < 0
        # With digits of one sign nothing cancels.
        one_sign = _carried(np.where(negative, -self.digits, self.digits), self.place)
        found = np.zeros(self.digits.shape[1:])
        for place in reversed(range(len(one_sign.digits))):
            found += np.ldexp(one_sign.digits[place].astype(np.float64), _BITS * (one_sign.place + place))
        return np.where(negative, -found, found)


def _summed(values: FloatArray, cell: IntArray, cells: int) -> ExactSums:
    """Return the sums of a chunk: each float is three digits, which are counted as whole numbers."""
    mantissa, exponent = np.frexp(np.abs(values))
    whole = np.ldexp(mantissa, _MANTISSA).astype(np.uint64)
    place, shift = np.divmod(exponent.astype(np.int64) - _MANTISSA, _BITS)
    up, mask, bits = shift.astype(np.uint64), np.uint64(_MASK), np.uint64(_BITS)
    low = (whole & mask) << up
    middle = (low >> bits) + ((whole >> bits) << up)
    place[whole == 0] = place[whole != 0].min(initial=2**31)
    first = int(place.min(initial=2**31))
    if first == 2**31:  # nothing but zeros
        return ExactSums(np.zeros((1, cells), np.int64))
    n_places = int(place.max()) - first + 3
    where = cell + cells * (place - first)
    digits = np.zeros(n_places * cells)
    sign = np.sign(values)
    for step, digit in enumerate((low & mask, middle & mask, middle >> bits)):
        digits += np.bincount(where + cells * step, sign * digit.astype(np.float64), minlength=n_places * cells)
    return _carried(digits.astype(np.int64).reshape(n_places, cells), first)


def _aligned(one: ExactSums, two: ExactSums) -> tuple[IntArray, IntArray, int]:
    """Return the digits of both with the lowest at the same place."""
    place = min(one.place, two.place)
    top = max(each.place + len(each.digits) for each in (one, two))
    found = []
    for each in (one, two):
        digits = np.zeros((top - place, *each.digits.shape[1:]), np.int64)
        digits[each.place - place : each.place - place + len(each.digits)] = each.digits
        found.append(digits)
    return found[0], found[1], place


def _carried(digits: IntArray, place: int) -> ExactSums:
    """Return the sums with every digit but the highest in 0 … 2**32 − 1, and without zeros at either end."""
    rows = list(digits.astype(np.int64))
    index = 0
    while index < len(rows):
        carry = rows[index] >> _BITS
        highest = index == len(rows) - 1
        if not highest or (carry > 0).any() or (carry < -1).any():
            if highest:
                rows.append(np.zeros_like(carry))
            rows[index] = rows[index] & _MASK
            rows[index + 1] = rows[index + 1] + carry
        index += 1
    while len(rows) > 1 and not rows[-1].any():
        rows.pop()
    while len(rows) > 1 and not rows[0].any():
        rows.pop(0)
        place += 1
    return ExactSums(np.stack(rows), place if rows[0].any() or len(rows) > 1 else 0)
