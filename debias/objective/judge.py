"""An objective bound to rows: what methods ask of it, whether the network decides or predicts a number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from debias.errors import DataError, Problem
from debias.fairness import proxies
from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.moments import Moments
from debias.fairness.proxies import Form
from debias.objective.comparison import Groups, Mask, Target
from debias.objective.selection import Judged, judge
from debias.objective.sweep import FloatScores, OperatingPoint, Sweep

if TYPE_CHECKING:
    from debias.objective.constrained import Objective


class Apart(Protocol):
    """What is compared between the groups of one attribute; of decisions a rate, of numbers a moment."""

    @property
    def constraint(self) -> int: ...
    @property
    def members(self) -> IntArray: ...
    @property
    def mass(self) -> FloatArray | None: ...
    @property
    def n_groups(self) -> int: ...
    @property
    def eps(self) -> float: ...
    @property
    def ratio(self) -> bool: ...
    @property
    def form(self) -> Form: ...
    @property
    def lacks(self) -> str: ...


class Judge(ABC):
    """An objective bound to rows.

    Made by `Objective.on`, which also checks the rows: a `Scorer` of decisions, or a `RegressionScorer`.

    Parameters
    ----------
    objective : Objective
        What is measured.
    attributes : sequence of Attribute
        The attribute of each constraint; rows with code −1 count for performance and for no group.
    size : int
        Number of rows N.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    judged : ndarray of bool, shape [N], optional
        Rows that count for performance; the others count for the bias alone. Default: all.
    """

    def __init__(
        self,
        objective: Objective,
        attributes: Sequence[Groups],
        size: int,
        weight: FloatArray | None = None,
        judged: Mask | None = None,
    ) -> None:
        self.objective = objective
        self.attributes = tuple(attributes)
        self.size = size
        self.weight = weight
        self.judged = judged

    @property
    @abstractmethod
    def comparisons(self) -> Sequence[Apart]:
        """What is compared, constraint by constraint."""

    @property
    def weights(self) -> FloatArray:
        """Weight of each row, shape [N]; ones without weights."""
        return np.ones(self.size) if self.weight is None else self.weight

    @property
    def flipped(self) -> bool:
        """True where the favourable decision is the negative one."""
        return False

    @property
    def truth(self) -> FloatArray | None:
        """What a regression is to predict, shape [N]; None of decisions."""
        return None

    def problems(self, where: str) -> list[Problem]:
        """Return every reason why a bias or the performance is undefined on these rows."""
        if not self._mass(self._whole) > 0:
            return [Problem("there are no rows" if not self.size else "all rows weigh nothing", where)]
        found = self._unmeasurable(where)
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

    @cached_property
    def _eps(self) -> FloatArray:
        return np.array([item.eps for item in self.comparisons])

    @cached_property
    def _constraint(self) -> IntArray:
        return np.array([item.constraint for item in self.comparisons], np.int64)

    @property
    def _whole(self) -> Mask:
        return np.ones(self.size, bool) if self.judged is None else self.judged

    def _mass(self, rows: Mask) -> float:
        return float(rows.sum() if self.weight is None else self.weight[rows].sum())

    @abstractmethod
    def _unmeasurable(self, where: str) -> list[Problem]:
        """Return why the performance is undefined."""

    @abstractmethod
    def _lacking(self, constraint: int, where: str) -> list[Problem]:
        """Return which groups lack rows that a constraint reads."""

    @abstractmethod
    def sweep(self, logits: FloatScores, resolution: float | None = None) -> Sweep:
        """Return the figures at every candidate cut, or the one point of a network whose output is not cut.

        Parameters
        ----------
        logits : ndarray of float32 or float64, shape [N]
            Scores of the rows on the logit scale; of a regression the predictions.
        resolution : float, optional
            A cut counts only where the gap round it exceeds ``resolution * max(1, |cut|)``.
            Default: `Objective.resolution`.

        Returns
        -------
        Sweep
            Without candidates when logits are constant.

        Raises
        ------
        ModelError
            If a score is NaN or infinite.
        """

    @abstractmethod
    def select(self, logits: FloatScores) -> OperatingPoint:
        """Return the best feasible point, else the closest one with ``feasible=False``."""

    @abstractmethod
    def counts(self, decided: npt.NDArray[Any], constraint: int = 0) -> Counts | Moments:
        """Return what is counted by the groups of a constraint.

        Parameters
        ----------
        decided : ndarray of bool, shape [N]
            Decisions in the model's frame; of a regression float64, the predictions.
        constraint : int
            Index into the objective's constraints.
        """

    @abstractmethod
    def targets(self, logits: FloatScores) -> tuple[Target, ...]:
        """Return the difference of every comparison; of decisions at the cut of best performance."""

    def target(self, logits: FloatScores) -> Target:
        """Return the difference that uses up most of its bound."""
        return max(self.targets(logits), key=lambda item: item.share)

    def proxy_weights(self, target: Target) -> FloatArray:
        """Return c with Σ c_i f(x_i) the proxy of the difference, f in the form of the comparison.

        Raises
        ------
        DataError
            If one of the two groups has no rows that count here.
        """
        item = self.comparisons[target.comparison]
        try:
            return proxies.proxy_weights(item.members, target.pair, item.mass)
        except DataError:
            name = self.objective.constraints[item.constraint].attribute
            raise DataError(f"a group of attribute {name!r} has no {item.lacks} among the rows") from None

    def _judge(self, performance: FloatArray, differences: FloatArray, errors: FloatArray | None) -> Judged:
        objective = self.objective
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
