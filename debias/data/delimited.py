"""CSV text to columns: delimiter, header, ragged rows, exact numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from debias.errors import DataError, Problem
from debias.words import count, show, spot

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "<NA>")
"""Texts that stand for a missing value. 'None' is not among them: it is a category in real tables."""

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
Kind = Literal["empty", "integer", "code", "number", "boolean", "text"]
"""What the cells of a column are; code: whole numbers that int64 does not keep apart, which stay text."""

_INTEGER = r"^[+-]?\d+$"
_LEADING_ZERO = r"^[+-]?0\d"
_SNIFFED_ROWS = 50


def read_delimited(data: bytes, where: str) -> tuple[pa.Table, list[str]]:
    """Parse CSV bytes.

    Numbers are rounded correctly to float64 (the nearest one to the text). Integers with leading zeros or beyond
    int64 stay text, so that two names of a cluster or category never become one.

    Parameters
    ----------
    data : bytes
        UTF-8, with or without BOM.
    where : str
        File named in errors.

    Returns
    -------
    pyarrow.Table, list of str
        Columns, and notes for the report (a delimiter other than the comma).

    Raises
    ------
    DataError
        Not UTF-8, empty, header only, one column because of the delimiter, ragged rows.
    """
    text = _decode(data, where)
    if not text.strip():
        raise empty(where)
    delimiter, width = find_delimiter(text, where)
    if not text.endswith(("\n", "\r")):
        text += "\n"  # Arrow takes a single line without an end for an empty file
    cells = _cells(text.encode(), delimiter, width, where)
    names = header(cells, where)
    import pyarrow as pa

    columns = [column.slice(1) for column in cells.columns]
    if cells.num_rows == 1:
        raise no_rows(width, where)
    return pa.Table.from_arrays([_typed(column) for column in columns], names=names), parted_by(delimiter, where)


def header(cells: pa.Table | pa.RecordBatch, where: str) -> list[str]:
    """Return the names of the columns from the first row of cells.

    Raises
    ------
    DataError
        One column because of the delimiter.
    """
    names = [str(column[0].as_py()).strip() for column in cells.columns]
    if len(names) == 1 and (others := [d for d in DELIMITERS if d != "," and d in names[0]]):
        raise DataError(
            Problem(
                f"was read as one column named {show(names[0])}",
                where,
                f"If {DELIMITERS[others[0]]} parts the columns, not every row has as many: mend the rows, "
                "or save the table with commas.",
            )
        )
    return names


def empty(where: str) -> DataError:
    """Return what is said of a file without text."""
    return DataError(Problem("is empty", where, "Give a table with a header and rows."))


def no_rows(width: int, where: str) -> DataError:
    """Return what is said of a file that ends below its header."""
    return DataError(Problem(f"has a header ({count(width, 'column')}) and no rows", where, "Give rows below it."))


def parted_by(delimiter: str, where: str) -> list[str]:
    """Return the note on a delimiter other than the comma."""
    return [] if delimiter == "," else [f"{where}: columns are parted by {DELIMITERS[delimiter]}."]


def _decode(data: bytes, where: str) -> str:
    if data[:2] in UTF_16:
        raise utf_16(where)
    if b"\0" in data:
        raise zero_byte(data.index(0), where)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf_8(data[error.start], data.count(b"\n", 0, error.start) + 1, where) from None


def utf_16(where: str) -> DataError:
    """Return what is said of UTF-16."""
    return DataError(Problem("is UTF-16 text", where, "Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')."))


def zero_byte(offset: int, where: str) -> DataError:
    """Return what is said of a file with a zero byte."""
    remedy = "Give CSV, Parquet or Arrow IPC; a spreadsheet has to be exported first."
    return DataError(Problem(f"holds a zero byte at offset {offset:,}: it is not a text file", where, remedy))


def not_utf_8(byte: int, line: int, where: str) -> DataError:
    """Return what is said of text that is not UTF-8."""
    remedy = "Convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW_FILE"
    return DataError(Problem(f"is not UTF-8: byte 0x{byte:02x} in line {line}", where, remedy))


def find_delimiter(text: str, where: str) -> tuple[str, int]:
    """Return the comma unless it does not part the first rows evenly and exactly one other character does."""
    widths: dict[str, list[int]] = {}
    lines = io.StringIO(text, newline="")
    for delimiter in DELIMITERS:
        try:
            lines.seek(0)
            rows = csv.reader(lines, delimiter=delimiter)
            widths[delimiter] = [len(row) for row in islice((row for row in rows if row), _SNIFFED_ROWS)]
        except csv.Error as error:
            raise DataError(
                Problem(f"cannot be read as CSV: {error}", where, "A quote that is never closed, or the wrong format?")
            ) from None
    even = [d for d, found in widths.items() if found[0] > 1 and len(set(found)) == 1]
    chosen = "," if "," in even or len(even) != 1 else even[0]
    return chosen, widths[chosen][0]


def _cells(data: bytes, delimiter: str, width: int, where: str) -> pa.Table:
    """Parse to text; the header is row 0 so that its cells obey the same quoting, and may repeat."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[tuple[int, int, bool]] = []

    def keep(row: arrow_csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.actual_columns, "\n" in row.text))
        return "skip"

    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, autogenerate_column_names=True, block_size=min(len(data) + 1, 1 << 26)
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={f"f{i}": pa.string() for i in range(width)}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(Problem(f"cannot be read as CSV: {error}", where, "Check quotes and row ends.")) from None
    if problems := malformed(width, ragged, data.count(b'"'), str(table.columns[-1][-1].as_py()), where):
        raise DataError(problems)
    return table


