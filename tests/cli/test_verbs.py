"""Arguments in, calls out: every flag reaches `debias.run` under its own name."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from debias import methods
from debias.cli.main import app
from debias.errors import DataError, Problem
from debias.fairness.metrics import METRICS
from tests.cli.conftest import FakeRun
from tests.report import examples

REPAIR = ["m.pt", "--data", "d.csv", "--attr", "sex", "--eps", "0.05"]
pytestmark = pytest.mark.usefixtures("folder")


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


SHARED = {
    "attr": ["sex"],
    "eps": None,
    "label": None,
    "positive": None,
    "favorable": None,
    "privileged": None,
    "metric": None,
    "min_ratio": None,
    "performance": None,
    "confidence": None,
    "threshold": None,
    "decision": None,
    "features": None,
    "ignore": (),
    "weight": None,
    "missing_attr": "error",
    "bins": None,
    "min_group": 0,
    "cluster": None,
    "unseen_z": None,
    "output_kind": None,
    "contract": None,
    "device": "cpu",
    "trust": False,
    "seed": 0,
    "view": (),
}
COMMON = {
    **SHARED,
    "eps": 0.05,
    "margin": None,
    "min_performance": None,
    "selection": None,
    "pool": None,
    "train": None,
    "test": None,
    "holdout": 0.3,
    "fit_share": None,
    "edit": "fe",
    "split_by": None,
    "keep_scores": False,
    "force": False,
    "keep_best": False,
    "progress": None,
}


def test_audit_defaults(run: FakeRun) -> None:
    result = call("audit", "m.pt", "--data", "d.csv", "--attr", "sex")
    assert result.exit_code == 0, result.output
    reading = {"stream": None, "batch_rows": None, "workers": 1, "ray": None, "progress": None}
    expected = {**SHARED, **reading, "sd_ddof": 0, "draws": 0, "fresh_adversary": False}
    assert run.calls == [("audit", (Path("m.pt"), Path("d.csv")), expected)]


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--sd-ddof", "1"], "sd_ddof", 1),
        (["--draws", "50"], "draws", 50),
        (["--fresh-adversary"], "fresh_adversary", True),
    ],
)
def test_audit_flags(run: FakeRun, flags: list[str], name: str, value: Any) -> None:
    assert call("audit", "m.pt", "--data", "d.csv", "--attr", "sex", *flags).exit_code == 0
    assert run.settings[name] == value


@pytest.mark.parametrize("verb", ["threshold", "prune", "gda"])
def test_repair_defaults(run: FakeRun, verb: str) -> None:
    own = {field.name: field.default for field in dataclasses.fields(methods.load(verb))}
    result = call(verb, *REPAIR)
    assert result.exit_code == 0, result.output
    sampling = {"sample_rows": None, "batch_rows": None, "workers": 1, "ray": None}
    expected = {**COMMON, **sampling, **own, "out": Path(f"m.{verb}.pt")}
    assert run.calls == [(verb, (Path("m.pt"), Path("d.csv")), expected)]


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--label", "y"], "label", "y"),
        (["--positive", ">50K"], "positive", ">50K"),
        (["--favorable", "negative"], "favorable", "negative"),
        (["--privileged", "Male"], "privileged", ["Male"]),
        (["--privileged", "sex=m", "--privileged", "race=w"], "privileged", ["sex=m", "race=w"]),
        (["--metric", "equal-opportunity"], "metric", "equal-opportunity"),
        (["--threshold", "0.3"], "threshold", 0.3),
        (["--decision", "argmax"], "decision", "argmax"),
        (["--output-kind", "logits2"], "output_kind", "logits2"),
        (["--features", "a,b"], "features", ["a", "b"]),
        (["--features", 'a,"b, c"', "--features", "d"], "features", ["a", "b, c", "d"]),
        (["--ignore", "id"], "ignore", ["id"]),
        (["--weight", "w"], "weight", "w"),
        (["--missing-attr", "group"], "missing_attr", "group"),
        (["--bins", "25,"], "bins", ["25,"]),
        (["--bins", "age=25,40", "--bins", "income=4"], "bins", ["age=25,40", "income=4"]),
        (["--attr", "sex * race"], "attr", ["sex", "sex * race"]),
        (["--min-group", "30"], "min_group", 30),
        (["--cluster", "site"], "cluster", "site"),
        (["--unseen-z", "zero"], "unseen_z", "zero"),
        (["--min-ratio", "0.8"], "min_ratio", 0.8),
        (["--performance", "f1"], "performance", "f1"),
        (["--confidence", "0.95"], "confidence", 0.95),
        (["--selection", "expected"], "selection", "expected"),
        (["--pool"], "pool", True),
        (["--no-pool"], "pool", False),
        (["--fit-share", "0.2"], "fit_share", 0.2),
        (["--edit", "fe+re"], "edit", "fe+re"),
        (["--contract", "c.json"], "contract", Path("c.json")),
        (["--device", "cuda:0"], "device", "cuda:0"),
        (["--trust"], "trust", True),
        (["--seed", "7"], "seed", 7),
        (["--margin", "0.02"], "margin", 0.02),
        (["--min-performance", "0.6"], "min_performance", 0.6),
        (["--train", "t.csv"], "train", Path("t.csv")),
        (["--test", "t.csv"], "test", Path("t.csv")),
        (["--holdout", "0"], "holdout", 0.0),
        (["--split-by", "person"], "split_by", "person"),
        (["--sample-rows", "5000"], "sample_rows", 5000),
        (["--workers", "2"], "workers", 2),
        (["--keep-scores"], "keep_scores", True),
        (["--keep-best"], "keep_best", True),
        (["--out", "o.pt"], "out", Path("o.pt")),
        (["--force"], "force", True),
        (["--steps", "48"], "steps", 48),
        (["--incoming"], "outgoing", False),
        (["--limit", "20"], "limit", 20),
        (["--stop-below", "0"], "stop_below", 0.0),
        (["--influence", "activation"], "influence", "activation"),
    ],
)
def test_prune_flags(run: FakeRun, flags: list[str], name: str, value: Any) -> None:
    result = call("prune", *REPAIR, *flags)
    assert result.exit_code == 0, result.output
    assert run.settings[name] == value
    # A StrEnum would do here, but its repr would not in a record.
    assert type(run.settings[name]) is type(value)


@pytest.mark.parametrize("name", [name for info in METRICS.values() for name in (info.name, info.alias)])
def test_metrics_and_aliases(run: FakeRun, name: str) -> None:
    assert call("prune", *REPAIR, "--metric", name).exit_code == 0
    assert run.settings["metric"] == name


@pytest.mark.parametrize("name", methods.names())
def test_every_setting_of_a_method_is_a_flag(name: str) -> None:
    from debias.cli.repair import options_of

    method = methods.load(name)
    asked = {field.name: field.default for field in dataclasses.fields(options_of(method))}
    for field in dataclasses.fields(method):
        assert asked[field.name] == field.default, field.name


@pytest.mark.parametrize("verb", ["audit", "threshold", "prune", "gda", "inspect", "contract"])
def test_calls_fit_the_functions(run: FakeRun, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from debias.contract import Contract

    run.answer = Contract() if verb == "contract" else None
    flags = [] if verb in ("inspect",) else ["--data", "d.csv", "--attr", "sex"]
    flags += ["--eps", "0.05"] if verb in ("threshold", "prune", "gda") else []
    assert call(verb, "m.pt", *flags).exit_code == 0
    monkeypatch.delitem(sys.modules, "debias.run")
    function = getattr(importlib.import_module("debias.run"), verb)
    from debias.run.request import Request

    _, arguments, settings = run.calls[0]
    signature = inspect.signature(function)
    signature.bind(*arguments, **settings)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    if "options" in defaults:
        defaults = {field.name: field.default for field in dataclasses.fields(Request)} | defaults | {"progress": None}
    for name, value in settings.items():
        assert name in defaults
        if name not in ("attr", "eps", "note", "out"):
            assert value == defaults[name] or not (value or defaults[name]), name


def test_metric_names_are_those_of_the_metrics() -> None:
    from debias.cli.choices import Metric
    from debias.fairness.metrics import METRICS

    known = {name for info in METRICS.values() for name in (info.name, info.alias)}
    assert {metric.value for metric in Metric} == known


def test_measures_and_rules_are_those_of_the_objective() -> None:
    from debias import objective
    from debias.cli import options

    assert [item.value for item in options.Performance] == list(get_args(objective.Performance))
    assert [item.value for item in options.Selection] == list(get_args(objective.Selection))


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--lr", "1e-3"], "lr", 1e-3),
        (["--epochs", "5"], "epochs", 5),
        (["--batch-size", "64"], "batch_size", 64),
        (["--optimizer", "sgd"], "optimizer", "sgd"),
        (["--one-batch"], "one_batch", True),
        (["--evaluations", "10"], "evaluations", 10),
    ],
)
def test_gda_flags(run: FakeRun, flags: list[str], name: str, value: Any) -> None:
    assert call("gda", *REPAIR, *flags).exit_code == 0
    assert run.settings[name] == value


@pytest.mark.parametrize(
    "arguments",
    [
        ["prune", "m.pt", "--data", "d.csv", "--eps", "0.05"],  # no --attr
        ["audit", "m.pt", "--attr", "sex"],  # no --data
        ["prune", *REPAIR, "--metric", "odds"],
        ["prune", *REPAIR, "--performance", "recall"],
        ["prune", *REPAIR, "--selection", "best"],
        ["prune", *REPAIR, "--min-group", "few"],
        ["prune", *REPAIR, "--favorable", "yes"],
        ["prune", *REPAIR, "--eps", "small"],
        ["prune", *REPAIR, "--steps", "few"],
        ["fix", "m.pt"],
    ],
)
def test_usage_errors_end_with_2_before_any_work(run: FakeRun, arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert run.calls == []
    assert result.stdout == ""
    assert result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("code", "verdict"), [(0, "pass"), (1, "fail")])
def test_the_exit_code_is_the_verdict(run: FakeRun, code: int, verdict: str) -> None:
    run.answer = examples.report(exit_code=code, verdict=verdict)
    assert call("prune", *REPAIR).exit_code == code


def test_json_is_all_of_stdout(run: FakeRun) -> None:
    result = call("prune", *REPAIR, "--json")
    assert json.loads(result.stdout)["verdict"] == "pass"
    assert result.stderr.startswith("PASS  ")
    assert "Groups" in result.stderr
    quiet = call("prune", *REPAIR, "--json", "--quiet")
    assert quiet.stdout == result.stdout
    assert quiet.stderr.count("\n") == 1
    assert run.calls


def test_quiet_is_the_verdict_alone(run: FakeRun) -> None:
    result = call("prune", *REPAIR, "-q")
    assert result.stdout.startswith("PASS  The bound holds")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    assert run.calls


def test_report_files(run: FakeRun, folder: Path) -> None:
    result = call("prune", *REPAIR, "--report", "r.json", "--report", "R.MD")
    assert result.exit_code == 0, result.output
    assert json.loads((folder / "r.json").read_text(encoding="utf-8"))["verdict"] == "pass"
    assert (folder / "R.MD").read_text(encoding="utf-8").startswith("### debias prune: pass")
    assert run.calls


def test_the_report_is_written_where_the_bound_fails(run: FakeRun, folder: Path) -> None:
    run.answer = examples.report(exit_code=1, verdict="fail", output=None)
    assert call("prune", *REPAIR, "--report", "r.json").exit_code == 1
    assert (folder / "r.json").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--report", "r.pdf"], "ends in .pdf, which is no report format"),
        (["--report", "r"], "has no ending"),
        (["--report", "old.json"], "exists already"),
        (["--report", "nowhere/r.json"], "the folder nowhere does not exist"),
        (["--report", "r.json", "--report", "./r.json"], "is written by --report too"),
        (["--report", "folder.md"], "is a folder"),
        (["--out", "m.pt", "--force"], "is an input of this run"),
        (["--out", "link.pt", "--force"], "is an input of this run"),
        (["--report", "c.json", "--contract", "c.json", "--force"], "is an input of this run"),
        (["--out", "old.json"], "exists already"),
    ],
)
def test_files_that_must_not_be_written(run: FakeRun, folder: Path, flags: list[str], told: str) -> None:
    (folder / "old.json").write_text("{}")
    (folder / "c.json").write_text("{}")
    (folder / "folder.md").mkdir()
    (folder / "link.pt").symlink_to("m.pt")
    before = {path.name for path in folder.iterdir()}
    result = call("prune", *REPAIR, *flags)
    assert result.exit_code == 2
    assert told in result.stderr
    assert run.calls == []
    assert {path.name for path in folder.iterdir()} == before


def test_all_files_are_complained_about_at_once(run: FakeRun, folder: Path) -> None:
    (folder / "old.json").write_text("{}")
    result = call("prune", *REPAIR, "--report", "a.docx", "--report", "b.pdf", "--report", "old.json")
    assert result.stderr.count("error: ") == 3
    assert run.calls == []


def test_force_overwrites(run: FakeRun, folder: Path) -> None:
    (folder / "r.json").write_text("old")
    assert call("prune", *REPAIR, "--report", "r.json", "--force").exit_code == 0
    assert (folder / "r.json").read_text(encoding="utf-8").startswith("{")
    assert run.settings["force"] is True


def test_every_problem_of_an_input_is_told(run: FakeRun) -> None:
    run.answer = DataError(
        [
            Problem("is neither 0 nor 1: 'x'", "d.csv, column \x1b[31my\nz, row 3", "Name the --positive value."),
            Problem("no rows"),
        ]
    )
    result = call("prune", *REPAIR, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        "error: d.csv, column \\x1b[31my\\nz, row 3: is neither 0 nor 1: 'x'\n"
        "  Name the --positive value.\n"
        "error: no rows\n"
    )


def test_what_nobody_expected_is_one_line(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEBIAS_TRACEBACK", raising=False)
    run.answer = KeyError("x\ny")
    result = call("prune", *REPAIR)
    assert result.exit_code == 2
    assert result.stderr == "internal error: KeyError: 'x\\ny'\n  Set DEBIAS_TRACEBACK=1 to see where.\n"
    monkeypatch.setenv("DEBIAS_TRACEBACK", "1")
    assert "Traceback" in call("prune", *REPAIR).stderr


def test_interrupt(run: FakeRun, folder: Path) -> None:
    run.answer = KeyboardInterrupt()
    result = call("prune", *REPAIR, "--report", "r.json")
    assert result.exit_code == 130
    assert not (folder / "r.json").exists()


def test_inspect(run: FakeRun) -> None:
    result = call("inspect", "m.pt", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["layers"][0]["units"] == 32
    assert run.calls == [("inspect", (Path("m.pt"),), {"contract": None, "trust": False})]
    run.answer = examples.inspection(problems=["the file is frozen"])
    result = call("inspect", "m.pt")
    assert result.exit_code == 2
    assert "the file is frozen" in result.stdout
    assert call("inspect", "m.pt", "--quiet").stdout.count("\n") == 1


def test_contract(run: FakeRun) -> None:
    from debias.contract import Contract

    run.answer = Contract(label="größe")
    arguments = ["contract", "m.pt", "--data", "d.csv", "--attr", "sex", "--label", "größe", "--positive", "1"]
    result = call(*arguments, "--role", "a=b=features", "--missing", "age=mean", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["label"] == "größe"
    assert result.stderr == "written: m.pt.debias.json\n"
    assert run.settings["roles"] == {"a=b": "features"}
    assert run.settings["missing"] == {"age": "mean"}
    assert run.settings["kinds"] == {}
    assert run.settings["out"] == Path("m.pt.debias.json")
    assert run.settings["embed"] is None
    call(*arguments, "--embed", "e.pt")
    assert run.settings["out"] is None
    assert run.settings["embed"] == Path("e.pt")


def test_contract_usage(run: FakeRun, folder: Path) -> None:
    arguments = ["contract", "m.pt", "--data", "d.csv", "--attr", "sex"]
    result = call(*arguments, "--role", "x", "--role", "a=features", "--role", "a=group")
    assert result.exit_code == 2
    assert result.stderr.count("error: --role: ") == 2
    assert call(*arguments, "--embed", "m.pt", "--force").exit_code == 2
    (folder / "m.pt.debias.json").write_text("{}")
    assert call(*arguments).exit_code == 2
    assert run.calls == []
