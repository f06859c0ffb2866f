"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from debias import locks
from debias.errors import Problem, WriteError

_NAMES = 8
"""Temporary names of a file, one for each run that may write it at once; more runs get a name by chance."""

BUSY = "another run is writing it"
_DIFFERS = "the file read back differs from what was written"


def write_atomic(path: str | os.PathLike[str], data: bytes, *, force: bool = False, verify: bool = False) -> None:
    """Write `data` under `path`, so that the name only ever holds the whole content.

    The bytes go to a temporary file in the same folder, are synced to the disk and then take the name. A run that is
    killed in between leaves no file under `path`, at most the temporary one, ``.NAME.….tmp``; the next run that writes
    `path` removes it.

    Parameters
    ----------
    path : path-like
        The final name. Its folder must exist.
    data : bytes
        The whole content.
    force : bool
        Replace a file that is there already. Without it an existing file is never touched, also when it appears while
        the data are being written.
    verify : bool
        Read the bytes back before they take the name.

    Raises
    ------
    WriteError
        The name is taken, a directory or a device, the folder is missing, there is no permission, the disk is full or
        gives back other bytes. Nothing is left behind.
    """
    target = Path(path)
    if (problem := _unfit(target, force)) is not None:
        raise WriteError(problem)
    temporary: Path | None = None
    handle = -1
    try:
        handle, temporary = _temporary(target)
        # kept open until the name is taken: its lock is what tells it from the leavings of a dead run
        with os.fdopen(handle, "wb", closefd=False) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(handle)
        # the temporary file is 0600; a result gets the rights of any new file, or those of the file it replaces
        if hasattr(os, "fchmod"):
            os.fchmod(handle, _mode(target))
        if os.name == "nt":  # no file that is open takes a name there
            os.close(handle)
            handle = -1
        if verify and temporary.read_bytes() != data:
            raise WriteError(Problem(_DIFFERS, str(target), "Check the disk."))
        _take_name(temporary, target, force)
        temporary = None
    except OSError as error:
        raise WriteError(_problem(error, target, len(data))) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if handle >= 0:
            os.close(handle)
    _sync_folder(target.parent)


def check_output(
    path: str | os.PathLike[str], *, inputs: Iterable[str | os.PathLike[str]] = (), force: bool = False
) -> None:
    """Refuse, before any work, a name that `write_atomic` would refuse after it, or that is one of the inputs.

    Parameters
    ----------
    path : path-like
        The final name.
    inputs : iterable of path-like
        Files that are never overwritten, under whatever name.
    force : bool
        Replacing another file is fine.

    Raises
    ------
    WriteError
    """
    if (problem := obstacle(path, inputs=inputs, force=force)) is not None:
        raise WriteError(problem)


def obstacle(
    path: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    force: bool = False,
    flag: str = "--out",
) -> Problem | None:
    """Return what `check_output` refuses a name for, else None; `flag` is what names another."""
    target = Path(path)
    if any(_same(target, Path(other)) for other in inputs):
        return Problem("is an input of this run, which is never overwritten", str(target), "Name another file.")
    # asked again in the end: the run that held it may have just ended
    return _unfit(target, force, flag) or _closed(target) or _held(target) or _unfit(target, force, flag)


def _same(target: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # what is wrong with a name is told by who reads or writes it
        return os.path.realpath(target) == os.path.realpath(other) or target.samefile(other)
    return False


def _closed(target: Path) -> Problem | None:
    """Return what is wrong with a folder that takes no files; on some systems only the writing tells."""
    if os.access(target.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return None
    return Problem(f"no file can be made in the folder {target.parent}", str(target), "Name another folder.")


def _held(target: Path) -> Problem | None:
    """Keep the name for this run, until its verb ends; or return why not."""
    try:
        free = locks.hold(target)
    except OSError as error:
        return _problem(error, target, 0)
    return None if free else Problem(BUSY, str(target), "Wait for its end, or name another file.")


def _temporary(target: Path) -> tuple[int, Path]:
    """Make a temporary file beside `target`, and remove those that dead runs left there."""
    names = [locks.beside(target, str(number)) for number in range(_NAMES)]
    taken: tuple[int, Path] | None = None
    for name in names:
        if taken is not None:
            locks.clear(name)
        elif (handle := locks.take(name)) is not None:
            taken = handle, name
    if taken is not None:
        return taken
    handle, found = tempfile.mkstemp(prefix=f"{names[0].name[:-5]}", suffix=".tmp", dir=target.parent)
    return handle, Path(found)


def _unfit(target: Path, force: bool, flag: str = "--out") -> Problem | None:
    """Return why a file cannot take this name as things are."""
    if "\0" in str(target):
        return Problem("not a usable name", repr(str(target)), "Name another file.")
    try:
        if target.is_dir():
            return Problem("is a folder", str(target), "Name a file.")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            return Problem("is no file, but a device or a pipe", str(target), "Name a file.")
        if not target.parent.is_dir():
            return Problem(f"the folder {target.parent} does not exist", str(target), "Make it first.")
        if not force and os.path.lexists(target):
            return _exists(target, flag)
    except OSError as error:
        return _problem(error, target, 0)
    return None


def _take_name(temporary: Path, target: Path, force: bool) -> None:
    if force:
        temporary.replace(target)
        return
    # a hard link fails where the name is taken, which a rename does not
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # a file system without hard links: the check once more, then the rename
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        temporary.replace(target)
    else:
        temporary.unlink()


def _mode(target: Path) -> int:
    with contextlib.suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    # the name itself must survive a power cut; some file systems cannot sync a folder, and the file is whole anyway
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _exists(target: Path, flag: str = "--out") -> Problem:
    return Problem("exists already", str(target), f"Name another file with {flag}, or replace it with --force.")


def _problem(error: OSError, target: Path, size: int) -> Problem:
    if error.errno == errno.EEXIST:
        return _exists(target)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Problem(
            f"no permission to write here ({error.strerror})", str(target), "Name another folder with --out."
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Problem(
            f"no room for {size:,} bytes ({error.strerror})", str(target), "Free some space, or name another folder."
        )
    if error.errno == errno.ENAMETOOLONG:
        return Problem("the name is too long for this file system", str(target), "Name another file.")
    return Problem(f"could not be written: {error.strerror or error}", str(target), "Name another file or folder.")
