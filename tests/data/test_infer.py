"""A contract from a raw table, and the way back: what it encodes is what a hand-written encoder makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.contract import Contract
from debias.data.columns import Columns
from debias.data.encode import already_encoded, encode
from debias.data.infer import infer_contract
from debias.data.lender import ATTRIBUTE, CLUSTER, FEATURES, LABEL, POSITIVE, lender_table
from debias.data.prepare import prepare
from debias.data.tables import read_table
from debias.errors import ContractError, DataError

RAW = pd.DataFrame(
    {
        "sex": ["f", "m"] * 4,
        "age": [20, 30, 40, 50, 20, 30, 40, None],
        "job": ["b", "a", "b", "c", "a", "b", "c", "a"],
        "home": [True, False] * 4,
        "branch": list("xxyyzzxy"),
        "label": [0, 0, 1, 1] * 2,
    }
)


def infer(frame: pd.DataFrame = RAW, width: int | None = 5, **more: Any) -> tuple[Contract, tuple[str, ...]]:
    names = ("roles", "cluster", "kinds", "standardise", "inputs")
    rest = {name: more.pop(name) for name in names if name in more}
    columns = Columns(**{"attr": "sex", "ignore": ("branch",), **more})
    return infer_contract(read_table(frame), columns, rest.pop("inputs", {"x": width}), **rest)


def test_kinds_and_moments() -> None:
    contract, notes = infer()
    age, job, home = contract.features
    assert (age.kind, age.missing) == ("numeric", "mean")
    assert age.mean == pytest.approx(230 / 7)
    assert age.sd == pytest.approx(np.std([20, 30, 40, 50, 20, 30, 40]))
    assert (job.kind, job.categories, job.missing) == ("category", ("a", "b", "c"), "error")
    assert (home.kind, home.categories) == ("boolean", ("False", "True"))
    assert (contract.label, contract.positive, contract.inputs[0].width) == ("label", "1", 5)
    assert contract.attributes[0].groups == ("f", "m")
    assert any("Mean and SD" in note for note in notes)
    assert any("'sex' is no input" in note for note in notes)


def test_with_the_attribute_when_only_so_it_fits() -> None:
    assert [f.column for f in infer(width=7)[0].features] == ["sex", "age", "job", "home"]


def test_kind_told() -> None:
    contract, _ = infer(width=6, kinds={"sex": "boolean"})
    assert contract.features[0].categories == ("f", "m")
    contract, _ = infer(RAW.assign(age=[1, 2] * 4), width=6, kinds={"age": "category"})
    assert contract.features[0].categories == ("1", "2")


def test_missing_category_as_the_width_says() -> None:
    frame = RAW.assign(job=["a", None] * 4)
    assert infer(frame, 4)[0].features[1].missing == "category"
    contract, notes = infer(frame, 3)
    assert contract.features[1].missing == "zero"
    assert any("0 in all its columns" in note for note in notes)


def test_standardised_columns_are_left() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc")).assign(sex=[0, 1] * 100, label=[0, 1] * 100)
    contract, notes = infer(frame, 3, ignore=())
    assert [f.mean for f in contract.features] == [None] * 3
    assert any("look standardised already" in note for note in notes)
    assert infer(frame, 3, ignore=(), standardise=True)[0].features[0].mean is not None


def test_a_constant_column_becomes_zero() -> None:
    contract, _ = infer(RAW.assign(age=7))
    assert (contract.features[0].mean, contract.features[0].sd) == (7, 1)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (
            {"width": 9},
            "reads 9 columns; those of the table encode to 5 or 7 .*'sex' 2, 'age' 1.*\n.*--kind",
        ),
        ({"inputs": {"x": 5, "z": 3}}, "has 2 inputs; no role for 'x', 'z'\n.*--role x=features --role z=cluster"),
        ({"roles": {"y": "features", "x": "features"}}, "--role y: the network has no such input; it has 'x'"),
        ({"roles": {"x": "inputs"}}, "a role is 'features', 'cluster', 'group'"),
        ({"inputs": {"x": 5, "z": 3}, "roles": {"x": "group", "z": "group"}}, "one input has the role features"),
        ({"inputs": {"x": 5, "z": 3}, "roles": {"x": "features", "z": "cluster"}}, "--cluster"),
        (
            {"inputs": {"x": 5, "z": 4}, "roles": {"x": "features", "z": "cluster"}, "cluster": "branch"},
            "the cluster input is 4 wide, 'branch' has 3 values",
        ),
    ],
)
def test_misfits(more: dict[str, Any], found: str) -> None:
    with pytest.raises(ContractError, match=found):
        infer(**more)


def test_more_than_one_way_to_fit() -> None:
    frame = RAW.assign(sex=[0, 1] * 4, job=["a", None] * 4)  # without sex, or with the missing category left out
    with pytest.raises(ContractError, match="in more than one way"):
        infer(frame, 4)


@pytest.mark.parametrize(
    ("frame", "more", "found"),
    [
        (RAW.assign(label=[0, 1, 2, 3] * 2), {}, "not binary"),
        (RAW.assign(age=None), {}, "column 'age': every value is missing"),
        (RAW.assign(age=[np.inf] * 8), {}, "'inf' in a numeric column"),
        (RAW, {"kinds": {"job": "numeric"}}, "'b' in a numeric column"),
        (RAW, {"kinds": {"job": "boolean"}}, "needs two values, found 'a', 'b', 'c'"),
        (RAW, {"kinds": {"job": "text"}}, "'text' is no kind of column"),
        (RAW, {"kinds": {"jobs": "category"}}, "has no column 'jobs'"),
        (RAW, {"attr": "gender"}, "has no column 'gender'"),
        (RAW, {"cluster": "nope"}, r"'nope' \(--cluster\)"),
    ],
)
def test_tables_refused(frame: pd.DataFrame, more: dict[str, Any], found: str) -> None:
    with pytest.raises(DataError, match=found):
        infer(frame, **more)


def test_all_columns_are_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        infer(RAW.assign(age=None, job=None))
    assert len(caught.value.problems) == 2


def test_roles() -> None:
    contract, _ = infer(
        inputs={"a": 5, "b": 3, "c": 1},
        roles={"a": "features", "b": "cluster", "c": "group"},
        cluster="branch",
        ignore=(),
        features=("age", "job", "home"),
    )
    assert [(item.name, item.role, item.width) for item in contract.inputs] == [
        ("a", "features", 5),
        ("b", "cluster", 3),
        ("c", "group", 1),
    ]
    done = prepare(
        read_table(RAW), Columns(attr="sex"), inputs={"features": 5, "cluster": 3, "group": 1}, contract=contract
    )
    assert done.sample.inputs["group"].reshape(-1).tolist() == [0, 1] * 4
    assert done.sample.inputs["cluster"].argmax(1).tolist() == [0, 0, 1, 1, 2, 2, 0, 1]


def test_bins_go_into_the_contract() -> None:
    frame = RAW.assign(years=range(8))
    contract, _ = infer(frame, 5, attr="years", bins="3,6", ignore=("branch", "sex"))
    assert contract.attributes[0].bins == (3, 6)
    done = prepare(read_table(frame), Columns(attr="years"), inputs={"features": 5}, contract=contract)
    assert done.groups == ("< 3", "[3, 6)", ">= 6")


def test_several_attributes_and_intersections_are_entries_of_their_columns() -> None:
    frame = RAW.assign(years=range(8))
    contract, notes = infer(
        frame, 5, attr=["sex", "sex*years", "branch"], bins="3,6", privileged="sex=f", ignore=("branch", "years")
    )
    sex, years, branch = contract.attributes
    assert (sex.column, sex.groups, sex.privileged) == ("sex", ("f", "m"), "f")
    assert (years.column, years.groups, years.bins) == ("years", ("< 3", "[3, 6)", ">= 6"), (3, 6))
    assert (branch.column, branch.groups, branch.privileged) == ("branch", ("x", "y", "z"), None)
    assert sum("is no input" in note for note in notes) == 3
    done = prepare(read_table(frame), Columns(attr=["sex*years", "sex"]), inputs={"features": 5}, contract=contract)
    assert done.groupings["sex*years"].names[0] == "f × < 3"
    assert done.groupings["sex"].privileged == 0


def test_attributes_that_are_inputs_are_told_by_the_widths() -> None:
    frame = RAW.assign(race=["p", "q", "r", "p"] * 2)
    for width, columns in (
        (5, ["age", "job", "home"]),
        (7, ["sex", "age", "job", "home"]),
        (8, ["age", "job", "home", "race"]),
        (10, ["sex", "age", "job", "home", "race"]),
    ):
        contract, _ = infer(frame, width, attr=["sex", "race"])
        assert [feature.column for feature in contract.features] == columns
    with pytest.raises(ContractError, match="in more than one way"):
        infer(RAW.assign(race=["p", "q"] * 4), 7, attr=["sex", "race"])


def test_groups_of_rows_that_lack_another_attribute_are_told_too() -> None:
    frame = RAW.assign(race=["p", "q", "r", None] * 2, sex=["f", "m", None, "d"] * 2)
    contract, _ = infer(frame, 5, attr=["sex", "race"], missing_attr="drop", min_group=100)
    assert [entry.groups for entry in contract.attributes] == [("d", "f", "m"), ("p", "q", "r")]


def test_the_group_input_is_made_from_the_first_attribute() -> None:
    asked = {"inputs": {"a": 5, "b": 1}, "roles": {"a": "features", "b": "group"}, "features": ("age", "job", "home")}
    contract, notes = infer(attr=["sex", "branch"], ignore=(), **asked)
    assert contract.features[-1].column == "sex"
    assert any("made from 'sex', the first --attr" in note for note in notes)
    with pytest.raises(ContractError, match=r"'sex\*branch' is an intersection\n.*--attr 'sex' --attr"):
        infer(attr=["sex*branch", "sex"], ignore=(), **asked)


def test_lender_by_hand() -> None:
    frame = lender_table(500, 3)
    table = read_table(frame)
    contract, _ = infer_contract(
        table, Columns(attr=ATTRIBUTE, label=LABEL, positive=POSITIVE, features=FEATURES), {"x": None}
    )
    encoded, _, problems = encode(table, Contract.from_json(contract.to_json()), "float64")
    assert not problems
    assert encoded is not None
    numeric = frame[list(FEATURES)].select_dtypes("number").columns
    by_hand = pd.get_dummies(frame[list(FEATURES)].assign(**{c: frame[c].fillna(frame[c].mean()) for c in numeric}))
    got = pd.DataFrame(encoded["features"], columns=[name for f in contract.features for name in f.encoded])
    for name in numeric:
        np.testing.assert_allclose(got[name], (by_hand[name] - frame[name].mean()) / frame[name].std(ddof=0))
    dummies = [name for name in by_hand if name not in numeric]
    assert (got[dummies].to_numpy() == by_hand[dummies].to_numpy(dtype=float)).all()
    assert set(got) == set(by_hand)
    assert CLUSTER not in contract.to_json()


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.sampled_from(["a", "b", "ü"]) | st.none(), st.booleans()),
        min_size=3,
        max_size=30,
    )
)
def test_encoding_can_be_read_back(cells: list[tuple[float, str | None, bool]]) -> None:
    frame = pd.DataFrame(cells, columns=["number", "job", "flag"])
    if frame["job"].isna().all():
        frame.loc[0, "job"] = "a"
    frame = frame.assign(sex=[i % 2 for i in range(len(frame))], label=[i % 2 for i in range(len(frame))])
    table = read_table(frame)
    contract, _ = infer_contract(
        table, Columns(attr="sex", features=("number", "job", "flag")), {"x": None}, standardise=True
    )
    encoded, _, problems = encode(table, contract, "float64")
    assert not problems
    assert encoded is not None
    values = encoded["features"]
    number, job, _ = contract.features
    assert number.mean is not None
    assert number.sd is not None
    scale = max(1.0, float(np.abs(frame["number"]).max()))
    np.testing.assert_allclose(values[:, 0] * number.sd + number.mean, frame["number"], atol=1e-9 * scale)
    names = [*(job.categories or ()), None]
    assert [names[i] for i in values[:, 1:-1].argmax(1)] == [None if pd.isna(v) else v for v in frame["job"]]
    assert values[:, -1].tolist() == frame["flag"].astype(float).tolist()
    # what was encoded is known as such
    columns = [name for feature in contract.features for name in feature.encoded]
    done = pd.DataFrame(values, columns=columns).assign(sex=frame["sex"], label=frame["label"])
    assert already_encoded(read_table(done), contract)
    assert not already_encoded(table, contract)
