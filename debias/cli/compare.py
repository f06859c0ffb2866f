"""`debias compare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from debias.cli import arguments
from debias.cli.options import RepairOptions
from debias.cli.repair import repair
from debias.cli.verbs import SEARCH, verb
from debias.errors import Problem, UsageError


@dataclass(frozen=True, kw_only=True)
class CompareOptions(RepairOptions):
    """What every repair asks for, and which methods with which settings."""

    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Methods with commas between. Default: all. threshold always takes part.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="METHOD.SETTING=VALUE",
            help="A setting of a method, such as gda.lr=0.001. Repeatable. Default: those of the method's own verb.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Processes at a time; no figure depends on it. Default: the cores, at most one a method.",
            rich_help_panel=SEARCH,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="End a method after this time; the others go on. Default: no limit.",
            rich_help_panel=SEARCH,
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "compare", CompareOptions)
    def compare(options: CompareOptions) -> int:
        """Run several methods under one objective, on the same rows, and write the file of the best.

        It is chosen on the selection rows alone; the exit code is that of its verdict. One that needs the protected
        attribute at prediction has to be more than a standard error better than the best that does not.
        """
        return repair(
            "compare",
            options,
            home="debias.experiments.compare",
            methods=arguments.columns(options.methods),
            settings=settings(options.settings),
            workers=options.workers,
            timeout=options.timeout,
        )


def settings(texts: list[str] | None) -> dict[str, dict[str, str]]:
    """Return METHOD.SETTING=VALUE texts as values by method and setting.

    Raises
    ------
    UsageError
        For each text of another form, and for a setting that is given twice with different values.
    """
    found: dict[str, dict[str, str]] = {}
    problems = []
    for text in texts or ():
        left, equals, value = text.partition("=")
        method, dot, name = left.partition(".")
        if not (equals and dot and method and name and value):
            problems.append(Problem(f"{text!r} is not of the form METHOD.SETTING=VALUE", "--set"))
        elif found.setdefault(method, {}).setdefault(name, value) != value:
            problems.append(Problem(f"{left!r} is given as {found[method][name]} and as {value}", "--set"))
    if problems:
        raise UsageError(problems)
    return found
