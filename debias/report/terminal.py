"""Reports for a terminal, by rich. Text of others is never read as markup."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from debias.report.content.document import Document, Table, Tone
from debias.report.content.every import document_of
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.values.every import Value

WIDTH = 100
"""Columns of what has no width of its own: a file, a log."""
INDENT = 2
GAP = 2
WORDS = 10
STYLES: dict[Tone, str] = {"good": "bold green", "bad": "bold red", "open": "bold yellow", "plain": "bold"}


def verdict_line(value: Value) -> str:
    """Return the first line of a report as plain text."""
    told = document_of(value)
    return f"{told.headline}  {visible(told.statement)}"


def print_report(value: Value, console: Console, *, full: bool = False) -> None:
    """Print a report; tables that do not fit the width become lists; `full` with the sections that are extra."""
    for part in _parts(document_of(value), console.width, full):
        # A command to copy stays one line, whatever the width.
        console.print(part, soft_wrap=isinstance(part, _Code))


def to_text(value: Value, *, full: bool = False) -> str:
    """Return what `print_report` prints, as plain text of `WIDTH` columns."""
    stream = StringIO()
    plain = Console(file=stream, width=WIDTH, highlight=False, markup=False, emoji=False)
    print_report(value, plain, full=full)
    return trimmed(stream.getvalue())


def trimmed(text: str) -> str:
    """Return a text without the spaces that rich fills lines up with."""
    return "\n".join(line.rstrip(" ") for line in text.split("\n"))


class _Code(Text):
    """A line that is not to be broken."""


def _parts(told: Document, width: int, full: bool) -> Iterator[RenderableType]:
    yield Text.assemble((told.headline, STYLES[told.tone]), "  ", visible(told.statement))
    for warning in told.warnings:
        yield Text(visible(warning), style="yellow")
    for section in told.sections:
        if section.short if full else section.extra:
            continue
        yield Text("\n" + visible(section.title), style="bold")
        for sentence in section.sentences:
            yield Padding(Text(visible(sentence)), (0, 0, 0, 2), expand=False)
        if section.table is not None:
            yield _grid(section.table, width - INDENT) or _items(_rows_as_text(section.table))
        if section.items:
            yield _items(section.items)
        if section.code is not None:
            yield _Code("  " + visible(section.code))


def _grid(table: Table, width: int) -> RenderableType | None:
    """Return the table, or None where even its narrowest form is wider than `width`."""
    cells = [tuple(map(visible, row)) for row in (table.columns, *table.rows)]
    longest = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    least = [
        max(cell_len(name), min(size, WORDS)) if side == "l" else size
        for name, size, side in zip(table.columns, longest, table.align, strict=True)
    ]
    if sum(least) + GAP * (len(least) - 1) > width:
        return None
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0), show_edge=False, header_style="dim")
    for name, size, side in zip(table.columns, least, table.align, strict=True):
        if side == "l":
            grid.add_column(name, min_width=size, overflow="fold")
        else:
            grid.add_column(name, justify="right", no_wrap=True, min_width=size)
    previous = None
    for row in cells[1:]:
        same = table.grouped and row[0] == previous
        if table.grouped and previous is not None and not same:
            grid.add_section()
        previous = row[0]
        grid.add_row(*(Text(cell) for cell in ("" if same else row[0], *row[1:])))
    return Padding(grid, (0, 0, 0, INDENT), expand=False)


def _rows_as_text(table: Table) -> tuple[str, ...]:
    labels = 2 if table.align.startswith("ll") else 1
    return tuple(
        ", ".join(row[:labels])
        + ": "
        + ", ".join(f"{name} {cell}" for name, cell in list(zip(table.columns, row, strict=True))[labels:])
        for row in table.rows
    )


def _items(items: tuple[str, ...]) -> Grid:
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=INDENT + 1, justify="right")
    grid.add_column(overflow="fold")
    for item in items:
        grid.add_row("•", Text(visible(item)))
    return grid
