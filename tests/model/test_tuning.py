"""A network whose parameters move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.model.network import Network
from debias.model.tuning import Tuning
from tests.model import nets, opened

SHORT = ["scripted", "dynamic"]


def _used(network: Network) -> list[str]:
    program = network.program.until(network.head.value)
    return [name for name in network.parameters if name in program.param_users]


def _plain_gradients(network: Network, x: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Work out the gradient of Σ c σ(logit) by autograd on the file's own parameters."""
    leaves = {name: network.state[name].clone().requires_grad_() for name in _used(network)}
    value = network.program.run(opened.inputs(network, x), {**network.state, **leaves}, until=network.head.value)
    loss = (weights.to(x.dtype) * network.head.logits(value).sigmoid()).sum()
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def _step(tuning: Tuning, network: Network, x: Tensor, weights: Tensor, lr: float) -> None:
    def slope(logits: Tensor) -> Tensor:
        return weights.to(x.dtype) * logits.sigmoid() * (1 - logits.sigmoid())

    gradients = tuning.gradients(opened.inputs(network, x), slope)
    with torch.no_grad():
        for leaf, gradient in zip(tuning.leaves, gradients, strict=True):
            leaf -= lr * gradient


def _compare(network: Network, net: nn.Module) -> None:
    x = nets.example(net, 25)
    weights = torch.linspace(-1, 1, 25, dtype=torch.float64).cos()
    tuning = Tuning(network)
    logits = tuning.logits(opened.inputs(network, x)).detach().numpy()
    expected = network.logits(opened.sample(x, np.zeros(25), np.zeros(25)))
    np.testing.assert_allclose(logits, expected, **opened.tolerance(network))
    start = tuning.state()
    assert set(start) == set(_used(network))
    for key, value in start.items():
        assert torch.equal(value, network.state[key])
    gradients = _plain_gradients(network, x, weights)
    scale = max(float(g.abs().max()) for g in gradients.values())
    lr = 1 / scale
    _step(tuning, network, x, weights, lr)
    precision = 1e-9 if network.dtype == torch.float64 else 1e-5
    for key, value in tuning.state().items():
        torch.testing.assert_close(start[key] - value, lr * gradients[key], rtol=precision * 10, atol=precision)
        assert value.dtype == network.dtype
        assert value.shape == network.state[key].shape
    moved = tuning.logits(opened.inputs(network, x)).detach().numpy()
    expected = network.logits(opened.sample(x, np.zeros(25), np.zeros(25)), tuning.state())
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(moved, expected, rtol=precision * 100, atol=precision * max(1, scale))


@pytest.mark.parametrize("form", SHORT)
@pytest.mark.parametrize("name", list(nets.ALL))
def test_logits_and_gradients_are_those_of_the_files_own_parameters(name: str, form: str) -> None:
    _compare(opened.network(name, form), nets.build(name))


@pytest.mark.parametrize("name", list(nets.ALL))
def test_a_loss_may_read_the_last_hidden_layer_too(name: str) -> None:
    network = opened.network(name)
    net = nets.build(name)
    x = nets.example(net, 25)
    tuning = Tuning(network)
    logits, hidden = tuning.hidden_values(opened.inputs(network, x))
    torch.testing.assert_close(logits, tuning.logits(opened.inputs(network, x)))
    assert hidden.shape[0] == 25
    toward = torch.linspace(-1, 1, hidden.numel(), dtype=torch.float64).sin().reshape(hidden.shape).to(hidden)
    along = torch.linspace(-2, 1, 25, dtype=torch.float64).to(logits)

    def slopes(now: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        torch.testing.assert_close(now, logits)
        torch.testing.assert_close(below, hidden)
        return along, toward

    found = tuning.gradients_from(opened.inputs(network, x), slopes)
    # By autograd through the file's own operations; the value is the one that the folded program has.
    leaves = {name: network.state[name].clone().requires_grad_() for name in _used(network)}
    state, env = {**network.state, **leaves}, dict(opened.inputs(network, x))
    for node in network.program.until(network.head.value).nodes:
        env[node.name] = node.evaluate(env, state)
    same = [value for value, kept in tuning.folded.moved.items() if kept == tuning.hidden]
    loss = (network.head.logits(env[network.head.value]) * along).sum() + (env[same[0]] * toward).sum()
    expected = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    before = tuning.state()
    scale = max(float(value.abs().max()) for value in expected.values())
    with torch.no_grad():
        for leaf, gradient in zip(tuning.leaves, found, strict=True):
            leaf -= gradient / scale
    precision = 1e-9 if network.dtype == torch.float64 else 2e-5
    for key, value in tuning.state().items():
        torch.testing.assert_close(before[key] - value, expected[key] / scale, rtol=precision * 10, atol=precision)


class _Deep(nn.Module):
    """Layers of one shape with and without a bias, a normalisation or another reader."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Linear(nets.FEATURES, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4, bias=k % 2 == 0) for k in range(4)])
        self.twice = nn.Linear(4, 4)
        self.norms = nn.ModuleList([nn.BatchNorm1d(4, affine=k != 1, eps=10.0**-k) for k in range(1, 5)])
        self.gain = nn.Parameter(torch.tensor([1.5, -0.5, 1.0, 2.0]))
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.entry(x))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = norm(torch.tanh(layer(h)))
        h = h + torch.relu(self.twice(torch.relu(self.twice(h))))
        return torch.sigmoid(self.last(h * self.gain)).squeeze(1)


@pytest.mark.parametrize("form", ["traced", "dynamic"])
def test_layers_that_cannot_share_a_stack_are_tuned_all_the_same(form: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    net = _Deep()
    for norm in net.norms:
        assert isinstance(norm, nn.BatchNorm1d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.3, 2)
    _compare(opened.opened(net, tmp_path, form), net)


def test_the_network_itself_never_moves() -> None:
    network = opened.network("batchnorm_after")
    before = {name: value.clone() for name, value in network.state.items()}
    x = nets.example(nets.build("batchnorm_after"), 10)
    tuning = Tuning(network)
    kept = tuning.state()
    _step(tuning, network, x, torch.ones(10), 10.0)
    assert all(torch.equal(network.state[name], value) for name, value in before.items())
    assert all(torch.equal(before[name], value) for name, value in kept.items()), "a state is a copy"
    assert any(not torch.equal(before[name], value) for name, value in tuning.state().items())


def test_running_statistics_do_not_move() -> None:
    network = opened.network("batchnorm_before")
    assert not any("running" in name for name in Tuning(network).state())
