"""Pruning beside the published code's own record on the same models (shared/oracle)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from debias.data.sample import Attribute, Sample
from debias.fairness.proxies import Proxy
from debias.methods.base import Setting
from debias.methods.gda import GDA
from debias.methods.prune import Prune
from debias.methods.threshold import Threshold
from debias.model.evaluation import Evaluation
from debias.model.network import Network
from debias.objective import Constraint, Objective
from debias.objective.comparison import Target

SHARED = Path(__file__).parents[2].parent / "shared"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not beside the project"),
]

MODELS = ("adult_42", "compas_42", "bank_42")
METRICS = {"spd": "statistical-parity", "eod": "equal-opportunity"}
GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class _Case:
    network: Network
    rows: Sample
    oracle: dict[str, Any]


@cache
def _case(name: str) -> _Case:
    table = pd.read_csv(SHARED / "models" / f"{name}_valid.csv.gz")
    group = table.columns[-1]
    codes = table[group].to_numpy().astype(np.int64)
    x = torch.tensor(table.drop(columns=["label", group]).to_numpy(), dtype=torch.float32)
    rows = Sample(
        {"features": x},
        table["label"].to_numpy().astype(np.int64),
        {"a": Attribute("a", codes, ("0", "1"), 1)},
        np.arange(1, len(table) + 1),
    )
    oracle = json.loads((SHARED / "oracle" / f"{name}_oracle.json").read_text())
    return _Case(Network.open(SHARED / "models" / f"{name}.pt"), rows, oracle)


def _setting(case: _Case, metric: str) -> Setting:
    return Setting(case.network, case.rows, case.rows, Objective(Constraint(METRICS[metric], "a", 0.05)))  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", MODELS)
def test_influences_equal_the_published_codes(name: str, metric: str) -> None:
    case = _case(name)
    network, rows = case.network, case.rows
    weights = torch.from_numpy(_setting(case, metric).objective.on(rows).proxy_weights(Target(0, (0, 1), 0.0)))
    evaluation = Evaluation(network, network.tensors(rows), network.layers, "preactivation")
    # The published code sums over the rows.
    found = torch.cat(evaluation.influences(Proxy(weights))).numpy() * len(rows)
    expected = np.array(case.oracle[metric]["influence_unpruned"])
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def _on_the_grid(scores: np.ndarray, rows: Sample, metric: str) -> tuple[float, float, float]:
    """Return threshold, bias and balanced accuracy as the published code chooses them: the first best of 101."""
    above = np.searchsorted(GRID.astype(scores.dtype), scores, side="left")
    y = rows.y

    def rate(member: np.ndarray) -> np.ndarray:
        counts = np.bincount(above[member], minlength=len(GRID) + 1)
        return (counts.sum() - np.cumsum(counts))[:-1] / counts.sum()

    performance = (rate(y == 1) + 1 - rate(y == 0)) / 2
    best = int(performance.argmax())
    codes = rows.attributes["a"].codes
    members = [(codes == group) & ((y == 1) | (metric == "spd")) for group in (0, 1)]
    return float(GRID[best]), float(rate(members[0])[best] - rate(members[1])[best]), float(performance[best])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", MODELS)
def test_the_first_twenty_steps_equal_the_published_codes(name: str, metric: str) -> None:
    case = _case(name)
    network = case.network
    method = Prune(outgoing=False, influence="preactivation", limit=20, stop_below=0)
    trajectory = method.repair(_setting(case, metric)).trajectory
    first = {layer.path: sum(before.units for before in network.layers[:k]) for k, layer in enumerate(network.layers)}
    by_path = {layer.path: layer for layer in network.layers}
    record = case.oracle[metric]["first_20_steps"]
    assert len(trajectory) == 21
    changed: dict[str, Tensor] = {}
    for step, expected in zip(trajectory[1:], record, strict=True):
        ((path, unit),) = step.detail["units"]
        assert first[path] + unit == expected["pruned_unit"]
        changed |= by_path[path].prune({**network.state, **changed}, [unit], outgoing=False)
        logits = torch.from_numpy(network.logits(case.rows, changed))
        threshold, bias, performance = _on_the_grid(torch.sigmoid(logits).numpy(), case.rows, metric)
        assert threshold == pytest.approx(expected["threshold"], abs=1e-9)
        assert bias == pytest.approx(expected["bias"], abs=1e-6)
        assert performance == pytest.approx(expected["balanced_accuracy"], abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", MODELS)
def test_the_sweep_is_never_worse_than_the_grid(name: str, metric: str) -> None:
    case = _case(name)
    scores = torch.sigmoid(torch.from_numpy(case.network.logits(case.rows))).numpy()
    _, _, performance = _on_the_grid(scores, case.rows, metric)
    best = _setting(case, metric).objective.on(case.rows).sweep(case.network.logits(case.rows)).best()
    assert best is not None
    assert best.quality >= performance - 1e-12


@pytest.mark.parametrize("metric", METRICS)
def test_repairs_on_adult_are_feasible_and_no_worse_than_the_threshold(metric: str) -> None:
    setting = _setting(_case("adult_42"), metric)
    plainest = Threshold().repair(setting)
    for method in (Prune(limit=48), GDA(epochs=2, lr=1e-4)):
        repair = method.repair(setting)
        assert repair.point.feasible
        assert repair.point.objective >= plainest.point.objective
        scorer = setting.objective.on(setting.select)
        decided = setting.network.logits(setting.select, repair.state) > repair.point.cut
        performance, bias = scorer.at(decided)
        assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=2e-4)
