"""Jobs under limits, in real processes: what they may take, what they may do, and what of them is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from debias import jobs
from debias.errors import DataError, Problem, UsageError
from debias.jobs import Job, JobError, Limits, Outcome, Processes, sandbox
from tests.jobs import work

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limits of Linux")
sandboxed = pytest.mark.skipif(len(sandbox.layers()) < 2, reason="a kernel with seccomp and Landlock")
pytestmark = linux

GIB = 1 << 30
LIMITS = Limits(memory=GIB, cpu=60)


def done(
    *calls: Callable[..., Any], limits: Limits = LIMITS, timeout: float = 120, **options: Any
) -> list[Outcome[Any]]:
    backend = Processes(2, timeout=timeout, preload=["tests.jobs.work"], limits=limits)
    return jobs.map([Job(f"job {n}", call) for n, call in enumerate(calls)], backend=backend, **options)


def fault(outcome: Outcome[Any]) -> tuple[str, str]:
    assert isinstance(outcome.error, JobError), outcome
    assert outcome.error.problems[0].where == outcome.name
    return outcome.error.kind, outcome.error.problems[0].found


def test_bytes_come_back_as_they_are_and_errors_as_text() -> None:
    told: list[str] = []
    first, second, third, refused = done(
        work.hello,
        work.several,
        work.no_bytes,
        work.refuse,
        setup=work.setup,
        progress=lambda *step: told.append(step[2]),
    )
    assert first.get() == b"hello from the setup"
    assert second.get() == (b"", b"\0" * 3_000_000, b"end")
    assert fault(third) == ("exception", "unexpected TypeError: a job with limits returns bytes, not dict")
    assert type(refused.error) is DataError
    assert refused.error.problems == (
        Problem("no column \ufffd]0;x\ufffd", "t\ufffd.csv", "Name it."),
        Problem("no rows"),
    )
    assert "job 0 1/1 said \ufffd[31m\ufffdhello" in told


def test_the_setup_is_made_under_the_limits_and_its_error_is_that_of_the_job() -> None:
    (outcome,) = done(work.hello, setup=work.refusing)
    assert type(outcome.error) is DataError
    assert outcome.error.problems == (Problem("no table", "t.csv"),)


def test_every_job_has_a_process_of_its_own() -> None:
    confined = [outcome.get() for outcome in done(*[work.where] * 3)]
    trusted = jobs.map([Job("a", work.where)] * 3, backend=Processes(1, fresh=True))
    found = confined + [outcome.get() for outcome in trusted]
    assert len({str(os.getpid()).encode(), *found}) == 7
    for pid in found:
        _gone(int(pid))


def _gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, pid
        time.sleep(0.02)


def test_memory_and_processor_time_run_out_for_their_job_only() -> None:
    calls = [
        work.tensor_of_100_gb,
        work.said_otherwise,
        work.more_and_more,
        work.abort_of_memory,
        work.spin,
        work.spin_on,
        work.hello,
    ]
    large, otherwise, mapped, aborted, slow, stubborn, last = done(*calls, limits=Limits(memory=GIB, cpu=0.3))
    for outcome in (large, otherwise, mapped, aborted):
        kind, found = fault(outcome)
        assert kind == "memory"
        assert found.startswith("needed more memory than the 1 GiB that it may take: ")
    assert "100000000000 bytes" in fault(large)[1]
    assert "100000000000 bytes" in fault(otherwise)[1]
    assert fault(slow) == fault(stubborn) == ("cpu", "was ended after 1 s of processor time")
    assert last.get() == b"hello "


def test_what_it_says_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBIAS_TEST_CANARY", str(tmp_path / "canary"))
    calls = [
        work.answer_with_a_pickle,
        work.answer_without_end,
        work.answer_half,
        work.begin_again_and_again,
        work.crash,
        work.several,
    ]
    start = time.monotonic()
    pickled, endless, half, again, crashed, long = done(*calls, timeout=3, limits=Limits(answer=1_000_000))
    assert time.monotonic() - start < 60
    assert fault(pickled) == ("crash", "what it sent is no answer")
    assert fault(endless) == ("crash", f"its answer of {1 << 60:,} bytes is longer than it may be")
    assert fault(half) == ("timeout", "was ended after 3 seconds")
    assert fault(again) == ("timeout", "was ended after 3 seconds")
    assert fault(crashed) == ("crash", "its process was killed by SIGSEGV")
    assert isinstance(crashed.error, JobError)
    assert crashed.error.trace == "before the \ufffd[2Jend\n"
    assert fault(long) == ("exception", "returned 2.861 MiB, and may return 976.6 KiB")
    assert list(tmp_path.iterdir()) == []


@sandboxed
def test_the_sandbox_denies_with_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").write_text("content")
    before = (tmp_path / "old").stat()
    calls = [
        partial(work.try_all, str(tmp_path), os.getpid()),
        partial(work.allowed, str(tmp_path)),
        work.file_in_memory,
    ]
    tried, allowed, memory = done(*calls)
    found = json.loads(tried.get())
    assert {name: code for name, code in found.items() if code not in ("EROFS", "EPERM", "EACCES", "ENOSYS")} == {}
    assert len(found) > 30
    after = (tmp_path / "old").stat()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (after.st_mode, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )

    able = json.loads(allowed.get())
    assert able.pop("capabilities") in (0, 1 << 2)
    assert able == {
        "read": "content",
        "listed": ["old"],
        "sum": 64.0**3,
        "descriptors": 4,
        "filtered": "2",
        "gains": "1",
        "core": 0,
        "threads of the server": 1,
    }
    assert isinstance(memory.error, JobError)
    assert "File too large" in str(memory.error)
    assert capfd.readouterr() == ("", "")


@sandboxed
def test_what_was_forbidden_is_named() -> None:
    wrote, connected, other = done(
        partial(work.write_to, "/tmp/debias-canary"), partial(work.connect_to, 1), work.other_calls
    )
    assert fault(wrote)[0] == fault(connected)[0] == "forbidden"
    assert "Read-only file system: '/tmp/debias-canary'" in fault(wrote)[1]
    assert "tried what its sandbox forbids (writing, network, programs): " in fault(connected)[1]
    if os.uname().machine == "x86_64":
        assert fault(other) == ("crash", "its process was killed by SIGSYS")
    assert not Path("/tmp/debias-canary").exists()


@sandboxed
@pytest.mark.parametrize("layer", ["landlock", "seccomp"])
def test_each_layer_holds_alone(layer: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("content")
    found = json.loads(done(partial(work.one_layer, layer, str(tmp_path)), limits=Limits(sandbox=False))[0].get())
    assert found.pop("signal") == "EPERM"
    assert set(found) == set(work.FILES)
    assert set(found.values()) <= ({"EACCES", "EXDEV"} if layer == "landlock" else {"EROFS"})
    assert (tmp_path / "old").read_text() == "content"


def test_without_a_sandbox_it_may_write_and_its_children_end_with_it(tmp_path: Path) -> None:
    limits = Limits(sandbox=False)
    written, left = done(partial(work.write_to, str(tmp_path / "new")), work.leave_a_child, limits=limits)
    assert written.get() == b"written"
    assert (tmp_path / "new").read_text() == "x"
    _gone(int(left.get()))


@sandboxed
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = """
        from debias import jobs
        from tests.jobs import work
        def each(index, outcome):
            print(outcome.value.decode(), flush=True)
        backend = jobs.Processes(2, limits=jobs.Limits(), preload=["pandas", "pyarrow.parquet"])
        calls = [work.server_threads, work.sleep, work.sleep]
        jobs.map([jobs.Job("x", call) for call in calls], backend=backend, each=each)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    threads, server = map(int, process.stdout.readline().split())
    assert threads == 1
    children = _children(server)
    assert children
    process.kill()
    process.communicate(timeout=60)
    for pid in (server, *children):
        _gone(pid)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_limit_is_above_zero() -> None:
    with pytest.raises(UsageError) as caught:
        Limits(memory=0, cpu=float("nan"))
    assert [problem.where for problem in caught.value.problems] == ["memory", "cpu"]


