"""What is said of a cell over the seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from table1_figures import ceiling, interval, summary


def _line(**given: Any) -> dict[str, Any]:
    base = {"objective": 0.6, "balanced_accuracy": 0.6, "bias": 0.01, "constant": False, "cpu_seconds": 1.0}
    return {**base, "group_sizes": [400, 800], "group_rates": [0.5, 0.5], "eps": 0.05, **given}


@pytest.mark.parametrize(
    ("sizes", "rates", "eps"),
    [((160, 5900), (0.3, 0.25), 0.05), ((40, 70), (0.6, 0.7), 0.11), ((900, 450), (0.5, 0.5), 0.05)],
)
def test_the_ceiling_is_the_share_of_simulated_draws(
    sizes: tuple[int, int], rates: tuple[float, float], eps: float
) -> None:
    p = float(np.average(rates, weights=sizes))
    rng = np.random.default_rng(0)
    drawn = rng.binomial(sizes[0], p, 400_000) / sizes[0] - rng.binomial(sizes[1], p, 400_000) / sizes[1]
    assert ceiling(sizes, rates, eps) == pytest.approx(float((np.abs(drawn) < eps).mean()), abs=0.004)


def test_the_ceiling_of_large_groups_is_the_normal_one() -> None:
    error = (0.21 / 30_000 + 0.21 / 50_000) ** 0.5
    expected = norm.cdf(0.005 / error) - norm.cdf(-0.005 / error)
    assert ceiling((30_000, 50_000), (0.3, 0.3), 0.005) == pytest.approx(expected, abs=2e-3)


def test_the_bound_itself_is_not_met() -> None:
    # One row each: the difference is -1, 0 or 1, and 0 has the chance p² + (1 − p)².
    assert ceiling((1, 1), (0.25, 0.25), 1.0) == pytest.approx(0.25**2 + 0.75**2)
    assert ceiling((1, 1), (0.25, 0.25), 1.01) == pytest.approx(1)
    assert ceiling((10, 20), (0.0, 0.0), 0.05) == pytest.approx(1)


def test_the_interval_is_clopper_and_pearsons() -> None:
    # All of n: the lower end is (α / 2)^(1 / n).
    assert interval(20, 20) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert interval(0, 20) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_a_summary_by_hand() -> None:
    lines = [
        _line(objective=value, balanced_accuracy=0.5 + value / 10, bias=bias, cpu_seconds=seconds)
        for value, bias, seconds in (
            (0.0, -0.06, 1.0),
            (0.5, 0.04, 2.0),
            (0.6, 0.0, 9.0),
            (0.7, 0.02, 3.0),
            (0.8, 0.0, 4.0),
        )
    ]
    found = summary(lines)
    assert found.objective == pytest.approx((0.6, 0.5, 0.7))
    assert found.bias == pytest.approx((0.0, np.std([-0.06, 0.04, 0, 0.02, 0], ddof=1)))
    assert (found.n, found.feasible, found.constant, found.seconds) == (5, 4, 0, 3.0)
    assert found.ceiling == pytest.approx(ceiling((400, 800), (0.5, 0.5), 0.05))


def test_a_share_below_the_ceiling_by_more_than_its_error_is_told() -> None:
    assert summary([_line(objective=0.6 if k < 17 else 0.0) for k in range(20)]).within_noise
    assert not summary([_line(objective=0.6 if k < 10 else 0.0) for k in range(20)]).within_noise
