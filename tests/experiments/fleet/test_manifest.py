"""Manifests: the jobs they ask for, and every problem with its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from debias import methods
from debias.cli.main import app
from debias.errors import UsageError
from debias.experiments.fleet import naming
from debias.experiments.fleet.manifest import tasks_of
from debias.experiments.fleet.schema import SCHEMA_FILE, Keys, RepairKeys, manifest_schema, repairs, schema_text

START = "defaults: {data: rows.csv, attr: sex, eps: 0.05}\n"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with files that nothing opens."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.pt", "b.pt", "b.pt2", "deep/a.pt", "deep/er/c.pt", "odd[1].pt", "rows.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def tasks(text: str, name: str = "fleet.yaml") -> list[Any]:
    Path(name).write_text(text, encoding="utf-8")
    return tasks_of(name)


def told(text: str, name: str = "fleet.yaml") -> list[str]:
    with pytest.raises(UsageError) as caught:
        tasks(text, name)
    return [f"{problem.where}: {problem.found}" for problem in caught.value.problems]


@pytest.mark.usefixtures("models")
class TestJobs:
    def test_a_pattern_is_a_job_for_each_file(self) -> None:
        found = tasks(f"{START}jobs: [model: '*.pt*']")
        assert [task.model for task in found] == ["a.pt", "b.pt", "b.pt2", "odd[1].pt"]
        assert [task.name for task in found[:3]] == ["a", "b.pt", "b.pt2"]
        assert {task.verb for task in found} == {"audit"}
        assert found[0].settings == {"attr": ["sex"], "eps": 0.05}

    def test_below_folders_and_by_its_own_name(self) -> None:
        found = tasks(f"{START}jobs: [{{model: '**/*.pt'}}, {{model: 'odd[1].pt', name: odd}}]")
        assert [task.name for task in found[:4]] == ["a.pt", "b", "deep-a.pt", "c"]
        assert found[4].model == found[5].model == "odd[1].pt"
        assert found[5].name == "odd"

    def test_paths_are_relative_to_the_manifest(self) -> None:
        (found,) = tasks("jobs: [{model: a.pt, data: ../rows.csv, attr: sex}]", "deep/fleet.yaml")
        assert (found.model, found.data) == ("deep/a.pt", "rows.csv")

    def test_a_job_says_more_than_the_defaults(self) -> None:
        text = f"{START}jobs:\n- {{model: a.pt, eps: 0.2, bins: {{age: [25, 40]}}}}\n- {{model: b.pt, eps: null}}\n"
        one, other = tasks(text)
        assert one.settings == {"attr": ["sex"], "eps": 0.2, "bins": {"age": [25, 40]}}
        assert "eps" not in other.settings

    def test_repairs(self) -> None:
        text = f"{START}jobs:\n- {{model: a.pt, repair: threshold}}\n"
        text += "- {model: b.pt, repair: {method: prune, steps: 7, holdout: 0.2, test: rows.csv}}\n"
        one, other = tasks(text)
        assert (one.verb, dict(one.method)) == ("threshold", {})
        assert (other.verb, dict(other.method)) == ("prune", {"steps": 7})
        assert other.settings["holdout"] == 0.2
        assert other.tables == {"data": "rows.csv", "test": "rows.csv"}
        request, method = other.request()
        assert (request.verb, request.holdout, method.steps) == ("prune", 0.2, 7)

    def test_toml_and_python_ask_for_the_same(self) -> None:
        yaml = tasks(f"{START}jobs: [{{model: a.pt, min-group: 3, repair: {{method: gda, epochs: 2}}}}]")
        toml = tasks(
            '[defaults]\ndata = "rows.csv"\nattr = "sex"\neps = 0.05\n'
            '[[jobs]]\nmodel = "a.pt"\nmin_group = 3\nrepair = {method = "gda", epochs = 2}\n',
            "fleet.toml",
        )
        job = {"model": Path("a.pt"), "data": "rows.csv", "attr": ("sex",), "eps": 0.05, "min_group": 3}
        python = tasks_of([{**job, "repair": {"method": "gda", "epochs": 2}}])
        asked = [(task.name, task.model, task.tables, task.settings, task.method) for (task,) in (yaml, toml, python)]
        assert asked[0] == asked[1] == asked[2]

    def test_a_name_for_each_of_several(self) -> None:
        found = tasks(f"{START}jobs: [{{model: '[ab].pt', name: '{{stem}}-2024'}}, {{model: '[ab].pt'}}]")
        assert [task.name for task in found] == ["a-2024", "b-2024", "a", "b"]


@pytest.mark.usefixtures("models")
class TestProblems:
    def test_all_at_once_with_their_lines(self) -> None:
        found = told(
            "defaults:\n  data: rows.csv\n  attr: sex\n  eps: 7\n  treshold: 0.5\n"
            "jobs:\n  - model: '*.onnx'\n  - {model: a.pt, repair: {method: prun}}\n"
        )
        assert found == [
            "fleet.yaml, line 5, defaults.treshold: is no key here",
            "fleet.yaml, line 8, jobs[1].repair.method: 'prun' is no method of repair",
            "fleet.yaml, line 7, jobs[0].model: '*.onnx' matches no file",
        ]
        found = told(
            "defaults:\n  data: rows.csv\n  attr: sex\n  eps: -7\n"
            "jobs:\n  - model: '*.onnx'\n  - {model: a.pt, threshold: 2}\n  - model: a.pt\n"
        )
        assert found == [
            "fleet.yaml, line 6, jobs[0].model: '*.onnx' matches no file",
            "fleet.yaml, line 8, jobs[2].model: 'a.pt' is a model of the job at fleet.yaml, line 7, jobs[1] too",
            "fleet.yaml, line 7, jobs[1].threshold: 2.0 is no threshold",
            "fleet.yaml, line 4, defaults.eps: -7.0 is no bound",
        ]

    @pytest.mark.parametrize(
        ("job", "found"),
        [
            ("{modle: a.pt}", "jobs[0].modle: is no key here"),
            ("{model: a.pt, trust: true}", "jobs[0].trust: is no key here"),
            ("{model: http://x/a.pt}", "jobs[0].model: 'http://x/a.pt' is a URL"),
            ("{model: a.pt, repair: {method: prun}}", "jobs[0].repair.method: 'prun' is no method of repair"),
            ("{model: a.pt, repair: {steps: 3}}", "jobs[0].repair: names no method of repair"),
            ("{model: a.pt, repair: {method: prune, stps: 3}}", "jobs[0].repair.stps: is no key here"),
            ("{model: a.pt, repair: {method: prune, steps: 0}}", "jobs[0].repair.steps: 0 is no number of steps"),
            ("{model: a.pt, repair: {method: prune, holdout: 3}}", "jobs[0].repair.holdout: 3.0 is no share"),
            ("{model: a.pt, name: ../x}", "jobs[0].name: '../x' is no name of a job"),
            ("{model: '*.pt', name: x}", "jobs[0].name: 'x' is the name of one job, and '*.pt' matches 3 files"),
            ("{model: a.pt, name: B}, {model: b.pt, name: b}", "jobs[1].name: 'b' is the name of the job at"),
            ("{model: a.pt, min_group: 2.5}", "jobs[0].min_group: takes a whole number, not 2.5"),
            ("{model: a.pt, eps: yes}", "jobs[0].eps: takes a number, not "),
            ("{model: a.pt, eps: true}", "jobs[0].eps: takes a number, not "),
            ("{model: a.pt, eps: .nan}", "jobs[0].eps: takes a finite number"),
            ("{model: a.pt, min_group: 1, min-group: 2}", "jobs[0].min-group: stands here twice"),
            ('{model: "a\\0.pt"}', "is no usable name"),
            ('{model: "a\\ud800.pt"}', "line 2"),
            ("5", "jobs[0]: takes keys with values, not 5"),
            ("{model: a.pt, data: row.csv}", "jobs[0].data: 'row.csv' is no file"),
            ("{model: a.pt, repair: {method: prune, test: t.csv}}", "jobs[0].repair.test: 't.csv' is no file"),
            ("{model: a.pt, data: [a.csv, b.csv]}", "jobs[0].data: takes one text, not a list"),
        ],
    )
    def test_each(self, job: str, found: str) -> None:
        assert any(found in one for one in told(f"{START}jobs: [{job}]")), told(f"{START}jobs: [{job}]")

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", "is empty"),
            ("[1]", "holds a list"),
            ("jobs: []", "jobs: takes at least one job, not a list"),
            ("jobs: {}", "jobs: takes a list, not keys with values"),
            ("jobs: [{model: a.pt}]", "names no table"),
            ("jobs: [{model: a.pt, data: rows.csv}]", "names no protected attribute"),
            (f"{START}", "jobs is missing"),
            (f"{START}jobs: [{{model: a.pt}}]\nmore: 1", "more: is no key here"),
        ],
    )
    def test_of_the_whole(self, text: str, found: str) -> None:
        assert any(found in one for one in told(text))

    def test_of_python(self) -> None:
        for value, found in ((3, "a int is no manifest"), ([{"data": object()}], "a object is no value")):
            with pytest.raises(UsageError, match=found):
                tasks_of(value)  # type: ignore[arg-type]

    def test_files(self, models: Path) -> None:
        (models / "large.yaml").write_bytes(b"#" * (8 << 20) + b"#")
        (models / "latin.yaml").write_bytes(b"a: \xff")
        for name, found in (("large", "larger than 8 MiB"), ("latin", "not UTF-8"), ("none", "cannot be read")):
            with pytest.raises(UsageError, match=found):
                tasks_of(f"{name}.yaml")
        assert "is no TOML" in told("a = [", "fleet.toml")[0]
        assert "nested too deeply" in told("a = " + "[" * 5000, "fleet.toml")[0]


OF_THE_COMMAND = {
    *("model", "trust", "config", "no_config", "out", "force", "json", "quiet", "full", "report", "exit_zero"),
    *("baseline", "write_baseline", "card", "card_license", "mlflow", "mlflow_experiment", "workers", "ray"),
}
"""Flags that say something of a run, not of one of its models."""


def flags(verb: str) -> set[str]:
    return {str(one.name) for one in typer.main.get_command(app).commands[verb].params}  # type: ignore[attr-defined]


def test_every_flag_of_an_audit_is_a_key() -> None:
    assert set(Keys.model_fields) == flags("audit") - OF_THE_COMMAND


@pytest.mark.parametrize("method", methods.names())
def test_every_flag_of_a_repair_is_a_key(method: str) -> None:
    keys = set(repairs()[method].model_fields) | set(Keys.model_fields)
    assert flags(method) - OF_THE_COMMAND <= keys
    assert set(RepairKeys.model_fields) <= flags(method)


def test_the_published_schema() -> None:
    schema = manifest_schema()
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good: dict[str, Any] = {"data": "r.csv", "attr": ["sex"], "bins": {"age": [25, 40]}, "positive": 1}
    assert validator.is_valid(
        {"defaults": good, "jobs": [{"model": "*.pt", "repair": {"method": "prune", "steps": 3}}]}
    )
    assert validator.is_valid({"jobs": [{"model": "*.pt", "repair": "threshold", "name": "x"}]})
    bad: list[Mapping[str, Any]] = [{"model": 3}, {"eps": 1}, {"model": "a", "repair": "prun"}, {"model": "a", "x": 1}]
    bad += [{"model": "a", "repair": {"method": "prune", "x": 1}}, {"model": "a", "eps": "much"}]
    assert [validator.is_valid({"jobs": [job]}) for job in bad] == [False] * len(bad)
    assert json.loads(schema_text()) == schema


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=8, unique=True))
@settings(max_examples=60)
def test_names_are_unique_and_fit_for_files(models: list[str]) -> None:
    models = [model for model in models if model.strip("/.")]
    found = naming.names_of(models)
    assert all(map(naming.fits, found))
    assert len({naming.key(name) for name in found}) == len(models)
