"""What an experiment tracker is told of a run: figures as metrics, settings as parameters, hashes as tags."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.report.text import clipped, visible

if TYPE_CHECKING:
    from pydantic import BaseModel

    from debias.report.values.comparison import Comparison
    from debias.report.values.figures import Figures
    from debias.report.values.report import Report
    from debias.report.values.training import TrainingReport

LONGEST_NAME, LONGEST_PARAMETER, LONGEST_TAG = 250, 500, 5000
"""Characters that every store of MLflow takes."""
_OVERALL = (
    "balanced_accuracy",
    "accuracy",
    "f1",
    "auroc",
    "brier",
    "r2",
    "mse",
    "mae",
    "bias",
    "objective",
    "threshold",
)
_OF_GROUP = ("n", "selection_rate", "tpr", "fpr", "balanced_accuracy", "accuracy")


@dataclass(frozen=True)
class Metric:
    """A number of a run at a step."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Tracked:
    """What a tracker is told of a run.

    Parameters
    ----------
    name : str
        Of the run.
    parameters, tags : mapping of str to str
        Settings; verdict, hashes, command.
    metrics : sequence of Metric
        Figures.
    model : str or None
        Path of the file that the run wrote.
    """

    name: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[Metric]
    model: str | None = None


@dataclass
class _Names:
    """Names as MLflow takes them, different ones for different things."""

    taken: dict[str, str] = field(default_factory=dict)

    def of(self, *parts: str) -> str:
        whole = repr(parts)
        name = re.sub(r"[^\w .:/-]", "_", visible(".".join(parts)), flags=re.ASCII).strip(" /.") or "_"
        name = re.sub(r"/{2,}|\.{2,}", "_", name)
        if len(name) > LONGEST_NAME or self.taken.setdefault(name, whole) != whole:
            mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
            name = f"{name[: LONGEST_NAME - 9]}-{mark}"
            self.taken[name] = whole
        return name


def tracked(value: BaseModel) -> Tracked:
    """Return what a tracker is told of a report.

    Parameters
    ----------
    value : Report, Comparison or TrainingReport
    """
    from debias.report.values.comparison import Comparison
    from debias.report.values.report import Report
    from debias.report.values.training import TrainingReport

    if isinstance(value, TrainingReport):
        return _training(value)
    if isinstance(value, Comparison):
        return _comparison(value)
    assert isinstance(value, Report)
    return _run(value)


def _run(report: Report) -> Tracked:
    names = _Names()
    stages = {"before": report.before, "threshold_only": report.threshold_only, "after": report.after}
    metrics = [
        one for stage, figures in stages.items() if figures is not None for one in _figures(figures, stage, names)
    ]
    for step in report.trajectory:
        told = {
            "bias": step.bias,
            "balanced_accuracy": step.balanced_accuracy,
            "r2": step.r2,
            "objective": step.objective,
        }
        metrics += _metrics({names.of("step", name): value for name, value in told.items()}, step.step)
    settings = {} if report.change is None else report.change.settings
    parameters: dict[str, Any] = {
        "verb": report.verb,
        "metric": report.metric,
        "attributes": ", ".join(attribute.name for attribute in report.attributes),
        "eps": report.eps,
        "confidence": report.confidence,
        "performance": report.performance,
        "margin": report.margin,
        "seed": report.seed,
        **{names.of("setting", name): value for name, value in settings.items()},
    }
    tags = {
        "verdict": report.verdict,
        "statement": report.statement,
        "uses_attribute": str(report.uses_attribute).lower(),
        "model.sha256": report.model.sha256,
        **({} if report.output is None else {"output.sha256": report.output.sha256}),
        **_of_tables(report),
    }
    title = f"debias {report.verb} {Path(report.model.path).name}"
    return _told(title, parameters, tags, metrics, None if report.output is None else report.output.path)


def _comparison(found: Comparison) -> Tracked:
    """Return what is told of the winner, and the figures of each candidate beside it."""
    winner, names = _run(found.report), _Names()
    metrics = list(winner.metrics)
    for candidate in found.candidates:
        figures = candidate.after
        if figures is not None:
            told = {"bias": figures.bias, "performance": figures.performance, "objective": figures.objective}
            named = {names.of("candidate", candidate.method, name): value for name, value in told.items()}
            metrics += _metrics({**named, names.of("candidate", candidate.method, "seconds"): candidate.seconds})
    parameters = {**winner.parameters, "verb": "compare", "winner": found.winner}
    tags = {**winner.tags, "statement": found.statement, "reason": found.reason, "command": found.command}
    name = winner.name.replace(f"debias {found.report.verb}", "debias compare", 1)
    return _told(name, parameters, tags, metrics, winner.model)


def _training(report: TrainingReport) -> Tracked:
    names = _Names()
    metrics: list[Metric] = []
    for figures in report.figures:
        told = figures.model_dump(exclude={"head"})
        metrics += _metrics({names.of(figures.head, name): value for name, value in told.items()})
    for epoch in report.history:
        told = {name: value for name, value in epoch.items() if name not in ("epoch", "events")}
        metrics += _metrics({names.of("epoch", name): value for name, value in told.items()}, int(epoch["epoch"]))
    parameters = {
        "verb": "train",
        "kind": report.kind,
        "seed": report.seed,
        "best_epoch": report.best_epoch,
        **{names.of("setting", name): value for name, value in report.settings.items()},
    }
    tags = {
        "statement": report.statement,
        "stopped": report.stopped,
        **({} if report.output is None else {"output.sha256": report.output.sha256}),
        **_of_tables(report),
    }
    output = None if report.output is None else report.output.path
    return _told(f"debias train {report.kind}", parameters, tags, metrics, output)


def _of_tables(report: Report | TrainingReport) -> dict[str, Any]:
    hashes = {f"{role}.sha256": table.sha256 for role, table in report.data.items()}
    return {**hashes, "command": report.command, "debias.version": report.debias_version}


def _told(
    name: str, parameters: Mapping[str, Any], tags: Mapping[str, Any], metrics: Sequence[Metric], model: str | None
) -> Tracked:
    return Tracked(
        name=_text(name, LONGEST_NAME),
        parameters={key: _text(value, LONGEST_PARAMETER) for key, value in parameters.items() if value is not None},
        tags={
            f"debias.{key.removeprefix('debias.')}": _text(value, LONGEST_TAG) for key, value in tags.items() if value
        },
        metrics=metrics,
        model=model,
    )


def _text(value: Any, longest: int) -> str:
    return clipped(visible(str(value)), longest)


def _figures(figures: Figures, stage: str, names: _Names) -> Iterator[Metric]:
    yield from _metrics({names.of(stage, name): getattr(figures, name) for name in _OVERALL})
    for parity in figures.parities:
        yield from _metrics({names.of(stage, parity.attribute, "bias"): parity.bias})
        for group in parity.groups:
            told = {name: getattr(group, name, None) for name in _OF_GROUP}
            named = {names.of(stage, parity.attribute, group.name, name): value for name, value in told.items()}
            yield from _metrics(named)


def _metrics(values: Mapping[str, Any], step: int = 0) -> Iterator[Metric]:
    """Yield what is a number; what is undefined is left out."""
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield Metric(name, float(value), step)
