"""Models that hold a rule, in every form: one decision from the file, from debias and from the rule itself."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.contract import Contract, Feature, Input, Output, write_document
from debias.data.sample import Sample
from debias.errors import ModelError
from debias.model.archive import open_archive, serialise
from debias.model.network import Network, from_archive
from debias.model.rule import Rule
from debias.model.wrapped import wrapped
from tests.model import nets, opened

HEADED = ["relu", "head_column", "head_logit", "head_logit_column", "head_softmax", "head_logits2"]
GROUPS = ("f", "m", "x")


def _rule(network: Network, rows: Sample, plain: bool, seed: int = 3) -> Rule:
    middle = float(np.median(network.logits(rows)))
    below, above = (np.zeros(3), np.ones(3)) if plain else (np.array([0.2, 0, 0.5]), np.array([1.0, 0.6, 0.5]))
    return Rule("sex", GROUPS, middle + np.array([-0.31, 0.17, 0.02]), below, above, seed)


def _contract(kind: str, threshold: float = 0.5) -> Contract:
    return Contract(
        inputs=(
            Input(name="x", role="features", width=nets.FEATURES),
            Input(name="group", role="group", width=3),
        ),
        features=(
            *(Feature(column=f"x{k}", kind="numeric") for k in range(nets.FEATURES)),
            Feature(column="sex", kind="category", role="group", categories=GROUPS, missing="zero"),
        ),
        output=Output(kind=kind, threshold=threshold, decision="score"),  # type: ignore[arg-type]
    )


def _write(network: Network, rule: Rule, folder: Path, threshold: float = 0.5, **state: Tensor) -> Path:
    loaded = wrapped(network, state, rule, width=nets.FEATURES, threshold=threshold)
    path = folder / f"ruled{network.archive.path.suffix}"
    document = write_document(_contract(network.head.kind, threshold), {})
    path.write_bytes(serialise(loaded, {"debias.json": document}))
    return path


def _rows(network: Network, rows: int = 160) -> Sample:
    return opened.drawn(network, rows, groups=3)


def _with_groups(rows: Sample) -> Sample:
    codes = torch.from_numpy(rows.attributes["a"].codes)
    columns = nn.functional.one_hot(codes, 3).to(rows.inputs["features"].dtype)
    return replace(rows, inputs={**rows.inputs, "group": columns})


def _plain(path: Path, rows: Sample) -> Tensor:
    """Run the file with torch alone, in pieces of the static batch size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: Any = torch.jit.load(str(path)) if path.suffix == ".pt" else torch.export.load(path).module()
    x, codes = rows.inputs["features"], torch.from_numpy(rows.attributes["a"].codes)
    pieces = zip(x.split(opened.ROWS), codes.split(opened.ROWS), strict=True)
    with torch.no_grad():
        return torch.cat([module(*piece) for piece in pieces])


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, "scripted") for name in (*HEADED, "batchnorm_after", "arithmetic", "double", "double_softmax")),
        *((name, "dynamic") for name in (*HEADED, "arithmetic", "double")),
        *((name, form) for name in ("head_column", "batchnorm_after") for form in ("traced", "static")),
    ],
)
def test_the_file_decides_as_the_rule(name: str, form: str, plain: bool, tmp_path: Path) -> None:
    network = opened.network(name, form)
    rows = _rows(network)
    rule = _rule(network, rows, plain)
    threshold = 0.3
    path = _write(network, rule, tmp_path, threshold)
    wanted = rule.decide(network.logits(rows), rows.attributes["a"].codes, rule.draws(rows.inputs["features"]))
    output = _plain(path, rows)
    before = network.outputs(rows)
    assert output.shape == before.shape
    assert output.dtype == before.dtype
    assert (network.head.decide(output, threshold).numpy() == wanted).all()
    reread = Network.open(path)
    own = reread.outputs(_with_groups(rows))
    torch.testing.assert_close(own, output, **opened.tolerance(network))
    assert (reread.head.decide(own, threshold).numpy() == wanted).all()
    assert reread.head.kind == network.head.kind
    assert (reread.head.decide(output, threshold).numpy() == wanted).all()
    if plain:
        # The score is the old one, moved by the group's cut.
        expected = network.logits(rows) - rule.cuts[rows.attributes["a"].codes] + np.log(0.3 / 0.7)
        tolerance = 1e-9 if name.startswith("double") else 2e-5
        np.testing.assert_allclose(reread.logits(_with_groups(rows)), expected, rtol=tolerance, atol=tolerance)
    elif network.head.kind in {"probability", "softmax"}:
        assert set(output.unique().tolist()) == {0.0, 1.0}


def test_all_formats_draw_alike(tmp_path: Path) -> None:
    decided = []
    for form in opened.FORMS:
        network = opened.network("batchnorm_after", form)
        rows = _rows(network)
        folder = tmp_path / form
        folder.mkdir()
        decided.append(_plain(_write(network, _rule(network, rows, False), folder), rows))
    assert all(torch.equal(decided[0], other) for other in decided[1:])


