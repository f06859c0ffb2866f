"""A report as a step summary of GitHub: the verdict first, the rest folded, in the room that there is."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import TYPE_CHECKING

from debias.report.content.document import Section, Table
from debias.report.content.every import document_of
from debias.report.findings.finding import Finding, Judged, findings_of, run_of, told_bound, told_figure
from debias.report.markdown import head_lines, section_lines, table_lines
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.values.every import Value

ROOM = 1_000_000
"""Bytes of one summary; GitHub refuses a step whose summary is larger than 1 MiB."""
_LEFT_OUT = "\nA summary has no room for {} of the {} parts of this report; a file of --report has them.\n"


def to_summary(value: Value, room: int = ROOM) -> str:
    """Return a report as Markdown of at most `room` bytes; empty where not even the verdict fits.

    The heading is an h3. Sections that do not fit are left out and counted.
    """
    told = document_of(value)
    text = _joined(head_lines(told))
    if isinstance(value, Judged):
        text += _joined(["", *table_lines(_findings(value))])
    parts = len(told.sections)
    spare = room - len((text + _LEFT_OUT.format(parts, parts)).encode())
    if spare < 0:
        short = f"### {html.escape(visible(told.title))}: {html.escape(told.headline.lower())}\n\n"
        return short if len(short.encode()) <= room else ""
    left_out = 0
    for folded in map(_folded, told.sections):
        size = len(folded.encode())
        if size > spare:
            left_out += 1
        else:
            spare -= size
            text += folded
    return text + (_LEFT_OUT.format(left_out, parts) if left_out else "\n")


def _joined(lines: Iterator[str] | list[str]) -> str:
    return "\n".join(lines) + "\n"


def _folded(section: Section) -> str:
    title = html.escape(visible(section.title))
    return _joined(
        ["", f"<details><summary>{title}</summary>", *section_lines(section), "", "</details>"],
    )


def _findings(value: Judged) -> Table:
    """Return the findings as a table: what the exit code depends on first."""
    report = run_of(value)
    bound = told_bound(report) or "–"
    rows = tuple(
        (
            item.attribute or "the run",
            item.network,
            told_figure(report, item.bias) if item.attribute is not None else "–",
            bound,
            _state(item),
        )
        for item in findings_of(value)
    )
    return Table(("attribute", "network", "figure", "bound", "found"), rows, "lllll")


def _state(item: Finding) -> str:
    if item.accepted is not None:
        return f"{item.status}, accepted"
    return item.status if item.gates else f"{item.status} (no part in the exit code)"
