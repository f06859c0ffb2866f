"""Bits that fresh adversaries read beside the exact information of made-up distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from debias.errors import DataError
from debias.training.fresh import audit, fresh_adversary

N = 3000


def _entropy(p: float) -> float:
    return -(p * math.log2(p) + (1 - p) * math.log2(1 - p))


def _draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_what_is_copied_with_errors_has_the_information_of_the_channel() -> None:
    draws = _draws()
    codes = torch.randint(0, 2, (N,), generator=draws)
    wrong = torch.rand(N, generator=draws) < 0.11
    read = torch.where(wrong, 1 - codes, codes).float().unsqueeze(1)
    found = fresh_adversary(read, codes)
    assert found.bits == pytest.approx(1 - _entropy(0.11), abs=0.04)
    assert found.entropy == pytest.approx(1, abs=0.01)
    assert found.rows == N
    assert 0 < found.error < 0.03


def test_noise_holds_no_information_however_wide_it_is() -> None:
    draws = _draws(1)
    read, codes = torch.randn((1200, 60), generator=draws), torch.randint(0, 3, (1200,), generator=draws)
    found = fresh_adversary(read, codes)
    assert found.bits < 3 * found.error
    assert found.bits > -0.1


def test_what_the_label_tells_anyway_does_not_count() -> None:
    draws = _draws(2)
    y = torch.randint(0, 2, (N,), generator=draws)
    codes = torch.where(torch.rand(N, generator=draws) < 0.8, y, 1 - y)
    prediction = y + 0.3 * torch.randn(N, generator=draws)
    told = fresh_adversary(prediction.unsqueeze(1), codes)
    beyond = fresh_adversary(prediction.unsqueeze(1), codes, known=y.float().unsqueeze(1))
    assert told.bits > 0.15
    assert abs(beyond.bits) < 0.02
    assert beyond.entropy == pytest.approx(_entropy(0.2), abs=0.04)


def test_a_continuous_label_is_known_by_a_network() -> None:
    draws = _draws(3)
    y = torch.randn(N, generator=draws)
    codes = (torch.rand(N, generator=draws) < torch.sigmoid(3 * y)).long()
    fair = y + 0.5 * torch.randn(N, generator=draws)
    unfair = fair + codes.float()
    known = y.unsqueeze(1)
    assert abs(fresh_adversary(fair.unsqueeze(1), codes, known=known).bits) < 0.03
    assert fresh_adversary(unfair.unsqueeze(1), codes, known=known).bits > 0.15


def _predictions() -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    draws = _draws(4)
    y = torch.randint(0, 2, (N,), generator=draws).float()
    s = torch.randint(0, 2, (N,), generator=draws)
    z = torch.randint(0, 3, (N,), generator=draws)
    fair = torch.sigmoid(2 * y - 1 + torch.randn(N, generator=draws))
    return y, fair, {"s": s}, z


def test_the_audit_tells_heads_apart_and_finds_the_cluster() -> None:
    y, fair, sensitive, z = _predictions()
    unfair = torch.sigmoid(torch.logit(fair) + 2.0 * sensitive["s"] * (1 - y))  # errors that follow the group
    acts = torch.randn((N, 8), generator=_draws(5))
    acts[:, 0] += 3.0 * z
    found = audit(unfair, fair, y, sensitive, activations=acts, z=z)
    assert found.mixed["s"].bits > 0.1
    assert abs(found.fixed["s"].bits) < 0.02
    assert found.cluster is not None
    assert found.cluster.bits > 0.8
    assert audit(fair, fair, y, sensitive).cluster is None


def test_a_seed_repeats_it_and_leaves_the_global_state() -> None:
    y, fair, sensitive, _ = _predictions()
    before = torch.get_rng_state()
    one, two = (fresh_adversary(fair.unsqueeze(1), sensitive["s"], known=y.unsqueeze(1), seed=7) for _ in range(2))
    assert one == two
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_and_rare_categories_are_left_out() -> None:
    draws = _draws(6)
    codes = torch.randint(0, 2, (400,), generator=draws)
    codes[:50] = -1
    codes[50:55] = 4
    found = fresh_adversary(torch.randn((400, 1), generator=draws), codes)
    assert found.rows == 345
    with pytest.raises(DataError, match="fewer than two categories have 10 rows"):
        fresh_adversary(torch.zeros(20, 1), torch.zeros(20, dtype=torch.long), where="sex")
