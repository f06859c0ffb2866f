"""Many independent jobs, in this process or in several: the only place that starts a process.

A job that fails does not stop the others. What it does must not depend on other jobs: every job finds one thread and
freshly seeded global generators, so that its result is the same with any number of workers.

How jobs are run is a `Backend`: `Serial` or `Processes`. A backend yields each outcome as it is known, which is where
results can be kept and taken up again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from debias.errors import DebiasError, Problem
from debias.words import number

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess

Progress = Callable[[int, int, str], None]
"""Called with (done, in all, what is going on)."""
Heard = Callable[[int, int, int, str], None]
"""Called with the number of a job and its own progress."""
Setup = Callable[[], Any]
Result = TypeVar("Result")
Fault = Literal["exception", "crash", "timeout"]

PRELOAD = ("debias.jobs", "torch")
SEED = 0
# Progress that comes faster than anyone can read only fills the pipe.
PAUSE = 0.1
# Told to the libraries before they are loaded; a thread pool that exists already is told again in the worker.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Job(Generic[Result]):
    """One piece of work.

    Parameters
    ----------
    name : str
        What a message calls it.
    call : callable
        Called with what the setup returned (None without one) and with a `Progress`. It can be pickled, as can its
        result. It leaves the setup's value as it is: other jobs get the same one.
    """

    name: str
    call: Callable[[Any, Progress], Result]


class JobError(DebiasError):
    """A job ended by a fault that is not the input's: an unexpected exception, a dead worker, or its time was up.

    Parameters
    ----------
    problems : Problem
        What happened, to which job.
    kind : {"exception", "crash", "timeout"}
        How it ended.
    trace : str
        The traceback of an unexpected exception.
    """

    def __init__(self, problems: str | Problem | Iterable[Problem], kind: Fault = "exception", trace: str = "") -> None:
        super().__init__(problems)
        self.kind: Fault = kind
        self.trace = trace


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of a job: its value, or the error that ended it.

    Parameters
    ----------
    name : str
        The job.
    value : object
        What it returned; None after an error.
    error : DebiasError or None
        Its own `DebiasError`, or a `JobError` where it failed in another way.
    seconds : float
        Wall-clock seconds of the job, the setup not counted.
    """

    name: str
    value: Result | None
    error: DebiasError | None
    seconds: float

    def get(self) -> Result:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class Backend(Protocol):
    """A way to run jobs."""

    def run(
        self, jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard
    ) -> contextlib.AbstractContextManager[Iterator[tuple[int, Outcome[Any]]]]:
        """Return the outcomes with their jobs' numbers, in the order in which they come; leaving ends all work."""
        ...


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


def backend_for(workers: int, jobs: int, *, timeout: float | None = None, preload: Sequence[str] = ()) -> Backend:
    """Return `Serial` for one worker without a time limit, else `Processes`, at most one a job."""
    workers = min(workers, max(jobs, 1))
    return Serial() if workers == 1 and timeout is None else Processes(workers, timeout=timeout, preload=preload)


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
        context = _Context(setup)
        for index, job in enumerate(jobs):
            context.make()
            with _alone():
                outcome = _done(context, job.call, partial(heard, index))
            yield index, _named(job.name, outcome)


@dataclass(frozen=True)
class Processes:
    """Several processes of this machine, each doing one job at a time on one thread.

    They are forked from a server that has loaded `preload`, so that starting one takes no time. A worker that dies
    costs its job only; another takes its place.

    Parameters
    ----------
    workers : int
        Processes at a time, 1 or more.
    timeout : float, optional
        Seconds after which a job is ended; the setup has as many.
    preload : sequence of str
        Modules that the server loads once, beside torch.
    """

    workers: int
    timeout: float | None = None
    preload: Sequence[str] = ()

    def warm(self) -> None:
        """Start the server, which loads its modules while this process goes on."""
        context = _start_method()
        if context.get_start_method() != "forkserver":
            return
        from multiprocessing import forkserver

        context.set_forkserver_preload([*PRELOAD, *self.preload])
        with _environment(ONE_THREAD):
            forkserver.ensure_running()

    @contextlib.contextmanager
    def run(
        self, jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard
    ) -> Iterator[Iterator[tuple[int, Outcome[Any]]]]:
        """Yield the outcomes; every worker is ended on the way out. See `Backend`."""
        self.warm()
        crew = _Crew(self, jobs, setup, heard)
        try:
            yield crew.outcomes()
        finally:
            crew.end()


