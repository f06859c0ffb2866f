"""``python -m debias`` and the installed command."""

from __future__ import annotations

import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command line in a process of its own and return its exit code."""
    try:
        from debias.cli.main import main as run

        return run()
    except KeyboardInterrupt:  # before or after all that is guarded
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    finally:
        # what is left is to leave: once more Ctrl-C changes nothing
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
