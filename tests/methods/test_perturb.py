"""Random perturbation of all parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from debias.errors import UsageError
from debias.methods.base import Setting
from debias.methods.perturb import Perturb, perturbed
from tests.model import nets, opened

Making = Callable[..., Setting]


@pytest.mark.parametrize("name", ["relu", "batchnorm_before", "residual_layernorm", "head_softmax", "double"])
@pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity"])
def test_the_run_is_that_of_the_naive_loop(name: str, metric: str, setting: Making) -> None:
    network = opened.network(name)
    given = setting(network, metric=metric, eps=0.2, seed=9)
    repair = Perturb(trials=45, variance=0.09).repair(given)
    scorer = given.objective.on(given.select)
    assert len(repair.trajectory) == 46
    objectives = []
    for step in repair.trajectory:
        trial = step.detail["trial"]
        state = perturbed(network, 0.09, 9, trial) if trial else {}
        sweep = scorer.sweep(network.logits(given.select, state))
        best, feasible = sweep.best(), sweep.best_feasible()
        assert best is not None
        assert (step.bias, step.quality) == pytest.approx((best.bias, best.quality), abs=0.02)
        objectives.append(feasible.objective if feasible else 0.0)
    np.testing.assert_allclose([step.objective for step in repair.trajectory], objectives, atol=0.02)
    assert repair.point.objective == pytest.approx(max(objectives), abs=0.02)
    expected = perturbed(network, 0.09, 9, repair.chosen) if repair.chosen else {}
    assert repair.state.keys() == expected.keys()
    assert all(torch.equal(repair.state[name], expected[name]) for name in expected)
    performance, bias = scorer.at(network.logits(given.select, repair.state) > repair.point.cut)[:2]
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=0.01)


def test_the_factors_are_normal_with_mean_one() -> None:
    network = opened.network("batchnorm_after")
    states = [perturbed(network, 0.04, 0, trial) for trial in range(1, 200)]
    factors = np.concatenate(
        [
            (state[name] / network.state[name])[network.state[name] != 0].numpy().ravel()
            for state in states
            for name in network.parameters
        ]
    )
    assert stats.kstest((factors - 1) / 0.2, "norm").pvalue > 0.001
    assert set(states[0]) == set(network.parameters)
    assert {"norms.0.weight", "norms.0.bias", "layers.0.bias"} <= set(states[0])
    assert not any("running" in name for name in states[0]), "statistics are no parameters"


def test_a_trial_depends_on_the_seed_and_its_number_alone(setting: Making) -> None:
    network = opened.network("relu")
    one, same = perturbed(network, 0.01, 4, 2), perturbed(network, 0.01, 4, 2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    for other in (perturbed(network, 0.01, 5, 2), perturbed(network, 0.01, 4, 3)):
        assert all(not torch.equal(one[name], other[name]) for name in one)
    given = setting(network, eps=0.2, seed=4)
    few, many = (Perturb(trials=count, variance=0.05).repair(given).trajectory for count in (20, 50))
    assert [step.bias for step in many[:17]] == [step.bias for step in few[:17]]


@pytest.mark.parametrize("memory", [1, 256])
def test_memory_changes_no_trial(memory: int, setting: Making) -> None:
    network = opened.network("relu")
    given = setting(network, opened.drawn(network, 6000), eps=0.2)
    repair = Perturb(trials=40, variance=0.05, memory=memory).repair(given)
    usual = Perturb(trials=40, variance=0.05).repair(given)
    assert repair.chosen == usual.chosen
    found, expected = ([step.quality for step in run.trajectory] for run in (repair, usual))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_seed_repeats_bit_for_bit(setting: Making) -> None:
    network = opened.network("relu")
    runs = [Perturb(trials=30, variance=0.05).repair(setting(network, eps=0.2, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0].trajectory == runs[1].trajectory
    assert runs[0].trajectory != runs[2].trajectory


@pytest.mark.parametrize("groups", [3, 4])
def test_of_more_than_two_groups_the_bias_is_that_of_all(groups: int, setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 400, groups)
    repair = Perturb(trials=60, variance=0.2).repair(setting(network, rows, eps=0.6))
    assert repair.point.feasible
    assert all(step.bias <= 0 for step in repair.trajectory)


def test_the_network_is_not_changed(setting: Making) -> None:
    network = opened.network("batchnorm_before")
    Perturb(trials=5).repair(setting(network))
    for name, value in nets.build("batchnorm_before").state_dict().items():
        assert torch.equal(network.state[name], value)


def test_what_was_done_is_said(setting: Making) -> None:
    network = opened.network("relu")
    seen: list[tuple[int, int, str]] = []
    given = replace(setting(network, eps=0.2), progress=lambda *told: seen.append(told))
    method = Perturb(trials=40, variance=0.05)
    repair = method.repair(given)
    assert repair.changes == {"trial": repair.chosen, "trials": 40, "variance": 0.05}
    assert f"trial {repair.chosen} of 40" in method.summary(repair, network)
    assert seen[-1][:2] == (40, 40)
    assert not repair.uses_attribute
    assert method.flags() == ["--trials", "40", "--variance", "0.05"]


@pytest.mark.parametrize(
    "wrong", [{"trials": 0}, {"variance": 0.0}, {"variance": float("nan")}, {"variance": float("inf")}, {"memory": 0}]
)
def test_settings_out_of_range_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError):
        Perturb(**wrong)


def test_all_settings_out_of_range_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        Perturb(trials=0, variance=-1, memory=0)
    assert len(caught.value.problems) == 3
