"""What a job does: in a process of its own, which opens the files; its answer is bytes alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias.experiments.fleet.task import Task

_ALWAYS = (
    "debias.experiments.fleet.work",
    "debias.report.as_json",
    "debias.run.auditing",
    "encodings.cp437",
    "encodings.utf_8_sig",
    "pandas",
    "pyarrow.csv",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pyarrow.vendored.version",
    "scipy.stats",
    "sklearn.metrics",
)
_REPAIRS = (
    "debias.methods.search",
    "debias.model.evaluation",
    "debias.model.folding",
    "debias.model.tuning",
    "debias.objective.heading",
    "debias.run.repairing",
    "scipy.optimize",
    "torch._export.converter",
    "torch.fx.experimental.symbolic_shapes",
)
_STREAMED = ("debias.run.streaming.auditing", "pyarrow.dataset")
_EXPORTED = (
    "sympy.tensor.tensor",
    "torch._dynamo.precompile_context",
    "torch._export.passes",
    "torch._export.serde.serialize",
    "torch._functorch.aot_autograd",
    "torch._inductor.sizevars",
    "torch.export._trace",
    "torch.export._unlift",
    "torch.export.pt2_archive._package",
    "torch.fx.experimental.validator",
    "torch.utils.serialization.config",
)
_LAST = "debias.experiments.fleet.rehearsal"


def preload(tasks: Iterable[Task]) -> tuple[str, ...]:
    """Return the modules that the server of the processes loads once, so that no job has to."""
    modules, exported = dict.fromkeys(_ALWAYS), False
    for task in tasks:
        if task.repairs:
            modules |= dict.fromkeys((*_REPAIRS, f"debias.methods.{task.verb}"))
        if task.settings.get("stream"):
            modules |= dict.fromkeys(_STREAMED)
        exported = exported or task.model.lower().endswith(".pt2")
    return (*modules, *(_EXPORTED if exported else ()), _LAST)


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

    if tempfile.tempdir is None:
        # Modules of torch ask for it when they are loaded; it is found by writing, which a sandbox forbids.
        tempfile.tempdir = os.environ.get("TMPDIR", "/tmp")
    if not all(map(os.path.isabs, (work.task.model, *work.task.tables.values()))):
        os.chdir(work.folder)
    repaired: list[bytes] = []
    out = None if work.out is None else Path(work.out)
    request, method = work.task.request(trust=work.trust, out=out)
    report = run_audit(request) if method is None else run_repair(request, method, keep=repaired.append)
    return [to_json(report).encode(), *repaired]
