"""Many independent jobs, in this process, in several, or on Ray.

A job that fails does not stop the others. What it does must not depend on other jobs: every job finds one thread and
freshly seeded global generators, so that its result is the same with any number of workers.

How jobs are run is a `Backend`: `Serial`, `Processes` or `Ray`. A backend yields each outcome as it is known, which is
where results can be kept and taken up again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from debias.errors import Problem
from debias.jobs.limits import Limits, isolation
from debias.jobs.processes import Processes
from debias.jobs.ray_backend import Ray
from debias.jobs.work import (
    Backend,
    Context,
    Heard,
    Job,
    JobError,
    Outcome,
    Progress,
    Result,
    Setup,
    alone,
    carried_out,
    named,
    one_thread,
)

__all__ = [
    "Backend",
    "Job",
    "JobError",
    "Limits",
    "Outcome",
    "Processes",
    "Progress",
    "Ray",
    "Serial",
    "backend_for",
    "cores",
    "isolation",
    "map",
    "one_thread",
    "timeout_problems",
    "workers_problems",
]


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map(
    jobs: Iterable[Job[Result]],
    *,
    setup: Setup | None = None,
    backend: Backend | None = None,
    progress: Progress | None = None,
    each: Callable[[int, Outcome[Result]], None] | None = None,
) -> list[Outcome[Result]]:
    """Run jobs and return their outcomes in the order of the jobs.

    Parameters
    ----------
    jobs : iterable of Job
        What is to be done.
    setup : callable, optional
        Called once in every process that works; each job gets what it returned. Where it fails, the jobs fail with
        its error.
    backend : Backend, optional
        Default: `Serial`.
    progress : callable, optional
        Receives (jobs done, jobs in all, what is going on).
    each : callable, optional
        Receives the number and outcome of each job as soon as it is known.

    Returns
    -------
    list of Outcome
        One for each job, whatever became of it.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C; every process that was started has ended then.
    """
    jobs = list(jobs)
    found: dict[int, Outcome[Result]] = {}
    tell = progress or _silent

    def heard(index: int, done: int, total: int, text: str) -> None:
        tell(len(found), len(jobs), f"{jobs[index].name} {done}/{total} {text}".rstrip())

    with (backend or Serial()).run(jobs, setup, heard) as outcomes:
        for index, outcome in outcomes:
            found[index] = outcome
            if each is not None:
                each(index, outcome)
            tell(len(found), len(jobs), outcome.name)
    return [found[index] for index in range(len(jobs))]


def backend_for(
    workers: int,
    jobs: int,
    *,
    timeout: float | None = None,
    preload: Sequence[str] = (),
    ray: str | None = None,
    limits: Limits | None = None,
    fresh: bool = False,
) -> Backend:
    """Return the backend for so many workers, at most one a job.

    Parameters
    ----------
    workers : int
        Workers at a time, 1 or more.
    jobs : int
        Jobs to do.
    timeout : float, optional
        Seconds after which a job is ended.
    preload : sequence of str
        Modules that the server of `Processes` loads once.
    ray : str, optional
        Where there is Ray, see `Ray`: an address, ``auto`` or ``local``.
    limits : Limits, optional
        What a job may take and do.
    fresh : bool
        Every job has a process of its own.

    Returns
    -------
    Backend
        `Ray` where an address is given; else `Serial` for one worker that nothing limits, else `Processes`.
    """
    workers = min(workers, max(jobs, 1))
    if ray is not None:
        return Ray(ray, workers, timeout=timeout, limits=limits, preload=preload)
    if workers == 1 and timeout is None and limits is None and not fresh:
        return Serial()
    return Processes(workers, timeout=timeout, preload=preload, limits=limits, fresh=fresh)


def workers_problems(workers: int | None, called: str) -> list[Problem]:
    """Return what is wrong with a number of workers, which its flag calls processes, jobs or workers."""
    if workers is None or workers >= 1:
        return []
    return [Problem(f"{workers!r} is no number of {called}", "--workers", "Give 1 or more.")]


def timeout_problems(timeout: float | None) -> list[Problem]:
    """Return what is wrong with the seconds after which a job is ended."""
    if timeout is None or timeout > 0:
        return []
    return [Problem(f"{timeout!r} is no time limit", "--timeout", "Give a number of seconds above 0.")]


class Serial:
    """One job after the other in this process; there is no time limit, and a crash is the end of all."""

    @contextlib.contextmanager
    def run(
        self, jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard
    ) -> Iterator[Iterator[tuple[int, Outcome[Any]]]]:
        """Yield the outcomes; see `Backend`."""
        yield self._outcomes(jobs, setup, heard)

    @staticmethod
    def _outcomes(jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard) -> Iterator[tuple[int, Outcome[Any]]]:
        context = Context(setup)
        for index, job in enumerate(jobs):
            context.make()
            with alone():
                outcome = carried_out(context, job.call, partial(heard, index))
            yield index, named(job.name, outcome)


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
