"""The audit of a table that is read a batch at a time; memory does not grow with its rows."""

from __future__ import annotations

from collections.abc import Mapping

from debias.data.batches import BATCH_ROWS, Stream
from debias.data.settling import Settled
from debias.data.swap import NoSwap, Swap
from debias.methods.base import Progress, silent
from debias.report.values.report import Report, Streaming, TableInfo
from debias.run.auditing import audited, common, same_score
from debias.run.opening import Opened
from debias.run.request import Request
from debias.run.statements import one_decision
from debias.run.streaming import swaps
from debias.run.streaming.choosing import refuse
from debias.run.streaming.opening import open_streamed
from debias.run.streaming.passes import tallied
from debias.run.streaming.summed import Summed
from debias.run.swapping import Swapped
from debias.run.verdict import rule


def run_streamed(request: Request, progress: Progress = silent) -> Report:
    """Return the report of an audit of all rows of ``--data``, read a batch at a time.

    Raises
    ------
    DebiasError
        With every problem that is at fault.
    """
    refuse(request)
    streamed = open_streamed(request, progress)
    opened = streamed.opened
    # What is undefined is told before all rows are scored.
    streamed.objective.on(opened.data.sample, lenient=streamed.lenient)
    settled, network, scoring = streamed.settled, opened.network, streamed.scoring
    scoring.telling = swaps.followed(settled)
    scoring.ways = _swaps(swaps.ways(settled, network))
    tally = tallied(scoring, streamed.backend, progress)
    ways, sums = swaps.ways(settled, network, tally.telling), dict(tally.swapped)
    if late := {name: way for name, way in _swaps(ways).items() if name not in sums}:
        # Inputs that tell an attribute and are not made from its column are known when all rows have been seen.
        scoring.ways, scoring.telling = late, {}
        sums |= tallied(scoring, streamed.backend, progress).swapped
    swapped = {name: swaps.told(way, sums.get(name)) for name, way in ways.items()}
    counted = streamed.summed(tally)
    if counted.constant:
        raise same_score(str(request.model))
    uses_attribute = swaps.uses_attribute(settled, network, tally.telling)
    return _report(opened, settled, counted, streamed.stream, swapped, uses_attribute)


def _swaps(ways: Mapping[str, Swap | NoSwap]) -> dict[str, Swap]:
    return {name: way for name, way in ways.items() if isinstance(way, Swap)}


def _report(
    opened: Opened,
    settled: Settled,
    counted: Summed,
    stream: Stream,
    swapped: Mapping[str, Swapped],
    uses_attribute: bool,
) -> Report:
    objective, bounded = counted.frame.objective, counted.frame.bounded
    before = counted.figures(swapped)
    ruling = rule(before, counted.by_attribute, counted.frame.attributes, objective, bounded=bounded)
    told_of = streaming(counted, opened, stream)
    told = common(opened, objective) | {
        "data": {"data": TableInfo(path=stream.name, rows=stream.rows, sha256=stream.sha256())}
    }
    return Report(
        uses_attribute=uses_attribute,
        decision_disagreements=counted.disagreements,
        notes=[
            *opened.network.notes,
            *stream.notes,
            *settled.notes,
            *one_decision(before),
            *(note for swap in swapped.values() for note in swap.notes),
            *left_out(settled, told_of),
        ],
        streaming=told_of,
        sweeps=counted.sweeps,
        crossings=counted.crossings(),
        impacts=counted.impacts(),
        **audited(opened, objective, before, ruling, int(counted.amounts.sum())),
        **told,
    )


def streaming(counted: Summed, opened: Opened, stream: Stream) -> Streaming:
    """Return how the rows were read, and how exact the figures of scores are."""
    area, median, scores = counted.auroc, counted.median, counted.tally.scores
    return Streaming(
        batch_rows=opened.request.batch_rows or BATCH_ROWS,
        pieces=len(stream.pieces),
        score_bins=len(scores),
        exact=scores.exact,
        auroc_low=None if area is None else area.low,
        auroc_high=None if area is None else area.high,
        median_low=None if median is None else median.low,
        median_high=None if median is None else median.high,
        median_share=None if median is None else median.uncertain,
    )


def left_out(settled: Settled, told: Streaming) -> list[str]:
    """Return notes on what a table that is read a batch at a time does not give, or not exactly."""
    notes = []
    if settled.roles.cluster is not None:
        notes.append("Figures by cluster are left out: they need all rows at once (--no-stream).")
    if told.exact:
        return notes
    bins = f"scores were counted in {told.score_bins:,} bins"
    if told.auroc_low is not None and told.auroc_high is not None:
        notes.append(f"AUROC lies between {told.auroc_low:.6f} and {told.auroc_high:.6f}: {bins}.")
    if told.median_share:
        notes.append(
            f"The median score lies between {told.median_low:.6g} and {told.median_high:.6g}: {bins}. In scoring rates "
            f"{told.median_share:.4%} of the rows may be on its other side."
        )
    return notes
