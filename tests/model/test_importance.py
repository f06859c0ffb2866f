from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.contract import Contract
from debias.data.sample import Sample
from debias.errors import ModelError
from debias.model import importance
from debias.model.importance import block_sums, magnitudes, network_magnitudes, random_spreads, ranks
from debias.model.network import Network
from tests.kept import folder
from tests.model import nets, opened
from tests.model.opened import FORMS


def rows(x: Tensor, **others: Tensor) -> Sample:
    return Sample({"features": x, **others}, np.zeros(len(x), np.int64), {}, np.arange(1, len(x) + 1))


def eager(net: nn.Module, x: Tensor) -> Tensor:
    """Return the probability of each row by torch alone."""
    output = net(x)
    kind = "softmax" if output.ndim == 2 and output.shape[1] == 2 else "flat"
    return output[:, 1] if kind == "softmax" else output.reshape(-1)


def by_autograd(net: nn.Module, x: Tensor, name: str) -> np.ndarray:
    """Return mean |∂p/∂x| row by row, from the eager module."""
    found = []
    for row in x:
        leaf = row[None].clone().requires_grad_()
        output = eager(net, leaf) if nets.HEADS[name] != "logits2" else torch.softmax(net(leaf), 1)[:, 1]
        value = torch.sigmoid(output) if nets.HEADS[name] == "logit" else output
        found.append(torch.autograd.grad(value.sum(), leaf)[0][0].abs())
    return torch.stack(found).double().mean(0).numpy()


@pytest.mark.parametrize("name", nets.ALL)
def test_gradients_equal_those_of_the_eager_module(name: str) -> None:
    network = opened.network(name)
    x = nets.example(nets.build(name), 24)
    found = network_magnitudes(network, rows(x))["features"]
    np.testing.assert_allclose(found.slope, by_autograd(nets.build(name), x, name), rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(found.spread, x.double().numpy().std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.importance, found.slope * found.spread)


@pytest.mark.parametrize("form", FORMS)
def test_one_point_is_enough_for_every_form(form: str) -> None:
    x = nets.example(nets.build("tanh"), 32)
    found = network_magnitudes(opened.network("tanh", form), rows(x), at_mean=True)["features"]
    point = x.double().mean(0, keepdim=True).float()
    np.testing.assert_allclose(found.slope, by_autograd(nets.build("tanh"), point, "tanh"), rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["relu", "in_place", "batchnorm_after", "head_softmax", "head_logit_column"])
def test_every_form_of_file_gives_the_same(name: str, form: str) -> None:
    x = nets.example(nets.build(name), 32)
    found = network_magnitudes(opened.network(name, form), rows(x))["features"]
    np.testing.assert_allclose(found.slope, by_autograd(nets.build(name), x, name), rtol=2e-4, atol=1e-7)


def test_gradients_equal_finite_differences() -> None:
    network = opened.network("double")
    x = nets.example(nets.build("double"), 9)
    step = 1e-6
    slopes = np.zeros((9, nets.FEATURES))
    for column in range(nets.FEATURES):
        move = torch.zeros_like(x)
        move[:, column] = step
        up, down = (network.outputs(rows(x + side * move)).reshape(-1) for side in (1, -1))
        slopes[:, column] = ((up - down) / (2 * step)).numpy()
    found = network_magnitudes(network, rows(x))["features"]
    np.testing.assert_allclose(found.slope, np.abs(slopes).mean(0), rtol=1e-6)


def test_at_the_mean_it_is_the_gradient_of_one_point() -> None:
    net, network = nets.build("tanh"), opened.network("tanh")
    x = nets.example(net, 40)
    point = x.double().mean(0, keepdim=True).float().requires_grad_()
    expected = torch.autograd.grad(net(point).sum(), point)[0].abs().double()[0].numpy()
    found = network_magnitudes(network, rows(x), at_mean=True)["features"]
    np.testing.assert_allclose(found.slope, expected, rtol=1e-5)
    np.testing.assert_allclose(found.spread, x.double().numpy().std(axis=0))


def test_the_logit_has_its_own_gradient() -> None:
    """Of a network that is linear on the logit scale it is |w|, whatever the rows."""
    net = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())
    weight, bias = net[0].weight.detach(), net[0].bias.detach()
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = opened_from(net)
    found = network_magnitudes(network, rows(x), target="logit")["features"]
    np.testing.assert_allclose(found.slope, weight[0].abs().numpy(), rtol=1e-5)
    # By hand: |∂p/∂x_j| = p (1 − p) |w_j|.
    p = torch.sigmoid(x.double() @ weight[0].double() + bias.double())
    expected = (p * (1 - p)).mean() * weight[0].double().abs()
    found = network_magnitudes(network, rows(x))["features"]
    np.testing.assert_allclose(found.slope, expected.numpy(), rtol=1e-5)


