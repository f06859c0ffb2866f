"""Cuts and dispersions beside scikit-learn, fairlearn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, mean_squared_error, roc_auc_score

from debias.training.selection import PLATEAU, curve, dispersion, error_dispersion


def _made(seed: int, n: int = 80, levels: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(float)
    y[:2] = 0, 1
    scores = np.round(rng.normal(size=n) + y, 1) if levels else rng.normal(size=n) + y
    return scores, y, rng.random(n) + 0.2


@settings(max_examples=15)
@given(seed=st.integers(0, 200), weighted=st.booleans())
def test_every_cut_has_the_accuracy_of_scikit_learn(seed: int, weighted: bool) -> None:
    scores, y, weight = _made(seed)
    used = weight if weighted else None
    found = curve(scores, y, used)
    for cut, accuracy in zip(found.cuts, found.accuracy, strict=True):
        assert accuracy == pytest.approx(balanced_accuracy_score(y, scores > cut, sample_weight=used))
    assert found.auroc == pytest.approx(roc_auc_score(y, scores, sample_weight=used))
    assert not np.isin(found.cuts, scores).any()


@given(seed=st.integers(0, 200))
def test_the_cut_is_near_the_centre_of_the_plateau_and_as_good(seed: int) -> None:
    scores, y, _ = _made(seed, 400, 0)
    found = curve(scores, y)
    cut, accuracy = found.centre()
    assert accuracy == pytest.approx(balanced_accuracy_score(y, scores > cut))
    assert accuracy >= found.accuracy.max() - PLATEAU
    good = found.cuts[found.accuracy >= found.accuracy.max() - PLATEAU]
    middle = (good.min() + good.max()) / 2
    assert abs(cut - middle) == pytest.approx(np.abs(good - middle).min())


def test_scores_without_a_difference_are_no_better_than_chance() -> None:
    found = curve(np.zeros(4), np.array([0.0, 1.0, 1.0, 0.0]))
    assert found.auroc == 0.5
    assert found.centre() == (0.0, 0.5)


def test_the_dispersion_is_worked_out_by_hand() -> None:
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0], dtype=float)
    decided = np.array([1, 0, 1, 1, 1, 0, 0, 0, 1, 1], dtype=bool)
    codes = np.array([0, 0, 1, 1, 0, 0, 1, 1, -1, -1])  # the last two rows have no group
    # TPR 1/2 and 1; FPR 1/2 and 0
    assert dispersion(decided, y, {"a": codes}) == pytest.approx(0.25 + 0.25)
    # a group without positives has no TPR: one group is left, and nothing to compare
    lone = np.where(codes == 1, 2, codes)
    assert dispersion(decided, y * (codes != 1), {"a": lone}) == pytest.approx(np.std([0.5, 0.5]))
    assert dispersion(decided, y, {"a": codes, "b": codes}) == pytest.approx(0.5)
    assert dispersion(decided, y, {}) == 0


def test_the_dispersion_of_errors_is_that_of_each_groups_mse() -> None:
    rng = np.random.default_rng(0)
    y, prediction, codes = rng.normal(size=50), rng.normal(size=50), rng.integers(0, 3, 50)
    wanted = np.std([mean_squared_error(y[codes == g], prediction[codes == g]) for g in range(3)])
    assert error_dispersion(prediction, y, {"a": codes}, None) == pytest.approx(wanted)
