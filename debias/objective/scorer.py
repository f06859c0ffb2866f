"""An objective bound to rows of a classification: every cut, given decisions, and the differences to drive to zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from debias.errors import Problem
from debias.fairness import metrics
from debias.fairness.counts import Counts, FloatArray, IntArray, count
from debias.fairness.metrics import METRICS, Rate
from debias.objective.comparison import Comparison, Groups, Mask, Target
from debias.objective.judge import Judge
from debias.objective.sweep import FloatScores, OperatingPoint, PrefixSums, Sums, Sweep, candidate_cuts, sort_rows

if TYPE_CHECKING:
    from debias.objective.constrained import Objective

_EPS64 = float(np.finfo(np.float64).eps)


class Scorer(Judge):
    """An objective bound to rows of a classification; what does not depend on the scores is worked out once.

    Made by `Objective.on`, which also checks the rows.

    Parameters
    ----------
    objective : Objective
        What is measured.
    y : ndarray of int64, shape [N]
        Labels in the model's frame: 1 is the positive value.
    attributes : sequence of Attribute
        The attribute of each constraint; rows with code −1 count for performance and for no group.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    judged : ndarray of bool, shape [N], optional
        Rows that count for performance; the others count for the bias alone. Default: all.
    soft : ndarray of float64, shape [N], optional
        How far each row has label 1, in [0, 1], for rates that read the label. Default: `y`.
    """

    def __init__(
        self,
        objective: Objective,
        y: IntArray,
        attributes: Sequence[Groups],
        weight: FloatArray | None = None,
        judged: Mask | None = None,
        soft: FloatArray | None = None,
    ) -> None:
        super().__init__(objective, attributes, len(y), weight, judged)
        self.y = y
        self._y = 1 - y if self.flipped else y
        labelled = self._y == 1
        favorable = labelled.astype(np.float64) if soft is None else 1 - soft if self.flipped else soft
        self._comparisons = tuple(self._compared(favorable, soft is not None))
        whole = self._whole
        self._everyone, self._positives = self._mass(whole), self._mass(whole & labelled)
        self._negatives = self._everyone - self._positives
        each = [(item, item.members == group) for item in self.comparisons for group in range(item.n_groups)]
        if soft is not None:
            # How much a row counts differs from one comparison to the other.
            columns = [member * item.mass for item, member in each]
            self._sums = PrefixSums.of([*columns, (whole & labelled) * self.weights, whole * self.weights])
        else:
            # Without weights all rows below a cut are counted by their place.
            everyone = [] if weight is None and judged is None else [whole]
            self._sums = PrefixSums([*(member for _, member in each), whole & labelled, *everyone], weight)
        self._wholes = [*(size for item in self.comparisons for size in item.sizes), self._positives, self._everyone]

    @property
    def flipped(self) -> bool:
        """True where the favourable decision is the negative one."""
        return self.objective.favorable == "negative"

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """One rate each; equalized odds has two."""
        return self._comparisons

    def _compared(self, favorable: FloatArray, soft: bool) -> list[Comparison]:
        """Return the comparisons, from how far each row has the favourable label."""
        among: dict[Rate, FloatArray] = {"selection": np.ones(len(favorable)), "tpr": favorable, "fpr": 1 - favorable}
        found = []
        for index, (constraint, attribute) in enumerate(zip(self.objective.constraints, self.attributes, strict=True)):
            info, k = METRICS[constraint.metric], len(attribute.groups)
            for rate in info.rates:
                members = np.where(among[rate] > 0, attribute.codes, -1)
                counted = members >= 0
                mass = self.weights * among[rate] if soft else self.weight
                weight = np.ones(int(counted.sum())) if mass is None else mass[counted]
                sizes = np.bincount(members[counted], weight, minlength=k).astype(np.float64)
                squares = np.bincount(members[counted], weight**2, minlength=k)
                effective = np.zeros(k)
                np.divide(sizes**2, squares, out=effective, where=squares > 0)
                found.append(
                    Comparison(
                        index,
                        rate,
                        members,
                        mass,
                        k,
                        attribute.privileged,
                        info.ratio,
                        constraint.eps,
                        sizes,
                        effective,
                    )
                )
        return found

    def _unmeasurable(self, where: str) -> list[Problem]:
        if self._positives > 0 and self._negatives > 0:
            return []
        return [Problem("all rows have the same label, so balanced accuracy is undefined", where, "Add rows of both.")]

    def _lacking(self, constraint: int, where: str) -> list[Problem]:
        metric, name = self.objective.constraints[constraint].metric, self.objective.constraints[constraint].attribute
        attribute = self.attributes[constraint]
        everyone = count(np.zeros(len(self.y), bool), self._y, attribute.codes, len(attribute.groups), self.weight)
        found = {}
        for item in self.comparisons:
            if item.constraint != constraint:
                continue
            for group in np.flatnonzero(~(item.sizes > 0)):
                if everyone.weight[group] > 0:
                    text = f"no {item.lacks}, so {metric} is undefined"
                    remedy = "Add such rows, or use --metric statistical-parity."
                else:
                    text, remedy = "no rows here", "Add rows of it, or leave the group out of the table."
                who = f"group {attribute.groups[group]!r} of attribute {name!r} has {text}"
                found[who] = Problem(who, where, remedy)
        return list(found.values())

    def sweep(self, logits: FloatScores, resolution: float | None = None) -> Sweep:
        """Return the figures at every candidate cut, see `Judge.sweep`.

        A candidate lies midway between neighbouring distinct logits, so none gives all rows one decision.
        """
        values, order = sort_rows(logits)
        if resolution is None:
            resolution = self.objective.resolution(logits.dtype)
        cuts, last = candidate_cuts(values, max(resolution, _EPS64))
        *in_group, true_selected, selected = self._favorable_sums(order, last)
        rates = []
        for item in self.comparisons:
            parts, in_group = in_group[: item.n_groups], in_group[item.n_groups :]
            rate = np.empty((item.n_groups, len(cuts)))
            for row, part, size in zip(rate, parts, item.sizes, strict=True):
                np.divide(part, size, out=row)
            rates.append(rate)
        true_rejected = self._negatives - (selected - true_selected)
        accuracy = (true_selected / self._positives + true_rejected / self._negatives) / 2
        performance = self._performance(logits, accuracy, true_selected, true_rejected, selected)
        return self._swept(cuts, performance, accuracy, rates)

    def _swept(
        self, cuts: FloatArray, performance: FloatArray, accuracy: FloatArray, rates: Sequence[FloatArray]
    ) -> Sweep:
        """Return the sweep of given figures; rates are one array [K, T] for each comparison."""
        differences = np.stack([item.difference(rate) for item, rate in zip(self.comparisons, rates, strict=True)])
        errors = None
        if self.objective.selection != "margin":
            errors = np.stack([item.errors(rate) for item, rate in zip(self.comparisons, rates, strict=True)])
        judged = self._judge(performance, differences, errors)
        least = self.objective.min_performance
        feasible = judged.feasible & (accuracy >= least)
        return Sweep(
            cuts, performance, accuracy, differences, self._constraint, self._eps, feasible, judged.merit, least
        )

    def _performance(
        self,
        scores: FloatScores,
        accuracy: FloatArray,
        true_selected: FloatArray,
        true_rejected: FloatArray,
        selected: FloatArray,
    ) -> FloatArray:
        """Return the performance at every cut, from sums in the favourable frame."""
        kind = self.objective.performance
        if kind == "balanced-accuracy":
            return accuracy
        if kind == "accuracy":
            return (true_selected + true_rejected) / self._everyone
        if kind == "f1":
            # Of the positive label, whichever side is favourable.
            if self.flipped:
                return metrics.f1(true_rejected, self._everyone - selected, self._negatives)
            return metrics.f1(true_selected, selected, self._positives)
        rows = slice(None) if self.judged is None else self.judged
        weight = None if self.weight is None else self.weight[rows]
        area = metrics.auroc(scores[rows], self.y[rows], weight)
        return np.full(len(accuracy), np.nan if area is None else area)

    def _favorable_sums(self, order: IntArray, last: IntArray) -> Sums:
        """Return sums over the rows that get the favourable decision: each group, favourable labels, all rows."""
        below = self._sums.at(order, last)
        if len(below) < len(self._wholes):
            below.append(last + 1)
        if self.flipped:
            return below
        return [whole - part for whole, part in zip(self._wholes, below, strict=True)]

    def select(self, logits: FloatScores) -> OperatingPoint:
        """Return the best feasible cut, else the closest one with ``feasible=False``.

        Logits that are constant up to resolution have no cut: the point then gives every row the negative decision.
        """
        sweep = self.sweep(logits)
        found = sweep.best_feasible() or sweep.closest()
        if found is not None:
            return found
        alike = self.judge(np.zeros(len(self.y), bool), float(logits.max()))
        return replace(alike, feasible=False, objective=0.0)

    def judge(self, decisions: Mask, cut: float = float("nan"), scores: FloatScores | None = None) -> OperatingPoint:
        """Return the point of given decisions in the model's frame, shape [N], as a sweep would judge it.

        Parameters
        ----------
        decisions : ndarray of bool, shape [N]
            True where the decision is positive.
        cut : float
            What the point says of its cut; NaN for a rule with a cut per group.
        scores : ndarray, shape [N], optional
            What ranks the rows, for AUROC; the decisions themselves when not given.
        """
        favorable = decisions != self.flipped
        whole = np.ones(len(self.y), bool) if self.judged is None else self.judged
        selected = self._mass(whole & favorable)
        true_selected = self._mass(whole & favorable & (self._y == 1))
        true_rejected = self._negatives - (selected - true_selected)
        accuracy = np.array([(true_selected / self._positives + true_rejected / self._negatives) / 2])
        performance = self._performance(
            decisions.astype(float) if scores is None else scores,
            accuracy,
            np.array([true_selected]),
            np.array([true_rejected]),
            np.array([selected]),
        )
        rates = [item.rates(favorable)[:, None] for item in self.comparisons]
        return self._swept(np.array([cut]), performance, accuracy, rates).point(0)

    def counts(self, decided: Mask, constraint: int = 0) -> Counts:
        """Return the counts by the groups of a constraint, in the favourable frame, of decisions [N] in the model's."""
        attribute = self.attributes[constraint]
        return count(decided != self.flipped, self._y, attribute.codes, len(attribute.groups), self.weight)

    def at(self, decisions: Mask) -> tuple[float, float]:
        """Return balanced accuracy and bias of decisions in the model's frame, shape [N]."""
        point = self.judge(decisions)
        return point.quality, point.bias

    def targets(self, logits: FloatScores) -> tuple[Target, ...]:
        """Return the difference of every comparison at the cut of best performance."""
        best = self.sweep(logits).best()
        favorable = (logits > (best.cut if best else 0.0)) != self.flipped
        found = []
        for index, item in enumerate(self.comparisons):
            rates = item.rates(favorable)
            bias = float(item.difference(rates[:, None])[0])
            found.append(Target(index, item.pair(rates), bias, abs(bias) / item.eps))
        return tuple(found)

    def proxy_weights(self, target: Target) -> FloatArray:
        """Return c with Σ c_i f(x_i) the proxy of the difference, for scores f of the positive decision.

        With ``favorable="negative"`` the favourable score is 1 − f: the weights change sign, and their sum is 0.
        """
        weights = super().proxy_weights(target)
        return -weights if self.flipped else weights
