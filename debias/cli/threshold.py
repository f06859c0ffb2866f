"""`debias threshold`."""

from __future__ import annotations

import typer

from debias.cli.options import RepairOptions, verb
from debias.cli.repair import repair


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "threshold", RepairOptions)
    def threshold(options: RepairOptions) -> int:
        """Cut the scores of the unchanged network at its best common threshold that meets the bound.

        The plainest repair, and the yardstick for all others.
        """
        return repair("threshold", options)
