"""The command on a real model and a real table, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from debias.report.as_json import schema
from tests.warm import python

ROWS = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a scripted network that leans on the group, and its table."""
    place = tmp_path_factory.mktemp("command")
    random = np.random.default_rng(0)
    group = random.integers(0, 2, ROWS)
    income = random.normal(size=ROWS) + 0.8 * group
    debt = random.normal(size=ROWS)
    label = (income - debt + random.normal(size=ROWS) > 0.4).astype(int)
    lines = [f"{i:.6f},{d:.6f},{'fm'[g]},{y}" for i, d, g, y in zip(income, debt, group, label, strict=True)]
    (place / "rows.csv").write_text("income,debt,sex,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), torch.nn.Sigmoid())
    inputs = torch.tensor(np.stack([income, debt], axis=1), dtype=torch.float32)
    target = torch.tensor(label, dtype=torch.float32)[:, None]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(network(inputs), target).backward()
        optimizer.step()
    torch.jit.script(network.eval()).save(str(place / "model.pt"))
    return place


def debias(folder: Path, *arguments: str, interpreter: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter or python(), "-m", "debias", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"},
        check=False,
    )


def document(result: subprocess.CompletedProcess[str], name: str = "report.schema.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(found, schema(name))
    return found


ASKED = ("--data", "rows.csv", "--attr", "sex")


def test_inspect(folder: Path) -> None:
    result = debias(folder, "inspect", "model.pt", "--json", interpreter=sys.executable)
    assert result.returncode == 0, result.stderr
    found = document(result, "inspection.schema.json")
    assert [layer["units"] for layer in found["layers"]] == [8]
    assert all(method["ok"] for method in found["methods"])


def test_audit(folder: Path) -> None:
    result = debias(folder, "audit", "model.pt", *ASKED, "--json")
    assert result.returncode == 0, result.stderr
    found = document(result)
    assert found["verdict"] == "no-bound"
    assert found["before"]["bias"] < -0.1
    assert [group["name"] for group in found["before"]["parities"][0]["groups"]] == ["f", "m"]
    assert sum(group["n"] for group in found["before"]["parities"][0]["groups"]) == ROWS
    assert debias(folder, "audit", "model.pt", *ASKED, "--eps", "0.05", "--quiet").returncode == 1


@pytest.mark.parametrize("verb", ["threshold", "prune", "gda"])
def test_repair(folder: Path, verb: str) -> None:
    flags = ["--epochs", "3", "--lr", "0.01"] if verb == "gda" else []
    result = debias(
        folder, verb, "model.pt", *ASKED, "--eps", "0.2", "--keep-best", "--json", "--report", f"{verb}.md", *flags
    )
    assert result.returncode in (0, 1), result.stderr
    found = document(result)
    assert found["exit_code"] == result.returncode
    assert (folder / f"model.{verb}.pt").is_file()
    assert (folder / f"{verb}.md").read_text(encoding="utf-8").startswith(f"### debias {verb}: ")
    assert found["output"]["path"] == f"model.{verb}.pt"
    again = debias(folder, verb, "model.pt", *ASKED, "--eps", "0.2")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_errors_are_no_tracebacks(folder: Path) -> None:
    for arguments, told in (
        (("audit", "none.pt", *ASKED), "none.pt"),
        (("audit", "model.pt", "--data", "rows.csv", "--attr", "age"), "age"),
    ):
        result = debias(folder, *arguments, "--json")
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert told in result.stderr
        assert "Traceback" not in result.stderr
