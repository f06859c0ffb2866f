"""Which report file is written by which writer: the ending tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from debias.errors import Problem

if TYPE_CHECKING:
    from debias.report.documents import Value


def _json(report: Value) -> str:
    from debias.report.as_json import to_json

    return to_json(report)


def _markdown(report: Value) -> str:
    from debias.report.markdown import to_markdown

    return to_markdown(report)


def _html(report: Value) -> str:
    from debias.report.html import to_html

    return to_html(report)


WRITERS: dict[str, Callable[[Value], str]] = {".html": _html, ".json": _json, ".md": _markdown}


def unknown_ending(path: Path) -> Problem | None:
    """Return the problem of a report file whose ending names no format, else None."""
    if path.suffix.lower() in WRITERS:
        return None
    found = (
        f"ends in {path.suffix}, which is no report format" if path.suffix else "has no ending that tells the format"
    )
    return Problem(found, f"--report {path}", f"Use one of: {', '.join(sorted(WRITERS))}.")


def render(report: Value, path: Path) -> bytes:
    """Return the content of the report file `path`, as UTF-8."""
    return WRITERS[path.suffix.lower()](report).encode()
