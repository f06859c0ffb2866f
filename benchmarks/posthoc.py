"""Repair after training beside fair training: the same mixed-effects network of Adult, one Pareto picture.

For each fold a MEDL network is trained (Fair MEDL section 2.2). It is then repaired by every method under
equalized odds of sex at several bounds, on the validation fold; and beside that Fair MEDL networks are trained from
scratch at several λ, some with the pair-swap penalty. All are measured on the test fold, mixed-effects head.

    debias data adult FOLDER --for fair-medl --out adult.parquet
    python benchmarks/posthoc.py --data adult.parquet --folds 3

Resumable: each run is a line of results/posthoc.jsonl; those that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import debias
from debias.data.clustered import Clustered
from debias.data.tables import read_table
from debias.methods import names as method_names
from debias.report.values.figures import Figures
from debias.training.export import model_bytes, served_contract
from debias.training.fit import fit
from debias.training.settings import Settings
from debias.training.tables import rows_of

RESULTS = Path(__file__).parent / "results"
ATTRIBUTE = "sex"
BOUNDS = (0.02, 0.05, 0.1, 0.2)
FAIR = tuple((lam, swap) for swap in (0.0, 1.0) for lam in (0.1, 0.3, 1.0, 3.0))
FOLDS = 10


@dataclass(frozen=True)
class Fold:
    """Raw rows of one fold, and what training needs of them."""

    number: int
    table: Clustered
    parts: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    frames: dict[str, pd.DataFrame]


def folds(path: Path, many: int) -> Iterator[Fold]:
    """Yield the first folds of Adult as Fair MEDL uses it, with six seen occupations."""
    source = read_table(path)
    frame = source.frame
    table = Clustered.read(
        source,
        label="income",
        positive=">50K",
        cluster="occupation",
        attributes=[ATTRIBUTE],
        seen=6,
        ignore=["age_bracket"],
    )
    of = table.folds(FOLDS, seed=0)
    for number in range(many):
        valid = (number + 1) % FOLDS
        parts = {
            "train": np.flatnonzero((of >= 0) & (of != number) & (of != valid)),
            "valid": np.flatnonzero(of == valid),
            "test": np.flatnonzero(of == number),
        }
        yield Fold(number, table, parts, {name: frame.iloc[table.rows[rows] - 1] for name, rows in parts.items()})


def train(fold: Fold, kind: str, settings: Settings, out: Path) -> float:
    """Train a network of one kind, write its file, and return the seconds of training."""
    contract = fold.table.contract(fold.parts["train"])
    rows = {name: rows_of(fold.table, contract, fold.parts[name]) for name in ("train", "valid")}
    start = time.perf_counter()
    fitted = fit(kind, rows["train"], rows["valid"], settings, seed=fold.number)
    seconds = time.perf_counter() - start
    out.write_bytes(model_bytes(fitted, served_contract(contract, fitted), {"kind": kind}))
    return seconds


def measured(figures: Figures) -> dict[str, float | None]:
    """Return the figures of the page."""
    spread = figures.dispersion[0]
    return {
        "balanced_accuracy": figures.balanced_accuracy,
        "auroc": figures.auroc,
        "tpr_sd": spread.tpr_sd,
        "fpr_sd": spread.fpr_sd,
        "demographic_parity": spread.demographic_parity,
        "attribute_swap": spread.attribute_swap,
        "equalized_odds": None if figures.bias is None else abs(figures.bias),
    }


def audited(fold: Fold, model: Path) -> dict[str, float | None]:
    """Return what a file does on the test fold."""
    report = debias.audit(model, fold.frames["test"], attr=ATTRIBUTE, metric="equalized-odds")
    return measured(report.before)


def in_process(fold: Fold, folder: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each fair training as its key and what runs it."""
    for lam, swap in FAIR:

        def run(lam: float = lam, swap: float = swap) -> dict[str, Any]:
            out = folder / "fair.pt"
            seconds = train(fold, "fair-adb-medl", Settings(lambda_fair=lam, lambda_swap=swap), out)
            return {"seconds": seconds, **audited(fold, out)}

        yield {"family": "training", "name": "fair-adb-medl", "lambda": lam, "swap": swap}, run


