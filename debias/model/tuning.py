"""A network whose parameters move: many gradient steps at little overhead.

Affine steps are folded (`debias.model.folding`), and layers of one shape keep their parameters stacked in one
tensor, so that folding and optimising take a few operations in all instead of a few per layer. The gradients are
those of the file's own parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from debias.model.chain import chain_gradients, chain_of
from debias.model.folding import Dense, Folded, fold
from debias.model.network import Network

Pair = tuple[Tensor, Tensor]
Slopes = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Takes the logits [N] and the last hidden values [N, H]; returns the gradients of a loss with respect to both."""


@dataclass(frozen=True)
class _Group:
    """Fully connected layers of one shape; the first stands for all, on stacked entries."""

    names: tuple[str, ...]
    template: Dense


class Tuning:
    """The network's parameters, ready to be moved.

    Parameters
    ----------
    network : Network
        Where the parameters start; never changed.
    device : str
        Where the tensors lie.

    Attributes
    ----------
    leaves : list of Tensor
        What an optimiser moves.
    hidden : str
        The value that the last fully connected layer reads: the last hidden layer, behind whose activation a
        normalisation may have been folded away. An input of the network where there is no hidden layer, and empty
        where there is no fully connected layer.
    """

    def __init__(self, network: Network, device: str = "cpu") -> None:
        self.head = network.head
        self.folded: Folded = fold(network.program.until(network.head.value))
        self.program = self.folded.program
        self.hidden = next((n.args[0].name for n in reversed(self.program.nodes) if n.name in self.folded.dense), "")
        self._state = {name: value.to(device) for name, value in network.state.items()}
        self._leaves: dict[tuple[str, ...], Tensor] = {}
        self._anchors = {name: (self._state[name].clone(), sd.to(device)) for name, sd in network.anchors.items()}
        self._anchor_weight = network.anchor_weight
        self._stacked: dict[str, Tensor] = {}
        trained = set(network.parameters)
        self._groups = self._grouped(trained)
        grouped: set[str] = set()
        for group in self._groups:
            members = [self.folded.dense[name] for name in group.names]
            for names in zip(*(member.sources for member in members), strict=True):
                grouped.update(names)
                stack = torch.stack([self._state[name] for name in names])
                self._stacked[names[0]] = stack
                if names[0] in trained:
                    self._leaves[names] = stack
        used = {name for dense in self.folded.dense.values() for name in dense.sources}
        used |= {name for node in self.program.nodes for name in node.params}
        for name in sorted(used & trained - grouped):
            self._state[name] = self._leaves[(name,)] = self._state[name].clone().requires_grad_()
        plain = any(leaf.requires_grad for leaf in self._leaves.values())
        self._chain = None if plain or self.head.from_probability else chain_of(self.folded)

    @property
    def leaves(self) -> list[Tensor]:
        """The tensors that an optimiser moves."""
        return list(self._leaves.values())

    def last_leaves(self) -> list[Tensor]:
        """Return the leaves of the last fully connected layer; those of all layers of its shape where it has twins."""
        last = next((n.name for n in reversed(self.program.nodes) if n.name in self.folded.dense), None)
        sources = set(self.folded.dense[last].sources) if last else set()
        return [leaf for names, leaf in self._leaves.items() if sources & set(names)]

    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logit of each row [N]."""
        with torch.no_grad():
            return self._run(inputs, self._effective())[0]

    def hidden_values(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the logit of each row [N] and the value `hidden` [N, H]."""
        with torch.no_grad():
            logits, env = self._run(inputs, self._effective())
            return logits, env[self.hidden]

    def gradients(self, inputs: Mapping[str, Tensor], slope: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Return the gradient of a loss of the logits with respect to each of `leaves`.

        Parameters
        ----------
        inputs : mapping of str to Tensor
            Rows, by the names of the signature.
        slope : callable
            Takes the logits [N] and returns the gradient of the loss with respect to them [N].
        """
        return self.gradients_from(inputs, lambda logits, _: (slope(logits), None))

    def gradients_from(self, inputs: Mapping[str, Tensor], slopes: Slopes) -> list[Tensor]:
        """Return the gradient of a loss of the logits and the last hidden values with respect to each of `leaves`.

        Parameters
        ----------
        inputs : mapping of str to Tensor
            Rows, by the names of the signature.
        slopes : callable
            Takes the logits [N] and `hidden` [N, H], and returns the gradients of the loss with respect to both, each
            with the other held fixed; None for the second where the loss does not read it.
        """
        with torch.no_grad():
            effective = self._effective()
        if self._chain is not None:
            with torch.no_grad():
                return self._pulled(self._along_chain(inputs, effective, slopes))
        folded = [part.requires_grad_() for pair in effective for part in pair]
        plain = [leaf for leaf in self._leaves.values() if leaf.requires_grad]
        logits, env = self._run(inputs, effective)
        hidden = env.get(self.hidden, logits)
        along, beside = slopes(logits.detach(), hidden.detach())
        ends, directions = [logits], [along]
        if beside is not None and hidden.requires_grad:
            ends, directions = [logits, hidden], [along, beside]
        found = torch.autograd.grad(ends, [*folded, *plain], directions)
        with torch.no_grad():
            pairs = list(zip(found[: len(folded) : 2], found[1 : len(folded) : 2], strict=True))
            return self._pulled(pairs, found[len(folded) :])

    def _effective(self) -> list[Pair]:
        return [group.template.weights(self._stacked) for group in self._groups]

    def _along_chain(self, inputs: Mapping[str, Tensor], effective: Sequence[Pair], slopes: Slopes) -> list[Pair]:
        """Return the gradients of each group's stacked effective weights and biases, for a plain chain."""
        assert self._chain is not None
        head = self.head

        def pulled(value: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
            along, beside = slopes(head.logits(value), hidden)
            return head.pull(value, along), beside

        found = chain_gradients(self._chain, self._unstacked(effective), inputs[self.program.inputs[0]], pulled)
        columns = [tuple(zip(*(found[name] for name in group.names), strict=True)) for group in self._groups]
        return [(torch.stack(weights), torch.stack(biases)) for weights, biases in columns]

    def _pulled(self, pairs: Sequence[Pair], plain: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the gradients of the leaves from those of the effective weights and of the entries left plain."""
        by_name: dict[str, Tensor] = {}
        for group, (weight, bias) in zip(self._groups, pairs, strict=True):
            by_name |= group.template.pullback(self._stacked, weight, bias)
        rest = iter(plain)
        return [
            self._anchored(names[0], leaf, next(rest)) if leaf.requires_grad else by_name[names[0]]
            for names, leaf in self._leaves.items()
        ]

    def _anchored(self, name: str, leaf: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient with that of w ½ Σ ((μ − μ₀) / s)², where the parameter is to stay near where it was."""
        if name not in self._anchors:
            return gradient
        start, sd = self._anchors[name]
        return gradient + self._anchor_weight * (leaf.detach() - start) / sd**2

    def _unstacked(self, effective: Sequence[Pair]) -> dict[str, Pair]:
        weights: dict[str, Pair] = {}
        for group, stacked in zip(self._groups, effective, strict=True):
            weights.update(zip(group.names, zip(*(part.unbind() for part in stacked), strict=True), strict=True))
        return weights

    def _run(self, inputs: Mapping[str, Tensor], effective: Sequence[Pair]) -> tuple[Tensor, dict[str, Tensor]]:
        weights = self._unstacked(effective)
        for name, dense in self.folded.dense.items():
            if name not in weights:
                weights[name] = dense.weights(self._state)
        env: dict[str, Tensor] = dict(inputs)
        for node in self.program.nodes:
            if node.name in weights:
                env[node.name] = torch.nn.functional.linear(env[node.args[0].name], *weights[node.name])
            else:
                env[node.name] = node.evaluate(env, self._state)
        return self.head.logits(env[self.program.output]), env

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the parameters under the file's own names, on the CPU."""
        found: dict[str, Tensor] = {}
        for names, leaf in self._leaves.items():
            values = leaf.detach().cpu().clone()
            found.update(zip(names, values if len(names) > 1 or names[0] in self._stacked else [values], strict=True))
        return found

    def _grouped(self, trained: set[str]) -> list[_Group]:
        """Group layers of one shape whose entries nobody else reads."""
        readers = Counter(name for dense in self.folded.dense.values() for name in set(dense.sources))
        readers.update(
            name for node in self.program.nodes if node.name not in self.folded.dense for name in set(node.params)
        )
        found: dict[tuple[object, ...], list[str]] = {}
        for name, dense in self.folded.dense.items():
            if all(readers[source] == 1 for source in dense.sources):
                shapes = tuple((source in trained, tuple(self._state[source].shape)) for source in dense.sources)
                found.setdefault((*dense.shape, shapes), []).append(name)
        return [_Group(tuple(names), self.folded.dense[names[0]]) for names in found.values()]
