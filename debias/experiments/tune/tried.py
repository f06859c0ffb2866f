"""What `tune` knows of its trials, whoever did them: which is the best, and which form the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias.errors import ModelError, Problem
from debias.experiments.tune.trial import Reached
from debias.report.values.tuning import TrialState
from debias.words import count

SLACK = 0.03
"""How far below the balanced accuracy of a reference the chosen trial may lie."""


@dataclass(frozen=True)
class Search:
    """How the trials are done.

    Parameters
    ----------
    trials : int
        In all, those of earlier runs among them.
    timeout : float, optional
        Seconds after which no further trial begins.
    workers : int
        Trials at a time.
    storage : Path
        Where the trials are kept: a file, of Ray Tune a folder.
    restart : bool
        Forget those that are there.
    ray : str, optional
        Where there is Ray, which then searches.
    """

    trials: int
    timeout: float | None
    workers: int
    storage: Path
    restart: bool
    ray: str | None


@dataclass(frozen=True)
class Tried:
    """A trial that has ended.

    Parameters
    ----------
    number : int
    state : {"complete", "pruned", "diverged", "failed"}
    parameters : mapping of str to object
    reached : Reached or None
        None where it failed.
    reasons : sequence of str
        How it failed.
    """

    number: int
    state: TrialState
    parameters: Mapping[str, Any]
    reached: Reached | None = None
    reasons: Sequence[str] = ()

    @property
    def best(self) -> Reached:
        """What it reached, of a trial that has an epoch to show."""
        assert self.reached is not None and self.reached.epoch
        return self.reached

    @property
    def measured(self) -> bool:
        """Whether it has an epoch to show."""
        return self.reached is not None and self.reached.epoch > 0


def choose(tried: Sequence[Tried], reference: float | None = None) -> Tried:
    """Return the complete trial with the highest J; of equals the first.

    Parameters
    ----------
    tried : sequence of Tried
    reference : float, optional
        Balanced accuracy of a network without fairness: trials more than 0.03 below are not chosen.

    Raises
    ------
    ModelError
        No trial came to its end, or none is near enough to the reference.
    """
    ended = [each for each in tried if each.state == "complete" and each.measured]
    if not ended:
        if not tried:
            raise ModelError(Problem("no trial came to its end in time", "--timeout", "Give more: the search goes on."))
        reasons = dict.fromkeys(reason for each in tried for reason in each.reasons)
        found = f"none of {count(len(tried), 'trial')} came to its end"
        raise ModelError([Problem(found, "tune"), *map(Problem, list(reasons)[:3])])
    if reference is not None:
        best = max(each.best.figures["balanced_accuracy"] for each in ended)
        ended = [each for each in ended if each.best.figures["balanced_accuracy"] >= reference - SLACK]
        if not ended:
            found = f"no trial has a balanced accuracy of {reference - SLACK:.4f} or more; the highest is {best:.4f}"
            raise ModelError(Problem(found, "--reference", "Give more --trials, or a lower reference."))
    return max(ended, key=lambda each: (each.best.objective, -each.number))


def pareto(tried: Sequence[Tried]) -> set[int]:
    """Return the numbers of the trials that no other beats: none is as good in both and better in one.

    Performance is balanced accuracy, of a regression MSE; the other is dispersion. Trials that are equal in both all
    stay.
    """
    points = []
    for each in tried:
        if each.measured:
            figures = each.best.figures
            loss = figures["mse"] if "mse" in figures else -figures["balanced_accuracy"]
            points.append((figures["dispersion"], loss, each.number))
    found = set()
    least, at = math.inf, math.inf
    for dispersion, loss, number in sorted(points):
        if loss < least or (loss == least and dispersion == at):
            found.add(number)
            least, at = loss, dispersion
    return found
