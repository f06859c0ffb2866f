import fairlearn.metrics as fairlearn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from debias.data.sample import Attribute, Sample
from debias.errors import ModelError
from debias.objective import Constraint, Objective
from debias.objective.sweep import OperatingPoint, PrefixSums, Sweep, sort_rows

METRICS = ["statistical-parity", "equal-opportunity"]


def scorer(y, codes, k=2, metric="statistical-parity", privileged=1, weight=None, **settings):
    names = tuple("abcdef"[:k])
    y, codes = np.array(y), np.array(codes)
    sample = Sample({}, y, {"g": Attribute("g", codes, names, privileged)}, np.arange(1, len(y) + 1), weight)
    return Objective(Constraint(metric, "g", 0.3), **{"min_performance": 0.0, **settings}).on(sample)


# Ascending logits −2 … 3, labels and groups beside them.
LOGITS = np.array([-2, -1, 0, 1, 2, 3], np.float32)
Y, CODES = [0, 0, 1, 0, 1, 1], [0, 1, 0, 1, 0, 1]


def test_every_cut_worked_by_hand():
    sweep = scorer(Y, CODES).sweep(LOGITS)
    assert sweep.cuts.tolist() == [-1.5, -0.5, 0.5, 1.5, 2.5]
    tpr, tnr = [1, 1, 2 / 3, 2 / 3, 1 / 3], [1 / 3, 2 / 3, 2 / 3, 1, 1]
    assert sweep.quality.tolist() == pytest.approx([(p + n) / 2 for p, n in zip(tpr, tnr, strict=True)])
    assert sweep.bias.tolist() == pytest.approx([-1 / 3, 0, -1 / 3, 0, -1 / 3])
    assert len(sweep) == 5


def test_equal_opportunity_by_hand_with_the_other_group_privileged():
    sweep = scorer(Y, CODES, metric="equal-opportunity", privileged=0).sweep(LOGITS)
    # Group b has one positive (logit 3), group a two (0 and 2).
    assert sweep.bias.tolist() == pytest.approx([0, 0, 1 / 2, 1 / 2, 1])


def test_the_choice_by_hand():
    sweep = scorer(Y, CODES).sweep(LOGITS)
    # −0.5 and 1.5 tie in balanced accuracy (5/6) and bias (0): the lower cut.
    assert sweep.best().cut == -0.5
    assert sweep.best_feasible().cut == -0.5
    assert scorer(Y, CODES, min_performance=0.9).sweep(LOGITS).best_feasible() is None


def a_sweep(performance, bias, bound=0.04, least=0.55):
    cuts, figures, bias = np.arange(len(performance)) + 0.5, np.array(performance, float), np.array([bias], float)
    feasible = (np.abs(bias[0]) < bound) & (figures >= least)
    eps = np.array([bound])
    return Sweep(cuts, figures, figures, bias, np.zeros(1, int), eps, feasible, figures, least)


def a_point(cut, performance, bias, objective, feasible):
    return OperatingPoint(cut, performance, bias, objective, feasible, performance, (bias,), performance)


def test_best_feasible_keeps_the_bound_strictly_and_the_performance_at_least():
    sweep = a_sweep([0.9, 0.8, 0.7, 0.6], [0.3, -0.04, 0.01, 0.0])
    assert sweep.best() == a_point(0.5, 0.9, 0.3, 0.0, False)
    assert sweep.best_feasible() == a_point(2.5, 0.7, 0.01, 0.7, True)
    assert a_sweep([0.55, 0.5499], [0.01, 0.0]).best_feasible().cut == 0.5
    assert a_sweep([0.5499], [0.0]).best_feasible() is None


def test_ties_in_performance_go_to_the_smaller_bias():
    assert a_sweep([0.7, 0.7, 0.7], [0.03, -0.01, 0.02]).best_feasible().bias == -0.01
    assert a_sweep([0.7, 0.7], [0.3, -0.2]).best().bias == -0.2


def test_the_closest_point():
    assert a_sweep([0.9, 0.6, 0.5], [0.3, -0.1, 0.0]).closest() == a_point(1.5, 0.6, -0.1, 0.0, False)
    assert a_sweep([0.6, 0.7], [0.1, -0.1]).closest().quality == 0.7
    # None performs well enough: the best performing.
    assert a_sweep([0.5, 0.54], [0.0, 0.2]).closest().cut == 1.5
    assert a_sweep([], []).closest() is None
    assert a_sweep([], []).best() is None
    assert a_sweep([], []).best_feasible() is None


