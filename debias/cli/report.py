"""`debias report`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from debias.cli.common import Force, Full, View
from debias.cli.output import show, show_json, show_text
from debias.cli.verbs import OUTPUT, verb
from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    from debias.report.values.every import Value


class Format(StrEnum):
    """What a report can be written as."""

    TERMINAL = "terminal"
    HTML = "html"
    MD = "md"
    JSON = "json"
    XML = "xml"
    SARIF = "sarif"
    CSV = "csv"
    PARQUET = "parquet"
    CARD = "card"


_TAKES = "terminal, html, md, json, xml (JUnit), sarif, csv and parquet (of a fleet), or card (a model card)"
_BY_ENDING = (Format.HTML, Format.MD, Format.JSON, Format.XML, Format.SARIF, Format.CSV, Format.PARQUET)


@dataclass(frozen=True, kw_only=True)
class ReportFileOptions:
    """A report as JSON, and what it is to become."""

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Report that --report FILE.json or --json wrote; - is stdin.")
    ]
    to: Annotated[
        Format | None,
        typer.Option(
            metavar="FORMAT",
            help=f"{_TAKES}. Default: by the ending of --out; without it terminal.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it goes. Default: stdout.", rich_help_panel=OUTPUT)
    ] = None
    full: Full = False
    view: View = None
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "report", ReportFileOptions)
    def report(options: ReportFileOptions) -> int:
        """Write a report in another format, from its JSON alone.

        Nothing is measured again: neither model nor data are needed. Reports of every verb and of older versions with
        the same major number of their layout are read. Exit code 0 whatever the verdict, 2 where the file is broken.
        """
        kind = _kind(options)
        if options.out is not None:
            from debias.files import check_output

            check_output(options.out, inputs=(options.file,), force=options.force)
        value = _read(options.file)
        if options.view:
            from debias.report.views import with_views

            value = with_views(value, options.view)
        if kind is Format.TERMINAL:
            _show(value, options)
        else:
            _hand_over(_content(value, kind), kind, options)
        return 0


def _kind(options: ReportFileOptions) -> Format:
    if options.to is not None:
        return options.to
    if options.out is None:
        return Format.TERMINAL
    ending = options.out.suffix.lower().removeprefix(".")
    if ending in _BY_ENDING:
        return Format(ending)
    raise UsageError(Problem("has no ending that tells a format", f"--out {options.out}", f"Give --to: {_TAKES}."))


def _read(file: Path) -> Value:
    from debias.report.reading import MOST, parse, read

    if str(file) != "-":
        return read(file)[0]
    return parse(sys.stdin.buffer.read(MOST + 1), "stdin")


def _content(value: Value, kind: Format) -> str | bytes:
    if kind is Format.CARD:
        from debias.report.card import to_card

        return to_card(value)
    from debias.report.writers import no_format, writers_of

    known = writers_of(value)
    write = known.get(f".{kind}")
    if write is not None:
        return write(value)
    what = getattr(value, "verb", "inspect")
    raise UsageError(no_format(f".{kind}", f"a report of {what}", f"--to {kind}", known))


def _show(value: Value, options: ReportFileOptions) -> None:
    if options.out is None:
        show(value, json=False, quiet=False, full=options.full)
        return
    from debias.files import write_atomic
    from debias.report.terminal import to_text

    write_atomic(options.out, to_text(value, full=options.full).encode(), force=options.force)


def _hand_over(content: str | bytes, kind: Format, options: ReportFileOptions) -> None:
    if options.out is not None:
        from debias.files import write_atomic

        data = content if isinstance(content, bytes) else content.encode()
        write_atomic(options.out, data, force=options.force)
    elif isinstance(content, bytes):
        raise UsageError(Problem("is no text", f"--to {kind}", "Name a file with --out."))
    elif kind in (Format.JSON, Format.SARIF):
        show_json(content)
    else:
        show_text(content.removesuffix("\n"))