@pytest.mark.parametrize(("form", "code"), [("scripted", -1), ("traced", 3), ("dynamic", -(2**40)), ("static", 3)])
def test_a_code_of_no_group_is_refused(form: str, code: int, tmp_path: Path) -> None:
    network = opened.network("relu", form)
    path = _write(network, _rule(network, _rows(network), True), tmp_path)
    rows = _rows(network, opened.ROWS)
    codes = rows.attributes["a"].codes.copy()
    codes[5] = code
    strange = replace(rows, attributes={"a": replace(rows.attributes["a"], codes=codes)})
    with pytest.raises((RuntimeError, torch.jit.Error), match="none of the model's groups"):
        _plain(path, strange)


def test_rows_without_a_group_are_named_before_the_file_is_run(tmp_path: Path) -> None:
    network = opened.network("relu", "dynamic")
    rows = _with_groups(_rows(network))
    columns = rows.inputs["group"].clone()
    columns[[3, 7]] = 0
    reread = Network.open(_write(network, _rule(network, rows, True), tmp_path))
    with pytest.raises(ModelError, match=r"rows 4, 8: the network decides by group, and 2 rows have no group"):
        reread.outputs(replace(rows, inputs={**rows.inputs, "group": columns}))


@pytest.mark.parametrize("form", opened.FORMS)
def test_state_names_stay_behind_a_prefix(form: str, tmp_path: Path) -> None:
    network = opened.network("batchnorm_after", form)
    reread = Network.open(_write(network, _rule(network, _rows(network), True), tmp_path))
    kept = {name.removeprefix("network.") for name in reread.state if name.startswith("network.")}
    assert kept == set(network.state)
    changed = [name for name in network.state if not torch.equal(network.state[name], reread.state[f"network.{name}"])]
    # The highest cut is folded into the last bias.
    assert changed == [network.head.bias]
    assert all(name.startswith("rule_") for name in reread.state if not name.startswith("network."))
    assert [(item.name, item.role, item.width, item.codes) for item in reread.inputs] == [
        ("x", "features", nets.FEATURES, False),
        ("group", "group", 3, True),
    ]


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
def test_cuts_where_probabilities_are_saturated(form: str, tmp_path: Path) -> None:
    net = nets.build("relu")
    with torch.no_grad():
        net.last.bias += 40.0  # type: ignore[union-attr, operator]
    path = opened.save(net, tmp_path / f"m.{'pt' if form == 'scripted' else 'pt2'}", form)
    network = Network.open(path)
    rows = _rows(network)
    assert (network.outputs(rows) == 1).all()
    rule = _rule(network, rows, True)
    wanted = rule.decide(network.logits(rows), rows.attributes["a"].codes, np.zeros(len(rows)))
    assert 0.2 < wanted.mean() < 0.8
    assert ((_plain(_write(network, rule, tmp_path), rows) > 0.5).numpy() == wanted).all()


@pytest.mark.parametrize("form", ["traced", "dynamic"])
def test_a_file_with_a_rule_gets_no_second_one(form: str, tmp_path: Path) -> None:
    network = opened.network("relu", form)
    rule = _rule(network, _rows(network), True)
    reread = Network.open(_write(network, rule, tmp_path))
    with pytest.raises(ModelError, match=r"takes group \(group\) beside its features"):
        wrapped(reread, {}, rule, width=nets.FEATURES, threshold=0.5)


@pytest.mark.parametrize("sizes", [(2, 64), (0, None), (5, None)])
def test_the_range_of_batch_sizes_stays(sizes: tuple[int, int | None], tmp_path: Path) -> None:
    net = nets.build("relu")
    low, high = sizes
    dim = torch.export.Dim("rows", min=low) if high is None else torch.export.Dim("rows", min=low, max=high)
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(net, (nets.example(net),), dynamic_shapes=({0: dim},)), path)
    network = Network.open(path)
    out = _write(network, _rule(network, _rows(network), True), tmp_path)
    (before,), (after,) = (torch.export.load(each).range_constraints.values() for each in (path, out))
    assert (before.lower, before.upper) == (after.lower, after.upper)


def test_the_files_load_where_debias_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'debias': raise ImportError(name)\n"
        "sys.meta_path.insert(0, No())\n"
    )
    for form in ("traced", "dynamic"):
        network = opened.network("relu", form)
        out = _write(network, _rule(network, _rows(network), False), tmp_path)
        load = "torch.jit.load(p)" if out.suffix == ".pt" else "torch.export.load(p).module()"
        code += f"p = {str(out)!r}\ny = {load}(torch.zeros(3, {nets.FEATURES}), torch.tensor([0, 1, 2]))\n"
        code += "assert y.shape == (3,)\n"
    code += "assert 'debias' not in sys.modules\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=tmp_path, timeout=300)


def test_a_contract_that_forgets_the_group_is_refused(tmp_path: Path) -> None:
    network = opened.network("relu", "scripted")
    path = _write(network, _rule(network, _rows(network), True), tmp_path)
    lone = Contract(inputs=(Input(name="x", role="features", width=nets.FEATURES),))
    with pytest.raises(ModelError, match="names 1 inputs, the network has 2"):
        from_archive(open_archive(path), contract=lone)
