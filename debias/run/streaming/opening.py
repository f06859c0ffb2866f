"""From what was asked to a table that is read a batch at a time: opened, its columns told, its groups settled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from debias import jobs
from debias.data import distinct
from debias.data.batch_inputs import BatchInputs, batch_table
from debias.data.batches import BATCH_ROWS, Stream, open_stream
from debias.data.prepare import Prepared, weightless
from debias.data.sample import Sample
from debias.data.settling import Roles, Settled, find_roles, settle
from debias.errors import DataError, together
from debias.fairness.counts import FloatArray
from debias.methods.base import Progress
from debias.model.head import Head
from debias.model.network import Network
from debias.objective import Objective
from debias.run.figures import Frame
from debias.run.opening import Opened, dtype_name, open_network, operating_point, widths, with_task
from debias.run.request import Request
from debias.run.streaming.choosing import refuse_numbers
from debias.run.streaming.counted import Counted
from debias.run.streaming.passes import PRELOAD, Scoring, distinct_rows
from debias.run.streaming.tally import Tally


@dataclass(frozen=True, eq=False)
class Streamed:
    """A network with a table that is read a batch at a time, before its rows are scored.

    Parameters
    ----------
    opened : Opened
        The network; of the table what was settled, each cell and label being one row (`Settled`).
    stream : Stream
    settled : Settled
    inputs : BatchInputs
        What makes rows of a batch.
    backend : Backend
        Where pieces of the file are worked on.
    """

    opened: Opened
    stream: Stream
    settled: Settled
    inputs: BatchInputs
    backend: jobs.Backend

    @property
    def objective(self) -> Objective:
        """What is measured, in the favourable direction."""
        return replace(self.opened.request.objective, favorable=self.settled.favorable)

    @property
    def lenient(self) -> bool:
        """A rate that is undefined is a verdict, not an error."""
        return self.objective.confidence is not None

    @property
    def batch_rows(self) -> int:
        """Rows of a batch, at most."""
        return self.opened.request.batch_rows or BATCH_ROWS

    @property
    def scoring(self) -> Scoring:
        """What scores the rows as the network is deployed."""
        opened = self.opened
        cells, rows = self.settled.cells, self.batch_rows
        found = Scoring(
            opened.request, self.stream, self.inputs, opened.threshold, opened.decision, cells, rows, opened.network
        )
        found.codes = {name: item.codes for name, item in self.settled.attributes.items()}
        return found

    def counted(self, tally: Tally, head: Head, threshold: float) -> Counted:
        """Return the figures of a tally of the rows, of a network with this head cut at this threshold."""
        settled, request, objective = self.settled, self.opened.request, self.objective
        sample = _weighed(settled, self.opened.data.sample, tally.counts.weights, request)
        scorer = objective.on(sample, lenient=self.lenient)
        attributes = tuple(settled.attributes[name] for name in settled.groupings)
        frame = Frame(objective, attributes, scorer.flipped, request.bound is not None)
        return Counted(settled, tally, frame, head, threshold, request.sd_ddof)


def open_streamed(request: Request, progress: Progress) -> Streamed:
    """Open the network and ``--data``, and settle the table in one pass over some of its columns.

    Raises
    ------
    DebiasError
        With every problem that is at fault.
    """
    network, stream = together(partial(open_network, request), partial(open_stream, Path(request.data)))
    request = with_task(request, network)
    refuse_numbers(request)
    threshold, decision = operating_point(request, network)
    backend = jobs.backend_for(request.workers or 1, len(stream.pieces), preload=PRELOAD, ray=request.ray)
    roles = _roles(request, network, stream)
    settled = _settled(request, stream, roles, backend, progress)
    request = replace(request, attr=tuple(settled.groupings))
    opened = Opened(request, network, threshold, decision, prepared_cells(settled, request, stream.name), {})
    inputs = BatchInputs(stream.name, stream.rows, roles, settled.keys, request.columns, dtype_name(network))
    return Streamed(opened, stream, settled, inputs, backend)


def _roles(request: Request, network: Network, stream: Stream) -> Roles:
    """Tell the columns from the first rows of the file."""
    _, head = next(stream.batches(stream.pieces[0], stream.columns, BATCH_ROWS))
    table = batch_table(head, 0, stream.name, stream.rows)
    return find_roles(
        table, request.columns, inputs=widths(network), contract=network.contract, dtype=dtype_name(network)
    )


def _settled(request: Request, stream: Stream, roles: Roles, backend: jobs.Backend, progress: Progress) -> Settled:
    """Settle label and groups from the distinct values of their columns."""
    columns = list(dict.fromkeys((*roles.parts, roles.label)))
    raw = distinct_rows(stream, columns, backend, progress)
    raw = distinct.ordered(raw)
    return settle(distinct.as_table(raw, columns, stream), raw, roles, request.columns)


def prepared_cells(settled: Settled, request: Request, name: str) -> Prepared:
    """Return what was settled as of a table whose rows are the cells with each of their labels."""
    cell, y = np.nonzero(settled.amounts)
    attributes, columns = (
        {name: item.take(cell) for name, item in each.items()} for each in (settled.attributes, settled.columns)
    )
    sample = Sample(
        inputs={},
        y=y.astype(np.int64),
        attributes=attributes,
        rows=np.arange(1, len(cell) + 1, dtype=np.int64),
        weight=settled.amounts[cell, y].astype(np.float64),
        name=name,
        columns=columns,
    )
    return Prepared(
        sample=sample,
        columns=request.columns,
        label=settled.roles.label,
        positive=settled.positive,
        favorable=settled.favorable,
        features=settled.roles.features,
        groupings=settled.groupings,
        missing=settled.missing,
        dropped=settled.dropped,
        encoding="plain" if settled.roles.encoded_by is None else "contract",
        notes=settled.notes,
        gaps=settled.gaps,
    )


def _weighed(settled: Settled, sample: Sample, weights: FloatArray, request: Request) -> Sample:
    """Return the cells with what their rows weigh."""
    if request.weight is None:
        return sample
    found = weights[:-1].sum(axis=2)
    if not found.any():
        raise DataError(weightless(sample.name, request.columns))
    return replace(sample, weight=found[np.nonzero(settled.amounts)])