def opened_from(net: nn.Module, contract: Contract | None = None) -> Network:
    """Write a network to a file, with a contract where there is one, and open it."""
    path = Path(tempfile.mkdtemp(dir=folder())) / "importance.pt"
    text = json.dumps({"schema": "debias/1", "contract": contract.model_dump(mode="json") if contract else None})
    torch.jit.save(nets.scripted(net.eval()), path, _extra_files={"debias.json": text})
    return Network.open(path)


class Hand(nn.Module):
    """σ(2·relu(x₀ − x₁) + 0·x₂)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 1)
        self.last = nn.Linear(1, 1)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[1.0, -1.0, 0.0]]))
            self.first.bias.zero_()
            self.last.weight.fill_(2.0)
            self.last.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.relu(self.first(x)))).squeeze(1)


def test_a_network_worked_by_hand() -> None:
    """The unit is on in the first row alone, where p = σ(2·1)."""
    x = torch.tensor([[2.0, 1.0, 5.0], [0.0, 3.0, 7.0]])
    found = network_magnitudes(opened_from(Hand()), rows(x))["features"]
    p = 1 / (1 + np.exp(-2.0))
    slope = 2 * p * (1 - p) / 2
    np.testing.assert_allclose(found.slope, [slope, slope, 0], rtol=1e-6)
    np.testing.assert_allclose(found.spread, [1, 1, 1])
    assert ranks(found.importance).tolist() == [1, 1, 3]


def test_the_rows_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    x = nets.example(nets.build("gelu"), 23)
    whole = network_magnitudes(opened.network("gelu"), rows(x))["features"].slope
    monkeypatch.setattr(importance, "ROWS_AT_ONCE", 5)
    np.testing.assert_allclose(network_magnitudes(opened.network("gelu"), rows(x))["features"].slope, whole, rtol=1e-6)


class Detached(nn.Module):
    """A path that hides its gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(x.detach())).squeeze(1)


def test_a_detach_in_the_file_hides_nothing() -> None:
    net = Detached()
    found = network_magnitudes(opened_from(net), rows(torch.zeros(3, 2)))["features"]
    p = float(torch.sigmoid(net.last.bias.detach()))
    np.testing.assert_allclose(found.slope, p * (1 - p) * net.last.weight.detach()[0].abs().numpy(), rtol=1e-5)


def test_a_score_that_reads_no_input_has_no_gradient() -> None:
    inputs = {"x": torch.ones(4, 2), "y": torch.ones(4, 1)}
    found = magnitudes(lambda given: given["x"].sum(1) * 3, inputs, ["x", "y"])
    assert found["x"].slope.tolist() == [3, 3]
    assert found["y"].slope.tolist() == [0]
    assert magnitudes(lambda _: torch.ones(4), inputs, ["x"])["x"].slope.tolist() == [0, 0]


