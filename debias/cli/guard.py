"""Exit codes: errors become one message on stderr, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from debias.cli.github import without_commands
from debias.errors import DebiasError, Problem, was_interrupted
from debias.report.text import visible

ERROR = 2
INTERRUPTED = 130
TRACEBACK = "DEBIAS_TRACEBACK"


def guarded(run: Callable[[], int]) -> int:
    """Return the exit code of `run`: its own, 2 after an error, 130 after Ctrl-C."""
    try:
        return run()
    except KeyboardInterrupt:
        return interrupted()
    except DebiasError as error:
        if was_interrupted(error):
            return interrupted()
        _traceback()
        for problem in error.problems:
            complain("error", problem)
        return error.exit_code
    except Exception as error:
        if was_interrupted(error):
            return interrupted()
        _traceback()
        found = " ".join(f"{type(error).__name__}: {error}".split())
        remedy = "" if os.environ.get(TRACEBACK) else f"Set {TRACEBACK}=1 to see where."
        complain("internal error", Problem(found, remedy=remedy))
        return ERROR


def interrupted() -> int:
    """Say that Ctrl-C ended the run, and return the exit code of that."""
    complain("interrupted", Problem("nothing half written was left behind"))
    return INTERRUPTED


def complain(kind: str, problem: Problem) -> None:
    """Print one problem on stderr: what, where, and the way out on the lines below."""
    where = f"{visible(problem.where)}: " if problem.where else ""
    text = f"{kind}: {where}{_block(problem.found)}\n"
    if problem.remedy:
        text += f"  {_block(problem.remedy)}\n"
    say(text)


def say(text: str) -> None:
    """Write to stderr; a reader who left does not matter."""
    speak(without_commands(text))


def speak(text: str) -> None:
    """Write to stderr what may be read as a command by what runs this."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:  # nobody is left to be told
        silence(2)


def silence(descriptor: int) -> None:
    """Send what a closed pipe would not take to nowhere, at exit too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _block(text: str) -> str:
    return visible(text, keep_newlines=True).replace("\n", "\n  ")


def _traceback() -> None:
    if os.environ.get(TRACEBACK):
        import traceback

        say(traceback.format_exc())
