"""Runs that are killed or stopped, that meet another run, or whose clock jumps: whole files or none, and no mixture.

All in one file, so that what they are forked from is started once. `benchmarks/kills.py` kills every verb everywhere.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from debias.files import BUSY
from tests.faults.forge import Forge, session
from tests.faults.verbs import VERBS, Course, hashes

FUTURE = 4_000_000_000
STATEFUL = ("train", "tune", "crossval")


Courses = Callable[[str], Course]


@pytest.fixture(scope="module")
def course(forge: Forge, made: Path, tmp_path_factory: pytest.TempPathFactory) -> Courses:
    """Return what gives the course of a verb, gone through once."""
    return cache(lambda name: Course(forge, made, VERBS[name], tmp_path_factory.mktemp(name)))


def begun(verb: str) -> int:
    """Return the change of files before which a verb has begun to write: it holds its outputs by then."""
    return len(VERBS[verb].outputs) + 1


@pytest.mark.parametrize(("name", "step"), [("simulate", 1), ("threshold", 5), ("train", 7), ("tune", 83)])
def test_killed_before_a_change(name: str, step: int, forge: Forge, course: Courses) -> None:
    it = course(name)
    left = []
    for number in range(step, len(it.reference.events) + 1, step):
        folder = it.fresh()
        end = forge.run(folder, it.verb.arguments, kill_at=number)
        assert end.code == -signal.SIGKILL
        left.append(it.check(folder))
        it.again(folder)
    assert any(temporary for _, temporary in left)
    assert name == "tune" or {bool(found) for found, _ in left} == {True, False}


@pytest.mark.parametrize("over", [False, True])
def test_killed_amid_a_file(over: bool, forge: Forge, course: Courses) -> None:
    it = course("contract")
    for name in it.verb.outputs:
        folder = it.fresh()
        for output in it.verb.outputs if over else ():
            (folder / output).write_bytes((it.folder / output).read_bytes())
        size = (it.folder / name).stat().st_size
        end = forge.run(folder, (*it.verb.arguments, *(("--force",) if over else ())), room=size // 2)
        assert end.code == -signal.SIGXFSZ
        found, left = it.check(folder)
        assert over == (found == set(it.verb.outputs))
        assert max((folder / one).stat().st_size for one in left if "lock" not in one) == size // 2
        it.again(folder)


def test_killed_at_any_time(forge: Forge, course: Courses) -> None:
    it = course("gda")
    for share in (0.1, 0.45, 0.8):
        folder = it.fresh()
        run = forge.start(folder, it.verb.arguments)
        time.sleep(share * it.reference.seconds)
        run.kill()
        assert run.end().code in (-signal.SIGKILL, it.reference.code)
        it.check(folder)


def test_ctrl_c_amid_a_search(forge: Forge, place: Path) -> None:
    before = hashes(place)
    arguments = list(VERBS["gda"].arguments)
    arguments[arguments.index("--epochs") + 1] = "1000000"
    run = forge.start(place, arguments)
    run.until("open .out.pt.lock.tmp")
    time.sleep(0.5)
    run.kill(signal.SIGINT)
    end = run.end()
    assert (end.code, end.out, end.err) == (130, "", "interrupted: nothing half written was left behind\n")
    assert hashes(place) == before


@pytest.mark.parametrize("name", [name for name in VERBS if name != "fleet"])  # which has tests of its own
def test_another_run_is_refused_and_ctrl_c_leaves_nothing(name: str, forge: Forge, place: Path) -> None:
    verb = VERBS[name]
    before = hashes(place)
    first = forge.start(place, verb.arguments, wait_at=begun(name))
    first.until("", begun(name))
    meanwhile = hashes(place)
    for more in ((), ("--force",)):
        second = forge.run(place, (*verb.arguments, *more))
        assert second.code == 2
        told = " ".join(second.err.split())
        assert told.count(BUSY) >= len(verb.outputs)
        assert all(output in told for output in verb.outputs)
        assert hashes(place) == meanwhile
    first.kill(signal.SIGINT)
    end = first.end()
    assert end.code == 130
    assert end.out == ""
    assert end.err.splitlines()[-1] == "interrupted: nothing half written was left behind"
    assert "Traceback" not in end.err
    after = hashes(place)
    assert {path: after.get(path) for path in before} == before
    assert {path.partition("/")[0] for path in set(after) - set(before)} <= set(verb.state)


@pytest.mark.parametrize("name", STATEFUL)
def test_after_ctrl_c_it_goes_on_and_ends_as_if_nothing_had_been(name: str, forge: Forge, course: Courses) -> None:
    it = course(name)
    folder = it.fresh()
    at = 2 * len(it.reference.events) // 3
    run = forge.start(folder, it.verb.arguments, wait_at=at)
    run.until("", at)
    run.kill(signal.SIGINT)
    assert run.end().code == 130
    assert it.check(folder) == (set(), set())
    it.again(folder)
    told = json.loads((folder / "r.json").read_text())
    assert name == "crossval" or told.get("resumed_from", told.get("resumed"))


def test_two_runs_that_start_together(forge: Forge, place: Path) -> None:
    """Whoever comes first, model and report are of one run."""
    for turn in range(2):
        seeds = ["1", "2"]
        commands = [(*VERBS["gda"].arguments[:-2], "--report", "r.json", "--seed", seed, "--force") for seed in seeds]
        runs = [forge.start(place, command) for command in (commands if turn % 2 else commands[::-1])]
        ends = [run.end() for run in runs]
        assert {end.code for end in ends} <= {0, 1, 2}
        assert sum(end.code != 2 for end in ends) >= 1, [end.err for end in ends]
        assert all(BUSY in end.err for end in ends if end.code == 2)
        told = json.loads((place / "r.json").read_text())
        assert told["output"]["sha256"] == hashes(place)["out.pt"]


@pytest.mark.parametrize("name", ["train", "tune"])
def test_a_clock_that_jumps(name: str, forge: Forge, course: Courses) -> None:
    it = course(name)
    folder = it.fresh()
    for path in folder.rglob("*"):
        os.utime(path, (FUTURE, FUTURE))
    more = ("--timeout", "600") if name == "tune" else ()
    end = forge.run(folder, (*it.verb.arguments, *more), clock=86_400.0)
    assert end.code == it.reference.code, end.err
    assert it.found(folder) == set(it.verb.outputs)
    told = json.loads((folder / "r.json").read_text())
    assert 0 < told["seconds"] < 3600
    if not more:
        it.check(folder)


def test_no_worker_goes_on_without_its_parent(forge: Forge, place: Path) -> None:
    arguments = list(VERBS["crossval"].arguments)
    arguments[arguments.index("--workers") + 1] = "2"
    arguments[arguments.index("epochs=2")] = "epochs=100000"
    run = forge.start(place, arguments)
    deadline = time.monotonic() + 60
    while len(session(run.pid)) < 4:  # the run, the server of its workers, and two of them
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.kill()
    assert run.end().code == -signal.SIGKILL
    while session(run.pid):
        assert time.monotonic() < deadline, session(run.pid)
        time.sleep(0.05)


@pytest.mark.parametrize("streams", ["closed", "full"])
def test_streams_that_take_nothing(streams: str, forge: Forge, place: Path) -> None:
    arguments = (*VERBS["audit"].arguments, "--json")
    end = forge.run(place, arguments, streams=streams)
    assert end.code == (0 if streams == "closed" else 2)
    assert all((place / output).exists() for output in VERBS["audit"].outputs)
    json.loads((place / "r.json").read_text())