def post_hoc(fold: Fold, model: Path, folder: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each repair as its key and what runs it."""
    for method in method_names():
        for eps in BOUNDS:

            def run(method: str = method, eps: float = eps) -> dict[str, Any]:
                start = time.perf_counter()
                report = getattr(debias, method)(
                    model,
                    fold.frames["valid"],
                    train=fold.frames["train"],
                    test=fold.frames["test"],
                    attr=ATTRIBUTE,
                    metric="equalized-odds",
                    eps=eps,
                    keep_best=True,
                    force=True,
                    out=folder / "repaired.pt",
                )
                seconds = time.perf_counter() - start
                told = {"seconds": seconds, "verdict": report.verdict, "reads_group": method in {"roc", "eqodds"}}
                return {**told, **measured(report.after)}

            yield {"family": "repair", "name": method, "eps": eps}, run


def run_all(data: Path, many: int, out: Path) -> None:
    """Run what is not yet in the results."""
    torch.set_num_threads(1)
    done = {json.dumps(line["key"], sort_keys=True) for line in lines(out)}
    for fold in folds(data, many):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            base = folder / "medl.pt"
            seconds = train(fold, "medl", Settings(), base)

            def plain(base: Path = base, seconds: float = seconds, fold: Fold = fold) -> dict[str, Any]:
                return {"seconds": seconds, **audited(fold, base)}

            todo = [({"family": "training", "name": "medl"}, plain)]
            for key, call in (*todo, *in_process(fold, folder), *post_hoc(fold, base, folder)):
                key = {"fold": fold.number, **key}
                if json.dumps(key, sort_keys=True) in done:
                    continue
                figures = call()
                with out.open("a") as stream:
                    stream.write(json.dumps({"key": key, **figures}) + "\n")
                print(key, {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}, flush=True)


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the results so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def means(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each run with its figures averaged over folds."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in found:
        key = {name: value for name, value in line["key"].items() if name != "fold"}
        groups[json.dumps(key, sort_keys=True)].append(line)
    rows = []
    for text, some in groups.items():
        numbers = [n for n, value in some[0].items() if isinstance(value, float)]
        average = {name: float(np.mean([one[name] for one in some if one[name] is not None])) for name in numbers}
        rows.append(
            {**json.loads(text), "folds": len(some), **average, "reads_group": some[0].get("reads_group", False)}
        )
    return rows


def label(row: dict[str, Any]) -> str:
    """Return a run's name for people."""
    if row["family"] == "repair":
        return f"{row['name']}, eps {row['eps']:g}"
    swap = f", swap {row['swap']:g}" if row.get("swap") else ""
    return f"{row['name']} λ={row['lambda']:g}{swap}" if "lambda" in row else row["name"]


def on_front(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Return whether no other run has at least the balanced accuracy at no more dispersion."""

    def point(item: dict[str, Any]) -> tuple[float, float]:
        return item["balanced_accuracy"], -(item["tpr_sd"] + item["fpr_sd"])

    here = point(row)
    return not any(all(a >= b for a, b in zip(point(item), here, strict=True)) and point(item) != here for item in rows)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown."""
    head = "| | folds | balanced accuracy | AUROC | TPR SD | FPR SD | DP | swap (CF) | seconds | front |"
    out = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (row["family"] == "repair", row["name"], row.get("eps", 0))):
        cells = [f"{row[n]:.3f}" for n in ("balanced_accuracy", "auroc", "tpr_sd", "fpr_sd", "demographic_parity")]
        swap = f"{row['attribute_swap']:.3f}" if row.get("attribute_swap") is not None else "–"
        name = f"`{label(row)}`" + (" (reads the group)" if row["reads_group"] else "")
        front = "yes" if on_front(row, rows) else ""
        out.append(f"| {name} | {row['folds']} | {' | '.join(cells)} | {swap} | {row['seconds']:.1f} | {front} |")
    return "\n".join(out)


SERIES = (
    ("fair-adb-medl", "training", "o-", "#0072b2"),
    ("fair-adb-medl, swap 1", "training", "o--", "#56b4e9"),
    ("finetune", "repair", "s-", "#d55e00"),
    ("gda", "repair", "s:", "#e69f00"),
    ("layerwise", "repair", "s:", "#cc79a7"),
    ("adversarial", "repair", "s:", "#999999"),
    ("eqodds", "repair", "^-", "#009e73"),
    ("roc", "repair", "^--", "#44aa66"),
)
"""Lines of the picture: name, family, mark, colour. Prune, perturb and threshold lie below it."""
LOWEST = 0.72


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw balanced accuracy against dispersion, a line a method through its bounds or weights."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 6))
    for name, family, mark, colour in SERIES:
        method, _, swap = name.partition(", swap ")
        some = [row for row in rows if row["family"] == family and row["name"] == method]
        some = [row for row in some if family == "repair" or row.get("swap") == float(swap or 0)]
        some.sort(key=lambda row: row.get("eps", -row.get("lambda", 0)))
        points = [((row["tpr_sd"] + row["fpr_sd"]) / 2, row["balanced_accuracy"]) for row in some]
        what = "trained" if family == "training" else "repaired"
        reads = ", reads the group" if some and some[0]["reads_group"] else ""
        axes.plot(*zip(*points, strict=True), mark, c=colour, label=f"{name} ({what}{reads})")
        for row, point in zip(some, points, strict=True):
            if name in {"fair-adb-medl", "finetune"} and point[1] > LOWEST:
                told = f"λ {row['lambda']:g}" if family == "training" else f"eps {row['eps']:g}"
                axes.annotate(told, point, (5, -10), textcoords="offset points", fontsize=8, color=colour)
    base = next(row for row in rows if row["name"] == "medl")
    axes.plot((base["tpr_sd"] + base["fpr_sd"]) / 2, base["balanced_accuracy"], "k*", ms=12, label="medl, unchanged")
    axes.set_ylim(LOWEST, 0.845)
    axes.set_xlim(0, 0.1)
    axes.set_xlabel("dispersion of sex: mean of TPR SD and FPR SD (less is better)")
    axes.set_ylabel("balanced accuracy")
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Adult; without it the results so far are shown")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "posthoc.jsonl")
    given = parser.parse_args()
    if given.data is not None:
        run_all(given.data, given.folds, given.out)
    rows = means(lines(given.out))
    print(table(rows))
    picture(rows, RESULTS / "posthoc.png")


if __name__ == "__main__":
    main()
