"""A search over settings: the value that `tune` returns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from debias.report.values.numbers import Number, Part, Rate
from debias.report.values.training import TrainingReport

TUNING_VERSION = "1.0"

TrialState = Literal["complete", "pruned", "diverged", "failed"]


class TuningTrial(Part):
    """One training of the search; its figures are those of its best epoch on the validation rows."""

    number: int = Field(description="Number of the trial, from 0.")
    state: TrialState = Field(
        description="complete: it came to its end; pruned: it was ended early; diverged: a number was not finite; "
        "failed: its worker was lost or its program failed."
    )
    parameters: dict[str, Any] = Field(description="What the search chose.")
    epochs: int = Field(default=0, description="Epochs that were trained.")
    best_epoch: int | None = Field(default=None, description="The epoch with the highest J among those eligible.")
    objective: Number = Field(default=None, description="J of that epoch.")
    balanced_accuracy: Rate = Field(default=None, description="At the threshold that was chosen on the same rows.")
    auroc: Rate = Field(default=None, description="Area under the ROC curve.")
    mse: Number = Field(default=None, description="Mean squared error of a regression.")
    dispersion: Number = Field(
        default=None,
        description="Mean over attributes of the SD over groups of TPR plus that of FPR; of a regression of the MSE.",
    )
    front: bool = Field(
        default=False, description="No other trial has both a better performance and a smaller dispersion."
    )
    chosen: bool = Field(default=False, description="The complete trial with the highest J.")
    reasons: list[str] = Field(default_factory=list, description="How it failed.")
    seconds: float | None = Field(default=None, description="Wall-clock seconds on one thread.")


class Tuning(Part):
    """A search over the settings of one kind of network, and the network that came out best."""

    schema_version: str = Field(default=TUNING_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    verb: Literal["tune"] = Field(default="tune", description="What was asked.")
    statement: str = Field(description="What was searched and what was found, in one sentence.")
    kind: str = Field(description="Kind of network, as on the command line.")
    title: str = Field(description="Its name in the paper, where the paper has it.")
    task: Literal["classification", "regression"] = Field(description="What is predicted.")
    label: str = Field(description="Column of the label or target.")
    attributes: list[str] = Field(description="The protected attributes.")
    cluster: str | None = Field(default=None, description="Column of the cluster.")
    train: int = Field(description="Rows that every trial was trained on.")
    valid: int = Field(description="Rows that every trial was judged on: figures are optimistic.")
    search: Literal["optuna", "ray"] = Field(description="Who searched: Optuna with its Hyperband, or Ray Tune.")
    measure: str = Field(description="What J is for this kind and task.")
    ranges: dict[str, str] = Field(description="What was searched.")
    fixed: dict[str, Any] = Field(default_factory=dict, description="Settings that were given, not searched.")
    least_epochs: int = Field(description="Budget of the shortest trial.")
    most_epochs: int = Field(description="Budget of the longest trial.")
    seed: int = Field(description="Seed of the search and of every training.")
    reference: Rate = Field(
        default=None,
        description="Balanced accuracy that the chosen trial may miss by 0.03 at most, where it was given.",
    )
    asked: int = Field(description="Trials that were asked for.")
    trials: Annotated[list[TuningTrial], Field(min_length=1)] = Field(description="All trials that ended.")
    resumed: int = Field(default=0, description="Trials that an earlier run had done.")
    settings: dict[str, Any] = Field(description="Every setting of the chosen trial.")
    training: TrainingReport = Field(description="The network of the chosen trial, trained again and written.")
    storage: str | None = Field(default=None, description="Where the trials are kept.")
    notes: list[str] = Field(default_factory=list, description="What was assumed.")
    seconds: float = Field(description="Wall-clock seconds of this run, reading and writing included.")
    command: str | None = Field(default=None, description="Command that repeats the search.")

    @property
    def exit_code(self) -> int:
        """That of the training."""
        return self.training.exit_code

    @property
    def best(self) -> TuningTrial:
        """The trial that was chosen."""
        return next(trial for trial in self.trials if trial.chosen)

    @property
    def front(self) -> list[TuningTrial]:
        """The trials of the Pareto front, the least dispersion first."""
        return sorted((trial for trial in self.trials if trial.front), key=lambda trial: trial.dispersion or 0.0)
