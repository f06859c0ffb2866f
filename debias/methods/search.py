"""Candidates on the way, and the best of them under the objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from debias.errors import ModelError, Problem
from debias.methods.base import Repair, Step
from debias.objective import Judge, OperatingPoint, Sweep

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]
Logits = npt.NDArray[np.floating[Any]]


class Search:
    """Keeps the candidate that maximises the bias-constrained objective (parity-proxies paper, eq. 3).

    Each candidate stands in the trajectory with bias and quality at its cut of best performance (the
    paper's Figure 1), and with the objective at its best feasible cut. The first candidate is the unchanged network.
    Where no candidate is feasible, the closest is kept: the smallest \\|bias\\| with enough quality.

    Parameters
    ----------
    scorer : Judge
        The objective on the selection rows.
    """

    def __init__(self, scorer: Judge) -> None:
        self.scorer = scorer
        self.trajectory: list[Step] = []
        self.chosen = 0
        self.point: OperatingPoint | None = None
        self.state: State = {}

    def add(self, logits: Logits, state: Callable[[], State], detail: Mapping[str, Any] | None = None) -> Step:
        """Judge a candidate by its logits [N] on the selection rows.

        Parameters
        ----------
        logits : ndarray, shape [N]
            The candidate's scores.
        state : callable
            Returns the entries that differ from the unchanged network; called only when the candidate is kept.
        detail : mapping, optional
            What the trajectory shows beside the figures.
        """
        sweep: Sweep = self.scorer.sweep(logits)
        best = sweep.best()
        number = len(self.trajectory)
        if best is None:
            step = Step(number, 0.0, 0.5, 0.0, float(logits[0]), dict(detail or {}))
        else:
            # Only the winner's closest point matters, and only while nothing is feasible.
            feasible = sweep.best_feasible()
            point = feasible or (sweep.closest() if self.point is None or not self.point.feasible else None)
            step = Step(
                number,
                best.bias,
                best.quality,
                feasible.objective if feasible else 0.0,
                (feasible or best).cut,
                dict(detail or {}),
            )
            if point is not None and self._better(point):
                self.point, self.chosen, self.state = point, number, dict(state())
        self.trajectory.append(step)
        return step

    def _better(self, point: OperatingPoint) -> bool:
        if self.point is None or point.feasible != self.point.feasible:
            return self.point is None or point.feasible
        if point.feasible:
            return (point.merit, point.quality) > (self.point.merit, self.point.quality)
        minimum = self.scorer.objective.min_performance
        enough, kept = point.quality >= minimum, self.point.quality >= minimum
        return (enough, -abs(point.bias)) > (kept, -abs(self.point.bias))

    def repair(self, changes: Mapping[str, Any], notes: tuple[str, ...] = ()) -> Repair:
        """Return the candidate kept.

        Raises
        ------
        ModelError
            When every candidate gave all rows the same score.
        """
        if self.point is None:
            raise ModelError(
                Problem(
                    "the network gives every selection row the same score, so no threshold divides them",
                    "",
                    "Check the features' order and scaling (debias inspect, --features), or train the network again.",
                )
            )
        return Repair(self.state, self.point, tuple(self.trajectory), self.chosen, changes, notes=notes)
