"""Counts of one network at one threshold on one set of rows, as the report shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from debias.data.sample import Sample
from debias.fairness import metrics
from debias.fairness.assessment import bias_interval
from debias.fairness.counts import Counts
from debias.fairness.metrics import Bias, Metric
from debias.objective import Judge, Objective, Scorer, decide
from debias.objective.comparison import Groups
from debias.report.values.figures import Dispersion, Figures, GroupFigures, IntervalFigures, Parity
from debias.run import dispersion
from debias.run.group_limits import group_limits
from debias.run.swapping import Swapped
from debias.words import bare

Floats = npt.NDArray[np.floating[Any]]
DEFAULT_CONFIDENCE = 0.95
"""Of intervals in reports, where ``--confidence`` asks for no other."""


@dataclass(frozen=True)
class Measured:
    """Rows with what is measured on them.

    Parameters
    ----------
    sample : Sample
        The rows.
    scorer : Judge
        The objective on these rows.
    bounded : bool
        A bound was asked; without one the objective is 0.
    ddof : {0, 1}
        Of standard deviations over groups.
    """

    sample: Sample
    scorer: Judge
    bounded: bool = True
    ddof: Literal[0, 1] = 0

    @classmethod
    def on(cls, sample: Sample, objective: Objective, *, bounded: bool = True, lenient: bool = False) -> Measured:
        """Bind an objective to rows; unless `lenient`, raises DataError where a rate is undefined on them."""
        return cls(sample, objective.on(sample, lenient=lenient), bounded)

    def take(self, rows: npt.NDArray[np.int64]) -> Measured:
        """Return some of the rows; figures that are undefined on them are None."""
        sample = self.sample.take(rows)
        return Measured(sample, self.scorer.objective.on(sample, lenient=True), self.bounded, self.ddof)

    def figures(
        self,
        decisions: npt.NDArray[np.bool_],
        threshold: float,
        *,
        scores: Floats,
        probabilities: Floats | None,
        swaps: Mapping[str, Swapped] | None = None,
    ) -> Figures:
        """Return the figures of decisions [N]; those of predicted numbers are in `debias.run.regression`.

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
        swaps : mapping of str to Swapped, optional
            The attribute swap of each attribute.
        """
        sample, scorer = self.sample, self.scorer
        assert isinstance(scorer, Scorer)
        counts = [scorer.counts(decisions, index) for index in range(len(scorer.attributes))]
        groups = {
            item.attribute: (groups, one)
            for item, groups, one in zip(scorer.objective.constraints, scorer.attributes, counts, strict=True)
        }
        return self.frame.figures(
            counts,
            threshold,
            n=len(sample),
            auroc=metrics.auroc(scores, sample.y, sample.weight),
            brier=None if probabilities is None else metrics.brier(probabilities, sample.y, sample.weight),
            dispersions=dispersion.of_decisions(sample, groups, probabilities, swaps, self.ddof),
        )

    @property
    def frame(self) -> Frame:
        """What is measured, without the rows."""
        return Frame(self.scorer.objective, self.scorer.attributes, self.scorer.flipped, self.bounded)

    def tightest(self, biases: Sequence[float | None]) -> float | None:
        """Return the bias that uses up most of its bound; None where one is undefined."""
        return self.frame.tightest(biases)


@dataclass(frozen=True)
class Frame:
    """What is measured: figures from counts, however these were made.

    Parameters
    ----------
    objective : Objective
    attributes : sequence of Groups
        The attribute of each constraint.
    flipped : bool
        The favourable decision is the negative one.
    bounded : bool
        A bound was asked; without one the objective is 0.
    """

    objective: Objective
    attributes: Sequence[Groups]
    flipped: bool
    bounded: bool = True

    def figures(
        self,
        counts: Sequence[Counts],
        threshold: float,
        *,
        n: int,
        auroc: float | None,
        brier: float | None,
        dispersions: list[Dispersion],
    ) -> Figures:
        """Return the figures of a classification.

        Parameters
        ----------
        counts : sequence of Counts
            By the groups of each constraint, in the favourable frame.
        threshold : float
            Where the score was cut, for the reader.
        n : int
            Rows.
        auroc, brier : float or None
        dispersions : list of Dispersion
            Of each attribute.
        """
        constraints = self.objective.constraints
        parities = [self._parity(index, one) for index, one in enumerate(counts)]
        biases = [parity.bias for parity in parities]
        everyone = counts[0].total
        kinds = {
            "balanced-accuracy": metrics.balanced_accuracy(everyone),
            "accuracy": metrics.accuracy(everyone),
            "f1": self._f1(everyone),
            "auroc": auroc,
        }
        performance = kinds[self.objective.performance]
        met = all(decide(bias, item.eps) == "pass" for bias, item in zip(biases, constraints, strict=True))
        return Figures(
            n=n,
            performance=performance,
            balanced_accuracy=kinds["balanced-accuracy"],
            accuracy=kinds["accuracy"],
            f1=kinds["f1"],
            bias=self.tightest(biases),
            parities=parities,
            dispersion=dispersions,
            auroc=auroc,
            brier=brier,
            threshold=threshold,
            objective=performance if self.bounded and met and performance is not None else 0.0,
        )

    def tightest(self, biases: Sequence[float | None]) -> float | None:
        """Return the bias that uses up most of its bound; None where one is undefined."""
        shares = [
            (abs(bias) / item.eps, bias)
            for bias, item in zip(biases, self.objective.constraints, strict=True)
            if bias is not None
        ]
        return None if len(shares) < len(biases) else max(shares)[1]

    def _f1(self, everyone: Counts) -> float | None:
        """F1 of the positive label; `everyone` is in the favourable frame."""
        flipped = self.flipped
        hits = everyone.true_negatives if flipped else everyone.true_positives
        chosen = everyone.weight - everyone.selected if flipped else everyone.selected
        positives = everyone.negatives if flipped else everyone.positives
        return float(metrics.f1(hits, chosen, float(positives[0]))[0])

    def _parity(self, index: int, counts: Counts) -> Parity:
        objective, attribute = self.objective, self.attributes[index]
        constraint = objective.constraints[index]
        bias = metrics.bias(counts, constraint.metric, attribute.privileged)
        # The two one-sided bounds of the gate, where it asks for them.
        sure = DEFAULT_CONFIDENCE if objective.confidence is None else 2 * objective.confidence - 1
        interval = bias_interval(counts, constraint.metric, sure, attribute.privileged)
        return Parity(
            attribute=constraint.attribute,
            bias=bias.value,
            mean_pairwise=bias.mean_pairwise,
            pair=None if bias.pair is None else _names(attribute, bias.pair),
            sentence=_sentence(constraint.metric, attribute, bias),
            interval=None
            if interval is None
            else IntervalFigures(
                low=interval.low, high=interval.high, confidence=interval.confidence, method=interval.method
            ),
            groups=group_figures(counts, attribute),
        )


def _names(attribute: Groups, pair: Sequence[int]) -> tuple[str, str]:
    return attribute.groups[pair[0]], attribute.groups[pair[1]]


def _sentence(metric: Metric, attribute: Groups, bias: Bias) -> str:
    if bias.pair is None:
        return f"{metric} is undefined on these rows"
    text = metrics.RATE_TEXT[bias.rate]
    left, right = (text.format(bare(name)) for name in _names(attribute, bias.pair))
    if not metrics.METRICS[metric].ratio:
        return f"{left} − {right} = {_signed(bias.value)}"
    if bias.value is not None and bias.value > 0:
        left, right = right, left
    ratio = "undefined" if bias.value is None else f"{1 - abs(bias.value):.4f}"
    return f"{left} / {right} = {ratio}"


def _signed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.4f}".replace("-", "−")


def probability(cut: float) -> float:
    """Return the probability at which a logit cut lies; never 0 or 1, which have no logit."""
    value = 1 / (1 + math.exp(-cut)) if cut >= 0 else math.exp(max(cut, -700)) / (1 + math.exp(cut))
    return min(value, 1 - 2**-53)


def group_figures(counts: Counts, attribute: Groups) -> list[GroupFigures]:
    """Return the figures of each group, in the order of the groups."""
    limits = group_limits(counts, DEFAULT_CONFIDENCE)
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
            intervals=limits[k],
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
