"""An objective bound to rows: every cut, given decisions, and the differences that a method drives to zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from debias.errors import DataError, Problem
from debias.fairness import metrics, proxies
from debias.fairness.counts import Counts, FloatArray, IntArray, count
from debias.fairness.metrics import METRICS, Rate
from debias.objective.comparison import Comparison, Groups, Mask, Target
from debias.objective.selection import Judged, judge
from debias.objective.sweep import FloatScores, OperatingPoint, PrefixSums, Sums, Sweep, candidate_cuts, sort_rows

if TYPE_CHECKING:
    from debias.objective.constrained import Objective

_EPS64 = float(np.finfo(np.float64).eps)
_LACKS: dict[Rate, str] = {"selection": "rows", "tpr": "favourable labels", "fpr": "unfavourable labels"}


class Scorer:
    """An objective bound to rows; what does not depend on the scores is worked out once.

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
        self.objective = objective
        self.y = y
        self.attributes = tuple(attributes)
        self.weight = weight
        self.judged = judged
        self.flipped = objective.favorable == "negative"
        self._y = 1 - y if self.flipped else y
        labelled = self._y == 1
        favorable = labelled.astype(np.float64) if soft is None else 1 - soft if self.flipped else soft
        self.comparisons = tuple(self._compared(favorable, soft is not None))
        whole = np.ones(len(y), bool) if judged is None else judged
        self._everyone, self._positives = self._mass(whole), self._mass(whole & labelled)
        self._negatives = self._everyone - self._positives
        self._eps = np.array([item.eps for item in self.comparisons])
        self._constraint = np.array([item.constraint for item in self.comparisons])
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
    def weights(self) -> FloatArray:
        """Weight of each row, shape [N]; ones without weights."""
        return np.ones(len(self.y)) if self.weight is None else self.weight

    def _mass(self, rows: Mask) -> float:
        return float(rows.sum() if self.weight is None else self.weight[rows].sum())

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

    def problems(self, where: str) -> list[Problem]:
        """Return every reason why a bias or the performance is undefined on these rows."""
        if not self._everyone > 0:
            return [Problem("there are no rows" if not len(self.y) else "all rows weigh nothing", where)]
        found = []
        if not (self._positives > 0 and self._negatives > 0):
            found.append(
                Problem("all rows have the same label, so balanced accuracy is undefined", where, "Add rows of both.")
            )
        for index, (constraint, attribute) in enumerate(zip(self.objective.constraints, self.attributes, strict=True)):
            if len(attribute.groups) < 2:
                only = f" ({attribute.groups[0]})" if attribute.groups else ""
                found.append(
                    Problem(
                        f"attribute {constraint.attribute!r} has one group only{only}, so there is no difference to "
                        "measure",
                        where,
                        "Name another column with --attr, or add rows of other groups.",
                    )
                )
            found += self._lacking(index, where)
        return found

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
                    text = f"no {_LACKS[item.rate]}, so {metric} is undefined"
                    remedy = "Add such rows, or use --metric statistical-parity."
                else:
                    text, remedy = "no rows here", "Add rows of it, or leave the group out of the table."
                who = f"group {attribute.groups[group]!r} of attribute {name!r} has {text}"
                found[who] = Problem(who, where, remedy)
        return list(found.values())

    def sweep(self, logits: FloatScores, resolution: float | None = None) -> Sweep:
        """Return the figures at every candidate cut.

        A candidate lies midway between neighbouring distinct logits, so none gives all rows one decision.

        Parameters
        ----------
        logits : ndarray of float32 or float64, shape [N]
            Scores of the rows on the logit scale.
        resolution : float, optional
            A cut counts only where the gap round it exceeds ``resolution * max(1, |cut|)``.
            Default: `Objective.resolution`.

        Returns
        -------
        Sweep
            Without candidates when the logits are constant.

        Raises
        ------
        ModelError
            If a logit is NaN or infinite.
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
        judged = self._judge(performance, differences, rates)
        least = self.objective.min_performance
        feasible = judged.feasible & (accuracy >= least)
        return Sweep(
            cuts, performance, accuracy, differences, self._constraint, self._eps, feasible, judged.merit, least
        )

    def _judge(self, performance: FloatArray, differences: FloatArray, rates: Sequence[FloatArray]) -> Judged:
        objective = self.objective
        errors = None
        if objective.selection != "margin":
            errors = np.stack([item.errors(rate) for item, rate in zip(self.comparisons, rates, strict=True)])
        return judge(
            objective.selection,
            performance,
            differences,
            errors,
            self._eps,
            margin=objective.margin,
            verdict_ratio=objective.verdict_ratio,
            confidence=objective.confidence,
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

    def counts(self, decisions: Mask, constraint: int = 0) -> Counts:
        """Return the counts by the groups of a constraint, in the favourable frame, of decisions [N] in the model's."""
        attribute = self.attributes[constraint]
        return count(decisions != self.flipped, self._y, attribute.codes, len(attribute.groups), self.weight)

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
            found.append(Target(index, item.pair(rates), float(item.difference(rates[:, None])[0])))
        return tuple(found)

    def target(self, logits: FloatScores) -> Target:
        """Return the difference that uses up most of its bound at the cut of best performance."""
        return max(self.targets(logits), key=lambda item: abs(item.bias) / self.comparisons[item.comparison].eps)

    def proxy_weights(self, target: Target) -> FloatArray:
        """Return c with Σ c_i f(x_i) the proxy of the difference, for scores f of the positive decision.

        With ``favorable="negative"`` the favourable score is 1 − f: the weights change sign, and their sum is 0.

        Raises
        ------
        DataError
            If one of the two groups has no rows that count here.
        """
        item = self.comparisons[target.comparison]
        try:
            weights = proxies.proxy_weights(item.members, target.pair, item.mass)
        except DataError:
            name = self.objective.constraints[item.constraint].attribute
            raise DataError(f"a group of attribute {name!r} has no {_LACKS[item.rate]} among the rows") from None
        return -weights if self.flipped else weights
