"""What a verb hands over once its work is done, and the checks of it before the work starts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from debias.cli.common import Force, Json, Quiet, Report, View
from debias.cli.output import show
from debias.cli.sources import repeatable
from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    from debias.report.documents import Value

Asked = tuple[str, Path | None]
"""A flag and the file that it names."""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What is printed and written of a result."""

    report: Report = None
    force: Force = False
    json: Json = False
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class GateOptions(ReportOptions):
    """What a result with a verdict can be turned into besides."""

    view: View = None


class Delivery:
    """What a verb hands over, in one order for all verbs.

    Parameters
    ----------
    options : ReportOptions
        What is asked.
    inputs : iterable of Path or None
        Files that are read, and never touched.
    written : sequence of (str, Path or None)
        Flags of the verb itself with the files that its work writes.

    Raises
    ------
    UsageError
        With every problem of every file that could not or must not be written.
    """

    def __init__(
        self, options: ReportOptions, *, inputs: Iterable[Path | None] = (), written: Sequence[Asked] = ()
    ) -> None:
        self.options = options
        self.reports = options.report or []
        check_files([*(("--report", path) for path in self.reports), *written], inputs, options.force)

    def hand_over(self, value: Value, *, full: bool = False) -> int:
        """Write all that is asked of a result, print it, and only then return the exit code."""
        value = repeatable(value)
        self._write_reports(value)
        show(value, json=self.options.json, quiet=self.options.quiet, full=full)
        return int(value.exit_code)

    def _write_reports(self, value: Value) -> None:
        from debias.files import write_atomic
        from debias.report.writers import render

        for path in self.reports:
            write_atomic(path, render(value, path), force=self.options.force)


def check_files(files: Iterable[Asked], inputs: Iterable[Path | None], force: bool) -> None:
    """Refuse, before any work, files that could not or must not be written.

    Parameters
    ----------
    files : iterable of (str, Path or None)
        What is to be written, each with its flag.
    inputs : iterable of Path or None
        Files that are read, and never touched.
    force : bool
        Files that exist may be overwritten.

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
        ending = unknown_ending(path) if flag == "--report" else None
        if ending is not None:
            problems.append(ending)
        resolved = os.path.realpath(path)
        if resolved in kept:
            problems.append(Problem("is an input of this run, which is never overwritten", where, "Name another file."))
        else:
            problems += _obstacles(path, where, force)
        if resolved in taken:
            problems.append(Problem(f"is written by {taken[resolved]} too", where, "Name another file."))
        taken[resolved] = flag
    if problems:
        raise UsageError(problems)


def _obstacles(path: Path, where: str, force: bool) -> list[Problem]:
    try:
        if path.is_dir():
            return [Problem("is a folder", where, "Name a file.")]
        if not path.parent.is_dir():
            return [Problem(f"the folder {path.parent} does not exist", where, "Make it first.")]
        if path.exists() and not force:
            return [Problem("exists already", where, "Add --force to overwrite it, or name another file.")]
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return [Problem(f"no file can be made in the folder {path.parent}", where, "Name another folder.")]
    except OSError as error:
        return [Problem(f"cannot be written ({error.strerror})", where, "Name another file.")]
    return []
