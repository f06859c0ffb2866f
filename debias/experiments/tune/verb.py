"""Tune: search the settings of one kind of network, and train the best."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import debias
from debias import jobs
from debias.errors import Problem, UsageError, together
from debias.experiments.tune import study as studies
from debias.experiments.tune.space import Space, searched, space
from debias.experiments.tune.study import Left, Place
from debias.experiments.tune.trial import Bench, Reached
from debias.experiments.tune.tried import Search, Tried, choose, pareto
from debias.experiments.variants import read_settings
from debias.files import check_output
from debias.jobs import Job, Outcome, Progress
from debias.report.values.tuning import TrialState, Tuning, TuningTrial
from debias.run.commands import flag_parts
from debias.run.training import train
from debias.run.training.request import Asked
from debias.training.kinds import KINDS
from debias.training.settings import Settings
from debias.words import count, listing

if TYPE_CHECKING:
    from debias.report.values.training import TrainingReport

PRELOAD = ("debias.experiments.tune.study", "debias.training.fit", "debias.training.tables", "pandas")
TRIALS = 60
ENDING = ".tune"
"""Added to the name of the model: the file that keeps the trials, or the folder of Ray Tune."""


def tune(
    kind: str,
    data: Any,
    *,
    attr: str | Sequence[str],
    out: str | Path,
    fixed: Mapping[str, Any] | None = None,
    tied: bool = True,
    trials: int = TRIALS,
    timeout: float | None = None,
    reference: float | None = None,
    storage: str | Path | None = None,
    restart: bool = False,
    workers: int | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Tuning:
    """Search the settings of a kind of network, and train and write the best.

    Every trial is a training on the same rows with the same seed, judged on the validation rows alone by J: balanced
    accuracy less half the mean over attributes of TPR SD + FPR SD (`debias.training.fit.Judge`). Optuna draws
    the settings with tree-structured Parzen estimators, and ends trials early by Hyperband, with epochs as the budget:
    what is kept up of BOHB, the method that the Fair MEDL paper names. With `ray` the same search runs on Ray Tune.

    Parameters
    ----------
    kind : str
        One of `debias.training.kinds.KINDS`.
    data, attr, out
        See `debias.train`.
    fixed : mapping of str to object, optional
        Settings that are not searched; ``epochs`` is the budget of the longest trial, 27 by default.
    tied : bool
        Both predictions of a mixed-effects network have one weight of their fair adversaries.
    trials : int
        In all, those of an earlier run in the same storage among them.
    timeout : float, optional
        Seconds after which no further trial begins.
    reference : float, optional
        Balanced accuracy of the network without fairness: settings more than 0.03 below it are not chosen.
    storage : path, optional
        File that keeps the trials (with `ray` a folder). A search that was ended goes on where it was. Default: `out`
        with .tune added.
    restart : bool
        Forget the trials that are there.
    workers : int, optional
        Trials at a time. Default: the cores. With one the search repeats bit for bit.
    ray : str, optional
        Search on Ray Tune: ``HOST:PORT`` of a cluster that this machine is a node of; ``local`` starts Ray here.
    progress : callable, optional
        Receives (trials done, trials in all, what is going on).
    **options
        Those of `debias.train` that are no settings: `label`, `cluster`, `seen`, `valid`, `seed`, `force` and others.

    Returns
    -------
    Tuning

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault; where no trial came to its end.
    """
    start = time.perf_counter()
    asked, found, _, _ = together(
        partial(_asked, kind, data, attr, out, options),
        partial(_space, kind, bool(options.get("regression")), fixed, tied),
        partial(_check_numbers, trials, timeout, reference, workers, bool(options.get("regression"))),
        studies.imported,
    )
    place = Path(storage) if storage is not None else Path(f"{out}{ENDING}")
    search = Search(trials, timeout, workers or jobs.cores(), place, restart, ray)
    with jobs.one_thread():
        _check_files(asked, search)
        bench = Bench.open(asked, found)
        if ray is None:
            tried, resumed = _with_optuna(bench, search, progress)
        else:
            from debias.experiments.tune.ray import with_ray

            tried, resumed = with_ray(bench, search, progress)
        chosen = choose(tried, reference)
        front = pareto(tried)
        settings = found.settings(chosen.parameters)
        written = _train(asked, settings)
    return Tuning(
        debias_version=debias.__version__,
        statement=_statement(bench, tried, chosen),
        kind=kind,
        title=asked.network.title,
        task=asked.task,
        label=bench.table.label,
        attributes=list(bench.table.attributes),
        cluster=asked.cluster,
        train=len(bench.train),
        valid=len(bench.valid),
        search="optuna" if ray is None else "ray",
        measure=_measure(bench),
        ranges=searched(found),
        fixed={name: found.base.as_dict()[name] for name in fixed or {}},
        least_epochs=found.least,
        most_epochs=found.most,
        seed=asked.seed,
        reference=reference,
        asked=trials,
        trials=[_trial(each, each.number in front, each is chosen) for each in tried],
        resumed=resumed,
        settings=settings.as_dict(),
        training=written,
        storage=str(place),
        notes=_notes(bench, chosen, written),
        seconds=time.perf_counter() - start,
        command=_command(
            asked,
            fixed,
            tied,
            trials=trials,
            timeout=timeout,
            reference=reference,
            storage=storage,
            workers=workers,
            ray=ray,
        ),
    )


def _asked(kind: str, data: Any, attr: Any, out: Any, options: Mapping[str, Any]) -> Asked:
    if kind not in KINDS:
        found = f"{kind!r} is no kind of network that can be searched"
        raise UsageError(Problem(found, "KIND", f"Give one of {listing(KINDS)}."))
    known = {item.name for item in fields(Asked)} - {"kind", "data", "attr", "out", "checkpoint", "resume"}
    if strange := options.keys() - known:
        raise UsageError(
            Problem(f"tune has no option {listing(sorted(strange))}", "", f"Options: {listing(known, 40)}.")
        )
    return Asked(kind=kind, data=data, attr=attr, out=out, **options)


def _space(kind: str, regression: bool, fixed: Mapping[str, Any] | None, tied: bool) -> Space:
    values, problems = read_settings(fixed or {}, "--set")
    if problems:
        raise UsageError(problems)
    if kind not in KINDS:  # told by whoever reads it
        kind = "nnet"
    return space(KINDS[kind], "regression" if regression else "classification", values, tied=tied)


def _check_numbers(
    trials: int, timeout: float | None, reference: float | None, workers: int | None, regression: bool
) -> None:
    problems = []
    if trials < 1:
        problems.append(Problem(f"{trials!r} is no number of trials", "--trials", "Give 1 or more."))
    problems += jobs.timeout_problems(timeout)
    problems += jobs.workers_problems(workers, "workers")
    if reference is not None and regression:
        problems.append(Problem("a regression has no balanced accuracy", "--reference", "Leave it out."))
    elif reference is not None and not 0 < reference <= 1:
        problems.append(Problem(f"{reference!r} is no balanced accuracy", "--reference", "Give one between 0 and 1."))
    if problems:
        raise UsageError(problems)


def _check_files(asked: Asked, search: Search) -> None:
    inputs = [source for source in (asked.data, asked.valid) if isinstance(source, str | Path)]
    calls = [partial(check_output, asked.out, inputs=inputs, force=asked.force), partial(_check_apart, asked, search)]
    if search.ray is None:
        calls.append(partial(check_output, search.storage, inputs=inputs, force=True))
    together(*calls)


def _check_apart(asked: Asked, search: Search) -> None:
    if search.storage.absolute() == Path(asked.out).absolute():
        raise UsageError(Problem("is written as --out too", f"--storage {search.storage}", "Name another file."))


def _with_optuna(bench: Bench, search: Search, progress: Progress | None) -> tuple[list[Tried], int]:
    """Do what is missing and return all trials, and how many an earlier run had done."""
    place = Place(str(search.storage), bench.space, bench.asked.seed)
    with studies.kept(search.storage, restart=search.restart):
        study = place.study()
        studies.check_identity(study, bench.identity(), search.storage)
        resumed = sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
        todo = studies.left(study, search.trials)
        if todo:
            _run(bench, place, todo, search, progress)
        return [_of(trial) for trial in place.study().get_trials() if trial.state.is_finished()], resumed


def _run(bench: Bench, place: Place, todo: Sequence[Left], search: Search, progress: Progress | None) -> None:
    backend = jobs.backend_for(min(search.workers, len(todo)), len(todo), preload=PRELOAD)
    deadline = None if search.timeout is None else time.monotonic() + search.timeout
    work = [Job(f"trial {item.ordinal}", partial(studies.work, place, item, deadline)) for item in todo]
    setup = partial(Bench.open, bench.asked, bench.space)
    if isinstance(backend, jobs.Serial):
        setup = partial(_given, bench)

    def each(index: int, outcome: Outcome[bool]) -> None:
        if outcome.error is not None:
            studies.fail(place.study(), todo[index], outcome.error)

    jobs.map(work, setup=setup, backend=backend, progress=progress, each=each)


def _given(bench: Bench) -> Bench:
    return bench


def _of(trial: Any) -> Tried:
    reached = studies.reached_by(trial)
    state: TrialState = "failed" if reached is None else reached.state
    return Tried(trial.number, state, trial.params, reached, trial.user_attrs.get(studies.REASONS, ()))


def _train(asked: Asked, settings: Settings) -> TrainingReport:
    """Train and write the network with the settings that were chosen."""
    given = {item.name: getattr(asked, item.name) for item in fields(asked)}
    default = Settings()
    changed = {
        item.name: getattr(settings, item.name)
        for item in fields(Settings)
        if getattr(settings, item.name) != getattr(default, item.name)
    }
    return train(**given, **cast(Any, changed))


def _trial(tried: Tried, front: bool, chosen: bool) -> TuningTrial:
    reached, measured = tried.reached or Reached(), tried.measured
    return TuningTrial(
        number=tried.number,
        state=tried.state,
        parameters=dict(tried.parameters),
        epochs=reached.epochs,
        best_epoch=reached.epoch if measured else None,
        objective=reached.objective if measured else None,
        front=front,
        chosen=chosen,
        reasons=list(tried.reasons),
        seconds=None if tried.reached is None else reached.seconds,
        **reached.figures,
    )


def _statement(bench: Bench, tried: Sequence[Tried], chosen: Tried) -> str:
    figures = chosen.best.figures
    performance = (
        f"MSE {figures['mse']:.4g}" if "mse" in figures else f"balanced accuracy {figures['balanced_accuracy']:.4f}"
    )
    return (
        f"{bench.asked.network.title}: of {count(len(tried), 'trial')}, trial {chosen.number} has the highest J, "
        f"{chosen.best.objective:.4f} ({performance}, dispersion {figures['dispersion']:.4f}), on "
        f"{count(len(bench.valid), 'validation row')}."
    )


def _measure(bench: Bench) -> str:
    regression = bench.asked.task == "regression"
    performance = "−MSE / variance of the target" if regression else "balanced accuracy"
    if not (bench.asked.network.needs_attributes or bench.space.base.lambda_swap > 0):
        return f"J is the {performance}: nothing in the loss of this kind is for the protected attributes."
    spread = "MSE SD / variance of the target" if regression else "(TPR SD + FPR SD)"
    return f"J is the {performance} − 0.5 · the mean over attributes of {spread}."


def _notes(bench: Bench, chosen: Tried, written: TrainingReport) -> list[str]:
    notes = []
    if bench.asked.network.adversarial and bench.space.base.warmup != Settings().warmup:
        notes.append(
            f"Warm-up of {bench.space.base.warmup} epoch, so that trials of {bench.space.least} epochs can be judged."
        )
    again = max((epoch["j"] for epoch in written.history if epoch.get("eligible") and "j" in epoch), default=math.nan)
    if not math.isclose(again, chosen.best.objective, rel_tol=1e-9):
        notes.append(
            f"Trained again the chosen settings reach J {again:.4f}, in the trial {chosen.best.objective:.4f}: "
            "another machine or version did the trial."
        )
    return notes


def _command(asked: Asked, fixed: Mapping[str, Any] | None, tied: bool, **flags: Any) -> str | None:
    """Return the command that repeats the search; None where a table is no file."""
    command = asked.command({})
    if command is None:
        return None
    parts = ["debias", "tune", *shlex.split(command)[2:]]
    for name, value in (fixed or {}).items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        parts += ["--set", f"{name}={text}"]
    parts += [] if tied else ["--untied"]
    for name, value in flags.items():
        parts += flag_parts(name, value) if value is not None and (name, value) != ("trials", TRIALS) else []
    return shlex.join(parts)
