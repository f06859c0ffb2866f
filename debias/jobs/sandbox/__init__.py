"""What a process of Linux gives up for good before it does the work of others: writing, network, programs, signals.

Two layers of the kernel, each enough alone for most of it. The first is a seccomp filter over the numbers of all system
calls; it denies with an error, so that a library that tries something harmless goes on without it. The second is
Landlock, which guards the files themselves. Reading is not limited, nor is what a process says to its parent.
"""

from __future__ import annotations

from debias.jobs.sandbox import landlock, seccomp
from debias.jobs.sandbox.kernel import die_with_parent, drop_privileges

__all__ = ["die_with_parent", "enter", "layers", "withheld"]

FORBIDDEN = ("new files", "network", "programs", "signals")


def layers() -> list[str]:
    """Return the names of the layers that this kernel has."""
    return [name for name, there in (("seccomp", seccomp.available()), ("Landlock", landlock.version() > 0)) if there]


def withheld() -> list[str]:
    """Return what a process of this kernel loses in the sandbox; empty where there is none."""
    if seccomp.available():
        return list(FORBIDDEN)
    # signals: only those to processes outside the sandbox
    least = {"new files": 3, "network": landlock.NEVER, "programs": 1, "signals": 6}
    return [name for name in FORBIDDEN if landlock.version() >= least[name]]


def enter() -> None:
    """Give up what this kernel lets a process give up; there is no way back.

    The process has one thread. Nothing may be left open that it is not to write to.

    Raises
    ------
    OSError
        A layer that the kernel has could not be laid.
    """
    drop_privileges()
    if landlock.version() > 0:
        landlock.enter()
    if seccomp.available():
        seccomp.enter()
