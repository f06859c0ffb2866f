from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from debias.data.probes import LEAST_RATE, probes
from debias.errors import UsageError

RATES = np.array([0.1, 0.25, 0.4, 0.6])
NAMES = [f"Probe {number}" for number in range(1, 6)]


def world(rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = random.integers(0, len(RATES), rows)
    return (random.random(rows) < RATES[codes]).astype(np.int64), codes, random.random(rows) < 0.8


def test_without_noise_they_are_the_formulas() -> None:
    y, codes, training = world()
    found = probes(y, codes, training, noise=0.0)
    rates = np.array([y[training & (codes == code)].mean() for code in range(len(RATES))])
    np.testing.assert_allclose(found.rates, rates)
    r = rates[codes]
    assert list(found.columns) == NAMES
    for name, expected in zip(NAMES, (r, r**2, 1 / r, np.cos(r), np.sin(r)), strict=True):
        np.testing.assert_allclose(found.columns[name], expected, rtol=1e-12)
    assert list(found.formulas.values()) == ["r", "r²", "1/r", "cos r", "sin r"]


def test_the_noise_has_the_asked_size_and_is_independent() -> None:
    y, codes, training = world(20_000)
    exact, noisy = (probes(y, codes, training, noise=noise).columns for noise in (0.0, 0.05))
    noise = np.stack([noisy[name] - exact[name] for name in NAMES])
    np.testing.assert_allclose(noise.std(axis=1), 0.05, rtol=0.03)
    np.testing.assert_allclose(noise.mean(axis=1), 0, atol=0.002)
    assert np.abs(np.corrcoef(noise) - np.eye(5)).max() < 0.03


def test_they_follow_the_cluster_and_nothing_else() -> None:
    y, codes, training = world(20_000)
    covariate = np.random.default_rng(9).normal(size=len(y))
    found = probes(y, codes, training)
    for values in found.columns.values():
        assert abs(pearsonr(values, RATES[codes])[0]) > 0.7
        assert abs(pearsonr(values, y)[0]) > 0.2
        assert abs(pearsonr(values, covariate)[0]) < 0.03
        for code in range(len(RATES)):  # within a cluster they tell nothing about the label
            inside = codes == code
            assert abs(pearsonr(values[inside], y[inside])[0]) < 0.06


def test_labels_of_other_rows_change_nothing() -> None:
    y, codes, training = world()
    other = np.where(training, y, 1 - y)
    first, second = probes(y, codes, training), probes(other, codes, training)
    for name in NAMES:
        np.testing.assert_array_equal(first.columns[name], second.columns[name])


def test_the_noise_of_a_row_does_not_depend_on_the_split() -> None:
    y, codes, training = world()
    y = np.arange(len(y)) % 2  # every split has nearly the same rates
    first = probes(y, codes, training).columns["Probe 1"] - probes(y, codes, training, noise=0).columns["Probe 1"]
    second = probes(y, codes, ~training).columns["Probe 1"] - probes(y, codes, ~training, noise=0).columns["Probe 1"]
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_a_seed_repeats_and_another_differs() -> None:
    state = np.random.get_state()[1][:5].tolist()  # type: ignore[index]
    y, codes, training = world()
    one, same, other = (probes(y, codes, training, seed=seed).columns for seed in (4, 4, 5))
    np.testing.assert_array_equal(one["Probe 2"], same["Probe 2"])
    assert (one["Probe 2"] != other["Probe 2"]).all()
    assert np.random.get_state()[1][:5].tolist() == state  # type: ignore[index]


def test_unknown_clusters_get_the_training_mean() -> None:
    y, codes, training = world()
    codes = np.where(np.arange(len(codes)) % 10 == 0, -1, codes)
    alone = codes == 3
    training &= ~alone  # a cluster without training rows is as unknown as a row without a cluster
    found = probes(y, codes, training)
    told = training & (codes >= 0)
    for values in found.columns.values():
        np.testing.assert_allclose(values[(codes < 0) | alone], values[told].mean())
        assert np.isfinite(values).all()
    assert np.isnan(found.rates[3])


def test_a_rate_of_zero_is_clipped_before_the_inverse() -> None:
    y, codes, training = world()
    y[codes == 0] = 0
    found = probes(y, codes, training, noise=0.0)
    np.testing.assert_allclose(found.columns["Probe 3"][codes == 0], 1 / LEAST_RATE)
    np.testing.assert_allclose(found.columns["Probe 1"][codes == 0], 0)


def test_of_a_regression_they_come_from_standardised_means() -> None:
    y, codes, training = world()
    target = 1000 + 50 * RATES[codes] + np.random.default_rng(1).normal(size=len(y))
    found = probes(target, codes, training, task="regression", noise=0.0)
    z = (target - target[training].mean()) / target[training].std()
    r = np.array([z[training & (codes == code)].mean() for code in range(len(RATES))])
    np.testing.assert_allclose(found.rates, r)
    np.testing.assert_allclose(found.columns["Probe 3"], np.exp(-r)[codes])
    np.testing.assert_allclose(found.columns["Probe 2"], (r**2)[codes])
    assert found.formulas["Probe 3"] == "exp(−r)"
    # The unit of the target does not matter.
    scaled = probes(target * 7 - 3, codes, training, task="regression", noise=0.0)
    np.testing.assert_allclose(scaled.rates, r, atol=1e-9)


def test_a_constant_target_gives_rates_of_zero() -> None:
    _, codes, training = world(100)
    found = probes(np.full(100, 3.0), codes, training, task="regression", noise=0.0)
    np.testing.assert_allclose(found.rates, 0, atol=1e-12)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_noise_that_is_none_is_refused(noise: float) -> None:
    y, codes, training = world(50)
    with pytest.raises(UsageError, match="--probe-noise"):
        probes(y, codes, training, noise=noise)


def test_training_rows_without_a_cluster_make_no_rates() -> None:
    y, _, training = world(50)
    with pytest.raises(ValueError, match="no training row has a cluster"):
        probes(y, np.full(50, -1), training)
