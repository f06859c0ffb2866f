"""How sure a difference between two models on the same rows is: paired bootstrap, tests over folds, corrections.

The bootstrap resamples rows by weights (how often a row was drawn) and never copies one: the sums per group that the
dispersion metrics are made of are products of these weights with columns of the rows. All models, attributes and
metrics share each draw, so their differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
import numpy.typing as npt

from debias.fairness.counts import FloatArray, IntArray
from debias.fairness.dispersion import mean_pairwise, spread

DRAWS = 1000
OVERALL = ""
"""In place of an attribute: the metrics of all rows together."""
# Weights of one block of draws; the columns that they are multiplied with come on top.
BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Scores:
    """What one model says of rows, as far as the metrics need it.

    Parameters
    ----------
    score : ndarray of float64, shape [N]
        Probability, or value in units of the target.
    decided : ndarray of bool, shape [N], optional
        The positive decision; None for a regression.
    swapped : mapping of str to (ndarray of float64 [N], ndarray of float64 [N])
        By attribute: the sum over the other categories of ``|score − score with that category|``, and the number of
        those categories. An attribute that the model does not read is left out.
    """

    score: FloatArray
    decided: npt.NDArray[np.bool_] | None
    swapped: Mapping[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """After minus before, with what the draws say of it; None where undefined.

    Parameters
    ----------
    value : float or None
    low, high : float or None
        Percentile interval at `confidence`.
    p : float or None
        Two-sided: the largest 1 − confidence at which the percentile interval still holds 0, at least 2 / (draws + 1).
    draws : int
        Draws in which both figures are defined.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    draws: int


