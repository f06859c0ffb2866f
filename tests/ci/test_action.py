"""The GitHub Action: its steps run as they are written, as GitHub's runner runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.warm import commands

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
BIN = Path(sys.executable).parent
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(frozen=True)
class Done:
    """What a step left behind."""

    code: int
    out: str
    err: str
    outputs: dict[str, str]
    summary: str


def step(name: str, folder: Path, *, first: Path | None = None, **inputs: str) -> Done:
    """Run a step in a folder, with the inputs as a workflow gives them; `first` comes first on the path."""
    given = {key: str(value.get("default", "")) for key, value in ACTION["inputs"].items()}
    given |= {key.replace("_", "-"): value for key, value in inputs.items()}
    context = {**{f"inputs.{key}": value for key, value in given.items()}, "github.action_path": str(ROOT)}

    def resolved(text: str) -> str:
        return EXPRESSION.sub(lambda match: context[match[1]], text)

    found = STEPS[name]
    runner = folder / ".runner"
    runner.mkdir(exist_ok=True)
    (runner / "script.sh").write_text(found["run"], encoding="utf-8")
    for file in ("output", "summary"):
        (runner / file).touch()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(runner / "script.sh")],
        cwd=folder / resolved(found.get("working-directory", ".")),
        env={
            **os.environ,
            **{key: resolved(value) for key, value in found["env"].items()},
            "PATH": os.pathsep.join(map(str, filter(None, (first, commands(), BIN, "/usr/bin", "/bin")))),
            "RUNNER_TEMP": str(runner),
            "GITHUB_OUTPUT": str(runner / "output"),
            "GITHUB_STEP_SUMMARY": str(runner / "summary"),
            "GITHUB_ACTIONS": "true",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    written = (runner / "output").read_text(encoding="utf-8").splitlines()
    summary = (runner / "summary").read_text(encoding="utf-8")
    return Done(done.returncode, done.stdout, done.stderr, dict(line.split("=", 1) for line in written), summary)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a model and its rows."""
    shutil.copy(ROOT / "sample_models" / "lender_mlp.pt", tmp_path / "model.pt")
    shutil.copy(ROOT / "sample_models" / "lender_test.csv", tmp_path / "rows.csv")
    return tmp_path


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """Return a folder with commands that only write down their arguments."""
    folder = tmp_path / "stubs"
    folder.mkdir()
    script = f'#!/bin/bash\nprintf "%s\\0" "$0" "$@" >> "{tmp_path}/arguments"\nexit "${{STUB_CODE:-0}}"\n'
    for name in ("debias", "pip"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def arguments(folder: Path) -> list[str]:
    """Return what a recorder wrote, without the command itself."""
    return (folder / "arguments").read_text(encoding="utf-8").split("\0")[1:-1]


def test_the_file_is_what_github_reads() -> None:
    subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", ROOT / "action.yml"], check=True
    )


def test_no_input_reaches_a_script_but_by_the_environment() -> None:
    for found in STEPS.values():
        assert "${{" not in found["run"]
        for name, value in found["env"].items():
            assert name.startswith("WITH_")
            assert EXPRESSION.fullmatch(value)
            assert f"${name}" in found["run"]


def test_every_input_is_used_and_every_output_is_made() -> None:
    texts = [
        value for found in STEPS.values() for value in (*found["env"].values(), found.get("working-directory", ""))
    ]
    used = {match[1] for text in texts for match in EXPRESSION.finditer(text)}
    assert {f"inputs.{name}" for name in ACTION["inputs"]} | {"github.action_path"} == used
    for name, told in ACTION["outputs"].items():
        assert told["value"] == f"${{{{ steps.run.outputs.{name} }}}}"
        assert f"{name}=%s" in STEPS["Run debias"]["run"]
    assert all(one["description"] for one in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))


