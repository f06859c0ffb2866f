from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from debias.fairness.counts import count
from debias.fairness.thresholds import counts_at, thinned

SCORES = st.floats(0, 1, width=32).map(lambda value: round(value, 2))


@given(
    arrays.arrays(np.float32, st.integers(0, 40), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.booleans(),
)
def test_every_threshold_is_counted_as_if_alone(scores: np.ndarray, seed: int, weighted: bool, below: bool) -> None:
    random = np.random.default_rng(seed)
    y, codes = random.integers(0, 2, len(scores)), random.integers(-1, 3, len(scores))
    weight = random.exponential(size=len(scores)) if weighted else None
    thresholds = np.unique(np.append(scores, np.float32(-np.inf)))
    found = counts_at(scores, thresholds, y, codes, 3, weight, below=below)
    assert len(found) == len(thresholds)
    for threshold, counts in zip(thresholds, found, strict=True):
        chosen = scores <= threshold if below else scores > threshold
        alone = count(chosen, y, codes, 3, weight)
        np.testing.assert_array_equal(counts.rows, alone.rows)
        np.testing.assert_allclose(counts.weights, alone.weights, atol=1e-12)
        np.testing.assert_allclose(counts.squares, alone.squares, atol=1e-12)
        assert counts.rows.dtype == np.int64


def test_no_threshold_is_no_count() -> None:
    assert counts_at(np.ones(3), np.ones(0), np.ones(3, np.int64), np.zeros(3, np.int64), 1) == []


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=400, unique=True).map(sorted),
    st.integers(8, 60),
    st.sets(st.integers(0, 399), max_size=3),
)
def test_a_thinned_list_keeps_what_it_must(values: list[float], most: int, keep: set[int]) -> None:
    keep = {place for place in keep if place < len(values)}
    index = thinned(np.array(values), most, keep)
    assert len(index) <= most
    assert list(index) == sorted(set(index.tolist()))
    assert {0, len(values) - 1} | keep <= set(index.tolist())
    if len(values) <= most:
        assert len(index) == len(values)


@pytest.mark.parametrize("most", [50, 201])
def test_neither_crowds_nor_gaps_are_passed_over(most: int) -> None:
    # 10,000 values below 0.01 and 1,000 above.
    values = np.sort(np.concatenate([np.linspace(0, 0.01, 10_000), np.linspace(0.0101, 1, 1000)]))
    shown = values[thinned(values, most, {5000})]
    assert np.diff(shown).max() < 3 / most
    assert (shown < 0.01).sum() > most / 3
