"""Results by their key, over all runs of a user: the same is never computed twice."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from debias.errors import WriteError
from debias.experiments.fleet.results import KEPT, LARGEST, digest_of, sealed, unsealed
from debias.files import write_atomic
from debias.inputs import read_input
from debias.report.values.fleet import JobResult

VARIABLE = "DEBIAS_CACHE"
"""Environment variable that names the folder of caches."""


def default_folder() -> Path:
    """Return where results are kept: below ``DEBIAS_CACHE``, else below the user's folder for caches."""
    told = os.environ.get(VARIABLE)
    if told:
        return Path(told) / "fleet"
    home = Path.home()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(home / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or ""
        base = base if Path(base).is_absolute() else str(home / ".cache")
    return Path(base) / "debias" / "fleet"


class Cache:
    """Results by key. An entry that is not as it was written is none; one that cannot be written is not missed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> tuple[JobResult, bytes | None] | None:
        """Return the result of a key, and the content of its repaired file where there is one."""
        entry = self._entry(key)
        with contextlib.suppress(OSError):
            data = read_input(entry, LARGEST)
            result = unsealed(data) if len(data) <= LARGEST else None
            if result is None or result.key != key or result.status not in KEPT:
                return None
            if result.output is None:
                return result, None
            told = result.report.output if result.report is not None else None
            model = entry.with_suffix(".model")
            if told is not None and digest_of(model) == told.sha256:
                return result, read_input(model)
        return None

    def put(self, result: JobResult, content: bytes | None) -> None:
        """Keep a result, where it depends on its key alone."""
        if result.key is None or result.status not in KEPT or (result.output is not None and content is None):
            return
        entry = self._entry(result.key)
        with contextlib.suppress(OSError, WriteError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            if content is not None:
                write_atomic(entry.with_suffix(".model"), content, force=True)
            write_atomic(entry, sealed(result.model_copy(update={"reused": None})), force=True)

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
