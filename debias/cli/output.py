"""What a verb prints."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from debias.cli.github import json_without_commands, without_commands
from debias.cli.guard import say, silence
from debias.errors import Problem, WriteError

if TYPE_CHECKING:
    from debias.report.values.every import Value


def show(value: Value, *, json: bool, quiet: bool, full: bool = False) -> None:
    """Print a report: for people on stdout, or as JSON there and for people on stderr; `full` with every section."""
    if json:
        from debias.report.as_json import to_json

        show_json(to_json(value))
    stream = sys.stderr if json else sys.stdout
    from debias.report.terminal import WIDTH, print_report, trimmed, verdict_line

    if quiet:
        _write(stream, verdict_line(value) + "\n")
        return
    from rich.console import Console

    held = _Held(stream)
    console = Console(file=held, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    print_report(value, console, full=full)
    _write(stream, trimmed(held.getvalue()))


class _Held(io.StringIO):
    """Text for a stream, laid out as for that stream and kept: a console would flush a stream that is full."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def isatty(self) -> bool:
        return self.stream.isatty()


def show_text(text: str) -> None:
    """Print lines on stdout."""
    _write(sys.stdout, text + "\n")


def show_json(text: str) -> None:
    """Print one JSON document on stdout, in ASCII where that is not UTF-8."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    if encoding != "utf8" and not text.isascii():
        from json import dumps, loads

        text = dumps(loads(text), indent=2) + "\n"
    _write(sys.stdout, json_without_commands(text), commands=False)


def _write(stream: TextIO, text: str, *, commands: bool = True) -> None:
    """Write all of `text`, which may hold `commands`; a reader who leaves early does not change the verdict."""
    if stream is sys.stderr:
        say(text)
        return
    try:
        stream.write(without_commands(text) if commands else text)
        stream.flush()
    except BrokenPipeError:
        silence(1)
    except OSError as error:
        silence(1)
        raise WriteError(Problem(f"cannot be written ({error.strerror})", "stdout")) from None
