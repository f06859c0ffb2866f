"""Files and frames to one kind of table; what cannot be read is refused with the way out."""

from __future__ import annotations

import difflib
import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from debias.data.delimited import read_delimited
from debias.errors import DataError, Problem
from debias.inputs import read_input
from debias.words import listing, show, spot

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

IntArray = npt.NDArray[np.int64]

_TEXT = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc", ".arrows")
_FORMATS = "CSV (also .csv.gz and .csv.zst), Parquet (.parquet) or Arrow IPC (.arrow, .feather)"


@dataclass(frozen=True)
class Table:
    """A table as it came, before anything was chosen from it.

    Parameters
    ----------
    frame : DataFrame
        Columns have unique, non-empty text names; row i of the file is ``frame.iloc[i - 1]``.
    name : str
        The path as given, or ``DataFrame``.
    path : Path or None
        None for a DataFrame.
    sha256 : str or None
        Of the file as it came; None for a DataFrame.
    role : str
        ``data``, ``train`` or ``test``.
    notes : tuple of str
        Sentences for the report.
    amounts : ndarray of int64, shape [N], optional
        How many rows of the file each row stands for, where rows that are alike were put together. Default: one.
    numbers : ndarray of int64, shape [N], optional
        Number of each row in the file, of rows put together that of the first. Default: 1, 2, …
    """

    frame: pd.DataFrame
    name: str
    path: Path | None = None
    sha256: str | None = None
    role: str = "data"
    notes: tuple[str, ...] = ()
    amounts: IntArray | None = None
    numbers: IntArray | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def size(self, rows: npt.NDArray[Any]) -> int:
        """Return how many rows of the file the rows at these positions (or where a mask is True) are."""
        if self.amounts is not None:
            return int(self.amounts[rows].sum())
        return int(rows.sum()) if rows.dtype == bool else len(rows)

    def sizes(self, codes: IntArray, n: int) -> IntArray:
        """Return how many rows of the file have each code in 0 … n − 1, shape [n]; −1 is none."""
        known = codes >= 0
        if self.amounts is None:
            return np.bincount(codes[known], minlength=n)
        found: IntArray = np.zeros(n, np.int64)
        np.add.at(found, codes[known], self.amounts[known])
        return found

    @property
    def total(self) -> int:
        """Rows of the file that the rows stand for."""
        return len(self) if self.amounts is None else int(self.amounts.sum())

    def spot(self, rows: npt.NDArray[np.integer], *, first: bool = False) -> str:
        """Return where the rows at these positions are in the file, as `debias.words.spot` does; or the first alone."""
        numbers = rows + 1 if self.numbers is None else np.sort(self.numbers[rows])
        return spot(numbers[:1]) if first else spot(numbers, total=self.size(rows))

    @property
    def columns(self) -> list[str]:
        """Names of the columns in file order."""
        return list(self.frame.columns)


def read_table(source: str | os.PathLike[str] | pd.DataFrame | Any, role: str = "data") -> Table:
    """Read a table.

    Parameters
    ----------
    source : path, DataFrame, or any Arrow table
        CSV (plain, ``.gz``, ``.zst``), Parquet or Arrow IPC by the file's ending, else by its first bytes; a pandas
        DataFrame (its index is left out), or an object with the Arrow stream interface (pyarrow, polars).
    role : str
        ``data``, ``train`` or ``test``: which flag is at fault when it cannot be read.

    Raises
    ------
    DataError
        Missing file, directory, no permission, empty, header only, broken, ragged, names repeated or empty.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), role)
    import pandas as pd

    if not isinstance(source, pd.DataFrame):
        import pyarrow as pa

        if not hasattr(source, "__arrow_c_stream__"):
            raise DataError(
                Problem(f"--{role} is {type(source).__name__}", "", "Give a path, a DataFrame or an Arrow table.")
            )
        source = to_frame(pa.table(source), "DataFrame")
    return Table(_checked(source, "DataFrame"), "DataFrame", role=role)


def _read_file(path: Path, role: str) -> Table:
    data, where = _bytes(path), str(path)
    sha256 = hashlib.sha256(data).hexdigest()
    notes: list[str] = []
    if not data:
        raise DataError(Problem("is empty (0 bytes)", where, "Give a table with a header and rows."))
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        data = _unpacked(data, suffixes.pop(), where)
    kind = kind_of(suffixes[-1] if suffixes else "", data, where)
    if kind == "text":
        table, notes = read_delimited(data, where)
    else:
        table = _binary(data, kind, where)
    check_names(table.column_names, where)
    return Table(_checked(to_frame(table, where), where), where, path, sha256, role, tuple(notes))


def _bytes(path: Path) -> bytes:
    try:
        return read_input(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError | ValueError) -> DataError:
    """Return what is said of a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        found = "no such file"
        near = difflib.get_close_matches(path.name, _siblings(path), n=1)
        remedy = f"Did you mean {show(near[0])}?" if near else "Check the path."
    elif isinstance(error, IsADirectoryError):
        found, remedy = "is a directory", f"Give one file: {_FORMATS}."
    elif isinstance(error, PermissionError):
        found, remedy = "may not be read: permission denied", "Check the rights of the file (ls -l)."
    else:
        found, remedy = f"cannot be read: {getattr(error, 'strerror', None) or error}", "Check the path."
    return DataError(Problem(found, str(path), remedy))


