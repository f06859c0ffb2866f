"""A tallied table, whatever its network gives: what of its report follows from sums by cell alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from debias.data.settling import Settled
from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.histogram import Bounded
from debias.fairness.moments import Moments
from debias.fairness.pooled import Pooled
from debias.model.head import Head
from debias.report.values.evidence import Crossing, Sweep
from debias.report.values.figures import Figures, GroupFigures
from debias.report.values.impact import Impact
from debias.run.evidence.crossings import Cells, all_cells, crossing
from debias.run.figures import Frame
from debias.run.impacts import Categories, Rated, impacts_of
from debias.run.streaming.median import Median, find_median
from debias.run.streaming.tally import Tally, regrouped
from debias.run.swapping import Swapped


@dataclass(frozen=True, eq=False)
class Summed(ABC):
    """A tallied table.

    Parameters
    ----------
    settled : Settled
    tally : Tally
    frame : Frame
        What is measured.
    head : Head
        Of the network.
    threshold : float
        Where the deployed system cuts; no matter where a number is predicted.
    ddof : {0, 1}
        Of standard deviations over groups.
    """

    settled: Settled
    tally: Tally
    frame: Frame
    head: Head
    threshold: float
    ddof: Literal[0, 1] = 0

    @property
    @abstractmethod
    def by_attribute(self) -> Sequence[Counts | Moments]:
        """What the verdict follows from, by the groups of each constraint."""

    @abstractmethod
    def figures(self, swaps: Mapping[str, Swapped]) -> Figures:
        """Return the figures of the network as deployed."""

    @abstractmethod
    def cell_figures(self, cells: Cells) -> list[GroupFigures]:
        """Return the figures of groups crossed."""

    @property
    def auroc(self) -> Bounded | None:
        """The area under the ROC curve with sure bounds; None where nothing is decided."""
        return None

    @property
    def disagreements(self) -> int | None:
        """Rows where argmax and score disagree; None where there is one score."""
        return None

    @property
    def sweeps(self) -> list[Sweep]:
        """The figures at other thresholds; empty where nothing is cut."""
        return []

    @property
    def turned(self) -> bool:
        """True where low scores are the favourable ones."""
        return self.frame.objective.favorable == "negative"

    @property
    def amounts(self) -> IntArray:
        """Rows of each cell, shape [G]."""
        found: IntArray = self.tally.counts.rows[:-1].sum(axis=(1, 2))
        return found

    @property
    def constant(self) -> bool:
        """True where all rows have one score."""
        scores = self.tally.scores
        return len(scores) == 1 and bool(scores.low[0] == scores.high[0])

    @cached_property
    def median(self) -> Median | None:
        """The median score of all rows, as near as the bins allow; None without weight."""
        return find_median(self.tally.scores, self.head)

    def crossings(self, after: Summed | None = None) -> list[Crossing]:
        """Return every pair of attributes crossed, and the parts of every intersection that was asked.

        Parameters
        ----------
        after : Summed, optional
            The same rows as the repaired network decides them.
        """
        settled = self.settled
        each = all_cells(list(settled.attributes.values()), settled.groupings, settled.columns)
        two = None if after is None else after.cell_figures
        return [crossing(cells, self.cell_figures, two, self.amounts) for cells in each if cells.names]

    def impacts(self, after: Summed | None = None) -> list[Impact]:
        """Return impact ratios of every attribute, of the columns of an intersection, and of attributes crossed.

        Parameters
        ----------
        after : Summed, optional
            The same rows as the repaired network decides them.
        """
        settled = self.settled
        return impacts_of(
            settled.attributes,
            settled.columns,
            settled.groupings,
            settled.gaps,
            self.rates,
            None if after is None else after.rates,
            amounts=self.amounts,
            gap_amounts=settled.table.amounts,
        )

    def rates(self, its: Categories) -> list[Rated]:
        """Return the share of each category with a score on the favourable side of the median of all rows."""
        k, median = len(its.names), self.median
        if median is None:
            return []
        pooled = self.pooled(its.codes, k)
        sign = -1.0 if self.turned else 1.0
        above = regrouped(self._above(median), its.codes, k)
        means, at = self.shown(pooled.means), self.shown(np.array([median.probability]))
        return [Rated("scoring", above, means, lambda reference: sign * _apart(pooled, reference), float(at[0]))]

    def shown(self, scores: FloatArray) -> FloatArray:
        """Return scores as a reader is told of them."""
        return scores

    def pooled(self, codes: IntArray, n_groups: int) -> Pooled:
        """Return the scores of each group, from the group of each cell."""
        return self.tally.probabilities.over(np.repeat(codes, 2), n_groups)

    def _above(self, median: Median) -> Counts:
        """Return counts by cell of scores on the favourable side of the median."""
        scores = self.tally.scores
        cut = median.below if self.turned else median.above
        if cut is not None:
            return scores.counts_at(np.array([cut], scores.high.dtype), below=self.turned)[0]
        # No score lies below the median.
        return positive(self.tally.counts, flipped=True)


def positive(counts: Counts, *, flipped: bool) -> Counts:
    """Return counts by cell where every row is decided positive; `flipped`: where that is the unfavourable decision."""

    def moved(each: npt.NDArray[Any]) -> npt.NDArray[Any]:
        found = np.zeros_like(each)
        found[:, :, 0 if flipped else 1] = each.sum(axis=2)
        return found

    return Counts(moved(counts.rows), moved(counts.weights), moved(counts.squares))


def _apart(pooled: Pooled, reference: int) -> FloatArray:
    """Return the standardised mean differences from a group, as `debias.fairness.impact` defines them."""
    whole = pooled.over(np.zeros(len(pooled.mean), np.int64), 1)
    spread = float(np.sqrt(whole.variances[0]))
    if not spread > 1e-12 * abs(float(whole.mean[0])):
        return np.full(len(pooled.mean), np.nan)
    means = pooled.means
    apart: FloatArray = (means - means[reference]) / spread
    return apart
