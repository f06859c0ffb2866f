"""The terms of the objectives of the mixed-effects paper (eq. 1 and 8 to 11), and the pair-swap penalty.

The network minimises

    L_M + λ_F L_F − λ_g CCE(Z) + λ_K KL − λ_FE Σ CCE(S | ŷ_F, y) − λ_ME Σ CCE(S | ŷ_M, y) + λ_s Σ |corr(ŷ_F, S)|
    + λ_CF E|ŷ(x, s) − ŷ(x, s')|

with the terms that its kind has (without random effects L_F alone stands for the label, with weight 1); each
adversary minimises its own cross-entropy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from debias.training.kinds import Kind
from debias.training.rows import Task
from debias.training.settings import Settings

_TINY = 1e-6


def label_losses(outputs: Tensor, y: Tensor, weights: Tensor, task: Task) -> Tensor:
    """Return the mean loss of each head [heads]: weighted cross-entropy, or squared error of standardised targets.

    Parameters
    ----------
    outputs : Tensor, shape [heads, N]
        Logits, or standardised predictions.
    y, weights : Tensor, shape [N]
        Labels 0 or 1, or standardised targets; weights of the rows, 1 on average over the training rows.
    """
    label = y.expand_as(outputs)
    if task == "regression":
        losses = (outputs - label).square()
    else:
        losses = nn.functional.binary_cross_entropy_with_logits(outputs, label, reduction="none")
    return (losses * weights).mean(1)


def divergence(mean: Tensor, sd: Tensor, prior_sd: float) -> Tensor:
    """Return KL(q ‖ p) of normal posteriors from the prior N(0, prior_sd²), in closed form, summed over coefficients.

    Parameters
    ----------
    mean, sd : Tensor of any one shape
        Of the posterior of each coefficient.
    """
    ratio = sd / prior_sd
    return 0.5 * ((ratio.square() + (mean / prior_sd).square()).sum() - mean.numel()) - ratio.log().sum()


@dataclass(frozen=True)
class Groups:
    """Indicators of all categories of all attributes, for the correlation loss.

    Parameters
    ----------
    indicators : Tensor of float32, shape [N, categories of all attributes]
        1 where a row has the category.
    attribute : Tensor of int64, shape [categories of all attributes]
        Which attribute a category belongs to.
    """

    indicators: Tensor
    attribute: Tensor


def correlation(prediction: Tensor, groups: Groups, y: Tensor | None, task: Task) -> Tensor:
    """Return Σ over attributes of the mean |Pearson r| of prediction and category (Fair MEDL eq. 10).

    A category without rows in the batch, or with all of them, is left out.

    Parameters
    ----------
    prediction : Tensor, shape [N]
        Probabilities, or values.
    groups : Groups
        Of the same rows.
    y : Tensor of shape [N], optional
        Given, the correlation is taken among rows of each label and averaged (the equalized-odds form); of a
        regression, it is the partial correlation given the target.
    """
    if y is None:
        return _correlation(prediction, groups)
    if task == "regression":
        return _correlation(_without(prediction.unsqueeze(1), y).squeeze(1), groups, y)
    parts = []
    for label in (0, 1):
        chosen = y == label
        if int(chosen.sum()) > 1:
            some = Groups(groups.indicators[chosen], groups.attribute)
            parts.append(_correlation(prediction[chosen], some))
    return torch.stack(parts).mean() if parts else prediction.sum() * 0


def _correlation(prediction: Tensor, groups: Groups, given: Tensor | None = None) -> Tensor:
    total = groups.indicators.sum(0)
    present = (total > 0) & (total < len(prediction))
    centred = groups.indicators - groups.indicators.mean(0)
    if given is not None:
        centred = _without(centred, given)
    value = prediction - prediction.mean()
    r = (value @ centred) / (value.norm() * centred.norm(dim=0) + _TINY)
    kept = torch.where(present, r.abs(), 0.0)
    size = int(groups.attribute.max()) + 1
    sums = torch.zeros(size).index_add(0, groups.attribute, kept)
    counts = torch.zeros(size).index_add(0, groups.attribute, present.to(torch.float32))
    return (sums / counts.clamp(min=1)).sum()


def _without(values: Tensor, y: Tensor) -> Tensor:
    """Return centred columns [N, k] less their linear part in y."""
    label = (y - y.mean()).unsqueeze(1)
    centred = values - values.mean(0)
    return centred - label * ((label * centred).sum(0) / (label.square().sum() + _TINY))


def swap_penalty(outputs: Tensor, swapped: Tensor, task: Task) -> Tensor:
    """Return Σ over attributes and heads of the mean |ŷ(x, s) − ŷ(x, s')|.

    Parameters
    ----------
    outputs : Tensor, shape [heads, N]
        Logits, or standardised predictions.
    swapped : Tensor, shape [heads, attributes, N]
        The same with each attribute's input columns changed to another category.
    """
    if task == "classification":
        outputs, swapped = torch.sigmoid(outputs), torch.sigmoid(swapped)
    return (outputs.unsqueeze(1) - swapped).abs().mean(2).sum()


@dataclass(frozen=True)
class Terms:
    """The terms of one batch; None where a kind lacks one.

    Parameters
    ----------
    labels : Tensor, shape [heads]
        L_F alone, or L_M and L_F.
    cluster : Tensor, optional
        Cross-entropy of the cluster adversary.
    fixed, mixed : Tensor of shape [attributes], optional
        Cross-entropies of the adversaries of each prediction.
    divergence, correlation, swap : Tensor, optional
        KL (not yet divided by the rows), Σ |corr|, and the pair-swap penalty.
    """

    labels: Tensor
    cluster: Tensor | None = None
    fixed: Tensor | None = None
    mixed: Tensor | None = None
    divergence: Tensor | None = None
    correlation: Tensor | None = None
    swap: Tensor | None = None


def objective(terms: Terms, kind: Kind, settings: Settings, rows: int) -> Tensor:
    """Return what the network minimises: eq. 1, 8, 9, 10 or 11, by what the kind has.

    Parameters
    ----------
    rows : int
        Number of training rows n; λ_K = κ / n.
    """
    loss = terms.labels[0]
    if kind.random_effects:
        loss = loss + settings.lambda_fixed * terms.labels[1]
    if terms.cluster is not None:
        loss = loss - settings.lambda_cluster * terms.cluster
    if terms.fixed is not None:
        loss = loss - settings.lambda_fair * terms.fixed.sum()
    if terms.mixed is not None:
        loss = loss - settings.fair_mixed * terms.mixed.sum()
    if terms.divergence is not None:
        loss = loss + settings.kl / rows * terms.divergence
    if terms.correlation is not None:
        loss = loss + settings.lambda_correlation * terms.correlation
    if terms.swap is not None:
        loss = loss + settings.lambda_swap * terms.swap
    return loss
