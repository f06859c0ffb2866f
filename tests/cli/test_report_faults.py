"""Reports that cannot be written, whole or at all: told before the work where it can be known, else nothing half."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import debias
from tests.cli.test_bad_input import nobody, public, refused
from tests.run.test_faults import start
from tests.run.world import ASKED, call, content

__all__ = ["public"]
ENDINGS = ("html", "md", "json", "xml", "sarif")
REPORTS = tuple(part for ending in ENDINGS for part in ("--report", f"r.{ending}"))
REPAIR = ("threshold", "model.pt", *ASKED, "--eps", "0.3", "--out", "out.pt")
AUDIT = ("audit", "model.pt", *ASKED, "--eps", "0.05")


@pytest.fixture(scope="module", autouse=True)
def loaded(original: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load all modules: a user without rights may not be able to read them."""
    folder = tmp_path_factory.mktemp("loaded")
    for path in original.iterdir():
        shutil.copy(path, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert call(*REPAIR, *REPORTS, "--card", "card.md", "--write-baseline", "known.json").code == 0


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_every_file_is_told_at_once_and_before_the_work(place: Path) -> None:
    (place / "folder.html").mkdir()
    (place / "there.xml").write_text("mine")
    before = content(place)
    wrong = ("folder.html", "none/r.md", "there.xml", "model.pt/r.json", "r.pdf", "x" * 300 + ".sarif", "rows.csv")
    flags = [part for name in wrong for part in ("--report", name)]
    last = ("--card", "none/card.md", "--write-baseline", "folder.html")
    result = call(*AUDIT, *flags, *last)
    message = refused(result, place, before)
    assert result.err.count("error: ") >= len(wrong) + 2
    for part in (*wrong, "none/card.md", "is a folder", "does not exist", "exists already", "is an input"):
        assert part in message


@pytest.mark.parametrize("verb", [AUDIT, REPAIR])
def test_a_folder_that_takes_no_files(public: Path, verb: tuple[str, ...]) -> None:
    (public / "kept").mkdir(mode=0o555)
    before = content(public)
    flags = [part for ending in ENDINGS for part in ("--report", f"kept/r.{ending}")]
    public.chmod(0o777)
    with nobody():
        result = call(*verb, *flags, "--card", "kept/card.md", "--write-baseline", "kept/known.json")
    message = refused(result, public, before)
    assert message.count("no file can be made in the folder kept") == len(ENDINGS) + 2
    assert list((public / "kept").iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_without_room_for_a_report(place: Path, ending: str) -> None:
    before = content(place)
    with room(2000):
        result = call(*AUDIT, "--report", f"r.{ending}")
    message = refused(result, place, before)
    assert f"r.{ending}: no room for" in message and "Free some space" in message


@pytest.mark.parametrize(("flag", "name"), [("--card", "card.md"), ("--write-baseline", "known.json")])
def test_a_disk_without_room_for_what_comes_after_the_reports(place: Path, flag: str, name: str) -> None:
    with room(200):
        result = call(*AUDIT, flag, name)
    assert (result.code, result.out) == (2, "")
    assert f"{name}: no room for" in result.err
    assert not (place / name).exists()


def test_the_model_and_earlier_reports_are_whole_where_a_later_one_has_no_room(place: Path) -> None:
    assert call(*REPAIR, *REPORTS).code == 0
    sizes = {ending: (place / f"r.{ending}").stat().st_size for ending in ENDINGS}
    model, xml = (place / "out.pt").stat().st_size, sizes["xml"]
    for path in (place / "out.pt", *place.glob("r.*")):
        path.unlink()
    before = content(place)
    largest = max(sizes, key=lambda ending: sizes[ending])
    assert sizes[largest] > max(model, xml)
    with room((sizes[largest] + max(model, xml)) // 2):
        result = call(*REPAIR, "--report", "r.xml", "--report", f"r.{largest}")
    assert (result.code, result.out) == (2, "")
    assert f"r.{largest}: no room for" in result.err
    after = content(place)
    assert set(after) - set(before) == {"out.pt", "r.xml"}
    assert (place / "r.xml").stat().st_size == xml
    assert debias.inspect(place / "out.pt").usable


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_report_that_is_there_stays_whole(place: Path, ending: str) -> None:
    name = f"r.{ending}"
    (place / name).write_text("mine")
    before = content(place)
    with room(2000):
        result = call(*AUDIT, "--report", name, "--force")
    refused(result, place, before)


@pytest.mark.parametrize("number", [1, 3, 6, 7])
def test_killed_in_the_middle_of_a_file(place: Path, number: int) -> None:
    """The first file written is the model, then the reports in their order, then the card."""
    before = content(place)
    with start(place, f"half:{number}:kill", *REPAIR, *REPORTS, "--card", "card.md") as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    names = ["out.pt", *(f"r.{ending}" for ending in ENDINGS), "card.md"]
    left = {name for name in content(place) if not name.startswith(".")} - set(before)
    assert left == set(names[: number - 1])
    assert {name: digest for name, digest in content(place).items() if name in before} == before
    again = call(*REPAIR, *REPORTS, "--card", "card.md", "--force")
    assert again.code == 0
    assert json.loads((place / "r.json").read_text(encoding="utf-8"))["verdict"] == "pass"


def test_interrupted_in_the_middle_of_a_report(place: Path) -> None:
    before = content(place)
    with start(place, "half:3:wait", *REPAIR, *REPORTS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err == "interrupted: nothing half written was left behind\n"
    # What was whole stays; of the file that was being written nothing is left.
    assert set(content(place)) - set(before) == {"out.pt", "r.html"}
    assert debias.inspect(place / "out.pt").usable


def test_a_summary_that_may_not_be_written(public: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public.chmod(0o777)
    summary = public / "summary.md"
    summary.write_text("# mine\n")
    summary.chmod(0o444)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    with nobody():
        result = call(*AUDIT, "--report", "r.md")
    assert result.code == 1 and result.out.startswith("FAIL")
    assert "warning: GITHUB_STEP_SUMMARY: cannot be written (Permission denied)" in result.err
    assert summary.read_text() == "# mine\n" and (public / "r.md").stat().st_size > 1000


def test_a_summary_without_room_on_the_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = place / "summary.md"
    summary.write_text("# mine\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    with room(2000):
        result = call(*AUDIT)
    assert result.code == 1
    assert "warning: GITHUB_STEP_SUMMARY: cannot be written" in result.err
    assert summary.read_text().startswith("# mine\n")
    with room(1_000_000):
        assert call(*AUDIT).err == ""


def test_a_report_from_json_is_whole_or_not_there(place: Path) -> None:
    assert call(*REPAIR, "--report", "r.json").code == 0
    before = content(place)
    for kind in ("html", "md", "sarif", "xml", "card", "terminal"):
        with room(1000):
            result = call("report", "r.json", "--to", kind, "--out", "again.txt")
        assert "no room for" in refused(result, place, before)
    diff = call("diff", "r.json", "r.json", "--report", "none/d.md", "--report", "rows.csv")
    assert refused(diff, place, before).count("error: ") >= 2
