"""What is costly to make is made once for all workers of a test run."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

VARIABLE = "DEBIAS_TEST_KEPT"


@cache
def folder() -> Path:
    """Return the folder of this run; where no run has made one, of this process."""
    if VARIABLE not in os.environ:
        open_folder()
        atexit.register(close_folder)
    return Path(os.environ[VARIABLE])


def open_folder() -> None:
    """Make the folder, before the workers start."""
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix="debias-tests-")


def close_folder() -> None:
    """Remove it, after they have ended."""
    if VARIABLE in os.environ:
        shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)


def kept(name: str, make: Callable[[Path], object]) -> Path:
    """Return the file or folder of this name; who comes first makes it, the others wait.

    Parameters
    ----------
    name : str
        Tells what it is made of.
    make : callable
        Writes to the path that it is given.
    """
    path = folder() / name
    if not path.exists():
        with (folder() / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                early = folder() / "early" / name
                early.parent.mkdir(exist_ok=True)
                make(early)
                early.rename(path)
    return path
