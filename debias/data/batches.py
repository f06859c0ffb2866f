"""Table files read a batch at a time, in pieces that can be read apart from each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from debias.data.tables import broken, check_names, kind_of, unreadable
from debias.errors import DataError, Problem
from debias.words import listing

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS = 1 << 20
"""A piece of a table has so many rows or more, where its parts are smaller."""
BATCH_ROWS = 1 << 16
"""Rows that are worked on at once."""
_INDEX = "__index_level_"
_HASHED_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Piece:
    """Rows that follow each other in a table file.

    Parameters
    ----------
    first : int
        Rows of the file before it.
    rows : int
        Its rows.
    parts : tuple of int
        Row groups (Parquet) or record batches (Arrow IPC) that it is made of.
    """

    first: int
    rows: int
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Stream:
    """A table file that is read a batch at a time.

    Parameters
    ----------
    path : Path
    role : str
        ``data``, ``train`` or ``test``.
    kind : {"parquet", "arrow"}
    columns : tuple of str
        Names of the columns in file order.
    rows : int
        Rows of the file.
    pieces : tuple of Piece
        All rows, in order; they depend on the file alone.
    stamp : tuple of int
        Size and time of change of the file, by which a change is noticed while it is read.
    """

    path: Path
    role: str
    kind: Literal["parquet", "arrow"]
    columns: tuple[str, ...]
    rows: int
    pieces: tuple[Piece, ...]
    stamp: tuple[int, int]

    @property
    def name(self) -> str:
        """The file as named."""
        return str(self.path)

    @property
    def memory(self) -> int:
        """Bytes that the table would take in memory, roughly: eight a cell."""
        return 8 * self.rows * len(self.columns)

    def batches(self, piece: Piece, columns: Sequence[str], rows: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the rows of a piece in batches, each with the number of rows before it in the file.

        Parameters
        ----------
        piece : Piece
        columns : sequence of str
            Columns to read.
        rows : int
            Rows of a batch, at most.

        Raises
        ------
        DataError
            The file is broken, or it has changed since it was opened.
        """
        first, end = piece.first, piece.first + piece.rows
        with _reading(self.path, self.kind):
            self.check()
            read = _parquet if self.kind == "parquet" else _arrow
            for batch in read(self.path, piece.parts, list(columns), rows):
                yield first, batch
                first += len(batch)
        if first != end:
            raise DataError(self._changed())
        self.check()

    def check(self) -> None:
        """Raise DataError where the file is not the one that was opened."""
        if _stamp(self.path) != self.stamp:
            raise DataError(self._changed())

    def sha256(self) -> str:
        """Return the digest of the file, read a part at a time."""
        digest = hashlib.sha256()
        with open_file(self.path) as file:
            while part := file.read(_HASHED_AT_ONCE):
                digest.update(part)
        self.check()
        return digest.hexdigest()

    def _changed(self) -> Problem:
        return Problem("changed while it was read", self.name, "Run again when nothing writes to it.")


def open_stream(path: Path, role: str = "data") -> Stream:
    """Look at a table file without reading its rows.

    Raises
    ------
    DataError
        What `debias.data.tables.read_table` says of such a file.
    """
    stamp = _stamp(path)
    with open_file(path) as file:
        head = file.read(8)
    kind = kind_of(path.suffix.lower(), head, str(path))
    with _reading(path, kind):
        names, sizes = _parquet_shape(path) if kind == "parquet" else _arrow_shape(path)
    check_names(names, str(path))
    if not names:
        raise DataError(Problem("has no columns", str(path), "Give a table with a header and rows."))
    if not sum(sizes):
        found = f"has columns ({listing(names)}) and no rows"
        raise DataError(Problem(found, str(path), "Give a table with one row or more."))
    columns = tuple(name for name in names if not name.startswith(_INDEX))
    return Stream(path, role, "parquet" if kind == "parquet" else "arrow", columns, sum(sizes), _pieces(sizes), stamp)


def _pieces(sizes: Sequence[int]) -> tuple[Piece, ...]:
    """Return pieces of at least `PIECE_ROWS` rows from parts of these sizes."""
    found, first, parts, rows = [], 0, [], 0
    for part, size in enumerate(sizes):
        parts.append(part)
        rows += size
        if rows >= PIECE_ROWS or part == len(sizes) - 1:
            found.append(Piece(first, rows, tuple(parts)))
            first, parts, rows = first + rows, [], 0
    return tuple(each for each in found if each.rows)


def open_file(path: Path) -> Any:
    """Return a file opened for reading bytes.

    Raises
    ------
    DataError
        It cannot be opened.
    """
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    return found.st_size, found.st_mtime_ns


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    """Turn what goes wrong within into a DataError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise broken(kind, error, str(path)) from None


def _parquet_file(path: Path) -> Any:
    import pyarrow.parquet as pq

    # Buffered: a column of a row group is not held as a whole.
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)


def _parquet_shape(path: Path) -> tuple[list[str], list[int]]:
    with _parquet_file(path) as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        return list(file.schema_arrow.names), groups


def _parquet(path: Path, parts: Sequence[int], columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    with _parquet_file(path) as file:
        yield from file.iter_batches(rows, row_groups=list(parts), columns=columns, use_threads=False)


def _arrow_shape(path: Path) -> tuple[list[str], list[int]]:
    """Return names and the rows of each record batch; the sizes stand in the headers, their rows are not read."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        if source.read(6) == b"ARROW1":
            source.seek(0)
            with pa.ipc.open_file(source) as reader:
                return reader.schema.names, [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
        source.seek(0)
        with pa.ipc.open_stream(source) as reader:
            return reader.schema.names, [batch.num_rows for batch in reader]


def _arrow(path: Path, parts: Sequence[int], columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        for batch in _arrow_batches(source, parts):
            batch.validate(full=True)  # offsets of a broken file may point outside its buffers
            for start in range(0, len(batch), rows):
                yield batch.select(columns).slice(start, rows)


def _arrow_batches(source: Any, parts: Sequence[int]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if source.read(6) == b"ARROW1":
        source.seek(0)
        with pa.ipc.open_file(source) as reader:
            yield from (reader.get_batch(part) for part in parts)
        return
    source.seek(0)
    with pa.ipc.open_stream(source) as reader:
        for number, batch in enumerate(reader):
            if number > parts[-1]:
                return
            if number >= parts[0]:
                yield batch
