"""Known findings, exit codes and GitHub: what every verb with a verdict does once its work is done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from debias.cli import github
from debias.cli.main import app
from tests.cli.conftest import FakeRun
from tests.report import examples
from tests.report.findings.test_accepting import failing

AUDIT = ["audit", "m.pt", "--data", "d.csv", "--attr", "sex", "--eps", "0.05"]
REPAIR = ["prune", "m.pt", "--data", "d.csv", "--attr", "sex", "--eps", "0.05"]
pytestmark = pytest.mark.usefixtures("folder", "run")


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def missed(run: FakeRun) -> FakeRun:
    run.answer = failing()
    return run


@pytest.fixture
def accepted(missed: FakeRun, folder: Path) -> FakeRun:
    assert call(*AUDIT, "--write-baseline", "b.json").exit_code == 1
    assert (folder / "b.json").exists()
    return missed


@pytest.mark.usefixtures("missed")
def test_every_format_is_written_before_the_exit_code(folder: Path) -> None:
    endings = ("json", "md", "xml", "sarif", "html")
    result = call(*AUDIT, *(part for ending in endings for part in ("--report", f"r.{ending}")))
    assert result.exit_code == 1, result.output
    assert json.loads((folder / "r.json").read_text(encoding="utf-8"))["exit_code"] == 1
    assert json.loads((folder / "r.sarif").read_text(encoding="utf-8"))["runs"][0]["results"][0]["ruleId"] == "DB101"
    assert ElementTree.parse(folder / "r.xml").getroot().attrib["failures"] == "1"
    assert all((folder / f"r.{ending}").stat().st_size for ending in endings)


def test_a_verb_without_a_verdict_has_no_findings(folder: Path) -> None:
    (folder / "d.csv").write_text("a,b\n1,0\n2,1\n")
    for ending in ("xml", "sarif"):
        asked = ("--data", "d.csv", "--label", "b", "--attr", "a", "--out", "n.pt")
        result = call("train", "medl", *asked, "--report", f"r.{ending}")
        assert result.exit_code == 2
        assert f".{ending} holds findings, and this verb comes to no verdict" in result.stderr
        assert "Use one of: .html, .json, .md." in result.stderr
        assert not (folder / "n.pt").exists()


@pytest.mark.usefixtures("accepted")
def test_accepted_findings_leave_with_zero(folder: Path) -> None:
    result = call(*AUDIT, "--baseline", "b.json", "--report", "r.json", "--report", "r.xml", "--report", "r.sarif")
    assert result.exit_code == 0
    assert result.stdout.startswith("FAIL  ")
    assert "Exit code 0: 1 finding accepted by b.json, none beside." in result.stdout
    told = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert (told["exit_code"], told["verdict"], len(told["baseline"]["accepted"])) == (0, "fail", 1)
    assert ElementTree.parse(folder / "r.xml").getroot().attrib["failures"] == "0"
    assert "suppressions" in (folder / "r.sarif").read_text(encoding="utf-8")


def test_a_worse_bias_ends_in_one(accepted: FakeRun) -> None:
    accepted.answer = failing(-0.2)
    result = call(*AUDIT, "--baseline", "b.json")
    assert result.exit_code == 1
    assert "1 of them worse than accepted" in " ".join(result.stdout.split())


def test_a_baseline_is_renewed_in_place(accepted: FakeRun) -> None:
    accepted.answer = failing(-0.2)
    renew = [*AUDIT, "--baseline", "b.json", "--write-baseline", "./b.json"]
    assert "exists already" in call(*renew).stderr
    assert call(*renew, "--force").exit_code == 1
    assert call(*AUDIT, "--baseline", "b.json").exit_code == 0


@pytest.mark.parametrize(("verdict", "code"), [("fail", 1), ("inconclusive", 3), ("pass", 0)])
def test_exit_zero(run: FakeRun, verdict: str, code: int) -> None:
    bias = -0.15 if verdict == "fail" else 0.01
    run.answer = examples.audit(
        eps=0.05, confidence=0.95, verdict=verdict, exit_code=code, before=examples.figures(bias)
    )
    assert call(*AUDIT).exit_code == code
    result = call(*AUDIT, "--exit-zero", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["exit_code"], told["exit_zero"], told["verdict"]) == (0, True, verdict)


def test_exit_zero_is_never_for_errors(run: FakeRun) -> None:
    assert call(*AUDIT, "--exit-zero", "--report", "r.pdf").exit_code == 2
    run.answer = RuntimeError("broken")
    assert call(*AUDIT, "--exit-zero").exit_code == 2


@pytest.mark.usefixtures("accepted")
def test_a_quiet_run_says_why_on_stderr() -> None:
    result = call(*AUDIT, "--baseline", "b.json", "--quiet")
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == "Exit code 0: 1 finding accepted by b.json, none beside.\n"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--baseline", "none.json"], "cannot be read"),
        (["--baseline", "d.csv"], "the file: invalid JSON"),
        (["--baseline", "b.json", "--report", "b.json", "--force"], "is an input of this run"),
        (["--write-baseline", "b.json"], "exists already"),
        (["--write-baseline", "m.pt", "--force"], "is an input of this run"),
        (["--write-baseline", "nowhere/b.json"], "the folder nowhere does not exist"),
        (["--write-baseline", "x.json", "--report", "x.json"], "is written by --report too"),
    ],
)
def test_files_are_looked_at_before_the_work(accepted: FakeRun, folder: Path, flags: list[str], told: str) -> None:
    accepted.calls.clear()
    before = (folder / "b.json").read_bytes()
    result = call(*AUDIT, *flags)
    assert result.exit_code == 2
    assert told in result.stderr
    assert accepted.calls == []
    assert (folder / "b.json").read_bytes() == before


def test_all_files_are_complained_about_at_once() -> None:
    result = call(*AUDIT, "--baseline", "none.json", "--write-baseline", "m.pt", "--report", "r.pdf")
    assert result.stderr.count("error: ") == 3


def test_the_summary_is_appended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    (folder / "summary.md").write_text("# mine\n")
    assert call(*REPAIR).exit_code == 0
    assert call(*AUDIT).exit_code == 0
    text = (folder / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# mine\n### debias prune: pass\n")
    assert "### debias audit: no bound\n" in text


def test_the_summary_keeps_below_what_github_takes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    path.write_text("x" * 999_000)
    result = call(*REPAIR)
    assert result.exit_code == 0
    assert path.stat().st_size <= 1_000_000
    path.write_text("x" * 1_048_000)
    result = call(*REPAIR)
    assert result.exit_code == 0
    assert path.stat().st_size == 1_048_000
    assert "warning: GITHUB_STEP_SUMMARY: has no room left" in result.stderr


@pytest.mark.parametrize("where", [".", "nowhere/summary.md", "d.csv/x", "a\x00b"])
def test_a_summary_that_cannot_be_written_fails_nothing(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The operating system takes no NUL in the environment; the command has to live with whatever stands there.
    monkeypatch.setattr(github.os, "environ", {**github.os.environ, "GITHUB_STEP_SUMMARY": where})
    result = call(*REPAIR)
    assert result.exit_code == 0
    assert "warning: GITHUB_STEP_SUMMARY: cannot be written" in result.stderr


COMMAND = re.compile(r"^::(\w+) (?:file=([^,]*),)?title=([^:]*)::(.*)$")


def commands(text: str) -> list[tuple[str, ...]]:
    """Return the commands of a text as GitHub's runner reads them: kind, file, title, message."""
    found = [match.groups(default="") for match in map(COMMAND.match, text.splitlines()) if match]
    return [
        tuple(part.replace("%2C", ",").replace("%3A", ":").replace("%0A", "\n").replace("%25", "%") for part in parts)
        for parts in found
    ]


