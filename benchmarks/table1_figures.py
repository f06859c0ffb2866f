"""What is said of one cell over the seeds: quartiles, shares, and what the test rows' own noise allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Summary:
    """One variant under one metric on one data set, over the seeds.

    Parameters
    ----------
    n : int
        Seeds.
    objective : tuple of float
        Median, lower and upper quartile of the constrained objective (eq. 3) on the test rows.
    balanced_accuracy, bias : tuple of float
        Mean and SD (n − 1) on the test rows.
    feasible : int
        Seeds whose bias lies within the bound.
    interval : tuple of float
        Exact 95 % interval of the share of feasible seeds (Clopper and Pearson).
    ceiling : float
        Mean over the seeds of the chance that \\|bias\\| < eps on the test rows when the true bias is 0.
    constant : int
        Seeds whose classifier gives all test rows one decision; one such seed and the cell does not count.
    seconds : float
        Median CPU seconds.
    """

    n: int
    objective: tuple[float, float, float]
    balanced_accuracy: tuple[float, float]
    bias: tuple[float, float]
    feasible: int
    interval: tuple[float, float]
    ceiling: float
    constant: int
    seconds: float

    @property
    def share(self) -> float:
        """Share of feasible seeds."""
        return self.feasible / self.n

    @property
    def within_noise(self) -> bool:
        """True when the share of feasible seeds does not lie below the ceiling by more than binomial error."""
        return self.ceiling <= self.interval[1]


def summary(lines: Sequence[dict[str, Any]]) -> Summary:
    """Return the summary of the lines of one cell, one line a seed."""
    values = np.array([line["objective"] for line in lines])
    feasible = int((values > 0).sum())
    lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75))
    return Summary(
        len(lines),
        (float(median), float(lower), float(upper)),
        _mean_sd([line["balanced_accuracy"] for line in lines]),
        _mean_sd([line["bias"] for line in lines]),
        feasible,
        interval(feasible, len(lines)),
        float(np.mean([ceiling(line["group_sizes"], line["group_rates"], line["eps"]) for line in lines])),
        sum(line["constant"] for line in lines),
        float(np.median([line["cpu_seconds"] for line in lines])),
    )


def interval(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest

    found = binomtest(hits, n).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)


def ceiling(sizes: Sequence[int], rates: Sequence[float], eps: float) -> float:
    """Return the chance that two groups of one true rate differ by less than eps.

    Parameters
    ----------
    sizes : sequence of int
        Rows n of the two groups that count in the rate.
    rates : sequence of float
        Their observed rates; the common true rate is their mean by rows.
    eps : float
        The bound.

    Returns
    -------
    float
        P(\\|X0 / n0 − X1 / n1\\| < eps), X binomial, summed exactly.
    """
    from scipy.stats import binom

    (first, second), p = sizes, float(np.average(rates, weights=sizes))
    x = np.arange(first + 1)
    centre = x / first
    # The largest and least number in the other group that lie strictly inside; 1e-9 for rounding at the edge.
    high = np.ceil(second * (centre + eps) - 1e-9) - 1
    low = np.floor(second * (centre - eps) + 1e-9) + 1
    inside = binom.cdf(high, second, p) - binom.cdf(low - 1, second, p)
    return float(binom.pmf(x, first, p) @ inside)


def _mean_sd(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
