"""What a network does in clusters, with and without its random effects."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from debias.report.values.figures import Figures, IntervalFigures
from debias.report.values.numbers import Number, Part, Rate


class ClusterBias(Part):
    """The bias of one attribute within one cluster."""

    attribute: str = Field(description="The protected attribute.")
    bias: Number = Field(description="As in `Parity`; None where a group of the cluster has no rows that bear on it.")
    interval: IntervalFigures | None = Field(default=None, description="Confidence interval of `bias`.")


class ClusterFigures(Part):
    """What the network does in one cluster."""

    name: str = Field(description="The cluster.")
    known: bool = Field(description="The network has been trained on it; True for one that reads no cluster.")
    n: int = Field(description="Rows of the cluster.")
    positives: int | None = Field(description="Rows whose label is the favourable one; None for a regression.")
    selected: int | None = Field(description="Rows that get the favourable decision; None for a regression.")
    selection_rate: Rate = Field(description="P(favourable decision) within the cluster.")
    selection_interval: IntervalFigures | None = Field(default=None, description="Interval of `selection_rate`.")
    balanced_accuracy: Rate = Field(description="(TPR + TNR) / 2 within the cluster.")
    accuracy_interval: IntervalFigures | None = Field(default=None, description="Interval of `balanced_accuracy`.")
    mse: Number = Field(default=None, description="Mean squared error within the cluster; of a regression.")
    biases: list[ClusterBias] = Field(description="The bias of each attribute within the cluster.")


class HeadFigures(Part):
    """One prediction of a network, in clusters that it knows and in others apart."""

    head: Literal["served", "mixed", "fixed"] = Field(
        description="mixed: with the cluster's random effects; fixed: without them; served: of a network that reads "
        "the cluster and has no such parts."
    )
    threshold: float | None = Field(description="Where its score is cut; None for a regression.")
    seen: Figures | None = Field(description="Rows of clusters that the network knows; None without such rows.")
    unseen: Figures | None = Field(description="Rows of other clusters; None without such rows.")


class EffectsGap(Part):
    """What the random effects add to the bias."""

    attribute: str = Field(description="The protected attribute.")
    rows: Literal["all", "seen", "unseen"] = Field(description="All rows, or those of known or unknown clusters.")
    mixed: Number = Field(description="Bias of the mixed-effects prediction.")
    fixed: Number = Field(description="Bias of the fixed-effects prediction.")
    gap: Number = Field(description="mixed - fixed.")


class DrawnFigure(Part):
    """A figure over draws of the random effects."""

    figure: str = Field(description="The figure.")
    attribute: str | None = Field(description="The protected attribute; None for a figure of all rows.")
    rows: Literal["all", "seen", "unseen"] = Field(description="All rows, or those of known or unknown clusters.")
    value: Number = Field(description="At the posterior means: the network as it is served.")
    low: Number = Field(description="Lower limit of the central interval over draws.")
    high: Number = Field(description="Upper limit.")
    undefined: int = Field(default=0, description="Draws in which the figure is undefined; the limits leave them out.")


class Draws(Part):
    """How far figures and decisions depend on what is not known of the clusters' effects.

    The random effects are drawn from their posterior; the rows stay the same, so that these are no confidence
    intervals for other rows.
    """

    draws: int = Field(description="Number of draws.")
    share: float = Field(description="Share of the draws that lie between the limits.")
    flipped: Rate = Field(description="Share of rows decided otherwise in at least one draw; None for a regression.")
    flipped_per_draw: Rate = Field(description="Mean share of rows that a draw decides otherwise.")
    prediction_sd: float = Field(description="Mean over rows of the SD of the prediction over draws.")
    figures: list[DrawnFigure] = Field(description="The figures with their limits.")


class Effects(Part):
    """The clusters of the rows, and what a mixed-effects network does in them."""

    cluster: str = Field(description="Column of the cluster.")
    known: list[str] = Field(description="Clusters that the network knows; those of the table for one without.")
    unknown: list[str] = Field(default_factory=list, description="Clusters of the table that it does not know.")
    unseen_z: str | None = Field(
        default=None, description="What unknown clusters are scored with: soft, hard, zero; None without such rows."
    )
    seen: int = Field(description="Rows of known clusters.")
    unseen: int = Field(default=0, description="Rows of unknown clusters, or without one.")
    heads: list[HeadFigures] = Field(
        default_factory=list, description="Its predictions; empty for a network that reads no cluster."
    )
    gaps: list[EffectsGap] = Field(default_factory=list, description="Bias of the mixed less the fixed prediction.")
    clusters: list[ClusterFigures] = Field(description="Each cluster with rows, as served.")
    draws: Draws | None = Field(default=None, description="Of --draws.")


class Information(Part):
    """What a freshly fitted adversary reads about an attribute in a prediction, given the label."""

    attribute: str = Field(description="The protected attribute.")
    prediction: Literal["served", "mixed", "fixed"] = Field(description="As in `HeadFigures.head`.")
    bits: Number = Field(
        description="Mean over rows that it did not see of log2 p(group | prediction, label) - log2 p(group | label): "
        "near 0, or a little below, it reads nothing. None where it could not be fitted."
    )
    error: Number = Field(default=None, description="Standard error of `bits` over rows.")
    entropy: Number = Field(default=None, description="Bits that tell the group where the label is known: the most.")
    rows: int = Field(default=0, description="Rows measured.")
    reason: str | None = Field(default=None, description="Why it could not be fitted.")
