"""One trial of `tune`: a training that is watched epoch by epoch and may be ended early."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal

from debias.data.clustered import Clustered
from debias.data.tables import read_table
from debias.errors import UsageError, together
from debias.experiments.tune.space import Space
from debias.jobs import Progress
from debias.run.training import divided
from debias.run.training.request import Asked
from debias.training.fit import fit
from debias.training.rows import Rows, check_rows
from debias.training.tables import rows_of

State = Literal["complete", "pruned", "diverged"]
Report = Callable[["Reached"], bool]
"""Receives what a trial has reached after an epoch; returns whether it is to end."""
MEASURED = ("balanced_accuracy", "auroc", "mse", "dispersion")
DIVERGED = "training diverged"


@dataclass(frozen=True)
class Reached:
    """What a trial has reached so far, on the validation rows.

    Parameters
    ----------
    objective : float
        J of the best epoch; −inf before there is one.
    epoch, epochs : int
        The best epoch, from 1, and the epochs that were trained.
    figures : mapping of str to float
        What was measured in the best epoch: `MEASURED`, as far as the task has it.
    seconds : float
    state : {"complete", "pruned", "diverged"}
        How it ended.
    """

    objective: float = -math.inf
    epoch: int = 0
    epochs: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    state: State = "complete"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Bench:
    """What is read once for all trials of a process: the rows that learn, and those that judge.

    Parameters
    ----------
    asked : Asked
        As `debias train` is asked.
    space : Space
    table : Clustered
        Names of columns, clusters and groups.
    train, valid : Rows
        The same rows as `debias train` would take.
    """

    asked: Asked
    space: Space
    table: Clustered
    train: Rows
    valid: Rows

    @classmethod
    def open(cls, asked: Asked, space: Space) -> Bench:
        """Read and divide the tables.

        Raises
        ------
        DebiasError
            With everything that is wrong with them.
        """
        sources = {"data": asked.data} | ({} if asked.valid is None else {"valid": asked.valid})
        read = together(*(partial(read_table, source, role) for role, source in sources.items()))
        rows = asked.table(read[0])
        judges = rows.read_more(read[1]) if len(read) > 1 else rows
        train, valid = divided(asked, rows, judges)
        contract = rows.contract(train, cluster_input=asked.network.reads_clusters)
        for_training = rows_of(rows, contract, train)
        for_judging = rows_of(judges, contract, valid, for_training.swaps)
        check_rows(asked.network, for_training, for_judging, asked.task)
        return cls(asked, space, rows, for_training, for_judging)

    def identity(self) -> dict[str, Any]:
        """Return what makes one search differ from another."""
        return {
            "kind": self.asked.kind,
            "task": self.asked.task,
            "seed": self.asked.seed,
            "settings": self.space.base.as_dict(),
            "ranges": {item.name: item.told() for item in self.space.ranges},
            "training rows": self.train.digest(),
            "validation rows": self.valid.digest(),
        }


class _End(Exception):
    """Ends a training from within."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state: State = state


def run_trial(bench: Bench, parameters: Mapping[str, Any], report: Report, progress: Progress) -> Reached:
    """Train with the settings of a trial and return what it reached.

    Parameters
    ----------
    bench : Bench
    parameters : mapping of str to object
        Of the search.
    report : callable
        Receives what is reached after each epoch; where it returns True the trial is pruned.
    progress : callable

    Raises
    ------
    DebiasError
        Rows or settings that cannot be trained with at all.
    """
    start = time.perf_counter()
    settings = bench.space.settings(parameters)
    watch = _Watch(settings.epochs, report)
    try:
        fit(
            bench.asked.network,
            bench.train,
            bench.valid,
            settings,
            task=bench.asked.task,
            seed=bench.asked.seed,
            progress=progress,
            on_epoch=watch,
        )
        state: State = "diverged" if watch.diverged else "complete"
    except _End as end:
        state = end.state
    except UsageError as error:
        # in its first epoch, where training has nothing to return
        if not all(problem.found.startswith(DIVERGED) for problem in error.problems):
            raise
        state = "diverged"
    return watch.reached(state, time.perf_counter() - start)


class _Watch:
    """Follows a training and keeps the best epoch, by the rule of training itself."""

    def __init__(self, epochs: int, report: Report) -> None:
        self.epochs, self.report = epochs, report
        self.best: Mapping[str, Any] = {}
        self.done = 0
        self.diverged = False

    def __call__(self, epoch: Mapping[str, Any]) -> None:
        self.done = epoch["epoch"]
        if not math.isfinite(epoch.get("j", math.nan)):
            self.diverged = True
            raise _End("diverged")
        if not self.best.get("eligible") or (epoch["eligible"] and epoch["j"] > self.best["j"]):
            self.best = epoch
        if self.report(self.reached("complete", 0.0)) and self.done < self.epochs:
            raise _End("pruned")
        if self.done == self.epochs:
            raise _End("complete")  # the cluster predictor that comes last is no part of J

    def reached(self, state: State, seconds: float) -> Reached:
        """Return what the training has reached."""
        if not self.best:
            return Reached(epochs=self.done, seconds=seconds, state=state)
        figures = {name: float(self.best[name]) for name in MEASURED if name in self.best}
        return Reached(float(self.best["j"]), self.best["epoch"], self.done, figures, seconds, state)
