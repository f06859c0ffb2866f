"""The choice among candidates, the paired standard error, and the Pareto front."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, r2_score

from debias.experiments.compare.choosing import Entry, Ground, choose, front, paired
from debias.objective.sweep import OperatingPoint
from debias.report.values.comparison import FrontPoint

MEASURES: dict[str, Any] = {
    "balanced-accuracy": balanced_accuracy_score,
    "accuracy": accuracy_score,
    "f1": f1_score,
}


def point(performance: float, bias: float = 0.01, feasible: bool = True, merit: float | None = None) -> OperatingPoint:
    objective = performance if feasible else 0.0
    merit = performance if merit is None else merit
    return OperatingPoint(0.0, performance, bias, objective, feasible, performance, (bias,), merit)


def entry(name: str, decisions: Any, at: OperatingPoint, uses_attribute: bool = False) -> Entry:
    return Entry(name, at, np.asarray(decisions, bool), uses_attribute)


def rows(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.random(n) < 0.3
    first = np.where(random.random(n) < 0.8, label, ~label)
    second = np.where(random.random(n) < 0.9, first, ~first)
    return label, first, second


def measured(measure: str, label: np.ndarray, decisions: np.ndarray) -> float:
    return float(MEASURES[measure](label, decisions))


def two(measure: str, label: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[Entry, Entry]:
    return (
        entry("first", first, point(measured(measure, label, first))),
        entry("second", second, point(measured(measure, label, second))),
    )


def test_standard_error_by_hand() -> None:
    label, first, second = rows(500)
    found = paired(*two("balanced-accuracy", label, first, second), Ground(label))
    right = (first == label).astype(float) - (second == label)
    by_hand = sum(right[label == value].var(ddof=1) / (label == value).sum() for value in (True, False)) / 4
    assert found.standard_error == pytest.approx(math.sqrt(by_hand), rel=1e-12)
    assert found.difference == pytest.approx(
        balanced_accuracy_score(label, first) - balanced_accuracy_score(label, second), rel=1e-12
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_standard_error_is_that_of_drawing_the_rows_again(measure: str) -> None:
    label, first, second = rows(1500)
    found = paired(*two(measure, label, first, second), Ground(label, performance=measure))
    random = np.random.default_rng(1)
    drawn = []
    for _ in range(400):
        again = random.integers(0, len(label), len(label))
        scores = [measured(measure, label[again], decisions[again]) for decisions in (first, second)]
        drawn.append(scores[0] - scores[1])
    assert found.standard_error == pytest.approx(float(np.std(drawn)), rel=0.1)


@pytest.mark.parametrize("measure", ["balanced-accuracy", "accuracy"])
def test_parts_sum_to_the_measure(measure: str) -> None:
    label, first, _ = rows(300)
    weight = np.random.default_rng(2).uniform(0.5, 2, 300)
    parts = Ground(label, weight, measure).parts(first)
    assert parts.sum() == pytest.approx(MEASURES[measure](label, first, sample_weight=weight), rel=1e-12)


def test_f1_by_a_small_change_of_one_weight() -> None:
    label, first, _ = rows(60)
    weight = np.random.default_rng(3).uniform(0.5, 2, 60)
    parts = Ground(label, weight, "f1").parts(first)
    assert parts.sum() == pytest.approx(0, abs=1e-12)
    for row in range(60):
        more = weight.copy()
        more[row] *= 1 + 1e-6
        change = f1_score(label, first, sample_weight=more) - f1_score(label, first, sample_weight=weight)
        assert parts[row] == pytest.approx(change / 1e-6, abs=1e-7)


def test_a_merit_that_expects_noise_scales_the_parts() -> None:
    label, first, second = rows(500)
    plain = paired(*two("balanced-accuracy", label, first, second), Ground(label))
    one, other = two("balanced-accuracy", label, first, second)
    halved = [
        Entry(item.name, point(item.point.performance, merit=item.point.performance / 2), item.decisions, False)
        for item in (one, other)
    ]
    scaled = paired(*halved, Ground(label))
    assert scaled.difference == pytest.approx(plain.difference / 2)
    assert scaled.standard_error == pytest.approx(plain.standard_error / 2)


def test_the_same_decisions_have_no_error() -> None:
    label, first, _ = rows(200)
    same = paired(*two("balanced-accuracy", label, first, first), Ground(label))
    assert (same.difference, same.standard_error) == (0.0, 0.0)


def test_one_row_of_a_label_is_enough() -> None:
    label = np.array([True, False, False, False])
    found = paired(entry("a", [1, 0, 0, 0], point(1.0)), entry("b", [1, 0, 0, 1], point(5 / 6)), Ground(label))
    assert found.standard_error == pytest.approx(math.sqrt(np.array([0, 0, 1 / 6]).var(ddof=1) * 3))


LABEL, RIGHT, NEAR = rows(1000, 7)
GROUND = Ground(LABEL)


def test_the_largest_merit_is_taken_and_of_equal_ones_the_first() -> None:
    entries = [
        entry("threshold", RIGHT, point(0.7)),
        entry("prune", RIGHT, point(0.72)),
        entry("gda", RIGHT, point(0.72)),
        entry("perturb", RIGHT, point(0.9, feasible=False)),
        entry("finetune", RIGHT, point(0.8, merit=0.71)),
    ]
    choice = choose(entries, GROUND)
    assert choice.index == 1
    assert choice.reason == "prune has the largest objective on the selection rows, 0.7200."


def test_expected_merit_is_told() -> None:
    choice = choose([entry("prune", RIGHT, point(0.8, merit=0.6))], GROUND)
    assert choice.reason == "prune has the largest objective on the selection rows, 0.8000 (0.6000 expected)."


@pytest.mark.parametrize(("more", "index"), [(0.9, 0), (1.1, 1), (-0.5, 0)])
def test_one_that_needs_the_attribute_has_to_be_a_standard_error_better(more: float, index: int) -> None:
    error = paired(entry("a", NEAR, point(0.7)), entry("b", RIGHT, point(0.7)), GROUND).standard_error
    # The parts scale with the merit; the decisions' own performance keeps the scale at 1.
    better = 0.7 + more * error
    entries = [
        entry("prune", RIGHT, OperatingPoint(0, 0.7, 0.01, 0.7, True, 0.7, (0.01,), 0.7)),
        entry("roc", NEAR, OperatingPoint(0, better, 0.01, better, True, better, (0.01,), better), True),
    ]
    choice = choose(entries, GROUND)
    assert choice.index == index
    assert (f"a paired standard error of {error:.4f}" in choice.reason) == (more > 0)
    assert "protected attribute at prediction" in choice.reason


def test_one_that_needs_the_attribute_is_taken_where_no_other_meets_the_bound() -> None:
    entries = [entry("gda", RIGHT, point(0.9, feasible=False)), entry("roc", RIGHT, point(0.6), uses_attribute=True)]
    choice = choose(entries, GROUND)
    assert choice.index == 1
    assert "None that does without the attribute met the bound there as the selection asks" in choice.reason


def test_where_none_meets_the_bound_the_closest_is_taken() -> None:
    entries = [
        entry("a", RIGHT, point(0.52, 0.01, feasible=False)),
        entry("b", RIGHT, point(0.7, 0.09, feasible=False)),
        entry("c", RIGHT, point(0.8, -0.06, feasible=False)),
        entry("roc", RIGHT, point(0.8, 0.051, feasible=False), uses_attribute=True),
    ]
    choice = choose(entries, GROUND)
    assert choice.index == 2
    assert "c comes closest, with |bias| 0.0600" in choice.reason


small = st.integers(-4, 4).map(lambda value: value / 4)


@given(st.lists(st.tuples(st.sampled_from("abc"), small, small.map(abs)), max_size=25))
def test_the_front_by_comparing_all_pairs(values: list[tuple[str, float, float]]) -> None:
    points = [
        FrontPoint(method=method, step=step, chosen=False, balanced_accuracy=accuracy, bias=bias, overall=False)
        for step, (method, bias, accuracy) in enumerate(values)
    ]

    def beats(one: FrontPoint, other: FrontPoint) -> bool:
        ahead = one.balanced_accuracy >= other.balanced_accuracy and abs(one.bias) <= abs(other.bias)
        return ahead and (one.balanced_accuracy > other.balanced_accuracy or abs(one.bias) < abs(other.bias))

    found = front(points)
    expected: dict[tuple[str, float, float], int] = {}
    for item in points:
        if not any(beats(other, item) for other in points if other.method == item.method):
            expected.setdefault((item.method, abs(item.bias), item.balanced_accuracy), item.step)
    assert {(item.method, abs(item.bias), item.balanced_accuracy): item.step for item in found} == expected
    for item in found:
        assert item.overall == (not any(beats(other, item) for other in points))
    assert [abs(item.bias) for item in found] == sorted(abs(item.bias) for item in found)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_lead_of_a_regression_is_that_of_r2_row_by_row(weighted: bool) -> None:
    random = np.random.default_rng(0)
    target = random.normal(30, 6, 500)
    weight = random.uniform(0.5, 2, 500) if weighted else None
    ground = Ground(np.zeros(500, bool), weight, "r2", 0.0, target)
    predictions = [target + random.normal(0, sd, 500) for sd in (2.0, 2.4)]
    scores = [r2_score(target, one, sample_weight=weight) for one in predictions]
    assert [ground.parts(one).sum() for one in predictions] == pytest.approx(scores)
    first, second = (
        Entry(name, OperatingPoint(np.nan, r2, 0.0, r2, True, r2, (0.0,), r2), one, False)
        for name, r2, one in zip("ab", scores, predictions, strict=True)
    )
    lead = paired(first, second, ground)
    assert lead.difference == pytest.approx(scores[0] - scores[1])
    drawn = []
    for _ in range(600):
        rows = random.integers(0, 500, 500)
        mass = None if weight is None else weight[rows]
        drawn.append(
            r2_score(target[rows], predictions[0][rows], sample_weight=mass)
            - r2_score(target[rows], predictions[1][rows], sample_weight=mass)
        )
    assert lead.standard_error == pytest.approx(np.std(drawn), rel=0.2)
    assert choose([second, first], ground).index == 1
    missed = replace(second, point=replace(second.point, feasible=False))
    assert "and R² " in choose([missed], ground).reason
