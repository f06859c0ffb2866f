"""Jobs on a real Ray of this machine: the same outcomes as elsewhere, lost workers, time limits, Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import debias
from debias import jobs
from debias.errors import DataError, UsageError
from debias.jobs import JobError, Limits, Outcome, Ray, Serial, ray_session, sandbox
from tests.jobs import work
from tests.run.streaming.pieces import bits, in_pieces
from tests.test_jobs import (
    PROBLEMS,
    doing,
    drawn,
    opening,
    outcomes,
    refusing,
    slowly,
    square,
    tensors,
    unpicklable,
    where,
    wrong,
)

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of two nodes on this machine, each with one processor."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        one = {"num_cpus": 1, "include_dashboard": False}
        found = Cluster(initialize_head=True, head_node_args={**one, "temp_dir": folder})
        try:
            found.add_node(**one)
            yield found
        finally:
            found.shutdown()


@pytest.fixture(scope="module")
def cluster(nodes: Any) -> Iterator[Ray]:
    """The connection of the tests of this file: the backend uses the one that it finds."""
    ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.ERROR)
    yield Ray(None, 2)
    ray.shutdown()


def once(path: str, context: Any, progress: jobs.Progress) -> str:
    """Lose the first worker that comes here."""
    del context, progress
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second"


def test_outcomes_are_those_of_this_process_and_progress_is_told(cluster: Ray) -> None:
    told: list[tuple[int, int, str]] = []
    arrived: dict[int, Any] = {}

    def each(index: int, outcome: Outcome[Any]) -> None:
        arrived[index] = outcome.value

    calls = [*doing(slowly, 0.3, 0.0), *doing(square, 2, 3, 4), drawn, drawn, *doing(wrong, "debias", "it", "leave")]
    here = outcomes(Serial(), *calls)
    *there, failed, good = outcomes(
        cluster, *calls, unpicklable, tensors, progress=lambda *step: told.append(step), each=each
    )
    assert [outcome.name for outcome in there] == [outcome.name for outcome in here]
    assert [outcome.value for outcome in there] == [outcome.value for outcome in here]
    assert [type(outcome.error) for outcome in there] == [type(outcome.error) for outcome in here]
    assert [str(outcome.error) for outcome in there] == [str(outcome.error) for outcome in here]
    assert isinstance(there[-3].error, DataError)
    assert there[-3].error.problems == PROBLEMS
    assert isinstance(there[-2].error, JobError)
    assert "in wrong" in there[-2].error.trace
    assert there[0].seconds >= 0.3
    assert isinstance(failed.error, JobError)
    assert failed.error.problems[0].where == "job 10"
    assert good.get()["weight"].tolist()[:2] == [0, 1]

    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][:2] == (12, 12)
    texts = {text for _, _, text in told}
    assert {f"job {n} 1/1 squared" for n in (2, 3, 4)} | {f"job {n}" for n in range(12)} == texts
    assert [arrived[n] for n in range(10)] == [outcome.value for outcome in here]
    assert outcomes(cluster) == []


def test_workers_are_other_processes_make_the_setup_once_and_leave(cluster: Ray) -> None:
    found = [outcome.get() for outcome in outcomes(cluster, *[where] * 6, setup=opening)]
    assert all(context["opened in"] == pid != os.getpid() for pid, context in found)
    assert len({pid for pid, _ in found}) <= 2
    for pid, _ in found:
        with pytest.raises(ProcessLookupError):
            _gone(pid)


def test_a_table_split_over_workers_has_the_report_of_this_process(cluster: Ray, tmp_path: Path) -> None:
    report = in_pieces(tmp_path)
    assert bits(report) == bits(in_pieces(tmp_path, workers=cluster.workers, ray="auto"))
    assert report.streaming is not None
    assert report.streaming.pieces == 6


@pytest.mark.usefixtures("cluster")
def test_a_fleet_has_the_results_of_local_processes(tmp_path: Path) -> None:
    samples = Path(__file__).parents[1] / "sample_models"
    (tmp_path / "broken.pt").write_bytes((samples / "lender_mlp.pt").read_bytes()[:9000])
    manifest = tmp_path / "fleet.yaml"
    models = [samples / "lender_mlp.pt", samples / "lender_mlp.pt2", tmp_path / "broken.pt"]
    told = {"data": str(samples / "lender_test.csv"), "attr": "sex", "eps": 0.05}
    manifest.write_text(json.dumps({"defaults": told, "jobs": [{"model": str(model)} for model in models]}))
    found = [
        debias.fleet(manifest, out=tmp_path / name, ray=address, workers=2, cache=False)
        for name, address in (("local", None), ("ray", "auto"))
    ]
    assert [fleet.backend for fleet in found] == ["processes", "ray"]
    local, remote = ([row.model_copy(update={"seconds": 0.0}) for row in fleet.rows] for fleet in found)
    assert remote == local
    assert [row.status for row in remote] == ["done", "done", "refused"]


def test_where_the_setup_fails_every_job_has_its_error(cluster: Ray) -> None:
    for outcome in outcomes(cluster, *doing(square, 1, 2, 3), setup=refusing):
        assert type(outcome.error) is UsageError
        assert outcome.error.problems == PROBLEMS


def test_a_lost_worker_costs_its_job_only(cluster: Ray) -> None:
    first, *dead, two, three = outcomes(
        cluster, *doing(square, 1), *doing(wrong, "exit", "killed"), *doing(square, 2, 3)
    )
    assert [outcome.value for outcome in (first, two, three)] == [1, 4, 9]
    for number, outcome in enumerate(dead, 1):
        assert isinstance(outcome.error, JobError)
        assert outcome.error.kind == "crash"
        assert outcome.error.problems[0].found.startswith("its worker was lost 2 times: ")
        assert outcome.error.problems[0].where == f"job {number}"


def test_a_job_whose_worker_was_lost_is_tried_again(cluster: Ray, tmp_path: Path) -> None:
    assert outcomes(cluster, partial(once, str(tmp_path / "lost")))[0].get() == "second"
    error = outcomes(Ray("local", 1, retries=0), partial(once, str(tmp_path / "other")))[0].error
    assert isinstance(error, JobError)
    assert error.problems[0].found.startswith("its worker was lost: ")


def test_a_job_is_ended_when_its_time_is_up(cluster: Ray) -> None:
    del cluster
    start = time.monotonic()
    late, four = outcomes(Ray("local", 2, timeout=3.0), *doing(slowly, 600.0), *doing(square, 2))
    assert time.monotonic() - start < 300
    assert four.get() == 4
    assert isinstance(late.error, JobError)
    assert late.error.kind == "timeout"
    assert "was ended after 3 seconds" in str(late.error)
    assert late.seconds >= 3.0


def _gone(pid: int) -> None:
    for _ in range(100):
        os.kill(pid, 0)
        time.sleep(0.1)


def test_jobs_with_limits_have_a_process_of_their_own_on_the_node(cluster: Ray, tmp_path: Path) -> None:
    del cluster
    (tmp_path / "old").write_text("content")
    limits = Limits(memory=1 << 30)
    calls = [work.hello, work.several, work.tensor_of_100_gb, partial(work.write_to, str(tmp_path / "new"))]
    calls += [partial(work.allowed, str(tmp_path)), partial(_own_bytes, 3)]
    backend = Ray(None, 1, limits=limits)
    hello, several, large, wrote, allowed, own = outcomes(backend, *calls, setup=work.setup)
    assert hello.get() == b"hello from the setup"
    assert several.get() == tuple(work.several(None, lambda *_: None))
    assert isinstance(large.error, JobError)
    assert (large.error.kind, large.error.problems[0].where) == ("memory", "job 2")
    assert own.get() == b"\0\0\0"
    status = json.loads(allowed.get())
    if sandbox.layers():
        assert isinstance(wrote.error, JobError)
        assert wrote.error.kind == "forbidden"
        assert status["threads of the server"] == 1
        assert [path.name for path in tmp_path.iterdir()] == ["old"]


def _own_bytes(number: int, context: Any, progress: jobs.Progress) -> bytes:
    del context, progress
    return bytes(number)


def _noted(folder: str, number: int, context: Any, progress: jobs.Progress) -> int:
    """Leave a note of the node, and take so long that the node can be lost meanwhile."""
    node = ray.get_runtime_context().get_node_id()
    Path(folder, f"{node}-{number}").touch()
    time.sleep(0.5)
    return square(number, context, progress)


def test_a_node_that_is_lost_costs_no_job(cluster: Ray, nodes: Any, tmp_path: Path) -> None:
    """The last of the tests of this cluster."""
    (other,) = nodes.worker_nodes
    gone: list[int] = []

    def each(index: int, _: Outcome[Any]) -> None:
        if not gone and any(path.name.startswith(other.node_id) for path in tmp_path.iterdir()):
            gone.append(index)
            nodes.remove_node(other, allow_graceful=False)

    found = outcomes(cluster, *[partial(_noted, str(tmp_path), n) for n in range(8)], each=each)
    assert [outcome.get() for outcome in found] == [n * n for n in range(8)]
    assert gone
    assert len({path.name.split("-")[0] for path in tmp_path.iterdir()}) == 2


def test_an_address_asks_for_ray() -> None:
    assert jobs.backend_for(8, 3, ray="local", timeout=2.0) == Ray("local", 3, timeout=2.0)
    assert jobs.backend_for(1, 3, ray="10.0.0.1:6379") == Ray("10.0.0.1:6379", 1)


# Starting and joining, in processes of their own.

PYTHON = """
    import os, sys, time
    from functools import partial
    from debias import jobs
    from debias.cli.guard import guarded
    from tests.test_jobs import slowly, square, where

    def own(context, progress):
        return 42

    {work}
