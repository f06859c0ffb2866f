"""Reports as GitHub-flavoured Markdown: headings from h3 on, so that one fits into any page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from debias.report.content.document import Document, Section, Table
from debias.report.content.every import document_of
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.values.every import Value

_SPECIAL = re.compile(r"([\\`*_\[\]|~$@#])")
_BLOCK_START = re.compile(r"[-+=]|\d+(?=[.)])")


def inline(text: str) -> str:
    """Return text of others as it stands: no markup, no HTML, no link, no new line, no table cell."""
    text = visible(text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _SPECIAL.sub(r"\\\1", text)
    return text.replace("://", "\\://").replace("www.", "www\\.")


def block(text: str) -> str:
    """Return `inline` text that may stand at the start of a line."""
    text = inline(text).lstrip(" ")
    match = _BLOCK_START.match(text)
    if match is None:
        return text
    at = match.end() if match[0].isdigit() else 0
    return f"{text[:at]}\\{text[at:]}"


def to_markdown(value: Value) -> str:
    """Return a run, an inspection or a comparison as Markdown with the same content as in the terminal."""
    return "\n".join(_lines(document_of(value))) + "\n"


def _lines(told: Document) -> Iterator[str]:
    yield from head_lines(told)
    for section in told.sections:
        if section.short:
            continue
        yield ""
        yield f"#### {inline(section.title)}"
        yield from section_lines(section)


def head_lines(told: Document) -> Iterator[str]:
    """Yield what stands above the sections: title, verdict and warnings."""
    yield f"### {inline(told.title)}: {inline(told.headline.lower())}"
    yield ""
    yield f"**{inline(told.statement).strip() or '–'}**"  # asterisks around nothing are a line across the page
    for warning in told.warnings:
        yield ""
        yield f"> {block(warning)}"


def section_lines(section: Section) -> Iterator[str]:
    """Yield a section below its title; the first line is empty."""
    for sentence in section.sentences:
        yield ""
        yield block(sentence)
    if section.table is not None:
        yield ""
        yield from table_lines(section.table)
    if section.items:
        yield ""
        yield from (f"- {block(item)}" for item in section.items)
    if section.code is not None:
        yield ""
        yield from _code(visible(section.code))


def table_lines(table: Table) -> Iterator[str]:
    """Yield a table."""

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(map(inline, cells)) + " |"

    yield line(table.columns)
    yield "|" + "|".join("---" if side == "l" else "---:" for side in table.align) + "|"
    yield from map(line, table.rows)


def _code(text: str) -> Iterator[str]:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}sh"
    yield text
    yield fence