def test_isolation_says_what_holds_here(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(memory=2 * GIB, cpu=59.5)
    monkeypatch.setattr(sandbox.seccomp, "available", lambda: True)
    monkeypatch.setattr(sandbox.landlock, "version", lambda: 7)
    kept = "no new files, no network, no programs, no signals"
    start = "each job in its own process: 2 GiB memory, 60 s processor time; "
    assert jobs.isolation(limits) == f"{start}{kept} (seccomp, Landlock)"
    assert jobs.isolation(Limits()) == f"each job in its own process: {kept} (seccomp, Landlock)"
    assert jobs.isolation(Limits(memory=3 << 19, sandbox=False)) == (
        "each job in its own process: 1.5 MiB memory; no sandbox"
    )
    assert jobs.isolation(None) == "jobs have all the rights of this process, and nothing limits them"
    monkeypatch.setattr(sandbox.seccomp, "available", lambda: False)
    missing = "; this machine does not limit: "
    assert jobs.isolation(limits) == f"{start}no new files, no programs, no signals (Landlock){missing}network"
    monkeypatch.setattr(sandbox.landlock, "version", lambda: 0)
    every = "new files, network, programs, signals"
    assert jobs.isolation(limits) == f"{start.removesuffix('; ')}{missing}{every}"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert jobs.isolation(limits) == (f"each job in its own process: 60 s processor time{missing}2 GiB memory, {every}")


def test_limits_are_passed_on() -> None:
    assert jobs.backend_for(1, 3, limits=LIMITS) == Processes(1, limits=LIMITS)
    assert jobs.backend_for(1, 3, fresh=True) == Processes(1, fresh=True)
    assert jobs.backend_for(4, 3, ray="local", limits=LIMITS) == jobs.Ray("local", 3, limits=LIMITS)
