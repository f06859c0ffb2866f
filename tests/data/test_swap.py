"""Inputs with an attribute set to another group, against the table encoded anew with its cells changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from debias.contract import Contract, Feature, Input, ProtectedAttribute
from debias.data.columns import Columns
from debias.data.encode import encode, to_tensor_type
from debias.data.prepare import Prepared, prepare
from debias.data.swap import NoSwap, Swap, find_swap
from debias.data.tables import read_table

N = 60
RANDOM = np.random.default_rng(0)
RAW = pd.DataFrame(
    {
        "age": RANDOM.integers(20, 70, N),
        "sex": RANDOM.choice(["f", "m"], N),
        "race": RANDOM.choice(["a", "b", "c"], N),
        "member": RANDOM.choice(["no", "yes"], N),
        "kids": RANDOM.integers(0, 3, N),
        "label": RANDOM.integers(0, 2, N),
    }
)
FEATURES = (
    Feature(column="age", kind="numeric", mean=45.0, sd=10.0),
    Feature(column="race", kind="category", categories=("c", "a", "b", "d"), missing="category"),
    Feature(column="sex", kind="category", categories=("m", "f")),
    Feature(column="member", kind="boolean"),
    Feature(column="kids", kind="numeric", mean=1.0, sd=0.5),
)
WIDTH = sum(feature.width for feature in FEATURES)


def contract(*attributes: ProtectedAttribute, without: str = "") -> Contract:
    kept = tuple(feature for feature in FEATURES if feature.column != without)
    width = sum(feature.width for feature in kept)
    inputs = (Input(name="x", role="features", width=width),)
    return Contract(inputs=inputs, features=kept, label="label", attributes=attributes)


def ready(frame: pd.DataFrame, attr: str, told: Contract | None, **columns: Any) -> Prepared:
    width = told.width() if told else None
    return prepare(read_table(frame), Columns(attr=attr, **columns), inputs={"features": width}, contract=told)


def found(done: Prepared, told: Contract | None) -> Swap | NoSwap:
    (name,) = done.groupings
    features = done.features if done.encoding == "plain" else None
    return find_swap(done.sample, name, done.groupings[name], told, features)


def way(done: Prepared, told: Contract | None) -> Swap:
    swap = found(done, told)
    assert isinstance(swap, Swap), swap
    return swap


def features_of(frame: pd.DataFrame, told: Contract) -> torch.Tensor:
    values, _, problems = encode(read_table(frame), told, "float32")
    assert not problems
    assert values is not None
    return torch.from_numpy(to_tensor_type(values["features"], "float32"))


@pytest.mark.parametrize("attr", ["sex", "race", "member", "kids"])
def test_every_kind_of_column_as_encoded_anew(attr: str) -> None:
    told = contract()
    done = ready(RAW, attr, told)
    swap = way(done, told)
    names = done.groupings[attr].names
    assert swap.known.all()
    for group, name in enumerate(names):
        changed = RAW.assign(**{attr: int(name) if attr == "kids" else name})
        assert torch.equal(swap.to(done.sample, group).inputs["features"], features_of(changed, told))
    assert torch.equal(done.sample.inputs["features"], features_of(RAW, told))  # left as it was
    assert not swap.notes


def test_an_intersection_sets_every_part() -> None:
    told = contract()
    done = ready(RAW, "sex*race", told)
    swap = way(done, told)
    for group, name in enumerate(done.groupings["sex*race"].names):
        sex, race = name.split(" × ")
        changed = features_of(RAW.assign(sex=sex, race=race), told)
        assert torch.equal(swap.to(done.sample, group).inputs["features"], changed)


def test_brackets_by_the_carriers_of_the_contract() -> None:
    age = ProtectedAttribute(column="age", bins=(31, 46), carriers=(25, 38, 53))
    told = contract(age)
    done = ready(RAW, "age", told)
    swap = way(done, told)
    for group, value in enumerate((25, 38, 53)):
        changed = features_of(RAW.assign(age=value), told)
        torch.testing.assert_close(swap.to(done.sample, group).inputs["features"], changed)
    assert not swap.notes


def test_brackets_without_carriers_by_the_medians_of_the_table() -> None:
    told = contract(ProtectedAttribute(column="age", bins=(31, 46), carriers=(25, 38, 53)))
    done = ready(RAW, "age", told, bins="40,")
    swap = way(done, told)
    for group, its in enumerate((RAW["age"] < 40, RAW["age"] >= 40)):
        changed = features_of(RAW.assign(age=float(RAW["age"][its].median())), told)
        torch.testing.assert_close(swap.to(done.sample, group).inputs["features"], changed)
    (note,) = swap.notes
    assert "the median in DataFrame stands for each group of 'age'" in note


def test_an_attribute_that_is_no_input() -> None:
    told = contract(without="sex")
    swap = found(ready(RAW, "sex", told), told)
    assert swap == NoSwap("'sex': no input column of the network tells it")
    crossed = found(ready(RAW, "sex*race", told), told)
    assert crossed == NoSwap("'sex': no input column of the network tells it")


def test_missing_values_and_merged_groups() -> None:
    frame = RAW.assign(race=RAW["race"].where(np.arange(N) % 5 > 0))
    told = contract()
    done = ready(frame, "race", told, missing_attr="group")
    swap = way(done, told)
    assert done.groupings["race"].names[-1] == "(missing)"
    changed = features_of(frame.assign(race=np.nan), told)
    assert torch.equal(swap.to(done.sample, 3).inputs["features"], changed)
    rare = RAW.assign(
        race=np.where(np.arange(N) < 2, "d", np.where(np.arange(N) < 4, "c", RAW["race"].replace("c", "a")))
    )
    done = ready(rare, "race", told, min_group=5)
    swap = way(done, told)
    assert done.groupings["race"].names == ("a", "b", "(other)")
    assert swap.known.tolist() == [True, True, False]
    assert any("'(other)' left out" in note for note in swap.notes)


def test_a_group_without_rows_is_known_from_the_contract_alone() -> None:
    told = contract(ProtectedAttribute(column="race", groups=("a", "b", "c", "d", "e")))
    done = ready(RAW, "race", told)
    swap = way(done, told)
    assert swap.known.tolist() == [True, True, True, True, False]  # the network was not trained on e
    changed = features_of(RAW.assign(race="d"), told)
    assert torch.equal(swap.to(done.sample, 3).inputs["features"], changed)


def test_without_a_contract_the_columns_with_one_value_per_group() -> None:
    frame = RAW.drop(columns=["race", "member", "sex"]).assign(
        male=(RAW["sex"] == "m").astype(float), female=(RAW["sex"] == "f").astype(float), sex=RAW["sex"]
    )
    done = ready(frame, "sex", None, features=("age", "male", "kids", "female"))
    swap = way(done, None)
    inputs = swap.to(done.sample, done.groupings["sex"].names.index("f")).inputs["features"]
    assert inputs[:, 1].eq(0).all()
    assert inputs[:, 3].eq(1).all()
    assert torch.equal(inputs[:, [0, 2]], done.sample.inputs["features"][:, [0, 2]])
    alone = ready(frame, "sex", None, features=("age", "kids"))
    assert isinstance(found(alone, None), NoSwap)


def test_without_a_contract_the_attribute_s_own_column() -> None:
    frame = RAW[["age", "kids", "label"]].assign(sex=np.where(RAW["sex"] == "m", 0.6925939, -1.4438481))
    done = ready(frame, "sex", None)
    swap = way(done, None)
    inputs = swap.to(done.sample, 0).inputs["features"]
    assert inputs[:, 2].eq(torch.tensor(-1.4438481)).all()
    cut = ready(frame, "age", None, bins="40,")
    swap = way(cut, None)
    median = float(frame["age"][frame["age"] < 40].median())
    assert swap.to(cut.sample, 0).inputs["features"][:, 0].eq(median).all()


def test_the_cluster_input_stays() -> None:
    told = contract()
    done = ready(RAW, "sex", told)
    swap = way(done, told)
    z = torch.rand(N, 3)
    sample = done.sample
    sample = type(sample)(**{**sample.__dict__, "inputs": {**sample.inputs, "cluster": z}})
    assert swap.to(sample, 0).inputs["cluster"] is z
