"""A run in an experiment tracker (MLflow): figures as metrics, settings as parameters, hashes as tags, files.

What goes there is told by the report alone. Nothing is sent anywhere but to the store that was named: MLflow's own
telemetry is off unless the environment says otherwise.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.errors import Problem, UsageError, WriteError
from debias.report.text import clipped, visible

if TYPE_CHECKING:
    from pydantic import BaseModel

    from debias.report.figures import Figures
    from debias.report.model import Report
    from debias.report.training import TrainingReport

LONGEST_NAME, LONGEST_PARAMETER, LONGEST_TAG = 250, 500, 5000
"""Characters that every store of MLflow takes."""
AT_ONCE = 100
"""Most entries of one call."""
_INSTALL = "Install it: pip install 'debias[mlflow]'"
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
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


def check_store(uri: str) -> None:
    """Refuse, before any work, a store that cannot be used here.

    Parameters
    ----------
    uri : str
        As MLflow names stores: ``sqlite:///runs.db``, ``http://host:5000``.

    Raises
    ------
    UsageError
        MLflow, or what its database stores need, is not installed; the folder of a SQLite file is missing.
    """
    where = f"--mlflow {masked(uri)}"
    scheme = uri.partition(":")[0].partition("+")[0].lower()
    needed = ["mlflow", *(["sqlalchemy", "alembic"] if scheme in _DATABASES else [])]
    problems = [Problem(f"{name} is not installed", where, _INSTALL) for name in needed if find_spec(name) is None]
    if "://" not in uri:
        remedy = "Write it as sqlite:///runs.db (a file here), or http://HOST:PORT (a server)."
        problems.append(Problem("is no address of a store", where, remedy))
    elif scheme == "sqlite":
        folder = Path(uri.partition(":///")[2]).parent
        if ":///" not in uri or not uri.partition(":///")[2]:
            problems.append(Problem("names no file", where, "Write sqlite:///runs.db, or sqlite:////folder/runs.db."))
        elif not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            problems.append(Problem(f"no file can be made in the folder {folder}", where, "Make it, or name another."))
    if problems:
        raise UsageError(problems)


def masked(uri: str) -> str:
    """Return an address without the password in it."""
    return re.sub(r"(?<=//)([^/@]*):[^/@]*@", r"\1:***@", uri)


def tracked(value: BaseModel) -> Tracked:
    """Return what a tracker is told of a report.

    Parameters
    ----------
    value : Report, Comparison or TrainingReport
    """
    from debias.report.comparison import Comparison
    from debias.report.model import Report
    from debias.report.training import TrainingReport

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


def _comparison(found: Any) -> Tracked:
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


def log(found: Tracked, uri: str, experiment: str, files: Sequence[tuple[Path, str]] = (), text: str = "") -> str:
    """Write a run into a store and return its id.

    Parameters
    ----------
    found : Tracked
        See `tracked`.
    uri : str
        See `check_store`.
    experiment : str
        Made where it is not there.
    files : sequence of (Path, str)
        Files to keep with the run, each with its folder there.
    text : str
        The report as JSON, kept as ``report.json``.

    Raises
    ------
    WriteError
        The store cannot be reached or written. What the run wrote before stays.
    """
    import warnings

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # it tells of each table that it makes
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is down is told within seconds
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _log(found, _settled(uri), experiment, files, text)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].replace(uri, masked(uri))
        remedy = "All files were written before. Check the address, and log the run again."
        raise WriteError(
            Problem(f"the run could not be logged: {reason}", f"--mlflow {masked(uri)}", remedy)
        ) from error


def _settled(uri: str) -> str:
    """Return the address of a SQLite file with its whole path: MLflow keeps stores by their address."""
    head, scheme, rest = uri.partition("sqlite:///")
    path, mark, query = rest.partition("?")
    return f"{scheme}{Path(path).resolve()}{mark}{query}" if scheme and not head else uri


def _log(found: Tracked, uri: str, experiment: str, files: Sequence[tuple[Path, str]], text: str) -> str:
    from mlflow import MlflowClient
    from mlflow.entities import Metric as Logged
    from mlflow.entities import Param, RunTag

    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(experiment)
    place = client.create_experiment(experiment) if known is None else known.experiment_id
    run = client.create_run(place, run_name=found.name).info.run_id
    try:
        now = int(1000 * time.time())
        metrics = [Logged(one.name, one.value, now, one.step) for one in found.metrics]
        parameters = [Param(name, value) for name, value in found.parameters.items()]
        tags = [RunTag(name, value) for name, value in found.tags.items()]
        for start in range(0, max(len(metrics), len(parameters), len(tags)), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            client.log_batch(run, metrics=metrics[part], params=parameters[part], tags=tags[part])
        client.log_text(run, text, "report.json")
        for path, folder in files:
            client.log_artifact(run, str(path), folder)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)
    return str(run)
