"""Attribute swap: how far a prediction moves when only the protected attribute is changed (Fair MEDL eq. 6 and 7).

The paper calls it counterfactual fairness (CF). It is no causal statement: every other column stays as it is, those
that go with the attribute among them (the relationship *husband* beside the sex *female*). A network that does not
read the attribute has no such figure; it is then undefined and not 0, for proxies still carry the attribute.
"""

from __future__ import annotations

import numpy as np

from debias.fairness.counts import FloatArray, IntArray


def attribute_swap(
    swapped: FloatArray, codes: IntArray, own: FloatArray | None = None, weight: FloatArray | None = None
) -> float | None:
    """Return the mean absolute change of the prediction over rows and other categories.

    Eq. 6 takes probabilities, eq. 7 predicted numbers: Σ_n Σ_{s' ≠ s_n} \\|p(x_n, s_n) − p(x_n, s')\\| / (N (k − 1)).

    Parameters
    ----------
    swapped : ndarray of float64, shape [k, N]
        The prediction of each row with the attribute set to each category; a row of NaN for a category that the network
        does not know, which is skipped.
    codes : ndarray of int64, shape [N]
        Category of each row in 0 … k − 1; −1 where it is missing: the row takes no part.
    own : ndarray of float64, shape [N], optional
        The prediction of each row as it is. Default: that with the row's own category set, which differs where a
        category stands for a range of values.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.

    Returns
    -------
    float or None
        None where no row can be changed: fewer than two categories, or no row with one.

    Raises
    ------
    ValueError
        If shapes do not fit, a code lies outside, or a prediction of a known category is not finite.
    """
    k, rows = swapped.shape
    if len(codes) != rows or any(item is not None and len(item) != rows for item in (own, weight)):
        raise ValueError("swapped, codes, own and weight differ in length")
    if rows and not -1 <= codes.min() <= codes.max() < k:
        raise ValueError(f"a category lies outside -1 to {k - 1}")
    known = ~np.isnan(swapped).all(axis=1)
    if not rows or not np.isfinite(swapped[known]).all() or (own is not None and not np.isfinite(own).all()):
        if not rows:
            return None
        raise ValueError("a prediction is not finite")
    w = (np.ones(rows) if weight is None else weight) * (codes >= 0)
    if own is None:
        w = w * np.append(known, False)[codes]
        own = np.where(w > 0, swapped[codes, np.arange(rows)], 0.0)
    changed, changes = 0.0, 0.0
    for category in np.flatnonzero(known):
        others = w * (codes != category)
        changed += float(others @ np.abs(own - swapped[category]))
        changes += float(others.sum())
    return changed / changes if changes > 0 else None
