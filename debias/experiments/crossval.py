"""Crossval: several kinds of networks in the same folds of the same rows, beside their baselines."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import debias
from debias import jobs
from debias.errors import DebiasError, ModelError, Problem, UsageError, WriteError, together
from debias.experiments.crossval_figures import Truth, compare, figures, signs
from debias.experiments.crossval_folds import FoldResult, Head, keep, kept, unpacked
from debias.experiments.crossval_jobs import Bench, Protocol, work
from debias.experiments.crossval_variants import Variant, baselines, variants
from debias.fairness.bootstrap import DRAWS
from debias.jobs import Job, Outcome, Progress
from debias.report.crossval import AttributeRows, Change, CrossValidation, FoldRun, HeadFigures, Model
from debias.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    task: str = "classification",
    missing_attr: str = "group",
    folds: int = 10,
    run_folds: int | None = None,
    unseen_z: str = "soft",
    baseline: str | None = None,
    debias_attr: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    work_dir: str | Path | None = None,
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
    cluster : str
        Column of the cluster; no network but ``cluster-input`` reads it as a feature.
    attr : str or sequence of str
        Protected attributes to measure.
    seen : int, optional
        The so many largest clusters are trained on. Default: all.
    task : {"classification", "regression"}
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
    work_dir : path, optional
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
            task=task,  # type: ignore[arg-type]
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
        with _folder(work_dir) as folder:
            run = _Run(bench, chosen, tuple(range(run_folds or folds)), folder)
            run.train(partial(_backend, backend, workers or jobs.cores(), timeout, ray), progress)
            found = _report(run, against, draws)
    command = _command(protocol, asked, run_folds, baseline, debias_attr, settings, draws, work_dir)
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
    if workers is not None and workers < 1:
        problems.append(Problem(f"{workers!r} is no number of processes", "--workers", "Give 1 or more."))
    if timeout is not None and not timeout > 0:
        problems.append(Problem(f"{timeout!r} is no time limit", "--timeout", "Give a number of seconds above 0."))
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


@dataclass
class _Run:
    """The jobs of all variants and folds, and what became of them; predictions stay in files until they are read."""

    bench: Bench
    variants: tuple[Variant, ...]
    folds: tuple[int, ...]
    folder: Path
    failed: dict[tuple[str, int], DebiasError] = field(default_factory=dict)
    resumed: set[tuple[str, int]] = field(default_factory=set)

    def train(self, backend_for: Callable[[int], jobs.Backend], progress: Progress | None) -> None:
        """Run what is not kept yet.

        Raises
        ------
        DebiasError
            Where a variant has no fold at all.
        """
        # By folds first: an interrupted run then has as many whole folds of all variants as possible.
        each = [(variant, fold) for fold in self.folds for variant in self.variants]
        self.resumed = {(v.name, fold) for v, fold in each if kept(self.path(v, fold), self.bench.digest(v, fold))}
        left = [(v, fold) for v, fold in each if (v.name, fold) not in self.resumed]
        if not left:
            return
        backend = backend_for(len(left))
        # Where this machine's processes work they keep their results themselves, so that none is held in memory.
        here = isinstance(backend, jobs.Serial | jobs.Processes)
        todo = [
            Job(f"{v.name}, fold {fold + 1}", partial(work, v, fold, self.path(v, fold) if here else None))
            for v, fold in left
        ]
        # Processes read the table themselves, which takes less than sending it; a cluster may not reach the file.
        reads = isinstance(backend, jobs.Processes)
        setup = partial(_opened, self.bench.protocol) if reads else partial(_given, self.bench)

        def each_one(index: int, outcome: Outcome[bytes | None]) -> None:
            variant, fold = left[index]
            if outcome.error is not None:
                self.failed[variant.name, fold] = outcome.error
            elif outcome.value is not None:
                digest = self.bench.digest(variant, fold)
                result = unpacked(outcome.value, digest)
                assert result is not None
                keep(self.path(variant, fold), result, digest)

        jobs.map(todo, setup=setup, backend=backend, progress=progress, each=each_one)
        self._check()

    def _check(self) -> None:
        """Refuse variants without a fold: nothing can be told of them."""
        problems: dict[Problem, None] = {}
        for variant in self.variants:
            errors = [self.failed.get((variant.name, fold)) for fold in self.folds]
            if all(error is not None for error in errors):
                told = [problem for error in errors if error is not None for problem in error.problems]
                problems |= dict.fromkeys(_placed(item, variant.name) for item in told[:1])
        if problems:
            raise ModelError(problems)

    def path(self, variant: Variant, fold: int) -> Path:
        """Return the file of a variant's fold."""
        kind = variant.kind.name
        return self.folder / f"{kind}.{self.bench.digest(variant, fold)[:16]}.fold-{fold + 1}.npz"

    def results(self, variant: Variant) -> list[FoldResult]:
        """Return the predictions of all folds of a variant."""
        found = (kept(self.path(variant, fold), self.bench.digest(variant, fold)) for fold in self.folds)
        return [result for result in found if result is not None]


