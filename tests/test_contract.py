"""The contract: what is valid, what is refused and where, and the way to JSON and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.contract import SCHEMA, Contract, Feature, Input, ProtectedAttribute, read_document, write_document
from debias.errors import ContractError

CONTRACT = Contract(
    inputs=(Input(name="x", role="features", width=4),),
    features=(
        Feature(column="age", kind="numeric", mean=40, sd=10, missing="mean"),
        Feature(column="job", kind="category", categories=("a", "b"), missing="category"),
    ),
    label="label",
    positive="yes",
    attributes=(ProtectedAttribute(column="sex", privileged="male", groups=("female", "male")),),
)


def test_json_round_trip() -> None:
    assert Contract.from_json(CONTRACT.to_json()) == CONTRACT


def test_bytes_with_bom() -> None:
    assert Contract.from_json(b"\xef\xbb\xbf" + CONTRACT.to_json().encode()) == CONTRACT


def test_document_round_trip() -> None:
    contract, record = read_document(write_document(CONTRACT, {"verb": "prune", "seed": 3}))
    assert (contract, record) == (CONTRACT, {"verb": "prune", "seed": 3})
    assert read_document(write_document(None, {"seed": 1})) == (None, {"seed": 1})


def test_document_without_a_contract_is_no_contract() -> None:
    with pytest.raises(ContractError, match=r"m\.json: holds no contract"):
        Contract.from_json(write_document(None, {}), "m.json")


def test_widths_and_encoded_names() -> None:
    age, job = CONTRACT.features
    assert age.encoded == ("age",)
    assert job.encoded == ("job_a", "job_b", "job_missing")
    assert CONTRACT.width() == 4
    assert CONTRACT.attribute("sex") is CONTRACT.attributes[0]
    assert CONTRACT.attribute("age") is None


def test_numbers_name_categories() -> None:
    raw = {"features": [{"column": "k", "kind": "category", "categories": [1, 2.0, 2.5, True]}]}
    assert Contract.from_json(json.dumps(raw)).features[0].categories == ("1", "2", "2.5", "True")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON: .* in line 1"),
        ("[]", "is a JSON list, not an object"),
        ('{"version": NaN}', "NaN is not a JSON number"),
        ('{"features": [{"column": "a", "kind": "numeric", "mean": 1e999, "sd": 1}]}', "1e999 is too large"),
        ("[" * 100_000, "is no JSON that can be read"),
        (b"\xff\xfe{", "is no JSON that can be read"),
        ('{"version": 2}', "version: Input should be 1, found '2'"),
        (f'{{"schema": "debias/9", "contract": null, "was": "{SCHEMA}"}}', "has the schema 'debias/9'"),
        ('{"schema": "debias/1", "contract": null, "record": 3}', "'record' is not an object"),
        ('{"favourable": "positive"}', "favourable: Extra inputs are not permitted"),
        ('{"features": [{"kind": "numeric"}]}', "features.0.column: Field required"),
        ('{"features": [{"column": "a", "kind": "number"}]}', r"features.0.kind: .* found 'number'"),
        ('{"features": [{"column": "a", "kind": "numeric", "mean": 1}]}', "needs both mean and sd, or neither"),
        ('{"features": [{"column": "a", "kind": "numeric", "mean": 1, "sd": 0}]}', "features.0.sd: .*greater than 0"),
        ('{"features": [{"column": "a", "kind": "numeric", "missing": "mean"}]}', "needs a mean"),
        ('{"features": [{"column": "a", "kind": "numeric", "missing": "category"}]}', "use error or mean or zero"),
        ('{"features": [{"column": "a", "kind": "numeric", "categories": ["a"]}]}', "numeric column has no categories"),
        ('{"features": [{"column": "a", "kind": "boolean", "mean": 0, "sd": 1}]}', "belong to numeric columns"),
        ('{"features": [{"column": "a", "kind": "boolean", "categories": ["a"]}]}', "has two categories"),
        ('{"features": [{"column": "a", "kind": "category"}]}', "needs its categories"),
        ('{"features": [{"column": "a", "kind": "category", "categories": ["a", "a"]}]}', "listed twice"),
        (
            '{"features": [{"column": "a", "kind": "category", "categories": ["a"], "columns": ["x", "y"]}]}',
            "2 names in columns for 1",
        ),
        ('{"inputs": [{"name": "x", "role": "cluster"}]}', "none has the role features"),
        (
            '{"inputs": [{"name": "x", "role": "features"}, {"name": "x", "role": "features"}]}',
            "a name is listed twice\n.*a role is given twice",
        ),
        (
            '{"inputs": [{"name": "x", "role": "features", "width": 3}], "features": [{"column": "a", "kind": '
            '"numeric"}, {"column": "b", "kind": "numeric", "role": "cluster"}]}',
            "role cluster, which no input has\n.*'x' is 3 wide, its features make 1",
        ),
        (
            '{"features": [{"column": "a", "kind": "numeric"}, {"column": "a", "kind": "numeric"}], "label": "a"}',
            "'a' listed twice\n.*label 'a' is also a feature",
        ),
        ('{"attributes": [{"column": "a", "groups": ["x"]}]}', "two or more different names"),
        ('{"attributes": [{"column": "a", "groups": ["x", "y"], "privileged": "z"}]}', "none of the groups 'x', 'y'"),
        ('{"attributes": [{"column": "a", "bins": [2, 1]}]}', "in ascending order"),
        ('{"attributes": [{"column": "a", "bins": [1], "groups": ["a", "b", "c"]}]}', "1 edges make 2 groups, 3"),
        ('{"attributes": [{"column": "a"}, {"column": "a"}]}', "a column is listed twice"),
    ],
)
def test_refused(text: str | bytes, found: str) -> None:
    with pytest.raises(ContractError, match=found) as caught:
        Contract.from_json(text, "m.json")
    assert all(problem.where.startswith("m.json") for problem in caught.value.problems)


def test_all_problems_at_once() -> None:
    raw = {"features": [{"column": "", "kind": "numeric", "mean": 1}, {"column": "b", "kind": "x"}], "label": 3}
    with pytest.raises(ContractError) as caught:
        Contract.from_json(json.dumps(raw), "m.json")
    assert {problem.where for problem in caught.value.problems} == {
        "m.json: features.0.column",
        "m.json: features.1.kind",
        "m.json: label",
    }


@given(
    mean=st.floats(allow_nan=False, allow_infinity=False),
    sd=st.floats(min_value=1e-300, allow_infinity=False),
    name=st.text(min_size=1),
    categories=st.lists(st.text(), min_size=1, unique=True),
)
def test_any_contract_survives_json(mean: float, sd: float, name: str, categories: list[str]) -> None:
    contract = Contract(
        features=(
            Feature(column=name, kind="numeric", mean=mean, sd=sd),
            Feature(column=f"{name}2", kind="category", categories=tuple(categories), missing="zero"),
        )
    )
    assert Contract.from_json(contract.to_json()) == contract
