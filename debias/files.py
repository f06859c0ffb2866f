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
    _check_name(target, force)
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
    target = Path(path)
    with contextlib.suppress(OSError, ValueError):  # what is wrong with a name is told below, or by who reads it
        if any(target.samefile(other) for other in inputs if Path(other).exists()):
            raise WriteError(Problem("is an input, which is never overwritten", str(target), "Name another file."))
    _check_name(target, force)
    try:
        free = locks.hold(target)
    except OSError as error:
        raise WriteError(_problem(error, target, 0)) from None
    if not free:
        raise WriteError(Problem(BUSY, str(target), "Wait for its end, or name another file."))
    _check_name(target, force)  # the run that held it may have just ended


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


def _check_name(target: Path, force: bool) -> None:
    if "\0" in str(target):
        raise WriteError(Problem("not a usable name", repr(str(target)), "Name another file."))
    try:
        if target.is_dir():
            raise WriteError(Problem("the output is a directory", str(target), "Name a file."))
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            raise WriteError(Problem("the output is no file, but a device or a pipe", str(target), "Name a file."))
        if not target.parent.is_dir():
            raise WriteError(Problem("the folder of the output does not exist", str(target.parent), "Make it first."))
        if not force and os.path.lexists(target):
            raise WriteError(_exists(target))
    except OSError as error:
        raise WriteError(_problem(error, target, 0)) from None


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


def _exists(target: Path) -> Problem:
    return Problem("the file exists already", str(target), "Name another file with --out, or replace it with --force.")


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