class _Crew:
    """The workers of one run and what is left to do."""

    def __init__(self, backend: Processes, jobs: Sequence[Job[Any]], setup: Setup | None, heard: Heard) -> None:
        self.size, self.timeout = backend.workers, backend.timeout
        self.jobs, self.heard = jobs, heard
        # Plain pickles: those of torch share memory, which goes with a worker that dies.
        self.setup = pickle.dumps(setup)
        self.payloads = [pickle.dumps(job.call) for job in jobs]
        self.needs_main = any(b"__main__" in payload for payload in (self.setup, *self.payloads))
        self.waiting = deque(range(len(jobs)))
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
                    yield self._lost(worker, "timeout")

    def _hand_out(self) -> None:
        idle = [worker for worker in self.workers if not worker.busy]
        while self.waiting and (idle or len(self.workers) < self.size):
            worker = idle.pop() if idle else self._hire()
            index = self.waiting.popleft()
            worker.begin(index, self.timeout)
            worker.send(self.payloads[index])

    def _hire(self) -> _Worker:
        worker = _Worker(self.needs_main)
        self.workers.append(worker)
        worker.send(self.setup)
        return worker

    def _ready(self) -> list[_Worker]:
        """Return the workers that have said something or died, or none when a time is up."""
        busy = [worker for worker in self.workers if worker.busy]
        first = min(worker.deadline for worker in busy)
        left = None if first == float("inf") else max(0.0, first - time.monotonic())
        heard = set(wait([part for worker in busy for part in (worker.connection, worker.process.sentinel)], left))
        return [worker for worker in busy if not heard.isdisjoint((worker.connection, worker.process.sentinel))]

    def _listen(self, worker: _Worker) -> Iterator[tuple[int, Outcome[Any]]]:
        try:
            # Without anything to read it was the end of the process that was heard.
            said = worker.connection.recv_bytes() if worker.connection.poll() else None
        except (EOFError, OSError):
            said = None
        kind: str = "end"
        told: Any = None
        if said is not None:
            kind, told = pickle.loads(said)
        if kind == "begun":
            worker.begin(worker.index, self.timeout)
        elif kind == "progress":
            self.heard(worker.index, *told)
        elif kind == "done":
            index, worker.busy = worker.index, False
            yield index, _named(self.jobs[index].name, told)
        else:
            yield self._lost(worker, "crash")

    def _lost(self, worker: _Worker, kind: Fault) -> tuple[int, Outcome[Any]]:
        """Let a worker go and return the outcome of the job that it had."""
        self.workers.remove(worker)
        code = worker.end(kill=kind == "timeout")
        if kind == "timeout":
            found, remedy = f"was ended after {number(self.timeout or 0)} seconds", "Give it more time, or less to do."
        elif code is not None and code < 0:
            found, remedy = f"its process was killed by {_signal(-code)}", "It may have taken too much memory."
        else:
            found, remedy = f"its process ended with exit code {code}", ""
        seconds = time.monotonic() - worker.since
        name = self.jobs[worker.index].name
        return worker.index, Outcome(name, None, JobError(Problem(found, name, remedy), kind), seconds)

    def end(self) -> None:
        """End every worker at once, whatever it is doing."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.end(kill=True)
        self.workers.clear()


class _Worker:
    """A process, the line to it, and the job that it has."""

    process: ForkServerProcess | SpawnProcess

    def __init__(self, needs_main: bool) -> None:
        context = _start_method()
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other,), daemon=True)
        with contextlib.nullcontext() if needs_main else _without_main():
            self.process.start()
        other.close()
        self.busy, self.index = False, -1
        self.since = self.deadline = 0.0

    def begin(self, index: int, timeout: float | None) -> None:
        self.busy, self.index, self.since = True, index, time.monotonic()
        self.deadline = float("inf") if timeout is None else self.since + timeout

    def send(self, data: bytes) -> None:
        # A worker that died is found by whoever listens to it.
        with contextlib.suppress(OSError):
            self.connection.send_bytes(data)

    def end(self, kill: bool) -> int | None:
        """Return the exit code, after the process has ended."""
        if kill:
            self.process.kill()
        self.connection.close()
        self.process.join(10)
        code = self.process.exitcode
        with contextlib.suppress(ValueError):  # still there: stuck in the kernel, and a daemon
            self.process.close()
        return code


def _work(connection: Connection) -> None:
    """Do what is sent, one job at a time, until nothing more comes; the body of a worker."""
    # Ctrl-C goes to every process of a terminal; the one that started this one answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        context = _Context(pickle.loads(connection.recv_bytes()))
        while True:
            _answer(connection, context, connection.recv_bytes())


def _answer(connection: Connection, context: _Context, payload: bytes) -> None:
    last = -PAUSE

    def tell(kind: str, told: Any) -> None:
        connection.send_bytes(pickle.dumps((kind, told)))

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE or done == total:
            last = time.monotonic()
            tell("progress", (done, total, text))

    def call(value: Any, progress: Progress) -> Any:
        return pickle.loads(payload)(value, progress)

    context.make()
    tell("begun", None)
    with _alone():
        outcome = _done(context, call, progress)
    try:
        data = pickle.dumps(("done", outcome))
    except Exception as error:
        data = pickle.dumps(("done", replace(outcome, value=None, error=_unexpected(error))))
    connection.send_bytes(data)


class _Context:
    """What the setup returned, or why it failed; made once."""

    def __init__(self, setup: Setup | None) -> None:
        self.setup = setup
        self.value: Any = None
        self.error: DebiasError | None = None

    def make(self) -> None:
        setup, self.setup = self.setup, None
        if setup is not None:
            with _alone():
                self.value, self.error = _tried(setup)


def _done(context: _Context, call: Callable[[Any, Progress], Any], progress: Progress) -> Outcome[Any]:
    if context.error is not None:
        return Outcome("", None, context.error, 0.0)
    start = time.perf_counter()
    value, error = _tried(partial(call, context.value, progress))
    return Outcome("", value, error, time.perf_counter() - start)


def _tried(call: Callable[[], Any]) -> tuple[Any, DebiasError | None]:
    try:
        return call(), None
    except DebiasError as error:
        return None, error
    except (Exception, SystemExit) as error:
        return None, _unexpected(error)


def _unexpected(error: BaseException) -> JobError:
    found = " ".join(f"unexpected {type(error).__name__}: {error}".split())
    return JobError(Problem(found), "exception", "".join(traceback.format_exception(error)))


def _named(name: str, outcome: Outcome[Any]) -> Outcome[Any]:
    """Return the outcome with the job's name, in the error too where that has no other place."""
    error = outcome.error
    if isinstance(error, JobError):
        error = JobError([replace(item, where=item.where or name) for item in error.problems], error.kind, error.trace)
    return replace(outcome, name=name, error=error)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and the libraries for arrays work on one thread: sums then have one order, on every machine."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One thread, and global generators in a state of their own; both as before on the way out."""
    import random

    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(SEED)
        np.random.seed(SEED)
        torch.manual_seed(SEED)
        with one_thread():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _start_method() -> ForkServerContext | SpawnContext:
    known = "forkserver" in multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver") if known else multiprocessing.get_context("spawn")


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a new process from running the user's script again, which a script without a guard does not survive."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _leave_with_parent() -> None:
    """End this process when the one that started it is gone; nobody would take its result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _signal(value: int) -> str:
    try:
        return signal.Signals(value).name
    except ValueError:
        return f"signal {value}"


def _silent(done: int, total: int, text: str) -> None:
    del done, total, text
