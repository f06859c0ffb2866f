"""How the form of `finetune` was chosen: its parts left out one at a time, on development seeds only.

    python benchmarks/finetune_forms.py                       # seeds 100..107, all data sets; goes on where it ended
    python benchmarks/finetune_forms.py --data compas --forms default last

Networks come from the cache of table1_networks.py. The seeds 0 to 19 of Table 1 take no part: they are refused.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import table1_cells as cells
from rich.console import Console
from rich.progress import track

RESULTS = Path(__file__).resolve().parent / "results" / "finetune_forms.json"
CHANCE = {"selection": "chance"}
MARGIN = {"selection": "margin", "margin": 0.025}
SAME = "same"  # the validation rows alone, all of them for gradients and for selection
BATCH = {"memory": 0.0, "rounding": 1e-6}
FORMS: dict[str, cells.Variant] = {
    form.name: form
    for form in (
        cells.Variant("default", "finetune", {}, CHANCE, pool=True, modes=("train", "valid", SAME)),
        cells.Variant("labels alone", "finetune", {"teacher": 0.0}, CHANCE, pool=True, modes=("train",)),
        cells.Variant("bias of each batch", "finetune", BATCH, CHANCE, pool=True, modes=("train",)),
        cells.Variant("no averaging", "finetune", {"averaging": 0.0}, CHANCE, pool=True, modes=("train",)),
        cells.Variant("last layer", "finetune", {"layers": "last"}, CHANCE, pool=True, modes=("train",)),
        cells.Variant("not pooled", "finetune", {}, CHANCE, modes=("train",)),
        cells.Variant("margin 0.025", "finetune", {}, MARGIN, modes=("train",)),
        cells.Variant("margin 0.025, pooled", "finetune", {}, MARGIN, pool=True, modes=("train",)),
    )
}


def main() -> None:
    """Measure what is missing, then write figures and their summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["compas", "bank", "adult"])
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--seeds", nargs=2, type=int, default=[100, 107], metavar=("FIRST", "LAST"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    first, last = arguments.seeds
    if first < 20:
        parser.error("seeds 0 to 19 are those of Table 1: no choice may see them")
    lines = json.loads(arguments.out.read_text())["runs"] if arguments.out.exists() else []
    done = {tuple(line[name] for name in ("data", "metric", "seed", "mode", "form")) for line in lines}
    asked = [
        cells.Cell(data, metric, seed, mode, FORMS[form])
        for data in arguments.data
        for form in arguments.forms
        for seed in range(first, last + 1)
        for metric in cells.METRICS
        for mode in FORMS[form].modes
    ]
    left = [cell for cell in asked if cell.key not in done]
    for cell in track(left, "Fine-tuning", console=Console(stderr=True)):
        lines.append(_measured(cell))
        arguments.out.write_text(_written(lines))


def _measured(cell: cells.Cell) -> dict[str, Any]:
    found = cells.run(cell, None, lambda *_: None)
    kept = ("objective", "balanced_accuracy", "bias", "cpu_seconds", "chosen")
    names = ("data", "metric", "seed", "mode", "form")
    return dict(zip(names, cell.key, strict=True)) | {
        name: round(found[name], 5) if isinstance(found[name], float) else found[name] for name in kept
    }


def _summary(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for every form and cell, quartiles of eq. 3 on the test rows and what they are made of."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault(tuple(line[name] for name in ("form", "mode", "data", "metric")), []).append(line)
    found = []
    for key, runs in groups.items():
        objective = np.array([run["objective"] for run in runs])
        low, median, high = np.percentile(objective, [25, 50, 75])
        found.append(
            dict(zip(("form", "mode", "data", "metric"), key, strict=True))
            | {"seeds": len(runs), "median": round(median, 4), "quartiles": [round(low, 4), round(high, 4)]}
            | {"feasible": round(float(np.mean(objective > 0)), 3)}
            | {name: round(float(np.mean([run[name] for run in runs])), 4) for name in ("balanced_accuracy", "bias")}
            | {"bias_sd": round(float(np.std([run["bias"] for run in runs])), 4)}
            | {"cpu_seconds": round(float(np.mean([run["cpu_seconds"] for run in runs])), 1)}
        )
    return found


def _written(lines: list[dict[str, Any]]) -> str:
    def rows(items: list[dict[str, Any]]) -> str:
        return ",\n".join("  " + json.dumps(item) for item in items)

    return f'{{\n "summary": [\n{rows(_summary(lines))}\n ],\n "runs": [\n{rows(lines)}\n ]\n}}\n'


if __name__ == "__main__":
    main()
