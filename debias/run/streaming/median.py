"""The median of binned scores, as near as the bins allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from debias.fairness.counts import FloatArray
from debias.fairness.histogram import Histogram
from debias.fairness.thresholds import Scores
from debias.model.head import Head

_ROUNDING = 1e-14  # as in `debias.fairness.impact`


@dataclass(frozen=True)
class Median:
    """Where half of the rows lie on either side.

    Parameters
    ----------
    probability : float
        The median as a probability, or near it.
    above, below : float or None
        The scores above the first lie above the median, those up to the second below it; None where there are none.
    low, high : float
        Between which probabilities it lies.
    uncertain : float
        The share of the rows that may lie on either side.
    """

    probability: float
    above: float
    below: float | None
    low: float
    high: float
    uncertain: float


def find_median(scores: Histogram, head: Head) -> Median | None:
    """Return the median of binned scores."""
    mass = scores.rows[0].sum(axis=(1, 2)).astype(np.float64)
    if scores.weights is not None:
        mass = scores.weights[0].over(1).over(1).values
    bins = np.flatnonzero(mass > 0)
    if not len(bins):
        return None
    sums = np.cumsum(mass[bins])
    half = sums[-1] / 2
    at = int(np.searchsorted(sums, half * (1 - _ROUNDING)))
    place = int(bins[at])

    def told(score: float) -> float:
        return float(_probability(np.array([score], scores.high.dtype), head)[0])

    if abs(sums[at] - half) <= _ROUNDING * half and at + 1 < len(bins):
        # Half of the weight ends with this bin: nothing lies between its highest score and the lowest of the next.
        edge = float(scores.high[place])
        middle = (told(edge) + told(float(scores.low[bins[at + 1]]))) / 2
        return Median(middle, edge, edge, middle, middle, 0.0)
    low, high = float(scores.low[place]), float(scores.high[place])
    before = float(scores.high[place - 1]) if place else None
    if low == high:
        return Median(told(low), high, before, told(low), told(low), 0.0)
    edge = high if before is None or 2 * sums[at] - mass[place] <= 2 * half else before
    return Median(told(edge), edge, edge, told(low), told(high), float(mass[place] / sums[-1]))


def _probability(scores: Scores, head: Head) -> FloatArray:
    """Return scores as probabilities, worked out in their own type as the network does."""
    if head.kind not in {"logit", "logits2"}:
        return scores.astype(np.float64)
    found: FloatArray = torch.from_numpy(scores).sigmoid().double().numpy()
    return found
