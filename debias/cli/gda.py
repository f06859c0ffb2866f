"""`debias gda`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from debias.cli.options import SEARCH, RepairOptions, verb
from debias.cli.repair import repair


class Optimizer(StrEnum):
    """How a step is taken."""

    ADAM = "adam"
    SGD = "sgd"


@dataclass(frozen=True, kw_only=True)
class GdaOptions(RepairOptions):
    """A repair with the settings of Algorithm 2."""

    lr: Annotated[float, typer.Option(metavar="RATE", help="Learning rate.", rich_help_panel=SEARCH)] = 1e-5
    epochs: Annotated[int, typer.Option(metavar="N", help="Number of epochs.", rich_help_panel=SEARCH, min=1)] = 100
    batch_size: Annotated[
        int, typer.Option(metavar="N", help="Rows in a batch; each holds every group.", rich_help_panel=SEARCH, min=2)
    ] = 256
    optimizer: Annotated[
        Optimizer,
        typer.Option(
            help="adam, or sgd as the paper has it, which hardly moves the bias at its learning rate.",
            rich_help_panel=SEARCH,
        ),
    ] = Optimizer.ADAM
    one_batch: Annotated[
        bool,
        typer.Option(
            "--one-batch",
            help="One batch an epoch, as Algorithm 2 has it. Default: a full pass an epoch.",
            rich_help_panel=SEARCH,
        ),
    ] = False
    evaluations: Annotated[
        int,
        typer.Option(
            metavar="N", help="How often an epoch is evaluated on the selection rows.", rich_help_panel=SEARCH, min=1
        ),
    ] = 1


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "gda", GdaOptions)
    def gda(options: GdaOptions) -> int:
        """Fine-tune by gradient descent or ascent on the bias (Algorithm 2)."""
        return repair(
            "gda",
            options,
            lr=options.lr,
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer=options.optimizer.value,
            one_batch=options.one_batch,
            evaluations=options.evaluations,
        )
