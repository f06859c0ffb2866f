"""Training rows in shuffled batches, with all that a step reads of a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from debias.training.adversaries import category_weights, chance
from debias.training.kinds import Kind
from debias.training.rows import Rows, Task
from debias.training.settings import Settings

_BATCHES_AT_ONCE = 64  # fetched from the table in one go: few calls, little memory


@dataclass(frozen=True)
class Scale:
    """How targets are standardised in training: the mean and standard deviation of the training rows."""

    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def of(cls, rows: Rows, task: Task) -> Scale:
        """Return that of training rows; labels stay as they are."""
        if task == "classification":
            return cls()
        y = rows.y.to(torch.float64)
        return cls(float(y.mean()), float(y.std(correction=0)))


@dataclass(frozen=True)
class Batch:
    """What a step reads of B rows.

    Parameters
    ----------
    x, y, weights, z : Tensor
        Inputs [B, d]; labels or standardised targets, weights in the label's losses, and clusters, each [B].
    codes, code_weights : Tensor, shape [attributes, B]
        Categories, and weights in the adversaries' losses: 0 where a category is missing.
    indicators : Tensor, shape [B, categories of all attributes]
        Of the correlation loss; else no columns.
    others : Tensor of int64, shape [swaps, B]
        A category other than the row's own for each attribute that is swapped.
    """

    x: Tensor
    y: Tensor
    weights: Tensor
    z: Tensor
    codes: Tensor
    code_weights: Tensor
    indicators: Tensor
    others: Tensor


class Data:
    """Training rows as the steps read them.

    Parameters
    ----------
    rows : Rows
        Training rows.
    kind, settings, task, scale
        What is trained, how, and how targets are standardised.
    """

    def __init__(self, rows: Rows, kind: Kind, settings: Settings, task: Task, scale: Scale) -> None:
        self.n = len(rows)
        self.batch = min(settings.batch_size, self.n)
        self.x = torch.cat([rows.x, rows.design()], 1) if kind.cluster_input else rows.x
        self.y = (rows.y - scale.mean) / scale.sd
        self.label_weights = _label_weights(rows, settings.class_weights and task == "classification")
        weights = torch.ones(self.n) if rows.weight is None else rows.weight / rows.weight.mean()
        if self.label_weights is not None:
            weights = weights * torch.where(rows.y == 1, self.label_weights[1], self.label_weights[0])
        self.weights = weights
        self.z = rows.z
        self.names = tuple(rows.sensitive) if kind.needs_attributes else ()
        codes = [rows.sensitive[name] for name in self.names]
        each = [
            category_weights(row, rows.categories[name], settings.adversary_class_weights)
            for name, row in zip(self.names, codes, strict=True)
        ]
        self.chances = [chance(row, weight) for row, weight in zip(codes, each, strict=True)]
        shape = (0, self.n)
        self.codes = torch.stack([row.clamp(min=0) for row in codes]) if codes else torch.zeros(shape, dtype=torch.long)
        self.code_weights = (
            torch.stack([weight[row.clamp(min=0)] * (row >= 0) for row, weight in zip(codes, each, strict=True)])
            if codes
            else torch.zeros(shape)
        )
        self.cluster_chance = chance(rows.z, torch.ones(rows.n_clusters)) if kind.cluster_adversary else 0.0
        self.indicators, self.attribute = self._indicators(rows, kind)
        weighed = rows.swaps if settings.swapped is None else settings.swapped
        self.swaps = {name: rows.swaps[name] for name in weighed if settings.lambda_swap > 0}
        self.swap_codes = [rows.sensitive[name] for name in self.swaps]

    def _indicators(self, rows: Rows, kind: Kind) -> tuple[Tensor, Tensor]:
        if not kind.correlation:
            return torch.zeros(self.n, 0), torch.zeros(0, dtype=torch.long)
        columns, attribute = [], []
        for place, name in enumerate(self.names):
            size = rows.categories[name]
            columns.append(rows.sensitive[name].unsqueeze(1) == torch.arange(size))
            attribute += [place] * size
        return torch.cat(columns, 1).to(torch.float32), torch.tensor(attribute)

    def batches(self, order: torch.Generator, draws: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch's batches in a new order, without the ragged last one."""
        rows = torch.randperm(self.n, generator=order)[: self.n // self.batch * self.batch]
        for chosen in torch.split(rows, self.batch * _BATCHES_AT_ONCE):
            size = self.batch
            yield from map(
                Batch,
                torch.split(self.x.index_select(0, chosen), size),
                torch.split(self.y.index_select(0, chosen), size),
                torch.split(self.weights.index_select(0, chosen), size),
                torch.split(self.z.index_select(0, chosen), size),
                torch.split(self.codes.index_select(1, chosen), size, 1),
                torch.split(self.code_weights.index_select(1, chosen), size, 1),
                torch.split(self.indicators.index_select(0, chosen), size),
                torch.split(self._others(chosen, draws), size, 1),
            )

    def _others(self, chosen: Tensor, draws: torch.Generator) -> Tensor:
        """Return a category other than its own for each swapped attribute and row [swaps, rows]."""
        found = torch.zeros((len(self.swaps), len(chosen)), dtype=torch.long)
        for place, (swap, codes) in enumerate(zip(self.swaps.values(), self.swap_codes, strict=True)):
            size = len(swap.values)
            own = codes[chosen]
            step = torch.randint(1, max(size, 2), own.shape, generator=draws)
            # a row without a category gets any
            found[place] = torch.where(own >= 0, (own + step) % size, step % size)
        return found

    def swapped(self, batch: Batch) -> Tensor:
        """Return the inputs with each attribute swapped [swaps · rows, width]."""
        size = len(batch.x)
        found = batch.x.repeat(len(self.swaps), 1)
        for place, swap in enumerate(self.swaps.values()):
            found[place * size : (place + 1) * size].index_copy_(
                1, torch.tensor(swap.columns), swap.values[batch.others[place]]
            )
        return found


def _label_weights(rows: Rows, balanced: bool) -> Tensor | None:
    """Return 0.5 / frequency of each class."""
    if not balanced:
        return None
    weight = torch.ones_like(rows.y) if rows.weight is None else rows.weight
    share = (weight * rows.y).sum() / weight.sum()
    return torch.stack((0.5 / (1 - share), 0.5 / share))
