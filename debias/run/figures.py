"""Counts of one network at one threshold on one set of rows, as the report shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.data.sample import Attribute, Sample
from debias.fairness import metrics
from debias.fairness.counts import Counts
from debias.fairness.metrics import Bias, Metric
from debias.objective import Objective, Scorer, decide
from debias.report.model import Figures, GroupFigures
from debias.words import show

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Measured:
    """Rows with what is measured on them.

    Parameters
    ----------
    sample : Sample
        The rows.
    scorer : Scorer
        Metric and groups on these rows.
    attribute : Attribute
        The protected attribute.
    metric : str
        Which rates are compared.
    eps : float or None
        The bound.
    """

    sample: Sample
    scorer: Scorer
    attribute: Attribute
    metric: Metric
    eps: float | None

    @classmethod
    def on(cls, sample: Sample, objective: Objective, eps: float | None) -> Measured:
        """Bind an objective to rows; raises DataError where a rate is undefined on them."""
        constraint = objective.constraint
        attribute = sample.attributes[constraint.attribute]
        return cls(sample, objective.on(sample), attribute, constraint.metric, eps)

    def figures(
        self,
        decisions: npt.NDArray[np.bool_],
        threshold: float,
        *,
        scores: Floats,
        probabilities: Floats | None,
    ) -> Figures:
        """Return the figures of decisions [N].

        Parameters
        ----------
        decisions : ndarray of bool, shape [N]
            True where the decision is positive.
        threshold : float
            Where the score was cut, for the reader.
        scores : ndarray, shape [N]
            What ranks the rows, for AUROC.
        probabilities : ndarray or None, shape [N]
            Of the positive label, for the Brier score.
        """
        counts = self.scorer.counts(decisions)
        bias = metrics.bias(counts, self.metric, self.scorer.privileged)
        accuracy = metrics.balanced_accuracy(counts)
        met = decide(bias.value, self.eps) == "pass" and accuracy is not None
        return Figures(
            n=len(self.sample),
            balanced_accuracy=accuracy,
            accuracy=metrics.accuracy(counts),
            bias=bias.value,
            mean_pairwise=bias.mean_pairwise,
            pair=None if bias.pair is None else self._names(bias.pair),
            sentence=self._sentence(bias),
            auroc=metrics.auroc(scores, self.sample.y, self.sample.weight),
            brier=None if probabilities is None else metrics.brier(probabilities, self.sample.y, self.sample.weight),
            threshold=threshold,
            objective=accuracy if met and accuracy is not None else 0.0,
            groups=_groups(counts, self.attribute),
        )

    def _names(self, pair: Sequence[int]) -> tuple[str, str]:
        return self.attribute.groups[pair[0]], self.attribute.groups[pair[1]]

    def _sentence(self, bias: Bias) -> str:
        if bias.pair is None:
            return f"{self.metric} is undefined on these rows"
        left, right = (metrics.RATE_TEXT[bias.rate].format(show(name).strip("'")) for name in self._names(bias.pair))
        value = "undefined" if bias.value is None else f"{bias.value:+.4f}".replace("-", "−")
        return f"{left} − {right} = {value}"


def probability(cut: float) -> float:
    """Return the probability at which a logit cut lies; never 0 or 1, which have no logit."""
    value = 1 / (1 + math.exp(-cut)) if cut >= 0 else math.exp(max(cut, -700)) / (1 + math.exp(cut))
    return min(value, 1 - 2**-53)


def _groups(counts: Counts, attribute: Attribute) -> list[GroupFigures]:
    rates = (
        metrics.selection_rates(counts),
        metrics.tprs(counts),
        metrics.fprs(counts),
        metrics.balanced_accuracies(counts),
        metrics.accuracies(counts),
    )
    return [
        GroupFigures(
            name=name,
            privileged=k == attribute.privileged,
            n=int(counts.n[k]),
            weight=float(counts.weight[k]),
            positives=int(counts.positives_n[k]),
            selected=int(counts.selected_n[k]),
            **dict(
                zip(
                    ("selection_rate", "tpr", "fpr", "balanced_accuracy", "accuracy"),
                    (None if np.isnan(rate[k]) else float(rate[k]) for rate in rates),
                    strict=True,
                )
            ),
        )
        for k, name in enumerate(attribute.groups)
    ]
