"""Jobs in real processes: order, errors, crashes, time limits, Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from debias import jobs
from debias.errors import DataError, Problem, UsageError
from debias.jobs import Backend, Job, JobError, Outcome, Processes, Serial

PROBLEMS = (Problem("no column 'sex'", "rows.csv", "Name it with --attr."), Problem("no rows", "rows.csv"))
BACKENDS = [Serial(), Processes(1), Processes(3)]


def named(backend: Backend) -> str:
    return "serial" if isinstance(backend, Serial) else f"{backend.workers} processes"  # type: ignore[attr-defined]


each_backend = pytest.mark.parametrize("backend", BACKENDS, ids=named)


# What the jobs do; a worker imports this module.


def square(number: int, context: Any, progress: jobs.Progress) -> int:
    del context
    progress(1, 1, "squared")
    return number * number


def slowly(seconds: float, context: Any, progress: jobs.Progress) -> float:
    del context, progress
    time.sleep(seconds)
    return seconds


def wrong(kind: str, context: Any, progress: jobs.Progress) -> None:
    del context, progress
    if kind == "debias":
        raise DataError(PROBLEMS)
    if kind == "exit":
        os._exit(7)
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "leave":
        raise SystemExit(3)
    raise ValueError(f"two\nlines of {kind}")


def drawn(context: Any, progress: jobs.Progress) -> tuple[float, float, float, int]:
    """Draw from every global generator, and disturb it for whoever comes next."""
    del context, progress
    values = random.random(), float(np.random.random()), float(torch.rand(1)), torch.get_num_threads()
    torch.manual_seed(int(values[0] * 1000))
    return values


def where(context: Any, progress: jobs.Progress) -> tuple[int, Any]:
    del progress
    return os.getpid(), context


def unpicklable(context: Any, progress: jobs.Progress) -> Callable[[], int]:
    del context, progress
    return lambda: 1


def tensors(context: Any, progress: jobs.Progress) -> dict[str, torch.Tensor]:
    del context, progress
    return {"weight": torch.arange(100_000, dtype=torch.float64)}


def opening() -> dict[str, int]:
    return {"opened in": os.getpid(), "drawn": random.randrange(1000)}


def refusing() -> None:
    raise UsageError(PROBLEMS)


def outcomes(backend: Backend, *calls: Callable[..., Any], **options: Any) -> list[Outcome[Any]]:
    return jobs.map([Job(f"job {n}", call) for n, call in enumerate(calls)], backend=backend, **options)


def doing(what: Callable[..., Any], *values: Any) -> list[Callable[..., Any]]:
    return [partial(what, value) for value in values]


# The tests.


@each_backend
def test_outcomes_come_in_the_order_of_the_jobs(backend: Backend) -> None:
    found = outcomes(backend, *doing(slowly, 0.3, 0.0, 0.1), *doing(square, 2, 3, 4))
    assert [outcome.get() for outcome in found] == [0.3, 0.0, 0.1, 4, 9, 16]
    assert [outcome.name for outcome in found] == [f"job {n}" for n in range(6)]
    assert found[0].seconds >= 0.3


@each_backend
def test_a_failing_job_returns_its_error_and_the_others_go_on(backend: Backend) -> None:
    first, failed, strange, left, last = outcomes(
        backend, *doing(square, 2), *doing(wrong, "debias", "it", "leave"), *doing(square, 5)
    )
    assert (first.get(), last.get()) == (4, 25)
    assert type(failed.error) is DataError
    assert failed.error.problems == PROBLEMS
    with pytest.raises(DataError, match="no column 'sex'"):
        failed.get()
    assert isinstance(strange.error, JobError)
    assert strange.error.kind == "exception"
    assert strange.error.problems == (Problem("unexpected ValueError: two lines of it", "job 2"),)
    assert "in wrong" in strange.error.trace
    assert isinstance(left.error, JobError)
    assert left.error.problems[0].found == "unexpected SystemExit: 3"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("kind", "found"), [("exit", "its process ended with exit code 7"), ("killed", "its process was killed by SIGKILL")]
)
def test_a_dead_worker_costs_its_job_only(kind: str, found: str, workers: int) -> None:
    calls = [*doing(square, 1), *doing(wrong, kind, kind), *doing(square, 2, 3)]
    first, dead, dead_too, *rest = outcomes(Processes(workers), *calls)
    assert [outcome.value for outcome in (first, *rest)] == [1, 4, 9]
    for number, outcome in ((1, dead), (2, dead_too)):
        assert isinstance(outcome.error, JobError)
        assert outcome.error.kind == "crash"
        assert (outcome.error.problems[0].found, outcome.error.problems[0].where) == (found, f"job {number}")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_is_ended_when_its_time_is_up(workers: int) -> None:
    start = time.monotonic()
    calls = [*doing(slowly, 600.0), *doing(square, 2), *doing(slowly, 500.0), *doing(square, 3)]
    late, four, late_too, nine = outcomes(Processes(workers, timeout=1.5), *calls)
    assert time.monotonic() - start < 300
    assert (four.get(), nine.get()) == (4, 9)
    for outcome in (late, late_too):
        assert isinstance(outcome.error, JobError)
        assert outcome.error.kind == "timeout"
        assert "was ended after 1.5 seconds" in str(outcome.error)
        assert outcome.seconds >= 1.5


def test_a_job_that_ended_in_time_is_no_slower_for_what_is_done_with_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second job goes on while the first outcome is used, however long that takes."""
    clock, late = time.monotonic, [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock() + late[0])
    work = [Job(str(number), partial(square, number)) for number in range(2)]
    told = []
    with Processes(1, timeout=120, fresh=True).run(work, None, lambda *_: None) as outcomes:
        for _, outcome in outcomes:
            told.append(outcome.value)
            for process in multiprocessing.active_children():
                process.join(60)
            late[0] += 1000
    assert told == [0, 1]


