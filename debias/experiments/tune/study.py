"""The search of `tune` in one file: Optuna's trials, taken up again where a run was ended.

Every trial asks for its parameters with a seed of its own, so that they depend on its number and on the trials before
it and on nothing else. A trial that a killed run left behind is done again under its own number: with one worker the
search then ends as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.errors import DebiasError, Problem, UsageError, WriteError
from debias.experiments.tune.space import FACTOR, Space
from debias.experiments.tune.trial import Bench, Reached, run_trial
from debias.jobs import Progress
from debias.words import listing

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

NAME = "debias"
"""Of the study; with the number of a trial it decides the bracket."""
IDENTITY, ORDINAL, REACHED, REASONS = "identity", "ordinal", "reached", "reasons"
INSTALL = 'pip install "debias[tune]"'


def imported() -> Any:
    """Return the module `optuna`, silent.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UsageError(Problem("Optuna is not installed", "tune", f"{INSTALL}.")) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def sampler(seed: int) -> Any:
    """Return the sampler: tree-structured Parzen estimators over all parameters together."""
    optuna = imported()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)


@dataclass(frozen=True)
class Place:
    """Where the trials are kept, and how they are searched.

    Parameters
    ----------
    path : str
        A journal of this machine's file system.
    space : Space
    seed : int
    """

    path: str
    space: Space
    seed: int

    def study(self, ordinal: int = 0) -> Study:
        """Return the study; its sampler has the seed of one trial."""
        import numpy as np

        optuna = imported()
        journal = optuna.storages.journal
        backend = journal.JournalFileBackend(self.path, lock_obj=journal.JournalFileOpenLock(self.path))
        seed = int(np.random.SeedSequence([self.seed, ordinal]).generate_state(1)[0])
        return optuna.create_study(  # type: ignore[no-any-return]
            storage=optuna.storages.JournalStorage(backend),
            study_name=NAME,
            direction="maximize",
            load_if_exists=True,
            sampler=sampler(seed),
            pruner=optuna.pruners.HyperbandPruner(
                min_resource=self.space.least, max_resource=self.space.most, reduction_factor=FACTOR
            ),
        )


@contextlib.contextmanager
def kept(path: Path, *, restart: bool = False) -> Iterator[None]:
    """Hold the journal for one run, and mend what a power cut left of its last line.

    Raises
    ------
    UsageError
        Another run has it, or it is no journal of a search.
    WriteError
        It cannot be written.
    """
    try:
        stream = path.open("a+b")
    except OSError as error:
        found = f"cannot be written ({error.strerror})"
        raise WriteError(Problem(found, f"--storage {path}", "Name another file.")) from None
    with stream:
        _lock(stream.fileno(), path)
        stream.seek(0)
        content = stream.read()
        first = content.partition(b"\n")[0]
        if content and not _is_entry(first):
            found = "is no journal of a search"
            raise UsageError(Problem(found, f"--storage {path}", "Name another file, or one that is not there yet."))
        whole = 0 if restart else content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(stream.fileno(), whole)
        # what Optuna's own lock leaves when its holder is killed; nobody else is at work here
        _unlock(path)
        yield


def _unlock(path: Path) -> None:
    """Remove Optuna's lock, under its name or under the one that it has while it is being given back."""
    given_back = re.compile(rf"{re.escape(path.name)}\.lock[0-9a-f-]{{36}}\.rename")
    left = [other for other in path.absolute().parent.iterdir() if given_back.fullmatch(other.name)]
    for lock in (path.with_name(f"{path.name}.lock"), *left):
        lock.unlink(missing_ok=True)


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # a system without such locks
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        found = "another search is at work with it"
        raise UsageError(Problem(found, f"--storage {path}", "Wait for its end, or name another file.")) from None


def _is_entry(line: bytes) -> bool:
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def check_identity(study: Study, identity: Mapping[str, Any], path: Path) -> None:
    """Write down what is searched, or refuse a journal of another search.

    Raises
    ------
    UsageError
    """
    told = json.loads(json.dumps(identity))
    there = study.user_attrs.get(IDENTITY)
    if there is None:
        if study.get_trials(deepcopy=False):
            raise UsageError(Problem("is a search of another program", f"--storage {path}", "Name another file."))
        study.set_user_attr(IDENTITY, told)
        return
    differing = [name for name in {**told, **there} if told.get(name) != there.get(name)]
    if differing:
        found = f"is another search: it differs in {listing(differing)}"
        remedy = "Name another file, begin anew with --restart, or repeat the search that it is of."
        raise UsageError(Problem(found, f"--storage {path}", remedy))


