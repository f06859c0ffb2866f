"""A fleet: its jobs against single audits and repairs, what is kept, taken again and refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

import debias
from debias import jobs
from debias.errors import UsageError, WriteError
from debias.experiments.fleet import Interrupted, verb, work
from debias.experiments.fleet.keys import Digests, Keyed, keyed
from debias.experiments.fleet.manifest import tasks_of
from debias.experiments.fleet.results import failed, sealed, unsealed
from debias.experiments.fleet.task import Task
from debias.report.reading import read
from debias.report.values.fleet import Fleet, FleetRow
from debias.run import request
from tests.experiments.fleet.behaviour import behave
from tests.run import world

ASKED: dict[str, Any] = {"data": "rows.csv", "attr": "sex", "eps": 0.28}


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with two models, one of them twice, and a cache of its own."""
    shutil.copy("model.pt", "same.pt")
    world.save(world.trained(world.table(seed=4)), Path("other.pt"))
    monkeypatch.setenv("DEBIAS_CACHE", str(place / "cache"))
    return place


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let jobs run in this process; return the names of those that were done."""
    done: list[str] = []

    class Counted(jobs.Serial):
        def run(self, asked: Any, setup: Any, heard: Any) -> Any:
            done.extend(job.name for job in asked)
            return super().run(asked, setup, heard)

    monkeypatch.setattr(jobs, "backend_for", lambda *_, **__: Counted())
    return done


def rows(fleet: Fleet) -> dict[str, FleetRow]:
    return {row.name: row for row in fleet.rows}


def changed(path: str) -> None:
    """Move every weight of a model's last layer a little."""
    model: Any = torch.jit.load(path)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        model.last.bias.add_(0.25)
    model.save(path)


@pytest.mark.usefixtures("folder", "here")
class TestAgainstSingleRuns:
    def test_audits(self, folder: Path) -> None:
        found = debias.fleet([{"model": "*.pt", **ASKED}], out="out", cache=False)
        assert [row.name for row in found.rows] == ["model", "other", "same"]
        for name in ("model", "other"):
            alone = debias.audit(f"{name}.pt", **ASKED)
            row, parity = rows(found)[name], alone.before.parities[0]
            assert (row.verdict, row.exit_code, row.bias) == (alone.verdict, alone.exit_code, parity.bias)
            assert (row.attribute, row.rows) == ("sex", alone.before.n)
            assert row.balanced_accuracy == alone.before.balanced_accuracy
            kept, _ = read(folder / "out" / "jobs" / f"{name}.json")
            assert kept == alone.model_copy(update={"created": kept.created})  # type: ignore[union-attr]
        assert rows(found)["same"].reused == "same"
        assert rows(found)["same"].model == "same.pt"
        assert found.exit_code == max((row.exit_code for row in found.rows), key=(0, 3, 1, 2).index)

    def test_a_repair(self) -> None:
        job = {"model": "model.pt", "repair": {"method": "prune", "steps": 3, "keep_best": True}, **ASKED}
        found = debias.fleet([job], out="out", cache=False)
        alone = debias.prune("model.pt", steps=3, keep_best=True, out="alone.pt", **ASKED)
        (row,) = found.rows
        assert alone.after is not None
        assert (row.bias, row.bias_before) == (alone.after.bias, alone.before.bias)
        assert row.output == "models/model.pt"
        assert debias.audit("out/models/model.pt", **ASKED).before.bias == debias.audit("alone.pt", **ASKED).before.bias
        assert debias.verify("out/models/model.pt").exit_code == 0

    def test_the_summary_in_all_formats(self, folder: Path) -> None:
        found = debias.fleet([{"model": "*.pt", **ASKED}], out="out", cache=False)
        assert read(folder / "out" / "summary.json")[0] == found
        with (folder / "out" / "summary.csv").open(newline="", encoding="utf-8") as stream:
            table = list(csv.DictReader(stream))
        assert [float(line["bias"]) for line in table] == [row.bias for row in found.rows]
        assert pq.read_table(folder / "out" / "summary.parquet").column("name").to_pylist() == [
            "model",
            "other",
            "same",
        ]
        assert "other" in (folder / "out" / "summary.html").read_text(encoding="utf-8")
        assert not list((folder / "out").rglob(".*")), "nothing passing is left"


