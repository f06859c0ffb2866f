"""From the tally of decisions to their figures: each as of all rows at once, from sums by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from debias.fairness import dispersion as floor
from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.histogram import Bounded
from debias.report.values.evidence import Sweep
from debias.report.values.figures import Dispersion, Figures, GroupFigures
from debias.run.dispersion import told
from debias.run.evidence.crossings import Cells
from debias.run.evidence.sweep import chosen, points
from debias.run.figures import group_figures
from debias.run.impacts import Categories, Rated
from debias.run.streaming.summed import Summed, positive
from debias.run.streaming.tally import labels_turned, regrouped
from debias.run.swapping import Swapped


@dataclass(frozen=True, eq=False)
class Counted(Summed):
    """A table whose decisions were tallied."""

    def counts(self, codes: IntArray, n_groups: int) -> Counts:
        """Return counts by group in the favourable frame, from the group of each cell [G]."""
        return regrouped(self.tally.counts, codes, n_groups, flipped=self.turned)

    @property
    def by_attribute(self) -> list[Counts]:
        """Counts by the groups of each constraint, in the favourable frame."""
        return [self.counts(item.codes, len(item.groups)) for item in self.frame.attributes]

    @property
    def auroc(self) -> Bounded | None:
        """The area under the ROC curve with sure bounds."""
        return self.tally.scores.auroc()

    @property
    def disagreements(self) -> int | None:
        """Rows where argmax and score disagree; None where there is one score."""
        return self.tally.disagreements if self.head.classes == 2 else None

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
        means = self.pooled(attribute.codes, counts.n_groups).means
        return told(
            name, attribute, floor.dispersion(counts, mean_probabilities=means, ddof=self.ddof), swap, self.ddof
        )

    def cell_figures(self, cells: Cells) -> list[GroupFigures]:
        """Return the figures of groups crossed."""
        return group_figures(self.counts(cells.codes, len(cells.names)), cells)

    @property
    def sweeps(self) -> list[Sweep]:
        """The figures at other thresholds."""
        return [self.sweep()]

    def sweep(self, network: Literal["before", "after"] = "before") -> Sweep:
        """Return the figures at other thresholds: at scores where no bin of the histogram has to be parted."""
        scores = self.tally.scores
        cuts, shown = chosen(self.head, self.threshold, scores.high)
        first = int(cuts[0] < scores.high[0])  # a cut that no row lies below, or inside the first bin
        at = scores.counts_at(cuts[first:], below=self.turned)
        if first and cuts[0] < scores.low[0]:
            at = [positive(self.tally.counts, flipped=self.turned), *at]
        else:
            shown = shown[first:]
        counted = [[self._regrouped(one, item.codes, len(item.groups)) for one in at] for item in self.frame.attributes]
        return Sweep(network=network, deployed=self.threshold, points=points(self.frame, shown, counted))

    def _regrouped(self, counts: Counts, codes: IntArray, n_groups: int) -> Counts:
        """Return counts by group, from those by cell with the decisions in the favourable frame."""
        found = regrouped(counts, codes, n_groups)
        return labels_turned(found) if self.turned else found

    def rates(self, its: Categories) -> list[Rated]:
        """Return selection rates and scoring rates."""
        return [Rated("selection", self.counts(its.codes, len(its.names))), *super().rates(its)]

    def shown(self, scores: FloatArray) -> FloatArray:
        """Return probabilities of the favourable decision."""
        return 1 - scores if self.turned else scores
