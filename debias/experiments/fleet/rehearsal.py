"""One audit of a made-up network, for what a process does only once: loaded by the server, so that no job does it.

Tables of operators, validators of reports, caches of pandas and of the compiler of TorchScript are made on first use.
A job that is forked from a process that has them takes two thirds of the time. The files are made here and nothing of a
job takes part; what fails here is left to the jobs.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from pathlib import Path

ROWS = 60
"""As many as it takes for every figure of a report."""


def rehearse() -> None:
    """Audit a network with two inputs on a few rows."""
    from debias.experiments.fleet.task import Task
    from debias.experiments.fleet.work import Work, carry_out

    with tempfile.TemporaryDirectory(prefix="debias-") as folder:
        model, table = Path(folder) / "network.pt", Path(folder) / "rows.arrows"
        model.write_bytes(_network())
        table.write_bytes(_rows())
        task = Task("rehearsal", str(model), {"data": str(table)}, settings={"attr": ("group",), "eps": 0.05})
        carry_out(Work(task, folder), None, lambda *_: None)


def _network() -> bytes:
    import torch

    from debias.model.archive import serialise

    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1), torch.nn.Sigmoid())
    return serialise(torch.jit.script(module.eval()), {})


def _rows() -> bytes:
    """Return a stream of Arrow: the readers of other formats start threads, which a fork does not copy."""
    import pyarrow as pa

    numbers = range(ROWS)
    columns = {
        "first": [row % 7 for row in numbers],
        "second": [row % 5 / 4 for row in numbers],
        "group": ["ab"[row % 3 % 2] for row in numbers],
        "label": [row % 2 for row in numbers],
    }
    rows, sink = pa.table(columns), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


with contextlib.suppress(Exception), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    rehearse()
