"""What benchmarks/fleet.py makes of its measurements, worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import fleet


def one(wall: float, cpu: float, models: int, **more: Any) -> dict[str, Any]:
    return {"wall": wall, "cpu": cpu, "models": models, **more}


FOUND = {
    "loop": one(80.0, 60.0, 20),
    "fleet": one(100.0, 200.0, 1000, workers=2, isolation="each job in its own process"),
    "in process, before": one(1.0, 1.0, 10),
    "one worker, few": one(10.0, 8.0, 20),
    "one worker, more": one(25.0, 22.0, 120),
    "in process, after": one(2.0, 1.2, 10),
}


def test_ratios() -> None:
    told = fleet.ratios(FOUND)
    assert told["models per second, of the loop"] == pytest.approx(40)  # 4 s against 0.1 s
    assert told["models per processor second, of the loop"] == pytest.approx(15)  # 3 s against 0.2 s
    assert told["overhead of a model, ms by the clock"] == pytest.approx(0)  # 150 ms less 150 ms
    assert told["overhead of a model, ms of the processor"] == pytest.approx(30)  # 140 ms less 110 ms
    assert len(told) == 4  # nothing is told of what was not measured
    table = fleet.tables(FOUND)
    assert "| fleet | 1,000 | 2 | 100.0 | 200.0 | 10.00 | 200 |" in table
    assert "Isolation: each job in its own process." in table


def test_a_run_that_did_the_jobs_again_is_no_measurement_of_resumption() -> None:
    with pytest.raises(AssertionError, match="--again"):
        fleet.reused({"models": 3, "reused": 2})


def test_models_differ_and_are_the_same_for_a_seed(tmp_path: Path) -> None:
    def weights(folder: Path, number: int) -> torch.Tensor:
        return torch.cat([each.flatten() for each in torch.jit.load(folder / f"model{number:05}.pt").parameters()])

    for name in ("first", "second"):
        fleet.prepare(tmp_path / name, 2)
    first, other = (weights(tmp_path / "first", number).detach() for number in range(2))
    sample = torch.cat(
        [each.flatten() for each in torch.jit.load(fleet.SAMPLES / "lender_mlp.pt").parameters()]
    ).detach()
    assert 0 < (first - sample).std() < 2 * fleet.SPREAD
    assert not torch.equal(first, other)
    assert torch.equal(other, weights(tmp_path / "second", 1).detach())
    assert len((tmp_path / "first" / "rows.csv").read_text().splitlines()) == fleet.ROWS + 1
