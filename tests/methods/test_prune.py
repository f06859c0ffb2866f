"""Pruning of the most influential units (Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.data.sample import Attribute
from debias.errors import ModelError, UsageError
from debias.fairness.proxies import Proxy
from debias.methods.base import Repair, Setting
from debias.methods.prune import Prune
from debias.model.evaluation import Evaluation
from debias.model.filling import filled
from debias.model.network import Network
from debias.objective import Constraint, Objective, Scorer
from tests.model import nets, opened

Making = Callable[..., Setting]


def _plain(method: Prune, given: Setting) -> list[list[list[Any]]]:
    """Run Algorithm 1 in the plainest way: every step from the written weights, nothing kept."""
    network, rows = given.network, given.select
    scorer, trainer = given.objective.on(rows), given.objective.on(given.train)
    layers = method.prunable(network)
    units = [(layer, unit) for layer in layers for unit in range(layer.units)]
    state: dict[str, Tensor] = dict(network.state)
    taken: list[int] = []
    steps: list[list[list[Any]]] = []
    first = scorer.sweep(network.logits(rows)).best()
    assert first is not None
    sign = 1 if first.bias > 0 else -1
    for _ in range(method.steps or len(units)):
        target = scorer.target(network.logits(rows, state))
        if len(scorer.comparisons) > 1:
            sign = 1 if target.bias > 0 else -1
        weights = torch.from_numpy(trainer.proxy_weights(target))
        moved = replace(network, state=state)
        evaluation = Evaluation(moved, network.tensors(given.train), layers, method.influence)
        signed = sign * torch.cat(evaluation.influences(Proxy(weights))).numpy()
        alive = [k for k in range(len(units)) if k not in taken]
        if method.steps is None:
            picked = [max(alive, key=lambda k: (signed[k], -k))]
        else:
            cut = np.quantile(signed, 1 - 1 / method.steps)
            picked = [k for k in alive if signed[k] > cut]
        if not picked:
            break
        taken += picked
        for k in picked:
            layer, unit = units[k]
            if method.fill == "mean":
                state |= filled(_means_over(moved, given, trainer), layer, [unit], _even(given, trainer), state)
            else:
                state |= layer.prune(state, [unit], outgoing=method.outgoing)
        steps.append([[units[k][0].path, units[k][1]] for k in picked])
        best = scorer.sweep(network.logits(rows, state)).best()
        if (0.5 if best is None else best.quality) < (0.52 if method.stop_below is None else method.stop_below):
            break
    return steps


def _counted(scorer: Scorer) -> np.ndarray:
    return np.flatnonzero(np.any([item.members >= 0 for item in scorer.comparisons], axis=0))


def _means_over(network: Network, given: Setting, scorer: Scorer) -> Evaluation:
    return Evaluation(network, network.tensors(given.train.take(_counted(scorer))))


def _even(given: Setting, scorer: Scorer) -> Tensor:
    rows = given.train.take(_counted(scorer))
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    return torch.from_numpy(weight / weight.sum())


def _order(repair: Repair) -> list[Any]:
    return [step.detail["units"] for step in repair.trajectory[1:]]


CHOICES = [
    Prune(),
    Prune(influence="activation"),
    Prune(outgoing=False),
    Prune(steps=4),
    Prune(steps=6, outgoing=False, influence="activation"),
    Prune(stop_below=0),
    Prune(fill="mean"),
    Prune(fill="mean", steps=5),
]


def _label(method: Prune) -> str:
    way = "out" if method.outgoing else "in"
    return f"{method.steps}-{way}-{method.fill}-{method.influence}-{method.stop_below}"


@pytest.mark.parametrize("method", CHOICES, ids=_label)
@pytest.mark.parametrize("name", ["relu", "batchnorm_after", "layernorm_after", "concat", "branches", "double_softmax"])
def test_the_run_is_that_of_the_plain_algorithm(name: str, method: Prune, setting: Making) -> None:
    given = setting(opened.network(name), eps=0.2)
    if method.fill == "mean" and not method.prunable(given.network):
        with pytest.raises(ModelError, match=r"no bias|elsewhere"):
            method.repair(given)
        return
    repair = method.repair(given)
    assert _order(repair) == _plain(method, given)
    _holds(given, repair, method)


def _holds(given: Setting, repair: Repair, method: Prune) -> None:
    """Check that the state returned is the network at the step chosen, and its figures are those of the point."""
    network = given.network
    state: dict[str, Tensor] = {}
    units: dict[str, list[int]] = {}
    scorer = given.objective.on(given.train)
    for step in repair.trajectory[1 : repair.chosen + 1]:
        moved = replace(network, state={**network.state, **state})
        for path, unit in step.detail["units"]:
            (layer,) = [layer for layer in network.layers if layer.path == path]
            now = {**network.state, **state}
            if method.fill == "mean":
                state |= filled(_means_over(moved, given, scorer), layer, [unit], _even(given, scorer), now)
            else:
                state |= layer.prune(now, [unit], outgoing=method.outgoing)
            units.setdefault(path, []).append(unit)
    assert repair.changes["units"] == {path: sorted(found) for path, found in units.items()}
    assert set(repair.state) == set(state)
    for name, value in state.items():
        if method.fill == "mean":
            torch.testing.assert_close(repair.state[name], value, rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(repair.state[name], value)
    scorer = given.objective.on(given.select)
    performance, bias = scorer.at(network.logits(given.select, repair.state) > repair.point.cut)
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=0.01)
    objectives = [step.objective for step in repair.trajectory]
    if repair.point.feasible:
        assert repair.chosen == int(np.argmax(objectives))
        assert repair.point.objective == pytest.approx(max(objectives))


@pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity"])
@pytest.mark.parametrize("groups", [2, 3, 4])
def test_influences_come_from_the_training_rows(groups: int, metric: str, setting: Making) -> None:
    network = opened.network("batchnorm_before")
    select = opened.drawn(network, 200, groups, seed=1)
    train = opened.drawn(network, 300, groups, seed=2)
    given = setting(network, select, train, metric=metric, eps=0.3)
    method = Prune()
    repair = method.repair(given)
    assert _order(repair) == _plain(method, given)
    assert _order(repair) != _order(method.repair(setting(network, select, metric=metric, eps=0.3)))
    _holds(given, repair, method)


def test_rows_of_more_than_two_groups_and_missing_ones_are_weighed(setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 200, 3)
    codes = rows.attributes["a"].codes.copy()
    codes[::7] = -1
    weight = np.linspace(0.5, 2, 200)
    rows = opened.sample(rows.inputs["features"], rows.y, codes, 3, weight)
    given = setting(network, rows, eps=0.3)
    repair = Prune().repair(given)
    assert _order(repair) == _plain(Prune(), given)
    assert repair.trajectory[0].bias < 0, "of more than two groups the bias is never above 0"


@pytest.mark.parametrize("favorable", ["positive", "negative"])
def test_the_most_influential_unit_goes_first(favorable: str, setting: Making, tmp_path: Path) -> None:
    # Two units: the first reads the group, the second the label. The first makes the bias, whatever is favourable.
    net = nn.Sequential(nn.Linear(nets.FEATURES, 2), nn.ReLU(), nn.Linear(2, 1), nn.Sigmoid())
    with torch.no_grad():
        net[0].weight.zero_()  # type: ignore[operator]
        net[0].weight[0, 0] = net[0].weight[1, 1] = 1.0  # type: ignore[index]
        net[0].bias.fill_(2.0)  # type: ignore[operator]
        net[2].weight.copy_(torch.tensor([[1.0, 1.5]]))  # type: ignore[operator]
        net[2].bias.fill_(-5.0)  # type: ignore[operator]
    network = opened.opened(net, tmp_path)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, nets.FEATURES, generator=generator) / 4
    codes, y = np.arange(400) % 2, (np.arange(400) // 2) % 2
    x[:, 0] += torch.from_numpy(codes).float()
    x[:, 1] += torch.from_numpy(y).float()
    rows = opened.sample(x, y, codes)
    given = setting(network, rows, eps=0.1, favorable=favorable)
    for method in (Prune(), Prune(influence="activation"), Prune(outgoing=False)):
        repair = method.repair(given)
        assert _order(repair)[0] == [["0", 0]]
        assert repair.point.feasible
        assert repair.changes == {"units": {"0": [0]}}
        assert repair.point.quality > 0.9
    sign = 1 if favorable == "negative" else -1
    assert np.sign(Prune().repair(given).trajectory[0].bias) == sign


def test_ties_go_in_the_order_of_the_graph(setting: Making, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(nets.FEATURES, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())
    with torch.no_grad():
        net[0].weight.copy_(torch.ones(4, 1) @ torch.tensor([[1.0, -1, 0.5, 0, 2, 0]]))  # type: ignore[operator]
        net[0].bias.fill_(1.0)  # type: ignore[operator]
        net[2].weight.fill_(0.5)  # type: ignore[operator]
    network = opened.opened(net, tmp_path)
    repair = Prune(stop_below=0).repair(setting(network))
    assert _order(repair) == [[["0", unit]] for unit in range(4)]


def test_it_stops_where_the_network_has_collapsed(setting: Making) -> None:
    given = setting(opened.network("relu"))
    some = Prune(stop_below=0.7).repair(given).trajectory
    assert all(step.quality >= 0.7 for step in some[:-1])
    assert some[-1].quality < 0.7
    everything = Prune(stop_below=0).repair(given).trajectory
    assert len(everything) == 1 + 2 * nets.UNITS
    assert everything[-1].quality == 0.5, "without units the score is constant"
    assert len(Prune(limit=3, stop_below=0).repair(given).trajectory) == 4


def test_with_one_step_all_but_the_least_are_taken(setting: Making) -> None:
    # The 0-quantile is the minimum, and only what lies above it is pruned.
    repair = Prune(steps=1, stop_below=0).repair(setting(opened.network("relu")))
    (taken,) = _order(repair)
    assert len(taken) == 2 * nets.UNITS - 1


def test_half_of_the_units_go_at_the_median(setting: Making) -> None:
    repair = Prune(steps=2, stop_below=0).repair(setting(opened.network("tanh")))
    assert len(_order(repair)[0]) == nets.UNITS


def test_no_unit_is_taken_twice(setting: Making) -> None:
    for steps in (None, 3, 10, 50):
        taken = [
            tuple(unit)
            for step in _order(Prune(steps=steps, stop_below=0).repair(setting(opened.network("gelu"))))
            for unit in step
        ]
        assert len(taken) == len(set(taken))


def test_a_layer_that_cannot_be_pruned_is_left_alone_with_its_reason(setting: Making) -> None:
    network = opened.network("branches")
    method = Prune(stop_below=0)
    assert [layer.path for layer in method.prunable(network)] == ["one", "value"]
    assert "Sigmoid of 0 is not 0" in method.skipped(network)["gate"]
    repair = method.repair(setting(network))
    assert {path for step in _order(repair) for path, _ in step} <= {"one", "value"}
    assert not Prune(outgoing=False).skipped(network)


@pytest.mark.parametrize("metric", ["equalized-odds", "predictive-equality", "impact-ratio"])
@pytest.mark.parametrize("groups", [2, 3])
def test_other_metrics_steer_the_pruning(metric: str, groups: int, setting: Making) -> None:
    network = opened.network("batchnorm_before")
    given = setting(
        network, opened.drawn(network, 200, groups), opened.drawn(network, 300, groups, seed=2), metric=metric
    )
    repair = Prune().repair(given)
    assert _order(repair) == _plain(Prune(), given)


def test_of_two_attributes_the_one_further_from_its_bound_steers() -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 300)
    codes = (np.arange(300) % 3 == 0).astype(np.int64)
    rows = replace(rows, attributes=dict(rows.attributes) | {"b": Attribute("b", codes, ("no", "yes"), 1)})
    constraints = tuple(Constraint("statistical-parity", name, eps) for name, eps in (("a", 0.9), ("b", 0.011)))
    given = Setting(network, rows, rows, Objective(constraints, margin=0.01))
    target = given.objective.on(rows).target(network.logits(rows))
    assert target.comparison == 1
    alone = Setting(network, rows, rows, Objective(constraints[1:], margin=0.01))
    assert _order(Prune(limit=1).repair(given)) == _order(Prune(limit=1).repair(alone))


def test_a_layer_whose_consumer_has_no_bias_cannot_be_filled(setting: Making, tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Linear(nets.FEATURES, 4), nn.ReLU(), nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid()
    )
    network = opened.opened(net, tmp_path)
    method = Prune(fill="mean", stop_below=0)
    assert [layer.path for layer in method.prunable(network)] == ["2"]
    assert "its consumer 2 has no bias" in method.skipped(network)["0"]
    assert {path for step in _order(method.repair(setting(network))) for path, _ in step} == {"2"}
    assert "elsewhere than to fully connected layers" in method.skipped(opened.network("residual"))["entry"]


def test_the_summary_tells_the_mean(setting: Making) -> None:
    network = opened.network("relu")
    for fill, said in (("mean", True), ("zero", False)):
        method = Prune(fill=fill)  # type: ignore[arg-type]
        assert ("replaced by its mean" in method.summary(method.repair(setting(network, eps=0.2)), network)) == said


def test_without_a_layer_to_prune_the_reasons_are_given(setting: Making) -> None:
    network = opened.network("arithmetic")
    assert "no hidden fully connected layer" in str(Prune().reasons(network)[0])
    with pytest.raises(ModelError, match="no hidden fully connected layer"):
        Prune().repair(setting(network))


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"influence": "weight"}, {"limit": 0}, {"stop_below": 1.0}, {"fill": "median"}]
)
def test_settings_out_of_range_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError):
        Prune(**wrong)


def test_a_mean_needs_outgoing_weights() -> None:
    with pytest.raises(UsageError, match="outgoing"):
        Prune(fill="mean", outgoing=False)


def test_the_network_is_not_changed(setting: Making) -> None:
    network: Network = opened.network("residual")
    Prune().repair(setting(network))
    for name, value in nets.build("residual").state_dict().items():
        assert torch.equal(network.state[name], value)


def test_progress_counts_the_steps(setting: Making) -> None:
    seen: list[tuple[int, int, str]] = []
    given = replace(setting(opened.network("relu")), progress=lambda *told: seen.append(told))
    Prune(limit=5, stop_below=0).repair(given)
    assert [done for done, _, _ in seen][:5] == [1, 2, 3, 4, 5]
    assert {total for _, total, _ in seen} == {5}
