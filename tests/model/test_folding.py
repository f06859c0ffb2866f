"""The same network with its affine steps folded together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from debias.model.folding import Folded, affine, fold
from debias.model.network import Network
from tests.model import nets, opened


def _run(folded: Folded, network: Network, x: Tensor, until: str | None = None) -> Tensor:
    """Run a folded program with its effective weights, value by value."""
    env: dict[str, Tensor] = opened.inputs(network, x)
    for node in folded.program.nodes:
        if node.name in folded.dense:
            env[node.name] = nn.functional.linear(
                env[node.args[0].name], *folded.dense[node.name].weights(network.state)
            )
        else:
            env[node.name] = node.evaluate(env, network.state)
        if node.name == until:
            # A later operation may overwrite a value in place.
            return env[node.name].clone()
    return env[folded.program.output]


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
@pytest.mark.parametrize("name", list(nets.ALL))
def test_the_folded_program_computes_the_same(name: str, form: str) -> None:
    network = opened.network(name, form)
    program = network.program.until(network.head.value)
    folded = fold(program)
    x = nets.example(nets.build(name), 23)
    with torch.no_grad():
        expected = program.run(opened.inputs(network, x), network.state)
        torch.testing.assert_close(_run(folded, network, x), expected, **opened.tolerance(network))
    assert not {node.op for node in folded.program.nodes} & {"dropout", "batch_norm", "feature_dropout"}


@pytest.mark.parametrize("name", [name for name in nets.ALL if name != "arithmetic"])
def test_activations_are_found_in_the_folded_program(name: str) -> None:
    network = opened.network(name)
    program = network.program.until(network.head.value)
    folded = fold(program)
    x = nets.example(nets.build(name), 5)
    for layer in network.layers:
        if layer.activation == layer.linear:
            continue
        with torch.no_grad():
            own = _run(folded, network, x, until=folded.moved[layer.activation])
            expected = program.run(opened.inputs(network, x), network.state, until=layer.activation)
        torch.testing.assert_close(own, expected, **opened.tolerance(network))


def test_a_batchnorm_is_one_scale_and_one_shift(tmp_path: Path) -> None:
    # scale = 2/√4 = 1, shift = 0.5 − 3·1 = −2.5
    norm = nn.BatchNorm1d(1, eps=0.0)
    net = nn.Sequential(nn.Linear(1, 1), norm, nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        norm.weight.fill_(2.0)
        norm.bias.fill_(0.5)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.fill_(3.0)
        norm.running_var.fill_(4.0)
        net[0].weight.fill_(5.0)
        net[0].bias.fill_(7.0)
    path = opened.save(net.eval(), tmp_path / "m.pt", "scripted")
    network = Network.open(path)
    (node,) = [node for node in network.program.nodes if node.op == "batch_norm"]
    assert [value.tolist() for value in affine(node, network.state)] == [[1.0], [-2.5]]
    folded = fold(network.program)
    first = folded.dense[network.layers[0].linear]
    assert [value.reshape(-1).tolist() for value in first.weights(network.state)] == [[5.0], [4.5]]
    assert float(torch.as_tensor(first.output_scale(network.state))) == 1.0
    assert {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"} == set(first.sources)


class _Normed(nn.Module):
    """Batch normalisations in every place: of the inputs, without affine part, read by two, and before an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.BatchNorm1d(nets.FEATURES)
        self.one = nn.Linear(nets.FEATURES, 4, bias=False)
        self.plain = nn.BatchNorm1d(4, affine=False)
        self.two = nn.Linear(4, 4)
        self.three = nn.Linear(4, 4)
        self.shared = nn.BatchNorm1d(4)
        self.sum = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.shared(torch.relu(self.plain(self.one(self.entry(x)))))
        h = self.sum(torch.tanh(self.two(h)) + self.three(h))
        return torch.sigmoid(self.last(self.sum(torch.relu(h))))


@pytest.mark.parametrize("form", ["scripted", "traced", "dynamic"])
def test_normalisations_are_folded_wherever_they_stand(form: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = _Normed()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.3, 2)
            if module.affine:
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.uniform_(module.bias, -1, 1)
    network = opened.opened(net, tmp_path, form)
    folded = fold(network.program.until(network.head.value))
    x = nets.example(net, 11)
    with torch.no_grad():
        torch.testing.assert_close(torch.sigmoid(_run(folded, network, x)), net.eval()(x), rtol=1e-5, atol=1e-6)
    # Only the one between an addition and an activation has no layer to go into.
    assert [node.op for node in folded.program.nodes].count("batch_norm") == 1
