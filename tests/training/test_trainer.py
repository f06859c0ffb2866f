"""Networks trained side by side are those trained alone by torch's own modules, gradients and optimiser."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.errors import DataError
from debias.training.mlp import MLP, scripted
from debias.training.stack import new_networks
from debias.training.trainer import Recipe, Rows, Trained, train

WIDTH = 5
SHAPE = {"hidden": 8, "depth": 2, "dropout": 0.25}


def _rows(seed: int, n: int = 75) -> Rows:
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(n + 40, WIDTH)).astype(np.float32))
    noise = torch.from_numpy(rng.normal(size=n + 40).astype(np.float32))
    y = (x[:, 0] * x[:, 1] + 0.5 * noise > 0).float()
    return Rows(x[:n], y[:n], x[n:], y[n:])


class _Masks(nn.Module):
    """Dropout whose draws are given."""

    def __init__(self, draws: list[Tensor]) -> None:
        super().__init__()
        self.draws = draws

    def forward(self, x: Tensor) -> Tensor:
        return x * self.draws.pop(0)


def _alone(network: MLP, rows: Rows, seed: int, recipe: Recipe) -> list[dict[str, Tensor]]:
    """Train by torch's modules, autograd and Adam; return the state after each epoch."""
    network = copy.deepcopy(network)
    generator = np.random.Generator(np.random.SFC64([seed, 0]))
    layers, p = 1 + len(network.hidden), SHAPE["dropout"]
    network.drop = _Masks([])  # type: ignore[assignment]
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=recipe.plateau)
    n, size, states = len(rows.y_train), recipe.batch_size, []
    for _ in range(recipe.max_epochs):
        order = torch.from_numpy(generator.permutation(n))
        network.train()
        # As the stack draws: all whole batches first, then the rest.
        for begin, end in ((0, n // size * size), (n // size * size, n)):
            batches = [batch for batch in order[begin:end].split(size) if len(batch) > 1]
            if not batches:
                continue
            shape = (len(batches), layers, SHAPE["hidden"], len(batches[0]))
            drawn = generator.integers(0, 1 << 16, shape, np.uint16)
            for batch, draws in zip(batches, drawn, strict=True):
                kept = torch.from_numpy(draws >= p * 65536).float() / (1 - p)
                network.drop.draws = [mask.T for mask in kept]  # type: ignore[assignment]
                optimizer.zero_grad()
                nn.functional.binary_cross_entropy(network(rows.x_train[batch])[:, 0], rows.y_train[batch]).backward()
                optimizer.step()
        network.eval()
        network.drop = nn.Identity()  # type: ignore[assignment]
        with torch.no_grad():
            loss = nn.functional.binary_cross_entropy(network(rows.x_valid)[:, 0], rows.y_valid)
        network.drop = _Masks([])  # type: ignore[assignment]
        schedule.step(loss)
        states.append({name: value.clone() for name, value in network.state_dict().items()})
    return states


def _run(seeds: list[int], recipe: Recipe) -> list[Trained]:
    return train(new_networks(WIDTH, seeds, **SHAPE), [_rows(seed) for seed in seeds], seeds, recipe)


def _equal(network: MLP, state: dict[str, Tensor], tolerance: float) -> None:
    found = network.state_dict()
    assert found.keys() == state.keys()
    for name, value in state.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("batch", [16, 37])
def test_each_network_is_the_one_trained_alone_by_torch(batch: int) -> None:
    seeds = [3, 1, 4]
    recipe = Recipe(lr=3e-3, batch_size=batch, max_epochs=6, plateau=0)
    results = _run(seeds, recipe)
    for seed, start, result in zip(seeds, new_networks(WIDTH, seeds, **SHAPE), results, strict=True):
        states = _alone(start, _rows(seed), seed, recipe)
        assert len(result.losses) == 6
        _equal(result.network, states[result.best], 2e-4)


def test_a_network_does_not_depend_on_its_neighbours() -> None:
    recipe = Recipe(lr=1e-2, batch_size=25, max_epochs=60, patience=4, plateau=1)
    together = _run([0, 1, 2, 3], recipe)
    lengths = [len(result.losses) for result in together]
    assert len(set(lengths)) > 1, "some stop before others"
    for seed, result in enumerate(together):
        (alone,) = _run([seed], recipe)
        shared = min(len(alone.losses), len(result.losses), 8)
        np.testing.assert_allclose(result.losses[:shared], alone.losses[:shared], rtol=2e-3)


def test_the_weights_of_the_best_epoch_are_returned() -> None:
    recipe = Recipe(lr=2e-2, batch_size=25, max_epochs=100, patience=6, plateau=50)
    for seed, result in enumerate(_run([0, 1, 2], recipe)):
        losses = result.losses
        assert result.best == int(np.argmin(losses))
        assert losses[-1] > losses[result.best], "the last epoch is another"
        assert len(losses) == 100 or len(losses) == result.best + 1 + recipe.patience
        rows = _rows(seed)
        with torch.no_grad():
            score = result.network(rows.x_valid)[:, 0]
        assert float(nn.functional.binary_cross_entropy(score, rows.y_valid)) == losses[result.best]


def test_a_seed_repeats_bit_for_bit() -> None:
    recipe = Recipe(lr=1e-2, batch_size=20, max_epochs=12, patience=3, plateau=1)
    one, other = _run([5, 6], recipe), _run([5, 6], recipe)
    for a, b in zip(one, other, strict=True):
        assert a.losses == b.losses
        assert all(
            torch.equal(x, y)
            for x, y in zip(a.network.state_dict().values(), b.network.state_dict().values(), strict=True)
        )
    assert one[0].losses != one[1].losses


def test_the_random_state_and_the_networks_given_stay() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    networks = new_networks(WIDTH, [0, 1], **SHAPE)
    first = copy.deepcopy(networks[0].state_dict())
    train(networks, [_rows(0), _rows(1)], [0, 1], Recipe(max_epochs=1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, first[name]) for name, value in networks[0].state_dict().items())


def test_the_file_gives_the_same_scores() -> None:
    (result,) = _run([2], Recipe(max_epochs=2))
    loaded = torch.jit.load(io.BytesIO(scripted(result.network)))
    x = _rows(2).x_valid
    with torch.no_grad():
        assert torch.equal(loaded(x), result.network(x))
    assert loaded(x).shape == (40, 1)
    assert not loaded.training


def test_the_shape_is_that_of_table_2() -> None:
    network = MLP(98)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    shapes = [tuple(layer.weight.shape) for layer in linear]
    assert shapes == [(32, 98), *[(32, 32)] * 10, (1, 32)]
    assert sum(isinstance(module, nn.BatchNorm1d) for module in network.modules()) == 11
    assert network.drop.p == 0.05


def test_tables_of_different_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="75, 80 rows"):
        train(new_networks(WIDTH, [0, 1], **SHAPE), [_rows(0), _rows(1, 80)], [0, 1])
