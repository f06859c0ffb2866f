"""The command `compare`: its flags, its exit codes, and one run of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from debias.cli import compare
from debias.cli.compare import settings
from debias.errors import DataError, UsageError
from tests.report.test_comparison import comparison

Call = Callable[..., Result]
ASKED = ("m.pt", "--data", "d.csv", "--attr", "sex", "--eps", "0.05")


@pytest.fixture
def call() -> Call:
    app = typer.Typer()
    compare.register(app)
    # An application of one command would take its name for an argument.
    app.command("nothing")(lambda: None)
    return lambda *arguments: CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the function was given, which answers with `answer`."""
    given: dict[str, Any] = {"answer": comparison()}

    def fake(model: Path, data: Path, **options: Any) -> Any:
        given.update(options, model=model, data=data)
        if isinstance(given["answer"], Exception):
            raise given["answer"]
        return given["answer"]

    monkeypatch.setattr(importlib.import_module("debias.experiments.compare"), "compare", fake)
    return given


@pytest.mark.usefixtures("folder")
def test_flags_become_arguments(call: Call, asked: dict[str, Any]) -> None:
    result = call(
        *ASKED, "--methods", "prune, roc", "--set", "gda.lr=0.001", "--set", "gda.optimizer=sgd",
        "--set", "prune.steps=5", "--workers", "3", "--timeout", "60", "--seed", "4", "--train", "d.csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert asked["methods"] == ["prune", "roc"]
    assert asked["settings"] == {"gda": {"lr": "0.001", "optimizer": "sgd"}, "prune": {"steps": "5"}}
    assert (asked["workers"], asked["timeout"], asked["seed"]) == (3, 60.0, 4)
    assert asked["out"] == Path("m.compare.pt")
    assert (asked["model"], asked["data"], asked["train"]) == (Path("m.pt"), Path("d.csv"), Path("d.csv"))
    assert "threshold" in result.output


@pytest.mark.usefixtures("folder")
def test_defaults_leave_the_choice_to_the_function(call: Call, asked: dict[str, Any]) -> None:
    assert call(*ASKED).exit_code == 0
    assert (asked["methods"], asked["settings"], asked["workers"], asked["timeout"]) == (None, {}, None, None)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 3)])
def test_the_exit_code_is_that_of_the_winner(verdict: str, code: int, call: Call, asked: dict[str, Any]) -> None:
    asked["answer"] = comparison(verdict=verdict, exit_code=code)
    assert call(*ASKED).exit_code == code


@pytest.mark.usefixtures("folder")
def test_reports_in_every_format(call: Call, asked: dict[str, Any]) -> None:
    result = call(*ASKED, "--json", "--report", "r.md", "--report", "r.json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["winner"] == "prune"
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["verb"] == "compare"
    assert Path("r.md").read_text(encoding="utf-8").startswith("### debias compare")
    assert asked["force"] is False


@pytest.mark.usefixtures("folder")
def test_quiet_is_one_line(call: Call, asked: dict[str, Any]) -> None:
    result = call(*ASKED, "--quiet")
    assert result.stdout.splitlines() == [f"PASS  {asked['answer'].statement}"]


@pytest.mark.usefixtures("folder")
def test_errors_have_exit_code_2(call: Call, asked: dict[str, Any]) -> None:
    asked["answer"] = DataError("no rows")
    result = call(*ASKED)
    assert (result.exit_code, result.stderr) == (2, "error: no rows\n")


@pytest.mark.usefixtures("folder", "asked")
@pytest.mark.parametrize("text", ["gda", "gda.lr", "gda.lr=", "lr=3", ".lr=3", "gda.=3"])
def test_settings_of_another_form(text: str, call: Call) -> None:
    result = call(*ASKED, "--set", text)
    assert result.exit_code == 2
    assert f"error: --set: {text!r} is not of the form METHOD.SETTING=VALUE" in result.stderr


def test_settings_hold_equals_signs_and_are_given_once() -> None:
    assert settings(["a.b=c=d", "a.b=c=d"]) == {"a": {"b": "c=d"}}
    assert settings(None) == {}
    with pytest.raises(UsageError) as caught:
        settings(["a.b=1", "a.b=2", "x"])
    assert len(caught.value.problems) == 2


@pytest.mark.usefixtures("place")
def test_one_run(call: Call) -> None:
    result = call(
        "model.pt", "--data", "rows.csv", "--attr", "sex", "--eps", "0.1", "--methods", "prune", "--json",
        "--keep-best", "--workers", "2",
    )  # fmt: skip
    assert result.exit_code in (0, 1), result.stderr
    found = json.loads(result.stdout)
    assert [item["method"] for item in found["candidates"]] == ["threshold", "prune"]
    assert found["exit_code"] == result.exit_code
    assert Path("model.compare.pt").is_file()
