"""What jobs of these tests do; light, because every process of a job with limits imports it."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from debias.errors import DataError, ModelError, Problem

Progress = Callable[[int, int, str], None]


def hello(context: Any, progress: Progress) -> bytes:
    progress(1, 1, "said \x1b[31m\u202ehello")
    return b"hello " + (context or b"")


def several(context: Any, progress: Progress) -> list[bytes]:
    del context, progress
    return [b"", b"\0" * 3_000_000, b"end"]


def no_bytes(context: Any, progress: Progress) -> dict[str, int]:
    del context, progress
    return {"a": 1}


def refuse(context: Any, progress: Progress) -> bytes:
    del context, progress
    raise DataError([Problem("no column \x1b]0;x\x07", "t\ud800.csv", "Name it."), Problem("no rows")])


def tensor_of_100_gb(context: Any, progress: Progress) -> bytes:
    del context, progress
    import torch

    return bytes(torch.zeros(10**11, dtype=torch.uint8)[:1].tolist())


def said_otherwise(context: Any, progress: Progress) -> bytes:
    try:
        return tensor_of_100_gb(context, progress)
    except RuntimeError:
        raise ModelError("cannot be evaluated") from None


def more_and_more(context: Any, progress: Progress) -> bytes:
    del context, progress
    held = []
    while True:
        held.append(mmap.mmap(-1, 1 << 26))  # shared, never touched


def file_in_memory(context: Any, progress: Progress) -> bytes:
    del context, progress
    descriptor = os.memfd_create("x")
    return str(os.write(descriptor, bytes(1 << 20))).encode()


def spin(context: Any, progress: Progress) -> bytes:
    del context, progress
    while True:
        pass


def spin_on(context: Any, progress: Progress) -> bytes:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    return spin(context, progress)


def sleep(context: Any, progress: Progress) -> bytes:
    del context, progress
    time.sleep(600)
    return b""


def abort_of_memory(context: Any, progress: Progress) -> bytes:
    del context, progress
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def crash(context: Any, progress: Progress) -> bytes:
    del context, progress
    os.write(2, b"before the \x1b[2Jend\n")
    return ctypes.string_at(0)


def other_calls(context: Any, progress: Progress) -> bytes:
    """Make a call of the other ABI of the processor, whose numbers nobody looked at."""
    del context, progress
    ctypes.CDLL(None).syscall(0x40000000 + 39)
    return b""


def line() -> int:
    """Return the file descriptor of the line to the parent."""
    (found,) = (n for n in range(3, 256) if _is_socket(n))
    return found


def _is_socket(descriptor: int) -> bool:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("socket:")
    except OSError:
        return False


class Shell:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {os.environ.get('DEBIAS_TEST_CANARY', '/tmp/debias-canary')}",)


def answer_with_a_pickle(context: Any, progress: Progress) -> bytes:
    data = pickle.dumps(Shell())
    os.write(line(), struct.pack("!i", len(data)) + data)
    return sleep(context, progress)


def answer_without_end(context: Any, progress: Progress) -> bytes:
    os.write(line(), b"v" + struct.pack(">Q", 1 << 60))
    return sleep(context, progress)


def answer_half(context: Any, progress: Progress) -> bytes:
    os.write(line(), b"v" + struct.pack(">Q", 100) + b"half")
    return sleep(context, progress)


def begin_again_and_again(context: Any, progress: Progress) -> bytes:
    del context, progress
    while True:
        os.write(line(), b"b" + bytes(8))
        time.sleep(0.1)


# What the sandbox forbids, each alone. What comes back is the error, or what was reached.


NUMBERS = {"x86_64": (437, 435, 16, 302, 29), "aarch64": (437, 435, 29, 261, 194)}


def _write(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _call(number: int, *arguments: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *(ctypes.c_long(argument) for argument in arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def attempts(here: str, parent: int) -> dict[str, Callable[[], Any]]:
    old, new = f"{here}/old", f"{here}/new"
    openat2, clone3, ioctl, prlimit, shmget = NUMBERS[os.uname().machine]
    how = (ctypes.c_uint64 * 3)(os.O_WRONLY, 0, 0)
    path = ctypes.create_string_buffer(old.encode())
    none = (ctypes.c_uint64 * 2)(0, 0)
    key = ctypes.create_string_buffer(b"x")
    return {
        "make": lambda: _write(new, os.O_WRONLY | os.O_CREAT),
        "append": lambda: _write(old, os.O_WRONLY | os.O_APPEND),
        "cut": lambda: _write(old, os.O_RDONLY | os.O_TRUNC),
        "make without name": lambda: _write(here, os.O_RDWR | os.O_TMPFILE),
        "open in another way": lambda: _call(openat2, -100, ctypes.addressof(path), ctypes.addressof(how), 24),
        "truncate": lambda: os.truncate(old, 0),
        "rename": lambda: Path(old).rename(new),
        "remove": lambda: Path(old).unlink(),
        "make folder": lambda: Path(new).mkdir(),
        "remove folder": lambda: Path(here).rmdir(),
        "link": lambda: os.link(old, new),
        "symlink": lambda: Path(new).symlink_to(old),
        "fifo": lambda: os.mkfifo(new),
        "mode": lambda: Path(old).chmod(0o777),
        "owner": lambda: os.chown(old, 1, 1),
        "times": lambda: os.utime(old, (0, 0)),
        "attribute": lambda: os.setxattr(old, "user.x", b"1"),
        "terminal": lambda: _write("/dev/tty", os.O_RDWR),
        "type for the user": lambda: _call(ioctl, 0, 0x5412, ctypes.addressof(key)),
        "socket": socket.socket,
        "pair": socket.socketpair,
        "send": lambda: socket.socket(fileno=os.dup(line())).sendmsg([b"x"]),
        "fork": os.fork,
        "clone": lambda: _call(clone3, 0, 0),
        "program": lambda: subprocess.run(["true"], check=True),
        "replace": lambda: os.execv(sys.executable, ["x"]),
        "signal": lambda: os.kill(parent, 0),
        "signal group": lambda: os.kill(0, signal.SIGTERM),
        "memory of another": lambda: Path(f"/proc/{parent}/mem").open("rb"),
        "environment of another": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "own memory": lambda: Path("/proc/self/mem").open("r+b"),
        "set a limit": lambda: _call(prlimit, 0, resource.RLIMIT_FSIZE, ctypes.addressof(none), 0),
        "outlive the parent": lambda: _prctl(1, 0),
        "shared memory": lambda: _call(shmget, 0, 4096, 0o1600),
    }


def _prctl(option: int, value: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    return 0


def try_all(here: str, parent: int, context: Any, progress: Progress) -> bytes:
    del context, progress
    return json.dumps({name: _tried(attempt) for name, attempt in attempts(here, parent).items()}).encode()


def _tried(attempt: Callable[[], Any]) -> str:
    try:
        return f"reached {attempt()}"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def allowed(here: str, context: Any, progress: Progress) -> bytes:
    """Do what an audit does: read, list, compute, on threads too."""
    del context, progress
    import torch

    told: list[float] = []
    thread = threading.Thread(target=lambda: told.append(float((torch.ones(64, 64) @ torch.ones(64, 64)).sum())))
    thread.start()
    thread.join()
    print("this goes nowhere", flush=True)
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return json.dumps(
        {
            "read": Path(here, "old").read_text(),
            "listed": [path.name for path in Path(here).iterdir()],
            "sum": told[0],
            "descriptors": _entries("/proc/self/fd") - 1,  # one reads them
            "capabilities": int(status["CapEff"], 16),
            "filtered": status["Seccomp"],
            "gains": status["NoNewPrivs"],
            "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
            "threads of the server": _entries(f"/proc/{os.getppid()}/task"),
        }
    ).encode()


FILES = ("make", "append", "cut", "truncate", "rename", "remove", "make folder", "link", "symlink", "fifo")


def _entries(folder: str) -> int:
    return len(list(Path(folder).iterdir()))


def one_layer(which: str, here: str, context: Any, progress: Progress) -> bytes:
    """Enter one layer of the sandbox alone, and try to change files."""
    from debias.jobs.sandbox import kernel, landlock, seccomp

    kernel.drop_privileges()
    {"landlock": landlock, "seccomp": seccomp}[which].enter()
    tries = attempts(here, os.getppid())
    del context, progress
    return json.dumps({name: _tried(tries[name]) for name in (*FILES, "signal")}).encode()


def leave_a_child(context: Any, progress: Progress) -> bytes:
    del context, progress
    return str(subprocess.Popen(["sleep", "600"]).pid).encode()


def where(context: Any, progress: Progress) -> bytes:
    del context, progress
    return str(os.getpid()).encode()


def write_to(path: str, context: Any, progress: Progress) -> bytes:
    del context, progress
    Path(path).write_text("x")
    return b"written"


def connect_to(port: int, context: Any, progress: Progress) -> bytes:
    del context, progress
    socket.create_connection(("127.0.0.1", port), timeout=5)
    return b"connected"


def server_threads(context: Any, progress: Progress) -> bytes:
    del context, progress
    server = os.getppid()
    return f"{_entries(f'/proc/{server}/task')} {server}".encode()


def setup() -> bytes:
    return b"from the setup"


def refusing() -> bytes:
    raise DataError(Problem("no table", "t.csv"))
