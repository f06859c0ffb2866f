"""Which rows choose, which rows judge: a seeded split that keeps clusters whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from debias.data.sample import FloatArray, IntArray, Sample
from debias.data.values import Mask
from debias.errors import DataError, Problem, UsageError
from debias.words import count, show


@dataclass(frozen=True)
class Split:
    """Two sets of rows that share none.

    Parameters
    ----------
    selection, verdict : ndarray of int64
        Ascending positions in the sample.
    kept_whole : list of str
        Cells of attribute and label that the verdict rows lack: too few rows, or one cluster holds them all.
    """

    selection: IntArray
    verdict: IntArray
    kept_whole: list[str]


def holdout(sample: Sample, attribute: str, fraction: float, seed: int) -> Split:
    """Set a share of the rows aside for the verdict.

    Rows are stratified by attribute (missing is a stratum) and label. A stratum of two rows or more gives at least
    one row to each side, a single row stays with the selection. Where the sample has clusters, each goes to one side
    whole; the share and the strata are then met as nearly as a greedy assignment, large clusters first, meets them.

    Parameters
    ----------
    sample : Sample
    attribute : str
        Name of the attribute.
    fraction : float
        Share of the verdict rows, between 0 and 1.
    seed : int
        The same seed gives the same split.

    Raises
    ------
    UsageError
        `fraction` is not between 0 and 1.
    DataError
        One cluster holds all rows.
    """
    if not 0 < fraction < 1:
        raise UsageError(
            Problem(f"--holdout {fraction} is not a share between 0 and 1", "", "Give e.g. --holdout 0.3.")
        )
    codes = sample.attributes[attribute].codes
    strata, stratum = np.unique(np.stack([codes, sample.y]), axis=1, return_inverse=True)
    stratum = stratum.reshape(-1)
    rng = np.random.default_rng(seed)
    if sample.cluster is None:
        chosen = _by_row(stratum, strata.shape[1], fraction, rng)
    else:
        chosen = _by_cluster(sample, stratum, strata.shape[1], fraction, rng)
    groups = sample.attributes[attribute].groups
    kept = []
    sizes = np.bincount(stratum, minlength=strata.shape[1])
    judged = np.bincount(stratum[chosen], minlength=strata.shape[1])
    for i in np.flatnonzero(judged == 0):
        code, label = (int(part) for part in strata[:, i])
        group = show(groups[code]) if code >= 0 else "missing"
        kept.append(f"{attribute} {group}, label {label}: {count(int(sizes[i]), 'row')}")
    positions = np.arange(len(sample), dtype=np.int64)
    return Split(positions[~chosen], positions[chosen], kept)


def overlap(a: Sample, b: Sample) -> int:
    """Return how many rows of `b` also occur in `a`, by the hash of inputs and label."""
    if a.hashes is None or b.hashes is None:
        return 0
    return int(np.isin(b.hashes, a.hashes).sum())


def _by_row(stratum: IntArray, n_strata: int, fraction: float, rng: np.random.Generator) -> Mask:
    chosen = np.zeros(len(stratum), dtype=bool)
    for i in range(n_strata):
        rows = np.flatnonzero(stratum == i)
        if rows.size > 1:
            take = min(max(round(rows.size * fraction), 1), rows.size - 1)
            chosen[rng.permutation(rows)[:take]] = True
    return chosen


def _by_cluster(sample: Sample, stratum: IntArray, n_strata: int, fraction: float, rng: np.random.Generator) -> Mask:
    assert sample.cluster is not None
    names, member = np.unique(sample.cluster, return_inverse=True)
    if len(names) < 2:
        raise DataError(
            Problem(
                "one cluster holds all rows: they cannot be split",
                sample.name,
                "Name another column with --split-by, give --test, or use --holdout 0.",
            )
        )
    table = np.zeros((len(names), n_strata))
    np.add.at(table, (member, stratum), 1)
    total = table.sum(axis=0)
    # single rows stay with the selection, and so does the cluster of each
    bound: Mask = np.asarray((table[:, total < 2] > 0).any(axis=1))
    if bound.all():
        bound[:] = False
    scaled = table / total
    # large clusters first, but not in the same order for every seed
    order = np.argsort(-scaled.max(axis=1) * rng.uniform(0.5, 1.5, len(names)), kind="stable")
    verdict = np.zeros(len(names), dtype=bool)
    # how far each side is filled, in shares of what it should hold; a cluster goes where that leaves them most even
    lead = np.zeros(n_strata)
    for c in np.concatenate([order[bound[order]], order[~bound[order]]]):
        to_verdict = lead + scaled[c] / fraction
        to_selection = lead - scaled[c] / (1 - fraction)
        verdict[c] = not bound[c] and float(to_verdict @ to_verdict) <= float(to_selection @ to_selection)
        lead = to_verdict if verdict[c] else to_selection
    _both_sides(verdict, table.sum(axis=1), bound)
    return verdict[member]


def _both_sides(
    verdict: Mask,
    sizes: FloatArray,
    bound: Mask,
) -> None:
    """Move the smallest free cluster over where one side is left without rows."""
    if not verdict.any():
        verdict[np.argmin(np.where(bound, np.inf, sizes))] = True
    elif verdict.all():
        verdict[np.argmin(sizes)] = False
