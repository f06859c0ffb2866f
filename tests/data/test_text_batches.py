"""Delimited text in batches beside the same text read whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from debias.data import batches, text_batches
from debias.data.batches import open_stream
from debias.data.delimited import kind_of_cells, present, typed
from debias.data.tables import read_table, to_frame
from debias.errors import DataError

CELLS = ["", "1", "+2", "-3", "007", "0.5", "1e3", "nan", "NA", "inf", "true", "False", "yes", " a ", "9" * 25, "1_000"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_batches, "_BLOCK", 64)
    monkeypatch.setattr(text_batches, "_HEAD", 64)


def read(path: Path, rows: int) -> pd.DataFrame:
    """Return all batches as one frame; every batch has the same types."""
    stream = open_stream(path)
    found = [batch for piece in stream.pieces for _, batch in stream.batches(piece, stream.columns, rows)]
    assert sum(map(len, found)) == stream.rows
    assert all(len(batch) <= rows for batch in found)
    return to_frame(pa.Table.from_batches(found), str(path))


@pytest.mark.usefixtures("small")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(st.lists(st.sampled_from(CELLS), min_size=12, max_size=12), min_size=2, max_size=3),
    rows=st.integers(1, 15),
)
def test_columns_are_typed_as_of_the_whole_file(tmp_path: Path, columns: list[list[str]], rows: int) -> None:
    path = tmp_path / "t.csv"
    lines = [",".join(f"c{i}" for i in range(len(columns))), *(",".join(row) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    pd.testing.assert_frame_equal(read(path, rows), read_table(path).frame)


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.sampled_from(CELLS), min_size=2, max_size=8), cut=st.integers(1, 7))
def test_a_kind_is_told_by_the_kinds_of_the_parts(cells: list[str], cut: int) -> None:
    from debias.data.delimited import joined

    whole, parts = (
        present(pa.array(cells, pa.string())),
        (present(pa.array(part, pa.string())) for part in (cells[:cut], cells[cut:])),
    )
    kinds = [kind_of_cells(part) for part in parts if len(part)]
    assert joined(kinds) == kind_of_cells(whole)
    assert len(typed(whole, joined(kinds))) == len(cells)


FORMS = {
    "plain.csv": b"a,b\n1,x\n2,y\n",
    "mark.csv": b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
    "lines.csv": b"a,b\r\n1,x\r\n2,y\r\n",
    "points.csv": b"a;b\n1,5;x\n2,5;y\n",
    "tabs.tsv": b"a\tb\n1\tx\n2\ty",
    "quotes.csv": b'"a, b",c\n"1\n2","say ""x"""\n3,y\n',
    "packed.csv.gz": gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0),
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    whole = read_table(path)
    pd.testing.assert_frame_equal(read(path, 1), whole.frame)
    stream = open_stream(path)
    assert stream.notes == whole.notes
    assert stream.sha256() == whole.sha256


ROWS = b"1,abcdefghij\n" * 12
BROKEN = {
    "empty": (b"", None),
    "blank": (b"  \n\n", None),
    "header.csv": (b"a,b\n", None),
    "zero": (b"a,b\n" + ROWS + b"2,\0\n", None),
    "latin": (b"a,b\n" + ROWS + b"2,\xe9t\xe9\n", None),
    "half a sign": (b"a,b\n" + ROWS + b"2,\xc3", "is not UTF-8: byte 0xc3 in line 14"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), None),
    "ragged": (b"a,b\n" + ROWS + b"1,2,3\n" + ROWS + b"9\n", None),
    "an open quote": (b'a,b\n1,"x\n2,y\n', None),
    "twice": (b"a,a\n1,2\n", None),
    "one column": (b"a;b\n1;2;3\n1;2\n", None),
    "gzip by another name": (gzip.compress(b"a,b\n1,2\n", mtime=0), None),
    "cut.csv.gz": (gzip.compress(ROWS * 50, mtime=0)[:-20], "is not a whole .gz file"),
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_said_of_broken_files(tmp_path: Path, name: str) -> None:
    content, said = BROKEN[name]
    path = tmp_path / (name if name.endswith(("csv", "gz")) else f"{name}.csv")
    path.write_bytes(content)
    with pytest.raises(DataError) as whole:
        read_table(path)
    with pytest.raises(DataError) as parts:
        open_stream(path)
    assert (said in str(parts.value)) if said else str(parts.value) == str(whole.value)


def test_rows_of_a_batch_do_not_depend_on_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i * 7 % 11}\n" for i in range(200)))
    sizes = []
    for block in (40, 97, 1 << 20):
        monkeypatch.setattr(text_batches, "_BLOCK", block)
        stream = open_stream(path)
        sizes.append([len(batch) for _, batch in stream.batches(stream.pieces[0], ("b",), 30)])
    assert sizes == [[30] * 6 + [20]] * 3


def test_how_much_a_table_takes_is_told_without_its_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(1000), "b": 1.5})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert batches.bytes_in_memory(tmp_path / "t.parquet") == 16_000
    assert batches.bytes_in_memory(tmp_path / "t.csv") == 2 * (tmp_path / "t.csv").stat().st_size
