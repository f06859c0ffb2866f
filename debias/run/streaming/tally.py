"""What is counted of the rows of a table as they pass; tallies of its pieces add up in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.histogram import Histogram
from debias.fairness.moment_sums import MomentSums
from debias.fairness.pooled import Pooled
from debias.run.streaming.telling import Telling

Cells = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tally:
    """Rows by cell, label and decision, with their scores.

    Labels and decisions are the model's: 1 is the positive value. Every array has one entry or row for each cell G.

    Parameters
    ----------
    counts : Counts
        By cell, label and decision, shape [G + 1, 2, 2]; the last cell is empty.
    scores : Histogram
        What the network's output is cut by, with the cells as its groups.
    probabilities : Pooled
        P(positive) by cell and label, shape [G, 2]; of a regression the predictions, all with label 0.
    disagreements : int
        Rows where argmax and score disagree.
    swapped : mapping of str to ndarray of float64, shape [2]
        For each attribute that is swapped: Σ w \\|change\\| and Σ w over rows and other groups.
    telling : mapping of (str, str) to Telling
        By name of the attribute and role of the input, the columns that may tell it.
    numbers : MomentSums, optional
        Of a regression, predictions and errors by cell.
    """

    counts: Counts
    scores: Histogram
    probabilities: Pooled
    disagreements: int = 0
    swapped: Mapping[str, FloatArray] = field(default_factory=dict)
    telling: Mapping[tuple[str, str], Telling] = field(default_factory=dict)
    numbers: MomentSums | None = None

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.counts + other.counts,
            self.scores + other.scores,
            self.probabilities + other.probabilities,
            self.disagreements + other.disagreements,
            {name: each + other.swapped[name] for name, each in self.swapped.items()},
            {key: each + other.telling[key] for key, each in self.telling.items()},
            None if self.numbers is None or other.numbers is None else self.numbers + other.numbers,
        )


def regrouped(counts: Counts, codes: IntArray, n_groups: int, *, flipped: bool = False) -> Counts:
    """Return counts by cell as counts by group.

    Parameters
    ----------
    counts : Counts
        By cell, shape [G + 1, 2, 2].
    codes : ndarray of int64, shape [G]
        Group of each cell; −1 where it is missing.
    n_groups : int
        Number of groups K.
    flipped : bool
        The favourable label and decision are the negative ones.
    """
    group = np.where(codes < 0, n_groups, codes)

    def summed(each: npt.NDArray[Any]) -> npt.NDArray[Any]:
        found = np.zeros((n_groups + 1, 2, 2), each.dtype)
        np.add.at(found, group, each[:-1])
        return found[:, ::-1, ::-1] if flipped else found

    return Counts(summed(counts.rows), summed(counts.weights), summed(counts.squares))


def labels_turned(counts: Counts) -> Counts:
    """Return counts with the two labels exchanged."""
    return replace(counts, rows=counts.rows[:, ::-1], weights=counts.weights[:, ::-1], squares=counts.squares[:, ::-1])
