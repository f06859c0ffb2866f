"""What benchmarks/probes.py tells of its runs, worked by hand."""

from __future__ import annotations

import json
from typing import Any

import probes


def line(kind: str, seed: int, *ranks: float) -> dict[str, Any]:
    return {
        "kind": kind,
        "seed": seed,
        "best": min(ranks),
        "best_feature": min(ranks) - 1,
        "ranks": list(ranks),
        "share": 0.1,
        "balanced_accuracy": 0.8,
        "auroc": 0.9,
        "seconds": 3.0,
        "importances": {"education": 0.5, "age": 0.2, "Probe 1": 0.3 / ranks[0], "Probe 2": 0.3 / ranks[1]},
    }


LINES = [
    line("nnet", 0, 8, 12),
    line("nnet", 1, 20, 14),
    line("nnet", 2, 10, 11),
    line("medl", 0, 9, 30),
    line("medl", 1, 14, 15),
]


def test_summary() -> None:
    first, second = probes.summary(LINES)
    assert (first["kind"], first["seeds"], first["best_probe_rank"]) == ("nnet", 3, 10)
    assert first["quartiles"] == [9, 12]
    assert (first["best_feature_rank"], first["probe_ranks"], first["in_top_10"]) == (9, [10, 12], 2)
    assert "later" not in first
    assert (second["best_probe_rank"], second["later"], second["same"], second["of"]) == (11.5, 1, 1, 2)


def test_table_and_file_hold_every_kind() -> None:
    told = probes.table(LINES)
    assert "| nnet | 10 | 9 to 12 | 9 | 10, 12 | 10.0% | – | 0.800 | 0.900 |" in told
    assert "| medl | 11.5 | 10.25 to 12.75 | 10.5 | 11.5, 22.5 | 10.0% | 1 of 2 (1 alike) |" in told
    kept = json.loads(probes.written(LINES))
    assert kept["runs"] == LINES
    assert kept["summary"] == list(probes.summary(LINES))


def test_models_for_the_picture() -> None:
    (nnet,) = probes.models(LINES, ["nnet"])
    assert nnet.title == "conventional NNet" and nnet.best_probe_rank == 10
    assert [item.name for item in nnet.columns] == ["education", "age", "Probe 1", "Probe 2"]
    assert [item.probe for item in nnet.columns] == [False, False, True, True]
    assert [item.protected for item in nnet.columns] == [False, True, False, False]
