"""Pages of memory, joined to large ones, of which a fork has fewer to note."""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from pathlib import Path

LARGE = 2 << 20
MADV_COLLAPSE = 25

_OWN = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 +(?:\[heap\])?$", re.MULTILINE)


def join_pages() -> None:
    """Join the pages of what this process has allocated; where the kernel cannot (before 6.1), nothing happens."""
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with contextlib.suppress(OSError):
        for low, high in _OWN.findall(Path("/proc/self/maps").read_text()):
            first, last = -(-int(low, 16) // LARGE), int(high, 16) // LARGE
            for page in range(first, last):
                madvise(page * LARGE, LARGE, MADV_COLLAPSE)
