"""What the repairing verbs have in common."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from debias.cli import arguments
from debias.cli.audit import measured
from debias.cli.options import RepairOptions
from debias.cli.output import check_files, show, write_reports
from debias.cli.progress import progress_bar


def repair(name: str, options: RepairOptions, **settings: Any) -> int:
    """Run the verb `name` with its own `settings` and return its exit code."""
    reports = options.report or []
    out = options.out or arguments.beside(options.model, name)
    inputs = (options.model, options.data, options.train, options.test, options.contract)
    check_files(reports, inputs, out, options.force)
    given = measured(options)
    run = getattr(import_module("debias.run"), name)
    with progress_bar(options.quiet) as progress:
        report = run(
            options.model,
            options.data,
            eps=options.eps,
            **given,
            margin=options.margin,
            min_performance=options.min_performance,
            train=options.train,
            test=options.test,
            holdout=options.holdout,
            split_by=options.split_by,
            keep_scores=options.keep_scores,
            out=out,
            force=options.force,
            keep_best=options.keep_best,
            progress=progress,
            **settings,
        )
    show(report, json=options.json, quiet=options.quiet)
    write_reports(report, reports, options.force)
    return int(report.exit_code)
