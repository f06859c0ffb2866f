"""The report of a run: what audit and every repair return and every writer reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from debias.fairness.metrics import Metric, Task
from debias.objective import Performance, Verdict
from debias.report.values.baseline import BaselineUse
from debias.report.values.effects import Effects, Information
from debias.report.values.evidence import Crossing, LayerChange, Sweep
from debias.report.values.figures import Figures
from debias.report.values.impact import ChosenView, Impact
from debias.report.values.numbers import Number, Part, Rate

SCHEMA_VERSION = "2.2"


class TrajectoryStep(Part):
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


class SampleStratum(Part):
    """One stratum of a sample: rows of the same groups and the same label."""

    groups: list[str | None] = Field(description="The group of each attribute; null where it is missing.")
    label: int | None = Field(default=None, description="1 is the positive value; null of a regression.")
    rows: int = Field(description="Rows of the sample.")
    of: int = Field(description="Rows of the file.")


class SampleInfo(Part):
    """A stratified sample of a table too large to be held in memory."""

    rows: int = Field(description="Rows of the sample.")
    of: int = Field(description="Rows of --data after the stated policies.")
    by: list[str] = Field(description="Attributes that it is stratified by, with the label.")
    strata: list[SampleStratum] = Field(description="What each stratum gave.")


class Rows(Part):
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
    sample: SampleInfo | None = Field(
        default=None, description="The rows of --data that selection and gradients are of, where they are a sample."
    )


class ModelInfo(Part):
    """The file that came in, or went out."""

    path: str = Field(description="The file as named.")
    format: str = Field(description="torchscript or export.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="SHA-256 of the file.")


class Streaming(Part):
    """How the verdict rows were read a batch at a time, and how exact the figures of scores are; counts are exact."""

    batch_rows: int = Field(description="Rows of a batch, at most.")
    pieces: int = Field(description="Parts of the file that were counted apart.")
    score_bins: int = Field(description="Bins that the scores were counted in.")
    exact: bool = Field(description="Every bin holds one score: figures of scores are as exact as those of counts.")
    auroc_low: Rate = Field(default=None, description="AUROC is not below this.")
    auroc_high: Rate = Field(default=None, description="AUROC is not above this.")
    median_low: Number = Field(default=None, description="The median probability is not below this.")
    median_high: Number = Field(default=None, description="The median probability is not above this.")
    median_share: Rate = Field(
        default=None, description="Share of the rows, by weight, that may lie on the other side of the median."
    )


class TableInfo(Part):
    """A table that took part."""

    path: str = Field(description="The file as named, or DataFrame.")
    rows: int = Field(description="Rows of the table.")
    sha256: str | None = Field(description="None for a DataFrame.")


class GroupRule(Part):
    """How the score of one group becomes a decision."""

    group: str = Field(description="The group.")
    cut: Number = Field(description="Where the unchanged network's score is cut, as a probability.")
    below: float = Field(description="P(positive decision) at or below the cut.")
    above: float = Field(description="P(positive decision) above the cut.")


class RuleInfo(Part):
    """A rule that reads the protected attribute."""

    attribute: str = Field(description="The protected attribute.")
    groups: list[GroupRule] = Field(description="One entry for each group.")
    shared_draws: Rate = Field(
        default=None, description="Share of the verdict rows that share their draw with another; None without draws."
    )


class Change(Part):
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


class SelectionFigures(Part):
    """The same candidates on the rows that chose them: optimistic by construction."""

    before: Figures = Field(description="The network as deployed, at --threshold.")
    best_threshold: Figures | None = Field(default=None, description="The unchanged network at its best threshold.")
    threshold_only: Figures | None = Field(
        default=None, description="The unchanged network at its best feasible threshold."
    )
    after: Figures | None = Field(default=None, description="The chosen candidate.")


class AttributeInfo(Part):
    """A protected attribute."""

    name: str = Field(description="Its column, or columns joined by * for intersections.")
    groups: list[str] = Field(description="Its groups.")
    privileged: str | None = Field(description="The privileged group; None where more than two groups have none.")


class AttributeVerdict(Part):
    """The verdict of one attribute on the verdict rows, whatever was found where the candidate was chosen."""

    attribute: str = Field(description="The protected attribute.")
    verdict: Literal["pass", "fail", "inconclusive", "undefined"] = Field(
        description="As in `Report.verdict`; undefined where a rate is, which leaves the whole inconclusive."
    )
    reason: str = Field(default="", description="With --confidence, what decided it or leaves it open.")


class MoreRows(Part):
    """Rows that are missing for a verdict."""

    attribute: str = Field(description="The protected attribute.")
    group: str = Field(description="The group.")
    rows: int = Field(description="How many more of its verdict rows would settle it, at the observed rates.")


class Report(Part):
    """A run, from open to verdict."""

    schema_version: str = Field(default=SCHEMA_VERSION, description="Version of this layout.")
    debias_version: str = Field(description="Version that wrote the report.")
    created: str | None = Field(default=None, description="When the report was made: UTC, ISO 8601.")
    verb: str = Field(description="What was asked.")
    verdict: Verdict = Field(
        description="Whether every bound is met on the verdict rows; inconclusive where --confidence asks for more "
        "rows; no-bound where none was asked."
    )
    exit_code: int = Field(
        description="What the command left with: 0 bound met, none asked, or all that misses it accepted (see "
        "`baseline` and `exit_zero`), 1 not met, 3 inconclusive."
    )
    statement: str = Field(description="The verdict as one sentence: figure, bound, rows.")
    metric: Metric = Field(description="How groups are compared.")
    metric_formula: str = Field(description="The metric as a formula.")
    attributes: list[AttributeInfo] = Field(description="The protected attributes; a bound must hold for each.")
    task: Task = Field(default="classification", description="What the network predicts: a class, or a number.")
    favorable: Literal["positive", "negative"] = Field(description="Which decision is the favourable one.")
    positive_label: str | None = Field(description="The label value that a high score predicts; None of a regression.")
    performance: Performance = Field(description="The performance measure of the objective.")
    eps: float | None = Field(
        description="The bound that was asked (of the impact ratio, 1 less --min-ratio); None in an audit without one."
    )
    confidence: float | None = Field(default=None, description="--confidence: the verdict asks for one-sided bounds.")
    verdicts: list[AttributeVerdict] = Field(
        default_factory=list, description="The verdict of each attribute, in the order asked; empty without a bound."
    )
    baseline: BaselineUse | None = Field(default=None, description="What was accepted beforehand, with --baseline.")
    exit_zero: bool = Field(default=False, description="--exit-zero: exit codes 1 and 3 became 0.")
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
    streaming: Streaming | None = Field(
        default=None, description="How the verdict rows were read, where that was a batch at a time."
    )
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
    sweeps: list[Sweep] = Field(
        default_factory=list, description="Other thresholds, before and after; empty for a regression."
    )
    layers: list[LayerChange] = Field(
        default_factory=list, description="The layers of the network with what became of them; empty for an audit."
    )
    crossings: list[Crossing] = Field(
        default_factory=list,
        description="Attributes crossed in pairs, and the parts of an intersection that was asked.",
    )
    impacts: list[Impact] = Field(
        default_factory=list, description="Impact ratios by category: single attributes first, then crossed ones."
    )
    views: list[ChosenView] = Field(default_factory=list, description="Regulatory views that the report shows.")
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
