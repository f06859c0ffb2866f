"""What a warm process does: run code, a module or a script as the interpreter does when it starts."""

from __future__ import annotations

import atexit
import io
import os
import runpy
import signal
import sys
import threading
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NoReturn


@dataclass(frozen=True)
class Work:
    """What a client asks for."""

    words: tuple[str, ...]
    folder: str
    variables: dict[str, str]

    @classmethod
    def read(cls, asked: bytes) -> Work:
        """Return what the bytes of a request say."""
        count, *parts = os.fsdecode(asked).split("\0")
        words, (folder, *variables) = parts[: int(count)], parts[int(count) :]
        return cls(tuple(words), folder, dict(one.split("=", 1) for one in variables))


def work(asked: Work) -> NoReturn:
    """Do it in this process, and end the process as Python ends."""
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.variables)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _streams()
    code = 0
    try:
        _run(list(asked.words))
    except SystemExit as end:
        code = _code(end.code)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120
    if code < 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def _code(told: object) -> int:
    if told is None or isinstance(told, int):
        return told or 0
    print(told, file=sys.stderr)
    return 1


def _streams() -> None:
    """Make the streams anew: those of the server are other files."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
        buffer = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
        handler = "backslashreplace" if name == "stderr" else errors or "strict"
        stream = io.TextIOWrapper(buffer, encoding, handler, line_buffering=name == "stderr" or raw.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(words: list[str]) -> None:
    filters = os.environ.get("PYTHONWARNINGS", "").split(",")
    while words and words[0].startswith("-W"):
        first = words.pop(0)
        filters.append(first[2:] or words.pop(0))
    for one in filter(None, filters):
        warnings._setoption(one)  # type: ignore[attr-defined]
    paths = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    kind = words[0]
    if kind == "-m":
        sys.argv = words[1:]
        sys.path[:] = [str(Path.cwd()), *paths, *sys.path[1:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    if kind == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path[:] = ["", *paths, *sys.path[1:]]
        exec(compile(words[1], "<string>", "exec"), main.__dict__)
        return
    sys.argv = words
    sys.path[:] = [str(Path(kind).absolute().parent), *paths, *sys.path[1:]]
    main.__dict__["__file__"] = kind
    exec(compile(Path(kind).read_bytes(), kind, "exec"), main.__dict__)
