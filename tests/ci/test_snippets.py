"""What docs/ci.md tells to copy, and the pre-commit hook: checked by the schemas of their readers, and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import junitparser
import pytest
import yaml

from tests.warm import commands

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def snippet(title: str) -> str:
    """Return the YAML below a heading of the page."""
    part = re.split(rf"^## {title}$", PAGE, flags=re.MULTILINE)[1]
    return re.findall(r"^```yaml\n(.*?)^```", part, re.DOTALL | re.MULTILINE)[0]


def lender(folder: Path) -> Path:
    """Return a folder with the files that the page names."""
    for name, path in (("lender_mlp.pt", "models/lender.pt"), ("lender_test.csv", "data/lender_test.csv")):
        (folder / path).parent.mkdir(parents=True)
        shutil.copy(ROOT / "sample_models" / name, folder / path)
    return folder


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{commands()}:{BIN}:/usr/bin:/bin", "OMP_NUM_THREADS": "1", **changes}


@pytest.mark.parametrize(
    ("title", "schema"), [("GitHub Actions", "vendor.github-workflows"), ("GitLab", "vendor.gitlab-ci")]
)
def test_snippets_are_what_their_readers_take(title: str, schema: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.yml").write_text(snippet(title), encoding="utf-8")
    subprocess.run([BIN / "check-jsonschema", "--builtin-schema", schema, tmp_path / "snippet.yml"], check=True)


def test_the_workflow_gives_inputs_that_the_action_has() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    steps = yaml.safe_load(snippet("GitHub Actions"))["jobs"]["audit"]["steps"]
    (used,) = [step for step in steps if step.get("id") == "debias"]
    assert used["with"].keys() <= action["inputs"].keys()
    assert {name for name, item in action["inputs"].items() if item["required"]} <= used["with"].keys()
    named = set(re.findall(r"steps\.debias\.outputs\.([\w-]+)", snippet("GitHub Actions")))
    assert named <= action["outputs"].keys()
    for name in (*action["inputs"], *action["outputs"]):
        assert f"`{name}`" in PAGE


def test_the_script_for_gitlab_runs(tmp_path: Path) -> None:
    job = yaml.safe_load(snippet("GitLab"))["audit"]
    assert job["script"][0] == "pip install debias"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join(job["script"][1:])],
        cwd=lender(tmp_path),
        env=environment(),
        check=False,
        capture_output=True,
    )
    assert done.returncode == 1, done.stderr
    assert junitparser.JUnitXml.fromfile(str(tmp_path / job["artifacts"]["reports"]["junit"])).failures == 1
    assert all((tmp_path / path).exists() for path in job["artifacts"]["paths"])


def test_the_hook_is_what_pre_commit_takes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(snippet("pre-commit"), encoding="utf-8")
    for command in (["validate-manifest", ROOT / ".pre-commit-hooks.yaml"], ["validate-config", "config.yaml"]):
        subprocess.run([BIN / "pre-commit", *command], cwd=tmp_path, check=True)
    (used,) = yaml.safe_load(snippet("pre-commit"))["repos"][0]["hooks"]
    assert used["id"] in {hook["id"] for hook in HOOKS}


@pytest.mark.parametrize(("eps", "code", "told"), [("0.05", 1, "FAIL  Bound not met"), ("0.5", 0, "Passed")])
def test_the_hook_runs(eps: str, code: int, told: str, tmp_path: Path) -> None:
    """As pre-commit runs it, but with the debias that is installed instead of one that it installs."""
    (used,) = yaml.safe_load(snippet("pre-commit"))["repos"][0]["hooks"]
    (hook,) = [item for item in HOOKS if item["id"] == used["id"]]
    arguments = [eps if word == "0.05" else word for word in used["args"]]
    local = {**hook, "language": "system", "args": arguments}
    config = {"repos": [{"repo": "local", "hooks": [local]}]}
    lender(tmp_path)
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    settings = environment(PRE_COMMIT_HOME=str(tmp_path / ".cache"), HOME=str(tmp_path))
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, env=settings, check=True, capture_output=True)
    done = subprocess.run(
        [BIN / "pre-commit", "run", "--hook-stage", "manual", used["id"]],
        cwd=tmp_path,
        env=settings,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout
