"""Reject option classification: the best band, the window of more groups, and what the written file decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import debias
from debias.data.sample import Sample
from debias.errors import DataError, UsageError
from debias.methods.base import Setting
from debias.methods.roc import ROC
from debias.methods.threshold import Threshold
from debias.objective import Constraint, Objective
from tests.methods.test_shared_models import METRICS, MODELS, SHARED, _case
from tests.model import nets, opened

Making = Callable[..., Setting]
EVERY = ("statistical-parity", "equal-opportunity", "predictive-equality", "equalized-odds", "impact-ratio")


def _rows(groups: int = 2, rows: int = 240, seed: int = 0, weighted: bool = False) -> Sample:
    drawn = opened.drawn(opened.network("relu"), rows, groups, seed)
    weight = np.linspace(0.5, 2, rows) if weighted else None
    return opened.sample(drawn.inputs["features"], drawn.y, drawn.attributes["a"].codes, groups, weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize("groups", [2, 3, 4])
def test_the_point_is_of_the_rules_own_decisions(groups: int, metric: str, weighted: bool, setting: Making) -> None:
    network, rows = opened.network("relu"), _rows(groups, weighted=weighted)
    given = setting(network, rows, metric=metric, eps=0.2, min_performance=0.5)
    repair = ROC().repair(given)
    rule = repair.rule
    assert rule is not None
    assert rule.plain
    assert repair.uses_attribute
    assert repair.state == {}
    codes = rows.attributes["a"].codes
    decided = network.logits(rows) > rule.cuts[codes]
    point = given.objective.on(rows).judge(decided)
    assert (repair.point.quality, repair.point.bias) == (point.quality, point.bias)
    assert repair.point.feasible == point.feasible
    assert abs(point.bias) < 0.19
    assert repair.trajectory[0].step == 0
    assert repair.trajectory[repair.chosen].objective == point.objective
    # One cut for all is a special case.
    assert point.objective >= Threshold().repair(given).point.objective


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("deprived", [0, 1])
def test_a_band_favours_the_deprived_group(deprived: int, favorable: str, setting: Making) -> None:
    network, rows = opened.network("relu"), _rows()
    logits, codes = network.logits(rows), rows.attributes["a"].codes
    # By construction the second group has the higher scores, so that a favourable negative turns the sides.
    swapped = codes if (deprived == 0) == (favorable == "positive") else 1 - codes
    rows = opened.sample(rows.inputs["features"], rows.y, swapped)
    given = setting(network, rows, eps=0.1, favorable=favorable)
    rule = ROC(form="band").repair(given).rule
    assert rule is not None
    low, high = rule.cuts[deprived], rule.cuts[1 - deprived]
    assert (low < high) if favorable == "positive" else (low > high)
    # Kamiran et al.: the favourable decision inside the band is the deprived group's.
    inside = (logits > min(low, high)) & (logits <= max(low, high))
    decided = rule.decide(logits, swapped, np.zeros(len(logits)))
    favoured = decided == (favorable == "positive")
    assert inside.any()
    assert favoured[inside & (swapped == deprived)].all()
    assert not favoured[inside & (swapped != deprived)].any()


def test_forms(setting: Making) -> None:
    network = opened.network("relu")
    two, three = _rows(2), _rows(3)
    assert ROC().repair(setting(network, two)).changes["form"] == "band"
    assert ROC().repair(setting(network, two, metric="equal-opportunity")).changes["form"] == "window"
    assert ROC().repair(setting(network, three, eps=0.2)).changes["form"] == "window"
    assert ROC(form="band").repair(setting(network, two, metric="equal-opportunity")).changes["form"] == "band"
    window = ROC(form="window").repair(setting(network, two))
    assert window.point.objective >= ROC().repair(setting(network, two)).point.objective
    with pytest.raises(UsageError, match="a band is for two groups"):
        ROC(form="band").repair(setting(network, three))


@pytest.mark.parametrize("selection", ["expected", "confident"])
def test_other_selection_rules_weigh_the_bias(selection: str, setting: Making) -> None:
    network, rows = opened.network("relu"), _rows(rows=2000)
    given = setting(network, rows, eps=0.1, selection=selection)
    repair = ROC().repair(given)
    assert repair.point.feasible
    margin = ROC().repair(setting(network, rows, eps=0.1))
    assert margin.rule is not None
    codes = rows.attributes["a"].codes
    plain = given.objective.on(rows).judge(network.logits(rows) > margin.rule.cuts[codes])
    assert repair.point.merit >= (plain.merit if plain.feasible else 0.0)
    assert abs(repair.point.bias) < abs(plain.bias)


def test_accuracy_keeps_the_least_balanced_accuracy(setting: Making) -> None:
    network = opened.network("relu")
    rows = _rows(rows=1200)
    rare = np.flatnonzero(rows.y == 1)[::9]
    kept = np.sort(np.concatenate([np.flatnonzero(rows.y == 0), rare]))
    rows = rows.take(kept)
    free = ROC().repair(setting(network, rows, eps=0.2, performance="accuracy", min_performance=0.0))
    held = ROC().repair(setting(network, rows, eps=0.2, performance="accuracy", min_performance=0.62))
    assert free.point.quality < 0.62 <= held.point.quality
    assert held.point.feasible
    assert held.point.performance <= free.point.performance


def test_several_constraints_are_told_to_use_intersections(setting: Making) -> None:
    rows = _rows()
    given = setting(opened.network("relu"), rows)
    objective = Objective((Constraint("spd", "sex", 0.1), Constraint("spd", "race", 0.1)))  # type: ignore[arg-type]
    (problem,) = ROC().unsuited(objective)
    assert "--attr 'sex*race'" in problem.remedy
    with pytest.raises(UsageError, match="groups of one attribute"):
        ROC().repair(Setting(given.network, rows, rows, objective))


def test_rows_without_the_attribute_cannot_be_decided(setting: Making) -> None:
    rows = _rows()
    codes = rows.attributes["a"].codes.copy()
    codes[:3] = -1
    with pytest.raises(DataError, match="3 rows without 'a'"):
        ROC().repair(setting(opened.network("relu"), opened.sample(rows.inputs["features"], rows.y, codes)))


def _aif360(p: np.ndarray, codes: np.ndarray, threshold: float, margin: float) -> np.ndarray:
    """Decide as AIF360's RejectOptionClassification does at a threshold and a margin."""
    decided = p > threshold
    band = (p <= threshold + margin) & (p >= threshold - margin)
    decided[band & (codes == 0)] = True
    decided[band & (codes == 1)] = False
    return decided


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not beside the project")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", MODELS)
def test_never_worse_than_the_published_search(name: str, metric: str) -> None:
    case = _case(name)
    record = case.oracle[metric]["aif360_reject_option"]
    logits = case.network.logits(case.rows)
    p = torch.sigmoid(torch.from_numpy(logits)).double().numpy()
    objective = Objective(Constraint(METRICS[metric], "a", 0.05), margin=0.0)  # type: ignore[arg-type]
    theirs = objective.on(case.rows).judge(
        _aif360(p, case.rows.attributes["a"].codes, record["threshold"], record["margin"])
    )
    assert theirs.feasible
    for form in ("auto", "band", "window"):
        ours = ROC(form=form).repair(Setting(case.network, case.rows, case.rows, objective)).point  # type: ignore[arg-type]
        assert ours.feasible
        assert ours.objective >= theirs.objective