def _placed(problem: Problem, name: str) -> Problem:
    """Return the problem with the name of the variant that it is about."""
    told = problem.where.startswith(name)
    return problem if told else replace(problem, where=f"{name}: {problem.where}".removesuffix(": "))


def _given(bench: Bench) -> Bench:
    return bench


def _opened(protocol: Protocol) -> Bench:
    return Bench.open(protocol)


def _report(run: _Run, against: Mapping[str, str], draws: int) -> CrossValidation:
    bench, truth = run.bench, run.bench.truth
    by_name = {variant.name: variant for variant in run.variants}
    models: list[Model] = []
    changes: list[Change] = []
    for variant in run.variants:
        results = run.results(variant)
        models.append(_model(run, variant, against.get(variant.name), results, figures(truth, results)))
        if (other := against.get(variant.name)) is not None:
            beside = (other, run.results(by_name[other]))
            changes += compare(truth, (variant.name, results), beside, draws=draws, seed=bench.protocol.seed)
    index, table = bench.rows.index, bench.table
    return CrossValidation(
        debias_version=debias.__version__,
        statement=_statement(run),
        task=bench.rows.task,
        label=bench.rows.label,
        positive=bench.rows.positive,
        cluster=bench.protocol.cluster,
        clusters_seen=_sizes(bench, known=True),
        clusters_unseen=_sizes(bench, known=False),
        attributes=_attributes(truth, index),
        missing_attr=bench.protocol.missing_attr,
        folds=bench.protocol.folds,
        folds_run=[fold + 1 for fold in run.folds],
        seed=bench.protocol.seed,
        draws=draws,
        data=table.name,
        data_sha256=table.sha256,
        models=models,
        changes=changes,
        signs=[signs(name, other, changes) for name, other in against.items()],
        notes=[*bench.rows.notes, *_notes(run)],
        seconds=0.0,
    )


def _model(
    run: _Run, variant: Variant, baseline: str | None, results: Sequence[FoldResult], heads: list[HeadFigures]
) -> Model:
    by_fold = {result.fold: result for result in results}
    return Model(
        name=variant.name,
        kind=variant.kind.name,
        title=variant.kind.title,
        settings=variant.settings.as_dict(),
        adversaries=list(variant.adversaries),
        baseline=baseline,
        folds=[_fold_run(run, variant, fold, by_fold.get(fold)) for fold in run.folds],
        heads=heads,
    )


