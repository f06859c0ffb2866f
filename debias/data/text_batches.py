"""Delimited text read a batch at a time, with the columns typed as of the whole file."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.data.delimited import (
    UTF_16,
    Kind,
    empty,
    find_delimiter,
    header,
    joined,
    kind_of_cells,
    malformed,
    no_rows,
    not_utf_8,
    parted_by,
    present,
    typed,
    utf_16,
    zero_byte,
)
from debias.data.tables import arrow_file
from debias.errors import DataError, Problem

if TYPE_CHECKING:
    import pyarrow as pa

_HEAD = 1 << 20
"""Bytes in which the delimiter is looked for."""
_BLOCK = 1 << 23
"""Bytes that are parsed at once; a row fits into them."""
_PACKED = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class TextFormat:
    """How a text file is read.

    Parameters
    ----------
    packed : str
        ``.gz``, ``.zst`` or nothing.
    delimiter : str
    names : tuple of str
    kinds : tuple of str
        Of each column.
    rows : int
    notes : tuple of str
    """

    packed: str
    delimiter: str
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    rows: int
    notes: tuple[str, ...]


def look_through(path: Path, packed: str) -> TextFormat:
    """Read a file once: its header, its rows counted, what kind of values each column holds.

    Raises
    ------
    DataError
        What `debias.data.delimited.read_delimited` says of such a file.
    """
    where = str(path)
    with _Text(path, packed) as text:
        delimiter, width = find_delimiter(_head(text.read(_HEAD), where), where)
    names: list[str] = []
    kinds: list[set[Kind]] = [set() for _ in range(width)]
    ragged: list[tuple[int, int, bool]] = []
    rows, last = 0, ""
    with _Text(path, packed, checked=True) as text:
        for cells in _cells(text, delimiter, width, where, ragged):
            if not names and len(cells):
                names, cells = header(cells, where), cells.slice(1)
            rows += len(cells)
            for found, column in zip(kinds, cells.columns, strict=True):
                if found != {"text"}:
                    found.add(kind_of_cells(present(column)))
                    if "text" in found:
                        found.intersection_update({"text"})
            if len(cells):
                last = str(cells.columns[-1][-1].as_py())
        quotes = text.quotes
    if problems := malformed(width, ragged, quotes, last, where):
        raise DataError(problems)
    if not rows:
        raise no_rows(width, where)
    return TextFormat(
        packed, delimiter, tuple(names), tuple(map(joined, kinds)), rows, tuple(parted_by(delimiter, where))
    )


def text_batches(path: Path, form: TextFormat, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in batches of so many rows, the last ones fewer."""
    import pyarrow as pa

    places = [form.names.index(name) for name in columns]
    waiting: list[pa.RecordBatch] = []
    held, first = 0, True
    with _Text(path, form.packed) as text:
        for whole in _cells(text, form.delimiter, len(form.names), str(path), [], places):
            cells = whole.slice(1) if first and len(whole) else whole
            first = first and not len(whole)
            arrays = [
                typed(present(column), form.kinds[place]) for place, column in zip(places, cells.columns, strict=True)
            ]
            waiting.append(pa.record_batch(arrays, names=list(columns)))
            held += len(cells)
            if held >= rows:
                table = pa.Table.from_batches(waiting).combine_chunks()
                full = held // rows * rows
                yield from table.slice(0, full).to_batches(rows)
                waiting, held = table.slice(full).to_batches(), held - full
    if held:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _head(data: bytes, where: str) -> str:
    """Return the first lines of a file, whole ones where there is an end of line."""
    if not data.strip():
        raise empty(where)
    if len(data) >= _HEAD and (end := max(data.rfind(b"\n"), data.rfind(b"\r"))) > 0:
        data = data[: end + 1]
    return data.decode("utf-8", errors="replace")


def _cells(
    text: _Text,
    delimiter: str,
    width: int,
    where: str,
    ragged: list[tuple[int, int, bool]],
    places: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield all rows as text, the header as the first; those of another width are kept apart."""
    import pyarrow as pa
    from pyarrow import csv

    def keep(row: csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.actual_columns, "\n" in row.text))
        return "skip"

    wanted = range(width) if places is None else places
    try:
        reader = csv.open_csv(
            pa.PythonFile(text, mode="r"),
            read_options=csv.ReadOptions(use_threads=False, autogenerate_column_names=True, block_size=_BLOCK),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep),
            convert_options=csv.ConvertOptions(
                column_types={f"f{i}": pa.string() for i in range(width)},
                strings_can_be_null=False,
                include_columns=[f"f{i}" for i in wanted],
            ),
        )
        with reader:
            yield from reader
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if text.fault is not None:
            raise text.fault from None
        raise DataError(Problem(f"cannot be read as CSV: {error}", where, "Check quotes and row ends.")) from None


@dataclass
class _Text(io.RawIOBase):
    """The text of a file as bytes, unpacked and without a mark at its start; it always ends with an end of line.

    Parameters
    ----------
    path : Path
    packed : str
    checked : bool
        Look for what is no UTF-8 text, and count quotes; `fault` keeps what was found, which a reader in between may
        tell in its own way.
    """

    path: Path
    packed: str
    checked: bool = False
    quotes: int = 0
    fault: DataError | None = None
    _source: Any = field(default=None, repr=False)
    _offset: int = 0
    _line: int = 1
    _ended: bool = False
    _last: bytes = b""
    _decoder: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        import pyarrow as pa

        super().__init__()
        try:
            self._source = pa.input_stream(arrow_file(self.path), compression=_PACKED.get(self.packed))
        except (OSError, ValueError) as error:
            raise self._broken(error) from None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes or fewer; none at the end."""
        try:
            return self._read(size)
        except DataError as error:
            self.fault = error
            raise

    def _read(self, size: int) -> bytes:
        if self._ended:
            return b""
        try:
            data: bytes = self._source.read(size if size >= 0 else None)
        except (OSError, EOFError, zlib.error) as error:
            raise self._broken(error) from None
        if self._offset == 0:
            if data[:2] in UTF_16:
                raise utf_16(str(self.path))
            data = data.removeprefix(codecs.BOM_UTF8)
        if self.checked:
            self._check(data)
        self._offset += len(data)
        if data:
            self._last = data[-1:]
            return data
        self._ended = True
        # Arrow takes a single line without an end for an empty file
        return b"" if self._last in (b"\n", b"\r", b"") else b"\n"

    def _check(self, data: bytes) -> None:
        where = str(self.path)
        if b"\0" in data:
            raise zero_byte(self._offset + data.index(0), where)
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(data)
            before = data[: max(error.start - pending, 0)]
            raise not_utf_8(error.object[error.start], self._line + before.count(b"\n"), where) from None
        self._line += data.count(b"\n")
        self.quotes += data.count(b'"')

    def _broken(self, error: Exception) -> DataError:
        if not self.packed:
            return DataError(Problem(f"cannot be read: {error}", str(self.path), "Check the path."))
        found = f"is not a whole {self.packed} file: {error}"
        return DataError(Problem(found, str(self.path), "Copy or download it again."))
