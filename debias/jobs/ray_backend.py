"""Jobs on Ray: one actor a worker, one remote call a job."""

from __future__ import annotations

import contextlib
import pickle
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from debias.errors import Problem
from debias.jobs.limits import Limits
from debias.jobs.processes import Processes
from debias.jobs.ray_session import session
from debias.jobs.work import (
    Context,
    Fault,
    Heard,
    Job,
    JobError,
    Outcome,
    Progress,
    Setup,
    alone,
    carried_out,
    named,
    unexpected,
)
from debias.jobs.worker import now_and_then
from debias.words import number

Said = tuple[str, Any]

GRACE = 60.0
"""Seconds after its time in which a worker has to end a job with limits."""


@dataclass(frozen=True)
class Ray:
    """Workers on Ray, each doing one job at a time on one thread.

    A job whose worker is lost is done anew by another, `retries` times: on a cluster machines go. A job that takes too
    long is ended and not tried again.

    Parameters
    ----------
    address : str, optional
        ``HOST:PORT`` of a cluster that this machine is a node of. ``local`` and None start Ray on this machine, ended
        on the way out; ``auto`` does where RAY_ADDRESS names no cluster.
    workers : int
        Workers at a time. Those that the cluster has no processors for come as soon as it has.
    timeout : float, optional
        Seconds after which a job is ended; the setup has as many.
    retries : int
        How often a job is tried again after its worker was lost.
    limits : Limits, optional
        What a job may take and do. It then runs in a process of its own, below the worker on its node.
    preload : sequence of str
        Modules that a server on the node loads once, for jobs with limits.
    """

    address: str | None = None
    workers: int = 1
    timeout: float | None = None
    retries: int = 1
    limits: Limits | None = None
    preload: Sequence[str] = ()

    @contextlib.contextmanager
    def run(
        self, jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard
    ) -> Iterator[Iterator[tuple[int, Outcome[Any]]]]:
        """Yield the outcomes; every worker is ended on the way out. See `Backend`."""
        with session(self.address, self.workers) as ray:
            crew = _Crew(ray, self, jobs, setup, heard)
            try:
                yield crew.outcomes()
            finally:
                crew.end()


