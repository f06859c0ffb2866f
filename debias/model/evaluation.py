"""Scores and unit influences of a network whose weights change a little at a time, on fixed rows.

Only what lies behind a changed weight is evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from debias.fairness.proxies import Proxy
from debias.model.folding import Folded, fold
from debias.model.head import Head
from debias.model.layers import Layer
from debias.model.network import Network
from debias.model.program import Program

Influence = Literal["activation", "preactivation"]


class Evaluation:
    """A network on fixed rows.

    Parameters
    ----------
    network : Network
        The network; never changed.
    inputs : mapping of str to Tensor
        Inputs by the names of the signature, [N, d].
    layers : sequence of Layer
        Layers whose influences are wanted; none for scores alone.
    influence : {"activation", "preactivation"}
        Where a unit's influence is taken.
    device : str
        Where the tensors lie.
    """

    def __init__(
        self,
        network: Network,
        inputs: Mapping[str, Tensor],
        layers: tuple[Layer, ...] = (),
        influence: Influence = "activation",
        device: str = "cpu",
    ) -> None:
        self.head: Head = network.head
        self.folded: Folded = fold(network.program.until(network.head.value))
        self.program: Program = self.folded.program
        self.layers = layers
        self.influence_at = influence
        self.state = {name: value.to(device) for name, value in network.state.items()}
        self.env: dict[str, Any] = {name: value.to(device) for name, value in inputs.items()}
        self.rows = len(next(iter(self.env.values())))
        self._effective: dict[str, tuple[Tensor, Tensor]] = {}
        self._taps: dict[str, Tensor] = {}
        self._readers = self._find_readers()
        self._place_taps(device)
        self._evaluate({node.name for node in self.program.nodes})

    def update(self, changed: Mapping[str, Tensor]) -> None:
        """Replace entries of the state and evaluate what depends on them."""
        self.state.update(changed)
        stale: set[str] = set()
        for node in self.program.nodes:
            dense = self.folded.dense.get(node.name)
            sources = dense.sources if dense else node.params
            if any(name in changed for name in sources) or any(name in stale for name in node.refs):
                stale.add(node.name)
                if any(name in changed for name in sources):
                    self._effective.pop(node.name, None)
        self._evaluate(stale)

    def logits(self) -> Tensor:
        """Return the logit of each row [N]."""
        return self.head.logits(self.env[self.program.output].detach())

    def influences(self, proxy: Proxy) -> list[Tensor]:
        """Return the influence of every unit on the proxy, one tensor [units] per layer.

        The mean over rows of d proxy / d h_j(x_i) (parity-proxies paper, eq. 4), from one backward pass: the gradient
        with respect to a vector that is added to h on all rows. A layer's bias is such a vector for the
        pre-activation, and where every consumer of h is a fully connected layer, the biases of the consumers carry
        the gradient with respect to h: Wᵀ · d proxy / d bias.

        Parameters
        ----------
        proxy : Proxy
            The proxy of a difference on these rows (eq. 1 and 2).
        """
        value = self.env[self.program.output]
        taps = list(self._taps)
        gradients = torch.autograd.grad(
            value, [self._taps[name] for name in taps], _score_gradient(self.head, value, proxy), retain_graph=True
        )
        by_tap = dict(zip(taps, gradients, strict=True))
        return [self._influence(layer, by_tap) / self.rows for layer in self.layers]

    def _influence(self, layer: Layer, by_tap: Mapping[str, Tensor]) -> Tensor:
        scale = self.folded.dense[layer.linear].output_scale(self.state)
        if self.influence_at == "preactivation":
            return by_tap[layer.linear] * scale
        readers = self._readers.get(layer.activation)
        if readers is None:
            gradient = by_tap[f"tap:{self.folded.moved[layer.activation]}"]
        else:
            gradient = torch.stack([by_tap[name] @ self._effective[name][0] for name in readers]).sum(0)
        # Without an activation function the value is the layer's own, behind what was folded into it.
        return gradient * scale if layer.activation == layer.linear else gradient

    def _find_readers(self) -> dict[str, tuple[str, ...]]:
        """Return, by activation, the fully connected layers that are its only consumers."""
        readers = {}
        for layer in self.layers:
            name = self.folded.moved[layer.activation]
            consumers = self.program.consumers[name]
            if consumers and all(c.name in self.folded.dense for c in consumers):
                readers[layer.activation] = tuple(c.name for c in consumers)
        return readers

    def _place_taps(self, device: str) -> None:
        """Decide where a zero vector is added: at biases, and at activations that no bias can speak for."""
        if self.influence_at == "preactivation":
            return
        for layer in self.layers:
            if layer.activation not in self._readers:
                name = self.folded.moved[layer.activation]
                dtype = self.state[layer.incoming[0]].dtype
                self._taps[f"tap:{name}"] = torch.zeros(layer.units, dtype=dtype, device=device, requires_grad=True)

    def _weights(self, name: str) -> tuple[Tensor, Tensor]:
        if name not in self._effective:
            with torch.no_grad():
                weight, bias = self.folded.dense[name].weights(self.state)
            weight, bias = weight.contiguous(), bias.detach().clone()
            if self.layers:
                self._taps[name] = bias.requires_grad_()
            self._effective[name] = weight, bias
        return self._effective[name]

    def _evaluate(self, stale: set[str]) -> None:
        with torch.set_grad_enabled(bool(self.layers)):
            for node in self.program.nodes:
                if node.name not in stale:
                    continue
                if node.name in self.folded.dense:
                    value = torch.nn.functional.linear(self.env[node.args[0].name], *self._weights(node.name))
                else:
                    value = node.evaluate(self.env, self.state)
                tap = self._taps.get(f"tap:{node.name}")
                self.env[node.name] = value if tap is None else value + tap


def _score_gradient(head: Head, value: Tensor, proxy: Proxy) -> Tensor:
    """Return d proxy / d value for the proxy Σ c_i f(x_i)."""
    with torch.no_grad():
        if not head.from_probability:
            return head.pull(value, proxy.slope(head.logits(value)))
        # Of two probabilities that sum to one, each carries half of the difference.
        share = 0.5 if head.classes == 2 else 1.0
        return head.pull(value, share * proxy.weights.to(value))
