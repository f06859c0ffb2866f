"""`debias tune`: flags in, a search out."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from debias.cli.main import app
from debias.experiments import tune as home
from debias.report.as_json import schema
from tests.training.clients import clients

TABLE = ["--data", "rows.csv", "--label", "label", "--cluster", "branch", "--attr", "sex"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    clients(300).to_csv("rows.csv", index=False)
    return tmp_path


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["tune", *arguments])


def given(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def search(kind: str, data: Path, **options: Any) -> None:
        found.update(options, kind=kind, data=data)
        raise KeyboardInterrupt

    monkeypatch.setattr(home, "tune", search)
    assert call(*arguments).exit_code == 130
    return found


def test_flags_reach_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = given(monkeypatch, "medl", *TABLE, "--out", "m.pt")
    assert plain["kind"] == "medl"
    told = {"data": Path("rows.csv"), "out": Path("m.pt"), "attr": ["sex"], "cluster": "branch", "label": "label"}
    assert plain.items() >= told.items()
    defaults = {"fixed": {}, "tied": True, "trials": home.TRIALS, "timeout": None, "reference": None, "storage": None}
    assert plain.items() >= {**defaults, "restart": False, "workers": None, "ray": None, "seed": 0}.items()
    flags = ["--set", "epochs=9", "--set", "hidden=8,4", "--untied", "--trials", "7", "--timeout", "60", "--restart"]
    flags += ["--reference", "0.8", "--storage", "s.log", "--workers", "3", "--ray", "10.0.0.1:6379", "--seed", "4"]
    flags += ["--seen", "3", "--bins", "age=31,46", "--ignore", "home,hours", "--valid-share", "0.2", "--force"]
    found = given(monkeypatch, "medl", *TABLE, "--out", "m.pt", *flags)
    assert found["fixed"] == {"epochs": "9", "hidden": "8,4"}
    told = {"tied": False, "trials": 7, "timeout": 60.0, "restart": True, "reference": 0.8, "storage": Path("s.log")}
    assert found.items() >= {**told, "workers": 3, "ray": "10.0.0.1:6379", "seed": 4, "seen": 3}.items()
    assert (found["bins"], found["ignore"], found["valid_share"], found["force"]) == (
        ["age=31,46"], ["home", "hours"], 0.2, True,
    )  # fmt: skip


def test_a_search_from_the_command_line() -> None:
    flags = ["--out", "m.pt", "--trials", "2", "--workers", "1", "--set", "epochs=3", "--set", "hidden=8,4"]
    result = call("fair-adb-medl", *TABLE, "--ignore", "hours", *flags, "--report", "r.json", "--report", "r.md")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("TUNED  Fair(ADB) MEDL-NNet")
    report = json.loads(Path("r.json").read_text("utf-8"))
    jsonschema.validate(report, schema("tuning.schema.json"))
    assert report["settings"]["hidden"] == [8, 4]
    assert Path("r.md").read_text("utf-8").startswith("### debias tune fair-adb-medl: tuned")
    # The command of the report takes the same trials up, and that of the training makes the same file.
    content = Path("m.pt").read_bytes()
    again = call(*shlex.split(report["command"])[2:], "--force", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["resumed"] == 2
    assert Path("m.pt").read_bytes() == content
    trained = CliRunner().invoke(app, [*shlex.split(report["training"]["command"])[1:], "--force"])
    assert trained.exit_code == 0, trained.output
    assert Path("m.pt").read_bytes() == content


def test_problems_end_in_exit_code_2() -> None:
    result = call("medl", *TABLE, "--out", "m.pt", "--trials", "0", "--set", "lr=fast", "--set", "nothing=1")
    assert result.exit_code == 2
    for told in ("--trials", "lr = 'fast' does not fit", "there is no setting 'nothing'"):
        assert told in result.output
    assert "is not of the form NAME=VALUE" in call("medl", *TABLE, "--out", "m.pt", "--set", "lr").output
    assert not Path("m.pt.tune").exists()
