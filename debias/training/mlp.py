"""The fully connected network of the parity-proxies paper (Table 2)."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

HIDDEN, DEPTH, DROPOUT = 32, 10, 0.05


class MLP(nn.Module):
    """Entry layer, `depth` hidden layers, one score (parity-proxies paper, Table 2).

    Every layer but the last is Linear → ReLU → Dropout → BatchNorm, in this order.

    Parameters
    ----------
    width : int
        Number of features d.
    hidden : int
        Units of a layer.
    depth : int
        Hidden layers behind the entry layer.
    dropout : float
        Share of activations dropped in training, in [0, 1).
    """

    def __init__(self, width: int, hidden: int = HIDDEN, depth: int = DEPTH, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.entry = nn.Linear(width, hidden)
        self.entry_norm = nn.BatchNorm1d(hidden)
        self.hidden = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(hidden) for _ in range(depth)])
        self.head = nn.Linear(hidden, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of the positive label, shape [N, 1], of rows [N, width]."""
        x = self.entry_norm(self.drop(torch.relu(self.entry(x))))
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = norm(self.drop(torch.relu(layer(x))))
        return torch.sigmoid(self.head(x))


def scripted(network: MLP) -> bytes:
    """Return the network in eval mode as a TorchScript file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch says at each call that TorchScript is deprecated
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(network.eval()), buffer)
    return buffer.getvalue()