def test_no_process_is_left() -> None:
    found = outcomes(Processes(2), where, where, *doing(wrong, "killed"))
    for pid, _ in (outcome.get() for outcome in found[:2]):
        assert pid != os.getpid()
        with pytest.raises(ProcessLookupError):
            _gone(pid)


def _gone(pid: int) -> None:
    """Wait for a process that the server has still to take note of."""
    for _ in range(100):
        os.kill(pid, 0)
        time.sleep(0.1)


def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    random.seed(5)
    torch.manual_seed(5)
    before = random.getstate(), torch.get_rng_state(), torch.get_num_threads()
    values = {tuple(outcome.get() for outcome in outcomes(backend, *[drawn] * 5)) for backend in BACKENDS}
    assert len(values) == 1
    assert len(set(values.pop())) == 1
    after = random.getstate(), torch.get_rng_state(), torch.get_num_threads()
    assert before[0] == after[0]
    assert torch.equal(before[1], after[1])
    assert before[2] == after[2]


@each_backend
def test_the_setup_is_made_once_in_each_process(backend: Backend) -> None:
    found = [outcome.get() for outcome in outcomes(backend, where, where, where, where, setup=opening)]
    assert all(context["opened in"] == pid for pid, context in found)
    assert (os.getpid() in {pid for pid, _ in found}) == isinstance(backend, Serial)


def test_the_setup_does_not_disturb_the_job_after_it() -> None:
    assert outcomes(Serial(), drawn, setup=opening)[0].value == outcomes(Serial(), drawn)[0].value


@each_backend
def test_where_the_setup_fails_every_job_has_its_error(backend: Backend) -> None:
    for outcome in outcomes(backend, *doing(square, 1, 2), setup=refusing):
        assert type(outcome.error) is UsageError
        assert outcome.error.problems == PROBLEMS


