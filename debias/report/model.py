"""The one report value that every verb returns and every writer reads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1.0"

Verdict = Literal["pass", "fail", "no-bound"]
Rate = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupFigures(_Part):
    """Counts and rates of one group. Rates are of the favourable decision; None where undefined."""

    name: str
    privileged: bool = False
    n: int = Field(description="Rows of the group.")
    weight: float = Field(description="Sum of row weights; equals n without --weight.")
    positives: int = Field(description="Rows whose label is the favourable one.")
    selected: int = Field(description="Rows that get the favourable decision.")
    selection_rate: Rate | None
    tpr: Rate | None = Field(description="P(favourable decision | favourable label).")
    fpr: Rate | None = Field(description="P(favourable decision | unfavourable label).")
    balanced_accuracy: Rate | None
    accuracy: Rate | None


class Figures(_Part):
    """What one network at one threshold does on one set of rows."""

    n: int
    balanced_accuracy: Rate | None
    accuracy: Rate | None
    bias: float | None = Field(
        description="Unprivileged minus privileged; for more than two groups the largest pairwise difference. "
        "None where a rate is undefined."
    )
    mean_pairwise: float | None = Field(description="Mean absolute pairwise difference (Fair MEDL eq. 3).")
    pair: tuple[str, str] | None = Field(description="The two groups whose difference is `bias`: first minus second.")
    sentence: str = Field(description="The bias as a sentence with both groups named.")
    auroc: Rate | None
    brier: float | None = Field(description="Mean squared difference of probability and label; None without a probability.")
    threshold: float = Field(description="Where the score of the file named is cut: score > threshold is positive.")
    objective: float = Field(description="Balanced accuracy if |bias| < eps, else 0 (eq. 3); 0 without a bound met.")
    groups: list[GroupFigures]


class TrajectoryStep(_Part):
    """One candidate on the selection rows (the paper's Figure 1)."""

    step: int
    bias: float | None
    balanced_accuracy: float | None
    objective: float
    threshold: float | None = Field(description="Cut on the logit scale of the candidate's own scores.")
    detail: dict[str, Any] = Field(default_factory=dict)


class Rows(_Part):
    """Which rows took part in what."""

    data: int = Field(description="Rows of --data after the stated policies.")
    train: int = Field(description="Rows used for influences and gradients.")
    selection: int
    verdict: int
    verdict_from: Literal["test", "holdout", "selection", "data"] = Field(
        description="test: --test; holdout: set aside from --data; selection: --holdout 0; data: an audit of all rows."
    )
    overlap: int = Field(default=0, description="Rows of --test that also occur in --data.")
    missing_attribute: dict[str, int] = Field(default_factory=dict, description="Rows without the attribute, by table.")
    missing_attribute_policy: str = "error"
    dropped: int = 0
    kept_whole: list[str] = Field(
        default_factory=list, description="Attribute and label cells with fewer than two rows, kept for selection."
    )


class ModelInfo(_Part):
    """The file that came in, or went out."""

    path: str
    format: str
    size: int
    sha256: str


class TableInfo(_Part):
    """A table that took part."""

    path: str
    rows: int
    sha256: str | None = Field(description="None for a DataFrame.")


class Change(_Part):
    """What a method did to the network."""

    method: str
    settings: dict[str, Any]
    summary: str = Field(description="One sentence: what was changed.")
    units: dict[str, list[int]] = Field(default_factory=dict, description="Pruned units by layer path.")
    details: dict[str, Any] = Field(default_factory=dict)
    chosen_step: int
    steps: int
    skipped_layers: dict[str, str] = Field(default_factory=dict, description="Layers left alone, with the reason.")
    feasible: bool = Field(description="A candidate met the bound less the margin on the selection rows.")
    folded: bool = Field(description="The cut was folded into the last bias.")
    gain_over_threshold: float | None = Field(
        description="Objective on the verdict rows minus that of the unchanged network at its best feasible threshold."
    )


class SelectionFigures(_Part):
    """The same candidates on the rows that chose them: optimistic by construction."""

    before: Figures
    best_threshold: Figures | None = None
    threshold_only: Figures | None = None
    after: Figures | None = None


class Report(_Part):
    """A run, from open to verdict."""

    schema_version: str = SCHEMA_VERSION
    debias_version: str
    verb: Literal["audit", "threshold", "prune", "gda"]
    verdict: Verdict
    exit_code: int = Field(description="0 bound met (or none asked), 1 not met.")
    statement: str = Field(description="The verdict as one sentence: figure, bound, rows.")
    metric: Literal["statistical-parity", "equal-opportunity"]
    metric_formula: str
    attribute: str
    groups: list[str]
    privileged: str | None
    favorable: Literal["positive", "negative"]
    positive_label: str
    eps: float | None
    margin: float | None
    min_performance: float | None
    threshold: float = Field(description="Where the deployed system cuts the score.")
    decision: Literal["score", "argmax"]
    decision_disagreements: int | None = Field(default=None, description="Rows where argmax and score disagree.")
    optimistic: bool = Field(description="The verdict rows took part in selection.")
    uses_attribute: bool = Field(description="The model needs the protected attribute at prediction.")
    rows: Rows
    model: ModelInfo
    output: ModelInfo | None = Field(default=None, description="The file written, or None.")
    data: dict[str, TableInfo] = Field(description="data, train, test.")
    before: Figures = Field(description="The network as deployed, at --threshold.")
    best_threshold: Figures | None = Field(
        default=None, description="The unchanged network at the threshold of best balanced accuracy on the selection rows."
    )
    threshold_only: Figures | None = Field(
        default=None, description="The unchanged network at its best feasible common threshold."
    )
    after: Figures | None = Field(default=None, description="The written file, counted after reading it back.")
    selection: SelectionFigures | None = None
    change: Change | None = None
    trajectory: list[TrajectoryStep] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    trusted: bool = Field(default=False, description="--trust was given: the pre-flight was overridden.")
    seed: int
    device: str = "cpu"
    versions: dict[str, str]
    command: str | None = Field(default=None, description="Command that repeats the run.")
