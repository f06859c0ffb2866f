"""Models per second of `debias fleet`, beside a loop of `debias audit`, audits in one process, and Ray.

    python benchmarks/fleet.py                # all of it, about a quarter of an hour; goes on where it was ended
    python benchmarks/fleet.py --again        # anew
    python benchmarks/fleet.py --tables       # the table from results/fleet.json alone

The models are those of `sample_models/` with other weights, by a seed; the table is the first 1,000 rows of
`lender_valid.csv`. They are written to --folder. Each measurement goes into `results/fleet.json` at once, and is not
made again; compare figures of one run only, as other work on the machine changes both.

- ``loop``: the command `debias audit MODEL …` again and again, as a loop of a shell has it, on --loop models: half of
  them before the fleet, half after it;
- ``fleet``: `debias fleet` of --models models with isolation on, one worker a core, nothing taken from a cache;
- ``resume``, ``cache``: the same fleet when all its jobs are done (--resume), and when all are in the cache;
- ``in process``: `debias.audit`, and its report as JSON, of one model after the other in one process: the median after
  the first ten; measured before and after the next two;
- ``one worker, few`` and ``one worker, more``: fleets with one worker. What a further model costs is the difference,
  by model; the overhead is that less the audit in process;
- ``local`` and ``ray``: the same --some models by processes and by --ray local, as many workers, starts included; and
  a few models likewise, so that the starts can be taken off.

Seconds are by the clock and of the processor. Those of the processor are of all processes that a command starts: this
one becomes the reaper of its descendants, so that servers and workers count (Linux).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "fleet.json"
SAMPLES = HERE.parent / "sample_models"
ROWS, SPREAD = 1_000, 0.02
FEW = 20
PR_SET_CHILD_SUBREAPER = 36
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

Measured = dict[str, Any]

IN_PROCESS = """
import json, statistics, sys, time
from pathlib import Path
import debias
from debias.report.as_json import to_json
folder, wall, cpu = Path(sys.argv[1]), [], []
for number in range(int(sys.argv[2])):
    start = time.perf_counter(), time.process_time()
    to_json(debias.audit(folder / f"model{number:05}.pt", folder / "rows.csv", attr="sex", eps=0.05))
    wall.append(time.perf_counter() - start[0])
    cpu.append(time.process_time() - start[1])
print(json.dumps([statistics.median(wall[10:]), statistics.median(cpu[10:]), len(wall[10:])]))
"""


def prepare(folder: Path, models: int) -> None:
    """Write the table, and the models that are not there."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with (SAMPLES / "lender_valid.csv").open(encoding="utf-8") as lines:
        (folder / "rows.csv").write_text("".join(line for line, _ in zip(lines, range(ROWS + 1), strict=False)))
    for number in range(models):
        path = folder / f"model{number:05}.pt"
        if not path.exists():
            extra = {"debias.json": ""}
            network = torch.jit.load(str(SAMPLES / "lender_mlp.pt"), _extra_files=extra)
            generator = torch.Generator().manual_seed(number)
            with torch.no_grad():
                for weights in network.parameters():
                    weights.add_(SPREAD * torch.randn(weights.shape, generator=generator))
            torch.jit.save(network, str(path), _extra_files=extra)


def run(*command: str) -> Measured:
    """Run a command and return its seconds, those of the processor with all its descendants, and its exit code."""
    start = time.monotonic()
    first = os.fork()
    if first == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.execvpe(command[0], command, ENVIRONMENT)
    cpu, code, wall = 0.0, -1, 0.0
    while True:
        try:
            found, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            return {"wall": wall, "cpu": cpu, "code": code}
        cpu += used.ru_utime + used.ru_stime
        if found == first:
            code, wall = os.waitstatus_to_exitcode(status), time.monotonic() - start


def fleet(folder: Path, models: int, workers: int, *flags: str, out: str = "results") -> Measured:
    """Run a fleet over the first models; every one must have a report."""
    jobs = [{"model": f"model{number:05}.pt"} for number in range(models)]
    manifest = folder / f"fleet{models}.yaml"
    defaults = {"data": "rows.csv", "attr": "sex", "eps": 0.05}
    manifest.write_text(json.dumps({"defaults": defaults, "jobs": jobs}), encoding="utf-8")
    given = ["--workers", str(workers), "--out", str(folder / out), "--no-config", "--quiet", *flags]
    given += [] if "--resume" in flags else ["--force"]
    given += [] if "--cache" in flags else ["--no-cache"]
    found = run("debias", "fleet", str(manifest), *given)
    told = json.loads((folder / out / "summary.json").read_text(encoding="utf-8"))
    assert len(told["rows"]) == models and all(row["status"] == "done" for row in told["rows"]), told["counts"]
    return {**found, "models": models, "workers": workers, "reused": told["reused"], "isolation": told["isolation"]}


def reused(found: Measured) -> Measured:
    """Return a measurement of a fleet that had nothing to do."""
    assert found["reused"] == found["models"], "the fleet is to be measured anew: --again"
    return found


def loop(folder: Path, numbers: range) -> Measured:
    """Run the command for each of these models."""
    total = {"wall": 0.0, "cpu": 0.0}
    for number in numbers:
        model, rows = str(folder / f"model{number:05}.pt"), str(folder / "rows.csv")
        found = run("debias", "audit", model, "--data", rows, "--attr", "sex", "--eps", "0.05", "--no-config", "-q")
        assert found["code"] in (0, 1), found
        total = {name: total[name] + found[name] for name in total}
    return {**total, "models": len(numbers)}


