"""Models per second of `debias fleet`, beside a loop of `debias audit` and beside audits in one process.

    python benchmarks/fleet.py --models 1000 --ray

Makes so many small networks (2 → 8 → 1, TorchScript, each with its own weights) and a table of 1,000 rows with a fixed
seed in --folder. Every measurement goes into `results/fleet.json` at once; what is there is not measured again (--again
does). --tables prints the tables from the results alone.

Seconds are by the clock and of the processor. Those of the processor are of all processes that a command starts: this
one becomes the reaper of its descendants (Linux), so that the server of the workers and all workers are counted. Other
work on the machine changes them less than the clock; rates and the overhead of a model are of the clock where it is
said, else of the processor.

- in-process: `debias.audit` of one model after the other in one process, its start not counted;
- fleet: `debias fleet` with isolation on, no cache; fleet-open: with --no-sandbox; fleet-ray: with --ray local;
- shell: `debias audit MODEL …` for each of --shell models, as a shell loop does it.

The overhead of a model is the processor time that a larger fleet takes more than a small one, by model, less that of an
audit in-process.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

RESULTS = Path(__file__).parent / "results" / "fleet.json"
ROWS, SMALL = 1_000, 20
PR_SET_CHILD_SUBREAPER = 36
ASKED = {"attr": "sex", "eps": 0.05}

Measured = dict[str, Any]


def prepare(folder: Path, models: int) -> None:
    """Write the table and the models that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    group = random.integers(0, 2, ROWS)
    income, debt = random.normal(size=ROWS) + 0.8 * group, random.normal(size=ROWS)
    label = (income - debt + random.normal(size=ROWS) > 0.4).astype(int)
    columns = {"income": income, "debt": debt, "sex": np.array(["f", "m"])[group], "label": label}
    pd.DataFrame(columns).to_parquet(folder / "rows.parquet", index=False)
    torch.manual_seed(0)
    for number in range(models):
        net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid()).eval()
        path = folder / f"model{number:05}.pt"
        if not path.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                torch.jit.trace(net, torch.zeros(3, 2)).save(str(path))


def run(*command: str) -> Measured:
    """Run a command and return its seconds, those of all its descendants among them, and its exit code."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start, first = time.monotonic(), os.fork()
    if first == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.execvp(command[0], command)
    user = system = 0.0
    code, wall = -1, 0.0
    while True:
        try:
            found, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            return {"wall": wall, "cpu": user + system, "user": user, "system": system, "code": code}
        user, system = user + used.ru_utime, system + used.ru_stime
        if found == first:
            code, wall = os.waitstatus_to_exitcode(status), time.monotonic() - start


def fleet(folder: Path, models: int, workers: int, *flags: str) -> Measured:
    """Run a fleet over the first models."""
    jobs = [{"model": f"model{number:05}.pt"} for number in range(models)]
    manifest = folder / f"fleet{models}.yaml"
    manifest.write_text(json.dumps({"defaults": {"data": "rows.parquet", **ASKED}, "jobs": jobs}), encoding="utf-8")
    out = folder / "results"
    given = ("--workers", str(workers), "--out", str(out), "--force", "--no-cache", "--no-config", "--quiet", *flags)
    found = run("debias", "fleet", str(manifest), *given)
    told = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    statuses = {row["status"] for row in told["rows"]}
    assert found["code"] in (0, 1), f"a job has no report: {statuses}"
    return {**found, "models": models, "workers": workers, "isolation": told["isolation"]}


def in_process(folder: Path, models: int) -> Measured:
    """Audit one model after the other in a process of its own; its start is taken off."""
    code = (
        "import sys, debias, json\n"
        "from pathlib import Path\n"
        "from debias.report.as_json import to_json\n"
        "for number in range(int(sys.argv[2])):\n"
        "    folder = Path(sys.argv[1])\n"
        "    to_json(debias.audit(folder / f'model{number:05}.pt', folder / 'rows.parquet', attr='sex', eps=0.05))\n"
    )
    os.environ["OMP_NUM_THREADS"] = "1"
    few = run(sys.executable, "-c", code, str(folder), str(SMALL))
    many = run(sys.executable, "-c", code, str(folder), str(models))
    return {name: many[name] - few[name] for name in ("wall", "cpu")} | {"models": models - SMALL}


def shell(folder: Path, models: int) -> Measured:
    """Run the command for each model."""
    wall = cpu = 0.0
    for number in range(models):
        model = str(folder / f"model{number:05}.pt")
        given = ("--data", str(folder / "rows.parquet"), "--attr", "sex", "--eps", "0.05", "--no-config", "--quiet")
        found = run("debias", "audit", model, *given)
        wall, cpu = wall + found["wall"], cpu + found["cpu"]
    return {"wall": wall, "cpu": cpu, "models": models}


def tables(found: dict[str, Measured]) -> str:
    """Return the results as tables."""
    lines = [
        "| way | models | seconds | of the processor | models/s | processor ms a model |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, one in found.items():
        rate, each = one["models"] / one["wall"], 1000 * one["cpu"] / one["models"]
        lines.append(f"| {name} | {one['models']:,} | {one['wall']:.1f} | {one['cpu']:.1f} | {rate:.2f} | {each:.0f} |")
    if {"fleet", "fleet-small", "in-process"} <= set(found):
        large, small, alone = found["fleet"], found["fleet-small"], found["in-process"]
        each = (large["cpu"] - small["cpu"]) / (large["models"] - small["models"])
        audit = alone["cpu"] / alone["models"]
        lines += [
            "",
            f"Processor time of a further model: {1000 * each:.0f} ms in the fleet, {1000 * audit:.0f} ms in-process: "
            f"{1000 * (each - audit):.0f} ms of overhead.",
            f"Isolation: {large['isolation']}.",
        ]
    return "\n".join(lines)


def main() -> None:
    """Measure what is not there, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1_000)
    parser.add_argument("--shell", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("fleet-benchmark"))
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    found: dict[str, Measured] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    ways = {
        "in-process": lambda: in_process(options.folder, min(options.models, 200)),
        "fleet-small": lambda: fleet(options.folder, SMALL, options.workers),
        "fleet": lambda: fleet(options.folder, options.models, options.workers),
        "fleet-open": lambda: fleet(options.folder, min(options.models, 200), options.workers, "--no-sandbox"),
        "shell": lambda: shell(options.folder, options.shell),
    }
    if options.ray:
        ways["fleet-ray"] = lambda: fleet(options.folder, min(options.models, 200), options.workers, "--ray", "local")
    if not options.tables:
        prepare(options.folder, options.models)
        for name, measure in ways.items():
            if options.again or name not in found:
                found[name] = measure()
                RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
                print(name, found[name], flush=True)
    print(tables(found))


if __name__ == "__main__":
    main()
