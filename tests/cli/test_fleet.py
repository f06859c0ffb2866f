"""`debias fleet`, and `debias audit` of several models."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from debias import jobs
from debias.cli import fleet as command
from debias.experiments.fleet import verb
from tests.run import world
from tests.run.world import ASKED, call

MANIFEST = "defaults: {data: rows.csv, attr: sex, eps: 0.28}\njobs: [{model: '*.pt'}]\n"


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with a manifest of two models whose jobs run in this process."""
    world.save(world.trained(world.table(seed=4)), Path("other.pt"))
    Path("fleet.yaml").write_text(MANIFEST)
    monkeypatch.setenv("DEBIAS_CACHE", str(place / "cache"))
    monkeypatch.setattr(jobs, "backend_for", lambda *_, **__: jobs.Serial())
    return place


@pytest.fixture
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the run is asked for, in place of running."""
    seen: dict[str, Any] = {}
    real = verb.fleet

    def noted(manifest: Any, **settings: Any) -> Any:
        seen.update(settings)
        return real(manifest, **settings)

    monkeypatch.setattr("debias.experiments.fleet.fleet", noted)
    assert folder.is_dir()
    return seen


def test_results_are_beside_the_working_directory(folder: Path) -> None:
    found = call("fleet", "fleet.yaml")
    assert found.code == 1
    assert "Of 2 models, 2 miss their bound." in found.out
    assert sorted(path.name for path in (folder / "fleet.fleet").iterdir()) == [
        *("jobs", "models", "summary.csv", "summary.html", "summary.json", "summary.parquet"),
    ]
    again = call("fleet", "fleet.yaml")
    assert again.code == 2
    assert "holds results of an earlier run" in again.err
    assert "--resume" in again.err
    assert call("fleet", "fleet.yaml", "--resume").code == 1
    one = call("report", "fleet.fleet/jobs/model.json", "--to", "md")
    assert one.code == 0
    assert "rows.csv" in one.out


def test_reports_and_json(folder: Path) -> None:
    found = call("fleet", "fleet.yaml", "--json", "--report", "all.csv", "--report", "all.html")
    told = json.loads(found.out)
    assert told == json.loads((folder / "fleet.fleet" / "summary.json").read_text(encoding="utf-8"))
    assert told["command"] == "debias fleet fleet.yaml --out fleet.fleet --force"
    assert (folder / "all.csv").read_bytes() == (folder / "fleet.fleet" / "summary.csv").read_bytes()
    assert call("fleet", "fleet.yaml", "--quiet", "--force").out.count("\n") == 1


def test_flags_reach_the_run(asked: dict[str, Any]) -> None:
    flags = "--out o --workers 3 --timeout none --memory 2GB --cpu-seconds 9 --no-sandbox --trust --no-cache --quiet"
    assert call("fleet", "fleet.yaml", *flags.split()).code == 1
    assert {name: value for name, value in asked.items() if name not in ("progress", "force", "resume", "ray")} == {
        "out": Path("o"),
        "workers": 3,
        "timeout": None,
        "memory": "2GB",
        "cpu_seconds": 9.0,
        "sandbox": False,
        "trust": True,
        "cache": False,
    }
    assert call("fleet", "fleet.yaml", "--out", "p", "--cache", "c", "--memory", "none").code == 1
    assert (asked["cache"], asked["memory"], asked["timeout"]) == (Path("c"), None, 600.0)


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (("--timeout", "soon"), "error: --timeout: 'soon' is no number of seconds"),
        (("--memory", "much"), "error: --memory: 'much' is no amount of memory"),
        (("--report", "x.txt"), "ends in .txt, which is no report format"),
        (("--report", "fleet.yaml", "--force"), "is an input of this run"),
    ],
)
def test_flags_that_are_wrong(folder: Path, flags: tuple[str, ...], found: str) -> None:
    told = call("fleet", "fleet.yaml", *flags)
    assert told.code == 2
    assert found in told.err
    assert not (folder / "fleet.fleet").exists()


def test_a_wrong_manifest_leaves_nothing(folder: Path) -> None:
    Path("fleet.yaml").write_text(MANIFEST.replace("eps", "esp"))
    told = call("fleet", "fleet.yaml")
    assert told.code == 2
    assert "error: fleet.yaml, line 1, defaults.esp: is no key here" in told.err
    assert "Did you mean eps?" in told.err
    assert not (folder / "fleet.fleet").exists()


def test_interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pressed(command._Lines):
        def __call__(self, done: int, total: int, text: str) -> None:
            super().__call__(done, total, text)
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_Lines", Pressed)
    told = call("fleet", "fleet.yaml")
    assert told.code == 130
    assert "interrupted: fleet.fleet: 1 of 2 jobs are done; their results are kept" in told.err
    assert "--resume goes on" in told.err
    assert json.loads((folder / "fleet.fleet" / "summary.json").read_text())["interrupted"]


def test_lines_of_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = command._Lines()
    for done, at in ((1, 12.0), (10, 30.0), (11, 32.0), (501, 1012.0), (1000, 2000.0)):
        now[0] = at
        lines(done, 1000, "model-\x1b[31m, 2 without a report")
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("1 of 1,000 jobs: model-")
    assert told[1].startswith("10 of 1,000 jobs, about 33 min left: ")
    assert told[2].startswith("501 of 1,000 jobs, about 17 min left: ")
    assert len(told) == 3
    assert "\x1b" not in "".join(told)


class TestSeveralModels:
    def test_an_audit_of_each(self, folder: Path) -> None:
        found = call("audit", "model.pt", "other.pt", *ASKED, "--eps", "0.28", "--json")
        told = json.loads(found.out)
        for row in told["rows"]:
            alone = json.loads(call("audit", row["model"], *ASKED, "--eps", "0.28", "--json").out)
            assert (row["verdict"], row["bias"]) == (alone["verdict"], alone["before"]["bias"])
        assert found.code == 1
        assert not [path for path in folder.iterdir() if path.is_dir() and path.name != "cache"]

    def test_kept_where_it_is_asked(self, folder: Path) -> None:
        found = call("audit", "model.pt", "other.pt", *ASKED, "--out", "kept", "--report", "all.xml", "--exit-zero")
        assert found.code == 0
        assert sorted(path.name for path in (folder / "kept" / "jobs").iterdir()) == ["model.json", "other.json"]
        assert "<testsuite" in (folder / "all.xml").read_text(encoding="utf-8")

    def test_what_is_wrong_is_told_by_its_flag(self, folder: Path) -> None:
        found = call("audit", "model.pt", "gone.pt", *ASKED, "--eps", "-1", "--out", "kept")
        assert found.code == 2
        assert "error: MODEL: 'gone.pt' is no file" in found.err
        assert not (folder / "kept").exists()
        found = call("audit", "model.pt", "other.pt", *ASKED, "--eps", "-1")
        assert "error: --eps: -1.0 is no bound" in found.err
        found = call("audit", "model.pt", "other.pt", *ASKED, "--card", "c.md", "--baseline", "b.json")
        assert found.code == 2

    @pytest.mark.usefixtures("folder")
    def test_a_model_given_twice(self) -> None:
        found = call("audit", "model.pt", "model.pt", "--data", "row.csv", "--attr", "sex")
        assert found.code == 2
        assert "MODEL: 'model.pt' is given twice" in found.err
        assert "--data: 'row.csv' is no file" in found.err

    def test_one_has_no_folder(self) -> None:
        found = call("audit", "model.pt", *ASKED, "--out", "kept")
        assert found.code == 2
        assert "--out: is for several models" in found.err


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C to another process there")
def test_ctrl_c_of_the_command(folder: Path) -> None:
    """Only a process shows it: a signal, real workers, exit code 130, and the rest on resumption."""
    for number in range(12):
        shutil.copy("model.pt", f"copy{number}.pt")
        with Path(f"copy{number}.pt").open("ab") as stream:
            stream.write(b"\0" * number)  # other files, the same network
    arguments = [sys.executable, "-m", "debias", "fleet", "fleet.yaml", "--workers", "1", "--no-cache"]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, cwd=folder)
    results = folder / "fleet.fleet" / "jobs"
    while process.poll() is None and not (results.is_dir() and any(results.glob("*.json"))):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "jobs are done; their results are kept" in err
    assert "Traceback" not in err
    done = {path.name: path.read_bytes() for path in results.glob("*.json")}
    assert 0 < len(done) < 14
    found = call("fleet", "fleet.yaml", "--resume", "--no-cache", "--json")
    told = json.loads(found.out)
    assert {row["name"] for row in told["rows"] if row["reused"] == "resumed"} == {Path(name).stem for name in done}
    assert {name: (results / name).read_bytes() for name in done} == done
    assert len(told["rows"]) == 14
