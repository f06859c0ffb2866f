"""`debias prune`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from debias.cli.options import SEARCH, RepairOptions, verb
from debias.cli.repair import repair


class Influence(StrEnum):
    """Where a unit's influence on the bias is taken."""

    ACTIVATION = "activation"
    PREACTIVATION = "preactivation"


@dataclass(frozen=True, kw_only=True)
class PruneOptions(RepairOptions):
    """A repair with the settings of Algorithm 1."""

    steps: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            help="Each step prunes the units above the quantile 1 - 1/B of the influences. Default: one unit a step.",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None
    outgoing: Annotated[
        bool,
        typer.Option(
            "--outgoing/--incoming",
            help="Which weights of a unit become zero: outgoing (Algorithm 1) or incoming (published code; a unit "
            "before a BatchNorm then still sends a constant on).",
            rich_help_panel=SEARCH,
        ),
    ] = True
    influence: Annotated[
        Influence,
        typer.Option(
            help="Where a unit's influence on the bias is taken: before its activation (published code), or at it "
            "(text of the paper).",
            rich_help_panel=SEARCH,
        ),
    ] = Influence.PREACTIVATION
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Take at most this many steps. Default: until every unit is out.",
            rich_help_panel=SEARCH,
            min=1,
        ),
    ] = None
    stop_below: Annotated[
        float,
        typer.Option(
            metavar="BA",
            help="Balanced accuracy below which a network has collapsed and is pruned no further; 0 goes on.",
            rich_help_panel=SEARCH,
        ),
    ] = 0.52


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "prune", PruneOptions)
    def prune(options: PruneOptions) -> int:
        """Prune the units with the largest influence on the bias (Algorithm 1)."""
        return repair(
            "prune",
            options,
            steps=options.steps,
            outgoing=options.outgoing,
            influence=options.influence.value,
            limit=options.limit,
            stop_below=options.stop_below,
        )
