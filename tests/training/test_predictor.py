"""The cluster predictor beside scikit-learn's multinomial regression on clusters that a line divides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor

from debias.training.predictor import fit_predictor
from debias.training.rows import Rows
from tests.training.made import CLUSTERS, made_rows


def _rows(n: int, seed: int) -> Rows:
    rows = made_rows(n, seed)
    x = rows.x.clone()
    x[:, 5] += 1.5 * rows.z
    x[:, 4] -= 1.0 * (rows.z == 1)
    return replace(rows, x=x)


def _normed(shares: Tensor) -> np.ndarray:
    """Return shares that sum to 1 in double precision, which scikit-learn asks for."""
    values = shares.double().numpy()
    return values / values.sum(1, keepdims=True)


def test_it_is_as_good_as_multinomial_regression() -> None:
    train, valid, test = _rows(1500, 1), _rows(400, 2), _rows(800, 3)
    network, losses = fit_predictor(train, valid, seed=0)
    reference = LogisticRegression(max_iter=1000).fit(train.x.numpy(), train.z.numpy())
    wanted = log_loss(test.z.numpy(), reference.predict_proba(test.x.numpy()))
    with torch.no_grad():
        found = log_loss(test.z.numpy(), _normed(network(test.x)))
        best = log_loss(valid.z.numpy(), _normed(network(valid.x)))
    assert found < wanted + 0.03
    assert min(losses) == pytest.approx(best, rel=1e-4)
    assert len(losses) - 1 - losses.index(min(losses)) in range(6)


def test_unknown_validation_rows_are_left_out_and_a_seed_repeats_it() -> None:
    train, valid = _rows(300, 1), _rows(200, 2)
    unknown = torch.cat([valid.z[:150], torch.full((50,), -1)])
    before = torch.get_rng_state()
    one, losses = fit_predictor(train, replace(valid, z=unknown), seed=5, epochs=3)
    two, others = fit_predictor(train, valid.take(torch.arange(150)), seed=5, epochs=3)
    assert losses == others
    assert torch.equal(one(valid.x), two(valid.x))
    assert torch.equal(torch.get_rng_state(), before)
    assert one(valid.x).shape == (200, CLUSTERS)
