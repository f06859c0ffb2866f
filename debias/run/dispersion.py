"""The dispersion figures of decisions on given rows, as the report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from debias.data.sample import Sample
from debias.fairness import dispersion as floor
from debias.fairness.counts import Counts, FloatArray
from debias.objective.comparison import Groups
from debias.report.values.figures import Dispersion
from debias.run.swapping import Swapped


def of_decisions(
    sample: Sample,
    attributes: Mapping[str, tuple[Groups, Counts]],
    probabilities: npt.NDArray[np.floating[Any]] | None,
    swaps: Mapping[str, Swapped] | None,
    ddof: Literal[0, 1] = 0,
) -> list[Dispersion]:
    """Return the figures of a classification.

    Parameters
    ----------
    sample : Sample
        The rows.
    attributes : mapping of str to (Groups, Counts)
        Groups of each attribute, and counts by them in the favourable frame.
    probabilities : ndarray or None, shape [N]
        Of the positive label.
    swaps : mapping of str to Swapped, optional
        The attribute swaps of the same network on the same rows.
    ddof : {0, 1}
        Of the standard deviations.
    """
    own = None if probabilities is None else np.asarray(probabilities, np.float64)
    return [
        told(
            name,
            groups,
            floor.dispersion(counts, probabilities=own, codes=groups.codes, weight=sample.weight, ddof=ddof),
            (swaps or {}).get(name),
            ddof,
        )
        for name, (groups, counts) in attributes.items()
    ]


def of_predictions(
    sample: Sample,
    attributes: Mapping[str, Groups],
    prediction: FloatArray,
    swaps: Mapping[str, Swapped] | None,
    ddof: Literal[0, 1] = 0,
) -> list[Dispersion]:
    """Return the figures of a regression, in units of the target; see `of_decisions`."""
    assert sample.target is not None
    return [
        told(
            name,
            groups,
            floor.regression_dispersion(
                prediction, sample.target, groups.codes, len(groups.groups), sample.weight, ddof
            ),
            (swaps or {}).get(name),
            ddof,
        )
        for name, groups in attributes.items()
    ]


def told(
    name: str, groups: Groups, found: floor.Dispersion, swap: Swapped | None, ddof: Literal[0, 1] = 0
) -> Dispersion:
    """Return the report's entry of one attribute."""
    return Dispersion(
        attribute=name,
        groups=len(groups.groups),
        ddof=ddof,
        tpr_sd=found.tpr_sd,
        fpr_sd=found.fpr_sd,
        mse_sd=found.mse_sd,
        demographic_parity=found.demographic_parity,
        demographic_parity_soft=found.demographic_parity_soft,
        attribute_swap=None if swap is None else swap.value,
        attribute_swap_reason="it was not measured on these rows" if swap is None else swap.reason,
        undefined_groups={
            measure: [groups.groups[group] for group in left_out] for measure, left_out in found.left_out.items()
        },
    )
