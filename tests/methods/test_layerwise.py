"""Layer-wise optimisation without gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from debias.errors import UsageError
from debias.methods.base import Setting
from debias.methods.layerwise import _PENALTY, _WORTHLESS, Layerwise, _layers, value_of
from tests.model import nets, opened

Making = Callable[..., Setting]
SHORT = Layerwise(evaluations=40)


@pytest.mark.parametrize("metric", ["statistical-parity", "equalized-odds", "impact-ratio"])
@pytest.mark.parametrize(("eps", "feasible"), [(0.3, True), (0.03, False)])
def test_the_value_is_worked_out_at_every_cut(metric: str, eps: float, feasible: bool, setting: Making) -> None:
    network = opened.network("double")
    rows = opened.drawn(network, 150)
    given = setting(network, rows, metric=metric, eps=eps, margin=0.01, min_performance=0.6, selection="margin")
    scorer = given.objective.on(rows)
    logits = network.logits(rows)
    ordered = np.unique(logits)
    met, others = [], []
    for cut in (ordered[1:] + ordered[:-1]) / 2:
        performance, bias = scorer.at(logits > cut)
        if performance >= 0.6:
            met += [performance] if abs(bias) < eps - 0.01 else []
            others.append(performance - _PENALTY * abs(bias) / eps - 1)
    assert bool(met) == feasible
    assert value_of(scorer, logits) == pytest.approx(max(met or others))
    assert max(others) < 0, "no candidate without a feasible cut is worth as much as one with"


def test_equal_scores_are_worth_nothing(setting: Making) -> None:
    given = setting(opened.network("double"))
    assert value_of(given.objective.on(given.select), np.zeros(240)) == _WORTHLESS


def test_layers_come_from_the_output_inwards_with_weight_and_bias() -> None:
    assert _layers(opened.network("relu")) == {
        "last": ("last.weight", "last.bias"),
        "second": ("second.weight", "second.bias"),
        "first": ("first.weight", "first.bias"),
    }


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
@pytest.mark.parametrize("name", ["relu", "batchnorm_after", "residual_layernorm", "concat", "head_softmax"])
def test_what_is_returned_is_what_was_judged(name: str, form: str, setting: Making) -> None:
    network = opened.network(name, form)
    given = setting(network, eps=0.1)
    repair = SHORT.repair(given)
    scorer = given.objective.on(given.select)
    logits = network.logits(given.select, repair.state)
    performance, bias = scorer.at(logits > repair.point.cut)
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=0.01)
    assert value_of(scorer, logits) >= value_of(scorer, network.logits(given.select)) - 0.01
    assert repair.point.objective >= repair.trajectory[0].objective
    entries = _layers(network)
    allowed = {entry for path in repair.changes["layers"] for entry in entries[path]}
    assert set(repair.state) <= allowed
    for key, value in nets.build(name).state_dict().items():
        assert torch.equal(network.state[key], value), "the network is not changed"


def test_weights_move_no_further_than_allowed(setting: Making) -> None:
    network = opened.network("relu")
    repair = Layerwise(evaluations=60, radius=0.3).repair(setting(network, eps=0.1))
    assert repair.state
    for path, entries in _layers(network).items():
        size = max(float(network.state[name].square().mean().sqrt()) for name in entries)
        for name in entries:
            if name in repair.state:
                moved = float((repair.state[name] - network.state[name]).abs().max())
                assert moved <= 0.3 * size * 1.001, path


def test_it_finds_more_than_the_threshold_alone(setting: Making) -> None:
    network = opened.network("relu")
    repair = Layerwise(evaluations=150).repair(setting(network, eps=0.05))
    assert repair.point.feasible
    assert repair.point.objective > repair.trajectory[0].objective + 0.02


def test_one_layer_alone(setting: Making) -> None:
    network = opened.network("relu")
    repair = replace(SHORT, layer="second").repair(setting(network, eps=0.1))
    assert set(repair.state) <= {"second.weight", "second.bias"}
    assert repair.changes["evaluations"] <= 40
    with pytest.raises(UsageError, match="no layer 'third'"):
        replace(SHORT, layer="third").repair(setting(network))


def test_candidates_without_a_use_are_no_obstacle(setting: Making) -> None:
    given = setting(opened.network("relu"), eps=0.1, min_performance=0.99)
    assert not SHORT.repair(given).point.feasible


def test_a_seed_repeats_bit_for_bit(setting: Making) -> None:
    network = opened.network("relu")
    runs = [SHORT.repair(setting(network, eps=0.1, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0].trajectory == runs[1].trajectory
    assert runs[0].trajectory != runs[2].trajectory


def test_progress_and_summary(setting: Making) -> None:
    network = opened.network("relu")
    seen: list[tuple[int, int, str]] = []
    repair = SHORT.repair(replace(setting(network, eps=0.1), progress=lambda *told: seen.append(told)))
    assert seen[-1][:2] == (120, 120)
    assert all(done <= total for done, total, _ in seen)
    assert "without gradients" in SHORT.summary(repair, network)


@pytest.mark.parametrize("wrong", [{"evaluations": 9}, {"radius": 0.0}, {"radius": float("inf")}])
def test_settings_out_of_range_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError):
        Layerwise(**wrong)
