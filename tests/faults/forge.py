"""Runs of the command in processes that are forked from one that has loaded everything.

What is forked is the command itself: `debias.__main__.main` with its arguments, in a folder, writing real files. Only
the two seconds in which Python loads torch and the rest are saved, which is why hundreds of runs can be killed. The
server has one thread, so that a fork is whole.

    python -m tests.faults.forge     # the server: one JSON document a line on stdin, one on stdout
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
PRELOAD = ("debias.__main__", "debias.cli.main", "debias.run", "torch", "pandas", "pyarrow.csv", "pyarrow.parquet")
CHANGES = ("os.rename", "os.link", "os.remove", "os.truncate", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod")
"""Events of Python by which a process changes files, beside opening one to write."""
_NO_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@dataclass(frozen=True)
class End:
    """How a run ended.

    Parameters
    ----------
    code : int
        Exit code, or the negative number of the signal that killed it.
    out, err : str
        What it printed.
    events : tuple of str
        What it did to files below its folder, in order.
    seconds : float
    """

    code: int
    out: str
    err: str
    events: tuple[str, ...]
    seconds: float


class Run:
    """A run under way."""

    def __init__(self, forge: Forge, pid: int, scratch: Path) -> None:
        self.forge, self.pid, self.scratch = forge, pid, scratch
        self.since = time.monotonic()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; a run that has ended is not reaped before `end`, so that it gets it and nobody else."""
        os.kill(self.pid, number)

    def events(self) -> tuple[str, ...]:
        """Return what it has done to files so far."""
        return tuple((self.scratch / "events").read_text().splitlines())

    def until(self, event: str, count: int = 1, patience: float = 60.0) -> None:
        """Wait until it has done something to files so many times; an error where it ended before."""
        deadline = time.monotonic() + patience
        while sum(one.startswith(event) for one in self.events()) < count:
            if time.monotonic() > deadline or _state(self.pid) == "Z":
                raise TimeoutError(f"{event} did not come: {self.events()} {(self.scratch / 'err').read_text()}")
            time.sleep(0.002)

    def end(self) -> End:
        """Wait for its end."""
        code = self.forge.ask({"do": "wait", "pid": self.pid})["code"]
        texts = [(self.scratch / name).read_text(errors="replace") for name in ("out", "err")]
        return End(code, *texts, self.events(), time.monotonic() - self.since)


class Forge:
    """The server, and the runs that are forked from it.

    Parameters
    ----------
    nice : int
        Added to the niceness of all runs.
    """

    def __init__(self, nice: int = 0) -> None:
        self.nice = nice
        self.number = 0

    def __enter__(self) -> Forge:
        self.scratch = tempfile.TemporaryDirectory(prefix="debias-forge-")
        environment = {**os.environ, "NO_COLOR": "1", "SOURCE_DATE_EPOCH": "1767225600", **_NO_THREADS}
        for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "COLUMNS"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forge", str(self.nice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.ask({"do": "load", "modules": PRELOAD})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.scratch.cleanup()

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Return the server's answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "fault" in answer:
            raise RuntimeError(answer["fault"])
        return answer

    def start(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        kill_at: int = 0,
        wait_at: int = 0,
        room: int | None = None,
        clock: float | None = None,
        streams: str = "files",
        learn: bool = False,
    ) -> Run:
        """Start a run in `folder`.

        Parameters
        ----------
        folder : Path
        arguments : sequence of str
            Of the command.
        kill_at : int
            Kill it right before it changes files for this time, from 1; 0 for never.
        wait_at : int
            Stop there for a minute instead.
        room : int, optional
            Bytes that a file may have; what writes more is killed in the middle by the kernel.
        clock : float, optional
            Seconds by which the time of the day jumps, to and fro, from one look at it to the next.
        streams : {"files", "closed", "full"}
            Where it prints: into files, nowhere, or on a full disk.
        learn : bool
            Load in the server what the run has loaded.
        """
        self.number += 1
        scratch = Path(self.scratch.name) / str(self.number)
        scratch.mkdir()
        for name in ("out", "err", "events"):
            (scratch / name).touch()
        pid = self.ask(
            {
                "do": "start", "folder": str(folder.resolve()), "arguments": list(arguments), "scratch": str(scratch),
                "kill_at": kill_at, "wait_at": wait_at, "room": room, "clock": clock, "streams": streams,
                "learn": learn,
            }
        )["pid"]  # fmt: skip
        return Run(self, pid, scratch)

    def run(self, folder: Path, arguments: Sequence[str], **how: Any) -> End:
        """Run a command to its end, whatever that is."""
        end = self.start(folder, arguments, **how).end()
        if how.get("learn"):
            learned = Path(self.scratch.name) / str(self.number) / "modules"
            self.ask({"do": "load", "modules": learned.read_text().split() if learned.exists() else []})
        return end


