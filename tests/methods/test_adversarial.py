"""Adversarial fine-tuning with a critic of the bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from debias.data.sample import Attribute
from debias.errors import ModelError, UsageError
from debias.methods import adversarial
from debias.methods.adversarial import Adversarial, _Game
from debias.methods.base import Setting
from debias.model.tuning import Tuning
from debias.objective import Constraint, Objective
from tests.model import nets, opened

Making = Callable[..., Setting]
SHORT = Adversarial(epochs=3, batch_size=64, critic_steps=2)
WARM = adversarial._WARM_UP


@pytest.fixture(autouse=True)
def _short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "_WARM_UP", 50)


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
@pytest.mark.parametrize("name", ["relu", "batchnorm_after", "residual_layernorm", "head_softmax", "double"])
def test_what_is_returned_is_what_was_judged(name: str, form: str, setting: Making) -> None:
    network = opened.network(name, form)
    given = setting(network, eps=0.3)
    repair = SHORT.repair(given)
    assert [step.detail["epoch"] for step in repair.trajectory] == [0, 1, 2, 3]
    logits = network.logits(given.select, repair.state)
    performance, bias = given.objective.on(given.select).at(logits > repair.point.cut)
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=0.01)
    assert repair.changes == {"epochs": repair.chosen}
    assert set(repair.state) <= set(network.parameters)
    for key, value in nets.build(name).state_dict().items():
        assert torch.equal(network.state[key], value), "the network is not changed"


def test_a_seed_repeats_bit_for_bit(setting: Making) -> None:
    network = opened.network("relu")
    runs = [SHORT.repair(setting(network, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0].trajectory == runs[1].trajectory
    assert runs[0].trajectory != runs[2].trajectory


def _game(given: Setting, method: Adversarial = SHORT) -> _Game:
    tuning = Tuning(given.network)
    game = _Game(method, given, tuning)
    game.aim(given.objective.on(given.select), given.network.logits(given.select))
    return game


@pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity", "predictive-equality", "impact-ratio"])
@pytest.mark.parametrize("favorable", ["positive", "negative"])
def test_the_bias_of_a_batch_is_that_of_its_soft_decisions(metric: str, favorable: str, setting: Making) -> None:
    network = opened.network("double")
    rows = opened.drawn(network, 240)
    game = _game(setting(network, rows, metric=metric, favorable=favorable))
    batch = np.arange(0, 240, 3)
    logits = torch.from_numpy(network.logits(rows))[batch]
    soft = game._soft(logits).numpy()
    y, codes = rows.y[batch], rows.attributes["a"].codes[batch]
    if favorable == "negative":
        soft, y = 1 - soft, 1 - y
    among = {"equal-opportunity": y == 1, "predictive-equality": y == 0}.get(metric, np.ones(80, bool))
    one, other = (soft[among & (codes == group)].mean() for group in (0, 1))
    expected = (one - other) / max(one, other) if metric == "impact-ratio" else one - other
    assert float(game._biases(torch.from_numpy(batch), logits)[0]) == pytest.approx(expected)


def test_tilted_batches_vary_in_bias(setting: Making) -> None:
    network = opened.network("double")
    rows = opened.drawn(network, 400)
    game = _game(setting(network, rows))
    logits = torch.from_numpy(network.logits(rows))
    everyone = torch.arange(400)
    whole = float(game._biases(everyone, logits)[0])
    found = []
    for _ in range(60):
        part = game._tilted(everyone, logits)
        assert 0 < len(part) < 400
        found.append(float(game._biases(part, logits[part])[0]))
    assert min(found) < whole - 0.1
    assert max(found) > whole + 0.1


def test_the_critic_comes_to_know_the_bias(setting: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "_WARM_UP", WARM)
    network = opened.network("double")
    rows = opened.drawn(network, 400)
    game = _game(setting(network, rows))
    game.warm_up()
    logits, hidden = game.tuning.hidden_values(game.inputs)
    whole = float(game._biases(torch.arange(400), logits)[0])
    assert abs(whole) > 0.1
    with torch.no_grad():
        assert float(game.critic(hidden)[0]) == pytest.approx(whole, abs=0.1)


@pytest.mark.parametrize("metric", ["statistical-parity", "equalized-odds"])
def test_the_bias_is_driven_towards_zero(metric: str, setting: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "_WARM_UP", WARM)
    network = opened.network("relu")
    rows = opened.drawn(network, 600)
    given = setting(network, rows, metric=metric, eps=0.04)
    repair = Adversarial(lr=1e-3, epochs=12, batch_size=64, critic_steps=3).repair(given)
    biases = [abs(step.bias) for step in repair.trajectory]
    assert biases[0] > 0.1
    assert min(biases) < biases[0] / 2


def test_several_attributes_and_missing_groups_go_together() -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 300, 3)
    codes = np.arange(300) % 2
    codes[::5] = -1
    rows = replace(rows, attributes=dict(rows.attributes) | {"b": Attribute("b", codes, ("no", "yes"), 1)})
    constraints = tuple(Constraint("statistical-parity", name, 0.5) for name in ("a", "b"))
    repair = SHORT.repair(Setting(network, rows, rows, Objective(constraints, margin=0.0)))
    assert len(repair.trajectory) == 4
    assert all(np.isfinite(step.detail["critic_error"]) for step in repair.trajectory[1:])


def test_a_run_that_leaves_the_numbers_behind_ends_with_a_note(setting: Making) -> None:
    network = opened.network("relu")
    repair = replace(SHORT, lr=1e30).repair(setting(network))
    assert len(repair.trajectory) < 4
    assert "no numbers" in " ".join(repair.notes)


def test_without_a_hidden_layer_there_is_nothing_to_read(setting: Making) -> None:
    network = opened.network("arithmetic")
    assert "no hidden" in str(SHORT.reasons(network)[0])
    with pytest.raises(ModelError, match="no hidden"):
        SHORT.repair(setting(network))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"penalty": -1.0},
        {"delta": -0.1},
        {"critic_steps": 0},
        {"critic_lr": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError):
        Adversarial(**wrong)
