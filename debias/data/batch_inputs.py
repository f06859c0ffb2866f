"""A batch of a table to rows that a network can be run on, with the cell of each; nothing is settled here.

Columns of numbers go straight into the network's inputs; of other columns only the distinct values are encoded, each
once. Whatever does not fit is left to `debias.data.encode`, which says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from debias.contract import Contract, Feature
from debias.data.clusters import read_clusters
from debias.data.coded import is_coded
from debias.data.columns import Columns
from debias.data.distinct import plain
from debias.data.encode import DType, already_encoded, encode, encode_plain, to_tensor_type
from debias.data.labels import read_target
from debias.data.prepare import read_weight
from debias.data.sample import Sample
from debias.data.settling import Keys, Roles
from debias.data.tables import Table, to_frame
from debias.data.values import FloatArray, IntArray, to_numbers
from debias.errors import DataError, Problem

if TYPE_CHECKING:
    import pyarrow as pa

Block = npt.NDArray[np.floating[Any]]
_MANY = 4096
"""A column with more distinct values than this is encoded as a whole."""


class _Unfit(Exception):
    """A column that is left to the encoding of whole tables."""


@dataclass
class BatchInputs:
    """Makes samples of batches of one file.

    Parameters
    ----------
    name : str
        The file.
    total : int
        Its rows.
    roles : Roles
    keys : Keys
    columns : Columns
        What the caller said.
    dtype : {"float32", "float64"}
        Of the network.
    regression : bool
    """

    name: str
    total: int
    roles: Roles
    keys: Keys
    columns: Columns
    dtype: DType
    regression: bool = False
    _known: dict[str, _Known] = field(default_factory=dict, repr=False)

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the file that are read."""
        roles = self.roles
        more = (roles.cluster, self.columns.weight, roles.label if self.regression else None)
        return tuple(dict.fromkeys((*roles.reads, *self.keys.columns, *(name for name in more if name is not None))))

    def sample(self, batch: pa.RecordBatch, before: int) -> tuple[Sample, IntArray]:
        """Return the rows of a batch, less those that are left out, and the cell of each.

        Parameters
        ----------
        batch : pyarrow.RecordBatch
            The columns `reads`.
        before : int
            Rows of the file before it.

        Raises
        ------
        DataError
            Everything that is wrong with these rows.
        """
        import torch

        place = self.keys.of(batch)
        if (place < 0).any():
            raise DataError(Problem("changed while it was read", self.name, "Run again when nothing writes to it."))
        cell = self.keys.cells[place]
        arrays = self._inputs(batch, before)
        sample = Sample(
            inputs={role: torch.from_numpy(values) for role, values in arrays.items()},
            y=(cell & 1).astype(np.int64),
            attributes={},
            rows=np.arange(before + 1, before + 1 + len(batch), dtype=np.int64),
            weight=self._weight(batch, before),
            name=self.name,
            target=target_of(batch, before, self.roles.label, self.name, self.total) if self.regression else None,
        )
        if self.roles.cluster is not None and self.roles.cluster in batch.schema.names:
            table = self._table(batch, before, [self.roles.cluster])
            clusters, _, problems = read_clusters(table, self.columns, self.roles.encoded_by or self.roles.contract)
            if problems:
                raise DataError(problems)
            sample = replace(sample, clusters=clusters)
        if (cell < 0).any():
            kept = np.flatnonzero(cell >= 0)
            sample, cell = sample.take(kept), cell[kept]
        return sample, cell >> 1

    def _inputs(self, batch: pa.RecordBatch, before: int) -> Mapping[str, Block]:
        contract = self.roles.encoded_by
        try:
            if contract is None:
                return {"features": self._plain(batch, self.roles.features)}
            return self._encoded(batch, contract)
        except _Unfit:
            table = self._table(batch, before, self.roles.reads)
            if contract is None:
                found, problems = encode_plain(table, self.roles.features, self.dtype)
            else:
                found, _, problems = encode(table, contract, self.dtype)
            if found is None:
                raise DataError(problems) from None
            return {role: to_tensor_type(values, self.dtype) for role, values in found.items()}

    def _plain(self, batch: pa.RecordBatch, names: Sequence[str]) -> Block:
        """Return columns of numbers without gaps in the network's type."""
        block = np.empty((len(batch), len(names)), self.dtype)
        for place, name in enumerate(names):
            block[:, place] = _numbers(batch.column(name))
        if not np.isfinite(block).all():
            raise _Unfit
        return block

    def _encoded(self, batch: pa.RecordBatch, contract: Contract) -> Mapping[str, Block]:
        """Return the inputs that a contract makes of the columns."""
        features = contract.features
        if any(map(is_coded, features)):
            raise _Unfit
        if already_encoded(self.roles, contract):
            return {role: self._plain(batch, names) for role, names in _by_role(features)}
        widths: dict[str, int] = {}
        for feature in features:
            widths[feature.role] = widths.get(feature.role, 0) + feature.width
        blocks = {role: np.empty((len(batch), width), self.dtype) for role, width in widths.items()}
        start = dict.fromkeys(widths, 0)
        for feature in features:
            first = start[feature.role]
            start[feature.role] = end = first + feature.width
            column = batch.column(feature.column)
            if feature.kind == "numeric":
                blocks[feature.role][:, first] = _standardised(column, feature)
            else:
                key = f"{feature.role} {first}"
                known = self._known.setdefault(key, _Known(feature, self.dtype))
                blocks[feature.role][:, first:end] = known.of(column)
        if not all(np.isfinite(block).all() for block in blocks.values()):
            raise _Unfit
        return blocks

    def _weight(self, batch: pa.RecordBatch, before: int) -> FloatArray | None:
        name = self.columns.weight
        if name is None:
            return None
        try:
            found = _numbers(batch.column(name)).astype(np.float64)
            if np.isfinite(found).all() and not (found < 0).any():
                return found
        except _Unfit:
            pass
        weight, problems = read_weight(self._table(batch, before, [name]), self.columns)
        if problems:
            raise DataError(problems)
        return weight

    def _table(self, batch: pa.RecordBatch, before: int, names: Sequence[str]) -> Table:
        """Return columns of a batch as a table that tells its rows by their numbers in the file."""
        return batch_table(batch.select(list(names)), before, self.name, self.total)


