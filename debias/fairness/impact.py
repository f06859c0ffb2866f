"""Impact ratios, what chance says of them, and how far scores lie apart: figures that rules on selection ask for.

The impact ratio of a group is its selection rate divided by that of another, mostly the one with the highest rate (29
CFR 1607.4(D); 6 RCNY § 5-300). The four-fifths rule of thumb flags ratios below 0.8. Whether a difference can be chance
is told by two tests of the same two rows of counts: Fisher's exact test (two-sided: all tables that are no likelier
than the one seen) and the z test for two proportions with the pooled rate. Their p-values are of one comparison each:
among many groups some are small by chance, and the reference is chosen for its high rate.

The standardised mean difference (SMD) is the difference of mean scores divided by the standard deviation of the scores
of all groups together. The scoring rate is the share of a group with a score above the median of all rows (6 RCNY §
5-300).

Sources: R. A. Fisher, J. R. Stat. Soc. 85 (1922) 87. L. Kish, Survey Sampling (1965), for the effective size of
weighted rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.metrics import selection_rates
from debias.fairness.regression import group_means

FOUR_FIFTHS = 0.8
"""A ratio below this is flagged."""
SMALL_SHARE = 0.02
"""A group with a smaller share of the rows is a small one (6 RCNY § 5-301; of the workforce 29 CFR 1607.15A(2))."""

_ROUNDING = 1e-14  # 0.24 / 0.3 is 0.8, not below it
_ALIKE = 1 + 1e-7  # Tables whose probabilities differ by rounding alone are as likely as each other.
_REACH, _LEAST = 40, 50  # Tables beyond 40 standard deviations have a probability below 1e-300.


@dataclass(frozen=True, eq=False)
class Impact:
    """How the selection rates of K groups compare with that of one of them; NaN where undefined.

    Parameters
    ----------
    reference : int
        The group that the others are compared with.
    ratio : ndarray of float64, shape [K]
        Rate divided by that of the reference; NaN where the latter is 0.
    z, z_p : ndarray of float64, shape [K]
        Statistic of the z test, negative where the group's rate is the lower one, and its two-sided p-value; NaN for
        the reference itself and where all or none of the two groups are selected.
    fisher_p : ndarray of float64, shape [K]
        Two-sided p-value of Fisher's exact test; NaN for the reference itself and where rows are weighted.
    """

    reference: int
    ratio: FloatArray
    z: FloatArray
    z_p: FloatArray
    fisher_p: FloatArray

    @property
    def below_four_fifths(self) -> npt.NDArray[np.bool_]:
        """Where the ratio is below 0.8, rounding of the division aside; False where it is undefined. Shape [K]."""
        return below(self.ratio)


def below(ratio: FloatArray, least: float = FOUR_FIFTHS) -> npt.NDArray[np.bool_]:
    """Return where a ratio is below `least`; one that equals it but for rounding is not."""
    return ratio < least * (1 - _ROUNDING)


def impact(counts: Counts, reference: int) -> Impact:
    """Compare the selection rate of every group with that of one group.

    Parameters
    ----------
    counts : Counts
        Of the favourable decision; only groups and decisions are read.
    reference : int
        The group to compare with, in 0 … K − 1.

    Returns
    -------
    Impact
        With weights the rates are weighted, and the z test takes effective numbers of rows.

    Raises
    ------
    ValueError
        If the reference is no group.
    """
    if not 0 <= reference < counts.n_groups:
        raise ValueError(f"the reference {reference} is none of {counts.n_groups} groups")
    rates = selection_rates(counts)
    ratio = np.full(len(rates), np.nan)
    if rates[reference] > 0:
        np.divide(rates, rates[reference], out=ratio)
    squares = counts.squares[:-1].sum(axis=(1, 2))
    sizes = np.divide(counts.weight**2, squares, out=np.zeros(len(rates)), where=squares > 0)
    z, z_p = two_proportions(np.nan_to_num(rates) * sizes, sizes, reference)
    weighted = not np.array_equal(counts.weights, counts.rows)
    n, k = counts.n, counts.selected_n
    fisher = np.array(
        [
            np.nan
            if weighted or group == reference
            else fisher_exact(int(k[group]), int(n[group]), int(k[reference]), int(n[reference]))
            for group in range(len(rates))
        ]
    )
    return Impact(reference, ratio, z, z_p, fisher)


def highest(rates: FloatArray, among: npt.NDArray[np.bool_] | None = None) -> int | None:
    """Return the group with the highest rate, the first of several; None where no rate is above 0.

    Parameters
    ----------
    rates : ndarray of float64, shape [K]
        NaN where undefined.
    among : ndarray of bool, shape [K], optional
        Groups that count. Default: all.
    """
    counted = np.nan_to_num(rates) if among is None else np.where(among, np.nan_to_num(rates), 0.0)
    return int(counted.argmax()) if len(counted) and counted.max() > 0 else None


def two_proportions(k: FloatArray, n: FloatArray, reference: int) -> tuple[FloatArray, FloatArray]:
    """Test whether each group's rate is that of the reference, by the pooled rate of the two.

    Parameters
    ----------
    k, n : ndarray of float64, shape [K]
        Selected rows and rows of each group; fractions where rows are weighted.
    reference : int
        The group to compare with.

    Returns
    -------
    ndarray of float64, shape [K], twice
        z and its two-sided p-value under the normal distribution.
    """
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (k + k[reference]) / (n + n[reference])
        error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n[reference]))
        z: FloatArray = np.where(error > 0, (k / n - k[reference] / n[reference]) / error, np.nan)
    z[reference] = np.nan
    z[~np.isfinite(z)] = np.nan
    return z, 2 * ndtr(-np.abs(z))


def fisher_exact(k1: int, n1: int, k2: int, n2: int) -> float:
    """Return the two-sided p-value of Fisher's exact test for two groups.

    Parameters
    ----------
    k1, n1, k2, n2 : int
        Selected rows and rows of each group, 0 <= k <= n.

    Returns
    -------
    float
        Probability, given all four margins, of a table that is no likelier than this one; 1 for a group without rows.

    Raises
    ------
    ValueError
        If counts are out of range.
    """
    from scipy.special import gammaln

    if not (0 <= k1 <= n1 and 0 <= k2 <= n2):
        raise ValueError(f"{k1} of {n1} and {k2} of {n2} are no counts")
    whole, selected = n1 + n2, k1 + k2
    low, high = max(0, selected - n2), min(selected, n1)
    if low == high:
        return 1.0
    mean = n1 * selected / whole
    spread = np.sqrt(mean * (whole - selected) / whole * n2 / max(whole - 1, 1))
    reach = max(_LEAST, _REACH * spread)
    # The table seen, and all that have a probability worth adding.
    tables = np.arange(max(low, int(mean - reach)), min(high, int(mean + reach) + 1) + 1, dtype=np.float64)

    def log_ways(rows: float, chosen: FloatArray) -> FloatArray:
        ways: FloatArray = gammaln(rows + 1) - gammaln(chosen + 1) - gammaln(rows - chosen + 1)
        return ways

    def log_of(table: FloatArray) -> FloatArray:
        return log_ways(n1, table) + log_ways(n2, selected - table)

    logs, seen = log_of(tables), float(log_of(np.array([float(k1)]))[0])
    top = logs.max()
    weights = np.exp(logs - top)
    rare = logs <= seen + np.log(_ALIKE)
    return float(min(weights[rare].sum() / weights.sum(), 1.0))


def weighted_median(values: FloatArray, weight: FloatArray | None = None) -> float | None:
    """Return the median; the mean of the two middle values where half the weight lies below. None without weight.

    Parameters
    ----------
    values : ndarray of float64, shape [N]
        Finite numbers.
    weight : ndarray of float64, shape [N], optional
        Weight of each value; without it this is `numpy.median`.
    """
    if weight is None:
        return float(np.median(values)) if len(values) else None
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    if not len(order):
        return None
    sums = np.cumsum(weight[order])
    half = sums[-1] / 2
    at = int(np.searchsorted(sums, half * (1 - _ROUNDING)))
    even = abs(sums[at] - half) <= _ROUNDING * half and at + 1 < len(order)
    return float(values[order[at : at + 2]].mean() if even else values[order[at]])


def standardised_differences(
    scores: FloatArray, codes: IntArray, n_groups: int, reference: int, weight: FloatArray | None = None
) -> FloatArray:
    """Return the mean score of each group less that of the reference, in standard deviations of the scores.

    Parameters
    ----------
    scores : ndarray of float64, shape [N]
        Finite numbers; higher ones are more favourable.
    codes : ndarray of int64, shape [N]
        Group of each row in 0 … n_groups − 1; −1 where it is missing: the row takes no part.
    n_groups : int
        Number of groups K.
    reference : int
        The group to compare with.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Returns
    -------
    ndarray of float64, shape [K]
        The standard deviation is that of the rows of all groups, divided by their number; NaN where they do not vary
        and for groups without rows.
    """
    means = group_means(scores, codes, n_groups, weight)
    known = codes >= 0
    values = scores[known]
    w = np.ones(len(values)) if weight is None else weight[known]
    differences: FloatArray = np.full(n_groups, np.nan)
    if not w.sum() > 0:
        return differences
    mean = float(w @ values) / float(w.sum())
    spread = float(np.sqrt(w @ (values - mean) ** 2 / w.sum()))
    if spread > 1e-12 * abs(mean):  # what rounding leaves of constant scores is no spread
        differences = (means - means[reference]) / spread
    return differences
