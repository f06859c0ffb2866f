"""Scores of many networks that share a program and differ in their numbers, on fixed rows.

In a plain chain the trials are stacked and evaluated together: a batched product over all of them costs little more
than its arithmetic, while single trials of small layers spend much of their time between the operations.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from debias.model.chain import chain_of
from debias.model.evaluation import Evaluation
from debias.model.folding import fold
from debias.model.network import Network

MIB = 1 << 20
_LEAST_ROWS = 64
# Trials together, and values of one layer over trials and rows: on a processor these stay in a core's cache.
_TOGETHER = {"cpu": (16, 1 << 17)}
_TOGETHER_ELSEWHERE = (128, 1 << 25)


class Trials:
    """Networks of one program on fixed rows.

    Parameters
    ----------
    network : Network
        The program, and the numbers that the trials leave as they are.
    inputs : mapping of str to Tensor
        Inputs by the names of the signature, [N, d].
    device : str
        Where the tensors lie.
    memory : int
        Bound in MiB on what the trials of one batch take, beside the rows themselves. One trial is always evaluated.

    Attributes
    ----------
    at_once : int
        How many trials to hand to `logits` together.
    """

    def __init__(self, network: Network, inputs: Mapping[str, Tensor], device: str = "cpu", memory: int = 256) -> None:
        self.head = network.head
        self._device = torch.device(device)
        self._state = {name: value.to(device) for name, value in network.state.items()}
        folded = fold(network.program.until(network.head.value))
        self._chain = chain_of(folded)
        self._single: Evaluation | None = None
        self.at_once, self._rows = 1, 0
        if self._chain is None:
            self._single = Evaluation(network, inputs, device=device)
            return
        self._dense = [folded.dense[name] for name in self._chain]
        self._x = inputs[folded.program.inputs[0]].to(device)
        self.at_once, self._rows = self._batch(memory * MIB)

    def logits(self, stacked: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of every trial, shape [T, N], on the device.

        Parameters
        ----------
        stacked : mapping of str to Tensor
            The entries of the state in which trials differ, each with a first axis of T trials.
        """
        with torch.no_grad():
            stacked = {name: value.to(self._device) for name, value in stacked.items()}
            return self._one_by_one(stacked) if self._single is not None else self._together(stacked)

    def _one_by_one(self, stacked: Mapping[str, Tensor]) -> Tensor:
        assert self._single is not None
        found = []
        for trial in range(len(next(iter(stacked.values())))):
            self._single.update({name: value[trial] for name, value in stacked.items()})
            found.append(self._single.logits().clone())
        self._single.update({name: self._state[name] for name in stacked})
        return torch.stack(found)

    def _together(self, stacked: Mapping[str, Tensor]) -> Tensor:
        """Evaluate the chain with units along the rows of a matrix, a block of the sample's rows at a time."""
        trials = len(next(iter(stacked.values())))
        state = {**self._state, **stacked}
        layers = []
        for dense in self._dense:
            weight, bias = dense.weights(state)
            units, width = weight.shape[-2:]
            layers.append((weight.expand(trials, units, width), bias.expand(trials, units).unsqueeze(2)))
        (first, shift), *rest = layers
        units = first.shape[1]
        # All trials read the same rows, so the first layers of all are one matrix.
        first, shift = first.reshape(trials * units, -1), shift.reshape(trials * units, 1)
        parts = []
        for start in range(0, len(self._x), self._rows):
            block = self._x[start : start + self._rows]
            value = torch.addmm(shift, first, block.t()).view(trials, units, len(block))
            for weight, bias in rest:
                value = torch.baddbmm(bias, weight, value.relu_())
            parts.append(value)
        values = torch.cat(parts, 2).mT
        return torch.stack([self.head.logits(value) for value in values])

    def _batch(self, memory: int) -> tuple[int, int]:
        """Return how many trials, and how many rows of the sample, are evaluated together."""
        entries = {name for dense in self._dense for name in dense.sources}
        numbers = sum(self._state[name].numel() for name in entries)
        units = [len(self._state[dense.node.args[1].name]) for dense in self._dense]
        rows, size = len(self._x), self._x.element_size()
        at_most, values = _TOGETHER.get(self._device.type, _TOGETHER_ELSEWHERE)
        least = min(rows, _LEAST_ROWS)
        # Of a trial: its numbers and what they are folded into, its last values and logits, two layers of a block.
        one = size * (3 * numbers + 2 * (units[-1] + 1) * rows + 2 * least * max(units))
        trials = max(1, min(at_most, memory // one))
        spare = max(0, memory - trials * one) // (2 * size)
        return trials, min(rows, least + min(spare, values) // (trials * max(units)))
