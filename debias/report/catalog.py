"""What the catalog of public data sets knows, for people and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from debias.data.catalog import Source, Use

_INDENT = 14


def use_content(use: Use) -> dict[str, Any]:
    """Return what the columns of a table mean, as JSON values."""
    made = asdict(use)
    return {**made, "attributes": list(use.attributes), "ignore": list(use.ignore), "rows": dict(use.rows)}


def source_content(source: Source) -> dict[str, Any]:
    """Return all that is known of a data set, as JSON values."""
    return {
        "name": source.name,
        "title": source.title,
        "address": source.address,
        "licence": source.licence,
        "files": list(source.files),
        "openml": source.openml,
        "parts": list(source.parts),
        "table": use_content(source.use),
        "presets": {name: use_content(use) for name, use in source.presets.items()},
        "choices": list(source.choices),
    }


def flags(use: Use, columns: Iterable[str]) -> str:
    """Return the flags that say what the columns mean, those of columns that are not there left out.

    Parameters
    ----------
    columns : iterable of str
        Columns of the table.
    """
    present = set(columns)
    parts = [f"--label {use.label}"]
    if use.positive is not None:
        parts.append(f"--positive {_quoted(use.positive)}")
    if use.favorable != "positive":
        parts.append(f"--favorable {use.favorable}")
    if use.cluster in present:
        parts.append(f"--cluster {use.cluster}")
    parts += [f"--attr {name}" for name in use.attributes if name in present]
    if ignored := [name for name in use.ignore if name in present]:
        parts.append(f"--ignore {','.join(ignored)}")
    return " ".join(parts)


def _quoted(value: str) -> str:
    return value if value.isalnum() else f"'{value}'"


def table_lines(sources: Sequence[Source], width: int) -> list[str]:
    """Return the list of data sets: one block each, in columns of at most `width` characters."""
    head = ("name", "rows", "label", "attributes", "cluster", "files")
    rows = [
        (
            source.name,
            f"{max(source.use.rows.values()):,}" if source.use.rows else "–",
            source.use.label,
            ", ".join(source.use.attributes),
            source.use.cluster or "–",
            ", ".join(source.files) + (" or OpenML" if source.openml else ""),
        )
        for source in sources
    ]
    first = [max(len(row[i]) for row in (head, *rows)) for i in range(5)]
    room = max(width - sum(first) - 2 * 5, 24)
    lines = []
    for number, row in enumerate((head, *rows)):
        files = textwrap.wrap(row[5], room, break_on_hyphens=False, break_long_words=False) or [""]
        cells = [
            text.rjust(size) if i == 1 else text.ljust(size)
            for i, (text, size) in enumerate(zip(row[:5], first, strict=True))
        ]
        lines.append("  ".join([*cells, files[0]]).rstrip())
        lines += [" " * (sum(first) + 10) + more for more in files[1:]]
        if number == 0:
            lines.append("-" * min(width, max(len(lines[0]), sum(first) + 10 + room)))
    return [*lines, "", "debias data NAME says where the files are, what the columns mean, and which choices are ours."]


def source_lines(source: Source, width: int) -> list[str]:
    """Return all that is known of a data set, in lines of at most `width` characters."""
    pairs = [
        ("files", ", ".join(source.files)),
        ("from", source.address),
        ("licence", source.licence),
    ]
    if source.openml:
        pairs.append(("OpenML", f"data set {source.openml}, fetched where no SOURCE is given"))
    if source.parts:
        pairs.append(("--part", f"{', '.join(source.parts)}; the first is the default"))
    lines = [f"{source.name}: {source.title}", ""]
    lines += [line for key, text in pairs for line in _entry(key, text, width)]
    for name, use in [("", source.use), *source.presets.items()]:
        lines += ["", f"Table --for {name}" if name else "Table"]
        if use.rows:
            counts = "; ".join(f"{count:,} ({what})" for what, count in use.rows.items())
            lines += _entry("rows", counts, width)
        lines += _entry("flags", flags(use, (*use.attributes, *use.ignore, use.cluster or "")), width)
        lines += _entry("", use.text, width)
    if source.choices:
        lines += ["", "Choices"]
        for choice in source.choices:
            lines += textwrap.wrap(
                choice, width, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False
            )
    where = "" if source.openml else " FILES"
    return [*lines, "", f"debias data {source.name}{where} --out {source.name}.csv.gz"]


def _entry(key: str, text: str, width: int) -> list[str]:
    start = f"  {key}".ljust(_INDENT)
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=start,
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
