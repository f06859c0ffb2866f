"""The command `crossval`: its flags, its exit codes, and one run of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from debias.cli import crossval
from debias.errors import DataError, Problem
from tests.experiments.crossval_table import table
from tests.report.test_crossval import crossvalidation

Call = Callable[..., Result]
ASKED = ("medl", "fair-adb-medl", "--data", "d.csv", "--cluster", "branch", "--attr", "sex")


@pytest.fixture
def call() -> Call:
    app = typer.Typer()
    crossval.register(app)
    # An application of one command would take its name for an argument.
    app.command("nothing")(lambda: None)
    return lambda *arguments: CliRunner().invoke(app, ["crossval", *map(str, arguments)])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the function was given, which answers with `answer`."""
    given: dict[str, Any] = {"answer": crossvalidation()}

    def fake(kinds: list[str], data: Path, **options: Any) -> Any:
        given.update(options, kinds=kinds, data=data)
        if isinstance(given["answer"], Exception):
            raise given["answer"]
        return given["answer"]

    monkeypatch.setattr(importlib.import_module("debias.experiments.crossval"), "crossval", fake)
    return given


def test_defaults_are_those_of_the_paper(call: Call, asked: dict[str, Any]) -> None:
    result = call(*ASKED)
    assert result.exit_code == 0, result.output
    assert asked["kinds"] == ["medl", "fair-adb-medl"] and asked["data"] == Path("d.csv")
    assert (asked["folds"], asked["missing_attr"], asked["unseen_z"]) == (10, "group", "soft")
    assert asked["baseline"] is None and asked["debias_attr"] is None and asked["settings"] == {}
    assert result.output.startswith("MEASURED  2 networks")


def test_flags_become_arguments(call: Call, asked: dict[str, Any], tmp_path: Path) -> None:
    flags = (
        *("--label", "good", "--positive", "yes", "--seen", "2", "--bins", "age=31,46", "--folds", "5"),
        *("--run-folds", "2", "--baseline", "medl", "--debias-attr", "sex", "--set", "epochs=3", "--set", "lr=0.01"),
        *("--missing-attr", "drop", "--unseen-z", "zero", "--ignore", "a,b", "--draws", "50", "--seed", "4"),
        *(
            "--work",
            str(tmp_path),
            "--workers",
            "3",
            "--timeout",
            "60",
            "--kind",
            "x=category",
            "--ray",
            "local",
            "--regression",
            "--features",
            "x,'y, z'",
        ),
    )
    result = call(*ASKED, *flags)
    assert result.exit_code == 0, result.output
    wanted = {
        "label": "good",
        "positive": "yes",
        "seen": 2,
        "bins": ["age=31,46"],
        "folds": 5,
        "run_folds": 2,
        "baseline": "medl",
        "debias_attr": ["sex"],
        "settings": {"epochs": "3", "lr": "0.01"},
        "missing_attr": "drop",
        "unseen_z": "zero",
        "ignore": ["a", "b"],
        "draws": 50,
        "seed": 4,
        "work": tmp_path,
        "workers": 3,
        "timeout": 60.0,
        "ray": "local",
        "column_kinds": {"x": "category"},
        "regression": True,
    }
    assert {name: asked[name] for name in wanted} == wanted


def test_errors_end_with_code_two(call: Call, asked: dict[str, Any]) -> None:
    asked["answer"] = DataError(Problem("has no column 'town'", "d.csv", "Columns: a."))
    result = call(*ASKED)
    assert result.exit_code == 2 and "has no column 'town'" in result.output
    assert call(*ASKED, "--set", "epochs").exit_code == 2


def test_one_run_writes_its_reports_and_goes_on(call: Call, tmp_path: Path) -> None:
    table(240).to_csv(tmp_path / "d.csv", index=False)
    flags = (
        *("nnet", "fair-adb-nnet", "--data", tmp_path / "d.csv", "--cluster", "branch", "--seen", "2"),
        *("--attr", "sex", "--label", "good", "--positive", "yes", "--ignore", "score,age", "--folds", "3"),
        *("--run-folds", "2", "--set", "epochs=2", "--set", "warmup=0", "--set", "hidden=4,2", "--draws", "20"),
        *(
            "--workers",
            "1",
            "--work",
            tmp_path / "kept",
            "--report",
            tmp_path / "r.json",
            "--report",
            tmp_path / "r.md",
        ),
    )
    result = call(*flags, "--quiet")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert [model["name"] for model in told["models"]] == ["nnet", "fair-adb-nnet"]
    assert told["models"][1]["baseline"] == "nnet" and told["folds_run"] == [1, 2]
    assert "crossval" in (tmp_path / "r.md").read_text("utf-8")
    assert len(list((tmp_path / "kept").iterdir())) == 4
    refused = call(*flags)
    assert refused.exit_code == 2 and "exists already" in refused.output
    again = call(*flags, "--force", "--quiet", "--json")
    assert again.exit_code == 0
    second = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert all(run["resumed"] for model in second["models"] for run in model["folds"])
    assert second["models"][0]["heads"] == told["models"][0]["heads"]
