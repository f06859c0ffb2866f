"""`debias simulate`: tables of the simulations of the parity-proxies paper."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from debias.cli.common import Force
from debias.cli.guard import say
from debias.cli.verbs import DATA, OUTPUT, verb
from debias.errors import Problem, UsageError
from debias.files import check_output, write_atomic
from debias.report.text import visible


class Simulation(StrEnum):
    """The simulations."""

    LOH = "loh"
    ZAFAR = "zafar"


@dataclass(frozen=True, kw_only=True)
class SimulateOptions:
    """Which table, and where it goes."""

    simulation: Annotated[Simulation, typer.Argument(help="loh or zafar.", metavar="SIMULATION")]
    rows: Annotated[int, typer.Option(metavar="N", help="Number of rows.", rich_help_panel=DATA)]
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Table; .csv or .parquet by its ending.", rich_help_panel=OUTPUT)
    ]
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="A",
            help="loh: how much the attribute adds to the odds of the label; 0 none, the paper goes to 2.5.",
            rich_help_panel=DATA,
        ),
    ] = None
    theta: Annotated[
        float | None,
        typer.Option(
            metavar="RADIANS",
            help="zafar: angle between label and attribute; the nearer to 0, the more they go together. "
            "The paper takes 0.7 to 1.2.",
            rich_help_panel=DATA,
        ),
    ] = None
    width: Annotated[
        int | None, typer.Option(metavar="N", help="zafar: number of features. Default: 10.", rich_help_panel=DATA)
    ] = None
    map_seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="zafar: seed of the random network that makes the features. Tables to be used together need the "
            "same. Default: 0.",
            rich_help_panel=DATA,
        ),
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the rows.", rich_help_panel=DATA)] = 0
    force: Force = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "simulate", SimulateOptions)
    def simulate(options: SimulateOptions) -> int:
        """Write a made-up table whose bias one number sets (parity-proxies paper, appendix D.1).

        Columns: x1, x2, … are the features, a is the attribute (1 the group with the advantage), y the label (1 the
        favourable one). In loh, a is drawn without regard to x1 … x10: a network has to read a as well for its
        selection rates to differ. In zafar, features and attribute go together.
        """
        write(options)
        say(f"written: {visible(str(options.out))} ({options.rows:,} rows)\n")
        return 0


def write(options: SimulateOptions) -> None:
    """Write the table that `options` ask for, whole or not at all.

    Raises
    ------
    UsageError
        With every flag that is missing, out of place or out of range.
    WriteError
        If the file cannot be written.
    """
    from io import BytesIO

    from debias.data.simulate import loh_table, zafar_table

    problems = _misplaced(options)
    if problems:
        raise UsageError(problems)
    check_output(options.out, force=options.force)
    if options.simulation is Simulation.LOH:
        table = loh_table(options.rows, options.alpha or 0.0, options.seed)
    else:
        given = {"width": options.width, "map_seed": options.map_seed}
        chosen = {name: value for name, value in given.items() if value is not None}
        table = zafar_table(options.rows, options.theta or 0.0, options.seed, **chosen)
    buffer = BytesIO()
    if options.out.suffix.lower() == ".parquet":
        table.to_parquet(buffer, index=False)
    else:
        table.to_csv(buffer, index=False)
    write_atomic(options.out, buffer.getvalue(), force=options.force)


def _misplaced(options: SimulateOptions) -> list[Problem]:

    loh = {"--alpha": options.alpha}
    zafar = {"--theta": options.theta, "--width": options.width, "--map-seed": options.map_seed}
    needed, own, other = (
        ("--alpha", "loh", zafar) if options.simulation is Simulation.LOH else ("--theta", "zafar", loh)
    )
    problems = []
    if (loh | zafar)[needed] is None:
        problems.append(Problem(f"{own} needs {needed}", needed, "Give a number."))
    problems += [
        Problem(f"{own} has no such setting", flag, "Leave it out.")
        for flag, value in other.items()
        if value is not None
    ]
    if options.out.suffix.lower() not in (".csv", ".parquet"):
        problems.append(Problem("unknown ending", f"--out {options.out}", "End the name in .csv or .parquet."))
    return problems
