"""Figures of predicted numbers on one set of rows, as the report shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from debias.fairness import moments, regression
from debias.fairness.counts import FloatArray
from debias.fairness.dispersion import mean_pairwise
from debias.fairness.metrics import METRICS, MOMENT_TEXT, Metric, pair_of
from debias.fairness.moment_assessment import moment_interval
from debias.fairness.moments import Moments
from debias.objective import RegressionScorer, decide
from debias.objective.comparison import Groups
from debias.report.text import amount, signed_amount
from debias.report.values.figures import Dispersion, Figures, GroupFigures, IntervalFigures, Parity
from debias.run import dispersion
from debias.run.figures import DEFAULT_CONFIDENCE, Frame, Measured
from debias.run.swapping import Swapped
from debias.words import bare


def predicted(measured: Measured, values: FloatArray, swaps: Mapping[str, Swapped] | None = None) -> Figures:
    """Return the figures of predictions.

    Parameters
    ----------
    measured : Measured
        The rows of a regression.
    values : ndarray of float64, shape [N]
        Predictions in units of the target.
    swaps : mapping of str to Swapped, optional
        The attribute swap of each attribute.
    """
    scorer, sample = measured.scorer, measured.sample
    assert isinstance(scorer, RegressionScorer)
    constraints = scorer.objective.constraints
    named = {item.attribute: groups for item, groups in zip(constraints, scorer.attributes, strict=True)}
    return figures(
        measured.frame,
        [scorer.counts(values, index) for index in range(len(constraints))],
        n=len(sample),
        r2=regression.r2(values, scorer.truth, sample.weight),
        mse=regression.mse(values, scorer.truth, sample.weight),
        mae=regression.mae(values, scorer.truth, sample.weight),
        dispersions=dispersion.of_predictions(sample, named, values, swaps, measured.ddof),
    )


def figures(
    frame: Frame,
    found: Sequence[Moments],
    *,
    n: int,
    r2: float | None,
    mse: float | None,
    mae: float | None,
    dispersions: list[Dispersion],
) -> Figures:
    """Return the figures of a regression from its moments, however these were summed.

    Parameters
    ----------
    frame : Frame
        What is measured.
    found : sequence of Moments
        By the groups of each constraint.
    n : int
        Rows.
    r2, mse, mae : float or None
        Of all rows.
    dispersions : list of Dispersion
        Of each attribute.
    """
    parities = [_parity(frame, index, each) for index, each in enumerate(found)]
    biases, constraints = [parity.bias for parity in parities], frame.objective.constraints
    met = all(decide(bias, item.eps) == "pass" for bias, item in zip(biases, constraints, strict=True))
    return Figures(
        n=n,
        performance=r2,
        r2=r2,
        mse=mse,
        mae=mae,
        bias=frame.tightest(biases),
        parities=parities,
        dispersion=dispersions,
        objective=max(r2, 0.0) if frame.bounded and met and r2 is not None else 0.0,
    )


def _parity(frame: Frame, index: int, found: Moments) -> Parity:
    objective, attribute = frame.objective, frame.attributes[index]
    metric = objective.constraints[index].metric
    moment = METRICS[metric].moment
    assert moment is not None
    values = found.of(moment)
    defined = len(values) > 1 and not np.isnan(values).any()
    bias = float(moments.bias(values, moment, attribute.privileged)) if defined else None
    sure = DEFAULT_CONFIDENCE if objective.confidence is None else 2 * objective.confidence - 1
    interval = moment_interval(found, metric, sure, attribute.privileged)
    pair = pair_of(values, attribute.privileged) if defined else None
    return Parity(
        attribute=objective.constraints[index].attribute,
        bias=bias,
        mean_pairwise=float(mean_pairwise(values)) if defined else None,
        pair=None if pair is None else (attribute.groups[pair[0]], attribute.groups[pair[1]]),
        sentence=_sentence(metric, attribute, pair, values, bias),
        interval=None
        if interval is None
        else IntervalFigures(
            low=interval.low, high=interval.high, confidence=interval.confidence, method=interval.method
        ),
        groups=group_figures(found, attribute),
    )


def _sentence(
    metric: Metric, attribute: Groups, pair: tuple[int, int] | None, values: FloatArray, bias: float | None
) -> str:
    if pair is None or bias is None:
        return f"{metric} is undefined on these rows"
    moment = METRICS[metric].moment
    assert moment is not None
    left, right = (MOMENT_TEXT[moment].format(bare(attribute.groups[group])) for group in pair)
    if moment == "mean" and len(values) == 2:
        return f"{left} − {right} = {signed_amount(bias)}"
    low, high = (f"{name} = {amount(float(values[group]))}" for name, group in zip((left, right), pair, strict=True))
    of = f"{len(values)} groups" if len(values) > 2 else "the two groups"
    if moment == "mse":
        return f"SD of E[(ŷ − y)²] over {of} = {amount(bias)}: {low}, {high}"
    return f"mean |E[ŷ | a] − E[ŷ | b]| over all pairs of {of} = {amount(bias)}: lowest {low}, highest {high}"


def group_figures(found: Moments, attribute: Groups) -> list[GroupFigures]:
    """Return the figures of each group, in the order of the groups."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(found.target_variance > 0, found.mse / found.target_variance, np.nan)
    return [
        GroupFigures(
            name=name,
            privileged=k == attribute.privileged,
            n=int(found.n[k]),
            weight=float(found.weight[k]),
            mean_prediction=float(found.mean[k]),
            mean_target=float(found.target_mean[k]),
            mse=float(found.mse[k]),
            mae=float(found.mae[k]),
            mse_share=float(share[k]),
        )
        for k, name in enumerate(attribute.groups)
    ]
