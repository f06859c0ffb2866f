"""Jobs in several processes of this machine."""

from __future__ import annotations

import contextlib
import pickle
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from debias.errors import Problem
from debias.jobs.answers import Garbled
from debias.jobs.hands import Confined, Hand, Trusted, warm
from debias.jobs.limits import Limits
from debias.jobs.work import Fault, Heard, Job, JobError, Outcome, Setup, named
from debias.words import number

TOO_SLOW = "Give it more time, or less to do."


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
    script : bool
        What jobs need from the script that was started is loaded from there.
    """

    workers: int
    timeout: float | None = None
    preload: Sequence[str] = ()
    limits: Limits | None = None
    fresh: bool = False
    script: bool = True

    def warm(self) -> None:
        """Start the server, which loads its modules while this process goes on."""
        warm(self.preload)

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
        self.backend, self.size, self.timeout = backend, backend.workers, backend.timeout
        self.once = backend.fresh or backend.limits is not None
        self.jobs, self.heard = jobs, heard
        # Plain pickles: those of torch share memory, which goes with a worker that dies.
        self.setup = pickle.dumps(setup)
        self.payloads = [pickle.dumps(job.call) for job in jobs]
        self.needs_main = backend.script and any(b"__main__" in payload for payload in (self.setup, *self.payloads))
        self.waiting = deque(range(len(jobs)))
        self.workers: list[Hand] = []

    def outcomes(self) -> Iterator[tuple[int, Outcome[Any]]]:
        """Yield the outcome of every job."""
        while self.waiting or any(worker.busy for worker in self.workers):
            self._hand_out()
            ready = self._ready()
            now = time.monotonic()  # before others use the outcomes, which may take them long
            for worker in ready:
                yield from self._listen(worker)
            for worker in list(self.workers):
                if worker.busy and worker.deadline <= now:
                    yield self._lost(worker, "timeout")

    def _hand_out(self) -> None:
        idle = [worker for worker in self.workers if not worker.busy]
        busy = len(self.workers) - len(idle)
        while self.waiting and busy < self.size:
            worker = idle.pop() if idle else self._hire()
            index = self.waiting.popleft()
            worker.begin(index, self.timeout)
            worker.send(self.payloads[index])
            busy += 1
        if self.once and self.waiting and not idle:
            self._hire()  # made while the others work

    def _hire(self) -> Hand:
        limits = self.backend.limits
        worker = Trusted(self.once, self.needs_main) if limits is None else Confined(limits, self.needs_main)
        self.workers.append(worker)
        worker.send(self.setup)
        return worker

    def _ready(self) -> list[Hand]:
        """Return the workers that have said something or died, or none when a time is up."""
        busy = [worker for worker in self.workers if worker.busy]
        first = min(worker.deadline for worker in busy)
        left = None if first == float("inf") else max(0.0, first - time.monotonic())
        heard = set(wait([part for worker in busy for part in (worker.connection, worker.process.sentinel)], left))
        return [worker for worker in busy if not heard.isdisjoint((worker.connection, worker.process.sentinel))]

    def _listen(self, worker: Hand) -> Iterator[tuple[int, Outcome[Any]]]:
        try:
            said = worker.listen()
        except Garbled as error:
            yield self._lost(worker, "crash", str(error))
            return
        except (EOFError, OSError):
            yield self._lost(worker, "crash")
            return
        for kind, told in said:
            if kind == "begun":
                worker.begin(worker.index, self.timeout)
            elif kind == "progress":
                self.heard(worker.index, *told)
            else:
                index, worker.busy = worker.index, False
                if self.once:
                    self.workers.remove(worker)
                    if self.backend.limits is not None:
                        worker.process.kill()
                self._hand_out()  # the next job goes on while this process ends and its answer is used
                if self.once:
                    worker.end(kill=self.backend.limits is not None)
                yield index, named(self.jobs[index].name, told)
                return

    def _lost(self, worker: Hand, kind: Fault, found: str = "") -> tuple[int, Outcome[Any]]:
        """Let a worker go and return the outcome of the job that it had."""
        self.workers.remove(worker)
        seconds = time.monotonic() - worker.since
        code = worker.end(kill=kind == "timeout" or bool(found))
        if kind == "timeout":
            error = _fault(f"was ended after {number(self.timeout or 0)} seconds", kind, TOO_SLOW)
        elif found:
            error = _fault(found, kind)
        else:
            error = worker.blamed(code) or _fault(*_death(code), worker.written)
        return worker.index, named(self.jobs[worker.index].name, Outcome("", None, error, seconds))

    def end(self) -> None:
        """End every worker at once, whatever it is doing."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.end(kill=True)
        self.workers.clear()


def _fault(found: str, kind: Fault = "crash", remedy: str = "", trace: str = "") -> JobError:
    return JobError(Problem(found, "", remedy), kind, trace)


def _death(code: int | None) -> tuple[str, Fault, str]:
    if code is not None and code < 0:
        remedy = "It may have taken too much memory." if code == -signal.SIGKILL else ""
        return f"its process was killed by {_signal(-code)}", "crash", remedy
    return f"its process ended with exit code {code}", "crash", ""


def _signal(value: int) -> str:
    try:
        return signal.Signals(value).name
    except ValueError:
        return f"signal {value}"
