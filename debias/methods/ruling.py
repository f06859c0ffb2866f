"""Rules by group as candidates: what `roc` and `eqodds` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from debias.errors import DataError, Problem
from debias.fairness.counts import FloatArray
from debias.methods.base import Repair, Setting, Step
from debias.methods.search import Search
from debias.model.rule import Rule
from debias.objective.group_cuts import Compared, GroupCuts
from debias.words import count

if TYPE_CHECKING:
    from debias.model.network import Network
    from debias.objective import Objective, OperatingPoint

_BOUNDS = 16
_BALANCES = (0.25, 0.5, 0.75, 1.0)


class Rules:
    """The unchanged network, then rules of its scores; the best rule under the objective is kept.

    A rule is judged by the decisions that it really makes on the selection rows, draws included.

    Parameters
    ----------
    setting : Setting
        With one constraint.

    Raises
    ------
    DataError
        When selection rows lack the attribute: a rule by group cannot decide them.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        rows = setting.select
        self.scorer = setting.objective.deciding(rows)
        self.attribute = rows.attributes[setting.objective.constraints[0].attribute]
        self.codes = self.attribute.codes
        if without := int((self.codes < 0).sum()):
            found = f"{count(without, 'row')} without {self.attribute.name!r}, which a rule by group cannot decide"
            raise DataError(Problem(found, rows.name, "Use --missing-attr drop or --missing-attr group."))
        self.logits = setting.network.logits(rows)
        self.features = rows.inputs["features"]
        search = Search(self.scorer)
        search.add(self.logits, dict)
        self.trajectory: list[Step] = list(search.trajectory)
        self.rules: list[tuple[Rule, OperatingPoint]] = []

    @property
    def n_groups(self) -> int:
        """Number of groups K."""
        return len(self.attribute.groups)

    def rule(self, cuts: FloatArray, below: FloatArray | None = None, above: FloatArray | None = None) -> Rule:
        """Return a rule of the attribute's groups; without probabilities, of plain thresholds."""
        below = np.zeros(self.n_groups) if below is None else below
        above = np.ones(self.n_groups) if above is None else above
        return Rule(self.attribute.name, self.attribute.groups, cuts, below, above, self.setting.seed)

    def add(self, rule: Rule, detail: Mapping[str, Any]) -> None:
        """Judge a rule on the selection rows."""
        draws = rule.draws(self.features) if rule.randomised else np.full(len(self.codes), 0.5)
        decided = rule.decide(self.logits, self.codes, draws)
        # What the written file returns ranks the rows: the distance from the group's cut, or the decision.
        scores = self.logits - rule.cuts[self.codes] if rule.plain else None
        point = self.scorer.judge(decided, scores=scores)
        step = Step(len(self.trajectory), point.bias, point.quality, point.objective, float("nan"), dict(detail))
        self.trajectory.append(step)
        self.rules.append((rule, point))

    def search(self, compared: Sequence[Compared], bounds: Sequence[float], lower: int | None = None) -> None:
        """Add the best plain thresholds for each of several bounds on the rates compared; see `GroupCuts`."""
        cutting = GroupCuts(self.scorer, self.logits, self.codes, self.n_groups, compared)
        objective = self.setting.objective
        for bound in bounds:
            for balance in (0.0, *_BALANCES) if objective.performance != "balanced-accuracy" else (0.0,):
                cuts = cutting.best([bound] * len(compared), lower, balance)
                if cuts is None:
                    break
                self.add(self.rule(cuts), {"bound": bound})
                # The least balanced accuracy is a bound of its own: weigh it in until it holds.
                if self.rules[-1][1].quality >= objective.min_performance:
                    break

    def repair(self, changes: Mapping[str, Any], notes: tuple[str, ...] = ()) -> Repair:
        """Return the best rule: feasible and of the largest merit, else the closest to the bound."""
        least = self.setting.objective.min_performance

        def order(index: int) -> tuple[bool, float, float]:
            point = self.rules[index][1]
            if point.feasible:
                return True, point.merit, point.quality
            bias = np.inf if np.isnan(point.bias) else abs(point.bias)
            return False, float(point.quality >= least), -bias

        chosen = max(range(len(self.rules)), key=order)
        rule, point = self.rules[chosen]
        return Repair({}, point, tuple(self.trajectory), chosen + 1, changes, True, notes, rule)


def bounds_of(objective: Objective) -> tuple[float, ...]:
    """Return the bounds for which a rule is searched.

    By the selection rule ``margin`` one bound holds the best candidate. Other rules weigh the bias against the
    performance: the best candidate for each of several bounds is offered to them.
    """
    if objective.selection == "margin":
        return (objective.bounds[0],)
    eps = objective.constraints[0].eps
    return tuple(float(eps * part / _BOUNDS) for part in range(1, _BOUNDS + 1))


def one_constraint(name: str, objective: Objective) -> list[Problem]:
    """Return why a rule of one attribute's groups is not for several constraints."""
    if len(objective.constraints) == 1:
        return []
    attributes = list(dict.fromkeys(item.attribute for item in objective.constraints))
    joint = "*".join(attributes)
    return [
        Problem(
            f"{name} decides by the groups of one attribute, {len(objective.constraints)} constraints are asked",
            "--attr",
            f"Use their intersections, --attr '{joint}'." if len(attributes) > 1 else "Give one constraint.",
        )
    ]


def one_input(network: Network) -> list[Problem]:
    """Return why a rule cannot be written round a network; nothing where it can."""
    from debias.model.wrapped import reasons

    return reasons(network)
