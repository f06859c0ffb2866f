"""How far apart the groups of an attribute lie, for any number of groups (Fair MEDL paper, section 2.3).

Equalized odds is told as the standard deviation over groups of the true and of the false positive rate, of a regression
of the mean squared error (section 2.3.1); demographic parity as the mean absolute difference over all pairs of groups
of the selection rate (eq. 3) or of the mean prediction (eq. 4). Groups count alike, whatever their size.

A group without a value (no favourable label: no TPR) is left out of the figure and named. With fewer than two groups
left there is nothing to compare and the figure is undefined, never 0. Rows without a group (code −1) take no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from debias.fairness.counts import Counts, FloatArray, IntArray
from debias.fairness.metrics import fprs, selection_rates, tprs
from debias.fairness.regression import group_means, group_mses

Measure = Literal["tpr_sd", "fpr_sd", "mse_sd", "demographic_parity", "demographic_parity_soft"]
"""A figure over the groups of one attribute; each is 0 where the groups are alike."""


@dataclass(frozen=True)
class Dispersion:
    """The figures of one attribute; None where a figure is undefined or is not for the task.

    Parameters
    ----------
    tpr_sd, fpr_sd : float or None
        SD over groups of P(favourable decision | favourable label), and of that among unfavourable labels.
    mse_sd : float or None
        SD over groups of the mean squared error, in squared units of the target. Regression.
    demographic_parity : float or None
        Mean absolute pairwise difference of the selection rates (eq. 3); of a regression of the mean predictions
        (eq. 4).
    demographic_parity_soft : float or None
        The same of the mean probabilities, which no threshold has a part in. Classification.
    left_out : mapping of str to tuple of int
        By measure, the groups that had no value.
    """

    tpr_sd: float | None = None
    fpr_sd: float | None = None
    mse_sd: float | None = None
    demographic_parity: float | None = None
    demographic_parity_soft: float | None = None
    left_out: Mapping[Measure, tuple[int, ...]] = field(default_factory=dict)

    @property
    def undefined_groups(self) -> tuple[int, ...]:
        """Groups that are left out of a figure."""
        return tuple(sorted({group for groups in self.left_out.values() for group in groups}))


def spread(values: FloatArray, ddof: int = 0) -> FloatArray:
    """Return the standard deviation over groups.

    Parameters
    ----------
    values : ndarray of float64, shape [K, ...]
        A value of each group; NaN where it has none, which is left out.
    ddof : {0, 1}
        0 divides by the number of groups, 1 by one less. The paper does not say which it used; relative changes do not
        depend on it while the same groups are defined.

    Returns
    -------
    ndarray of float64, shape [...]
        NaN with fewer than two values.
    """
    if ddof not in (0, 1):
        raise ValueError(f"ddof is {ddof!r}, not 0 or 1")
    there = ~np.isnan(values)
    n = there.sum(axis=0)
    filled = np.where(there, values, 0.0)
    enough = n >= 2
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    squares = np.where(there, (filled - mean) ** 2, 0.0).sum(axis=0)
    return np.where(enough, np.sqrt(squares / np.maximum(n - ddof, 1)), np.nan)


def mean_pairwise(values: FloatArray) -> FloatArray:
    """Return the mean absolute difference over all pairs of groups (eq. 3 and 4).

    Parameters
    ----------
    values : ndarray of float64, shape [K, ...]
        A value of each group; NaN where it has none, which is left out.

    Returns
    -------
    ndarray of float64, shape [...]
        NaN with fewer than two values.
    """
    first, second = np.triu_indices(len(values), 1)
    gaps = np.abs(values[first] - values[second])
    there = ~np.isnan(gaps)
    pairs = there.sum(axis=0)
    total = np.where(there, gaps, 0.0).sum(axis=0)
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def dispersion(
    counts: Counts,
    *,
    probabilities: FloatArray | None = None,
    codes: IntArray | None = None,
    weight: FloatArray | None = None,
    mean_probabilities: FloatArray | None = None,
    ddof: int = 0,
) -> Dispersion:
    """Return the figures of a classification.

    Parameters
    ----------
    counts : Counts
        By the groups of the attribute, in the favourable frame: where the favourable decision is the negative one, TPR
        and FPR change places with those of the positive label.
    probabilities : ndarray of float64, shape [N], optional
        P(y = 1) of each row, for the soft version; with it `codes`.
    codes : ndarray of int64, shape [N], optional
        Group of each row; −1 where it is missing.
    weight : ndarray of float64, shape [N], optional
        Weight of each row; the counts have been made with it.
    mean_probabilities : ndarray of float64, shape [K], optional
        The mean of P(y = 1) in each group, in place of `probabilities`.
    ddof : {0, 1}
        See `spread`.

    Returns
    -------
    Dispersion

    Raises
    ------
    ValueError
        For probabilities that are not finite, or without codes.
    """
    values: dict[Measure, FloatArray] = {
        "tpr_sd": tprs(counts),
        "fpr_sd": fprs(counts),
        "demographic_parity": selection_rates(counts),
    }
    if probabilities is not None:
        if codes is None:
            raise ValueError("probabilities need the codes of their rows")
        mean_probabilities = group_means(probabilities, codes, counts.n_groups, weight)
    if mean_probabilities is not None:
        values["demographic_parity_soft"] = mean_probabilities
    return _of(values, ddof)


def regression_dispersion(
    prediction: FloatArray,
    target: FloatArray,
    codes: IntArray,
    n_groups: int,
    weight: FloatArray | None = None,
    ddof: int = 0,
) -> Dispersion:
    """Return the figures of a regression, in units of the target.

    Parameters
    ----------
    prediction, target : ndarray of float64, shape [N]
        In units of the target.
    codes : ndarray of int64, shape [N]
        Group of each row in 0 … n_groups − 1; −1 where it is missing.
    n_groups : int
        Number of groups K.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    ddof : {0, 1}
        See `spread`.

    Returns
    -------
    Dispersion

    Raises
    ------
    ValueError
        For a prediction or target that is not finite.
    """
    return moment_dispersion(
        group_means(prediction, codes, n_groups, weight), group_mses(prediction, target, codes, n_groups, weight), ddof
    )


def moment_dispersion(means: FloatArray, mses: FloatArray, ddof: int = 0) -> Dispersion:
    """Return the figures of a regression from mean predictions and mean squared errors by group, shape [K] each."""
    return _of({"mse_sd": mses, "demographic_parity": means}, ddof)


def _of(values: Mapping[Measure, FloatArray], ddof: int) -> Dispersion:
    figures = {
        name: float(spread(each, ddof) if name.endswith("_sd") else mean_pairwise(each))
        for name, each in values.items()
    }
    left_out = {
        name: groups for name, each in values.items() if (groups := tuple(map(int, np.flatnonzero(np.isnan(each)))))
    }
    return Dispersion(
        **{name: None if np.isnan(value) else value for name, value in figures.items()}, left_out=left_out
    )
