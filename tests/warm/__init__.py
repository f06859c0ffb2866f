"""A Python that starts in a few hundredths of a second, as everything is loaded: for tests that need many processes.

What it runs is a process of its own, with the caller's folder, environment and streams: a fork of one server for all
workers of a test run. `-c code`, `-m module` and a script are known, and the option -W. A signal that reaches it
reaches the work, and whoever kills it kills the work. The work stays in no process group or session of the caller,
and the caller's limits and rights are not passed on. Tests of what the installed command imports, or of how Python
itself starts, have no use for it.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0  # seconds for the server to load everything

# Few modules, as each costs time. A request is its length beside the three streams, then how many words, the words,
# the folder and the variables.
CLIENT = """#!{python} -IS
import array, os, signal, sys
import _socket as socket

passed_on = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
             if signal.getsignal(number) is not signal.SIG_IGN]
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
server.connect({address!r})
words = {words!r} + sys.argv[1:]
variables = [name + "=" + value for name, value in os.environ.items()]
asked = os.fsencode("\\0".join([str(len(words)), *words, os.getcwd(), *variables]))
streams = array.array("i", [0, 1, 2])
server.sendmsg([len(asked).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
server.sendall(asked)
for number in passed_on:
    signal.signal(number, lambda number, frame: server.send(bytes([number])))
signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
answer = server.recv(4)
code = int.from_bytes(answer, "big", signed=True) if answer else 70
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def python() -> str:
    """Return the interpreter that starts warm; where processes cannot be forked so, the usual one."""
    return str(commands() / "python") if hasattr(os, "pidfd_open") else sys.executable


@cache
def commands() -> Path:
    """Return the folder with `python` and `debias`, to come first on a PATH."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone-{os.getpid()}"
    place = Path(tempfile.gettempdir()) / f"debias-warm-{os.getuid()}-{run}"
    place.mkdir(mode=0o700, exist_ok=True)
    assert place.stat().st_uid == os.getuid()
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            held = _held(place)
        except OSError:
            _start(place)
            held = _held(place)
    # The server ends with the last process that holds it.
    atexit.register(held.close)
    return place


def _held(place: Path) -> socket.socket:
    """Connect to the server and stay connected; a length of 0 asks for no work."""
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.connect(str(place / "socket"))
        ours.sendall(bytes(8))
    except OSError:
        ours.close()
        raise
    return ours


def _start(place: Path) -> None:
    """Start the server and write its clients."""
    address = place / "socket"
    address.unlink(missing_ok=True)
    for name, words in (("python", []), ("debias", ["-m", "debias"])):
        text = CLIENT.format(python=sys.executable, address=str(address), words=words)
        (place / name).write_text(text, encoding="utf-8")
        (place / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm.server", str(address)],
            cwd=ROOT,
            env={**environment, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    end = time.monotonic() + PATIENCE
    while not address.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise OSError(f"the server of warm processes did not start: {(place / 'said').read_text()}")
        time.sleep(0.02)
    process.returncode = 0  # It is nobody's to wait for: it may outlive this process.
