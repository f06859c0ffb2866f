"""Flags of a table that is read a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from debias.cli.verbs import DATA

_NAMES = ("batch_rows", "workers", "ray")
_NODES = (
    "HOST:PORT of a cluster that this machine is a node of; local starts Ray here. Every node sees the files under the "
    "same paths."
)


def _batch_rows(so: str) -> Any:
    return typer.Option(metavar="N", help=f"Rows of a batch; {so}. Default: 65,536.", rich_help_panel=DATA)


def _workers(what: str) -> Any:
    return typer.Option(metavar="N", help=f"Processes at a time{what} No figure depends on it.", rich_help_panel=DATA)


def _ray(what: str) -> Any:
    return typer.Option(metavar="ADDRESS", help=f"{what}: {_NODES}", rich_help_panel=DATA)


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
    batch_rows: Annotated[int | None, _batch_rows("implies --stream")] = None
    workers: Annotated[
        int,
        _workers(
            ", each reading pieces of --data of its own; more than one implies --stream. Of several models, jobs at a "
            "time."
        ),
    ] = 1
    ray: Annotated[str | None, _ray("Read the pieces on Ray; implies --stream")] = None

    @property
    def streaming(self) -> dict[str, Any]:
        """The same as arguments of `debias.audit`."""
        return {name: getattr(self, name) for name in ("stream", *_NAMES)}


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
    batch_rows: Annotated[int | None, _batch_rows("implies --sample-rows")] = None
    workers: Annotated[int, _workers(" that count the verdict; more than one implies --sample-rows.")] = 1
    ray: Annotated[str | None, _ray("Count the verdict on Ray; implies --sample-rows")] = None

    @property
    def sampling(self) -> dict[str, Any]:
        """The same as arguments of a repair."""
        return {name: getattr(self, name) for name in ("sample_rows", *_NAMES)}
