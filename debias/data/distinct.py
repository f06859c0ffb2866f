"""The distinct combinations of a table's values in some columns, with how often each occurs; they add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from debias.data.batches import Piece, Stream
from debias.data.tables import Table, to_frame
from debias.data.values import Mask
from debias.errors import DataError, Problem
from debias.words import listing

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1 << 21
"""More combinations than this are not kept."""
_ROWS, _FIRST = "rows", "first"
_ROWS_AT_ONCE = 1 << 18


Side = Callable[["pa.RecordBatch", int], Mask]
"""Tells something of every row of a batch, which has so many rows of the file before it."""


def distinct(
    stream: Stream, piece: Piece, columns: Sequence[str], side: Side | None = None, reads: Sequence[str] = ()
) -> pa.Table:
    """Return the distinct rows of a piece.

    Parameters
    ----------
    stream : Stream
    piece : Piece
    columns : sequence of str
        What is read.
    side : callable, optional
        Rows that it tells apart are not the same.
    reads : sequence of str
        Columns that it reads.

    Returns
    -------
    pyarrow.Table
        Columns ``0``, ``1``, … in the order of `columns`, one more with what `side` tells, then ``rows`` (how many) and
        ``first`` (number of the first).
    """
    found: list[pa.Table] = []
    for before, batch in stream.batches(piece, list(dict.fromkeys((*columns, *reads))), _ROWS_AT_ONCE):
        found.append(_of_batch(batch, before, columns, side))
        if len(found) == 16:
            found = [_joined(found, columns, stream.name)]
    return _joined(found, columns, stream.name)


def together(parts: Iterable[pa.Table], columns: Sequence[str], where: str) -> pa.Table:
    """Return the distinct rows of several pieces, in their order, from those of each."""
    return _joined(list(parts), columns, where)


def ordered(found: pa.Table) -> pa.Table:
    """Return distinct rows in the order in which the file has them first."""
    return found.take(np.argsort(found.column(_FIRST).to_numpy(), kind="stable"))


def as_table(found: pa.Table, columns: Sequence[str], stream: Stream) -> Table:
    """Return distinct rows as a table whose rows stand for several of the file."""
    values = found.select(range(len(columns))).rename_columns(list(columns))
    return Table(
        to_frame(values, stream.name),
        stream.name,
        stream.path,
        role=stream.role,
        amounts=found.column(_ROWS).to_numpy().astype(np.int64),
        numbers=found.column(_FIRST).to_numpy().astype(np.int64),
    )


def plain(column: pa.Array) -> pa.Array:
    """Return a column with its dictionary decoded."""
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _of_batch(batch: pa.RecordBatch, before: int, columns: Sequence[str], side: Side | None) -> pa.Table:
    import pyarrow as pa

    arrays = [plain(batch.column(name)) for name in columns]
    if side is not None:
        arrays.append(pa.array(side(batch, before)))
    numbers = pa.array(np.arange(before + 1, before + 1 + len(batch)))
    names = [*map(str, range(len(arrays))), _FIRST]
    keys = names[:-1]
    found = pa.table([*arrays, numbers], names=names).group_by(keys, use_threads=False)
    counted = found.aggregate([(_FIRST, "count"), (_FIRST, "min")])
    return counted.select([*keys, f"{_FIRST}_count", f"{_FIRST}_min"]).rename_columns([*keys, _ROWS, _FIRST])


def _joined(parts: Sequence[pa.Table], columns: Sequence[str], where: str) -> pa.Table:
    import pyarrow as pa

    keys = [name for name in parts[0].column_names if name not in (_ROWS, _FIRST)]
    whole = pa.concat_tables(parts).group_by(keys, use_threads=False)
    found = whole.aggregate([(_ROWS, "sum"), (_FIRST, "min")])
    found = found.select([*keys, f"{_ROWS}_sum", f"{_FIRST}_min"]).rename_columns([*keys, _ROWS, _FIRST])
    if len(found) > MOST:
        raise DataError(
            Problem(
                f"more than {MOST:,} different combinations of {listing(columns)}",
                where,
                "Cut a column with many values by edges (--bins 25,45), or name another with --attr.",
            )
        )
    return found
