"""A critic that estimates the bias of a batch from the hidden activations of its rows, without their groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Critic(nn.Module):
    """Estimate differences between groups from a batch of hidden activations.

    Each row is embedded by two layers, the embeddings are averaged over the batch, and a linear layer reads the
    estimates off: the order of the rows does not matter, and a batch may have any size.

    Parameters
    ----------
    hidden : Tensor, shape [N, H]
        Activations of the unchanged network; the critic works on activations scaled by their means and deviations.
    differences : int
        Number M of differences.
    width : int
        Units of the embedding.
    seed : int
        Seed of the initial weights.
    """

    def __init__(self, hidden: Tensor, differences: int, width: int = 64, seed: int = 0) -> None:
        super().__init__()
        spread = hidden.std(0, correction=0)
        self.shift = hidden.mean(0)
        # A unit that never moves tells nothing.
        self.scale = torch.where(spread > 0, 1 / spread.clamp_min(torch.finfo(spread.dtype).eps), 0)
        generator = torch.Generator().manual_seed(seed)
        self.first = _layer(hidden.shape[1], width, generator)
        self.second = _layer(width, width, generator)
        self.last = _layer(width, differences, generator)
        self.to(hidden)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the estimates [M] for a batch [B, H]."""
        scaled = (hidden - self.shift) * self.scale
        found: Tensor = self.last(torch.relu(self.second(torch.relu(self.first(scaled)))).mean(0))
        return found


def _layer(width: int, units: int, generator: torch.Generator) -> nn.Linear:
    """Return a layer drawn from a generator of its own, so that torch's is left alone."""
    layer = nn.Linear(width, units, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        layer.bias.zero_()
    return layer
