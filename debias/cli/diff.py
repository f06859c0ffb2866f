"""`debias diff`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from debias.cli.delivery import Delivery, ReportOptions
from debias.cli.verbs import CONSTRAINT, OUTPUT, verb


@dataclass(frozen=True, kw_only=True)
class DiffOptions(ReportOptions):
    """Two reports, and when the second is worse."""

    first: Annotated[
        Path, typer.Argument(metavar="FIRST", help="JSON report of the run that the other is held against.")
    ]
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="JSON report of the run to look at.")]
    tolerance: Annotated[
        float,
        typer.Option(
            metavar="T",
            help="The second run is worse where the |bias| of an attribute is larger by more than T.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = 0.0
    fail_if_worse: Annotated[
        bool,
        typer.Option(
            "--fail-if-worse",
            help="Exit code 1 where the second run is worse: a larger |bias|, one that is not defined any more, or a "
            "worse verdict under the same bound.",
            rich_help_panel=CONSTRAINT,
        ),
    ] = False
    full: Annotated[
        bool,
        typer.Option("--full", help="Print the groups of the network as deployed too.", rich_help_panel=OUTPUT),
    ] = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "diff", DiffOptions)
    def diff(options: DiffOptions) -> int:
        """Hold two runs side by side, from their JSON reports alone.

        Audits, repairs and comparisons: verdicts, the bias and every group's figures with their differences (second
        minus first), and the settings, files and rows that differ. Exit code 0, unless --fail-if-worse is given.
        """
        delivery = Delivery(options, inputs=(options.first, options.second))
        found = import_module("debias.run.differing").diff(
            options.first, options.second, tolerance=options.tolerance, fail_if_worse=options.fail_if_worse
        )
        return delivery.hand_over(found)
