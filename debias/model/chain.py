"""A plain chain of fully connected layers and ReLUs, and its gradients written out.

Most networks for tables are one. On small batches, recording and replaying the chain rule costs as much as the
arithmetic; here it is the arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from debias.model.folding import Folded
from debias.model.program import Ref

Weights = Mapping[str, tuple[Tensor, Tensor]]


def chain_of(folded: Folded) -> tuple[str, ...] | None:
    """Return the layers of a folded program in order if it is ``x → layer → ReLU → … → layer``, else None."""
    program = folded.program
    if len(program.inputs) != 1 or program.output not in folded.dense:
        return None
    before = program.inputs[0]
    for number, node in enumerate(program.nodes):
        wanted = node.name in folded.dense if number % 2 == 0 else node.op == "relu"
        if not wanted or node.args[0] != Ref(before):
            return None
        before = node.name
    return tuple(node.name for node in program.nodes[::2])


def chain_gradients(
    chain: tuple[str, ...],
    weights: Weights,
    x: Tensor,
    slopes: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]],
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the gradient of a loss with respect to each layer's weight and bias.

    Parameters
    ----------
    chain : tuple of str
        Layers in order.
    weights : mapping
        Weight [out, in] and bias [out] of each.
    x : Tensor, shape [N, d]
        Rows.
    slopes : callable
        Takes the last layer's value [N, 1 or 2] and what that layer reads [N, H], and returns the gradients of the
        loss with respect to them; None for the second where the loss does not read it.
    """
    linear, behind_relu = torch.nn.functional.linear, torch.ops.aten.threshold_backward
    held = [x]
    for name in chain[:-1]:
        held.append(linear(held[-1], *weights[name]).relu_())
    gradient, beside = slopes(linear(held[-1], *weights[chain[-1]]), held[-1])
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for position in range(len(chain) - 1, -1, -1):
        name, value = chain[position], held[position]
        found[name] = gradient.t() @ value, gradient.sum(0)
        if position:
            gradient = gradient @ weights[name][0]
            if beside is not None:
                gradient, beside = gradient + beside, None
            gradient = behind_relu(gradient, value, 0)
    return found
