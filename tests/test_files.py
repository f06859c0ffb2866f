"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from debias import files
from debias.errors import WriteError
from debias.files import write_atomic


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "ä b.pt"
    write_atomic(path, b"content")
    assert path.read_bytes() == b"content"
    assert _names(tmp_path) == ["ä b.pt"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_an_existing_file_stays_without_force(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(WriteError, match=r"exists already\n.*--force"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    write_atomic(path, b"new", force=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert _names(tmp_path) == ["m.pt"]


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.pt"
    monkeypatch.setattr(files, "_mode", lambda target: (target.write_bytes(b"other"), 0o644)[1])
    with pytest.raises(WriteError, match="exists already"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"other"
    assert _names(tmp_path) == ["m.pt"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    write_atomic(tmp_path / "m.pt", b"new")
    assert _names(tmp_path) == ["m.pt"]


def test_a_directory_and_a_missing_folder(tmp_path: Path) -> None:
    for force in (False, True):
        with pytest.raises(WriteError, match="is a folder"):
            write_atomic(tmp_path, b"", force=force)
    with pytest.raises(WriteError, match=r"the folder .* does not exist"):
        write_atomic(tmp_path / "no" / "m.pt", b"")
    with pytest.raises(WriteError):
        write_atomic(tmp_path / "a\0b", b"")
    with pytest.raises(WriteError, match="too long"):
        write_atomic(tmp_path / ("x" * 300), b"")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("step", ["open", "replace"])
def test_no_permission(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(WriteError, match="no permission"):
        write_atomic(tmp_path / "m.pt", b"x", force=True)
    assert _names(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc here")
def test_a_folder_that_takes_no_files() -> None:
    with pytest.raises(WriteError):
        write_atomic("/proc/self/m.pt", b"x")


def test_disk_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "m.pt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"no room for 3 bytes \(No space left on device\)"):
        write_atomic(path, b"new", force=True)
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["m.pt"]


def test_a_real_limit_on_file_size(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from debias.errors import WriteError
        from debias.files import write_atomic
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_atomic(sys.argv[1], bytes(100_000))
        except WriteError as error:
            print(error)
            sys.exit(3)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "m.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "no room" in done.stdout
    assert _names(tmp_path) == []


def test_killed_in_the_middle(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        from debias import files
        def slow(handle):
            print("half way", flush=True)
            time.sleep(60)
        os.fsync = slow
        files.write_atomic(sys.argv[1], bytes(1_000_000), force=True)
    """
    path = tmp_path / "m.pt"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"
    assert all(name == "m.pt" or name.startswith(".m.pt.") for name in _names(tmp_path))
