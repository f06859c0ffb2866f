"""The folder of the results: one file a job, the repaired models, the summary; one run at a time."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from debias import locks
from debias.errors import Problem, UsageError, WriteError
from debias.experiments.fleet.results import LARGEST, digest_of, sealed, unsealed
from debias.files import write_atomic
from debias.inputs import read_input
from debias.report.values.fleet import JobResult
from debias.words import bare

JOBS, MODELS = "jobs", "models"
SUMMARY = "summary"
_GUARDED = "fleet"


class Folder:
    """Where the results of a run lie."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, *, resume: bool, force: bool) -> Iterator[Folder]:
        """Yield the folder for this run alone.

        Parameters
        ----------
        path : Path
            Made where it is missing.
        resume : bool
            Results that are there may be kept.
        force : bool
            Results that are there are replaced.

        Raises
        ------
        UsageError
            It holds results and neither was asked, is no folder, or another run has it.
        WriteError
            It cannot be made.
        """
        where = f"--out {bare(path)}"
        try:
            path.mkdir(exist_ok=True)
            with locks.holding():
                if not locks.hold(path / _GUARDED):
                    raise UsageError(Problem(f"another run writes here{_owner(path)}", where, "Wait for its end."))
                if not (resume or force) and (held := _held(path)):
                    found = f"holds results of an earlier run ({held})"
                    raise UsageError(Problem(found, where, "Go on with --resume, or do all anew with --force."))
                with contextlib.suppress(OSError):
                    _guard(path).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
                for name in (JOBS, MODELS):
                    (path / name).mkdir(exist_ok=True)
                yield cls(path)
        except FileExistsError:
            raise UsageError(Problem("is no folder", where, "Name a folder.")) from None
        except FileNotFoundError:
            raise UsageError(Problem("the folder that it is in does not exist", where, "Make it first.")) from None
        except OSError as error:
            raise WriteError(Problem(f"cannot be written ({error.strerror or error})", where)) from None

    def clear(self) -> None:
        """Remove what an earlier run wrote."""
        for pattern in (f"{SUMMARY}.*", f"{JOBS}/*.json", f"{MODELS}/*.pt", f"{MODELS}/*.pt2"):
            for found in self.path.glob(pattern):
                found.unlink()

    def read(self, name: str) -> JobResult | None:
        """Return the result of a job; None where it, or its repaired file, is not as it was written."""
        try:
            data = read_input(self.path / JOBS / f"{name}.json", LARGEST)
        except OSError:
            return None
        result = unsealed(data) if len(data) <= LARGEST else None
        if result is None or result.name != name:
            return None
        if result.output is not None:
            told = result.report.output.sha256 if result.report and result.report.output else None
            if told is None or digest_of(self.path / result.output) != told:
                return None
        return result

    def write(self, result: JobResult) -> None:
        """Write the result of a job, in place of what was there."""
        write_atomic(self.path / JOBS / f"{result.name}.json", sealed(result), force=True)

    def write_model(self, output: str, content: bytes) -> None:
        """Write a repaired file under its name below the folder."""
        write_atomic(self.path / output, content, force=True, verify=True)

    def write_summary(self, ending: str, content: bytes) -> None:
        """Write the summary in one format."""
        write_atomic(self.path / f"{SUMMARY}{ending}", content, force=True)


def output_of(name: str, model: str) -> str:
    """Return the name of the repaired file of a job, below the folder."""
    ending = Path(model).suffix.lower()
    return f"{MODELS}/{name}{ending if ending in ('.pt', '.pt2') else '.pt'}"


def _held(path: Path) -> str | None:
    """Return what in a folder an earlier run wrote."""
    for name in (JOBS, MODELS):
        found = next((path / name).glob("*.*"), None)
        if found is not None:
            return f"{name}/{bare(found.name)}"
    found = next(path.glob(f"{SUMMARY}.*"), None)
    return None if found is None else found.name


def _guard(path: Path) -> Path:
    return locks.beside(Path(os.path.realpath(path)) / _GUARDED, "lock")


def _owner(path: Path) -> str:
    try:
        told = _guard(path).read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        return ""
    return f": {bare(told)}" if told else ""