"""


def script(folder: Path, work: str, **environment: str) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(PYTHON).format(work=textwrap.dedent(work)))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(path)],
        cwd=folder,
        env={**_clean(), "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def test_a_script_can_use_its_own_functions_and_leaves_nothing(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        import ray
        found = jobs.map([jobs.Job("a", own), jobs.Job("b", where)], backend=jobs.Ray("local", 1))
        print(found[0].get(), found[1].get()[0] != os.getpid(), ray.is_initialized())
        """,
    )
    out, err = process.communicate(timeout=240)
    assert (out, err, process.returncode) == ("42 True False\n", "", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]  # no token in the home folder either


def test_ctrl_c_ends_all_workers(tmp_path: Path) -> None:
    process = script(
        tmp_path,
        """
        def each(index, outcome):
            print(outcome.value[0], flush=True)
        def run():
            calls = [where, partial(slowly, 600.0)]
            jobs.map([jobs.Job("x", call) for call in calls], backend=jobs.Ray("local", 1), each=each)
            return 0
        sys.exit(guarded(run))
        """,
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "interrupted: nothing half written was left behind\n"
    with pytest.raises(ProcessLookupError):
        _gone(worker)


@contextlib.contextmanager
def head(folder: Path) -> Iterator[str]:
    """Start a Ray of its own process, as an administrator does, and stop it again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--node-ip-address=127.0.0.1",
        f"--port={port}",
    ]
    command += ["--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]
    # Its workers find the functions of these tests, whatever the folder that the package was installed from.
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    environment = {**_clean(), "RAY_AUTH_MODE": "disabled", "PYTHONPATH": paths}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ray runtime started" in line:
                break
        else:
            pytest.fail("".join(said))
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=60)
        process.kill()


def test_a_cluster_is_joined_and_left_running(tmp_path: Path) -> None:
    work = """
        found = jobs.map([jobs.Job(str(n), partial(square, n)) for n in range(3)],
                         backend=jobs.backend_for(2, 3, ray=sys.argv[1] if sys.argv[1:] else "auto"))
        print([outcome.get() for outcome in found])
        """
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, head(Path(folder)) as address:
        for _ in range(2):  # also after the first has left
            process = script(tmp_path, work, RAY_ADDRESS=address, RAY_AUTH_MODE="disabled")
            out, err = process.communicate(timeout=240)
            assert (out, err, process.returncode) == ("[0, 1, 4]\n", "", 0)


def refused(address: str) -> UsageError:
    with pytest.raises(UsageError) as caught, ray_session.session(address, 1):
        pass
    return caught.value


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at an address although another test holds a connection."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)


@pytest.mark.usefixtures("apart")
def test_an_address_without_ray_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "PATIENCE", 3.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        error = refused(address)
        assert error.problems[0].where == f"--ray {address}"
        assert error.problems[0].found.startswith("nothing answers there")
        assert "ray start --head" in error.problems[0].remedy
        silent.listen()
        assert "is no Ray, or does not answer within 3 seconds" in refused(address).problems[0].found


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize(
    ("address", "found"),
    [("ray://host:10001", "Ray Client"), ("host", "is no address"), ("host:port", "is no address")],
)
def test_what_is_no_address_is_refused(address: str, found: str) -> None:
    assert found in refused(address).problems[0].found


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as caught:
        outcomes(Ray("local", 1), *doing(square, 1))
    assert 'pip install "debias[ray]"' in caught.value.problems[0].remedy


def test_nothing_imports_ray_before_it_is_used() -> None:
    code = "import debias.jobs, debias.cli.main, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
