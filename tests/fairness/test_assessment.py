"""The gate: worked cases, its error rates by enumeration, and the rows that would settle it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from debias.fairness import intervals
from debias.fairness.assessment import Assessment, assess, bias_interval, holm, together
from debias.fairness.counts import Counts, count
from debias.fairness.gaps import Gaps, compared, effective
from debias.fairness.metrics import METRICS, Metric, bias

RATES = [name for name, info in METRICS.items() if info.rates]
Cells = Sequence[Sequence[Sequence[int]]]


def _counts(cells: Cells) -> Counts:
    """Make counts from rows by group, label and decision."""
    rows = np.zeros((len(cells) + 1, 2, 2), np.int64)
    rows[:-1] = cells
    return Counts(rows, rows.astype(float), rows.astype(float))


def _selected(*groups: tuple[int, int]) -> Counts:
    """Make counts of groups that have k of n rows selected, half of the others labelled favourable."""
    return _counts([[[(n - k) // 2, 0], [n - k - (n - k) // 2, k]] for k, n in groups])


UNEVEN = _counts([[[40, 10], [30, 50]], [[400, 120], [200, 500]], [[90, 20], [40, 95]]])


def test_two_groups_are_judged_by_two_one_sided_bounds() -> None:
    counts = _selected((480, 1000), (500, 1000))
    expected = intervals.difference(480, 1000, 500, 1000, 0.9)
    for eps, verdict in ((-expected.low + 1e-6, "pass"), (-expected.low, "inconclusive"), (0.05, "inconclusive")):
        found = assess(counts, "statistical-parity", eps, 0.95)
        assert found.verdict == verdict
        assert found.interval == expected
        assert found.pair == (0, 1)


def test_an_interval_outside_fails() -> None:
    found = assess(_selected((300, 1000), (500, 1000)), "statistical-parity", 0.05, 0.95, groups=["f", "m"])
    assert found.verdict == "fail"
    assert found.interval is not None
    assert found.interval.outside(-0.05, 0.05)
    assert found.more_rows is None
    plain = intervals.difference(300, 1000, 500, 1000, 0.9)
    # The bound is many standard errors wide: one of two sides is all that matters.
    assert (found.interval.low, found.interval.high) == pytest.approx((plain.low, plain.high), abs=1e-4)
    assert "P(+ | f) − P(+ | m)" in found.reason


@pytest.mark.parametrize("metric", RATES)
def test_the_privileged_group_turns_the_interval(metric: Metric) -> None:
    counts = _counts([[[40, 10], [30, 50]], [[400, 120], [200, 500]]])
    one, other = (assess(counts, metric, 0.3, 0.9, privileged=privileged) for privileged in (0, 1))
    assert one.verdict == other.verdict
    assert one.interval is not None
    assert other.interval is not None
    assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low))


@pytest.mark.parametrize("metric", RATES)
@pytest.mark.parametrize("cells", [UNEVEN, _counts([[[40, 10], [30, 50]], [[400, 120], [200, 500]]])])
def test_the_largest_gap_is_the_bias(metric: Metric, cells: Counts) -> None:
    gaps = compared(cells, metric)
    assert gaps is not None
    value = bias(cells, metric).value
    assert value is not None
    assert np.abs(gaps.estimates).max() == pytest.approx(abs(value))
    found = bias_interval(cells, metric, 0.9)
    assert found is not None
    assert found.low <= value <= found.high


def test_every_pair_and_both_rates_are_compared() -> None:
    gaps = compared(UNEVEN, "equalized-odds")
    assert gaps is not None
    assert gaps.rates == ("tpr",) * 3 + ("fpr",) * 3
    assert {frozenset(pair) for pair in zip(gaps.first.tolist(), gaps.second.tolist(), strict=True)} == {
        frozenset(pair) for pair in ((0, 1), (0, 2), (1, 2))
    }
    assert (gaps.estimates <= 0).all()
    assert gaps.estimates[:3].min() == pytest.approx(50 / 80 - 500 / 700)
    assert gaps.estimates[3:].min() == pytest.approx(20 / 110 - 120 / 520)


def test_a_gap_of_a_ratio_is_that_of_the_lower_to_the_higher_rate() -> None:
    gaps = compared(_selected((30, 100), (40, 100)), "impact-ratio", privileged=0)
    assert gaps is not None
    assert gaps.estimates[0] == pytest.approx(1 - 0.75)
    low, high = gaps.limits(0.05)
    plain = intervals.ratio(30, 100, 40, 100, 0.9)
    assert (low[0], high[0]) == pytest.approx((1 / plain.high - 1 if plain.high > 1 else 1 - plain.high, 1 - plain.low))


def test_all_gaps_have_to_pass_and_one_suffices_to_fail() -> None:
    near, far = (5000, 10000), (3000, 10000)
    assert assess(_selected(near, near, near), "statistical-parity", 0.05, 0.95).verdict == "pass"
    found = assess(_selected(near, near, far), "statistical-parity", 0.05, 0.95)
    assert found.verdict == "fail"
    assert found.pair is not None
    assert 2 in found.pair
    assert [gap.outside for gap in found.gaps].count(True) == 2


def test_passing_needs_no_correction_and_failing_does() -> None:
    counts = _selected((480, 1000), (500, 1000), (495, 1000))
    one, many = (assess(counts, "statistical-parity", 0.08, 0.95, comparisons=m) for m in (1, 5))
    assert one.verdict == many.verdict == "pass"
    assert one.interval == many.interval
    for gap_one, gap_many in zip(one.gaps, many.gaps, strict=True):
        assert gap_many.simultaneous.low < gap_one.simultaneous.low < gap_one.interval.low
        assert gap_many.simultaneous.confidence > gap_one.simultaneous.confidence


def test_holm_rejects_what_the_stepwise_p_values_reject() -> None:
    """The smallest α at which a gap alone is outside is its p-value; Holm's adjusted ones are compared with it."""
    generator = np.random.default_rng(3)
    for _ in range(20):
        groups = [(int(generator.integers(20, 130)), 200) for _ in range(4)]
        gaps = compared(_selected(*groups), "statistical-parity")
        assert gaps is not None
        p = np.array([_p_value(gaps.only(np.arange(6) == i), 0.1) for i in range(6)])
        outside, _ = holm(gaps, 0.05, 0.1)
        order = np.argsort(p)
        adjusted = np.maximum.accumulate(p[order] * np.arange(6, 0, -1))
        np.testing.assert_array_equal(outside[order], adjusted <= 0.05)


