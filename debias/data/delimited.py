"""CSV text to columns: delimiter, header, ragged rows, exact numbers."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import TYPE_CHECKING

from debias.errors import DataError, Problem
from debias.words import count, show, spot

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "<NA>")
"""Texts that stand for a missing value. 'None' is not among them: it is a category in real tables."""

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
        raise DataError(Problem("is empty", where, "Give a table with a header and rows."))
    delimiter, width = _delimiter(text, where)
    if not text.endswith(("\n", "\r")):
        text += "\n"  # Arrow takes a single line without an end for an empty file
    cells = _cells(text.encode(), delimiter, width, where)
    names = [str(column[0].as_py()).strip() for column in cells.columns]
    if cells.num_rows == 1:
        raise DataError(Problem(f"has a header ({count(width, 'column')}) and no rows", where, "Give rows below it."))
    if width == 1 and (others := [d for d in DELIMITERS if d != "," and d in names[0]]):
        raise DataError(
            Problem(
                f"was read as one column named {show(names[0])}",
                where,
                f"If {DELIMITERS[others[0]]} parts the columns, not every row has as many: mend the rows, "
                "or save the table with commas.",
            )
        )
    import pyarrow as pa

    notes = [] if delimiter == "," else [f"{where}: columns are parted by {DELIMITERS[delimiter]}."]
    return pa.Table.from_arrays([_typed(column.slice(1)) for column in cells.columns], names=names), notes


def _decode(data: bytes, where: str) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        found, remedy = "is UTF-16 text", "Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')."
    elif b"\0" in data:
        found = f"holds a zero byte at offset {data.index(0):,}: it is not a text file"
        remedy = "Give CSV, Parquet or Arrow IPC; a spreadsheet has to be exported first."
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            found = f"is not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
            remedy = "Convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW_FILE"
    raise DataError(Problem(found, where, remedy))


def _delimiter(text: str, where: str) -> tuple[str, int]:
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
    problems = []
    if ragged:
        found = [f"{count(n, 'column')} in {spot([r for r, w, _ in ragged if w == n])}" for n in _widths(ragged)]
        swallowed = any(broken for *_, broken in ragged)
        remedy = "Close the quote that runs over several rows." if swallowed else "Quote values that hold a comma."
        problems.append(Problem(f"ragged rows: the header has {width}, but {'; '.join(found)}", where, remedy))
    if data.count(b'"') % 2 and "\n" in str(table.columns[-1][-1].as_py()):
        problems.append(Problem("a quote is opened and never closed", where, "Close it, or double it inside a value."))
    if problems:
        raise DataError(problems)
    return table


def _widths(ragged: list[tuple[int, int, bool]]) -> list[int]:
    return sorted({columns for _, columns, _ in ragged})


def _typed(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return int64, float64, boolean or text, whichever the whole column is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    absent = pc.is_in(cells, value_set=pa.array(MISSING))
    values = pc.if_else(absent, pa.scalar(None, pa.string()), cells)
    try:
        numbers = values.cast(pa.float64())
    except pa.ArrowInvalid:
        lower = pc.utf8_lower(values)
        if pc.all(pc.is_in(lower, value_set=pa.array(["true", "false", None]))).as_py():
            return pc.equal(lower, "true")
        return values
    if numbers.null_count == len(numbers) or not _all(values, _INTEGER):
        return numbers
    if pc.any(pc.match_substring_regex(values, _LEADING_ZERO)).as_py():
        return values
    try:
        return pc.utf8_ltrim(values, characters="+").cast(pa.int64())
    except pa.ArrowInvalid:
        return values


def _all(values: pa.ChunkedArray, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())
