from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from debias.data.sampling import Draw, allocation, mixed, priorities


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=12), st.integers(1, 10**6), st.booleans())
def test_strata_give_their_share(sizes: list[int], n: int, leave: bool) -> None:
    rows = np.array(sizes, np.int64)
    found, total = allocation(rows, n, leave=leave), sum(sizes)
    for size, given_ in zip(sizes, found, strict=True):
        share = size * min(n, total) / max(total, 1)
        assert min(size, 1) <= given_ <= size
        if leave and size > 1:
            assert given_ < size
        assert abs(given_ - share) <= 1 or given_ in (1, size - 1)
    if not leave and all(size * min(n, total) >= total for size in sizes):
        assert found.sum() == min(n, total)


def test_no_row_is_no_sample() -> None:
    assert allocation(np.zeros(3, np.int64), 5).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="no row"):
        Draw(np.array([1]), 0).result()


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_the_lowest_of_every_stratum_are_drawn_whatever_the_batches(seed: int, n: int, arrangement: int) -> None:
    random = np.random.default_rng(arrangement)
    strata = random.integers(-1, 4, n + 1)
    numbers = np.arange(1, n + 2)
    table = pa.table({"number": numbers, "text": [f"row {number}" for number in numbers]})
    wanted = random.integers(0, 60, 4)
    drawn = priorities(numbers, seed)
    expected = np.sort(
        np.concatenate(
            [sorted(numbers[strata == s], key=lambda number: drawn[number - 1])[: wanted[s]] for s in range(4)]
        )
    ).astype(np.int64)
    draw = Draw(wanted, seed)
    parts = np.split(np.arange(n + 1), np.sort(random.integers(0, n + 2, 5)))
    random.shuffle(parts)  # type: ignore[arg-type]
    for part in parts:
        rows = table.take(part)
        draw.add(numbers[part], strata[part], rows.to_batches()[0] if len(part) and random.integers(2) else rows)
    if not len(expected):
        with pytest.raises(ValueError, match="no row"):
            draw.result()
        return
    rows, found, sizes = draw.result()
    np.testing.assert_array_equal(found, expected)
    assert rows.column("text").to_pylist() == [f"row {number}" for number in expected]
    np.testing.assert_array_equal(sizes, np.minimum(wanted, np.bincount(strata[strata >= 0], minlength=4)))


def test_a_long_table_is_thinned_on_the_way() -> None:
    wanted, n = np.array([300, 40]), 400_000
    numbers, strata = np.arange(n), (np.arange(n) % 10 == 0).astype(np.int64)
    table = pa.table({"number": numbers})
    draw, most = Draw(wanted, 1), 0
    for start in range(0, n, 3_000):
        part = slice(start, start + 3_000)
        draw.add(numbers[part], strata[part], table.slice(start, 3_000))
        most = max(most, draw._rows)
    _, found, sizes = draw.result()
    assert most < 14_000
    assert sizes.tolist() == [300, 40]
    drawn = priorities(numbers, 1)
    threshold = [np.sort(drawn[strata == s])[wanted[s] - 1] for s in (0, 1)]
    np.testing.assert_array_equal(found, numbers[drawn <= np.array(threshold)[strata]])


def test_every_row_is_as_likely_as_any_other() -> None:
    numbers = np.arange(1, 200_001)
    drawn = priorities(numbers, 7) / 2.0**64
    assert kstest(drawn, "uniform").pvalue > 1e-3
    for bits in (1, 3, 17):  # no pattern in neighbours
        assert abs(np.corrcoef(drawn[:-bits], drawn[bits:])[0, 1]) < 0.01
    assert chisquare(np.bincount(np.argsort(drawn)[:20_000] * 20 // 200_000, minlength=20)).pvalue > 1e-3
    assert not (priorities(numbers, 7) == priorities(numbers, 8)).any()
    assert len(np.unique(drawn)) == len(drawn)


def test_the_generator_is_the_published_one() -> None:
    states = np.cumsum(np.full(3, 0x9E3779B97F4A7C15, np.uint64))
    assert [hex(output) for output in mixed(states)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]