def session(leader: int) -> list[int]:
    """Return the living processes of the session that a run leads: its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                state, _, _, its = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(its) == leader and state != "Z":
                    found.append(int(entry.name))
    return found


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _serve() -> None:
    os.nice(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _ACTIONS[request.pop("do")](**request)
        except Exception as error:  # told to whoever asked
            answer = {"fault": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _load(modules: Sequence[str]) -> dict[str, Any]:
    for name in modules:
        if name != "__main__" and name not in sys.modules:
            with contextlib.suppress(Exception):  # one that only its own package may load
                importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    threads = len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").is_dir() else 1
    if threads != 1:
        raise RuntimeError(f"the server has {threads} threads; a fork would not be whole")
    return {"loaded": len(sys.modules)}


def _wait(pid: int) -> dict[str, Any]:
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


def _start(**how: Any) -> dict[str, Any]:
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = _command(**how)
        finally:
            os._exit(code)
    return {"pid": pid}


def _command(
    folder: str,
    arguments: Sequence[str],
    scratch: str,
    kill_at: int,
    wait_at: int,
    room: int | None,
    clock: float | None,
    streams: str,
    learn: bool,
) -> int:
    """Be the command, from its arguments to its exit code."""
    os.setsid()
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open("/dev/full" if streams == "full" else f"{scratch}/{name}", os.O_WRONLY), number)
    if streams == "closed":
        sys.stdin = sys.stdout = sys.stderr = None  # type: ignore[assignment]  # as Python has it then
        os.closerange(0, 3)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if room is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    if clock is not None:
        _jumping(clock)
    log = os.open(f"{scratch}/events", os.O_WRONLY | os.O_APPEND)
    _watch(folder, log, kill_at, wait_at)
    from debias.__main__ import main

    sys.argv = ["debias", *arguments]
    code = 1
    try:
        code = main()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        if learn:
            Path(f"{scratch}/modules").write_text("\n".join(sorted(sys.modules)))
    return code


def _watch(folder: str, log: int, kill_at: int, wait_at: int) -> None:
    """Write down each change of files below `folder` before it happens, and end there where that is asked."""
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in CHANGES:
            path = arguments[0]
        else:
            return
        if isinstance(path, int):
            name = "a file that is open" if path > 2 else ""
        else:
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 — a link is not followed
            name = name[len(folder) + 1 :] if name.startswith(f"{folder}/") else ""
        if not name:
            return
        count += 1
        os.write(log, f"{event} {name}\n".encode(errors="replace"))
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if count == wait_at:
            time.sleep(60)

    sys.addaudithook(hook)


def _jumping(seconds: float) -> None:
    """Let the time of the day jump forwards and backwards by so much at each look."""
    real, real_ns = time.time, time.time_ns
    sign = iter(_signs())
    time.time = lambda: real() + next(sign) * seconds
    time.time_ns = lambda: real_ns() + int(next(sign) * seconds * 1e9)


def _signs() -> Iterator[int]:
    while True:
        yield 1
        yield -1


_ACTIONS = {"load": _load, "wait": _wait, "start": _start}

if __name__ == "__main__":
    _serve()
