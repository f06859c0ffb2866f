"""Where confounding probes rank on Adult: the paper's Fig. 3 with many seeds, and what each subnetwork buys.

    python benchmarks/probes.py                                  # seeds 0..7, four kinds; goes on where it ended
    python benchmarks/probes.py --kinds nnet medl --seeds 0 4
    python benchmarks/probes.py --table                          # what the file of results holds, in Markdown
    python benchmarks/probes.py --picture results/probes.svg     # nnet and fair-adb-medl from it, as in the figure

The table is UCI Adult's training file (32,561 rows), the six largest occupations seen, adversaries on sex and age in
brackets (30 or less, 31 to 45, more), inputs without fnlwgt and the text of education. In each seed a tenth of the rows
is measured, a tenth chooses epoch and threshold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from debias import jobs
from debias.experiments.importance import draw
from debias.experiments.importance.probing import Ground, Plan, work
from debias.experiments.variants import variants
from debias.model.importance import Magnitudes
from debias.report.values.importance import ModelImportance
from debias.run.importance import Block, model_importance
from debias.training.kinds import KINDS as KINDS_OF

RESULTS = Path(__file__).resolve().parent / "results" / "probes.json"
SHARED = Path(__file__).resolve().parents[2] / "shared"
KINDS = ("nnet", "medl", "fair-adb-medl", "fair-adb-nnet")
FIRST = "nnet"
DRAWN = ("nnet", "fair-adb-medl")
ATTRIBUTES = ("sex", "age")


def plan(data: Path) -> Plan:
    """Return how Adult is read."""
    frame = pd.read_csv(data)
    if "part" in frame:
        frame = frame[frame["part"] == "train"].drop(columns="part").reset_index(drop=True)
    return Plan(
        data=frame,
        label="income",
        positive=">50K",
        cluster="occupation",
        attr=ATTRIBUTES,
        bins=["age=31,46"],
        seen=6,
        ignore=("fnlwgt", "education"),
        missing_attr="group",
    )


def main() -> None:
    """Measure what is missing, and write figures and their summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "adult.csv.gz")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), metavar="KIND")
    parser.add_argument("--seeds", nargs=2, type=int, default=[0, 7], metavar=("FIRST", "LAST"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="Only print what was measured.")
    parser.add_argument("--picture", type=Path, help="Only draw what was measured of nnet and fair-adb-medl.")
    arguments = parser.parse_args()
    lines = json.loads(arguments.out.read_text())["runs"] if arguments.out.exists() else []
    if arguments.picture is not None:
        draw(models(lines, DRAWN), arguments.picture, top=12, force=True)
    if arguments.table or arguments.picture is not None:
        print(table(lines))
        return
    seeds = range(arguments.seeds[0], arguments.seeds[1] + 1)
    with jobs.one_thread():
        ground = Ground.open(plan(arguments.data))
        asked = [(variant, seed) for seed in seeds for variant in variants(arguments.kinds, ATTRIBUTES)]
        done = {(line["kind"], line["seed"]) for line in lines}
        left = [(variant, seed) for variant, seed in asked if (variant.name, seed) not in done]
        for variant, seed in track(left, "Training", console=Console(stderr=True)):
            lines.append(measured(variant, seed, ground))
            arguments.out.write_text(written(lines))
    print(table(lines))


def measured(variant: Any, seed: int, ground: Ground) -> dict[str, Any]:
    """Return the figures of one training."""
    found = work(variant, seed, ground, lambda *_: None)
    run = found.run
    names = [column for block in found.blocks for column in block.columns]
    return {
        "kind": variant.name,
        "seed": seed,
        "best": run.best,
        "best_feature": run.best_feature,
        "ranks": list(run.ranks.values()),
        "share": round(run.share, 4),
        "balanced_accuracy": round(run.balanced_accuracy or 0, 4),
        "auroc": round(run.auroc or 0, 4),
        "epochs": run.epochs,
        "seconds": round(run.seconds, 1),
        "importances": dict(zip(names, (round(value, 5) for value in found.magnitudes.importance), strict=True)),
    }


def models(lines: Sequence[dict[str, Any]], kinds: Sequence[str]) -> list[ModelImportance]:
    """Return the medians over seeds of some kinds, for a picture."""
    found = []
    for told in summary([line for line in lines if line["kind"] in kinds]):
        runs = [line["importances"] for line in lines if line["kind"] == told["kind"]]
        blocks = [Block(name, "features", (name,)) for name in runs[0]]
        values = [Magnitudes(np.array(list(run.values())), np.ones(len(run))) for run in runs]
        made = {name for name in runs[0] if name.startswith("Probe ")}
        protected = {name for name in runs[0] if name.split("_")[0] in ATTRIBUTES}
        model = model_importance(
            told["kind"], KINDS_OF[told["kind"]].title, blocks, values, fixed=False, probes=made, protected=protected
        )
        found.append(model.model_copy(update={"best_probe_rank": told["best_probe_rank"]}))
    return found


def summary(lines: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield, for every kind, medians over seeds, and the seeds on which its best probe ranks later than in `nnet`."""
    first = {line["seed"]: line["best"] for line in lines if line["kind"] == FIRST}
    for kind in dict.fromkeys(line["kind"] for line in lines):
        runs = [line for line in lines if line["kind"] == kind]
        best = np.array([run["best"] for run in runs])
        paired = [(run["best"], first[run["seed"]]) for run in runs if run["seed"] in first]
        low, median, high = np.percentile(best, [25, 50, 75])
        told: dict[str, Any] = {
            "kind": kind,
            "seeds": len(runs),
            "best_probe_rank": median,
            "quartiles": [low, high],
            "best_feature_rank": float(np.median([run["best_feature"] for run in runs])),
            "probe_ranks": np.median([run["ranks"] for run in runs], axis=0).tolist(),
            "in_top_10": int((best <= 10).sum()),
            "share": round(float(np.median([run["share"] for run in runs])), 4),
            "balanced_accuracy": round(float(np.mean([run["balanced_accuracy"] for run in runs])), 4),
            "auroc": round(float(np.mean([run["auroc"] for run in runs])), 4),
            "seconds": round(float(np.mean([run["seconds"] for run in runs])), 1),
        }
        if kind != FIRST:
            told |= {"later": sum(a > b for a, b in paired), "same": sum(a == b for a, b in paired), "of": len(paired)}
        yield told


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Return the summary in Markdown."""
    rows = [
        "| kind | best probe rank | quartiles | by feature | P1 to P5 | share | later than in nnet | bal.acc | AUROC |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for told in summary(lines):
        later = f"{told['later']} of {told['of']} ({told['same']} alike)" if "later" in told else "–"
        ranks = ", ".join(f"{rank:g}" for rank in told["probe_ranks"])
        low, high = told["quartiles"]
        rows.append(
            f"| {told['kind']} | {told['best_probe_rank']:g} | {low:g} to {high:g} | {told['best_feature_rank']:g} | "
            f"{ranks} | {100 * told['share']:.1f}% | {later} | {told['balanced_accuracy']:.3f} | {told['auroc']:.3f} |"
        )
    return "\n".join(rows)


def written(lines: Sequence[dict[str, Any]]) -> str:
    """Return the file of results: the summary, then a line a training."""

    def items(values: Sequence[dict[str, Any]]) -> str:
        return ",\n".join("  " + json.dumps(value) for value in values)

    return f'{{\n "summary": [\n{items(list(summary(lines)))}\n ],\n "runs": [\n{items(lines)}\n ]\n}}\n'


if __name__ == "__main__":
    main()
