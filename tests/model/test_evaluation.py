"""Influences and scores of a network whose weights change a little at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.fairness.proxies import Proxy
from debias.model.evaluation import Evaluation, Influence
from debias.model.network import Network
from tests.model import nets, opened

POSITIONS: tuple[Influence, ...] = get_args(Influence)
SHORT = ["scripted", "dynamic"]


def _weights(rows: int) -> Tensor:
    return torch.linspace(-1, 2, rows, dtype=torch.float64).sin()


def _by_taps(network: Network, x: Tensor, weights: Tensor, at: Influence, state: dict[str, Tensor]) -> list[Tensor]:
    """Work out eq. 4 in the plainest way: the gradient at a zero vector that is added on the way."""
    taps, edit = [], {}
    for layer in network.layers:
        tap = torch.zeros(layer.units, dtype=network.dtype, requires_grad=True)
        taps.append(tap)
        name = layer.activation if at == "activation" else layer.linear

        def added(value: Tensor, tap: Tensor = tap) -> Tensor:
            return value + tap

        edit[name] = added
    output = network.program.run(opened.inputs(network, x), {**network.state, **state}, edit=edit)
    score = network.head.probabilities(output)
    gradients = torch.autograd.grad((weights.to(score.dtype) * score).sum(), taps)
    return [gradient / len(x) for gradient in gradients]


def _compare(network: Network, found: list[Tensor], expected: list[Tensor]) -> None:
    scale = max(float(part.abs().max()) for part in expected)
    precision = 1e-9 if network.dtype == torch.float64 else 2e-5
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=precision * scale)


WITH_LAYERS = [name for name in nets.ALL if name != "arithmetic"]


@pytest.mark.parametrize("at", POSITIONS)
@pytest.mark.parametrize("form", SHORT)
@pytest.mark.parametrize("name", WITH_LAYERS)
def test_influences_equal_taps_in_the_graph(name: str, form: str, at: Influence) -> None:
    network = opened.network(name, form)
    x = nets.example(nets.build(name), 30)
    weights = _weights(len(x))
    evaluation = Evaluation(network, opened.inputs(network, x), network.layers, at)
    _compare(network, evaluation.influences(Proxy(weights)), _by_taps(network, x, weights, at, {}))
    logits = network.logits(opened.sample(x, np.zeros(30), np.zeros(30)))
    np.testing.assert_allclose(evaluation.logits().numpy(), logits, **opened.tolerance(network))


@pytest.mark.parametrize("outgoing", [True, False], ids=["outgoing", "incoming"])
@pytest.mark.parametrize("at", POSITIONS)
@pytest.mark.parametrize("name", WITH_LAYERS)
def test_after_updates_all_is_as_in_a_fresh_evaluation(name: str, at: Influence, outgoing: bool) -> None:
    network = opened.network(name)
    x = nets.example(nets.build(name), 20)
    rows, weights = opened.inputs(network, x), _weights(20)
    evaluation = Evaluation(network, rows, network.layers, at)
    scores = Evaluation(network, rows)
    evaluation.influences(Proxy(weights))
    state = dict(network.state)
    changed: dict[str, Tensor] = {}
    for unit, layer in enumerate([*reversed(network.layers), *network.layers]):
        if outgoing and layer.blocked:
            continue
        part = layer.prune(state, [unit], outgoing=outgoing)
        state |= part
        changed |= part
        evaluation.update(part)
        scores.update(part)
        _compare(network, evaluation.influences(Proxy(weights)), _by_taps(network, x, weights, at, changed))
        logits = network.logits(opened.sample(x, np.zeros(20), np.zeros(20)), changed)
        for one in (evaluation, scores):
            np.testing.assert_allclose(one.logits().numpy(), logits, **opened.tolerance(network))
    for key, value in nets.build(name).state_dict().items():
        assert torch.equal(network.state[key], value), "the network itself never changes"


@pytest.mark.parametrize("name", ["relu", "batchnorm_before", "layernorm_after", "residual", "concat", "double"])
def test_the_influence_at_the_preactivation_is_the_gradient_of_the_bias(name: str) -> None:
    network, net = opened.network(name), nets.build(name)
    x = nets.example(net, 30)
    weights = _weights(30)
    (weights.to(x.dtype) * net(x).reshape(-1)).sum().backward()
    evaluation = Evaluation(network, opened.inputs(network, x), network.layers, "preactivation")
    parameters = dict(net.named_parameters())
    expected = []
    for layer in network.layers:
        gradient = parameters[f"{layer.path}.bias"].grad
        assert gradient is not None
        expected.append(gradient / 30)
    _compare(network, evaluation.influences(Proxy(weights)), expected)


def _net(output: nn.Module, first: list[list[float]], bias: list[float], last: list[float]) -> nn.Module:
    """Return a network that reads the first columns only."""
    net = nn.Sequential(nn.Linear(nets.FEATURES, len(first)), nn.ReLU(), nn.Linear(len(first), 1), output)
    with torch.no_grad():
        net[0].weight.zero_()  # type: ignore[operator]
        net[0].weight[:, : len(first[0])] = torch.tensor(first)  # type: ignore[index]
        net[0].bias.copy_(torch.tensor(bias))  # type: ignore[operator]
        net[2].weight.copy_(torch.tensor([last]))  # type: ignore[operator]
        net[2].bias.zero_()  # type: ignore[operator]
    return net


@pytest.mark.parametrize("form", opened.FORMS)
def test_influences_worked_out_by_hand(form: str, tmp_path: Path) -> None:
    # Two rows, x = 1 and x = −1; units h = relu(x), relu(−x), relu(x + 2); output sigmoid(2 h1 − h2 + 0 h3), so
    # z = 2 and −1. With c = (1, −3): Σ c f'(z) and its part on the rows where a unit is alive.
    network = opened.opened(
        _net(nn.Sigmoid(), [[1.0], [-1.0], [1.0]], [0.0, 0.0, 2.0], [2.0, -1.0, 0.0]), tmp_path, form
    )
    x = torch.zeros(16, nets.FEATURES)
    x[:, 0] = torch.tensor([1.0, -1.0] * 8)
    c = torch.tensor([1.0, -3.0] * 8, dtype=torch.float64)

    def slope(z: float) -> float:
        p = 1 / (1 + np.exp(-z))
        return float(p * (1 - p))

    up, down = slope(2.0), -3 * slope(-1.0)
    rows = opened.inputs(network, x)
    (activation,) = Evaluation(network, rows, network.layers, "activation").influences(Proxy(c))
    np.testing.assert_allclose(activation.numpy(), [2 * (up + down) / 2, -(up + down) / 2, 0], rtol=1e-6, atol=1e-9)
    (preactivation,) = Evaluation(network, rows, network.layers, "preactivation").influences(Proxy(c))
    # Unit 1 is alive on the first row only, unit 2 on the second only, unit 3 on both, but nobody reads it.
    np.testing.assert_allclose(preactivation.numpy(), [2 * up / 2, -down / 2, 0], rtol=1e-6, atol=1e-9)


def test_the_influence_behind_a_logit_is_that_of_its_probability(tmp_path: Path) -> None:
    weights = ([[1.0, 2.0], [-1.0, 0.5]], [0.1, 0.2], [1.5, -0.5])
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    as_probability = opened.opened(_net(nn.Sigmoid(), *weights), tmp_path / "a")
    as_logit = opened.opened(_net(nn.Identity(), *weights), tmp_path / "b")
    x = nets.example(as_probability.module)
    both = [
        Evaluation(n, opened.inputs(n, x), n.layers).influences(Proxy(_weights(16)))[0]
        for n in (as_probability, as_logit)
    ]
    torch.testing.assert_close(both[0], both[1])


class _Custom(nn.Module):
    """A hidden layer, something between, and a last layer."""

    def __init__(
        self,
        between: Callable[[Tensor], Tensor],
        end: Callable[[Tensor], Tensor],
        outputs: int = 1,
        normed: bool = False,
    ) -> None:
        super().__init__()
        self.normed = normed
        self.one = nn.Linear(nets.FEATURES, 4)
        self.norm = nn.BatchNorm1d(4)
        self.layer = nn.LayerNorm(4)
        self.last = nn.Linear(4, outputs)
        self.between, self.end = between, end
        nn.init.uniform_(self.norm.weight, -1, 2)
        assert self.norm.running_var is not None
        self.norm.running_var.uniform_(0.2, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.one(x)) if self.normed else self.one(x)
        return self.end(self.last(self.between(self.layer(h) if self.normed else h)))


_CASES = {
    "both norms": _Custom(torch.relu, torch.sigmoid, normed=True),
    "no activation": _Custom(lambda h: h * 2, torch.sigmoid),
    "two readers": _Custom(lambda h: torch.relu(h) + torch.relu(-h), torch.sigmoid),
    "own silu": _Custom(lambda h: h * torch.sigmoid(h), torch.sigmoid),
    "clamped": _Custom(torch.relu, lambda z: torch.sigmoid(z).clamp(0.3, 0.6)),
    "saturated": _Custom(torch.relu, lambda z: (z + 0.5).clamp(0, 1)),
    "declared softmax": _Custom(torch.relu, lambda z: torch.softmax(z, 1) * 1.0, 2),
    "log softmax": _Custom(torch.relu, lambda z: torch.log_softmax(z, 1), 2),
}


@pytest.mark.parametrize("at", POSITIONS)
@pytest.mark.parametrize("case", list(_CASES))
def test_influences_of_unusual_networks_equal_taps(case: str, at: Influence, tmp_path: Path) -> None:
    network = opened.opened(_CASES[case], tmp_path)
    x = nets.example(_CASES[case], 40)
    weights = _weights(40)
    evaluation = Evaluation(network, opened.inputs(network, x), network.layers, at)
    _compare(network, evaluation.influences(Proxy(weights)), _by_taps(network, x, weights, at, {}))
    assert bool(torch.isfinite(evaluation.logits()).all())


def test_a_normalisation_without_activation_keeps_the_influence_of_the_layer(tmp_path: Path) -> None:
    torch.manual_seed(1)
    norm = nn.BatchNorm1d(3)
    nn.init.uniform_(norm.weight, 2, 3)
    net = nn.Sequential(nn.Linear(nets.FEATURES, 3), norm, nn.Linear(3, 1), nn.Sigmoid())
    network = opened.opened(net, tmp_path)
    x = nets.example(net, 12)
    for at in POSITIONS:
        evaluation = Evaluation(network, opened.inputs(network, x), network.layers, at)
        _compare(network, evaluation.influences(Proxy(_weights(12))), _by_taps(network, x, _weights(12), at, {}))
