"""A cut for each group: the best performance with all groups' rates inside one window, by sorts and range maxima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import FloatArray, IntArray
from debias.objective.scorer import Scorer
from debias.objective.sweep import FloatScores, candidate_cuts, sort_rows

MOST_CUTS = 2**17
"""Of a group with more distinct scores than this, so many evenly spaced ones are candidates."""
ANCHORS = 192
"""Of three or more groups with two rates each, so many places of either window are tried, and as many once more."""

# Rates are quotients of sums: two that differ by less are the same.
_ROUNDING = 1e-12
_EPS64 = float(np.finfo(np.float64).eps)
_F1_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class Compared:
    """One rate that is to lie in a window.

    Parameters
    ----------
    members : ndarray of bool or float64, shape [N]
        Rows that count in the rate, or how far they do.
    ratio : bool
        The window is one of ratios.
    """

    members: npt.NDArray[np.bool_] | FloatArray
    ratio: bool = False


@dataclass(frozen=True, eq=False)
class _Curve:
    """One group's candidate cuts, from none of its rows favourable to all of them.

    Parameters
    ----------
    cuts : ndarray of float64, shape [T]
        Descending, on the favourable scale.
    positives, negatives : ndarray of float64, shape [T]
        Weight of the rows with the favourable, and with the other label that get the favourable decision.
    rates : ndarray of float64, shape [M, T]
        Ascending.
    """

    cuts: FloatArray
    positives: FloatArray
    negatives: FloatArray
    rates: FloatArray


class GroupCuts:
    """The best cut for each group on given rows, for any bound on the differences between the groups.

    The performance is a sum over the groups (F1 by Dinkelbach's iteration of such sums), and a group's rate rises as
    its cut falls. For two groups every cut of the one leaves an interval of cuts of the other, and for more every
    window of rates leaves an interval of each: the best of an interval is a range maximum, so that the optimum over
    all combinations of cuts costs a sort and one pass. Only with three or more groups and two rates (equalized odds)
    the windows' places are sampled: `ANCHORS` quantiles of either rate, then once more round the best.

    Parameters
    ----------
    scorer : Scorer
        The objective on the rows.
    logits : ndarray, shape [N]
        Scores of the rows.
    codes : ndarray of int64, shape [N]
        Group of each row, none without one.
    n_groups : int
        Number of groups K.
    compared : sequence of Compared
        The rates that are bounded, one or two.
    """

    def __init__(
        self, scorer: Scorer, logits: FloatScores, codes: IntArray, n_groups: int, compared: Sequence[Compared]
    ) -> None:
        self.flipped = scorer.flipped
        self.kind = scorer.objective.performance
        self.ratios = tuple(item.ratio for item in compared)
        y = scorer.y != scorer.flipped
        weight = scorer.weights
        judged = weight if scorer.judged is None else weight * scorer.judged
        columns = np.stack([judged * y, judged * ~y, *(weight * item.members for item in compared)])
        self.totals = columns[0].sum(), columns[1].sum()
        resolution = max(scorer.objective.resolution(logits.dtype), _EPS64)
        scores = -logits if scorer.flipped else logits
        self.curves = []
        for group in range(n_groups):
            rows = np.flatnonzero(codes == group)
            self.curves.append(_curve(scores[rows], columns[:, rows], resolution))

    def best(self, bounds: Sequence[float], lower: int | None = None, balance: float = 0.0) -> FloatArray | None:
        """Return the cut of each group on the logit scale [K], or None where nothing meets the bounds.

        Parameters
        ----------
        bounds : sequence of float
            Largest difference of each rate compared; of a ratio, 1 minus the least ratio.
        lower : int, optional
            Of two groups, the one whose cut may not be the higher on the favourable scale (a reject option band).
        balance : float
            Share of balanced accuracy in what is maximised, 0 to 1, where the performance is another measure.
        """
        share, found = 0.0, None
        for _ in range(_F1_ROUNDS if self.kind == "f1" and balance < 1 else 1):
            places = self._search(*self._worth(share, balance), bounds, lower)
            if places is None:
                return None
            reached = self._f1(places)
            if found is not None and reached <= share + _ROUNDING:
                break
            share, found = reached, places
        assert found is not None
        cuts = np.array([curve.cuts[place] for curve, place in zip(self.curves, found, strict=True)])
        return -cuts if self.flipped else cuts

    def _worth(self, share: float, balance: float) -> tuple[float, float]:
        """Return what a favourable decision adds to the performance, by favourable and other label."""
        positives, negatives = self.totals
        balanced = 0.5 / positives, -0.5 / negatives
        if self.kind == "accuracy":
            whole = positives + negatives
            own = 1.0 / whole, -1.0 / whole
        elif self.kind == "f1":
            whole = 2.0 * (negatives if self.flipped else positives)
            own = (share / whole, (share - 2.0) / whole) if self.flipped else ((2.0 - share) / whole, -share / whole)
        else:
            own = balanced
        up, down = ((1 - balance) * mine + balance * other for mine, other in zip(own, balanced, strict=True))
        return up, down

    def _f1(self, places: Sequence[int]) -> float:
        chosen = list(zip(self.curves, places, strict=True))
        true = sum(float(curve.positives[place]) for curve, place in chosen)
        false = sum(float(curve.negatives[place]) for curve, place in chosen)
        positives, negatives = self.totals
        if self.flipped:
            true, false, positives = negatives - false, positives - true, negatives
        whole = true + false + positives
        return 2.0 * true / whole if whole > 0 else 0.0

    def _search(self, up: float, down: float, bounds: Sequence[float], lower: int | None) -> list[int] | None:
        peaks = [_Peaks(up * curve.positives + down * curve.negatives) for curve in self.curves]
        if len(self.curves) == 2:
            return self._pair(peaks, bounds, lower)
        if len(self.ratios) == 1:
            anchors = [np.unique(np.concatenate([curve.rates[0] for curve in self.curves]))]
            return self._windows(peaks, anchors, bounds)[0]
        return self._sampled(peaks, bounds)

    def _pair(self, peaks: Sequence[_Peaks], bounds: Sequence[float], lower: int | None) -> list[int] | None:
        """Every cut of the second group with the best cut of the first that is near enough."""
        first, second = (0, 1) if lower is None else (lower, 1 - lower)
        ours, theirs = self.curves[first], self.curves[second]
        start = np.zeros(len(theirs.cuts), np.int64)
        end = np.full(len(theirs.cuts), len(ours.cuts))
        for rate, other, ratio, bound in zip(ours.rates, theirs.rates, self.ratios, bounds, strict=True):
            least, most = _reach(other, ratio, bound)
            start = np.maximum(start, np.searchsorted(rate, least, "left"))
            end = np.minimum(end, np.searchsorted(rate, most, "right"))
        if lower is not None:
            start = np.maximum(start, np.searchsorted(-ours.cuts, -theirs.cuts, "left"))
        total = peaks[first].over(start, end) + peaks[second].values
        place = int(total.argmax())
        if total[place] == -np.inf:
            return None
        found = {second: place, first: peaks[first].where(int(start[place]), int(end[place]))}
        return [found[0], found[1]]

    def _windows(
        self, peaks: Sequence[_Peaks], anchors: Sequence[FloatArray], bounds: Sequence[float]
    ) -> tuple[list[int] | None, float, IntArray]:
        """Return the best place in each group over windows that start at every combination of anchors."""
        shape = [len(values) for values in anchors]
        starts, ends = [], []
        for curve in self.curves:
            start, end = np.zeros([1] * len(shape), np.int64), np.full([1] * len(shape), len(curve.cuts))
            for axis, (values, ratio, bound) in enumerate(zip(anchors, self.ratios, bounds, strict=True)):
                along = [-1 if place == axis else 1 for place in range(len(shape))]
                most = _reach(values, ratio, bound)[1]
                start = np.maximum(start, np.searchsorted(curve.rates[axis], values, "left").reshape(along))
                end = np.minimum(end, np.searchsorted(curve.rates[axis], most, "right").reshape(along))
            starts.append(np.broadcast_to(start, shape).reshape(-1))
            ends.append(np.broadcast_to(end, shape).reshape(-1))
        total = np.zeros(int(np.prod(shape)))
        for peak, start, end in zip(peaks, starts, ends, strict=True):
            total += peak.over(start, end)
        index = int(total.argmax())
        place = np.array(np.unravel_index(index, shape))
        if total[index] == -np.inf:
            return None, -np.inf, place
        windows = zip(peaks, starts, ends, strict=True)
        return [peak.where(int(start[index]), int(end[index])) for peak, start, end in windows], total[index], place

    def _sampled(self, peaks: Sequence[_Peaks], bounds: Sequence[float]) -> list[int] | None:
        """Windows of two rates at quantiles of the rates, then between the neighbours of the best."""
        every = [np.unique(np.concatenate([curve.rates[axis] for curve in self.curves])) for axis in range(2)]
        coarse = [_thinned(values) for values in every]
        found, value, place = self._windows(peaks, coarse, bounds)
        if found is None:
            return None
        fine = []
        for values, few, index in zip(every, coarse, place, strict=True):
            low, high = few[max(index - 1, 0)], few[min(index + 1, len(few) - 1)]
            fine.append(_thinned(values[(values >= low) & (values <= high)]))
        closer, better, _ = self._windows(peaks, fine, bounds)
        return closer if closer is not None and better > value else found


class _Peaks:
    """Maxima of any ranges of values, shape [T], by a table of the maxima of ranges of 1, 2, 4, … values."""

    def __init__(self, values: FloatArray) -> None:
        self.values = values
        self._levels = [values]
        while (half := 1 << (len(self._levels) - 1)) * 2 <= len(values):
            last = self._levels[-1]
            self._levels.append(np.maximum(last[:-half], last[half:]))

    def over(self, start: IntArray, end: IntArray) -> FloatArray:
        """Return the maximum of values[start:end] for each pair; −inf where that is empty."""
        length = end - start
        found = np.full(len(start), -np.inf)
        level = np.frexp(np.maximum(length, 1).astype(np.float64))[1] - 1
        for number in np.unique(level[length > 0]):
            pick = (level == number) & (length > 0)
            table = self._levels[number]
            found[pick] = np.maximum(table[start[pick]], table[end[pick] - (1 << int(number))])
        return found

    def where(self, start: int, end: int) -> int:
        """Return the index of the maximum of values[start:end]; of equal ones the middle, far from what is worse."""
        part = self.values[start:end]
        best = np.flatnonzero(part == part.max())
        return start + int(best[len(best) // 2])


def _curve(scores: FloatScores, columns: FloatArray, resolution: float) -> _Curve:
    values, order = sort_rows(scores)
    cuts, last = candidate_cuts(values, resolution)
    if len(last) > MOST_CUTS:
        keep = np.linspace(0, len(last) - 1, MOST_CUTS).round().astype(np.int64)
        cuts, last = cuts[keep], last[keep]
    # Below the first row and above the last: all of the group, and none of it.
    cuts = np.concatenate([[values[0] - max(1.0, abs(values[0]))], cuts, [values[-1] + max(1.0, abs(values[-1]))]])
    taken = np.concatenate([[0], last + 1, [len(values)]])
    ordered = columns[:, order]
    below = np.concatenate([np.zeros((len(columns), 1)), ordered.cumsum(axis=1)], axis=1)[:, taken]
    favorable = (below[:, -1:] - below)[:, ::-1]
    sizes = favorable[2:, -1:]
    rates = np.divide(favorable[2:], sizes, out=np.zeros_like(favorable[2:]), where=sizes > 0)
    return _Curve(cuts[::-1].copy(), favorable[0].copy(), favorable[1].copy(), rates)


def _reach(rates: FloatArray, ratio: bool, bound: float) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest rate that differ from each of `rates` by less than the bound."""
    bound = max(bound - _ROUNDING, 0.0)
    if not ratio:
        return rates - bound, rates + bound
    share = 1.0 - bound
    # The ratio of two rates of 0 is undefined: nothing is near 0.
    positive = rates > 0
    least = np.where(positive, rates * share, np.inf)
    return np.maximum(least, np.nextafter(0.0, 1.0)), np.where(positive, rates / max(share, _ROUNDING), -np.inf)


def _thinned(values: FloatArray) -> FloatArray:
    if len(values) <= ANCHORS:
        return values
    return values[np.linspace(0, len(values) - 1, ANCHORS).round().astype(np.int64)]
