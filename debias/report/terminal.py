"""Reports for a terminal, by rich. Text of others is never read as markup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from debias.report import content
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.inspection import Inspection
    from debias.report.model import Report

STYLES = {"PASS": "bold green", "FAIL": "bold red", "NO BOUND": "bold", "USABLE": "bold green", "REFUSED": "bold red"}


def verdict_line(value: Report | Inspection) -> str:
    """Return the first line of a report as plain text."""
    told = _document(value)
    return f"{told.headline}  {visible(told.statement)}"


def print_report(value: Report | Inspection, console: Console) -> None:
    """Print a run or an inspection; readable from 60 columns on."""
    console.print(_layout(_document(value)), soft_wrap=False)


def _document(value: Report | Inspection) -> content.Document:
    from debias.report.inspection import Inspection
    from debias.report.inspection_content import inspection_document

    return inspection_document(value) if isinstance(value, Inspection) else content.document(value)


def _layout(told: content.Document) -> Group:
    return Group(*_parts(told))


def _parts(told: content.Document) -> Iterator[RenderableType]:
    yield Text.assemble((told.headline, STYLES.get(told.headline, "bold")), "  ", visible(told.statement))
    for warning in told.warnings:
        yield Text(visible(warning), style="yellow")
    for section in told.sections:
        yield Text("\n" + visible(section.title), style="bold")
        for sentence in section.sentences:
            yield Padding(Text(visible(sentence)), (0, 0, 0, 2))
        if section.table is not None:
            yield _grid(section.table)
        if section.items:
            yield _items(section.items)
        if section.code is not None:
            # Not wrapped by us: a copied command must stay one line.
            yield Text("  " + visible(section.code), no_wrap=True, overflow="ignore")


def _grid(table: content.Table) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="dim", show_edge=False)
    for index, column in enumerate(table.columns):
        words = index < table.labels
        grid.add_column(
            Text(column), justify="left" if words else "right", overflow="fold", no_wrap=not words or index > 0
        )
    previous = None
    for row in table.rows:
        if table.grouped and previous is not None and row[0] != previous:
            grid.add_section()
        first = "" if table.grouped and row[0] == previous else row[0]
        previous = row[0]
        grid.add_row(*(Text(visible(cell)) for cell in (first, *row[1:])))
    return grid


def _items(items: tuple[str, ...]) -> Grid:
    grid = Grid.grid(padding=(0, 1))
    grid.add_column(width=3, justify="right")
    grid.add_column(overflow="fold")
    for item in items:
        grid.add_row("•", Text(visible(item)))
    return grid
