"""Hostile files that are trusted: the sandbox and the limits of a fleet alone hold them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from debias import jobs
from tests.hostile.corpus import Traps, corpus, listener
from tests.hostile.running import held

CHOSEN = {
    "setstate.pt": {"refused"},
    "size_system.pt2": {"done", "refused", "forbidden"},
    "size_open.pt2": {"done", "refused", "forbidden"},
    "size_socket.pt2": {"done", "refused", "forbidden"},
    "size_environ.pt2": {"done", "refused"},
    "size_kill.pt2": {"done", "refused", "forbidden"},
    "size_fork.pt2": {"done", "refused", "forbidden"},
    "loop_while.pt": {"refused", "cpu", "timeout"},
    "size_power_call.pt2": {"cpu", "timeout", "memory"},
    "calls_deep.pt": {"crashed"},
    "memory_zeros.pt": {"memory"},
    "pipe.pt": {"refused"},
    "\x1b[2J\x1b]0;owned\x07.pt": {"refused"},
}


@pytest.mark.skipif("seccomp" not in jobs.isolation(jobs.Limits()), reason="needs a kernel with seccomp")
@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is one of Linux")
def test_a_fleet_of_trusted_hostile_files_touches_nothing_and_goes_on(tmp_path: Path) -> None:
    with listener() as (port, called):
        traps = Traps(tmp_path / "elsewhere" / "canary", port)
        traps.file.parent.mkdir()
        items = [item for item in corpus(traps, damaged=0) if item.name in CHOSEN]
        assert len(items) == len(CHOSEN)
        folder = tmp_path / "fleet"
        folder.mkdir()
        found = held(items, folder, traps, called, trust=True, timeout=60.0, cpu_seconds=3.0, memory="2GiB", workers=2)
    assert not found.wrong, "\n".join(found.wrong)
    came = {item.name: row.status for item, row in zip(items, found.fleet.rows, strict=False)}
    assert {name: status for name, status in came.items() if status not in CHOSEN[name]} == {}
    assert found.fleet.exit_code == 2
