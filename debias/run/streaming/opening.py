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
from debias.data.prepare import Prepared, favorable_of, weightless
from debias.data.sample import Sample
from debias.data.settling import Roles, Settled, find_roles, settle
from debias.data.targets import Beyond, Targets
from debias.errors import DataError, together
from debias.methods.base import Progress
from debias.model.head import Head
from debias.model.network import Network
from debias.objective import Objective
from debias.run.figures import Frame
from debias.run.opening import Opened, dtype_name, open_network, operating_point, widths, with_task
from debias.run.request import Request
from debias.run.streaming.counted import Counted
from debias.run.streaming.passes import PRELOAD, Scoring, distinct_rows, targets
from debias.run.streaming.predicted import Predicted, summarised
from debias.run.streaming.summed import Summed
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
        """Return the figures of a tally of decisions, of a network with this head cut at this threshold."""
        return Counted(self.settled, tally, self._frame(tally), head, threshold, self.opened.request.sd_ddof)

    def summed(self, tally: Tally) -> Summed:
        """Return the figures of a tally of the rows, of the network as it is deployed."""
        opened = self.opened
        if tally.numbers is None:
            return self.counted(tally, opened.network.head, opened.threshold)
        settled, ddof = self.settled, opened.request.sd_ddof
        return Predicted(settled, tally, self._frame(tally), opened.network.head, opened.threshold, ddof)

    def _frame(self, tally: Tally) -> Frame:
        """Return what is measured, once it is known that it can be measured on the rows with their weights."""
        settled, request, objective = self.settled, self.opened.request, self.objective
        sample = self.opened.data.sample
        if request.weight is not None and not tally.counts.weights.any():
            raise DataError(weightless(sample.name, request.columns))
        if tally.numbers is not None:
            sample = summarised(sample, tally.numbers, np.nonzero(settled.amounts)[0])
        elif request.weight is not None:
            weights = tally.counts.weights[:-1].sum(axis=2)
            sample = replace(sample, weight=weights[np.nonzero(settled.amounts)])
        scorer = objective.on(sample, lenient=self.lenient)
        attributes = tuple(settled.attributes[name] for name in settled.groupings)
        return Frame(objective, attributes, scorer.flipped, request.bound is not None)


def open_streamed(request: Request, progress: Progress) -> Streamed:
    """Open the network and ``--data``, and settle the table in one pass over some of its columns.

    Raises
    ------
    DebiasError
        With every problem that is at fault.
    """
    network, stream = together(partial(open_network, request), partial(open_stream, Path(request.data)))
    request = with_task(request, network)
    threshold, decision = operating_point(request, network)
    backend = jobs.backend_for(request.workers or 1, len(stream.pieces), preload=PRELOAD, ray=request.ray)
    roles = _roles(request, network, stream)
    found: Targets | None = None
    if request.task == "regression":
        found = targets(stream, roles.label, backend, progress)
        found.check(stream, roles.label)
    settled = _settled(request, stream, roles, backend, progress, found)
    request = replace(request, attr=tuple(settled.groupings))
    opened = Opened(request, network, threshold, decision, prepared_cells(settled, request, stream.name, found), {})
    inputs = BatchInputs(
        stream.name, stream.rows, roles, settled.keys, request.columns, dtype_name(network), found is not None
    )
    return Streamed(opened, stream, settled, inputs, backend)


def _roles(request: Request, network: Network, stream: Stream) -> Roles:
    """Tell the columns from the first rows of the file."""
    _, head = next(stream.batches(stream.pieces[0], stream.columns, BATCH_ROWS))
    table = batch_table(head, 0, stream.name, stream.rows)
    return find_roles(
        table, request.columns, inputs=widths(network), contract=network.contract, dtype=dtype_name(network)
    )


def _settled(
    request: Request,
    stream: Stream,
    roles: Roles,
    backend: jobs.Backend,
    progress: Progress,
    numbers: Targets | None = None,
) -> Settled:
    """Settle label and groups from the distinct values of their columns; `numbers` are the targets of a regression."""
    columns = list(dict.fromkeys((*roles.parts, roles.label) if numbers is None else roles.parts))
    beyond = None
    if numbers is not None:
        favorable = favorable_of(request.columns, roles.contract)
        beyond = Beyond(roles.label, numbers.mean, favorable, stream.name, stream.rows)
    raw = distinct.ordered(distinct_rows(stream, columns, backend, progress, beyond))
    side = None if beyond is None else raw.column(len(columns)).to_numpy()
    return settle(distinct.as_table(raw, columns, stream), raw, roles, request.columns, side)


def prepared_cells(settled: Settled, request: Request, name: str, numbers: Targets | None = None) -> Prepared:
    """Return what was settled as of a table whose rows are the cells with each of their labels.

    Of a regression each cell is two rows, with the least and the largest target of the file.
    """
    cell, y = np.nonzero(settled.amounts)
    target, each = None, settled.amounts[cell, y].astype(np.float64)
    if numbers is not None:
        target = np.tile([numbers.low, numbers.high], len(cell))
        cell, y, each = np.repeat(cell, 2), np.repeat(y, 2), np.repeat(each / 2, 2)
    attributes, columns = (
        {name: item.take(cell) for name, item in its.items()} for its in (settled.attributes, settled.columns)
    )
    sample = Sample(
        inputs={},
        y=y.astype(np.int64),
        attributes=attributes,
        rows=np.arange(1, len(cell) + 1, dtype=np.int64),
        weight=each,
        name=name,
        target=target,
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
