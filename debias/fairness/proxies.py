"""Differentiable proxies of the parity metrics (parity-proxies paper, eq. 1 and 2).

Both are linear in the scores: a weight per row says all about them, and the weights are their gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from debias.errors import DataError, Problem
from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.metrics import Metric

if TYPE_CHECKING:
    from torch import Tensor


def proxy_weights(
    codes: IntArray, y: IntArray, metric: Metric, pair: tuple[int, int], weight: FloatArray | None = None
) -> FloatArray:
    """Return c with proxy = Σ c_i f(x_i): mean score of one group minus that of another.

    Parameters
    ----------
    codes : ndarray of int64, shape [N]
        Group of each row; −1 where it is missing.
    y : ndarray of int64, shape [N]
        1 where the label is the favourable one, else 0.
    metric : {"statistical-parity", "equal-opportunity"}
        Means over all rows (eq. 1) or over rows with y = 1 (eq. 2).
    pair : tuple of int
        The proxy is the mean of group ``pair[0]`` minus that of group ``pair[1]``.
    weight : ndarray of float64, shape [N], optional
        Weight of each row in the means.

    Returns
    -------
    ndarray of float64, shape [N]
        Sums to 1 over the first group, to −1 over the second, and is 0 elsewhere.

    Raises
    ------
    DataError
        If a group has no rows (for equal opportunity: no rows with y = 1).
    """
    takes_part = np.ones(len(codes)) if weight is None else weight
    if metric == "equal-opportunity":
        takes_part = takes_part * (y == 1)
    result = np.zeros(len(codes))
    problems = []
    for group, sign in zip(pair, (1.0, -1.0), strict=True):
        member = np.where(codes == group, takes_part, 0.0)
        mass = member.sum()
        if mass > 0:
            result += sign * member / mass
        else:
            what = "rows" if metric == "statistical-parity" else "rows with the favourable label"
            problems.append(Problem(f"group {group} has no {what}, so the proxy of {metric} is undefined"))
    if problems:
        raise DataError(problems)
    return result


def proxy_slope(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the gradient of the proxy Σ c_i σ(l_i) with respect to each logit l_i: c_i σ (1 − σ), shape [N]."""
    probability = logits.sigmoid()
    return weights.to(logits) * probability * (1 - probability)


def proxy(scores: Tensor, weights: Tensor) -> Tensor:
    """Return the proxy Σ c_i f(x_i) of scores f(x_i) and weights c_i, both of shape [N]; a scalar."""
    return scores.reshape(-1) @ weights
