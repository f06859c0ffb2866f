"""Which epoch is kept, and where a head is cut: measured on the validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from debias.fairness.dispersion import spread as over_groups

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
PLATEAU = 0.002


@dataclass(frozen=True)
class Curve:
    """Balanced accuracy at every cut between two distinct scores.

    Parameters
    ----------
    cuts : array of float, ascending
        Midway between neighbouring scores; a score above is positive.
    accuracy : array of float
        Balanced accuracy at each.
    auroc : float
        Area under the ROC curve; ties count half.
    """

    cuts: Floats
    accuracy: Floats
    auroc: float

    def centre(self) -> tuple[float, float]:
        """Return the cut at the centre of the plateau within 0.002 of the best accuracy, and its accuracy.

        The plateau reaches from the lowest to the highest such cut; the one nearest to its centre is returned, so
        that the accuracy there is within 0.002, too.
        """
        good = np.flatnonzero(self.accuracy >= self.accuracy.max() - PLATEAU)
        middle = (self.cuts[good[0]] + self.cuts[good[-1]]) / 2
        place = good[np.abs(self.cuts[good] - middle).argmin()]
        return float(self.cuts[place]), float(self.accuracy[place])


def curve(scores: Floats, y: Floats, weight: Floats | None = None) -> Curve:
    """Return balanced accuracy at every cut, and the area under the ROC curve, by one sort.

    Parameters
    ----------
    scores : array of float, shape [N]
        Finite scores.
    y : array of float, shape [N]
        Labels, 0 or 1; both occur.
    weight : array of float, optional
        Weights of the rows.
    """
    order = np.argsort(scores, kind="stable")
    ranked, w = scores[order], np.ones(len(y)) if weight is None else weight[order]
    ends = np.append(np.flatnonzero(np.diff(ranked) > 0), len(y) - 1)
    below_one = np.cumsum(w * y[order])[ends]
    below_zero = np.cumsum(w * (1 - y[order]))[ends]
    missed, kept = below_one / below_one[-1], below_zero / below_zero[-1]
    auroc = float(np.sum(np.diff(missed, prepend=0) * (kept + np.append(0, kept[:-1])) / 2))
    if len(ends) == 1:
        return Curve(ranked[:1], np.array([0.5]), auroc)
    levels = ranked[ends]
    return Curve((levels[:-1] + levels[1:]) / 2, (1 - missed[:-1] + kept[:-1]) / 2, auroc)


def spread(values: Floats, member: npt.NDArray[np.bool_], codes: Codes, weight: Floats | None) -> float | None:
    """Return the standard deviation (ddof 0) over groups of the mean of `values` among the members; None if undefined.

    A group without members is left out; with fewer than two groups there is nothing to compare.
    """
    chosen = member & (codes >= 0)
    w = np.ones(len(values)) if weight is None else weight
    totals = np.bincount(codes[chosen], w[chosen])
    sums = np.bincount(codes[chosen], (w * values)[chosen])
    defined = totals > 0
    found = float(over_groups(sums[defined] / totals[defined]))
    return None if np.isnan(found) else found


def dispersion(
    decided: npt.NDArray[np.bool_], y: Floats, attributes: Mapping[str, Codes], weight: Floats | None = None
) -> float:
    """Return the mean over attributes of the SD over groups of TPR plus that of FPR; an undefined SD counts 0."""
    if not attributes:
        return 0.0
    values = decided.astype(np.float64)
    parts = [spread(values, y == label, codes, weight) or 0.0 for codes in attributes.values() for label in (1.0, 0.0)]
    return sum(parts) / len(attributes)


def error_dispersion(prediction: Floats, y: Floats, attributes: Mapping[str, Codes], weight: Floats | None) -> float:
    """Return the mean over attributes of the SD over groups of the mean squared error."""
    if not attributes:
        return 0.0
    errors = (prediction - y) ** 2
    everyone = np.ones(len(y), dtype=bool)
    parts = [spread(errors, everyone, codes, weight) or 0.0 for codes in attributes.values()]
    return sum(parts) / len(attributes)
