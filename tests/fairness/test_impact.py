"""Impact ratios and their tests against fractions, scipy, statsmodels and pandas."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest
from statsmodels.stats.weightstats import DescrStatsW

from debias.fairness.counts import Counts, count
from debias.fairness.impact import (
    below,
    fisher_exact,
    highest,
    impact,
    standardised_differences,
    two_proportions,
    weighted_median,
)


def counts(*groups: tuple[int, int], weight: float | None = None) -> Counts:
    """Return counts of groups given as (selected, rows)."""
    codes = np.repeat(np.arange(len(groups)), [n for _, n in groups])
    chosen = np.concatenate([np.arange(n) < k for k, n in groups])
    weights = None if weight is None else np.full(len(codes), weight)
    return count(chosen, np.zeros(len(codes), np.int64), codes, len(groups), weights)


def exact(k1: int, n1: int, k2: int, n2: int) -> Fraction:
    """Return Fisher's two-sided p-value by adding up fractions."""
    chosen = k1 + k2
    ways = {k: comb(n1, k) * comb(n2, chosen - k) for k in range(max(0, chosen - n2), min(n1, chosen) + 1)}
    return Fraction(sum(way for way in ways.values() if way <= ways[k1]), sum(ways.values()))


def test_tea_tasting() -> None:
    # Fisher, The Design of Experiments (1935): three of four cups told rightly, 34/70.
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(34 / 70, rel=1e-12)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_fisher_adds_up_the_fractions(data: st.DataObject) -> None:
    n1, n2 = (data.draw(st.integers(0, 60)) for _ in range(2))
    k1, k2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    assert fisher_exact(k1, n1, k2, n2) == pytest.approx(float(exact(k1, n1, k2, n2)), rel=1e-9)


@pytest.mark.parametrize(
    "table",
    [
        (3000, 7000, 5000, 14000),
        (10, 20000, 400, 800000),
        (1, 3, 500_000, 1_000_000),
        (49_900, 100_000, 50_100, 100_000),
        (120_000, 1_000_000, 121_500, 1_000_000),
        (0, 40, 3000, 9000),
    ],
)
def test_fisher_of_many_rows_is_that_of_scipy(table: tuple[int, int, int, int]) -> None:
    k1, n1, k2, n2 = table
    wanted = stats.fisher_exact([[k1, n1 - k1], [k2, n2 - k2]]).pvalue
    assert fisher_exact(*table) == pytest.approx(wanted, rel=1e-6)


def test_fisher_of_rates_worlds_apart_is_zero() -> None:
    assert fisher_exact(0, 200_000, 200_000, 200_000) == 0.0


