"""From the tally of a table to its figures: each as of all rows at once, from sums by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from debias.data.settling import Settled
from debias.fairness import dispersion as floor
from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.histogram import Bounded, Histogram
from debias.fairness.pooled import Pooled
from debias.fairness.thresholds import Scores
from debias.model.head import Head
from debias.report.values.evidence import Crossing, Sweep
from debias.report.values.figures import Dispersion, Figures, GroupFigures
from debias.report.values.impact import Impact
from debias.run.dispersion import told
from debias.run.evidence.crossings import Cells, all_cells, crossing
from debias.run.evidence.sweep import chosen, points
from debias.run.figures import Frame, group_figures
from debias.run.impacts import Categories, Rated, impacts_of
from debias.run.streaming.tally import Tally, labels_turned, regrouped
from debias.run.swapping import Swapped

_ROUNDING = 1e-14  # as in `debias.fairness.impact`


@dataclass(frozen=True, eq=False)
class Counted:
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
        Where the deployed system cuts.
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
    def amounts(self) -> IntArray:
        """Rows of each cell, shape [G]."""
        found: IntArray = self.tally.counts.rows[:-1].sum(axis=(1, 2))
        return found

    def counts(self, codes: IntArray, n_groups: int) -> Counts:
        """Return counts by group in the favourable frame, from the group of each cell [G]."""
        return regrouped(self.tally.counts, codes, n_groups, flipped=self.frame.flipped)

    @property
    def by_attribute(self) -> list[Counts]:
        """Counts by the groups of each constraint, in the favourable frame."""
        return [self.counts(item.codes, len(item.groups)) for item in self.frame.attributes]

    @property
    def auroc(self) -> Bounded | None:
        """The area under the ROC curve with sure bounds."""
        return self.tally.scores.auroc()

    def figures(self, swaps: Mapping[str, Swapped]) -> Figures:
        """Return the figures of the network as deployed."""
        counts, area = self.by_attribute, self.auroc
        return self.frame.figures(
            counts,
            self.threshold,
            n=int(self.amounts.sum()),
            auroc=None if area is None else area.value,
            brier=self._brier(),
            dispersions=[
                self._dispersion(item.attribute, one, swaps.get(item.attribute))
                for item, one in zip(self.frame.objective.constraints, counts, strict=True)
            ],
        )

    def _brier(self) -> float | None:
        """Return Σ w (p − y)² / Σ w: of each cell the spread, and how far its mean is from its label."""
        pooled = self.tally.probabilities
        y = np.arange(len(pooled.weight)) % 2
        mass = float(pooled.weight.sum())
        return float((pooled.squares + pooled.weight * (pooled.mean - y) ** 2).sum()) / mass if mass > 0 else None

    def _dispersion(self, name: str, counts: Counts, swap: Swapped | None) -> Dispersion:
        attribute = self.settled.attributes[name]
        means = self._pooled(attribute.codes, counts.n_groups).means
        return told(
            name, attribute, floor.dispersion(counts, mean_probabilities=means, ddof=self.ddof), swap, self.ddof
        )

    def _pooled(self, codes: IntArray, n_groups: int) -> Pooled:
        """Return the probabilities of each group, from the group of each cell."""
        return self.tally.probabilities.over(np.repeat(codes, 2), n_groups)

    def crossings(self, after: Counted | None = None) -> list[Crossing]:
        """Return every pair of attributes crossed, and the parts of every intersection that was asked.

        Parameters
        ----------
        after : Counted, optional
            The same rows as the repaired network decides them.
        """
        settled = self.settled
        each = all_cells(list(settled.attributes.values()), settled.groupings, settled.columns)
        two = None if after is None else after._cell_figures
        return [crossing(cells, self._cell_figures, two, self.amounts) for cells in each if cells.names]

    def _cell_figures(self, cells: Cells) -> list[GroupFigures]:
        return group_figures(self.counts(cells.codes, len(cells.names)), cells)

    def sweep(self, network: Literal["before", "after"] = "before") -> Sweep:
        """Return the figures at other thresholds: at scores where no bin of the histogram has to be parted."""
        scores, flipped = self.tally.scores, self.frame.flipped
        cuts, shown = chosen(self.head, self.threshold, scores.high)
        first = int(cuts[0] < scores.high[0])  # a cut that no row lies below, or inside the first bin
        at = scores.counts_at(cuts[first:], below=flipped)
        if first and cuts[0] < scores.low[0]:
            at = [_positive(self.tally.counts, flipped=flipped), *at]
        else:
            shown = shown[first:]
        counted = [[self._regrouped(one, item.codes, len(item.groups)) for one in at] for item in self.frame.attributes]
        return Sweep(network=network, deployed=self.threshold, points=points(self.frame, shown, counted))

    def _regrouped(self, counts: Counts, codes: IntArray, n_groups: int) -> Counts:
        """Return counts by group, from those by cell with the decisions in the favourable frame."""
        found = regrouped(counts, codes, n_groups)
        return labels_turned(found) if self.frame.flipped else found

    def impacts(self, after: Counted | None = None) -> list[Impact]:
        """Return impact ratios of every attribute, of the columns of an intersection, and of attributes crossed.

        Parameters
        ----------
        after : Counted, optional
            The same rows as the repaired network decides them.
        """
        settled = self.settled
        return impacts_of(
            settled.attributes,
            settled.columns,
            settled.groupings,
            settled.gaps,
            self._rates,
            None if after is None else after._rates,
            amounts=self.amounts,
            gap_amounts=settled.table.amounts,
        )

    def _rates(self, its: Categories) -> list[Rated]:
        k, flipped, median = len(its.names), self.frame.flipped, self.median
        rated = [Rated("selection", self.counts(its.codes, k))]
        if median is None:
            return rated
        pooled = self._pooled(its.codes, k)
        sign = -1.0 if flipped else 1.0
        means = 1 - pooled.means if flipped else pooled.means
        above = regrouped(self._above(median), its.codes, k)
        at = 1 - median.probability if flipped else median.probability
        return [*rated, Rated("scoring", above, means, lambda reference: sign * _apart(pooled, reference), at)]

    def _above(self, median: Median) -> Counts:
        """Return counts by cell of scores on the favourable side of the median."""
        scores, flipped = self.tally.scores, self.frame.flipped
        cut = median.below if flipped else median.above
        if cut is not None:
            return scores.counts_at(np.array([cut], scores.high.dtype), below=flipped)[0]
        # No score lies below the median.
        return _positive(self.tally.counts, flipped=True)

    @cached_property
    def median(self) -> Median | None:
        """The median score of all rows, as near as the bins allow; None without weight."""
        return find_median(self.tally.scores, self.head)

    @property
    def constant(self) -> bool:
        """True where all rows have one score."""
        scores = self.tally.scores
        return len(scores) == 1 and bool(scores.low[0] == scores.high[0])


@dataclass(frozen=True)
class Median:
    """Where half of the rows lie on either side.

    Parameters
    ----------
    probability : float
        The median as a probability, or near it.
    above, below : float or None
        The scores above the first lie above the median, those up to the second below it; None where there are none.
    low, high : float
        Between which probabilities it lies.
    uncertain : float
        The share of the rows that may lie on either side.
    """

    probability: float
    above: float
    below: float | None
    low: float
    high: float
    uncertain: float


def find_median(scores: Histogram, head: Head) -> Median | None:
    """Return the median of binned scores."""
    mass = scores.rows[0].sum(axis=(1, 2)).astype(np.float64)
    if scores.weights is not None:
        mass = scores.weights[0].over(1).over(1).values
    bins = np.flatnonzero(mass > 0)
    if not len(bins):
        return None
    sums = np.cumsum(mass[bins])
    half = sums[-1] / 2
    at = int(np.searchsorted(sums, half * (1 - _ROUNDING)))
    place = int(bins[at])

    def told(score: float) -> float:
        return float(_probability(np.array([score], scores.high.dtype), head)[0])

    if abs(sums[at] - half) <= _ROUNDING * half and at + 1 < len(bins):
        # Half of the weight ends with this bin: nothing lies between its highest score and the lowest of the next.
        edge = float(scores.high[place])
        middle = (told(edge) + told(float(scores.low[bins[at + 1]]))) / 2
        return Median(middle, edge, edge, middle, middle, 0.0)
    low, high = float(scores.low[place]), float(scores.high[place])
    before = float(scores.high[place - 1]) if place else None
    if low == high:
        return Median(told(low), high, before, told(low), told(low), 0.0)
    edge = high if before is None or 2 * sums[at] - mass[place] <= 2 * half else before
    return Median(told(edge), edge, edge, told(low), told(high), float(mass[place] / sums[-1]))


def _probability(scores: Scores, head: Head) -> FloatArray:
    """Return scores as probabilities, worked out in their own type as the network does."""
    if head.kind not in {"logit", "logits2"}:
        return scores.astype(np.float64)
    found: FloatArray = torch.from_numpy(scores).sigmoid().double().numpy()
    return found


def _positive(counts: Counts, *, flipped: bool) -> Counts:
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
