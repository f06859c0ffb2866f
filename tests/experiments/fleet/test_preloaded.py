"""What the server of the processes loads: nothing is left for a job to load, and no thread runs in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from debias.experiments.fleet import rehearsal
from debias.experiments.fleet.work import preload
from debias.jobs.hands import ENVIRONMENT

SAMPLES = Path(__file__).parents[3] / "sample_models"

RUN = """
import importlib, json, os, sys
from debias.experiments.fleet.task import Task
from debias.experiments.fleet.work import Work, carry_out, preload
folder, *cases = json.loads(sys.argv[1])
tasks = [Task(name, model, {"data": data}, verb, {"attr": ["sex"], "eps": 0.05, **more}) for
         name, model, data, verb, more in cases]
for module in (*preload(tasks), "debias.jobs.server"):
    importlib.import_module(module)
told = {"threads": len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1}
for task in tasks:
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = set(sys.modules)
        answer = carry_out(Work(task, folder, out="repaired.pt" if task.repairs else None), None, lambda *_: None)
        new = sorted(set(sys.modules) - before)
        os.write(writer, json.dumps({"answer": json.loads(answer[0])["verb"], "new": new}).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        told[task.name] = json.loads(stream.read())
    os.wait()
print(json.dumps(told))
"""


def test_the_rehearsal_is_an_audit() -> None:
    rehearsal.rehearse()


def test_the_rehearsal_comes_last_and_once() -> None:
    assert preload([])[-1] == rehearsal.__name__
    assert len(set(preload([]))) == len(preload([]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no server of processes here")
def test_a_job_loads_nothing_by_itself(tmp_path: Path) -> None:
    rows = pd.read_csv(SAMPLES / "lender_valid.csv", nrows=600)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    model = str(SAMPLES / "lender_mlp.pt")
    cases = [
        ("text", model, str(tmp_path / "rows.csv"), "audit", {}),
        ("parquet", model, str(tmp_path / "rows.parquet"), "audit", {"confidence": 0.95}),
        ("exported", str(SAMPLES / "lender_mlp.pt2"), str(tmp_path / "rows.csv"), "audit", {}),
        ("repair", model, str(tmp_path / "rows.csv"), "threshold", {}),
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([str(tmp_path), *cases])],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **ENVIRONMENT},
    )
    told = json.loads(done.stdout)
    assert told.pop("threads") == 1
    for name, _, _, verb, _ in cases:
        assert told[name] == {"answer": verb, "new": []}, name
