"""Rows dealt to folds so that each fold is like the whole: clusters and labels in the same shares."""

from __future__ import annotations

import numpy as np

from debias.data.values import FloatArray, IntArray, Mask

BINS = 10
"""Quantile bins of a regression's target."""
LEAST = 10
"""Cells of cluster and quantile bin with fewer rows than this are put together."""


def strata(clusters: IntArray, y: IntArray | FloatArray, *, binned: bool = False) -> IntArray:
    """Return the stratum of each row, 0 and on: its cluster and label.

    Parameters
    ----------
    clusters : ndarray of int64, shape [N]
        Cluster of each row.
    y : ndarray, shape [N]
        Label, or where `binned` the target of a regression: then the cell is cluster and quantile bin, and cells with
        fewer than `LEAST` rows are put together bin by bin, those that are still small into one.
    binned : bool
    """
    if not binned:
        return _numbered(np.stack([clusters, y.astype(np.int64)]))
    edges = np.quantile(y, np.arange(1, BINS) / BINS)
    bins = np.searchsorted(np.unique(edges), y, side="left").astype(np.int64)
    found = _numbered(np.stack([clusters, bins]))
    for merged in (bins, np.zeros_like(bins)):
        small = np.bincount(found)[found] < LEAST
        found = _numbered(np.stack([small, np.where(small, merged, found)]))
    return found


def _numbered(parts: IntArray) -> IntArray:
    _, member = np.unique(parts, axis=1, return_inverse=True)
    return np.asarray(member.reshape(-1), dtype=np.int64)


def deal(member: IntArray, folds: int, seed: int) -> IntArray:
    """Return the fold of each row.

    Rows are sorted by stratum, in random order within one, and dealt out in turn: each fold gets ⌊n/k⌋ or ⌈n/k⌉ rows of
    a stratum of n, and as many of all as any other, give or take one. These are the counts of scikit-learn's
    ``StratifiedKFold(shuffle=True)``.

    Parameters
    ----------
    member : ndarray of int64, shape [N]
        Stratum of each row.
    folds : int
        Number of folds k.
    seed : int
        The same seed gives the same folds.
    """
    order = _sorted(member, seed)
    found = np.empty(len(member), dtype=np.int64)
    found[order] = np.arange(len(member)) % folds
    return found


def share(member: IntArray, fraction: float, seed: int) -> Mask:
    """Return which rows are set aside: `fraction` of all, and of each stratum as nearly as one row, at least one.

    Parameters
    ----------
    member : ndarray of int64, shape [N]
        Stratum of each row.
    fraction : float
        Between 0 and 1.
    seed : int
    """
    order = _sorted(member, seed)
    steps = np.floor(np.arange(len(member) + 1) * fraction + 0.5)
    aside = np.zeros(len(member), dtype=bool)
    aside[order] = np.diff(steps) > 0
    return aside


def _sorted(member: IntArray, seed: int) -> IntArray:
    drawn = np.random.default_rng(seed).permutation(len(member))
    return drawn[np.argsort(member[drawn], kind="stable")]
