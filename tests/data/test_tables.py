"""Reading tables: every format gives the same frame; whatever cannot be read is refused with the way out."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.data.delimited import read_delimited
from debias.data.tables import read_table
from debias.data.values import to_levels
from debias.errors import DataError

CSV = "age,sex,label\n31,f,0\n45,m,1\n"
FRAME = pd.DataFrame({"age": [31, 45], "sex": ["f", "m"], "label": [0, 1]})


def write(path: Path, text: str | bytes = CSV) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def same(frame: pd.DataFrame) -> bool:
    return frame.columns.tolist() == FRAME.columns.tolist() and frame.to_numpy().tolist() == FRAME.to_numpy().tolist()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", CSV.encode()),
        ("t", CSV.encode()),
        ("T.CSV", CSV.encode()),
        ("t.v1.csv", CSV.encode()),
        ("t.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("t.csv.zst", zstd(CSV.encode())),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("crlf.csv", CSV.replace("\n", "\r\n").encode()),
        ("mac.csv", CSV.replace("\n", "\r").encode()),
        ("noend.csv", CSV.rstrip().encode()),
        ("blank_lines.csv", CSV.replace("\n", "\n\n").encode()),
        ("spaces.csv", b" age, sex ,label\n 31, f,0\n45,m ,1\n"),
        ("quoted.csv", b'"age","sex","label"\n"31","f","0"\n"45","m","1"\n'),
    ],
)
def test_csv_in_its_forms(tmp_path: Path, name: str, data: bytes) -> None:
    table = read_table(write(tmp_path / name, data))
    assert same(table.frame)
    assert table.sha256 == hashlib.sha256(data).hexdigest()
    assert table.name == str(tmp_path / name)
    assert table.notes == ()


@pytest.mark.parametrize("name", ["t.parquet", "t.pq", "wrong_ending.csv"])
def test_parquet(tmp_path: Path, name: str) -> None:
    FRAME.to_parquet(tmp_path / name)
    assert same(read_table(tmp_path / name).frame)


def test_parquet_index_is_left_out(tmp_path: Path) -> None:
    FRAME.set_index(pd.Index([5, 9])).to_parquet(tmp_path / "t.parquet")
    assert same(read_table(tmp_path / "t.parquet").frame)


@pytest.mark.parametrize("name", ["t.arrow", "t.feather", "t.ipc"])
def test_arrow_file(tmp_path: Path, name: str) -> None:
    pyarrow.feather.write_feather(pa.Table.from_pandas(FRAME), tmp_path / name)
    assert same(read_table(tmp_path / name).frame)


def test_arrow_stream(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(FRAME)
    with pa.OSFile(str(tmp_path / "t.arrows"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert same(read_table(tmp_path / "t.arrows").frame)


def test_frames() -> None:
    table = read_table(FRAME.set_index(pd.Index(["x", "x"])), "test")
    assert same(table.frame)
    assert (table.name, table.path, table.sha256, table.role) == ("DataFrame", None, None, "test")
    assert same(read_table(pa.Table.from_pandas(FRAME)).frame)
    assert read_table(pd.DataFrame({0: [1], 1: [2]})).columns == ["0", "1"]
    with pytest.raises(DataError, match="--train is int"):
        read_table(3, "train")


def test_a_frame_that_came_in_is_never_changed() -> None:
    frame = pd.DataFrame({0: [1.0, 2.0]}, index=[7, 8])
    read_table(frame)
    assert frame.columns.tolist() == [0]
    assert frame.index.tolist() == [7, 8]


@pytest.mark.parametrize(("delimiter", "name"), [(";", "';'"), ("\t", "a tab"), ("|", "'|'")])
def test_other_delimiters_are_read_and_told(tmp_path: Path, delimiter: str, name: str) -> None:
    table = read_table(write(tmp_path / "t.csv", CSV.replace(",", delimiter)))
    assert same(table.frame)
    assert len(table.notes) == 1
    assert f"parted by {name}" in table.notes[0]


def test_a_comma_inside_names_of_a_tab_table(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.tsv", "age, years\tlabel\n1\t0\n2\t1\n"))
    assert table.columns == ["age, years", "label"]


def test_decimal_commas_stay_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "a;label\n1,5;0\n2,5;1\n"))
    assert table.frame["a"].tolist() == ["1,5", "2,5"]


def test_the_comma_goes_first(tmp_path: Path) -> None:
    assert read_table(write(tmp_path / "t.csv", "a;x,b;y\n1;2,3;4\n")).columns == ["a;x", "b;y"]


REFUSED: list[tuple[str, bytes, str]] = [
    ("empty.csv", b"", r"empty.csv: is empty \(0 bytes\)"),
    ("blank.csv", b" \n\n", "is empty"),
    ("empty.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
    ("header.csv", b"a,b,label\n", r"has a header \(3 columns\) and no rows"),
    ("delimiter.csv", b"a;b;label\n1;2;0\n1;2\n", "read as one column named 'a;b;label'\n.*';' parts the columns"),
    ("ragged.csv", b"a,b\n1,2\n3\n4,5\n6,7,8\n9\n", "the header has 2, but 1 column in rows 2, 5; 3 columns in row 4"),
    ("ragged_quote.csv", b'a,b\n1,2\n3,"4\n5,6\n7,8"\n9,"1\n', "a quote is opened and never closed"),
    ("swallowed.csv", b'a,b\n1,"2\n3,4\n5",6,7\n8,9\n', "ragged rows.*\n.*Close the quote"),
    ("unclosed.csv", b'a,b\n1,2\n1,"2\n3,4\n', "a quote is opened and never closed"),
    ("twice.csv", b"a,b,a\n1,2,3\n", r"occur more than once: 'a' \(columns 1 and 3\)"),
    ("twice_trimmed.csv", b"a,b, a\n1,2,3\n", "occur more than once"),
    ("unnamed.csv", b",a,label\n0,1,0\n", r"column 1 of 3 has no name\n.*to_csv\(FILE, index=False\)"),
    ("latin.csv", "näme,label\n1,0\n".encode("latin-1"), "is not UTF-8: byte 0xe4 in line 1\n.*iconv"),
    ("utf16.csv", "a,label\n1,0\n".encode("utf-16"), "is UTF-16 text"),
    ("binary.csv", b"a,b\n\x00\x01,2\n", "holds a zero byte at offset 4"),
    ("cut.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-6], r"is not a whole .gz file"),
    ("bad.csv.gz", b"not gzip at all", r"is not a whole .gz file"),
    ("flipped.csv.gz", gzip.compress(CSV.encode() * 99, mtime=0)[:40] + b"\xff" * 60, r"is not a whole .gz file"),
    ("cut.csv.zst", zstd(CSV.encode() * 99)[:-5], r"is not a whole .zst file"),
    ("bad.csv.zst", b"not zstd at all", r"is not a whole .zst file"),
    ("hidden.csv", gzip.compress(CSV.encode(), mtime=0), "is gzip; its name does not end in .gz"),
    ("book.csv", b"PK\x03\x04rest", "is a zip file"),
    ("old.csv", b"\xd0\xcf\x11\xe0rest", "is an old spreadsheet"),
    ("t.xlsx", b"whatever", "has the ending '.xlsx', which is no known table"),
    ("bad.parquet", b"PAR1 and then nothing", "is a broken Parquet file"),
    ("no.parquet", b"nothing of the kind", "is not a Parquet file"),
    ("bad.arrow", b"ARROW1\0\0 and then nothing", "is a broken Arrow IPC file"),
    ("no.arrow", b"nothing of the kind", "is a broken Arrow IPC file"),
    ("v1.feather", b"FEA1....", "is Feather version 1"),
    ("long.csv", b"a,b\n1,2\n" + b'"' + b"x" * 200_000 + b'",1\n', "cannot be read as CSV: field larger"),
]


@pytest.mark.parametrize(("name", "data", "found"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_refused(tmp_path: Path, name: str, data: bytes, found: str) -> None:
    path = write(tmp_path / name, data)
    with pytest.raises(DataError, match=found) as caught:
        read_table(path)
    assert all(problem.where == str(path) and problem.remedy for problem in caught.value.problems)


def test_missing_file_names_the_one_that_is_there(tmp_path: Path) -> None:
    write(tmp_path / "loans.csv")
    with pytest.raises(DataError, match=r"loan.csv: no such file\n.*Did you mean 'loans.csv'"):
        read_table(tmp_path / "loan.csv")
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "no" / "folder.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "zero\0byte.csv")


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory"):
        read_table(tmp_path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.csv")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(DataError, match="may not be read: permission denied"):
        read_table(path)


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (pd.DataFrame(), "has no columns"),
        (pd.DataFrame({"a": []}), "has columns .* and no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than once"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "more than once"),
        (pd.DataFrame([[1, 2]], columns=["a", " "]), "column 2 of 2 has no name"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), "several levels"),
    ],
)
def test_refused_frames(frame: pd.DataFrame, found: str) -> None:
    with pytest.raises(DataError, match=found):
        read_table(frame)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "2"], "int64", [1, 2]),
        (["+1", "-2"], "int64", [1, -2]),
        (["1", ""], "Int64", [1, None]),
        (["1", "2.5", "1e3"], "float64", [1, 2.5, 1000]),
        (["0.1", "NA"], "float64", [0.1, None]),
        (["inf", "-Infinity"], "float64", [np.inf, -np.inf]),
        (["true", "FALSE"], "bool", [True, False]),
        (["True", ""], "object", [True, None]),
        (["007", "7"], "text", ["007", "7"]),
        (["99999999999999999999", "1"], "text", ["99999999999999999999", "1"]),
        (["9007199254740993", "NA"], "Int64", [9007199254740993, None]),
        (["0x1A", "2"], "text", ["0x1A", "2"]),
        (["None", "own"], "text", ["None", "own"]),
        (["", "NaN"], "float64", [None, None]),
    ],
)
def test_types_of_cells(cells: list[str], kind: str, values: list[Any]) -> None:
    text = "x,k\n" + "".join(f"{cell},1\n" for cell in cells)
    frame = read_table(pa.Table.from_batches(read_delimited(text.encode(), "t")[0].to_batches())).frame
    column = frame["x"]
    assert column.dtype.name == kind or (kind == "text" and pd.api.types.is_string_dtype(column))
    assert [None if pd.isna(value) else value for value in column] == values


@given(st.lists(st.floats(width=64, allow_nan=False), min_size=1, max_size=50))
def test_numbers_are_read_exactly(values: list[float]) -> None:
    text = "x,k\n" + "".join(f"{value!r},1\n" for value in values)
    column = read_delimited(text.encode(), "t")[0]["x"].to_pylist()
    assert [struct.pack("d", v) for v in map(float, column)] == [struct.pack("d", v) for v in values]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip), unique=True, min_size=2))
def test_any_header_is_read_back_or_refused(names: list[str]) -> None:
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    try:
        table, _ = read_delimited(f"{quoted}\n{','.join('1' * len(names))}\n".encode(), "t")
    except DataError:
        assert any("\0" in name or not name for name in names) or "\ufeff" in names[0]
    else:
        assert table.column_names == names


@pytest.mark.parametrize(
    "name",
    ["a\nb", "[red]x[/red]", "=cmd|' /C calc'!A0", "Größe €", "名前", "x" * 5000, "Sheet1!A1", "\x1b[31mred"],
)
def test_hostile_names_are_shown_safely(tmp_path: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    table = read_table(write(tmp_path / "t.csv", f'"{quoted}",label\n1,0\n'))
    assert table.columns == [name, "label"]
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path / "u.csv", f'"{quoted}","{quoted}"\n1,0\n'))
    found = caught.value.problems[0].found
    assert found.isprintable()
    assert len(found) < 200


def test_levels_keep_large_integers_apart() -> None:
    levels = to_levels(pd.Series([2**53, 2**53 + 1, 2**53]))
    assert levels.codes.tolist() == [0, 1, 0]
    assert levels.names == ("9007199254740992", "9007199254740993")
    assert to_levels(pd.Series([2**64 - 1, 2**64 - 2], dtype="uint64")).names[1] == "18446744073709551615"


@pytest.mark.parametrize(
    ("series", "names", "codes"),
    [
        (pd.Series([1.0, 0.0, np.nan]), ("0", "1"), [1, 0, -1]),
        (pd.Series([10, 9, 10]), ("9", "10"), [1, 0, 1]),
        (pd.Series(["b ", "a", "", None]), ("a", "b"), [1, 0, -1, -1]),
        (pd.Series([True, None, False]), ("False", "True"), [1, -1, 0]),
        (pd.Series(["b", "a", None], dtype="category"), ("a", "b"), [1, 0, -1]),
        (pd.Series([1, None, 2], dtype="Int8"), ("1", "2"), [0, -1, 1]),
        (pd.Series([1, "1", "x"], dtype=object), ("1", "x"), [0, 0, 1]),
        (pd.Series([-1.443848133, 0.692594]), ("-1.44385", "0.692594"), [0, 1]),
        (pd.Series([1.00000001, 1.00000002]), ("1.00000001", "1.00000002"), [0, 1]),
    ],
)
def test_levels(series: pd.Series, names: tuple[str, ...], codes: list[int]) -> None:
    levels = to_levels(series)
    assert levels.names == names
    assert levels.codes.tolist() == codes


def test_parquet_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "dictionary": pa.array(["a", "b"]).dictionary_encode(),
            "decimal": pa.array([1, 2], pa.decimal128(5, 2)),
            "gap": pa.array([2**60 + 1, None], pa.int64()),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    frame = read_table(tmp_path / "t.parquet").frame
    assert frame["dictionary"].tolist() == ["a", "b"]
    assert frame["decimal"].tolist() == [1.0, 2.0]
    assert frame["gap"].iloc[0] == 2**60 + 1
    assert frame["nothing"].isna().all()
