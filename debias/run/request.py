"""What every measuring verb is asked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from debias import jobs
from debias.contract import Contract
from debias.data.columns import Columns
from debias.errors import Problem, UsageError
from debias.fairness.metrics import METRICS, Metric, Task
from debias.model.effects import Edit
from debias.objective import DEFAULTS, Constraint, Objective, Performance, Selection, unfit_metrics
from debias.report.regulations import unknown_view
from debias.run.commands import flag_parts, operand
from debias.words import show

RATIO_NAMES = tuple(name for info in METRICS.values() if info.ratio for name in (info.name, info.alias))
"""Names of the metrics that are bounded by ``--min-ratio``."""


DEFAULT_SELECTION, DEFAULT_MARGIN, DEFAULT_FIT_SHARE = "chance", 0.01, 0.3
DEFAULT_MARGIN_SHARE = 0.2
"""Margin of a regression as a share of the bound: what 0.01 is of 0.05."""


@dataclass(frozen=True, kw_only=True)
class Request(Columns):
    """What every measuring verb is asked, the columns among it; the fields have the names of the flags."""

    verb: str
    model: str | Path
    data: Any
    eps: float | None = None
    min_ratio: float | None = None
    metric: str | None = None
    performance: str | None = None
    confidence: float | None = None
    threshold: float | None = None
    decision: Literal["score", "argmax"] | None = None
    output_kind: Literal["probability", "logit", "softmax", "logits2", "value"] | None = None
    contract: str | Path | Contract | None = None
    device: str = "cpu"
    trust: bool = False
    seed: int = 0
    margin: float | None = None
    min_performance: float | None = None
    selection: str | None = None
    pool: bool | None = None
    train: Any = None
    test: Any = None
    holdout: float = 0.3
    fit_share: float | None = None
    edit: Edit = "fe"
    keep_scores: bool = False
    out: str | Path | None = None
    force: bool = False
    keep_best: bool = False
    sd_ddof: Literal[0, 1] = 0
    draws: int = 0
    fresh_adversary: bool = False
    view: str | Sequence[str] = ()
    stream: bool | None = None
    batch_rows: int | None = None
    sample_rows: int | None = None
    workers: int = 1
    ray: str | None = None
    task: Task | None = None
    """What the network predicts; told by the file that is opened."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "view", _views(self.view))
        problems = self.problems()
        problems += filter(None, map(unknown_view, self.view))
        if self.threshold is not None and not 0 < self.threshold < 1:
            problems.append(
                Problem(f"{self.threshold!r} is no threshold", "--threshold", "Give a probability between 0 and 1.")
            )
        if self.decision == "argmax" and self.threshold not in (None, 0.5):
            problems.append(
                Problem(f"--decision argmax implies 0.5, --threshold is {self.threshold!r}", "", "Leave one out.")
            )
        if not 0 <= self.holdout < 1:
            problems.append(Problem(f"{self.holdout!r} is no share of the rows", "--holdout", "Give 0 to below 1."))
        if self.fit_share is not None and not 0 <= self.fit_share < 1:
            problems.append(Problem(f"{self.fit_share!r} is no share of the rows", "--fit-share", "Give 0 to below 1."))
        if self.edit not in get_args(Edit):
            problems.append(Problem(f"{show(self.edit)} cannot be edited", "--edit", "Give fe or fe+re."))
        if self.sd_ddof not in (0, 1):
            problems.append(Problem(f"{self.sd_ddof!r} is no divisor's difference", "--sd-ddof", "Give 0 or 1."))
        if self.draws < 0 or self.draws == 1:
            problems.append(Problem(f"{self.draws!r} is no number of draws", "--draws", "Give 2 or more, as in 100."))
        if self.seed < 0:
            problems.append(Problem(f"{self.seed!r} is no seed", "--seed", "Give 0 or more."))
        if self.batch_rows is not None and self.batch_rows < 1:
            problems.append(Problem(f"{self.batch_rows!r} is no number of rows", "--batch-rows", "Give 1 or more."))
        if self.sample_rows is not None and self.sample_rows < 2:
            problems.append(Problem(f"{self.sample_rows!r} rows are no sample", "--sample-rows", "Give e.g. 200000."))
        problems += jobs.workers_problems(self.workers, "workers")
        problems += _device_problems(self.device)
        problems += self._bound_problems()
        if self.margin is not None and self.selection not in (None, "margin"):
            found = f"belongs to --selection margin, not to {show(self.selection)}"
            problems.append(Problem(found, "--margin", "Leave one of the two out."))
        problems += self._objective_problems()
        if problems:
            raise UsageError(dict.fromkeys(problems))

    def _bound_problems(self) -> list[Problem]:
        """Return what is wrong with the two ways to give the bound: the impact ratio has a least ratio."""
        ratio = self.metric in RATIO_NAMES
        problems = []
        if self.min_ratio is not None and not 0 < self.min_ratio < 1:
            problems.append(Problem(f"{self.min_ratio!r} is no ratio", "--min-ratio", "Give one between 0 and 1: 0.8."))
        if ratio and self.eps is not None:
            problems.append(
                Problem("the impact ratio is bounded by its least value", "--eps", "Give --min-ratio 0.8 instead.")
            )
        if not ratio and self.min_ratio is not None:
            found = f"is for the metric impact-ratio (air), the metric is {show(self.settled_metric)}"
            problems.append(Problem(found, "--min-ratio", "Give --eps, or --metric impact-ratio."))
        if self.eps is None and self.min_ratio is None and self.verb != "audit":
            flag, example = ("--min-ratio", 0.8) if ratio else ("--eps", 0.05)
            problems.append(Problem("no bound was given", flag, f"A repair needs one, such as {flag} {example}."))
        return problems

    @property
    def settled_task(self) -> Task:
        """What the network predicts; before it is opened, what the flags let expect."""
        if self.task is not None:
            return self.task
        if self.metric is not None:
            found = [info.task for info in METRICS.values() if self.metric in (info.name, info.alias)]
            return found[0] if found else "classification"
        number = self.performance == "r2" or (self.performance is None and self.eps is not None and self.eps > 1)
        return "regression" if number else "classification"

    @property
    def settled_metric(self) -> str:
        """The metric that was asked for, else that of the task."""
        return self.metric or DEFAULTS[self.settled_task].metric

    @property
    def settled_min_performance(self) -> float:
        """The least performance that was asked for, else that of the task."""
        return DEFAULTS[self.settled_task].min_performance if self.min_performance is None else self.min_performance

    @property
    def bound(self) -> float | None:
        """The bound on \\|bias\\|: eps, of the impact ratio 1 less its least value; None where none is asked."""
        if self.metric in RATIO_NAMES:
            return None if self.min_ratio is None else 1 - self.min_ratio
        return self.eps

    @property
    def objective(self) -> Objective:
        """What is measured, in the favourable direction that the flags tell; the contract may tell another.

        Every attribute has the same bound. An audit has no margin, and perhaps no bound.
        """
        return self._objective(tuple(map(self._constraint, self.attributes)))

    def _constraint(self, attribute: str) -> Constraint:
        return Constraint(cast(Metric, self.settled_metric), attribute, 1.0 if self.bound is None else self.bound)

    def _objective(self, constraints: tuple[Constraint, ...]) -> Objective:
        return Objective(
            constraints,
            performance=cast(Performance, self.performance or DEFAULTS[self.settled_task].performance),
            margin=0.0 if self.verb == "audit" else self.margin if self.margin is not None else self._default_margin,
            min_performance=self.settled_min_performance,
            selection=cast(Selection, self.selection or (DEFAULT_SELECTION if self.margin is None else "margin")),
            confidence=self.confidence,
        )

    @property
    def _default_margin(self) -> float:
        """A number has no natural scale: its margin is a share of the bound. Until the task is known, the smaller."""
        share = DEFAULT_MARGIN_SHARE * (self.bound if self.bound is not None and self.bound > 0 else 1.0)
        if self.task is None and self.metric is None:
            return min(share, DEFAULT_MARGIN)
        return share if self.settled_task == "regression" else DEFAULT_MARGIN

    def _objective_problems(self) -> list[Problem]:
        """Return what is wrong with the constraints, and with the rest of the objective where they are wrong too."""
        if self.task is not None and self.metric is not None and (unfit := unfit_metrics([self.metric], self.task)):
            return unfit
        problems: list[Problem] = []
        constraints = []
        for name in self.attributes:
            try:
                constraints.append(self._constraint(name))
            except UsageError as error:
                ratio = self.metric in RATIO_NAMES  # its bound is told as --min-ratio
                problems += [problem for problem in error.problems if not (ratio and problem.where == "--eps")]
        plain = (Constraint(DEFAULTS[self.settled_task].metric, "a", 1.0),)
        whole = tuple(constraints) if not problems and constraints else plain
        try:
            self._objective(whole)
        except UsageError as error:
            problems += error.problems
        return problems

    @property
    def columns(self) -> Columns:
        """What is said about the table's columns, alone."""
        return Columns(**{item.name: getattr(self, item.name) for item in fields(Columns)})

    def command(self, settings: Sequence[str] = ()) -> str | None:
        """Return the command that repeats the run; None where a table or the contract is no file."""
        files = (self.data, self.train, self.test, self.contract)
        if not all(file is None or isinstance(file, str | Path) for file in files):
            return None
        parts = ["debias", self.verb, operand(self.model)]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in {"verb", "model", "task"} and value is not None and value != item.default:
                parts += flag_parts(item.name, value)
        return shlex.join([*parts, *settings])


def _views(given: str | Sequence[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((given,) if isinstance(given, str) else given or ()))


def _device_problems(device: str) -> list[Problem]:
    import torch

    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        return [Problem(f"device {device!r} cannot be used: {reason}", "--device", "Use cpu.")]
    return []