def target_of(batch: pa.RecordBatch, before: int, label: str, name: str, total: int) -> FloatArray:
    """Return the numbers to predict of a batch, which may all be alike.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    before : int
        Rows of the file before it.
    label : str
        Column of the numbers.
    name, total : str, int
        The file, and its rows.

    Raises
    ------
    DataError
        A cell is no finite number.
    """
    try:
        found = _numbers(batch.column(label)).astype(np.float64)
        if np.isfinite(found).all():
            return found
    except _Unfit:
        pass
    table = batch_table(batch.select([label]), before, name, total)
    values, _ = to_numbers(table.frame[label])
    if not np.isfinite(values).all():
        raise DataError(read_target(table, label)[1])
    return values


def batch_table(batch: pa.RecordBatch, before: int, name: str, total: int) -> Table:
    """Return a batch as a table that tells its rows by their numbers in the file; messages say which rows it has."""
    import pyarrow as pa

    first, last = before + 1, before + len(batch)
    where = name if len(batch) == total else f"{name}, rows {first:,} to {last:,}"
    frame = to_frame(pa.Table.from_batches([batch]), where)
    return Table(frame, where, numbers=np.arange(first, last + 1, dtype=np.int64))


@dataclass
class _Known:
    """The inputs that each distinct value of a column becomes; new ones are encoded as they come."""

    feature: Feature
    dtype: DType
    values: Any = None
    block: Block | None = None

    def of(self, column: pa.Array) -> Block:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = plain(column)
        if self.values is not None:
            found = pc.index_in(column, value_set=self.values)
            if not found.null_count:
                assert self.block is not None
                known: Block = self.block[found.to_numpy()]
                return known
        values = column.unique()
        if self.values is not None:
            values = pa.concat_arrays([self.values, values]).unique()
        if len(values) > _MANY:
            raise _Unfit
        frame = to_frame(pa.table([values], names=[self.feature.column]), "")
        encoded, _, problems = encode(Table(frame, ""), Contract(features=(self.feature,)), self.dtype)
        if encoded is None or problems:
            raise _Unfit
        self.values, self.block = values, to_tensor_type(encoded[self.feature.role], self.dtype)
        block: Block = self.block[pc.index_in(column, value_set=values).to_numpy()]
        return block


def _by_role(features: Sequence[Feature]) -> Iterator[tuple[str, list[str]]]:
    names: dict[str, list[str]] = {}
    for feature in features:
        names.setdefault(feature.role, []).extend(feature.encoded)
    yield from names.items()


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Return a column of numbers without gaps, as it lies in memory."""
    import pyarrow as pa

    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise _Unfit
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=True)
    # Whole tables go to float64 first; of large whole numbers that is not the same as float32 at once.
    return found.astype(np.float64) if found.dtype.itemsize == 8 and found.dtype.kind in "iu" else found


def _standardised(column: pa.Array, feature: Feature) -> FloatArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count:
        if feature.missing == "error":
            raise _Unfit
        column = pc.fill_null(column.cast(pa.float64()), float("nan"))
    values = _numbers(column).astype(np.float64)
    if feature.missing != "error":
        values = np.where(np.isnan(values), (feature.mean or 0.0) if feature.missing == "mean" else 0.0, values)
    if feature.mean is not None and feature.sd is not None:
        values = (values - feature.mean) / feature.sd
    return values
