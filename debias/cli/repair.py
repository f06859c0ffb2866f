"""The repairing verbs: one for every method, its flags made from the method's own settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

import typer

from debias import methods
from debias.cli import arguments
from debias.cli.audit import measured
from debias.cli.delivery import Delivery
from debias.cli.options import RepairOptions
from debias.cli.progress import progress_bar
from debias.cli.streaming import SampleOptions
from debias.cli.verbs import verb, with_settings
from debias.methods.base import Method


def register(app: typer.Typer) -> None:
    """Add the verb of every method to `app`."""
    for name in methods.names():
        _register(app, methods.load(name))


@dataclass(frozen=True, kw_only=True)
class MethodOptions(SampleOptions, RepairOptions):
    """What the verb of every method asks for."""


def options_of(method: type[Method]) -> type[MethodOptions]:
    """Return the options of a method's verb: those of every repair, and the method's own settings."""
    return with_settings(MethodOptions, method, f"{method.__name__}Options")


def _register(app: typer.Typer, method: type[Method]) -> None:
    def run(options: MethodOptions) -> int:
        own = {item.name: getattr(options, item.name) for item in fields(method)}  # type: ignore[arg-type]
        return repair(method.name, options, **options.sampling, **own)

    run.__doc__ = (method.__doc__ or "").partition("\n\n    Parameters")[0]
    verb(app, method.name, options_of(method))(run)


def repair(name: str, options: RepairOptions, home: str = "debias.run", **settings: Any) -> int:
    """Run the verb `name`, a function of the module `home`, with its own `settings` and return its exit code."""
    out = options.out or arguments.beside(options.model, name)
    inputs = (options.model, options.data, options.train, options.test, options.contract)
    delivery = Delivery(options, inputs=inputs, written=[("--out", out)])
    given = measured(options)
    run = getattr(import_module(home), name)
    with progress_bar(options.quiet) as progress:
        report = run(
            options.model,
            options.data,
            eps=options.eps,
            **given,
            margin=options.margin,
            min_performance=options.min_performance,
            selection=options.selection.value if options.selection else None,
            pool=options.pool,
            train=options.train,
            test=options.test,
            holdout=options.holdout,
            fit_share=options.fit_share,
            edit=options.edit.value,
            split_by=options.split_by,
            keep_scores=options.keep_scores,
            out=out,
            force=options.force,
            keep_best=options.keep_best,
            progress=progress,
            **settings,
        )
    return delivery.hand_over(report)
