"""`debias inspect`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import typer

from debias.cli.common import Json, Quiet
from debias.cli.options import ModelOptions
from debias.cli.output import show
from debias.cli.verbs import verb


@dataclass(frozen=True, kw_only=True)
class InspectOptions(ModelOptions):
    """A model file and how to print what is found."""

    json: Json = False
    quiet: Quiet = False


def register(app: typer.Typer) -> None:
    """Add the verb to `app`."""

    @verb(app, "inspect", InspectOptions)
    def inspect(options: InspectOptions) -> int:
        """Say what a model file is and what of it can be repaired by which method.

        Exit code 0 if it can be used, 2 if it is refused; every reason is printed.
        """
        found = import_module("debias.run").inspect(options.model, contract=options.contract, trust=options.trust)
        show(found, json=options.json, quiet=options.quiet)
        return int(found.exit_code)
