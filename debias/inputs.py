"""Read a file that someone else made: a device is never read, and a pipe never waited for."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_SHELL = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Where a shell puts a pipe that it has filled: ``--data <(zcat FILE)``."""
_PIECE = 1 << 20


def open_input(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file to read its bytes.

    Parameters
    ----------
    path : path-like
        A file, a link to one, or a pipe that the shell made (``/dev/fd/63``).

    Raises
    ------
    OSError
        It cannot be opened, or is a directory, a device, a socket or a named pipe: to open a pipe that nobody writes to
        would wait for ever, and a device may have no end.
    """
    where = os.fspath(path)
    _check(Path(where).stat(), where)  # to open a device can do something
    handle = os.open(where, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(os.fstat(handle), where)
        if hasattr(os, "set_blocking"):
            os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_input(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """Return the bytes of a file, see `open_input`; with `most` at most so many and one more, which tells that there
    are others."""
    with open_input(path) as stream:
        return stream.read() if most is None else read_at_most(stream, most)


def read_at_most(stream: io.BufferedReader, most: int) -> bytes:
    """Return at most `most` bytes of an open file and one more, which tells that there are others.

    A read sets aside all that it is asked for: the file is asked for no more than it holds.
    """
    piece = max(os.fstat(stream.fileno()).st_size + 1, _PIECE)
    found: list[bytes] = []
    left = most + 1
    while left and (data := stream.read(min(piece, left))):
        found.append(data)
        left -= len(data)
    return found[0] if len(found) == 1 else b"".join(found)


def _check(found: os.stat_result, where: str) -> None:
    mode = found.st_mode
    if stat.S_ISREG(mode) or (stat.S_ISFIFO(mode) and where.startswith(_SHELL)):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a directory, not a file", where)
    what = "a named pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise OSError(errno.EINVAL, f"{what}, not a file", where)
