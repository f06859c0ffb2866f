"""The result of a job: what its process answered, or how that ended; sealed, and read back only as sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import debias
from debias.errors import DebiasError, Problem
from debias.experiments.fleet.keys import Keyed
from debias.inputs import open_input
from debias.jobs import JobError
from debias.jobs.limits import NO_MEMORY
from debias.report.as_json import to_json
from debias.report.values.fleet import JobProblem, JobResult, JobStatus
from debias.report.values.report import Report

_KINDS: dict[str, JobStatus] = {
    "exception": "crashed",
    "crash": "crashed",
    "timeout": "timeout",
    "memory": "memory",
    "cpu": "cpu",
    "forbidden": "forbidden",
}
KEPT: tuple[JobStatus, ...] = ("done", "refused")
"""What depends on the input alone, and holds for the next run too."""
LARGEST = 64 << 20
"""Bytes of a report that are read."""


def refused(
    keyed: Keyed, problems: Sequence[Problem], status: JobStatus = "refused", seconds: float = 0.0
) -> JobResult:
    """Return the result of a job without a report."""
    told = [JobProblem(found=_text(one.found), where=_text(one.where), remedy=_text(one.remedy)) for one in problems]
    return JobResult(**_common(keyed), status=status, problems=told, exit_code=2, seconds=seconds)


def failed(keyed: Keyed, error: DebiasError, seconds: float) -> JobResult:
    """Return the result of a job that ended with an error."""
    if isinstance(error, JobError):
        status = _KINDS.get(error.kind, "crashed")
    else:
        # A trial of the network that ran out of memory is told as a problem of the network.
        short = any(NO_MEMORY.search(problem.found) for problem in error.problems)
        status = "memory" if short else "refused"
    return refused(keyed, error.problems, status, seconds)


def answered(keyed: Keyed, answer: Sequence[bytes], seconds: float, output: str | None) -> JobResult:
    """Return the result of what a process answered; nothing of it is believed that can be checked.

    Parameters
    ----------
    keyed : Keyed
        The task as this process knows it.
    answer : sequence of bytes
        The report, and after it the content of the repaired file, where there is one.
    seconds : float
        Of the job.
    output : str or None
        Where the repaired file goes, below the folder of the results.
    """
    try:
        if not answer or len(answer[0]) > LARGEST:
            raise ValueError("too large")
        report = Report.model_validate_json(answer[0])
    except ValueError:
        return refused(keyed, [Problem("its process answered with no report", keyed.task.name)], "crashed", seconds)
    changed = _changed(keyed, report)
    if changed:
        return refused(keyed, changed, "refused", seconds).model_copy(update={"key": None})
    if report.verb != keyed.task.verb or not _same_output(report, answer[1:]):
        found = "its process answered with the report of something else"
        return refused(keyed, [Problem(found, keyed.task.name)], "crashed", seconds)
    return JobResult(
        **_common(keyed),
        status="done",
        exit_code=report.exit_code,
        report=report,
        output=output if report.output is not None else None,
        seconds=seconds,
    )


def _changed(keyed: Keyed, report: Report) -> list[Problem]:
    """Return the files that are not what they were when the run began."""
    told: dict[str, tuple[str | None, str | None]]
    told = {keyed.task.model: (report.model.sha256, keyed.model_sha256)}
    for role, path in keyed.task.tables.items():
        told[path] = (report.data[role].sha256 if role in report.data else None, keyed.tables.get(role))
    return [
        Problem("changed while the run went on", path, "Run it again with --resume.")
        for path, (found, known) in told.items()
        if found != known
    ]


def _same_output(report: Report, contents: Sequence[bytes]) -> bool:
    if report.output is None:
        return not contents
    return len(contents) == 1 and hashlib.sha256(contents[0]).hexdigest() == report.output.sha256


def _common(keyed: Keyed) -> dict[str, Any]:
    task = keyed.task
    return {
        "debias_version": debias.__version__,
        "name": task.name,
        "key": keyed.key,
        "model": _text(task.model),
        "model_sha256": keyed.model_sha256,
        "data": _text(task.data),
        "data_sha256": keyed.data_sha256,
        "verb": task.verb,
        "settings": task.asked,
    }


def _text(value: str) -> str:
    """Return text that every JSON can hold: the name of a file need not be UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode()


def again(result: JobResult, keyed: Keyed, how: str, output: str | None = None) -> JobResult:
    """Return a result of the same key for another job: its name, its paths, and where it came from.

    Sentences stay as they were written: a table that two paths lead to is called there as it was then.
    """
    old, new = (result.model, result.data), (_text(keyed.task.model), _text(keyed.task.data))
    report = result.report
    if report is not None and old != new:
        data = {
            role: table.model_copy(update={"path": _text(keyed.task.tables.get(role, table.path))})
            for role, table in report.data.items()
        }
        model = report.model.model_copy(update={"path": new[0]})
        report = report.model_copy(update={"model": model, "data": data})
    problems = [
        one.model_copy(update={"where": _moved(_moved(one.where, old[0], new[0]), old[1], new[1])})
        for one in result.problems
    ]
    return result.model_copy(
        update={
            **{name: value for name, value in _common(keyed).items() if name != "debias_version"},
            "report": report,
            "problems": problems,
            "output": output if result.output is not None else None,
            "reused": how,
            "seal": None,
        }
    )


def _moved(where: str, old: str, new: str) -> str:
    return new + where[len(old) :] if where == old or where.startswith((f"{old}:", f"{old},", f"{old} ")) else where


def sealed(result: JobResult) -> bytes:
    """Return the content of a result's file, with the digest of all else in it."""
    plain = to_json(result.model_copy(update={"seal": None}))
    return to_json(result.model_copy(update={"seal": _digest(json.loads(plain))})).encode()


def unsealed(data: bytes) -> JobResult | None:
    """Return the result that a file holds; None where it is not as it was written."""
    try:
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("seal") != _digest(document):
            return None
        return JobResult.model_validate(document)
    except (ValueError, RecursionError):
        return None


def _digest(document: dict[str, Any]) -> str:
    whole = {name: value for name, value in document.items() if name != "seal"}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file of the results; None where there is none."""
    try:
        with open_input(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
