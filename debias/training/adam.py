"""Adam on parameters that lie in one flat tensor: a step of a small network is mostly overhead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_BETAS, _EPS = (0.9, 0.999), 1e-8  # as torch has them


class Adam:
    """Kingma & Ba, Algorithm 1, with both corrections moved into the rate.

    Parameters
    ----------
    parameters : sequence of Tensor
        Trained from here on. Their numbers move into one flat tensor, of which each is a view; see `release`.
    lr : float
        Learning rate.
    """

    def __init__(self, parameters: Sequence[Tensor], lr: float) -> None:
        self.parameters, self.lr, self.steps = list(parameters), lr, 0
        self._flat = torch.cat([value.detach().reshape(-1) for value in self.parameters])
        self._first, self._second = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        self._work = torch.empty_like(self._flat)
        ends, begin = [], 0
        for value in self.parameters:
            ends.append((begin, begin + value.numel()))
            begin += value.numel()
        self._places = dict(zip(map(id, self.parameters), ends, strict=True))
        for value in self.parameters:
            value.data = self._view(self._flat, value)

    def _view(self, flat: Tensor, parameter: Tensor) -> Tensor:
        begin, end = self._places[id(parameter)]
        return flat[begin:end].view(parameter.shape)

    def step(self, loss: Tensor) -> None:
        """Move every parameter along the gradient of a loss."""
        gradients = torch.autograd.grad(loss, self.parameters)
        gradient = torch.cat([value.reshape(-1) for value in gradients])
        self.steps += 1
        correction = (1 - _BETAS[1] ** self.steps) ** 0.5
        self._first.lerp_(gradient, 1 - _BETAS[0])
        self._second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        torch.sqrt(self._second, out=self._work).add_(_EPS * correction)
        rate = self.lr * correction / (1 - _BETAS[0] ** self.steps)
        self._flat.addcdiv_(self._first, self._work, value=-rate)

    def forget(self, parameters: Iterable[Tensor], place: int | None = None) -> None:
        """Set the moments of parameters to 0, or of one entry of their first dimension."""
        for parameter in parameters:
            for moment in (self._first, self._second):
                view = self._view(moment, parameter)
                (view if place is None else view[place]).zero_()

    @property
    def finite(self) -> bool:
        """Whether every parameter is finite."""
        return bool(torch.isfinite(self._flat).all())

    def state(self) -> dict[str, Any]:
        """Return a copy of the parameters, the moments and the number of steps."""
        return {"steps": self.steps, **{name: value.clone() for name, value in self._kept.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state` returned."""
        self.steps = int(state["steps"])
        for name, value in self._kept.items():
            value.copy_(state[name])

    @property
    def _kept(self) -> dict[str, Tensor]:
        return {"parameters": self._flat, "first": self._first, "second": self._second}

    def release(self) -> None:
        """Give each parameter a tensor of its own again."""
        for value in self.parameters:
            value.data = value.data.clone()
