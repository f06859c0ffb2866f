"""The rows of a fleet as a table for other programs: CSV and Parquet."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from debias.report.text import visible

if TYPE_CHECKING:
    from debias.report.values.fleet import Fleet, FleetRow

COLUMNS: dict[str, str] = {
    "name": "string",
    "model": "string",
    "data": "string",
    "verb": "string",
    "status": "string",
    "verdict": "string",
    "exit_code": "int64",
    "attribute": "string",
    "attribute_verdict": "string",
    "metric": "string",
    "eps": "double",
    "bias": "double",
    "low": "double",
    "high": "double",
    "group": "string",
    "other_group": "string",
    "performance": "double",
    "balanced_accuracy": "double",
    "auroc": "double",
    "rows": "int64",
    "bias_before": "double",
    "balanced_accuracy_before": "double",
    "output": "string",
    "problem": "string",
    "seconds": "double",
    "reused": "string",
    "model_sha256": "string",
    "data_sha256": "string",
}
"""Columns and their types; as `FleetRow`, with the two groups of its pair apart."""

_FORMULA = re.compile(r"(^|;)([ \u00a0\u3000]*)(?=[=+\-@＝＋－＠])")
"""Where a program that opens a CSV file would see a formula; with other settings `;` begins a cell too."""


def to_csv(fleet: Fleet) -> str:
    """Return the rows as CSV (RFC 4180) under one line of names.

    Numbers are written so that they read back as they were; what is undefined is empty. Text of others stays text: a
    cell that a spreadsheet would read as a formula begins with ``'``, and what cannot be printed is shown as an escape.
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    for row in fleet.rows:
        cells = _cells(row)
        writer.writerow(_plain(value) if isinstance(value, str) else value for value in map(cells.get, COLUMNS))
    return stream.getvalue()


def _plain(text: str) -> str:
    return _FORMULA.sub(r"\1'\2", visible(text))


def to_parquet(fleet: Fleet) -> bytes:
    """Return the rows as Parquet, each column with its type, text as it is.

    A lone surrogate, as the path of a file whose name is no UTF-8 has, becomes the six letters of its escape. What the
    fleet is told as a whole stands in the metadata of the schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [_cells(row) for row in fleet.rows]
    told = {
        "debias": fleet.debias_version,
        "debias.layout": fleet.schema_version,
        "debias.statement": fleet.statement,
        "debias.created": fleet.created or "",
    }
    schema = pa.schema(
        [pa.field(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()],
        {_text(name): _text(value) for name, value in told.items()},
    )
    columns = [
        pa.array([_whole(row.get(name)) for row in cells], field.type)
        for name, field in zip(COLUMNS, schema, strict=True)
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink)
    return sink.getvalue()


def _whole(value: Any) -> Any:
    return _text(value).decode() if isinstance(value, str) else value


def _text(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _cells(row: FleetRow) -> dict[str, Any]:
    pair = row.pair if row.pair is not None and len(row.pair) == 2 else (None, None)
    return {**row.model_dump(), "group": pair[0], "other_group": pair[1]}
