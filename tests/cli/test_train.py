"""The command `train`: its flags, its exit codes, what a kill leaves behind."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from debias.cli import train
from debias.errors import DataError
from debias.model.network import Network
from debias.report.as_json import schema
from debias.run.training import CHECKPOINT
from tests.report.test_training import training
from tests.training.clients import clients
from tests.warm import python

Call = Callable[..., Result]
ASKED = ("fair-adb-medl", "--data", "d.csv", "--attr", "sex", "--out", "n.pt", "--cluster", "branch")
REAL = (
    "--data", "rows.csv", "--label", "label", "--attr", "sex", "--attr", "age", "--bins", "age=31,46", "--cluster",
    "branch", "--seen", "4", "--ignore", "hours",
)  # fmt: skip
FEW = ("--epochs", "3", "--warmup", "0", "--hidden", "8,6")


@pytest.fixture
def call() -> Call:
    app = typer.Typer()
    train.register(app)
    # An application of one command would take its name for an argument.
    app.command("nothing")(lambda: None)
    return lambda *arguments: CliRunner().invoke(app, ["train", *map(str, arguments)])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the function was given, which answers with `answer`."""
    given: dict[str, Any] = {"answer": training()}

    def fake(kind: str, data: Path, **options: Any) -> Any:
        given.update(options, kind=kind, data=data)
        if isinstance(given["answer"], BaseException):
            raise given["answer"]
        return given["answer"]

    monkeypatch.setattr(importlib.import_module("debias.run.training"), "train", fake)
    return given


def command(*arguments: str) -> list[str]:
    return [python(), "-m", "debias", "train", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}


