"""What a verification finds, piece by piece and in words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

from debias.report.values.verification import Check, Recount, Status, Subject
from debias.words import count, listing

Role = Literal["data", "train", "valid", "test"]
ROLES: tuple[Role, ...] = ("data", "train", "valid", "test")
_REWRITTEN = "Write it anew from the source, or fetch the file that was written."
_SUBJECTS: Mapping[Subject, str] = {
    "weights": "the weights",
    "program": "the program",
    "extra-files": "the extra files",
    "contract": "the contract",
    "record": "the record",
    "report": "the SHA-256 in the report",
    "source": "the source",
    "figures": "the figures",
    **{role: f"--{role}" for role in ROLES},
}


def without_seal() -> Check:
    """Return the check of a file whose record has no seal."""
    told = "The record has no seal, so an edit after writing cannot be found."
    return Check(subject="record", status="unknown", told=told)


def of_seal(subject: Subject, names: list[str]) -> Check:
    """Return the check of a part of the seal; `names` are those in it that are not as written."""
    what = _SUBJECTS[subject].capitalize()
    if not names:
        return Check(subject=subject, status="agrees", told=f"{what} {_verb(subject)} as written.")
    told = f"{what} {_verb(subject)} not as written: {listing(names, 5)}. {_REWRITTEN}"
    return Check(subject=subject, status="differs", told=told, names=names)


def _verb(subject: Subject) -> str:
    return "are" if subject in ("weights", "extra-files") else "is"


def of_file(subject: Subject, recorded: str | None, found: str | None, given: bool, what: str) -> Check:
    """Return the check of a file against the digest in the record; `what` it is, a network or a table."""
    told = _SUBJECTS[subject].capitalize() if subject == "source" else _SUBJECTS[subject]
    check = partial(Check, subject=subject, recorded=recorded, found=found)
    if recorded is None:
        why = "was no file" if what == "table" else "is not in the record"
        return check(status="unknown", told=f"{told} {why}, so there is no digest of it.")
    if not given:
        flag = f"--{subject}"
        return check(status="not-checked", told=f"{flag} was not given.")
    if found is None:
        return check(status="unknown", told=f"{told} is no file, so it has no digest.")
    if found == recorded:
        return check(status="agrees", told=f"{told} is the {what} of the run.")
    return check(status="differs", told=f"{told} is another {what} than that of the run.")


def of_report(recorded: str, found: str) -> Check:
    """Return the check of the file's SHA-256 against that in a report."""
    if recorded == found:
        status: Status = "agrees"
        told = "The report tells of this very file."
    else:
        status = "differs"
        told = "The report tells of another file, or of this one before it was altered."
    return Check(subject="report", status=status, told=told, recorded=recorded, found=found)


def of_no_table(role: Role, found: str | None) -> Check:
    """Return the check of a table that the run did not have."""
    return Check(subject=role, status="differs", told=f"The run had no table --{role}.", found=found)


def of_recount(found: Recount) -> Check:
    """Return the check of figures that were counted again."""
    if not found.compared:
        told = "The record holds no figures that could be counted again."
        return Check(subject="figures", status="unknown", told=told)
    of = " and ".join(found.networks) if len(found.networks) < 3 else ", ".join(found.networks)
    if not found.differing:
        told = f"All {found.compared:,} figures come out as recorded ({of})."
        return Check(subject="figures", status="agrees", told=told)
    names = [change.figure for change in found.differing]
    told = f"{count(len(names), 'figure')} of {found.compared:,} come out otherwise ({of}): {listing(names, 5)}."
    return Check(subject="figures", status="differs", told=told, names=names)


def unsealed(check: Check) -> bool:
    """Return True where an edit could not have been found: that is no agreement."""
    return check.subject == "record" and check.status == "unknown"


def statement(path: str, checks: list[Check], differs: list[Check]) -> str:
    """Return the result as one sentence."""
    if any(map(unsealed, differs)):
        return f"{path} has no seal: whether it was edited after writing cannot be told."
    if differs:
        return f"{path} does not agree with its record in {_listed(differs)}."
    agreed = [check for check in checks if check.status == "agrees"]
    left = [check for check in checks if check.status == "not-checked"]
    more = f"; not compared: {_listed(left)}" if left else ""
    return f"{path} agrees with its record in {_listed(agreed)}{more}."


def _listed(checks: list[Check]) -> str:
    names = [_SUBJECTS[check.subject] for check in checks]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
