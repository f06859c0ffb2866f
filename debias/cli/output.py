"""What a verb prints and writes after its work, and the checks of it before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from debias.cli.guard import say, silence
from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    from debias.report.documents import Value


def check_files(
    reports: Iterable[Path],
    inputs: Iterable[Path | None],
    out: Path | None,
    force: bool,
    *,
    picture: Path | None = None,
) -> None:
    """Refuse, before any work, files that could not or must not be written.

    Parameters
    ----------
    reports : iterable of Path
        Report files asked for.
    inputs : iterable of Path or None
        Files that are read, and never touched.
    out : Path or None
        The model to write.
    force : bool
        Files that exist may be overwritten.
    picture : Path, optional
        The picture to write.

    Raises
    ------
    UsageError
        With every problem of every file.
    """
    from debias.report.writers import unknown_ending

    problems: list[Problem] = []
    kept = {os.path.realpath(path) for path in inputs if path is not None}
    taken: dict[str, str] = {}
    files = [("--report", path) for path in reports]
    if out is not None:
        files.append(("--out", out))
    if picture is not None:
        files.append(("--picture", picture))
    for flag, path in files:
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
    except OSError as error:
        return [Problem(f"cannot be written ({error.strerror})", where, "Name another file.")]
    return []


def write_reports(report: Value, paths: Iterable[Path], force: bool) -> None:
    """Write each report file in the format of its ending, whole or not at all."""
    from debias.files import write_atomic
    from debias.report.writers import render

    for path in paths:
        write_atomic(path, render(report, path), force=force)


def show(value: Value, *, json: bool, quiet: bool, full: bool = False) -> None:
    """Print a report: for people on stdout, or as JSON there and for people on stderr; `full` with every section."""
    if json:
        from debias.report.as_json import to_json

        show_json(to_json(value))
    stream = sys.stderr if json else sys.stdout
    from debias.report.terminal import print_report, verdict_line

    if quiet:
        _write(stream, verdict_line(value) + "\n")
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A file or a log has no width of its own.
        console.width = 100
    with console.capture() as captured:
        print_report(value, console, full=full)
    _write(stream, captured.get())


def show_json(text: str) -> None:
    """Print one JSON document on stdout, in ASCII where that is not UTF-8."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    if encoding != "utf8" and not text.isascii():
        from json import dumps, loads

        text = dumps(loads(text), indent=2) + "\n"
    _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    """Write all of `text`; a reader who leaves early does not change the verdict."""
    if stream is sys.stderr:
        say(text)
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        silence(1)
