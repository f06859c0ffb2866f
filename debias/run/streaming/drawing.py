"""A repair's rows of a table larger than memory: a stratified sample that chooses, the rest of the file that judges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from debias.data.batch_inputs import BatchInputs
from debias.data.batches import Stream
from debias.data.sample import Sample
from debias.data.sampling import Draw, allocation
from debias.data.settling import Settled
from debias.data.tables import Table, to_frame
from debias.data.values import IntArray
from debias.errors import DataError, Problem
from debias.methods.base import Progress
from debias.report.values.report import SampleInfo, SampleStratum

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Drawn:
    """A sample of a file.

    Parameters
    ----------
    table : Table
        Its rows in the order of the file; messages tell them by their numbers there.
    numbers : ndarray of int64, shape [n]
        These numbers, ascending.
    sizes : ndarray of int64, shape [2 G]
        Rows of the sample by cell and label, the label changing fastest.
    info : SampleInfo
        For the report.
    """

    table: Table
    numbers: IntArray
    sizes: IntArray
    info: SampleInfo


def draw(
    stream: Stream,
    inputs: BatchInputs,
    settled: Settled,
    n: int,
    seed: int,
    *,
    rows: int,
    leave: bool,
    progress: Progress,
) -> Drawn:
    """Draw a sample, stratified by the groups of all attributes and the label, in one pass over the file.

    Parameters
    ----------
    stream, inputs, settled
        The file, which of its columns are read, and what was settled of it.
    n : int
        Rows to draw.
    seed : int
        The same seed draws the same rows of the same file, whatever the batches.
    rows : int
        Rows of a batch, at most.
    leave : bool
        The rows that are not drawn judge the repair: a stratum of two rows or more keeps one.
    progress : Progress

    Raises
    ------
    DataError
        The file is broken or changes, or the sample would be the whole file.
    """
    sizes = settled.amounts.reshape(-1)
    if leave and n >= int(sizes.sum()):
        found = f"a sample of {n:,} rows leaves none of {int(sizes.sum()):,} for the verdict"
        raise DataError(
            Problem(found, stream.name, "Give fewer with --sample-rows, or the verdict's rows with --test.")
        )
    drawing = Draw(allocation(sizes, n, leave=leave), seed)
    for done, piece in enumerate(stream.pieces, 1):
        for before, batch in stream.batches(piece, inputs.reads, rows):
            place = inputs.keys.of(batch)
            strata = np.where(place < 0, -1, inputs.keys.cells[place])
            drawing.add(np.arange(before + 1, before + 1 + len(batch), dtype=np.int64), strata, batch)
        progress(done, len(stream.pieces), "sample")
    found, numbers, drawn = drawing.result()
    where = f"{stream.name}, sample"
    table = Table(to_frame(found, where), where, stream.path, stream.sha256(), stream.role, numbers=numbers)
    return Drawn(table, numbers, drawn, _info(settled, drawn))


def _info(settled: Settled, drawn: IntArray) -> SampleInfo:
    """Return the sample for the report: cells that look alike to a reader are one stratum."""
    strata: dict[tuple[tuple[str | None, ...], int | None], list[int]] = {}
    whole, attributes = settled.amounts.reshape(-1), list(settled.attributes.values())
    for place in np.flatnonzero(whole):
        codes = [int(item.codes[place // 2]) for item in attributes]
        groups = tuple(item.groups[code] if code >= 0 else None for item, code in zip(attributes, codes, strict=True))
        label = None if settled.positive is None else int(place % 2)
        both = strata.setdefault((groups, label), [0, 0])
        both[0] += int(drawn[place])
        both[1] += int(whole[place])
    return SampleInfo(
        rows=int(drawn.sum()),
        of=int(whole.sum()),
        by=[item.name for item in attributes],
        strata=[
            SampleStratum(groups=list(groups), label=label, rows=mine, of=its)
            for (groups, label), (mine, its) in strata.items()
        ],
    )


@dataclass
class RestInputs(BatchInputs):
    """Makes samples of batches of one file, less the rows that were drawn.

    Parameters
    ----------
    without : ndarray of int64
        Numbers of the rows that were drawn, ascending.
    group : (ndarray of int64, int), optional
        The group of each cell and how many there are, where the network reads the group of a rule.
    """

    without: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    group: tuple[IntArray, int] | None = None

    def sample(self, batch: pa.RecordBatch, before: int) -> tuple[Sample, IntArray]:
        """Return the rows of a batch that were neither drawn nor left out, and the cell of each."""
        sample, cell = super().sample(batch, before)
        first, end = np.searchsorted(self.without, [before + 1, before + 1 + len(batch)])
        if first < end:
            kept = np.flatnonzero(~np.isin(sample.rows, self.without[first:end], assume_unique=True))
            sample, cell = sample.take(kept), cell[kept]
        return self._grouped(sample, cell), cell

    def _grouped(self, sample: Sample, cell: IntArray) -> Sample:
        """Return the rows with the group that a rule reads."""
        if self.group is None:
            return sample
        import torch

        codes, n_groups = self.group
        told = (torch.from_numpy(codes[cell])[:, None] == torch.arange(n_groups)).to(sample.inputs["features"].dtype)
        return replace(sample, inputs={**sample.inputs, "group": told})
