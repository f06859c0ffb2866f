"""The bias-constrained objective (parity-proxies paper, eq. 3) and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from debias.errors import DataError, DebiasError, Problem, UsageError
from debias.fairness import metrics
from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.metrics import METRICS, Metric, Task
from debias.objective.comparison import Groups
from debias.objective.judge import Judge
from debias.objective.regression import RegressionScorer
from debias.objective.scorer import Scorer
from debias.objective.selection import Selection

Verdict = Literal["pass", "fail", "inconclusive", "no-bound"]
Performance = Literal["balanced-accuracy", "accuracy", "f1", "auroc", "r2"]


@dataclass(frozen=True)
class Defaults:
    """What an objective of one task is, where nothing else is asked."""

    metric: Metric
    performance: Performance
    min_performance: float
    predicts: str
    quality: str


DEFAULTS: dict[Task, Defaults] = {
    "classification": Defaults("statistical-parity", "balanced-accuracy", 0.55, "a class", "balanced accuracy"),
    "regression": Defaults("mean-difference", "r2", 0.0, "a number", "R²"),
}
"""By what the network predicts; `quality` is what a least performance is asked of, in words."""

_EPS32, _EPS64 = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)


def decide(bias: float | None, eps: float | None) -> Verdict:
    """Return the verdict of one point estimate: pass iff \\|bias\\| < eps; an undefined bias fails.

    Without a bound there is no verdict. With ``--confidence`` `debias.fairness.assessment` decides.
    """
    if eps is None:
        return "no-bound"
    return "pass" if bias is not None and abs(bias) < eps else "fail"


def exit_code(verdict: Verdict) -> int:
    """Return the exit code of a verdict: 1 where a bound is not met, 3 where that is open, else 0."""
    return {"fail": 1, "inconclusive": 3}.get(verdict, 0)


@dataclass(frozen=True)
class Constraint:
    """A bound on the bias of one attribute.

    Parameters
    ----------
    metric : str
        A name or alias of `debias.fairness.metrics.METRICS`.
    attribute : str
        Name of the protected attribute.
    eps : float
        The bound: \\|bias\\| < eps; in (0, 1]. Of the impact ratio, 1 minus the least ratio. Of a regression any number
        above 0, in units of the metric: those of the target, or their squares.

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
        number = self.metric in METRICS and METRICS[self.metric].task == "regression"
        if not 0 < self.eps <= (math.inf if number else 1) or self.eps == math.inf:
            remedy = "Give a number above 0." if number else "Give a number above 0 and at most 1."
            problems.append(Problem(f"{self.eps!r} is no bound", "--eps", remedy))
        if problems:
            raise UsageError(problems)