@dataclass(frozen=True)
class Left:
    """A trial that is to be done: anew, or again.

    Parameters
    ----------
    ordinal : int
        Its place among all trials, which seeds it.
    trial_id : int or None
        Of one that an earlier run left behind.
    steps : int
        Epochs that this one has reported already.
    """

    ordinal: int
    trial_id: int | None = None
    steps: int = 0


def left(study: Study, trials: int) -> list[Left]:
    """Return what is missing to so many trials: first those left behind."""
    optuna = imported()
    there = study.get_trials(deepcopy=False)
    behind = [trial for trial in there if trial.state == optuna.trial.TrialState.RUNNING]
    again = [
        Left(trial.user_attrs.get(ORDINAL, trial.number), trial._trial_id, trial.last_step or 0) for trial in behind
    ]
    return again + [Left(ordinal) for ordinal in range(len(there), trials)]


def work(place: Place, item: Left, deadline: float | None, bench: Bench, progress: Progress) -> bool:
    """Do one trial, and keep what it reached; the body of a job.

    Parameters
    ----------
    place : Place
    item : Left
    deadline : float or None
        Of the machine's monotonic clock, which all its processes share, after which no trial begins.
    bench : Bench
    progress : callable

    Returns
    -------
    bool
        Whether there was time for it.
    """
    if deadline is not None and time.monotonic() > deadline:
        return False
    optuna = imported()
    study = place.study(item.ordinal)
    trial: Trial = study.ask() if item.trial_id is None else optuna.trial.Trial(study, item.trial_id)
    trial.set_user_attr(ORDINAL, item.ordinal)
    parameters = _parameters(study, trial, place.space)

    def report(reached: Reached) -> bool:
        if reached.epochs <= item.steps:
            return False  # told before, by the run that was killed; the same numbers
        trial.report(reached.objective, reached.epochs)
        return trial.should_prune()

    try:
        reached = run_trial(bench, parameters, report, progress)
    except DebiasError as error:
        trial.set_user_attr(REASONS, [str(problem) for problem in error.problems])
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    trial.set_user_attr(REACHED, _plain(reached))
    complete = reached.state == "complete"
    if reached.state == "diverged":
        trial.set_constraint("diverged", 1.0)  # the sampler puts it behind all others
    state = optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED
    study.tell(trial, reached.objective if complete else None, state)
    return True


def _parameters(study: Study, trial: Trial, space: Space) -> dict[str, Any]:
    """Return the parameters of a trial: those that it has already, and the others as they would have followed."""
    there = trial.params
    if there and not trial.relative_params:
        # drawn one after the other: those that are not drawn again move the generator on
        frozen = next(each for each in study.get_trials(deepcopy=False) if each.number == trial.number)
        for each in space.ranges:
            if each.name in there:
                study.sampler.sample_independent(study, frozen, each.name, each.distribution())
    return {each.name: each.suggest(trial) for each in space.ranges}


def _plain(reached: Reached) -> dict[str, Any]:
    told = reached.as_dict()
    return {**told, "objective": told["objective"] if reached.epoch else None}


def fail(study: Study, item: Left, error: DebiasError) -> None:
    """Write down that a trial's worker was lost, or its program failed."""
    optuna = imported()
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        if trial._trial_id == item.trial_id or trial.user_attrs.get(ORDINAL) == item.ordinal:
            found = optuna.trial.Trial(study, trial._trial_id)
            found.set_user_attr(REASONS, [str(each) for each in error.problems])
            study.tell(found, state=optuna.trial.TrialState.FAIL)


def reached_by(trial: FrozenTrial) -> Reached | None:
    """Return what a trial reached; None for one that has not ended, or that failed."""
    told = trial.user_attrs.get(REACHED)
    if told is None or not trial.state.is_finished():
        return None
    objective = float("-inf") if told["objective"] is None else told["objective"]
    return Reached(**{**told, "objective": objective})
