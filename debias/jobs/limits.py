"""What a job may take and do, where a machine can hold it to that."""

from __future__ import annotations

from dataclasses import dataclass

from debias.errors import Problem, UsageError


@dataclass(frozen=True)
class Limits:
    """What a job may take and do; it then has a process of its own.

    Under limits a job is not trusted: it returns `bytes`, or a sequence of them, which come back as they are and are
    never unpickled.

    Parameters
    ----------
    memory : int, optional
        Bytes that it may take beside what its process holds when it begins.
    cpu : float, optional
        Seconds of processor time, counted in whole seconds.
    sandbox : bool
        No new or changed files, no network, no program started, no signal to others. Files can be read.
    """

    memory: int | None = None
    cpu: float | None = None
    sandbox: bool = True

    def __post_init__(self) -> None:
        wrong = [
            Problem(f"{value} is no limit", name, "Give a number above 0, or none.")
            for name, value in (("memory", self.memory), ("cpu", self.cpu))
            if value is not None and not 0 < value < float("inf")
        ]
        if wrong:
            raise UsageError(wrong)


def isolation(limits: Limits | None) -> str:
    """Return what this machine really holds a job to under these limits, in one sentence."""
    del limits
    return "each job in its own process"