def test_a_result_that_cannot_be_sent_is_told() -> None:
    error = outcomes(Processes(1), unpicklable)[0].error
    assert isinstance(error, JobError)
    assert error.problems[0].where == "job 0"


def test_tensors_outlive_their_worker() -> None:
    found = outcomes(Processes(1), tensors)[0].get()
    assert torch.equal(found["weight"], torch.arange(100_000, dtype=torch.float64))


@each_backend
def test_progress_counts_jobs_and_tells_what_they_say(backend: Backend) -> None:
    told: list[tuple[int, int, str]] = []
    arrived: dict[int, int] = {}

    outcomes(
        backend,
        *doing(square, 2, 3),
        progress=lambda *step: told.append(step),
        each=lambda index, outcome: arrived.update({index: outcome.get()}),
    )
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert {total for _, total, _ in told} == {2}
    assert told[-1][0] == 2
    assert {"job 0 1/1 squared", "job 1 1/1 squared", "job 0", "job 1"} == {text for _, _, text in told}
    assert arrived == {0: 4, 1: 9}


def test_no_jobs() -> None:
    assert outcomes(Processes(2)) == []


def test_one_worker_without_a_limit_needs_no_process() -> None:
    assert isinstance(jobs.backend_for(1, 9), Serial)
    assert jobs.backend_for(8, 3) == Processes(3)
    assert jobs.backend_for(1, 3, timeout=2.0) == Processes(1, timeout=2.0)
    assert jobs.cores() >= 1


def test_errors_survive_pickling() -> None:
    again = pickle.loads(pickle.dumps(JobError(PROBLEMS, "crash", "trace")))
    assert (again.problems, again.kind, again.trace) == (PROBLEMS, "crash", "trace")
    assert str(again) == str(JobError(PROBLEMS))


SCRIPT = """
    import sys, time
    from functools import partial
    from pathlib import Path
    from debias import jobs
    from tests.test_jobs import slowly, where

    {work}
"""


def script(folder: Path, work: str) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(SCRIPT).format(work=textwrap.dedent(work)))
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, str(path)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_script_without_a_guard_can_use_processes(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        print("once")
        found = jobs.map([jobs.Job("a", where), jobs.Job("b", where)], backend=jobs.Processes(2))
        print(sum(outcome.error is None for outcome in found))
        """,
    )
    out, err = process.communicate(timeout=120)
    assert (out, err, process.returncode) == ("once\n2\n", "", 0)


def test_a_guarded_script_can_use_its_own_functions(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        def own(context, progress):
            return 42
        if __name__ == "__main__":
            print(jobs.map([jobs.Job("a", own)], backend=jobs.Processes(1))[0].get())
        """,
    )
    out, err = process.communicate(timeout=120)
    assert (out, err, process.returncode) == ("42\n", "", 0)


@pytest.mark.parametrize("to", ["process", "group"])
def test_ctrl_c_ends_all_children_at_once(to: str, tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        from debias.cli.guard import guarded
        def each(index, outcome):
            print(outcome.value[0], flush=True)
        def run():
            calls = [where, where, partial(slowly, 600.0), partial(slowly, 600.0)]
            jobs.map([jobs.Job("x", call) for call in calls], backend=jobs.Processes(2), each=each)
            return 0
        if __name__ == "__main__":
            sys.exit(guarded(run))
        """,
    )
    assert process.stdout is not None
    workers = {int(process.stdout.readline()) for _ in range(2)}
    if to == "process":
        process.send_signal(signal.SIGINT)
    else:  # as a terminal does
        os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "interrupted: nothing half written was left behind\n"
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            _gone(pid)


def test_workers_leave_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        def each(index, outcome):
            print(outcome.value[0], flush=True)
        calls = [where, partial(slowly, 600.0)]
        jobs.map([jobs.Job("x", call) for call in calls], backend=jobs.Processes(1), each=each)
        """,
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=120)
    with pytest.raises(ProcessLookupError):
        _gone(worker)
