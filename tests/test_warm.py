"""A warm Python does what Python does: by comparing both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import commands, python

pytestmark = pytest.mark.skipif(python() == sys.executable, reason="no warm Python on this system")

CODE = """
import os, sys
print(sys.argv, os.getcwd(), os.environ["WORD"], __name__, "größe", flush=True)
print(sys.stdin.read().upper(), file=sys.stderr)
"""


def both(*words: str, **settings: object) -> None:
    """Check that a warm and a cold interpreter do the same."""
    one, other = (
        subprocess.run([which, *words], capture_output=True, check=False, **settings)  # type: ignore[call-overload]
        for which in (python(), sys.executable)
    )
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_streams_words_folder_and_variables(tmp_path: Path) -> None:
    settings = {"cwd": tmp_path, "env": {**os.environ, "WORD": "a=b", "PYTHONUTF8": "1"}, "input": b"said"}
    both("-c", CODE, "-x", "y z", **settings)
    (tmp_path / "script.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "beside.py").write_text("import sys; sys.exit(__name__)")
    both("script.py", "", **settings)
    both("-m", "beside", **settings)
    both("-c", "import beside", **settings)


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(3)",
        "import sys; sys.exit('words')",
        "1",
        "import atexit; atexit.register(print, 'bye'); print('x', end='')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os; os._exit(7)",
    ],
)
def test_ends(code: str) -> None:
    both("-c", code)


def test_an_error_is_told() -> None:
    done = subprocess.run([python(), "-c", "1 / 0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    strict = subprocess.run(
        [python(), "-W", "error", "-c", "import warnings; warnings.warn('so')"], capture_output=True
    )
    assert (strict.returncode, b"UserWarning: so" in strict.stderr) == (1, True)


def sleeper() -> subprocess.Popen[str]:
    code = "import os, time\ntry: print(os.getpid(), flush=True); time.sleep(60)\nexcept KeyboardInterrupt: exit(130)"
    return subprocess.Popen([python(), "-c", code], stdout=subprocess.PIPE, text=True)


def test_signals_reach_the_work() -> None:
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
        with sleeper() as process:
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            assert pid != process.pid
            process.send_signal(number)
            process.communicate(timeout=30)  # until the work itself has closed its stream
        assert process.returncode == code


def test_the_command_is_that_of_the_package(tmp_path: Path) -> None:
    one, other = (
        subprocess.run([*command, "inspect", "none.pt"], capture_output=True, text=True, cwd=tmp_path, check=False)
        for command in ([commands() / "debias"], [sys.executable, "-m", "debias"])
    )
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)
    assert one.returncode == 2
