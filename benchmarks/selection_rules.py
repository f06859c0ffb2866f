"""The rules of selection side by side, on development seeds only: one method, one network and split, every rule.

    python benchmarks/selection_rules.py                                  # roc on all data sets
    python benchmarks/selection_rules.py --method finetune --data compas
    python benchmarks/selection_rules.py --tables

Networks come from the cache of table1_networks.py. The seeds 0 to 19 of Table 1 take no part.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import table1_cells as cells
import table1_results as results
from rich.progress import track

RESULTS = Path(__file__).resolve().parent / "results" / "selection_rules.jsonl"
RULES: dict[str, dict[str, Any]] = {
    "margin 0.01": {"selection": "margin", "margin": 0.01},
    "margin 0.025": {"selection": "margin", "margin": 0.025},
    "chance": {"selection": "chance"},
    "expected": {"selection": "expected"},
    "confident": {"selection": "confident"},
}
SEEDS = range(100, 108)


def asked(method: str, data: list[str]) -> list[cells.Cell]:
    """Return the cells of every rule, with and without the training rows in the bias."""
    found = []
    for rule, objective in RULES.items():
        for pool in (False, True):
            name = f"{method}, {rule}{', pooled' if pool else ''}"
            variant = cells.Variant(name, method, objective=objective, pool=pool)
            found += [
                cells.Cell(one, metric, seed, "train", variant)
                for one in data
                for metric in cells.METRICS
                for seed in SEEDS
            ]
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """Return median, lower quartile and share of feasible seeds of each rule, in Markdown."""
    grouped: dict[tuple[str, str], dict[str, list[float]]] = {}
    for line in lines:
        grouped.setdefault((line["data"], line["metric"]), {}).setdefault(line["name"], []).append(line["objective"])
    columns = list(grouped)
    rows = [
        "| rule | " + " | ".join(f"{data} {metric}" for data, metric in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name in dict.fromkeys(line["name"] for line in lines):
        values = [_cell(grouped[column].get(name, [])) for column in columns]
        rows.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(rows)


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    lower, median = np.quantile(values, [0.25, 0.5])
    return f"{median:.3f} / {lower:.3f}, {np.mean(np.array(values) > 0):.2f}"


def main() -> None:
    """Measure what is missing, then print the table: median / lower quartile, share feasible."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="roc")
    parser.add_argument("--data", nargs="+", default=["adult", "bank", "compas"])
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    if not arguments.tables:
        for cell in track(results.remaining(asked(arguments.method, arguments.data), results.read(RESULTS))):
            results.append(RESULTS, cells.run(cell, None, lambda *_: None))
    print(table(results.read(RESULTS)))


if __name__ == "__main__":
    main()
