"""What a run leaves beside its reports: a model card, and its entry in an experiment tracker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from debias.cli.common import Card, CardLicense, Mlflow, MlflowExperiment
from debias.cli.guard import say
from debias.errors import Problem, UsageError

if TYPE_CHECKING:
    from debias.report.values.every import Value

_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,99}\Z")


@dataclass(frozen=True, kw_only=True)
class CardOptions:
    """The model card."""

    card: Card = None
    card_license: CardLicense = None


@dataclass(frozen=True, kw_only=True)
class TrackingOptions:
    """The experiment tracker."""

    mlflow: Mlflow = None
    mlflow_experiment: MlflowExperiment = "debias"


def check_card(options: CardOptions) -> None:
    """Refuse, before any work, a card that could not be written as asked.

    Raises
    ------
    UsageError
        With every problem.
    """
    problems = []
    if options.card is not None and options.card.suffix.lower() != ".md":
        problems.append(Problem("does not end in .md", f"--card {options.card}", "A model card is Markdown: card.md."))
    if options.card_license is not None:
        where = f"--card-license {options.card_license}"
        if options.card is None:
            problems.append(Problem("belongs to --card, which is not asked", where, "Add --card FILE.md."))
        if not _LICENCE.match(options.card_license):
            problems.append(Problem("is no identifier of a licence", where, "Give one such as apache-2.0 or mit."))
    if problems:
        raise UsageError(problems)


def write_card(value: Value, options: CardOptions, force: bool) -> Path | None:
    """Write the model card where one is asked; of a run that wrote no model, say on stderr why there is none."""
    if options.card is None:
        return None
    from debias.files import write_atomic
    from debias.report.card import no_card, report_of, to_card

    report = report_of(value)
    if report is not None and (reason := no_card(report)) is not None:
        say(f"No card was written: {reason}.\n")
        return None
    write_atomic(options.card, to_card(value, options.card_license).encode(), force=force)
    return options.card


def check_tracker(options: TrackingOptions) -> None:
    """Refuse, before any work, a store that cannot be used here."""
    if options.mlflow is None:
        return
    from debias.report.mlflow_store import check_store

    check_store(options.mlflow)
    if not options.mlflow_experiment.strip():
        raise UsageError(Problem("is empty", "--mlflow-experiment", "Name the experiment."))


def track(value: Value, options: TrackingOptions, written: Sequence[Path]) -> None:
    """Log a run, with the files that it wrote.

    Raises
    ------
    WriteError
        The store cannot be reached or written.
    """
    if options.mlflow is None:
        return
    from debias.report.as_json import to_json
    from debias.report.mlflow_store import log
    from debias.report.tracking import tracked

    found = tracked(value)
    files = [(path, "reports") for path in written]
    if found.model is not None:
        files.append((Path(found.model), "model"))
    log(found, options.mlflow, options.mlflow_experiment, files, to_json(value))
