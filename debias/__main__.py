"""``python -m debias`` and the installed command: the command line in a process of its own."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading

INTERRUPTED = 130
_AGAIN = 0.05


def main() -> int:
    """Run the command line and return its exit code; after Ctrl-C leave with 130 at once."""
    _open_streams()
    sys.unraisablehook = _unraisable
    try:
        from debias.cli.main import main as run

        code = run()
    except KeyboardInterrupt:  # before or after all that is guarded
        sys.stderr.write("interrupted\n")
        code = INTERRUPTED
    finally:
        # what is left is to leave: once more Ctrl-C changes nothing
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if code == INTERRUPTED:
        _leave(code)
    return code


def _open_streams() -> None:
    """Give the three streams a place where the caller closed them: no file of ours is to get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _leave(code: int) -> None:
    """End the process with `code`: Python itself would kill it by SIGINT where that came in code made from text."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # nobody listens any more
            stream.flush()
    os._exit(code)


def _unraisable(told: sys.UnraisableHookArgs) -> None:
    """Let Ctrl-C count that came where nothing can be raised, such as in a callback of the garbage collector."""
    if isinstance(told.exc_value, KeyboardInterrupt):
        threading.Timer(_AGAIN, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(told)


if __name__ == "__main__":
    sys.exit(main())
