import fairlearn.metrics as fairlearn
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, roc_auc_score

from debias.errors import UsageError
from debias.fairness import metrics
from debias.fairness.counts import count


def table(groups):
    """Counts from (favourable labels selected, their number, other labels selected, their number) per group."""
    decisions, y, codes = [], [], []
    for code, (tp, p, fp, n) in enumerate(groups):
        decisions += [1] * tp + [0] * (p - tp) + [1] * fp + [0] * (n - fp)
        y += [1] * p + [0] * n
        codes += [code] * (p + n)
    return count(np.array(decisions, bool), np.array(y, int), np.array(codes, int), len(groups))


TWO = table([(1, 4, 1, 6), (3, 4, 2, 4)])


def test_rates_worked_by_hand():
    assert metrics.selection_rates(TWO).tolist() == [0.2, 0.625]
    assert metrics.tprs(TWO).tolist() == [0.25, 0.75]
    assert metrics.fprs(TWO).tolist() == pytest.approx([1 / 6, 0.5])
    assert metrics.balanced_accuracies(TWO).tolist() == pytest.approx([(1 / 4 + 5 / 6) / 2, (3 / 4 + 2 / 4) / 2])
    assert metrics.accuracies(TWO).tolist() == [0.6, 0.625]
    assert metrics.balanced_accuracy(TWO) == pytest.approx((4 / 8 + 7 / 10) / 2)
    assert metrics.accuracy(TWO) == pytest.approx(11 / 18)


def test_bias_is_unprivileged_minus_privileged():
    assert metrics.bias(TWO, "statistical-parity", 1) == metrics.Bias(-0.425, (0, 1), 0.425)
    assert metrics.bias(TWO, "statistical-parity", 0) == metrics.Bias(0.425, (1, 0), 0.425)
    assert metrics.bias(TWO, "statistical-parity") == metrics.bias(TWO, "statistical-parity", 1)
    assert metrics.bias(TWO, "equal-opportunity", 1) == metrics.Bias(-0.5, (0, 1), 0.5, "tpr")
    assert metrics.bias(TWO, "predictive-equality", 1).value == pytest.approx(1 / 6 - 1 / 2)
    assert metrics.bias(TWO, "equalized-odds", 1) == metrics.bias(TWO, "equal-opportunity", 1)
    assert metrics.bias(TWO, "impact-ratio", 1).value == pytest.approx(0.2 / 0.625 - 1)
    assert metrics.bias(TWO, "impact-ratio", 0).value == pytest.approx(1 - 0.2 / 0.625)


def test_bias_of_four_groups_is_the_lowest_minus_the_highest_rate():
    four = table([(2, 4, 0, 0), (4, 4, 0, 0), (1, 4, 0, 0), (3, 4, 0, 0)])
    found = metrics.bias(four, "statistical-parity", privileged=0)
    assert (found.value, found.pair) == (-0.75, (2, 1))
    # 0.25 three times, 0.5 twice, 0.75 once.
    assert found.mean_pairwise == pytest.approx(2.5 / 6)


def test_equal_rates_still_name_two_groups():
    assert metrics.bias(table([(1, 2, 1, 2)] * 3), "statistical-parity") == metrics.Bias(0.0, (0, 1), 0.0)


def test_a_rate_without_rows_is_undefined_never_zero():
    counts = table([(0, 0, 1, 2), (1, 2, 0, 0), (0, 0, 0, 0)])
    assert np.isnan(metrics.tprs(counts)).tolist() == [True, False, True]
    assert np.isnan(metrics.fprs(counts)).tolist() == [False, True, True]
    assert np.isnan(metrics.selection_rates(counts)).tolist() == [False, False, True]
    assert np.isnan(metrics.accuracies(counts)).tolist() == [False, False, True]
    assert np.isnan(metrics.balanced_accuracies(counts)).all()
    assert metrics.bias(counts, "statistical-parity") == metrics.Bias(None, None, None)


def test_two_groups_keep_their_pair_where_the_bias_is_undefined():
    counts = table([(0, 0, 1, 2), (1, 2, 0, 0)])
    assert metrics.bias(counts, "equal-opportunity", 0) == metrics.Bias(None, (1, 0), None, "tpr")
    assert metrics.bias(counts, "statistical-parity", 1).value == 0


def test_the_impact_ratio_of_rates_that_are_all_0_is_undefined():
    assert metrics.bias(table([(0, 2, 0, 2), (0, 1, 0, 3)]), "impact-ratio").value is None
    assert metrics.bias(table([(0, 2, 0, 2), (1, 1, 0, 3)]), "impact-ratio").value == -1


def test_equalized_odds_needs_both_rates():
    assert metrics.bias(table([(1, 2, 0, 0), (1, 2, 1, 2)]), "equalized-odds").value is None


def test_one_group_has_no_bias():
    assert metrics.bias(table([(1, 2, 0, 2)]), "statistical-parity") == metrics.Bias(None, None, None)


