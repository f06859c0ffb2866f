"""Table files read a batch at a time, in pieces that can be read apart from each other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from debias.data.tables import arrow_file, broken, check_names, kind_of, unreadable
from debias.data.text_batches import TextFormat, look_through, text_batches
from debias.errors import DataError, Problem
from debias.inputs import open_input
from debias.words import listing

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS = 1 << 20
"""A piece of a table has so many rows or more, where its parts are smaller."""
BATCH_ROWS = 1 << 16
"""Rows that are worked on at once."""
_INDEX = "__index_level_"
_HASHED_AT_ONCE = 1 << 18
_TEXT_TO, _PACKED_TO = 2, 10  # bytes in memory for each byte of text


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
    kind : {"parquet", "arrow", "text"}
    columns : tuple of str
        Names of the columns in file order.
    rows : int
        Rows of the file.
    pieces : tuple of Piece
        All rows, in order; they depend on the file alone.
    stamp : tuple of int
        Size and time of change of the file, by which a change is noticed while it is read.
    text : TextFormat, optional
        How delimited text is read.
    """

    path: Path
    role: str
    kind: Literal["parquet", "arrow", "text"]
    columns: tuple[str, ...]
    rows: int
    pieces: tuple[Piece, ...]
    stamp: tuple[int, int]
    text: TextFormat | None = None

    @property
    def name(self) -> str:
        """The file as named."""
        return str(self.path)

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
            for batch in self._read(piece, list(columns), rows):
                yield first, batch
                first += len(batch)
        if first != end:
            raise DataError(self._changed())
        self.check()

    def _read(self, piece: Piece, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        if self.text is not None:
            return text_batches(self.path, self.text, columns, rows)
        read = _parquet if self.kind == "parquet" else _arrow
        return read(self.path, piece.parts, columns, rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report."""
        return () if self.text is None else self.text.notes

    def check(self) -> None:
        """Raise DataError where the file is not the one that was opened."""
        if _stamp(self.path) != self.stamp:
            raise DataError(self._changed())

    def sha256(self) -> str:
        """Return the digest of the file, read a part at a time."""
        digest, block = hashlib.sha256(), memoryview(bytearray(_HASHED_AT_ONCE))
        with open_file(self.path) as file:
            while size := file.readinto(block):
                digest.update(block[:size])
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
    stamp, where = _stamp(path), str(path)
    kind, packed = _kind(path, where)
    text = None
    if kind == "text":
        text = look_through(path, packed)
        names, sizes = list(text.names), [text.rows]
    elif packed:
        raise DataError(Problem(f"is {kind} in a {packed} file", where, "Unpack it, or give --no-stream."))
    else:
        with _reading(path, kind):
            names, sizes = _parquet_shape(path) if kind == "parquet" else _arrow_shape(path)
    check_names(names, where)
    if not names:
        raise DataError(Problem("has no columns", where, "Give a table with a header and rows."))
    if not sum(sizes):
        found = f"has columns ({listing(names)}) and no rows"
        raise DataError(Problem(found, where, "Give a table with one row or more."))
    columns = tuple(name for name in names if not name.startswith(_INDEX))
    return Stream(path, role, kind, columns, sum(sizes), _pieces(sizes), stamp, text)


def bytes_in_memory(path: Path) -> int:
    """Return the bytes that a table would take in memory, roughly, without reading its rows; eight a cell.

    Raises
    ------
    DataError
        It cannot be opened.
    """
    stamp = _stamp(path)
    kind, packed = _kind(path, str(path))
    if kind == "text":
        return stamp[0] * (_PACKED_TO if packed else _TEXT_TO)
    with _reading(path, kind):
        names, sizes = _parquet_shape(path) if kind == "parquet" else _arrow_shape(path)
    return 8 * sum(sizes) * len(names)


def _kind(path: Path, where: str) -> tuple[Literal["parquet", "arrow", "text"], str]:
    """Return what a file is, and how it is packed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".zst") else ""
    with open_file(path) as file:
        head = file.read(8)
    if not head:
        raise DataError(Problem("is empty (0 bytes)", where, "Give a table with a header and rows."))
    found = kind_of(suffixes[-1] if suffixes else "", b"" if packed else head, where)
    return ("parquet" if found == "parquet" else "arrow" if found == "arrow" else "text"), packed


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
        return open_input(path)
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
    return pq.ParquetFile(arrow_file(path), pre_buffer=False, buffer_size=1 << 18)


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

    with pa.memory_map(os.fsencode(path)) as source:
        if source.read(6) == b"ARROW1":
            source.seek(0)
            with pa.ipc.open_file(source) as reader:
                return reader.schema.names, [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
        source.seek(0)
        with pa.ipc.open_stream(source) as reader:
            return reader.schema.names, [batch.num_rows for batch in reader]


def _arrow(path: Path, parts: Sequence[int], columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(os.fsencode(path)) as source:
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
