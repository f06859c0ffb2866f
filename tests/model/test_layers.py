"""Hidden layers: what is found in the graph, and a unit taken out by weights alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from debias.model.layers import Column, Layer
from debias.model.network import Network
from tests.model import nets, opened

SHORT = ["scripted", "dynamic"]


def _facts(layer: Layer) -> tuple[object, ...]:
    return layer.path, layer.units, layer.function, layer.norms, [(c.weight, c.offset) for c in layer.columns]


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [("first", 8, "ReLU", (), [("second.weight", 0)]), ("second", 8, "ReLU", (), [("last.weight", 0)])]),
        ("functional_gelu_tanh", [("first", 8, "GELU", (), [("last.weight", 0)])]),
        (
            "in_place",
            [
                ("net.0", 8, "ReLU", (), [("net.3.weight", 0)]),
                ("net.3", 8, "LeakyReLU", (), [("net.5.weight", 0)]),
                ("net.5", 8, "ELU", (), [("net.7.weight", 0)]),
                ("net.7", 8, "SiLU", (), [("net.9.weight", 0)]),
            ],
        ),
        (
            "batchnorm_before",
            [
                ("layers.0", 8, "ReLU", ("BatchNorm",), [("layers.1.weight", 0)]),
                ("layers.1", 8, "ReLU", ("BatchNorm",), [("last.weight", 0)]),
            ],
        ),
        (
            "batchnorm_after",
            [
                ("layers.0", 8, "ReLU", ("BatchNorm",), [("layers.1.weight", 0)]),
                ("layers.1", 8, "ReLU", ("BatchNorm",), [("last.weight", 0)]),
            ],
        ),
        (
            "layernorm_before",
            [
                ("layers.0", 8, "ReLU", ("LayerNorm",), [("layers.1.weight", 0)]),
                ("layers.1", 8, "ReLU", ("LayerNorm",), [("last.weight", 0)]),
            ],
        ),
        ("layernorm_after", [("layers.0", 8, "ReLU", (), []), ("layers.1", 8, "ReLU", (), [])]),
        (
            "residual",
            [
                ("entry", 8, "ReLU", (), []),
                ("one", 8, "ReLU", (), [("two.weight", 0)]),
                ("two", 8, "none", (), []),
            ],
        ),
        (
            "concat",
            [
                ("one", 8, "SiLU", (), [("two.weight", 0), ("last.weight", 6)]),
                ("two", 8, "SiLU", (), [("last.weight", 14)]),
            ],
        ),
        (
            "branches",
            [
                ("one", 8, "ReLU", (), [("gate.weight", 0), ("value.weight", 0)]),
                ("gate", 8, "Sigmoid", (), []),
                ("value", 8, "none", (), []),
            ],
        ),
        ("arithmetic", []),
    ],
)
def test_layers_are_found_in_the_graph(name: str, expected: list[tuple[object, ...]], form: str) -> None:
    layers = opened.network(name, form).layers
    assert [_facts(layer) for layer in layers] == expected


@pytest.mark.parametrize("form", opened.FORMS)
def test_every_activation_is_named(form: str) -> None:
    named = {
        "relu": "ReLU",
        "leaky_relu": "LeakyReLU",
        "elu": "ELU",
        "gelu": "GELU",
        "silu": "SiLU",
        "tanh": "Tanh",
        "sigmoid": "Sigmoid",
    }
    for name, function in named.items():
        assert [layer.function for layer in opened.network(name, form).layers] == [function] * 2
        assert [layer.function for layer in opened.network(f"functional_{name}", form).layers] == [function]


def _masked(network: Network, layer: Layer, units: list[int], x: Tensor) -> Tensor:
    """Run the program with the units' activation masked where the layer says."""

    def mask(value: Tensor) -> Tensor:
        value = value.clone()
        value[:, units] = 0
        return value

    with torch.no_grad():
        return network.program.run(opened.inputs(network, x), network.state, edit={layer.masked: mask})


@pytest.mark.parametrize("form", SHORT)
@pytest.mark.parametrize("name", list(nets.ALL))
def test_a_pruned_unit_is_the_graph_with_its_activation_masked(name: str, form: str) -> None:
    network = opened.network(name, form)
    x = nets.example(nets.build(name), 9)
    rows = opened.inputs(network, x)
    for layer in network.layers:
        if layer.blocked:
            continue
        for units in [[unit] for unit in range(layer.units)] + [[0, 3, 5], list(range(layer.units))]:
            changed = layer.prune(network.state, units)
            assert not any(changed[key] is network.state[key] for key in changed)
            with torch.no_grad():
                pruned = network.program.run(rows, {**network.state, **changed})
            torch.testing.assert_close(pruned, _masked(network, layer, units, x), **opened.tolerance(network))


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", ["concat", "residual_layernorm", "batchnorm_after", "layernorm_after", "double"])
def test_the_written_file_is_the_graph_with_the_activation_masked(name: str, form: str, tmp_path: Path) -> None:
    network = opened.network(name, form)
    x = nets.example(nets.build(name), 2 * opened.ROWS)
    layer = network.layers[0]
    path = tmp_path / f"pruned{opened.path(name, form).suffix}"
    path.write_bytes(network.serialised(layer.prune(network.state, [1, 4]), {}))
    with torch.no_grad():
        written = opened.plain(path)(x)
    torch.testing.assert_close(written, _masked(network, layer, [1, 4], x), **opened.tolerance(network))


