"""The paired bootstrap beside scipy and brute force, the corrections beside statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, mean_squared_error
from statsmodels.stats.multitest import multipletests

from debias.fairness import bootstrap as module
from debias.fairness.bootstrap import (
    OVERALL,
    Scores,
    bootstrap,
    difference,
    holm,
    paired_t,
    sign_test,
    t_interval,
)

RNG = np.random.default_rng(7)
N = 400
Y = (RNG.random(N) < 0.4).astype(float)
SEX, RACE = RNG.integers(0, 2, N), RNG.integers(-1, 3, N)
ATTRIBUTES = {"sex": (SEX, 2), "race": (RACE, 3)}


def _scores(shift: float, seed: int) -> Scores:
    rng = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-(2 * Y - 1 + shift * SEX + rng.normal(size=N))))
    return Scores(score, score >= 0.5, {"sex": (rng.random(N) / 5, np.ones(N))})


BEFORE, AFTER = _scores(1.0, 1), _scores(0.2, 2)


def _by_hand(rows: np.ndarray, one: Scores, codes: np.ndarray) -> dict[str, float]:
    kept = rows[codes[rows] >= 0]
    frame = MetricFrame(
        metrics={"tpr": true_positive_rate, "fpr": false_positive_rate, "rate": selection_rate},
        y_true=Y[kept],
        y_pred=one.decided[kept].astype(int),
        sensitive_features=codes[kept],
    ).by_group
    rates = frame["rate"].to_numpy()
    pairs = [abs(a - b) for i, a in enumerate(rates) for b in rates[:i]]
    means = [one.score[kept][codes[kept] == g].mean() for g in np.unique(codes[kept])]
    soft = [abs(a - b) for i, a in enumerate(means) for b in means[:i]]
    return {
        "tpr_sd": frame["tpr"].std(ddof=0),
        "fpr_sd": frame["fpr"].std(ddof=0),
        "demographic_parity": float(np.mean(pairs)),
        "demographic_parity_soft": float(np.mean(soft)),
    }


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_draw_is_what_fairlearn_counts_on_the_drawn_rows(attribute: str) -> None:
    found = bootstrap(Y, [[BEFORE], [AFTER]], ATTRIBUTES, draws=5, seed=3)
    rng = np.random.default_rng(3)
    samples = [np.arange(N), *(rng.integers(0, N, N) for _ in range(5))]
    for draw, rows in enumerate(samples):
        for model, one in enumerate((BEFORE, AFTER)):
            for metric, value in _by_hand(rows, one, ATTRIBUTES[attribute][0]).items():
                assert found[attribute, metric][model, draw] == pytest.approx(value, abs=1e-12), metric
            accuracy = balanced_accuracy_score(Y[rows], one.decided[rows])
            assert found[OVERALL, "balanced_accuracy"][model, draw] == pytest.approx(accuracy, abs=1e-12)
            swapped = one.swapped["sex"][0][rows].mean()
            assert found["sex", "attribute_swap"][model, draw] == pytest.approx(swapped, abs=1e-12)
    assert ("race", "attribute_swap") not in found  # no model reads it


def test_blocks_of_draws_do_not_change_them(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(Y, [[BEFORE]], ATTRIBUTES, draws=7, seed=1)
    monkeypatch.setattr(module, "BLOCK_BYTES", 8 * N * 2)
    parts = bootstrap(Y, [[BEFORE]], ATTRIBUTES, draws=7, seed=1)
    for key, values in whole.items():
        np.testing.assert_allclose(parts[key], values, rtol=0, atol=1e-12)


def test_interval_and_p_agree_with_scipy() -> None:
    def change(rows: np.ndarray, axis: int = -1) -> np.ndarray:
        rows = rows.astype(int)
        error = [((one.decided != Y)[rows]) for one in (BEFORE, AFTER)]
        rates = []
        for wrong in error:
            positive, negative = Y[rows] == 1, Y[rows] == 0
            miss = (wrong & positive).sum(axis) / positive.sum(axis)
            alarm = (wrong & negative).sum(axis) / negative.sum(axis)
            rates.append(1 - (miss + alarm) / 2)
        return rates[1] - rates[0]

    ours = bootstrap(Y, [[BEFORE], [AFTER]], {}, draws=4000, seed=0)[OVERALL, "balanced_accuracy"]
    found = difference(ours[0], ours[1])
    theirs = stats.bootstrap(
        (np.arange(N),),
        change,
        n_resamples=4000,
        method="percentile",
        vectorized=True,
        random_state=np.random.default_rng(9),
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.08 * width)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.08 * width)
    drawn = theirs.bootstrap_distribution
    assert found.p == pytest.approx(2 * min((drawn <= 0).mean(), (drawn >= 0).mean()), abs=0.04)
    assert found.draws == 4000


def test_p_and_interval_say_the_same_of_zero() -> None:
    rng = np.random.default_rng(0)
    for shift in np.linspace(-3, 3, 25):
        drawn = np.concatenate([[shift], shift + rng.normal(size=999)])
        found = difference(np.zeros(1000), drawn)
        inside = found.low <= 0 <= found.high
        assert inside == (found.p >= 0.05) or abs(found.p - 0.05) < 0.004


def test_the_least_p_is_two_of_the_draws() -> None:
    found = difference(np.zeros(1001), np.full(1001, 2.0))
    assert found.p == pytest.approx(2 / 1001)
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_a_regression() -> None:
    target, codes = RNG.normal(size=60), RNG.integers(0, 3, 60)
    one, two = (Scores(target + RNG.normal(size=60), None) for _ in range(2))
    found = bootstrap(target, [[one, two]], {"a": (codes, 3)}, draws=2, seed=5)
    rng = np.random.default_rng(5)
    for draw, rows in enumerate([np.arange(60), rng.integers(0, 60, 60)]):
        errors, pairs, overall = [], [], []
        for each in (one, two):
            groups = [rows[codes[rows] == g] for g in range(3)]
            errors.append(np.std([mean_squared_error(target[g], each.score[g]) for g in groups]))
            means = [each.score[g].mean() for g in groups]
            pairs.append(np.mean([abs(means[0] - means[1]), abs(means[0] - means[2]), abs(means[1] - means[2])]))
            overall.append(mean_squared_error(target[rows], each.score[rows]))
        assert found["a", "mse_sd"][0, draw] == pytest.approx(np.mean(errors))
        assert found["a", "demographic_parity"][0, draw] == pytest.approx(np.mean(pairs))
        assert found[OVERALL, "mse"][0, draw] == pytest.approx(np.mean(overall))


def test_a_metric_without_groups_is_undefined_and_never_zero() -> None:
    found = bootstrap(Y, [[BEFORE], [AFTER]], {"one": (np.zeros(N, dtype=np.int64), 2)}, draws=3)
    assert np.isnan(found["one", "tpr_sd"]).all()
    told = difference(*found["one", "tpr_sd"])
    assert (told.value, told.low, told.high, told.p, told.draws) == (None, None, None, None, 0)


def test_holm_agrees_with_statsmodels() -> None:
    p = [0.04, 0.001, 0.03, 0.5, 0.03, 0.9]
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert holm([0.04, None, 0.01]) == [pytest.approx(0.04), None, pytest.approx(0.02)]
    assert holm([]) == []


def test_tests_over_folds_agree_with_scipy() -> None:
    before, after = RNG.normal(size=10), RNG.normal(size=10) + 0.5
    assert paired_t(before, after) == pytest.approx(stats.ttest_rel(before, after).pvalue)
    low, high = stats.t.interval(0.95, 9, loc=after.mean(), scale=stats.sem(after))
    assert t_interval(after) == pytest.approx((low, high))
    holed = np.append(after, np.nan)
    assert t_interval(holed) == pytest.approx((low, high))
    assert paired_t(np.append(before, 0.0), holed) == pytest.approx(stats.ttest_rel(before, after).pvalue)
    assert paired_t([1.0], [2.0]) is None and paired_t([1.0, 2.0], [2.0, 3.0]) is None and t_interval([1.0]) is None


def test_signs_by_the_toss_of_a_coin() -> None:
    # The paper's 46 of 48: 2 · (C(48,0) + C(48,1) + C(48,2)) / 2^48.
    assert sign_test(46, 48) == pytest.approx(2 * (1 + 48 + 48 * 47 / 2) / 2**48)
    assert sign_test(16, 32) == pytest.approx(1.0) and sign_test(0, 0) is None
