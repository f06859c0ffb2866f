"""The best trial and the Pareto front."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.errors import ModelError
from debias.experiments.tune.trial import Reached
from debias.experiments.tune.tried import Tried, choose, pareto


def tried(number: int, objective: float = 0.5, state: Any = "complete", **figures: float) -> Tried:
    return Tried(number, state, {}, Reached(objective, 2, 3, {"dispersion": 0.1, **figures}, 1.0, state))


POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14)


@given(POINTS, st.booleans())
def test_the_front_is_that_of_brute_force(points: list[tuple[int, int]], regression: bool) -> None:
    name, sign = ("mse", 1) if regression else ("balanced_accuracy", -1)
    trials = [tried(n, dispersion=d / 10, **{name: sign * loss / 10}) for n, (loss, d) in enumerate(points)]

    def beaten(one: tuple[int, int]) -> bool:
        return any(all(a <= b for a, b in zip(other, one, strict=True)) and other != one for other in points)

    assert pareto(trials) == {n for n, point in enumerate(points) if not beaten(point)}


def test_trials_without_an_epoch_are_no_part_of_the_front() -> None:
    failed = Tried(1, "failed", {}, None, ("lost",))
    diverged = Tried(2, "diverged", {}, Reached(epochs=1, state="diverged"))
    assert pareto([tried(0, balanced_accuracy=0.7), failed, diverged]) == {0}


def test_the_best_is_a_complete_trial() -> None:
    trials = [
        tried(0, 0.6, balanced_accuracy=0.7),
        tried(1, 0.9, "pruned", balanced_accuracy=0.95),
        tried(2, 0.8, balanced_accuracy=0.85),
        tried(3, 0.8, balanced_accuracy=0.85),
        Tried(4, "failed", {}, None, ("lost",)),
        tried(5, 0.99, "diverged", balanced_accuracy=0.99),
    ]
    assert choose(trials).number == 2


def test_a_reference_bounds_what_fairness_may_cost() -> None:
    trials = [tried(0, 0.7, balanced_accuracy=0.71), tried(1, 0.6, balanced_accuracy=0.78)]
    assert choose(trials).number == 0
    assert choose(trials, 0.74).number == 0
    assert choose(trials, 0.75).number == 1
    with pytest.raises(ModelError, match=r"balanced accuracy of 0\.7900 or more; the highest is 0\.7800"):
        choose(trials, 0.82)


def test_without_a_complete_trial_the_reasons_are_told() -> None:
    with pytest.raises(ModelError, match="in time"):
        choose([])
    with pytest.raises(ModelError, match="none of 2 trials came to its end") as caught:
        choose([Tried(0, "failed", {}, None, ("too little memory",)), tried(1, 0.5, "pruned", balanced_accuracy=0.6)])
    assert [problem.found for problem in caught.value.problems][1:] == ["too little memory"]