def _siblings(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def _unpacked(data: bytes, suffix: str, where: str) -> bytes:
    try:
        if suffix == ".gz":
            return gzip.decompress(data)
        import pyarrow as pa

        return bytes(pa.input_stream(pa.BufferReader(data), compression="zstd").read())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            Problem(f"is not a whole {suffix} file: {error}", where, "Copy or download it again.")
        ) from None


def kind_of(suffix: str, data: bytes, where: str) -> str:
    """Return text, parquet or arrow; the first bytes speak before the ending, which may be wrong."""
    if data[:4] == b"PAR1":
        return "parquet"
    if data[:6] == b"ARROW1":
        return "arrow"
    known = {
        b"PK\x03\x04": "is a zip file (a spreadsheet or a model?)",
        b"\x1f\x8b": "is gzip; its name does not end in .gz",
        b"\x28\xb5\x2f\xfd": "is zstd; its name does not end in .zst",
        b"\xd0\xcf\x11\xe0": "is an old spreadsheet file",
        b"FEA1": "is Feather version 1",
    }
    for magic, found in known.items():
        if data.startswith(magic):
            raise DataError(Problem(found, where, f"Give {_FORMATS}."))
    if suffix in _PARQUET:
        raise DataError(Problem("is not a Parquet file: it does not begin with PAR1", where, "Write it again."))
    if suffix in _ARROW:
        return "arrow"
    if suffix in _TEXT or not suffix:
        return "text"
    raise DataError(Problem(f"has the ending {show(suffix)}, which is no known table", where, f"Give {_FORMATS}."))


def _binary(data: bytes, kind: str, where: str) -> pa.Table:
    import pyarrow as pa

    try:
        if kind == "parquet":
            import pyarrow.parquet as pq

            return pq.ParquetFile(pa.BufferReader(data)).read()
        reader = pa.ipc.open_file if data[:6] == b"ARROW1" else pa.ipc.open_stream
        with reader(pa.BufferReader(data)) as batches:
            table = batches.read_all()
            table.validate(full=True)  # offsets of a broken file may point outside its buffers
            return table
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise broken(kind, error, where) from None


def broken(kind: str, error: Exception, where: str) -> DataError:
    """Return what is said of a file whose content is not what its kind promises."""
    name = "Parquet" if kind == "parquet" else "Arrow IPC"
    first = (str(error).splitlines() or [""])[0]
    return DataError(Problem(f"is a broken {name} file: {first}", where, "Write or copy it again."))


def arrow_file(path: Path) -> Any:
    """Return a file for Arrow to read, which opens no path as text whose name is not UTF-8."""
    import pyarrow as pa

    return pa.OSFile(os.fsencode(path))


def to_frame(table: pa.Table, where: str) -> pd.DataFrame:
    """Return pandas columns: dictionaries decoded, decimals as float64, integers with gaps as Int64 (never rounded)."""
    import pandas as pd
    import pyarrow as pa

    index = [name for name in table.column_names if name.startswith("__index_level_")]
    table = table.drop_columns(index).replace_schema_metadata(None)
    columns: list[Any] = []
    problems = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns.append(_to_series(column))
        except (pa.ArrowException, ValueError, OverflowError) as error:
            problems.append(
                Problem(f"{column.type} cannot be read: {error}", f"{where}, column {show(name)}", "Convert it.")
            )
    if problems:
        raise DataError(problems)
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(table.num_rows))
    frame.columns = pd.Index(table.column_names, dtype=object)
    return frame


def _to_series(column: pa.ChunkedArray) -> pd.Series:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    elif pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    if pa.types.is_integer(column.type) and column.null_count:
        dtype = pd.UInt64Dtype() if pa.types.is_unsigned_integer(column.type) else pd.Int64Dtype()
        return pd.Series(dtype.__from_arrow__(column), dtype=dtype)
    return column.to_pandas(use_threads=False)  # one column has no use for them


def check_names(names: list[str], where: str) -> None:
    problems = []
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        places = [f"{show(name)} (columns {_places(names, name)})" for name in twice[:12]]
        problems.append(
            Problem(f"column names occur more than once: {', '.join(places)}", where, "Rename or remove one of each.")
        )
    if empty := [str(i + 1) for i, name in enumerate(names) if not name.strip()]:
        problems.append(
            Problem(
                f"column {', '.join(empty[:12])} of {len(names)} has no name",
                where,
                "Name or remove it; pandas writes its index as such a column: to_csv(FILE, index=False).",
            )
        )
    if problems:
        raise DataError(problems)


def _places(names: list[str], name: str) -> str:
    return " and ".join(str(i + 1) for i, other in enumerate(names) if other == name)


def _checked(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    import pandas as pd

    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError(
            Problem("has several levels of column names", where, "Flatten them: frame.columns = [...] with one each.")
        )
    names = [str(name) for name in frame.columns]
    if not names:
        raise DataError(Problem("has no columns", where, "Give a table with a header and rows."))
    check_names(names, where)
    if not len(frame):
        raise DataError(
            Problem(f"has columns ({listing(names)}) and no rows", where, "Give a table with one row or more.")
        )
    frame = frame.set_axis(pd.Index(names, dtype=object), axis=1)
    return frame.reset_index(drop=True)
