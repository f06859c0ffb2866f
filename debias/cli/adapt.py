"""`debias adapt`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from debias.cli.choices import Metric, MissingAttribute
from debias.cli.delivery import Delivery, ReportOptions
from debias.cli.options import ModelOptions
from debias.cli.verbs import DATA, OUTPUT, SEARCH, verb


@dataclass(frozen=True, kw_only=True)
class AdaptOptions(ReportOptions, ModelOptions):
    """The network, the labelled rows of new clusters, and where the file goes."""

    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Table with labelled rows of clusters that the network does not know; rows of known ones take no "
            "part. CSV (also .gz, .zst), Parquet or Arrow IPC.",
            rich_help_panel=DATA,
        ),
    ]
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The network with the clusters added: TorchScript (.pt) or torch.export (.pt2), by its ending.",
            rich_help_panel=OUTPUT,
        ),
    ]
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that names the cluster of a row. Default: from the contract.",
            rich_help_panel=DATA,
        ),
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Cluster to add. Repeatable. Default: all that the network does not know.",
            rich_help_panel=DATA,
        ),
    ] = None
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the label. Default: from the contract, else the only column named label, y or target.",
            rich_help_panel=DATA,
        ),
    ] = None
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="VALUE", help="Label value that a high score predicts. Default: from the contract.",
            rich_help_panel=DATA,
        ),
    ] = None  # fmt: skip
    attr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of a protected attribute whose bias is measured on rows that took no part, or an intersection "
            "of columns, quoted as 'sex*race'. Repeatable.",
            rich_help_panel=DATA,
        ),
    ] = None
    privileged: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="Privileged group; of several attributes sex=male. Repeatable. Default: from the contract, else as "
            "for an audit.",
            rich_help_panel=DATA,
        ),
    ] = None
    bins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EDGES",
            help="Cuts a numeric attribute into groups: edges with commas (25,40; one edge: 25,) or a number of "
            "groups of like size (4); of several attributes age=25,40. Repeatable. Default: from the contract.",
            rich_help_panel=DATA,
        ),
    ] = None
    missing_attr: Annotated[
        MissingAttribute,
        typer.Option(
            help="Rows without an attribute: refuse the table, leave them out of the bias, or take them as a group.",
            rich_help_panel=DATA,
        ),
    ] = MissingAttribute.ERROR
    metric: Annotated[
        Metric | None,
        typer.Option(
            help="The bias. Default: statistical-parity; of a regression mean-difference.", rich_help_panel=SEARCH
        ),
    ] = None
    most: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Rows of a cluster that estimate its effects at most; the others tell what the estimate brings.",
            rich_help_panel=SEARCH,
        ),
    ] = 50
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the draw of rows where there are more.", rich_help_panel=SEARCH)
    ] = 0


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "adapt", AdaptOptions)
    def adapt(options: AdaptOptions) -> int:
        """Add clusters to a mixed-effects network from a few labelled rows of each.

        Their random effects are the most probable ones under the prior of the training (a Laplace step; of a
        regression exact); nothing else of the network changes. What that brings is told on the rows left over.
        """
        inputs = (options.model, options.data, options.contract)
        delivery = Delivery(options, inputs=inputs, written=[("--out", options.out)])
        report = import_module("debias.run.adapting").adapt(
            options.model,
            options.data,
            out=options.out,
            cluster=options.cluster,
            only=options.only or (),
            most=options.most,
            attr=options.attr or (),
            label=options.label,
            positive=options.positive,
            privileged=options.privileged,
            bins=options.bins,
            missing_attr=options.missing_attr.value,
            metric=options.metric.value if options.metric else None,
            contract=options.contract,
            trust=options.trust,
            seed=options.seed,
            force=options.force,
        )
        return delivery.hand_over(report)
