"""The adversaries: one reads the cluster from hidden layers, the others a protected attribute from a prediction.

All attributes and both predictions are stacked: one batched product a layer trains them all, and nothing passes from
one to another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from debias.training.rows import Task

_SLOPE = 0.1  # of LeakyReLU: a ReLU on two inputs dies
_CHANCE_MARGIN = 1e-3


class ClusterAdversary(nn.Module):
    """Reads the cluster from the activations of all hidden layers (Fair MEDL Fig. 1, subnetwork 2).

    Parameters
    ----------
    width, clusters : int
        Units of all hidden layers together; number of clusters.
    hidden : sequence of int
        Units of its own hidden layers.
    """

    def __init__(self, width: int, clusters: int, hidden: Sequence[int] = (32, 32)) -> None:
        super().__init__()
        sizes = [width, *hidden, clusters]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])

    def forward(self, acts: Tensor) -> Tensor:
        """Return one logit a cluster [N, K] for activations [N, width]."""
        last = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            acts = layer(acts)
            if k < last:
                acts = nn.functional.leaky_relu(acts, _SLOPE)
        return acts


class FairAdversaries(nn.Module):
    """Reads each protected attribute from each prediction and the label (Fair MEDL Fig. 1, subnetworks 3 and 5).

    Parameters
    ----------
    heads : sequence of str
        Names of the predictions read, such as ``fixed`` and ``mixed``.
    categories : mapping of str to int
        Number of categories of each attribute.
    inputs : int
        Numbers read of each row.
    hidden : sequence of int
        Units of the hidden layers of each adversary.
    """

    absent: Tensor

    def __init__(
        self, heads: Sequence[str], categories: Mapping[str, int], inputs: int, hidden: Sequence[int] = (32, 32)
    ) -> None:
        super().__init__()
        self.heads, self.attributes = tuple(heads), tuple(categories)
        self.names = tuple(f"{head}_adversary.{name}" for head in heads for name in categories)
        counts = torch.tensor(list(categories.values()))
        most, size = int(counts.max()), len(self.names)
        pairs = list(pairwise([inputs, *hidden, most]))
        self.weights = nn.ParameterList([nn.Parameter(torch.empty(size, b, a)) for a, b in pairs])
        self.biases = nn.ParameterList([nn.Parameter(torch.empty(size, b, 1)) for _, b in pairs])
        # A smaller attribute has no logit for the categories that it lacks.
        lacks = torch.arange(most) >= counts.unsqueeze(1)
        gap = torch.zeros(lacks.shape).masked_fill(lacks, -math.inf)
        self.register_buffer("absent", gap.repeat(len(self.heads), 1).unsqueeze(2), persistent=False)
        for place in range(size):
            self.draw(place)

    def draw(self, place: int, generator: torch.Generator | None = None) -> None:
        """Draw the weights of one adversary anew, as ``nn.Linear`` draws them."""
        with torch.no_grad():
            for weight, bias in zip(self.weights, self.biases, strict=True):
                bound = 1 / math.sqrt(weight.shape[2])
                weight[place].uniform_(-bound, bound, generator=generator)
                bias[place].uniform_(-bound, bound, generator=generator)

    def forward(self, read: Tensor) -> Tensor:
        """Return log probabilities [heads · attributes, categories, N] for what each head's adversaries read.

        Parameters
        ----------
        read : Tensor, shape [heads, inputs, N]
            See `reading`.
        """
        heads, inputs, n = read.shape
        value = read.unsqueeze(1).expand(heads, len(self.attributes), inputs, n).reshape(-1, inputs, n)
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            value = torch.baddbmm(bias, weight, value)
            if k < last:
                value = nn.functional.leaky_relu(value, _SLOPE)
        return torch.log_softmax(value + self.absent, 1)

    def cross_entropy(self, read: Tensor, codes: Tensor, weights: Tensor) -> Tensor:
        """Return the weighted mean cross-entropy of each adversary [heads · attributes], in nats.

        Parameters
        ----------
        read : Tensor, shape [heads, inputs, N]
            See `reading`.
        codes : Tensor of int64, shape [attributes, N]
            Categories; where one is missing, any, with weight 0.
        weights : Tensor, shape [attributes, N]
            Weights of the rows, summing to 1 for each attribute.
        """
        log_p: Tensor = self(read)
        log_p = log_p.view(len(self.heads), *codes.shape[:1], -1, codes.shape[1])
        own = log_p.gather(2, codes.unsqueeze(1).expand(len(self.heads), -1, 1, -1)).squeeze(2)
        return -(own * weights).sum(2).view(-1)


def reading(outputs: Tensor, y: Tensor, task: Task, form: Literal["paper", "logit"]) -> Tensor:
    """Return what the adversaries read [heads, 2 or 3, N] of predictions and labels.

    Classification: (ŷ, y) with the probability ŷ, or (logit, logit · y, y). Regression: (ŷ, y, ŷ − y) on the
    standardised scale; the third adds no information, and learning is quicker with it.

    Parameters
    ----------
    outputs : Tensor, shape [heads, N]
        Logits, or standardised predictions.
    y : Tensor, shape [N]
        Labels, or standardised targets.
    """
    label = y.expand_as(outputs)
    if task == "regression":
        return torch.stack((outputs, label, outputs - label), 1)
    if form == "logit":
        return torch.stack((outputs, outputs * label, label), 1)
    return torch.stack((torch.sigmoid(outputs), label), 1)


def inputs_of(task: Task, form: Literal["paper", "logit"]) -> int:
    """Return how many numbers of a row `reading` gives."""
    return 2 if task == "classification" and form == "paper" else 3


def category_weights(codes: Tensor, categories: int, balanced: bool) -> Tensor:
    """Return the weight of each category [categories]: n / (groups · n_g) where balanced, else 1.

    Parameters
    ----------
    codes : Tensor of int64, shape [N]
        Training rows' categories; −1 is missing. A category without rows has weight 0.
    """
    counts = torch.bincount(codes[codes >= 0], minlength=categories).to(torch.float32)
    if not balanced:
        return (counts > 0).to(torch.float32)
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), 0.0)


def chance(codes: Tensor, weights: Tensor) -> float:
    """Return the cross-entropy, in nats, of always telling the weighted share of each category.

    With balanced weights it is ln m for m categories with rows.
    """
    counts = torch.bincount(codes[codes >= 0], minlength=len(weights)).to(torch.float64) * weights
    share = counts / counts.sum()
    return float(-(share * torch.log(share.clamp(min=1e-300))).sum())


def is_dead(cross_entropy: float, at_chance: float) -> bool:
    """Return whether an adversary's mean cross-entropy of an epoch is that of chance, or worse."""
    return not cross_entropy < at_chance - _CHANCE_MARGIN
