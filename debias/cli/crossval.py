"""`debias crossval`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from debias.cli import arguments
from debias.cli.choices import MissingAttribute, UnseenZ
from debias.cli.common import ColumnKinds, Ignore, Positive, Regression, Table
from debias.cli.delivery import Delivery, ReportOptions
from debias.cli.progress import progress_bar
from debias.cli.verbs import DATA, MODEL, SEARCH, verb


@dataclass(frozen=True, kw_only=True)
class CrossvalOptions(ReportOptions):
    """Which networks, which rows, how many folds."""

    kinds: Annotated[
        list[str],
        typer.Argument(
            metavar="KIND...",
            help="Kinds of networks: nnet, da, fair-adb-da, fair-acl-da, medl, fair-adb-medl, fair-adb-nnet, "
            "cluster-input; each may have settings, as in fair-adb-medl:lambda_fair=1,lambda_swap=1. Among them, "
            "attr=sex+age names the attributes that this one is debiased on.",
        ),
    ]
    data: Table
    cluster: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column that names the cluster of a row.", rich_help_panel=DATA)
    ]
    attr: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN",
            help="Column of a protected attribute, or an intersection of columns, quoted as 'sex*race'. Repeatable.",
            rich_help_panel=DATA,
        ),
    ]
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the label. Default: the only column named label, y or target.",
            rich_help_panel=DATA,
        ),
    ] = None
    positive: Positive = None
    regression: Regression = False
    seen: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="The K largest clusters are dealt to folds; rows of the others are predicted by every fold's model. "
            "Default: all.",
            rich_help_panel=DATA,
        ),
    ] = None
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Feature columns, with commas, quoted as in CSV where a name has one. Repeatable. Default: all but "
            "label, cluster and ignored ones.",
            rich_help_panel=DATA,
        ),
    ] = None
    ignore: Ignore = None
    kind: ColumnKinds = None
    bins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EDGES",
            help="Cuts a numeric attribute into groups: edges with commas (31,46) or a number of groups of like size "
            "(4); of several attributes age=31,46. Repeatable.",
            rich_help_panel=DATA,
        ),
    ] = None
    missing_attr: Annotated[
        MissingAttribute,
        typer.Option(
            help="Rows without an attribute: refuse the table, drop them, or take them as a group, as the Fair MEDL "
            "paper does.",
            rich_help_panel=DATA,
        ),
    ] = MissingAttribute.GROUP
    unseen_z: Annotated[
        UnseenZ,
        typer.Option(
            help="Cluster input of a row of an unseen cluster: predicted probabilities of the seen ones, a 1 for the "
            "likeliest, or zeros.",
            rich_help_panel=MODEL,
        ),
    ] = UnseenZ.SOFT
    folds: Annotated[
        int,
        typer.Option(
            metavar="N", help="Folds: one tests, the next validates, the others train.", rich_help_panel=SEARCH
        ),
    ] = 10
    run_folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Run only the first N folds. Default: all.", rich_help_panel=SEARCH),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What all others are compared with. Default: medl for fair-adb-medl, da for fair-adb-da and "
            "fair-acl-da, nnet for fair-adb-nnet, where they take part.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    debias_attr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Attribute that networks are debiased on. Repeatable. Default: every --attr.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of every training, such as epochs=20. Repeatable. Default: those of debias train.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    draws: Annotated[
        int, typer.Option(metavar="N", help="Draws of the paired bootstrap over rows.", rich_help_panel=SEARCH)
    ] = 1000
    seed: Annotated[
        int, typer.Option(metavar="N", help="Seed of folds, trainings and draws.", rich_help_panel=SEARCH)
    ] = 0
    work: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep each fold's predictions in DIR as soon as they are there; the same command then goes on where "
            "it was ended. Default: nothing is kept.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes at a time; no figure depends on it. Default: the cores.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="End a training after this time; the others go on. Default: no limit.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run the folds on Ray: HOST:PORT of a cluster, local to start one on this machine, auto for that of "
            "RAY_ADDRESS. Default: processes of this machine.",
            rich_help_panel=SEARCH,
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "crossval", CrossvalOptions)
    def crossval(options: CrossvalOptions) -> int:
        """Train kinds of networks in folds and compare them with their baselines (Fair MEDL section 2.7).

        Figures of seen clusters are of the pooled test rows of all folds, those of unseen clusters are means over the
        folds' models. Differences have a paired bootstrap over rows, corrected for their number (Holm).
        """
        delivery = Delivery(options, inputs=(options.data,))
        with progress_bar(options.quiet) as progress:
            found = import_module("debias.experiments.crossval").crossval(
                options.kinds,
                options.data,
                label=options.label,
                cluster=options.cluster,
                attr=options.attr,
                positive=options.positive,
                bins=options.bins,
                seen=options.seen,
                features=arguments.columns(options.features),
                ignore=arguments.columns(options.ignore) or (),
                column_kinds=arguments.pairs(options.kind, "--kind", "NAME=KIND"),
                regression=options.regression,
                missing_attr=options.missing_attr.value,
                folds=options.folds,
                run_folds=options.run_folds,
                unseen_z=options.unseen_z.value,
                baseline=options.baseline,
                debias_attr=options.debias_attr,
                settings=arguments.pairs(options.settings, "--set", "NAME=VALUE"),
                draws=options.draws,
                seed=options.seed,
                work=options.work,
                workers=options.workers,
                timeout=options.timeout,
                ray=options.ray,
                progress=progress,
            )
        return delivery.hand_over(found)
