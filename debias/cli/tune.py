"""`debias tune`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from debias.cli import arguments
from debias.cli.delivery import Delivery
from debias.cli.progress import progress_bar
from debias.cli.records import TrackingOptions
from debias.cli.train import TrainOptions, table
from debias.cli.verbs import OUTPUT, SEARCH, verb
from debias.training.settings import Settings


@dataclass(frozen=True, kw_only=True)
class _SearchOptions:
    """What is searched, how long, and where."""

    model: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="nnet, da, fair-adb-da, fair-acl-da, medl, fair-adb-medl, fair-adb-nnet, or cluster-input.",
        ),
    ]
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of debias train that is not searched, such as lambda_fair=0.3. Repeatable. epochs is the "
            "length of the longest trial, 27 by default.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    untied: Annotated[
        bool,
        typer.Option(
            "--untied",
            help="Search the weights of the adversaries of fixed- and mixed-effects predictions apart.",
            rich_help_panel=SEARCH,
        ),
    ] = False
    trials: Annotated[
        int,
        typer.Option(metavar="N", help="Trainings in all, those of an earlier run among them.", rich_help_panel=SEARCH),
    ] = 60
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Begin no trial after this time; with --ray those that run end too. Default: no limit.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    reference: Annotated[
        float | None,
        typer.Option(
            metavar="BA",
            help="Balanced accuracy of the network without fairness: settings that are more than 0.03 below it are "
            "not chosen.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Trials at a time. With 1 the search repeats bit for bit; with more, what is drawn depends on which "
            "trial ends first. Default: the cores.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Search on Ray Tune: HOST:PORT of a cluster that this machine is a node of; local starts Ray here; "
            "auto joins the cluster of RAY_ADDRESS, or starts one.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    storage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keeps the trials, with --ray a folder: the same command goes on where an earlier one ended, however "
            "it did. Default: the name of --out with .tune added.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the trials that are kept there.", rich_help_panel=OUTPUT)
    ] = False


def _with_rows(options: type) -> Any:
    """Return options with those of `debias train` that are no settings of the training beside them."""
    hints = get_type_hints(TrainOptions, include_extras=True)
    apart = {item.name for item in (*fields(Settings), *fields(options), *fields(TrackingOptions))}
    apart |= {"checkpoint", "resume"}
    rows = [
        (item.name, hints[item.name], dataclasses.field(default=item.default))
        for item in fields(TrainOptions)
        if item.name not in apart
    ]
    return dataclasses.make_dataclass("TuneOptions", rows, bases=(options,), frozen=True, kw_only=True)


TuneOptions = _with_rows(_SearchOptions)


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "tune", TuneOptions)
    def tune(options: Any) -> int:
        """Search the settings of a kind of network on a raw table, and train and write the best.

        A trial is a training as debias train does it, judged on the validation rows alone: by balanced accuracy less
        half the dispersion of true and false positive rates over groups, for kinds whose loss has a part for
        protected attributes. Optuna draws the settings (TPE) and ends trials early (Hyperband, with epochs as the
        budget). The report has the best settings, and the trials that no other beats in balanced accuracy and
        dispersion at once.
        """
        return run(options)


def run(options: Any) -> int:
    """Search as asked and return the exit code."""
    delivery = Delivery(options, inputs=(options.data, options.valid), written=[("--out", options.out)])
    home = import_module("debias.experiments.tune")
    with progress_bar(options.quiet) as progress:
        report = home.tune(
            options.model,
            options.data,
            attr=options.attr,
            out=options.out,
            fixed=arguments.pairs(options.settings, "--set", "NAME=VALUE"),
            tied=not options.untied,
            trials=options.trials,
            timeout=options.timeout,
            reference=options.reference,
            storage=options.storage,
            restart=options.restart,
            workers=options.workers,
            ray=options.ray,
            progress=progress,
            **table(options),
            force=options.force,
        )
    return delivery.hand_over(report)
