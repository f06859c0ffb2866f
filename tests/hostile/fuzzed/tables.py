"""Damaged and invented tables."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.hostile.fuzzed.changes import TEXTS, Chance, bytes_changed, text_changed


@cache
def _frame() -> Any:
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(0)
    rows = 60
    return pd.DataFrame(
        {
            "sex": chance.choice(["m", "f"], rows),
            "age": chance.integers(18, 90, rows),
            "income": chance.normal(3e4, 1e4, rows),
            "member": chance.choice([True, False], rows),
            "city": pd.Categorical(chance.choice(["a", "b", "c"], rows)),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(chance.integers(0, 1000, rows), unit="D"),
            "gap": pd.array([None, 3] * (rows // 2), dtype="Int64"),
            "label": chance.integers(0, 2, rows),
        }
    )


@cache
def _tables(kind: str) -> tuple[bytes, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(_frame(), preserve_index=False)
    found = []
    for option in ("snappy", "none", "zstd") if kind == "parquet" else ("none", "zstd", "stream"):
        sink = io.BytesIO()
        if kind == "parquet":
            pq.write_table(table, sink, compression=option, row_group_size=20)
        else:
            writer = pa.ipc.new_stream if option == "stream" else pa.ipc.new_file
            options = pa.ipc.IpcWriteOptions(compression="zstd" if option == "zstd" else None)
            with writer(sink, table.schema, options=options) as file:
                file.write_table(table, max_chunksize=20)
        found.append(sink.getvalue())
    return tuple(found)


def binary_made(kind: str) -> Callable[[Chance], bytes]:
    """Damaged Parquet or Arrow files."""

    def make(chance: Chance) -> bytes:
        data = chance.choice(_tables(kind))
        if chance.random() < 0.5:
            # what describes the data stands at the end
            at = max(0, len(data) - 3000)
            return data[:at] + bytes_changed(data[at:], chance)
        return bytes_changed(data, chance)

    return make


_CELLS = (
    *TEXTS,
    ",",
    ";",
    "\t",
    "|",
    "\r",
    "\r\n",
    "a,b",
    '"a""b"',
    "1,5",
    "0x10",
    "1e5",
    "007",
    "NA",
    "\u2028",
    "-0",
    "1_000",
)


def csv_made(chance: Chance) -> bytes:
    """Text that was a table, or never was one."""
    if chance.random() < 0.2:
        rows = [[chance.choice(_CELLS) for _ in range(chance.randrange(5))] for _ in range(chance.randrange(6))]
        text = chance.choice(("\n", "\r\n", "\r")).join(chance.choice((",", ";", "\t")).join(row) for row in rows)
    else:
        text = text_changed(_frame().to_csv(index=False, sep=chance.choice((",", ",", ";", "\t"))), chance, _CELLS)
    data = text.encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")
    if chance.random() < 0.1:
        data = gzip.compress(data, 1, mtime=0)
    return bytes_changed(data, chance) if chance.random() < 0.2 else data


def table_read(ending: str) -> Callable[[bytes, Path], None]:
    """Read a table, and prepare its rows as an audit does."""

    def read(content: bytes, folder: Path) -> None:
        from debias.data.columns import Columns
        from debias.data.prepare import prepare
        from debias.data.tables import read_table

        packed = ".gz" if content[:2] == b"\x1f\x8b" else ""
        path = folder / f"t.{ending}{packed}"
        path.write_bytes(content)
        columns = Columns(attr=("sex", "age"), bins=("age=30,50",), label="label", features=("income",))
        prepare(read_table(path), columns, inputs={"features": 1})

    return read
