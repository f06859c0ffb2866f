"""What a network would decide at other thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from debias.fairness import metrics
from debias.fairness.counts import Counts, FloatArray
from debias.fairness.thresholds import Scores, counts_at, thinned
from debias.model.head import Head, sigmoid
from debias.objective import Scorer
from debias.report.values.evidence import Sweep, SweepPoint
from debias.run.figures import Frame, Measured, probability
from debias.run.opening import Opened

MOST = 201
"""Points of a sweep."""


def sweep(opened: Opened, measured: Measured, output: Tensor, network: Literal["before", "after"]) -> Sweep | None:
    """Return the figures of a network at the distinct scores of the rows, each taken as threshold.

    The point at the largest score up to the deployed threshold decides exactly as the deployed network does.

    Parameters
    ----------
    opened : Opened
        The network with its threshold.
    measured : Measured
        The rows.
    output : Tensor
        What the file's forward returned for them.
    network : {"before", "after"}
        Which of the two networks it is.

    Returns
    -------
    Sweep or None
        None where no common threshold decides: of a regression, and of a file that cuts each group by itself.
    """
    scorer, head = measured.scorer, opened.network.head
    if not isinstance(scorer, Scorer) or any(item.codes and item.role == "group" for item in opened.network.inputs):
        return None
    scores = head.scores(output).numpy()
    sample, y = measured.sample, 1 - measured.sample.y if scorer.flipped else measured.sample.y
    cuts, shown = chosen(head, opened.threshold, np.unique(scores))
    counted = [
        counts_at(scores, cuts, y, item.codes, len(item.groups), sample.weight, below=scorer.flipped)
        for item in scorer.attributes
    ]
    return Sweep(network=network, deployed=opened.threshold, points=points(measured.frame, shown, counted))


def chosen(head: Head, threshold: float, cuts: Scores) -> tuple[Scores, FloatArray]:
    """Return at which scores to cut, and the threshold that a reader is told of each.

    Parameters
    ----------
    head : Head
        Of the network.
    threshold : float
        Where the deployed system cuts.
    cuts : ndarray, shape [M]
        Ascending scores that it may be cut at.
    """
    logits = head.kind in {"logit", "logits2"}
    shown = np.minimum(sigmoid(cuts), probability(np.inf)) if logits else cuts.astype(np.float64)
    if shown[0] > 0:  # from here every row is positive
        cuts = np.concatenate([np.array([-np.inf if logits else 0.0], cuts.dtype), cuts])
        shown = np.concatenate([[0.0], shown])
    # Compared as the decision itself compares, so that no rounding comes between.
    upto = int((torch.from_numpy(cuts) <= head.cut(threshold)).sum())
    if upto:  # the deployed threshold may be a score but for its last digits
        shown[upto - 1] = min(shown[upto - 1], threshold)
    neighbours = {min(max(place, 0), len(cuts) - 1) for place in (upto - 1, upto)}
    index = thinned(shown, MOST, neighbours)
    return cuts[index], shown[index]


def points(frame: Frame, shown: FloatArray, counted: Sequence[Sequence[Counts]]) -> list[SweepPoint]:
    """Return the points of a sweep, from counts by the groups of each attribute at each threshold."""
    return [
        SweepPoint(
            threshold=float(threshold),
            balanced_accuracy=metrics.balanced_accuracy(each[0]),
            selection_rate=float(metrics.selection_rates(each[0].total)[0]),
            biases=[
                metrics.bias(counts, constraint.metric, item.privileged).value
                for counts, constraint, item in zip(each, frame.objective.constraints, frame.attributes, strict=True)
            ],
        )
        for threshold, each in zip(shown, zip(*counted, strict=True), strict=True)
    ]
