"""The two passes over a file: distinct values, then scores; every piece of the file is a job of its own."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from debias import jobs
from debias.data import distinct
from debias.data.batch_inputs import BatchInputs
from debias.data.batches import Piece, Stream
from debias.data.clusters import policy
from debias.data.swap import Swap
from debias.data.targets import Beyond, Targets
from debias.data.values import Mask
from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.histogram import HistogramOfBatches
from debias.fairness.moment_sums import MomentSums
from debias.fairness.pooled import Pooled
from debias.methods.base import Progress
from debias.model import effects
from debias.model.network import Network
from debias.run.opening import open_network
from debias.run.request import Request
from debias.run.streaming.swaps import change
from debias.run.streaming.tally import Tally
from debias.run.streaming.telling import Telling

PRELOAD = ("torch", "pandas", "pyarrow.parquet", "debias.run")


@dataclass
class Scoring:
    """What scores the rows of a file: the network, and how a batch becomes its inputs; opened once in each process.

    Parameters
    ----------
    request : Request
    stream : Stream
    inputs : BatchInputs
    threshold : float
    decision : {"score", "argmax"}
    cells : int
        Number of cells G.
    rows : int
        Rows of a batch.
    network : Network, optional
        Where it is open already; it stays behind when this goes to another process.
    codes : mapping of str to ndarray of int64
        Group of each cell, by attribute.
    telling : mapping of (str, str) to Telling
        The inputs that may tell an attribute, before any row.
    ways : mapping of str to Swap
        How the inputs are set to the groups of an attribute, where that is measured.
    thresholds : tuple of float
        Others at which the histogram of the scores must be exact.
    """

    request: Request
    stream: Stream
    inputs: BatchInputs
    threshold: float
    decision: Any
    cells: int
    rows: int
    network: Network | None = field(default=None, repr=False)
    codes: Mapping[str, IntArray] = field(default_factory=dict)
    telling: Mapping[tuple[str, str], Telling] = field(default_factory=dict)
    ways: Mapping[str, Swap] = field(default_factory=dict)
    thresholds: tuple[float, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "network": None}

    def opened(self) -> Scoring:
        """Return this with the network open."""
        if self.network is None:
            self.network = open_network(self.request)
        return self

    def tally(self, piece: Piece) -> Tally:
        """Return the tally of the rows of a piece."""
        network = self.network
        assert network is not None
        head, cells = network.head, self.cells
        unseen = policy(self.inputs.columns, network.contract)
        number = head.kind == "value"
        cuts = () if number else tuple(map(head.cut, (self.threshold, *self.thresholds)))
        scores = HistogramOfBatches((cells,), splits=cuts)
        total: _Sums | None = None
        disagreements = 0
        telling = dict(self.telling)
        swapped = {name: np.zeros(2) for name in self.ways}
        for before, batch in self.stream.batches(piece, self.inputs.reads, self.rows):
            sample, cell = self.inputs.sample(batch, before)
            if not len(sample):
                continue
            sample = effects.filled(network, sample, unseen)
            output = network.outputs(sample)
            decided = np.zeros(len(sample), bool)
            if not number:
                decided = head.decide(output, self.threshold, self.decision).numpy()
            if head.classes == 2:
                other = head.decide(output, self.threshold, "score" if self.decision == "argmax" else "argmax")
                disagreements += int((decided != other.numpy()).sum())
            y, weight = sample.y, sample.weight
            scores.add(head.scores(output).numpy(), y, (cell,), weight)
            probability = head.probabilities(output).double().numpy()
            for (name, role), known in telling.items():
                telling[name, role] = known.seeing(sample.inputs[role].numpy(), self.codes[name][cell])
            for name, way in self.ways.items():
                swapped[name] += change(network, sample, self.codes[name][cell], probability, way)
            found = _Sums.of(probability, cell, cells, weight, y=y, decided=decided, target=sample.target)
            total = found if total is None else total + found
        if total is None:
            none, nothing = np.empty(0, np.int64), np.empty(0)
            weight = None if self.request.weight is None else nothing
            total = _Sums.of(nothing, none, cells, weight, y=none, decided=none > 0, target=nothing if number else None)
            scores.add(nothing.astype(_dtype(network)), none, (none,), weight)
        return Tally(total.counts, scores.result(), total.predictions, disagreements, swapped, telling, total.numbers)


@dataclass(frozen=True, eq=False)
class _Sums:
    """What adds up from batch to batch."""

    counts: Counts
    predictions: Pooled
    numbers: MomentSums | None

    @classmethod
    def of(
        cls,
        predictions: FloatArray,
        cell: IntArray,
        cells: int,
        weight: FloatArray | None,
        *,
        y: IntArray,
        decided: Mask,
        target: FloatArray | None = None,
    ) -> _Sums:
        labelled = cell * 2 + y
        return cls(
            _counts(labelled * 2 + decided, cells, weight),
            Pooled.of(predictions, labelled, 2 * cells, weight),
            None if target is None else MomentSums.of(predictions, target, cell, cells, weight),
        )

    def __add__(self, other: _Sums) -> _Sums:
        numbers = None if self.numbers is None or other.numbers is None else self.numbers + other.numbers
        return _Sums(self.counts + other.counts, self.predictions + other.predictions, numbers)


def _dtype(network: Network) -> Any:
    return np.float64 if network.dtype == torch.float64 else np.float32


def _counts(place: Any, cells: int, weight: Any) -> Counts:
    """Return counts by cell, label and decision, from the place of each row among these."""
    size, shape = 4 * (cells + 1), (cells + 1, 2, 2)
    rows = np.bincount(place, minlength=size).reshape(shape).astype(np.int64)
    if weight is None:
        return Counts(rows, rows.astype(np.float64), rows.astype(np.float64))
    weights, squares = (np.bincount(place, each, minlength=size).reshape(shape) for each in (weight, weight**2))
    return Counts(rows, weights.astype(np.float64), squares.astype(np.float64))


def targets(stream: Stream, label: str, backend: jobs.Backend, progress: Progress) -> Targets:
    """Return what a column of numbers to predict settles."""
    work = [partial(_targets, stream, piece, label) for piece in stream.pieces]
    found: Targets = _summed(work, None, operator.add, backend, progress, "targets")
    return found


def _targets(stream: Stream, piece: Piece, label: str, context: Any, tell: Any) -> Targets:
    del context, tell
    return Targets.of(stream, piece, label)


def distinct_rows(
    stream: Stream, columns: Sequence[str], backend: jobs.Backend, progress: Progress, beyond: Beyond | None = None
) -> Any:
    """Return the distinct rows of some columns of a file, see `debias.data.distinct`."""
    work = [partial(_distinct, stream, piece, tuple(columns), beyond) for piece in stream.pieces]
    return _summed(
        work, None, lambda one, two: distinct.together([one, two], columns, stream.name), backend, progress, "values"
    )


def _distinct(
    stream: Stream, piece: Piece, columns: tuple[str, ...], beyond: Beyond | None, context: Any, tell: Any
) -> Any:
    del context, tell
    return distinct.distinct(stream, piece, columns, beyond, () if beyond is None else (beyond.label,))


def tallied(scoring: Scoring, backend: jobs.Backend, progress: Progress) -> Tally:
    """Return the tally of a whole file."""
    work = [partial(_tally, piece) for piece in scoring.stream.pieces]
    found: Tally = _summed(work, scoring.opened, operator.add, backend, progress, "rows")
    return found


def _tally(piece: Piece, scoring: Scoring, tell: Any) -> Tally:
    del tell
    return scoring.tally(piece)


def _summed(
    work: Sequence[Callable[[Any, Any], Any]],
    setup: Callable[[], Any] | None,
    add: Callable[[Any, Any], Any],
    backend: jobs.Backend,
    progress: Progress,
    name: str,
) -> Any:
    """Run one job for each piece and add up what they return, in the order of the pieces.

    Parts are added as soon as those before them are, and not kept; of several errors the first in the file is raised.
    """
    adding = _Adding(add)
    todo = [jobs.Job(f"{name} {number + 1}", _Boxed(call)) for number, call in enumerate(work)]
    jobs.map(todo, setup=setup, backend=backend, progress=progress, each=adding.heard)
    return adding.result()


@dataclass(frozen=True)
class _Boxed:
    """A job whose result can be taken out of its outcome."""

    call: Callable[[Any, Any], Any]

    def __call__(self, context: Any, tell: Any) -> list[Any]:
        return [self.call(context, tell)]


@dataclass
class _Adding:
    add: Callable[[Any, Any], Any]
    total: Any = None
    done: int = 0
    waiting: dict[int, jobs.Outcome[list[Any]]] = field(default_factory=dict)

    def heard(self, index: int, outcome: jobs.Outcome[list[Any]]) -> None:
        self.waiting[index] = outcome
        for each in self._in_order():
            part = each.get().pop()
            self.total = part if self.total is None else self.add(self.total, part)

    def _in_order(self) -> Iterator[jobs.Outcome[list[Any]]]:
        while self.done in self.waiting:
            self.done += 1
            yield self.waiting.pop(self.done - 1)

    def result(self) -> Any:
        return self.total
