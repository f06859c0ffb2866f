"""What a human reads about a verification, in order and without a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from debias.report.content.document import Document, Section, Table
from debias.report.text import count, signed_amount
from debias.report.values.verification import Changes, Check, Recount, TensorChange, Verification
from debias.words import bare, show

HEADLINES = {"agrees": "AGREES", "differs": "DIFFERS"}
STATUS = {"agrees": "agrees", "differs": "DIFFERS", "unknown": "cannot be told", "not-checked": "not compared"}
MOST = 40
"""Rows of a table that a person reads; JSON has all."""


def verification_document(found: Verification) -> Document:
    """Return what a human report of a verification says."""
    return Document(
        title="debias verify",
        headline=HEADLINES[found.verdict],
        statement=found.statement,
        warnings=("--trust was given: the checks before loading were overridden.",) if found.trusted else (),
        sections=tuple(_sections(found)),
    )


def _sections(found: Verification) -> Iterator[Section]:
    """Yield all sections; those without a key come first everywhere."""
    rows = tuple((check.subject, STATUS[check.status], check.told) for check in found.checks)
    yield Section("What was compared", table=Table(("what", "result", "found"), rows, "lll"))
    for check in found.checks:
        if len(check.names) > 5:
            yield _names(check)
    if found.recount is not None and found.recount.differing:
        yield _recount(found.recount)
    if found.changes is not None:
        yield _changed(found.changes)
        if found.changes.contract:
            yield _contract(found.changes)
    yield Section("Record", items=tuple(_record(found)), key="files")
    yield Section("Notes", items=tuple(found.notes), key="notes")
    if found.command is not None:
        yield Section("To repeat", code=found.command, key="repeat")


def _names(check: Check) -> Section:
    more = (f"and {count(len(check.names) - MOST)} more",) if len(check.names) > MOST else ()
    return Section(f"Not as recorded: {check.subject}", items=(*check.names[:MOST], *more))


def _changed(changes: Changes) -> Section:
    sentences = [_tensors(changes)]
    told = {"only in the file": changes.added_tensors, "only in the source": changes.removed_tensors}
    items = [f"{where}: {name}" for where, names in told.items() for name in names[:MOST]]
    if changes.program:
        sentences.append(f"The program differs in {count(len(changes.program))} of its entries.")
        items += [f"program: {name}" for name in changes.program[:MOST]]
    else:
        sentences.append("The program is the same.")
    if len(changes.tensors) > MOST:
        sentences.append(f"The table shows the {MOST} that differ most.")
    table = None
    if changes.tensors:
        most = sorted(changes.tensors, key=_size, reverse=True)[:MOST]
        kept = [one for one in changes.tensors if one in most]
        columns = ("tensor", "shape", "numbers", "changed", "norm", "relative", "largest")
        table = Table(columns, tuple(map(_row, kept)), "llrrrrr")
    return Section("What the run changed", tuple(sentences), table, tuple(items), key="change")


def _tensors(changes: Changes) -> str:
    differ, same = len(changes.tensors), changes.same_tensors
    if not differ:
        return f"All {count(same)} tensors are equal bit for bit."
    return (
        f"{count(differ)} of {count(differ + same)} tensors differ; norm is that of the difference, relative to that "
        "of the source, largest the largest difference of a number."
    )


def _size(change: TensorChange) -> float:
    return float("inf") if change.relative is None else change.relative


def _row(change: TensorChange) -> tuple[str, ...]:
    numbers = (change.norm, change.relative, change.largest)
    told = (signed_amount(value).removeprefix("+") for value in numbers)
    shape = "×".join(map(str, change.shape)) or "scalar"
    return (change.name, shape, count(change.numbers), count(change.changed), *told)


def _contract(changes: Changes) -> Section:
    rows = tuple((one.entry, _short(one.source), _short(one.file)) for one in changes.contract)
    more = (f"{count(len(rows) - MOST)} more entries differ.",) if len(rows) > MOST else ()
    return Section(
        "What the contract tells otherwise", more, Table(("entry", "source", "file"), rows[:MOST], "lll"), key="change"
    )


def _recount(recount: Recount) -> Section:
    rows = tuple((one.figure, _short(one.recorded), _short(one.found)) for one in recount.differing)
    sentence = f"{count(len(rows))} of {count(recount.compared)} figures come out otherwise."
    table = Table(("figure", "recorded", "counted again"), rows[:MOST], "lrr")
    return Section("Figures that come out otherwise", (sentence,), table)


def _record(found: Verification) -> Iterator[str]:
    yield f"file: {found.model.path}, SHA-256 {found.model.sha256}"
    if found.source is not None:
        yield f"source: {found.source.path}, SHA-256 {found.source.sha256}"
    if found.method is not None:
        yield f"written by: debias {bare(found.method)}"
    if found.recorded_verdict is not None:
        yield f"verdict then: {bare(found.recorded_verdict)}"
    if found.written_with:
        yield "with " + ", ".join(f"{bare(name)} {bare(version)}" for name, version in found.written_with.items())


def _short(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return f"{len(value)} entries" if len(value) != 1 else "1 entry"
    return f"{value:.6g}" if isinstance(value, float) else bare(show(value).strip("'"))
