"""Options of all verbs, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from debias.cli.choices import (
    Decision,
    Edit,
    Metric,
    MissingAttribute,
    OutputKind,
    Performance,
    Selection,
    Side,
    UnseenZ,
)
from debias.cli.common import Ignore, Positive, Seed, Table
from debias.cli.delivery import GateOptions
from debias.cli.verbs import CONSTRAINT, DATA, MODEL, OUTPUT, SEARCH


@dataclass(frozen=True, kw_only=True)
class TrustOptions:
    """Whether the checks before loading count."""

    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Load a file that the checks before loading refuse. It may run any code. The report says so.",
            rich_help_panel=MODEL,
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class FileOptions(TrustOptions):
    """The model file."""

    model: Annotated[Path, typer.Argument(metavar="MODEL", help="TorchScript .pt or torch.export .pt2 file.")]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(TrustOptions):
    """How a model file is read."""

    contract: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Contract of the model. Default: the one in the file, else MODEL.debias.json beside it.",
            rich_help_panel=MODEL,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModelOptions(ReadingOptions, FileOptions):
    """The model file and how to read it."""


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """The table and what its columns mean."""

    data: Table
    attr: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN",
            help="Column of a protected attribute, or an intersection of columns, quoted as 'sex*race'. Repeatable: "
            "the bound must then hold for each.",
            rich_help_panel=DATA,
        ),
    ]
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the label. Default: from the contract, else the only column named label, y or target.",
            rich_help_panel=DATA,
        ),
    ] = None
    positive: Positive = None
    favorable: Annotated[
        Side | None,
        typer.Option(
            help="Which decision is favourable for a person; rates refer to it. "
            "Default: from the contract, else positive.",
            rich_help_panel=DATA,
        ),
    ] = None
    privileged: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="Privileged group; of several attributes sex=male. Repeatable. Default: from the contract; the "
            "larger of two numeric values; else that of two groups with the higher rate of favourable labels. The "
            "report says which.",
            rich_help_panel=DATA,
        ),
    ] = None
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Feature columns in the order of the network, with commas, quoted as in CSV where a name has one. "
            "Repeatable. Default: from the contract, else by count.",
            rich_help_panel=DATA,
        ),
    ] = None
    ignore: Ignore = None
    bins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EDGES",
            help="Cuts a numeric attribute into groups: edges with commas (25,40; one edge: 25,) or a number of "
            "groups of like size (4); of several attributes age=25,40. Repeatable.",
            rich_help_panel=DATA,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What the network returns and how the deployed system decides."""

    output_kind: Annotated[
        OutputKind | None,
        typer.Option(
            help="What the network returns; value is a number in units of the target (a regression). Default: from "
            "the contract, else found out from graph and values.",
            rich_help_panel=MODEL,
        ),
    ] = None
    decision: Annotated[
        Decision | None,
        typer.Option(
            help="How the deployed system decides for a two-class output; argmax implies a threshold of 0.5. "
            "Default: from the contract, else score.",
            rich_help_panel=MODEL,
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Where the deployed system cuts the score: a score above it is positive. "
            "Default: from the contract, else 0.5.",
            rich_help_panel=MODEL,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(GateOptions, ColumnOptions, OutputOptions, ReadingOptions):
    """What an audit and every repair ask for, but for the bound."""

    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="Where to compute, as torch names it.", rich_help_panel=MODEL)
    ] = "cpu"
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of row weights.", rich_help_panel=DATA)
    ] = None
    missing_attr: Annotated[
        MissingAttribute,
        typer.Option(
            help="Rows without an attribute: refuse the table, drop them, or take them as a group. "
            "The report counts them.",
            rich_help_panel=DATA,
        ),
    ] = MissingAttribute.ERROR
    min_group: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Merge groups with fewer than N rows of --data into one, (other). 0 merges none.",
            rich_help_panel=DATA,
        ),
    ] = 0
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that names the cluster of a row (hospital, branch, occupation). Default: from the contract.",
            rich_help_panel=DATA,
        ),
    ] = None
    unseen_z: Annotated[
        UnseenZ | None,
        typer.Option(
            help="Rows of a cluster that the network does not know: score them with the predicted probabilities of "
            "the known clusters (soft), with the likeliest (hard), by the fixed effects alone (zero), or refuse them "
            "(error). Default: soft where the file predicts the cluster, else error.",
            rich_help_panel=DATA,
        ),
    ] = None
    metric: Annotated[
        Metric | None,
        typer.Option(
            metavar="METRIC",
            help="Difference of selection rates (statistical-parity, spd), of true positive rates "
            "(equal-opportunity, eod), of false positive rates (predictive-equality, fprd), the larger of the last "
            "two (equalized-odds, eqodds), or the ratio of selection rates (impact-ratio, air). Of a network that "
            "predicts a number: difference of mean predictions (mean-difference, mdp; more than two groups: the mean "
            "over all pairs), or the SD over groups of the mean squared error (mse-dispersion, msesd). "
            "Default: statistical-parity, of a number mean-difference.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    min_ratio: Annotated[
        float | None,
        typer.Option(
            metavar="RATIO",
            help="The bound of impact-ratio, in place of --eps: the lowest selection rate divided by the highest must "
            "be above it, as in 0.8.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    performance: Annotated[
        Performance | None,
        typer.Option(
            metavar="MEASURE",
            help="What counts where the bound is met: balanced-accuracy (the default), accuracy, f1 or auroc; of a "
            "network that predicts a number r2.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    confidence: Annotated[
        float | None,
        typer.Option(
            metavar="C",
            help="The bound must hold at this confidence, as in 0.95: exit code 3 where the rows are too few to tell. "
            "Default: the point estimate decides.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class RepairOptions(MeasureOptions, FileOptions):
    """What every repairing verb asks for."""

    eps: Annotated[
        float | None,
        typer.Option(
            metavar="BOUND",
            help="The bound: absolute bias must be below it. Required, but for impact-ratio, which takes --min-ratio.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="GAMMA",
            help="Selection asks for absolute bias below BOUND - GAMMA; implies --selection margin, whose default "
            "is 0.01, of a network that predicts a number a fifth of BOUND.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    min_performance: Annotated[
        float | None,
        typer.Option(
            metavar="BA",
            help="Least balanced accuracy of a candidate; of a network that predicts a number least R². "
            "Default: 0.55, of a number 0.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    selection: Annotated[
        Selection | None,
        typer.Option(
            metavar="RULE",
            help="Which candidates are feasible on the selection rows: those with nearly the best chance that the "
            "bound holds on the verdict rows (chance, the default), or with absolute bias below BOUND - GAMMA "
            "(margin), or with a bound on the bias at --confidence (confident). expected maximises performance times "
            "that chance.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    pool: Annotated[
        bool | None,
        typer.Option(
            "--pool/--no-pool",
            help="Estimate the bias of a candidate on the selection rows and those for gradients together, these at "
            "half weight. Default: where --train is given.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = None
    train: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rows for influences and gradients. Default: a part of --data, see --fit-share.",
            rich_help_panel=DATA,
        ),
    ] = None
    test: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rows for the verdict. Default: a part of --data, set aside before anything looks at it.",
            rich_help_panel=DATA,
        ),
    ] = None
    holdout: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of --data to set aside for the verdict, stratified by attributes and label. "
            "0 sets nothing aside: figures are then optimistic.",
            rich_help_panel=DATA,
        ),
    ] = 0.3
    fit_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Without --train: share of the selection rows for gradients and influences, apart from those that "
            "choose. 0 uses the same rows for both. Default: 0.3 for finetune, adversarial and compare, which would "
            "choose by figures that are too good; else 0.",
            rich_help_panel=DATA,
        ),
    ] = None
    split_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Persons or clusters: rows of one stay together in the split.",
            rich_help_panel=DATA,
        ),
    ] = None
    edit: Annotated[
        Edit,
        typer.Option(
            help="What of a mixed-effects network may be changed: the fixed effects (fe), or the means of the random "
            "effects too, held near where they are by their posterior (fe+re).",
            rich_help_panel=SEARCH,
        ),
    ] = Edit.FE
    keep_scores: Annotated[
        bool,
        typer.Option(
            "--keep-scores",
            help="Leave the scores as they come and only record the threshold, instead of folding it into the "
            "last bias.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    keep_best: Annotated[
        bool,
        typer.Option(
            "--keep-best",
            help="Write the closest candidate even where the bound is not met.",
            rich_help_panel=OUTPUT,
        ),
    ] = False
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Repaired model. Default: beside MODEL, the verb in its name, as in model.prune.pt.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
