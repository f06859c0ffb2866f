"""Sampling noise of a bias that is estimated on given rows, for choosing among candidates; vectorised over cuts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import FloatArray


def difference_error(
    first: FloatArray, n_first: npt.ArrayLike, second: FloatArray, n_second: npt.ArrayLike
) -> FloatArray:
    """Return the standard error of a difference of two rates, shape [T].

    One success and one failure are added to each group (Agresti and Caffo 2000), so that rates of 0 and 1 are not
    without noise.

    Parameters
    ----------
    first, second : ndarray of float64, shape [T]
        Rates in [0, 1].
    n_first, n_second : array_like
        Rows, or effective rows, that they are of.
    """
    error: FloatArray = np.sqrt(_variance(first, n_first) + _variance(second, n_second))
    return error


def ratio_error(first: FloatArray, n_first: npt.ArrayLike, second: FloatArray, n_second: npt.ArrayLike) -> FloatArray:
    """Return the standard error of the ratio of the lower to the higher of two rates, shape [T].

    By the delta method on the logarithm of the ratio, with the rates of `difference_error`.
    """
    a, b = _shrunk(first, n_first), _shrunk(second, n_second)
    relative = np.sqrt(_variance(first, n_first) / a**2 + _variance(second, n_second) / b**2)
    error: FloatArray = relative * np.minimum(a, b) / np.maximum(a, b)
    return error


def chance_within(bias: FloatArray, error: FloatArray, eps: npt.ArrayLike) -> FloatArray:
    """Return P(\\|bias + noise\\| < eps) for normal noise of the given standard error, shape of `bias`; 0 where NaN."""
    from scipy.special import ndtr

    bound = np.asarray(eps, np.float64)
    chance: FloatArray = ndtr((bound - bias) / error) - ndtr((-bound - bias) / error)
    return np.nan_to_num(chance).clip(0.0, 1.0)


def quantile(confidence: float) -> float:
    """Return the one-sided normal quantile of a confidence in (0, 1)."""
    from scipy.special import ndtri

    return float(ndtri(confidence))


def _shrunk(rate: FloatArray, n: npt.ArrayLike) -> FloatArray:
    rows = np.asarray(n, np.float64)
    shrunk: FloatArray = (rate * rows + 1) / (rows + 2)
    return shrunk


def _variance(rate: FloatArray, n: npt.ArrayLike) -> FloatArray:
    shrunk = _shrunk(rate, n)
    variance: FloatArray = shrunk * (1 - shrunk) / (np.asarray(n, np.float64) + 2)
    return variance
