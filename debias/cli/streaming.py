"""Flags of a table that is read a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from debias.cli.verbs import DATA


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """How a table that need not fit into memory is read."""

    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Read --data a batch at a time, so that memory does not grow with its rows. Default: where the table "
            "would take more than 2 GiB.",
            rich_help_panel=DATA,
        ),
    ] = None
    batch_rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="Rows of a batch; implies --stream. Default: 65,536.", rich_help_panel=DATA),
    ] = None
    workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Processes at a time, each reading pieces of --data of its own; more than one implies --stream. Of "
            "several models, jobs at a time. No figure depends on it.",
            rich_help_panel=DATA,
        ),
    ] = 1
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Read the pieces on Ray; implies --stream: HOST:PORT of a cluster that this machine is a node of; "
            "local starts Ray here. Every node sees the files under the same paths.",
            rich_help_panel=DATA,
        ),
    ] = None

    @property
    def streaming(self) -> dict[str, object]:
        """The same as arguments of `debias.audit`."""
        names = ("stream", "batch_rows", "workers", "ray")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How a repair chooses on a table that need not fit into memory."""

    sample_rows: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Choose on N rows of --data, drawn at random from each combination of groups and label in their "
            "proportion; all other rows, or those of --test, give the verdict. Default: 200,000 where the table would "
            "take more than 2 GiB, else all rows but those of --holdout.",
            rich_help_panel=DATA,
        ),
    ] = None
    batch_rows: Annotated[
        int | None,
        typer.Option(metavar="N", help="Rows of a batch, with --sample-rows. Default: 65,536.", rich_help_panel=DATA),
    ] = None
    workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Processes at a time that count the verdict, with --sample-rows. No figure depends on it.",
            rich_help_panel=DATA,
        ),
    ] = 1
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Count the verdict on Ray, with --sample-rows: HOST:PORT of a cluster that this machine is a node of; "
            "local starts Ray here. Every node sees the files under the same paths.",
            rich_help_panel=DATA,
        ),
    ] = None

    @property
    def sampling(self) -> dict[str, Any]:
        """The same as arguments of a repair."""
        names = ("sample_rows", "batch_rows", "workers", "ray")
        return {name: getattr(self, name) for name in names}
