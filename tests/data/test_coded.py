"""The group column of a model's rule: raw values, intersections, bins, merged and missing groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from debias.contract import Contract, Feature, Input, ProtectedAttribute
from debias.data.coded import group_columns
from debias.data.columns import Columns
from debias.data.encode import already_encoded, encode
from debias.data.grouping import JOINT, OTHER_GROUP
from debias.data.groups import MISSING_GROUP
from debias.data.prepare import prepare
from debias.data.tables import read_table
from debias.errors import DataError

FRAME = pd.DataFrame(
    {
        "sex": ["f", "m", "m", "f", None, "m"],
        "race": ["x", "y", "x", "y", "x", "z"],
        "age": [20.0, 30.0, 40.0, 50.0, 60.0, 25.0],
        "x0": np.arange(6.0),
        "label": [0, 1, 0, 1, 0, 1],
    }
)


def _feature(column: str, *groups: str) -> Feature:
    return Feature(column=column, kind="category", role="group", categories=groups, missing="zero")


def _coded(feature: Feature, frame: pd.DataFrame = FRAME, **contract: Any) -> tuple[list[int], list[str]]:
    block, problems = group_columns(read_table(frame), feature, Contract(**contract))
    assert set(np.unique(block)) <= {0.0, 1.0}
    assert (block.sum(axis=1) <= 1).all()
    codes = np.where(block.sum(axis=1) > 0, block.argmax(axis=1), -1)
    return codes.tolist(), [str(problem) for problem in problems]


def test_values_in_the_order_of_the_groups_and_missing_ones_in_none() -> None:
    assert _coded(_feature("sex", "m", "f")) == ([1, 0, 0, 1, -1, 0], [])


def test_the_rows_without_a_value_may_be_a_group() -> None:
    assert _coded(_feature("sex", "f", "m", MISSING_GROUP)) == ([0, 1, 1, 0, 2, 1], [])


def test_intersections_bins_and_merged_groups() -> None:
    told = (ProtectedAttribute(column="age", bins=(28.0, 45.0), groups=("young", "middle", "old")),)
    names = (f"f{JOINT}young", f"m{JOINT}middle", OTHER_GROUP)
    assert _coded(_feature("sex*age", *names), attributes=told) == ([0, 1, 1, 2, -1, 2], [])
    assert _coded(_feature("age", "young", "middle", "old"), attributes=told) == ([0, 1, 1, 2, 2, 0], [])


def test_groups_that_the_rule_does_not_know_are_refused_with_their_rows() -> None:
    _, (problem,) = _coded(_feature("race", "x", "y"))
    assert "'z' in row 6" in problem
    _, (problem,) = _coded(_feature("sex*race", f"f{JOINT}x", f"m{JOINT}y", f"m{JOINT}x"))
    assert f"'f{JOINT}y' in row 4" in problem
    assert f"'m{JOINT}z' in row 6" in problem
    _, (problem,) = _coded(_feature("gone", "x", "y"))
    assert "gone" in problem


def _contract() -> Contract:
    return Contract(
        inputs=(Input(name="x", role="features", width=3), Input(name="group", role="group", width=2)),
        features=(
            Feature(column="race", kind="category", categories=("x", "y", "z")),
            _feature("sex", "f", "m"),
        ),
        label="label",
    )


def test_a_table_that_is_encoded_already_still_has_the_raw_group() -> None:
    frame = pd.get_dummies(FRAME, columns=["race"], dtype=float)
    assert already_encoded(read_table(frame), _contract())
    encoded, _, problems = encode(read_table(frame), _contract(), "float32")
    assert not problems
    assert encoded is not None
    assert encoded["features"].tolist() == frame[["race_x", "race_y", "race_z"]].to_numpy().tolist()
    assert encoded["group"].tolist() == [[1, 0], [0, 1], [0, 1], [1, 0], [0, 0], [0, 1]]


def test_a_sample_for_the_model_has_both_inputs() -> None:
    done = prepare(
        read_table(FRAME),
        Columns(attr="sex", missing_attr="drop"),
        inputs={"features": 3, "group": 2},
        contract=_contract(),
    )
    assert done.sample.inputs["group"].argmax(1).tolist() == [0, 1, 1, 0, 1]
    assert done.sample.attributes["sex"].is_input
    with pytest.raises(DataError, match="does not know: 'q' in row 1"):
        prepare(
            read_table(FRAME.assign(sex=["q", "m", "m", "f", "f", "m"])),
            Columns(attr="race"),
            inputs={"features": 3, "group": 2},
            contract=_contract(),
        )
