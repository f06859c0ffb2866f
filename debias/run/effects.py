"""A network by cluster: mixed and fixed effects, and clusters that it knows apart from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from debias.data.clusters import policy
from debias.data.sample import Sample
from debias.fairness import intervals, metrics, regression
from debias.fairness.counts import Counts, IntArray, count
from debias.fairness.gaps import effective
from debias.model.effects import fixed, has_fixed_head
from debias.report.values.effects import ClusterBias, ClusterFigures, Effects, EffectsGap, HeadFigures
from debias.report.values.figures import Figures, IntervalFigures
from debias.run.deciding import deployed
from debias.run.draws import Part, drawn, no_posterior
from debias.run.figures import DEFAULT_CONFIDENCE, Measured
from debias.run.opening import Opened

NO_CLUSTER = "(missing)"


def by_cluster(opened: Opened, measured: Measured, draws: int = 0) -> Effects | None:
    """Return what a network does by cluster; None for rows without clusters.

    Parameters
    ----------
    opened : Opened
        The network as it is deployed.
    measured : Measured
        The rows, with the objective that tells metric and attributes.
    draws : int
        Draws of the random effects; 0 makes none.

    Raises
    ------
    UsageError
        Draws are asked of a file whose contract tells no posterior.
    """
    sample = measured.sample
    clusters = sample.clusters
    if clusters is None:
        if draws:
            raise no_posterior(opened)
        return None
    rows = parts(sample)
    output = opened.network.outputs(sample)
    heads, gaps = [], []
    if has_fixed_head(opened.network):
        bare, without = fixed_head(opened, measured)
        heads = [_head("mixed", opened, measured, rows), _head("fixed", bare, without, rows)]
        whole = deployed(opened, measured, output, {}).figures, deployed(bare, without, swaps={}).figures
        sides: dict[Part, tuple[Figures | None, Figures | None]] = {"all": whole}
        if len(rows["seen"]) and len(rows["unseen"]):
            sides |= {"seen": (heads[0].seen, heads[1].seen), "unseen": (heads[0].unseen, heads[1].unseen)}
        gaps = _gaps(sides)
    elif "cluster" in sample.inputs:
        heads = [_head("served", opened, measured, rows)]
    present = [int(code) for code in np.unique(clusters.codes)]
    known = [code for code in present if code >= 0 and clusters.known[code]]
    return Effects(
        cluster=clusters.name,
        known=[name for name, one in zip(clusters.names, clusters.known, strict=True) if one],
        unknown=[_name(clusters.names, code) for code in present if code not in known],
        unseen_z=policy(opened.request.columns, opened.network.contract) if heads and len(rows["unseen"]) else None,
        seen=len(rows["seen"]),
        unseen=len(rows["unseen"]),
        heads=heads,
        gaps=gaps,
        clusters=[
            _cluster(opened, measured.take(its), output[its], _name(clusters.names, code), code in known)
            for code in [*known, *(code for code in present if code not in known)]
            for its in [np.flatnonzero(clusters.codes == code)]
        ],
        draws=drawn(opened, measured, output, rows, draws) if draws else None,
    )


def parts(sample: Sample) -> dict[Part, IntArray]:
    """Return all rows, those of known clusters and the others."""
    assert sample.clusters is not None
    seen = sample.clusters.seen
    return {"all": np.arange(len(sample)), "seen": np.flatnonzero(seen), "unseen": np.flatnonzero(~seen)}


def fixed_head(opened: Opened, measured: Measured) -> tuple[Opened, Measured]:
    """Return the network cut where its fixed-effects score is, and the rows with the cluster input at zero."""
    told = opened.network.contract.output.fixed_threshold if opened.network.contract else None
    at = opened.threshold if told is None else told
    return replace(opened, threshold=at), replace(measured, sample=fixed(measured.sample))


def _head(
    name: Literal["served", "mixed", "fixed"], opened: Opened, measured: Measured, rows: Mapping[Part, IntArray]
) -> HeadFigures:
    sides = [
        deployed(opened, measured.take(rows[part])).figures if len(rows[part]) else None for part in ("seen", "unseen")
    ]
    at = None if opened.network.head.kind == "value" else opened.threshold
    return HeadFigures(head=name, threshold=at, seen=sides[0], unseen=sides[1])


def _gaps(sides: Mapping[Part, tuple[Figures | None, Figures | None]]) -> list[EffectsGap]:
    return [
        EffectsGap(
            attribute=one.attribute,
            rows=part,
            mixed=one.bias,
            fixed=two.bias,
            gap=None if one.bias is None or two.bias is None else one.bias - two.bias,
        )
        for part, (mixed, fixed) in sides.items()
        if mixed is not None and fixed is not None
        for one, two in zip(mixed.parities, fixed.parities, strict=True)
    ]


def _cluster(opened: Opened, measured: Measured, output: Tensor, name: str, known: bool) -> ClusterFigures:
    """Return the figures of the rows of one cluster."""
    found = deployed(opened, measured, output, {})
    sample = measured.sample
    biases = [
        ClusterBias(attribute=parity.attribute, bias=parity.bias, interval=parity.interval)
        for parity in found.figures.parities
    ]
    if sample.target is not None:
        prediction = opened.network.head.probabilities(output).double().numpy()
        mse = regression.mse(prediction, sample.target, sample.weight)
        nothing = dict.fromkeys(("positives", "selected", "selection_rate", "balanced_accuracy"))
        return ClusterFigures(name=name, known=known, n=len(sample), mse=mse, biases=biases, **nothing)
    everyone = _everyone(sample, found.decisions, opened.data.favorable == "negative")
    return ClusterFigures(
        name=name,
        known=known,
        n=len(sample),
        positives=int(everyone.positives_n[0]),
        selected=int(everyone.selected_n[0]),
        selection_rate=float(metrics.selection_rates(everyone)[0]),
        selection_interval=_selection(everyone),
        balanced_accuracy=metrics.balanced_accuracy(everyone),
        accuracy_interval=_accuracy(everyone),
        biases=biases,
    )


def _everyone(sample: Sample, decisions: npt.NDArray[np.bool_], flipped: bool) -> Counts:
    """Return all rows as one group, in the favourable frame."""
    y, decided = (1 - sample.y, ~decisions) if flipped else (sample.y, decisions)
    return count(decided, y, np.zeros(len(sample), np.int64), 1, sample.weight)


def _selection(everyone: Counts) -> IntervalFigures | None:
    chosen, rows = effective(everyone, "selection")
    if not rows[0] > 0:
        return None
    return _told(intervals.rate(float(chosen[0]), float(rows[0]), DEFAULT_CONFIDENCE))


def _accuracy(everyone: Counts) -> IntervalFigures | None:
    """Return an interval of the balanced accuracy, which is (1 + TPR − FPR) / 2."""
    hits, positives = effective(everyone, "tpr")
    alarms, negatives = effective(everyone, "fpr")
    if not (positives[0] > 0 and negatives[0] > 0):
        return None
    found = intervals.difference(
        float(hits[0]), float(positives[0]), float(alarms[0]), float(negatives[0]), DEFAULT_CONFIDENCE
    )
    return _told(replace(found, low=(1 + found.low) / 2, high=(1 + found.high) / 2))


def _told(found: intervals.Interval) -> IntervalFigures:
    return IntervalFigures(low=found.low, high=found.high, confidence=found.confidence, method=found.method)


def _name(names: tuple[str, ...], code: int) -> str:
    return names[code] if code >= 0 else NO_CLUSTER
