"""Text of the code as MyST Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_CODE = re.compile(r"(`[^`]+`|(?<![\w`-])--[a-z][a-z-]*[a-z])")
_SPECIAL = re.compile(r"([\\`*_\[\]{}<>|$&#~@])")


def text(plain: str) -> str:
    """Return plain text as it stands: no markup but code in backticks, and flags as code."""
    parts = _CODE.split(" ".join(plain.split()))
    return "".join(
        code(part.strip("`")) if place % 2 else _SPECIAL.sub(r"\\\1", part) for place, part in enumerate(parts)
    )


def code(plain: str) -> str:
    """Return plain text as code; a bar in a table cell is kept."""
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table of cells that are Markdown already."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return [*lines, *(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in row)} |" for row in rows), ""]


def page(title: str, parts: Iterable[str]) -> str:
    """Return a page with a heading."""
    return "\n".join([f"# {title}", "", *parts]) + "\n"


def contents(names: Sequence[str]) -> list[str]:
    """Return a table of contents of other pages."""
    return ["```{toctree}", ":maxdepth: 1", "", *names, "```", ""]
