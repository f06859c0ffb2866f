"""What the estimated effects of a new cluster bring, on rows that took no part in the estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from debias.contract import Contract
from debias.data.sample import FloatArray, IntArray
from debias.fairness import metrics, regression
from debias.fairness.counts import count
from debias.model import effects
from debias.model.network import Network
from debias.report.values.adaptation import AttributeBias, Prediction, PredictionFigures
from debias.report.values.figures import Parity
from debias.run.adapting.request import Asked
from debias.run.adapting.rows import Labelled
from debias.run.figures import Measured
from debias.run.regression import predicted


@dataclass(frozen=True)
class Scored:
    """One way to predict all rows.

    Parameters
    ----------
    values : ndarray of float64, shape [N]
        Probabilities, or values in target units.
    threshold : float or None
        Where a probability is cut.
    """

    values: FloatArray
    threshold: float | None


def scored(old: Network, new: Network, before: Labelled, inputs: Tensor) -> dict[Prediction, Scored]:
    """Return the predictions of all rows: fixed effects alone, predicted clusters, estimated effects.

    Parameters
    ----------
    old, new : Network
        The network before and after clusters were added.
    before : Labelled
        The rows as the network before reads them.
    inputs : Tensor, shape [N, K + clusters added]
        Cluster input of the new network.
    """
    assert old.contract is not None
    output, sample = old.contract.output, before.sample
    mixed = None if old.head.kind == "value" else output.threshold or 0.5
    fixed = None if mixed is None else output.fixed_threshold or mixed
    found: dict[Prediction, Scored] = {"fixed": Scored(_values(old, old.outputs(effects.fixed(sample))), fixed)}
    if old.contract.effects is not None and old.contract.effects.predictor is not None:
        soft = effects.filled(old, sample, "soft")
        found["soft"] = Scored(_values(old, old.outputs(soft)), mixed)
    known = replace(sample, inputs={**sample.inputs, "cluster": inputs})
    found["estimate"] = Scored(_values(new, new.outputs(known)), mixed)
    return found


def _values(network: Network, output: Tensor) -> FloatArray:
    found: FloatArray = network.head.probabilities(output).double().numpy()
    return found


def measured_on(labelled: Labelled, asked: Asked, contract: Contract) -> Measured | None:
    """Return the rows with the biases that are measured on them; None where no attribute was named."""
    objective = asked.objective(contract.task, contract.favorable or "positive")
    return None if objective is None else Measured.on(labelled.sample, objective, bounded=False, lenient=True)


def figures(
    labelled: Labelled, measured: Measured | None, found: Mapping[Prediction, Scored], rows: IntArray
) -> list[PredictionFigures]:
    """Return the figures of each prediction on some rows; none where there are no rows."""
    if not len(rows):
        return []
    part = None if measured is None else measured.take(rows)
    return [_figures(labelled, part, name, one, rows) for name, one in found.items()]


def _figures(
    labelled: Labelled, part: Measured | None, name: Prediction, one: Scored, rows: IntArray
) -> PredictionFigures:
    values, sample = one.values[rows], labelled.sample
    if sample.target is not None:
        parities = [] if part is None else predicted(part, values, {}).parities
        error = regression.mse(values, sample.target[rows])
        return PredictionFigures(prediction=name, mse=error, biases=_biases(parities))
    assert one.threshold is not None
    decided, y = values > one.threshold, sample.y[rows]
    parities = []
    if part is not None:
        parities = part.figures(decided, one.threshold, scores=values, probabilities=values, swaps={}).parities
    return PredictionFigures(
        prediction=name,
        threshold=one.threshold,
        balanced_accuracy=metrics.balanced_accuracy(count(decided, y, np.zeros(len(y), np.int64), 1)),
        auroc=metrics.auroc(values, y),
        biases=_biases(parities),
    )


def _biases(parities: list[Parity]) -> list[AttributeBias]:
    return [AttributeBias(attribute=parity.attribute, bias=parity.bias) for parity in parities]
