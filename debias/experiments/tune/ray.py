"""The search of `tune` on Ray Tune, for a cluster."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.errors import DebiasError, Problem, UsageError, WriteError
from debias.experiments.tune.space import FACTOR
from debias.experiments.tune.study import sampler
from debias.experiments.tune.trial import Bench, Reached, run_trial
from debias.experiments.tune.tried import Search, Tried
from debias.files import write_atomic
from debias.jobs import Progress, ray_search
from debias.words import listing

if TYPE_CHECKING:
    from debias.jobs.ray_search import Told

IDENTITY = "search.json"


def with_ray(bench: Bench, search: Search, progress: Progress | None) -> tuple[list[Tried], int]:
    """Run the search, or go on with the one in the folder; return all trials, and how many an earlier run had done.

    Raises
    ------
    DebiasError
        The folder is of another search, or Ray does not answer.
    """
    _claim(bench, search)
    space = bench.space
    plan = ray_search.Plan(
        distributions={item.name: item.distribution() for item in space.ranges},
        sampler=sampler(bench.asked.seed),
        metric="objective",
        step="epochs",
        least=space.least,
        most=space.most,
        factor=FACTOR,
        brackets=1 + int(math.log(space.most / space.least, FACTOR) + 1e-9),
        trials=search.trials,
    )
    earlier: list[int] = []

    def follow(done: int, total: int, text: str) -> None:
        earlier.append(done)
        if progress is not None:
            progress(done, total, text)

    found = ray_search.search(
        trial, bench, plan, folder=search.storage, address=search.ray, workers=search.workers,
        timeout=search.timeout, progress=follow,
    )  # fmt: skip
    resumed = min(earlier, default=len(found))
    return [_of(each, space.most) for each in found], resumed


def trial(bench: Bench, parameters: Mapping[str, Any], tell: Callable[[Told], None]) -> None:
    """Do one trial; Ray Tune ends it where that is due."""

    def report(reached: Reached) -> bool:
        tell(_told(reached, ""))
        return False

    try:
        reached = run_trial(bench, parameters, report, _silent)
    except DebiasError as error:
        tell(_told(Reached(), "failed") | {"reasons": [str(problem) for problem in error.problems]})
        return
    if reached.state == "diverged" or reached.epochs < bench.space.most:
        tell(_told(reached, reached.state))


def _told(reached: Reached, end: str) -> Told:
    worst = end in ("diverged", "failed") or not reached.epoch
    return {
        "objective": ray_search.WORST if worst else reached.objective,
        "epochs": reached.epochs,
        "reached": reached.as_dict() | {"objective": reached.objective if reached.epoch else None},
        "end": end,
    }


def _of(found: ray_search.Tried, most: int) -> Tried:
    told = found.told
    if found.error or told.get("end") == "failed" or "reached" not in told:
        reasons = told.get("reasons") or [found.error or "it reported nothing"]
        return Tried(found.number, "failed", found.parameters, None, reasons)
    values = dict(told["reached"])
    values["objective"] = -math.inf if values["objective"] is None else values["objective"]
    values["seconds"] = values["seconds"] or float(told.get("time_total_s", 0.0))
    # Ray Tune ends a trial at its last epoch as it ends one that is not worth it
    values["state"] = told["end"] or ("complete" if values["epochs"] >= most else "pruned")
    reached = Reached(**values)
    return Tried(found.number, reached.state, found.parameters, reached)


def _claim(bench: Bench, search: Search) -> None:
    """Make the folder ours, or find it to be of this search."""
    folder, told = search.storage, {**bench.identity(), "trials": search.trials}
    file = folder / IDENTITY
    told = json.loads(json.dumps(told))
    there = _identity(file)
    if there is None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = "is no folder of a search on Ray Tune"
        raise UsageError(Problem(found, f"--storage {folder}", "Name another folder, or one that is not there yet."))
    if there is not None and search.restart:
        shutil.rmtree(folder)
        there = None
    if there is not None and there != told:
        differing = [name for name in {**told, **there} if told.get(name) != there.get(name)]
        found = f"is another search: it differs in {listing(differing)}"
        raise UsageError(Problem(found, f"--storage {folder}", "Name another folder, or begin anew with --restart."))
    if there is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            found = f"cannot be made ({error.strerror})"
            raise WriteError(Problem(found, f"--storage {folder}", "Name another folder.")) from None
        write_atomic(file, json.dumps(told, indent=2).encode(), force=True)


def _identity(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
