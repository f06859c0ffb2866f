"""Any format again from the JSON alone."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from debias.cli.report import Format
from debias.report.as_json import to_json
from debias.report.writers import writers
from tests.report import examples
from tests.report.html.values import full
from tests.report.test_comparison import comparison
from tests.report.test_training import training
from tests.run.world import ASKED, Result, call

FORMATS = [name for name in Format if f".{name}" in writers(judged=True)]


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("r.json").write_text(to_json(full()), encoding="utf-8")
    return "r.json"


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("verb", [("audit", "model.pt"), ("threshold", "model.pt", "--eps", "0.28")])
def test_a_run_and_its_json_are_written_alike(verb: tuple[str, ...]) -> None:
    files = [f"r.{name}" for name in FORMATS]
    done = call(*verb, *ASKED, *(part for name in files for part in ("--report", name)))
    assert done.code == 0, done.err
    for name in files:
        again = call("report", "r.json", "--out", f"again-{name}")
        assert (again.code, again.out, again.err) == (0, "", "")
        assert Path(f"again-{name}").read_bytes() == Path(name).read_bytes()
    assert call("report", "r.json").out == done.out


@pytest.mark.parametrize("name", FORMATS)
def test_to_stdout(report: str, name: str) -> None:
    printed, written = call("report", report, "--to", name).out, writers(judged=True)[f".{name}"](full())
    if name in (Format.JSON, Format.SARIF):
        # a stream that tells no encoding gets ASCII
        assert printed.isascii()
        assert json.loads(printed) == json.loads(written)
    else:
        assert printed == written


def test_the_terminal_and_what_is_left_out_there(report: str) -> None:
    short, long = call("report", report), call("report", report, "--full")
    assert short.out.startswith("PASS  ")
    assert len(long.out) > len(short.out)
    assert call("report", report, "--to", "terminal", "--out", "r.txt").code == 0
    assert Path("r.txt").read_text(encoding="utf-8") == short.out


def test_the_exit_code_is_not_that_of_the_verdict(report: str) -> None:
    Path(report).write_text(to_json(examples.report(verdict="fail", exit_code=1)))
    done = call("report", report)
    assert done.out.startswith("FAIL")
    assert done.code == 0


def test_from_stdin(report: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(report).read_bytes())))
    assert ElementTree.fromstring(call("report", "-", "--to", "xml").out).tag == "testsuites"


@pytest.mark.parametrize("value", [full, comparison])
def test_another_regulatory_view(report: str, value: Callable[[], object]) -> None:
    Path(report).write_text(to_json(value()))  # type: ignore[arg-type]
    done = call("report", report, "--to", "json", "--view", "us-four-fifths", "--view", "us-four-fifths")
    document = json.loads(done.out)
    assert [one["id"] for one in document.get("report", document)["views"]] == ["us-four-fifths"]
    refused = call("report", report, "--view", "mars", "--view", "venus")
    assert refused.code == 2
    assert refused.err.count("there is no regulatory view") == 2


class TestRefused:
    def refused(self, part: str, *arguments: str) -> Result:
        before = {path.name for path in Path.cwd().iterdir()}
        done = call("report", *arguments)
        assert (done.code, done.out) == (2, "")
        assert part in done.err
        assert {path.name for path in Path.cwd().iterdir()} == before
        return done

    def test_an_ending_that_tells_nothing(self, report: str) -> None:
        self.refused("no ending that tells a format", report, "--out", "r.pdf")
        assert call("report", report, "--out", "r.pdf", "--to", "md").code == 0

    def test_files_in_the_way(self, report: str) -> None:
        Path("r.md").write_text("mine")
        self.refused("exists already", report, "--out", "r.md")
        self.refused("is an input", report, "--out", "r.json", "--force")
        self.refused("does not exist", report, "--out", "no/r.md")
        assert call("report", report, "--out", "r.md", "--force").code == 0

    def test_findings_of_what_comes_to_no_verdict(self, report: str) -> None:
        Path(report).write_text(to_json(training()))
        for name in ("xml", "sarif"):
            self.refused("comes to no verdict", report, "--to", name)
            self.refused("comes to no verdict", report, "--out", f"r.{name}")
        self.refused("is for audits, repairs and comparisons", report, "--view", "nyc-ll144")

    def test_tables_of_one_model(self, report: str) -> None:
        for name in ("csv", "parquet"):
            self.refused("a report of prune is about one", report, "--to", name)
            self.refused("a report of prune is about one", report, "--out", f"r.{name}")

    def test_parquet_is_no_text(self, report: str) -> None:
        Path(report).write_text(to_json(examples.fleet()))
        self.refused("is no text", report, "--to", "parquet")

    def test_no_report(self, report: str) -> None:
        Path(report).write_text("<html>")
        self.refused("r.json: is no JSON", report, "--out", "r.md")
        self.refused("cannot be read", "none.json")
