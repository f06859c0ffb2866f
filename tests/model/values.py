"""Networks that predict a number, and rows of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from debias.data.sample import Sample
from debias.model.network import Network
from tests.model import nets, opened


class Scaled(nn.Module):
    """Two hidden layers; what comes out is brought to the units of a target by two buffers."""

    def __init__(self, width: int = nets.FEATURES) -> None:
        super().__init__()
        self.first = nn.Linear(width, 12)
        self.second = nn.Linear(12, 6)
        self.last = nn.Linear(6, 1)
        self.register_buffer("target_mean", torch.tensor(40.0))
        self.register_buffer("target_sd", torch.tensor(9.0))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(h).squeeze(1) * self.target_sd + self.target_mean


def opened_value(net: nn.Module, folder: Path, form: str = "scripted") -> Network:
    """Write a network and open it as one that predicts a number."""
    name = folder / f"value.{'pt' if form in {'scripted', 'traced'} else 'pt2'}"
    return Network.open(opened.save(net.eval(), name, form), output_kind="value")


def linear(folder: Path) -> Network:
    """Return a linear network in double precision."""
    torch.manual_seed(5)
    return opened_value(nn.Sequential(nn.Linear(nets.FEATURES, 1)).double(), folder)


def rows_of(network: Network, rows: int = 200, groups: int = 2, seed: int = 0, weight: object = None) -> Sample:
    """Return rows whose targets are the network's predictions with noise, and whose groups differ in them."""
    drawn = opened.drawn(network, rows, groups, seed)
    noise = np.random.default_rng(seed).normal(size=rows)
    values = network.logits(drawn).astype(np.float64)
    target = values + 0.4 * (values.std() or 1.0) * noise
    given = opened.sample(drawn.inputs["features"], np.zeros(rows), drawn.attributes["a"].codes, groups, weight)
    return replace(given, target=target)


def trained(seed: int = 0) -> tuple[nn.Module, Tensor, np.ndarray, np.ndarray]:
    """Return a network fitted to a target that depends on group through its first feature; features, target, groups."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 2, 900)
    x = generator.normal(size=(900, nets.FEATURES))
    x[:, 0] += 0.8 * codes
    y = 40 + 5 * x[:, 0] + 7 * x[:, 1] + 2 * x[:, 0] * x[:, 1] + 3 * generator.normal(size=900)
    torch.manual_seed(seed)
    net = Scaled()
    inputs, target = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        ((net(inputs) - target) ** 2).mean().backward()
        optimizer.step()
    return net.eval(), inputs, y, codes
