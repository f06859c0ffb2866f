from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from debias.fairness.regression import group_means, group_mses, mae, mse, r2


@pytest.mark.parametrize("weighted", [False, True])
def test_as_scikit_learn_has_it(weighted: bool) -> None:
    random = np.random.default_rng(0)
    target, prediction = random.normal(3, 2, 200), random.normal(3, 2, 200)
    weight = random.random(200) if weighted else None
    assert mse(prediction, target, weight) == pytest.approx(
        mean_squared_error(target, prediction, sample_weight=weight)
    )
    assert mae(prediction, target, weight) == pytest.approx(
        mean_absolute_error(target, prediction, sample_weight=weight)
    )
    assert r2(prediction, target, weight) == pytest.approx(r2_score(target, prediction, sample_weight=weight))


def test_groups() -> None:
    random = np.random.default_rng(1)
    target, prediction, weight = random.normal(size=90), random.normal(size=90), random.random(90)
    codes = np.arange(90) % 4 - 1
    found = group_mses(prediction, target, codes, 4, weight)
    means = group_means(prediction, codes, 4, weight)
    for group in range(3):
        its = codes == group
        assert found[group] == pytest.approx(np.average((prediction - target)[its] ** 2, weights=weight[its]))
        assert means[group] == pytest.approx(np.average(prediction[its], weights=weight[its]))
    assert np.isnan(found[3])
    assert np.isnan(means[3])


def test_what_is_undefined() -> None:
    assert r2(np.ones(3), np.full(3, 0.1)) is None
    assert mse(np.ones(2), np.ones(2), np.zeros(2)) is None
    assert r2(np.ones(2), np.array([1.0, 2.0]), np.zeros(2)) is None
    with pytest.raises(ValueError, match="not finite"):
        mse(np.array([np.nan]), np.ones(1))
    with pytest.raises(ValueError, match="outside"):
        group_means(np.ones(1), np.array([1]), 1)
    with pytest.raises(ValueError, match="length"):
        group_means(np.ones(1), np.array([0, 0]), 1)
