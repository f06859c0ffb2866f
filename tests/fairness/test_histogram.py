from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from debias.fairness import thresholds
from debias.fairness.histogram import Histogram, HistogramOfBatches, default_bins


def rows(seed: int, n: int, kind: str, dtype: type, weighted: bool) -> tuple[Any, ...]:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, n)
    scores = {
        "logits": random.normal(y, 2),
        "wide": random.normal(size=n) * 10.0 ** random.integers(-30, 30, n),
        "few": random.choice([-1.0, -0.0, 0.0, 0.25, 3.0], n),
        "saturated": np.clip(random.normal(0.5, 0.4, n), 0, 1),
    }[kind].astype(dtype)
    codes = [random.integers(-1, 3, n), random.integers(0, 2, n)]
    return scores, y, codes, random.exponential(size=n) if weighted else None


def take(data: tuple[Any, ...], index: Any, **settings: Any) -> Histogram:
    scores, y, codes, weight = data
    chosen = None if weight is None else weight[index]
    return Histogram.of(scores[index], y[index], [each[index] for each in codes], [3, 2], chosen, **settings)


def same(one: Histogram, two: Histogram) -> None:
    assert (one.drop, one.splits, one.most) == (two.drop, two.splits, two.most)
    np.testing.assert_array_equal(one.low, two.low)
    np.testing.assert_array_equal(one.high, two.high)
    for a, b in zip(one.rows, two.rows, strict=True):
        np.testing.assert_array_equal(a, b)
    for mine, others in ((one.weights, two.weights), (one.squares, two.squares)):
        for left, right in zip(mine or (), others or (), strict=True):
            np.testing.assert_array_equal(left.values, right.values)


DATA = st.builds(
    rows,
    st.integers(0, 2**32 - 1),
    st.integers(1, 400),
    st.sampled_from(["logits", "wide", "few", "saturated"]),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
)


@settings(deadline=None)
@given(DATA, st.sampled_from([4, 7, 40, 1000]), st.integers(0, 2**32 - 1))
def test_parts_add_up_to_the_whole_bit_for_bit(data: tuple[Any, ...], most: int, seed: int) -> None:
    random, n = np.random.default_rng(seed), len(data[0])
    split = (float(data[0].mean()),)
    whole = take(data, slice(None), most=most, splits=split)
    assert len(whole) <= most
    assert whole.n == n
    order, cuts = random.permutation(n), np.sort(random.integers(0, n + 1, 3))
    parts = [take(data, part, most=most, splits=split) for part in np.split(order, cuts)]
    random.shuffle(parts)
    same((parts[0] + parts[1]) + (parts[2] + parts[3]), whole)
    same(parts[3] + (parts[2] + (parts[1] + parts[0])), whole)


