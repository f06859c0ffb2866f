"""Splits, the count on the test rows, and one cell from the cache to its line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import table1_cells as cells
import table1_networks as networks
import torch
from table1_cells import Cell, Variant

from debias.data.catalog import Dataset
from debias.data.sample import Attribute, Sample
from debias.model.rule import Rule
from debias.objective import Constraint, Objective
from debias.training.mlp import MLP, scripted
from debias.training.trainer import silent


def _data(n: int = 503) -> Dataset:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, n)
    x = np.stack([codes, 3 + 5 * rng.normal(size=n), np.full(n, 7.0), rng.normal(size=n)], axis=1)
    y = (x[:, 1] - 3 + 2 * codes + rng.normal(size=n) > 0).astype(np.int64)
    return Dataset("small", x, ("group", "b", "same", "c"), y, "group", codes, ("low", "high"))


def test_a_split_is_standardised_on_its_training_part() -> None:
    data = _data()
    held = networks.split(data, 3)
    assert [len(held.y[part]) for part in networks.PARTS] == [301, 101, 101]
    train = held.x["train"]
    np.testing.assert_allclose(train[:, [0, 1, 3]].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train[:, [0, 1, 3]].std(axis=0), 1, atol=1e-6)
    assert all((held.x[part][:, 2] == 0).all() for part in networks.PARTS), "a constant column"
    back = np.concatenate([held.x[part][:, 1] for part in networks.PARTS])
    assert np.corrcoef(np.sort(back), np.sort(data.x[:, 1]))[0, 1] == pytest.approx(1)
    together = np.sort(np.concatenate([held.y[part] * 2 + held.a[part] for part in networks.PARTS]))
    assert np.array_equal(together, np.sort(data.y * 2 + data.codes)), "every row lies in one part"
    assert np.array_equal(networks.split(data, 3).x["test"], held.x["test"])
    assert not np.array_equal(networks.split(data, 4).x["test"], held.x["test"])


def test_seeds() -> None:
    assert networks.seeds_of("0..3") == [0, 1, 2, 3]
    assert networks.seeds_of("7,100..101,4") == [7, 100, 101, 4]


def _test_rows() -> Sample:
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    codes = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    return Sample({"features": torch.zeros(8, 2)}, y, {"a": Attribute("a", codes, ("low", "high"), 1)}, np.arange(1, 9))


@pytest.mark.parametrize(
    ("metric", "decided", "expected"),
    [
        # TPR 3/4, TNR 3/4; selected: 2 of 4 and 2 of 4
        ("statistical-parity", (1, 0, 1, 1, 1, 0, 0, 0), {"objective": 0.75, "bias": 0.0, "group_sizes": [4, 4]}),
        # among labels 1: 1 of 2 and 2 of 2
        ("equal-opportunity", (1, 0, 1, 1, 1, 0, 0, 0), {"objective": 0.0, "bias": -0.5, "group_sizes": [2, 2]}),
        ("statistical-parity", (1,) * 8, {"objective": 0.5, "bias": 0.0, "constant": True, "group_rates": [1.0, 1.0]}),
        ("statistical-parity", (0,) * 8, {"objective": 0.5, "constant": True}),
    ],
)
def test_the_count_on_the_test_rows(metric: str, decided: tuple[int, ...], expected: dict[str, object]) -> None:
    objective = Objective((Constraint(metric, "a", 0.05),))  # type: ignore[arg-type]
    found = cells.counted(np.array(decided, dtype=bool), _test_rows(), objective)
    assert {"constant": False, **expected}.items() <= found.items()


def test_a_rule_decides_by_group() -> None:
    rows = _test_rows()
    rule = Rule("a", ("low", "high"), np.array([-1.0, 1.0]), np.zeros(2), np.ones(2))
    decisions = cells.decide(np.zeros(8), rows, float("nan"), rule)
    assert np.array_equal(decisions, rows.attributes["a"].codes == 0)
    assert not cells.decide(np.zeros(8), rows, 0.0, None).any()


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> networks.Split:
    """Return the split of a small network that lies in the cache, under the name of COMPAS."""
    monkeypatch.setenv("DEBIAS_CACHE", str(tmp_path / "cache"))
    cells._opened.cache_clear()
    held = networks.split(_data(), 0)
    torch.manual_seed(0)
    network = MLP(4, hidden=6, depth=1).eval()
    networks._save("compas", 0, held, scripted(network), {"made": "here"})
    return held


def test_the_cache_gives_back_what_was_put_in(held: networks.Split) -> None:
    again = networks.load("compas", 0)
    assert (again.attribute, again.groups, again.features) == (held.attribute, held.groups, held.features)
    for part in networks.PARTS:
        for ours, theirs in zip((held.x, held.y, held.a), (again.x, again.y, again.a), strict=True):
            assert np.array_equal(ours[part], theirs[part])
            assert ours[part].dtype == theirs[part].dtype
    assert networks.made_as("compas", 0) == "here"
    assert networks.made_as("compas", 1) is None


@pytest.mark.parametrize("mode", cells.MODES)
def test_rows_of_a_mode(mode: str, held: networks.Split) -> None:
    samples = {part: held.sample(part) for part in networks.PARTS}
    train, select = cells._rows(Cell("compas", "spd", 0, mode, Variant("gda", "gda")), samples)
    valid = samples["valid"]
    if mode == "train":
        assert train is samples["train"]
        assert select is valid
    elif mode == "valid":
        assert train is select is valid
    else:
        assert abs(len(train) - len(select)) <= 1
        assert sorted([*train.rows, *select.rows]) == list(valid.rows)


@pytest.mark.parametrize("variant", [Variant("standard", "standard"), Variant("cut", "threshold")])
def test_a_cell_from_the_cache_to_its_line(variant: Variant, held: networks.Split) -> None:
    cell = Cell("compas", "eod", 0, "valid", variant)
    line = cells.run(cell, None, silent)
    assert cell.described().items() <= json.loads(json.dumps(line)).items()
    network, samples = cells._opened("compas", 0)
    decided = network.logits(samples["test"]) > line["selection"]["cut"]
    y, codes = held.y["test"], held.a["test"]
    rates = [decided[(codes == group) & (y == 1)].mean() for group in (0, 1)]
    performance = (decided[y == 1].mean() + 1 - decided[y == 0].mean()) / 2
    assert line["bias"] == pytest.approx(rates[0] - rates[1])
    assert line["balanced_accuracy"] == pytest.approx(performance)
    assert line["objective"] == (line["balanced_accuracy"] if abs(line["bias"]) < 0.05 else 0)
    assert line["group_rates"] == pytest.approx(rates)
