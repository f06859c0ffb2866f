"""A training, from table to file: the value that `train` returns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from debias.report.values.numbers import Number, Part, Rate
from debias.report.values.report import AttributeInfo, ModelInfo, TableInfo

TRAINING_VERSION = "1.0"

Stopped = Literal["epochs", "patience", "diverged"]
Head = Literal["mixed", "fixed", "network"]


def _plain(value: Any) -> Any:
    """Return what JSON can hold: NaN and infinity say that a figure is undefined."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


class TrainingRows(Part):
    """Which rows took part in what."""

    data: int = Field(description="Rows of --data after the stated policies.")
    dropped: int = Field(default=0, description="Rows left out for want of an attribute.")
    seen: int = Field(description="Rows of seen clusters; all where there are no clusters.")
    unseen: int = Field(description="Rows of unseen clusters or of none: they take no part in training.")
    train: int = Field(description="Rows that the network was trained on; scaling and brackets come from these.")
    valid: int = Field(description="Rows that chose the epoch and the thresholds.")
    valid_from: Literal["valid", "share"] = Field(description="valid: --valid; share: a part of the seen rows.")


class ClusterRows(Part):
    """A seen cluster, in the order of the network's cluster input."""

    name: str = Field(description="Value of the cluster column.")
    train: int = Field(description="Training rows.")
    valid: int = Field(description="Validation rows.")
    positives: int | None = Field(default=None, description="Training rows with the positive label.")
    mean: Number = Field(default=None, description="Mean of a regression's target in the training rows.")


class HeadFigures(Part):
    """One prediction of the network on the validation rows, which chose epoch and threshold: optimistic."""

    head: Head = Field(
        description="mixed: with the effects of the row's cluster; fixed: without; network: the only one."
    )
    n: int = Field(description="Validation rows.")
    threshold: float | None = Field(default=None, description="Score above which a row is positive.")
    balanced_accuracy: Rate = Field(default=None, description="At the threshold.")
    auroc: Rate = Field(default=None, description="Area under the ROC curve.")
    mse: Number = Field(default=None, description="Mean squared error, in squared units of the target.")
    mae: Number = Field(default=None, description="Mean absolute error, in units of the target.")
    r2: Number = Field(default=None, description="1 − MSE / variance of the target.")


class TrainingReport(Part):
    """A trained network and how it came about."""

    schema_version: str = Field(default=TRAINING_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["train"] = Field(default="train", description="What was asked.")
    statement: str = Field(description="What was trained on what, in one sentence.")
    kind: str = Field(description="Kind of network, as on the command line.")
    title: str = Field(description="Its name in the paper, where the paper has it.")
    task: Literal["classification", "regression"] = Field(description="What is predicted.")
    label: str = Field(description="Column of the label or target.")
    positive_label: str | None = Field(default=None, description="The label value that a high score predicts.")
    attributes: list[AttributeInfo] = Field(description="The protected attributes.")
    cluster: str | None = Field(default=None, description="Column of the cluster.")
    clusters: list[ClusterRows] = Field(default_factory=list, description="The seen clusters.")
    rows: TrainingRows = Field(description="Which rows took part in what.")
    inputs: int = Field(description="Encoded input columns, without the clusters.")
    settings: dict[str, Any] = Field(description="Every setting of the training.")
    seed: int = Field(description="Seed of every random choice.")
    epochs: int = Field(description="Passes over the training rows.")
    best_epoch: int = Field(description="The epoch that the file holds, from 1.")
    stopped: Stopped = Field(
        description="epochs: all were run; patience: none was better for long; diverged: a loss was not finite."
    )
    figures: list[HeadFigures] = Field(description="Of the file's own predictions on the validation rows.")
    history: Annotated[list[dict[str, Any]], BeforeValidator(_plain)] = Field(
        default_factory=list, description="Losses and figures of every epoch."
    )
    events: list[str] = Field(default_factory=list, description="What the watchdog of the adversaries did.")
    resumed_from: int | None = Field(default=None, description="Epochs that an earlier, interrupted run had done.")
    output: ModelInfo | None = Field(default=None, description="The file that was written.")
    data: dict[str, TableInfo] = Field(description="The tables that took part.")
    notes: list[str] = Field(default_factory=list, description="What was assumed.")
    versions: dict[str, str] = Field(default_factory=dict, description="Versions that a figure may depend on.")
    seconds: float = Field(description="Wall-clock seconds, reading and writing included.")
    command: str | None = Field(default=None, description="Command that repeats the training.")

    @property
    def exit_code(self) -> int:
        """0 for a training that came to its end, 1 for one that diverged: the file holds the last good epoch."""
        return 1 if self.stopped == "diverged" else 0

    def of(self, head: Head) -> HeadFigures:
        """Return the figures of one head; KeyError for one that the network does not have."""
        for figures in self.figures:
            if figures.head == head:
                return figures
        raise KeyError(head)
