"""What is compared: one rate between the groups of one attribute, and a difference that a method drives to zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from debias.fairness import metrics
from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.metrics import Rate
from debias.fairness.proxies import Form

Mask = npt.NDArray[np.bool_]
LACKS: dict[Rate, str] = {"selection": "rows", "tpr": "favourable labels", "fpr": "unfavourable labels"}
"""What a group without a rate has none of."""


class Groups(Protocol):
    """What is read of an attribute; `debias.data.sample.Attribute` has it."""

    @property
    def codes(self) -> IntArray: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def privileged(self) -> int | None: ...


@dataclass(frozen=True, eq=False)
class Comparison:
    """One rate, compared between the groups of one attribute; equalized odds has two of them.

    Parameters
    ----------
    constraint : int
        Index into the objective's constraints.
    rate : {"selection", "tpr", "fpr"}
        Of the favourable decision.
    members : ndarray of int64, shape [N]
        Group of each row that counts in the rate; −1 elsewhere.
    mass : ndarray of float64, shape [N], or None
        How much each row counts, its weight among it; None where each of them counts 1.
    n_groups : int
        Number of groups K.
    privileged : int or None
        The privileged one of two groups.
    ratio : bool
        The rates are divided, not subtracted.
    eps : float
        The bound.
    sizes : ndarray of float64, shape [K]
        Weight of the rows of each group that count.
    effective : ndarray of float64, shape [K]
        Their effective number (Kish): (Σ w)² / Σ w².
    """

    constraint: int
    rate: Rate
    members: IntArray
    mass: FloatArray | None
    n_groups: int
    privileged: int | None
    ratio: bool
    eps: float
    sizes: FloatArray
    effective: FloatArray
    form: ClassVar[Form] = "probability"

    @property
    def lacks(self) -> str:
        """What a group without a rate has none of."""
        return LACKS[self.rate]

    def difference(self, rates: FloatArray) -> FloatArray:
        """Return the bias, shape [T], from the rate of each group, shape [K, T]."""
        return metrics.disparity(rates, self.privileged, self.ratio)

    def pair(self, rates: FloatArray) -> tuple[int, int]:
        """Return (unprivileged, privileged), or the (lowest, highest) of more than two groups, from rates [K]."""
        return metrics.pair_of(rates, self.privileged)

    def part(self, weight: FloatArray | None) -> FloatArray:
        """Return how far each row counts, beside its weight, shape [N]."""
        counted = self.members >= 0
        if self.mass is None or self.mass is weight:
            return counted.astype(np.float64)
        part = np.zeros(len(counted))
        whole = np.ones(len(counted)) if weight is None else weight
        np.divide(self.mass, whole, out=part, where=counted & (whole > 0))
        return part

    def rates(self, favorable: Mask) -> FloatArray:
        """Return the rate of each group, shape [K], of favourable decisions, shape [N]."""
        chosen = favorable & (self.members >= 0)
        weights = None if self.mass is None else self.mass[chosen]
        return np.bincount(self.members[chosen], weights, minlength=self.n_groups) / self.sizes

    def errors(self, rates: FloatArray) -> FloatArray:
        """Return the standard error of the bias, shape [T], from the rates [K, T]."""
        from debias.fairness.noise import difference_error, ratio_error

        if self.n_groups == 2:
            first, second = rates
            n_first, n_second = self.effective
        else:
            low, high = rates.argmin(axis=0)[None], rates.argmax(axis=0)[None]
            first, second = np.take_along_axis(rates, low, 0)[0], np.take_along_axis(rates, high, 0)[0]
            n_first, n_second = self.effective[low[0]], self.effective[high[0]]
        return (ratio_error if self.ratio else difference_error)(first, n_first, second, n_second)


@dataclass(frozen=True)
class Target:
    """A difference between two groups that a method drives to zero.

    Parameters
    ----------
    comparison : int
        Index into `Judge.comparisons`.
    pair : tuple of int
        (unprivileged, privileged), or (lowest, highest) of more than two groups.
    bias : float
        Where it stands: what is compared of the first group of the pair minus that of the second.
    share : float
        How much of its bound the bias uses up.
    """

    comparison: int
    pair: tuple[int, int]
    bias: float
    share: float = field(default=0.0, compare=False)

    @property
    def sign(self) -> int:
        """sgn(μ): +1 to drive the bias down, −1 up (parity-proxies paper, Algorithms 1 and 2)."""
        return 1 if self.bias > 0 else -1
