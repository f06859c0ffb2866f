"""What constrained fine-tuning fits and penalises: soft decisions, or numbers on a scale of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from debias.objective import Judge, RegressionScorer, Scorer
    from debias.objective.judge import Apart

    Indices = npt.NDArray[np.int64]

_LEAST_RATE = 1e-6


class Rates:
    """Group means of one comparison, as running averages over batches, and the slope of their bias.

    The means are soft rates; of a network that predicts a number, mean predictions or mean squared errors.

    A batch holds few rows of a small group: a penalty on the bias of the batch itself would also punish its noise, and
    drive that group's scores to the ends.

    Parameters
    ----------
    item : Apart
        What is compared.
    flipped : bool
        The favourable decision is the negative one.
    memory : float
        Weight of the past in the averages; with 0 they are those of the batch.
    rounding : float
        δ: what is penalised is √(bias² + δ²), so that a small bias is pushed less.
    """

    def __init__(self, item: Apart, flipped: bool, memory: float, rounding: float) -> None:
        self.item, self.flipped, self.memory, self.rounding = item, flipped, memory, rounding
        self.favorable: Tensor | None = None
        self.everyone: Tensor | None = None

    def start(self, soft: Tensor, codes: Tensor, mass: Tensor, batches: int) -> None:
        """Set the averages to those of the whole table; see `slope`."""
        shares = self._shares(codes, mass)
        self.favorable, self.everyone = shares @ soft / batches, shares.sum(1) / batches

    def slope(self, soft: Tensor, codes: Tensor, mass: Tensor) -> Tensor:
        """Take a batch into the averages; return the gradient of the rounded bias by each soft decision, shape [B].

        Parameters
        ----------
        soft : Tensor, shape [B]
            Soft decisions in [0, 1].
        codes : Tensor of int64, shape [B]
            Group of each row; −1 where it is missing.
        mass : Tensor, shape [B]
            How much each row counts in the rate: its weight, times its label for the true positive rate, times the
            rest to 1 for the false positive rate.
        """
        shares = self._shares(codes, mass)
        favorable, everyone = shares @ soft, shares.sum(1)
        if self.favorable is not None and self.everyone is not None:
            favorable, everyone = favorable.lerp(self.favorable, self.memory), everyone.lerp(self.everyone, self.memory)
        self.favorable, self.everyone = favorable, everyone
        present = (everyone > 0).nonzero()[:, 0]
        if len(present) < 2:
            return soft.new_zeros(len(soft))
        means = favorable[present] / everyone[present]
        if self.flipped:
            means = 1 - means
        low, high = int(means.argmin()), int(means.argmax())
        bottom, top = float(means[low]), float(means[high])
        bias, by_high, by_low = top - bottom, 1.0, -1.0
        if self.item.ratio:
            top = max(top, _LEAST_RATE)
            bias, by_high, by_low = 1 - bottom / top, bottom / top**2, -1 / top
        if not bias:
            return soft.new_zeros(len(soft))
        push = bias / math.hypot(bias, self.rounding)
        low, high = int(present[low]), int(present[high])
        slope = push * (by_high / everyone[high] * shares[high] + by_low / everyone[low] * shares[low])
        return -slope if self.flipped else slope

    def _shares(self, codes: Tensor, mass: Tensor) -> Tensor:
        import torch

        return (codes == torch.arange(self.item.n_groups, device=codes.device)[:, None]) * mass


@dataclass(frozen=True)
class Loss:
    """The loss on a batch: Σ wᵢ CE(eᵢ, σ(zᵢ)) + penalty · Σ bias of σ(sharpness · z), with z the logit less the cut.

    Parameters
    ----------
    labels, weights : Tensor, shape [B]
        e in [0, 1] and w of each row.
    compared : sequence of (Rates, Tensor, Tensor)
        The rates whose difference is penalised, with the groups and masses of the rows; see `Rates.slope`.
    cut, penalty, sharpness : float
        As the formula says.
    """

    labels: Tensor
    weights: Tensor
    compared: Sequence[tuple[Rates, Tensor, Tensor]]
    cut: float
    penalty: float
    sharpness: float

    def slope(self, logits: Tensor) -> Tensor:
        """Return the gradient of the loss with respect to each logit, shape [B]."""
        centred = logits - self.cut
        slope = self.weights * (centred.sigmoid() - self.labels)
        soft = (self.sharpness * centred).sigmoid()
        steep = self.penalty * self.sharpness * soft * (1 - soft)
        for rates, codes, mass in self.compared:
            slope = slope + steep * rates.slope(soft, codes, mass)
        return slope


@dataclass(frozen=True)
class SquaredLoss:
    """The loss on a batch of predictions: Σ wᵢ (uᵢ − eᵢ)² + penalty · Σ bias, u the prediction in SDs of the target.

    Parameters
    ----------
    labels, truth, weights : Tensor, shape [B]
        e and the target itself, standardised, and w of each row.
    compared : sequence of (Rates, Tensor, Tensor)
        What the groups are compared by, with the groups and masses of the rows; see `Rates.slope`.
    middle, unit : float
        Mean and SD of the target.
    penalty : float
        As the formula says.
    """

    labels: Tensor
    truth: Tensor
    weights: Tensor
    compared: Sequence[tuple[Rates, Tensor, Tensor]]
    middle: float
    unit: float
    penalty: float

    def slope(self, values: Tensor) -> Tensor:
        """Return the gradient of the loss with respect to each prediction, shape [B]."""
        scaled = (values - self.middle) / self.unit
        slope = 2 * self.weights * (scaled - self.labels)
        for rates, codes, mass in self.compared:
            column, steep = _column(rates.item, scaled, self.truth)
            slope = slope + self.penalty * steep * rates.slope(column, codes, mass)
        return slope / self.unit


def _column(item: Apart, scaled: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the group means are of, and its gradient with respect to the scaled prediction, both [B]."""
    import torch

    if item.form == "value":
        return scaled, torch.ones_like(scaled)
    return (scaled - truth) ** 2, 2 * (scaled - truth)