@pytest.mark.usefixtures("folder")
class TestKeptAndTakenAgain:
    def test_the_cache_is_asked_before_anything_is_done(self, here: list[str]) -> None:
        manifest = [{"model": "*.pt", **ASKED}, {"model": "other.pt", "name": "gone", **ASKED, "attr": "race"}]
        first = debias.fleet(manifest)
        assert here == ["model", "other", "gone"]
        assert rows(first)["gone"].status == "refused"
        assert "'race'" in str(rows(first)["gone"].problem)
        again = debias.fleet(manifest)
        assert here == ["model", "other", "gone"]
        assert {row.reused for row in again.rows} == {"cached"}
        assert [row.bias for row in again.rows] == [row.bias for row in first.rows]
        shutil.copy("model.pt", "copy.pt")
        moved = debias.fleet([{"model": "copy.pt", **ASKED}])
        assert (moved.rows[0].reused, moved.rows[0].model) == ("cached", "copy.pt")
        debias.fleet(manifest, cache=False)
        assert len(here) == 6

    @pytest.mark.parametrize("what", ["model", "table", "sidecar", "setting", "trust", "version"])
    def test_a_key_is_of_all_that_a_result_depends_on(self, what: str) -> None:
        def key(**more: Any) -> str | None:
            (task,) = tasks_of([{"model": "model.pt", **ASKED, **more}])
            return keyed(task, Digests(), {"trust": what == "trust" and bool(more), "version": version}).key

        version = "1"
        before = key()
        assert before == key()
        more: dict[str, Any] = {}
        if what == "model":
            changed("model.pt")
        elif what == "table":
            world.table(seed=9).to_csv("rows.csv", index=False)
        elif what == "sidecar":
            Path("model.pt.debias.json").write_text("{}")
        elif what == "version":
            version = "2"
        else:
            more = {"min_group": 2}
        assert key(**more) != before

    def test_resume_keeps_what_is_whole_and_the_same(self, folder: Path, here: list[str]) -> None:
        for name in "abcdef":
            world.save(world.trained(world.table(seed=ord(name))), Path(f"{name}.pt"))
        manifest = [{"model": "[a-f].pt", **ASKED}]
        first = debias.fleet(manifest, out="out", cache=False)
        results = folder / "out" / "jobs"
        (results / "a.json").write_bytes((results / "a.json").read_bytes()[:-200])
        told = (results / "b.json").read_text(encoding="utf-8")
        (results / "b.json").write_text(told.replace('"exit_code": 1', '"exit_code": 0').replace("fail", "pass"))
        (results / "c.json").unlink()
        changed("d.pt")
        shutil.copy(results / "e.json", results / "f.json")
        here.clear()
        again = debias.fleet(manifest, out="out", resume=True, cache=False)
        assert here == ["a", "b", "c", "d", "f"]
        assert rows(again)["e"].reused == "resumed"
        assert {name: row.bias for name, row in rows(again).items() if name != "d"} == {
            name: row.bias for name, row in rows(first).items() if name != "d"
        }

    def test_a_repaired_file_that_was_edited_is_made_again(self, folder: Path, here: list[str]) -> None:
        manifest = [{"model": "model.pt", "repair": {"method": "threshold", "keep_best": True}, **ASKED}]
        debias.fleet(manifest, out="out")
        written = (folder / "out" / "models" / "model.pt").read_bytes()
        (folder / "out" / "models" / "model.pt").write_bytes(b"PK")
        again = debias.fleet(manifest, out="out", resume=True)
        assert again.rows[0].reused == "cached"
        assert (folder / "out" / "models" / "model.pt").read_bytes() == written
        (folder / "cache").rename("elsewhere")
        (folder / "out" / "models" / "model.pt").unlink()
        assert debias.fleet(manifest, out="out", resume=True).rows[0].reused is None
        assert here == ["model", "model"]

    @pytest.mark.parametrize("harm", ["cut", "edited", "other"])
    def test_a_broken_entry_of_the_cache_is_none(self, folder: Path, here: list[str], harm: str) -> None:
        debias.fleet([{"model": "m*.pt", **ASKED}, {"model": "other.pt", **ASKED}])
        entries = sorted((folder / "cache").rglob("*.json"))
        for path in entries:
            data = path.read_bytes()
            broken = {"cut": data[:50], "edited": data.replace(b"rows.csv", b"cols.csv"), "other": b""}[harm]
            path.write_bytes(broken if harm != "other" else entries[0].read_bytes())
        debias.fleet([{"model": "m*.pt", **ASKED}, {"model": "other.pt", **ASKED}])
        assert len(here) == (3 if harm == "other" else 4)

    def test_interrupted_and_resumed(self, folder: Path, here: list[str]) -> None:
        def stop(done: int, total: int, _: str) -> None:
            assert total == 3
            if done == 1:
                raise KeyboardInterrupt

        manifest = [{"model": "*.pt", **ASKED}]
        with pytest.raises(Interrupted) as caught:
            debias.fleet(manifest, out="out", cache=False, progress=stop)
        assert caught.value.fleet.interrupted
        assert [row.status for row in caught.value.fleet.rows] == ["done", "stopped", "stopped"]
        assert read(folder / "out" / "summary.json")[0] == caught.value.fleet
        here.clear()
        again = debias.fleet(manifest, out="out", cache=False, resume=True)
        assert here == ["other", "same"]
        assert [row.status for row in again.rows] == ["done"] * 3
        assert not again.interrupted


