"""A baseline against a run: which findings are known and no worse, and what the exit code is then."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from debias.errors import Problem, UsageError
from debias.inputs import read_input
from debias.report.findings.finding import (
    SETTLED,
    Finding,
    Judged,
    exit_code_of,
    findings_of,
    model_name,
    run_of,
    subject_of,
)
from debias.report.values.baseline import BASELINE_VERSION, Accepted, BaselineFile, BaselineUse
from debias.report.values.comparison import Comparison
from debias.words import bare, count

LARGEST = 16 * 2**20
"""Bytes of a baseline file."""
_SAME = 1e-9
_PROBLEMS = 20
_GRADES = {"undefined": 0, "inconclusive": 0, "fail": 1}


def read_baseline(path: Path) -> tuple[BaselineFile, str]:
    """Return the content of a baseline file, and its SHA-256.

    Raises
    ------
    UsageError
        It cannot be read, or is no baseline of this version: with every problem found, up to twenty.
    """
    where = f"--baseline {path}"
    try:
        data = read_input(path, LARGEST)
    except (OSError, ValueError) as error:
        found = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise UsageError(Problem(found, where, "Write one with --write-baseline.")) from None
    if len(data) > LARGEST:
        raise UsageError(Problem(f"larger than {LARGEST:,} bytes", where, "Name a file of --write-baseline."))
    try:
        read = BaselineFile.model_validate_json(data)
    except ValidationError as error:
        raise UsageError(_problems(error, where)) from None
    if read.schema_version.partition(".")[0] != BASELINE_VERSION.partition(".")[0]:
        raise UsageError(
            Problem(
                f"has the layout {read.schema_version!r}, this version reads {BASELINE_VERSION}",
                where,
                "Write it anew with --write-baseline.",
            )
        )
    if twice := _twice(read):
        raise UsageError([Problem(f"{name} stands in it twice", where, "Keep one of the two.") for name in twice])
    return read, hashlib.sha256(data).hexdigest()


def _problems(error: ValidationError, where: str) -> list[Problem]:
    items = error.errors()
    # without its findings it is another file, of which each key would be a problem by itself
    if any(item["loc"] == ("findings",) and item["type"] == "missing" for item in items):
        return [Problem("is no baseline: it has no findings", where, "Name a file that --write-baseline wrote.")]
    problems = [_problem(item["loc"], item["msg"], where) for item in items[:_PROBLEMS]]
    # one way out for all of them, after the last
    return [*problems[:-1], replace(problems[-1], remedy="Write it anew with --write-baseline, or mend it.")]


def _problem(location: tuple[int | str, ...], found: str, where: str) -> Problem:
    at = ".".join(bare(part) for part in location) or "the file"
    return Problem(f"{at}: {found[:1].lower()}{found[1:]}", where)


def _twice(read: BaselineFile) -> list[str]:
    names = [item.fingerprint for item in read.findings]
    return sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []


def accept(value: Judged, known: BaselineFile, path: str, sha256: str) -> Judged:
    """Return a value that tells what a baseline accepts of it; its exit code counts the rest."""
    found = [item for item in findings_of(value) if item.gates]
    open_ones = {item.fingerprint: item for item in found if item.status not in SETTLED}
    entries = [item for item in known.findings if item.fingerprint in open_ones]
    accepted = [item for item in entries if not _worse(open_ones[item.fingerprint], item)]
    use = BaselineUse(
        path=path,
        sha256=sha256,
        subject=subject_of(value),
        accepted=accepted,
        worse=[item for item in entries if item not in accepted],
        gone=[
            item
            for item in known.findings
            if item.fingerprint not in open_ones and any(_about(item, one) for one in found)
        ],
    )
    return _settled(value, {"baseline": use})


def exit_zero(value: Judged) -> Judged:
    """Return a value whose exit code is 0 whatever was found."""
    return _settled(value, {"exit_zero": True})


def _settled(value: Judged, update: dict[str, object]) -> Judged:
    """Return a value with other entries in its report, and the exit code that follows from them."""
    if isinstance(value, Comparison):
        report = _settled(value.report, update)
        return value.model_copy(update={"report": report, "exit_code": report.exit_code})
    told = value.model_copy(update=update)
    code = 0 if told.exit_zero else exit_code_of(findings_of(told))
    return told.model_copy(update={"exit_code": code})


def _worse(found: Finding, known: Accepted) -> bool:
    """Whether a finding is more than what was accepted: a larger bias, one of the other sign, or a miss now shown."""
    if _GRADES[found.status] > _GRADES[known.status]:
        return True
    if found.bias is None or known.bias is None:
        return found.bias is not known.bias
    if found.bias * known.bias < 0:
        return True
    return abs(found.bias) > abs(known.bias) + _SAME


def _about(known: Accepted, found: Finding) -> bool:
    """Whether a run asked what an accepted finding answers."""
    same = (known.model, known.subject, known.metric) == (model_name(found.model), found.subject, found.metric)
    return same and known.attribute in (None, found.attribute) and found.status != "no-bound"


def to_baseline(value: Judged, before: BaselineFile | None = None) -> BaselineFile:
    """Return a baseline that accepts what a run found.

    What an earlier one says about other models, metrics and attributes is kept, and so are its reasons.
    """
    found = [item for item in findings_of(value) if item.gates]
    earlier = before.findings if before is not None else []
    reasons = {item.fingerprint: item.reason for item in earlier}
    kept = [item for item in earlier if not any(_about(item, one) for one in found)]
    new = [_accepted(item, reasons.get(item.fingerprint, "")) for item in found if item.status not in SETTLED]
    report = run_of(value)
    return BaselineFile(debias_version=report.debias_version, findings=[*kept, *new])


def _accepted(found: Finding, reason: str) -> Accepted:
    assert found.status in ("fail", "inconclusive", "undefined")
    return Accepted(
        fingerprint=found.fingerprint,
        rule=found.rule.id,
        model=model_name(found.model),
        subject=found.subject,
        metric=found.metric or "",
        attribute=found.attribute,
        pair=found.pair,
        status=found.status,
        bias=found.bias,
        reason=reason,
    )


def exit_reason(value: Judged) -> str | None:
    """Return why the exit code is not that of the verdict, or might not be; None where nothing was asked."""
    report = run_of(value)
    use, found = report.baseline, findings_of(report)
    verdict = exit_code_of(found)
    if report.exit_zero and verdict:
        return f"Exit code 0 instead of {verdict}: --exit-zero was given."
    if use is None:
        return None
    left = [item for item in found if item.counts]
    if left:
        known = f", {len(use.accepted):,} accepted" if use.accepted else ""
        worse = f", {len(use.worse):,} of them worse than accepted" if use.worse else ""
        return f"Exit code {verdict}: {count(len(left), 'finding')} not accepted by {use.path}{worse}{known}."
    if use.accepted:
        return f"Exit code 0: {count(len(use.accepted), 'finding')} accepted by {use.path}, none beside."
    return f"Exit code 0: nothing to accept by {use.path}."
