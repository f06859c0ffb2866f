"""Figures of threshold, prune and gda and seconds of more on the trained networks, beside the published code.

Needs the shared folder beside the project. Each cell is written to ``results/parity_proxies.json`` as soon as it is
measured, and a second run goes on where the first ended.

    python benchmarks/parity_proxies.py            # all cells, then the tables
    python benchmarks/parity_proxies.py --tables   # the tables from the results alone
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent / "shared"
RESULTS = HERE / "results" / "parity_proxies.json"
MODELS = ("adult_42", "bank_42", "compas_42")
METRICS = {"spd": "statistical-parity", "eod": "equal-opportunity"}
MORE_TIMES = (
    "gda, stopping:spd",
    "gda, stopping:eod",
    *(f"{m}:{k}" for m in ("perturb", "roc", "eqodds") for k in METRICS),
)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "threshold": ("threshold", {"margin": 0.01}),
    "prune": ("prune", {"margin": 0.01}),
    "prune, at the activation": ("prune", {"margin": 0.01, "influence": "activation"}),
    "prune, incoming": ("prune", {"margin": 0.01, "outgoing": False}),
    "gda": ("gda", {"margin": 0.01}),
    "gda, as printed": ("gda", {"margin": 0.01, "optimizer": "sgd", "one_batch": True, "patience": 0}),
    "prune, margin 0.045": ("prune", {"margin": 0.045}),
    "gda, margin 0.045": ("gda", {"margin": 0.045}),
}
"""The paper's selection rule everywhere, as the published code is judged by it."""