def test_findings_are_annotated(missed: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands(call(*AUDIT).stderr) == []
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ((kind, file, title, message),) = commands(call(*AUDIT).stderr)
    assert (kind, file, title) == ("error", "models/lender.pt", "debias DB101 fail")
    assert "|bias| is 0.1500, not below 0.05" in message
    missed.answer = examples.audit(eps=0.05, verdict="inconclusive", exit_code=3, confidence=0.95)
    assert [parts[0] for parts in commands(call(*AUDIT).stderr)] == ["warning"]
    missed.answer = examples.report()
    assert commands(call(*REPAIR).stderr) == []


@pytest.mark.usefixtures("accepted")
def test_accepted_findings_are_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert [parts[0] for parts in commands(call(*AUDIT, "--baseline", "b.json").stderr)] == ["notice"]
    assert [parts[0] for parts in commands(call(*AUDIT, "--exit-zero").stderr)] == ["warning"]


def obeyed(text: str) -> list[str]:
    """Return the lines that GitHub's runner takes for commands: it stops at a word of ours, and goes on at it."""
    word, found = None, []
    for line in text.splitlines():
        stripped = line.lstrip()
        if word is not None:
            word = None if stripped == f"::{word}::" else word
        elif stripped.startswith("::stop-commands::"):
            word = stripped.removeprefix("::stop-commands::")
        elif stripped.startswith("::") or "##[" in line:
            found.append(line)
    assert word is None, "the runner would obey nothing any more"
    return found


HOSTILE = (
    "::error::x",
    "::add-mask::a",
    "##[add-mask]a",
    "x ##[error]y",
    "::stop-commands::w",
    "  ::set-output name=a::b",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("flags", [[], ["--json"], ["--quiet"], ["--json", "--quiet"]])
def test_names_of_others_are_no_commands(
    run: FakeRun, name: str, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    parity = examples.parity(-0.15, groups=[examples.group(name, 60), examples.group("b", 10)])
    run.answer = failing(statement=name, notes=[name]).model_copy(
        update={"before": examples.figures_value(-0.15, parities=[parity])}
    )
    result = call(*AUDIT, *flags)
    assert result.exit_code == 1
    assert obeyed(result.stdout) == []
    assert [line for line in obeyed(result.stderr) if not line.startswith("::error file=models/lender.pt,")] == []
    if "--json" in flags:
        assert json.loads(result.stdout)["statement"] == name


@pytest.mark.parametrize("name", HOSTILE)
def test_nor_are_errors(run: FakeRun, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from debias.errors import DataError, Problem

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run.answer = DataError(Problem(f"a\n{name}", name, f"b\n{name}"))
    result = call(*AUDIT)
    assert result.exit_code == 2
    assert name in result.stderr
    assert obeyed(result.stderr) == []


def test_elsewhere_nothing_is_wrapped(missed: FakeRun) -> None:
    missed.answer = failing(statement="::error::x")
    assert "stop-commands" not in call(*AUDIT).output
