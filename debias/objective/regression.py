"""An objective bound to rows of a regression: a candidate has one point, because its output is not cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from debias.errors import Problem
from debias.fairness import moments
from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.metrics import METRICS, Moment, pair_of
from debias.fairness.moments import Moments
from debias.fairness.proxies import Form
from debias.fairness.regression import group_means, r2
from debias.objective.comparison import Groups, Mask, Target
from debias.objective.judge import Judge
from debias.objective.sweep import FloatScores, OperatingPoint, Sweep, not_finite

if TYPE_CHECKING:
    from debias.objective.constrained import Objective

# Without noise, as where a group's predictions are all alike, a standard error is this share of the bound.
_LEAST_ERROR = 1e-12


@dataclass(frozen=True, eq=False)
class MomentComparison:
    """The mean prediction or the mean squared error, compared between the groups of one attribute.

    Parameters
    ----------
    constraint : int
        Index into the objective's constraints.
    moment : {"mean", "mse"}
        What is compared.
    members : ndarray of int64, shape [N]
        Group of each row that counts; −1 elsewhere.
    mass : ndarray of float64, shape [N], or None
        Weight of each row; None where each counts 1.
    n_groups : int
        Number of groups K.
    privileged : int or None
        The privileged one of two groups.
    eps : float
        The bound, in units of the target; for errors in squared units.
    """

    constraint: int
    moment: Moment
    members: IntArray
    mass: FloatArray | None
    n_groups: int
    privileged: int | None
    eps: float
    ratio: bool = False

    @property
    def form(self) -> Form:
        """What the proxy's group means are of."""
        return "value" if self.moment == "mean" else "squared-error"

    @property
    def lacks(self) -> str:
        """What a group without a value has none of."""
        return "rows"

    @cached_property
    def effective(self) -> FloatArray:
        """Effective rows of each group, shape [K]."""
        return moments.effective_rows(self.members, self.n_groups, self.mass)

    def column(self, values: FloatArray, truth: FloatArray) -> FloatArray:
        """Return what the group means are of, shape [N]."""
        return values if self.moment == "mean" else (values - truth) ** 2

    def means(self, column: FloatArray) -> FloatArray:
        """Return the mean of each group, shape [K]."""
        return group_means(column, self.members, self.n_groups, self.mass)

    def error(self, column: FloatArray, means: FloatArray) -> float:
        """Return the standard error of the bias; groups of fewer than two effective rows make it infinite."""
        within = self.means((column - np.append(means, 0.0)[self.members]) ** 2)
        spare = self.effective - 1
        variances = np.divide(within, spare, out=np.full(self.n_groups, np.nan), where=spare > 0)
        error = moments.bias_error(means, variances, self.moment)
        return np.inf if np.isnan(error) else max(error, _LEAST_ERROR * self.eps)


