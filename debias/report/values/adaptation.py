"""Clusters added to a mixed-effects network: the value that `adapt` returns."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from debias.fairness.metrics import Metric
from debias.report.values.numbers import Number, Part, Rate
from debias.report.values.report import AttributeInfo, ModelInfo, TableInfo

ADAPTATION_VERSION = "1.0"

Prediction = Literal["fixed", "soft", "estimate"]


class Coefficient(Part):
    """A random effect of an added cluster, on the scale of the logit, of a regression of the standardised target."""

    name: str = Field(description="Encoded column, or unit of the last hidden layer, that the slope acts on.")
    mean: float = Field(description="Most probable value.")
    sd: float = Field(description="Posterior standard deviation, from the curvature there.")


class AttributeBias(Part):
    """The bias of one attribute."""

    attribute: str = Field(description="Name of the attribute.")
    bias: Number = Field(default=None, description="By the report's metric; None where it is undefined.")


class PredictionFigures(Part):
    """One way to predict the rows that took no part in the estimate."""

    prediction: Prediction = Field(
        description="fixed: fixed effects alone; soft: with the effects of the known clusters, mixed by the predicted "
        "probability of each; estimate: with the effects that were estimated."
    )
    threshold: float | None = Field(default=None, description="Score above which a row is positive.")
    balanced_accuracy: Rate = Field(default=None, description="At the threshold.")
    auroc: Rate = Field(default=None, description="Area under the ROC curve.")
    mse: Number = Field(default=None, description="Mean squared error, in squared units of the target.")
    biases: list[AttributeBias] = Field(default_factory=list, description="Of each attribute.")


class AddedCluster(Part):
    """A cluster that the network knows now."""

    name: str = Field(description="Value of the cluster column.")
    rows: int = Field(description="Its rows in the table.")
    used: int = Field(description="Rows that its effects are estimated from.")
    held: int = Field(description="Rows that took no part in that.")
    positives: int | None = Field(default=None, description="Rows used that have the positive label.")
    mean: Number = Field(default=None, description="Mean of a regression's target in the rows used.")
    intercept: Coefficient = Field(description="Its random intercept.")
    slopes: list[Coefficient] = Field(description="Its random slopes.")
    figures: list[PredictionFigures] = Field(
        default_factory=list, description="On its rows that took no part; empty where there are none."
    )


class Adaptation(Part):
    """A mixed-effects network with clusters added, and what their effects bring."""

    schema_version: str = Field(default=ADAPTATION_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["adapt"] = Field(default="adapt", description="What was asked.")
    statement: str = Field(description="What was added from how many rows, in one sentence.")
    task: Literal["classification", "regression"] = Field(description="What is predicted.")
    label: str = Field(description="Column of the label or target.")
    positive_label: str | None = Field(default=None, description="The label value that a high score predicts.")
    cluster: str = Field(description="Column of the cluster.")
    known: list[str] = Field(description="Clusters that the network knew before.")
    clusters: list[AddedCluster] = Field(description="The clusters that were added, in the order of their columns.")
    figures: list[PredictionFigures] = Field(
        default_factory=list, description="On all rows of added clusters that took no part in the estimates."
    )
    held: int = Field(description="Number of these rows.")
    most: int = Field(description="Rows of a cluster that are used at most.")
    slopes: Literal["input", "latent"] = Field(description="What random slopes act on: input or last hidden layer.")
    prior_sd: float = Field(description="Standard deviation of the prior of every effect, as in training.")
    label_weights: tuple[float, float] | None = Field(
        default=None, description="What a row of label 0 and one of label 1 counts for, as in training."
    )
    metric: Metric | None = Field(default=None, description="What the bias is; None without attributes.")
    attributes: list[AttributeInfo] = Field(default_factory=list, description="The protected attributes.")
    seed: int = Field(description="Of the draw of rows.")
    model: ModelInfo = Field(description="The file that came in.")
    output: ModelInfo = Field(description="The file that was written.")
    data: dict[str, TableInfo] = Field(description="The table.")
    trusted: bool = Field(description="The checks before loading were overridden.")
    notes: list[str] = Field(default_factory=list, description="What was assumed.")
    versions: dict[str, str] = Field(default_factory=dict, description="Versions that a figure may depend on.")
    seconds: float = Field(description="Wall-clock seconds, reading and writing included.")
    command: str | None = Field(default=None, description="Command that repeats it.")

    @property
    def exit_code(self) -> int:
        """0: what cannot be done raises."""
        return 0
