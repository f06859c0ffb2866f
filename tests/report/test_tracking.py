"""What a tracker is told, against a real SQLite store."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from debias.errors import UsageError, WriteError
from debias.report import mlflow_store
from debias.report.as_json import to_json
from debias.report.mlflow_store import check_store, log, masked
from debias.report.tracking import Tracked, tracked
from tests.report import examples
from tests.report.test_comparison import comparison
from tests.report.test_training import training


def metrics(found: Tracked) -> dict[str, float]:
    return {one.name: one.value for one in found.metrics if not one.step}


def test_figures_of_a_repair() -> None:
    report = examples.report()
    found, told = tracked(report), metrics(tracked(report))
    assert report.after is not None
    assert told["after.balanced_accuracy"] == report.after.balanced_accuracy
    assert told["before.bias"] == -0.15 and told["after.sex.bias"] == -0.031
    assert told["after.sex.Female.selection_rate"] == 0.15 and told["after.sex.Male.n"] == 600
    steps = [(one.step, one.value) for one in found.metrics if one.name == "step.bias"]
    assert steps == [(point.step, point.bias) for point in report.trajectory]
    assert found.parameters["eps"] == "0.05" and found.parameters["setting.influence"] == "activation"
    assert "setting.steps" not in found.parameters  # nothing was set
    assert found.tags["debias.verdict"] == "pass" and found.tags["debias.output.sha256"] == examples.SHA[::-1]
    assert found.tags["debias.data.sha256"] == examples.SHA and found.tags["debias.command"] == report.command
    assert (found.name, found.model) == ("debias prune lender.pt", "models/lender.prune.pt")


def test_figures_of_others() -> None:
    audit = tracked(examples.audit(eps=None))
    assert audit.model is None and "eps" not in audit.parameters
    assert not any(name.startswith("after") for name in metrics(audit))
    found = comparison()
    told = tracked(found)
    assert told.name.startswith("debias compare") and told.parameters["winner"] == found.winner
    for candidate in found.candidates:
        if candidate.after is not None:
            assert metrics(told)[f"candidate.{candidate.method}.bias"] == candidate.after.bias
    trained = training()
    told = tracked(trained)
    head = trained.figures[0]
    assert metrics(told)[f"{head.head}.auroc"] == head.auroc
    assert [one.step for one in told.metrics if one.name == "epoch.loss_train"] == [
        epoch["epoch"] for epoch in trained.history if epoch.get("loss_train") is not None
    ]


def test_what_is_undefined_is_left_out() -> None:
    told = metrics(tracked(examples.report(before=examples.figures(None), trajectory=[])))
    assert "before.bias" not in told and "before.sex.bias" not in told and "before.auroc" in told


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("runs.db", "is no address"),
        ("", "is no address"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///none/runs.db", "no file can be made in the folder none"),
    ],
)
def test_addresses_that_cannot_be(uri: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_store(uri)


def test_a_missing_extra_is_told_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_store, "find_spec", lambda name: None if name in ("mlflow", "alembic") else object())
    with pytest.raises(UsageError) as error:
        check_store("sqlite:///runs.db")
    told = str(error.value)
    assert "mlflow is not installed" in told and "alembic is not installed" in told
    assert "pip install 'debias[mlflow]'" in told
    with pytest.raises(UsageError) as error:
        check_store("http://host:5000")
    assert "alembic" not in str(error.value)


def test_passwords_are_not_repeated() -> None:
    assert masked("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert masked("sqlite:///runs.db") == "sqlite:///runs.db"
    with pytest.raises(WriteError) as error:
        log(tracked(examples.report()), "http://me:secret@127.0.0.1:9", "x")
    assert "secret" not in str(error.value) and "127.0.0.1" in str(error.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mlflow")
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    return "sqlite:///runs.db"


def rows(query: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect("runs.db") as connection:
        found = connection.execute(query, values).fetchall()
    connection.close()
    return found


def test_a_run_in_a_real_store(store: str) -> None:
    report = examples.report()
    found = tracked(report)
    Path("m.pt").write_bytes(b"model")
    Path("card.md").write_text("card")
    run = log(found, store, "tests", [(Path("m.pt"), "model"), (Path("card.md"), "reports")], to_json(report))
    # read by the database's own reader
    assert rows("select name, lifecycle_stage from experiments where name = 'tests'") == [("tests", "active")]
    ((name, status, place),) = rows("select name, status, artifact_uri from runs where run_uuid = ?", run)
    assert (name, status) == ("debias prune lender.pt", "FINISHED")
    kept = {
        (key, value, step) for key, value, step in rows("select key, value, step from metrics where run_uuid = ?", run)
    }
    assert kept == {(one.name, one.value, one.step) for one in found.metrics}
    assert dict(rows("select key, value from params where run_uuid = ?", run)) == dict(found.parameters)
    assert dict(rows("select key, value from tags where run_uuid = ?", run)).items() >= dict(found.tags).items()
    files = Path(place.removeprefix("file://"))
    assert (files / "model" / "m.pt").read_bytes() == b"model"
    assert (files / "reports" / "card.md").read_text() == "card"
    assert json.loads((files / "report.json").read_text()) == json.loads(to_json(report))
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_same_address_in_another_folder_is_another_store(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tracked(examples.audit())
    log(found, store, "tests")
    monkeypatch.chdir(tmp_path)
    log(found, store, "elsewhere")
    assert rows("select name from experiments where name != 'Default'") == [("elsewhere",)]
    assert rows("select count(*) from runs") == [(1,)]


def test_hostile_names_and_long_values(store: str) -> None:
    names = [examples.HOSTILE, "a" * 100_000, "a/../b", "\udcff\x00", "Ä", "Ö", "../../etc", "", "."]
    groups = [examples.group(name, 60) for name in names]
    figures = examples.figures(-0.1, parities=[examples.parity(-0.1, attribute=name, groups=groups) for name in names])
    many = [{"step": k, "bias": k / 1000, "objective": 0.0} for k in range(250)]
    report = examples.report(before=figures, trajectory=many, statement="x" * 100_000, command="y" * 100_000)
    found = tracked(report)
    assert len({(one.name, one.step) for one in found.metrics}) == len(found.metrics)
    run = log(found, store, examples.HOSTILE[:200].replace("\x1b", ""), text="{}")
    assert rows("select count(*) from metrics where run_uuid = ?", run) == [(len(found.metrics),)]


def test_a_store_that_fails_ends_the_run_as_failed(store: str) -> None:
    before = len(rows("select * from runs"))
    with pytest.raises(WriteError, match="could not be logged"):
        log(tracked(examples.report()), store, "tests", [(Path("missing.pt"), "model")])
    assert len(rows("select * from runs")) == before + 1
    assert rows("select count(*) from runs where status = 'FAILED'") == [(1,)]
    Path("broken.db").write_bytes(b"no database" * 100)
    with pytest.raises(WriteError, match="could not be logged"):
        log(tracked(examples.report()), "sqlite:///broken.db", "tests")


def test_nothing_of_it_is_imported_without_being_asked() -> None:
    import subprocess

    code = "import sys, debias.report.tracking, debias.report.mlflow_store\n"
    code += "sys.exit('mlflow' in sys.modules or 'sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
