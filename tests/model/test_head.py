"""The end of a network: what its output is, and a cut folded into the last bias."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.errors import ModelError
from debias.model.head import Head, logit
from debias.model.network import Network, from_archive
from tests.model import nets, opened

FOLDED = [name for name in nets.ALL if name != "arithmetic"]


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", list(nets.ALL))
def test_the_kind_of_output_is_found(name: str, form: str) -> None:
    network = opened.network(name, form)
    assert (network.head.kind, network.head.sure) == (nets.HEADS[name], True)
    assert network.head.foldable == (name != "arithmetic")
    assert network.head.classes == (2 if nets.HEADS[name] in {"softmax", "logits2"} else 1)
    rows = opened.drawn(network, 40)
    output = network.outputs(rows)
    probability = network.head.probabilities(output).double().numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-network.logits(rows))), probability, rtol=1e-5)


def _midway(logits: np.ndarray, at: int) -> float:
    ordered = np.unique(logits.astype(np.float64))
    gaps = np.diff(ordered)
    wide = np.flatnonzero(gaps > 1e-3 * np.abs(ordered[1:]))
    place = wide[np.argmin(np.abs(wide - at))]
    return float((ordered[place] + ordered[place + 1]) / 2)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, form) for name in FOLDED for form in ("scripted", "traced")),
        # What a network does before its head makes no difference to folding.
        *((name, form) for name in FOLDED if "head" in name or "double" in name for form in ("dynamic", "static")),
    ],
)
def test_a_folded_file_decides_as_the_cut_did(name: str, form: str, tmp_path: Path) -> None:
    network = opened.network(name, form)
    rows = opened.drawn(network, 160)
    x = rows.inputs["features"]
    logits = network.logits(rows)
    path = tmp_path / f"folded{opened.path(name, form).suffix}"
    for at, threshold in ((40, 0.5), (110, 0.3)):
        cut = _midway(logits, at)
        path.write_bytes(network.serialised(network.head.fold(network.state, cut, threshold), {"debias.json": "{}"}))
        with torch.no_grad():
            output = opened.plain(path)(x)
        decided = network.head.decide(output, threshold).numpy()
        assert 0 < decided.sum() < len(rows)
        assert np.array_equal(decided, logits > cut)
        if network.head.classes == 2 and threshold == 0.5:
            assert np.array_equal(network.head.decide(output, 0.5, "argmax").numpy(), decided)


def test_argmax_and_score_disagree_where_the_threshold_is_not_a_half() -> None:
    head = opened.network("head_softmax").head
    output = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.1, 0.9]])
    assert head.decide(output, 0.3).tolist() == [False, True, True, True]
    assert head.decide(output, 0.3, "argmax").tolist() == [False, False, False, True]
    assert head.decide(output, 0.5).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("name", "output", "decided"),
    [
        ("relu", [0.3, 0.5, 0.7, 0.71], [False, False, False, True]),
        ("head_column", [[0.7], [0.8]], [False, True]),
        ("head_logit", [0.0, 0.8, 0.9], [False, False, True]),
        ("head_logits2", [[0.0, 0.8], [0.0, 0.9], [1.0, 1.9]], [False, True, True]),
    ],
)
def test_decisions_are_strictly_above_the_threshold(name: str, output: list[float], decided: list[bool]) -> None:
    # logit(0.7) = 0.847
    assert opened.network(name).head.decide(torch.tensor(output), 0.7).tolist() == decided


def test_two_outputs_share_the_shift() -> None:
    network = opened.network("head_logits2")
    folded = network.head.fold(network.state, 0.5, 0.5)["last.bias"]
    torch.testing.assert_close(folded - network.state["last.bias"], torch.tensor([0.25, -0.25]))


def test_folding_moves_the_bias_by_the_difference_of_the_logits() -> None:
    network = opened.network("relu")
    folded = network.head.fold(network.state, 1.25, 0.8)
    assert list(folded) == ["last.bias"]
    moved = float(network.state["last.bias"] - folded["last.bias"])
    assert moved == pytest.approx(1.25 - math.log(4), abs=1e-6)
    assert logit(0.8) == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("relu", "softmax"),
        ("relu", "logits2"),
        ("relu", "logit"),
        ("head_softmax", "probability"),
        ("head_softmax", "logits2"),
        ("head_logits2", "logit"),
    ],
)
def test_a_declared_kind_must_fit(name: str, kind: str) -> None:
    with pytest.raises(ModelError, match=r"does not fit|is no logit"):
        Network.open(opened.path(name, "scripted"), output_kind=kind)  # type: ignore[arg-type]


class _End(nn.Module):
    def __init__(self, end: Callable[[Tensor], Tensor], outputs: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(nets.FEATURES, 4)
        self.last = nn.Linear(4, outputs, bias=bias)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.last(torch.relu(self.first(x))))


_ENDS: dict[str, tuple[_End, str]] = {
    "sigmoid then column": (_End(lambda z: torch.sigmoid(z)[:, 0]), "probability"),
    "last column": (_End(lambda z: torch.sigmoid(z[:, -1])), "probability"),
    "reshaped": (_End(lambda z: torch.sigmoid(z.reshape(-1)).unsqueeze(1)), "probability"),
    "logit column": (_End(lambda z: z[:, 0]), "logit"),
    "second of softmax": (_End(lambda z: torch.softmax(z, 1)[:, 1], 2), "probability"),
    "second of softmax as a column": (_End(lambda z: torch.softmax(z, -1)[:, 1:], 2), "probability"),
}


@pytest.mark.parametrize("form", ["traced", "dynamic"])
@pytest.mark.parametrize("end", list(_ENDS))
def test_a_column_taken_by_its_number_is_a_reshape(end: str, form: str, tmp_path: Path) -> None:
    net, kind = _ENDS[end]
    network = opened.opened(net, tmp_path, form)
    assert (network.head.kind, network.head.reason, network.head.sure) == (kind, "", True)
    rows = opened.drawn(network, 60)
    cut = _midway(network.logits(rows), 20)
    path = tmp_path / f"folded.{'pt' if form == 'traced' else 'pt2'}"
    path.write_bytes(network.serialised(network.head.fold(network.state, cut, 0.5), {}))
    with torch.no_grad():
        decided = network.head.decide(opened.plain(path)(rows.inputs["features"]), 0.5).numpy()
    assert np.array_equal(decided, network.logits(rows) > cut)


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(nets.FEATURES, nets.FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.relu(self.last(x))))[:, 0]


@pytest.mark.parametrize(
    ("net", "kind", "reason"),
    [
        (_End(torch.sigmoid, bias=False), "probability", "the last layer has no bias"),
        (_End(lambda z: torch.sigmoid(2 * z)), "probability", "ends in mul"),
        (_End(lambda z: torch.sigmoid(z[:, 0]), 2), "probability", "ends in select"),
        (_End(lambda z: torch.sigmoid(z).clamp(0.1, 0.9)), "probability", "ends in clamp"),
        (_End(lambda z: 3 * z), "logit", "ends in mul"),
        (_End(lambda z: torch.log_softmax(z, 1), 2), "logits2", "ends in log_softmax"),
        (_Tied(), "probability", "ends in select"),
    ],
    ids=["no bias", "scaled", "one of two", "clamped", "scaled logit", "log softmax", "tied"],
)
def test_why_a_cut_cannot_be_folded(net: nn.Module, kind: str, reason: str, tmp_path: Path) -> None:
    network = opened.opened(net, tmp_path)
    assert network.head.kind == kind
    assert reason in network.head.reason
    assert not network.head.foldable
    with pytest.raises(ModelError, match="--keep-scores"):
        network.head.fold(network.state, 0.0, 0.5)


class _Shared(nn.Module):
    """The bias of the last layer stands under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(nets.FEATURES, 1)
        self.last = nn.Linear(1, 1)
        self.last.bias = self.first.bias

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.relu(self.first(x))))


