"""The audit of a table that is read a batch at a time; memory does not grow with its rows."""

from __future__ import annotations

from dataclasses import replace
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
from debias.methods.base import Progress, silent
from debias.model.network import Network
from debias.objective import exit_code
from debias.report.values.report import Report, Rows, TableInfo
from debias.run.auditing import common, same_score
from debias.run.figures import Frame
from debias.run.opening import Opened, dtype_name, open_network, operating_point, widths, with_task
from debias.run.request import Request
from debias.run.statements import bound_statement, one_decision
from debias.run.streaming.choosing import refuse
from debias.run.streaming.counted import Counted
from debias.run.streaming.passes import PRELOAD, Scoring, distinct_rows, tallied
from debias.run.verdict import rule


def run_streamed(request: Request, progress: Progress = silent) -> Report:
    """Return the report of an audit of all rows of ``--data``, read a batch at a time.

    Raises
    ------
    DebiasError
        With every problem that is at fault.
    """
    refuse(request)
    network, stream = together(partial(open_network, request), partial(open_stream, Path(request.data)))
    request = with_task(request, network)
    threshold, decision = operating_point(request, network)
    backend = jobs.backend_for(request.workers or 1, len(stream.pieces), preload=PRELOAD, ray=request.ray)
    roles = _roles(request, network, stream)
    settled = _settled(request, stream, roles, backend, progress)
    request = replace(request, attr=tuple(settled.groupings))
    objective = replace(request.objective, favorable=settled.favorable)
    opened = Opened(request, network, threshold, decision, _prepared(settled, request, stream), {})
    lenient = objective.confidence is not None
    objective.on(opened.data.sample, lenient=lenient)  # what is undefined is told before all rows are scored
    inputs = BatchInputs(stream.name, stream.rows, roles, settled.keys, request.columns, dtype_name(network))
    rows = request.batch_rows or BATCH_ROWS
    scoring = Scoring(request, stream, inputs, threshold, decision, settled.cells, rows, network)
    tally = tallied(scoring, backend, progress)
    sample = _weighed(settled, opened.data.sample, tally.counts.weights, request)
    scorer = objective.on(sample, lenient=lenient)
    bounded = request.bound is not None
    frame = Frame(objective, tuple(settled.attributes[name] for name in settled.groupings), scorer.flipped, bounded)
    counted = Counted(settled, tally, frame, network.head, threshold, request.sd_ddof)
    if counted.constant:
        raise same_score(str(request.model))
    return _report(opened, settled, counted, stream)


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


def _prepared(settled: Settled, request: Request, stream: Stream) -> Prepared:
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
        name=stream.name,
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


def _report(opened: Opened, settled: Settled, counted: Counted, stream: Stream) -> Report:
    request, objective, bounded = opened.request, counted.frame.objective, counted.frame.bounded
    before = counted.figures({})
    ruling = rule(before, counted.by_attribute, counted.frame.attributes, objective, bounded=bounded)
    rows = int(counted.amounts.sum())
    which = f"{'the' if settled.dropped else 'all'} {rows:,} rows of {stream.name}"
    told = common(opened, objective) | {
        "data": {"data": TableInfo(path=stream.name, rows=stream.rows, sha256=stream.sha256())}
    }
    return Report(
        verb="audit",
        verdict=ruling.verdict,
        exit_code=exit_code(ruling.verdict),
        statement=bound_statement(ruling, before, objective, which),
        more_rows=list(ruling.more_rows),
        verdicts=list(ruling.verdicts),
        rows=Rows(
            data=rows,
            train=0,
            selection=0,
            verdict=rows,
            verdict_from="data",
            missing_attribute={"data": settled.missing},
            missing_attribute_policy=request.missing_attr,
            dropped=settled.dropped,
        ),
        margin=None,
        min_performance=None,
        optimistic=False,
        uses_attribute=opened.attribute_is_input,
        before=before,
        decision_disagreements=counted.tally.disagreements if counted.head.classes == 2 else None,
        notes=[*opened.network.notes, *settled.notes, *one_decision(before)],
        command=request.command(),
        sweeps=[counted.sweep()],
        crossings=counted.crossings(),
        impacts=counted.impacts(),
        **told,
    )
