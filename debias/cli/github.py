"""What GitHub Actions reads of a run besides its exit code: workflow commands and the step summary."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from debias.report.findings.finding import Finding, Judged
    from debias.report.values.every import Value

SUMMARY, ACTIONS = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"
# The runner obeys a line that starts with the one, and one that holds the other anywhere.
_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def in_actions() -> bool:
    """Whether a step of GitHub Actions runs this."""
    return os.environ.get(ACTIONS) == "true"


def without_commands(text: str) -> str:
    """Return text that a step may print: a group called ``::add-mask::x`` is no command of ours.

    The runner is told to obey nothing until it reads a word that nobody can guess.
    """
    if not in_actions() or _COMMAND.search(text) is None:
        return text
    from secrets import token_hex

    word = token_hex(16)
    end = "" if text.endswith("\n") else "\n"
    return f"::stop-commands::{word}\n{text}{end}::{word}::\n"


def json_without_commands(text: str) -> str:
    """Return JSON that a step may print: its lines start with no colon, and its strings may be written otherwise."""
    return text.replace("##[", "#\\u0023[") if in_actions() else text


def workflow_commands(value: Judged) -> str:
    """Return findings as workflow commands, which GitHub shows beside the run: a line for each that is no pass."""
    from debias.report.findings.finding import SETTLED, findings_of, run_of

    report = run_of(value)
    return "".join(
        f"{_annotation(item, report.exit_zero)}\n"
        for item in findings_of(value)
        if item.gates and item.status not in SETTLED
    )


def _annotation(item: Finding, exit_zero: bool) -> str:
    from pathlib import PurePath

    from debias.report.text import visible

    if item.accepted is not None:
        kind, first = "notice", "Accepted beforehand. "
    else:
        kind, first = ("error" if item.status == "fail" and not exit_zero else "warning"), ""
    where = "" if PurePath(item.model).is_absolute() else f"file={_property(visible(item.model))},"
    title = _property(f"debias {item.rule.id} {item.status}")
    return f"::{kind} {where}title={title}::{_data(visible(first + item.message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def append_summary(value: Value) -> str | None:
    """Append a report to the step summary; return what went wrong, which is no reason to fail a run."""
    path = os.environ.get(SUMMARY)
    if not path:
        return None
    from debias.report.summary import ROOM, to_summary

    try:
        with open(path, "ab") as stream:  # noqa: PTH123
            room = ROOM - stream.tell()
            text = to_summary(value, room) if room > 0 else ""
            stream.write(text.encode())
    except (OSError, ValueError) as error:
        return f"cannot be written ({getattr(error, 'strerror', None) or error})"
    return None if text else "has no room left; GitHub takes 1 MiB a step"
