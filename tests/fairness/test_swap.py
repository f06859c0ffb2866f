from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.swap import attribute_swap


def by_loop(swapped: FloatArray, codes: IntArray, own: FloatArray, weight: FloatArray) -> float | None:
    """Return eq. 6 as it is written."""
    changed = changes = 0.0
    for n, code in enumerate(codes):
        for category in range(len(swapped)):
            if code >= 0 and category != code and not np.isnan(swapped[category, n]):
                changed += weight[n] * abs(own[n] - swapped[category, n])
                changes += weight[n]
    return changed / changes if changes else None


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 1000), st.booleans(), st.booleans())
def test_as_the_double_loop(k: int, n: int, seed: int, skips: bool, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    swapped, codes, own = random.random((k, n)), random.integers(-1, k, n), random.random(n)
    weight = random.random(n) if weighted else None
    if skips:
        swapped[random.integers(k)] = np.nan
    expected = by_loop(swapped, codes, own, np.ones(n) if weight is None else weight)
    assert attribute_swap(swapped, codes, own, weight) == (None if expected is None else pytest.approx(expected))


def test_by_hand() -> None:
    swapped = np.array([[0.2, 0.5, 0.9], [0.3, 0.1, 0.9], [0.2, 0.5, 0.4]])
    # row 0 (category 0): 0.1 + 0; row 1 (category 1): 0.4 + 0.4; row 2 (category 2): 0.5 + 0.5
    assert attribute_swap(swapped, np.array([0, 1, 2])) == pytest.approx(1.9 / 6)
    assert attribute_swap(swapped, np.array([0, -1, -1])) == pytest.approx(0.1 / 2)


def test_a_category_that_the_network_does_not_know_is_skipped() -> None:
    swapped = np.array([[0.2, 0.5], [0.3, 0.1], [np.nan, np.nan]])
    assert attribute_swap(swapped, np.array([0, 1])) == pytest.approx((0.1 + 0.4) / 2)
    assert attribute_swap(swapped, np.array([0, 2])) == pytest.approx(0.1)  # nothing tells the second row's own
    assert attribute_swap(swapped, np.array([0, 2]), np.array([0.2, 0.2])) == pytest.approx((0.1 + 0.3 + 0.1) / 3)


def test_undefined_and_refused() -> None:
    assert attribute_swap(np.zeros((1, 2)), np.array([0, 0])) is None
    assert attribute_swap(np.zeros((2, 2)), np.array([-1, -1])) is None
    assert attribute_swap(np.zeros((2, 0)), np.zeros(0, np.int64)) is None
    with pytest.raises(ValueError, match="not finite"):
        attribute_swap(np.array([[np.nan, 0.1], [0.1, 0.1]]), np.array([0, 1]))
    with pytest.raises(ValueError, match="category"):
        attribute_swap(np.zeros((2, 1)), np.array([2]))
    with pytest.raises(ValueError, match="length"):
        attribute_swap(np.zeros((2, 1)), np.array([0, 1]))
