"""Equalized odds by post-processing (Hardt, Price, Srebro 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from debias.errors import DataError, ModelError, Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from debias.methods.ruling import Rules
    from debias.model.network import Network
    from debias.objective import Objective

    FloatArray = npt.NDArray[np.float64]
    Mask = npt.NDArray[np.bool_]

# A probability of the linear program that is nearer to 0 or 1 than this is one of them.
_SNAP = 1e-9


@dataclass(frozen=True)
class EqOdds(Method):
    """Equalize true and false positive rates by a threshold, or by chance, for each group.

    Hardt, Price and Srebro (2016). By default a cut of the score for each group (their section 4, without the mixing
    of two cuts): the best performance with the differences of both rates below the bound on the selection rows, found
    exactly for two groups. With ``--randomised`` their linear program (section 3.2) over decisions at one common cut:
    a positive decision is kept with one probability, a negative one overturned with another, for each group, so that
    all groups have one TPR and one FPR at the least loss. The draw of a person is a hash of the features: the same
    person gets the same decision wherever the file runs.

    The rates are equalized whatever ``--metric`` asks; the candidate is judged by the objective all the same. The
    written model needs the attribute: ``forward(x, group)``.

    Parameters
    ----------
    randomised : bool
        The linear program with probabilities in place of thresholds by group.
    tolerance : float, optional
        Largest difference of TPR, and of FPR, on the selection rows. Default: the bound less the margin for
        thresholds, 0 for the linear program, where the expected rates count.
    base : {"best", "deployed"}
        Where the linear program's decisions are cut: at the best performance, or at the deployed threshold as the
        published code does.

    Raises
    ------
    UsageError
        If the tolerance is out of range.
    """

    randomised: Annotated[
        bool, Flag("Probabilities by group from a linear program, in place of thresholds by group.")
    ] = False
    tolerance: Annotated[
        float | None,
        Flag(
            "Largest difference of TPR and of FPR on the selection rows; without it the bound less the margin, with "
            "--randomised 0.",
            metavar="EPS",
        ),
    ] = None
    base: Annotated[
        Literal["best", "deployed"],
        Flag("With --randomised: decisions at the threshold of best performance, or at the deployed one."),
    ] = "best"

    name: ClassVar[str] = "eqodds"
    folds: ClassVar[bool] = False
    decides: ClassVar[str] = "it has no true and false positive rates to equalize"

    def __post_init__(self) -> None:
        problems = []
        if self.tolerance is not None and not 0 <= self.tolerance <= 1:
            problems.append(Problem(f"{self.tolerance!r} is out of range", "--tolerance", "Give 0 to 1."))
        if self.base not in ("best", "deployed"):
            problems.append(Problem(f"unknown value {self.base!r}", "--base", "Give best or deployed."))
        if problems:
            raise UsageError(problems)

    def repair(self, setting: Setting) -> Repair:
        """Return the best rule."""
        from debias.methods.ruling import Rules, bounds_of
        from debias.objective.group_cuts import Compared

        if problems := self.unsuited(setting.objective):
            raise UsageError(problems)
        rules = Rules(setting)
        _check(rules)
        if self.randomised:
            return self._mixed(rules)
        positive = rules.scorer.y == 1
        bounds = bounds_of(setting.objective) if self.tolerance is None else (self.tolerance,)
        rules.search([Compared(positive), Compared(~positive)], bounds)
        return rules.repair({"form": "thresholds"})

    def _mixed(self, rules: Rules) -> Repair:
        import numpy as np

        cut = self._cut(rules)
        decided = rules.logits > cut
        positive = rules.scorer.y == 1
        positives, negatives = _totals(rules, positive), _totals(rules, ~positive)
        tpr, fpr = _totals(rules, positive & decided) / positives, _totals(rules, ~positive & decided) / negatives
        below, above = mixing(tpr, fpr, *_worth(rules, positives, negatives), self.tolerance or 0.0)
        rules.add(rules.rule(np.full(rules.n_groups, cut), below, above), {"cut": cut})
        expected = {
            "tpr": [float(v) for v in above * tpr + below * (1 - tpr)],
            "fpr": [float(v) for v in above * fpr + below * (1 - fpr)],
        }
        note = "Draws are by chance: the rates of these rows differ from the expected ones, which are equal."
        notes = (note,) if rules.rules[0][0].randomised else ()
        return rules.repair({"form": "randomised", "expected": expected}, notes)

    def _cut(self, rules: Rules) -> float:
        from debias.model.head import logit

        if self.base == "deployed":
            return logit(rules.setting.objective.deployed)
        best = rules.scorer.sweep(rules.logits).best()
        if best is None:
            remedy = "Check the features' order and scaling (debias inspect, --features), or train the network again."
            raise ModelError(Problem("the network gives every selection row the same score", "", remedy))
        return best.cut

    def summary(self, repair: Repair, network: Network) -> str:
        """Return what was changed."""
        del network
        assert repair.rule is not None
        number = len(repair.rule.groups)
        if repair.changes["form"] == "randomised":
            return f"No weight was changed; decisions of each of the {number} groups are overturned by chance."
        return f"No weight was changed; each of the {number} groups has its own threshold."

    def reasons(self, network: Network) -> list[Problem]:
        """Return why a rule cannot be written round a network."""
        from debias.methods.ruling import one_input

        return one_input(network)

    def unsuited(self, objective: Objective) -> list[Problem]:
        """Return why a rule of one attribute's groups is not for an objective."""
        from debias.methods.ruling import one_constraint

        return [*super().unsuited(objective), *one_constraint(self.name, objective)]


