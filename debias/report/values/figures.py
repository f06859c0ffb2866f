"""What a network does on rows: counts and rates per group, and how far the groups lie apart."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from debias.report.values.numbers import Number, Objective, Part, Rate


class GroupIntervals(Part):
    """Intervals of one group's rates, each by itself: its low and its high limit; None where a rate is undefined."""

    confidence: float = Field(description="Two-sided coverage aimed at, of each interval alone.")
    method: str = Field(description="How they were made.")
    selection_rate: tuple[float, float] | None = Field(default=None, description="Of the selection rate.")
    tpr: tuple[float, float] | None = Field(default=None, description="Of the true positive rate.")
    fpr: tuple[float, float] | None = Field(default=None, description="Of the false positive rate.")
    balanced_accuracy: tuple[float, float] | None = Field(default=None, description="Of the balanced accuracy.")


class GroupFigures(Part):
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
    intervals: GroupIntervals | None = Field(default=None, description="Of the rates; None for a regression.")
    mean_prediction: Number = Field(default=None, description="Mean prediction of a regression.")
    mean_target: Number = Field(default=None, description="Mean of what was to be predicted.")
    mse: Number = Field(default=None, description="Mean squared error of a regression.")
    mae: Number = Field(default=None, description="Mean absolute error of a regression.")
    mse_share: Number = Field(
        default=None, description="Mean squared error divided by the variance of the target within the group."
    )


class IntervalFigures(Part):
    """A confidence interval."""

    low: float = Field(description="Lower limit.")
    high: float = Field(description="Upper limit.")
    confidence: float = Field(description="Two-sided coverage aimed at; jointly for all pairs of groups.")
    method: str = Field(description="How it was made.")


class Parity(Part):
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


class Dispersion(Part):
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


class Figures(Part):
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