class Decisions:
    """Labels, weights and masses of the rows of a classification.

    Parameters
    ----------
    scorer : Scorer
        The objective on the rows.
    scores : Tensor, shape [N]
        The unchanged network's logits.
    cut, sharpness, teacher : float
        See `Loss` and `debias.methods.finetune.Finetune`.

    Attributes
    ----------
    columns : list of Tensor [N]
        What `loss` takes of a batch.
    masses : list of Tensor [N]
        How much each row counts, by comparison.
    starts : list of Tensor [N]
        What the group means are of, at the unchanged network, by comparison.
    strata : list of ndarray of int64 [N]
        What every batch holds in the table's own shares, beside the groups.
    """

    def __init__(self, scorer: Scorer, scores: Tensor, cut: float, sharpness: float, teacher: float) -> None:
        import torch

        self.cut, self.sharpness = cut, sharpness
        centred = scores - cut
        probability = centred.sigmoid()
        labels = torch.lerp(_told(scorer.y.astype(float), scores), probability, teacher)
        self.columns = [labels, _told(_balanced(scorer.y, scorer.weights), scores)]
        favorable = 1 - labels if scorer.flipped else labels
        mass = {"selection": torch.ones_like(favorable), "tpr": favorable, "fpr": 1 - favorable}
        self.masses = [mass[item.rate] * _told(scorer.weights, scores) for item in scorer.comparisons]
        self.starts = [(sharpness * centred).sigmoid()] * len(self.masses)
        self.strata = [scorer.y]

    def loss(self, columns: Sequence[Tensor], compared: Sequence[tuple[Rates, Tensor, Tensor]], penalty: float) -> Loss:
        """Return the loss of a batch, its part of `columns` given."""
        labels, weights = columns
        return Loss(labels, weights, compared, self.cut, penalty, self.sharpness)


class Numbers:
    """Labels, weights and masses of the rows of a regression, standardised by the target; see `Decisions`.

    Parameters
    ----------
    scorer : RegressionScorer
        The objective on the rows.
    scores : Tensor, shape [N]
        The unchanged network's predictions.
    teacher : float
        Share of them in the labels.
    """

    def __init__(self, scorer: RegressionScorer, scores: Tensor, teacher: float) -> None:
        import numpy as np
        import torch

        share = scorer.weights / scorer.weights.sum()
        self.middle = float(share @ scorer.truth)
        self.unit = float(np.sqrt(share @ (scorer.truth - self.middle) ** 2))
        truth = _told((scorer.truth - self.middle) / self.unit, scores)
        scaled = (scores - self.middle) / self.unit
        self.columns = [torch.lerp(truth, scaled, teacher), _told(share, scores), truth]
        self.masses = [_told(scorer.weights, scores) for _ in scorer.comparisons]
        self.starts = [_column(item, scaled, truth)[0] for item in scorer.comparisons]
        self.strata: list[Indices] = []

    def loss(
        self, columns: Sequence[Tensor], compared: Sequence[tuple[Rates, Tensor, Tensor]], penalty: float
    ) -> SquaredLoss:
        """Return the loss of a batch, its part of `columns` given."""
        labels, weights, truth = columns
        return SquaredLoss(labels, truth, weights, compared, self.middle, self.unit, penalty)


def fitted(judge: Judge, scores: Tensor, cut: float, sharpness: float, teacher: float) -> Decisions | Numbers:
    """Return what is fitted and penalised on the rows of an objective, from the unchanged network's scores [N]."""
    from debias.objective import RegressionScorer, Scorer

    if isinstance(judge, RegressionScorer):
        return Numbers(judge, scores, teacher)
    assert isinstance(judge, Scorer)
    return Decisions(judge, scores, cut, sharpness, teacher)


def _told(values: npt.NDArray[np.floating], like: Tensor) -> Tensor:
    import torch

    return torch.tensor(values).to(like)


def _balanced(y: Indices, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return weights under which each class weighs one half."""
    import numpy as np

    positive = y == 1
    sums = np.where(positive, weight[positive].sum(), weight[~positive].sum())
    balanced: npt.NDArray[np.float64] = weight / (2 * sums)
    return balanced


def spread(strata: Indices, generator: np.random.Generator) -> Indices:
    """Return a random order of the rows in which every stretch holds the strata in their own shares.

    Parameters
    ----------
    strata : ndarray of int64, shape [N]
        Stratum of each row, from 0.
    generator : numpy Generator
        Deals the rows of each stratum.
    """
    import numpy as np

    place = np.empty(len(strata))
    for stratum in range(int(strata.max()) + 1):
        rows = generator.permutation(np.flatnonzero(strata == stratum))
        place[rows] = (np.arange(len(rows)) + generator.random()) / max(1, len(rows))
    return np.argsort(place, kind="stable")
