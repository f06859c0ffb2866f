from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from debias.data.sample import Attribute, Sample
from debias.errors import DataError, UsageError
from debias.fairness.proxies import proxy
from debias.objective import Constraint, Objective, decide, exit_code
from debias.objective.comparison import Target

SPD = Constraint("statistical-parity", "sex", 0.05)


def rows(y, codes, groups=("f", "m"), privileged=1, weight=None):
    return Sample(
        inputs={},
        y=np.array(y, int),
        attributes={"sex": Attribute("sex", np.array(codes, int), groups, privileged)},
        rows=np.arange(1, len(y) + 1),
        weight=None if weight is None else np.array(weight, float),
        name="valid.csv",
    )


@pytest.mark.parametrize(
    ("bias", "eps", "verdict", "code"),
    [
        (0.0, 0.05, "pass", 0),
        (-0.049, 0.05, "pass", 0),
        (0.05, 0.05, "fail", 1),
        (-0.05, 0.05, "fail", 1),
        (0.3, 0.05, "fail", 1),
        (None, 0.05, "fail", 1),
        (float("nan"), 0.05, "fail", 1),
        (0.3, None, "no-bound", 0),
        (None, None, "no-bound", 0),
    ],
)
def test_the_verdict(bias, eps, verdict, code):
    assert decide(bias, eps) == verdict
    assert exit_code(verdict) == code


def test_aliases_become_full_names():
    assert Constraint("eod", "sex", 0.05).metric == "equal-opportunity"


def test_a_bad_constraint_lists_every_problem():
    with pytest.raises(UsageError) as caught:
        Constraint("parity", "", 0.0)
    assert [problem.where for problem in caught.value.problems] == ["--metric", "--attr", "--eps"]


@pytest.mark.parametrize("eps", [0.0, -0.1, 1.01, float("nan")])
def test_eps_lies_above_0_and_at_most_at_1(eps):
    with pytest.raises(UsageError, match="--eps"):
        Constraint("spd", "sex", eps)
    assert Constraint("spd", "sex", 1.0).eps == 1


def test_a_bad_objective_lists_every_problem():
    with pytest.raises(UsageError) as caught:
        Objective(SPD, margin=0.05, min_performance=1.0, favorable="yes")
    assert [problem.where for problem in caught.value.problems] == ["--margin", "--min-performance", "--favorable"]


@pytest.mark.parametrize(
    ("sample", "metric", "message"),
    [
        (rows([], []), "spd", "there are no rows"),
        (rows([0, 1], [0, 1], weight=[0, 0]), "spd", "all rows weigh nothing"),
        (rows([1, 1, 1], [0, 1, 1]), "spd", "all rows have the same label"),
        (rows([0, 1], [0, 0], groups=("f",)), "spd", r"one group only \(f\)"),
        (rows([0, 1], [-1, -1], groups=()), "spd", "one group only"),
        (rows([0, 1], [0, 0]), "spd", "group 'm' of attribute 'sex' has no rows"),
        (rows([0, 1, 0], [0, 0, 1]), "eod", "group 'm' of attribute 'sex' has no favourable labels"),
        (rows([0, 1, 0], [0, 0, 1]), "spd", None),
    ],
)
def test_rows_on_which_a_figure_is_undefined_are_refused(sample, metric, message):
    objective = Objective(Constraint(metric, "sex", 0.05))
    if message is None:
        objective.on(sample)
        return
    with pytest.raises(DataError, match=message) as caught:
        objective.on(sample)
    assert str(caught.value).startswith("valid.csv: ")


def test_favourable_labels_are_those_of_the_favourable_decision():
    sample = rows([0, 1, 0], [0, 0, 1])
    Objective(Constraint("eod", "sex", 0.05), favorable="negative").on(sample)
    with pytest.raises(DataError, match="group 'm' of attribute 'sex' has no favourable labels"):
        Objective(Constraint("eod", "sex", 0.05), favorable="negative").on(rows([0, 1, 1], [0, 0, 1]))


def test_all_problems_of_the_rows_are_told_at_once():
    with pytest.raises(DataError) as caught:
        Objective(SPD).on(rows([1, 1], [0, 0], groups=("f", "m", "x")))
    assert len(caught.value.problems) == 3


def test_an_attribute_that_was_not_prepared():
    with pytest.raises(DataError, match="'race' was not prepared"):
        Objective(Constraint("spd", "race", 0.05)).on(rows([0, 1], [0, 1]))


SAMPLE = rows([1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 1, -1])
DECISIONS = np.array([1, 0, 0, 1, 1, 0, 0], bool)


