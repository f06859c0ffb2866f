"""What is read from an official file, and what is refused: always the file, the row, and the way out."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data.catalog import official
from debias.data.catalog.official import find, find_all, header, lines, named, pieces, read, shrunk
from debias.errors import DataError


def _file(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_what_parts_the_columns_is_found(tmp_path: Path, mark: str) -> None:
    rows = read(_file(tmp_path, "a,b\n1, x \n,y\n".replace(",", mark)))
    assert rows.columns == ["a", "b"]
    assert rows.text("b").tolist() == ["x", "y"]


def test_text_and_numbers(tmp_path: Path) -> None:
    path = _file(tmp_path, '\ufeffa,b,c\r\n1,"x, y",2.5\r\n,,\r\n-3, é ,1e3\r\n')
    rows = read(path)
    assert rows.text("b").tolist() == ["x, y", None, "é"]
    assert rows.text("b", empty="?").tolist() == ["x, y", "?", "é"]
    np.testing.assert_array_equal(rows.whole("a"), [1, np.nan, -3])
    np.testing.assert_array_equal(rows.numbers("c"), [2.5, np.nan, 1000])
    with pytest.raises(DataError, match=r"t.csv, row 1: column 'c' holds '2.5', which is no whole number"):
        rows.whole("c")
    with pytest.raises(DataError, match=r"t.csv, row 2: column 'a' holds nothing, where a number belongs"):
        rows.integers("a")
    with pytest.raises(DataError, match=r"t.csv, row 1: column 'b' holds 'x, y', which is no number"):
        rows.numbers("b")


def test_infinity_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: column 'a' holds 'inf'"):
        read(_file(tmp_path, "a\n1\ninf\n")).numbers("a")


def test_rows_are_counted_through_the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(official, "PIECE", 64)
    path = _file(tmp_path, "a,b\n" + "".join(f"{i},{i}\n" for i in range(100)) + "many,1\n")
    parts = list(pieces(path, ["a"]))
    assert len(parts) > 2
    assert [part.start for part in parts] == np.cumsum([0, *(len(part) for part in parts)])[:-1].tolist()
    assert sum(len(part) for part in parts) == 101
    with pytest.raises(DataError, match=r"t.csv, row 101: column 'a' holds 'many'"):
        parts[-1].numbers("a")


def test_parquet_is_read_as_text_is(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], "c": pd.Categorical(["u", "v"])})
    frame.to_parquet(tmp_path / "t.parquet")
    rows = read(tmp_path / "t.parquet", ["c", "a", "b"])
    assert rows.columns == ["c", "a", "b"]
    assert rows.text("c").tolist() == ["u", "v"]
    assert rows.text("b").tolist() == ["x", None]
    np.testing.assert_array_equal(rows.whole("a"), [1, np.nan])
    assert header(tmp_path / "t.parquet") == ["a", "b", "c"]
    with pytest.raises(DataError, match="lacks the columns 'd'"):
        read(tmp_path / "t.parquet", ["d"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"\na,b\n", "begins with an empty line"),
        (b"a,b\n", "has a header and no rows"),
        (b"PK\x03\x04rest", r"is a zip file\n.*Unpack it"),
        (b"\x80\x02c\0\0", "is no text and no Parquet file"),
        (b"PAR1broken", "cannot be read"),
        (b"a,\xe9\n1,2\n", "is not UTF-8 text"),
        (b"a,b\n1,\xe9\n", "cannot be read"),
        (b"a,b\n1,2\n3\n4,5\n6\n", "2 rows .* the first with 1 columns, not 2\n.*download it again"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 50_000, mtime=0)[:-20], "cannot be read: .*\n.*download it again"),
    ],
)
def test_what_is_no_whole_table(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(_file(tmp_path, content))


def test_places_that_hold_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        lines(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        lines(_file(tmp_path, b"\xe9\n"))
    with pytest.raises(DataError, match="cannot be read"):
        find(tmp_path / "absent", ["a.csv"], "somewhere")


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("Claims.csv.gz", "Members.csv", "psam_p06.csv", "psam_p36.csv"):
        (tmp_path / name).write_text("x")
    assert find(tmp_path, ["claims.csv", "members.csv"], "there") == [
        tmp_path / "Claims.csv.gz",
        tmp_path / "Members.csv",
    ]
    assert find_all(tmp_path, "psam_p*.csv", "there") == [tmp_path / "psam_p06.csv", tmp_path / "psam_p36.csv"]
    assert find_all(tmp_path / "psam_p36.csv", "psam_p*.csv", "there") == [tmp_path / "psam_p36.csv"]
    (tmp_path / "Claims.csv").write_text("x")
    with pytest.raises(DataError, match=r"several files for 'claims.csv': 'Claims.csv', 'Claims.csv.gz'"):
        find(tmp_path, ["claims.csv"], "there")
    with pytest.raises(DataError, match="holds no file 'usa_"):
        find_all(tmp_path, "usa_*.csv", "there")


def test_codes_without_a_name_are_told() -> None:
    codes = np.array([1, np.nan, 2, 1])
    assert named(codes, {1: "a", 2: "b"}, "C", "f").tolist() == ["a", None, "b", "a"]
    with pytest.raises(DataError, match="f: column 'C' holds '-1', '7', which its list of codes does not have"):
        named(np.array([1.0, 7.0, -1.0]), {1: "a"}, "C", "f")


def test_whole_columns_become_integers() -> None:
    frame = shrunk(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, np.nan], "c": [0.5, 1.0], "d": ["x", "y"]}))
    assert [str(dtype) for dtype in frame.dtypes][:3] == ["int64", "float64", "float64"]