@st.composite
def problem(draw):
    k = draw(st.integers(2, 4))
    # Every group with both labels, so that every rate is defined.
    cells = [(group, label) for group in range(k) for label in (0, 1)]
    cells += draw(st.lists(st.tuples(st.integers(-1, k - 1), st.integers(0, 1)), max_size=10))
    codes, y = np.array(cells).T
    n = len(y)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    logits = np.array(draw(st.lists(st.integers(-12, 12), min_size=n, max_size=n)), dtype) / 4
    thirds = st.integers(1, 9).map(lambda part: part / 3)
    weight = draw(st.none() | st.lists(thirds, min_size=n, max_size=n).map(np.array))
    return {
        "logits": logits,
        "y": y,
        "codes": codes,
        "k": k,
        "weight": weight,
        "metric": draw(st.sampled_from(METRICS)),
        "favorable": draw(st.sampled_from(["positive", "negative"])),
        "privileged": draw(st.sampled_from([None, 0, 1])),
    }


def oracle(decisions, y, codes, k, weight, metric, favorable, privileged):
    """Balanced accuracy and bias by scikit-learn and fairlearn."""
    if favorable == "negative":
        decisions, y = ~decisions, 1 - y
    performance = balanced_accuracy_score(y, decisions, sample_weight=weight)
    known = codes >= 0
    rate = fairlearn.selection_rate if metric == "statistical-parity" else fairlearn.true_positive_rate
    frame = fairlearn.MetricFrame(
        metrics=rate,
        y_true=y[known],
        y_pred=decisions[known].astype(int),
        sensitive_features=codes[known],
        sample_params=None if weight is None else {"sample_weight": weight[known]},
    )
    if k > 2:
        return performance, -frame.difference(method="between_groups")
    privileged = 1 if privileged is None else privileged
    return performance, frame.by_group[1 - privileged] - frame.by_group[privileged]


@given(problem())
@settings(max_examples=50, deadline=None)
def test_every_candidate_matches_scikit_learn_and_fairlearn(problem):
    logits = problem.pop("logits")
    judge = scorer(**problem)
    sweep = judge.sweep(logits)
    distinct = np.unique(logits.astype(np.float64))
    assert sweep.cuts.tolist() == ((distinct[1:] + distinct[:-1]) / 2).tolist()
    exact = problem["weight"] is None
    for index, cut in enumerate(sweep.cuts):
        decisions = logits > cut
        assert decisions.any()
        assert not decisions.all()
        performance, bias = oracle(decisions, **problem)
        assert sweep.quality[index] == pytest.approx(performance, abs=1e-12)
        assert sweep.bias[index] == pytest.approx(bias, abs=1e-12)
        figures = (sweep.quality[index], sweep.bias[index])
        assert judge.at(decisions) == (figures if exact else pytest.approx(figures, abs=1e-12))


@given(problem())
@settings(max_examples=50, deadline=None)
def test_the_choice_matches_a_search_through_all_candidates(problem):
    logits = problem.pop("logits")
    sweep = scorer(**problem, min_performance=0.5).sweep(logits)
    candidates = list(zip(sweep.quality.tolist(), np.abs(sweep.bias).tolist(), strict=True))
    feasible = [(-ba, bias) for ba, bias in candidates if ba >= 0.5 and bias < 0.29]
    found = sweep.best_feasible()
    assert (found and (-found.quality, abs(found.bias))) == (min(feasible) if feasible else None)
    close = [(bias, -ba) for ba, bias in candidates if ba >= 0.5]
    if close:
        found = sweep.closest()
        assert (abs(found.bias), -found.quality) == min(close)


@given(problem())
@settings(max_examples=50, deadline=None)
def test_favorable_negative_equals_flipped_labels_and_scores(problem):
    logits = problem.pop("logits")
    problem["favorable"] = "negative"
    ours = scorer(**problem).sweep(logits)
    flipped = scorer(**{**problem, "y": 1 - problem["y"], "favorable": "positive"}).sweep(-logits)
    assert ours.cuts.tolist() == (-flipped.cuts[::-1]).tolist()
    assert ours.quality == pytest.approx(flipped.quality[::-1], abs=1e-12)
    assert ours.bias == pytest.approx(flipped.bias[::-1], abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 3])
