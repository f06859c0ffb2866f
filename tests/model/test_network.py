"""Opening a file as a network: what is read, what is refused, and what is written again."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.contract import Contract, Input, Output, write_document
from debias.errors import ModelError
from debias.model.archive import open_archive
from debias.model.network import Network, signature
from tests.model import nets, opened


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", ["relu", "arithmetic", "concat", "double", "batchnorm_after"])
def test_inputs_widths_precision_and_batch_size(name: str, form: str) -> None:
    network = opened.network(name, form)
    (item,) = network.inputs
    assert (item.name, item.role, item.width) == ("x", "features", nets.FEATURES)
    assert network.dtype == (torch.float64 if name == "double" else torch.float32)
    assert network.batch == (opened.ROWS if form == "static" else None)
    assert signature(network.archive) == {"x": nets.FEATURES}
    assert not network.notes
    assert not network.record


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 40])
def test_a_static_batch_size_runs_in_padded_pieces(rows: int) -> None:
    network = opened.network("head_softmax", "static")
    x = nets.example(nets.build("head_softmax"), rows)
    with torch.no_grad():
        torch.testing.assert_close(network.call({"x": x}), nets.build("head_softmax")(x), rtol=1e-6, atol=1e-7)
    assert network.outputs(opened.sample(x, np.zeros(rows), np.zeros(rows))).shape == (rows, 2)


def test_rows_in_many_pieces_are_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    network = opened.network("concat")
    rows = opened.drawn(network, 100)
    whole, output = network.logits(rows), network.outputs(rows)
    monkeypatch.setattr("debias.model.network._ROWS_AT_ONCE", 33)
    np.testing.assert_allclose(network.logits(rows), whole, rtol=1e-6)
    torch.testing.assert_close(network.outputs(rows), output)


def _signature(path: Path) -> tuple[object, ...]:
    """Return what a caller of the file sees: names of the numbers, and the program's text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt":
            module = torch.jit.load(str(path))
            return tuple(module.state_dict()), str(module.forward.schema), module.forward.code
        exported = torch.export.load(path)
        return tuple(exported.state_dict), str(exported.call_spec), str(exported.graph)


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", ["batchnorm_before", "residual_in_place", "head_softmax", "arithmetic", "double"])
def test_a_written_file_is_the_same_program_with_other_numbers(name: str, form: str, tmp_path: Path) -> None:
    network = opened.network(name, form)
    source = opened.path(name, form)
    before = source.read_bytes()
    entry = network.parameters[0]
    changed = {entry: network.state[entry] + 1}
    out = tmp_path / f"m{source.suffix}"
    out.write_bytes(network.serialised(changed, {"debias.json": write_document(None, {"method": "none"})}))
    assert _signature(out) == _signature(source)
    again = Network.open(out)
    assert again.record == {"method": "none"}
    assert again.parameters == network.parameters
    for key, value in again.state.items():
        assert torch.equal(value, changed.get(key, network.state[key]))
    assert source.read_bytes() == before
    assert torch.equal(network.state[entry], nets.build(name).state_dict()[entry])