def bootstrap(
    y: npt.ArrayLike,
    models: Sequence[Sequence[Scores]],
    attributes: Mapping[str, tuple[IntArray, int]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[tuple[str, str], FloatArray]:
    """Return the metrics of several models on rows drawn with replacement, the same rows for all of them.

    Parameters
    ----------
    y : array of 0 and 1, or of float for a regression, shape [N]
    models : sequence of sequence of Scores
        Of each model one or more sets of scores of these rows; a metric is its mean over the sets (the models of the
        folds on rows of unseen clusters).
    attributes : mapping of str to (codes [N], number of groups)
        Groups; a code of −1 is in none.
    draws : int
    seed : int

    Returns
    -------
    dict of (attribute, metric) to ndarray, shape [models, 1 + draws]
        The first column is that of the rows themselves. Metrics: ``tpr_sd``, ``fpr_sd``,
        ``demographic_parity``, ``demographic_parity_soft``, ``attribute_swap`` and, of all rows (`OVERALL`),
        ``balanced_accuracy``; of a regression ``mse_sd``, ``demographic_parity``, ``attribute_swap`` and ``mse``. NaN
        where undefined; ``attribute_swap`` is there only where every model reads the attribute.
    """
    target = np.asarray(y, dtype=np.float64)
    sets = [one for model in models for one in model]
    owner = np.repeat(np.arange(len(models)), [len(model) for model in models])
    regression = sets[0].decided is None
    columns = _columns(target, sets, regression)
    groups = {OVERALL: [np.arange(len(target))]}
    groups |= {name: [np.flatnonzero(codes == g) for g in range(size)] for name, (codes, size) in attributes.items()}
    found: dict[tuple[str, str], list[FloatArray]] = {}
    for weights in _weights(len(target), draws, seed):
        for name, members in groups.items():
            sums = np.stack([weights[:, rows] @ columns[rows] for rows in members])
            measured = (_overall if name == OVERALL else _groups)(sums, len(sets), regression)
            if all(name in one.swapped for one in sets):
                changed, changes = (np.stack([one.swapped[name][part] for one in sets], axis=1) for part in (0, 1))
                measured["attribute_swap"] = _ratio(weights @ changed, weights @ changes)
            for metric, values in measured.items():
                found.setdefault((name, metric), []).append(_means(values, owner, len(models)))
    return {key: np.concatenate(blocks, axis=1) for key, blocks in found.items()}


def difference(before: FloatArray, after: FloatArray, confidence: float = 0.95) -> Difference:
    """Return what the draws of two models say of their difference.

    Parameters
    ----------
    before, after : ndarray, shape [1 + draws]
        Rows of what `bootstrap` returns.
    confidence : float
    """
    change = after - before
    value, drawn = change[0], change[1:][np.isfinite(change[1:])]
    if not isfinite(value) or not len(drawn):
        return Difference(None, None, None, None, len(drawn))
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    tail = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    p = min(1.0, 2 * (tail + 1) / (len(drawn) + 1))
    return Difference(float(value), float(low), float(high), p, len(drawn))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number (Holm 1979); None stays None and does not count."""
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        corrected[place] = largest
    return corrected


def sign_test(improved: int, of: int) -> float | None:
    """Return the two-sided p of `improved` of `of` by the toss of a coin; None of nothing."""
    from scipy.stats import binomtest

    return float(binomtest(improved, of, 0.5).pvalue) if of else None


def paired_t(before: npt.ArrayLike, after: npt.ArrayLike) -> float | None:
    """Return the two-sided p of a paired t-test over folds, as Fair MEDL reports; None where it is undefined.

    Folds share training rows, so it is too sure of itself; the bootstrap over rows is the one to read first.
    """
    from scipy.stats import t

    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    change = change[np.isfinite(change)]
    if len(change) < 2:
        return None
    error = change.std(ddof=1) / np.sqrt(len(change))
    return float(2 * t.sf(abs(change.mean()) / error, len(change) - 1)) if error > 0 else None


def t_interval(values: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float] | None:
    """Return the t-based interval of the mean of the folds; None of fewer than two defined values."""
    from scipy.stats import t

    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return None
    reach = t.ppf((1 + confidence) / 2, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return float(known.mean() - reach), float(known.mean() + reach)


def _weights(n: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Yield blocks of weights [draws of the block, N]; the first row of all is one of ones."""
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK_BYTES // (8 * max(n, 1)))
    for start in range(0, draws + 1, size):
        count = min(size, draws + 1 - start)
        block = np.ones((count, n))
        for row in range(start == 0, count):
            block[row] = np.bincount(rng.integers(0, n, n), minlength=n)
        yield block


def _columns(y: FloatArray, sets: Sequence[Scores], regression: bool) -> FloatArray:
    """Return columns whose weighted sums the metrics need: 1, [y,] then of each set three."""
    ones = np.ones_like(y)
    if regression:
        own = [column for one in sets for column in (one.score, np.square(one.score - y))]
        return np.stack([ones, *own], axis=1)
    own = []
    for one in sets:
        decided = np.asarray(one.decided, dtype=np.float64)
        own += [decided * y, decided * (1 - y), one.score]
    return np.stack([ones, y, *own], axis=1)


def _parts(sums: FloatArray, sets: int, regression: bool) -> tuple[FloatArray, ...]:
    """Part sums [groups, draws, columns] into those of the rows, [groups, draws, 1], and of each set, [..., sets]."""
    shared, each = (1, 2) if regression else (2, 3)
    own = sums[..., shared:].reshape(*sums.shape[:2], sets, each)
    return (*(sums[..., i, None] for i in range(shared)), *(own[..., i] for i in range(each)))


def _groups(sums: FloatArray, sets: int, regression: bool) -> dict[str, FloatArray]:
    """Return the dispersion metrics [draws, sets] of an attribute."""
    if regression:
        n, score, error = _parts(sums, sets, regression)
        return {"mse_sd": spread(_ratio(error, n)), "demographic_parity": mean_pairwise(_ratio(score, n))}
    n, positive, hits, alarms, score = _parts(sums, sets, regression)
    return {
        "tpr_sd": spread(_ratio(hits, positive)),
        "fpr_sd": spread(_ratio(alarms, n - positive)),
        "demographic_parity": mean_pairwise(_ratio(hits + alarms, n)),
        "demographic_parity_soft": mean_pairwise(_ratio(score, n)),
    }


def _overall(sums: FloatArray, sets: int, regression: bool) -> dict[str, FloatArray]:
    """Return the performance [draws, sets] on all rows."""
    if regression:
        n, _, error = _parts(sums, sets, regression)
        return {"mse": _ratio(error, n)[0]}
    n, positive, hits, alarms, _ = _parts(sums, sets, regression)
    return {"balanced_accuracy": (_ratio(hits, positive)[0] + 1 - _ratio(alarms, n - positive)[0]) / 2}


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    below = np.broadcast_to(below, above.shape)
    found: FloatArray = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return found


def _means(values: FloatArray, owner: IntArray, models: int) -> FloatArray:
    """Return the mean over the sets of each model, [models, draws]; sets without a value are left out."""
    known = np.isfinite(values)
    total = np.stack([np.where(known, values, 0.0)[:, owner == m].sum(axis=1) for m in range(models)])
    count = np.stack([known[:, owner == m].sum(axis=1) for m in range(models)])
    return _ratio(total, count.astype(np.float64))
