"""Cuts by group against every combination of cuts, tried one by one."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.data.sample import Attribute
from debias.objective import Constraint, Objective
from debias.objective.group_cuts import MOST_CUTS, Compared, GroupCuts
from debias.objective.scorer import Scorer

METRICS = ("statistical-parity", "equal-opportunity", "predictive-equality", "impact-ratio", "equalized-odds")
# No difference of rates of so few rows is as large.
EPS = 0.3137


def _scorer(
    y: np.ndarray, codes: np.ndarray, groups: int, metric: str, weight: np.ndarray | None = None, **options: Any
) -> Scorer:
    objective = Objective(
        Constraint(metric, "a", options.pop("eps", EPS)),  # type: ignore[arg-type]
        margin=0.0,
        min_performance=0.0,
        **options,
    )
    attribute = Attribute("a", codes, tuple(f"g{k}" for k in range(groups)), 1 if groups == 2 else None)
    return Scorer(objective, y, [attribute], weight)


def _codes(scorer: Scorer) -> np.ndarray:
    return scorer.attributes[0].codes


def _cuts(scorer: Scorer, logits: np.ndarray, bound: float = EPS, lower: int | None = None) -> np.ndarray | None:
    compared = [Compared(item.members >= 0, item.ratio) for item in scorer.comparisons]
    search = GroupCuts(scorer, logits, _codes(scorer), scorer.comparisons[0].n_groups, compared)
    return search.best([bound] * len(compared), lower)


def _all_cuts(logits: np.ndarray) -> list[float]:
    values = np.unique(logits)
    middle = (values[1:] + values[:-1]) / 2
    low, high = float(values[0]), float(values[-1])
    return [low - max(1.0, abs(low)), *map(float, middle), high + max(1.0, abs(high))]


def _tried(scorer: Scorer, logits: np.ndarray, lower: int | None = None) -> float:
    """Return the largest performance of all combinations of cuts that meet the bound; −1 without one."""
    sides = [_all_cuts(logits[_codes(scorer) == group]) for group in range(scorer.comparisons[0].n_groups)]
    best = -1.0
    for cuts in product(*sides):
        if lower is not None:
            down, up = cuts[lower], cuts[1 - lower]
            if (down < up) if scorer.flipped else (down > up):
                continue
        point = scorer.judge(logits > np.array(cuts)[_codes(scorer)])
        if point.feasible:
            best = max(best, point.performance)
    return best


@st.composite
def _rows(draw: st.DrawFn, groups: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = draw(st.integers(3, most))
    codes = np.repeat(np.arange(groups), size)
    logits = draw(st.lists(st.integers(-6, 6), min_size=len(codes), max_size=len(codes)))
    y = draw(st.lists(st.integers(0, 1), min_size=len(codes), max_size=len(codes)))
    labels = np.array(y)
    # Every group has both labels.
    labels[::size], labels[1::size] = 0, 1
    return np.array(logits, dtype=np.float64), labels, codes


def _agrees(scorer: Scorer, logits: np.ndarray, lower: int | None = None) -> None:
    cuts = _cuts(scorer, logits, lower=lower)
    best = _tried(scorer, logits, lower)
    if cuts is None:
        assert best == -1.0
        return
    point = scorer.judge(logits > cuts[_codes(scorer)])
    assert point.feasible
    assert point.performance == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=25, deadline=None)
@given(rows=_rows(2, 9))
def test_two_groups_get_the_best_of_all_pairs(
    metric: str, favorable: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    logits, y, codes = rows
    _agrees(_scorer(y, codes, 2, metric, favorable=favorable), logits)


@pytest.mark.parametrize("performance", ["accuracy", "f1"])
@pytest.mark.parametrize("favorable", ["positive", "negative"])
@settings(max_examples=25, deadline=None)
@given(rows=_rows(2, 9))
def test_other_measures_of_performance(
    favorable: str, performance: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    logits, y, codes = rows
    _agrees(_scorer(y, codes, 2, "statistical-parity", favorable=favorable, performance=performance), logits)


@pytest.mark.parametrize("metric", METRICS[:4])
@settings(max_examples=20, deadline=None)
@given(rows=_rows(3, 5))
def test_three_groups_get_the_best_of_all_windows(metric: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logits, y, codes = rows
    _agrees(_scorer(y, codes, 3, metric), logits)


@settings(max_examples=20, deadline=None)
@given(rows=_rows(3, 5))
def test_windows_of_two_rates_are_all_tried_while_they_are_few(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    logits, y, codes = rows
    _agrees(_scorer(y, codes, 3, "equalized-odds"), logits)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=20, deadline=None)
@given(rows=_rows(2, 8), seed=st.integers(0, 10**6))
def test_weighted_rows(metric: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int) -> None:
    logits, y, codes = rows
    weight = np.random.default_rng(seed).uniform(0.2, 3, len(y))
    _agrees(_scorer(y, codes, 2, metric, weight), logits)


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("lower", [0, 1])
@settings(max_examples=25, deadline=None)
@given(rows=_rows(2, 8))
def test_a_band_keeps_the_order_of_the_cuts(
    lower: int, favorable: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    logits, y, codes = rows
    scorer = _scorer(y, codes, 2, "statistical-parity", favorable=favorable)
    _agrees(scorer, logits, lower)
    cuts = _cuts(scorer, logits, lower=lower)
    if cuts is not None:
        down, up = cuts[lower], cuts[1 - lower]
        assert (down >= up) if favorable == "negative" else (down <= up)


def test_a_ratio_of_nothing_is_not_a_candidate() -> None:
    logits = np.array([1.0, 2.0, 1.0, 2.0])
    scorer = _scorer(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2, "impact-ratio", eps=1.0)
    cuts = _cuts(scorer, logits, bound=1.0)
    assert cuts is not None
    assert scorer.judge(logits > cuts[_codes(scorer)]).feasible


def test_many_windows_of_two_rates_come_near_a_finer_search() -> None:
    generator = np.random.default_rng(3)
    codes = np.arange(3000) % 3
    y = generator.integers(0, 2, 3000)
    logits = generator.normal(size=3000) + y + 0.4 * codes
    scorer = _scorer(y, codes, 3, "equalized-odds", eps=0.05)
    cuts = _cuts(scorer, logits, bound=0.05)
    assert cuts is not None
    point = scorer.judge(logits > cuts[codes])
    assert point.feasible
    # Random search near the best, which no sampling of windows knows of.
    found = 0.0
    for _ in range(3000):
        other = scorer.judge(logits > (cuts + generator.normal(scale=0.15, size=3))[codes])
        found = max(found, other.performance if other.feasible else 0.0)
    assert point.performance >= found - 0.002


def test_a_cut_that_float32_could_lose_is_none() -> None:
    logits = np.array([0.0, 1e-7, 1.0, 0.0, 1e-7, 1.0], dtype=np.float32)
    scorer = _scorer(np.array([0, 1, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1]), 2, "statistical-parity")
    cuts = _cuts(scorer, logits)
    assert cuts is not None
    assert np.allclose(cuts, 0.5, atol=1e-6)


def test_more_scores_than_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debias.objective.group_cuts.MOST_CUTS", 64)
    assert MOST_CUTS > 64
    generator = np.random.default_rng(0)
    codes = np.arange(4000) % 2
    y = generator.integers(0, 2, 4000)
    logits = generator.normal(size=4000) + y
    scorer = _scorer(y, codes, 2, "statistical-parity", eps=0.1)
    cuts = _cuts(scorer, logits, bound=0.1)
    assert cuts is not None
    point = scorer.judge(logits > cuts[codes])
    best = scorer.sweep(logits).best_feasible()
    assert best is not None
    assert point.feasible
    assert point.performance >= best.performance - 0.01
