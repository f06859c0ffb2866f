"""Which of several candidates is taken, on the rows that chose each of them; and what lies on the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.objective import DEFAULTS, OperatingPoint
from debias.report.values.comparison import FrontPoint, Paired

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ground:
    """The selection rows, as the objective sees them.

    Parameters
    ----------
    positive : ndarray of bool, shape [N]
        True where the label is the positive one.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    performance : {"balanced-accuracy", "accuracy", "f1", "auroc", "r2"}
        The objective's measure; AUROC does not depend on decisions, and is compared by balanced accuracy.
    min_performance : float
        Least balanced accuracy, of a regression R², of a candidate.
    target : ndarray of float64, shape [N], optional
        Of a regression, what is to be predicted; its candidates' decisions are predictions.
    """

    positive: Mask
    weight: Floats | None = None
    performance: str = "balanced-accuracy"
    min_performance: float = 0.55
    target: Floats | None = None

    @property
    def quality(self) -> str:
        """What a least performance is asked of, in words."""
        return DEFAULTS["classification" if self.target is None else "regression"].quality

    def parts(self, decisions: npt.NDArray[Any]) -> Floats:
        """Return each row's part in the performance of decisions, shape [N].

        Balanced accuracy: w_i [right] / (2 Σ w of its label), which sum to it. Accuracy: w_i [right] / Σ w. F1: the
        linear part of its change with the weight of a row, w_i (2 [decided and labelled positive] − F1 ([decided so] +
        [labelled so])) / (Σ w of those decided so + Σ w of those labelled so), which sum to 0. R²: w_i / Σ w −
        w_i (y_i − ŷ_i)² / Σ w (y − ȳ)², which sum to it.
        """
        w = np.ones(len(self.positive)) if self.weight is None else self.weight
        if self.target is not None:
            whole = float(w @ (self.target - np.average(self.target, weights=w)) ** 2)
            explained: Floats = w / w.sum() - w * (self.target - decisions) ** 2 / whole
            return explained
        right = decisions == self.positive
        if self.performance == "accuracy":
            accurate: Floats = w * right / w.sum()
            return accurate
        if self.performance == "f1":
            whole = w[decisions].sum() + w[self.positive].sum()
            both = decisions & self.positive
            f1 = 2 * w[both].sum() / whole
            linear: Floats = w * (2.0 * both - f1 * (decisions.astype(float) + self.positive)) / whole
            return linear
        sizes = np.where(self.positive, w[self.positive].sum(), w[~self.positive].sum())
        balanced: Floats = w * right / (2 * sizes)
        return balanced

    @property
    def strata(self) -> list[Mask]:
        """Rows whose numbers the measure divides by: the two labels for balanced accuracy, else all rows."""
        if self.performance in ("accuracy", "f1", "r2"):
            return [np.ones(len(self.positive), bool)]
        return [self.positive, ~self.positive]


@dataclass(frozen=True, eq=False)
class Entry:
    """A candidate in the running.

    Parameters
    ----------
    name : str
        Its method.
    point : OperatingPoint
        Its figures on the selection rows.
    decisions : ndarray of bool, shape [N]
        Its decisions on the selection rows, True where positive; of a regression float64, its predictions.
    uses_attribute : bool
        The repair uses the protected attribute at prediction, beyond what the network itself reads.
    """

    name: str
    point: OperatingPoint
    decisions: npt.NDArray[Any]
    uses_attribute: bool


@dataclass(frozen=True)
class Choice:
    """The candidate that is taken, by its index, and why in a sentence or two."""

    index: int
    reason: str


def paired(first: Entry, second: Entry, ground: Ground) -> Paired:
    """Return how much larger the merit of `first` is, with the standard error of that difference.

    Both decide the same rows, so the error is that of the difference row by row. With p_i a row's part in the
    performance (`Ground.parts`) and f the candidate's merit divided by its performance (1 where the selection
    maximises the performance itself), d_i = f₁ p₁ᵢ − f₂ p₂ᵢ, and

        SE² = Σ_s n_s / (n_s − 1) Σ_{i in s} (d_i − d̄_s)²

    over the strata s. For balanced accuracy without weights that is ¼ Σ_label Var(right₁ − right₂ | label) / n_label.
    """
    difference = _scale(first) * ground.parts(first.decisions) - _scale(second) * ground.parts(second.decisions)
    variance = 0.0
    for rows in ground.strata:
        within = difference[rows]
        if len(within) > 1:
            variance += len(within) * float(within.var(ddof=1))
    return Paired(difference=first.point.merit - second.point.merit, standard_error=sqrt(variance))


def _scale(entry: Entry) -> float:
    return entry.point.merit / entry.point.performance if entry.point.performance > 0 else 0.0


def choose(entries: Sequence[Entry], ground: Ground) -> Choice:
    """Return the candidate to take; of equal ones the first.

    Among those that met the bound on the selection rows the largest merit counts. One that needs the protected
    attribute at prediction is taken only where no other met the bound, or where it is more than one paired standard
    error better than the best of the others. Where none met the bound, the closest is taken, of those that do not
    need the attribute if there are such.
    """
    feasible = [index for index, entry in enumerate(entries) if entry.point.feasible]
    if not feasible:
        return _closest(entries, ground)
    aware = _best(entries, [index for index in feasible if entries[index].uses_attribute])
    blind = _best(entries, [index for index in feasible if not entries[index].uses_attribute])
    if blind is None:
        assert aware is not None
        return Choice(
            aware,
            f"{_merit(entries[aware])}. None that does without the attribute met the bound there as the selection asks "
            "for it.",
        )
    if aware is None:
        return Choice(blind, f"{_merit(entries[blind])}.")
    taken = f"{_merit(entries[blind])} of those that do without the protected attribute at prediction."
    lead = paired(entries[aware], entries[blind], ground)
    if lead.difference <= 0:
        return Choice(blind, taken)
    apart = f"by {lead.difference:.4f}, with a paired standard error of {lead.standard_error:.4f}"
    if lead.difference > lead.standard_error:
        return Choice(
            aware,
            f"{_merit(entries[aware])}. It needs the protected attribute at prediction, and is better than "
            f"{entries[blind].name}, the best that does not, {apart}.",
        )
    return Choice(
        blind,
        f"{taken} {entries[aware].name} is better {apart}: not enough for a model that needs the attribute.",
    )


def _best(entries: Sequence[Entry], among: Sequence[int]) -> int | None:
    return max(among, key=lambda index: entries[index].point.merit, default=None)


def _closest(entries: Sequence[Entry], ground: Ground) -> Choice:
    def distance(index: int) -> tuple[bool, bool, float]:
        entry = entries[index]
        return (
            entry.point.quality < ground.min_performance,
            entry.uses_attribute,
            abs(entry.point.bias),
        )

    index = min(range(len(entries)), key=distance)
    point = entries[index].point
    return Choice(
        index,
        f"No candidate met the bound on the selection rows as the selection asks for it; {entries[index].name} comes "
        f"closest, with |bias| {abs(point.bias):.4f} and {ground.quality} {point.quality:.4f} there.",
    )


def _merit(entry: Entry) -> str:
    point = entry.point
    expected = "" if abs(point.merit - point.objective) < 1e-12 else f" ({point.merit:.4f} expected)"
    return f"{entry.name} has the largest objective on the selection rows, {point.objective:.4f}{expected}"


def front(points: Iterable[FrontPoint]) -> list[FrontPoint]:
    """Return the points that no other of the same method beats, by |bias|; `overall` says that no other does at all.

    One point beats another if its balanced accuracy (R²) is not smaller, its |bias| is not larger, and one of them
    differs. Of equal points of a method the first is kept.
    """
    by_method: dict[str, list[FrontPoint]] = {}
    for point in points:
        by_method.setdefault(point.method, []).append(point)
    kept = [point for group in by_method.values() for point in _unbeaten(group)]
    best = {id(point) for point in _unbeaten(kept, ties=True)}
    marked = [point.model_copy(update={"overall": id(point) in best}) for point in kept]
    return sorted(marked, key=lambda point: (abs(point.bias), point.quality))


def _unbeaten(points: Sequence[FrontPoint], ties: bool = False) -> list[FrontPoint]:
    """Return the points that none of the others beats, by |bias|; equal ones once unless `ties`."""
    ordered = sorted(points, key=lambda point: (abs(point.bias), -point.quality))
    found: list[FrontPoint] = []
    for point in ordered:
        last = found[-1] if found else None
        if last is None or point.quality > last.quality or (ties and _equal(point, last)):
            found.append(point)
    return found


def _equal(first: FrontPoint, second: FrontPoint) -> bool:
    return abs(first.bias) == abs(second.bias) and first.quality == second.quality
