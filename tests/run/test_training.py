"""Train from table to file: what comes out, what it depends on, and what is refused before anything is written."""

from __future__ import annotations

import errno
import hashlib
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score

from debias import files
from debias.data.tables import read_table
from debias.errors import DebiasError, ModelError, UsageError, WriteError
from debias.model.network import Network
from debias.report.values.training import TrainingReport
from debias.run.training import CHECKPOINT, fit_on, train
from debias.run.training.report import told_events
from debias.training.settings import Settings
from debias.training.trainer import Recipe
from tests.training.clients import clients, table

FEW: dict[str, Any] = {"epochs": 4, "warmup": 1, "hidden": (8, 6), "lr": 0.01, "batch_size": 64}
ASKED: dict[str, Any] = {
    "attr": ("sex", "age"), "bins": {"age": (31, 46)}, "label": "label", "cluster": "branch", "seen": 4,
    "ignore": ("hours",), "out": "m.pt",
}  # fmt: skip
REGRESSION = {"label": "hours", "ignore": ("label",), "regression": True}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    clients().to_csv("rows.csv", index=False)
    return tmp_path


def run(kind: str = "medl", data: Any = "rows.csv", **more: Any) -> TrainingReport:
    settings = {} if kind == "mlp" else FEW
    return train(kind, data, **{**ASKED, **settings, **more})


def state(path: str = "m.pt") -> dict[str, torch.Tensor]:
    return dict(Network.open(path).state)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_what_is_told_is_what_the_file_does() -> None:
    report = run()
    content = Path("m.pt").read_bytes()
    assert report.output is not None
    assert report.output.sha256 == hashlib.sha256(content).hexdigest()
    assert (report.kind, report.title, report.task, report.exit_code) == ("medl", "MEDL-NNet", "classification", 0)
    network = Network.open("m.pt")
    assert network.contract is not None
    rows = table()
    train_rows, valid_rows = rows.split(0.15, 0)
    assert (report.rows.train, report.rows.valid) == (len(train_rows), len(valid_rows))
    assert report.rows.seen + report.rows.unseen == report.rows.data == 900
    sample = rows.sample(network.contract, valid_rows)
    score = network.outputs(sample).numpy()
    mixed = report.of("mixed")
    assert mixed.threshold == network.contract.output.threshold
    assert mixed.auroc == pytest.approx(roc_auc_score(sample.y, score))
    assert mixed.balanced_accuracy == pytest.approx(balanced_accuracy_score(sample.y, score > (mixed.threshold or 0)))
    assert report.of("fixed").threshold == network.contract.output.fixed_threshold
    assert [one.name for one in report.clusters] == list(rows.names)
    assert sum(one.train for one in report.clusters) == len(train_rows)
    frame = clients()
    for one in report.clusters:
        its = frame.iloc[train_rows][frame["branch"].iloc[train_rows] == one.name]
        assert one.positives == its["label"].sum()
    assert len(report.history) == report.epochs == FEW["epochs"]
    assert network.record["kind"] == "medl"
    assert network.record["data_sha256"]["data"] == report.data["data"].sha256
    assert report.inputs == network.contract.width() == 1 + 1 + 2 + 3


@pytest.mark.parametrize(
    "kind",
    ["nnet", "da", "fair-adb-da", "fair-acl-da", "medl", "fair-adb-medl", "fair-adb-nnet", "cluster-input", "mlp"],
)
def test_every_kind(kind: str) -> None:
    report = run(kind, **({"epochs": 3} if kind == "mlp" else {}))
    network = Network.open("m.pt")
    mixed = kind.endswith("medl")
    assert [one.head for one in report.figures] == (["mixed", "fixed"] if mixed else ["network"])
    assert [item.role for item in network.inputs] == (
        ["features", "cluster"] if mixed or kind == "cluster-input" else ["features"]
    )
    assert network.contract is not None
    assert (network.contract.effects is not None) == mixed
    assert 0.5 < (report.figures[0].balanced_accuracy or 0) <= 1


@pytest.mark.parametrize("kind", ["nnet", "fair-adb-nnet", "mlp"])
def test_some_kinds_need_no_clusters(kind: str) -> None:
    report = run(kind, cluster=None, seen=None, ignore=("hours", "branch"), epochs=3)
    assert (report.cluster, report.clusters, report.rows.unseen) == (None, [], 0)
    assert Network.open("m.pt").contract is not None


