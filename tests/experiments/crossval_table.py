"""A small table with clusters, and predictions made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from debias.experiments.crossval.folds import FoldResult, Head, Predicted

SETTINGS: dict[str, Any] = {"epochs": 3, "warmup": 1, "hidden": (8, 4), "batch_size": 32, "adversary_hidden": (8,)}


def table(rows: int = 360, seed: int = 0) -> pd.DataFrame:
    """Return rows of four branches, of which c and d are small; the label leans on work, sex and branch."""
    rng = np.random.default_rng(seed)
    branch = rng.choice(["a", "b", "c", "d"], rows, p=[0.45, 0.4, 0.1, 0.05])
    sex = rng.choice(["f", "m"], rows)
    age = rng.integers(18, 70, rows)
    work = rng.normal(size=rows) + 0.5 * (sex == "m")
    pull = work + 0.6 * (sex == "m") + 0.8 * (branch == "a") + 0.02 * (age - 44) - 0.8
    return pd.DataFrame(
        {
            "branch": branch,
            "sex": sex,
            "age": age,
            "work": work,
            "shift": rng.choice(["day", "night"], rows),
            "score": pull + rng.normal(size=rows) / 2,
            "good": np.where(pull + rng.logistic(size=rows) / 2 > 0, "yes", "no"),
        }
    )


CLASSES: dict[str, Any] = {
    "label": "good",
    "positive": "yes",
    "cluster": "branch",
    "attr": ("sex", "age"),
    "bins": ("age=31,46",),
    "seen": 2,
    "ignore": ("score",),
    "folds": 3,
    "settings": SETTINGS,
    "draws": 20,
    "workers": 1,
}
"""Arguments of `crossval` for the classification of `table`."""
NUMBERS = {**CLASSES, "label": "score", "positive": None, "ignore": ("good",), "regression": True}


def predicted(rows: list[int], scores: list[float], swaps: dict[str, list[float]] | None = None) -> Predicted:
    """Return predictions of one head, ``plain``."""
    plain: Head = "plain"
    return Predicted(
        np.array(rows, dtype=np.int64),
        {plain: np.array(scores, dtype=np.float32)},
        {(plain, name): np.array(values, dtype=np.float32) for name, values in (swaps or {}).items()},
        {name: np.ones(len(rows), dtype=np.int8) for name in swaps or {}},
    )


def result(fold: int, seen: Predicted, unseen: Predicted | None = None, threshold: float | None = 0.5) -> FoldResult:
    """Return the result of a fold whose thresholds are all the same."""
    cuts = {} if threshold is None else dict.fromkeys(seen.scores, threshold)
    facts = {"epochs": 3, "best_epoch": 2, "stopped": "epochs", "seconds": 1.5}
    return FoldResult(fold, seen, predicted([], []) if unseen is None else unseen, cuts, facts)
