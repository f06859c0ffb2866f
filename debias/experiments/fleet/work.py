"""What a job does: in a process of its own, which opens the files; its answer is bytes alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias.experiments.fleet.task import Task

PRELOAD = (
    "debias.experiments.fleet.work",
    "debias.run",
    "debias.run.auditing",
    "debias.run.repairing",
    "debias.report.as_json",
    "pandas",
    "pyarrow.csv",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.metrics",
)
"""Modules that the server of the processes loads once."""


@dataclass(frozen=True)
class Work:
    """A task for a worker.

    Parameters
    ----------
    task : Task
    folder : str
        What relative paths are relative to.
    trust : bool
        The checks before loading are overridden.
    out : str or None
        How the report calls the repaired file.
    """

    task: Task
    folder: str
    trust: bool = False
    out: str | None = None


def carry_out(work: Work, _: Any, progress: Any) -> list[bytes]:
    """Return the report of a job as JSON, and after it the content of the repaired file, where one is to be written."""
    del progress  # nothing but the answer comes from a process that is not trusted
    from debias.report.as_json import to_json
    from debias.run.auditing import run_audit
    from debias.run.repairing import run_repair

    if not all(map(os.path.isabs, (work.task.model, *work.task.tables.values()))):
        os.chdir(work.folder)
    repaired: list[bytes] = []
    out = None if work.out is None else Path(work.out)
    request, method = work.task.request(trust=work.trust, out=out)
    report = run_audit(request) if method is None else run_repair(request, method, keep=repaired.append)
    return [to_json(report).encode(), *repaired]
