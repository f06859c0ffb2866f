"""Which report file is written by which writer: the ending tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from debias.errors import Problem

if TYPE_CHECKING:
    from debias.report.findings.finding import Judged
    from debias.report.values.every import Value
    from debias.report.values.fleet import Fleet


def _json(report: Value) -> str:
    from debias.report.as_json import to_json

    return to_json(report)


def _markdown(report: Value) -> str:
    from debias.report.markdown import to_markdown

    return to_markdown(report)


def _html(report: Value) -> str:
    from debias.report.html import to_html

    return to_html(report)


def _junit(report: Value) -> str:
    from debias.report.junit import to_junit

    return to_junit(cast("Judged", report))


def _sarif(report: Value) -> str:
    from debias.report.sarif import to_sarif

    return to_sarif(cast("Judged", report))


def _csv(report: Value) -> str:
    from debias.report.tabular import to_csv

    return to_csv(cast("Fleet", report))


def _parquet(report: Value) -> bytes:
    from debias.report.tabular import to_parquet

    return to_parquet(cast("Fleet", report))


Writer: TypeAlias = Callable[["Value"], str | bytes]

WRITERS: dict[str, Writer] = {".html": _html, ".json": _json, ".md": _markdown}
"""Formats that every value can be written in."""
JUDGED_WRITERS: dict[str, Writer] = {".sarif": _sarif, ".xml": _junit}
"""Formats of findings: only a value with a verdict has some."""
TABLE_WRITERS: dict[str, Writer] = {".csv": _csv, ".parquet": _parquet}
"""Formats of tables: only a fleet is one."""


def writers(judged: bool, tabular: bool = False) -> dict[str, Writer]:
    """Return the writers by ending; `judged` for a value with a verdict, `tabular` for a fleet."""
    return WRITERS | (JUDGED_WRITERS if judged else {}) | (TABLE_WRITERS if tabular else {})


def writers_of(value: Value) -> dict[str, Writer]:
    """Return the writers of a value by ending."""
    from debias.report.findings.finding import Judged
    from debias.report.values.fleet import Fleet

    return writers(isinstance(value, Judged | Fleet), isinstance(value, Fleet))


def unknown_ending(path: Path, judged: bool = True, tabular: bool = False) -> Problem | None:
    """Return the problem of a report file whose ending names no format of a value, else None."""
    known = writers(judged, tabular)
    if path.suffix.lower() in known:
        return None
    return no_format(path.suffix, "this verb", f"--report {path}", known)


def no_format(ending: str, what: str, where: str, known: Iterable[str]) -> Problem:
    """Return the problem of an ending that names none of the `known` formats of a report."""
    if ending.lower() in JUDGED_WRITERS:
        found = f"{ending} holds findings, and {what} comes to no verdict"
    elif ending.lower() in TABLE_WRITERS:
        found = f"{ending} holds a row for each model of a fleet, and {what} is about one"
    elif ending:
        found = f"ends in {ending}, which is no report format"
    else:
        found = "has no ending that tells the format"
    return Problem(found, where, f"Use one of: {', '.join(sorted(known))}.")


def render(report: Value, path: Path) -> bytes:
    """Return the content of the report file `path`, text as UTF-8."""
    told = writers(True, True)[path.suffix.lower()](report)
    return told if isinstance(told, bytes) else told.encode()
