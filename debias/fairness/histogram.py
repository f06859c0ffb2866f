"""Scores counted in bins that depend on the floats alone, so that the counts of parts of a table add up exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.exact import ExactSums
from debias.fairness.thresholds import Scores

MOST_BINS = 1 << 16
"""Bins of a histogram of few groups."""
MOST_CELLS = 1 << 21
"""Bins × groups × labels: with many groups there are fewer bins, but for the least."""
LEAST_BINS = 64
_WINDOW = 1 << 22
_BUFFER = 1 << 20
_CACHED = 1 << 15
_FEW_SPLITS = 8

Keys = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Bounded:
    """A figure that lies between two bounds; they are equal where it is exact."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """How far the figure can be from the value."""
        return max(self.high - self.value, self.value - self.low)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Rows by bin of the score, group and label; for several attributes at once.

    A bin holds the scores whose floats agree in all but their last `drop` bits. `drop` is the smallest number that
    leaves at most `most` bins, so that it depends on the scores alone: two histograms add up to the same one, bit for
    bit, however the rows were divided and in whatever order they are added. With `drop` 0 nothing is lost.

    Parameters
    ----------
    low, high : ndarray of float32 or float64, shape [B]
        Smallest and largest score in each bin, ascending.
    rows : tuple of ndarray of int64, each of shape [B, K + 1, 2]
        For each attribute, rows by bin, group and label (1 favourable); the last group has the rows without a value.
    weights, squares : tuple of ExactSums, optional
        Sums of weights and of squared weights in the same cells; None without weights.
    drop : int
        Bits of the float that the bins leave out.
    splits : tuple of float
        Scores at which bins end whatever they hold: the decision ``score > split`` is exact.
    most : int
        At most so many bins.
    """

    low: Scores
    high: Scores
    rows: tuple[IntArray, ...]
    weights: tuple[ExactSums, ...] | None
    squares: tuple[ExactSums, ...] | None
    drop: int
    splits: tuple[float, ...]
    most: int

    @classmethod
    def of(
        cls,
        scores: Scores,
        y: IntArray,
        codes: Sequence[IntArray],
        n_groups: Sequence[int],
        weight: FloatArray | None = None,
        *,
        splits: Sequence[float] = (),
        most: int | None = None,
        drop: int = 0,
    ) -> Histogram:
        """Count scores.

        Parameters
        ----------
        scores : ndarray of float32 or float64, shape [N]
            Any but NaN.
        y : ndarray of int64, shape [N]
            1 where the label is the favourable one, else 0.
        codes : sequence of ndarray of int64, each of shape [N]
            For each attribute, the group of each row in 0 … K − 1; −1 where it is missing.
        n_groups : sequence of int
            Number of groups K of each attribute.
        weight : ndarray of float64, shape [N], optional
            Weight of each row.
        splits : sequence of float
            Scores at which a bin must end, such as the deployed cut; of the scores' type.
        most : int, optional
            At most so many bins, at least twice the number of splits and 2. Default: 65,536, fewer with many groups.
        drop : int
            The least `drop`, where it is known from rows counted before.

        Raises
        ------
        ValueError
            A score is NaN, or the lengths differ.
        """
        if any(len(each) != len(scores) for each in (y, *codes, *(() if weight is None else (weight,)))):
            raise ValueError("scores, y, codes and weight differ in length")
        if np.isnan(scores).any():
            raise ValueError("a score is NaN")
        if scores.dtype not in (np.float32, np.float64):
            scores = scores.astype(np.float64)
        most = default_bins(n_groups) if most is None else most
        edges = tuple(sorted({float(split) for split in splits}))
        if most < 2 * (len(edges) + 1):
            raise ValueError(f"{most} bins are too few for {len(edges)} splits")
        low, high, member, drop = _binned(scores + scores.dtype.type(0), edges, most, drop)
        b = len(low)
        rows, weights, squares = [], [], []
        for each, k in zip(codes, n_groups, strict=True):
            if len(each) and not -1 <= each.min() <= each.max() < k:
                raise ValueError(f"a group code lies outside -1 to {k - 1}")
            size = 2 * (k + 1)
            cell = _cells(member, each, y, k)
            rows.append(np.bincount(cell, minlength=b * size).astype(np.int64).reshape(b, k + 1, 2))
            if weight is not None:
                weights.append(ExactSums.of(weight, cell, b * size).reshaped(b, k + 1, 2))
                squares.append(ExactSums.of(weight**2, cell, b * size).reshaped(b, k + 1, 2))
        return cls(
            low,
            high,
            tuple(rows),
            None if weight is None else tuple(weights),
            None if weight is None else tuple(squares),
            drop,
            edges,
            most,
        )

    def __len__(self) -> int:
        return len(self.low)

    def __add__(self, other: Histogram) -> Histogram:
        alike = (self.low.dtype, self.splits, self.most, [each.shape[1:] for each in self.rows])
        if alike != (other.low.dtype, other.splits, other.most, [each.shape[1:] for each in other.rows]):
            raise ValueError("histograms of other scores, groups or bins do not add up")
        if (self.weights is None) != (other.weights is None):
            raise ValueError("histograms with and without weights do not add up")
        low = np.concatenate([self.low, other.low])
        order = np.argsort(low, kind="stable")
        both = replace(
            self,
            low=low[order],
            high=np.concatenate([self.high, other.high])[order],
            rows=tuple(np.concatenate([one, two])[order] for one, two in zip(self.rows, other.rows, strict=True)),
            weights=_joined(self.weights, other.weights, order),
            squares=_joined(self.squares, other.squares, order),
            drop=max(self.drop, other.drop),
        )
        return both._settled()

    @property
    def n(self) -> int:
        """Rows counted."""
        return int(self.rows[0].sum())

    @property
    def exact(self) -> bool:
        """True where every bin holds one score only, so that every figure is exact."""
        return bool((self.low == self.high).all())

    def counts_at(self, thresholds: Scores, attribute: int = 0, *, below: bool = False) -> list[Counts]:
        """Return the counts by group of the decision ``score > threshold`` at each threshold.

        Parameters
        ----------
        thresholds : ndarray, shape [T]
            Such as scores in `high`, or splits: what no bin has scores on both sides of.
        attribute : int
            Which attribute's groups.
        below : bool
            The favourable decision is ``score <= threshold`` instead.

        Returns
        -------
        list of Counts
            One for each threshold, exact.

        Raises
        ------
        ValueError
            A threshold lies inside a bin.
        """
        place = np.searchsorted(self.high, thresholds, side="right")  # bins that lie at or below it
        inside = np.append(self.low, np.inf)[place] <= thresholds
        inside &= place < len(self)
        if inside.any():
            raise ValueError(f"the threshold {np.asarray(thresholds)[inside][0]!r} lies inside a bin")
        rows = self.rows[attribute]
        low = np.concatenate([np.zeros((1, *rows.shape[1:]), np.int64), rows.cumsum(axis=0)])[place]
        high = rows.sum(axis=0) - low
        counted = np.stack([high, low] if below else [low, high], axis=-1)
        if self.weights is None or self.squares is None:
            return [Counts(each, each.astype(np.float64), each.astype(np.float64)) for each in counted]
        weights, squares = (_sides(each[attribute], place, below=below) for each in (self.weights, self.squares))
        return [Counts(*each) for each in zip(counted, weights, squares, strict=True)]

    def auroc(self, attribute: int = 0, group: int | None = None) -> Bounded | None:
        """Return the area under the ROC curve with bounds that are sure.

        Rows of one bin whose scores differ may be ranked in any way: the value counts such pairs half, as ties are,
        and the bounds count all or none of them.

        Parameters
        ----------
        attribute, group : int, optional
            Of the rows of one group; of all rows where it is not given.

        Returns
        -------
        Bounded or None
            For a high score as the sign of label 1; None where one of the labels has no weight.
        """
        negative, positive = self._by_label(attribute, group)
        before = negative.cumsum() - negative
        pairs = positive.sum() * negative.sum()
        if not pairs > 0:
            return None
        won, ties = positive @ before, positive * negative
        tied = self.low == self.high
        known = won + ties[tied].sum() / 2
        unknown = ties[~tied].sum()
        low, value, high = (min(float((known + unknown * part) / pairs), 1.0) for part in (0, 0.5, 1))
        return Bounded(value, low, high)

    def quantile(
        self, q: float, attribute: int = 0, group: int | None = None, label: int | None = None
    ) -> tuple[float, float] | None:
        """Return between which scores the weighted quantile lies: the least score with a share of q at or below it.

        Parameters
        ----------
        q : float
            In (0, 1].
        attribute, group, label : int, optional
            Of the rows of one group, of one label, or of both; of all rows where they are not given.

        Returns
        -------
        tuple of float, or None
            Smallest and largest score of its bin; None where no row counts.
        """
        negative, positive = self._by_label(attribute, group)
        mass = positive + negative if label is None else (negative, positive)[label]
        total = mass.cumsum()
        if not total[-1] > 0:
            return None
        place = int(np.searchsorted(total, q * total[-1], side="left"))
        return float(self.low[place]), float(self.high[place])

    def _by_label(self, attribute: int, group: int | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return rows or weights of each bin by label, shape [B] each."""
        cells: npt.NDArray[Any]
        if self.weights is None:
            rows = self.rows[attribute]
            cells = rows.sum(axis=1) if group is None else rows[:, group]
        else:
            weights = self.weights[attribute]
            cells = weights.over(1).values if group is None else weights.values[:, group]
        return cells[:, 0], cells[:, 1]

    def _settled(self) -> Histogram:
        """Return the same rows in the finest bins that are few enough; what belongs to one bin is put together."""
        starts, drop = _runs(self.low, self.splits, self.most, self.drop)
        if len(starts) == len(self):
            return replace(self, drop=drop)
        return replace(
            self,
            low=np.minimum.reduceat(self.low, starts),
            high=np.maximum.reduceat(self.high, starts),
            rows=tuple(np.add.reduceat(each, starts, axis=0) for each in self.rows),
            weights=None if self.weights is None else tuple(each.pooled(starts) for each in self.weights),
            squares=None if self.squares is None else tuple(each.pooled(starts) for each in self.squares),
            drop=drop,
        )


@dataclass
class HistogramOfBatches:
    """A histogram that grows by batches of any size; small ones are put together before they are counted.

    Parameters
    ----------
    n_groups : sequence of int
        Number of groups of each attribute.
    splits, most : optional
        See `Histogram.of`.
    """

    n_groups: Sequence[int]
    splits: Sequence[float] = ()
    most: int | None = None
    _total: Histogram | None = field(default=None, repr=False)
    _waiting: list[tuple[npt.NDArray[Any], ...]] = field(default_factory=list, repr=False)
    _rows: int = field(default=0, repr=False)

    def add(self, scores: Scores, y: IntArray, codes: Sequence[IntArray], weight: FloatArray | None = None) -> None:
        """Count a batch; it is kept until enough rows wait, so do not change its arrays."""
        self._waiting.append((scores, y, *codes, *(() if weight is None else (weight,))))
        self._rows += len(scores)
        if self._rows >= _BUFFER:
            self._count()

    def result(self) -> Histogram:
        """Return the histogram of all batches so far.

        Raises
        ------
        ValueError
            There was none.
        """
        self._count()
        if self._total is None:
            raise ValueError("no batch was added")
        return self._total

    def _count(self) -> None:
        if not self._waiting:
            return
        columns = [np.concatenate(column) for column in zip(*self._waiting, strict=True)]
        self._waiting, self._rows = [], 0
        k = len(self.n_groups)
        scores, y, codes = columns[0], columns[1], columns[2 : 2 + k]
        weight = columns[2 + k] if len(columns) > 2 + k else None
        drop = 0 if self._total is None else self._total.drop
        found = Histogram.of(scores, y, codes, self.n_groups, weight, splits=self.splits, most=self.most, drop=drop)
        self._total = found if self._total is None else self._total + found


def default_bins(n_groups: Sequence[int]) -> int:
    """Return how many bins a histogram of attributes with so many groups has at most."""
    cells = sum(2 * (k + 1) for k in n_groups)
    return max(min(MOST_BINS, MOST_CELLS // max(cells, 1)), LEAST_BINS)


def _keys(scores: Scores) -> Keys:
    """Return whole numbers in the order of the floats."""
    signed = np.int32 if scores.dtype == np.float32 else np.int64
    info = np.iinfo(signed)
    bits: npt.NDArray[np.signedinteger[Any]] = scores.view(signed)
    keys: Keys = (bits ^ ((bits >> (info.bits - 1)) | info.min)).view(f"u{info.bits // 8}")
    return keys


def _runs(scores: Scores, splits: Sequence[float], most: int, least: int) -> tuple[IntArray, int]:
    """Return where each bin begins among ascending scores, and the bits left out: the fewest, but `least`."""
    differ = _differing_bits(scores, np.array(splits, scores.dtype))
    left = 1 + len(differ) - np.cumsum(np.bincount(differ, minlength=66))
    drop = max(int(np.flatnonzero(left <= most)[0]), least)
    return np.flatnonzero(np.append(66, differ) > drop) if len(scores) else np.empty(0, np.int64), drop


def _differing_bits(scores: Scores, splits: Scores) -> IntArray:
    """Return for each score but the first how many last bits must go for it to equal the one before; 65 at a split."""
    keys = _keys(scores)
    apart = (keys[1:] ^ keys[:-1]).astype(np.uint64)
    # In two halves, since a float64 does not hold all bits of a larger number.
    upper, lower = apart >> np.uint64(32), apart & np.uint64(0xFFFFFFFF)
    bits = np.where(upper > 0, 32 + np.frexp(upper.astype(np.float64))[1], np.frexp(lower.astype(np.float64))[1])
    side = np.searchsorted(splits, scores, side="left")
    bits[side[1:] != side[:-1]] = 65
    return bits.astype(np.int64)


def _cells(member: IntArray, codes: IntArray, y: IntArray, k: int) -> IntArray:
    """Return the place of each row among bins, groups and labels; so many rows at a time as the cache holds."""
    cell = np.empty(len(member), np.int64)
    missing = bool(len(codes)) and int(codes.min()) < 0
    for start in range(0, len(cell), _CACHED):
        part = slice(start, start + _CACHED)
        its = np.where(codes[part] < 0, k, codes[part]) if missing else codes[part]
        np.multiply(member[part], k + 1, out=cell[part])
        cell[part] += its
        cell[part] *= 2
        cell[part] += y[part]
    return cell


def _binned(scores: Scores, splits: tuple[float, ...], most: int, drop: int) -> tuple[Scores, Scores, IntArray, int]:
    """Return smallest and largest score of each bin, the bin of each row, and the bits left out."""
    if not len(scores):
        return scores, scores, np.empty(0, np.int64), drop
    low, high, member, drop = _in_window(scores, np.array(splits, scores.dtype), most, drop)
    starts, drop = _runs(low, splits, most, drop)
    if len(starts) < len(low):
        bins = np.zeros(len(low), np.int64)
        bins[starts[1:]] = 1
        member = bins.cumsum()[member]
        low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
    return low, high, member, drop


def _in_window(scores: Scores, splits: Scores, most: int, drop: int) -> tuple[Scores, Scores, IntArray, int]:
    """Return bins, the bin of each row and the bits left out, never more bits than the rows' histogram must do without.

    Bins are looked up in a table of those between the smallest and the largest score, which spares sorting the rows.
    """
    keys = _keys(scores)
    first, last = int(keys.min()), int(keys.max())
    wide = drop
    while (last >> wide) - (first >> wide) >= _WINDOW // (len(splits) + 1):
        wide += 1
    place = _places(keys, scores, splits, first, wide)
    taken = np.zeros(int(place.max()) + 1, bool)
    taken[place] = True
    bins = np.flatnonzero(taken)
    if wide > drop and len(bins) <= most:  # finer bins may still be few enough
        values, member = np.unique(scores, return_inverse=True)
        return values, values, member.reshape(-1), drop
    if wide > drop:
        return _in_window(scores, splits, most, _bits_for(bins, len(splits) + 1, first >> wide, wide, most))
    b = len(bins)
    of_place = np.empty(len(taken), np.int64)
    of_place[bins] = np.arange(b)
    member = of_place.take(place)
    low, high = np.full(b, np.inf, scores.dtype), np.full(b, -np.inf, scores.dtype)
    np.minimum.at(low, member, scores)
    np.maximum.at(high, member, scores)
    return low, high, member, wide


def _places(keys: Keys, scores: Scores, splits: Scores, first: int, drop: int) -> IntArray:
    """Return the place of each row in a table of the bins from the smallest key on, those cut by splits beside it."""
    place = np.empty(len(keys), np.int64)
    shift, start_at = keys.dtype.type(drop), keys.dtype.type(first >> drop)
    for start in range(0, len(keys), _CACHED):
        part = slice(start, start + _CACHED)
        place[part] = (keys[part] >> shift) - start_at
        if len(splits):
            place[part] *= len(splits) + 1
            place[part] += _side(scores[part], splits)
    return place


def _bits_for(bins: IntArray, sides: int, base: int, drop: int, most: int) -> int:
    """Return how many bits to leave out for at most `most` bins, from the places taken where `drop` are left out.

    There are more than `most` of these.
    """
    key, side = np.divmod(bins, sides)
    key += base
    turned = side[1:] != side[:-1]
    while 1 + int(np.count_nonzero((key[1:] != key[:-1]) | turned)) > most:
        key >>= 1
        drop += 1
    return drop


def _side(scores: Scores, splits: Scores) -> IntArray:
    """Return how many splits, which ascend, lie below each score."""
    if len(splits) > _FEW_SPLITS:
        return np.searchsorted(splits, scores, side="left")
    found = np.zeros(len(scores), np.int64)
    for split in splits:
        found += scores > split
    return found


def _joined(
    one: tuple[ExactSums, ...] | None, two: tuple[ExactSums, ...] | None, order: IntArray
) -> tuple[ExactSums, ...] | None:
    """Return the sums of both histograms' bins, one after the other, in this order."""
    if one is None or two is None:
        return None
    return tuple(a.beside(b).take(order) for a, b in zip(one, two, strict=True))


def _sides(sums: ExactSums, place: IntArray, *, below: bool) -> FloatArray:
    """Return sums by group, label and decision at each place, shape [T, K + 1, 2, 2]."""
    up = sums.cumulated().after_zero()
    down = sums.take(np.arange(sums.digits.shape[1])[::-1]).cumulated().after_zero()
    low, high = up.take(place).values, down.take(sums.digits.shape[1] - place).values
    return np.stack([high, low] if below else [low, high], axis=-1)
