"""What a human reads about a search over settings, in order and without a format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from debias.report.content.document import Document, Section, Table
from debias.report.content.thinning import thinned
from debias.report.content.training import training_document
from debias.report.text import count, rate, signed
from debias.report.values.tuning import TrialState, Tuning, TuningTrial

MOST_TRIALS, MOST_POINTS = 12, 12
STATES: Mapping[TrialState, str] = {
    "complete": "complete",
    "pruned": "ended early",
    "diverged": "diverged",
    "failed": "failed",
}


def tuning_document(found: Tuning) -> Document:
    """Return what a human report of a search says."""
    network = training_document(found.training)
    own = [section for section in network.sections if section.title not in ("Settings", "Notes", "To repeat")]
    return Document(
        title=f"debias tune {found.kind}",
        headline="TUNED" if found.exit_code == 0 else network.headline,
        statement=found.statement,
        warnings=network.warnings,
        sections=(*_sections(found), *own, *_closing(found)),
    )


def _sections(found: Tuning) -> Iterator[Section]:
    yield _best(found)
    yield _trials(found)
    yield _front(found)
    if failed := [trial for trial in found.trials if trial.reasons]:
        yield Section("Failed", items=tuple(f"trial {trial.number}: {' '.join(trial.reasons)}" for trial in failed))


def _best(found: Tuning) -> Section:
    best = found.best.parameters
    unused = {name for name in best if name.startswith("units_") and int(name[6:]) > best["layers"]}
    rows = [(name, _setting(best[name]), told) for name, told in found.ranges.items() if name not in unused]
    rows += [(name, _setting(value), "fixed") for name, value in found.fixed.items()]
    sentences = [
        f"Trial {found.best.number} of {count(len(found.trials))} has the highest J among those that came to their "
        f"end: {signed(found.best.objective)}.",
        found.measure,
        f"Judged on {count(found.valid)} validation rows alone, which chose it: its figures there are optimistic.",
    ]
    if found.reference is not None:
        sentences.append(f"Its balanced accuracy is at most 0.03 below the {rate(found.reference)} of --reference.")
    return Section("Best settings", tuple(sentences), Table(("parameter", "value", "searched"), tuple(rows), "lrl"))


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _trials(found: Tuning) -> Section:
    states = Counter(trial.state for trial in found.trials)
    told = ", ".join(f"{count(states[state])} {name}" for state, name in STATES.items() if states[state])
    sentences = [f"{count(len(found.trials))} trials of {found.least_epochs} to {found.most_epochs} epochs: {told}."]
    if found.resumed:
        sentences.append(f"{count(found.resumed)} of them an earlier run had done.")
    ranked = sorted(found.trials, key=lambda trial: (not trial.chosen, -_number(trial.objective), trial.number))
    if len(ranked) > MOST_TRIALS:
        sentences.append(f"The {MOST_TRIALS} with the highest J; the JSON report has all.")
    shown = ranked[:MOST_TRIALS]
    performance = "MSE" if found.task == "regression" else "bal.acc"
    columns = ("trial", "J", performance, "dispersion", "epochs", "best", "end")
    rows = tuple(
        (
            f"{trial.number} *" if trial.chosen else str(trial.number),
            signed(trial.objective),
            *_figures(trial),
            str(trial.epochs),
            "–" if trial.best_epoch is None else str(trial.best_epoch),
            STATES[trial.state],
        )
        for trial in shown
    )
    return Section("Trials", tuple(sentences), Table(columns, rows, "lrrrrrl"), key="trials")


def _number(value: float | None) -> float:
    return -math.inf if value is None else value


def _figures(trial: TuningTrial) -> tuple[str, str]:
    performance = trial.balanced_accuracy if trial.mse is None else trial.mse
    return _four(performance), _four(trial.dispersion)


def _four(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def _front(found: Tuning) -> Section:
    points = found.front
    shown = thinned(points, MOST_POINTS)
    performance, better = (
        ("MSE", "smaller MSE") if found.task == "regression" else ("bal.acc", "higher balanced accuracy")
    )
    sentences = [f"No trial, at its best epoch, has both a {better} and a smaller dispersion than one of these."]
    if len(shown) < len(points):
        sentences.append(f"{count(len(shown))} of {count(len(points))} points; the JSON report has all.")
    rows = tuple((f"{trial.number} *" if trial.chosen else str(trial.number), *_figures(trial)) for trial in shown)
    return Section("Pareto front", tuple(sentences), Table(("trial", performance, "dispersion"), rows, "lrr"))


def _closing(found: Tuning) -> Iterator[Section]:
    notes = [*found.notes, *found.training.notes]
    if found.storage is not None:
        notes.append(f"The trials are kept in {found.storage}: the same command with more --trials goes on with them.")
    yield Section("Notes", items=tuple(notes), key="notes")
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")
    if found.training.command:
        yield Section("To train it again", code=found.training.command, key="repeat")