@pytest.mark.parametrize("form", SHORT)
@pytest.mark.parametrize("name", list(nets.ALL))
def test_incoming_pruning_zeroes_rows_and_bias(name: str, form: str) -> None:
    network = opened.network(name, form)
    x = opened.inputs(network, nets.example(nets.build(name)))
    for layer in network.layers:
        assert not layer.incoming_blocked
        changed = layer.prune(network.state, [2, 5], outgoing=False)
        assert set(changed) == {f"{layer.path}.weight", f"{layer.path}.bias"}
        for key, value in changed.items():
            kept = [unit for unit in range(layer.units) if unit not in (2, 5)]
            assert not value[[2, 5]].any()
            assert torch.equal(value[kept], network.state[key][kept])
        with torch.no_grad():
            summed = network.program.run(x, {**network.state, **changed}, until=layer.linear)
        assert not summed[:, [2, 5]].any()


def test_behind_a_batchnorm_an_incoming_pruned_unit_still_sends_a_constant() -> None:
    network = opened.network("batchnorm_after", "traced")
    layer, state = network.layers[0], network.state
    x = opened.inputs(network, nets.example(nets.build("batchnorm_after")))
    changed = layer.prune(state, [3], outgoing=False)
    with torch.no_grad():
        sent = network.program.run(x, {**state, **changed}, until=layer.masked)[:, 3]
    gamma, beta = state["norms.0.weight"][3], state["norms.0.bias"][3]
    mean, sigma = state["norms.0.running_mean"][3], (state["norms.0.running_var"][3] + 1e-5).sqrt()
    torch.testing.assert_close(sent, (beta - gamma * mean / sigma).expand(16))
    assert bool((sent.abs() > 0.01).all())


def test_a_constant_worked_out_by_hand_is_sent(tmp_path: Path) -> None:
    # beta − gamma·mean/sigma = 0.5 − 2·3/2 = −2.5
    norm = nn.BatchNorm1d(2, eps=0.0)
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), norm, nn.Linear(2, 1))
    with torch.no_grad():
        for entry, value in (
            (norm.weight, [2.0, 1.0]),
            (norm.bias, [0.5, 0.0]),
            (norm.running_mean, [3.0, 0.0]),
            (norm.running_var, [4.0, 1.0]),
        ):
            assert entry is not None
            entry.copy_(torch.tensor(value))
        net[3].weight.copy_(torch.tensor([[1.0, 10.0]]))
        net[3].bias.fill_(1.0)
    path = opened.save(net.eval(), tmp_path / "m.pt", "scripted")
    network = Network.open(path)
    (layer,) = network.layers
    both = [0, 1]
    x = opened.inputs(network, torch.tensor([[1.0], [-7.0]]))
    with torch.no_grad():
        incoming = network.program.run(x, {**network.state, **layer.prune(network.state, both, outgoing=False)})
        outgoing = network.program.run(x, {**network.state, **layer.prune(network.state, both)})
    assert incoming.reshape(-1).tolist() == [-1.5, -1.5]
    assert outgoing.reshape(-1).tolist() == [1.0, 1.0]


class _Blocked(nn.Module):
    """A layer whose activation meets an addition."""

    def __init__(self, before: Callable[[Tensor], Tensor], norm: nn.Module | None = None, bias: bool = True) -> None:
        super().__init__()
        self.one = nn.Linear(nets.FEATURES, 4, bias=bias)
        self.two = nn.Linear(4, 4)
        self.last = nn.Linear(4, 1)
        self.norm = norm or nn.Identity()
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        h = self.before(self.norm(self.one(x)))
        return torch.sigmoid(self.last(h + torch.relu(self.two(h))))


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (_Blocked(torch.sigmoid), "an addition; Sigmoid of 0 is not 0"),
        (_Blocked(nn.functional.softplus), "an addition; Softplus of 0 is not 0"),
        (_Blocked(nn.Hardtanh(0.5, 1.0)), "an addition; Hardtanh of 0 is not 0"),
        (_Blocked(torch.relu, nn.LayerNorm(4, elementwise_affine=False)), "the LayerNorm before that has no scale"),
        (_Blocked(torch.relu, nn.BatchNorm1d(4, affine=False)), "the BatchNorm before that has no scale"),
    ],
    ids=["sigmoid", "softplus", "hardtanh", "layernorm", "batchnorm"],
)
@pytest.mark.parametrize("form", ["traced", "dynamic"])
def test_a_layer_without_exact_zeros_is_left_alone_with_the_reason(
    net: nn.Module, reason: str, form: str, tmp_path: Path
) -> None:
    network = opened.opened(net, tmp_path, form)
    one, two = network.layers
    assert reason in " ".join(one.blocked)
    assert not two.blocked


