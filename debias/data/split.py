"""Which rows choose, which rows judge: a seeded split that keeps clusters whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def holdout(sample: Sample, attributes: str | Sequence[str], fraction: float, seed: int) -> Split:
    """Set a share of the rows aside for the verdict.

    Rows are stratified by attribute (missing is a stratum) and label. A stratum of two rows or more gives at least
    one row to each side, a single row stays with the selection. Where the sample has clusters, each goes to one side
    whole; the share and the strata are then met as nearly as a greedy assignment, large clusters first, meets them.

    Several attributes are stratified together, by their joint groups. Those with too few rows for the share are put
    together by the first attribute, what is left by the next, and so on; then single rows are exchanged until every
    group of every attribute has rows of each of its labels on both sides, where it has two. Clusters are balanced by
    the groups of each attribute.

    Parameters
    ----------
    sample : Sample
    attributes : str or sequence of str
        Names of the attributes.
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
    names = (attributes,) if isinstance(attributes, str) else tuple(attributes)
    each = [_Strata.of(np.stack([sample.attributes[name].codes, sample.y])) for name in names]
    rng = np.random.default_rng(seed)
    if sample.cluster is not None:
        chosen = _by_cluster(sample, each, fraction, rng)
    elif len(each) == 1:
        chosen = _by_row(each[0], fraction, rng)
    else:
        codes = [sample.attributes[name].codes for name in names]
        joint = _joint(_Strata.of(np.stack([*codes, sample.y])), each, math.ceil(1 / min(fraction, 1 - fraction)))
        chosen = _covering(_by_row(joint, fraction, rng), each, rng)
    kept = []
    for name, strata in zip(names, each, strict=True):
        groups = sample.attributes[name].groups
        judged = strata.sizes(chosen)
        for i in np.flatnonzero(judged == 0):
            code, label = (int(part) for part in strata.cells[:, i])
            group = show(groups[code]) if code >= 0 else "missing"
            kept.append(f"{name} {group}, label {label}: {count(int(strata.total[i]), 'row')}")
    positions = np.arange(len(sample), dtype=np.int64)
    return Split(positions[~chosen], positions[chosen], kept)


@dataclass(frozen=True)
class _Strata:
    """Cells [parts, S] of rows that belong together, and the cell of each row [N]."""

    cells: IntArray
    member: IntArray

    @classmethod
    def of(cls, parts: IntArray) -> _Strata:
        cells, member = np.unique(parts, axis=1, return_inverse=True)
        return cls(cells, member.reshape(-1))

    @property
    def total(self) -> IntArray:
        return np.bincount(self.member, minlength=self.cells.shape[1])

    def sizes(self, rows: Mask) -> IntArray:
        """Return how many of the rows each cell has."""
        return np.bincount(self.member[rows], minlength=self.cells.shape[1])


def _joint(joint: _Strata, each: Sequence[_Strata], least: int) -> _Strata:
    """Return the joint strata; those with fewer rows than `least` are put together, attribute by attribute."""
    member = joint.member.copy()
    small = joint.total[member] < least
    start = joint.cells.shape[1]
    for strata in each:
        member[small] = start + strata.member[small]
        start += strata.cells.shape[1]
        small = np.bincount(member, minlength=start)[member] < least
    cells, member = np.unique(member, return_inverse=True)
    return _Strata(cells.reshape(1, -1), member.reshape(-1))


def _covering(chosen: Mask, each: Sequence[_Strata], rng: np.random.Generator) -> Mask:
    """Move single rows so that every cell of two rows or more has one on both sides.

    A row is taken whose going leaves the most on its side in the cells of the other attributes. Where attributes
    ask for opposite things the last one wins; two rounds settle all that can be.
    """
    chosen = chosen.copy()
    for _ in range(2):
        for strata in each:
            total = strata.total
            for cell in np.flatnonzero(total > 1):
                judged = int(strata.sizes(chosen)[cell])
                if 0 < judged < total[cell]:
                    continue
                rows = rng.permutation(np.flatnonzero(strata.member == cell))
                side = chosen == bool(judged)
                left = np.min([other.sizes(side)[other.member[rows]] for other in each if other is not strata], axis=0)
                row = rows[np.argmax(left)]
                chosen[row] = not chosen[row]
    return chosen


def overlap(a: Sample, b: Sample) -> int:
    """Return how many rows of `b` also occur in `a`, by the hash of inputs and label."""
    if a.hashes is None or b.hashes is None:
        return 0
    return int(np.isin(b.hashes, a.hashes).sum())


def _by_row(strata: _Strata, fraction: float, rng: np.random.Generator) -> Mask:
    chosen = np.zeros(len(strata.member), dtype=bool)
    for i in range(strata.cells.shape[1]):
        rows = np.flatnonzero(strata.member == i)
        if rows.size > 1:
            take = min(max(round(rows.size * fraction), 1), rows.size - 1)
            chosen[rng.permutation(rows)[:take]] = True
    return chosen


def _by_cluster(sample: Sample, each: Sequence[_Strata], fraction: float, rng: np.random.Generator) -> Mask:
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
    tables = [np.zeros((len(names), strata.cells.shape[1])) for strata in each]
    for part, strata in zip(tables, each, strict=True):
        np.add.at(part, (member, strata.member), 1)
    table = np.concatenate(tables, axis=1)
    n_strata = table.shape[1]
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
    _both_sides(verdict, tables[0].sum(axis=1), bound)
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
