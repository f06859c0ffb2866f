"""Which report file is written by which writer: the ending tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from debias.errors import Problem

if TYPE_CHECKING:
    from debias.report.findings.finding import Judged
    from debias.report.values.every import Value


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


WRITERS: dict[str, Callable[[Value], str]] = {".html": _html, ".json": _json, ".md": _markdown}
"""Formats that every value can be written in."""
JUDGED_WRITERS: dict[str, Callable[[Value], str]] = {".sarif": _sarif, ".xml": _junit}
"""Formats of findings: only a value with a verdict has some."""


def writers(judged: bool) -> dict[str, Callable[[Value], str]]:
    """Return the writers by ending; `judged` for a value with a verdict."""
    return WRITERS | JUDGED_WRITERS if judged else WRITERS


def unknown_ending(path: Path, judged: bool = True) -> Problem | None:
    """Return the problem of a report file whose ending names no format of a value, else None."""
    ending = path.suffix.lower()
    if ending in writers(judged):
        return None
    if ending in JUDGED_WRITERS:
        found = f"{path.suffix} holds findings, and this verb comes to no verdict"
    elif ending:
        found = f"ends in {path.suffix}, which is no report format"
    else:
        found = "has no ending that tells the format"
    return Problem(found, f"--report {path}", f"Use one of: {', '.join(sorted(writers(judged)))}.")


def render(report: Value, path: Path) -> bytes:
    """Return the content of the report file `path`, as UTF-8."""
    return writers(True)[path.suffix.lower()](report).encode()