def _table(rows: int = 320) -> pd.DataFrame:
    drawn = opened.drawn(opened.network("relu"), rows)
    table = pd.DataFrame(drawn.inputs["features"].numpy(), columns=[f"x{k}" for k in range(nets.FEATURES)])
    return table.assign(sex=np.array(["f", "m"])[drawn.attributes["a"].codes], label=drawn.y)


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
def test_the_file_is_audited_without_a_flag(form: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{opened.path('relu', form).suffix}"
    table = _table()
    features: Any = [f"x{k}" for k in range(nets.FEATURES)]
    report = debias.roc(
        opened.path("relu", form), table, attr="sex", eps=0.1, privileged="m", features=features, holdout=0.0, out=out
    )
    assert report.after is not None
    assert report.change is not None
    assert report.change.feasible
    assert report.uses_attribute
    assert report.after.objective == pytest.approx(report.trajectory[report.change.chosen_step].objective)
    audit = debias.audit(out, table, attr="sex", eps=0.1)
    assert audit.uses_attribute
    assert audit.before == report.after.model_copy(update={"objective": audit.before.objective})
    strange = table.assign(sex=table["sex"].where(table.index > 4, "x"))
    with pytest.raises(DataError, match="'x' in rows 1"):
        debias.audit(out, strange, attr="sex", eps=0.1)
