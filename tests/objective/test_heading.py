"""Which difference is driven, and which way."""

from __future__ import annotations

import numpy as np
import torch

from debias.data.sample import Attribute, Sample
from debias.objective import Constraint, Objective, Scorer
from debias.objective.heading import Heading

Y = np.array([0, 1] * 4)


def _scorer(*attributes: tuple[str, list[int], int], metric: str = "statistical-parity") -> Scorer:
    made = {
        name: Attribute(name, np.array(codes), tuple(f"g{k}" for k in range(groups)), 1 if groups == 2 else None)
        for name, codes, groups in attributes
    }
    rows = Sample({"features": torch.zeros(8, 1)}, Y, made, np.arange(1, 9))
    constraints = tuple(Constraint(metric, name, 0.1) for name in made)  # type: ignore[arg-type]
    return Objective(constraints, margin=0.0).on(rows)


def _with(*positive: int) -> np.ndarray:
    """Return scores of two values: these rows get the positive decision at the only cut."""
    scores = np.full(8, -1.0)
    scores[list(positive)] = 1
    return scores


FIRST = ("a", [0, 0, 0, 0, 1, 1, 1, 1], 2)


def test_of_one_difference_the_way_stays_that_of_the_start() -> None:
    scorer = _scorer(FIRST)
    heading = Heading(scorer, _with(1, 3, 5, 7, 4))
    assert (heading.target.pair, heading.sign, heading.crossed) == ((0, 1), -1, False)
    heading.look(_with(1, 3, 5, 7, 0))
    assert heading.target.bias > 0
    assert (heading.sign, heading.crossed) == (-1, True)
    heading.look(_with(1, 3, 5, 7, 4))
    assert (heading.sign, heading.crossed) == (-1, True), "a crossing is not forgotten"


def test_of_two_attributes_the_larger_difference_is_driven_by_its_present_sign() -> None:
    scorer = _scorer(FIRST, ("b", [1, 0, 1, 0, 0, 1, 1, 0], 2))
    seen = [_with(1, 3, 5, 7, 4), _with(1, 3, 5, 7, 0), _with(1, 3, 5, 7, 2)]
    heading = Heading(scorer, seen[0])
    for logits in seen:
        heading.look(logits)
        expected = max(scorer.targets(logits), key=lambda target: abs(target.bias))
        assert heading.target == expected
        assert heading.sign == (1 if expected.bias > 0 else -1)


def test_of_three_groups_the_pair_turning_round_is_a_crossing() -> None:
    heading = Heading(_scorer(("a", [0, 0, 1, 1, 2, 2, 2, 2], 3)), _with(2, 3))
    assert (heading.target.pair, heading.sign, heading.crossed) == ((0, 1), -1, False)
    heading.look(_with(4, 5, 6, 7))
    assert (heading.target.pair, heading.crossed) == ((0, 2), False), "another pair is no crossing"
    heading.look(_with(0, 1))
    assert (heading.target.pair, heading.crossed) == ((1, 0), True)
    assert heading.sign == -1, "lowest minus highest is never above 0"


def test_equalized_odds_has_two_rates_to_drive() -> None:
    scorer = _scorer(FIRST, metric="equalized-odds")
    fpr, tpr = Heading(scorer, _with(1, 3, 5, 7, 4)), Heading(scorer, _with(1, 3, 5))
    assert [scorer.comparisons[heading.target.comparison].rate for heading in (fpr, tpr)] == ["fpr", "tpr"]
    assert (fpr.sign, tpr.sign) == (-1, 1)
