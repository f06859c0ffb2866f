"""The files that a verb is asked to write, checked before it works."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from debias.errors import Problem, UsageError

Asked = tuple[str, Path | None]
"""A flag and the file that it names."""


def check_files(
    files: Iterable[Asked], inputs: Iterable[Path | None], force: bool, *, judged: bool = False, tabular: bool = False
) -> None:
    """Refuse, before any work, files that could not or must not be written.

    Parameters
    ----------
    files : iterable of (str, Path or None)
        What is to be written, each with its flag.
    inputs : iterable of Path or None
        Files that are read, and never touched.
    force : bool
        Files that exist may be overwritten.
    judged : bool
        The result comes to a verdict, so that its reports may be findings.
    tabular : bool
        The result has a row for each model, so that its reports may be tables.

    Raises
    ------
    UsageError
        With every problem of every file.
    """
    from debias.files import obstacle
    from debias.report.writers import unknown_ending

    problems: list[Problem] = []
    read = [path for path in inputs if path is not None]
    taken: dict[str, str] = {}
    for flag, path in files:
        if path is None:
            continue
        where = f"{flag} {path}"
        if flag == "--report" and (ending := unknown_ending(path, judged, tabular)) is not None:
            problems.append(ending)
        if (found := obstacle(path, inputs=read, force=force, flag=flag)) is not None:
            problems.append(replace(found, where=where))
        resolved = os.path.realpath(path)
        if resolved in taken:
            problems.append(Problem(f"is written by {taken[resolved]} too", where, "Name another file."))
        taken[resolved] = flag
    if problems:
        raise UsageError(problems)
