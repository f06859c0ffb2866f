"""Crossval: several kinds of networks in the same folds of the same rows, beside their baselines."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias import jobs
from debias.errors import Problem, UsageError, WriteError, together
from debias.experiments.crossval.jobs import Bench, Protocol
from debias.experiments.crossval.report import report
from debias.experiments.crossval.run import Run
from debias.experiments.variants import baselines, variants
from debias.fairness.bootstrap import DRAWS
from debias.jobs import Progress
from debias.report.values.crossval import CrossValidation

if TYPE_CHECKING:
    from collections.abc import Iterator

PRELOAD = ("debias.experiments.crossval", "debias.training.fit", "debias.training.tables", "pandas")
MOST_DRAWS = 1_000_000


def crossval(
    kinds: str | Sequence[str],
    data: Any,
    *,
    label: str | None = None,
    cluster: str,
    attr: str | Sequence[str],
    positive: str | float | None = None,
    bins: Any = None,
    seen: int | None = None,
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    column_kinds: Mapping[str, str] | None = None,
    regression: bool = False,
    missing_attr: str = "group",
    folds: int = 10,
    run_folds: int | None = None,
    unseen_z: str = "soft",
    baseline: str | None = None,
    debias_attr: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    work: str | Path | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    ray: str | None = None,
    backend: jobs.Backend | None = None,
    progress: Progress | None = None,
) -> CrossValidation:
    """Train kinds of networks in folds and compare their pooled predictions (Fair MEDL section 2.7).

    Rows of the largest clusters are dealt to folds, stratified by cluster and label. Fold i tests, the next one
    validates, the others train; scaling, thresholds, class weights and the cluster predictor come from these rows
    alone. Rows of the other clusters are predicted by every fold's model.

    Parameters
    ----------
    kinds : str or sequence of str
        ``medl``, or with settings ``fair-adb-medl:lambda_fair=1,lambda_swap=1``; ``attr=sex+age`` among them names the
        attributes that this one is debiased on.
    data : path or DataFrame
        Raw table.
    label, positive, bins, features, ignore
        As for an audit.
    column_kinds : mapping of str to {"numeric", "boolean", "category"}, optional
        Of feature columns, where the values do not tell.
    cluster : str
        Column of the cluster; no network but ``cluster-input`` reads it as a feature.
    attr : str or sequence of str
        Protected attributes to measure.
    seen : int, optional
        The so many largest clusters are trained on. Default: all.
    regression : bool
        The label is a number to be predicted.
    missing_attr : {"group", "drop", "error"}
        Rows without an attribute; a group of their own, as in the paper, is the default here.
    folds : int
    run_folds : int, optional
        Run only the first so many folds.
    unseen_z : {"soft", "hard", "zero"}
        Cluster input of rows of unseen clusters.
    baseline : str, optional
        What all others are compared with. Default: ``medl`` for ``fair-adb-medl``, ``da`` for its fair forms, ``nnet``
        for ``fair-adb-nnet``, where they take part.
    debias_attr : sequence of str, optional
        Attributes that networks are debiased on. Default: all of `attr`.
    settings : mapping, optional
        Of all trainings.
    draws : int
        Of the bootstrap.
    seed : int
        Of folds and trainings; fold i (from 0) is trained with seed + i, whatever the kind.
    work : path, optional
        Folder that keeps each fold's predictions as soon as they are there; a second run takes them up. Default: none.
    workers : int, optional
        Processes at a time; no figure depends on it. Default: the cores.
    timeout : float, optional
        Seconds after which a training is ended; its fold then lacks.
    ray : str, optional
        Run the folds on Ray: ``HOST:PORT`` of a cluster, ``local`` or ``auto``.
    backend : Backend, optional
        In place of `workers`, `timeout` and `ray`: where jobs are run.
    progress : callable, optional
        Receives (jobs done, jobs in all, what is going on).

    Returns
    -------
    CrossValidation

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault, or where no fold of a kind could be trained.
    """
    start = time.perf_counter()
    protocol, _ = together(
        lambda: Protocol(
            data=data,
            label=label,
            cluster=cluster,
            attr=(attr,) if isinstance(attr, str) else tuple(attr),
            positive=positive,
            bins=bins,
            seen=seen,
            features=None if features is None else tuple(features),
            ignore=tuple(ignore),
            kinds=dict(column_kinds or {}),
            task="regression" if regression else "classification",
            missing_attr=missing_attr,  # type: ignore[arg-type]
            folds=folds,
            unseen_z=unseen_z,  # type: ignore[arg-type]
            seed=seed,
        ),
        partial(_check_numbers, run_folds, draws, workers, timeout, folds),
    )
    asked = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    with jobs.one_thread():
        bench = Bench.open(protocol)
        chosen = variants(asked, list(bench.rows.attributes), shared=settings, adversaries=debias_attr)
        against = baselines(chosen, baseline)
        with _folder(work) as folder:
            run = Run(bench, chosen, tuple(range(run_folds or folds)), folder)
            run.train(partial(_backend, backend, workers or jobs.cores(), timeout, ray), progress)
            found = report(run, against, draws)
    command = _command(protocol, asked, run_folds, baseline, debias_attr, settings, draws, work)
    return found.model_copy(update={"seconds": time.perf_counter() - start, "command": command})


def _backend(
    given: jobs.Backend | None, workers: int, timeout: float | None, ray: str | None, todo: int
) -> jobs.Backend:
    """Return where so many jobs are run."""
    return given or jobs.backend_for(workers, todo, timeout=timeout, preload=PRELOAD, ray=ray)


def _check_numbers(run_folds: int | None, draws: int, workers: int | None, timeout: float | None, folds: int) -> None:
    problems = []
    if run_folds is not None and not 1 <= run_folds <= folds:
        problems.append(Problem(f"{run_folds} of {folds} folds cannot be run", "--run-folds", f"Give 1 to {folds}."))
    if not 1 <= draws <= MOST_DRAWS:
        problems.append(Problem(f"{draws!r} is no number of draws", "--draws", f"Give 1 to {MOST_DRAWS:,}."))
    problems += jobs.workers_problems(workers, "processes")
    problems += jobs.timeout_problems(timeout)
    if problems:
        raise UsageError(problems)


@contextmanager
def _folder(asked: str | Path | None) -> Iterator[Path]:
    """Yield the folder for predictions: the one asked for, made where it is missing, or one that goes afterwards."""
    if asked is None:
        with tempfile.TemporaryDirectory(prefix="debias-crossval-") as name:
            yield Path(name)
        return
    folder = Path(asked)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        found = f"cannot be made: {error.strerror}"
        raise WriteError(Problem(found, f"--work {folder}", "Name another folder.")) from None
    yield folder


def _command(
    protocol: Protocol,
    asked: Sequence[str],
    run_folds: int | None,
    baseline: str | None,
    debias_attr: Sequence[str] | None,
    settings: Mapping[str, Any] | None,
    draws: int,
    work: str | Path | None,
) -> str | None:
    """Return the command that repeats the run; None where the table is no file."""
    if not isinstance(protocol.data, str | Path):
        return None
    from debias.run.commands import flag_parts

    plain = {
        "data": str(protocol.data),
        "label": protocol.label,
        "positive": protocol.positive,
        "cluster": protocol.cluster,
        "seen": protocol.seen,
        "features": protocol.features,
        "ignore": protocol.ignore,
        "missing_attr": protocol.missing_attr,
        "folds": protocol.folds,
        "run_folds": run_folds,
        "unseen_z": protocol.unseen_z,
        "baseline": baseline,
        "draws": draws if draws != DRAWS else None,
        "seed": protocol.seed,
        "work": None if work is None else str(work),
    }
    parts = ["debias", "crossval", *asked]
    for name, value in plain.items():
        parts += flag_parts(name, value)
    texts = protocol.bins if isinstance(protocol.bins, list | tuple) else [protocol.bins] if protocol.bins else []
    many = {"attr": protocol.attr, "debias-attr": debias_attr or (), "bins": texts}
    many["kind"] = [f"{name}={kind}" for name, kind in protocol.kinds.items()]
    many["set"] = [f"{name}={_setting(value)}" for name, value in (settings or {}).items()]
    parts += [part for name, items in many.items() for item in items for part in (f"--{name}", str(item))]
    parts += ["--regression"] if protocol.task == "regression" else []
    return shlex.join(parts)


def _setting(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