def malformed(width: int, ragged: list[tuple[int, int, bool]], quotes: int, last: str, where: str) -> list[Problem]:
    """Return what is wrong with rows that were read.

    Parameters
    ----------
    width : int
        Columns of the header.
    ragged : list of (int, int, bool)
        Rows of another width: number, width, and whether a line ends inside.
    quotes : int
        Quotes in the file.
    last : str
        Its last cell.
    where : str
        The file.
    """
    problems = []
    if ragged:
        found = [f"{count(n, 'column')} in {spot([r for r, w, _ in ragged if w == n])}" for n in _widths(ragged)]
        swallowed = any(broken for *_, broken in ragged)
        remedy = "Close the quote that runs over several rows." if swallowed else "Quote values that hold a comma."
        problems.append(Problem(f"ragged rows: the header has {width}, but {'; '.join(found)}", where, remedy))
    if quotes % 2 and "\n" in last:
        problems.append(Problem("a quote is opened and never closed", where, "Close it, or double it inside a value."))
    return problems


def _widths(ragged: list[tuple[int, int, bool]]) -> list[int]:
    return sorted({columns for _, columns, _ in ragged})


def _typed(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return int64, float64, boolean or text, whichever the whole column is."""
    values = present(cells)
    return typed(values, kind_of_cells(values))


def present(cells: Any) -> Any:
    """Return cells without blanks round them; null where they stand for a missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(cells, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), cells)


def kind_of_cells(values: Any) -> Kind:
    """Return what the cells of a column, or of a part of one, are; see `joined`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values.cast(pa.float64())
    except pa.ArrowInvalid:
        truth = pc.is_in(pc.utf8_lower(values), value_set=pa.array(["true", "false", None]))
        return "boolean" if pc.all(truth).as_py() else "text"
    if values.null_count == len(values):
        return "empty"
    if not _all(values, _INTEGER):
        return "number"
    if pc.any(pc.match_substring_regex(values, _LEADING_ZERO)).as_py():
        return "code"
    try:
        pc.utf8_ltrim(values, characters="+").cast(pa.int64())
    except pa.ArrowInvalid:
        return "code"
    return "integer"


def joined(kinds: Iterable[Kind]) -> Kind:
    """Return what a column is whose parts are of these kinds: what the whole of it would be found to be."""
    found = set(kinds) - {"empty"}
    if len(found) < 2:
        return found.pop() if found else "empty"
    if "text" in found or "boolean" in found:
        return "text"
    return "number" if "number" in found else "code"


def typed(values: Any, kind: Kind) -> Any:
    """Return the cells of a column of this kind as int64, float64, boolean or text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind in ("empty", "number"):
        return values.cast(pa.float64())
    if kind == "integer":
        return pc.utf8_ltrim(values, characters="+").cast(pa.int64())
    return pc.equal(pc.utf8_lower(values), "true") if kind == "boolean" else values


def _all(values: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())