@pytest.mark.usefixtures("folder", "here")
class TestTheFolder:
    def test_results_are_not_mixed(self, folder: Path) -> None:
        manifest = [{"model": "model.pt", **ASKED}]
        debias.fleet(manifest, out="out", cache=False)
        before = (folder / "out" / "jobs" / "model.json").read_bytes()
        with pytest.raises(UsageError, match="holds results of an earlier run"):
            debias.fleet(manifest, out="out", cache=False)
        assert (folder / "out" / "jobs" / "model.json").read_bytes() == before
        debias.fleet([{"model": "other.pt", **ASKED}], out="out", force=True, cache=False)
        assert [path.name for path in (folder / "out" / "jobs").iterdir()] == ["other.json"]

    def test_two_runs_at_once(self) -> None:
        def other(done: int, *_: object) -> None:
            for resume in (True, False):
                with pytest.raises(UsageError, match=f"another run writes here: process {os.getpid()} on"):
                    debias.fleet(
                        [{"model": "other.pt", **ASKED}], out="out", cache=False, resume=resume, force=not resume
                    )
            told.append(done)

        told: list[int] = []
        debias.fleet([{"model": "model.pt", **ASKED}], out="out", cache=False, progress=other)
        assert told == [1]

    def test_where_no_folder_can_be(self, folder: Path) -> None:
        for out, found in (("model.pt", "is no folder"), ("a/b/c", "folder that it is in does not exist")):
            with pytest.raises(UsageError, match=found):
                debias.fleet([{"model": "model.pt", **ASKED}], out=out, cache=False)
        (folder / "out").mkdir()
        (folder / "out" / "jobs").touch()
        with pytest.raises((UsageError, WriteError)):
            debias.fleet([{"model": "model.pt", **ASKED}], out="out", cache=False)


@pytest.mark.usefixtures("folder", "here")
class TestWhatHasNoReport:
    def test_files_that_are_none(self, folder: Path) -> None:
        os.mkfifo("pipe.pt")
        (folder / "folder.pt").mkdir()
        (folder / "link.pt").symlink_to("/dev/zero")
        (folder / "loop.pt").symlink_to("loop.pt")
        (folder / os.fsdecode(b"\xff.pt")).write_bytes(b"no model")
        found = debias.fleet([{"model": "*.pt", **ASKED}], out="out", cache=False)
        status = {row.name: row.status for row in found.rows}
        assert {name for name, one in status.items() if one == "done"} == {"model", "other", "same"}
        refused = {row.name: str(row.problem) for row in found.rows if row.status == "refused"}
        assert set(refused) >= {"pipe", "folder", "link", "loop"}
        assert len(refused) == 5
        assert "a named pipe, not a file" in refused["pipe"]
        assert found.exit_code == 2
        for path in (folder / "out" / "jobs").iterdir():
            assert unsealed(path.read_bytes()) is not None

    def test_a_file_that_changes_meanwhile(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = work.carry_out

        def meddling(asked: Any, *rest: Any) -> Any:
            changed(asked.task.model)
            return real(asked, *rest)

        monkeypatch.setattr(verb, "carry_out", meddling)
        found = debias.fleet([{"model": "model.pt", **ASKED}], out="out")
        assert (found.rows[0].status, found.exit_code) == ("refused", 2)
        assert "model.pt: changed while the run went on" in str(found.rows[0].problem)
        assert not list((folder / "cache").rglob("*.json"))

    @pytest.mark.parametrize("answer", [b"", b"{}", b"no json", b"\xff", []])
    def test_an_answer_that_is_no_report(self, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verb, "carry_out", lambda *_: answer)
        found = debias.fleet([{"model": "model.pt", **ASKED}], cache=False)
        assert found.rows[0].status == "crashed"
        assert found.rows[0].problem == "model: its process answered with no report"

    def test_an_answer_for_another_job(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = work.carry_out
        monkeypatch.setattr(verb, "carry_out", lambda *given: [*real(*given), b"a model that nobody asked for"])
        found = debias.fleet([{"model": "model.pt", **ASKED}], out="out", cache=False)
        assert found.rows[0].status == "crashed"
        assert not list((folder / "out" / "models").iterdir())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(("exception", "crashed"), ("crash", "crashed"), ("timeout", "timeout"), ("memory", "memory")),
        *(("cpu", "cpu"), ("forbidden", "forbidden")),
    ],
)
def test_how_a_job_ended_is_its_status(kind: Any, status: str) -> None:
    one = Keyed(Task("n", "m.pt", {"data": "d.csv"}), "key")
    found = failed(one, jobs.JobError("it was so", kind), 2.0)
    assert (found.status, found.exit_code, found.seconds, found.problems[0].found) == (status, 2, 2.0, "it was so")
    assert unsealed(sealed(found)) == found.model_copy(update={"seal": json.loads(sealed(found))["seal"]})


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"memory": "much"}, "'much' is no amount of memory"),
        ({"memory": 0}, "'0' is no amount of memory"),
        ({"workers": 0}, "0 is no number of jobs"),
        ({"timeout": -1.0}, "-1.0 is no time limit"),
        ({"cpu_seconds": -1.0}, "-1.0 is no limit"),
    ],
)
def test_limits_that_are_none(settings: dict[str, Any], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        debias.fleet([{"model": "model.pt", **ASKED}], **settings)


@pytest.mark.usefixtures("folder")
def test_what_no_job_could_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="has to be written somewhere"):
        debias.fleet([{"model": "model.pt", "repair": "threshold", **ASKED}])
    monkeypatch.setattr(request, "_device_problems", lambda _: [])
    with pytest.raises(UsageError, match="'cuda' cannot be opened in the sandbox"):
        debias.fleet([{"model": "model.pt", **ASKED, "device": "cuda"}])


