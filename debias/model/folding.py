"""The same network with its affine steps folded together: fewer operations for many evaluations.

Dropout in eval mode is left out. A batch normalisation in eval mode is one scale and one shift per unit; it is folded
into the fully connected layers behind it, or into the one before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from debias.model.program import IDENTITY, Node, Param, Program, Ref, substitute


@dataclass(frozen=True)
class Dense:
    """A fully connected layer with what is folded into it."""

    node: Node
    before: Node | None = None
    after: Node | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """State entries that its effective weights are made of."""
        return (
            *self.node.params,
            *(self.before.params if self.before else ()),
            *(self.after.params if self.after else ()),
        )

    def weights(self, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the effective weight [out, in] and bias [out]; entries stacked along a first axis stay stacked."""
        weight = state[self.node.args[1].name]
        bias = self.node.argument(2)
        shift = state[bias.name] if isinstance(bias, Param) else torch.zeros_like(weight[..., 0])
        if self.before is not None:
            scale, offset = affine(self.before, state)
            shift = shift + (weight @ offset.unsqueeze(-1)).squeeze(-1)
            weight = weight * scale.unsqueeze(-2)
        if self.after is not None:
            scale, offset = affine(self.after, state)
            weight = scale.unsqueeze(-1) * weight
            shift = scale * shift + offset
        return weight, shift

    def pullback(self, state: Mapping[str, Tensor], weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Return the gradients of its own entries from those of its effective weight and bias.

        The chain rule of `weights` written out: for a few small tensors that is much cheaper than recording it.
        """
        found: dict[str, Tensor] = {}
        own = state[self.node.args[1].name]
        shift = self.node.argument(2)
        if self.after is not None:
            scale, _ = affine(self.after, state)
            inner = Dense(self.node, self.before).weights(state)
            found |= _affine_gradients(self.after, state, (weight * inner[0]).sum(-1) + bias * inner[1], bias)
            weight, bias = scale.unsqueeze(-1) * weight, scale * bias
        if isinstance(shift, Param):
            found[shift.name] = bias
        if self.before is not None:
            scale, offset = affine(self.before, state)
            toward = (own.mT @ bias.unsqueeze(-1)).squeeze(-1)
            found |= _affine_gradients(self.before, state, (weight * own).sum(-2), toward)
            weight = weight * scale.unsqueeze(-2) + bias.unsqueeze(-1) * offset.unsqueeze(-2)
        found[self.node.args[1].name] = weight
        return found

    @property
    def shape(self) -> tuple[object, ...]:
        """What two layers must share so that their effective weights can be worked out in one go."""
        ends = [tuple(type(a) for a in n.args[:7]) + n.args[7:] if n else None for n in (self.before, self.after)]
        return (isinstance(self.node.argument(2), Param), *ends)

    def output_scale(self, state: Mapping[str, Tensor]) -> Tensor | float:
        """Return d(effective output) / d(own pre-activation), by unit."""
        return affine(self.after, state)[0] if self.after is not None else 1.0


def _affine_gradients(node: Node, state: Mapping[str, Tensor], scale: Tensor, shift: Tensor) -> dict[str, Tensor]:
    """Return the gradients of a batch normalisation's own scale and shift from those of `affine`."""
    weight, bias = node.argument(1), node.argument(2)
    found: dict[str, Tensor] = {}
    if isinstance(weight, Param):
        mean, variance = state[node.args[3].name], state[node.args[4].name]
        found[weight.name] = torch.rsqrt(variance + node.args[7]) * (scale - mean * shift)
    if isinstance(bias, Param):
        found[bias.name] = shift
    return found


def affine(node: Node, state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return scale and shift [units] of a batch normalisation in eval mode."""

    def value(position: int) -> Tensor | None:
        argument = node.argument(position)
        return state[argument.name] if isinstance(argument, Param) else None

    weight, bias, mean, variance = (value(position) for position in (1, 2, 3, 4))
    assert mean is not None
    assert variance is not None
    scale = torch.rsqrt(variance + node.args[7])
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias


@dataclass(frozen=True)
class Folded:
    """A program whose fully connected layers read effective weights.

    Parameters
    ----------
    program : Program
        Its linear nodes keep their names; those of folded normalisations are gone.
    dense : mapping of str to Dense
        Fully connected layers by the value that they give.
    moved : mapping of str to str
        Value of the original program → value of this one, where both are the same numbers.
    """

    program: Program
    dense: Mapping[str, Dense]
    moved: Mapping[str, str]


def fold(program: Program) -> Folded:
    """Return the program with dropout left out and batch normalisations folded where they can be."""
    plain = program.without(IDENTITY)
    dense = {
        node.name: Dense(node)
        for node in plain.nodes
        if node.op == "linear" and isinstance(node.argument(1), Param) and isinstance(node.args[0], Ref)
    }
    alias: dict[str, str] = {}
    for node in plain.nodes:
        if node.op != "batch_norm" or not isinstance(node.argument(3), Param) or node.name == plain.output:
            continue
        source = node.args[0].name
        consumers = plain.consumers[node.name]
        if all(c.name in dense and dense[c.name].before is None for c in consumers):
            for consumer in consumers:
                dense[consumer.name] = replace(dense[consumer.name], before=node)
        elif source in dense and len(plain.consumers[source]) == 1 and dense[source].after is None:
            dense[source] = replace(dense[source], after=node)
        else:
            continue
        alias[node.name] = source
    nodes = [_rewritten(node, alias) for node in plain.nodes if node.name not in alias]
    moved = {name: _resolve(program, plain, name) for name in program.by_name}
    short = Program(plain.inputs, tuple(nodes), plain.output)
    return Folded(replace(short, nodes=tuple(_in_place(node, short, dense) for node in short.nodes)), dense, moved)


def _in_place(node: Node, program: Program, dense: Mapping[str, Dense]) -> Node:
    """Let a ReLU overwrite a layer's output that nobody else reads: large values cost more to place than to compute."""
    source = node.args[0].name if node.op == "relu" and isinstance(node.args[0], Ref) else ""
    if source in dense and len(program.consumers[source]) == 1 and source != program.output:
        return replace(node, call=torch.relu_)
    return node


def _rewritten(node: Node, alias: Mapping[str, str]) -> Node:
    def leaf(value: Any) -> Any:
        while isinstance(value, Ref) and value.name in alias:
            value = Ref(alias[value.name])
        return value

    args = tuple(substitute(value, leaf) for value in node.args)
    return Node(node.name, node.op, node.call, args, {k: substitute(v, leaf) for k, v in node.kwargs.items()})


def _resolve(program: Program, plain: Program, name: str) -> str:
    """Follow an identity back to the value that the plain program still has."""
    while name not in plain.by_name and name in program.by_name and isinstance(program.by_name[name].argument(0), Ref):
        name = program.by_name[name].args[0].name
    return name
