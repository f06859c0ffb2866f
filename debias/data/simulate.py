"""The simulations of the parity-proxies paper (appendix D.1): tables whose bias one number sets.

No row stands for a person. Both are seeded: the same arguments give the same table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
LABEL, ATTRIBUTE = "y", "a"
LOH_FEATURES = tuple(f"x{j}" for j in range(1, 11))
CATEGORIES = 10
"""Values of X6, from 1."""

MEANS = ((-2.0, -2.0), (2.0, 2.0))
COVARIANCES = (((10.0, 1.0), (1.0, 3.0)), ((5.0, 1.0), (1.0, 5.0)))
"""Of the two latent features, by label (step 2 of the second simulation)."""

WIDTH, HIDDEN = 10, 32


def loh_table(rows: int, alpha: float, seed: int = 0) -> pd.DataFrame:
    """Return a table of the simulation after Loh et al. (2019) (parity-proxies paper, appendix D.1, eq. 9).

    X1, X2, X3, X7 … X10 are standard normal, corr(X2, X3) = 0.5, and corr(Xj, Xk) = 0.5 among X7 … X10; X4 ~ Exp(1),
    X5 ~ Bernoulli(1/2), X6 uniform on 1 … 10, A ~ Bernoulli(1/2), and

        logit P(Y = 1) = (X1 + X2 − X5) / 2 + 2 α A 1{X6 odd}.

    A is drawn without regard to X. A network that reads X1 … X10 alone therefore has a statistical parity difference of
    0 whatever α is, and α shows in it only where A is a feature too; in the equal opportunity difference it shows
    either way.

    Parameters
    ----------
    rows : int
        Rows, at least 1.
    alpha : float
        α >= 0: how much the attribute adds to the odds. The paper takes 0 to 2.5.
    seed : int
        Seed, at least 0.

    Returns
    -------
    DataFrame
        Columns x1 … x10, the attribute ``a`` and the label ``y``, both 0 or 1; a = 1 is the group with the advantage.

    Raises
    ------
    UsageError
        With every argument that is out of range.
    """
    import pandas as pd

    _check(rows, seed, Problem("α is no number of 0 or more", "--alpha", "Give 0 to 2.5, as the paper does."), alpha)
    rng = np.random.default_rng(seed)
    columns = rng.standard_normal((10, rows))
    columns[2] = 0.5 * columns[1] + math.sqrt(0.75) * columns[2]
    # Half of the variance in common gives a correlation of 0.5 between any two.
    columns[6:] = math.sqrt(0.5) * (columns[6:] + rng.standard_normal(rows))
    columns[3] = rng.exponential(size=rows)
    columns[4] = rng.integers(0, 2, rows)
    columns[5] = rng.integers(1, CATEGORIES + 1, rows)
    a = rng.integers(0, 2, rows)
    logit = (columns[0] + columns[1] - columns[4]) / 2 + 2 * alpha * a * (columns[5] % 2 == 1)
    y = rng.random(rows) < 1 / (1 + np.exp(-logit))
    table = pd.DataFrame(dict(zip(LOH_FEATURES, columns, strict=True)))
    for name in ("x5", "x6"):
        table[name] = table[name].astype(np.int64)
    return table.assign(**{ATTRIBUTE: a.astype(np.int64), LABEL: y.astype(np.int64)})


def zafar_table(
    rows: int, theta: float, seed: int = 0, width: int = WIDTH, hidden: int = HIDDEN, map_seed: int = 0
) -> pd.DataFrame:
    """Return a table of the simulation after Zafar et al. (2017) (parity-proxies paper, appendix D.1, eq. 10).

    Y ~ Bernoulli(1/2); two latent features are normal given Y (`MEANS`, `COVARIANCES`). They are turned by the angle ϑ,
    and A is drawn with P(A = 1) = p(x' | Y = 1) / (p(x' | Y = 1) + p(x' | Y = 0)) at the turned point x': the nearer ϑ
    is to 0, the more A and Y go together. What a network sees is g(x), g a random network with two hidden layers of
    ReLU. The paper gives neither its widths nor how its weights are drawn; here they are normal with variance 1 over
    the number of the layer's inputs, biases standard normal.

    Parameters
    ----------
    rows : int
        Rows, at least 1.
    theta : float
        Angle ϑ in radians. The paper takes 0.7 to 1.2.
    seed : int
        Seed of the rows, at least 0.
    width : int
        Number of features p, at least 1.
    hidden : int
        Units of a hidden layer of g, at least 1.
    map_seed : int
        Seed of g, at least 0. Tables of one g are draws from one population, whatever `seed` is.

    Returns
    -------
    DataFrame
        Columns x1 … xp, the attribute ``a`` and the label ``y``, both 0 or 1; a = 1 goes with y = 1.

    Raises
    ------
    UsageError
        With every argument that is out of range.
    """
    import pandas as pd

    found = Problem("ϑ is no angle in radians", "--theta", "Give 0.7 to 1.2, as the paper does.")
    more = [
        Problem(f"{value!r} is out of range", flag, f"Give a whole number of {least} or more.")
        for flag, value, least in (("--width", width, 1), ("--hidden", hidden, 1), ("--map-seed", map_seed, 0))
        if value < least
    ]
    _check(rows, seed, found, abs(theta), more)
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    factors = np.linalg.cholesky(np.array(COVARIANCES))
    latent = np.array(MEANS)[y] + np.einsum("nij,nj->ni", factors[y], rng.standard_normal((rows, 2)))
    turn = np.array([[math.cos(theta), -math.sin(theta)], [math.sin(theta), math.cos(theta)]])
    a = rng.random(rows) < share_of_one(latent @ turn.T)
    table = pd.DataFrame(_mapped(latent, width, hidden, map_seed), columns=[f"x{j}" for j in range(1, width + 1)])
    return table.assign(**{ATTRIBUTE: a.astype(np.int64), LABEL: y.astype(np.int64)})


def share_of_one(points: FloatArray) -> FloatArray:
    """Return p(x | Y = 1) / (p(x | Y = 1) + p(x | Y = 0)) of latent points, shape [N, 2] to [N]."""
    logs = []
    for mean, covariance in zip(np.array(MEANS), np.array(COVARIANCES), strict=True):
        away = points - mean
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        logs.append(-0.5 * (distance + math.log(np.linalg.det(covariance))))
    # Far out the ratio of the densities leaves the range of floats; its logarithm does not.
    share: FloatArray = np.exp(-np.logaddexp(0.0, logs[0] - logs[1]))
    return share


def _mapped(latent: FloatArray, width: int, hidden: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    x = latent
    for last, units in ((False, hidden), (False, hidden), (True, width)):
        x = x @ rng.standard_normal((x.shape[1], units)) / math.sqrt(x.shape[1]) + rng.standard_normal(units)
        x = x if last else np.maximum(x, 0.0)
    return x


def _check(rows: int, seed: int, wrong: Problem, strength: float, more: list[Problem] | None = None) -> None:
    problems = list(more or [])
    if rows < 1:
        problems.append(Problem(f"{rows!r} is no number of rows", "--rows", "Give 1 or more."))
    if seed < 0:
        problems.append(Problem(f"{seed!r} is no seed", "--seed", "Give 0 or more."))
    if not (math.isfinite(strength) and strength >= 0):
        problems.append(wrong)
    if problems:
        raise UsageError(problems)
