"""Kinds of networks side by side in cross-validation: the value that `crossval` returns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from debias.report.values.numbers import Number, Part

CROSSVAL_VERSION = "1.0"

Head = Literal["mixed", "fixed", "plain"]
Rows = Literal["seen", "unseen"]


class Figure(Part):
    """One figure: of all test rows together, and fold by fold."""

    value: Number = Field(
        default=None,
        description="Seen clusters: of the pooled test rows of all folds, each predicted by the model that has not "
        "seen it. Unseen clusters: the mean over the models of the folds. None where undefined.",
    )
    mean: Number = Field(default=None, description="Mean over the folds in which it is defined.")
    sd: Number = Field(default=None, description="Standard deviation over those folds (n − 1).")
    low: Number = Field(default=None, description="Lower end of the t-based 95% interval of that mean.")
    high: Number = Field(default=None, description="Upper end of it.")
    folds: int = Field(default=0, description="Folds in which it is defined.")
    reason: str | None = Field(default=None, description="Why there is no value.")


class GroupRow(Part):
    """One group in the pooled test rows (seen clusters), or in the rows of unseen clusters."""

    name: str = Field(description="Name of the group.")
    n: int = Field(description="Rows.")
    positives: int | None = Field(default=None, description="Rows with the positive label. Classification.")
    selection_rate: Number = Field(default=None, description="Share of positive decisions.")
    tpr: Number = Field(default=None, description="Share of positive decisions among positive labels.")
    fpr: Number = Field(default=None, description="Share of positive decisions among negative labels.")
    mean: Number = Field(default=None, description="Mean probability, or mean prediction of a regression.")
    mse: Number = Field(default=None, description="Mean squared error of a regression.")


class AttributeFigures(Part):
    """The dispersion metrics of one attribute (Fair MEDL section 2.3)."""

    attribute: str = Field(description="Name of the attribute.")
    figures: dict[str, Figure] = Field(
        description="tpr_sd, fpr_sd: SD over groups of the two rates; mse_sd: of the mean squared error (regression); "
        "demographic_parity: eq. 3 (of decisions) or eq. 4 (regression); demographic_parity_soft: eq. 4 of "
        "probabilities; attribute_swap: eq. 6 and 7, which the paper calls counterfactual fairness."
    )
    groups: list[GroupRow] = Field(description="What they are made of; unseen clusters: means over the folds' models.")


class HeadFigures(Part):
    """All figures of one prediction of a model on one kind of rows."""

    head: Head = Field(description="mixed: with random effects; fixed: without; plain: the model has one prediction.")
    rows: Rows = Field(description="seen: test rows of the folds; unseen: rows of clusters that no model has seen.")
    n: int = Field(description="Rows.")
    performance: dict[str, Figure] = Field(description="balanced_accuracy, auroc, auprc; of a regression mse, mae, r2.")
    attributes: list[AttributeFigures] = Field(description="One for each attribute.")

    def of(self, attribute: str) -> AttributeFigures:
        """Return the figures of an attribute; KeyError where there is no such."""
        for item in self.attributes:
            if item.attribute == attribute:
                return item
        raise KeyError(attribute)


class FoldRun(Part):
    """The training of one model in one fold."""

    fold: int = Field(description="The test fold, from 1.")
    status: Literal["ok", "failed"] = Field(description="failed: there are no predictions of this fold.")
    reasons: list[str] = Field(default_factory=list, description="Why it failed.")
    epochs: int | None = Field(default=None, description="Epochs that were run.")
    best_epoch: int | None = Field(default=None, description="The one that was kept.")
    stopped: str | None = Field(default=None, description="epochs, patience or diverged.")
    threshold: Number = Field(default=None, description="Of the mixed-effects or only prediction.")
    fixed_threshold: Number = Field(default=None, description="Of the fixed-effects prediction.")
    seconds: Number = Field(default=None, description="Wall-clock seconds of training and predicting.")
    resumed: bool = Field(default=False, description="The predictions were there already, from an earlier run.")


class Model(Part):
    """One kind of network with its settings, in every fold."""

    name: str = Field(description="As it was asked for.")
    kind: str = Field(description="Kind of network.")
    title: str = Field(description="The paper's name of it.")
    settings: dict[str, Any] = Field(description="Every setting of the training.")
    adversaries: list[str] = Field(description="Attributes that it is debiased on; none for kinds that debias none.")
    baseline: str | None = Field(default=None, description="The model that it is compared with.")
    folds: list[FoldRun] = Field(description="One for each fold.")
    heads: list[HeadFigures] = Field(description="Figures by head, on seen and on unseen clusters.")

    def of(self, head: Head | None = None, rows: Rows = "seen") -> HeadFigures:
        """Return the figures of a head (default: the first, mixed or plain); KeyError where there are none."""
        for item in self.heads:
            if item.rows == rows and head in (None, item.head):
                return item
        raise KeyError((head, rows))


class Change(Part):
    """One figure of a model beside the same of its baseline, on the same rows."""

    model: str = Field(description="Name of the model.")
    baseline: str = Field(description="Name of the baseline.")
    head: Head = Field(description="Of the model; the baseline's is the same where it has it, else its only one.")
    rows: Rows = Field(description="Seen or unseen clusters.")
    attribute: str | None = Field(description="None for a performance.")
    metric: str = Field(description="Name of the figure.")
    before: Number = Field(description="The baseline's.")
    after: Number = Field(description="The model's.")
    difference: Number = Field(default=None, description="After minus before.")
    improvement: Number = Field(
        default=None, description="Of a dispersion metric or an error, (before − after) / before; 0.44 is 44% lower."
    )
    low: Number = Field(default=None, description="Lower end of the 95% percentile interval of the difference.")
    high: Number = Field(default=None, description="Upper end of it.")
    p: Number = Field(default=None, description="Two-sided, paired bootstrap over rows.")
    p_holm: Number = Field(default=None, description="Corrected for all attributes and metrics of this head and rows.")
    p_folds: Number = Field(default=None, description="Paired t-test over folds, as the paper reports.")


class Signs(Part):
    """How many dispersion metrics a model has lower than its baseline."""

    model: str = Field(description="Name of the model.")
    baseline: str = Field(description="Name of the baseline.")
    improved: int = Field(description="Lower than the baseline's.")
    of: int = Field(description="Compared: attributes × metrics × heads, seen and unseen; without the soft parity.")
    p: Number = Field(description="Sign test, two-sided. Metrics go together, so it is too sure of itself.")


class AttributeRows(Part):
    """A protected attribute in the rows of all folds."""

    name: str = Field(description="Name of the attribute.")
    groups: list[str] = Field(description="Names of its groups.")
    seen: list[int] = Field(description="Rows of each group in seen clusters.")
    unseen: list[int] = Field(description="Rows of each group in unseen clusters.")
    missing: int = Field(description="Rows without a group, which take no part in its figures.")


class CrossValidation(Part):
    """Several kinds of networks in the same folds of the same rows."""

    schema_version: str = Field(default=CROSSVAL_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["crossval"] = Field(default="crossval", description="What was asked.")
    exit_code: int = Field(default=0, description="0: there is no bound to miss.")
    statement: str = Field(description="What was done, as one sentence.")
    task: Literal["classification", "regression"] = Field(description="Task of the networks.")
    label: str = Field(description="Column of the label.")
    positive: str | None = Field(default=None, description="Label value that a high score predicts.")
    cluster: str = Field(description="Column of the cluster.")
    clusters_seen: dict[str, int] = Field(description="Rows of each seen cluster.")
    clusters_unseen: dict[str, int] = Field(description="Rows of each unseen cluster.")
    attributes: list[AttributeRows] = Field(description="The protected attributes.")
    missing_attr: str = Field(description="What became of rows without an attribute.")
    folds: int = Field(description="Folds that the rows of seen clusters were dealt to.")
    folds_run: list[int] = Field(description="Test folds that were run, from 1.")
    seed: int = Field(description="Seed of folds and trainings.")
    draws: int = Field(description="Draws of the bootstrap.")
    data: str = Field(description="The table.")
    data_sha256: str | None = Field(default=None, description="SHA-256 of the file.")
    models: Annotated[list[Model], Field(min_length=1)] = Field(description="One for each kind and settings.")
    changes: list[Change] = Field(default_factory=list, description="Models beside their baselines.")
    signs: list[Signs] = Field(default_factory=list, description="Of each model that has a baseline.")
    notes: list[str] = Field(default_factory=list, description="What a reader should know.")
    seconds: float = Field(description="Wall-clock seconds of all.")
    command: str | None = Field(default=None, description="Command that repeats it.")

    def of(self, name: str) -> Model:
        """Return a model by name; KeyError where it took no part."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def change(
        self, model: str, metric: str, attribute: str | None = None, head: Head | None = None, rows: Rows = "seen"
    ) -> Change:
        """Return a model's figure beside its baseline's; KeyError where they were not compared."""
        for item in self.changes:
            if (item.model, item.metric, item.attribute, item.rows) == (model, metric, attribute, rows) and head in (
                None,
                item.head,
            ):
                return item
        raise KeyError((model, metric, attribute, head, rows))
