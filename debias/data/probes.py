"""Confounding probes: columns that tell the cluster's rate of the label and nothing else about a row.

A network that leans on them has mistaken the cluster for a cause (Fair MEDL section 2.7, which says what they
correlate with and gives no recipe). The recipe is that of the published code of ARMED, with two of its leaks closed:
rates come from training rows alone, and the noise of a row is drawn once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from debias.data.sample import FloatArray, IntArray
from debias.errors import Problem, UsageError

Task = Literal["classification", "regression"]

NOISE = 0.05
"""Standard deviation of the noise that is added to a probe."""
LEAST_RATE = 1e-3
"""Rates below this count as this before 1/r."""
_STREAM = 0x70726F6265  # keeps the noise apart from other draws of the same seed

_Form = tuple[str, Callable[[FloatArray], FloatArray]]
_INVERSE: Mapping[Task, _Form] = {
    "classification": ("1/r", lambda r: 1 / np.maximum(r, LEAST_RATE)),
    # A standardised mean can be zero or negative, where 1/r jumps.
    "regression": ("exp(−r)", lambda r: np.exp(-r)),
}


def _forms(task: Task) -> tuple[_Form, ...]:
    return (
        ("r", lambda r: r),
        ("r²", np.square),
        _INVERSE[task],
        ("cos r", np.cos),
        ("sin r", np.sin),
    )


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes of every row.

    Parameters
    ----------
    columns : mapping of str to ndarray of float64, shape [N]
        ``Probe 1`` to ``Probe 5``.
    formulas : mapping of str to str
        Each probe's formula in r.
    rates : ndarray of float64, shape [K]
        r of each cluster: its rate of positive labels among its training rows, of a regression its mean of the
        standardised target; NaN for a cluster without training rows.
    """

    columns: Mapping[str, FloatArray]
    formulas: Mapping[str, str]
    rates: FloatArray


def probes(
    outcome: npt.NDArray[np.floating] | npt.NDArray[np.integer],
    codes: IntArray,
    training: npt.NDArray[np.bool_],
    *,
    task: Task = "classification",
    noise: float = NOISE,
    seed: int = 0,
) -> Probes:
    """Return the five probes: r, r², 1/r (of a regression exp(−r)), cos r and sin r, each plus N(0, noise²).

    Parameters
    ----------
    outcome : ndarray, shape [N]
        Labels 0 and 1, or a regression's target. Only those of training rows are read.
    codes : ndarray of int64, shape [N]
        Cluster of each row; −1 where it is not known.
    training : ndarray of bool, shape [N]
        Rows whose outcomes make the rates.
    task : {"classification", "regression"}
        Of a regression the target is standardised by the training rows first.
    noise : float
        Standard deviation of what is added to each value, 0 or more.
    seed : int
        Of the noise. A row's noise depends on the seed, its place and the number of rows, not on the split.

    Returns
    -------
    Probes
        A row whose cluster has no training rows holds the probe's mean over the training rows: nothing is known.

    Raises
    ------
    UsageError
        Noise that is negative or not finite.
    """
    if not (np.isfinite(noise) and noise >= 0):
        raise UsageError(Problem(f"{noise!r} is no standard deviation", "--probe-noise", "Give 0 or more."))
    told = training & (codes >= 0)
    if not told.any():
        raise ValueError("no training row has a cluster")
    rates = _rates(np.asarray(outcome, dtype=np.float64), codes, told, task)
    known = (codes >= 0) & np.isfinite(np.append(rates, np.nan))[codes]
    forms = _forms(task)
    drawn = np.random.default_rng([_STREAM, seed]).normal(0.0, 1.0, (len(codes), len(forms))) * noise
    columns: dict[str, FloatArray] = {}
    formulas: dict[str, str] = {}
    for place, (formula, form) in enumerate(forms):
        name = f"Probe {place + 1}"
        values = np.append(form(rates), np.nan)[codes] + drawn[:, place]
        columns[name] = np.where(known, values, values[told].mean())
        formulas[name] = formula
    return Probes(columns, formulas, rates)


def _rates(outcome: FloatArray, codes: IntArray, told: npt.NDArray[np.bool_], task: Task) -> FloatArray:
    """Return the mean outcome of each cluster's training rows, NaN where it has none."""
    values = outcome[told]
    if task == "regression":
        values = (values - values.mean()) / (values.std() or 1.0)
    clusters = int(codes.max()) + 1
    sizes = np.bincount(codes[told], minlength=clusters)
    sums = np.bincount(codes[told], weights=values, minlength=clusters)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)
