"""Intervals of groups beside statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from debias.fairness.counts import count
from debias.run.group_limits import group_limits


def test_rates_are_wilsons_and_balanced_accuracy_is_newcombes() -> None:
    random = np.random.default_rng(0)
    codes, y = random.integers(0, 3, 400), random.integers(0, 2, 400)
    decisions = random.random(400) < 0.3 + 0.4 * y
    found = group_limits(count(decisions, y, codes, 3), 0.95)
    for k, limits in enumerate(found):
        own, label = decisions[codes == k], y[codes == k]
        hits, positives = int(own[label == 1].sum()), int((label == 1).sum())
        alarms, negatives = int(own[label == 0].sum()), int((label == 0).sum())
        assert limits.selection_rate == pytest.approx(proportion_confint(own.sum(), len(own), method="wilson"))
        assert limits.tpr == pytest.approx(proportion_confint(hits, positives, method="wilson"))
        assert limits.fpr == pytest.approx(proportion_confint(alarms, negatives, method="wilson"))
        low, high = confint_proportions_2indep(hits, positives, alarms, negatives, method="newcomb", compare="diff")
        assert limits.balanced_accuracy == pytest.approx(((1 + low) / 2, (1 + high) / 2))
        assert limits.confidence == 0.95


def test_a_rate_without_rows_has_no_interval() -> None:
    decisions, y, codes = np.array([True, False, True]), np.array([0, 0, 1]), np.array([0, 0, 1])
    alone, other, empty = group_limits(count(decisions, y, codes, 3), 0.9)
    assert alone.tpr is None and alone.balanced_accuracy is None and alone.fpr is not None
    assert other.fpr is None and other.tpr is not None and other.tpr[1] == 1.0
    assert (empty.selection_rate, empty.tpr, empty.fpr, empty.balanced_accuracy) == (None,) * 4


def test_weights_count_by_their_effective_number() -> None:
    decisions, y, codes = np.array([True, True, False, False] * 25), np.zeros(100, np.int64), np.zeros(100, np.int64)
    plain = group_limits(count(decisions, y, codes, 1), 0.95)[0]
    doubled = group_limits(count(decisions, y, codes, 1, np.full(100, 2.0)), 0.95)[0]
    uneven = group_limits(count(decisions, y, codes, 1, np.tile([1.0, 3.0], 50)), 0.95)[0]
    assert plain.selection_rate is not None and uneven.selection_rate is not None
    assert doubled.selection_rate == pytest.approx(plain.selection_rate)
    # (Σw)² / Σw² = 200² / 500 = 80 rows
    assert uneven.selection_rate == pytest.approx(proportion_confint(40, 80, method="wilson"))