def _fold_run(run: _Run, variant: Variant, fold: int, result: FoldResult | None) -> FoldRun:
    if result is None:
        error = run.failed.get((variant.name, fold))
        reasons = [str(problem) for problem in error.problems] if error else ["its predictions are gone"]
        return FoldRun(fold=fold + 1, status="failed", reasons=reasons)
    first: Head = result.heads[0]
    return FoldRun(
        fold=fold + 1,
        status="ok",
        epochs=result.facts["epochs"],
        best_epoch=result.facts["best_epoch"],
        stopped=result.facts["stopped"],
        threshold=result.thresholds.get(first),
        fixed_threshold=result.thresholds.get("fixed"),
        seconds=result.facts["seconds"],
        resumed=(variant.name, fold) in run.resumed,
    )


def _sizes(bench: Bench, *, known: bool) -> dict[str, int]:
    """Return the rows of each seen or of each unseen cluster."""
    clusters = bench.rows.clusters
    assert clusters is not None
    sizes = np.bincount(clusters.codes[clusters.codes >= 0], minlength=len(clusters.names))
    found = {
        name: int(size)
        for name, size, is_known in zip(clusters.names, sizes, clusters.known, strict=True)
        if bool(is_known) == known and size
    }
    missing = int((clusters.codes < 0).sum())
    return found | ({"(missing)": missing} if missing and not known else {})


def _attributes(truth: Truth, index: Any) -> list[AttributeRows]:
    seen = np.zeros(len(truth.outcome), dtype=bool)
    seen[index] = True
    found = []
    for name, attribute in truth.attributes.items():
        k, codes = len(attribute.groups), attribute.codes
        sizes = [np.bincount(codes[part & (codes >= 0)], minlength=k).tolist() for part in (seen, ~seen)]
        missing = int((codes < 0).sum())
        groups = list(attribute.groups)
        found.append(AttributeRows(name=name, groups=groups, seen=sizes[0], unseen=sizes[1], missing=missing))
    return found


def _statement(run: _Run) -> str:
    bench = run.bench
    seen = int((bench.fold >= 0).sum())
    clusters = len(bench.rows.names)
    folds = count(len(run.folds), "fold")
    if len(run.folds) < bench.protocol.folds:
        folds = f"{len(run.folds)} of {bench.protocol.folds} folds"
    told = f"{count(len(run.variants), 'network')} in {folds} of {seen:,} rows of {clusters} seen clusters"
    unseen = len(bench.fold) - seen
    return f"{told}, and {unseen:,} rows of unseen clusters." if unseen else f"{told}."


def _notes(run: _Run) -> Iterator[str]:
    if run.bench.rows.dropped:
        yield f"{count(run.bench.rows.dropped, 'row')} without an attribute left out."
    for name in sorted({name for name, _ in run.failed}):
        folds = sorted(fold + 1 for other, fold in run.failed if other == name)
        told = ", ".join(map(str, folds))
        yield f"{name}: fold{'s' if len(folds) > 1 else ''} {told} failed; its figures are of the others."


def _command(
    protocol: Protocol,
    asked: Sequence[str],
    run_folds: int | None,
    baseline: str | None,
    debias_attr: Sequence[str] | None,
    settings: Mapping[str, Any] | None,
    draws: int,
    work_dir: str | Path | None,
) -> str | None:
    """Return the command that repeats the run; None where the table is no file."""
    if not isinstance(protocol.data, str | Path):
        return None
    from debias.run.opening import flag_parts

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
        "work": None if work_dir is None else str(work_dir),
    }
    parts = ["debias", "crossval", *asked]
    for name, value in plain.items():
        parts += flag_parts(name, value)
    texts = protocol.bins if isinstance(protocol.bins, list | tuple) else [protocol.bins] if protocol.bins else []
    many = {"attr": protocol.attr, "debias-attr": debias_attr or (), "bins": texts}
    many["set"] = [f"{name}={_setting(value)}" for name, value in (settings or {}).items()]
    parts += [part for name, items in many.items() for item in items for part in (f"--{name}", str(item))]
    parts += ["--regression"] if protocol.task == "regression" else []
    return shlex.join(parts)


def _setting(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
