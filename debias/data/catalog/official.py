"""Official files: found in a folder, read in pieces, cells as text or numbers; what is off is named by its row."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from debias.errors import DataError, Problem
from debias.words import count, listing, show

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.float64] | npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

PIECE = 1 << 24
"""Bytes of text that are parsed at once."""

_ENDINGS = ("", ".gz")


def find(source: Path, wanted: Sequence[str], address: str) -> list[Path]:
    """Return one file of the folder `source` for each name or pattern of `wanted`.

    Capitals do not matter, and each may end in ``.gz``.

    Raises
    ------
    DataError
        With every file that is missing, or of which there are several.
    """
    names = _names(source)
    found, problems = [], []
    for pattern in wanted:
        matches = [name for name in names if matches_name(name, pattern)]
        if len(matches) == 1:
            found.append(source / matches[0])
        elif matches:
            remedy = "Leave one, or name the file itself."
            problems.append(
                Problem(f"holds several files for {show(pattern)}: {listing(matches)}", str(source), remedy)
            )
        else:
            problems.append(Problem(f"holds no file {show(pattern)}", str(source), f"Official files: {address}"))
    if problems:
        raise DataError(problems)
    return found


def find_all(source: Path, pattern: str, address: str) -> list[Path]:
    """Return every file of the folder `source` that `pattern` fits, in order of their names; `source` where it is one.

    Raises
    ------
    DataError
        When there is none.
    """
    if not source.is_dir():
        return [source]
    matches = [name for name in _names(source) if matches_name(name, pattern)]
    if not matches:
        raise DataError(Problem(f"holds no file {show(pattern)}", str(source), f"Official files: {address}"))
    return [source / name for name in matches]


def matches_name(name: str, pattern: str) -> bool:
    """Return whether a file's name is `pattern`, capitals and ``.gz`` aside."""
    return any(fnmatch(name.lower(), pattern.lower() + ending) for ending in _ENDINGS)


def _names(source: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in source.iterdir() if entry.is_file())
    except OSError as error:
        raise DataError(Problem(f"cannot be read ({error.strerror})", str(source), "Check the path.")) from None


