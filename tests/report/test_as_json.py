from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from debias.report.as_json import SCHEMA_FILES, schema, schema_text, to_json
from debias.report.values.report import Report
from tests.report import examples

KEYS = {
    "verdict", "metric", "eps", "rows", "uses_attribute", "before", "best_threshold", "threshold_only", "after",
    "trajectory", "schema_version",
}  # fmt: skip
FIGURES = {"balanced_accuracy", "bias", "auroc", "brier", "parities", "threshold"}


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_schema_file_is_up_to_date(name: str) -> None:
    text = files("debias.report").joinpath("schemas", name).read_text(encoding="utf-8")
    assert text == schema_text(name), "run: python -m debias.report.as_json"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        examples.report(),
        examples.report(
            attributes=[{"name": examples.HOSTILE, "groups": ["a", "b"], "privileged": None}],
            before=examples.figures(None),
        ),
        examples.audit(),
    ],
)
def test_report_is_valid(value: Any) -> None:
    document = json.loads(to_json(value))
    jsonschema.validate(document, schema("report.schema.json"))
    assert document.keys() >= KEYS
    assert document["before"].keys() >= FIGURES


def test_inspection_is_valid() -> None:
    for value in (examples.inspection(), examples.inspection(output=None, contract=None, problems=["x"])):
        jsonschema.validate(json.loads(to_json(value)), schema("inspection.schema.json"))


def test_schema_refuses_what_it_should() -> None:
    document = json.loads(to_json(examples.report()))
    for change in ({"verdict": "fair"}, {"surprise": 1}, {"eps": "small"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, **change}, schema("report.schema.json"))


def test_numbers_that_are_not_finite_become_null() -> None:
    change = {**examples.report().model_dump()["change"], "details": {"loss": float("nan"), "best": float("inf")}}
    document = json.loads(to_json(examples.report(change=change)), parse_constant=pytest.fail)
    assert document["change"]["details"] == {"loss": None, "best": None}


@pytest.mark.parametrize(
    "text", ["\x1b[31m", "\x7f\x80\x9b31m\x85", "\u202e\u2028\u200b\xad\ufeff", "\U000e0001\uffff", "é男😀"]
)
def test_what_cannot_be_printed_is_an_escape_that_reads_back(text: str) -> None:
    told = to_json(examples.report(statement=text))
    assert all(line.isprintable() for line in told.split("\n"))
    assert json.loads(told)["statement"] == text
    assert Report.model_validate_json(told).statement == text
    assert not text.isprintable() or text in told


def test_half_a_character_becomes_its_escape() -> None:
    plain = examples.report(statement="m\\udcff.pt", notes=["\\udcff"])
    told = to_json(examples.report(statement="m\udcff.pt", notes=["\udcff"]))
    told.encode()
    assert json.loads(told) == json.loads(to_json(plain))
    change = {**plain.model_dump()["change"], "details": {"loss": float("nan"), "why": "\udcff"}}
    details = json.loads(to_json(examples.report(change=change)), parse_constant=pytest.fail)["change"]["details"]
    assert details == {"loss": None, "why": "\\udcff"}
