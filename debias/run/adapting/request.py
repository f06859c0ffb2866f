"""What an adaptation is asked, and everything that is wrong with it before a file is read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from debias.contract import Contract
from debias.data.columns import Columns
from debias.errors import Problem, UsageError
from debias.fairness.metrics import Metric, Task, canonical_metric
from debias.objective import DEFAULTS, Constraint, Objective, unfit_metrics
from debias.run.commands import flag_parts, operand
from debias.run.training.request import FORMATS
from debias.training.export import Format

MOST = 50
"""Rows of a cluster that are used at most, where nothing else is asked."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an adaptation is asked; the fields have the names of the flags."""

    model: str | Path
    data: Any
    out: str | Path
    cluster: str | None = None
    only: str | Sequence[str] = ()
    most: int = MOST
    attr: str | Sequence[str] = ()
    label: str | None = None
    positive: str | float | None = None
    privileged: str | Sequence[str] | Mapping[str, str] | None = None
    bins: str | Sequence[str | float] | Mapping[str, str | int | Sequence[float]] | None = None
    missing_attr: Literal["error", "drop", "group"] = "error"
    metric: str | None = None
    contract: str | Path | Contract | None = None
    trust: bool = False
    seed: int = 0
    force: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "only", (self.only,) if isinstance(self.only, str) else tuple(self.only))
        problems = list(self.columns.problems()) if self.attributes else []
        if Path(self.out).suffix.lower() not in FORMATS:
            problems.append(Problem("unknown ending", f"--out {self.out}", "End the name in .pt or .pt2."))
        if self.most < 1:
            problems.append(Problem(f"{self.most!r} is no number of rows", "--most", "Give 1 or more."))
        if self.seed < 0:
            problems.append(Problem(f"{self.seed!r} is no seed", "--seed", "Give 0 or more."))
        if not self.attributes:
            given = {"--privileged": self.privileged, "--bins": self.bins, "--metric": self.metric}
            found = "is about a protected attribute, and none is named"
            problems += [
                Problem(found, flag, "Name it with --attr.") for flag, value in given.items() if value is not None
            ]
        if self.metric is not None:
            try:
                canonical_metric(self.metric)
            except UsageError as error:
                problems += error.problems
        if problems:
            raise UsageError(problems)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The protected attributes as they were named; there may be none."""
        return self.columns.attributes

    @property
    def columns(self) -> Columns:
        """What is said about the table's columns; unknown clusters are what is wanted."""
        told = {item.name: getattr(self, item.name) for item in fields(Columns) if hasattr(self, item.name)}
        return Columns(**told, unseen_z="zero")

    @property
    def form(self) -> Format:
        """Format of the file, by its ending."""
        return FORMATS[Path(self.out).suffix.lower()]

    def settled_metric(self, task: Task) -> Metric | None:
        """Return the bias that is measured; None without attributes.

        Raises
        ------
        UsageError
            It is not for this task.
        """
        if not self.attributes:
            return None
        if self.metric is not None and (unfit := unfit_metrics([self.metric], task)):
            raise UsageError(unfit)
        return DEFAULTS[task].metric if self.metric is None else canonical_metric(self.metric)

    def objective(self, task: Task, favorable: Literal["positive", "negative"]) -> Objective | None:
        """Return what measures the biases; None without attributes."""
        metric = self.settled_metric(task)
        if metric is None:
            return None
        bounds = tuple(Constraint(metric, name, 1.0) for name in self.attributes)
        told = DEFAULTS[task]
        return Objective(
            bounds,
            performance=told.performance,
            margin=0.0,
            min_performance=told.min_performance,
            favorable=favorable,
        )

    def command(self) -> str | None:
        """Return the command that repeats the run; None where the table or the contract is no file."""
        if not all(file is None or isinstance(file, str | Path) for file in (self.data, self.contract)):
            return None
        parts, columns = ["debias", "adapt", operand(self.model)], self.columns
        for item in fields(self):
            value = getattr(columns if item.name in {"attr", "privileged", "bins"} else self, item.name)
            if item.name == "only":
                parts += [part for name in self.only for part in ("--only", name)]
            elif item.name != "model" and value is not None and value != item.default:
                parts += flag_parts(item.name, value)
        return shlex.join(parts)
