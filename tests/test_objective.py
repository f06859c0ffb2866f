import numpy as np
import pytest
import torch

from debias.data.sample import Attribute, Sample
from debias.errors import DataError, UsageError
from debias.fairness.proxies import proxy
from debias.objective import Constraint, Objective, Scorer, decide, exit_code

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


def test_the_value_is_equation_3():
    objective = Objective(SPD)
    assert objective.value(0.8, 0.0499) == 0.8
    assert objective.value(0.8, -0.05) == 0
    assert objective.value(0.8, 0.045, bound=0.04) == 0
    assert objective.value(0.8, None) == 0
    assert objective.value(None, 0.0) == 0
    assert objective.bound == pytest.approx(0.04)


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
    assert scorer.pair(DECISIONS) == (0, 1)
    assert scorer.counts(DECISIONS).selected.tolist() == [1, 2]
    assert (scorer.n_groups, scorer.y.tolist(), scorer.codes.tolist()) == (
        2,
        SAMPLE.y.tolist(),
        [0, 0, 0, 1, 1, 1, -1],
    )


def test_the_unfavourable_decision_turns_selection_round():
    scorer = Objective(SPD, favorable="negative").on(SAMPLE)
    performance, bias = scorer.at(DECISIONS)
    assert performance == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert bias == pytest.approx(2 / 3 - 1 / 3)
    assert scorer.y.tolist() == SAMPLE.y.tolist()


def test_the_pair_of_many_groups_is_the_lowest_and_the_highest():
    sample = rows([0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2], groups=("a", "b", "c"), privileged=None)
    scorer = Objective(SPD).on(sample)
    assert scorer.pair(np.array([1, 0, 1, 1, 0, 0], bool)) == (2, 1)


def test_the_pair_is_undefined_without_favourable_labels():
    scorer = Scorer(Objective(Constraint("eod", "g", 0.1)), np.array([0, 1, 1]), np.array([0, 1, 2]), 3)
    with pytest.raises(DataError, match="undefined"):
        scorer.pair(np.ones(3, bool))
    assert np.isnan(scorer.at(np.ones(3, bool))[1])


@pytest.mark.parametrize("metric", ["spd", "eod"])
@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("weight", [None, [1, 2, 3, 1, 2, 3, 1]])
def test_the_proxy_of_decisions_is_the_bias(metric, favorable, weight):
    sample = rows(SAMPLE.y, SAMPLE.attributes["sex"].codes, weight=weight)
    scorer = Objective(Constraint(metric, "sex", 0.05), favorable=favorable).on(sample)
    weights = torch.from_numpy(scorer.proxy_weights((0, 1)))
    value = proxy(torch.from_numpy(DECISIONS.astype(float)), weights)
    assert value.item() == pytest.approx(scorer.at(DECISIONS)[1])


def test_selection_uses_eps_less_the_margin():
    # Cuts midway: between the third and fourth row the groups differ by 0, elsewhere by 1/2 or 1.
    sample = rows([0, 1, 0, 1], [0, 1, 1, 0])
    logits = np.array([0, 1, 0, 1], np.float32)
    scorer = Objective(Constraint("spd", "sex", 0.6), margin=0.1).on(sample)
    point = scorer.select(logits)
    assert (point.cut, point.feasible, point.balanced_accuracy, point.objective) == (0.5, True, 1.0, 1.0)
    skewed = np.array([0, 1, 1, 0], np.float32)
    point = scorer.select(skewed)
    assert (point.cut, point.bias, point.feasible, point.objective) == (0.5, -1.0, False, 0.0)
