"""The files that a verb is asked to write, checked before it works."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    from debias.report.writers import unknown_ending

    problems: list[Problem] = []
    kept = {os.path.realpath(path) for path in inputs if path is not None}
    taken: dict[str, str] = {}
    for flag, path in files:
        if path is None:
            continue
        where = f"{flag} {path}"
        ending = unknown_ending(path, judged, tabular) if flag == "--report" else None
        if ending is not None:
            problems.append(ending)
        resolved = os.path.realpath(path)
        if resolved in kept:
            problems.append(Problem("is an input of this run, which is never overwritten", where, "Name another file."))
        else:
            problems += _obstacles(path, where, force) or _held(path, where) or _obstacles(path, where, force)
        if resolved in taken:
            problems.append(Problem(f"is written by {taken[resolved]} too", where, "Name another file."))
        taken[resolved] = flag
    if problems:
        raise UsageError(problems)


def _obstacles(path: Path, where: str, force: bool) -> list[Problem]:
    try:
        if path.is_dir():
            return [Problem("is a folder", where, "Name a file.")]
        if path.exists() and not path.is_file():
            return [Problem("is a device or a pipe", where, "Name a file.")]
        if not path.parent.is_dir():
            return [Problem(f"the folder {path.parent} does not exist", where, "Make it first.")]
        if os.path.lexists(path) and not force:
            return [Problem("exists already", where, "Add --force to overwrite it, or name another file.")]
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return [Problem(f"no file can be made in the folder {path.parent}", where, "Name another folder.")]
    except OSError as error:
        return [Problem(f"cannot be written ({error.strerror})", where, "Name another file.")]
    return []


def _held(path: Path, where: str) -> list[Problem]:
    """Keep the file for this run, until its verb ends."""
    from debias.files import BUSY
    from debias.locks import hold

    try:
        if hold(path):
            return []
    except OSError as error:
        return [Problem(f"cannot be written ({error.strerror})", where, "Name another file.")]
    return [Problem(BUSY, where, "Wait for its end, or name another file.")]
