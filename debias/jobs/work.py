"""A job, its outcome, and how one is carried out in this process."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

from debias.errors import DebiasError, Problem, was_interrupted

Progress = Callable[[int, int, str], None]
"""Called with (done, in all, what is going on)."""
Heard = Callable[[int, int, int, str], None]
"""Called with the number of a job and its own progress."""
Setup = Callable[[], Any]
Result = TypeVar("Result")
Fault = Literal["exception", "crash", "timeout", "memory", "cpu", "forbidden"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

SEED = 0


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
    """A job ended by a fault that is not the input's: an unexpected exception, a dead worker, or a limit.

    Parameters
    ----------
    problems : Problem
        What happened, to which job.
    kind : {"exception", "crash", "timeout", "memory", "cpu", "forbidden"}
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


class Context:
    """What the setup returned, or why it failed; made once."""

    def __init__(self, setup: Setup | None) -> None:
        self.setup = setup
        self.value: Any = None
        self.error: DebiasError | None = None

    def make(self) -> None:
        setup, self.setup = self.setup, None
        if setup is not None:
            with alone():
                self.value, self.error = _tried(setup)


def carried_out(context: Context, call: Callable[[Any, Progress], Any], progress: Progress) -> Outcome[Any]:
    if context.error is not None:
        return Outcome("", None, context.error, 0.0)
    start = perf_counter()
    value, error = _tried(partial(call, context.value, progress))
    return Outcome("", value, error, perf_counter() - start)


def _tried(call: Callable[[], Any]) -> tuple[Any, DebiasError | None]:
    try:
        return call(), None
    except DebiasError as error:
        return None, error
    except (Exception, SystemExit) as error:
        if was_interrupted(error):  # a library made it another error; that is no fault of the job
            raise KeyboardInterrupt from error
        return None, unexpected(error)


def unexpected(error: BaseException) -> JobError:
    found = " ".join(f"unexpected {type(error).__name__}: {error}".split())
    return JobError(Problem(found), "exception", "".join(traceback.format_exception(error)))


def named(name: str, outcome: Outcome[Any]) -> Outcome[Any]:
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
def alone() -> Iterator[None]:
    """One thread, and global generators in a state of their own; both as before on the way out."""
    import random

    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        seed()
        with one_thread():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def seed() -> None:
    """Bring the global generators into the state that every job finds."""
    import random

    import numpy as np
    import torch

    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
