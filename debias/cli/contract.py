"""`debias contract`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from debias.cli import arguments
from debias.cli.common import Force
from debias.cli.files import check_files
from debias.cli.guard import say
from debias.cli.options import ColumnOptions, FileOptions, OutputOptions
from debias.cli.output import show_json
from debias.cli.verbs import DATA, MODEL, OUTPUT, verb
from debias.report.text import visible


@dataclass(frozen=True, kw_only=True)
class ContractOptions(ColumnOptions, OutputOptions, FileOptions):
    """What a contract states, and where it goes."""

    role: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ROLE",
            help="Role of an input of the network: features, cluster or group. Repeatable. Default: a single input "
            "is features.",
            rich_help_panel=MODEL,
        ),
    ] = None
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND",
            help="Kind of a feature where its values do not tell: numeric, boolean or category. Repeatable.",
            rich_help_panel=DATA,
        ),
    ] = None
    missing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RULE",
            help="What a missing value of a feature becomes: error, mean, zero or category. Repeatable. "
            "Default: the mean, a category of its own, or false where the table has gaps, else error.",
            rich_help_panel=DATA,
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column that an input of the role cluster is made from.", rich_help_panel=DATA
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Contract file. Default: MODEL.debias.json, unless --embed is given.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    embed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a copy of the model that carries the contract.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    force: Force = False
    json: Annotated[
        bool, typer.Option("--json", help="The contract as JSON on stdout too.", rich_help_panel=OUTPUT)
    ] = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "contract", ContractOptions)
    def contract(options: ContractOptions) -> int:
        """Write down once what a table and a network mean to each other.

        Names the roles of the inputs, the feature columns in order and their encoding, label and attribute.
        """
        out = options.out
        if out is None and options.embed is None:
            out = options.model.with_name(options.model.name + ".debias.json")
        targets = [path for path in (out, options.embed) if path is not None]
        check_files([("--out", out), ("--embed", options.embed)], (options.model, options.data), options.force)
        written = import_module("debias.run").contract(
            options.model,
            options.data,
            attr=options.attr,
            label=options.label,
            positive=options.positive,
            favorable=options.favorable.value if options.favorable else None,
            privileged=options.privileged,
            features=arguments.columns(options.features),
            ignore=arguments.columns(options.ignore) or (),
            bins=options.bins,
            roles=arguments.pairs(options.role, "--role", "NAME=ROLE"),
            kinds=arguments.pairs(options.kind, "--kind", "NAME=KIND"),
            missing=arguments.pairs(options.missing, "--missing", "NAME=RULE"),
            cluster=options.cluster,
            output_kind=options.output_kind.value if options.output_kind else None,
            decision=options.decision.value if options.decision else None,
            threshold=options.threshold,
            out=out,
            embed=options.embed,
            force=options.force,
            trust=options.trust,
            note=lambda text: say(f"{visible(text)}\n"),
        )
        if options.json:
            show_json(written.to_json())
        for path in targets:
            say(f"written: {visible(str(path))}\n")
        return 0
