"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from debias.errors import Problem, WriteError


def write_atomic(path: str | os.PathLike[str], data: bytes, *, force: bool = False) -> None:
    """Write `data` under `path`, so that the name only ever holds the whole content.

    The bytes go to a temporary file in the same folder, are synced to the disk and then take the name. A run that is
    killed in between leaves no file under `path`, at most the temporary one, whose name starts with ``.NAME.``.

    Parameters
    ----------
    path : path-like
        The final name. Its folder must exist.
    data : bytes
        The whole content.
    force : bool
        Replace a file that is there already. Without it an existing file is never touched, also when it appears while
        the data are being written.

    Raises
    ------
    WriteError
        The name is taken or a directory, the folder is missing, there is no permission, or the disk is full. Nothing
        is left behind.
    """
    target = Path(path)
    _check_name(target, force)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", suffix=".tmp", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            # mkstemp makes 0600; a result gets the rights of any new file, or those of the file it replaces
            os.fchmod(stream.fileno(), _mode(target))
        _take_name(temporary, target, force)
        temporary = None
    except OSError as error:
        raise WriteError(_problem(error, target, len(data))) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
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


def _check_name(target: Path, force: bool) -> None:
    if "\0" in str(target):
        raise WriteError(Problem("not a usable name", repr(str(target)), "Name another file."))
    try:
        if target.is_dir():
            raise WriteError(Problem("the output is a directory", str(target), "Name a file."))
        if not target.parent.is_dir():
            raise WriteError(Problem("the folder of the output does not exist", str(target.parent), "Make it first."))
        if not force and os.path.lexists(target):
            raise WriteError(_exists(target))
    except OSError as error:
        raise WriteError(_problem(error, target, 0)) from None


def _take_name(temporary: str, target: Path, force: bool) -> None:
    if force:
        os.replace(temporary, target)  # noqa: PTH105
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
        os.replace(temporary, target)  # noqa: PTH105
    else:
        os.unlink(temporary)  # noqa: PTH108


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
