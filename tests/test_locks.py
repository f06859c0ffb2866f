"""What a dead process left is told from what a living one holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from debias import locks
from debias.errors import WriteError
from debias.files import BUSY, check_output, write_atomic

fcntl = pytest.importorskip("fcntl")


@contextmanager
def elsewhere(code: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run code in another process until it says that it is there; it then waits."""
    text = textwrap.dedent(code) + '\nprint("here", flush=True)\nsys.stdin.read()\n'
    command = [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{text}", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_living_process_keeps_its_files_and_a_dead_one_does_not(tmp_path: Path) -> None:
    target = tmp_path / "m.pt"
    code = """
        from debias import locks
        target = Path(sys.argv[1])
        scope = locks.holding()
        scope.__enter__()
        assert locks.hold(target)
        for word in ("0", "3"):
            assert locks.take(locks.beside(target, word)) is not None
    """
    with elsewhere(code, target) as other:
        left = [".m.pt.0.tmp", ".m.pt.3.tmp", ".m.pt.lock.tmp"]
        assert names(tmp_path) == left
        with locks.holding(), pytest.raises(WriteError, match=BUSY):
            check_output(target)
        write_atomic(target, b"of a program that holds nothing")
        assert names(tmp_path) == [*left, "m.pt"]
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert names(tmp_path) == [*left, "m.pt"]
    with locks.holding():
        check_output(target, force=True)
        assert names(tmp_path) == [*left, "m.pt"]
        write_atomic(target, b"new", force=True)
        assert names(tmp_path) == [".m.pt.lock.tmp", "m.pt"]
    assert names(tmp_path) == ["m.pt"]
    assert target.read_bytes() == b"new"


def test_a_hold_ends_with_its_block_and_is_one_through_every_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(KeyError), locks.holding():
        assert locks.hold(tmp_path / "real" / "r.json")
        assert locks.hold(tmp_path / "link" / "r.json")  # the same process, the same file
        assert names(tmp_path / "real") == [".r.json.lock.tmp"]
        raise KeyError
    assert names(tmp_path / "real") == []
    assert locks.hold(tmp_path / "real" / "r.json")  # outside of a block nothing is held
    assert names(tmp_path / "real") == []


def test_only_leavings_are_removed(tmp_path: Path) -> None:
    target, precious = tmp_path / "m.pt", tmp_path / "precious"
    precious.write_bytes(b"mine")
    (tmp_path / ".m.pt.0.tmp").symlink_to(precious)
    (tmp_path / ".m.pt.1.tmp").mkdir()
    os.mkfifo(tmp_path / ".m.pt.2.tmp")
    os.link(precious, tmp_path / ".m.pt.3.tmp")
    (tmp_path / ".m.pt.old.tmp").write_bytes(b"of another name")
    (tmp_path / ".n.pt.0.tmp").write_bytes(b"of another file")
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert precious.read_bytes() == b"mine"
    kept = [".m.pt.0.tmp", ".m.pt.1.tmp", ".m.pt.2.tmp", ".m.pt.old.tmp", ".n.pt.0.tmp", "m.pt", "precious"]
    assert names(tmp_path) == kept


def test_where_no_name_is_to_be_had_one_is_made_by_chance(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f".m.pt.{number}.tmp").mkdir()
    write_atomic(tmp_path / "m.pt", b"new")
    assert (tmp_path / "m.pt").read_bytes() == b"new"
    assert len(names(tmp_path)) == 9


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".m.pt.0.tmp").write_bytes(b"whose?")
    with locks.holding():
        check_output(tmp_path / "m.pt")
        write_atomic(tmp_path / "m.pt", b"new")
    assert names(tmp_path) == [".m.pt.0.tmp", "m.pt"]


@pytest.mark.parametrize("name", ["x" * 250 + ".html", "名" * 80, "a" * 199 + "é" * 20])
def test_long_names_have_passing_names_of_their_own(tmp_path: Path, name: str) -> None:
    other = name[:-1] + "b"
    assert locks.beside(Path(name), "0") != locks.beside(Path(other), "0")
    with locks.holding():
        check_output(tmp_path / name)
        write_atomic(tmp_path / name, b"content")
    assert names(tmp_path) == [name]


def test_a_device_and_a_pipe_are_no_outputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target in (Path(os.devnull), tmp_path / "pipe"):
        for call in (check_output, lambda path, force: write_atomic(path, b"x", force=force)):
            with pytest.raises(WriteError, match="no file, but a device or a pipe"):
                call(target, force=True)
    assert not Path(os.devnull).is_file()
    assert names(tmp_path) == ["pipe"]
