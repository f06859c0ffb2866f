"""The processes that do the jobs, as their parent sees them: the only place that starts one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from types import ModuleType
from typing import TYPE_CHECKING, Any

from debias.jobs import answers, sandbox, worker
from debias.jobs.limits import DENIED, NO_MEMORY, Limits, count_kills, problem
from debias.jobs.work import Fault, JobError, Outcome

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess

PRELOAD = ("debias.jobs", "torch")
LAST = "debias.jobs.server"
# Told to the libraries before they are loaded; a thread pool that exists already is told again in the worker. Every
# arena of the allocator claims address space, of which there may be little; a fork does not copy a thread.
ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
WRITTEN = 20_000
"""Bytes of what a process wrote on stderr that are looked at after its death."""

Said = tuple[str, Any]


def warm(preload: Sequence[str]) -> None:
    """Start the server that processes are forked from, where there is such a thing."""
    context = _start_method()
    if context.get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver

    context.set_forkserver_preload([*PRELOAD, *preload, LAST])
    with _environment(ENVIRONMENT):
        forkserver.ensure_running()


class Hand(ABC):
    """A process, the line to it, and the job that it has."""

    process: ForkServerProcess | SpawnProcess
    written = ""
    """What it wrote on stderr, where that is read; known when it has ended."""

    def __init__(self, needs_main: bool) -> None:
        context = _start_method()
        self.connection, other = context.Pipe()
        self.busy, self.index = False, -1
        self.since = self.deadline = 0.0
        with contextlib.nullcontext() if needs_main else _without_main():
            self.start(context, other)
        other.close()

    @abstractmethod
    def start(self, context: ForkServerContext | SpawnContext, line: Connection) -> None:
        """Start the process with its end of the line."""

    @abstractmethod
    def listen(self) -> Sequence[Said]:
        """Return what is said: ``begun``, ``progress`` with a step, ``done`` with an outcome.

        Raises
        ------
        Garbled
            It is no answer.
        EOFError, OSError
            The process is gone.
        """

    def blamed(self, code: int | None) -> JobError | None:
        """Return the error of a process that died of its limits, with this exit code; None of any other."""
        del code
        return None

    def begin(self, index: int, timeout: float | None) -> None:
        """Note its job; its time runs from now."""
        self.busy, self.index, self.since = True, index, time.monotonic()
        self.deadline = float("inf") if timeout is None else self.since + timeout

    def send(self, data: bytes) -> None:
        """Send what it waits for."""
        # One that died is found by whoever listens to it.
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


class Trusted(Hand):
    """Speaks in pickles; with `fresh` it ends after one job."""

    def __init__(self, fresh: bool, needs_main: bool) -> None:
        self.fresh = fresh
        super().__init__(needs_main)

    def start(self, context: ForkServerContext | SpawnContext, line: Connection) -> None:
        """Start the process with its end of the line."""
        self.process = context.Process(target=worker.trusted, args=(line, self.fresh), daemon=True)
        self.process.start()

    def listen(self) -> Sequence[Said]:
        """Return what is said; see `Hand`."""
        # Without anything to read it was the end of the process that was heard.
        if not self.connection.poll():
            raise EOFError
        return [pickle.loads(self.connection.recv_bytes())]


class Confined(Hand):
    """Has limits and does one job; neither what it says is relied on, nor that it says anything."""

    def __init__(self, limits: Limits, needs_main: bool) -> None:
        self.limits, self.begun, self.kills = limits, False, count_kills()
        self.frames = answers.Frames(limits.answer)
        super().__init__(needs_main)

    def start(self, context: ForkServerContext | SpawnContext, line: Connection) -> None:
        """Start the process with its end of the line, and of another for stderr."""
        self.stderr, other = context.Pipe(duplex=False)
        self.process = context.Process(target=worker.confined, args=(line, other, self.limits), daemon=True)
        self.process.start()
        self.pid = self.process.pid
        other.close()

    def listen(self) -> Sequence[Said]:
        """Return what is said; see `Hand`. It never waits for the rest of something."""
        if not self.connection.poll():
            raise EOFError
        piece = os.read(self.connection.fileno(), answers.PIECE) if os.name == "posix" else self.connection.recv_bytes()
        if not piece:
            raise EOFError
        said: dict[str, Any] = {}
        for kind, content in self.frames.feed(piece):
            if kind == b"p":
                said["progress"] = answers.read_progress(content)
            elif kind == b"b":
                if not self.begun:  # else it could give itself more time
                    said["begun"] = None
                self.begun = True
            else:
                said["done"] = _outcome(kind, content)
                break
        return list(said.items())

    def blamed(self, code: int | None) -> JobError | None:
        """Return the error of a process that died; what it wrote on stderr is all that it left."""
        killed = code == -signal.SIGKILL
        kind: Fault | None = None
        line = next((line for line in self.written.splitlines() if NO_MEMORY.search(line) or DENIED.search(line)), "")
        if os.name == "posix" and code == -signal.SIGXCPU:
            kind = "cpu"
        elif killed and count_kills() > self.kills:
            kind, line = "memory", "the system killed its process"
        elif killed and self.limits.cpu is not None and time.monotonic() - self.since > self.limits.cpu:
            kind = "cpu"  # it did not heed the first signal
        elif NO_MEMORY.search(line):
            kind = "memory"
        elif line and self.limits.sandbox:
            kind = "forbidden"
        return None if kind is None else JobError(problem(kind, self.limits, line), kind, self.written)

    def end(self, kill: bool) -> int | None:
        """Return the exit code, after the process and all that it started have ended."""
        code = super().end(kill)
        if os.name == "posix" and self.pid and not (self.limits.sandbox and sandbox.layers()):
            with contextlib.suppress(OSError):  # as a rule it left none
                os.killpg(self.pid, signal.SIGKILL)
        self.written = self._read()
        self.stderr.close()
        return code

    def _read(self) -> str:
        if os.name != "posix":
            return ""
        os.set_blocking(self.stderr.fileno(), False)
        try:
            data = os.read(self.stderr.fileno(), WRITTEN)
        except OSError:
            return ""
        return answers.printable(data.decode("utf-8", "replace"), "\n")


def _outcome(kind: bytes, content: bytes) -> Outcome[Any]:
    if kind == b"v":
        seconds, value = answers.read_value(content)
        return Outcome("", value, None, seconds)
    seconds, error = answers.read_error(content)
    return Outcome("", None, error, seconds)


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