@pytest.mark.parametrize(
    "net",
    [
        _Blocked(torch.tanh),
        _Blocked(nn.Hardtanh(-1.0, 1.0)),
        _Blocked(torch.relu, nn.LayerNorm(4)),
        _Blocked(torch.relu, nn.BatchNorm1d(4)),
        _Blocked(torch.relu, bias=False),
        _Blocked(lambda h: 0.5 * torch.relu(h) / 3),
        _Blocked(lambda h: h * torch.sigmoid(h)),
        _Blocked(nn.functional.hardswish),
    ],
    ids=["tanh", "hardtanh", "layernorm", "batchnorm", "no bias", "scaled", "own silu", "hardswish"],
)
def test_a_unit_before_an_addition_is_zeroed_in_front_of_it(net: nn.Module, tmp_path: Path) -> None:
    network = opened.opened(net, tmp_path)
    layer = network.layers[0]
    assert not layer.blocked
    assert layer.zeroed
    assert not layer.columns
    x = nets.example(net, 12)
    with torch.no_grad():
        pruned = network.program.run(opened.inputs(network, x), {**network.state, **layer.prune(network.state, [0, 2])})
    torch.testing.assert_close(pruned, _masked(network, layer, [0, 2], x))


class _TiedLayers(nn.Module):
    """The same hidden layer twice, and a consumer that stands under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Linear(nets.FEATURES, 4)
        self.twice = nn.Linear(4, 4)
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.entry(x))
        return torch.sigmoid(self.last(torch.relu(self.twice(torch.relu(self.twice(h))))))


@pytest.mark.parametrize("form", ["scripted", "traced", "dynamic"])
def test_shared_weights_block_a_layer(form: str, tmp_path: Path) -> None:
    network = opened.opened(_TiedLayers(), tmp_path, form)
    entry, first, second = network.layers
    assert entry.blocked == ("its consumer's weight twice.weight is shared",)
    assert first.blocked == ("its consumer's weight twice.weight is shared",)
    assert not second.blocked
    assert not entry.incoming_blocked
    assert second.incoming_blocked == ("its twice.weight is shared", "its twice.bias is shared")


class _TwoNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(nets.FEATURES, 4)
        self.two = nn.Linear(4, 4)
        self.three = nn.Linear(4, 4)
        self.three.weight = self.two.weight
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.relu(self.three(torch.relu(self.two(torch.relu(self.one(x))))))))


@pytest.mark.parametrize("form", ["scripted", "traced", "dynamic"])
def test_a_weight_under_two_names_is_shared(form: str, tmp_path: Path) -> None:
    one, two, three = opened.opened(_TwoNames(), tmp_path, form).layers
    assert all("is shared" in layer.blocked[0] for layer in (one, two))
    assert not three.blocked


class _Cat(nn.Module):
    """Units that pass through another activation and two concatenations, and inputs of unknown place among them."""

    def __init__(self, double: bool = False) -> None:
        super().__init__()
        self.one = nn.Linear(nets.FEATURES, 3)
        self.two = nn.Linear(nets.FEATURES, 2)
        self.last = nn.Linear(3 + 2 + nets.FEATURES + (3 if double else 0), 1)
        self.double = double

    def forward(self, x: Tensor) -> Tensor:
        h, g = torch.sigmoid(self.one(x)), torch.tanh(self.two(x))
        inner = torch.cat([x * 2, h] + ([h] if self.double else []), 1)
        return torch.sigmoid(self.last(torch.cat([g, inner], -1)))


@pytest.mark.parametrize("form", ["traced", "dynamic"])
def test_columns_behind_concatenations_are_counted(form: str, tmp_path: Path) -> None:
    network = opened.opened(_Cat(), tmp_path, form)
    one, two = sorted(network.layers, key=lambda layer: layer.path)
    assert [(c.weight, c.offset) for c in one.columns] == [("last.weight", 2 + nets.FEATURES)]
    assert [(c.weight, c.offset) for c in two.columns] == [("last.weight", 0)]
    x = nets.example(_Cat(), 10)
    for layer in (one, two):
        with torch.no_grad():
            pruned = network.program.run(
                opened.inputs(network, x), {**network.state, **layer.prune(network.state, [1])}
            )
        torch.testing.assert_close(pruned, _masked(network, layer, [1], x))


def test_a_value_that_stands_twice_in_a_concatenation_is_not_followed(tmp_path: Path) -> None:
    network = opened.opened(_Cat(double=True), tmp_path)
    one, two = sorted(network.layers, key=lambda layer: layer.path)
    assert "a concatenation; Sigmoid of 0 is not 0" in one.blocked[0]
    assert two.columns == (Column(two.columns[0].node, "last.weight", 0),)


class _Skip(nn.Module):
    """A wide part beside the deep one: neither last layer is a hidden one."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(nets.FEATURES, 1)
        self.one = nn.Linear(nets.FEATURES, 4)
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.relu(self.one(x))) + self.wide(x))


def test_a_layer_that_feeds_no_other_is_no_hidden_layer(tmp_path: Path) -> None:
    network = opened.opened(_Skip(), tmp_path)
    assert [layer.path for layer in network.layers] == ["one"]
    assert "ends in add" in network.head.reason