@pytest.mark.parametrize("form", ["scripted", "traced", "dynamic"])
def test_a_shared_last_bias_is_not_folded(form: str, tmp_path: Path) -> None:
    head = opened.opened(_Shared(), tmp_path, form).head
    assert head.reason == "the last layer's weights are shared"


@pytest.mark.parametrize("outputs", [3, 5])
def test_an_output_of_another_shape_is_refused(outputs: int, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"the output has shape \[N, {outputs}\]"):
        opened.opened(_End(torch.sigmoid, outputs), tmp_path)


def test_a_softmax_over_the_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="depends on the rows beside it"):
        opened.opened(_End(lambda z: torch.softmax(z, 0), 2), tmp_path)


def test_values_decide_where_the_graph_does_not_and_can_be_overridden(tmp_path: Path) -> None:
    network = opened.opened(_End(lambda z: torch.sigmoid(z).clamp(0.2, 0.8)), tmp_path)
    assert (network.head.kind, network.head.sure) == ("probability", False)
    assert "taken for probability" in network.notes[0]
    other = from_archive(network.archive, output_kind="logit")
    assert (other.head.kind, other.head.from_probability) == ("logit", False)
    assert not any("taken for" in note for note in other.notes)


def test_a_last_layer_declared_to_give_probabilities_is_believed(tmp_path: Path) -> None:
    net = _End(lambda z: z)
    with torch.no_grad():
        net.last.weight.zero_()
        net.last.bias.fill_(0.25)
    path = opened.save(net.eval(), tmp_path / "m.pt", "traced")
    network = Network.open(path, output_kind="probability")
    assert "declared to be probabilities" in network.head.reason
    rows = opened.sample(torch.randn(3, nets.FEATURES), [0, 1, 0], [0, 1, 0])
    np.testing.assert_allclose(network.logits(rows), math.log(0.25 / 0.75), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("two", [False, True])
def test_logits_of_saturated_probabilities_are_finite_and_ordered(dtype: torch.dtype, two: bool) -> None:
    head = Head("softmax" if two else "probability", "p", None, None, "clamped", from_probability=True)
    p = torch.tensor([0.0, 1e-30, 0.2, 0.5, 0.9, 1.0], dtype=dtype, requires_grad=True)
    logits = head.logits(torch.stack([1 - p, p], 1) if two else p)
    assert bool(torch.isfinite(logits).all())
    assert bool((logits.diff() > 0).all())
    assert float(logits[3].detach()) == pytest.approx(0, abs=1e-6)
    (gradient,) = torch.autograd.grad((logits.sigmoid()).sum(), p)
    assert bool(torch.isfinite(gradient).all())
    assert gradient[2].item() == pytest.approx(1, rel=1e-5)


def test_what_is_no_probability_has_no_logit() -> None:
    head = Head("probability", "p", None, None, "declared", from_probability=True)
    assert torch.isnan(head.logits(torch.tensor([-0.1, 0.5, 1.2]))).tolist() == [True, False, True]
