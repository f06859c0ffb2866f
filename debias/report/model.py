"""The one report value that every verb returns and every writer reads."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SCHEMA_VERSION = "2.1"

Metric = Literal[
    "statistical-parity",
    "equal-opportunity",
    "predictive-equality",
    "equalized-odds",
    "impact-ratio",
    "mean-difference",
    "mse-dispersion",
]
Performance = Literal["balanced-accuracy", "accuracy", "f1", "auroc", "r2"]
Verdict = Literal["pass", "fail", "inconclusive", "no-bound"]


def _undefined(value: Any) -> Any:
    """NaN says undefined in arrays; in a report None does."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _unit(value: Any) -> Any:
    """Sums of weights may leave [0, 1] by rounding."""
    if isinstance(value, float) and -1e-9 <= value <= 1 + 1e-9:
        return min(max(value, 0.0), 1.0)
    return _undefined(value)


Number = Annotated[float | None, BeforeValidator(_undefined)]
Rate = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_unit)]
Objective = Annotated[Annotated[float, Field(ge=0, le=1)], BeforeValidator(_unit)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupFigures(_Part):
    """Counts and rates of one group, of a regression its means; None where undefined.

    Rates are of the favourable decision. What is not for the network's task is None.
    """

    name: str = Field(description="The group as a reader knows it.")
    privileged: bool = Field(default=False, description="The group that the others are compared with.")
    n: int = Field(description="Rows of the group.")
    weight: float = Field(description="Sum of row weights; equals n without --weight.")
    positives: int | None = Field(default=None, description="Rows whose label is the favourable one.")
    selected: int | None = Field(default=None, description="Rows that get the favourable decision.")
    selection_rate: Rate = Field(default=None, description="P(favourable decision).")
    tpr: Rate = Field(default=None, description="P(favourable decision | favourable label).")
    fpr: Rate = Field(default=None, description="P(favourable decision | unfavourable label).")
    balanced_accuracy: Rate = Field(default=None, description="(TPR + TNR) / 2 within the group.")
    accuracy: Rate = Field(default=None, description="Share of right decisions within the group.")
    mean_prediction: Number = Field(default=None, description="Mean prediction of a regression.")
    mean_target: Number = Field(default=None, description="Mean of what was to be predicted.")
    mse: Number = Field(default=None, description="Mean squared error of a regression.")
    mae: Number = Field(default=None, description="Mean absolute error of a regression.")
    mse_share: Number = Field(
        default=None, description="Mean squared error divided by the variance of the target within the group."
    )


class IntervalFigures(_Part):
    """A confidence interval."""

    low: float = Field(description="Lower limit.")
    high: float = Field(description="Upper limit.")
    confidence: float = Field(description="Two-sided coverage aimed at; jointly for all pairs of groups.")
    method: str = Field(description="How it was made.")


class Parity(_Part):
    """The groups of one attribute: how far apart they are."""

    attribute: str = Field(description="The protected attribute.")
    bias: Number = Field(
        description="Unprivileged minus privileged; for more than two groups the largest pairwise difference. Of the "
        "impact ratio, the ratio minus 1 with the sign of the difference. Of a regression, for more than two groups "
        "the mean absolute pairwise difference (Fair MEDL eq. 4), and the SD over groups of the mean squared error. "
        "None where a rate is undefined."
    )
    mean_pairwise: Number = Field(
        description="Mean absolute pairwise difference of the rate (Fair MEDL eq. 3), or of what else is compared."
    )
    pair: tuple[str, str] | None = Field(description="The two groups whose difference is `bias`: first minus second.")
    sentence: str = Field(description="The bias as a sentence with both groups named.")
    interval: IntervalFigures | None = Field(default=None, description="Confidence interval of `bias`.")
    groups: list[GroupFigures] = Field(description="Counts and rates per group.")


class Dispersion(_Part):
    """How far apart the groups of one attribute lie, whatever their number (Fair MEDL paper, section 2.3).

    Groups count alike; a group without a value is left out of a figure and named; with fewer than two left the figure
    is None, never 0.
    """

    attribute: str = Field(description="The protected attribute.")
    groups: int = Field(description="Its number of groups.")
    ddof: Literal[0, 1] = Field(default=0, description="The standard deviations divide by the groups less this.")
    tpr_sd: Number = Field(description="Standard deviation of P(favourable decision | favourable label) over groups.")
    fpr_sd: Number = Field(description="Standard deviation of P(favourable decision | unfavourable label) over groups.")
    mse_sd: Number = Field(description="Standard deviation of the mean squared error over groups; of a regression.")
    demographic_parity: Number = Field(
        description="Mean absolute pairwise difference of the selection rates (eq. 3); of a regression of the mean "
        "predictions (eq. 4)."
    )
    demographic_parity_soft: Number = Field(
        description="The same of the mean probabilities, which no threshold has a part in; None for a regression."
    )
    attribute_swap: Number = Field(
        description="Mean absolute change of the prediction when only the attribute's inputs are set to each other "
        "group: what the paper calls counterfactual fairness, CF (eq. 6, of a regression eq. 7). It is no causal "
        "statement: columns that go with the attribute stay as they are."
    )
    attribute_swap_reason: str | None = Field(default=None, description="Why the attribute swap is undefined.")
    undefined_groups: dict[str, list[str]] = Field(
        default_factory=dict, description="By figure, the groups that are left out: no row bears on it."
    )


class Figures(_Part):
    """What one network at one threshold does on one set of rows."""

    n: int = Field(description="Rows, those without an attribute among them.")
    performance: Number = Field(description="The performance measure of the objective.")
    balanced_accuracy: Rate = Field(default=None, description="(TPR + TNR) / 2 over all rows; None of a regression.")
    accuracy: Rate = Field(default=None, description="Share of right decisions over all rows; None of a regression.")
    f1: Rate = Field(default=None, description="F1 of the positive label over all rows; None of a regression.")
    r2: Number = Field(default=None, description="R² of a regression over all rows: 1 - MSE / variance of the target.")
    mse: Number = Field(default=None, description="Mean squared error of a regression over all rows.")
    mae: Number = Field(default=None, description="Mean absolute error of a regression over all rows.")
    bias: Number = Field(
        description="Of the attribute that uses up most of the bound, see `parities`; None where one is undefined."
    )
    parities: list[Parity] = Field(description="The groups of each attribute, in the order asked.")
    dispersion: list[Dispersion] = Field(
        default_factory=list, description="How far apart the groups of each attribute lie, in the order asked."
    )
    auroc: Rate = Field(default=None, description="Area under the ROC curve; independent of the threshold.")
    brier: Number = Field(
        default=None, description="Mean squared difference of probability and label; None without a probability."
    )
    threshold: float | None = Field(
        default=None,
        description="Where the score of the file named is cut: score > threshold is positive. None of a regression.",
    )
    objective: Objective = Field(
        description="Performance if every bound is met, else 0 (eq. 3); 0 without a bound met. R² below 0 counts as 0."
    )

    @property
    def quality(self) -> float | None:
        """What a least performance is asked of: balanced accuracy, of a regression R²."""
        return self.r2 if self.balanced_accuracy is None else self.balanced_accuracy


class ClusterBias(_Part):
    """The bias of one attribute within one cluster."""

    attribute: str = Field(description="The protected attribute.")
    bias: Number = Field(description="As in `Parity`; None where a group of the cluster has no rows that bear on it.")
    interval: IntervalFigures | None = Field(default=None, description="Confidence interval of `bias`.")


class ClusterFigures(_Part):
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


class HeadFigures(_Part):
    """One prediction of a network, in clusters that it knows and in others apart."""

    head: Literal["served", "mixed", "fixed"] = Field(
        description="mixed: with the cluster's random effects; fixed: without them; served: of a network that reads "
        "the cluster and has no such parts."
    )
    threshold: float | None = Field(description="Where its score is cut; None for a regression.")
    seen: Figures | None = Field(description="Rows of clusters that the network knows; None without such rows.")
    unseen: Figures | None = Field(description="Rows of other clusters; None without such rows.")


class EffectsGap(_Part):
    """What the random effects add to the bias."""

    attribute: str = Field(description="The protected attribute.")
    rows: Literal["all", "seen", "unseen"] = Field(description="All rows, or those of known or unknown clusters.")
    mixed: Number = Field(description="Bias of the mixed-effects prediction.")
    fixed: Number = Field(description="Bias of the fixed-effects prediction.")
    gap: Number = Field(description="mixed - fixed.")


class DrawnFigure(_Part):
    """A figure over draws of the random effects."""

    figure: str = Field(description="The figure.")
    attribute: str | None = Field(description="The protected attribute; None for a figure of all rows.")
    rows: Literal["all", "seen", "unseen"] = Field(description="All rows, or those of known or unknown clusters.")
    value: Number = Field(description="At the posterior means: the network as it is served.")
    low: Number = Field(description="Lower limit of the central interval over draws.")
    high: Number = Field(description="Upper limit.")
    undefined: int = Field(default=0, description="Draws in which the figure is undefined; the limits leave them out.")


class Draws(_Part):
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


class Effects(_Part):
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


class Information(_Part):
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


class TrajectoryStep(_Part):
    """One candidate on the selection rows (the paper's Figure 1)."""

    step: int = Field(description="0 is the unchanged network.")
    bias: Number = Field(description="At the candidate's cut of best balanced accuracy.")
    balanced_accuracy: Number = Field(default=None, description="At the candidate's cut of best balanced accuracy.")
    r2: Number = Field(default=None, description="R² of a regression.")
    objective: float = Field(
        description="Eq. 3 at the candidate's best feasible cut, as the selection asks for it; 0 without one."
    )
    threshold: Number = Field(
        default=None,
        description="Best feasible cut on the logit scale of the candidate's own scores; without one, the cut of best "
        "balanced accuracy.",
    )
    detail: dict[str, Any] = Field(default_factory=dict, description="What the method says about this step.")


class Rows(_Part):
    """Which rows took part in what."""

    data: int = Field(description="Rows of --data after the stated policies.")
    train: int = Field(description="Rows used for influences and gradients.")
    selection: int = Field(description="Rows that chose the candidate.")
    apart: bool = Field(default=False, description="The rows for gradients are others than those that chose.")
    verdict: int = Field(description="Rows that the figures and the verdict are of.")
    verdict_from: Literal["test", "holdout", "selection", "data"] = Field(
        description="test: --test; holdout: set aside from --data; selection: --holdout 0; data: an audit of all rows."
    )
    overlap: int = Field(default=0, description="Rows of --test that also occur in --data.")
    missing_attribute: dict[str, int] = Field(default_factory=dict, description="Rows without the attribute, by table.")
    missing_attribute_policy: str = Field(default="error", description="--missing-attr: error, drop or group.")
    dropped: int = Field(default=0, description="Rows left out by the stated policies.")
    kept_whole: list[str] = Field(
        default_factory=list, description="Attribute and label cells with fewer than two rows, kept for selection."
    )


class ModelInfo(_Part):
    """The file that came in, or went out."""

    path: str = Field(description="The file as named.")
    format: str = Field(description="torchscript or export.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="SHA-256 of the file.")


class TableInfo(_Part):
    """A table that took part."""

    path: str = Field(description="The file as named, or DataFrame.")
    rows: int = Field(description="Rows of the table.")
    sha256: str | None = Field(description="None for a DataFrame.")


class GroupRule(_Part):
    """How the score of one group becomes a decision."""

    group: str = Field(description="The group.")
    cut: Number = Field(description="Where the unchanged network's score is cut, as a probability.")
    below: float = Field(description="P(positive decision) at or below the cut.")
    above: float = Field(description="P(positive decision) above the cut.")


class RuleInfo(_Part):
    """A rule that reads the protected attribute."""

    attribute: str = Field(description="The protected attribute.")
    groups: list[GroupRule] = Field(description="One entry for each group.")
    shared_draws: Rate = Field(
        default=None, description="Share of the verdict rows that share their draw with another; None without draws."
    )


class Change(_Part):
    """What a method did to the network."""

    method: str = Field(description="Name of the method.")
    settings: dict[str, Any] = Field(description="Every setting of the method.")
    summary: str = Field(description="One sentence: what was changed.")
    units: dict[str, list[int]] = Field(default_factory=dict, description="Pruned units by layer path.")
    details: dict[str, Any] = Field(default_factory=dict, description="What else the method says.")
    chosen_step: int = Field(description="Step of the trajectory that was taken.")
    steps: int = Field(description="Steps that were tried.")
    skipped_layers: dict[str, str] = Field(default_factory=dict, description="Layers left alone, with the reason.")
    feasible: bool = Field(description="A candidate met the bound on the selection rows as the selection asks for it.")
    folded: bool = Field(description="The cut was folded into the last bias.")
    rule: RuleInfo | None = Field(default=None, description="How each group's score is cut, where groups differ.")
    gain_over_threshold: Number = Field(
        description="Objective on the verdict rows minus that of the unchanged network at its best feasible threshold."
    )


class SelectionFigures(_Part):
    """The same candidates on the rows that chose them: optimistic by construction."""

    before: Figures = Field(description="The network as deployed, at --threshold.")
    best_threshold: Figures | None = Field(default=None, description="The unchanged network at its best threshold.")
    threshold_only: Figures | None = Field(
        default=None, description="The unchanged network at its best feasible threshold."
    )
    after: Figures | None = Field(default=None, description="The chosen candidate.")


class AttributeInfo(_Part):
    """A protected attribute."""

    name: str = Field(description="Its column, or columns joined by * for intersections.")
    groups: list[str] = Field(description="Its groups.")
    privileged: str | None = Field(description="The privileged group; None where more than two groups have none.")


class MoreRows(_Part):
    """Rows that are missing for a verdict."""

    attribute: str = Field(description="The protected attribute.")
    group: str = Field(description="The group.")
    rows: int = Field(description="How many more of its verdict rows would settle it, at the observed rates.")


class Report(_Part):
    """A run, from open to verdict."""

    schema_version: str = Field(default=SCHEMA_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: str = Field(description="What was asked.")
    verdict: Verdict = Field(
        description="Whether every bound is met on the verdict rows; inconclusive where --confidence asks for more "
        "rows; no-bound where none was asked."
    )
    exit_code: int = Field(description="0 bound met (or none asked), 1 not met, 3 inconclusive.")
    statement: str = Field(description="The verdict as one sentence: figure, bound, rows.")
    metric: Metric = Field(description="How groups are compared.")
    metric_formula: str = Field(description="The metric as a formula.")
    attributes: list[AttributeInfo] = Field(description="The protected attributes; a bound must hold for each.")
    task: Literal["classification", "regression"] = Field(
        default="classification", description="What the network predicts: a class, or a number."
    )
    favorable: Literal["positive", "negative"] = Field(description="Which decision is the favourable one.")
    positive_label: str | None = Field(description="The label value that a high score predicts; None of a regression.")
    performance: Performance = Field(description="The performance measure of the objective.")
    eps: float | None = Field(
        description="The bound that was asked (of the impact ratio, 1 less --min-ratio); None in an audit without one."
    )
    confidence: float | None = Field(default=None, description="--confidence: the verdict asks for one-sided bounds.")
    more_rows: list[MoreRows] = Field(
        default_factory=list, description="Verdict rows that would settle an inconclusive verdict at these rates."
    )
    margin: float | None = Field(description="--selection margin asks for |bias| < eps - margin; None for other rules.")
    selection_rule: str | None = Field(default=None, description="How candidates are judged on the selection rows.")
    min_performance: float | None = Field(description="Least balanced accuracy of a candidate; of a regression R².")
    threshold: float | None = Field(description="Where the deployed system cuts the score; None of a regression.")
    decision: Literal["score", "argmax"] | None = Field(
        description="How the deployed system decides; None of a regression."
    )
    decision_disagreements: int | None = Field(default=None, description="Rows where argmax and score disagree.")
    optimistic: bool = Field(description="The verdict rows took part in selection.")
    uses_attribute: bool = Field(description="The model needs the protected attribute at prediction.")
    rows: Rows = Field(description="Numbers of rows, and which of them the verdict is of.")
    model: ModelInfo = Field(description="The file that came in.")
    output: ModelInfo | None = Field(default=None, description="The file written, or None.")
    data: dict[str, TableInfo] = Field(description="data, train, test.")
    before: Figures = Field(description="The network as deployed, at --threshold.")
    best_threshold: Figures | None = Field(
        default=None,
        description="The unchanged network at the threshold of best balanced accuracy on the selection rows.",
    )
    threshold_only: Figures | None = Field(
        default=None, description="The unchanged network at its best feasible common threshold."
    )
    after: Figures | None = Field(default=None, description="The written file, counted after reading it back.")
    selection: SelectionFigures | None = Field(default=None, description="The figures on the rows that chose.")
    effects_before: Effects | None = Field(
        default=None, description="The network as deployed, by cluster; of a repair where rows have clusters."
    )
    effects: Effects | None = Field(
        default=None, description="What is audited, or the written file, by cluster; None without a cluster column."
    )
    information: list[Information] = Field(
        default_factory=list, description="Of --fresh-adversary: what an adversary reads about each attribute."
    )
    change: Change | None = Field(default=None, description="What was changed; None for an audit.")
    trajectory: list[TrajectoryStep] = Field(
        default_factory=list, description="Every candidate on the selection rows (the paper's Figure 1)."
    )
    notes: list[str] = Field(default_factory=list, description="What a reader should know.")
    trusted: bool = Field(default=False, description="--trust was given: the pre-flight was overridden.")
    seed: int = Field(description="Seed of every random choice.")
    device: str = Field(default="cpu", description="Where tensors were worked on.")
    versions: dict[str, str] = Field(description="Python and the libraries that took part.")
    command: str | None = Field(default=None, description="Command that repeats the run.")
