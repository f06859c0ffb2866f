"""`debias train`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from debias.cli import arguments
from debias.cli.choices import MissingAttribute, Side
from debias.cli.common import ColumnKinds, Regression, Seed
from debias.cli.delivery import Delivery, ReportOptions
from debias.cli.options import ColumnOptions
from debias.cli.progress import progress_bar
from debias.cli.records import TrackingOptions
from debias.cli.verbs import DATA, OUTPUT, verb, with_settings
from debias.errors import Problem, UsageError
from debias.training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class _TrainOptions(ReportOptions, TrackingOptions, ColumnOptions):
    """The kind of network, the table, and where the file goes."""

    model: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="nnet, da, fair-adb-da, fair-acl-da, medl, fair-adb-medl, fair-adb-nnet, cluster-input, or mlp.",
        ),
    ]
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The network: TorchScript (.pt) or torch.export (.pt2), by its ending.",
            rich_help_panel=OUTPUT,
        ),
    ]
    attr: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN",
            help="Column of a protected attribute, or an intersection of columns, quoted as 'sex*race'. Repeatable. It "
            "stays among the inputs; kinds with adversaries or correlations mend all of them.",
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
    favorable: Annotated[
        Side | None,
        typer.Option(
            help="Which decision is favourable for a person; goes into the contract. Default: positive.",
            rich_help_panel=DATA,
        ),
    ] = None
    privileged: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VALUE",
            help="Privileged group; of several attributes sex=male. Repeatable. Goes into the contract. Default: the "
            "larger of two numeric values; else that of two groups with the higher rate of favourable labels.",
            rich_help_panel=DATA,
        ),
    ] = None
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Input columns, with commas, quoted as in CSV where a name has one. Repeatable. Default: all but "
            "label, cluster and ignored ones.",
            rich_help_panel=DATA,
        ),
    ] = None
    bins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EDGES",
            help="Cuts a numeric attribute into groups: edges with commas (25,40; one edge: 25,) or a number of "
            "groups of like size (4); of several attributes age=25,40. Repeatable. The input stays the number.",
            rich_help_panel=DATA,
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the cluster: hospital, branch, occupation. It is no input column. Required, but for nnet, "
            "mlp and fair-adb-nnet.",
            rich_help_panel=DATA,
        ),
    ] = None
    seen: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Train on the K largest clusters; rows of the others take no part. Default: all.",
            rich_help_panel=DATA,
        ),
    ] = None
    regression: Regression = False
    missing_attr: Annotated[
        MissingAttribute,
        typer.Option(
            help="Rows without an attribute: refuse the table, drop them, or take them as a group.",
            rich_help_panel=DATA,
        ),
    ] = MissingAttribute.ERROR
    kind: ColumnKinds = None
    valid: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rows that choose the epoch and the thresholds. Default: a part of --data.",
            rich_help_panel=DATA,
        ),
    ] = None
    valid_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Without --valid: share of the rows for that, stratified by cluster and label. Default: 0.15.",
            rich_help_panel=DATA,
        ),
    ] = None
    seed: Seed = 0
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep the state here after each epoch: the same command then goes on where a killed one was.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option("--resume/--restart", help="Go on from a checkpoint, or start anew.", rich_help_panel=OUTPUT),
    ] = True


TrainOptions = with_settings(_TrainOptions, Settings, "TrainOptions", asked=True)


def table(options: Any) -> dict[str, Any]:
    """Return the arguments about rows and columns that `train` and `tune` share."""
    return {
        "label": options.label,
        "cluster": options.cluster,
        "seen": options.seen,
        "positive": options.positive,
        "favorable": options.favorable.value if options.favorable else None,
        "privileged": options.privileged,
        "bins": options.bins,
        "features": arguments.columns(options.features),
        "ignore": arguments.columns(options.ignore) or (),
        "kinds": arguments.pairs(options.kind, "--kind", "NAME=KIND"),
        "regression": options.regression,
        "missing_attr": options.missing_attr.value,
        "valid": options.valid,
        "valid_share": options.valid_share,
        "seed": options.seed,
    }


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "train", TrainOptions)
    def train(options: _TrainOptions) -> int:
        """Train a network on a raw table with clusters and write it with its contract.

        The kinds are those of the paper on mixed effects: nnet; da (the cluster is kept out of the hidden layers);
        medl (fixed effects for all, random effects of each cluster); fair-adb-… and fair-acl-… (adversaries or
        correlations keep protected attributes out of the predictions); and two that it lacks, fair-adb-nnet and
        cluster-input. mlp is the network of Table 2 of the paper on parity proxies, with --lr, --batch-size, --epochs
        and --patience of its own.

        Exit code 1 if training diverged: the file then holds the best epoch before.
        """
        return run(options)


def run(options: _TrainOptions) -> int:
    """Train as asked and return the exit code."""
    delivery = Delivery(options, inputs=(options.data, options.valid), written=[("--out", options.out)])
    settings = _given(options)
    home = import_module("debias.run.training")
    with progress_bar(options.quiet) as progress:
        report = home.train(
            options.model,
            options.data,
            attr=options.attr,
            out=options.out,
            **table(options),
            checkpoint=options.checkpoint,
            resume=options.resume,
            force=options.force,
            progress=progress,
            **settings,
        )
    return delivery.hand_over(report)


def _given(options: _TrainOptions) -> dict[str, Any]:
    """Return the settings that the command line names: kinds differ in their defaults."""
    found = {item.name: getattr(options, item.name) for item in fields(Settings)}
    several = {item.name for item in fields(Settings) if isinstance(item.default, tuple)}
    return {
        name: _units(value, name) if name in several else value for name, value in found.items() if value is not None
    }


def _units(text: str, name: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        flag = f"--{name.replace('_', '-')}"
        raise UsageError(Problem(f"{text!r} is no list of whole numbers", flag, "Write e.g. 64,32,16.")) from None
