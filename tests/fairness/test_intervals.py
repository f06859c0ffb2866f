"""Intervals against statsmodels, scipy, brute force and coverage by enumeration."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import minimize_scalar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from debias.fairness import intervals
from debias.fairness.intervals import DifferenceMethod, Interval, RateMethod, RatioMethod

DIFFERENCES: tuple[DifferenceMethod, ...] = ("clopper-pearson", "newcombe", "miettinen-nurminen")
RATIOS: tuple[RatioMethod, ...] = ("clopper-pearson", "newcombe", "koopman")


def _tables(most: int = 200, count: int = 60) -> list[tuple[int, int, int, int]]:
    generator = np.random.default_rng(7)
    found = []
    for _ in range(count):
        n1, n2 = (int(n) for n in generator.integers(3, most, 2))
        found.append((int(generator.integers(0, n1 + 1)), n1, int(generator.integers(0, n2 + 1)), n2))
    return [*found, (0, 12, 0, 30), (12, 12, 30, 30), (0, 12, 30, 30), (12, 12, 0, 30)]


@pytest.mark.parametrize(("method", "theirs"), [("wilson", "wilson"), ("clopper-pearson", "beta")])
def test_one_rate_is_that_of_statsmodels(method: RateMethod, theirs: str) -> None:
    for k, n, _, _ in _tables():
        ours = intervals.rate(k, n, 0.9, method)
        np.testing.assert_allclose((ours.low, ours.high), proportion_confint(k, n, 0.1, theirs), atol=1e-12)


def test_clopper_pearson_limits_are_where_the_binomial_tail_is_the_miss() -> None:
    low, high = intervals.rate_limits(7, 40, 0.05, "clopper-pearson")
    assert stats.binom.sf(6, 40, low) == pytest.approx(0.05)
    assert stats.binom.cdf(7, 40, high) == pytest.approx(0.05)


def test_newcombe_is_that_of_statsmodels() -> None:
    for table in _tables():
        ours = intervals.difference(*table, 0.9, "newcombe")
        theirs = confint_proportions_2indep(*table, method="newcomb", compare="diff", alpha=0.1)
        np.testing.assert_allclose((ours.low, ours.high), theirs, atol=1e-12)


def test_newcombe_of_his_own_example() -> None:
    # Newcombe 1998, table II, method 10, examples (a) 56/70 − 48/80 and (d) 9/10 − 3/10.
    found = intervals.difference(56, 70, 48, 80, 0.95, "newcombe")
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    found = intervals.difference(9, 10, 3, 10, 0.95, "newcombe")
    assert (round(found.low, 4), round(found.high, 4)) == (0.1705, 0.8090)


def test_miettinen_nurminen_of_newcombes_examples() -> None:
    # Newcombe 1998, table II, method 6, example (a).
    found = intervals.difference(56, 70, 48, 80, 0.95, "miettinen-nurminen")
    assert (round(found.low, 4), round(found.high, 4)) == (0.0528, 0.3382)


def _likeliest(k1: int, n1: int, k2: int, n2: int, value: float) -> tuple[float, float]:
    """Return the likeliest pair of rates whose difference is `value`, by search."""

    def loss(p: float) -> float:
        return -float(stats.binom.logpmf(k1, n1, min(max(p + value, 0), 1)) + stats.binom.logpmf(k2, n2, p))

    bounds = (max(0.0, -value), min(1.0, 1 - value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
    return p + value, p


def test_difference_score_against_the_likelihood_maximised_by_search() -> None:
    # statsmodels 0.14 has a slip in its cubic (a count where the number of rows belongs) and cannot serve here.
    for k1, n1, k2, n2 in _tables(60, 25)[:-4]:
        for value in (-0.3, -0.05, 0.05, 0.4):
            p1, p2 = _likeliest(k1, n1, k2, n2, value)
            rows = n1 + n2
            variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * rows / (rows - 1)
            if variance < 1e-6:
                continue
            expected = (k1 / n1 - k2 / n2 - value) / variance**0.5
            assert intervals.difference_score(k1, n1, k2, n2, value) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_koopman_is_that_of_statsmodels() -> None:
    for k1, n1, k2, n2 in _tables():
        if not (0 < k1 < n1 and 0 < k2 < n2):
            continue  # statsmodels brackets its root in vain there
        ours = intervals.ratio(k1, n1, k2, n2, 0.9, "koopman")
        theirs = confint_proportions_2indep(
            k1, n1, k2, n2, method="score", compare="ratio", alpha=0.1, correction=False
        )
        np.testing.assert_allclose((ours.low, ours.high), theirs, rtol=1e-4)


def test_score_limits_are_where_the_score_is_the_quantile() -> None:
    z = stats.norm.isf(0.05)
    for table in _tables(80, 20):
        found = intervals.difference(*table, 0.9, "miettinen-nurminen")
        for limit, target in ((found.low, z), (found.high, -z)):
            if abs(limit) < 1 - 1e-9:
                assert intervals.difference_score(*table, limit) == pytest.approx(target, abs=1e-6)
        ratio = intervals.ratio(*table, 0.9, "koopman")
        for limit, target in ((ratio.low, z), (ratio.high, -z)):
            if 1e-9 < limit < 1e9:
                assert intervals.ratio_score(*table, limit) == pytest.approx(target, abs=1e-6)


@pytest.mark.parametrize("method", ["clopper-pearson", "newcombe"])
def test_ratio_limits_solve_the_square_and_add_equation(method: RatioMethod) -> None:
    """The lower limit φ is where the lower limit of p1 − φ p2 is 0, the upper one where the upper limit is."""
    single: RateMethod = "wilson" if method == "newcombe" else "clopper-pearson"
    for k1, n1, k2, n2 in _tables():
        p1, p2 = k1 / n1, k2 / n2
        low1, high1 = intervals.rate_limits(k1, n1, 0.05, single)
        low2, high2 = intervals.rate_limits(k2, n2, 0.05, single)
        found = intervals.ratio(k1, n1, k2, n2, 0.9, method)
        if k1:
            apart = p1 - found.low * p2
            assert apart == pytest.approx(np.hypot(p1 - low1, found.low * (high2 - p2)), abs=1e-9)
        if k2:
            apart = found.high * p2 - p1
            assert apart == pytest.approx(np.hypot(high1 - p1, found.high * (p2 - low2)), rel=1e-9, abs=1e-9)


counted = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None, max_examples=60)
@given(counted, counted, st.sampled_from(DIFFERENCES))
def test_a_difference_turns_with_its_groups_and_holds_its_estimate(
    one: tuple[int, int], two: tuple[int, int], method: DifferenceMethod
) -> None:
    found = intervals.difference(*one, *two, 0.9, method)
    turned = intervals.difference(*two, *one, 0.9, method)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    apart = one[0] / one[1] - two[0] / two[1]
    assert -1 <= found.low <= apart + 1e-9
    assert apart - 1e-9 <= found.high <= 1
    wider = intervals.difference(*one, *two, 0.99, method)
    assert wider.low <= found.low + 1e-9
    assert found.high <= wider.high + 1e-9


@settings(deadline=None, max_examples=60)
@given(counted, counted, st.sampled_from(RATIOS))
def test_a_ratio_turns_with_its_groups_and_holds_its_estimate(
    one: tuple[int, int], two: tuple[int, int], method: RatioMethod
) -> None:
    found = intervals.ratio(*one, *two, 0.9, method)
    turned = intervals.ratio(*two, *one, 0.9, method)
    if found.low > 0:
        assert turned.high == pytest.approx(1 / found.low, rel=1e-6)
    else:
        assert one[0] == 0
        assert turned.high == np.inf
    if two[0]:
        of = (one[0] / one[1]) / (two[0] / two[1])
        assert found.low <= of * (1 + 1e-9)
        assert of <= found.high * (1 + 1e-9) + 1e-12


def _coverage(method: DifferenceMethod, n1: int, n2: int, p1: float, p2: float, tail: float) -> tuple[float, float]:
    """Return the chances that the lower, and the upper limit misses, over all tables."""
    k1, k2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None]
    low, high = intervals.difference_limits(k1, n1, k2, n2, tail, method)
    chance = stats.binom.pmf(k1, n1, p1) * stats.binom.pmf(k2, n2, p2)
    return float(chance[low > p1 - p2 + 1e-12].sum()), float(chance[high < p1 - p2 - 1e-12].sum())


@pytest.mark.parametrize(("n1", "n2"), [(10, 10), (10, 150), (30, 100), (60, 60)])
def test_each_default_bound_misses_no_more_often_than_told_near_the_bound(n1: int, n2: int) -> None:
    for apart, base in itertools.product((0.0, 0.05, -0.05, 0.1, 0.2), (0.02, 0.1, 0.3, 0.5, 0.79)):
        if not 0 <= base + apart <= 1:
            continue
        missed = _coverage("clopper-pearson", n1, n2, base + apart, base, 0.05)
        assert max(missed) <= 0.05


@pytest.mark.parametrize("method", ["newcombe", "miettinen-nurminen"])
def test_two_sided_the_others_are_near_their_nominal_coverage(method: DifferenceMethod) -> None:
    held = [
        1 - sum(_coverage(method, n1, n2, p1, p2, 0.05))
        for n1, n2 in ((30, 30), (30, 150))
        for p1, p2 in itertools.product((0.1, 0.3, 0.5, 0.8), repeat=2)
    ]
    assert 0.89 < np.mean(held) < 0.92
    assert min(held) > 0.86


def test_mean_of_rates_is_the_square_and_add_interval_of_the_balanced_accuracy() -> None:
    found = intervals.mean_of_rates(45, 60, 100, 140, 0.95)
    low1, high1 = proportion_confint(45, 60, 0.05, "wilson")
    low2, high2 = proportion_confint(100, 140, 0.05, "wilson")
    p1, p2 = 45 / 60, 100 / 140
    assert found.low == pytest.approx((p1 + p2 - np.hypot(p1 - low1, p2 - low2)) / 2)
    assert found.high == pytest.approx((p1 + p2 + np.hypot(high1 - p1, high2 - p2)) / 2)


def test_fractions_lie_between_their_neighbours() -> None:
    low = [intervals.difference(k, 30.5, 12.5, 40.2, 0.9).low for k in (10, 10.5, 11)]
    assert low == sorted(low)
    assert intervals.rate(29.999999999999996, 30, 0.9).high == 1.0


def test_inside_and_outside() -> None:
    assert Interval(-0.04, 0.02, 0.9, "").inside(-0.05, 0.05)
    assert not Interval(-0.05, 0.02, 0.9, "").inside(-0.05, 0.05)
    assert Interval(0.05, 0.2, 0.9, "").outside(-0.05, 0.05)
    assert Interval(-0.2, -0.05, 0.9, "").outside(-0.05, 0.05)
    assert not Interval(0.04, 0.2, 0.9, "").outside(-0.05, 0.05)


@pytest.mark.parametrize("wrong", [(1, 0, 1, 2, 0.9), (3, 2, 1, 2, 0.9), (-1, 2, 1, 2, 0.9), (1, 2, 1, 2, 1.0)])
def test_counts_and_confidence_out_of_range_are_refused(wrong: tuple[float, float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"no count|outside 0 to 1"):
        intervals.difference(*wrong)
    with pytest.raises(ValueError, match="unknown method"):
        intervals.ratio(1, 2, 1, 2, 0.9, "wald")  # type: ignore[arg-type]
