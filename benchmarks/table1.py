"""The parity-proxies paper's Table 1, 3 and 4: every method on 20 splits of three public data sets, beside the paper.

Networks are trained first, where the cache (DEBIAS_CACHE, default ~/.cache/debias/table1) lacks them. Each cell is
written to the results as soon as it is measured; a second run goes on where the first ended.

    python benchmarks/table1.py                                  # all cells, then the tables
    python benchmarks/table1.py --seeds 100..107 --out dev.jsonl  # development seeds
    python benchmarks/table1.py --tables                         # the tables from the results alone
    python benchmarks/table1.py --list                           # the rows that can be run
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import table1_networks as networks
import table1_results as results
from table1_cells import METRICS, MODES, NO_MODE, STANDARD, Cell, Variant, run
from table1_tables import tables

from debias import jobs, methods
from debias.data.catalog import MIMIC_DOWNLOAD

RESULTS = Path(__file__).resolve().parent / "results" / "table1.jsonl"
SEEDS = list(range(20))
MARGIN, CHANCE = {"selection": "margin", "margin": 0.01}, {"selection": "chance"}
PAPER = (
    Variant("threshold, margin", "threshold", objective=MARGIN, modes=("train",)),
    Variant("perturb, margin", "perturb", objective=MARGIN, modes=("train",)),
    Variant("roc, margin", "roc", objective=MARGIN, modes=("train",)),
    Variant("eqodds, published", "eqodds", {"randomised": True, "base": "deployed"}, MARGIN, modes=("train",)),
    Variant("prune, margin", "prune", objective=MARGIN, modes=("train",)),
    Variant("gda, margin", "gda", objective=MARGIN, modes=("train",)),
)
"""The paper's methods under its own selection rule: |bias| < eps − 0.01 on the validation rows."""
ONE_MODE = {"adversarial": ("train",), "layerwise": ("train",), "perturb": ()}
"""Where a method at its defaults is run: two are slow, and random perturbation gains nothing from more rows."""


def variants() -> dict[str, Variant]:
    """Return every row: the unchanged network, the paper's rows, and all methods as a run has them by default."""
    ours = [
        Variant(name, name, objective=CHANCE, pool=True, modes=ONE_MODE.get(name, ("train", "valid")))
        for name in methods.names()
    ]
    found = [Variant(STANDARD, STANDARD), *PAPER, *ours]
    return {variant.name: variant for variant in found}


def cells(arguments: argparse.Namespace) -> list[Cell]:
    """Return the cells asked for, those of one network together."""
    chosen = [variants()[name] for name in arguments.methods]
    return [
        Cell(data, metric, seed, mode, variant)
        for data in arguments.data
        for seed in arguments.seeds
        for metric in arguments.metrics
        for variant in chosen
        for mode in ([NO_MODE] if variant.method == STANDARD else arguments.modes or variant.modes)
    ]


def measure(arguments: argparse.Namespace) -> int:
    """Run the cells that have no result yet; return how many failed."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    asked = cells(arguments)
    left = asked if arguments.redo else results.remaining(asked, results.read(arguments.out))
    failures: list[str] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(*columns, console=console) as progress:
        for data in dict.fromkeys(cell.data for cell in left):
            seeds = list(dict.fromkeys(cell.seed for cell in left if cell.data == data))
            task = progress.add_task(f"{data}: networks", total=len(seeds))
            networks.ensure(data, seeds, arguments.mimic, partial(_trained, progress, task, data))
            progress.remove_task(task)
        task = progress.add_task("cells", total=len(asked), completed=len(asked) - len(left))

        def each(_: int, outcome: jobs.Outcome[results.Line]) -> None:
            if outcome.error is None:
                results.append(arguments.out, outcome.get())
            else:
                failures.append(outcome.name)
                trace = getattr(outcome.error, "trace", "") or str(outcome.error)
                console.print(f"[red]failed[/red] {outcome.name}\n{trace}", highlight=False)
            progress.update(task, advance=1, description=outcome.name)

        work = [jobs.Job(str(cell), partial(run, cell)) for cell in left]
        preload = ("table1_cells", "debias.model.network", "debias.objective", "scipy.optimize")
        backend = jobs.Processes(arguments.workers, preload=preload)
        jobs.map(work, backend=backend, each=each)
    if failures:
        console.print(f"{len(failures)} of {len(left)} cells failed; the same command runs them again.")
    return len(failures)


def _trained(progress: object, task: object, data: str, done: int, total: int, text: str) -> None:
    progress.update(task, completed=done, total=total, description=f"{data}: networks, {text}")  # type: ignore[attr-defined]


def parsed(given: list[str] | None = None) -> argparse.Namespace:
    """Return the arguments, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = variants()
    parser.add_argument("--data", nargs="+", choices=[*networks.FILES, "mimic"], help="default: all that are here")
    parser.add_argument("--metrics", nargs="+", default=list(METRICS), choices=METRICS)
    parser.add_argument("--seeds", type=networks.seeds_of, default=SEEDS, help="0..19 or 1,4,7; default 0..19")
    parser.add_argument(
        "--modes",
        nargs="+",
        choices=MODES,
        help="; ".join(f"{name}: {text}" for name, text in MODES.items()) + "; default: those of each row",
    )
    parser.add_argument("--methods", nargs="+", default=list(known), metavar="NAME", help="rows, see --list")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE", help="default: results/table1.jsonl")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes; default 2")
    parser.add_argument("--mimic", type=Path, metavar="FILE", help="the preprocessed MIMIC-III table")
    parser.add_argument("--redo", action="store_true", help="run cells again that have a result")
    parser.add_argument("--tables", action="store_true", help="print the tables from the results alone")
    parser.add_argument("--list", action="store_true", help="print the rows that can be run")
    arguments = parser.parse_args(given)
    if unknown := [name for name in arguments.methods if name not in known]:
        parser.error(f"unknown rows {', '.join(unknown)}; known: {', '.join(known)}")
    if arguments.data is None:
        arguments.data = [*networks.FILES, *(["mimic"] if arguments.mimic or arguments.tables else [])]
    if "mimic" in arguments.data and arguments.mimic is None and not arguments.tables:
        parser.error(f"{MIMIC_DOWNLOAD} Then give its path with --mimic.")
    return arguments


def main() -> int:
    """Measure and print the tables; return the exit code."""
    arguments = parsed()
    if arguments.list:
        print("\n".join(variants()))
        return 0
    failed = 0 if arguments.tables else measure(arguments)
    asked = {(cell.data, cell.metric, cell.seed, cell.variant.name, cell.mode) for cell in cells(arguments)}
    lines = results.read(arguments.out)
    print(tables([x for x in lines if (x["data"], x["metric"], x["seed"], x["name"], x["mode"]) in asked]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
