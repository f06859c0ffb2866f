"""The body of a process that does jobs."""

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
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from debias.errors import DebiasError, Problem
from debias.jobs import answers
from debias.jobs.limits import Limits, apply, problem, reason, size
from debias.jobs.sandbox import die_with_parent
from debias.jobs.work import Context, JobError, Progress, alone, carried_out, one_thread, seed, unexpected

# Progress that comes faster than anyone can read only fills the pipe.
PAUSE = 0.1


def trusted(connection: Connection, fresh: bool) -> None:
    """Do what is sent, one job at a time, until nothing more comes; with `fresh` one job."""
    # Ctrl-C goes to every process of a terminal; the one that started this one answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        context = Context(pickle.loads(connection.recv_bytes()))
        _answer(connection, context, connection.recv_bytes())
        while not fresh:
            _answer(connection, context, connection.recv_bytes())
    if fresh:
        _leave()


def _answer(connection: Connection, context: Context, payload: bytes) -> None:
    def tell(kind: str, told: Any) -> None:
        connection.send_bytes(pickle.dumps((kind, told)))

    def call(value: Any, progress: Progress) -> Any:
        return pickle.loads(payload)(value, progress)

    context.make()
    tell("begun", None)
    with alone():
        outcome = carried_out(context, call, now_and_then(lambda *step: tell("progress", step)))
    try:
        data = pickle.dumps(("done", outcome))
    except Exception as error:
        data = pickle.dumps(("done", replace(outcome, value=None, error=unexpected(error))))
    connection.send_bytes(data)


def now_and_then(tell: Progress) -> Progress:
    """Return what tells of a step, unless the last one was told just now."""
    last = -PAUSE

    def progress(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE or done == total:
            last = time.monotonic()
            tell(done, total, text)

    return progress


def confined(connection: Connection, errors: Connection, limits: Limits) -> None:
    """Do the one job that is sent, under limits, and end.

    What is sent is from the parent and trusted; what the job then reads is not. From its beginning on, nothing that
    this process says is relied on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _withdraw(connection, errors)
        _one(connection, limits)
    except (EOFError, OSError):
        pass  # nobody listens
    finally:
        os._exit(0)


def _withdraw(connection: Connection, errors: Connection) -> None:
    """Keep nothing open but the line to the parent, and end with it."""
    if os.name != "posix":
        errors.close()
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        return
    with contextlib.suppress(OSError):
        os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nowhere, 0), (nowhere, 1), (errors.fileno(), 2)):
        os.dup2(source, target)
    os.close(nowhere)
    errors.close()
    os.set_blocking(2, False)  # the parent reads it at the end
    if sys.platform != "linux":
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        return
    # No thread: the sandbox would not hold it. Among the rest are lines to the server and to its siblings' files.
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) > 2 and int(path.name) != connection.fileno():
            with contextlib.suppress(OSError):
                os.close(int(path.name))
    die_with_parent()


def _one(connection: Connection, limits: Limits) -> None:
    setup, payload = connection.recv_bytes(), connection.recv_bytes()
    # Made while there is memory for it.
    exhausted = answers.error(JobError(problem("memory", limits, ""), "memory"), 0.0)
    try:
        # This imports what the job is made of; it counts as held before.
        make, call = pickle.loads(setup), pickle.loads(payload)
    except Exception as error:
        _say(connection, answers.error(unexpected(error), 0.0))
        return
    _settle()
    try:
        apply(limits)
    except OSError as error:
        problems = Problem(f"its limits could not be set: {error}", "", "Nothing was read.")
        _say(connection, answers.error(JobError(problems, "crash"), 0.0))
        return
    _say(connection, answers.frame(b"b"))
    try:
        answer = _carried_out(connection, make, call, limits)
    except MemoryError:
        answer = exhausted
    _say(connection, answer)


def _settle() -> None:
    """Do for good what `alone` does for a while."""
    seed()
    if "debias.jobs.server" not in sys.modules:  # else this process has it from there
        one_thread().__enter__()


def _carried_out(
    connection: Connection, make: Callable[[], Any] | None, call: Callable[[Any, Progress], Any], limits: Limits
) -> bytes:
    def step(done: int, total: int, text: str) -> None:
        _say(connection, answers.progress(done, total, text))

    start = time.perf_counter()
    try:
        made = None
        if make is not None:
            made = make()
            seed()
            start = time.perf_counter()
        answer = answers.value(call(made, now_and_then(step)), time.perf_counter() - start)
        if len(answer) > limits.answer:
            found = f"returned {size(len(answer))}, and may return {size(limits.answer)}"
            raise JobError(Problem(found))
    except BaseException as error:
        return answers.error(_owed(error, limits), time.perf_counter() - start)
    return answer


def _owed(error: BaseException, limits: Limits) -> DebiasError:
    """Return the error to tell: what the limits brought about is their fault, whatever became of it on its way."""
    why = reason(error, limits)
    if why is not None:
        kind, said = why
        return JobError(problem(kind, limits, said), kind, "".join(traceback.format_exception(error)))
    return error if isinstance(error, DebiasError) else unexpected(error)


def _say(connection: Connection, data: bytes) -> None:
    if os.name != "posix":
        for at in range(0, len(data), answers.PIECE):
            connection.send_bytes(data[at : at + answers.PIECE])
        return
    left = memoryview(data)
    while left:
        left = left[os.write(connection.fileno(), left) :]


def _leave() -> None:
    """End at once: what is left is given back faster by the system."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


def _leave_with_parent() -> None:
    """End this process when the one that started it is gone; nobody would take its result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