class RegressionScorer(Judge):
    """An objective bound to rows of a regression.

    Made by `Objective.on`, which also checks the rows. The performance is R²; a point has no cut.

    Parameters
    ----------
    objective : Objective
        What is measured.
    target : ndarray of float64, shape [N]
        What is to be predicted, in its own units.
    attributes : sequence of Attribute
        The attribute of each constraint; rows with code −1 count for performance and for no group.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    judged : ndarray of bool, shape [N], optional
        Rows that count for performance, and for errors by group; the others count for mean predictions alone, because
        a network's errors on rows that it was fitted to are smaller. Default: all.
    """

    def __init__(
        self,
        objective: Objective,
        target: FloatArray,
        attributes: Sequence[Groups],
        weight: FloatArray | None = None,
        judged: Mask | None = None,
    ) -> None:
        super().__init__(objective, attributes, len(target), weight, judged)
        self._target = target
        self._comparisons = tuple(self._compared())

    @property
    def comparisons(self) -> tuple[MomentComparison, ...]:
        """One for each constraint."""
        return self._comparisons

    @property
    def truth(self) -> FloatArray:
        """What is to be predicted, shape [N]."""
        return self._target

    def _compared(self) -> list[MomentComparison]:
        found = []
        for index, (constraint, attribute) in enumerate(zip(self.objective.constraints, self.attributes, strict=True)):
            moment = METRICS[constraint.metric].moment
            assert moment is not None
            counted = self._whole if moment == "mse" else np.ones(self.size, bool)
            if self.weight is not None:
                counted = counted & (self.weight > 0)
            members = np.where(counted, attribute.codes, -1)
            k = len(attribute.groups)
            found.append(MomentComparison(index, moment, members, self.weight, k, attribute.privileged, constraint.eps))
        return found

    def _unmeasurable(self, where: str) -> list[Problem]:
        bad = np.flatnonzero(~np.isfinite(self._target))
        if bad.size:
            found = f"{bad.size} of {self.size} targets are no finite numbers (the first: row {bad[0] + 1})"
            return [Problem(found, where, "Mend or remove these rows.")]
        if self._performance(np.zeros(self.size)) is None:
            return [Problem("the target is the same in all rows, so R² is undefined", where, "Add rows of others.")]
        return []

    def _lacking(self, constraint: int, where: str) -> list[Problem]:
        item, attribute = self.comparisons[constraint], self.attributes[constraint]
        name = self.objective.constraints[constraint].attribute
        there = np.bincount(item.members[item.members >= 0], minlength=item.n_groups)
        return [
            Problem(
                f"group {group!r} of attribute {name!r} has no rows here",
                where,
                "Add rows of it, or leave the group out of the table.",
            )
            for group, rows in zip(attribute.groups, there, strict=True)
            if not rows
        ]

    def sweep(self, logits: FloatScores, resolution: float | None = None) -> Sweep:
        """Return the one point of predictions [N] in units of the target, as a sweep without a cut."""
        del resolution
        if not np.isfinite(logits).all():
            raise not_finite(logits)
        values = logits.astype(np.float64)
        columns = [item.column(values, self._target) for item in self.comparisons]
        means = [item.means(column) for item, column in zip(self.comparisons, columns, strict=True)]
        differences = np.array(
            [[float(self._bias(item, mean))] for item, mean in zip(self.comparisons, means, strict=True)]
        )
        errors = None
        if self.objective.selection != "margin":
            compared = zip(self.comparisons, columns, means, strict=True)
            errors = np.array([[item.error(column, mean)] for item, column, mean in compared])
        found = self._performance(values)
        performance = np.array([np.nan if found is None else found])
        judged = self._judge(performance, differences, errors)
        least = self.objective.min_performance
        return Sweep(
            cuts=np.array([np.nan]),
            performance=performance,
            quality=performance,
            differences=differences,
            constraints=self._constraint,
            eps=self._eps,
            feasible=judged.feasible & (performance >= least),
            merit=judged.merit,
            min_performance=least,
        )

    def _performance(self, values: FloatArray) -> float | None:
        rows = slice(None) if self.judged is None else self.judged
        return r2(values[rows], self._target[rows], None if self.weight is None else self.weight[rows])

    @staticmethod
    def _bias(item: MomentComparison, means: FloatArray) -> FloatArray:
        return moments.bias(means, item.moment, item.privileged)

    def select(self, logits: FloatScores) -> OperatingPoint:
        """Return the point of predictions [N]."""
        return self.sweep(logits).point(0)

    def counts(self, decided: FloatArray, constraint: int = 0) -> Moments:
        """Return the moments of predictions [N] by the groups of a constraint."""
        attribute = self.attributes[constraint]
        return moments.moments(decided, self._target, attribute.codes, len(attribute.groups), self.weight)

    def targets(self, logits: FloatScores) -> tuple[Target, ...]:
        """Return, for every comparison, the difference between two groups: of more than two the lowest and highest."""
        values, found = logits.astype(np.float64), []
        for index, item in enumerate(self.comparisons):
            means = item.means(item.column(values, self._target))
            pair = pair_of(means, item.privileged)
            share = abs(float(self._bias(item, means))) / item.eps
            found.append(Target(index, pair, float(means[pair[0]] - means[pair[1]]), share))
        return tuple(found)