def test_other_extra_files_of_the_archive_stay(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    extra = {"notes.txt": "trained in May", "debias.json": write_document(None, {"method": "old"})}
    torch.jit.save(nets.scripted(nets.build("relu")), path, _extra_files=extra)
    network = Network.open(path)
    assert network.record == {"method": "old"}
    path.write_bytes(network.serialised({}, {"debias.json": write_document(None, {"method": "new"})}))
    assert open_archive(path).extra["notes.txt"] == b"trained in May"
    assert Network.open(path).record == {"method": "new"}


@pytest.mark.parametrize("name", ["functional_relu", "batchnorm_after", "in_place", "batchnorm_before"])
def test_a_scripted_file_in_train_mode_is_read_and_written_in_eval_mode(name: str, tmp_path: Path) -> None:
    path = opened.save(nets.build(name, train=True), tmp_path / "m.pt", "scripted")
    network = Network.open(path)
    assert network.notes == ("The file was saved in train mode; it is evaluated and written in eval mode.",)
    x = nets.example(nets.build(name))
    with torch.no_grad():
        expected = nets.build(name)(x)
        torch.testing.assert_close(network.program.run({"x": x}, network.state), expected)
        path.write_bytes(network.serialised({}, {}))
        torch.testing.assert_close(opened.plain(path)(x), expected)
    assert not Network.open(path).notes


def test_a_file_without_a_part_that_asks_for_its_mode_has_none(tmp_path: Path) -> None:
    assert not Network.open(opened.save(nets.build("relu", train=True), tmp_path / "m.pt", "scripted")).notes


@pytest.mark.parametrize("form", ["traced", "dynamic"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("functional_relu", "dropout"), ("batchnorm_before", r"batch_norm|changes its buffers"), ("in_place", "dropout")],
)
def test_train_mode_for_good_is_refused(name: str, reason: str, form: str, tmp_path: Path) -> None:
    path = opened.save(nets.build(name, train=True), tmp_path / f"m.{'pt' if form == 'traced' else 'pt2'}", form)
    with pytest.raises(ModelError, match=reason) as caught:
        Network.open(path)
    assert "eval" in str(caught.value)


def test_a_frozen_file_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = torch.jit.freeze(nets.scripted(nets.build("relu")))
        torch.jit.save(frozen, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="no parameters: it was frozen"):
        Network.open(tmp_path / "m.pt")


class _Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.last = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.table(x.to(torch.int64)).sum(1)))


class _Random(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(x + torch.rand_like(x)))


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(nets.FEATURES, 3, batch_first=True)
        self.last = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.cell(x.unsqueeze(1))[0].squeeze(1)))


@pytest.mark.parametrize(
    ("net", "form", "reason"),
    [
        (_Embedding(), "scripted", "embedding input"),
        (_Random(), "scripted", "rand"),
        (_Random(), "traced", "rand"),
        (_Recurrent(), "scripted", "lstm|recurrent"),
        (_Recurrent(), "traced", "lstm|recurrent"),
    ],
)
def test_networks_that_are_no_rows_of_numbers_are_refused(
    net: nn.Module, form: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=reason):
        opened.opened(net, tmp_path, form)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_file_is_refused(tmp_path: Path) -> None:
    quantised = torch.ao.quantization.quantize_dynamic(nets.build("relu"), {nn.Linear}, dtype=torch.qint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(quantised), tmp_path / "m.pt")
    with pytest.raises(ModelError, match="quantised"):
        Network.open(tmp_path / "m.pt")


def test_half_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="float16"):
        opened.opened(nets.build("relu").half(), tmp_path, "scripted")


@pytest.mark.parametrize("form", opened.FORMS)
def test_weights_that_are_not_finite_are_all_named(form: str, tmp_path: Path) -> None:
    net = nets.build("relu")
    with torch.no_grad():
        net.first.weight[0, 0] = torch.nan  # type: ignore[index, union-attr]
        net.last.bias[0] = torch.inf  # type: ignore[index, union-attr]
    with pytest.raises(ModelError, match=r"weights that are not finite") as caught:
        opened.opened(net, tmp_path, form)
    assert "first.weight, last.bias" in str(caught.value)


class _TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(5, 4)
        self.last = nn.Linear(4 + 2, 1)

    def forward(self, numbers: Tensor, site: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.cat([torch.relu(self.one(numbers)), site], 1))).squeeze(1)