def test_scores_that_are_not_finite_are_refused(dtype, bad, row):
    logits = LOGITS.astype(dtype)
    logits[row] = bad
    with pytest.raises(ModelError, match=f"1 of 6 rows .*row {row + 1} "):
        scorer(Y, CODES).sweep(logits)


@pytest.mark.parametrize("value", [0.0, -7.25])
def test_constant_scores_have_no_candidate(value):
    judge = scorer(Y, CODES)
    logits = np.full(6, value, np.float32)
    assert len(judge.sweep(logits)) == 0
    point = judge.select(logits)
    assert point == a_point(value, 0.5, 0.0, 0.0, False)
    assert judge.at(logits > point.cut) == (0.5, 0.0)


def test_zero_and_minus_zero_are_one_value():
    logits = np.array([0.0, -0.0, 0.0, -0.0, 1, 1], np.float32)
    for dtype in (np.float32, np.float64):
        assert scorer(Y, CODES).sweep(logits.astype(dtype)).cuts.tolist() == [0.5]


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_neighbours_closer_than_the_resolution_are_not_chosen(scale):
    eps = np.finfo(np.float32).eps
    step = np.float32(scale) * (1 + np.arange(0, 300, 20, dtype=np.float64) * eps)
    # Gaps of 20 machine epsilons are too small, one of 60 is not.
    logits = np.concatenate([step[:5], step[5:] + 40 * eps * scale]).astype(np.float32)
    y, codes = np.arange(15) % 2, np.arange(15) // 2 % 2
    assert len(scorer(y, codes).sweep(logits)) == 1
    assert len(scorer(y, codes).sweep(logits, resolution=eps)) == 14
    assert len(scorer(y, codes).sweep(logits.astype(np.float64))) == 14


def test_the_resolution_does_not_shrink_near_zero():
    # The last bias is the sum that must tell two scores apart, and it does not shrink with them.
    logits = np.array([0, 1, 2, 0, 1, 2], np.float32) * np.float32(1e-6)
    assert len(scorer(Y, CODES).sweep(logits)) == 0
    assert len(scorer(Y, CODES).sweep(logits * 10)) == 2


@given(st.floats(-1e300, 1e300), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_a_cut_separates_its_neighbours_even_at_the_end_of_precision(value, steps):
    above = value
    for _ in range(steps):
        above = np.nextafter(above, np.inf)
    logits = np.array([value, above, value, above, value, above])
    for cut in scorer(Y, CODES).sweep(logits, resolution=0.0).cuts:
        assert (logits > cut).tolist() == [False, True] * 3


def test_huge_scores_do_not_overflow():
    logits = np.array([-1, -1, 0, 0, 1, 1]) * np.finfo(np.float64).max
    sweep = scorer(Y, CODES).sweep(logits)
    assert len(sweep) == 2
    assert np.isfinite(sweep.cuts).all()


@given(st.integers(1, 60), st.integers(1, 12), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_prefix_sums_equal_plain_cumulative_sums(n, k, weighted, seed):
    random = np.random.default_rng(seed)
    columns = [random.random(n) < 0.5 for _ in range(k)]
    weight = random.integers(1, 9, n) / 4 if weighted else None
    order = random.permutation(n)
    last = np.flatnonzero(random.random(n) < 0.5)
    found = PrefixSums(columns, weight).at(order, last)
    assert len(found) == k
    for column, sums in zip(columns, found, strict=True):
        assert sums.tolist() == np.cumsum((column * (1 if weight is None else weight))[order])[last].tolist()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_float32_rows_are_sorted_without_loss(numbers):
    logits = np.array(numbers, np.float32)
    values, order = sort_rows(logits)
    assert values.tolist() == np.sort(logits.astype(np.float64)).tolist()
    assert logits[order].tolist() == values.tolist()
    assert sorted(order.tolist()) == list(range(len(logits)))


def test_a_large_sweep_agrees_with_a_direct_count():
    random = np.random.default_rng(5)
    n = 3000
    logits = random.normal(size=n).astype(np.float32)
    y, codes = random.integers(0, 2, n), random.integers(-1, 6, n)
    judge = scorer(y, codes, k=6, metric="equal-opportunity")
    sweep = judge.sweep(logits)
    for index in range(0, len(sweep), 97):
        expected = judge.at(logits > sweep.cuts[index])
        assert (sweep.quality[index], sweep.bias[index]) == expected
