"""Moments of predicted numbers by group, against numpy and draws."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from debias.fairness.moments import bias, bias_error, effective_rows, moments


def _rows(k: int = 3, weighted: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    generator = np.random.default_rng(k)
    codes = np.concatenate([np.arange(k), np.arange(k), generator.integers(-1, k, 90)])
    target = generator.normal(50, 9, len(codes)) + 3 * codes
    values = target + generator.normal(size=len(codes)) * (1 + codes)
    return values, target, codes, generator.uniform(0.2, 3, len(codes)) if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 4])
def test_each_group_by_numpy(k: int, weighted: bool) -> None:
    values, target, codes, weight = _rows(k, weighted)
    found = moments(values, target, codes, k, weight)
    w = np.ones(len(codes)) if weight is None else weight
    for group in range(k):
        rows = codes == group
        own, y, mass = values[rows], target[rows], w[rows]
        kish = mass.sum() ** 2 / (mass**2).sum()
        assert (found.n[group], found.weight[group]) == (rows.sum(), pytest.approx(mass.sum()))
        assert found.effective[group] == pytest.approx(kish)
        mean, mse = np.average(own, weights=mass), np.average((own - y) ** 2, weights=mass)
        assert found.mean[group] == pytest.approx(mean)
        assert found.target_mean[group] == pytest.approx(np.average(y, weights=mass))
        assert found.mse[group] == pytest.approx(mse)
        assert found.mae[group] == pytest.approx(np.average(np.abs(own - y), weights=mass))
        spread = np.average((y - np.average(y, weights=mass)) ** 2, weights=mass)
        assert found.target_variance[group] == pytest.approx(spread)
        wanted = np.average((own - mean) ** 2, weights=mass) / (kish - 1)
        assert found.mean_variance[group] == pytest.approx(wanted)
        if weight is None:
            assert found.mean_variance[group] == pytest.approx(own.var(ddof=1) / len(own))
            assert found.mse_variance[group] == pytest.approx(((own - y) ** 2).var(ddof=1) / len(own))
    assert found.missing_n == (codes < 0).sum()


def test_a_group_of_one_row_has_no_noise_and_an_empty_one_nothing() -> None:
    found = moments(np.array([1.0, 2, 3]), np.array([1.0, 1, 1]), np.array([0, 0, 1]), 3)
    assert found.mean.tolist()[:2] == [1.5, 3]
    assert np.isnan([found.mean[2], found.mse[2], *found.mean_variance[1:], *found.mse_variance[1:]]).all()


def test_weights_of_repeated_rows() -> None:
    codes, weight = np.array([0, 0, 0, 1, -1]), np.array([1.0, 1, 2, 3, 9])
    assert effective_rows(codes, 3, weight) == pytest.approx([16 / 6, 1, 0])
    assert effective_rows(codes, 3).tolist() == [3, 1, 0]


def test_what_does_not_fit_is_refused() -> None:
    three = np.zeros(3)
    for values, codes in [(three, np.zeros(2, int)), (three, np.array([0, 0, 2])), (three, np.array([0, -2, 0]))]:
        with pytest.raises(ValueError, match=r"length|outside"):
            moments(values, three, codes, 2)
    with pytest.raises(ValueError, match="finite"):
        moments(np.array([0.0, np.nan]), np.zeros(2), np.zeros(2, int), 1)


def test_two_groups_are_subtracted_and_more_compared_in_pairs() -> None:
    assert bias(np.array([3.0, 5.0]), "mean") == -2
    assert bias(np.array([3.0, 5.0]), "mean", privileged=0) == 2
    assert bias(np.array([3.0, 5.0]), "mse") == 1  # half the difference
    values = np.random.default_rng(0).normal(size=(5, 7))
    pairs = [np.abs(values[a] - values[b]) for a, b in combinations(range(5), 2)]
    np.testing.assert_allclose(bias(values, "mean"), np.mean(pairs, axis=0))
    np.testing.assert_allclose(bias(values, "mse"), values.std(axis=0))
    assert np.isnan(bias(np.array([1.0, np.nan, 2]), "mean"))
    assert np.isnan(bias(np.array([1.0, np.nan, 2]), "mse"))


@pytest.mark.parametrize("moment", ["mean", "mse"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_standard_error_is_the_spread_over_draws(k: int, moment: str) -> None:
    generator = np.random.default_rng(1)
    values, variances = np.linspace(3, 9, k), generator.uniform(0.02, 0.3, k)
    drawn = values[:, None] + np.sqrt(variances)[:, None] * generator.standard_normal((k, 200_000))
    wanted = bias(drawn, moment).std()  # type: ignore[arg-type]
    assert bias_error(values, variances, moment) == pytest.approx(wanted, rel=0.08)  # type: ignore[arg-type]


def test_groups_alike_still_have_noise() -> None:
    assert bias_error(np.ones(3), np.full(3, 0.04), "mean") > 0.05
    assert np.isnan(bias_error(np.ones(3), np.array([0.1, np.nan, 0.1]), "mean"))
