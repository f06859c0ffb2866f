"""A repaired file, loaded by plain torch, decides as the report counted."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import debias
from debias.model.head import logit
from debias.report.values.figures import Figures
from debias.report.values.report import Report
from tests.model import nets, opened

ROWS = 320
FEATURES = [f"x{k}" for k in range(nets.FEATURES)]
SETTINGS: dict[str, dict[str, Any]] = {
    "threshold": {},
    "prune": {"limit": 6},
    "gda": {"epochs": 2, "lr": 1e-3},
}
HEADED = [
    "relu",
    "head_column",
    "head_logit",
    "head_logit_column",
    "head_softmax",
    "head_softmax_last",
    "head_logits2",
    "double",
    "double_softmax",
]
OTHERS = [
    "batchnorm_before",
    "batchnorm_after",
    "layernorm_after",
    "residual_layernorm",
    "concat",
    "branches",
    "in_place",
]


@cache
def _table(name: str) -> pd.DataFrame:
    rows = opened.drawn(opened.network(name), ROWS)
    table = pd.DataFrame(rows.inputs["features"].numpy(), columns=FEATURES)
    return table.assign(sex=np.array(["f", "m"])[rows.attributes["a"].codes], label=rows.y)


def _repair(verb: str, name: str, form: str, folder: Path, **options: Any) -> tuple[Report, Path]:
    out = folder / f"out{opened.path(name, form).suffix}"
    report = getattr(debias, verb)(
        opened.path(name, form),
        _table(name),
        attr="sex",
        eps=options.pop("eps", 0.2),
        privileged="m",
        features=FEATURES,
        holdout=0.0,
        out=out,
        keep_best=True,
        **SETTINGS[verb] | options,
    )
    return report, out


def _decisions(path: Path, name: str, threshold: float = 0.5, decision: str = "score") -> np.ndarray:
    """Load with torch alone and decide by the text of the deployed rule."""
    table = _table(name)
    dtype = torch.float64 if name.startswith("double") else torch.float32
    with torch.no_grad():
        output = opened.plain(path)(torch.tensor(table[FEATURES].to_numpy(), dtype=dtype))
    kind = nets.HEADS[name]
    if decision == "argmax":
        return (output.argmax(1) == 1).numpy()
    if kind in {"softmax", "logits2"}:
        gap = output[:, 1] - output[:, 0]
        return (gap > logit(threshold) if kind == "logits2" else output[:, 1] > threshold).numpy()
    return (output.reshape(-1) > (logit(threshold) if kind == "logit" else threshold)).numpy()


def _counts(decided: np.ndarray, table: pd.DataFrame) -> dict[str, tuple[int, int, float]]:
    found = {}
    for name in ("f", "m"):
        member = (table["sex"] == name).to_numpy()
        positive = member & (table["label"] == 1).to_numpy()
        found[name] = int(member.sum()), int(decided[member].sum()), float(decided[positive].mean())
    return found


def _told(figures: Figures) -> dict[str, tuple[int, int, float | None]]:
    return {group.name: (group.n, group.selected, group.tpr) for group in figures.parities[0].groups}


@pytest.mark.parametrize("verb", list(SETTINGS))
@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", HEADED)
def test_plain_torch_decides_as_the_report_counted(name: str, form: str, verb: str, tmp_path: Path) -> None:
    report, out = _repair(verb, name, form, tmp_path)
    _agrees(report, out, name)


@pytest.mark.parametrize(("form", "verb"), [("scripted", "prune"), ("dynamic", "prune"), ("traced", "gda")])
@pytest.mark.parametrize("name", OTHERS)
def test_networks_of_every_kind_go_the_same_way(name: str, form: str, verb: str, tmp_path: Path) -> None:
    report, out = _repair(verb, name, form, tmp_path)
    _agrees(report, out, name)


def _agrees(report: Report, out: Path, name: str, threshold: float = 0.5, decision: str = "score") -> None:
    decided = _decisions(out, name, threshold, decision)
    assert report.after is not None
    assert report.change is not None
    counts = _counts(decided, _table(name))
    for group, (n, selected, tpr) in _told(report.after).items():
        assert counts[group][:2] == (n, selected)
        assert counts[group][2] == pytest.approx(tpr)
    rates = {group: selected / n for group, (n, selected, _) in counts.items()}
    assert report.after.bias == pytest.approx(rates["f"] - rates["m"])
    if report.change.feasible:
        # What was chosen on the logit scale is what the file does.
        best = report.trajectory[report.change.chosen_step].objective
        assert report.after.objective == pytest.approx(best)
        assert report.after.balanced_accuracy == pytest.approx(best)


@pytest.mark.parametrize("verb", list(SETTINGS))
@pytest.mark.parametrize("form", opened.FORMS)
def test_the_repaired_file_is_the_same_program(form: str, verb: str, tmp_path: Path) -> None:
    source = opened.path("batchnorm_after", form)
    before = source.read_bytes()
    _, out = _repair(verb, "batchnorm_after", form, tmp_path)
    assert source.read_bytes() == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if source.suffix == ".pt":
            one, other = torch.jit.load(str(source)), torch.jit.load(str(out))
            assert str(other.forward.schema) == str(one.forward.schema)
            assert other.forward.code == one.forward.code
            assert not other.training
            states = one.state_dict(), other.state_dict()
        else:
            first, second = torch.export.load(source), torch.export.load(out)
            assert str(second.graph) == str(first.graph)
            assert second.call_spec == first.call_spec
            states = first.state_dict, second.state_dict
    assert list(states[0]) == list(states[1])
    assert [(v.shape, v.dtype) for v in states[0].values()] == [(v.shape, v.dtype) for v in states[1].values()]


def test_the_repaired_files_load_where_debias_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'debias': raise ImportError(name)\n"
        "sys.meta_path.insert(0, No())\n"
    )
    for form in ("scripted", "traced", "dynamic"):
        folder = tmp_path / form
        folder.mkdir()
        _, out = _repair("threshold", "relu", form, folder)
        load = "torch.jit.load(p)" if out.suffix == ".pt" else "torch.export.load(p).module()"
        code += f"p = {str(out)!r}\ny = {load}(torch.zeros(3, {nets.FEATURES}))\nassert y.shape == (3,)\n"
    code += "assert 'debias' not in sys.modules\n"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=tmp_path, timeout=300)


@pytest.mark.parametrize("threshold", [0.2, 0.7])
@pytest.mark.parametrize(
    ("name", "form"),
    [("relu", "scripted"), ("head_logit", "dynamic"), ("head_logits2", "traced"), ("head_softmax", "static")],
)
def test_the_cut_is_folded_to_the_deployed_threshold(name: str, form: str, threshold: float, tmp_path: Path) -> None:
    report, out = _repair("threshold", name, form, tmp_path, threshold=threshold)
    assert report.after is not None
    assert report.after.threshold == threshold
    _agrees(report, out, name, threshold)
    if nets.HEADS[name] in {"softmax", "logits2"}:
        by_score, by_argmax = _decisions(out, name, threshold), _decisions(out, name, decision="argmax")
        assert report.decision_disagreements == int((by_score != by_argmax).sum()) > 0


@pytest.mark.parametrize("name", ["head_softmax", "head_logits2", "double_softmax"])
def test_argmax_implies_a_half(name: str, tmp_path: Path) -> None:
    report, out = _repair("prune", name, "scripted", tmp_path, decision="argmax")
    assert report.decision == "argmax"
    assert report.decision_disagreements == 0
    _agrees(report, out, name, decision="argmax")


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
@pytest.mark.parametrize("name", ["arithmetic", "relu"])
def test_scores_are_kept_where_that_is_asked(name: str, form: str, tmp_path: Path) -> None:
    report, out = _repair("threshold", name, form, tmp_path, keep_scores=True)
    assert report.change is not None
    assert report.after is not None
    assert not report.change.folded
    x = torch.tensor(_table(name)[FEATURES].to_numpy())
    with torch.no_grad():
        assert torch.equal(opened.plain(out)(x), opened.plain(opened.path(name, form))(x))
    _agrees(report, out, name, report.after.threshold)


def test_a_last_layer_that_cannot_be_folded_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(debias.errors.ModelError, match="--keep-scores"):
        _repair("threshold", "arithmetic", "scripted", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
def test_the_file_tells_how_it_was_made_and_can_be_audited_alone(form: str, tmp_path: Path) -> None:
    report, out = _repair("prune", "relu", form, tmp_path)
    with zipfile.ZipFile(out) as archive:
        (entry,) = [name for name in archive.namelist() if name.endswith("extra/debias.json")]
        document = json.loads(archive.read(entry))
    assert document["schema"] == "debias/1"
    assert document["record"]["method"] == "prune"
    assert document["record"]["figures"]["after"]["bias"] == pytest.approx(report.after.bias)  # type: ignore[union-attr]
    again = debias.audit(out, _table("relu"), attr="sex", eps=0.2, privileged="m")
    assert report.after is not None
    assert again.before.bias == pytest.approx(report.after.bias)
    assert again.before.balanced_accuracy == pytest.approx(report.after.balanced_accuracy)


def test_a_file_saved_in_train_mode_is_repaired_in_eval_mode(tmp_path: Path) -> None:
    path = opened.save(nets.build("batchnorm_before", train=True), tmp_path / "m.pt", "scripted")
    out = tmp_path / "out.pt"
    report = debias.threshold(
        path, _table("batchnorm_before"), attr="sex", eps=0.2, features=FEATURES, holdout=0.0, out=out, keep_best=True
    )
    assert any("saved in train mode" in note for note in report.notes)
    x = torch.tensor(_table("batchnorm_before")[FEATURES].to_numpy())
    module = opened.plain(out)
    assert torch.equal(module(x), module(x))
    _agrees(report, out, "batchnorm_before")
