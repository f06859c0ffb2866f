"""Calls of the Linux kernel that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from functools import cache
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CAPABILITIES = 0x20080522
CAP_DAC_READ_SEARCH = 2

ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the table of calls, and the number by which the kernel names the architecture."""


def architecture() -> tuple[int, int] | None:
    """Return the column and number of this machine's architecture, None where it is not known here."""
    if sys.platform != "linux" or sys.maxsize < 2**32 or sys.byteorder != "little":
        return None
    return ARCHITECTURES.get(platform.machine())


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: Any) -> int:
    """Make a system call.

    Raises
    ------
    OSError
        It failed.
    """
    function = _libc().syscall
    function.restype = ctypes.c_long
    result = function(ctypes.c_long(number), *arguments)
    return _checked(int(result))


def prctl(option: int, value: int) -> None:
    """Change an attribute of this process.

    Raises
    ------
    OSError
        It failed.
    """
    zero = ctypes.c_ulong(0)
    _checked(int(_libc().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero)))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent is gone, whatever it is doing.

    Raises
    ------
    OSError
        The kernel refused.
    """
    parent = os.getppid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before
        os._exit(1)


def drop_privileges() -> None:
    """Give up every right of root but that to read, and the right to gain any.

    Raises
    ------
    OSError
        The kernel refused.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if os.geteuid() != 0:
        return
    header = (ctypes.c_uint32 * 2)(CAPABILITIES, 0)
    # effective, permitted, inheritable; then the same of the capabilities from 32 on
    rights = (ctypes.c_uint32 * 6)()
    _checked(int(_libc().capget(header, rights)))
    kept = rights[1] & 1 << CAP_DAC_READ_SEARCH
    rights[:] = [kept, kept, 0, 0, 0, 0]
    _checked(int(_libc().capset(header, rights)))
