"""The random effects of a new cluster from a few labelled rows: a Laplace step under the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor

from debias.errors import DataError, Problem
from debias.model.effects import LEAST_SD
from debias.training.networks import MixedEffects

Floats = npt.NDArray[np.float64]
_STEPS, _TOLERANCE = 100, 1e-10
NOISE_SD = 0.5**0.5
"""Standard deviation of the residual that squared error and divergence imply in training, in units of target_sd."""


@dataclass(frozen=True)
class Estimate:
    """Normal approximation of the posterior of a cluster's effects.

    Parameters
    ----------
    slope : Tensor of float32, shape [r]
        Most probable slopes.
    intercept : float
        Most probable intercept.
    covariance : array of float, shape [r + 1, r + 1]
        Inverse of the curvature there; the intercept is last.
    rows : int
        Labelled rows that it rests on.
    """

    slope: Tensor
    intercept: float
    covariance: Floats
    rows: int

    @property
    def sd(self) -> Floats:
        """Posterior standard deviations [r + 1]; the intercept is last."""
        found: Floats = np.sqrt(np.diag(self.covariance))
        return found

    def predict(self, module: MixedEffects, x: Tensor) -> Tensor:
        """Return the mixed-effects prediction [N] of the new cluster's rows."""
        with torch.no_grad():
            h = module.fe(x)
            reads = h if module.latent else x
            m = module.fe.out(h).squeeze(1) + reads @ self.slope + self.intercept
            if module.regression:
                found: Tensor = m * module.target_sd + module.target_mean
                return found
            return torch.sigmoid(m)


def estimate(
    module: MixedEffects,
    x: Tensor,
    y: Tensor,
    *,
    prior_sd: float,
    weight: Tensor | None = None,
    seen_mean: bool = False,
    noise_sd: float = NOISE_SD,
) -> Estimate:
    """Estimate the slopes and the intercept of a cluster that training did not know.

    The fixed effects stay as they are. Of a classification the most probable effects are found by Newton's method
    and the curvature there gives their spread (Laplace); of a regression both are exact.

    Parameters
    ----------
    module : MixedEffects
        A trained network.
    x : Tensor, shape [N, d]
        Encoded features of the labelled rows; 50 or fewer are meant, more do no harm.
    y : Tensor, shape [N]
        Labels 0 or 1, or targets in their own units.
    prior_sd : float
        Standard deviation of the prior, as in training.
    weight : Tensor, shape [N], optional
        Weights of the rows: where training weighted the classes, the same weights.
    seen_mean : bool
        Centre the prior on the mean of the seen clusters' effects (empirical Bayes), not on 0.
    noise_sd : float
        Standard deviation of a regression's residuals, in units of target_sd.

    Raises
    ------
    DataError
        No rows, labels other than 0 and 1, or numbers that are not finite.
    """
    _check(module, x, y)
    with torch.no_grad():
        h = module.fe(x)
        offset = module.fe.out(h).squeeze(1).to(torch.float64).numpy()
        reads = (h if module.latent else x).to(torch.float64).numpy()
        means = torch.cat([module.slope.mean.mean(0), module.intercept.mean.mean(0)]).to(torch.float64).numpy()
    design = np.column_stack([reads, np.ones(len(reads))])
    prior = means if seen_mean else np.zeros(design.shape[1])
    weights = np.ones(len(reads)) if weight is None else weight.to(torch.float64).numpy()
    target = y.to(torch.float64).numpy()
    if module.regression:
        target = (target - float(module.target_mean)) / float(module.target_sd)
        found, covariance = _linear(design, target - offset, weights / noise_sd**2, prior, prior_sd)
    else:
        found, covariance = _logistic(design, target, offset, weights, prior, prior_sd)
    slope = torch.from_numpy(found[:-1].astype(np.float32))
    return Estimate(slope, float(found[-1]), covariance, len(reads))


def with_cluster(module: MixedEffects, found: Estimate) -> MixedEffects:
    """Return a copy of the network with one more cluster, the last, whose posterior is the estimate's."""
    clusters, width = module.slope.mean.shape
    features, *hidden = module.fe.sizes()
    with torch.random.fork_rng(devices=[]):
        grown = MixedEffects(features, clusters + 1, hidden, module.regression, "latent" if module.latent else "input")
    sd = torch.from_numpy(np.maximum(found.sd, 2 * LEAST_SD)) - LEAST_SD
    rho = torch.log(torch.expm1(sd)).to(torch.float32)
    state = dict(module.state_dict())
    state["slope.mean"] = torch.cat([state["slope.mean"], found.slope.view(1, width)])
    state["slope.rho"] = torch.cat([state["slope.rho"], rho[:-1].view(1, width)])
    state["intercept.mean"] = torch.cat([state["intercept.mean"], torch.tensor([[found.intercept]])])
    state["intercept.rho"] = torch.cat([state["intercept.rho"], rho[-1:].view(1, 1)])
    grown.load_state_dict(state)
    return grown.eval()


def _check(module: MixedEffects, x: Tensor, y: Tensor) -> None:
    problems = []
    if not len(y):
        problems.append(Problem("no labelled rows", "few-shot rows", "Give one row or more of the new cluster."))
    elif not (bool(torch.isfinite(x).all()) and bool(torch.isfinite(y).all())):
        problems.append(Problem("a number is not finite", "few-shot rows", "Drop these rows."))
    elif not module.regression and not bool(((y == 0) | (y == 1)).all()):
        problems.append(Problem("a label is neither 0 nor 1", "few-shot rows"))
    if problems:
        raise DataError(problems)


def _linear(design: Floats, target: Floats, precision: Floats, prior: Floats, prior_sd: float) -> tuple[Floats, Floats]:
    """Return posterior mean and covariance of a linear model with normal prior and residuals."""
    curvature = (design.T * precision) @ design + np.eye(len(prior)) / prior_sd**2
    covariance = np.linalg.inv(curvature).astype(np.float64)
    mean = covariance @ ((design.T * precision) @ target + prior / prior_sd**2)
    return mean, covariance


def _logistic(
    design: Floats, y: Floats, offset: Floats, weights: Floats, prior: Floats, prior_sd: float
) -> tuple[Floats, Floats]:
    """Return the most probable coefficients, and the inverse curvature there, by Newton's method."""

    def cost(at: Floats) -> float:
        logit = offset + design @ at
        loss = np.logaddexp(0, logit) - y * logit
        return float((weights * loss).sum() + 0.5 * ((at - prior) ** 2).sum() / prior_sd**2)

    def derivatives(at: Floats) -> tuple[Floats, Floats]:
        p = expit(offset + design @ at)
        slope = design.T @ (weights * (p - y)) + (at - prior) / prior_sd**2
        return slope, (design.T * (weights * p * (1 - p))) @ design + np.eye(len(prior)) / prior_sd**2

    found = prior.copy()
    for _ in range(_STEPS):
        slope, curvature = derivatives(found)
        step = np.linalg.solve(curvature, slope)
        # far from the optimum a whole step may overshoot
        while cost(found - step) > cost(found) and np.abs(step).max() > _TOLERANCE:
            step = step / 2
        found = found - step
        if np.abs(step).max() <= _TOLERANCE:
            break
    covariance = np.linalg.inv(derivatives(found)[1]).astype(np.float64)
    return found, covariance
