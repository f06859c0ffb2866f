"""Files that belong to one process as long as it lives: what a dead one left is told from what a living one holds.

The mark is a lock of the operating system on the open file. It goes with the process, however that ends, so that no
number of a process and no clock has to be believed. Where a file system has no such locks nothing is ever cleared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed: that is the mark there
    fcntl = None  # type: ignore[assignment]

_TRIES = 20
_LONGEST = 200
_held: ContextVar[dict[str, int] | None] = ContextVar("held", default=None)


def beside(target: Path, word: str) -> Path:
    """Return the name of a passing file in the folder of `target`: hidden, and told to be temporary."""
    name = os.fsencode(target.name)
    if len(name) > _LONGEST:
        digest = hashlib.sha256(name).hexdigest()[:12]
        name = os.fsencode(name[: _LONGEST - 20].decode("utf-8", "ignore")) + f"~{digest}".encode()
    return target.with_name(f".{os.fsdecode(name)}.{word}.tmp")


def take(path: Path) -> int | None:
    """Make the empty file `path` for this process alone.

    Parameters
    ----------
    path : Path
        A name that only this module makes files under; what a dead process left there goes.

    Returns
    -------
    int or None
        The descriptor, open for writing; None where a living process has the file, or where that cannot be told.

    Raises
    ------
    OSError
        No file can be made there.
    """
    for _ in range(_TRIES):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            if not clear(path):
                return None
            continue
        if _lock(handle, unknown=True) and _is(path, handle):
            return handle
        os.close(handle)  # another process cleared it between its making and its lock
    return None


def clear(path: Path) -> bool:
    """Remove a file that a dead process left; False where a living one may have it, or it is none of ours."""
    if not os.path.lexists(path):
        return True
    if fcntl is None:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            path.unlink()
        return not os.path.lexists(path)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode) or not _lock(handle, unknown=False):
            return False
        # The name may have gone to another file meanwhile; while this lock is held it cannot go any more.
        if _is(path, handle):
            path.unlink()
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding() -> Iterator[None]:
    """Let what `hold` is given in here belong to this process until the end of this block."""
    held: dict[str, int] = {}
    before = _held.set(held)
    try:
        yield
    finally:
        _held.reset(before)
        for name, handle in held.items():
            _let_go(Path(name), handle)


def hold(target: Path) -> bool:
    """Keep other runs from writing `target` until the block of `holding` ends; outside of one nothing is held.

    Parameters
    ----------
    target : Path
        The file; its folder exists.

    Returns
    -------
    bool
        False where another process holds it.

    Raises
    ------
    OSError
        No file can be made in its folder.
    """
    held = _held.get()
    if held is None:
        return True
    lock = beside(Path(os.path.realpath(target.parent)) / target.name, "lock")
    if str(lock) not in held:
        handle = take(lock)
        if handle is None:
            return False
        held[str(lock)] = handle
    return True


def _let_go(path: Path, handle: int) -> None:
    with contextlib.suppress(OSError):
        if fcntl is None:
            os.close(handle)
            path.unlink()
            return
        try:
            if _is(path, handle):
                path.unlink()
        finally:
            os.close(handle)


def _lock(handle: int, *, unknown: bool) -> bool:
    """Lock an open file; `unknown` is what is returned where the file system has no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unknown
    return True


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False