class _Crew:
    """The workers of one run and what is left to do."""

    def __init__(self, ray: Any, backend: Ray, jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard) -> None:
        self.ray, self.size, self.timeout, self.retries = ray, backend.workers, backend.timeout, backend.retries
        self.jobs, self.heard = jobs, heard
        # Ray's pickles hold what a script defines itself, which no other machine could import.
        self.setup = ray.put(ray.cloudpickle.dumps(setup))
        self.payloads = [ray.cloudpickle.dumps(job.call) for job in jobs]
        self.limits, self.preload = backend.limits, tuple(backend.preload)
        # A job with limits is ended by its worker, which goes on; this is for a worker that does not.
        self.patience = self.timeout if self.timeout is None or self.limits is None else self.timeout + GRACE
        actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)
        self.hand, self.guard = actor(_Hand), actor(_Guard)
        self.waiting = deque(range(len(jobs)))
        self.lost = [0] * len(jobs)
        self.workers: list[_Worker] = []

    def outcomes(self) -> Iterator[tuple[int, Outcome[Any]]]:
        """Yield the outcome of every job."""
        while self.waiting or any(worker.busy for worker in self.workers):
            self._hand_out()
            for worker in self._ready():
                yield from self._listen(worker)
            now = time.monotonic()
            for worker in list(self.workers):
                if worker.busy and worker.deadline <= now:
                    yield self._given_up(worker, "timeout", "")

    def _hand_out(self) -> None:
        idle = [worker for worker in self.workers if not worker.busy]
        if idle and not self.waiting:
            # A worker that no processor is free for may never come, least of all while idle ones hold them.
            for worker in [worker for worker in self.workers if worker.busy and not worker.here][: len(idle)]:
                self._let_go(worker)
                self.waiting.append(worker.index)
        while self.waiting and (idle or len(self.workers) < self.size):
            if idle:
                worker = idle.pop()
            else:
                worker = _Worker(self._hired())
                self.workers.append(worker)
            index = self.waiting.popleft()
            worker.begin(index, self.payloads[index])

    def _hired(self) -> Any:
        if self.limits is None:
            return self.hand.remote(self.setup)
        return self.guard.remote(self.setup, self.limits, self.timeout, self.preload)

    def _ready(self) -> list[_Worker]:
        """Return the workers that have said something or died, or none when a time is up."""
        busy = {worker.line: worker for worker in self.workers if worker.busy}
        first = min(worker.deadline for worker in busy.values())
        left = None if first == float("inf") else max(0.0, first - time.monotonic())
        heard, _ = self.ray.wait(list(busy), num_returns=1, timeout=left)
        return [busy[line] for line in heard]

    def _listen(self, worker: _Worker) -> Iterator[tuple[int, Outcome[Any]]]:
        try:
            kind, told = self.ray.get(next(worker.line))
        except (self.ray.exceptions.RayError, StopIteration) as error:
            yield from self._without(worker, _reason(error))
            return
        if kind in ("here", "begun"):
            worker.here = True
            worker.count(self.patience)
        elif kind == "progress":
            self.heard(worker.index, *told)
        else:
            index, worker.busy = worker.index, False
            yield index, named(self.jobs[index].name, pickle.loads(told))

    def _without(self, worker: _Worker, reason: str) -> Iterator[tuple[int, Outcome[Any]]]:
        """Give the job of a lost worker to another, or return what became of it."""
        index = worker.index
        self.lost[index] += 1
        if self.lost[index] > self.retries:
            yield self._given_up(worker, "crash", reason)
            return
        self._let_go(worker)
        self.waiting.appendleft(index)

    def _given_up(self, worker: _Worker, kind: Fault, reason: str) -> tuple[int, Outcome[Any]]:
        self._let_go(worker)
        name = self.jobs[worker.index].name
        if kind == "timeout":
            found, remedy = f"was ended after {number(self.timeout or 0)} seconds", "Give it more time, or less to do."
        else:
            times = f" {self.lost[worker.index]} times" if self.retries else ""
            found, remedy = f"its worker was lost{times}: {reason}", "It may have taken too much memory."
        error = JobError(Problem(found, name, remedy), kind)
        return worker.index, Outcome(name, None, error, time.monotonic() - worker.since)

    def _let_go(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        self.ray.kill(worker.actor, no_restart=True)

    def end(self) -> None:
        """End every worker at once, whatever it is doing."""
        for worker in list(self.workers):
            with contextlib.suppress(Exception):  # the cluster itself may be gone
                self._let_go(worker)


class _Worker:
    """An actor, the line to it, and the job that it has."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.line: Any = None
        self.busy, self.here, self.index = False, False, -1
        self.since = time.monotonic()
        self.deadline = float("inf")

    def begin(self, index: int, payload: bytes) -> None:
        # Its time begins when it says that it is there: a full cluster may let it wait.
        self.busy, self.index, self.deadline = True, index, float("inf")
        self.line = self.actor.do.options(num_returns="streaming").remote(payload)

    def count(self, timeout: float | None) -> None:
        self.since = time.monotonic()
        self.deadline = float("inf") if timeout is None else self.since + timeout


class _Hand:
    """The actor: it makes the setup once and says what goes on with a job, last of all its outcome."""

    def __init__(self, setup: bytes) -> None:
        self.setup: bytes | None = setup
        self.context = Context(None)
        with alone():  # loads what a job needs, before its time runs
            pass

    def do(self, payload: bytes) -> Iterator[Said]:
        """Yield ``("here", None)``, ``("begun", None)``, progress, and ``("done", pickled outcome)``."""
        yield "here", None
        if self.setup is not None:
            setup, self.setup = self.setup, None
            self.context = Context(partial(_made, setup))
            self.context.make()
        yield "begun", None
        yield from _passed_on(partial(_carry_out, self.context, payload))


class _Guard:
    """The actor of jobs with limits: each has a process of its own below this one."""

    def __init__(self, setup: bytes, limits: Limits, timeout: float | None, preload: Sequence[str]) -> None:
        self.setup = setup
        # The script of this process is that of Ray.
        self.backend = Processes(1, timeout, preload, limits, fresh=True, script=False)
        self.backend.warm()

    def do(self, payload: bytes) -> Iterator[Said]:
        """Yield ``("here", None)``, progress, and ``("done", pickled outcome)``."""
        yield "here", None
        yield from _passed_on(partial(self._carry_out, payload))

    def _carry_out(self, payload: bytes, tell: Callable[[Said], None]) -> None:
        def heard(_: int, *step: Any) -> None:
            tell(("progress", step))

        try:
            job: Job[Any] = Job("", _Unpickled(payload))  # type: ignore[arg-type]  # that is what it is there
            with self.backend.run([job], _Unpickled(self.setup), heard) as ended:  # type: ignore[arg-type]
                ((_, outcome),) = ended
        except Exception as error:
            outcome = Outcome("", None, unexpected(error), 0.0)
        tell(("done", pickle.dumps(outcome)))


class _Unpickled:
    """A pickle that is what it holds, once it is in another process."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self.data,)


def _passed_on(work: Callable[[Callable[[Said], None]], None]) -> Iterator[Said]:
    """Yield what is told by work in a thread of its own, up to ``done``."""
    said: queue.SimpleQueue[Said] = queue.SimpleQueue()
    threading.Thread(target=work, args=(said.put,), daemon=True).start()
    while True:
        kind, told = said.get()
        yield kind, told
        if kind == "done":
            return


def _made(setup: bytes) -> Any:
    make = pickle.loads(setup)
    return None if make is None else make()


def _carry_out(context: Context, payload: bytes, tell: Callable[[Said], None]) -> None:
    def step(done: int, total: int, text: str) -> None:
        tell(("progress", (done, total, text)))

    def call(value: Any, progress: Progress) -> Any:
        return pickle.loads(payload)(value, progress)

    with alone():
        outcome = carried_out(context, call, now_and_then(step))
    try:
        data = pickle.dumps(outcome)
    except Exception as error:
        data = pickle.dumps(replace(outcome, value=None, error=unexpected(error)))
    tell(("done", data))


def _reason(error: BaseException) -> str:
    """Return why a worker was lost, of Ray's many lines the one that tells."""
    text = " ".join(str(error).split())
    for start in ("Worker exit detail: ", "The actor died because "):
        if start in text:
            text = text.partition(start)[2]
            break
    return text.partition(". ")[0][:200] or type(error).__name__
