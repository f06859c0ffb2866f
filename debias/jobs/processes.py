"""Jobs in several processes of this machine: the only place that starts one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import TYPE_CHECKING, Any

from debias.errors import Problem
from debias.jobs.limits import Limits
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
from debias.words import number

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess

PRELOAD = ("debias.jobs", "torch")
# Progress that comes faster than anyone can read only fills the pipe.
PAUSE = 0.1
# Told to the libraries before they are loaded; a thread pool that exists already is told again in the worker.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


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
    limits : Limits, optional
        What a job may take and do. Every job then has a process of its own.
    fresh : bool
        Every job has a process of its own.
    """

    workers: int
    timeout: float | None = None
    preload: Sequence[str] = ()
    limits: Limits | None = None
    fresh: bool = False

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
            yield index, named(self.jobs[index].name, told)
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
        context = Context(pickle.loads(connection.recv_bytes()))
        while True:
            _answer(connection, context, connection.recv_bytes())


def _answer(connection: Connection, context: Context, payload: bytes) -> None:
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
    with alone():
        outcome = carried_out(context, call, progress)
    try:
        data = pickle.dumps(("done", outcome))
    except Exception as error:
        data = pickle.dumps(("done", replace(outcome, value=None, error=unexpected(error))))
    connection.send_bytes(data)


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
