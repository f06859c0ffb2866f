"""How many more rows of which groups would settle an inconclusive verdict, at the rates observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.gaps import Gaps

MOST_ROWS = 10**9
"""A group that needs more rows than this is taken to need more than there are."""

_AT_BOUND = 1e-9


@dataclass(frozen=True)
class Plan:
    """What would settle a verdict.

    Parameters
    ----------
    heading : {"pass", "fail"} or None
        What it would be then.
    more_rows : dict of int to int or None
        Rows to add, by group; None where no number of rows settles it.
    gap : int or None
        Index of the gap that is to be shown outside; None where all are to be shown inside.
    """

    heading: Literal["pass", "fail"] | None
    more_rows: dict[int, int] | None
    gap: int | None = None


def settle(n: IntArray, gaps: Gaps, eps: float, confidence: float, error: float) -> Plan:
    """Return the rows to add: where every gap observed is within the bound to a pass, else to a fail.

    Added rows are taken to have the group's own rates, labels and weights. Each group grows until the rows of all
    groups that grow are in proportion to the standard deviation of their rates, which for two groups makes the sum of
    added rows least (Neyman's allocation); then each group is cut back to what it needs beside the others.

    Parameters
    ----------
    n : ndarray of int64, shape [K]
        Rows of each group now, counted in the rate or not.
    gaps : Gaps
        The gaps observed.
    eps : float
        The bound.
    confidence : float
        Of each one-sided bound.
    error : float
        Chance of a wrong fail over all of `gaps`.

    Returns
    -------
    Plan
    """
    sizes = np.abs(gaps.estimates)
    if np.nanmax(sizes) < eps - _AT_BOUND:
        within = _least(n, gaps, lambda grown: bool(grown.inside(1 - confidence, eps).all()))
        return Plan("pass", within) if within is not None else Plan(None, None)
    best: Plan | None = None
    for i in np.flatnonzero(sizes > eps + _AT_BOUND):
        one = gaps.only(np.arange(len(gaps)) == i)
        rows = _least(n, one, lambda grown: bool(grown.outside(error / len(gaps), eps).all()))
        if rows is not None and (best is None or sum(rows.values()) < sum((best.more_rows or {}).values())):
            best = Plan("fail", rows, int(i))
    return best or Plan(None, None)


def _least(n: IntArray, gaps: Gaps, settled: Callable[[Gaps], bool]) -> dict[int, int] | None:
    """Return the rows to add to each group so that `settled` holds; None beyond `MOST_ROWS`."""
    return least_rows(n, _spread(n, gaps), lambda rows: settled(gaps.grown(rows / np.maximum(n, 1))))


def least_rows(n: IntArray, spread: FloatArray, reached: Callable[[FloatArray], bool]) -> dict[int, int] | None:
    """Return the rows to add to each group so that `reached` holds of the rows of all; None beyond `MOST_ROWS`.

    Parameters
    ----------
    n : ndarray of int64, shape [K]
        Rows of each group now.
    spread : ndarray of float64, shape [K]
        Standard deviation that one row of each group brings; 0 for a group that has no part in it.
    reached : callable
        Takes the rows of each group [K]; stays true when rows are added.
    """
    if not spread.any():
        return None

    def filled(level: float) -> FloatArray:
        return np.where(spread > 0, np.maximum(n, np.ceil(level * spread)), n)

    top = float(np.max(n[spread > 0] / spread[spread > 0]))
    while not reached(filled(top)):
        top *= 2
        if filled(top).max() > MOST_ROWS:
            return None
    bottom = 0.0
    for _ in range(60):
        middle = (bottom + top) / 2
        bottom, top = (bottom, middle) if reached(filled(middle)) else (middle, top)
        if (top - bottom) * spread.max() < 0.5:
            break
    rows = filled(top)
    for group in np.argsort(n - rows):
        rows[group] = _cut_back(group, int(n[group]), rows, reached)
    added = rows - n
    return {int(group): int(added[group]) for group in np.flatnonzero(added > 0)}


def _cut_back(group: int, least: int, rows: FloatArray, reached: Callable[[FloatArray], bool]) -> int:
    """Return the smallest number of rows of one group, not below `least`, beside the others as they are."""
    low, high = least - 1, int(rows[group])
    while high - low > 1:
        middle = (low + high) // 2
        trial = rows.copy()
        trial[group] = middle
        low, high = (low, middle) if reached(trial) else (middle, high)
    return high


def _spread(n: IntArray, gaps: Gaps) -> FloatArray:
    """Return the standard deviation that one row of each group brings to its rate, shape [K]; 0 for no part in it."""
    spread = np.zeros(len(n))
    for groups, k, rows in ((gaps.first, gaps.k1, gaps.n1), (gaps.second, gaps.k2, gaps.n2)):
        share = (k + 1) / (rows + 2)
        one_row = np.sqrt(share * (1 - share) * n[groups] / rows)
        np.maximum.at(spread, groups, one_row)
    return spread
