"""The graph of a file, read into a program."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from debias.errors import ModelError
from debias.model.program import Node, Param, Program, Ref, is_training_constant, normalised
from tests.model import nets, opened


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", list(nets.ALL))
def test_the_program_computes_what_the_file_computes(name: str, form: str) -> None:
    network = opened.network(name, form)
    net = nets.build(name)
    for rows in (1, 5, opened.ROWS, 2 * opened.ROWS + 3):
        x = nets.example(net, rows, seed=rows)
        with torch.no_grad():
            own = network.program.run(opened.inputs(network, x), network.state)
            file = network.call(opened.inputs(network, x))
            expected = net(x)
        assert own.shape == file.shape == expected.shape
        torch.testing.assert_close(own, file, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(file, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", list(nets.ALL))
def test_the_state_has_the_names_of_the_module(name: str, form: str) -> None:
    network, net = opened.network(name, form), nets.build(name)
    assert set(network.parameters) == {key for key, _ in net.named_parameters()}
    for key, value in net.state_dict().items():
        assert torch.equal(network.state[key], value)


def test_a_run_stops_at_a_value_and_can_be_edited_on_the_way() -> None:
    network = opened.network("relu")
    x = opened.inputs(network, nets.example(nets.build("relu")))
    layer = network.layers[0]
    hidden = network.program.run(x, network.state, until=layer.activation)
    assert hidden.shape == (16, nets.UNITS)
    assert bool((hidden >= 0).all())
    zero = network.program.run(x, network.state, edit={layer.activation: torch.zeros_like})
    net = nets.build("relu")
    with torch.no_grad():
        expected = torch.sigmoid(net.last(torch.relu(net.second.bias))).expand(16)  # type: ignore[operator,arg-type,union-attr]
    torch.testing.assert_close(zero, expected)
    assert torch.equal(network.program.run(x, network.state, until=network.program.inputs[0]), next(iter(x.values())))


def test_a_program_until_a_value_holds_what_that_value_needs() -> None:
    network = opened.network("concat")
    part = network.program.until(network.layers[0].activation)
    assert part.output == network.layers[0].activation
    assert [node.op for node in part.nodes] == ["linear", "silu"]


def test_columns_are_the_widths_of_the_values() -> None:
    network = opened.network("concat")
    x = opened.inputs(network, nets.example(nets.build("concat")))
    widths = network.program.columns(x, network.state)
    assert widths[network.inputs[0].name] == nets.FEATURES
    assert sorted(widths.values()) == sorted([6, 8, 8, 8, 8, 22, 1, 1])


class _Spelled(nn.Module):
    """One fully connected layer in a spelling of its own, then a usual one."""

    def __init__(self, spelling: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, nets.FEATURES))
        self.bias = nn.Parameter(torch.randn(4))
        self.last = nn.Linear(4, 1)
        self.spelling = spelling

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        h = {
            "addmm": lambda: torch.addmm(self.bias, x, w.t()),
            "matmul": lambda: x @ w.t() + self.bias,
            "reversed": lambda: self.bias + x @ w.transpose(0, 1),
            "mm": lambda: torch.mm(x, w.permute(1, 0)),
            "scaled": lambda: torch.addmm(self.bias, x, w.t(), beta=2),
            "alpha": lambda: torch.add(x @ w.t(), self.bias, alpha=3),
        }[self.spelling]()
        return torch.sigmoid(self.last(torch.relu(h)))


@pytest.mark.parametrize("form", ["traced", "dynamic"])
@pytest.mark.parametrize(
    ("spelling", "params"),
    [
        ("addmm", ("weight", "bias")),
        ("matmul", ("weight", "bias")),
        ("reversed", ("weight", "bias")),
        ("mm", ("weight",)),
        ("scaled", None),
        ("alpha", ("weight",)),
    ],
)
def test_every_spelling_of_a_fully_connected_layer_is_one(
    spelling: str, params: tuple[str, ...] | None, form: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = _Spelled(spelling)
    network = opened.opened(net, tmp_path, form)
    x = nets.example(net)
    with torch.no_grad():
        torch.testing.assert_close(network.program.run(opened.inputs(network, x), network.state), net(x))
    linear = [node.params for node in network.program.nodes if node.op == "linear"]
    assert linear[-1] == ("last.weight", "last.bias")
    assert linear[:-1] == ([] if params is None else [params])


def test_a_bias_is_not_drawn_into_a_layer_that_others_read() -> None:
    x = Ref("x")
    nodes = (
        Node("t", "t", torch.t, (Param("w"),), {}),
        Node("a", "mm", torch.mm, (x, Ref("t")), {}),
        Node("b", "add", torch.add, (Ref("a"), Param("c")), {}),
        Node("y", "add", torch.add, (Ref("a"), Ref("b")), {}),
    )
    state = {"w": torch.randn(2, 3), "c": torch.randn(2)}
    program = Program(("x",), nodes, "y")
    read = normalised(program, state)
    assert [node.op for node in read.nodes] == ["linear", "add", "add"]
    rows = {"x": torch.randn(4, 3)}
    torch.testing.assert_close(read.run(rows, state), program.run(rows, state))


def test_train_mode_operations_are_told_from_eval_mode() -> None:
    def node(op: str, *args: object) -> Node:
        return Node("n", op, torch.relu, args, {})

    assert is_training_constant(node("dropout", Ref("x"), 0.5, True))
    assert not is_training_constant(node("dropout", Ref("x"), 0.5, False))
    assert is_training_constant(node("batch_norm", Ref("x"), None, None, None, None, True, 0.1, 1e-5, True))
    assert not is_training_constant(node("batch_norm", Ref("x"), None, None, None, None, False, 0.1, 1e-5, True))
    assert is_training_constant(node("bernoulli", Ref("x")))


class _Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.last(x)
        if bool(x.sum() > 0):
            y = torch.relu(y)
        return torch.sigmoid(y)


class _Loop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(nets.FEATURES, nets.FEATURES)
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.size(0)):
            x = torch.relu(self.layer(x))
        return torch.sigmoid(self.last(x))


class _Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.last(x)
        return torch.sigmoid(y), y


class _IntegerInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor, n: int) -> Tensor:
        return torch.sigmoid(self.last(x) * n)


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (_Branch(), "a branch that depends on the data"),
        (_Loop(), "a loop"),
        (_Several(), "forward returns"),
        (_IntegerInput(), "input n is a int"),
    ],
    ids=["branch", "loop", "several", "integer"],
)
def test_what_is_no_feed_forward_network_is_refused(net: nn.Module, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=reason):
        opened.opened(net, tmp_path, "scripted")


class _Checked(nn.Module):
    """A check of the input's shape that only raises is no branch."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2:
            raise ValueError("rows")
        return torch.sigmoid(self.last(x))


def test_a_check_that_only_raises_is_read(tmp_path: Path) -> None:
    network = opened.opened(_Checked(), tmp_path, "scripted")
    assert [node.op for node in network.program.nodes] == ["linear", "sigmoid"]


def test_an_export_with_several_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="forward returns 2 values"):
        opened.opened(_Several(), tmp_path, "dynamic")
