"""The bias-constrained objective (parity-proxies paper, eq. 3), its scorer on given rows, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from debias.errors import DataError, DebiasError, Problem, UsageError
from debias.fairness import metrics, proxies
from debias.fairness.counts import Counts, FloatArray, IntArray, count
from debias.fairness.metrics import Metric
from debias.sweep import FloatScores, OperatingPoint, PrefixSums, Sums, Sweep, candidate_cuts, sort_rows

__all__ = [
    "Constraint",
    "Metric",
    "Objective",
    "OperatingPoint",
    "Scorer",
    "Sweep",
    "Verdict",
    "decide",
    "exit_code",
]

Verdict = Literal["pass", "fail", "no-bound"]

_EPS32, _EPS64 = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)


def decide(bias: float | None, eps: float | None) -> Verdict:
    """Return the verdict: pass iff \\|bias\\| < eps; an undefined bias fails; without a bound there is none."""
    if eps is None:
        return "no-bound"
    return "pass" if bias is not None and abs(bias) < eps else "fail"


def exit_code(verdict: Verdict) -> int:
    """Return the exit code of a verdict: 1 where a bound is not met, else 0."""
    return 1 if verdict == "fail" else 0


@dataclass(frozen=True)
class Constraint:
    """A bound on the bias of one attribute.

    Parameters
    ----------
    metric : {"statistical-parity", "equal-opportunity"}
        Aliases are taken too.
    attribute : str
        Column of the protected attribute.
    eps : float
        The bound: \\|bias\\| < eps; in (0, 1].

    Raises
    ------
    UsageError
        With every value that is out of range.
    """

    metric: Metric
    attribute: str
    eps: float

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        try:
            object.__setattr__(self, "metric", metrics.canonical_metric(self.metric))
        except DebiasError as error:
            problems += error.problems
        if not self.attribute:
            problems.append(Problem("no protected attribute named", "--attr", "Name its column."))
        if not 0 < self.eps <= 1:
            problems.append(Problem(f"{self.eps!r} is no bound", "--eps", "Give a number above 0 and at most 1."))
        if problems:
            raise UsageError(problems)


@dataclass(frozen=True)
class Objective:
    """Balanced accuracy where the constraint holds, else 0 (parity-proxies paper, eq. 3).

    Parameters
    ----------
    constraint : Constraint
        The bound to meet.
    margin : float
        Candidates must meet eps − margin on the selection rows; in [0, eps).
    min_performance : float
        Least balanced accuracy of a candidate, in [0, 1).
    favorable : {"positive", "negative"}
        Which of the model's decisions is the favourable one.
    deployed : float
        Probability at which the deployed system cuts; a chosen cut must still divide its neighbours there.

    Raises
    ------
    UsageError
        With every value that is out of range.
    """

    constraint: Constraint
    margin: float = 0.01
    min_performance: float = 0.55
    favorable: Literal["positive", "negative"] = "positive"
    deployed: float = 0.5

    def __post_init__(self) -> None:
        problems = []
        eps = self.constraint.eps
        if not 0 <= self.margin < eps:
            problems.append(
                Problem(f"{self.margin!r} leaves no room below --eps {eps!r}", "--margin", f"Give 0 to below {eps!r}.")
            )
        if not 0 <= self.min_performance < 1:
            problems.append(
                Problem(f"{self.min_performance!r} is out of range", "--min-performance", "Give 0 to below 1.")
            )
        if self.favorable not in ("positive", "negative"):
            problems.append(Problem(f"unknown value {self.favorable!r}", "--favorable", "Give positive or negative."))
        if problems:
            raise UsageError(problems)

    @property
    def bound(self) -> float:
        """The bound of the selection: eps − margin."""
        return self.constraint.eps - self.margin

    def resolution(self, dtype: np.dtype[np.floating[Any]]) -> float:
        """Return the gap of logits (times max(1, |cut|)) below which a cut may close when it is folded.

        Folding rounds the bias, and a probability near 1 has steps of ε, which are ε / (1 − p) on the logit scale.
        """
        if dtype == np.float32:
            return max(32 * _EPS32, 8 * _EPS32 / (1 - self.deployed))
        return max(_EPS64, 8 * _EPS64 / (1 - self.deployed)) if self.deployed > 0.5 else _EPS64

    def value(self, balanced_accuracy: float | None, bias: float | None, bound: float | None = None) -> float:
        """Return eq. 3: the balanced accuracy if \\|bias\\| < bound (default eps), else 0; 0 where undefined."""
        if balanced_accuracy is None or decide(bias, self.constraint.eps if bound is None else bound) != "pass":
            return 0.0
        return balanced_accuracy

    def on(self, sample: Rows) -> Scorer:
        """Return the scorer of this objective on the rows of `sample`.

        Raises
        ------
        DataError
            If there are no rows, the label is constant, the attribute is absent or has one group,
            or a group lacks rows (for equal opportunity: rows with the favourable label).
        """
        name = self.constraint.attribute
        if name not in sample.attributes:
            raise DataError(Problem(f"attribute {name!r} was not prepared", sample.name))
        attribute = sample.attributes[name]
        scorer = Scorer(self, sample.y, attribute.codes, len(attribute.groups), attribute.privileged, sample.weight)
        problems = scorer.problems(attribute.groups, sample.name)
        if problems:
            raise DataError(problems)
        return scorer


class Groups(Protocol):
    """What is read of an attribute; `debias.data.sample.Attribute` has it."""

    @property
    def codes(self) -> IntArray: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def privileged(self) -> int | None: ...


class Rows(Protocol):
    """What is read of a sample; `debias.data.sample.Sample` has it."""

    @property
    def y(self) -> IntArray: ...
    @property
    def attributes(self) -> Mapping[str, Groups]: ...
    @property
    def weight(self) -> FloatArray | None: ...
    @property
    def name(self) -> str: ...


class Scorer:
    """An objective bound to rows; what does not depend on the scores is worked out once.

    Made by `Objective.on`, which also checks the rows.

    Parameters
    ----------
    objective : Objective
        What is measured.
    y : ndarray of int64, shape [N]
        Labels in the model's frame: 1 is the positive value.
    codes : ndarray of int64, shape [N]
        Group of each row; −1 rows count for performance and for no group.
    n_groups : int
        Number of groups K.
    privileged : int or None
        The privileged one of two groups.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    """

    def __init__(
        self,
        objective: Objective,
        y: IntArray,
        codes: IntArray,
        n_groups: int,
        privileged: int | None = None,
        weight: FloatArray | None = None,
    ) -> None:
        self.objective = objective
        self.y = y
        self.codes = codes
        self.n_groups = n_groups
        self.privileged = privileged
        self.weight = weight
        self._metric = objective.constraint.metric
        self._flipped = objective.favorable == "negative"
        self._y = 1 - y if self._flipped else y
        # Sizes of groups and labels do not depend on the decisions.
        self._sizes = count(np.zeros(len(y), bool), self._y, codes, n_groups, weight)
        total = self._sizes.total
        self._everyone = float(total.weight[0])
        self._positives, self._negatives = float(total.positives[0]), float(total.negatives[0])
        labelled = self._y == 1
        members = [codes == group for group in range(n_groups)]
        if self._metric == "equal-opportunity":
            members = [member & labelled for member in members]
            self._group_sizes = self._sizes.positives
        else:
            self._group_sizes = self._sizes.weight
        everyone = [] if weight is None else [np.ones(len(y), bool)]
        self._sums = PrefixSums([*members, labelled, *everyone], weight)

    def problems(self, names: tuple[str, ...], where: str) -> list[Problem]:
        """Return every reason why bias or balanced accuracy is undefined on these rows."""
        found = []
        attribute = self.objective.constraint.attribute
        if not self._everyone > 0:
            return [Problem("there are no rows" if not len(self.y) else "all rows weigh nothing", where)]
        if not (self._positives > 0 and self._negatives > 0):
            found.append(
                Problem("all rows have the same label, so balanced accuracy is undefined", where, "Add rows of both.")
            )
        if self.n_groups < 2:
            only = f" ({names[0]})" if names else ""
            found.append(
                Problem(
                    f"attribute {attribute!r} has one group only{only}, so there is no difference to measure",
                    where,
                    "Name another column with --attr, or add rows of other groups.",
                )
            )
        for group, size in enumerate(self._group_sizes):
            if size > 0:
                continue
            if self._sizes.weight[group] > 0:
                text = "no favourable labels, so equal-opportunity is undefined"
                remedy = "Add such rows, or use --metric statistical-parity."
            else:
                text, remedy = "no rows here", "Add rows of it, or leave the group out of the table."
            found.append(Problem(f"group {names[group]!r} of attribute {attribute!r} has {text}", where, remedy))
        return found

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
        rates = np.empty((self.n_groups, len(cuts)))
        for rate, part, size in zip(rates, in_group, self._group_sizes, strict=True):
            np.divide(part, size, out=rate)
        if self.n_groups == 2:
            low, high = metrics.two_groups(self.privileged)
            bias = rates[low] - rates[high]
        else:
            bias = rates.min(axis=0) - rates.max(axis=0)
        true_rejected = self._negatives - (selected - true_selected)
        performance = (true_selected / self._positives + true_rejected / self._negatives) / 2
        return Sweep(cuts, performance, bias, rates, self.objective.bound, self.objective.min_performance)

    def _favorable_sums(self, order: IntArray, last: IntArray) -> Sums:
        """Return sums over the rows that get the favourable decision: each group, favourable labels, all rows."""
        below = self._sums.at(order, last)
        wholes = [*self._group_sizes, self._positives, self._everyone]
        if self.weight is None:
            below.append(last + 1)
        if self._flipped:
            return below
        return [whole - part for whole, part in zip(wholes, below, strict=True)]

    def select(self, logits: FloatScores) -> OperatingPoint:
        """Return the best feasible cut under eps − margin, else the closest one with ``feasible=False``.

        Logits that are constant up to resolution have no cut: the point then gives every row the negative decision.
        """
        sweep = self.sweep(logits)
        return sweep.best_feasible() or sweep.closest() or OperatingPoint(float(logits.max()), 0.5, 0.0, 0.0, False)

    def counts(self, decisions: npt.NDArray[np.bool_]) -> Counts:
        """Return the counts, in the favourable frame, of decisions in the model's frame, shape [N]."""
        return count(decisions != self._flipped, self._y, self.codes, self.n_groups, self.weight)

    def at(self, decisions: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Return balanced accuracy and bias of decisions in the model's frame, shape [N]."""
        counts = self.counts(decisions)
        performance = metrics.balanced_accuracy(counts)
        value = metrics.bias(counts, self._metric, self.privileged).value
        return (float("nan") if performance is None else performance), (float("nan") if value is None else value)

    def pair(self, decisions: npt.NDArray[np.bool_]) -> tuple[int, int]:
        """Return the two groups of the bias: (unprivileged, privileged), or (lowest, highest) of more than two."""
        pair = metrics.bias(self.counts(decisions), self._metric, self.privileged).pair
        if pair is None:
            raise DataError(f"{self._metric} is undefined on these rows")
        return pair

    def proxy_weights(self, pair: tuple[int, int]) -> FloatArray:
        """Return c with Σ c_i f(x_i) the proxy of the bias between `pair`, for scores f of the positive decision.

        With ``favorable="negative"`` the favourable score is 1 − f: the weights change sign, and their sum is 0.
        """
        weights = proxies.proxy_weights(self.codes, self._y, self._metric, pair, self.weight)
        return -weights if self._flipped else weights
