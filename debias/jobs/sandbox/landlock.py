"""Landlock: no file is made, changed, removed or run, whatever the path and whatever is mounted there."""

from __future__ import annotations

import ctypes
import os
from functools import cache

from debias.jobs.sandbox.kernel import architecture, call

NEVER = 1 << 30
"""No version: connections other than those of TCP are not guarded."""

CREATE_RULESET, RESTRICT_SELF = 444, 446
ASK_VERSION = 1

EXECUTE, WRITE_FILE = 1 << 0, 1 << 1
# remove a folder or file; make a device, folder, file, socket, pipe, block device or link
CHANGE_FOLDERS = sum(1 << bit for bit in range(4, 13))
MOVE, TRUNCATE, DEVICES = 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
ABSTRACT_SOCKETS, SIGNALS = 1 << 0, 1 << 1


@cache
def version() -> int:
    """Return the version of Landlock of this kernel, 0 where there is none."""
    if architecture() is None:
        return 0
    try:
        return call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))
    except OSError:
        return 0


def rules(abi: int) -> list[int]:
    """Return what is denied under a version: of files, of TCP, of other processes; as long as that version knows."""
    files = EXECUTE | WRITE_FILE | CHANGE_FOLDERS
    for since, right in ((2, MOVE), (3, TRUNCATE), (5, DEVICES)):
        files |= right if abi >= since else 0
    denied = [files]
    if abi >= 4:
        denied.append(BIND_TCP | CONNECT_TCP)
    if abi >= 6:
        denied.append(ABSTRACT_SOCKETS | SIGNALS)
    return denied


def enter() -> None:
    """Deny this thread, and those that it starts, all that this version can deny.

    Raises
    ------
    OSError
        The kernel refused.
    """
    denied = rules(version())
    attributes = (ctypes.c_uint64 * len(denied))(*denied)
    # No rule is added, which would allow something.
    ruleset = call(CREATE_RULESET, attributes, ctypes.c_size_t(ctypes.sizeof(attributes)), ctypes.c_uint32(0))
    try:
        call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
