"""The seccomp filter: a small program that the kernel runs before every system call of a process."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from functools import cache

from debias.jobs.sandbox import calls
from debias.jobs.sandbox.kernel import architecture, call

SET_MODE_FILTER, GET_ACTION_AVAIL = 1, 2
EVERY_THREAD = 1

ALLOW = 0x7FFF0000
KILL = 0x80000000
ERROR = 0x00050000

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
X32 = 0x40000000
"""Numbers from here on are calls of a second ABI of x86_64, beside those that are looked at."""

# O_ACCMODE, O_CREAT, O_TRUNC and what O_TMPFILE adds to O_DIRECTORY
WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000
CLONE_THREAD = 0x10000
# close on exec, blocking, bytes to read, whether it is a terminal and how large: others may steer one or a device
HARMLESS_IOCTLS = (0x5450, 0x5451, 0x5421, 0x541B, 0x5401, 0x5413)
# locks, leases, and signals to whoever is named owner of a file
HARMFUL_FCNTLS = (6, 7, 8, 10, 15, 37, 38, 1024, 1026)
# names of threads and memory, and questions
HARMLESS_PRCTLS = (3, 15, 16, 21, 23, 39, 40, 0x53564D41)

Instruction = tuple[int, int, int, int]


@cache
def available() -> bool:
    """Return whether this kernel filters system calls, on an architecture whose numbers are known here."""
    found = architecture()
    if found is None:
        return False
    action = ctypes.c_uint32(ERROR)
    number = calls.numbers(calls.REACHES, found[0])["seccomp"]
    try:
        call(number, ctypes.c_uint(GET_ACTION_AVAIL), ctypes.c_uint(0), ctypes.byref(action))
    except OSError:
        return False
    return True


def enter() -> None:
    """Filter the system calls of this process from now on; it has given up gaining privileges before.

    Raises
    ------
    OSError
        The kernel refused.
    """
    found = architecture()
    if found is None:
        raise OSError(errno.ENOSYS, "no filter for this architecture")
    column, machine = found
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program(column, machine, os.getpid()))
    held = ctypes.create_string_buffer(code, len(code))
    filters = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    number = calls.numbers(calls.REACHES, column)["seccomp"]
    thread = call(number, ctypes.c_uint(SET_MODE_FILTER), ctypes.c_uint(EVERY_THREAD), filters)
    if thread:
        raise OSError(errno.EAGAIN, f"thread {thread} has a filter of its own")


def program(column: int, machine: int, pid: int) -> list[Instruction]:
    """Return the filter of an architecture for the process with this number."""
    depends = calls.numbers(calls.DEPENDS, column)
    rules = [
        (depends.get("open"), _no_bit(1, WRITING, errno.EROFS)),
        (depends["openat"], _no_bit(2, WRITING, errno.EROFS)),
        (depends["clone"], _some_bit(0, CLONE_THREAD)),
        (depends["kill"], _one_of(0, [pid])),
        (depends["tgkill"], _one_of(0, [pid])),
        (depends["rt_sigqueueinfo"], _one_of(0, [pid])),
        (depends["rt_tgsigqueueinfo"], _one_of(0, [pid])),
        (depends["sched_setaffinity"], _one_of(0, [0, pid])),
        (depends["prlimit64"], _null(2)),
        (depends["ioctl"], _one_of(1, HARMLESS_IOCTLS)),
        (depends["fcntl"], _none_of(1, HARMFUL_FCNTLS)),
        (depends["prctl"], _one_of(0, HARMLESS_PRCTLS)),
    ]
    for table, code in ((calls.CHANGES, errno.EROFS), (calls.REACHES, errno.EPERM), (calls.HIDDEN, errno.ENOSYS)):
        rules += [(number, [_fail(code)]) for number in calls.numbers(table, column).values()]
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, machine), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    lines += [(AT_LEAST, 0, 1, calls.KNOWN + 1), _fail(errno.ENOSYS)]
    for known, body in rules:
        if known is not None:
            lines += [(EQUAL, 0, len(body), known), *body]
    return [*lines, (RETURN, 0, 0, ALLOW)]


# Each returns a body that ends by an answer; an argument of 32 bits is the low half of its 64.


def _fail(code: int) -> Instruction:
    return (RETURN, 0, 0, ERROR | code)


def _load(argument: int, half: int = 0) -> Instruction:
    return (LOAD, 0, 0, ARGUMENTS + 8 * argument + 4 * half)


def _no_bit(argument: int, bits: int, code: int) -> list[Instruction]:
    return [_load(argument), (ANY_BIT, 0, 1, bits), _fail(code), (RETURN, 0, 0, ALLOW)]


def _some_bit(argument: int, bits: int) -> list[Instruction]:
    return [_load(argument), (ANY_BIT, 1, 0, bits), _fail(errno.EPERM), (RETURN, 0, 0, ALLOW)]


def _one_of(argument: int, values: Iterable[int]) -> list[Instruction]:
    allowed = [line for value in values for line in ((EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW))]
    return [_load(argument), *allowed, _fail(errno.EPERM)]


def _none_of(argument: int, values: Iterable[int]) -> list[Instruction]:
    denied = [line for value in values for line in ((EQUAL, 0, 1, value), _fail(errno.EPERM))]
    return [_load(argument), *denied, (RETURN, 0, 0, ALLOW)]


def _null(argument: int) -> list[Instruction]:
    halves = [line for half in (0, 1) for line in (_load(argument, half), (EQUAL, 1, 0, 0), _fail(errno.EPERM))]
    return [*halves, (RETURN, 0, 0, ALLOW)]
