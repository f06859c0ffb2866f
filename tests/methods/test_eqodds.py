"""Equalized odds: the linear program against the published one, and the decisions that are really made."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import debias
from debias.data.sample import Sample
from debias.errors import DataError, ModelError, UsageError
from debias.methods.base import Setting
from debias.methods.eqodds import EqOdds, mixing
from debias.objective import Constraint, Objective
from tests.methods.test_shared_models import MODELS, SHARED, _case
from tests.model import nets, opened

Making = Callable[..., Setting]
FEATURES = [f"x{k}" for k in range(nets.FEATURES)]


def _rows(groups: int = 2, rows: int = 600, weighted: bool = False) -> Sample:
    drawn = opened.drawn(opened.network("relu"), rows, groups)
    weight = np.linspace(0.5, 2, rows) if weighted else None
    return opened.sample(drawn.inputs["features"], drawn.y, drawn.attributes["a"].codes, groups, weight)


def _odds(rows: Sample, decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    codes = rows.attributes["a"].codes
    found = []
    for label in (1, 0):
        sides = [(codes == group) & (rows.y == label) for group in np.unique(codes)]
        found.append(np.array([np.average(decided[side], weights=weight[side]) for side in sides]))
    return found[0], found[1]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not beside the project")
@pytest.mark.parametrize("name", MODELS)
def test_the_mixing_probabilities_are_the_published_ones(name: str) -> None:
    case = _case(name)
    objective = Objective(Constraint("equalized-odds", "a", 0.05))
    repair = EqOdds(randomised=True, base="deployed").repair(Setting(case.network, case.rows, case.rows, objective))
    rule = repair.rule
    assert rule is not None
    # The published order: privileged first, P(+ | +) before P(+ | −).
    found = [rule.above[1], rule.below[1], rule.above[0], rule.below[0]]
    expected = case.oracle["spd"]["aif360_equalized_odds"]["lp_x_[sp2p,sn2p,op2p,on2p]"]
    assert found == pytest.approx(expected, abs=1e-6)
    assert (rule.cuts == 0).all()


rates = st.floats(0.02, 0.98)


@settings(max_examples=60, deadline=None)
@given(tpr=st.lists(rates, min_size=2, max_size=2), fpr=st.lists(rates, min_size=2, max_size=2))
def test_two_groups_reach_the_optimum_of_hardts_program(tpr: list[float], fpr: list[float]) -> None:
    t, f = np.array(tpr), np.array(fpr)
    below, above = mixing(t, f, np.full(2, 0.25), np.full(2, 0.25))
    true, false = above * t + below * (1 - t), above * f + below * (1 - f)
    assert true[0] == pytest.approx(true[1], abs=1e-7)
    assert false[0] == pytest.approx(false[1], abs=1e-7)
    # Four unknowns and two equations, as Hardt et al. write them.
    equal = np.array([[t[0], 1 - t[0], -t[1], t[1] - 1], [f[0], 1 - f[0], -f[1], f[1] - 1]])
    loss = np.array([f[0] - t[0], t[0] - f[0], f[1] - t[1], t[1] - f[1]])
    best = linprog(loss, A_eq=equal, b_eq=[0, 0], bounds=(0, 1))
    assert float((false - true).sum()) == pytest.approx(best.fun, abs=1e-7)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("groups", [3, 5])
def test_more_groups_share_a_window_of_both_rates(groups: int, tolerance: float) -> None:
    generator = np.random.default_rng(groups)
    t, f = generator.uniform(0.5, 0.95, groups), generator.uniform(0.05, 0.45, groups)
    up, down = generator.dirichlet(np.ones(groups)) / 2, generator.dirichlet(np.ones(groups)) / 2
    below, above = mixing(t, f, up, down, tolerance)
    true, false = above * t + below * (1 - t), above * f + below * (1 - f)
    assert np.ptp(true) <= tolerance + 1e-9
    assert np.ptp(false) <= tolerance + 1e-9
    # The same program pair by pair, with a library's own model of it.
    rows, limits = [], []
    for rate in (t, f):
        for one in range(groups):
            for other in range(groups):
                row = np.zeros(2 * groups)
                row[one], row[groups + one] = rate[one], 1 - rate[one]
                row[other], row[groups + other] = row[other] - rate[other], row[groups + other] - (1 - rate[other])
                rows.append(row)
                limits.append(tolerance)
    loss = np.concatenate([down * f - up * t, down * (1 - f) - up * (1 - t)])
    best = linprog(loss, np.array(rows), limits, bounds=(0, 1))
    assert down @ false - up @ true == pytest.approx(best.fun, abs=1e-8)


@pytest.mark.parametrize("metric", ["equalized-odds", "statistical-parity", "equal-opportunity"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("groups", [2, 3])
def test_thresholds_keep_both_rates_near(groups: int, weighted: bool, metric: str, setting: Making) -> None:
    network, rows = opened.network("relu"), _rows(groups, weighted=weighted)
    given = setting(network, rows, metric=metric, eps=0.2)
    repair = EqOdds().repair(given)
    rule = repair.rule
    assert rule is not None
    assert rule.plain
    decided = network.logits(rows) > rule.cuts[rows.attributes["a"].codes]
    tpr, fpr = _odds(rows, decided)
    assert np.ptp(tpr) < 0.19
    assert np.ptp(fpr) < 0.19
    point = given.objective.on(rows).judge(decided)
    assert (repair.point.quality, repair.point.bias) == (point.quality, point.bias)
    if metric != "statistical-parity":
        assert repair.point.feasible


def test_a_tolerance_of_its_own(setting: Making) -> None:
    network, rows = opened.network("relu"), _rows()
    wide, narrow = (
        EqOdds(tolerance=size).repair(setting(network, rows, metric="equalized-odds", eps=0.3)) for size in (0.25, 0.05)
    )
    assert narrow.rule is not None
    decided = network.logits(rows) > narrow.rule.cuts[rows.attributes["a"].codes]
    assert max(map(np.ptp, _odds(rows, decided))) < 0.05
    assert narrow.point.quality < wide.point.quality


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("groups", [2, 3])
def test_the_point_of_a_draw_is_of_the_realised_decisions(
    groups: int, weighted: bool, favorable: str, setting: Making
) -> None:
    network, rows = opened.network("relu"), _rows(groups, 3000, weighted)
    given = setting(network, rows, metric="equalized-odds", eps=0.2, favorable=favorable, seed=4)
    repair = EqOdds(randomised=True).repair(given)
    rule = repair.rule
    assert rule is not None
    assert rule.randomised
    assert rule.seed == 4
    best = given.objective.on(rows).sweep(network.logits(rows)).best()
    assert best is not None
    assert (rule.cuts == best.cut).all()
    decided = rule.decide(network.logits(rows), rows.attributes["a"].codes, rule.draws(rows.inputs["features"]))
    point = given.objective.on(rows).judge(decided)
    assert (repair.point.quality, repair.point.bias) == (point.quality, point.bias)
    # Before the draw the rates are equal; after it they are near.
    expected = repair.changes["expected"]
    for name, found in zip(("tpr", "fpr"), _odds(rows, decided), strict=True):
        assert all(one == pytest.approx(other, abs=1e-9) for one, other in pairwise(expected[name]))
        np.testing.assert_allclose(found, expected[name], atol=0.09)
    assert "by chance" in repair.notes[0]
    again = EqOdds(randomised=True).repair(given).rule
    assert again is not None
    assert (again.above == rule.above).all()
    assert (again.below == rule.below).all()


def test_rates_that_are_undefined_are_refused(setting: Making) -> None:
    rows = _rows(3)
    y = np.where(rows.attributes["a"].codes == 1, 0, rows.y)
    rows = opened.sample(rows.inputs["features"], y, rows.attributes["a"].codes, 3)
    for method in (EqOdds(), EqOdds(randomised=True)):
        with pytest.raises(DataError, match="'g1' of attribute 'a' has no positive labels"):
            method.repair(setting(opened.network("relu"), rows))


@pytest.mark.parametrize(
    "options", [{"tolerance": -0.1}, {"tolerance": 1.5}, {"tolerance": float("nan")}, {"base": "x"}]
)
def test_settings_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EqOdds(**options)


def test_constant_scores_have_no_cut(setting: Making, tmp_path: Path) -> None:
    net = nets.build("relu")
    for value in net.parameters():
        value.data.zero_()
    network = opened.opened(net, tmp_path)
    rows = _rows()
    with pytest.raises(ModelError, match="same score"):
        EqOdds(randomised=True).repair(setting(network, rows))


@pytest.mark.parametrize("options", [{}, {"randomised": True}, {"randomised": True, "tolerance": 0.1}])
@pytest.mark.parametrize("form", ["scripted", "static"])
@pytest.mark.parametrize("name", ["relu", "head_logits2"])
def test_the_written_file_makes_the_decisions_that_were_counted(
    name: str, form: str, options: dict[str, Any], tmp_path: Path
) -> None:
    drawn = opened.drawn(opened.network(name), 320)
    table = pd.DataFrame(drawn.inputs["features"].numpy(), columns=FEATURES)
    table = table.assign(sex=np.array(["f", "m"])[drawn.attributes["a"].codes], label=drawn.y)
    out = tmp_path / f"out{opened.path(name, form).suffix}"
    report = debias.eqodds(
        opened.path(name, form),
        table,
        attr="sex",
        eps=0.2,
        metric="eqodds",
        privileged="m",
        features=FEATURES,
        holdout=0.0,
        out=out,
        keep_best=True,
        **options,
    )
    assert report.after is not None
    assert report.change is not None
    chosen = report.trajectory[report.change.chosen_step]
    assert report.after.balanced_accuracy == pytest.approx(chosen.balanced_accuracy)
    audit = debias.audit(out, table, attr="sex", eps=0.2, metric="eqodds")
    assert audit.before.balanced_accuracy == report.after.balanced_accuracy
    assert audit.before.model_dump(exclude={"threshold"}) == report.after.model_dump(exclude={"threshold"})