def mixing(
    tpr: FloatArray, fpr: FloatArray, up: FloatArray, down: FloatArray, tolerance: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Return P(positive) behind a negative and behind a positive base decision, shapes [K]: Hardt et al., eq. 3.2.

    Parameters
    ----------
    tpr, fpr : ndarray of float64, shape [K]
        Rates of the base decisions in each group.
    up, down : ndarray of float64, shape [K]
        What each group's TPR adds to the performance, and what its FPR takes from it.
    tolerance : float
        Largest difference of either rate between two groups.

    Raises
    ------
    ModelError
        If the solver finds nothing.
    """
    import numpy as np
    from scipy.optimize import linprog

    k = len(tpr)
    # Unknowns: above [K], below [K], and the least TPR and FPR of all groups.
    true = np.hstack([np.diag(tpr), np.diag(1 - tpr)])
    false = np.hstack([np.diag(fpr), np.diag(1 - fpr)])
    blocks, limits = [], []
    for place, rates in enumerate((true, false)):
        least = np.zeros((k, 2))
        least[:, place] = 1.0
        blocks += [np.hstack([rates, -least]), np.hstack([-rates, least])]
        limits += [np.full(k, tolerance), np.zeros(k)]
    loss = np.concatenate([down @ false - up @ true, [0.0, 0.0]])
    found = linprog(loss, np.vstack(blocks), np.concatenate(limits), bounds=(0.0, 1.0), method="highs")
    if found.x is None:
        raise ModelError(Problem(f"the linear program has no solution: {found.message}"))
    chances = np.clip(found.x[: 2 * k], 0.0, 1.0)
    chances = np.where(chances < _SNAP, 0.0, np.where(chances > 1 - _SNAP, 1.0, chances))
    return chances[k:], chances[:k]


def _totals(rules: Rules, rows: Mask) -> FloatArray:
    """Return the weight of each group's rows among `rows`, shape [K]."""
    import numpy as np

    return np.bincount(rules.codes[rows], rules.scorer.weights[rows], rules.n_groups).astype(np.float64)


def _worth(rules: Rules, positives: FloatArray, negatives: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what each group's TPR adds to the performance and its FPR takes; F1 and AUROC as balanced accuracy."""
    if rules.setting.objective.performance == "accuracy":
        whole = positives.sum() + negatives.sum()
        return positives / whole, negatives / whole
    return 0.5 * positives / positives.sum(), 0.5 * negatives / negatives.sum()


def _check(rules: Rules) -> None:
    """Refuse rows on which a rate of a group is undefined."""
    positive = rules.scorer.y == 1
    problems = [
        Problem(
            f"group {name!r} of attribute {rules.attribute.name!r} has no {kind} labels, so its rates are undefined",
            rules.setting.select.name,
            "Add such rows, or leave the group out of the table.",
        )
        for kind, rows in (("positive", positive), ("negative", ~positive))
        for name, total in zip(rules.attribute.groups, _totals(rules, rows), strict=True)
        if not total > 0
    ]
    if problems:
        raise DataError(problems)