@pytest.mark.parametrize("table", [(-1, 3, 0, 3), (4, 3, 0, 3), (1, 3, 4, 3)])
def test_fisher_refuses_what_are_no_counts(table: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no counts"):
        fisher_exact(*table)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_z_is_that_of_statsmodels(data: st.DataObject) -> None:
    n = [data.draw(st.integers(1, 5000)) for _ in range(2)]
    k = [data.draw(st.integers(0, each)) for each in n]
    z, p = two_proportions(np.array(k, float), np.array(n, float), 1)
    if sum(k) in (0, sum(n)):
        assert np.isnan(z[0])
        assert np.isnan(p[0])
    else:
        assert (z[0], p[0]) == pytest.approx(proportions_ztest(k, n), rel=1e-9, abs=1e-300)
    assert np.isnan(z[1])


def test_ratios_are_those_of_fairlearn() -> None:
    random = np.random.default_rng(0)
    codes, chosen = random.integers(0, 4, 500), random.random(500) < 0.4
    found = count(chosen, np.zeros(500, np.int64), codes, 4)
    frame = MetricFrame(metrics=selection_rate, y_true=chosen, y_pred=chosen, sensitive_features=codes)
    top = highest(frame.by_group.to_numpy())
    assert top == int(frame.by_group.idxmax())
    compared = impact(found, top)
    assert compared.ratio == pytest.approx((frame.by_group / frame.by_group.max()).to_numpy(), rel=1e-12)
    assert compared.ratio.min() == pytest.approx(frame.ratio(), rel=1e-12)


def test_by_hand() -> None:
    # 48 of 80 against 21 of 50: 0.42 / 0.60 = 0.7.
    found = impact(counts((48, 80), (21, 50)), 0)
    assert found.ratio == pytest.approx([1.0, 0.7])
    assert found.below_four_fifths.tolist() == [False, True]
    assert found.fisher_p[1] == pytest.approx(stats.fisher_exact([[48, 32], [21, 29]]).pvalue)
    assert np.isnan([found.fisher_p[0], found.z[0], found.z_p[0]]).all()
    assert found.z[1] < 0


@given(st.integers(1, 2000), st.integers(1, 2000), st.data())
def test_four_fifths_is_decided_as_with_whole_numbers(n1: int, n2: int, data: st.DataObject) -> None:
    k1, k2 = data.draw(st.integers(0, n1)), data.draw(st.integers(1, n2))
    ratio = np.array([(k1 / n1) / (k2 / n2)])
    assert below(ratio)[0] == (5 * k1 * n2 < 4 * k2 * n1)


def test_nobody_selected_has_no_ratio() -> None:
    found = counts((0, 5), (0, 7))
    assert highest(np.zeros(2)) is None
    compared = impact(found, 0)
    assert np.isnan(compared.ratio).all()
    assert not compared.below_four_fifths.any()
    assert np.isnan(compared.z).all()
    assert compared.fisher_p[1] == 1.0


def test_a_group_without_rows_is_undefined() -> None:
    compared = impact(counts((3, 5), (0, 0)), 0)
    assert np.isnan(compared.ratio[1])
    assert np.isnan(compared.z[1])


def test_the_highest_among_some() -> None:
    rates = np.array([np.nan, 0.9, 0.4, 0.4])
    assert highest(rates) == 1
    assert highest(rates, np.array([True, False, True, True])) == 2
    assert highest(rates, np.zeros(4, bool)) is None
    assert highest(np.array([])) is None


def test_equal_weights_change_no_ratio_and_no_z() -> None:
    plain, weighted = impact(counts((48, 80), (21, 50)), 0), impact(counts((48, 80), (21, 50), weight=2.5), 0)
    assert weighted.ratio == pytest.approx(plain.ratio)
    assert weighted.z[1] == pytest.approx(plain.z[1])  # the effective numbers of rows are the rows
    assert np.isnan(weighted.fisher_p).all()


def test_a_reference_that_is_no_group() -> None:
    with pytest.raises(ValueError, match="reference 2"):
        impact(counts((1, 2), (1, 2)), 2)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.data())
def test_a_weighted_median_is_that_of_repeated_values(values: list[int], data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values)))
    repeated = np.repeat(np.array(values, float), times)
    found = weighted_median(np.array(values, float), np.array(times, float))
    assert found == (float(np.median(repeated)) if len(repeated) else None)
    assert weighted_median(np.array(values, float)) == float(np.median(values))


def test_smd_is_that_of_pandas_and_statsmodels() -> None:
    random = np.random.default_rng(1)
    codes, scores = random.integers(-1, 3, 400), random.random(400)
    frame = pd.DataFrame({"code": codes, "score": scores})[codes >= 0]
    means = frame.groupby("code")["score"].mean()
    wanted = (means - means[1]) / frame["score"].std(ddof=0)
    assert standardised_differences(scores, codes, 3, 1) == pytest.approx(wanted.to_numpy())
    weight = random.random(400)
    sizes = {code: DescrStatsW(scores[codes == code], weight[codes == code]) for code in range(3)}
    spread = DescrStatsW(scores[codes >= 0], weight[codes >= 0]).std
    found = standardised_differences(scores, codes, 3, 1, weight)
    assert found == pytest.approx([(sizes[code].mean - sizes[1].mean) / spread for code in range(3)])


@pytest.mark.parametrize("value", [0.1, 0.0, 1e9])
def test_constant_scores_have_no_smd(value: float) -> None:
    codes = np.array([0, 0, 1, 1, 1])
    assert np.isnan(standardised_differences(np.full(5, value), codes, 2, 0)).all()


def test_rows_without_a_group_have_no_smd() -> None:
    assert np.isnan(standardised_differences(np.arange(3.0), np.full(3, -1), 2, 0)).all()
