"""A made-up table with everything that has to be settled, networks for it, and reports side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

import debias
from debias.report.values.report import Report

FEATURES = ("income", "debt", "years", "sex_code")
ROWS = 1200


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Return rows with two attributes, one of them with gaps, a number to be cut, weights and a label."""
    random = np.random.default_rng(seed)
    sex = random.integers(0, 2, rows)
    race = random.choice(["a", "b", "c", "rare"], rows, p=[0.5, 0.3, 0.18, 0.02]).astype(object)
    race[random.random(rows) < 0.03] = None
    income = random.normal(size=rows) + 0.6 * sex
    frame = pd.DataFrame(
        {
            "income": income.round(3),
            "debt": random.normal(size=rows).round(3),
            "years": random.integers(0, 40, rows),
            "sex_code": sex,
            "sex": np.array(["f", "m"])[sex],
            "race": race,
            "age": random.integers(18, 80, rows),
            "exact_age": random.uniform(18, 80, rows),
            "w": random.integers(1, 9, rows) / 4,
            "score": (income * 3 + random.normal(size=rows)).round(4),
        }
    )
    frame["label"] = np.where(income + random.normal(size=rows) > 0.3, "yes", "no")
    return frame


class Net(nn.Module):
    """Fixed weights of float64, whose sums hardly depend on the rows beside a row."""

    def __init__(self, output: nn.Module | None = None, columns: int = 1, width: int = len(FEATURES)) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.hidden = nn.Linear(width, 6)
        self.last = nn.Linear(6, columns)
        self.output = output or nn.Identity()
        self.double()
        with torch.no_grad():
            self.hidden.weight *= torch.tensor([1.0, 1.0, 0.03, 1.0][:width] + [1.0] * (width - 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.last(torch.tanh(self.hidden(x))))


def save(net: nn.Module, path: Path) -> Path:
    """Write a network as TorchScript."""
    torch.jit.save(torch.jit.script(net.eval()), str(path))
    return path


def write(frame: pd.DataFrame, path: Path, part: int = 250) -> Path:
    """Write a table by the ending of its name, in parts of so many rows where the format has parts."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    if path.suffix == ".parquet":
        pq.write_table(arrow, path, row_group_size=part)
    elif path.suffix in (".arrow", ".arrows"):
        new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with new(str(path), arrow.schema) as writer:
            writer.write_table(arrow, max_chunksize=part)
    else:
        frame.to_csv(path, index=False)
    return path


def both(model: Path, data: Path, **asked: Any) -> tuple[Report, Report]:
    """Return the report of the whole table, and that of its batches."""
    rows = asked.pop("batch_rows", 170)
    asked = {"label": "label", "positive": "yes", "features": FEATURES, **asked}
    return (
        debias.audit(model, data, stream=False, **asked),
        debias.audit(model, data, stream=True, batch_rows=rows, **asked),
    )


def differences(one: Any, two: Any, where: str = "", error: float = 1e-9) -> Iterator[str]:
    """Yield what differs between two reports as Python values; numbers may, by so much of their size."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in one.keys() | two.keys():
            yield from differences(one.get(key), two.get(key), f"{where}.{key}", error)
    elif isinstance(one, list | tuple) and isinstance(two, list | tuple) and len(one) == len(two):
        for place, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from differences(a, b, f"{where}[{place}]", error)
    elif isinstance(one, float) and isinstance(two, float):
        if not math.isclose(one, two, rel_tol=error, abs_tol=error):
            yield f"{where}: {one!r} and {two!r}"
    elif one != two:
        yield f"{where}: {str(one)[:200]} and {str(two)[:200]}"


def alike(whole: Report, parts: Report, *apart: str) -> list[str]:
    """Return how two reports differ in other entries than these and those that say how they were made."""
    one, two = whole.model_dump(), parts.model_dump()
    for name in ("created", "command", "streaming", *apart):
        del one[name], two[name]
    return sorted(differences(one, two))
