"""Differentiable proxies of the metrics (parity-proxies paper, eq. 1 and 2), and their like for predicted numbers.

All are differences of two group means of f(x), with f the probability, the predicted number or its squared error: a
weight per row says all about the groups, and the weights are the gradient with respect to f.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from debias.errors import DataError, Problem
from debias.fairness.counts import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["probability", "value", "squared-error"]
"""What the group means are of: σ(score), the score itself, or its squared distance from the truth."""


def proxy_weights(members: IntArray, pair: tuple[int, int], weight: FloatArray | None = None) -> FloatArray:
    """Return c with proxy = Σ c_i f(x_i): mean score of one group minus that of another.

    Parameters
    ----------
    members : ndarray of int64, shape [N]
        Group of each row that counts: all rows for the means of eq. 1, rows with y = 1 for those of eq. 2;
        −1 elsewhere.
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
        If a group has no rows that count.
    """
    takes_part = np.ones(len(members)) if weight is None else weight
    result = np.zeros(len(members))
    problems = []
    for group, sign in zip(pair, (1.0, -1.0), strict=True):
        member = np.where(members == group, takes_part, 0.0)
        mass = member.sum()
        if mass > 0:
            result += sign * member / mass
        else:
            problems.append(Problem(f"group {group} has no rows that count, so the proxy is undefined"))
    if problems:
        raise DataError(problems)
    return result


def proxy_slope(logits: Tensor, weights: Tensor) -> Tensor:
    """Return the gradient of the proxy Σ c_i σ(l_i) with respect to each logit l_i: c_i σ (1 − σ), shape [N]."""
    probability = logits.sigmoid()
    return weights.to(logits) * probability * (1 - probability)


@dataclass(frozen=True, eq=False)
class Proxy:
    """The proxy Σ c_i f(s_i) of a difference on some rows, s_i the score of a row: a logit or a predicted number.

    Parameters
    ----------
    weights : Tensor, shape [N]
        c of each row.
    form : {"probability", "value", "squared-error"}
        f.
    truth : Tensor, shape [N], optional
        What was to be predicted; of squared errors.
    """

    weights: Tensor
    form: Form = "probability"
    truth: Tensor | None = None

    def slope(self, scores: Tensor) -> Tensor:
        """Return the gradient with respect to each score, shape [N]."""
        if self.form == "probability":
            return proxy_slope(scores, self.weights)
        weights = self.weights.to(scores)
        if self.form == "value":
            return weights
        assert self.truth is not None
        return 2 * weights * (scores - self.truth.to(scores))


def proxy(scores: Tensor, weights: Tensor) -> Tensor:
    """Return the proxy Σ c_i f(x_i) of scores f(x_i) and weights c_i, both of shape [N]; a scalar."""
    return scores.reshape(-1) @ weights
