"""From predictions to figures: one table by hand, pooled rates beside fairlearn, changes beside scipy."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, true_positive_rate
from scipy import stats
from sklearn.metrics import average_precision_score, balanced_accuracy_score, r2_score, roc_auc_score

from debias.data.sample import Attribute
from debias.experiments.crossval.figures import NOT_AN_INPUT, TOO_FEW, Truth, compare, figures, signs
from debias.experiments.crossval.folds import keep, kept, pooled
from tests.experiments.crossval_table import predicted, result


def _truth(y: list[float], codes: list[int], groups: tuple[str, ...] = ("f", "m")) -> Truth:
    return Truth(
        np.array(y, float), {"sex": Attribute("sex", np.array(codes, dtype=np.int64), groups)}, "classification"
    )


# Rows 0 to 7 are seen, 8 to 11 unseen. Two folds of four rows.
Y = [1, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0]
SEX = [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1]
FIRST = result(
    0,
    predicted([0, 1, 2, 3], [0.9, 0.8, 0.3, 0.6], {"sex": [0.1, 0.2, 0.0, 0.1]}),
    predicted([8, 9, 10, 11], [0.9, 0.2, 0.8, 0.7], {"sex": [0.1, 0.1, 0.1, 0.1]}),
)
SECOND = result(
    1,
    predicted([4, 5, 6, 7], [0.4, 0.7, 0.1, 0.2], {"sex": [0.4, 0.0, 0.0, 0.0]}),
    predicted([8, 9, 10, 11], [0.1, 0.2, 0.8, 0.4], {"sex": [0.3, 0.3, 0.3, 0.3]}),
)


def test_a_table_worked_by_hand() -> None:
    seen, unseen = figures(_truth(Y, SEX), [FIRST, SECOND])
    assert (seen.rows, seen.head, seen.n, unseen.rows, unseen.n) == ("seen", "plain", 8, "unseen", 4)
    # Pooled: of four positives 0.9 0.8 0.7 are above 0.5 and 0.4 is not; of four negatives only 0.6 is.
    assert seen.performance["balanced_accuracy"].value == pytest.approx((3 / 4 + 3 / 4) / 2)
    # Pairs of a positive and a negative in order: 4 + 4 + 4 + 3 (0.4 beats 0.3, 0.1, 0.2) of 16.
    assert seen.performance["auroc"].value == pytest.approx(15 / 16)
    sex = seen.of("sex")
    # TPR: f 1 of 2 (0.9 yes, 0.4 no), m 2 of 2. FPR: f 0 of 2, m 1 of 2.
    assert sex.figures["tpr_sd"].value == pytest.approx(0.25)
    assert sex.figures["fpr_sd"].value == pytest.approx(0.25)
    # Selected: f 1 of 4, m 3 of 4.
    assert sex.figures["demographic_parity"].value == pytest.approx(0.5)
    # Means: f (0.9 + 0.3 + 0.4 + 0.1) / 4, m (0.8 + 0.6 + 0.7 + 0.2) / 4.
    assert sex.figures["demographic_parity_soft"].value == pytest.approx(2.3 / 4 - 1.7 / 4)
    assert sex.figures["attribute_swap"].value == pytest.approx(0.8 / 8)
    # By fold: TPR f 1, m 1 then f 0, m 1; so SD 0 and 0.5.
    tpr = sex.figures["tpr_sd"]
    assert (tpr.mean, tpr.sd, tpr.folds) == (pytest.approx(0.25), pytest.approx(0.5 / sqrt(2)), 2)
    reach = stats.t.ppf(0.975, 1) * 0.5 / sqrt(2) / sqrt(2)
    assert (tpr.low, tpr.high) == (pytest.approx(0.25 - reach), pytest.approx(0.25 + reach))
    assert [(row.name, row.n, row.positives, row.tpr, row.fpr) for row in sex.groups] == [
        ("f", 4, 2, 0.5, 0.0),
        ("m", 4, 2, 1.0, 0.5),
    ]
    # Unseen, the mean of the two models: TPR f 1, m 1 → 0; f 0, m 1 → 0.5.
    assert unseen.of("sex").figures["tpr_sd"].value == pytest.approx(0.25)
    assert unseen.of("sex").figures["attribute_swap"].value == pytest.approx(0.2)
    assert unseen.performance["balanced_accuracy"].value == pytest.approx((3 / 4 + 3 / 4) / 2)


def _random(folds: int = 4, size: int = 60, seed: int = 0):
    rng = np.random.default_rng(seed)
    n = folds * size
    y = (rng.random(n) < 0.4).astype(float)
    codes = rng.integers(-1, 4, n)
    truth = Truth(y, {"race": Attribute("race", codes, ("p", "q", "r", "s"))}, "classification")
    order = rng.permutation(n)

    def made(lift: float):
        parts = [order[i * size : (i + 1) * size] for i in range(folds)]
        each = []
        for fold, rows in enumerate(parts):
            score = 1 / (1 + np.exp(-(2 * y[rows] - 1 + lift * (codes[rows] == 1) + rng.normal(size=size))))
            each.append(result(fold, predicted(rows.tolist(), score.tolist()), threshold=0.4 + 0.05 * fold))
        return each

    return truth, made(1.0), made(0.0)


def test_pooled_rates_are_those_of_fairlearn_on_the_predictions_put_together() -> None:
    truth, results, _ = _random()
    (seen,) = figures(truth, results)
    rows = np.concatenate([one.seen.rows for one in results])
    score = np.concatenate([one.seen.scores["plain"] for one in results]).astype(float)
    decided = np.concatenate([one.seen.scores["plain"] > one.thresholds["plain"] for one in results]).astype(int)
    y, codes = truth.outcome[rows], truth.attributes["race"].codes[rows]
    known = codes >= 0
    frame = MetricFrame(
        metrics={"tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=y[known],
        y_pred=decided[known],
        sensitive_features=codes[known],
    ).by_group
    assert seen.of("race").figures["tpr_sd"].value == pytest.approx(frame["tpr"].std(ddof=0))
    assert seen.of("race").figures["fpr_sd"].value == pytest.approx(frame["fpr"].std(ddof=0))
    assert seen.performance["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(y, decided))
    assert seen.performance["auroc"].value == pytest.approx(roc_auc_score(y, score))
    assert seen.performance["auprc"].value == pytest.approx(average_precision_score(y, score))
    swap = seen.of("race").figures["attribute_swap"]
    assert (swap.value, swap.reason) == (None, NOT_AN_INPUT)


def test_a_change_is_that_of_the_figures_and_its_tests_are_paired() -> None:
    truth, before, after = _random()
    one, two = figures(truth, before)[0], figures(truth, after)[0]
    changes = compare(truth, ("new", after), ("old", before), draws=100, seed=0)
    told = {(change.attribute, change.metric): change for change in changes}
    spread = told["race", "tpr_sd"]
    was, now = (item.of("race").figures["tpr_sd"].value for item in (one, two))
    assert (spread.before, spread.after) == (was, now)
    assert spread.difference == pytest.approx(now - was)
    assert spread.improvement == pytest.approx((was - now) / was)
    assert spread.low <= spread.difference <= spread.high
    accuracy = told[None, "balanced_accuracy"]
    folds = [
        [
            balanced_accuracy_score(truth.outcome[o.seen.rows], o.seen.scores["plain"] > o.thresholds["plain"])
            for o in each
        ]
        for each in (before, after)
    ]
    assert accuracy.p_folds == pytest.approx(stats.ttest_rel(*folds).pvalue)
    assert accuracy.improvement is None and accuracy.p_holm is None
    assert told["race", "attribute_swap"].p is None and told["race", "attribute_swap"].p_holm is None
    four = [told["race", name] for name in ("tpr_sd", "fpr_sd", "demographic_parity", "demographic_parity_soft")]
    assert all(change.p_holm >= change.p for change in four)
    assert max(change.p_holm / change.p for change in four if change.p_holm < 1) <= 4
    counted = signs("new", "old", changes)
    assert (counted.of, counted.improved) == (3, sum(change.difference < 0 for change in four[:3]))


def test_folds_that_one_side_lacks_are_left_out_of_both() -> None:
    truth, before, after = _random()
    whole = compare(truth, ("new", after[:3]), ("old", before), draws=5)
    cut = compare(truth, ("new", after[:3]), ("old", before[:3]), draws=5)
    assert whole == cut


def test_a_group_without_positives_and_a_lone_group_are_undefined() -> None:
    truth = _truth([0, 1, 0, 1], [0, 1, 0, 1])
    (seen,) = figures(truth, [result(0, predicted([0, 1, 2, 3], [0.1, 0.9, 0.7, 0.2]))])
    told = seen.of("sex").figures["tpr_sd"]
    assert (told.value, told.folds, told.reason) == (None, 0, TOO_FEW)
    assert seen.of("sex").figures["demographic_parity"].value == pytest.approx(0.0)


def test_a_regression() -> None:
    y = [1.0, 2.0, 3.0, 5.0]
    truth = Truth(np.array(y), {"sex": Attribute("sex", np.array([0, 0, 1, 1]), ("f", "m"))}, "regression")
    (seen,) = figures(truth, [result(0, predicted([0, 1, 2, 3], [1.0, 3.0, 5.0, 5.0]), threshold=None)])
    assert seen.performance["mse"].value == pytest.approx(5 / 4)
    assert seen.performance["mae"].value == pytest.approx(3 / 4)
    assert seen.performance["r2"].value == pytest.approx(r2_score(y, [1, 3, 5, 5]))
    assert seen.of("sex").figures["mse_sd"].value == pytest.approx(np.std([0.5, 2.0]))
    assert seen.of("sex").figures["demographic_parity"].value == pytest.approx(5 - 2)


def test_kept_predictions_come_back_as_they_were_or_not_at_all(tmp_path) -> None:
    path = tmp_path / "a.npz"
    keep(path, FIRST, "one")
    back = kept(path, "one")
    assert back is not None and back.facts == FIRST.facts and back.thresholds == FIRST.thresholds
    for part in ("seen", "unseen"):
        ours, theirs = FIRST.part(part), back.part(part)
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        np.testing.assert_array_equal(ours.scores["plain"], theirs.scores["plain"])
        np.testing.assert_array_equal(ours.changed["plain", "sex"], theirs.changed["plain", "sex"])
    assert kept(path, "two") is None and kept(tmp_path / "b.npz", "one") is None
    path.write_bytes(path.read_bytes()[:-200])
    assert kept(path, "one") is None


def test_pooled_rows_are_in_order() -> None:
    rows, scores = pooled([SECOND, FIRST], "plain")
    assert rows.tolist() == list(range(8))
    assert scores.score.tolist() == pytest.approx([0.9, 0.8, 0.3, 0.6, 0.4, 0.7, 0.1, 0.2])
