"""`debias verify`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from debias.cli.delivery import Delivery, ReportOptions
from debias.cli.options import FileOptions
from debias.cli.verbs import DATA, MODEL, verb


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(ReportOptions, FileOptions):
    """A file that debias wrote, and what it is held against."""

    source: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The network before: tells what the run changed, by name.", rich_help_panel=MODEL
        ),
    ] = None
    contract: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Contract of the source, for --recount, where the run was given one.",
            rich_help_panel=MODEL,
        ),
    ] = None
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table that was --data of the run.", rich_help_panel=DATA)
    ] = None
    train: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table that was --train of the run.", rich_help_panel=DATA)
    ] = None
    valid: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table that was --valid of the run.", rich_help_panel=DATA)
    ] = None
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Table that was --test of the run.", rich_help_panel=DATA)
    ] = None
    recount: Annotated[
        bool,
        typer.Option(
            "--recount",
            help="Count the recorded figures again. Needs all tables of the run, and --source for the figures of the "
            "network before.",
            rich_help_panel=DATA,
        ),
    ] = False
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON report of the run, kept in another place: its SHA-256 of the written file is compared.",
            rich_help_panel=DATA,
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "verify", VerifyOptions)
    def verify(options: VerifyOptions) -> int:
        """Hold a file that debias wrote against its own record: was it edited, is it of this source and these tables?

        The record carries a seal, a checksum of weights, program, contract and record; it is no signature. Exit code
        0 if all that was compared agrees, 1 if something differs or there is no seal, 2 if a file cannot be used.
        """
        tables = {role: getattr(options, role) for role in ("data", "train", "valid", "test")}
        inputs = (options.model, options.source, options.contract, options.against, *tables.values())
        delivery = Delivery(options, inputs=inputs)
        found = import_module("debias.run.verifying").verify(
            options.model,
            source=options.source,
            **tables,
            against=options.against,
            recount=options.recount,
            contract=options.contract,
            trust=options.trust,
        )
        return delivery.hand_over(found)