def _two_inputs(folder: Path, form: str) -> Path:
    net = _TwoInputs().eval()
    path = folder / f"m.{'pt2' if form == 'dynamic' else 'pt'}"
    rows = (torch.randn(8, 5), torch.randn(8, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "scripted":
            torch.jit.save(torch.jit.script(net), path)
        elif form == "traced":
            torch.jit.save(torch.jit.trace(net, rows), path)
        else:
            batch = torch.export.Dim("batch", min=1)
            torch.export.save(torch.export.export(net, rows, dynamic_shapes=({0: batch}, {0: batch})), path)
    return path


@pytest.mark.parametrize("form", ["scripted", "traced", "dynamic"])
def test_two_inputs_need_a_contract_that_tells_their_roles(form: str, tmp_path: Path) -> None:
    path = _two_inputs(tmp_path, form)
    with pytest.raises(ModelError, match="takes 2 inputs") as caught:
        Network.open(path)
    assert f"debias contract {path} --data FILE --attr COLUMN --role numbers=ROLE --role site=ROLE" in str(caught.value)
    parts = (Input(name="numbers", role="features", width=5), Input(name="site", role="cluster", width=2))
    contract = Contract(inputs=parts)
    network = Network.open(path, contract=contract)
    assert [(item.name, item.role, item.width) for item in network.inputs] == [
        ("numbers", "features", 5),
        ("site", "cluster", 2),
    ]
    assert [layer.path for layer in network.layers] == ["one"]
    with pytest.raises(ModelError, match="names 1 inputs, the network has 2"):
        Network.open(path, contract=Contract(inputs=parts[:1]))
    path.with_name(f"{path.name}.debias.json").write_text(contract.to_json())
    assert Network.open(path).contract == contract, "a sidecar is found"


def test_the_contract_in_the_file_tells_the_kind_of_output(tmp_path: Path) -> None:
    contract = Contract(output=Output(kind="logit"))
    path = tmp_path / "m.pt"
    text = write_document(contract, {})
    torch.jit.save(nets.scripted(nets.build("head_logit")), path, _extra_files={"debias.json": text})
    network = Network.open(path)
    assert network.contract == contract
    assert network.head.kind == "logit"
    assert json.loads(text)["schema"] == "debias/1"


class _Sick(nn.Module):
    """Gives NaN for a negative first column."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(x) + x[:, :1].sqrt())


@pytest.mark.parametrize("form", ["traced", "dynamic"])
def test_rows_without_a_score_are_named(form: str, tmp_path: Path) -> None:
    network = opened.opened(_Sick(), tmp_path, form)
    x = torch.ones(10, nets.FEATURES)
    x[[3, 7], 0] = -1
    rows = opened.sample(x, np.zeros(10), np.zeros(10), name="clients.csv")
    for ask in (network.logits, network.outputs):
        with pytest.raises(ModelError, match="for 2 of 10 rows") as caught:
            ask(rows)
        assert "clients.csv, rows 4, 8" in str(caught.value)
    x[:, 0] = -1
    with pytest.raises(ModelError, match=r"rows 1, 2, 3, 4, 5, …"):
        network.logits(rows)


class _WrongShape(nn.Module):
    def __init__(self, dims: int) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 4)
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        score = torch.sigmoid(self.last(x))
        return score.mean() if self.dims == 0 else score.mean(0) if self.dims == 1 else score.unsqueeze(1)


@pytest.mark.parametrize("form", ["scripted", "traced"])
@pytest.mark.parametrize(("dims", "shape"), [(0, r"\[\] for 7 rows"), (1, r"\[4\] for 7 rows"), (3, r"\[N, 1, 4\]")])
def test_what_is_no_score_per_row_is_refused(dims: int, shape: str, form: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"the output has shape {shape}"):
        opened.opened(_WrongShape(dims), tmp_path, form)


class _Centred(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(x - x.mean(0)))


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
def test_a_score_that_depends_on_other_rows_is_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="depends on the rows beside it"):
        opened.opened(_Centred(), tmp_path, form)


class _Dictionary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"score": torch.sigmoid(self.last(x))}


def test_a_dictionary_is_not_one_tensor(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a dictionary"):
        opened.opened(_Dictionary(), tmp_path, "scripted")


class _Unknown(nn.Module):
    """An input whose width no weight tells."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2 * nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.cat([x, x * x], 1)))


def test_a_width_that_the_graph_does_not_tell_is_asked_for(tmp_path: Path) -> None:
    path = opened.save(_Unknown().eval(), tmp_path / "m.pt", "traced")
    with pytest.raises(ModelError, match="a trial run failed"):
        Network.open(path)
    contract = Contract(inputs=(Input(name="x", role="features", width=nets.FEATURES),))
    assert Network.open(path, contract=contract).inputs[0].width == nets.FEATURES
    assert opened.opened(_Unknown(), tmp_path, "dynamic").inputs[0].width == nets.FEATURES
