"""A score cut at many thresholds: which of them to look at, and what each decides, counted in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import Counts, FloatArray, IntArray

Scores = npt.NDArray[np.floating[Any]]


def thinned(values: FloatArray, most: int, keep: Iterable[int] = ()) -> IntArray:
    """Return which of the values to show: the ends, those to keep, the others spread out.

    Half of the others lie evenly by rank and half evenly by size, so that neither crowded nor empty stretches are
    passed over.

    Parameters
    ----------
    values : ndarray of float64, shape [M]
        Ascending.
    most : int
        How many at most; at least 2 and the number of those to keep.
    keep : iterable of int
        Indices into `values`.

    Returns
    -------
    ndarray of int64, shape [at most `most`]
        Ascending indices into `values`; all of them where they are few enough.
    """
    if len(values) <= most:
        return np.arange(len(values))
    last = len(values) - 1
    kept = {0, last, *keep}
    by_rank = (most - len(kept)) // 2
    by_size = most - len(kept) - by_rank
    ranks = np.linspace(0, last, by_rank).round().astype(np.int64)
    places = np.searchsorted(values, np.linspace(values[0], values[-1], by_size))
    return np.array(sorted(kept | set(map(int, ranks)) | set(map(int, places.clip(0, last)))), np.int64)


def counts_at(
    scores: Scores,
    thresholds: Scores,
    y: IntArray,
    codes: IntArray,
    n_groups: int,
    weight: FloatArray | None = None,
    *,
    below: bool = False,
) -> list[Counts]:
    """Return the counts by group of the decision ``score > threshold`` at each threshold, from one pass over the rows.

    Parameters
    ----------
    scores : ndarray, shape [N]
        Finite.
    thresholds : ndarray, shape [T]
        Ascending, of the scores' type, so that nothing is rounded on the way.
    y : ndarray of int64, shape [N]
        1 where the label is the favourable one, else 0.
    codes : ndarray of int64, shape [N]
        Group of each row in 0 … n_groups − 1; −1 where it is missing.
    n_groups : int
        Number of groups K.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    below : bool
        The favourable decision is ``score <= threshold`` instead.

    Returns
    -------
    list of Counts
        One for each threshold, as `debias.fairness.counts.count` gives them.
    """
    # A row is above the first `passed` thresholds.
    passed = np.searchsorted(thresholds, scores, side="left")
    steps, size = len(thresholds) + 1, 2 * (n_groups + 1)
    cell = (np.where(codes < 0, n_groups, codes) * 2 + y) * steps + passed

    def cumulated(each: FloatArray | None) -> npt.NDArray[Any]:
        counted = np.bincount(cell, each, minlength=size * steps).reshape(n_groups + 1, 2, steps)
        low = counted.cumsum(axis=2)[:, :, :-1]
        high = counted[:, :, ::-1].cumsum(axis=2)[:, :, -2::-1]
        # [K + 1, 2, T] of the unfavourable and the favourable decision.
        return np.stack([high, low] if below else [low, high], axis=-1)

    rows = cumulated(None).astype(np.int64)
    weights = rows.astype(np.float64) if weight is None else cumulated(weight)
    squares = weights if weight is None else cumulated(weight**2)
    return [Counts(rows[:, :, t], weights[:, :, t], squares[:, :, t]) for t in range(len(thresholds))]
