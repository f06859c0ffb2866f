"""What a job may take and do, and how its process is held to that."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from debias.errors import DebiasError, Problem, UsageError
from debias.jobs import sandbox
from debias.jobs.work import Fault
from debias.words import number

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

NO_MEMORY = re.compile(
    r"bad_alloc|(can't|cannot|unable to|failed to|could not) allocate|not enough memory|out of memory|"
    r"allocation failed|MemoryError",
    re.IGNORECASE,
)
DENIED = re.compile(r"Read-only file system|Operation not permitted")
"""What a sandboxed process is told. A file that it may not read is another thing: `Permission denied`."""


@dataclass(frozen=True)
class Limits:
    """What a job may take and do; it then has a process of its own.

    Under limits a job is not trusted: it returns `bytes`, or a sequence of them, which come back as they are. Nothing
    that its process says is unpickled, and its errors come as text. What it returns may be forged by what it read.

    Parameters
    ----------
    memory : int, optional
        Bytes of address space that it may take beside what its process holds when it begins.
    cpu : float, optional
        Seconds of processor time, counted in whole seconds.
    sandbox : bool
        No new or changed files, no network, no program started, no signal to others. Files can be read.
    answer : int
        Bytes that it may return.
    """

    memory: int | None = None
    cpu: float | None = None
    sandbox: bool = True
    answer: int = 1 << 30

    def __post_init__(self) -> None:
        given = (("memory", self.memory), ("cpu", self.cpu), ("answer", self.answer))
        wrong = [
            Problem(f"{value} is no limit", name, "Give a number above 0.")
            for name, value in given
            if value is not None and not 0 < value < float("inf")
        ]
        if wrong:
            raise UsageError(wrong)


def isolation(limits: Limits | None) -> str:
    """Return what this machine really holds a job to under these limits, in one sentence.

    Parameters
    ----------
    limits : Limits or None
        What is asked for.

    Returns
    -------
    str
        What is limited, by what; then what is asked for and cannot be limited here.
    """
    if limits is None:
        return "jobs have all the rights of this process, and nothing limits them"
    held: list[str] = []
    missing: list[str] = []
    for asked, text in ((limits.memory, f"{size(limits.memory or 0)} memory"), (limits.cpu, _processor(limits))):
        if asked is not None:
            (held if _limited(text) else missing).append(text)
    parts = [", ".join(held)] if held else []
    if limits.sandbox:
        kept = sandbox.withheld()
        if kept:
            parts.append(f"no {', no '.join(kept)} ({', '.join(sandbox.layers())})")
        missing += [name for name in sandbox.FORBIDDEN if name not in kept]
    else:
        parts.append("no sandbox")
    text = f"each job in its own process: {'; '.join(parts)}".removesuffix(": ")
    return f"{text}; this machine does not limit: {', '.join(missing)}" if missing else text


def size(amount: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least one."""
    power = min(int(math.log2(amount)) // 10, len(UNITS) - 1) if amount >= 1 else 0
    return f"{amount / 1024**power:.4g} {UNITS[power]}"


def _processor(limits: Limits) -> str:
    return f"{number(math.ceil(limits.cpu or 0))} s processor time"


def _limited(text: str) -> bool:
    return sys.platform == "linux" if text.endswith("memory") else os.name == "posix"


def apply(limits: Limits) -> None:
    """Hold this process to the limits, for good.

    Raises
    ------
    OSError
        A limit that this machine knows could not be set.
    """
    if os.name != "posix":
        return
    import resource

    _set(resource.RLIMIT_CORE, 0)
    if limits.cpu is not None:
        taken = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(taken.ru_utime + taken.ru_stime + limits.cpu)
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        _set(resource.RLIMIT_CPU, seconds, seconds + 1)  # the first is told by a signal of its own
    if limits.memory is not None and sys.platform == "linux":
        _set(resource.RLIMIT_AS, _address_space() + limits.memory)
    if limits.sandbox:
        # a file in memory too
        _set(resource.RLIMIT_FSIZE, 0)
        if sys.platform == "linux":
            sandbox.enter()


def _set(which: int, soft: int, hard: int | None = None) -> None:
    import resource

    before = resource.getrlimit(which)[1]
    soft, hard = (
        value if before == resource.RLIM_INFINITY else min(value, before)
        for value in (soft, soft if hard is None else hard)
    )
    resource.setrlimit(which, (soft, hard))


def _address_space() -> int:
    import resource

    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def reason(error: BaseException, limits: Limits) -> tuple[Fault, str] | None:
    """Return the kind of fault and what was said, where an error is owed to the limits; else None.

    The error may have been turned into one of ours on its way; those that it came from are looked at too.
    """
    for cause in _causes(error):
        said = "" if isinstance(cause, DebiasError) else str(cause)
        line = next(iter(said.strip().splitlines()), "") or type(cause).__name__
        if isinstance(cause, MemoryError) or NO_MEMORY.search(said):
            return "memory", line
        if limits.sandbox and (
            (isinstance(cause, OSError) and cause.errno in (errno.EROFS, errno.EPERM)) or DENIED.search(said)
        ):
            return "forbidden", line
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    todo, seen = [error], set()
    while todo:
        one = todo.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [other for other in (one.__context__, one.__cause__) if other is not None]


def problem(kind: Fault, limits: Limits, said: str) -> Problem:
    """Return in words how the limits ended a job."""
    detail = f": {said}" if said else ""
    if kind == "memory":
        most = "there is" if limits.memory is None else f"the {size(limits.memory)} that it may take"
        return Problem(f"needed more memory than {most}{detail}", "", "Give it more memory, or less to do.")
    if kind == "cpu":
        found = f"was ended after {number(math.ceil(limits.cpu or 0))} s of processor time"
        return Problem(found, "", "Give it more processor time, or less to do.")
    found = f"tried what its sandbox forbids (writing, network, programs){detail}"
    return Problem(found, "", "Leave the sandbox out only for files that you trust.")


def count_kills() -> int:
    """Return how many processes the kernel has killed since it started because memory ran out."""
    with contextlib.suppress(OSError):
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0
