"""Units replaced by their means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.data.sample import Sample
from debias.model.evaluation import Evaluation
from debias.model.filling import filled, filled_entries, filling_reasons
from debias.model.layers import Layer
from debias.model.network import Network
from tests.model import nets, opened


def _with_constants(network: Network, rows: Sample, layer: Layer, units: list[int], share: Tensor) -> np.ndarray:
    """Run the file's operations one by one, the units' values overwritten by their means before anyone reads them."""
    env: dict[str, Any] = dict(network.tensors(rows))
    for node in network.program.nodes:
        env[node.name] = node.evaluate(env, network.state)
        if node.name == layer.masked:
            value = env[node.name].clone()
            value[:, units] = share.to(value) @ value[:, units]
            env[node.name] = value
    return network.head.logits(env[network.head.value]).numpy()


def _fillable() -> list[str]:
    found = []
    for name in nets.ALL:
        network = opened.network(name)
        # Behind an activation that is read in a second way the mean is another: those are checked by their own test.
        if any(not filling_reasons(network, layer) for layer in network.layers):
            found.append(name)
    return found


@pytest.mark.parametrize("name", _fillable())
@pytest.mark.parametrize("weighted", [False, True])
def test_the_network_computes_as_if_the_units_were_constant(name: str, weighted: bool) -> None:
    network = opened.network(name)
    rows = opened.drawn(network, 60)
    share = torch.ones(60, dtype=torch.float64) if not weighted else torch.linspace(0.5, 2, 60, dtype=torch.float64)
    share = share / share.sum()
    for layer in network.layers:
        if filling_reasons(network, layer):
            continue
        units = [0, 3, layer.units - 1]
        state = filled(Evaluation(network, network.tensors(rows)), layer, units, share, network.state)
        assert set(state) == set(filled_entries(network, layer))
        found = network.logits(rows, state)
        expected = _with_constants(network, rows, layer, units, share)
        limit = opened.tolerance(network)
        np.testing.assert_allclose(found, expected, rtol=20 * limit["rtol"], atol=20 * limit["atol"])
        for column in layer.columns:
            assert bool((state[column.weight][:, [column.offset + unit for unit in units]] == 0).all())


def test_the_state_given_is_not_changed() -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 40)
    before = {name: value.clone() for name, value in network.state.items()}
    filled(Evaluation(network, network.tensors(rows)), network.layers[0], [1], torch.full((40,), 1 / 40), network.state)
    assert all(torch.equal(network.state[name], value) for name, value in before.items())


class _Shared(nn.Module):
    """Two consumers that share one bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(nets.FEATURES, 4)
        self.one = nn.Linear(4, 3)
        self.two = nn.Linear(4, 3)
        self.two.bias = self.one.bias
        self.last = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        return torch.sigmoid(self.last(torch.relu(self.one(h)) + torch.relu(self.two(h))))


def test_a_shared_bias_cannot_hold_a_mean(tmp_path: Path) -> None:
    network = opened.opened(_Shared(), tmp_path)
    reasons = filling_reasons(network, network.layers[0])
    assert "bias" in " ".join(reasons)
    assert "shared" in " ".join(reasons)