@pytest.mark.parametrize(("kind", "out"), [("fair-adb-medl", "m.pt"), ("nnet", "m.pt2")])
def test_regression_in_units_of_the_target(kind: str, out: str) -> None:
    report = run(kind, **REGRESSION, out=out)
    network = Network.open(out)
    assert network.contract is not None and network.contract.task == "regression"
    rows = table(label="hours", ignore=("label",), task="regression")
    _, valid = rows.split(0.15, 0)
    sample = rows.sample(network.contract, valid)
    prediction = network.outputs(sample).double().numpy()
    assert sample.target is not None
    assert 20 < prediction.mean() < 45
    assert report.figures[0].mse == pytest.approx(np.mean((prediction - sample.target) ** 2), rel=1e-6)
    assert report.figures[0].r2 == pytest.approx(r2_score(sample.target, prediction), rel=1e-6)
    assert report.figures[0].threshold is None


def test_the_same_call_gives_the_same_file() -> None:
    first = run("fair-adb-medl")
    torch.manual_seed(7)
    second = run("fair-adb-medl", out="n.pt")
    third = run("fair-adb-medl", out="o.pt", seed=1)
    assert same(state("m.pt"), state("n.pt"))
    assert not same(state("m.pt"), state("o.pt"))
    assert [one.model_dump() for one in first.figures] == [one.model_dump() for one in second.figures]
    assert third.seed == 1


def test_rows_of_unseen_clusters_change_nothing() -> None:
    run()
    frame = clients()
    unseen = frame["branch"] == "x"
    frame.loc[unseen, ["income", "age", "label"]] = [9.0, 40, 1]
    run(data=frame, out="n.pt")
    assert same(state("m.pt"), state("n.pt"))


def test_the_validation_rows_scale_nothing() -> None:
    run("mlp", epochs=2)
    before = Network.open("m.pt").contract
    frame = clients()
    _, valid = table().split(0.15, 0)
    frame.loc[valid, "income"] += 100
    run("mlp", data=frame, out="n.pt", epochs=2)
    after = Network.open("n.pt").contract
    assert before is not None and after is not None
    assert before.features == after.features
    assert before.attributes == after.attributes


def test_validation_rows_of_their_own_file() -> None:
    clients(300, seed=5).to_csv("more.csv", index=False)
    report = run(valid="more.csv")
    known = clients(300, seed=5)["branch"].isin(table().names)
    assert report.rows.valid == known.sum()
    assert report.rows.train == report.rows.seen
    assert report.rows.valid_from == "valid"
    assert any("of other clusters took no part" in note for note in report.notes)
    with pytest.raises(UsageError, match="no row is of a cluster"):
        run(valid=clients(50).assign(branch="x"), out="n.pt")


def test_a_frame_has_no_command() -> None:
    report = run(data=clients())
    assert report.command is None
    assert report.data["data"].path == "DataFrame"


def test_the_command_repeats_the_training() -> None:
    from debias.cli.main import app

    report = run(
        "fair-adb-medl", class_weights=False, cap_chance=False, lambda_fair_mixed=None, kinds={"age": "numeric"}
    )
    assert report.command is not None
    before = state()
    Path("m.pt").unlink()
    words = shlex.split(report.command)
    assert words[0] == "debias"
    assert app(words[1:], standalone_mode=False) in (0, None)
    assert same(before, state())


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bits() -> None:
    whole = run("fair-adb-medl", out="whole.pt")

    def stop(done: int, *_: Any) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("fair-adb-medl", checkpoint="kept", progress=stop)
    assert (Path("kept") / CHECKPOINT).is_file()
    assert not Path("m.pt").exists()
    report = run("fair-adb-medl", checkpoint="kept")
    assert report.resumed_from == 2
    assert report.epochs == whole.epochs
    assert same(state("whole.pt"), state("m.pt"))
    with pytest.raises(ModelError, match="another training"):
        run("fair-adb-medl", checkpoint="kept", out="n.pt", seed=1)
    assert run("fair-adb-medl", checkpoint="kept", out="n.pt", seed=1, resume=False).resumed_from is None


def test_everything_wrong_at_once() -> None:
    with pytest.raises(DebiasError) as caught:
        run(
            "fair-adb-medl", cluster=None, data="none.csv", out="m.onnx", seed=-1, lr=-1.0, valid="v.csv", valid_share=3
        )
    text = str(caught.value)
    for part in (
        "fair-adb-medl needs the cluster", "none.csv: no such file", "unknown ending", "-1 is no seed", "--lr",
        "v.csv: no such file", "without --cluster", "3 is no share", "Leave one of the two out",
    ):  # fmt: skip
        assert part in text
    assert sorted(path.name for path in Path().iterdir()) == ["rows.csv"]