class Root(nn.Module):
    """√|x₀|, whose slope at 0 is not finite."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.sqrt(torch.abs(x)))).squeeze(1)


def test_a_gradient_that_is_not_finite_is_refused() -> None:
    told = Contract.model_validate({"inputs": [{"name": "x", "role": "features", "width": 2}]})
    with pytest.raises(ModelError, match="the gradient with respect to the input features is not finite"):
        network_magnitudes(opened_from(Root(), told), rows(torch.zeros(3, 2)))


class Mixed(nn.Module):
    """f(x) + x·u(z) + b(z), as Fair MEDL adds the random effects; `value` leaves the sigmoid out."""

    def __init__(self, value: bool = False) -> None:
        super().__init__()
        self.value = value
        self.hidden = nn.Linear(3, 4)
        self.out = nn.Linear(4, 1)
        self.slope = nn.Parameter(torch.tensor([[0.1, 2.0, -1.0], [0.3, -2.0, -1.0]]))
        self.intercept = nn.Parameter(torch.tensor([[0.5], [-0.7]]))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        f = self.out(torch.tanh(self.hidden(x))).squeeze(1)
        m = f + (x * (z @ self.slope)).sum(1) + (z @ self.intercept).squeeze(1)
        return m if self.value else torch.sigmoid(m)


def contract(kind: str, effects: bool = True) -> Contract:
    names = [f"{layer}.{part}" for layer in ("hidden", "out") for part in ("weight", "bias")]
    random = [{"mean": "slope", "prior_sd": 0.1}, {"mean": "intercept", "prior_sd": 0.1}]
    return Contract.model_validate(
        {
            "inputs": [{"name": "x", "role": "features", "width": 3}, {"name": "z", "role": "cluster", "width": 2}],
            "features": [{"column": name, "kind": "numeric"} for name in "abc"]
            + [{"column": "job", "kind": "category", "role": "cluster", "categories": ["k", "l"], "missing": "zero"}],
            "cluster": "job",
            "output": {"kind": kind},
            "effects": {"fixed": names, "random": random} if effects else None,
        }
    )


@pytest.mark.parametrize("value", [False, True])
def test_of_a_mixed_effects_network_the_fixed_head_is_measured(value: bool) -> None:
    net = Mixed(value)
    network = opened_from(net, contract("value" if value else "probability"))
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(12, 3, generator=generator)
    z = torch.nn.functional.one_hot(torch.randint(0, 2, (12,), generator=generator), 2).float()
    leaf = x.clone().requires_grad_()
    expected = torch.autograd.grad(net(leaf, torch.zeros(12, 2)).sum(), leaf)[0].abs().double().mean(0).numpy()
    found = network_magnitudes(network, rows(x, cluster=z))
    assert list(found) == ["features"]
    np.testing.assert_allclose(found["features"].slope, expected, rtol=1e-5)


def test_spread_of_the_random_effects_over_clusters() -> None:
    slopes, intercepts = random_spreads(opened_from(Mixed(), contract("probability")))
    assert (slopes.entry, intercepts.entry) == ("slope", "intercept")
    np.testing.assert_allclose(slopes.spread, [0.1, 2.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(intercepts.means, [[0.5], [-0.7]])
    np.testing.assert_allclose(intercepts.spread, [0.6])
    assert random_spreads(opened.network("relu")) == []


def test_a_cluster_that_is_a_plain_input_is_measured_too() -> None:
    """Without effects in the contract the cluster columns are inputs as all others; at the mean they are zero."""
    net = Mixed()
    network = opened_from(net, contract("probability", effects=False))
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(3))
    z = torch.nn.functional.one_hot(torch.arange(12) % 2, 2).float()
    pair = x.clone().requires_grad_(), z.clone().requires_grad_()
    expected = [part.abs().double().mean(0).numpy() for part in torch.autograd.grad(net(*pair).sum(), pair)]
    found = network_magnitudes(network, rows(x, cluster=z))
    np.testing.assert_allclose(found["features"].slope, expected[0], rtol=1e-5)
    np.testing.assert_allclose(found["cluster"].slope, expected[1], rtol=1e-5)
    point = x.double().mean(0, keepdim=True).float().requires_grad_()
    at_zero = torch.autograd.grad(net(point, torch.zeros(1, 2)).sum(), point)[0].abs().double()[0].numpy()
    np.testing.assert_allclose(
        network_magnitudes(network, rows(x, cluster=z), at_mean=True)["features"].slope, at_zero, rtol=1e-5
    )


def test_ranks_and_blocks() -> None:
    assert ranks(np.array([0.1, 5.0, 0.1, 2.0])).tolist() == [3, 1, 3, 2]
    values = np.random.default_rng(0).integers(0, 20, 50).astype(float)
    assert ranks(values).tolist() == [1 + int((values > value).sum()) for value in values]
    assert block_sums(np.array([1.0, 2.0, 4.0, 8.0]), [1, 3]).tolist() == [1.0, 14.0]
    # Three small columns of one feature outweigh a larger one alone.
    assert ranks(block_sums(np.array([3.0, 2.0, 2.0, 2.0]), [1, 3])).tolist() == [2, 1]
    with pytest.raises(ValueError, match="3 columns in all features, 4 values"):
        block_sums(np.zeros(4), [1, 2])
