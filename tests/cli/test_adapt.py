"""The command `adapt`: its flags, its exit codes, what it prints and writes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

from debias.model.network import Network
from debias.report.as_json import schema
from debias.run.training import train
from tests.training.clients import clients
from tests.warm import python


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network of three branches and rows of five."""
    folder = tmp_path_factory.mktemp("adapt")
    train(
        "medl", clients(), attr="sex", label="label", cluster="branch", seen=3, ignore=("hours",), out=folder / "m.pt",
        epochs=3, warmup=1, hidden=(8, 6), lr=0.01, batch_size=64,
    )  # fmt: skip
    clients(800, 5).to_csv(folder / "rows.csv", index=False)
    return folder


def debias(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [python(), "-m", "debias", "adapt", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


def test_from_table_to_file_and_reports(place: Path) -> None:
    done = debias(
        place, "m.pt", "--data", "rows.csv", "--attr", "sex", "--most", "20", "--out", "new.pt", "--report", "r.md",
        "--report", "r.json", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert json.loads((place / "r.json").read_text()) == found
    jsonschema.validate(found, schema("adaptation.schema.json"))
    assert [(one["name"], one["used"]) for one in found["clusters"]] == [("w", 20), ("x", 20)]
    contract = Network.open(place / "new.pt").contract
    assert contract is not None
    assert contract.clusters == (*found["known"], "w", "x")
    written = (place / "r.md").read_text()
    for text in (done.stderr, written):
        assert "adapted" in text.lower()
        assert "2 clusters added from 40 labelled rows" in text
        assert "estimated effects" in text
        assert "bias sex" in text
    # what is told to repeat it does
    command = found["command"].split()
    assert command[:2] == ["debias", "adapt"]
    again = debias(place, *command[2:], "--force", "--quiet")
    assert again.returncode == 0, again.stderr
    assert again.stdout == f"ADAPTED  {found['statement']}\n"


def test_one_cluster_without_other_rows(place: Path) -> None:
    done = debias(place, "m.pt", "--data", "rows.csv", "--only", "x", "--most", "800", "--out", "one.pt2")
    assert done.returncode == 0, done.stderr
    assert "1 cluster added" in done.stdout
    assert "none are left to tell" in done.stdout


def test_errors_leave_nothing(place: Path) -> None:
    before = set(place.iterdir())
    done = debias(
        place, "m.pt", "--data", "none.csv", "--out", "bad.bin", "--most", "0", "--metric", "spd", "--report", "x.json"
    )
    assert done.returncode == 2
    assert done.stdout == ""
    for told in ("none.csv", "unknown ending", "0 is no number of rows", "none is named"):
        assert told in done.stderr
    assert "Traceback" not in done.stderr
    done = debias(place, "m.pt", "--data", "rows.csv", "--out", "m.pt", "--force")
    assert done.returncode == 2
    assert "never overwritten" in done.stderr
    done = debias(place, "m.pt", "--data", "rows.csv", "--out", "late.pt", "--only", "nobody")
    assert done.returncode == 2
    assert "no row is of 'nobody'" in done.stderr
    assert set(place.iterdir()) == before
