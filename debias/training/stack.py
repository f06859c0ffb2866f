"""Several networks of one shape, trained side by side.

A step of one small network is mostly overhead: the operations are many and short. Here each operation works for all
networks at once on stacked weights, and the gradients are written out. Nothing passes from one network to another:
each has its own rows, weights, dropout and running statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from debias.training.mlp import MLP

_BETAS, _EPS = (0.9, 0.999), 1e-8  # of Adam, as torch has them
_KEPT_BITS = 1 << 16


@dataclass(frozen=True)
class _Passed:
    """What the backward pass needs of one layer: its input, what went into the norm, and the norm's statistics."""

    before: Tensor
    active: Tensor
    mean: Tensor
    scale: Tensor


class Stack:
    """S networks of one shape; activations are [S, units, rows].

    Parameters
    ----------
    networks : sequence of MLP
        Where the weights start; never changed.
    """

    def __init__(self, networks: Sequence[MLP]) -> None:
        first = networks[0]
        self.dropout = float(first.drop.p)
        self.hidden = first.entry.out_features
        self.momentum, self.norm_eps = _norm(first)
        self.size = len(networks)
        self.steps = 0
        self._names = [name for name, _ in first.named_parameters()]
        states = [network.state_dict() for network in networks]
        blocks = [torch.stack([state[name] for state in states]) for name in self._names]
        self._layers = ["entry", *(f"hidden.{k}" for k in range(len(first.hidden)))]
        self._norms = ["entry_norm", *(f"norms.{k}" for k in range(len(first.hidden)))]
        self._means = [torch.cat([state[f"{name}.running_mean"] for state in states]) for name in self._norms]
        self._variances = [torch.cat([state[f"{name}.running_var"] for state in states]) for name in self._norms]
        self._allot(
            blocks, [torch.zeros_like(block) for block in blocks], [torch.zeros_like(block) for block in blocks]
        )

    def _allot(self, blocks: Sequence[Tensor], first: Sequence[Tensor], second: Sequence[Tensor]) -> None:
        """Lay parameters and Adam's moments out flat, with a view for each parameter."""
        shapes = [block.shape for block in blocks]
        self._flat, self._first, self._second = (
            torch.cat([block.reshape(-1) for block in part]) for part in (blocks, first, second)
        )
        self._gradient, self._work = torch.zeros_like(self._flat), torch.empty_like(self._flat)
        self._rates = torch.empty_like(self._flat)
        self._weights = dict(zip(self._names, _views(self._flat, shapes), strict=True))
        self._slopes = dict(zip(self._names, _views(self._gradient, shapes), strict=True))
        self._rate_views = _views(self._rates, shapes)
        self._moments = _views(self._first, shapes), _views(self._second, shapes)

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the learning rate of each network."""
        values = torch.tensor(rates, dtype=self._flat.dtype)
        for view in self._rate_views:
            view.copy_(values.view(-1, *[1] * (view.dim() - 1)).expand_as(view))

    def keep(self, networks: Sequence[int]) -> None:
        """Go on with these networks only, by place in the stack."""
        chosen = torch.tensor(networks, dtype=torch.long)
        self._means = [_chosen(value, chosen, self.size) for value in self._means]
        self._variances = [_chosen(value, chosen, self.size) for value in self._variances]
        parts = [[view[chosen] for view in views] for views in (self._weights.values(), *self._moments)]
        rates = self._rate_views[0].reshape(self.size, -1)[chosen, 0].tolist()
        self.size = len(networks)
        self._allot(*parts)
        self.set_rates(rates)

    def draw_masks(self, generators: Sequence[np.random.Generator], steps: int, rows: int) -> Tensor:
        """Return what activations are multiplied by [steps, layers, S, units, rows]: 0 or 1 / (1 − dropout).

        Each network's draw comes from its own generator and does not depend on the others'.
        """
        shape = (steps, len(self._layers), self.hidden, rows)
        limit = round(self.dropout * _KEPT_BITS)
        scale = 1 / (1 - self.dropout)
        masks = torch.empty((steps, len(self._layers), self.size, self.hidden, rows))
        for place, generator in enumerate(generators):
            drawn = generator.integers(0, _KEPT_BITS, shape, dtype=np.uint16)
            torch.mul(torch.from_numpy(drawn >= limit), scale, out=masks[:, :, place])
        return masks

    def step(self, x: Tensor, y: Tensor, masks: Tensor) -> None:
        """Take one step of Adam along the binary cross-entropy of a batch for each network.

        Parameters
        ----------
        x : Tensor, shape [S, rows, d]
            Standardised features.
        y : Tensor, shape [S, rows]
            Labels, 0 or 1.
        masks : Tensor, shape [layers, S, units, rows]
            See `draw_masks`.
        """
        with torch.no_grad():
            output, passed = self._forward(x.transpose(1, 2), masks)
            self._backward((torch.sigmoid(output) - y[:, None]) / y.shape[1], passed, masks)
            self._adam()

    def _forward(self, value: Tensor, masks: Tensor) -> tuple[Tensor, list[_Passed]]:
        weights, passed = self._weights, []
        for k, (layer, norm) in enumerate(zip(self._layers, self._norms, strict=True)):
            bias = weights[f"{layer}.bias"].unsqueeze(2)
            active = torch.baddbmm(bias, weights[f"{layer}.weight"], value).relu_().mul_(masks[k])
            rows = active.shape[2]
            # As one sample with S · units channels: the statistics of every network in one call.
            normed, mean, scale = torch.native_batch_norm(
                active.view(1, -1, rows),
                weights[f"{norm}.weight"].view(-1),
                weights[f"{norm}.bias"].view(-1),
                self._means[k],
                self._variances[k],
                True,
                self.momentum,
                self.norm_eps,
            )
            passed.append(_Passed(value, active, mean, scale))
            value = normed.view(active.shape)
        output = torch.baddbmm(weights["head.bias"].unsqueeze(2), weights["head.weight"], value)
        passed.append(_Passed(value, output, output, output))
        return output, passed

    def _backward(self, slope: Tensor, passed: list[_Passed], masks: Tensor) -> None:
        """Write the gradient of every parameter; `slope` [S, 1, rows] is that of the head's output."""
        weights, slopes = self._weights, self._slopes
        torch.bmm(slope, passed[-1].before.transpose(1, 2), out=slopes["head.weight"])
        torch.sum(slope, 2, out=slopes["head.bias"])
        slope = torch.bmm(weights["head.weight"].transpose(1, 2), slope)
        for k in reversed(range(len(self._layers))):
            layer, norm, here = self._layers[k], self._norms[k], passed[k]
            rows = slope.shape[2]
            back, scale, shift = torch.ops.aten.native_batch_norm_backward(
                slope.view(1, -1, rows),
                here.active.view(1, -1, rows),
                weights[f"{norm}.weight"].view(-1),
                self._means[k],
                self._variances[k],
                here.mean,
                here.scale,
                True,
                self.norm_eps,
                [True, True, True],
            )
            slopes[f"{norm}.weight"].view(-1).copy_(scale)
            slopes[f"{norm}.bias"].view(-1).copy_(shift)
            slope = back.view(here.active.shape).mul_(masks[k])
            slope = torch.ops.aten.threshold_backward(slope, here.active, 0.0)
            torch.bmm(slope, here.before.transpose(1, 2), out=slopes[f"{layer}.weight"])
            torch.sum(slope, 2, out=slopes[f"{layer}.bias"])
            if k:
                slope = torch.bmm(weights[f"{layer}.weight"].transpose(1, 2), slope)

    def _adam(self) -> None:
        """Kingma & Ba, Algorithm 1, with both corrections moved into the rate."""
        self.steps += 1
        correction = (1 - _BETAS[1] ** self.steps) ** 0.5
        self._first.lerp_(self._gradient, 1 - _BETAS[0])
        self._second.mul_(_BETAS[1]).addcmul_(self._gradient, self._gradient, value=1 - _BETAS[1])
        torch.sqrt(self._second, out=self._work).add_(_EPS * correction)
        torch.div(self._first, self._work, out=self._work)
        self._flat.addcmul_(self._work, self._rates, value=-correction / (1 - _BETAS[0] ** self.steps))

    def state(self, network: int) -> dict[str, Tensor]:
        """Return a copy of one network's state, by place in the stack."""
        found = {name: view[network].clone() for name, view in self._weights.items()}
        for name, mean, variance in zip(self._norms, self._means, self._variances, strict=True):
            found[f"{name}.running_mean"] = mean.view(self.size, -1)[network].clone()
            found[f"{name}.running_var"] = variance.view(self.size, -1)[network].clone()
            found[f"{name}.num_batches_tracked"] = torch.tensor(self.steps)
        return found


def _norm(network: MLP) -> tuple[float, float]:
    norm = network.entry_norm
    assert norm.momentum is not None
    return float(norm.momentum), float(norm.eps)


def _views(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    parts = torch.split(flat, [shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _chosen(value: Tensor, chosen: Tensor, size: int) -> Tensor:
    return value.view(size, -1)[chosen].reshape(-1)


def new_networks(width: int, seeds: Sequence[int], **shape: int | float) -> list[MLP]:
    """Return one freshly drawn network a seed; the global random state stays."""
    networks = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            networks.append(MLP(width, **shape))  # type: ignore[arg-type]
    return networks