@dataclass(frozen=True)
class Objective:
    """Performance where every constraint holds, else 0 (parity-proxies paper, eq. 3).

    Parameters
    ----------
    constraints : Constraint or sequence of Constraint
        The bounds to meet, all of them.
    performance : {"balanced-accuracy", "accuracy", "f1", "auroc", "r2"}
        What is maximised; ``r2`` of a regression, the others of a classification.
    margin : float
        Candidates must meet eps − margin on the selection rows, by the selection rule ``margin``; in [0, eps).
    min_performance : float
        Least balanced accuracy of a candidate, of a regression least R², in [0, 1): no bound is met by deciding all
        rows alike.
    favorable : {"positive", "negative"}
        Which of the model's decisions is the favourable one.
    deployed : float
        Probability at which the deployed system cuts; a chosen cut must still divide its neighbours there.
    selection : {"chance", "margin", "expected", "confident"}
        How candidates are judged on the selection rows, see `debias.objective.selection.judge`.
    verdict_ratio : float
        Number of verdict rows for each selection row, above 0; read by the rules ``chance`` and ``expected``.
    confidence : float, optional
        Of the gate, in (0.5, 1).

    Raises
    ------
    UsageError
        With every value that is out of range.
    """

    constraints: tuple[Constraint, ...]
    performance: Performance = "balanced-accuracy"
    margin: float = 0.01
    min_performance: float = 0.55
    favorable: Literal["positive", "negative"] = "positive"
    deployed: float = 0.5
    selection: Selection = "margin"
    verdict_ratio: float = 1.0
    confidence: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.constraints, Constraint):
            object.__setattr__(self, "constraints", (self.constraints,))
        problems = []
        eps = min(constraint.eps for constraint in self.constraints)
        if not 0 <= self.margin < eps:
            problems.append(
                Problem(
                    f"{self.margin!r} leaves no room below the bound {eps!r}", "--margin", f"Give 0 to below {eps!r}."
                )
            )
        if not 0 <= self.min_performance < 1:
            problems.append(
                Problem(f"{self.min_performance!r} is out of range", "--min-performance", "Give 0 to below 1.")
            )
        for flag, value, known in (
            ("--favorable", self.favorable, ("positive", "negative")),
            ("--performance", self.performance, _measures(self.task)),
            ("--selection", self.selection, get_args(Selection)),
        ):
            if value not in known:
                found = f"unknown value {value!r}"
                if flag == "--performance" and value in get_args(Performance):
                    found = f"{value} is not for a network that predicts {DEFAULTS[self.task].predicts}"
                problems.append(
                    Problem(found, flag, f"Give {', '.join(known[:-1])}{' or ' * (len(known) > 1)}{known[-1]}.")
                )
        if self.confidence is not None and not 0.5 < self.confidence < 1:
            problems.append(Problem(f"{self.confidence!r} is no confidence", "--confidence", "Such as 0.95."))
        if len({METRICS[item.metric].task for item in self.constraints}) > 1:
            found = "the metrics are of networks that predict a class and of such that predict a number"
            problems.append(Problem(found, "--metric", "Give metrics of one kind."))
        if problems:
            raise UsageError(problems)

    @property
    def task(self) -> Task:
        """What the network predicts that it is for."""
        return METRICS[self.constraints[0].metric].task

    @property
    def bounds(self) -> tuple[float, ...]:
        """The bound of each constraint that a feasible candidate meets on the selection rows."""
        margin = self.margin if self.selection == "margin" else 0.0
        return tuple(constraint.eps - margin for constraint in self.constraints)

    def resolution(self, dtype: np.dtype[np.floating[Any]]) -> float:
        """Return the gap of logits (times max(1, \\|cut\\|)) below which a cut may close when it is folded.

        Folding rounds the bias, and a probability near 1 has steps of ε, which are ε / (1 − p) on the logit scale.
        """
        if dtype == np.float32:
            return max(32 * _EPS32, 8 * _EPS32 / (1 - self.deployed))
        return max(_EPS64, 8 * _EPS64 / (1 - self.deployed)) if self.deployed > 0.5 else _EPS64

    def on(self, sample: Rows, *, lenient: bool = False) -> Judge:
        """Return this objective on the rows of `sample`: a `Scorer`, of a regression a `RegressionScorer`.

        Parameters
        ----------
        sample : Sample
            The rows.
        lenient : bool
            Accept rows on which a rate is undefined; only counts can be asked of the scorer then.

        Raises
        ------
        DataError
            If there are no rows, the label is constant, an attribute is absent or has one group,
            or a group lacks rows (for equal opportunity: rows with the favourable label).
        UsageError
            If the metric is not for what the network predicts.
        """
        task: Task = "classification" if sample.target is None else "regression"
        if problems := unfit_metrics([item.metric for item in self.constraints], task):
            raise UsageError(problems)
        absent = [item.attribute for item in self.constraints if item.attribute not in sample.attributes]
        if absent:
            raise DataError([Problem(f"attribute {name!r} was not prepared", sample.name) for name in absent])
        attributes = [sample.attributes[item.attribute] for item in self.constraints]
        bound: Judge
        if sample.target is None:
            bound = Scorer(self, sample.y, attributes, sample.weight, sample.judged, sample.soft)
        else:
            bound = RegressionScorer(self, sample.target, attributes, sample.weight, sample.judged)
        problems = bound.problems(sample.name)
        if problems and not (lenient and len(sample.y)):
            raise DataError(problems)
        return bound

    def deciding(self, sample: Rows, *, lenient: bool = False) -> Scorer:
        """Return the scorer of decisions on the rows of a classification, see `on`."""
        scorer = self.on(sample, lenient=lenient)
        assert isinstance(scorer, Scorer)
        return scorer


def unfit_metrics(names: Iterable[str], task: Task) -> list[Problem]:
    """Return which of the metrics, by name or alias, are not for a network that predicts a class, or a number."""
    fit = [info for info in METRICS.values() if info.task == task]
    known = ", ".join(f"{info.name} ({info.alias})" for info in fit)
    number = " Where the network's output is a number, say --output-kind value." if task == "classification" else ""
    return [
        Problem(
            f"{metric} is not for a network that predicts {DEFAULTS[task].predicts}",
            "--metric",
            f"Choose one of: {known}.{number}",
        )
        for metric in dict.fromkeys(map(metrics.canonical_metric, names))
        if METRICS[metric].task != task
    ]


def _measures(task: Task) -> tuple[str, ...]:
    return ("r2",) if task == "regression" else tuple(name for name in get_args(Performance) if name != "r2")


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
    @property
    def judged(self) -> npt.NDArray[np.bool_] | None: ...
    @property
    def soft(self) -> FloatArray | None: ...
    @property
    def target(self) -> FloatArray | None: ...