def debias(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=folder, env=environment(), check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    clients().to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_flags_become_arguments(call: Call, asked: dict[str, Any]) -> None:
    result = call(
        *ASKED, "--label", "y", "--seen", "6", "--positive", "yes", "--favorable", "negative", "--privileged", "m",
        "--bins", "25,45", "--features", "a,b", "--ignore", "c", "--kind", "a=category", "--regression",
        "--missing-attr", "group", "--valid-share", "0.2", "--seed", "3", "--checkpoint", "kept", "--restart",
        "--hidden", "8,4", "--no-class-weights", "--cap-chance", "--slopes", "latent", "--lambda-fair-mixed", "2",
        "--lr", "0.01",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (asked["kind"], asked["data"], asked["out"]) == ("fair-adb-medl", Path("d.csv"), Path("n.pt"))
    assert (asked["label"], asked["cluster"], asked["seen"], asked["seed"]) == ("y", "branch", 6, 3)
    assert (asked["attr"], asked["bins"], asked["privileged"]) == (["sex"], ["25,45"], ["m"])
    assert (asked["positive"], asked["favorable"], asked["missing_attr"]) == ("yes", "negative", "group")
    assert (asked["features"], asked["ignore"], asked["kinds"]) == (["a", "b"], ["c"], {"a": "category"})
    assert (asked["regression"], asked["valid_share"], asked["resume"]) == (True, 0.2, False)
    assert asked["checkpoint"] == Path("kept")
    settings = {"hidden": (8, 4), "class_weights": False, "cap_chance": True, "slopes": "latent", "lr": 0.01}
    assert {name: asked[name] for name in settings} == settings
    assert asked["lambda_fair_mixed"] == 2.0


@pytest.mark.usefixtures("folder")
def test_settings_that_are_not_named_are_left_to_the_kind(call: Call, asked: dict[str, Any]) -> None:
    assert call(*ASKED).exit_code == 0
    assert not {"hidden", "epochs", "lr", "class_weights", "cap_chance", "slopes"} & asked.keys()
    assert asked["resume"] is True


@pytest.mark.usefixtures("folder", "asked")
def test_reports_and_quiet(call: Call) -> None:
    result = call(*ASKED, "--json", "--report", "r.md", "--report", "r.json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["verb"] == "train"
    assert Path("r.md").read_text(encoding="utf-8").startswith("### debias train")
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["kind"] == "fair-adb-medl"
    quiet = call(*ASKED, "--quiet")
    assert quiet.stdout.splitlines() == [f"TRAINED  {training().statement}"]


@pytest.mark.usefixtures("folder")
def test_exit_codes(call: Call, asked: dict[str, Any]) -> None:
    asked["answer"] = training(stopped="diverged")
    assert call(*ASKED).exit_code == 1
    asked["answer"] = DataError("no rows")
    result = call(*ASKED)
    assert (result.exit_code, result.stderr) == (2, "error: no rows\n")
    result = call(*ASKED, "--hidden", "8,x")
    assert result.exit_code == 2
    assert "--hidden: '8,x' is no list of whole numbers" in result.stderr
    assert call(*ASKED, "--report", "r.doc").exit_code == 2
    assert call(*ASKED[:-4], "--out", "d.csv").exit_code == 2


def test_from_the_command_line_to_a_repaired_file(place: Path) -> None:
    result = debias(place, "fair-adb-medl", *REAL, *FEW, "--out", "n.pt", "--json", "--report", "r.md")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    jsonschema.validate(found, schema("training.schema.json"))
    assert found["output"]["sha256"] == hashlib.sha256((place / "n.pt").read_bytes()).hexdigest()
    assert (place / "r.md").is_file()
    shown = subprocess.run(
        [python(), "-m", "debias", "inspect", "n.pt", "--json"], capture_output=True, cwd=place, check=True,
        env=environment(),
    )  # fmt: skip
    inspected = json.loads(shown.stdout)
    assert [layer["path"] for layer in inspected["layers"]] == ["fe.layers.0", "fe.layers.1"]
    assert all(method["ok"] for method in inspected["methods"] if method["method"] in ("threshold", "prune", "gda"))
    assert inspected["record"]["kind"] == "fair-adb-medl"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nothing", *REAL, "--out", "n.pt"), "unknown kind of network 'nothing'"),
        (("medl", *REAL, "--cluster", "bank", "--out", "n.pt"), "no column 'bank' (--cluster)"),
        (("medl", *REAL, "--label", "hours", "--out", "n.pt"), "--regression"),
        (("medl", *REAL, "--attr", "race", "--out", "n.pt"), "no column 'race' (--attr)"),
        (("medl", *REAL, "--out", "n.bin"), "unknown ending"),
        (("medl", *REAL, "--out", "n.pt", "--epochs", "0"), "--epochs"),
        (("medl", *REAL, "--out", "n.pt", "--seen", "9"), "there are 5 clusters"),
        (("medl", *REAL, "--out", "n.pt", "--valid-share", "0"), "--valid-share"),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...], text: str, place: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    result = call(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert sorted(path.name for path in place.iterdir()) == ["rows.csv"]


def test_columns_that_cannot_be_used(place: Path) -> None:
    clients().assign(branch="n", hours=float("inf")).to_csv(place / "rows.csv", index=False)
    result = debias(place, "medl", *REAL[:2], "--label", "hours", *REAL[4:], "--regression", "--out", "n.pt")
    assert result.returncode == 2
    for text in ("every row is of the cluster 'n'", "infinite in 900 rows"):
        assert text in result.stderr
    assert "Traceback" not in result.stderr


def _started(place: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a long training and wait until it has kept an epoch."""
    process = subprocess.Popen(
        command(*arguments), cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not (place / "kept" / CHECKPOINT).exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.02)
    return process


LONG = ("--patience", "0", "--warmup", "0", "--hidden", "8,6", "--out", "n.pt", "--checkpoint", "kept")


def test_a_killed_run_goes_on_where_it_was(place: Path) -> None:
    process = _started(place, "medl", *REAL, *LONG, "--epochs", "2000")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (place / "n.pt").exists()
    done = len(torch.load(place / "kept" / CHECKPOINT, weights_only=True)["state"]["history"])
    assert 0 < done < 2000
    more = str(done + 2)
    result = debias(place, "medl", *REAL, *LONG, "--epochs", more, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["resumed_from"], found["epochs"]) == (done, done + 2)
    whole = debias(place, "medl", *REAL, *LONG[:-4], "--out", "w.pt", "--epochs", more)
    assert whole.returncode == 0, whole.stderr
    one, other = (Network.open(place / name).state for name in ("n.pt", "w.pt"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert sorted(path.name for path in place.iterdir() if not path.name.startswith(".")) == [
        "kept", "n.pt", "rows.csv", "w.pt",
    ]  # fmt: skip


def test_an_interrupt_has_its_exit_code(place: Path) -> None:
    process = _started(place, "medl", *REAL, *LONG, "--epochs", "2000")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert b"interrupted" in error
    assert b"Traceback" not in error
    assert not (place / "n.pt").exists()
