"""The noise of a bias against scipy, the formulas, and the spread of drawn rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from debias.fairness.noise import chance_within, difference_error, quantile, ratio_error


def test_the_error_of_a_difference_is_that_of_agresti_and_caffo() -> None:
    found = difference_error(np.array([0.3]), 50, np.array([0.6]), 80)
    p1, p2 = (15 + 1) / 52, (48 + 1) / 82
    assert found[0] == pytest.approx(np.sqrt(p1 * (1 - p1) / 52 + p2 * (1 - p2) / 82))


def test_rates_of_0_and_1_are_not_without_noise() -> None:
    rates = np.array([0.0, 1.0, 0.0, 1.0])
    other = np.array([0.0, 1.0, 1.0, 0.0])
    for error in (difference_error(rates, 20, other, 200), ratio_error(rates, 20, other, 200)):
        assert (error > 0).all()
        assert np.isfinite(error).all()
    assert difference_error(rates, 20, other, 200)[0] > difference_error(rates, 200, other, 200)[0]


@pytest.mark.parametrize(("n1", "n2"), [(60, 300), (400, 400)])
@pytest.mark.parametrize(("p1", "p2"), [(0.1, 0.2), (0.5, 0.45), (0.7, 0.9)])
def test_the_errors_are_the_spread_of_drawn_rates(n1: int, n2: int, p1: float, p2: float) -> None:
    generator = np.random.default_rng(11)
    one, two = generator.binomial(n1, p1, 40_000) / n1, generator.binomial(n2, p2, 40_000) / n2
    difference = np.sqrt((difference_error(one, n1, two, n2) ** 2).mean())
    assert difference == pytest.approx(np.std(one - two), rel=0.05)
    kept = (one > 0) & (two > 0)
    ratio = np.minimum(one, two) / np.where(kept, np.maximum(one, two), 1)
    signed = np.where(one <= two, ratio - 1, 1 - ratio)[kept]
    assert np.sqrt((ratio_error(one, n1, two, n2) ** 2).mean()) == pytest.approx(np.std(signed), rel=0.15)


def test_the_chance_is_that_of_a_normal() -> None:
    bias, error = np.array([0.0, 0.03, -0.03, 0.2]), np.array([0.02, 0.02, 0.02, 0.01])
    expected = stats.norm.cdf(0.05, bias, error) - stats.norm.cdf(-0.05, bias, error)
    np.testing.assert_allclose(chance_within(bias, error, 0.05), expected)
    assert chance_within(np.array([np.nan]), np.array([0.1]), 0.05)[0] == 0
    several = chance_within(np.stack([bias, bias]), np.stack([error, error]), np.array([[0.05], [0.1]]))
    np.testing.assert_allclose(several[0], expected)
    assert (several[1] >= several[0]).all()


def test_a_bound_that_the_quantile_leaves_no_room_is_met_by_no_chance() -> None:
    assert chance_within(np.array([0.0]), np.array([0.02]), -0.01)[0] == 0


def test_the_quantile_is_one_sided() -> None:
    assert quantile(0.95) == pytest.approx(stats.norm.ppf(0.95))