def load() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def save(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    partial.replace(RESULTS)


def group_column(model: str) -> str:
    described = json.loads((SHARED / "models" / f"{model}.json").read_text())
    return str(described["group_column"]) if "group_column" in described else _last_column(model)


def _last_column(model: str) -> str:
    import pandas as pd

    return str(pd.read_csv(SHARED / "models" / f"{model}_valid.csv.gz", nrows=1).columns[-1])


def cell(model: str, metric: str, verb: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run one verb with the validation table, the verdict on the test table."""
    import debias

    folder = SHARED / "models"
    with tempfile.TemporaryDirectory() as out:
        report = getattr(debias, verb)(
            folder / f"{model}.pt",
            folder / f"{model}_valid.csv.gz",
            test=folder / f"{model}_test.csv.gz",
            attr=group_column(model),
            eps=0.05,
            metric=metric,
            out=Path(out) / "model.pt",
            **settings,
        )
    assert report.after is not None
    assert report.selection is not None
    assert report.selection.after is not None
    assert report.change is not None
    return {
        "objective": report.after.objective,
        "balanced_accuracy": report.after.balanced_accuracy,
        "bias": report.after.bias,
        "selection_objective": report.selection.after.balanced_accuracy if report.change.feasible else 0.0,
        "gain_over_threshold": report.change.gain_over_threshold,
        "chosen": report.change.chosen_step,
        "steps": report.change.steps,
        "last_bias": report.trajectory[-1].bias,
        "first_bias": report.trajectory[0].bias,
    }


def timed(what: str) -> dict[str, Any]:
    """Return CPU seconds of one thread from tensors in memory to the selected state, with the calibration beside."""
    done = subprocess.run([sys.executable, __file__, "--time", what], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def time_here(what: str) -> None:
    """Time one run in this process (called in a fresh one)."""
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    from debias.data.columns import Columns
    from debias.data.prepare import prepare
    from debias.data.tables import read_table
    from debias.methods.base import Setting
    from debias.methods.eqodds import EqOdds
    from debias.methods.gda import GDA
    from debias.methods.perturb import Perturb
    from debias.methods.prune import Prune
    from debias.methods.roc import ROC
    from debias.model.network import Network
    from debias.objective import Constraint, Objective

    kind, metric = what.split(":")
    network = Network.open(SHARED / "models" / "adult_42.pt")
    table = read_table(SHARED / "models" / "adult_42_valid.csv.gz", "data")
    attribute = group_column("adult_42")
    sample = prepare(table, Columns(attr=attribute), inputs={"features": 98}).sample
    method = {
        "prune48": Prune(outgoing=False, limit=48, stop_below=0.0),
        "prune352": Prune(outgoing=False, stop_below=0.0),
        "prune": Prune(),
        "gda": GDA(epochs=200, evaluations=3, patience=0),
        "gda, stopping": GDA(epochs=200, evaluations=3),
        "perturb": Perturb(),
        "roc": ROC(),
        "eqodds": EqOdds(randomised=True),
    }[kind]
    objective = Objective(Constraint(METRICS[metric], attribute, 0.05))  # type: ignore[arg-type]
    setting = Setting(network, sample, sample, objective)
    seconds, calibrations = [], [calibrate(network, sample)]
    for _ in range(3):
        start = time.process_time()
        repair = method.repair(setting)
        seconds.append(time.process_time() - start)
        calibrations.append(calibrate(network, sample))
    print(
        json.dumps(
            {
                "cpu_seconds": round(statistics.median(seconds), 3),
                "calibration": round(statistics.median(calibrations), 3),
                "steps": len(repair.trajectory) - 1,
                "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    )


def time_compare(metric: str) -> dict[str, Any]:
    """Return the wall seconds of comparing all methods on two cores, the training table at hand."""
    import debias

    folder = SHARED / "models"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        found = debias.compare(
            folder / "adult_42.pt",
            folder / "adult_42_valid.csv.gz",
            train=folder / "adult_42_train.csv.gz",
            test=folder / "adult_42_test.csv.gz",
            attr=group_column("adult_42"),
            eps=0.05,
            metric=METRICS[metric],
            workers=2,
            out=Path(out) / "model.pt",
        )
    return {
        "wall_seconds": time.perf_counter() - start,
        "methods": {item.method: item.seconds for item in found.candidates},
    }


def calibrate(network: Any, sample: Any) -> float:
    """Do the fixed work of oracle/calibrate.py: 50 forward and 50 forward-and-backward passes of the file."""
    import torch

    x, module = sample.inputs["features"], network.module
    start = time.process_time()
    for _ in range(50):
        with torch.no_grad():
            module(x)
    for _ in range(50):
        module.zero_grad()
        module(x).mean().backward()
    return time.process_time() - start


def oracle(model: str) -> dict[str, Any]:
    return dict(json.loads((SHARED / "oracle" / f"{model}_oracle.json").read_text()))


def published_seconds(kind: str, reference: dict[str, Any]) -> float:
    """Return what the published code, or AIF360, took for the same work on one thread."""
    if kind == "perturb":
        return float(reference["reference_random"]["seconds_per_trial_one_thread"]) * 500
    if kind == "roc":
        return float(reference["aif360_reject_option"]["seconds_one_thread"])
    if kind == "eqodds":
        return float(reference["aif360_equalized_odds"]["seconds"])
    return float(reference[f"reference_{'gda' if kind.startswith('gda') else 'pruning'}"]["seconds_one_thread"])


def measure() -> None:
    results = load()
    for model in MODELS:
        for short, metric in METRICS.items():
            for name, (verb, settings) in VARIANTS.items():
                key = f"{model} {short} {name}"
                if key not in results:
                    results[key] = cell(model, metric, verb, settings)
                    save(results)
                    print(key, results[key], flush=True)
    for what in (
        "prune48:spd",
        "prune48:eod",
        "prune352:spd",
        "prune352:eod",
        "prune:spd",
        "gda:spd",
        "gda:eod",
        *MORE_TIMES,
    ):
        key = f"time {what}"
        if key not in results:
            results[key] = timed(what)
            save(results)
            print(key, results[key], flush=True)
    for short in METRICS:
        key = f"compare {short}"
        if key not in results:
            results[key] = time_compare(short)
            save(results)
            print(key, results[key], flush=True)


def tables() -> None:
    results = load()
    print("| model | metric | method | objective | balanced accuracy | bias | on selection rows | over threshold |")
    print("|---|---|---|---|---|---|---|---|")
    for model in MODELS:
        reference = oracle(model)
        for short in METRICS:
            for name in VARIANTS:
                row = results.get(f"{model} {short} {name}")
                if row:
                    print(
                        f"| {model} | {short} | {name} | {row['objective']:.3f} | {row['balanced_accuracy']:.3f} "
                        f"| {row['bias']:+.3f} | {row['selection_objective']:.3f} | {row['gain_over_threshold']:+.3f} |"
                    )
            for method in ("pruning", "gda"):
                test = reference[short][f"reference_{method}"]["test"]
                print(
                    f"| {model} | {short} | published {method} | {test['objective']:.3f} | {test['performance']:.3f} "
                    f"| {test['bias']:+.3f} | | |"
                )
    print()
    print("| run | CPU seconds | steps | published, s | ratio | ratio at equal machine | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    reference = oracle("adult_42")
    base = json.loads((SHARED / "oracle" / "calibration.json").read_text())["cpu_seconds"]
    for key, row in results.items():
        if key.startswith("time "):
            kind, short = key.removeprefix("time ").split(":")
            published = published_seconds(kind, reference[short])
            ratio = row["cpu_seconds"] / published
            scaled = ratio * base / row["calibration"]
            print(
                f"| {kind} {short} | {row['cpu_seconds']} | {row['steps']} | {published} | 1/{1 / ratio:.1f} "
                f"| 1/{1 / scaled:.1f} | {row['peak_mib']} |"
            )
    for short in METRICS:
        if row := results.get(f"compare {short}"):
            told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in row["methods"].items())
            print(f"\ncompare {short}, two processes: {row['wall_seconds']:.1f} s in all; of each method: {told}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--time")
    arguments = parser.parse_args()
    if arguments.time:
        time_here(arguments.time)
    elif not SHARED.is_dir():
        sys.exit("the shared folder is not beside the project")
    else:
        if not arguments.tables:
            measure()
        tables()
