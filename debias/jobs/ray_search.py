"""A search on Ray Tune: trials that report as they go, drawn by Optuna and ended early by successive halving."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from debias.errors import Problem, UsageError
from debias.jobs.ray_session import INSTALL, session
from debias.jobs.work import Progress, alone

Told = dict[str, Any]
Call = Callable[[Any, Mapping[str, Any], Callable[[Told], None]], None]
"""Called with the context, the parameters, and a function that takes what is reported after each step."""
WORST = -1e12
"""Stands for a value that is not finite, which neither search nor scheduler can rank."""
EXPERIMENT = "trials"
_QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class Plan:
    """What is searched, by which rule.

    Parameters
    ----------
    distributions : mapping of str to optuna distribution
        The parameters.
    sampler : optuna sampler
        Draws them.
    metric : str
        What is reported and maximised.
    step : str
        What is reported and counts the budget.
    least, most, factor : int
        Budget of the shortest and of the longest trial, and of each rung in units of the one before.
    brackets : int
        Rules of halving beside each other, from the strictest on.
    trials : int
        In all.
    """

    distributions: Mapping[str, Any]
    sampler: Any
    metric: str
    step: str
    least: int
    most: int
    factor: int
    brackets: int
    trials: int


@dataclass(frozen=True)
class Tried:
    """What became of a trial.

    Parameters
    ----------
    number : int
        Its place among all trials, from 0.
    parameters : mapping of str to object
    told : mapping of str to object
        Its last report; empty without one.
    error : str
        Why it failed; empty otherwise.
    """

    number: int
    parameters: Mapping[str, Any]
    told: Told = field(default_factory=dict)
    error: str = ""


def search(
    call: Call,
    context: Any,
    plan: Plan,
    *,
    folder: Path,
    address: str | None,
    workers: int,
    timeout: float | None = None,
    progress: Progress | None = None,
) -> list[Tried]:
    """Run a search, or go on with the one that is kept in the folder, and return its trials in their order.

    Parameters
    ----------
    call : callable
        One trial; sent to the workers with the context.
    context : object
        What all trials need; it can be pickled.
    plan : Plan
    folder : Path
        Where Ray Tune keeps its state. On a cluster of several machines all must see it.
    address, workers
        See `debias.jobs.Ray`.
    timeout : float, optional
        Seconds after which the search ends, the trials that run included.
    progress : callable, optional
        Receives (trials done, trials in all, what is going on).

    Raises
    ------
    UsageError
        Ray Tune is not installed, or the address does not answer.
    KeyboardInterrupt
        After Ctrl-C; the folder then has all that is needed to go on.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    with session(address, workers), _calm():
        try:
            from ray import tune
            from ray.tune.search.optuna import OptunaSearch
        except ImportError:
            raise UsageError(Problem("Ray Tune is not installed", "--ray", f"{INSTALL}.")) from None
        trainable = tune.with_parameters(partial(_trial, tune), call=call, context=context)
        folder = folder.absolute()
        where = str(folder / EXPERIMENT)
        if tune.Tuner.can_restore(where):
            tuner = tune.Tuner.restore(where, trainable=trainable, resume_unfinished=True)
        else:
            searcher = OptunaSearch(
                space=dict(plan.distributions), metric=plan.metric, mode="max", sampler=plan.sampler
            )
            scheduler = tune.schedulers.AsyncHyperBandScheduler(
                time_attr=plan.step,
                metric=plan.metric,
                mode="max",
                max_t=plan.most,
                grace_period=plan.least,
                reduction_factor=plan.factor,
                brackets=plan.brackets,
            )
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=scheduler,
                    num_samples=plan.trials,
                    max_concurrent_trials=workers,
                    time_budget_s=timeout,
                ),
                run_config=tune.RunConfig(
                    name=EXPERIMENT,
                    storage_path=str(folder),
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=1),
                    callbacks=[_callback(tune, plan)],
                ),
            )
        _Listener.progress, start = progress, time.monotonic()
        try:
            results = tuner.fit()
        finally:
            _Listener.progress = None
        found = [results[place] for place in range(len(results))]
        ended = [result for result in found if result.error is not None or (result.metrics or {}).get("done")]
        if len(ended) < plan.trials and (timeout is None or time.monotonic() - start < timeout):
            raise KeyboardInterrupt  # Ray Tune has answered Ctrl-C by itself
        return sorted((_tried(result, plan) for result in ended), key=lambda tried: tried.number)


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Leave aside what Ray Tune says about itself and about trials that failed, which the report tells."""
    logger = logging.getLogger("ray.tune")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"ray\.")
            # of a trial that is done again
            warnings.filterwarnings("ignore", message="The reported value is ignored", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _trial(tune: Any, config: Mapping[str, Any], *, call: Call, context: Any) -> None:
    def report(told: Told) -> None:
        tune.report(told)

    with alone():
        call(context, config, report)


class _Listener:
    """Who follows the search of this process; apart from the callback, which Ray writes to disk."""

    progress: Progress | None = None


def _callback(tune: Any, plan: Plan) -> Any:
    total, step, most = plan.trials, plan.step, plan.most

    class Follow(tune.Callback):  # type: ignore[misc]
        """Tells how the trials get on."""

        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Told, **_: Any) -> None:
            del iteration
            self.tell(trials, f"{trial.trial_id} {result.get(step)}/{most}")

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
            del iteration
            self.tell(trials, trial.trial_id)

        on_trial_error = on_trial_complete

        def tell(self, trials: Any, text: str) -> None:
            from debias.jobs.ray_search import _Listener  # that of the process, not one from the disk

            if _Listener.progress is not None:
                _Listener.progress(sum(trial.is_finished() for trial in trials), total, f"trial {text}")

    return Follow()


def _tried(result: Any, plan: Plan) -> Tried:
    config = result.config or {}
    parameters = {name: config[name] for name in plan.distributions if name in config}
    told = result.metrics or {}
    # its folder is NAME_ID_PLACE_…, with places from 1
    place = re.search(r"_[0-9a-f]{8}_(\d+)_", Path(result.path).name)
    error = "" if result.error is None else str(result.error).strip().splitlines()[-1]
    return Tried(int(place[1]) - 1 if place else -1, parameters, dict(told), error)
