"""A small made-up population, networks trained on it, and the command run in this process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from debias.cli.main import main

FEATURES = ("income", "debt")
ROWS = 600
ASKED = ("--data", "rows.csv", "--attr", "sex")


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Return rows whose group shifts the income and, through it, the label."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 2, rows)
    income = random.normal(size=rows) + 0.8 * group
    debt = random.normal(size=rows)
    label = (income - debt + random.normal(size=rows) > 0.4).astype(int)
    columns = {"income": income.round(6), "debt": debt.round(6), "sex": np.array(["f", "m"])[group], "label": label}
    return pd.DataFrame(columns)


class Net(nn.Module):
    """Eight hidden units and one of the usual outputs."""

    def __init__(self, width: int, columns: int = 1, output: nn.Module | None = None) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, 8)
        self.last = nn.Linear(8, columns)
        self.output = output or nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.last(torch.relu(self.hidden(x))))


class Broken(Net):
    """NaN wherever a row is on the wrong side."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(torch.log(self.hidden(x))))


def constant() -> nn.Module:
    """Return a network that gives every row one score."""
    net = Net(2)
    nn.init.zeros_(net.last.weight)
    return net


def trained(frame: pd.DataFrame, features: Sequence[str] = FEATURES, net: nn.Module | None = None) -> nn.Module:
    """Return a network fitted to the labels."""
    torch.manual_seed(0)
    net = net or Net(len(features))
    inputs = torch.tensor(frame[list(features)].to_numpy(), dtype=torch.float32)
    target = torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        output = net(inputs)
        score = output[:, 1] if output.shape[1] == 2 else output[:, 0]
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy(score, target).backward()
        optimizer.step()
    return net.eval()


def save(net: nn.Module, path: Path) -> None:
    """Write `net` as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(net.eval()).save(str(path))


def fill(folder: Path) -> Path:
    """Put model.pt and rows.csv into a folder."""
    frame = table()
    frame.to_csv(folder / "rows.csv", index=False)
    save(trained(frame), folder / "model.pt")
    return folder


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        assert self.code in (0, 1), self.err
        found: dict[str, Any] = json.loads(self.out)
        return found


def call(*arguments: object) -> Result:
    """Run the command with these arguments, as the console script does."""
    out, err, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["debias", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main()
    finally:
        sys.argv = given
    return Result(code, out.getvalue(), err.getvalue())


def told(*arguments: object) -> dict[str, Any]:
    """Return the JSON report of a command that came to a verdict."""
    return call(*arguments, "--json").json


def content(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that `place` is a copy of."""
    return fill(tmp_path_factory.mktemp("world"))


@pytest.fixture
def place(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fresh working folder with model.pt and rows.csv."""
    for path in original.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
