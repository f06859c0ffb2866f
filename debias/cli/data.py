"""`debias data`: public data sets as tidy tables, and what the catalog knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from debias.cli.common import Force, Json
from debias.cli.guard import say
from debias.cli.output import show_json, show_text
from debias.cli.verbs import DATA, OUTPUT, verb
from debias.errors import Problem, UsageError
from debias.report.text import visible

if TYPE_CHECKING:
    from debias.data.catalog import Preset, Source


class Paper(StrEnum):
    """The papers whose tables are made."""

    FAIR_MEDL = "fair-medl"
    PARITY_PROXIES = "parity-proxies"


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which data set, from where, and where the table goes."""

    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="adult, bank, compas, acs, law-school, mimic, heritage or ipums. Alone: what is known of it. "
            "Without: the list of all.",
            show_default=False,
        ),
    ] = None
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE",
            help="Official file, or the folder of the official files (also .gz). Without it adult, bank and compas are "
            "fetched from OpenML.",
            show_default=False,
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Table; .csv, .csv.gz or .parquet by its ending.", rich_help_panel=OUTPUT),
    ] = None
    paper: Annotated[
        Paper | None,
        typer.Option(
            "--for", help="Rows and columns as that paper takes them. Default: all, raw.", rich_help_panel=DATA
        ),
    ] = None
    part: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help="Which of several tables: train, test or both (adult); full or additional (bank); Y2 or Y3 "
            "(heritage).",
            rich_help_panel=DATA,
        ),
    ] = None
    unique: Annotated[
        bool | None,
        typer.Option(
            "--unique/--repeats",
            help="adult: leave out rows that repeat an earlier one, or keep them. Default: out with --for fair-medl.",
            rich_help_panel=DATA,
        ),
    ] = None
    allow_other_counts: Annotated[
        bool,
        typer.Option(
            "--allow-other-counts",
            help="Take files with another number of rows than the published one.",
            rich_help_panel=DATA,
        ),
    ] = False
    force: Force = False
    json: Json = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "data", DataOptions, bare=True)
    def data(options: DataOptions) -> int:
        """Turn the official files of a public data set into one tidy table.

        Readable columns, raw values, the label, the protected attributes and the cluster: ready for train and
        contract. Numbers of rows are checked against the published ones. Alone it lists the data sets; with a name
        only, it says where the files are, what the columns mean, and which choices are ours.
        """
        if options.out is not None and options.name is not None:
            return _write(options)
        _check(options)
        from debias.data.catalog import SOURCES
        from debias.run.catalog import source_of

        if options.name is None:
            _show(list(SOURCES.values()), options.json)
        else:
            _describe(source_of(options.name), options.json)
        return 0


def _check(options: DataOptions) -> None:
    if options.out is not None:
        raise UsageError(Problem("names no data set", f"--out {options.out}", "debias data lists them."))
    asked = (options.source, options.paper, options.part, options.unique)
    if any(value is not None for value in asked) or options.allow_other_counts:
        remedy = f"Add it, as in --out {options.name}.csv.gz; debias data {options.name} alone describes the data set."
        raise UsageError(Problem("the table needs a name", "--out", remedy))


def _write(options: DataOptions) -> int:
    from debias.report.catalog import flags, use_content
    from debias.run.catalog import data_set, source_of

    assert options.name is not None and options.out is not None
    preset: Preset | None = options.paper.value if options.paper else None
    frame = data_set(
        options.name,
        options.source,
        options.out,
        preset=preset,
        part=options.part,
        unique=options.unique,
        allow_other_counts=options.allow_other_counts,
        force=options.force,
        note=lambda text: say(f"{visible(text)}\n"),
    )
    rows, columns = frame.shape
    say(f"written: {visible(str(options.out))} ({rows:,} rows, {columns} columns)\n")
    known = source_of(options.name)
    use = known.use_of(preset)
    if options.json:
        document = {"name": known.name, "rows": rows, "columns": list(frame.columns)}
        show_json(dumps({**document, "table": use_content(use)}))
    else:
        say(f"its columns: {visible(flags(use, frame.columns))}\n")
    return 0


def _show(sources: list[Source], json: bool) -> None:
    from debias.report.catalog import source_content, table_lines

    if json:
        show_json(dumps([source_content(source) for source in sources]))
    else:
        show_text("\n".join(table_lines(sources, _width())))


def _describe(source: Source, json: bool) -> None:
    from debias.report.catalog import source_content, source_lines

    if json:
        show_json(dumps(source_content(source)))
    else:
        show_text("\n".join(source_lines(source, _width())))


def dumps(document: object) -> str:
    """Return JSON text with a line end."""
    from json import dumps as to_text

    return to_text(document, indent=2) + "\n"


def _width() -> int:
    # a file or a log has no width of its own
    return get_terminal_size((100, 24)).columns