@settings(deadline=None)
@given(DATA, st.sampled_from([4, 40, 1000]), st.booleans())
def test_counts_are_exact_at_the_ends_of_bins_and_at_splits(data: tuple[Any, ...], most: int, below: bool) -> None:
    scores, y, codes, weight = data
    split = scores.dtype.type(scores.mean())
    found = take(data, slice(None), most=most, splits=(float(split),))
    cuts = np.unique(np.append(found.high, [split, scores.dtype.type(-np.inf)]))
    for attribute, k in enumerate((3, 2)):
        true = thresholds.counts_at(scores, cuts, y, codes[attribute], k, weight, below=below)
        for mine, other in zip(found.counts_at(cuts, attribute, below=below), true, strict=True):
            np.testing.assert_array_equal(mine.rows, other.rows)
            np.testing.assert_allclose(mine.weights, other.weights, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(mine.squares, other.squares, rtol=1e-12, atol=1e-12)
    for low, high in zip(found.low, found.high, strict=True):
        if low < high:
            with pytest.raises(ValueError, match="inside a bin"):
                found.counts_at(np.array([low]))
            break


@settings(deadline=None)
@given(DATA, st.sampled_from([4, 40, 1000]))
def test_auroc_lies_between_its_bounds(data: tuple[Any, ...], most: int) -> None:
    scores, y, codes, weight = data
    found = take(data, slice(None), most=most)
    area = found.auroc()
    if len(set(y)) < 2:
        assert area is None
        return
    true = roc_auc_score(y, scores.astype(np.float64), sample_weight=weight)
    assert area is not None
    assert area.low - 1e-9 <= true <= area.high + 1e-9
    assert area.error == pytest.approx((area.high - area.low) / 2, abs=1e-12)
    if len(np.unique(scores)) <= most:
        assert found.exact
        assert area.value == pytest.approx(true, abs=1e-9)
        assert area.error == 0
    inside = codes[0] == 1
    one = found.auroc(group=1)
    if len(set(y[inside])) == 2:
        assert one is not None
        of_group = None if weight is None else weight[inside]
        true = roc_auc_score(y[inside], scores[inside].astype(np.float64), sample_weight=of_group)
        assert one.low - 1e-9 <= true <= one.high + 1e-9


@settings(deadline=None)
@given(DATA, st.sampled_from([4, 40, 1000]), st.floats(0.01, 1))
def test_a_quantile_lies_in_its_bin(data: tuple[Any, ...], most: int, q: float) -> None:
    scores, y, codes, _ = data
    found = take((scores, y, codes, None), slice(None), most=most)
    low, high = found.quantile(q) or (np.nan, np.nan)
    assert low <= np.quantile(scores, q, method="inverted_cdf") <= high
    inside = scores[(codes[0] == 2) & (y == 1)]
    bounds = found.quantile(q, group=2, label=1)
    assert (bounds is None) == (len(inside) == 0)
    if bounds is not None:
        assert bounds[0] <= np.quantile(inside, q, method="inverted_cdf") <= bounds[1]


def test_the_error_of_the_area_is_small_with_many_rows() -> None:
    data = rows(3, 300_000, "logits", np.float32, weighted=False)
    batches = HistogramOfBatches([3, 2])
    for start in range(0, 300_000, 70_001):
        part = slice(start, start + 70_001)
        batches.add(data[0][part], data[1][part], [each[part] for each in data[2]])
    found = batches.result()
    same(found, take(data, slice(None)))
    assert 20_000 < len(found) <= default_bins([3, 2])
    area = found.auroc()
    assert area is not None
    assert 0 < area.error < 1e-4
    assert area.value == pytest.approx(roc_auc_score(data[1], data[0]), abs=1e-6)


def test_many_rows_of_few_scores_are_exact() -> None:
    scores, y, codes, weight = rows(5, 200_000, "logits", np.float32, weighted=True)
    scores = np.round(scores, 2)
    found = take((scores, y, codes, weight), slice(None))
    assert found.exact
    assert found.drop == 0
    area = found.auroc()
    assert area is not None
    assert area.value == pytest.approx(roc_auc_score(y, scores, sample_weight=weight), abs=1e-9)


def test_one_score_that_many_rows_share_costs_no_precision() -> None:
    scores, y, codes, _ = rows(4, 5000, "saturated", np.float64, weighted=False)
    area = take((scores, y, codes, None), slice(None), most=1024).auroc()
    assert area is not None
    assert (scores == 1).mean() > 0.08  # counted as unknown order these alone would cost 0.003
    assert area.error < 1e-3


def test_many_groups_have_fewer_bins() -> None:
    assert default_bins([2]) == 65_536
    assert default_bins([500, 2]) * 2 * 504 <= 1 << 21
    assert default_bins([10**6]) == 64


def test_what_cannot_be_counted_is_refused() -> None:
    one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
    score = np.ones(1, np.float32)
    for wrong, text in (
        ((np.array([np.nan], np.float32), one, [none], [1]), "NaN"),
        ((score, np.ones(2, np.int64), [none], [1]), "differ in length"),
        ((score, one, [one], [1]), "outside"),
    ):
        with pytest.raises(ValueError, match=text):
            Histogram.of(*wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="too few for 3 splits"):
        Histogram.of(score, one, [none], [1], splits=(1.0, 2.0, 3.0), most=7)
    plain = Histogram.of(score, one, [none], [1])
    for other in (
        Histogram.of(score, one, [none], [2]),
        Histogram.of(score, one, [none], [1], splits=(0.5,)),
        Histogram.of(score.astype(np.float64), one, [none], [1]),
        Histogram.of(score, one, [none], [1], np.ones(1)),
    ):
        with pytest.raises(ValueError, match="do not add up"):
            plain + other
    with pytest.raises(ValueError, match="no batch"):
        HistogramOfBatches([1]).result()
