from __future__ import annotations

import math

import pytest
from pydantic import BaseModel, ValidationError

from debias.report.values.inspection import Inspection
from debias.report.values.report import Report
from tests.report import examples


def test_nan_becomes_undefined() -> None:
    found = examples.figures_value(
        math.nan,
        brier=math.nan,
        parities=[examples.parity(math.nan, groups=[examples.group("a", 1, tpr=math.nan)])],
    )
    assert found.bias is None
    assert found.brier is None
    assert found.parities[0].groups[0].tpr is None


def test_rounding_of_weights_is_forgiven_but_no_more() -> None:
    assert examples.figures_value(0.0, accuracy=1 + 1e-12).accuracy == 1.0
    with pytest.raises(ValidationError):
        examples.figures_value(0.0, accuracy=1.01)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="surprise"):
        examples.report(surprise=1)


def test_a_refused_file_ends_with_2() -> None:
    assert examples.inspection().exit_code == 0
    assert examples.inspection(problems=["hidden.0: quantised"]).exit_code == 2


@pytest.mark.parametrize("model", [Report, Inspection])
def test_every_key_is_described(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization")
    parts = {schema["title"]: schema, **schema["$defs"]}
    bare = [
        f"{title}.{name}"
        for title, part in parts.items()
        for name, field in part["properties"].items()
        if not field.get("description")
    ]
    assert bare == []
    assert all(part.get("description") for part in parts.values())
