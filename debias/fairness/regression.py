"""Errors of predicted numbers, over all rows and by group, in units of the target."""

from __future__ import annotations

import numpy as np

from debias.fairness.counts import FloatArray, IntArray


def mse(prediction: FloatArray, target: FloatArray, weight: FloatArray | None = None) -> float | None:
    """Mean squared error, in squared units of the target; None without weight.

    Parameters
    ----------
    prediction, target : ndarray of float64, shape [N]
        Finite numbers.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Raises
    ------
    ValueError
        For a number that is not finite.
    """
    return _mean(_errors(prediction, target) ** 2, weight)


def mae(prediction: FloatArray, target: FloatArray, weight: FloatArray | None = None) -> float | None:
    """Mean absolute error, in units of the target; see `mse`."""
    return _mean(np.abs(_errors(prediction, target)), weight)


def r2(prediction: FloatArray, target: FloatArray, weight: FloatArray | None = None) -> float | None:
    """Share of the target's variance that is explained, 1 − MSE / variance; None where the target does not vary.

    See `mse`. Below 0 where the mean of the target would predict better.
    """
    error, mean = mse(prediction, target, weight), _mean(target, weight)
    if error is None or mean is None:
        return None
    variance = _mean((target - mean) ** 2, weight)
    return None if variance is None else explained(error, variance, mean)


def explained(error: float, variance: float, mean: float) -> float | None:
    """Return 1 − MSE / variance from the MSE and the target's variance and mean; None where it does not vary."""
    # A constant target has a variance of rounding errors at most.
    if not variance or variance <= (1e-12 * abs(mean)) ** 2:
        return None
    return 1 - error / variance


def group_means(values: FloatArray, codes: IntArray, n_groups: int, weight: FloatArray | None = None) -> FloatArray:
    """Return the mean of each group, shape [K]; NaN for a group without weight.

    Parameters
    ----------
    values : ndarray of float64, shape [N]
        Finite numbers.
    codes : ndarray of int64, shape [N]
        Group of each row in 0 … n_groups − 1; −1 where it is missing: the row takes no part.
    n_groups : int
        Number of groups K.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Raises
    ------
    ValueError
        If the lengths differ, a code lies outside, or a value is not finite.
    """
    values = np.asarray(values, np.float64)
    if len(values) != len(codes) or (weight is not None and len(weight) != len(codes)):
        raise ValueError("values, codes and weight differ in length")
    if len(codes) and not -1 <= codes.min() <= codes.max() < n_groups:
        raise ValueError(f"a group code lies outside -1 to {n_groups - 1}")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite")
    w = np.ones(len(values)) if weight is None else weight
    group = np.where(codes < 0, n_groups, codes)
    mass = np.bincount(group, weights=w, minlength=n_groups + 1)[:-1]
    total = np.bincount(group, weights=w * values, minlength=n_groups + 1)[:-1]
    means: FloatArray = np.divide(total, mass, out=np.full(n_groups, np.nan), where=mass > 0)
    return means


def group_mses(
    prediction: FloatArray, target: FloatArray, codes: IntArray, n_groups: int, weight: FloatArray | None = None
) -> FloatArray:
    """Return the mean squared error of each group, shape [K]; NaN for a group without weight. See `group_means`."""
    return group_means(_errors(prediction, target) ** 2, codes, n_groups, weight)


def _errors(prediction: FloatArray, target: FloatArray) -> FloatArray:
    errors = np.asarray(prediction, np.float64) - np.asarray(target, np.float64)
    if not np.isfinite(errors).all():
        raise ValueError("a prediction or target is not finite")
    return errors


def _mean(values: FloatArray, weight: FloatArray | None) -> float | None:
    w = np.ones(len(values)) if weight is None else weight
    mass = float(w.sum())
    return float(w @ values) / mass if mass > 0 else None
