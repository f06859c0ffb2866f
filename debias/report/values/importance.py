"""Which inputs move the output, and where confounding probes rank among them: the value that `importance` returns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from debias.report.values.numbers import Number, Part
from debias.report.values.report import ModelInfo, TableInfo

IMPORTANCE_VERSION = "1.0"

Role = Literal["features", "cluster", "group"]


class _Ranked(Part):
    name: str = Field(description="The column as the network reads it, or the column of the table.")
    importance: float = Field(description="Of a column slope times spread; of a feature the sum over its columns.")
    share: float = Field(description="Of the sum of all importances.")
    rank: float = Field(description="1 is the most important; with several seeds the median of their ranks.")
    probe: bool = Field(default=False, description="A confounding probe.")
    protected: bool = Field(default=False, description="Comes from a protected attribute.")


class ColumnImportance(_Ranked):
    """One number of each row that the network reads. With several seeds, medians over them."""

    feature: str = Field(description="The column of the table that it comes from.")
    role: Role = Field(default="features", description="Role of the input that it belongs to.")
    slope: float = Field(description="Mean over rows of |∂ŷ/∂x|; at the mean of the inputs where that was asked.")
    spread: float = Field(description="Standard deviation over the rows (population).")
    random_slope: Number = Field(
        default=None,
        description="Of a mixed-effects network: standard deviation over clusters of the column's random slope, on the "
        "network's own scale: of the logit, or of a regression's standardised target.",
    )


class FeatureImportance(_Ranked):
    """A column of the table: the sum over the columns that it becomes."""

    columns: int = Field(description="Columns that it becomes.")


class RandomEffectSummary(Part):
    """Random effects of a mixed-effects network that are no slope of a column."""

    entry: str = Field(description="State entry of the means.")
    spread: list[float] = Field(description="Standard deviation over clusters of each coefficient.")
    means: dict[str, float] | None = Field(
        default=None, description="Of intercepts: the mean of each cluster's coefficient."
    )


class Run(Part):
    """One training with probes, of one seed."""

    seed: int = Field(description="Of the split, the noise of the probes and the training.")
    ranks: dict[str, float] = Field(description="Rank of each probe among the columns.")
    feature_ranks: dict[str, float] = Field(description="Rank of each probe among the features.")
    best: float = Field(description="The best of the probes' ranks among the columns.")
    best_feature: float = Field(description="The best of the probes' ranks among the features.")
    share: float = Field(description="Share of all probes together in the sum of all importances.")
    balanced_accuracy: Number = Field(default=None, description="On the rows measured, of what is served.")
    auroc: Number = Field(default=None, description="On the rows measured, of what is served.")
    mse: Number = Field(default=None, description="Of a regression, on the rows measured, of what is served.")
    epochs: int = Field(description="Epochs that were run.")
    stopped: str = Field(default="", description="Why the training ended.")
    seconds: float = Field(description="Wall-clock seconds of the training.")


class ModelImportance(Part):
    """One network's importances, most important first."""

    name: str = Field(description="Path of the file, or the kind that was trained.")
    title: str = Field(description="What a reader calls it.")
    head: Literal["whole", "fixed"] = Field(description="fixed: the fixed-effects prediction of a mixed-effects model.")
    columns: list[ColumnImportance] = Field(description="By rank.")
    features: list[FeatureImportance] = Field(description="By rank.")
    random: list[RandomEffectSummary] = Field(default_factory=list, description="Of a mixed-effects network.")
    runs: list[Run] = Field(default_factory=list, description="One for each seed, where probes were asked for.")
    best_probe_rank: Number = Field(
        default=None, description="Best probe rank among the columns, median over seeds: the figure to gate on."
    )
    best_probe_feature_rank: Number = Field(
        default=None, description="Best probe rank among the features, median over seeds."
    )
    behind: int | None = Field(
        default=None, description="Seeds on which the best probe ranks later than in the first model; None for that."
    )
    notes: list[str] = Field(default_factory=list, description="What a reader should know of this one.")


class ProbeInfo(Part):
    """A column that was made up to tell the cluster's rate of the label. Correlations are of the first seed."""

    name: str = Field(description="Name of the column.")
    formula: str = Field(
        description="In r, the cluster's rate of positive labels; of a regression its mean of the standardised target."
    )
    with_label: Number = Field(description="Correlation with the label on the training rows.")
    with_rate: Number = Field(description="Correlation with r on the training rows.")
    with_column: Number = Field(description="The largest absolute correlation with an input column, training rows.")
    column: str | None = Field(default=None, description="That column.")


class Importance(Part):
    """Gradient magnitude of the output with respect to every input (Fair MEDL section 2.7)."""

    schema_version: str = Field(default=IMPORTANCE_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["importance"] = Field(default="importance", description="What was asked.")
    exit_code: int = Field(default=0, description="0: this verb judges nothing.")
    statement: str = Field(description="The finding as one sentence.")
    task: Literal["classification", "regression"] = Field(description="What the networks predict.")
    target: Literal["output", "logit"] = Field(description="Whose gradient: the probability or value, or its logit.")
    at: Literal["rows", "mean"] = Field(description="Mean of |gradient| over rows, or |gradient| at the mean row.")
    rows: int = Field(description="Rows that were measured; with probes those of the test fold of the first seed.")
    training_rows: int | None = Field(default=None, description="With probes: training rows of the first seed.")
    seeds: list[int] = Field(default_factory=list, description="With probes: the seeds.")
    noise: Number = Field(default=None, description="Standard deviation of the probes' noise.")
    probes: list[ProbeInfo] = Field(default_factory=list, description="The probes.")
    models: Annotated[list[ModelImportance], Field(min_length=1)] = Field(description="One for each network.")
    top: int = Field(description="Columns and features that a human report shows of each model.")
    model: ModelInfo | None = Field(default=None, description="The file that was measured; None with probes.")
    data: dict[str, TableInfo] = Field(description="The table.")
    trusted: bool = Field(default=False, description="--trust was given: the pre-flight was overridden.")
    notes: list[str] = Field(default_factory=list, description="What a reader should know.")
    versions: dict[str, str] = Field(description="Versions that a figure may depend on.")
    command: str | None = Field(default=None, description="Command that repeats it.")
    seconds: float = Field(description="Wall-clock seconds of all.")

    def of(self, name: str) -> ModelImportance:
        """Return one network's importances; KeyError where it took no part."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)
