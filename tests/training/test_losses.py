"""The terms of the objectives beside torch.distributions, numpy and scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from debias.training.kinds import KINDS
from debias.training.losses import (
    Groups,
    Terms,
    correlation,
    divergence,
    label_losses,
    objective,
    swap_penalty,
)
from debias.training.networks import RandomEffects
from debias.training.settings import Settings

N = 60


def _drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("prior_sd", [0.05, 0.3, 2.0])
def test_the_divergence_is_that_of_normal_distributions(prior_sd: float) -> None:
    with torch.random.fork_rng(devices=[]):
        effects = RandomEffects(4, 9).double()
    sd = 1e-5 + torch.nn.functional.softplus(effects.rho)
    wanted = kl_divergence(Normal(effects.mean, sd), Normal(0.0, prior_sd)).sum()
    torch.testing.assert_close(divergence(effects.mean, sd, prior_sd), wanted)


def test_the_label_loss_is_weighted_cross_entropy() -> None:
    outputs, y = _drawn(2, N), (_drawn(N, seed=1) > 0).float()
    weights = torch.rand(N, generator=torch.Generator().manual_seed(2)) + 0.1
    found = label_losses(outputs, y, weights, "classification")
    for head in range(2):
        p = torch.sigmoid(outputs[head]).double().numpy()
        wanted = log_loss(y.numpy(), p, sample_weight=weights.double().numpy()) * float(weights.mean())
        assert float(found[head]) == pytest.approx(wanted, rel=1e-5)


def test_the_loss_of_a_regression_is_squared_error() -> None:
    outputs, y = _drawn(1, N), _drawn(N, seed=1)
    wanted = np.mean((outputs[0].numpy() - y.numpy()) ** 2)
    assert float(label_losses(outputs, y, torch.ones(N), "regression")) == pytest.approx(wanted, rel=1e-5)


def _groups(codes: list[np.ndarray], sizes: list[int]) -> Groups:
    columns = [(code[:, None] == np.arange(size)) for code, size in zip(codes, sizes, strict=True)]
    attribute = [place for place, size in enumerate(sizes) for _ in range(size)]
    return Groups(torch.from_numpy(np.concatenate(columns, 1)).float(), torch.tensor(attribute))


def test_the_correlation_loss_is_that_of_numpy() -> None:
    rng = np.random.default_rng(1)
    codes, sizes = [rng.integers(0, 2, N), rng.integers(0, 3, N)], [2, 4]  # a fourth category has no rows
    prediction = rng.random(N)
    wanted = sum(
        np.mean([abs(np.corrcoef(prediction, code == g)[0, 1]) for g in range(3) if (code == g).any()])
        for code in codes
    )
    found = correlation(torch.from_numpy(prediction).float(), _groups(codes, sizes), None, "classification")
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_the_correlation_given_the_label_is_taken_within_each() -> None:
    rng = np.random.default_rng(2)
    code, y, prediction = rng.integers(0, 3, N), rng.integers(0, 2, N), rng.random(N)
    wanted = np.mean(
        [
            np.mean([abs(np.corrcoef(prediction[y == label], code[y == label] == g)[0, 1]) for g in range(3)])
            for label in (0, 1)
        ]
    )
    given = torch.from_numpy(y).float()
    found = correlation(torch.from_numpy(prediction).float(), _groups([code], [3]), given, "classification")
    assert float(found) == pytest.approx(wanted, rel=1e-4)


def test_the_correlation_given_a_target_is_partial() -> None:
    rng = np.random.default_rng(3)
    code, y = rng.integers(0, 2, N), rng.normal(size=N)
    prediction = y + 0.4 * code + rng.normal(size=N)

    def residual(values: np.ndarray) -> np.ndarray:
        return values - np.polyval(np.polyfit(y, values, 1), y)

    wanted = abs(np.corrcoef(residual(prediction), residual((code == 1).astype(float)))[0, 1])
    given = torch.from_numpy(y).float()
    found = correlation(torch.from_numpy(prediction).float(), _groups([code], [2]), given, "regression")
    assert float(found) == pytest.approx(wanted, rel=1e-3)


def test_a_batch_with_one_group_has_no_correlation_and_a_gradient_of_zero() -> None:
    prediction = torch.rand(8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = correlation(prediction, _groups([np.zeros(8, dtype=int)], [2]), None, "classification")
    assert float(found.detach()) == 0
    assert torch.equal(torch.autograd.grad(found, prediction)[0], torch.zeros(8))


def test_the_swap_penalty_is_the_mean_change_of_probability() -> None:
    outputs, swapped = _drawn(2, N), _drawn(2, 3, N, seed=1)
    wanted = 0.0
    for head in range(2):
        for attribute in range(3):
            p, q = (1 / (1 + np.exp(-v.double().numpy())) for v in (outputs[head], swapped[head, attribute]))
            wanted += float(np.mean(np.abs(p - q)))
    assert float(swap_penalty(outputs, swapped, "classification")) == pytest.approx(wanted, rel=1e-5)


SETTINGS = Settings(
    lambda_fixed=2.0,
    lambda_cluster=0.25,
    lambda_fair=0.3,
    lambda_fair_mixed=0.7,
    lambda_correlation=0.4,
    kl=3.0,
    lambda_swap=0.9,
)
FULL = Terms(
    labels=torch.tensor([1.0, 1.5]),
    cluster=torch.tensor(1.7),
    fixed=torch.tensor([0.6, 1.1]),
    mixed=torch.tensor([0.5, 0.9]),
    divergence=torch.tensor(40.0),
    correlation=torch.tensor(0.2),
    swap=torch.tensor(0.1),
)


@pytest.mark.parametrize(
    ("kind", "lacks", "wanted"),
    [
        # eq. 11, eq. 1, eq. 9, eq. 8 and eq. 10, with n = 100
        (
            "fair-adb-medl",
            ("correlation", "swap"),
            1 + 2 * 1.5 - 0.25 * 1.7 + 0.03 * 40 - 0.3 * (0.6 + 1.1) - 0.7 * (0.5 + 0.9),
        ),
        ("medl", ("correlation", "swap", "fixed", "mixed"), 1 + 2 * 1.5 - 0.25 * 1.7 + 0.03 * 40),
        ("fair-adb-da", ("correlation", "swap", "mixed", "divergence"), 1.2 - 0.25 * 1.7 - 0.3 * (0.6 + 1.1)),
        ("da", ("correlation", "swap", "fixed", "mixed", "divergence"), 1.2 - 0.25 * 1.7),
        ("fair-acl-da", ("swap", "fixed", "mixed", "divergence"), 1.2 - 0.25 * 1.7 + 0.4 * 0.2),
        ("nnet", ("cluster", "correlation", "fixed", "mixed", "divergence"), 1.2 + 0.9 * 0.1),
    ],
)
def test_the_objective_is_the_equation(kind: str, lacks: tuple[str, ...], wanted: float) -> None:
    terms = replace(FULL, **dict.fromkeys(lacks))
    if not KINDS[kind].random_effects:
        terms = replace(terms, labels=torch.tensor([1.2]))
    assert float(objective(terms, KINDS[kind], SETTINGS, rows=100)) == pytest.approx(wanted)