def test_performance_without_rows_or_with_one_label_is_undefined():
    assert metrics.accuracy(table([(0, 0, 0, 0)])) is None
    assert metrics.balanced_accuracy(table([(1, 2, 0, 0)])) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spd", "statistical-parity"),
        ("eod", "equal-opportunity"),
        ("statistical-parity", "statistical-parity"),
        ("equal-opportunity", "equal-opportunity"),
    ],
)
def test_metrics_go_by_name_or_alias(name, expected):
    assert metrics.canonical_metric(name) == expected


def test_an_unknown_metric_lists_the_known():
    with pytest.raises(UsageError, match=r"'parity'(.|\n)*statistical-parity \(spd\), equal-opportunity \(eod\)"):
        metrics.canonical_metric("parity")


def test_ranking_and_calibration_by_hand():
    y = np.array([0, 1, 0, 1])
    assert metrics.auroc([0.1, 0.4, 0.4, 0.9], y) == 0.875
    assert metrics.brier([0.0, 0.5, 0.5, 1.0], y) == 0.125
    assert metrics.brier([0.0, 0.5, 0.5, 1.0], y, np.array([1.0, 3.0, 0.0, 0.0])) == 0.1875
    assert metrics.auroc([0.1, 0.2], np.array([1, 1])) is None
    assert metrics.brier([], np.array([], int)) is None


rows = st.lists(
    st.tuples(
        st.booleans(), st.integers(0, 1), st.integers(0, 2), st.integers(1, 12).map(lambda n: n / 3), st.integers(0, 9)
    ),
    min_size=2,
    max_size=40,
)


def unzip(rows):
    decisions, y, codes, weight, scores = (np.array(column) for column in zip(*rows, strict=True))
    assume(0 < y.sum() < len(y))
    return decisions, y, codes, weight, scores / 9


@given(rows, st.booleans())
@settings(max_examples=60, deadline=None)
def test_performance_matches_scikit_learn(rows, weighted):
    decisions, y, codes, weight, scores = unzip(rows)
    weight = weight if weighted else None
    counts = count(decisions, y, codes, 3, weight)
    assert metrics.balanced_accuracy(counts) == pytest.approx(
        balanced_accuracy_score(y, decisions, sample_weight=weight)
    )
    assert metrics.accuracy(counts) == pytest.approx(accuracy_score(y, decisions, sample_weight=weight))
    assert metrics.auroc(scores, y, weight) == pytest.approx(roc_auc_score(y, scores, sample_weight=weight))
    assert metrics.brier(scores, y, weight) == pytest.approx(brier_score_loss(y, scores, sample_weight=weight))


@given(rows, st.booleans())
@settings(max_examples=40, deadline=None)
def test_parity_matches_fairlearn(rows, weighted):
    decisions, y, codes, weight, _ = unzip(rows)
    # Every group with both labels, so that no rate is undefined.
    y, codes = np.append(y, [0, 0, 0, 1, 1, 1]), np.append(codes, [0, 1, 2, 0, 1, 2])
    decisions, weight = np.append(decisions, [False] * 6), np.append(weight, [1.0] * 6)
    weight = weight if weighted else None
    counts = count(decisions, y, codes, 3, weight)
    same = {"y_true": y, "y_pred": decisions.astype(int), "sensitive_features": codes, "sample_weight": weight}
    assert -metrics.bias(counts, "statistical-parity").value == pytest.approx(
        fairlearn.demographic_parity_difference(**same)
    )
    assert -metrics.bias(counts, "equal-opportunity").value == pytest.approx(
        fairlearn.equal_opportunity_difference(**same)
    )
    assert abs(metrics.bias(counts, "equalized-odds").value) == pytest.approx(
        fairlearn.equalized_odds_difference(**same)
    )
    ratio = metrics.bias(counts, "impact-ratio").value
    if ratio is not None:
        assert 1 + ratio == pytest.approx(fairlearn.demographic_parity_ratio(**same))
    params = {} if weight is None else {"sample_params": {"sample_weight": weight}}
    for ours, theirs in [
        (metrics.selection_rates, fairlearn.selection_rate),
        (metrics.tprs, fairlearn.true_positive_rate),
        (metrics.fprs, fairlearn.false_positive_rate),
    ]:
        frame = fairlearn.MetricFrame(
            metrics=theirs, y_true=y, y_pred=same["y_pred"], sensitive_features=codes, **params
        )
        assert ours(counts).tolist() == pytest.approx(frame.by_group.tolist())


@given(rows)
@settings(max_examples=40, deadline=None)
def test_flipping_labels_and_decisions_keeps_balanced_accuracy(rows):
    decisions, y, codes, weight, _ = unzip(rows)
    flipped = count(~decisions, 1 - y, codes, 3, weight)
    assert metrics.balanced_accuracy(flipped) == metrics.balanced_accuracy(count(decisions, y, codes, 3, weight))
