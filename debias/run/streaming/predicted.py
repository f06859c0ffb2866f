"""From the tally of predicted numbers to their figures: each as of all rows at once, from sums by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from debias.data.sample import Sample
from debias.fairness.counts import IntArray
from debias.fairness.dispersion import moment_dispersion
from debias.fairness.moment_sums import MomentSums
from debias.fairness.moments import Moments
from debias.report.values.figures import Figures, GroupFigures
from debias.run import regression
from debias.run.dispersion import told
from debias.run.evidence.crossings import Cells
from debias.run.streaming.summed import Summed
from debias.run.swapping import Swapped


@dataclass(frozen=True, eq=False)
class Predicted(Summed):
    """A table whose predictions were tallied."""

    @property
    def numbers(self) -> MomentSums:
        """Predictions and errors by cell."""
        assert self.tally.numbers is not None
        return self.tally.numbers

    @property
    def by_attribute(self) -> list[Moments]:
        """Moments by the groups of each constraint."""
        return [self.numbers.moments(item.codes, len(item.groups)) for item in self.frame.attributes]

    def figures(self, swaps: Mapping[str, Swapped]) -> Figures:
        """Return the figures of the network as deployed."""
        found, numbers = self.by_attribute, self.numbers
        dispersions = [
            told(
                item.attribute,
                groups,
                moment_dispersion(each.mean, each.mse, self.ddof),
                swaps.get(item.attribute),
                self.ddof,
            )
            for item, groups, each in zip(self.frame.objective.constraints, self.frame.attributes, found, strict=True)
        ]
        return regression.figures(
            self.frame,
            found,
            n=int(self.amounts.sum()),
            r2=numbers.r2,
            mse=numbers.mse,
            mae=numbers.mae,
            dispersions=dispersions,
        )

    def cell_figures(self, cells: Cells) -> list[GroupFigures]:
        """Return the figures of groups crossed."""
        return regression.group_figures(self.numbers.moments(cells.codes, len(cells.names)), cells)


def summarised(sample: Sample, numbers: MomentSums, cell: IntArray) -> Sample:
    """Return two rows for each cell whose targets have its mean and variance, and whose weights are half its weight.

    Parameters
    ----------
    sample : Sample
        Two rows for each cell.
    numbers : MomentSums
        By all cells.
    cell : ndarray of int64
        Those that have rows, in the order of the sample.
    """
    target = numbers.target
    apart = np.sqrt(np.nan_to_num(target.variances[cell]))
    mean, weight = target.mean[cell], target.weight[cell]
    return replace(
        sample,
        target=np.stack([mean - apart, mean + apart], axis=1).reshape(-1),
        weight=np.repeat(weight / 2, 2),
    )
