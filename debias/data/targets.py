"""What a column of numbers to predict settles before rows are scored: its mean, and whether it varies; both add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from debias.data.batch_inputs import target_of
from debias.data.batches import BATCH_ROWS, Piece, Stream
from debias.data.labels import same_target
from debias.data.prepare import favored
from debias.data.values import Mask
from debias.errors import DataError
from debias.fairness.exact import ExactSums

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Targets:
    """The numbers to predict.

    Parameters
    ----------
    n : int
        How many.
    total : ExactSums
        Their sum.
    low, high : float
        The least and the largest.
    """

    n: int
    total: ExactSums
    low: float
    high: float

    @classmethod
    def of(cls, stream: Stream, piece: Piece, label: str) -> Targets:
        """Return those of a piece of a file.

        Raises
        ------
        DataError
            A cell is no finite number.
        """
        found = cls(0, ExactSums.of(()), np.inf, -np.inf)
        for before, batch in stream.batches(piece, [label], BATCH_ROWS):
            values = target_of(batch, before, label, stream.name, stream.rows)
            low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
            found += cls(len(values), ExactSums.of(values), float(low), float(high))
        return found

    def __add__(self, other: Targets) -> Targets:
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Targets(self.n + other.n, self.total + other.total, low, high)

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(self.total.values[0]) / self.n

    def check(self, stream: Stream, label: str) -> None:
        """Raise DataError where they do not vary."""
        if not self.low < self.high:
            raise DataError(same_target(stream.name, label))


@dataclass(frozen=True)
class Beyond:
    """Tells which rows have a target on the favourable side of the mean, to find the privileged of two groups.

    Parameters
    ----------
    label : str
        Column of the target.
    mean : float
    favorable : {"positive", "negative"}
    name, total : str, int
        The file, and its rows.
    """

    label: str
    mean: float
    favorable: Literal["positive", "negative"]
    name: str
    total: int

    def __call__(self, batch: pa.RecordBatch, before: int) -> Mask:
        values = target_of(batch, before, self.label, self.name, self.total)
        found = favored(None, values, self.favorable, self.mean)
        assert found is not None
        return found
