from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.fairness.exact import ExactSums

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(st.lists(NUMBERS, max_size=30), st.randoms(use_true_random=False))
def test_sums_are_those_of_fractions_whatever_the_order_and_the_pieces(numbers: list[float], random) -> None:
    true = sum(map(Fraction, numbers), Fraction(0))
    found = ExactSums.of(numbers)
    exact = sum(
        Fraction(int(digit)) * Fraction(2) ** (32 * (found.place + i)) for i, digit in enumerate(found.digits[:, 0])
    )
    assert exact == true
    value = float(found.values[0])
    assert value == pytest.approx(math.fsum(numbers), rel=2**-52, abs=0)
    shuffled = random.sample(numbers, len(numbers))
    cut = random.randrange(len(numbers) + 1)
    other = ExactSums.of(shuffled[cut:]) + ExactSums.of(shuffled[:cut])
    assert other.place == found.place
    np.testing.assert_array_equal(other.digits, found.digits)


def test_many_rows_sum_by_cell() -> None:
    random = np.random.default_rng(0)
    values, cell = random.lognormal(sigma=4, size=1_200_000), random.integers(0, 5, 1_200_000)
    found = ExactSums.of(values, cell, 5)
    np.testing.assert_allclose(found.values, [math.fsum(values[cell == i]) for i in range(5)], rtol=2**-52)
    pieces = [ExactSums.of(values[i::7], cell[i::7], 5) for i in range(7)]
    np.testing.assert_array_equal(sum(pieces[1:], pieces[0]).values, found.values)


def test_sums_along_the_cells() -> None:
    numbers = np.random.default_rng(1).normal(size=(6, 3))
    sums = ExactSums.of(numbers.ravel(), np.arange(18), 18).reshaped(6, 3)
    np.testing.assert_allclose(sums.values, numbers, rtol=0)
    np.testing.assert_allclose(sums.cumulated().values, numbers.cumsum(axis=0), atol=1e-14)
    np.testing.assert_allclose(sums.over(1).values, numbers.sum(axis=1), atol=1e-14)
    np.testing.assert_allclose(
        sums.pooled(np.array([0, 4])).values, [numbers[:4].sum(0), numbers[4:].sum(0)], atol=1e-14
    )
    np.testing.assert_array_equal(sums.after_zero().values[0], np.zeros(3))
    np.testing.assert_array_equal(sums.beside(sums).take(np.array([8])).values[0], numbers[2])


def test_what_has_no_sum_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        ExactSums.of([1.0, np.inf])
    with pytest.raises(ValueError, match="do not add up"):
        ExactSums.of([1.0]) + ExactSums.of([1.0], np.array([0]), 2)
