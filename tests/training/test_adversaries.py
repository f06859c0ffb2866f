"""Stacked adversaries are those trained alone by torch's own modules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from debias.training.adversaries import (
    ClusterAdversary,
    FairAdversaries,
    category_weights,
    chance,
    inputs_of,
    is_dead,
    reading,
)

N = 30
HEADS, CATEGORIES = ("mixed", "fixed"), {"s": 2, "t": 4}


@pytest.fixture
def stacked() -> FairAdversaries:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FairAdversaries(HEADS, CATEGORIES, 2, (5, 3))


def _alone(stacked: FairAdversaries, place: int, categories: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weight, bias in zip(stacked.weights, stacked.biases, strict=True):
        layer = nn.Linear(weight.shape[2], weight.shape[1])
        with torch.no_grad():
            layer.weight.copy_(weight[place])
            layer.bias.copy_(bias[place, :, 0])
        layers += [layer, nn.LeakyReLU(0.1)]
    last = layers[-2]
    assert isinstance(last, nn.Linear)
    last.weight = nn.Parameter(last.weight[:categories].detach())
    last.bias = nn.Parameter(last.bias[:categories].detach())
    return nn.Sequential(*layers[:-1])


def _drawn() -> tuple[Tensor, Tensor, Tensor]:
    draws = torch.Generator().manual_seed(1)
    read = torch.randn((2, 2, N), generator=draws)
    codes = torch.stack([torch.randint(0, size, (N,), generator=draws) for size in CATEGORIES.values()])
    weights = torch.rand((2, N), generator=draws)
    return read, codes, weights / weights.sum(1, keepdim=True)


def test_each_is_a_network_of_its_own(stacked: FairAdversaries) -> None:
    read, codes, weights = _drawn()
    found = stacked.cross_entropy(read, codes, weights)
    assert stacked.names == (
        "mixed_adversary.s",
        "mixed_adversary.t",
        "fixed_adversary.s",
        "fixed_adversary.t",
    )
    for head in range(2):
        for place, size in enumerate(CATEGORIES.values()):
            each = nn.functional.cross_entropy(
                _alone(stacked, head * 2 + place, size)(read[head].T), codes[place], reduction="none"
            )
            torch.testing.assert_close(found[head * 2 + place], (each * weights[place]).sum())


def test_gradients_pass_from_none_to_another(stacked: FairAdversaries) -> None:
    read, codes, weights = _drawn()
    each = stacked.cross_entropy(read, codes, weights)
    gradients = torch.autograd.grad(each[2], list(stacked.parameters()))
    for gradient in gradients:
        assert bool(torch.isfinite(gradient).all())
        assert bool((gradient[2] != 0).any())
        assert not bool(gradient[[0, 1, 3]].any())


def test_the_cluster_adversary_is_a_leaky_network() -> None:
    with torch.random.fork_rng(devices=[]):
        adversary = ClusterAdversary(6, 3, (5, 4))
    first, second, third = adversary.layers
    by_hand = nn.Sequential(first, nn.LeakyReLU(0.1), second, nn.LeakyReLU(0.1), third)
    acts = torch.randn(N, 6)
    torch.testing.assert_close(adversary(acts), by_hand(acts))


def test_what_is_read() -> None:
    outputs, y = torch.tensor([[0.0, 2.0], [-1.0, 1.0]]), torch.tensor([1.0, 0.0])
    p = 1 / (1 + torch.exp(-outputs))
    torch.testing.assert_close(
        reading(outputs, y, "classification", "paper"),
        torch.stack((torch.stack((p[0], y)), torch.stack((p[1], y)))),
    )
    logit = reading(outputs, y, "classification", "logit")
    torch.testing.assert_close(logit[0].T, torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0]]))
    torch.testing.assert_close(
        reading(outputs, y, "regression", "paper")[1].T, torch.tensor([[-1.0, 1.0, -2.0], [1.0, 0.0, 1.0]])
    )
    for task, form in (("classification", "paper"), ("classification", "logit"), ("regression", "paper")):
        assert reading(outputs, y, task, form).shape[1] == inputs_of(task, form)  # type: ignore[arg-type]


def test_balanced_weights_make_chance_the_logarithm_of_the_groups() -> None:
    codes = torch.tensor([0] * 6 + [1] * 3 + [3] + [-1] * 5)
    weights = category_weights(codes, 4, balanced=True)
    torch.testing.assert_close(weights, torch.tensor([10 / 18, 10 / 9, 0.0, 10 / 3]))
    assert chance(codes, weights) == pytest.approx(math.log(3))
    plain = category_weights(codes, 4, balanced=False)
    assert chance(codes, plain) == pytest.approx(-(0.6 * math.log(0.6) + 0.3 * math.log(0.3) + 0.1 * math.log(0.1)))


def test_dead_is_no_better_than_chance() -> None:
    assert is_dead(math.log(2), math.log(2))
    assert is_dead(math.log(2) - 5e-4, math.log(2))
    assert not is_dead(math.log(2) - 2e-3, math.log(2))
    assert is_dead(math.nan, math.log(2))