def _p_value(gap: Gaps, eps: float) -> float:
    low, high = 1e-12, 0.5
    if not gap.outside(high, eps).all():
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if gap.outside(middle, eps).all() else (middle, high)
    return high


@pytest.mark.parametrize("metric", ["statistical-parity", "impact-ratio"])
@pytest.mark.parametrize(("n1", "n2"), [(10, 40), (30, 30), (60, 200)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_gate_errs_no_more_often_than_told(metric: Metric, n1: int, n2: int, confidence: float) -> None:
    eps = 0.2
    k1, k2 = (grid.ravel().astype(float) for grid in np.mgrid[: n1 + 1, : n2 + 1])
    size = len(k1)
    one, two = np.full(size, float(n1)), np.full(size, float(n2))
    zeros = np.zeros(size, np.int64)
    gaps = Gaps(("selection",) * size, zeros, zeros + 1, k1, one, k2, two, metric == "impact-ratio")
    passed, failed = gaps.inside(1 - confidence, eps), gaps.outside(1 - confidence, eps)
    assert not (passed & failed).any()
    for base in (0.0, 0.05, 0.2, 0.4, 0.6, 0.8):
        other = base + eps if metric == "statistical-parity" else base / (1 - eps)
        for p1, p2 in ((base, other), (other, base)):
            chance = stats.binom.pmf(k1, n1, p1) * stats.binom.pmf(k2, n2, p2)
            assert max(chance[passed].sum(), chance[failed].sum()) <= 1 - confidence


def test_a_narrow_bound_counts_both_sides() -> None:
    gaps = compared(_selected((200, 400), (200, 400)), "statistical-parity")
    assert gaps is not None
    assert gaps.outer_tail(0.05, 1e-9)[0] == pytest.approx(0.025, rel=1e-6)
    assert gaps.outer_tail(0.05, 0.5)[0] == pytest.approx(0.05, rel=1e-6)
    middle = gaps.outer_tail(0.05, 0.01)[0]
    z = stats.norm.isf(middle)
    p = 201 / 402
    assert stats.norm.sf(z) + stats.norm.sf(z + 0.02 / np.sqrt(2 * p * (1 - p) / 400)) == pytest.approx(0.05)


def _grown(counts: Counts, more: dict[int, int]) -> Counts:
    factor = np.ones(len(counts.rows))
    for group, rows in more.items():
        factor[group] += rows / counts.n[group]
    scaled = counts.weights * factor[:, None, None]
    return Counts(np.round(scaled).astype(np.int64), scaled, scaled)


@pytest.mark.parametrize("metric", RATES)
@pytest.mark.parametrize("eps", [0.04, 0.1, 0.25])
@pytest.mark.parametrize("groups", [2, 3])
def test_the_rows_told_settle_it_and_no_group_could_do_with_fewer(metric: Metric, eps: float, groups: int) -> None:
    counts = _counts(UNEVEN.rows[:groups].tolist())
    found = assess(counts, metric, eps, 0.95)
    if found.verdict != "inconclusive":
        assert found.more_rows is None
        return
    assert found.more_rows
    assert found.heading is not None
    value = bias(counts, metric).value
    assert value is not None
    assert found.heading == ("pass" if abs(value) < eps else "fail")
    assert assess(_grown(counts, found.more_rows), metric, eps, 0.95).verdict == found.heading
    if found.heading == "pass":
        for group, rows in found.more_rows.items():
            fewer = {**found.more_rows, group: rows - max(2, rows // 50)}
            assert assess(_grown(counts, fewer), metric, eps, 0.95).verdict == "inconclusive"


def test_the_small_group_limits() -> None:
    found = assess(_selected((50, 100), (5000, 10000)), "statistical-parity", 0.05, 0.95, groups=["few", "many"])
    assert found.more_rows is not None
    assert set(found.more_rows) == {0}
    # Nearly all variance is the small group's: 0.25 / n = (0.05 / 1.645)².
    assert 260 < 100 + found.more_rows[0] < 320
    assert "more rows of few (now 100) would make it pass" in found.reason


def test_at_the_bound_no_number_of_rows_settles_it() -> None:
    found = assess(_selected((450, 1000), (500, 1000)), "statistical-parity", 0.05, 0.95)
    assert found.verdict == "inconclusive"
    assert found.more_rows is None
    assert found.heading is None
    assert "would not settle" in found.reason


@pytest.mark.parametrize(
    ("cells", "metric", "lack"),
    [
        ([[[3, 2], [0, 0]], [[2, 2], [2, 2]]], "equal-opportunity", "group 0 has no rows with the favourable label"),
        ([[[3, 2], [0, 0]], [[2, 2], [2, 2]]], "equalized-odds", "group 0 has no rows with the favourable label"),
        ([[[0, 0], [0, 3]], [[2, 2], [2, 2]]], "predictive-equality", "no rows with the unfavourable label"),
        ([[[0, 0], [0, 0]], [[2, 2], [2, 2]]], "statistical-parity", "group 0 has no rows"),
        ([[[3, 0], [2, 0]], [[2, 0], [2, 0]]], "impact-ratio", "No row gets the favourable decision"),
        ([[[3, 2], [1, 1]]], "statistical-parity", "one group"),
    ],
)
def test_what_no_row_bears_on_is_undefined(cells: Cells, metric: Metric, lack: str) -> None:
    found = assess(_counts(cells), metric, 0.1, 0.95)
    assert found.verdict == "undefined"
    assert found.interval is None
    assert found.pair is None
    assert lack in found.reason
    assert bias_interval(_counts(cells), metric, 0.95) is None


def test_equal_weights_are_no_weights_and_uneven_ones_widen() -> None:
    generator = np.random.default_rng(0)
    n = 600
    chosen, y, codes = generator.random(n) < 0.4, generator.integers(0, 2, n), generator.integers(0, 2, n)
    plain = assess(count(chosen, y, codes, 2), "equal-opportunity", 0.1, 0.9)
    equal = assess(count(chosen, y, codes, 2, np.full(n, 2.5)), "equal-opportunity", 0.1, 0.9)
    assert plain.interval is not None
    assert equal.interval is not None
    assert (equal.interval.low, equal.interval.high) == pytest.approx((plain.interval.low, plain.interval.high))
    assert plain.more_rows == equal.more_rows
    weight = generator.exponential(size=n)
    counts = count(chosen, y, codes, 2, weight)
    chosen_rows, rows = effective(counts, "selection")
    for group in (0, 1):
        w = weight[codes == group]
        assert rows[group] == pytest.approx(w.sum() ** 2 / (w**2).sum())
        assert chosen_rows[group] / rows[group] == pytest.approx(np.average(chosen[codes == group], weights=w))


def test_together() -> None:
    made = {v: Assessment(v, None, None, None, "") for v in ("pass", "fail", "inconclusive", "undefined")}  # type: ignore[arg-type]
    assert together([made["pass"], made["pass"]]) == "pass"
    assert together([made["pass"], made["inconclusive"]]) == "inconclusive"
    assert together([made["undefined"], made["inconclusive"]]) == "undefined"
    assert together(made.values()) == "fail"


@pytest.mark.parametrize(
    ("eps", "confidence", "comparisons"), [(0.0, 0.95, 1), (0.1, 0.5, 1), (0.1, 1, 1), (0.1, 0.9, 0)]
)
def test_numbers_out_of_range_are_refused(eps: float, confidence: float, comparisons: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        assess(UNEVEN, "statistical-parity", eps, confidence, comparisons=comparisons)
