"""The gate of predicted numbers: limits against scipy, error rates by drawing, and the rows that would settle it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from debias.fairness.moment_assessment import assess_moments, moment_interval
from debias.fairness.moments import Moments, bias, moments


def _drawn(sizes: tuple[int, ...], means: tuple[float, ...], sds: tuple[float, ...], seed: int) -> tuple[Moments, list]:
    generator = np.random.default_rng(seed)
    parts = [generator.normal(mean, sd, n) for n, mean, sd in zip(sizes, means, sds, strict=True)]
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return moments(np.concatenate(parts), np.zeros(len(codes)), codes, len(sizes)), parts


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_two_groups_have_welchs_limits(confidence: float) -> None:
    found, (one, other) = _drawn((9, 40), (5, 4), (1, 3), 0)
    wanted = stats.ttest_ind(one, other, equal_var=False).confidence_interval(confidence)
    interval = moment_interval(found, "mean-difference", confidence)
    assert interval is not None
    assert (interval.low, interval.high, interval.confidence) == pytest.approx((wanted.low, wanted.high, confidence))
    turned = moment_interval(found, "mean-difference", confidence, privileged=0)
    assert turned is not None
    assert (turned.low, turned.high) == pytest.approx((-wanted.high, -wanted.low))


def test_the_deviation_of_two_errors_is_half_their_difference() -> None:
    found, (one, other) = _drawn((300, 500), (0, 0), (1, 2), 1)
    wanted = stats.ttest_ind(other**2, one**2, equal_var=False).confidence_interval(0.9)
    interval = moment_interval(found, "mse-dispersion", 0.9)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((wanted.low / 2, wanted.high / 2))
    alike, _ = _drawn((300, 500), (0, 0), (1, 1), 2)
    small = moment_interval(alike, "mse-dispersion", 0.9)
    assert small is not None
    assert small.low == 0 < small.high


@pytest.mark.parametrize("metric", ["mean-difference", "mse-dispersion"])
def test_limits_of_more_groups_hold_at_least_as_often_as_they_say(metric: str) -> None:
    sizes, means, sds = (60, 150, 90), (0.0, 0.3, 0.3), (1.0, 1.5, 1.2)
    values = means if metric == "mean-difference" else tuple(m**2 + s**2 for m, s in zip(means, sds, strict=True))
    true = float(bias(np.array(values), "mean" if metric == "mean-difference" else "mse"))
    missed = 0
    for seed in range(200):
        interval = moment_interval(_drawn(sizes, means, sds, seed)[0], metric, 0.9)  # type: ignore[arg-type]
        assert interval is not None
        missed += not interval.low <= true <= interval.high
    assert missed <= 30  # 20 expected at most; a binomial count above 30 has a chance below 1%


@pytest.mark.parametrize("sizes", [(60, 90), (40, 60, 50)])
def test_wrong_verdicts_at_the_bound_are_rare(sizes: tuple[int, ...]) -> None:
    means = (0.0, 0.5, 0.5)[: len(sizes)]
    eps = abs(float(bias(np.array(means), "mean")))
    verdicts = [
        assess_moments(
            _drawn(sizes, means, (1.0,) * len(sizes), seed)[0], "mean-difference", eps, 0.95, plan=False
        ).verdict
        for seed in range(60)
    ]
    assert verdicts.count("pass") <= 8
    assert verdicts.count("fail") <= 8


def test_the_three_verdicts() -> None:
    found, _ = _drawn((400, 400), (0.0, 1.0), (1, 1), 3)

    def verdict(eps: float) -> str:
        return assess_moments(found, "mean-difference", eps, 0.95, groups=("f", "m")).verdict

    assert [verdict(eps) for eps in (0.1, 1.05, 2.0)] == ["fail", "inconclusive", "pass"]
    text = assess_moments(found, "mean-difference", 2.0, 0.95, groups=("f", "m")).reason
    assert text.startswith("The one-sided 95% bounds of E[ŷ | f] − E[ŷ | m], −")
    assert text.endswith("lie inside −2 to +2.")


@pytest.mark.parametrize("metric", ["mean-difference", "mse-dispersion"])
@pytest.mark.parametrize("sizes", [(50, 80), (50, 80, 60)])
def test_the_rows_asked_for_settle_it_and_no_fewer_do(sizes: tuple[int, ...], metric: str) -> None:
    found, _ = _drawn(sizes, (0.0, 0.4, 0.2)[: len(sizes)], (1.0, 1.3, 1.1)[: len(sizes)], 5)
    moment = "mean" if metric == "mean-difference" else "mse"
    eps = 1.25 * abs(float(bias(found.of(moment), moment)))  # type: ignore[arg-type]
    assessed = assess_moments(found, metric, eps, 0.95)  # type: ignore[arg-type]
    assert (assessed.verdict, assessed.heading) == ("inconclusive", "pass")
    assert assessed.more_rows

    def with_rows(added: dict[int, int]) -> str:
        factor = np.array([(found.n[g] + added.get(g, 0)) / found.n[g] for g in range(len(sizes))])
        grown = replace(
            found,
            effective=found.effective * factor,
            mean_variance=found.mean_variance / factor,
            mse_variance=found.mse_variance / factor,
        )
        return assess_moments(grown, metric, eps, 0.95).verdict  # type: ignore[arg-type]

    assert with_rows(assessed.more_rows) == "pass"
    for group in assessed.more_rows:
        fewer = dict(assessed.more_rows)
        fewer[group] = int(0.8 * fewer[group])
        assert with_rows(fewer) == "inconclusive"


def test_what_has_no_noise_is_undefined() -> None:
    found = moments(np.arange(3.0), np.zeros(3), np.array([0, 0, 1]), 2)
    assessed = assess_moments(found, "mean-difference", 1.0, 0.95, groups=("f", "m"))
    assert assessed.verdict == "undefined"
    assert assessed.reason.startswith("m has fewer than two rows")
    assert moment_interval(found, "mean-difference", 0.95) is None
    one = moments(np.arange(3.0), np.zeros(3), np.zeros(3, int), 1)
    assert assess_moments(one, "mean-difference", 1.0, 0.95).verdict == "undefined"


def test_groups_without_spread_are_settled_by_their_means() -> None:
    found = moments(np.array([1.0, 1, 3, 3]), np.zeros(4), np.array([0, 0, 1, 1]), 2)
    assert assess_moments(found, "mean-difference", 3.0, 0.95).verdict == "pass"
    assert assess_moments(found, "mean-difference", 1.0, 0.95).verdict == "fail"
    assert assess_moments(found, "mean-difference", 2.0, 0.95).verdict == "fail"  # at the bound is not below it
