"""How candidates are judged on the selection rows, so that the bound also holds on other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import FloatArray
from debias.fairness.noise import chance_within, quantile

Selection = Literal["chance", "margin", "expected", "confident"]

SHARE = 0.99
"""Of the chance that an unbiased candidate would have; `chance` asks for it (benchmarks/README.md)."""


@dataclass(frozen=True)
class Judged:
    """What a selection rule says of T candidates: which are feasible, and what it maximises among them."""

    feasible: npt.NDArray[np.bool_]
    merit: FloatArray


def judge(
    rule: Selection,
    performance: FloatArray,
    differences: FloatArray,
    errors: FloatArray | None,
    eps: FloatArray,
    *,
    margin: float = 0.0,
    verdict_ratio: float = 1.0,
    confidence: float | None = None,
) -> Judged:
    """Judge candidates by a rule.

    Parameters
    ----------
    rule : {"chance", "margin", "expected", "confident"}
        ``chance``: P(\\|bias + noise\\| < eps) is at least `SHARE` of P(\\|noise\\| < eps), then the best performance.
        The noise is normal, with the variance of the estimate on the selection rows plus that on the verdict rows:
        few rows ask for a smaller bias, but never for more than an unbiased candidate could give.
        ``margin``: \\|bias\\| < eps − margin, then the best performance (parity-proxies paper, eq. 3).
        ``expected``: the expected value of eq. 3 on the verdict rows, performance · P(\\|bias + noise\\| < eps).
        ``confident``: both one-sided bounds on the bias lie inside (−eps, eps) on the selection rows.
    performance : ndarray of float64, shape [T]
        Performance of each candidate.
    differences : ndarray of float64, shape [M, T]
        Bias of each comparison; NaN is never feasible.
    errors : ndarray of float64, shape [M, T]
        Standard error of each on the selection rows; not read by ``margin``.
    eps : ndarray of float64, shape [M]
        The bounds.
    margin : float
        Of the rule ``margin``.
    verdict_ratio : float
        Number of verdict rows for each selection row.
    confidence : float, optional
        Of the gate, where it asks for one (two one-sided bounds): ``chance`` and ``expected`` then aim at passing it;
        of the rule ``confident``, 0.95 when not given.

    Returns
    -------
    Judged
    """
    if rule == "margin":
        bound = eps - margin
        if len(differences) == 1:
            return Judged(np.abs(differences[0]) < bound[0], performance)
        return Judged(_all(np.abs(differences) < bound[:, None]), performance)
    assert errors is not None
    if rule == "confident":
        reach = np.abs(differences) + quantile(confidence or 0.95) * errors
        return Judged(_all(reach < eps[:, None]), performance)
    on_verdict = errors / np.sqrt(verdict_ratio)
    noise, target = np.hypot(errors, on_verdict), np.broadcast_to(eps[:, None], errors.shape)
    if confidence is not None:
        # Where the rows are too few for the gate, as near to 0 as can be.
        target = np.maximum(target - quantile(confidence) * on_verdict, 0.1 * target)
    chance = chance_within(differences, noise, target)
    within = _all(np.abs(differences) < eps[:, None])
    if rule == "expected":
        return Judged(within, performance * chance.prod(axis=0))
    return Judged(within & _all(chance >= SHARE * chance_within(np.zeros_like(noise), noise, target)), performance)


def _all(holds: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    everywhere: npt.NDArray[np.bool_] = np.logical_and.reduce(holds, axis=0)
    return everywhere