def test_figures_of_given_decisions():
    scorer = Objective(SPD).on(SAMPLE)
    performance, bias = scorer.at(DECISIONS)
    assert performance == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert bias == pytest.approx(1 / 3 - 2 / 3)
    assert scorer.counts(DECISIONS).selected.tolist() == [1, 2]
    assert scorer.y.tolist() == SAMPLE.y.tolist()
    assert scorer.comparisons[0].members.tolist() == [0, 0, 0, 1, 1, 1, -1]


def test_the_unfavourable_decision_turns_selection_round():
    scorer = Objective(SPD, favorable="negative").on(SAMPLE)
    performance, bias = scorer.at(DECISIONS)
    assert performance == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert bias == pytest.approx(2 / 3 - 1 / 3)
    assert scorer.y.tolist() == SAMPLE.y.tolist()


def test_the_target_among_many_groups_is_the_lowest_and_the_highest():
    sample = rows([1, 0, 1, 1, 0, 0], [0, 0, 1, 1, 2, 2], groups=("a", "b", "c"), privileged=None)
    scorer = Objective(SPD).on(sample)
    assert scorer.target(np.array([1, 0, 1, 1, 0, 0], np.float32)) == Target(0, (2, 1), -1.0)


def two_attributes(**objective):
    """Eight rows, all cells of sex, race and label once; and logits that are the row number."""
    cells = np.array([(sex, race, label) for sex in (0, 1) for race in (0, 1) for label in (0, 1)])
    sample = rows(cells[:, 2], cells[:, 0])
    race = Attribute("race", cells[:, 1], ("x", "y"), 1)
    sample = replace(sample, attributes={**sample.attributes, "race": race})
    constraints = [Constraint("spd", "sex", 0.2), Constraint("spd", "race", 0.6)]
    return Objective(constraints, **{"margin": 0.0, "min_performance": 0.0, **objective}).on(sample)


def test_every_constraint_must_hold():
    scorer = two_attributes()
    sweep = scorer.sweep(np.arange(8, dtype=np.float32))
    # The upper half are sex 1: selection rates 0 and 1 there, and 1/2 of each race.
    assert sweep.differences[:, 3].tolist() == [-1.0, 0.0]
    assert sweep.point(3).biases == (-1.0, 0.0)
    assert sweep.point(3).bias == -1.0
    assert sweep.best_feasible() is None
    both = scorer.sweep(np.array([0, 5, 3, 2, 1, 4, 6, 7], np.float32))
    point = both.best_feasible()
    assert (point.cut, point.biases, point.quality) == (3.5, (-0.5, 0.0), 0.75) or point.feasible
    for index in range(len(both)):
        holds = abs(both.differences[0, index]) < 0.2 and abs(both.differences[1, index]) < 0.6
        assert both.feasible[index] == holds


def test_the_target_of_several_constraints_uses_up_most_of_its_bound():
    scorer = two_attributes()
    logits = np.array([0, 4, 1, 5, 2, 6, 3, 7], np.float32)
    best = scorer.sweep(logits).best()
    assert best.quality == 1.0
    assert [target.bias for target in scorer.targets(logits)] == [0.0, 0.0]
    skewed = np.array([0, 4, 1, 5, 2, 6, 4.5, 7], np.float32)
    assert scorer.target(skewed).comparison in (0, 1)
    shares = [abs(target.bias) / eps for target, eps in zip(scorer.targets(skewed), (0.2, 0.6), strict=True)]
    assert scorer.target(skewed).comparison == int(np.argmax(shares))


def test_equalized_odds_is_the_larger_of_two_differences():
    scorer = Objective(Constraint("eqodds", "sex", 0.05)).on(SAMPLE)
    assert [item.rate for item in scorer.comparisons] == ["tpr", "fpr"]
    # TPR 1/2 against 1, FPR 0 against 1/2.
    assert scorer.judge(DECISIONS).bias == pytest.approx(-0.5)
    only_fpr = np.array([1, 0, 1, 1, 1, 0, 0], bool)
    assert scorer.judge(only_fpr).bias == pytest.approx(-0.5)
    assert [target.bias for target in scorer.targets(only_fpr.astype(np.float32))] == pytest.approx([0, -0.5])