class Bad(nn.Module):
    """A network with more to do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = world.Net(2)


class Greedy(Bad):
    """Takes 64 GiB."""

    def forward(self, x: Tensor) -> Tensor:
        score: Tensor = self.net(x)
        return score + torch.zeros(17179869184).sum() * 0


@pytest.fixture(scope="module")
def fleet(original: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fleet]:
    """Run good and bad jobs in processes of their own, with the checks before loading lifted."""
    place = tmp_path_factory.mktemp("fleet")
    shutil.copy(original / "model.pt", place / "good.pt")
    shutil.copy(original / "rows.csv", place / "rows.csv")
    world.save(Greedy(), place / "greedy.pt")
    (place / "torn.pt").write_bytes((place / "good.pt").read_bytes()[:3000])
    names = ("spins", "dies", "writes")
    for number, name in enumerate(names):
        (place / f"{name}.pt").write_bytes((place / "good.pt").read_bytes() + bytes(number + 1))
    (place / "fleet.yaml").write_text(
        "defaults: {data: rows.csv, attr: sex, eps: 0.28}\n"
        "jobs: [{model: '*.pt'}, {model: good.pt, name: repaired, repair: {method: threshold, keep_best: true}}]\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "carry_out", behave)
        patch.chdir(place)
        limits: dict[str, Any] = {"timeout": 300, "cpu_seconds": 3, "memory": "2GiB"}
        found = debias.fleet("fleet.yaml", out="out", cache=False, workers=2, trust=True, **limits)
    return place, found


@pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")
def test_bad_models_are_lines_and_the_others_go_on(fleet: tuple[Path, Fleet]) -> None:
    place, found = fleet
    assert {row.name: row.status for row in found.rows} == {
        "dies": "crashed",
        "good": "done",
        "greedy": "memory",
        "repaired": "done",
        "spins": "cpu",
        "torn": "refused",
        "writes": "forbidden",
    }
    assert not (place / "canary").exists()
    assert found.exit_code == 2
    assert found.statement.endswith("5 have no report.")
    assert all(row.problem for row in found.rows if row.status != "done")
    assert "was ended after 3 s of processor time" in str(rows(found)["spins"].problem)
    assert json.loads((place / "out" / "jobs" / "greedy.json").read_text())["problems"]


def test_a_repair_is_written_by_the_process_that_trusts_nobody(fleet: tuple[Path, Fleet]) -> None:
    place, found = fleet
    assert rows(found)["repaired"].output == "models/repaired.pt"
    assert debias.verify(place / "out" / "models" / "repaired.pt").exit_code == 0
    assert (place / "out" / "models" / "repaired.pt").stat().st_size > 1000