def test_a_missed_bound_stops_the_job(place: Path) -> None:
    done = step("Run debias", place, model="model.pt", data="rows.csv", attr="sex\n", eps="0.05")
    assert done.code == 1, done.err
    assert done.outputs == {"verdict": "fail", "exit-code": "1", "sarif": "debias.sarif", "junit": ""}
    assert json.loads((place / "debias.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    assert done.summary.startswith("### debias audit: fail")
    assert "::error file=model.pt,title=debias DB101 fail::" in done.err


def test_a_met_bound_goes_on(place: Path) -> None:
    (place / "sub").mkdir()
    for name in ("model.pt", "rows.csv"):
        (place / name).rename(place / "sub" / name)
    done = step(
        "Run debias",
        place,
        model="model.pt",
        data="rows.csv",
        attr="sex\nage",
        eps="0.5",
        args="--bins 'age=25,40' --metric eod",
        reports="r.xml\n\nr.html\n",
        working_directory="sub",
    )
    assert done.code == 0, done.err
    assert done.outputs == {"verdict": "pass", "exit-code": "0", "sarif": "", "junit": "r.xml"}
    assert (place / "sub" / "r.html").exists()
    assert "DB102" not in done.err


def test_an_error_is_an_error(place: Path) -> None:
    (place / "debias.sarif").write_text("of another run")
    done = step("Run debias", place, model="none.pt", data="rows.csv", attr="sex")
    assert done.code == 2
    assert done.outputs == {"verdict": "error", "exit-code": "2", "sarif": "", "junit": ""}
    assert "error: " in done.err


HOSTILE = "$(touch pwned) `touch pwned`; touch pwned && \"x' | * ${HOME} \\"


def test_names_stay_names(tmp_path: Path, recorder: Path) -> None:
    step(
        "Run debias",
        tmp_path,
        first=recorder,
        model=HOSTILE,
        data=HOSTILE,
        attr=f"{HOSTILE}\n-x",
        eps=HOSTILE,
        verb=HOSTILE,
        reports=HOSTILE,
    )
    told = arguments(tmp_path)
    assert told[0] == HOSTILE
    assert told[1] == f"--data={HOSTILE}"
    assert told[3:] == [f"--eps={HOSTILE}", f"--attr={HOSTILE}", "--attr=-x", f"--report={HOSTILE}", "--", HOSTILE]
    assert not list(tmp_path.rglob("pwned"))


def test_words_of_args_are_split_and_not_run(tmp_path: Path, recorder: Path) -> None:
    args = '--bins \'age=25, 40\' $(touch pwned) --note "a \\" b"\n--force *'
    step("Run debias", tmp_path, first=recorder, model="m.pt", data="d.csv", args=args)
    told = arguments(tmp_path)
    assert told[4:-2] == ["--bins", "age=25, 40", "$(touch", "pwned)", "--note", 'a " b', "--force", "*"]
    assert not list(tmp_path.rglob("pwned"))


def test_an_open_quote_is_told(tmp_path: Path, recorder: Path) -> None:
    done = step("Run debias", tmp_path, first=recorder, model="m.pt", data="d.csv", args="--bins 'age")
    assert (done.code, done.outputs["verdict"], done.outputs["exit-code"]) == (2, "error", "2")
    assert "args: a quote is left open" in done.err
    assert not (tmp_path / "arguments").exists()


def test_a_second_use_in_one_job_has_its_own_files(place: Path, recorder: Path) -> None:
    for _ in range(2):
        step("Run debias", place, first=recorder, model="m.pt", data="d.csv")
    files = [word for word in arguments(place) if word.startswith("--report=") and word.endswith("report.json")]
    assert len(set(files)) == 2


@pytest.mark.parametrize(
    ("install", "asked"),
    [("action", str(ROOT)), ("debias==1.2; touch pwned", "debias==1.2; touch pwned"), ("none", None)],
)
def test_installation(tmp_path: Path, install: str, asked: str | None) -> None:
    stub = tmp_path / "stubs"
    stub.mkdir()
    (stub / "python").write_text(f'#!/bin/bash\nprintf "%s\\0" "$0" "$@" > "{tmp_path}/arguments"\n')
    (stub / "python").chmod(0o755)
    assert step("Install debias", tmp_path, first=stub, model="m", data="d", install=install).code == 0
    if asked is None:
        assert not (tmp_path / "arguments").exists()
    else:
        told = arguments(tmp_path)
        assert told[:3] == ["-m", "pip", "install"]
        assert told[-1] == asked
    assert not list(tmp_path.rglob("pwned"))
