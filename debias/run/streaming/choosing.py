"""Whether a table is read a batch at a time, and what cannot be had then."""

from __future__ import annotations

import os
from pathlib import Path

from debias.data.batches import bytes_in_memory
from debias.errors import DebiasError, Problem, UsageError
from debias.run.request import Request

LARGE = 2 << 30
"""A table that would take more bytes in memory than this is streamed where nothing else is asked."""


SAMPLE_ROWS = 200_000
"""Rows that choose a repair where the table is larger, and nothing else is asked."""


def samples(request: Request) -> bool:
    """Return whether a repair chooses by a sample of its table: as asked, else by the table's size."""
    return request.sample_rows is not None or streams(request)


def streams(request: Request) -> bool:
    """Return whether the table of an audit is streamed: as asked, or where it is said how, else by its size."""
    if request.stream is not None:
        return request.stream
    if request.batch_rows is not None or request.workers > 1 or request.ray is not None:
        return True
    if not isinstance(request.data, str | os.PathLike):
        return False
    try:
        return bytes_in_memory(Path(request.data)) > LARGE
    except DebiasError:
        return False  # what is wrong with the file is told by what reads it


def refuse(request: Request) -> None:
    """Refuse what a streamed audit cannot give.

    Raises
    ------
    UsageError
    """
    problems = []
    if not isinstance(request.data, str | os.PathLike):
        problems.append(Problem("only a file can be read a batch at a time", "--stream", "Give a path."))
    for asked, flag in ((request.draws, "--draws"), (request.fresh_adversary, "--fresh-adversary")):
        if asked:
            found = "needs all rows at once, and the table is read a batch at a time"
            problems.append(Problem(found, flag, "Leave it out, or give --no-stream."))
    if problems:
        raise UsageError(problems)
