"""The files of sample_models: what they carry, and that every repair does on them what the README shows."""

from __future__ import annotations

import importlib.util
import re
import zipfile
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch

import debias
from debias.contract import read_document
from debias.data.lender import ATTRIBUTE, CLUSTER, FEATURES, LABEL, lender_table
from debias.report.values.figures import Figures
from debias.report.values.report import Report

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_models"
MODEL, VALID, TEST = (SAMPLES / name for name in ("lender_mlp.pt", "lender_valid.csv", "lender_test.csv"))
EPS = 0.05


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_sample", ROOT / "benchmarks" / "train_sample.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def repair(tmp_path: Path, verb: str = "prune", model: Path = MODEL, **settings: object) -> Report:
    out = tmp_path / f"repaired{model.suffix}"
    report = getattr(debias, verb)(model, VALID, attr=ATTRIBUTE, eps=EPS, out=out, force=True, **settings)
    assert isinstance(report, Report)
    return report


def bias(figures: Figures | None) -> float:
    assert figures is not None and figures.bias is not None
    return abs(figures.bias)


def test_small_and_without_paths() -> None:
    assert all(path.stat().st_size < 600_000 for path in (MODEL, MODEL.with_suffix(".pt2"), VALID, TEST))
    for path in (MODEL, MODEL.with_suffix(".pt2")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                assert not re.search(rb"site-packages|[\w/]+\.py\b(?<!__torch__\.py)", archive.read(name)), name


def test_tables_are_the_generators(script: ModuleType, tmp_path: Path) -> None:
    for path, rows, seed in (
        (VALID, script.VALID_ROWS, script.VALID_SEED),
        (TEST, script.TEST_ROWS, script.TEST_SEED),
    ):
        frame = pd.read_csv(path)
        assert list(frame) == [ATTRIBUTE, CLUSTER, *FEATURES, LABEL]
        lender_table(rows, seed).to_csv(tmp_path / "drawn.csv", index=False)
        pd.testing.assert_frame_equal(frame, pd.read_csv(tmp_path / "drawn.csv"))


def test_contract_is_embedded() -> None:
    for path in (MODEL, MODEL.with_suffix(".pt2")):
        found = debias.inspect(path)
        assert found.exit_code == 0
        with zipfile.ZipFile(path) as archive:
            contract, record = read_document(archive.read("archive/extra/debias.json"))
        assert contract is not None and not record
        assert [feature.column for feature in contract.features] == list(FEATURES)
        assert (contract.label, contract.positive, contract.favorable, contract.cluster) == (
            "repaid",
            "yes",
            "positive",
            "branch",
        )
        attribute = contract.attribute(ATTRIBUTE)
        assert attribute is not None and attribute.privileged == "male"


def test_training_gives_the_same_network(script: ModuleType) -> None:
    """Another machine sums in another order: scores and means stay close."""
    contract, features, labels = script.encoded()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = script.trained(features, labels)
    finally:
        torch.set_num_threads(threads)
    kept = torch.jit.load(MODEL)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert (network(features) - kept(features)).abs().mean() < 0.05
        program = torch.export.load(MODEL.with_suffix(".pt2")).module()
        torch.testing.assert_close(program(features[:100]), kept(features[:100]))
    with zipfile.ZipFile(MODEL) as archive:
        embedded = read_document(archive.read("archive/extra/debias.json"))[0]
    assert embedded is not None
    for now, then in zip(contract.features, embedded.features, strict=True):
        assert now.model_copy(update={"mean": then.mean, "sd": then.sd}) == then
        assert (now.mean, now.sd) == pytest.approx((then.mean, then.sd))
    assert contract.model_copy(update={"features": embedded.features}) == embedded


def test_unrepaired_misses_the_bound() -> None:
    for table in (VALID, TEST):
        report = debias.audit(MODEL, table, attr=ATTRIBUTE, eps=EPS)
        assert (report.verdict, report.exit_code) == ("fail", 1)
        assert 0.15 < bias(report.before) < 0.25
        assert report.before.balanced_accuracy is not None and report.before.balanced_accuracy > 0.75


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_prune_meets_the_bound_with_room(tmp_path: Path, suffix: str) -> None:
    report = repair(tmp_path, model=MODEL.with_suffix(suffix))
    assert (report.verdict, report.exit_code) == ("pass", 0)
    assert bias(report.after) < 0.04
    assert report.after is not None and report.threshold_only is not None and report.change is not None
    assert report.after.objective > 0.68
    assert report.threshold_only.objective < 0.60
    assert report.change.gain_over_threshold == report.after.objective - report.threshold_only.objective


@pytest.mark.parametrize("seed", range(1, 6))
def test_prune_meets_the_bound_on_other_splits(tmp_path: Path, seed: int) -> None:
    assert repair(tmp_path, seed=seed).exit_code == 0


def test_prune_meets_the_bound_on_the_test_table(tmp_path: Path) -> None:
    report = repair(tmp_path, test=TEST)
    assert report.exit_code == 0
    assert report.rows.overlap == 0
    audit = debias.audit(tmp_path / "repaired.pt", TEST, attr=ATTRIBUTE, eps=EPS)
    assert report.after is not None and audit.before.bias == report.after.bias
    assert audit.exit_code == 0


def test_threshold_is_dear(tmp_path: Path) -> None:
    report = repair(tmp_path, "threshold", margin=0.01)
    assert report.exit_code == 0
    assert report.after is not None and report.after.objective < 0.60


def test_gda_lowers_the_bias(tmp_path: Path) -> None:
    report = repair(tmp_path, "gda", test=TEST, lr=1e-3, epochs=30)
    assert report.change is not None and report.change.feasible
    assert bias(report.after) < bias(report.best_threshold) / 2
    assert report.change.gain_over_threshold is not None and report.change.gain_over_threshold > 0