def in_process(folder: Path, models: int) -> Measured:
    """Return the median of audits in one process."""
    command = [sys.executable, "-c", IN_PROCESS, str(folder), str(models)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    wall, cpu, count = json.loads(done.stdout.splitlines()[-1])
    return {"wall": wall * count, "cpu": cpu * count, "models": count}


def each(one: Measured, unit: str, less: Measured | None = None) -> float:
    """Return milliseconds a model; with `less`, of the models that are more."""
    if less is None:
        return 1000 * one[unit] / one["models"]
    return 1000 * (one[unit] - less[unit]) / (one["models"] - less["models"])


def ratios(found: dict[str, Measured]) -> dict[str, float]:
    """Return what the measurements say, as far as they are there."""
    told: dict[str, float] = {}
    if {"loop", "fleet"} <= set(found):
        told["models per second, of the loop"] = each(found["loop"], "wall") / each(found["fleet"], "wall")
        told["models per processor second, of the loop"] = each(found["loop"], "cpu") / each(found["fleet"], "cpu")
    if {"in process, before", "in process, after", "one worker, few", "one worker, more"} <= set(found):
        few, more = found["one worker, few"], found["one worker, more"]
        alone = [found["in process, before"], found["in process, after"]]
        for unit, name in (("wall", "by the clock"), ("cpu", "of the processor")):
            told[f"overhead of a model, ms {name}"] = each(more, unit, few) - sum(each(one, unit) for one in alone) / 2
    if {"local", "ray"} <= set(found):
        for unit, name in (("wall", "by the clock"), ("cpu", "of the processor")):
            told[f"seconds on Ray, of those of processes, {name}"] = found["ray"][unit] / found["local"][unit]
    if {"local", "local, few", "ray", "ray, few"} <= set(found):
        for unit, name in (("wall", "by the clock"), ("cpu", "of the processor")):
            further = [each(found[way], unit, found[f"{way}, few"]) for way in ("ray", "local")]
            told[f"the same of a further model, {name}"] = further[0] / further[1]
    return told


def tables(found: dict[str, Measured]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| way | models | workers | seconds | of the processor | models/s | processor ms a model |",
        "|---|" + "---:|" * 6,
    ]
    for name, one in found.items():
        lines.append(
            f"| {name} | {one['models']:,} | {one.get('workers', 1)} | {one['wall']:.1f} | {one['cpu']:.1f} "
            f"| {one['models'] / one['wall']:.2f} | {each(one, 'cpu'):.0f} |"
        )
    lines += ["", *(f"- {name}: {value:.2f}" for name, value in ratios(found).items())]
    if "fleet" in found:
        lines += ["", f"Isolation: {found['fleet']['isolation']}."]
    return "\n".join(lines)


def ways(options: argparse.Namespace) -> dict[str, Callable[[], Measured]]:
    """Return what is measured, by name, in this order; figures that are compared follow each other."""
    folder, models, cores, some = options.folder, options.models, options.workers, options.some
    half = options.loop // 2

    def around() -> Measured:
        """Measure the fleet between the two halves of the loop."""
        first = loop(folder, range(half))
        between = fleet(folder, models, cores)
        last = loop(folder, range(half, options.loop))
        both = {name: first[name] + last[name] for name in first}
        return {**between, "loop": both}

    def cached() -> Measured:
        """Measure a fleet whose results are in the cache, put there from the folder of the first."""
        from debias.experiments.fleet.cache import Cache
        from debias.experiments.fleet.folder import Folder

        done = Folder(folder / "results")
        for number in range(models):
            result = done.read(f"model{number:05}")
            assert result is not None, "the fleet is to be measured anew: --again"
            Cache(folder / "cache").put(result, None)
        return reused(fleet(folder, models, cores, "--cache", str(folder / "cache"), out="second"))

    return {
        "in process, before": lambda: in_process(folder, some + 10),
        "one worker, few": lambda: fleet(folder, FEW, 1, out="one"),
        "one worker, more": lambda: fleet(folder, FEW + some, 1, out="one"),
        "in process, after": lambda: in_process(folder, some + 10),
        "local, few": lambda: fleet(folder, FEW, cores, out="local"),
        "local": lambda: fleet(folder, some, cores, out="local"),
        "ray, few": lambda: fleet(folder, FEW, cores, "--ray", "local", out="ray"),
        "ray": lambda: fleet(folder, some, cores, "--ray", "local", out="ray"),
        "fleet": around,
        "resume": lambda: reused(fleet(folder, models, cores, "--resume")),
        "cache": cached,
    }


def main() -> None:
    """Measure what is not there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1_000, help="of the fleet (default: %(default)s)")
    parser.add_argument("--some", type=int, default=100, help="of overhead and Ray (default: %(default)s)")
    parser.add_argument("--loop", type=int, default=20, help="of the loop (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="default: the cores")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "debias-fleet-benchmark")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--tables", action="store_true")
    options = parser.parse_args()
    path: Path = options.results
    found: dict[str, Measured] = json.loads(path.read_text()) if path.exists() and not options.again else {}
    if not options.tables:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prepare(options.folder, max(options.models, options.some + FEW))
        for name, measure in ways(options).items():
            if name not in found:
                one = measure()
                if "loop" in one:
                    found["loop"] = one.pop("loop")
                found[name] = one
                path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
                print(name, one, flush=True)
    print(tables(found))


if __name__ == "__main__":
    main()
