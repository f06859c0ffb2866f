"""What a whole table settles before its rows are scored: label, groups, inputs; and the cell that each row falls into.

Everything is settled as `debias.data.prepare.prepare` does it, from the distinct values of the columns in question and
how often each occurs. A cell is one combination of what the attributes make of a row, so that counts by cell give the
counts of every attribute, of its columns and of attributes crossed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from debias.contract import Contract
from debias.data.attributes import resolve
from debias.data.clusters import cluster_column
from debias.data.columns import Columns, find_features, find_label, named
from debias.data.distinct import plain
from debias.data.encode import DType, encode, encode_plain
from debias.data.grouping import Grouping, read_attributes
from debias.data.labels import Label
from debias.data.prepare import (
    clashes,
    encoding_of,
    favorable_of,
    favored,
    labelled,
    no_positive,
    one_label_left,
    parts_of,
)
from debias.data.sample import Attribute
from debias.data.tables import Table
from debias.data.values import IntArray, Mask
from debias.errors import DataError, Problem

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CELLS = 1 << 22
"""Codes of all columns together, at most."""


@dataclass(frozen=True)
class Roles:
    """Which columns of a file are what, told by its header and its first rows.

    Parameters
    ----------
    columns : tuple of str
        All columns of the file.
    label : str
    parts : tuple of str
        Columns of the attributes.
    features : tuple of str
        Columns that feed the network; raw columns where a contract encodes them.
    reads : tuple of str
        Columns that the inputs are made of, others that the contract's rules look up among them.
    contract : Contract or None
    encoded_by : Contract or None
        The contract, where it encodes the table.
    cluster : str or None
    notes : tuple of str
    """

    columns: tuple[str, ...]
    label: str
    parts: tuple[str, ...]
    features: tuple[str, ...]
    reads: tuple[str, ...]
    contract: Contract | None
    encoded_by: Contract | None
    cluster: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Keys:
    """How a row's raw values lead to its cell.

    Parameters
    ----------
    columns : tuple of str
        The columns that are read.
    values : tuple of pyarrow.Array
        Distinct values of each.
    codes : tuple of ndarray of int64
        A code of each value; one more code, the last, is for a missing value.
    cells : ndarray of int64
        Twice the cell, plus 1 for the positive label, by all codes (the last column's change fastest); −1 for rows
        that are left out.
    """

    columns: tuple[str, ...]
    values: tuple[pa.Array, ...]
    codes: tuple[IntArray, ...]
    sizes: tuple[int, ...]
    cells: IntArray

    def of(self, batch: pa.RecordBatch) -> IntArray:
        """Return the place in `cells` of every row, −1 for a row with a value that was not there before."""
        import pyarrow.compute as pc

        place = np.zeros(len(batch), np.int32)  # there are at most MOST_CELLS
        strange = None
        for name, values, codes, size in zip(self.columns, self.values, self.codes, self.sizes, strict=True):
            found = pc.index_in(plain(batch.column(name)), value_set=values)
            if found.null_count:
                missed = found.is_null().to_numpy(zero_copy_only=False)
                strange = missed if strange is None else strange | missed
                found = pc.fill_null(found, 0)
            place *= size
            place += np.take(codes.astype(np.int32), found.to_numpy())
        if strange is not None:
            place[strange] = -1
        return place.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Settled:
    """What a table settled.

    Parameters
    ----------
    roles : Roles
    positive : str or None
    favorable : {"positive", "negative"}
    groupings : mapping of str to Grouping
    attributes : mapping of str to Attribute
        The attributes of every cell.
    columns : mapping of str to Attribute
        The columns that make them, each on its own, of every cell.
    keys : Keys
    amounts : ndarray of int64, shape [G, 2]
        Rows of each cell by label (of a regression all have label 0).
    missing, dropped : int
        Rows of the file that lack an attribute, and those that were left out for it.
    notes : tuple of str
    table : Table
        The distinct values.
    gaps : mapping of str to ndarray of bool
        Rows of `table` without a value, by column.
    cell_of : ndarray of int64
        Cell of each row of `table`; −1 where it is left out.
    """

    roles: Roles
    positive: str | None
    favorable: Literal["positive", "negative"]
    groupings: Mapping[str, Grouping]
    attributes: Mapping[str, Attribute]
    columns: Mapping[str, Attribute]
    keys: Keys
    amounts: IntArray
    missing: int
    dropped: int
    notes: tuple[str, ...]
    table: Table
    gaps: Mapping[str, Mask]
    cell_of: IntArray

    @property
    def cells(self) -> int:
        """Number of cells G."""
        return len(self.amounts)


def find_roles(
    head: Table,
    columns: Columns,
    *,
    inputs: Mapping[str, int | None],
    contract: Contract | None,
    dtype: DType,
) -> Roles:
    """Tell the columns of a file.

    Parameters
    ----------
    head : Table
        All columns, first rows.
    columns, inputs, contract, dtype
        As in `debias.data.prepare.prepare`.

    Raises
    ------
    DataError
        Everything that is wrong with the columns, and with the inputs of these rows.
    """
    contract, encoded_by = encoding_of(columns, inputs, contract)
    problems = resolve(head, columns)[1]
    label, wrong = find_label(head, columns, contract)
    problems += wrong
    protected = parts_of(head, columns)
    notes: list[str] = []
    features: tuple[str, ...] | None
    if encoded_by is not None:
        features = tuple(dict.fromkeys(feature.column for feature in encoded_by.features))
        _, notes, wrong = encode(head, encoded_by, dtype)
    else:
        features, notes, wrong = find_features(head, columns, protected, label, inputs["features"])
        if features == ():
            wrong = [*wrong, Problem("no column is left for the network's inputs", head.name)]
        elif features is not None:
            wrong = wrong + encode_plain(head, features, dtype)[1]
    problems += wrong + clashes(head.name, label, features or (), protected)
    for name, flag in ((columns.weight, "--weight"), (columns.cluster, "--cluster")):
        problems += [] if name is None else named(head, name, flag)
    if problems or label is None or features is None:
        raise DataError(problems)
    cluster = cluster_column(columns, contract)
    cluster = cluster if cluster in head.columns else None
    reads = features if encoded_by is None else tuple(_read_by(head, encoded_by))
    return Roles(tuple(head.columns), label, protected, features, reads, contract, encoded_by, cluster, tuple(notes))


def _read_by(head: Table, contract: Contract) -> list[str]:
    """Return the columns of a table that a contract's inputs are made of."""
    from debias.data.coded import is_coded

    wanted: dict[str, None] = {}
    for feature in contract.features:
        if is_coded(feature):
            for its in resolve(head, Columns(attr=feature.column))[0].values():
                wanted.update(dict.fromkeys(its))
        else:
            wanted.update(dict.fromkeys((feature.column, *feature.encoded)))
    known = set(head.columns)
    return [name for name in wanted if name in known]


def settle(table: Table, raw: pa.Table, roles: Roles, columns: Columns, regression: Mask | None = None) -> Settled:
    """Settle label and groups.

    Parameters
    ----------
    table : Table
        Distinct rows of the label and of the attributes' columns, with amounts; of a regression without the label.
    raw : pyarrow.Table
        The same rows, as they stand in the file.
    roles : Roles
    columns : Columns
        What the caller said.
    regression : ndarray of bool, optional
        Of a regression, the rows whose target is a favourable one, to tell the privileged group.

    Raises
    ------
    DataError
        Everything that is wrong.
    """
    favorable = favorable_of(columns, roles.contract)
    label: Label | None = None
    if regression is None:
        label, problems = labelled(table, roles.label, columns, roles.contract)
    else:
        problems = no_positive(columns)
    protected, wrong = read_attributes(
        table,
        columns,
        contract=roles.contract,
        favorable=regression if regression is not None else favored(label, None, favorable),
    )
    problems += wrong
    if problems or protected is None or (label is None and regression is None):
        raise DataError(problems)
    kept = ~protected.missing if columns.missing_attr == "drop" else np.ones(len(table), bool)
    dropped = table.size(~kept)
    y = np.zeros(len(table), np.int64) if label is None else label.y
    if dropped and label is not None and len(np.unique(y[kept])) < 2:
        raise DataError(one_label_left(table.name, dropped))
    reads = list(protected.columns.values())
    matrix = np.stack(
        [*(each.attribute.codes for each in protected.groups.values()), *(read.codes for read in reads)], axis=1
    )
    cells, cell = np.unique(matrix[kept], axis=0, return_inverse=True)
    cell_of = np.full(len(table), -1, np.int64)
    cell_of[kept] = cell.reshape(-1)
    amounts = np.zeros((len(cells), 2), np.int64)
    assert table.amounts is not None
    np.add.at(amounts, (cell_of[kept], y[kept]), table.amounts[kept])
    features = roles.features
    names = list(protected.groups)
    return Settled(
        roles=roles,
        positive=None if label is None else label.positive,
        favorable=favorable,
        groupings={name: groups.grouping for name, groups in protected.groups.items()},
        attributes={
            name: Attribute(
                name,
                cells[:, place],
                protected.groups[name].grouping.names,
                protected.groups[name].grouping.privileged,
                any(each.column in features for each in protected.groups[name].grouping.columns),
            )
            for place, name in enumerate(names)
        },
        columns={
            read.groups.column: Attribute(
                read.groups.column,
                cells[:, len(names) + place],
                read.groups.names,
                is_input=read.groups.column in features,
            )
            for place, read in enumerate(reads)
        },
        keys=_keys(
            raw,
            [*((read.groups.column, read.codes) for read in reads), *(() if label is None else ((roles.label, y),))],
            np.where(cell_of < 0, -1, 2 * cell_of + y),
            table,
        ),
        amounts=amounts,
        missing=table.size(protected.missing),
        dropped=dropped,
        notes=(*roles.notes, *protected.notes),
        table=table,
        gaps={name: read.missing for name, read in protected.columns.items()},
        cell_of=cell_of,
    )


def _keys(raw: pa.Table, coded: Sequence[tuple[str, IntArray]], cell: IntArray, table: Table) -> Keys:
    """Return the way from raw values to cells, from the distinct rows with their codes and cells."""
    values, codes, sizes = [], [], []
    place = np.zeros(len(cell), np.int64)
    for name, its in coded:
        column = raw.column(table.columns.index(name)).combine_chunks()
        known = column.unique()
        where = _where(column, known)
        of_value = np.zeros(len(known), np.int64)
        size = int(its.max()) + 2
        of_value[where] = np.where(its < 0, size - 1, its)
        values.append(known)
        codes.append(of_value)
        sizes.append(size)
        place = place * size + of_value[where]
    whole = int(np.prod([float(size) for size in sizes]))
    if whole > MOST_CELLS:
        found = f"{whole:,} combinations of groups are more than {MOST_CELLS:,}"
        raise DataError(
            Problem(found, table.name, "Merge groups with --min-group or --bins, or name fewer attributes.")
        )
    lookup = np.full(whole, -1, np.int64)
    lookup[place] = cell
    return Keys(tuple(name for name, _ in coded), tuple(values), tuple(codes), tuple(sizes), lookup)


def _where(column: pa.Array, values: pa.Array) -> IntArray:
    import pyarrow.compute as pc

    found: IntArray = pc.index_in(column, value_set=values).to_numpy(zero_copy_only=False).astype(np.int64)
    return found
