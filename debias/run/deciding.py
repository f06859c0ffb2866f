"""What a model file decides on given rows, as it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from torch import Tensor

from debias.report.values.figures import Figures
from debias.run.figures import Measured
from debias.run.opening import Opened
from debias.run.regression import predicted
from debias.run.swapping import Swapped, swapped
from debias.run.verdict import Ruling, rule


@dataclass(frozen=True, eq=False)
class Deployed:
    """What a file decides or predicts on some rows.

    Parameters
    ----------
    figures : Figures
        Counted from its own decisions.
    decisions : ndarray of bool, shape [N]
        True where the decision is positive; of a regression float64, the predictions.
    disagreements : int or None
        Rows where argmax and score disagree; None for one score.
    """

    figures: Figures
    decisions: npt.NDArray[Any]
    disagreements: int | None = None

    def ruling(self, measured: Measured, *, bounded: bool = True, held: bool = True, fresh: bool = True) -> Ruling:
        """Return the verdict of these decisions; see `debias.run.verdict.rule`."""
        scorer = measured.scorer
        counts = [scorer.counts(self.decisions, index) for index in range(len(scorer.attributes))]
        return rule(self.figures, counts, scorer.attributes, scorer.objective, bounded=bounded, held=held, fresh=fresh)


def decided(opened: Opened, output: Tensor) -> npt.NDArray[Any]:
    """Return what a file's own output says of each row: the decision [N] (bool), of a regression the prediction."""
    head = opened.network.head
    if head.kind == "value":
        return head.probabilities(output).double().numpy()
    return head.decide(output, opened.threshold, opened.decision).numpy()


def deployed(
    opened: Opened, measured: Measured, output: Tensor | None = None, swaps: Mapping[str, Swapped] | None = None
) -> Deployed:
    """Return what the file itself decides.

    Parameters
    ----------
    opened : Opened
        The network; its own forward is run.
    measured : Measured
        The rows.
    output : Tensor, optional
        What the forward returned for these rows, where it was run before.
    swaps : mapping of str to Swapped, optional
        The attribute swaps on these rows, where they were measured before.
    """
    head, sample, at = opened.network.head, measured.sample, opened.threshold
    if output is None:
        output = opened.network.outputs(sample)
    if head.kind == "value":
        values = decided(opened, output)
        swaps = swapped(opened, sample, values) if swaps is None else swaps
        return Deployed(predicted(measured, values, swaps), values)
    decisions = decided(opened, output)
    disagreements = None
    if head.classes == 2:
        other = head.decide(output, at, "score" if opened.decision == "argmax" else "argmax")
        disagreements = int((decisions != other.numpy()).sum())
    probabilities = head.probabilities(output).double().numpy()
    scores = output.reshape(-1).double().numpy() if head.classes == 1 else opened.network.logits(sample)
    if swaps is None:
        swaps = swapped(opened, sample, probabilities)
    figures = measured.figures(decisions, at, scores=scores, probabilities=probabilities, swaps=swaps)
    return Deployed(figures, decisions, disagreements)