def test_the_impact_ratio_is_bounded_by_1_less_the_least_ratio():
    objective = Objective(Constraint("air", "sex", 0.2), margin=0.0)
    assert objective.on(SAMPLE).judge(DECISIONS).bias == pytest.approx(0.5 - 1)
    many = rows([1, 0] * 10, [0] * 10 + [1] * 10)
    decisions = np.array([1] * 9 + [0] + [1] * 10, bool)
    point = objective.on(many).judge(decisions)
    assert (point.bias, point.feasible) == (pytest.approx(-0.1), True)
    assert not Objective(Constraint("air", "sex", 0.1), margin=0.01).on(many).judge(decisions).feasible


@pytest.mark.parametrize("favorable", ["positive", "negative"])
def test_performance_measures_match_scikit_learn(favorable):
    y, codes = np.array([1, 0, 1, 0, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 0, 1])
    logits = np.array([0.3, -1, 2, 0.5, 1, -2, -0.5, 3], np.float32)
    weight = np.arange(1.0, 9.0)
    for name, oracle in (
        ("accuracy", accuracy_score),
        ("f1", f1_score),
        ("balanced-accuracy", balanced_accuracy_score),
        ("auroc", None),
    ):
        objective = Objective(Constraint("spd", "sex", 0.5), performance=name, favorable=favorable)
        scorer = objective.on(rows(y, codes, weight=weight))
        sweep = scorer.sweep(logits)
        for index, cut in enumerate(sweep.cuts):
            expected = (
                roc_auc_score(y, logits, sample_weight=weight)
                if oracle is None
                else oracle(y, logits > cut, sample_weight=weight)
            )
            assert sweep.performance[index] == pytest.approx(expected)
            assert scorer.judge(logits > cut, scores=logits).performance == pytest.approx(expected)


def test_rows_that_are_not_judged_count_for_the_bias_alone():
    sample = rows(SAMPLE.y, SAMPLE.attributes["sex"].codes)
    judged = np.array([1, 1, 0, 1, 1, 1, 0], bool)
    scorer = Objective(SPD, min_performance=0.0).on(replace(sample, judged=judged))
    point = scorer.judge(DECISIONS)
    assert point.bias == pytest.approx(1 / 3 - 2 / 3)
    assert point.quality == pytest.approx(balanced_accuracy_score(SAMPLE.y[judged], DECISIONS[judged]))
    logits = np.array([4, 0, 1, 3, 6, 2, 5], np.float32)
    sweep = scorer.sweep(logits)
    for index, cut in enumerate(sweep.cuts):
        assert sweep.point(index) == replace(scorer.judge(logits > cut, float(cut)), cut=float(cut))


@pytest.mark.parametrize("metric", ["spd", "eod"])
@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("weight", [None, [1, 2, 3, 1, 2, 3, 1]])
def test_the_proxy_of_decisions_is_the_bias(metric, favorable, weight):
    sample = rows(SAMPLE.y, SAMPLE.attributes["sex"].codes, weight=weight)
    scorer = Objective(Constraint(metric, "sex", 0.05), favorable=favorable).on(sample)
    weights = torch.from_numpy(scorer.proxy_weights(Target(0, (0, 1), 0.0)))
    value = proxy(torch.from_numpy(DECISIONS.astype(float)), weights)
    assert value.item() == pytest.approx(scorer.at(DECISIONS)[1])


def test_selection_uses_eps_less_the_margin():
    # Cuts midway: between the third and fourth row the groups differ by 0, elsewhere by 1/2 or 1.
    sample = rows([0, 1, 0, 1], [0, 1, 1, 0])
    logits = np.array([0, 1, 0, 1], np.float32)
    scorer = Objective(Constraint("spd", "sex", 0.6), margin=0.1).on(sample)
    point = scorer.select(logits)
    assert (point.cut, point.feasible, point.quality, point.objective) == (0.5, True, 1.0, 1.0)
    skewed = np.array([0, 1, 1, 0], np.float32)
    point = scorer.select(skewed)
    assert (point.cut, point.bias, point.feasible, point.objective) == (0.5, -1.0, False, 0.0)


def test_the_target_is_that_of_the_best_cut():
    # The best cut lies at 0: of group 0 one of three is above it, of group 1 none of two, of group 2 all.
    sample = rows([0, 0, 1, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 2, 2, 2], groups=("a", "b", "c"), privileged=None)
    scorer = Objective(Constraint("spd", "sex", 0.3)).on(sample)
    target = scorer.target(np.array([-3, -2, 1, -5, -1, 1.5, 2, 3], np.float32))
    assert (target.pair, target.bias, target.sign) == ((1, 2), -1.0, -1)
    # Turned round, the best cut gives group 2 nothing but the last row.
    assert scorer.target(np.array([3, 2, 4, 1, 2.5, -1, -2, 3.5], np.float32)).pair[1] == 0