@dataclass(frozen=True)
class Rows:
    """Some rows of a file.

    Parameters
    ----------
    table : pyarrow.Table
        Text or numbers.
    where : str
        The file.
    start : int
        How many rows of the file come before; the first row below the header is row 1.
    """

    table: pa.Table
    where: str
    start: int = 0

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.table.column_names)

    def text(self, name: str, empty: str | None = None) -> npt.NDArray[np.object_]:
        """Return a column as text without blanks at the ends; `empty` stands where a cell is."""
        return np.asarray(self._trimmed(name, empty).to_numpy(zero_copy_only=False), dtype=object)

    def levels(self, name: str) -> tuple[IntArray, list[str]]:
        """Return a column of text as codes over its distinct values; an empty cell is the value of no characters."""
        import pyarrow as pa

        column = self._trimmed(name, "").combine_chunks().dictionary_encode()
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        return column.indices.to_numpy(zero_copy_only=False).astype(np.int64), column.dictionary.to_pylist()

    def _trimmed(self, name: str, empty: str | None) -> pa.ChunkedArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        return column if empty is None else pc.fill_null(column, empty)

    def numbers(self, name: str) -> FloatArray:
        """Return a column as float64, NaN where a cell is empty.

        Raises
        ------
        DataError
            A cell that is no number, by its row.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            try:
                column = column.cast(pa.float64())
            except pa.ArrowInvalid:
                self._complain(name, "which is no number", _no_number(column.to_pylist()))
        elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise DataError(Problem(f"column {show(name)} is {column.type}, not numbers", self.where, _OFFICIAL))
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
        if np.isinf(values).any():
            self._complain(name, "which is no number", int(np.argmax(np.isinf(values))))
        return values

    def whole(self, name: str) -> FloatArray:
        """Return a column of whole numbers as float64, NaN where a cell is empty.

        Raises
        ------
        DataError
            A cell that is no whole number, by its row.
        """
        values = self.numbers(name)
        broken = np.nan_to_num(values) % 1 != 0
        if broken.any():
            self._complain(name, "which is no whole number", int(np.argmax(broken)))
        return values

    def integers(self, name: str) -> IntArray:
        """Return a column of whole numbers without gaps.

        Raises
        ------
        DataError
            A cell that is empty or no whole number, by its row.
        """
        values = self.whole(name)
        gaps = np.isnan(values)
        if gaps.any():
            self._complain(name, "where a number belongs", int(np.argmax(gaps)))
        return values.astype(np.int64)

    def _complain(self, name: str, why: str, row: int) -> None:
        cell = self.table[name][row].as_py()
        shown = "nothing" if cell is None or cell == "" else show(cell)
        found = f"column {show(name)} holds {shown}, {why}"
        raise DataError(Problem(found, f"{self.where}, row {self.start + row + 1}", _OFFICIAL))


_OFFICIAL = "Give the official file, unchanged."


def _no_number(cells: list[str | None]) -> int:
    for row, cell in enumerate(cells):
        try:
            float(cell or 0)
        except ValueError:
            return row
    return 0


def of_frame(frame: pd.DataFrame, columns: Sequence[str], where: str) -> Rows:
    """Return columns of a DataFrame as rows of a file; NaN is an empty cell.

    Raises
    ------
    DataError
        Columns that it lacks.
    """
    import pyarrow as pa

    wanted = _wanted(list(frame.columns), columns, (), where)
    return Rows(pa.table({name: pa.array(frame[name].tolist(), from_pandas=True) for name in wanted}), where)


def read(path: Path, columns: Sequence[str] | None = None) -> Rows:
    """Return the columns of a whole file; all of them where none are named.

    Raises
    ------
    DataError
        As `pieces`.
    """
    import pyarrow as pa

    parts = list(pieces(path, columns))
    return Rows(pa.concat_tables([part.table for part in parts]), str(path))


def pieces(path: Path, columns: Sequence[str] | None = None, optional: Sequence[str] = ()) -> Iterator[Rows]:
    """Yield the rows of a table with a header, some at a time, so that memory does not grow with the file.

    Parameters
    ----------
    path : Path
        CSV (comma, semicolon or tab; also ``.gz``) or Parquet. Of columns with one name the first counts.
    columns : sequence of str, optional
        What is read; all where none are named.
    optional : sequence of str
        Read where they are there.

    Raises
    ------
    DataError
        A file that cannot be read, lacks columns, breaks off, or has rows of another length.
    """
    head = _head(path)
    if head.startswith(b"PAR1"):
        yield from _parquet(path, columns, optional)
        return
    names = header(path)
    wanted = _wanted(names, columns, optional, str(path))
    yield from _delimited(path, names, wanted)


def header(path: Path) -> list[str]:
    """Return the names of a file's columns, blanks at the ends left out.

    Raises
    ------
    DataError
        A file that cannot be read.
    """
    if _head(path).startswith(b"PAR1"):
        import pyarrow.parquet as pq

        with _readable(path):
            return list(pq.read_schema(path).names)
    return _first_line(path)[0]


def _first_line(path: Path) -> tuple[list[str], str]:
    """Return the cells of the first line, and what parts them."""
    with _readable(path), _opened(path) as stream:
        line = stream.readline(1 << 20)
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise DataError(Problem("is not UTF-8 text", str(path), _OFFICIAL)) from None
    if not text.strip():
        raise DataError(Problem("is empty, or begins with an empty line", str(path), _OFFICIAL))
    delimiter = max(",;\t", key=lambda mark: text.count(mark))
    return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter))], delimiter


def _wanted(names: Sequence[str], columns: Sequence[str] | None, optional: Sequence[str], where: str) -> list[str]:
    if columns is None:
        return list(dict.fromkeys(names))
    if absent := [name for name in columns if name not in names]:
        found = f"lacks the columns {listing(absent)}; it has {listing(names)}"
        raise DataError(Problem(found, where, "Give the official file with its header."))
    return [*columns, *(name for name in optional if name in names)]


def _delimited(path: Path, names: Sequence[str], wanted: Sequence[str]) -> Iterator[Rows]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    _, delimiter = _first_line(path)
    # a name that comes again is not asked for: the first counts
    unique = [name if name not in names[:i] else f"{name} (again, column {i + 1})" for i, name in enumerate(names)]
    ragged: list[tuple[int, int]] = []

    def keep(row: Any) -> str:
        ragged.append((row.actual_columns, row.expected_columns))
        return "skip"

    start = 0
    with _readable(path), _opened(path) as stream:
        reader = arrow.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=arrow.ReadOptions(use_threads=False, column_names=unique, skip_rows=1, block_size=PIECE),
            parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep),
            convert_options=arrow.ConvertOptions(
                include_columns=list(wanted),
                column_types={name: pa.string() for name in wanted},
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            _check_ragged(ragged, start, path)
            if batch.num_rows:
                yield Rows(pa.Table.from_batches([batch]), str(path), start)
            start += batch.num_rows
    _check_ragged(ragged, start, path)
    if not start:
        raise DataError(Problem("has a header and no rows", str(path), _OFFICIAL))


def _check_ragged(ragged: list[tuple[int, int]], start: int, path: Path) -> None:
    if ragged:
        actual, expected = ragged[0]
        found = f"{count(len(ragged), 'row')} behind row {start:,}, the first with {actual} columns, not {expected}"
        raise DataError(Problem(found, str(path), "The file is broken or breaks off: copy or download it again."))


def _parquet(path: Path, columns: Sequence[str] | None, optional: Sequence[str]) -> Iterator[Rows]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    start = 0
    with _readable(path), pq.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        wanted = _wanted(names, columns, optional, str(path))
        for batch in file.iter_batches(1 << 18, columns=wanted):
            yield Rows(pa.Table.from_batches([batch]), str(path), start)
            start += batch.num_rows
    if not start:
        raise DataError(Problem("has no rows", str(path), _OFFICIAL))


def lines(path: Path) -> list[str]:
    """Return the lines of a small text file.

    Raises
    ------
    DataError
        A file that cannot be read or is not UTF-8.
    """
    _head(path)
    with _readable(path), _opened(path) as stream:
        data = stream.read()
    try:
        return str(data.decode("utf-8-sig")).splitlines()
    except UnicodeDecodeError:
        raise DataError(Problem("is not UTF-8 text", str(path), _OFFICIAL)) from None


def _head(path: Path) -> bytes:
    """Return the first bytes of the content, and refuse what is no table."""
    with _readable(path):
        if path.is_dir():
            raise DataError(Problem("is a folder", str(path), "Name the file in it."))
        with _opened(path) as stream:
            head = bytes(stream.read(8))
    if not head:
        raise DataError(Problem("is empty (0 bytes)", str(path), _OFFICIAL))
    if head.startswith(b"PK\x03\x04"):
        raise DataError(Problem("is a zip file", str(path), "Unpack it and give the folder."))
    if b"\0" in head and not head.startswith(b"PAR1"):
        raise DataError(Problem("is no text and no Parquet file", str(path), _OFFICIAL))
    return head


def _opened(path: Path) -> Any:
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")


class _readable:
    """Turn what can go wrong while a file is read into an error that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        import pyarrow as pa

        where = str(self.path)
        if isinstance(error, FileNotFoundError):
            raise DataError(Problem("no such file or folder", where, "Check the path.")) from None
        if isinstance(error, PermissionError):
            raise DataError(Problem("may not be read: permission denied", where, "Check its rights (ls -l).")) from None
        if isinstance(error, EOFError | zlib.error | pa.ArrowException | OSError):
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(Problem(f"cannot be read: {first}", where, "Copy or download it again.")) from None


def named(codes: Codes, names: Mapping[int, str], column: str, where: str) -> npt.NDArray[np.object_]:
    """Return the names of codes, None where a code is missing.

    Parameters
    ----------
    codes : ndarray of float, shape [N]
        Whole numbers, NaN where missing.
    names : dict
        Name of each code.
    column, where : str
        For the error.

    Raises
    ------
    DataError
        With the codes that have no name.
    """
    distinct, inverse = np.unique(codes, return_inverse=True)
    known = [None if np.isnan(code) else names.get(int(code), "") for code in distinct]
    if strange := [int(code) for code, name in zip(distinct, known, strict=True) if name == ""]:
        found = f"column {show(column)} holds {listing(strange)}, which its list of codes does not have"
        raise DataError(Problem(found, where, _OFFICIAL))
    return np.asarray(np.array(known, dtype=object)[inverse], dtype=object)


def shrunk(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose columns of whole float64 numbers without gaps are int64."""
    for name in frame.columns:
        column = frame[name]
        if column.dtype == np.float64 and not column.isna().any() and (column % 1 == 0).all():
            frame[name] = column.astype(np.int64)
    return frame