@pytest.mark.parametrize(
    ("kind", "more", "text"),
    [
        ("lmm", {}, "unknown kind of network 'lmm'"),
        ("medl", {"cluster": "bank"}, "no column 'bank' (--cluster)"),
        ("medl", {"label": "hours", "ignore": ("label",)}, "--regression"),
        ("mlp", {**REGRESSION}, "mlp predicts classes"),
        ("mlp", {"kl": 2.0}, "mlp has no such setting"),
        ("mlp", {"epochs": 0}, "--epochs"),
        ("mlp", {"checkpoint": "here"}, "mlp keeps no checkpoint"),
        ("medl", {"speed": 2.0}, "medl has no such setting"),
        ("medl", {"hidden": ()}, "--hidden"),
        ("medl", {"seen": 1}, "there must be two or more"),
        ("medl", {"warmup": 9}, "--warmup"),
        ("medl", {"out": "none/m.pt"}, "does not exist"),
        ("medl", {"out": "rows.csv"}, "is an input"),
        ("medl", {"checkpoint": "rows.csv"}, "--checkpoint"),
        ("medl", {"features": ("label", "age")}, "names the label"),
    ],
)
def test_refused(kind: str, more: dict[str, Any], text: str) -> None:
    before = sorted(path.name for path in Path().iterdir())
    with pytest.raises(DebiasError) as caught:
        run(kind, **more)
    assert text in str(caught.value)
    assert sorted(path.name for path in Path().iterdir()) == before


def test_an_existing_file_stays_unless_forced() -> None:
    Path("m.pt").write_bytes(b"before")
    with pytest.raises(WriteError, match="exists already"):
        run()
    assert Path("m.pt").read_bytes() == b"before"
    run(force=True)
    assert Network.open("m.pt").contract is not None


def test_a_full_disk_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(WriteError, match="no room"):
        run()
    assert sorted(path.name for path in Path().iterdir()) == ["rows.csv"]


def test_a_training_that_diverges_keeps_the_last_good_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    from debias.training import course

    trained = course.Course.epoch

    def broken(self: course.Course, listened: bool) -> dict[str, float]:
        found = trained(self, listened)
        calls.append(1)
        return {**found, "loss": float("nan")} if len(calls) == 4 else found

    calls: list[int] = []
    monkeypatch.setattr(course.Course, "epoch", broken)
    report = run(epochs=8)
    assert (report.stopped, report.exit_code, report.epochs) == ("diverged", 1, 4)
    assert report.best_epoch <= 3
    assert report.history[-1]["loss"] is None
    assert Network.open("m.pt").record["stopped"] == "diverged"


def test_missing_attributes_by_the_policy_asked() -> None:
    frame = clients().assign(sex=lambda f: f["sex"].where(np.arange(len(f)) % 9 > 0))
    with pytest.raises(DebiasError, match="--missing-attr"):
        run(data=frame)
    report = run(data=frame, missing_attr="group")
    assert report.attributes[0].groups == ["f", "m", "(missing)"]
    dropped = run(data=frame, missing_attr="drop", force=True)
    assert dropped.rows.dropped == 100


def test_fit_on_takes_rows_by_place() -> None:
    rows = table()
    folds = rows.folds(5, seed=2)
    train_rows, valid_rows = np.flatnonzero(folds > 1), np.flatnonzero(folds == 1)
    seen: list[Any] = []
    fitted, contract = fit_on(rows, "medl", Settings(**FEW), train_rows, valid_rows, seed=4, on_epoch=seen.append)
    assert len(seen) == FEW["epochs"]
    assert contract.output.threshold == fitted.threshold
    income = clients()["income"].to_numpy()[train_rows]
    assert contract.features[0].mean == pytest.approx(income.mean())
    plain, contract = fit_on(rows, "mlp", Recipe(max_epochs=2), train_rows, valid_rows)
    x = torch.from_numpy(rows.encode(contract, valid_rows))
    mixed, fixed = plain.predict(x, torch.zeros(len(x), 0))
    assert mixed.shape == (len(valid_rows),)
    assert torch.equal(mixed, fixed)
    assert plain.activations(x, torch.zeros(len(x), 0)).shape == (len(valid_rows), 32 * 11)


def test_the_number_of_threads_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    run("mlp", epochs=1)
    assert torch.get_num_threads() == before


def test_another_table_may_hold_other_types() -> None:
    more = table().read_more(read_table(clients(60, seed=3).astype({"age": float})))
    assert len(more) == 60
    assert isinstance(more.sample(table().contract(table().index)).inputs["features"], torch.Tensor)
    assert pd.Series(more.y).isin([0, 1]).all()


def test_what_the_watchdog_did_is_told_once_with_its_epochs() -> None:
    history = [{"epoch": number, "events": ["a died"] if number != 4 else []} for number in range(1, 6)]
    history[4]["events"] = ["a died", "b died"]
    assert told_events(history) == ["epochs 1-3, 5: a died", "epoch 5: b died"]
