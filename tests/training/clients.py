"""A small made-up population in clusters, for trainings and the files that come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from debias.data.clustered import Clustered
from debias.data.tables import read_table

ASKED: dict[str, Any] = {"attributes": ("sex", "age"), "bins": {"age": (31, 46)}, "label": "label", "cluster": "branch"}


def clients(rows: int = 900, seed: int = 0) -> pd.DataFrame:
    """Return clients of five branches of falling size, whose sex shifts the income and, through it, the label."""
    rng = np.random.default_rng(seed)
    branch = rng.choice(["n", "s", "e", "w", "x"], rows, p=[0.35, 0.25, 0.2, 0.15, 0.05])
    sex = rng.choice(["f", "m"], rows)
    age = rng.integers(18, 70, rows)
    income = rng.normal(size=rows) + 0.7 * (sex == "m") + 0.01 * age
    slope = pd.Series(branch).map({"n": 1.0, "s": 0.4, "e": 1.6, "w": 1.0, "x": 0.1}).to_numpy()
    chance = 1 / (1 + np.exp(-(slope * income - 0.8 + 0.5 * (branch == "s"))))
    return pd.DataFrame(
        {
            "income": income.round(6),
            "age": age,
            "sex": sex,
            "home": rng.choice(["own", "rent", "other"], rows),
            "branch": branch,
            "label": (rng.random(rows) < chance).astype(int),
            "hours": (30 + 4 * income + 3 * (branch == "e") + rng.normal(size=rows)).round(4),
        }
    )


def table(frame: pd.DataFrame | None = None, **more: Any) -> Clustered:
    """Return the clients read for classification, four branches seen; the hours are no input."""
    asked = {**ASKED, "seen": 4, "ignore": ("hours",), **more}
    return Clustered.read(read_table(clients() if frame is None else frame), **asked)
