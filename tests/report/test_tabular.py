"""The rows of a fleet as CSV and Parquet, read by programs that we did not write."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from debias.report.tabular import COLUMNS, to_csv, to_parquet
from debias.report.text import visible
from debias.report.values.fleet import FleetRow
from tests.report import examples

FLOATS = [name for name, kind in COLUMNS.items() if kind == "double" and name != "seconds"]
FORMULAS = ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "a;=cmd|' /C calc'!A0", '=HYPERLINK("x")']


def cells(text: str, **options: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), **options))  # type: ignore[arg-type]


def test_every_field_of_a_row_is_a_column() -> None:
    assert set(FleetRow.model_fields) - {"pair"} == set(COLUMNS) - {"group", "other_group"}


def test_csv_reads_back_as_it_was() -> None:
    value = examples.fleet()
    table = pd.read_csv(io.StringIO(to_csv(value)), keep_default_na=False, na_values=[""])
    assert list(table.columns) == list(COLUMNS)
    for row, (_, read) in zip(value.rows, table.iterrows(), strict=True):
        for name in COLUMNS:
            known = (
                row.pair[0 if name == "group" else 1]
                if name.endswith("group") and row.pair
                else getattr(row, name, None)
            )
            assert pd.isna(read[name]) if known is None else read[name] == known, name


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(5e-324)
def test_numbers_are_whole_and_stay_numbers(number: float) -> None:
    value = examples.fleet([examples.row(bias=0.01, low=number, high=-number)])
    header, row = cells(to_csv(value))
    assert float(row[header.index("low")]) == number
    read = pq.read_table(io.BytesIO(to_parquet(value)))
    assert read.column("high")[0].as_py() == -number


@given(st.text())
@pytest.mark.parametrize("delimiter", [",", ";"])
@example('a\n=b\r\n"c";@d')
@example("\ud800=\x00")
def test_no_text_is_a_formula(delimiter: str, text: str) -> None:
    whole = to_csv(examples.fleet([examples.row(text, attribute=text, problem=f"{text};{text}")] * 2))
    whole.encode()
    for row in cells(whole, delimiter=delimiter)[1:]:
        for cell in row:
            if not re.fullmatch(r"-[\d.]+(e-?\d+)?", cell):
                assert cell.strip()[:1] not in ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r") or not cell
    assert len(cells(whole)) == 3, "text adds no line"


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    header, row = cells(to_csv(examples.fleet([examples.row(text)])))
    cell = row[header.index("name")]
    assert not re.match(r"\s*[=+\-@＝＋－＠]", cell)
    assert cell.replace("'", "") == visible(text).replace("'", "")


@pytest.mark.parametrize("text", ["model", "a-b=c", "models/é男.pt", "1.5", "it's"])
def test_harmless_text_is_as_it_was(text: str) -> None:
    header, row = cells(to_csv(examples.fleet([examples.row(text)])))
    assert row[header.index("name")] == text


def test_parquet_has_types_and_says_what_it_is() -> None:
    value = examples.fleet()
    table = pq.read_table(io.BytesIO(to_parquet(value)))
    assert {field.name: field.type for field in table.schema} == {
        name: {"string": pa.string(), "double": pa.float64(), "int64": pa.int64()}[kind]
        for name, kind in COLUMNS.items()
    }
    assert table.schema.metadata[b"debias.statement"].decode() == value.statement
    for row, read in zip(value.rows, table.to_pylist(), strict=True):
        assert [read["group"], read["other_group"]] == (row.pair or [None, None])
        for name in set(COLUMNS) - {"group", "other_group"}:
            assert read[name] == getattr(row, name), name


def test_parquet_of_no_rows_has_its_types() -> None:
    table = pq.read_table(io.BytesIO(to_parquet(examples.fleet([]))))
    assert table.num_rows == 0 and table.schema.field("bias").type == pa.float64()
    assert cells(to_csv(examples.fleet([]))) == [list(COLUMNS)]


def test_parquet_keeps_text_as_it_is() -> None:
    texts = ["=1", "\x1b[31m", "a\nb", "長い", ""]
    table = pq.read_table(io.BytesIO(to_parquet(examples.fleet([examples.row(text) for text in texts]))))
    assert table.column("name").to_pylist() == texts
    odd = pq.read_table(io.BytesIO(to_parquet(examples.fleet([examples.row("m\udcff")]))))
    assert odd.column("name").to_pylist() == ["m\\udcff"]


def test_what_is_undefined_is_empty() -> None:
    value = examples.fleet([examples.row(**dict.fromkeys(FLOATS))])
    header, row = cells(to_csv(value))
    table = pq.read_table(io.BytesIO(to_parquet(value)))
    for name in FLOATS:
        assert row[header.index(name)] == ""
        assert table.column(name).to_pylist() == [None]
