"""Candidates on the way, and the best of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from debias.errors import ModelError
from debias.methods.search import Search
from debias.objective import Constraint, Objective, Scorer
from tests.model import opened

Y = [0, 1, 0, 1, 0, 1, 0, 1]
CODES = [0, 0, 0, 0, 1, 1, 1, 1]


def _scorer(eps: float = 0.3, margin: float = 0.0) -> Scorer:
    rows = opened.sample(torch.zeros(8, 1), Y, CODES)
    return Objective(Constraint("statistical-parity", "a", eps), margin=margin).on(rows)


def _logits(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


# Perfect, and one decision in each group positive at every cut between 1 and 2.
FAIR = _logits(0, 2, 0.5, 2.5, 0.1, 2.1, 0.6, 2.6)
# Group 1 is scored high throughout: a cut either parts the groups or is no good.
BIASED = _logits(-4, -3, -4.5, -3.5, 3.5, 5, 3, 4.5)


def _state(name: str) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(1)}


def test_the_best_feasible_candidate_is_kept_with_its_state() -> None:
    search = Search(_scorer())
    first = search.add(BIASED, dict, {"pruned": 0})
    assert first.step == 0
    assert first.bias == pytest.approx(-0.5)
    assert first.quality == pytest.approx(0.75)
    second = search.add(FAIR, lambda: _state("second"))
    assert (second.bias, second.quality, second.objective) == (0, 1, 1)
    search.add(FAIR - 1, lambda: _state("third"))
    repair = search.repair({"units": {}}, ("A note.",))
    assert repair.chosen == 1
    assert list(repair.state) == ["second"]
    assert repair.point.feasible
    assert repair.point.cut == pytest.approx(1.3)
    assert [step.step for step in repair.trajectory] == [0, 1, 2]
    assert repair.notes == ("A note.",)


def test_the_state_of_a_candidate_that_loses_is_never_asked_for() -> None:
    search = Search(_scorer())
    search.add(FAIR, dict)

    def never() -> dict[str, torch.Tensor]:
        raise AssertionError

    search.add(BIASED, never)
    search.add(FAIR, never)


def test_without_a_feasible_candidate_the_closest_is_kept() -> None:
    search = Search(_scorer(eps=0.01))
    half = _logits(0, 2, 0.5, 2.5, 0.1, 2.1, 2.2, 2.6)
    # One wrong row of group 1: at its best cut the groups differ by a quarter.
    worse = search.add(BIASED, lambda: _state("worse"))
    closer = search.add(half, lambda: _state("closer"))
    again = search.add(BIASED, lambda: _state("again"))
    assert (worse.objective, again.objective) == (0, 0)
    assert abs(closer.bias) < abs(worse.bias)
    repair = search.repair({})
    assert repair.chosen == 1
    assert list(repair.state) == ["closer"]


def test_constant_scores_are_a_candidate_that_cannot_win() -> None:
    search = Search(_scorer())
    step = search.add(np.zeros(8), dict)
    assert (step.bias, step.quality, step.objective) == (0, 0.5, 0)
    with pytest.raises(ModelError, match="every selection row the same score"):
        search.repair({})
    search.add(FAIR, dict)
    assert search.repair({}).chosen == 1
