"""Predicted numbers by group with their sampling noise, and the bias of a regression (Fair MEDL paper, section 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.dispersion import mean_pairwise, spread
from debias.fairness.metrics import Moment, disparity
from debias.fairness.regression import group_means

_DRAWS = 512


@dataclass(frozen=True, eq=False)
class Moments:
    """Predictions of a regression by group, in units of the target; NaN where too few rows bear on it.

    Parameters
    ----------
    n : ndarray of int64, shape [K]
        Rows of each group.
    weight, effective : ndarray of float64, shape [K]
        Sum of their weights, and their effective number (Σ w)² / Σ w² (Kish 1965).
    mean, target_mean : ndarray of float64, shape [K]
        Mean prediction and mean target.
    mse, mae : ndarray of float64, shape [K]
        Mean squared and mean absolute error.
    target_variance : ndarray of float64, shape [K]
        Variance of the target within the group, the divisor being the rows' weight.
    mean_variance, mse_variance : ndarray of float64, shape [K]
        Variance of `mean` and of `mse` as estimates; needs two effective rows.
    missing_n : int
        Rows whose attribute is missing.
    """

    n: IntArray
    weight: FloatArray
    effective: FloatArray
    mean: FloatArray
    target_mean: FloatArray
    mse: FloatArray
    mae: FloatArray
    target_variance: FloatArray
    mean_variance: FloatArray
    mse_variance: FloatArray
    missing_n: int = 0

    @property
    def n_groups(self) -> int:
        """Number of groups K, the missing one not counted."""
        return len(self.n)

    def of(self, moment: Moment) -> FloatArray:
        """Return what is compared, shape [K]."""
        return self.mean if moment == "mean" else self.mse

    def variance_of(self, moment: Moment) -> FloatArray:
        """Return the variance of what is compared as an estimate, shape [K]."""
        return self.mean_variance if moment == "mean" else self.mse_variance


def moments(
    values: FloatArray, target: FloatArray, codes: IntArray, n_groups: int, weight: FloatArray | None = None
) -> Moments:
    """Return the moments of predictions by group.

    Parameters
    ----------
    values, target : ndarray of float64, shape [N]
        Predictions, and what was to be predicted.
    codes : ndarray of int64, shape [N]
        Group of each row in 0 … n_groups − 1; −1 where it is missing.
    n_groups : int
        Number of groups K.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If the lengths differ, a code lies outside −1 … n_groups − 1, or a number is not finite.
    """

    def means(column: FloatArray) -> FloatArray:
        return group_means(column, codes, n_groups, weight)

    error = values - target
    mean, target_mean, mse = means(values), means(target), means(error**2)
    known = codes >= 0
    mass = np.bincount(codes[known], None if weight is None else weight[known], minlength=n_groups).astype(np.float64)
    effective = effective_rows(codes, n_groups, weight)
    return Moments(
        n=np.bincount(codes[known], minlength=n_groups),
        weight=mass,
        effective=effective,
        mean=mean,
        target_mean=target_mean,
        mse=mse,
        mae=means(np.abs(error)),
        target_variance=means((target - _each(target_mean, codes)) ** 2),
        mean_variance=as_estimate(means((values - _each(mean, codes)) ** 2), effective),
        mse_variance=as_estimate(means((error**2 - _each(mse, codes)) ** 2), effective),
        missing_n=int((~known).sum()),
    )


def effective_rows(codes: IntArray, n_groups: int, weight: FloatArray | None = None) -> FloatArray:
    """Return (Σ w)² / Σ w² of each group, shape [K] (Kish 1965); 0 without weight."""
    known = codes >= 0
    w = np.ones(int(known.sum())) if weight is None else weight[known]
    sums, squares = (np.bincount(codes[known], each, minlength=n_groups) for each in (w, w**2))
    return np.divide(sums**2, squares, out=np.zeros(n_groups), where=squares > 0)


def _each(of_groups: FloatArray, codes: IntArray) -> FloatArray:
    """Return the value of each row's group; 0 for a row without one."""
    values: FloatArray = np.nan_to_num(np.append(of_groups, 0.0))[codes]
    return values


def as_estimate(within: FloatArray, effective: FloatArray) -> FloatArray:
    """Return the variance of a mean from that of the rows (divisor: their weight); NaN below two effective rows."""
    spare = effective - 1
    variance: FloatArray = np.divide(within, spare, out=np.full(len(within), np.nan), where=spare > 0)
    return variance


def bias(values: FloatArray, moment: Moment, privileged: int | None = None) -> FloatArray:
    """Return how far what is compared lies apart between groups.

    Parameters
    ----------
    values : ndarray of float64, shape [K, ...]
        Mean prediction or mean squared error of each group.
    moment : {"mean", "mse"}
        Which of them.
    privileged : int, optional
        The privileged one of two groups; 1 when not given. No effect on more than two groups.

    Returns
    -------
    ndarray of float64, shape [...]
        Means of two groups: unprivileged minus privileged; of more: the mean absolute difference of all pairs (eq. 4).
        Errors: their standard deviation over the groups, in squared units of the target. NaN where a group has none.
    """
    if len(values) == 2 and moment == "mean":
        return disparity(values, privileged)
    apart = spread(values) if moment == "mse" else mean_pairwise(values)
    return np.where(np.isnan(values).any(axis=0), np.nan, apart)


def bias_error(values: FloatArray, variances: FloatArray, moment: Moment) -> float:
    """Return the standard error of `bias`, from values and variances of the estimates, both of shape [K].

    Two groups: √(v₀ + v₁), half of that for errors, whose standard deviation is half their difference. More: the
    standard deviation of `bias` over fixed normal draws of the values, because neither metric is smooth.
    """
    if np.isnan(variances).any():
        return float("nan")
    scale = np.sqrt(variances)
    if len(values) == 2:
        return float(np.hypot(*scale)) * (0.5 if moment == "mse" else 1.0)
    return float(bias(values[:, None] + scale[:, None] * normal_draws(len(values), _DRAWS), moment).std())


@cache
def normal_draws(k: int, n: int) -> FloatArray:
    """Return the same standard normal numbers [k, n] at every call."""
    drawn: FloatArray = np.random.default_rng(0).standard_normal((k, n))
    return drawn
