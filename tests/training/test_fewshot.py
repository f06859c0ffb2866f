"""A new cluster's effects beside scikit-learn's penalised regression, scipy's minimiser and the closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from debias.errors import DataError
from debias.training.fewshot import NOISE_SD, Estimate, estimate, with_cluster
from debias.training.kinds import KINDS
from debias.training.networks import MixedEffects, build

N, D, K, HIDDEN = 40, 5, 3, (6, 4)


def _module(slopes: str = "input", regression: bool = False, flat: bool = False) -> MixedEffects:
    found = build(KINDS["medl"], D, K, HIDDEN, regression=regression, slopes=slopes, seed=1)  # type: ignore[arg-type]
    assert isinstance(found, MixedEffects)
    if regression:
        found.set_scale(50.0, 4.0)
    if flat:
        torch.nn.init.zeros_(found.fe.out.weight)
        torch.nn.init.zeros_(found.fe.out.bias)
    return found.eval()


def _rows(regression: bool = False) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(2)
    x = torch.randn((N, D), generator=draws)
    score = x[:, 0] - 0.5 * x[:, 2] + 0.7 + torch.randn(N, generator=draws)
    return x, (4 * score + 50 if regression else (score > 0).float())


def _found(estimated: Estimate) -> np.ndarray:
    return np.append(estimated.slope.double().numpy(), estimated.intercept)


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_scikit_learns_penalised_regression_where_the_fixed_effects_say_nothing(weighted: bool) -> None:
    x, y = _rows()
    weight = torch.where(y == 1, 0.8, 1.4) if weighted else None
    estimated = estimate(_module(flat=True), x, y, prior_sd=0.7, weight=weight)
    design = np.column_stack([x.double().numpy(), np.ones(N)])  # the prior is on the intercept, too
    reference = LogisticRegression(C=0.7**2, fit_intercept=False, tol=1e-10, max_iter=10_000)
    reference.fit(design, y.numpy(), sample_weight=None if weight is None else weight.numpy())
    np.testing.assert_allclose(_found(estimated), reference.coef_[0], atol=1e-5)
    assert estimated.rows == N


@pytest.mark.parametrize("seen_mean", [False, True])
@pytest.mark.parametrize("slopes", ["input", "latent"])
def test_it_is_the_most_probable_value_and_its_curvature(slopes: str, seen_mean: bool) -> None:
    module, (x, y), prior_sd = _module(slopes), _rows(), 0.4
    estimated = estimate(module, x, y, prior_sd=prior_sd, seen_mean=seen_mean)
    with torch.no_grad():
        hidden = module.fe(x)
        offset = module.fe.out(hidden)[:, 0].double()
        reads = (hidden if slopes == "latent" else x).double()
        prior = torch.cat([module.slope.mean.mean(0), module.intercept.mean.mean(0)]).double() * seen_mean
    design = torch.cat([reads, torch.ones(N, 1)], 1)

    def cost(at: Tensor) -> Tensor:
        p = torch.distributions.Bernoulli(logits=offset + design @ at)
        return -p.log_prob(y.double()).sum() - torch.distributions.Normal(prior, prior_sd).log_prob(at).sum()

    result = minimize(
        lambda at: float(cost(torch.from_numpy(at))),
        np.zeros(design.shape[1]),
        jac=lambda at: torch.autograd.functional.jacobian(cost, torch.from_numpy(at)).numpy(),
        tol=1e-12,
    )
    np.testing.assert_allclose(_found(estimated), result.x, atol=1e-4)
    curvature = torch.autograd.functional.hessian(cost, torch.from_numpy(result.x)).numpy()
    np.testing.assert_allclose(estimated.covariance, np.linalg.inv(curvature), atol=1e-5)
    np.testing.assert_allclose(estimated.sd, np.sqrt(np.diag(np.linalg.inv(curvature))), atol=1e-5)


def test_a_regression_has_the_closed_form() -> None:
    module, (x, y), prior_sd = _module(regression=True, flat=True), _rows(regression=True), 0.6
    estimated = estimate(module, x, y, prior_sd=prior_sd)
    design = np.column_stack([x.double().numpy(), np.ones(N)])
    reference = Ridge(alpha=NOISE_SD**2 / prior_sd**2, fit_intercept=False)
    reference.fit(design, (y.double().numpy() - 50) / 4)
    np.testing.assert_allclose(_found(estimated), reference.coef_, atol=1e-6)
    wanted = np.linalg.inv(design.T @ design / NOISE_SD**2 + np.eye(D + 1) / prior_sd**2)
    np.testing.assert_allclose(estimated.covariance, wanted, rtol=1e-6)


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("slopes", ["input", "latent"])
def test_a_network_with_the_new_cluster_predicts_the_same(slopes: str, regression: bool) -> None:
    module, (x, y) = _module(slopes, regression), _rows(regression)
    estimated = estimate(module, x, y, prior_sd=0.5)
    before = torch.get_rng_state()
    grown = with_cluster(module, estimated)
    assert torch.equal(torch.get_rng_state(), before)
    new = grown.predict_index(x, torch.full((N,), K))
    torch.testing.assert_close(new, estimated.predict(module, x))
    old = torch.arange(N) % (K + 1) - 1
    assert torch.equal(grown.predict_index(x, old), module.predict_index(x, old))
    sd = 1e-5 + torch.nn.functional.softplus(grown.slope.rho.detach()[K])
    np.testing.assert_allclose(sd.numpy(), estimated.sd[:-1], rtol=1e-4)


def test_few_rows_stay_near_the_prior_and_many_fit() -> None:
    module, (x, y) = _module(), _rows()
    few = estimate(module, x[:1], y[:1], prior_sd=0.1)
    assert np.abs(_found(few)).max() < 0.1
    np.testing.assert_allclose(few.sd, 0.1, rtol=0.1)
    with torch.no_grad():
        mistaken = torch.nn.functional.binary_cross_entropy(module.predict_fe(x), y)
        fitted = torch.nn.functional.binary_cross_entropy(estimate(module, x, y, prior_sd=1.0).predict(module, x), y)
    assert float(fitted) < float(mistaken) - 0.1


def test_labels_that_a_line_divides_have_a_finite_estimate() -> None:
    x = torch.linspace(-3, 3, N).unsqueeze(1).repeat(1, D) * 100
    estimated = estimate(_module(), x, (x[:, 0] > 0).float(), prior_sd=5.0)
    assert np.isfinite(_found(estimated)).all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(0, D), torch.zeros(0), "no labelled rows"),
        (torch.full((2, D), math.nan), torch.zeros(2), "not finite"),
        (torch.zeros(2, D), torch.tensor([0.0, 2.0]), "neither 0 nor 1"),
    ],
)
def test_bad_rows_are_refused(x: Tensor, y: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        estimate(_module(), x, y, prior_sd=0.1)
