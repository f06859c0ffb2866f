"""`debias importance`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from debias.cli import arguments
from debias.cli.choices import MissingAttribute, OutputKind
from debias.cli.common import Ignore, Table
from debias.cli.delivery import Delivery, ReportOptions
from debias.cli.progress import progress_bar
from debias.cli.verbs import DATA, MODEL, OUTPUT, SEARCH, verb

PROBES = "Training with probes"


class Of(StrEnum):
    """Whose gradient is taken."""

    OUTPUT = "output"
    LOGIT = "logit"


class By(StrEnum):
    """What the bars of the picture are."""

    COLUMN = "column"
    FEATURE = "feature"


@dataclass(frozen=True, kw_only=True)
class ImportanceOptions(ReportOptions):
    """A model file and a table, or kinds of networks to train with probes."""

    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="TorchScript .pt or torch.export .pt2 file; not with --probes."),
    ] = None
    data: Table
    attr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of a protected attribute. Repeatable. With MODEL only to mark what comes from it.",
            rich_help_panel=DATA,
        ),
    ] = None
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the label, which is no input. Default: from the contract, else the only column named "
            "label, y or target.",
            rich_help_panel=DATA,
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that names the cluster of a row. Required with --probes; default with MODEL: from the "
            "contract. Fixed effects are measured without it.",
            rich_help_panel=DATA,
        ),
    ] = None
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Feature columns, with commas, quoted as in CSV where a name has one. Repeatable. Default: from the "
            "contract, else by count; with --probes all but label, cluster and ignored ones.",
            rich_help_panel=DATA,
        ),
    ] = None
    ignore: Ignore = None
    contract: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Contract of the model. Default: the one in the file, else MODEL.debias.json beside it.",
            rich_help_panel=MODEL,
        ),
    ] = None
    output_kind: Annotated[
        OutputKind | None,
        typer.Option(
            help="What the network returns. Default: from the contract, else found out from graph and values.",
            rich_help_panel=MODEL,
        ),
    ] = None
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Load a file that the checks before loading refuse. It may run any code. The report says so.",
            rich_help_panel=MODEL,
        ),
    ] = False
    of: Annotated[
        Of,
        typer.Option(
            help="Whose gradient: the probability (of a regression the prediction), or its logit.",
            rich_help_panel=SEARCH,
        ),
    ] = Of.OUTPUT
    at_mean: Annotated[
        bool,
        typer.Option(
            "--at-mean",
            help="The gradient at one point, the mean of the inputs with the cluster input at zero. Default: the mean "
            "of its magnitude over rows.",
            rich_help_panel=SEARCH,
        ),
    ] = False
    probes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KINDS",
            help="Train these kinds with confounding probes among the inputs, and show where the probes rank: "
            "nnet,fair-adb-medl, or one with settings as fair-adb-medl:lambda_fair=1. Repeatable; the first is what "
            "the others are compared with. Kinds: nnet, da, fair-adb-da, fair-acl-da, medl, fair-adb-medl, "
            "fair-adb-nnet, cluster-input.",
            rich_help_panel=PROBES,
        ),
    ] = None
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE",
            help="Label value that a high score predicts. Required unless labels are 0/1, -1/1 or true/false.",
            rich_help_panel=PROBES,
        ),
    ] = None
    regression: Annotated[
        bool, typer.Option("--regression", help="The label is a number to be predicted.", rich_help_panel=PROBES)
    ] = False
    seen: Annotated[
        int | None,
        typer.Option(
            metavar="K", help="Train on rows of the K largest clusters. Default: all.", rich_help_panel=PROBES
        ),
    ] = None
    bins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EDGES",
            help="Cuts a numeric attribute into groups: edges with commas (31,46) or a number of groups of like size "
            "(4); of several attributes age=31,46. Repeatable.",
            rich_help_panel=PROBES,
        ),
    ] = None
    missing_attr: Annotated[
        MissingAttribute,
        typer.Option(
            help="Rows without an attribute: refuse the table, drop them, or take them as a group.",
            rich_help_panel=PROBES,
        ),
    ] = MissingAttribute.ERROR
    debias_attr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Attribute that networks are debiased on. Repeatable. Default: every --attr.",
            rich_help_panel=PROBES,
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of every training, such as epochs=20. Repeatable. Default: those of debias train.",
            rich_help_panel=PROBES,
        ),
    ] = None
    probe_noise: Annotated[
        float,
        typer.Option(
            metavar="SD",
            help="Standard deviation of the noise that is added to a probe, drawn once for each row.",
            rich_help_panel=PROBES,
        ),
    ] = 0.05
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Number of seeds; each decides its split, noise and trainings. Ranks are medians over them.",
            rich_help_panel=PROBES,
        ),
    ] = 1
    seed: Annotated[int, typer.Option(metavar="N", help="The first seed.", rich_help_panel=PROBES)] = 0
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes at a time; no figure depends on it. Default: the cores, at most one a training.",
            rich_help_panel=PROBES,
        ),
    ] = None
    top: Annotated[
        int,
        typer.Option(metavar="N", help="Columns and features to show; JSON has all of them.", rich_help_panel=OUTPUT),
    ] = 15
    picture: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the first columns as bars, probes set apart, one panel a network; .svg or .png by its ending.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    by: Annotated[
        By,
        typer.Option(
            help="What the picture's bars are: the network's columns, or those of the table.", rich_help_panel=OUTPUT
        ),
    ] = By.COLUMN


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "importance", ImportanceOptions)
    def importance(options: ImportanceOptions) -> int:
        """Measure what the output of a network moves with most: mean gradient magnitude, times the column's spread.

        With --probes, networks are trained with columns that tell the cluster's rate of the label and nothing else
        about a row; the report shows where these confounding probes rank in each (Fair MEDL section 2.7).
        """
        inputs = (options.model, options.data, options.contract)
        delivery = Delivery(options, inputs=inputs, written=[("--picture", options.picture)])
        with progress_bar(options.quiet) as progress:
            found = import_module("debias.experiments.importance").importance(
                options.model,
                options.data,
                probes=options.probes,
                attr=options.attr or (),
                label=options.label,
                positive=options.positive,
                cluster=options.cluster,
                seen=options.seen,
                regression=options.regression,
                features=arguments.columns(options.features),
                ignore=arguments.columns(options.ignore) or (),
                bins=options.bins,
                missing_attr=options.missing_attr.value,
                contract=options.contract,
                output_kind=options.output_kind.value if options.output_kind else None,
                trust=options.trust,
                at_mean=options.at_mean,
                of=options.of.value,
                top=options.top,
                debias_attr=options.debias_attr,
                settings=arguments.pairs(options.settings, "--set", "NAME=VALUE") or None,
                probe_noise=options.probe_noise,
                seeds=options.seeds,
                seed=options.seed,
                workers=options.workers,
                picture=options.picture,
                by=options.by.value,
                force=options.force,
                progress=progress,
            )
        return delivery.hand_over(found)
