"""From a table to a sample: columns, labels, groups, missing values; everything wrong is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from debias.contract import Contract, Feature, Input, ProtectedAttribute
from debias.data.columns import Columns
from debias.data.prepare import Prepared, prepare
from debias.data.split import overlap
from debias.data.tables import read_table
from debias.errors import ContractError, DataError

N = 12
BASE = pd.DataFrame(
    {
        "age": np.arange(20.0, 20 + N),
        "debt": np.linspace(-1, 1, N),
        "sex": [0, 1] * (N // 2),
        "label": [0, 0, 1, 1] * (N // 4),
    }
)


def make(frame: pd.DataFrame = BASE, width: int | None = 2, like: Prepared | None = None, **columns: Any) -> Prepared:
    contract = columns.pop("contract", None)
    dtype = columns.pop("dtype", "float32")
    told = Columns(**{"attr": "sex", **columns})
    return prepare(read_table(frame), told, inputs={"features": width}, contract=contract, dtype=dtype, like=like)


def refused(frame: pd.DataFrame, found: str | None, width: int | None = 2, **columns: Any) -> list[str]:
    with pytest.raises(DataError, match=found) as caught:
        make(frame, width, **columns)
    return [str(problem) for problem in caught.value.problems]


# inputs


def test_columns_by_count_without_the_attribute() -> None:
    done = make()
    assert done.features == ("age", "debt")
    assert not done.sample.attributes["sex"].is_input
    assert done.sample.inputs["features"].dtype == torch.float32
    assert done.sample.inputs["features"].shape == (N, 2)
    assert done.sample.rows.tolist() == list(range(1, N + 1))
    assert any("but 'label' and 'sex'" in note for note in done.notes)


def test_columns_by_count_with_the_attribute() -> None:
    done = make(width=3)
    assert done.features == ("age", "debt", "sex")
    assert done.sample.attributes["sex"].is_input


def test_unknown_width_takes_all_columns() -> None:
    assert make(width=None).features == ("age", "debt", "sex")
    assert make(width=None, ignore=("sex",)).features == ("age", "debt")


def test_neither_fits_lists_both() -> None:
    (problem,) = refused(BASE, "the network reads 5 columns", width=5)
    assert "are 3: 'age', 'debt', 'sex'" in problem
    assert "are 2: 'age', 'debt'" in problem
    assert "--features" in problem
    assert "debias contract" in problem


def test_weight_split_and_ignored_columns_are_no_inputs() -> None:
    frame = BASE.assign(w=2.0, person=[f"p{i // 2}" for i in range(N)], id=range(N))
    done = make(frame, weight="w", split_by="person", ignore=["id"])
    assert done.features == ("age", "debt")
    assert done.sample.weight is not None
    assert done.sample.weight.tolist() == [2.0] * N
    assert done.sample.cluster is not None
    assert (done.sample.cluster[::2] == done.sample.cluster[1::2]).all()
    assert len(set(done.sample.cluster.tolist())) == N // 2


def test_named_features_in_their_order() -> None:
    done = make(features=["debt", "age"])
    assert done.sample.inputs["features"][0].tolist() == [-1.0, 20.0]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"features": ["age"]}, "--features names 1 column, the network reads 2"),
        ({"features": ["age", "age"]}, "names 'age' more than once"),
        ({"features": ["age", "label"]}, "names the label 'label'"),
        ({"features": ["age", "nope"]}, r"has no column 'nope' \(--features\)"),
        ({"features": ["age", "debt"], "ignore": ["age"]}, "in --features and in --ignore"),
        ({"ignore": ["nope"]}, r"has no column 'nope' \(--ignore\)"),
        ({"attr": "sexx"}, r"has no column 'sexx' \(--attr\)\n.*Did you mean 'sex'"),
        ({"attr": "Sex"}, r"has no column 'Sex' \(--attr\)\n.*Did you mean 'sex'"),
        ({"label": "nope"}, r"has no column 'nope' \(--label\)\n.*Columns: 'age'"),
        ({"attr": "label"}, "both the label and the attribute"),
        ({"weight": "nope"}, r"\(--weight\)"),
        ({"split_by": "nope"}, r"\(--split-by\)"),
    ],
)
def test_columns_that_clash(columns: dict[str, Any], found: str) -> None:
    refused(BASE, found, **columns)


def test_nothing_left_for_the_network() -> None:
    refused(BASE, "no column is left", width=None, ignore=["age", "debt", "sex"])


def test_standardised_attribute_that_is_an_input() -> None:
    frame = BASE.assign(sex=np.where(BASE["sex"] == 1, 0.6925939, -1.4438481))
    done = make(frame, width=3)
    attribute = done.sample.attributes["sex"]
    assert attribute.groups == ("-1.44385", "0.692594")
    assert attribute.is_input
    assert done.privileged == "0.692594"
    assert make(frame, width=3, privileged="-1.44385").privileged == "-1.44385"


def test_a_copy_of_a_standardised_attribute_is_ambiguous() -> None:
    frame = BASE.assign(sex=np.where(BASE["sex"] == 1, 0.69, -1.44), sex_group=BASE["sex"])
    refused(frame, "fits without 'sex', or without 'sex_group'", width=3)
    assert make(frame, width=3, ignore=["sex_group"]).features == ("age", "debt", "sex")
    assert make(frame, width=3, attr="sex_group").features == ("age", "debt", "sex")


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([np.nan, 1.0] * 6, "column 'debt': 6 missing values in rows 1, 3, 5, 7, 9 and 1 more"),
        ([1.0] * 11 + [np.inf], "infinite numbers, or numbers beyond float32, in 1 row: row 12"),
        ([1.0] * 11 + [1e39], "beyond float32, in 1 row: row 12"),
        (["1", "x", *["2"] * 10], "column 'debt': text in a numeric column: 'x' in row 2"),
        (["1", "1,5", *["2"] * 10], "'1,5' in row 2\n.*decimal comma"),
        (list("abcdefabcdef"), r"in rows 1, 2, 3, 4, 5 and 7 more\n.*debias contract"),
        ([pd.Timestamp("2020-01-01")] * 12, "text in a numeric column: '2020-01-01"),
        ([[1]] * 12, "text in a numeric column"),
        (["1_000"] * 12, "text in a numeric column: '1_000'"),
    ],
)
def test_inputs_that_are_no_numbers(cells: list[Any], found: str) -> None:
    refused(BASE.assign(debt=cells), found)


def test_double_networks_take_what_fits_double() -> None:
    done = make(BASE.assign(debt=[1.0] * 11 + [1e39]), dtype="float64")
    assert done.sample.inputs["features"].dtype == torch.float64
    assert done.sample.inputs["features"][11, 1].item() == 1e39


def test_booleans_and_text_numbers_are_numbers() -> None:
    done = make(BASE.assign(debt=[True, False] * 6, age=["1", "2.5"] * 6))
    assert done.sample.inputs["features"][:2].tolist() == [[1.0, 1.0], [2.5, 0.0]]


def test_several_inputs_need_a_contract() -> None:
    with pytest.raises(ContractError, match="inputs 'features', 'cluster': which columns go where"):
        prepare(read_table(BASE), Columns(attr="sex"), inputs={"features": 2, "cluster": 3})


def test_all_problems_at_once() -> None:
    frame = BASE.assign(debt=[np.nan] * 12, age=["x"] * 12, label=[0, 1, 2] * 4, w=-1.0)
    problems = refused(frame, None, weight="w", attr="nope", features=["age", "debt"])
    assert len(problems) == 5
    for found in ("not binary", "(--attr)", "text in a numeric column", "missing values", "weight must be"):
        assert any(found in problem for problem in problems), found


# labels


@pytest.mark.parametrize(
    ("label", "positive", "name"),
    [
        ([0, 1], None, "1"),
        ([0.0, 1.0], None, "1"),
        ([-1, 1], None, "1"),
        ([False, True], None, "True"),
        (["0", "1"], None, "1"),
        ([0, 1], "1", "1"),
        ([0, 1], "1.0", "1"),
        (["no", "yes"], "yes", "yes"),
        ([1, 2], "2", "2"),
        ([False, True], "true", "True"),
    ],
)
def test_labels(label: list[Any], positive: str | None, name: str) -> None:
    done = make(BASE.assign(label=label * 6), positive=positive)
    assert done.sample.y.tolist() == [0, 1] * 6
    assert done.positive == name


def test_the_positive_value_may_be_zero() -> None:
    assert make(BASE.assign(label=[0, 1] * 6), positive="0").sample.y.tolist() == [1, 0] * 6


@pytest.mark.parametrize(
    ("label", "positive", "found"),
    [
        ([0, 1, 0.5], None, "not binary: 3 values, besides '0', '1' also '0.5' first in row 3"),
        (["a", "b", "c"], "a", "not binary: 3 values"),
        ([1, 1, 1], None, "the label is always '1'"),
        ([None, None, None], None, "missing everywhere"),
        ([0, 1, None], None, "the label is missing in 4 rows: rows 3, 6, 9, 12"),
        (["no", "yes", "no"], None, "holds 'no', 'yes': which one .*\n.*--positive 'yes'"),
        ([1, 2, 1], None, "holds '1', '2': which one"),
        (["no", "yes", "no"], "maybe", "--positive 'maybe' is no label; there are 'no', 'yes'"),
        ([0, 1, 0], "2", "--positive '2' is no label"),
    ],
)
def test_labels_refused(label: list[Any], positive: str | None, found: str) -> None:
    refused(BASE.assign(label=label * 4), found, positive=positive)


@pytest.mark.parametrize("name", ["label", "Y", "TARGET"])
def test_the_label_is_found_by_name(name: str) -> None:
    assert make(BASE.rename(columns={"label": name})).label == name


def test_no_label_or_several() -> None:
    refused(BASE.rename(columns={"label": "z"}), "has no column named label, y or target.*\n.*--label. Columns: 'age'")
    refused(BASE.assign(y=0), "has 'label', 'y': which column is the label")


# groups


def test_text_groups_and_who_is_privileged() -> None:
    frame = BASE.assign(sex=["f", "m"] * 6, label=[0, 1] * 5 + [1, 1])
    done = make(frame)
    assert done.groups == ("f", "m")
    assert done.sample.attributes["sex"].codes.tolist() == [0, 1] * 6
    assert done.privileged == "m"
    assert any("100.0% favourable labels against 16.7%" in note for note in done.notes)
    assert make(frame, favorable="negative").privileged == "f"
    assert make(frame, privileged="f").privileged == "f"


def test_three_groups_have_no_privileged_one_unless_named() -> None:
    frame = BASE.assign(sex=["a", "b", "c"] * 4)
    assert make(frame).privileged is None
    assert make(frame, privileged="c").sample.attributes["sex"].privileged == 2


def test_numeric_groups() -> None:
    assert make().privileged == "1"
    assert make(BASE.assign(sex=[1.0, 2.0] * 6)).groups == ("1", "2")
    assert make(BASE.assign(sex=[True, False] * 6)).privileged == "True"


def test_non_ascii_groups() -> None:
    done = make(BASE.assign(sex=["zażółć", "女"] * 6), privileged="女")
    assert (done.groups, done.privileged) == (("zażółć", "女"), "女")


def test_integers_beyond_int64_stay_apart(tmp_path: Path) -> None:
    big = 2**64
    frame = BASE.assign(sex=[str(big), str(big + 1)] * 6)
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = prepare(read_table(tmp_path / "t.csv"), Columns(attr="sex"), inputs={"features": 2})
    assert done.groups == (str(big), str(big + 1))
    assert make(BASE.assign(sex=[big, big + 1] * 6)).groups == done.groups
    assert make(BASE.assign(debt=[10**400] + [1] * 11), None, ignore=["debt"]).features == ("age", "sex")
    refused(BASE.assign(debt=[10**400] + [1] * 11), "column 'debt': text in a numeric column: '1000.*' in row 1")


def test_values_of_flags_may_be_numbers() -> None:
    assert make(positive=0, privileged=0).sample.y.tolist() == [1, 1, 0, 0] * 3
    assert make(positive=0, privileged=0).privileged == "0"


def test_groups_that_differ_in_case_are_told() -> None:
    assert any("differ in case" in note for note in make(BASE.assign(sex=["Male", "male", "f"] * 4)).notes)


@pytest.mark.parametrize(
    ("cells", "columns", "found"),
    [
        (["f"] * 12, {}, "one group only: 'f' in all 12 rows"),
        ([None] * 12, {}, "missing in every row"),
        ([None, "f", "m"] * 4, {}, "missing in 4 rows of 12: rows 1, 4, 7, 10\n.*--missing-attr drop"),
        (["", "f", " "] * 4, {"missing_attr": "drop"}, "one group only"),
        (list(range(12)), {}, r"numeric with 12 values from 0 to 11\n.*--bins 25,45 .*median is 5.5"),
        (["f", "m"] * 6, {"privileged": "x"}, "--privileged 'x' is none of the groups 'f', 'm'"),
        (["f", "m"] * 6, {"bins": "3"}, "--bins needs a numeric attribute"),
        ([0, 1] * 6, {"bins": "5,3"}, "finite and ascending"),
        ([0, 1] * 6, {"bins": "a"}, "is no list of numbers"),
        ([0, 1] * 6, {"bins": "25"}, "between 2 and 10 quantile bins\n?.*"),
        ([0, 1] * 6, {"bins": "0,"}, "no row falls into the bin '< 0'; values run from 0 to 1"),
        ([1, "x"] * 6, {"bins": "1,"}, "text in a binned attribute: rows 2, 4"),
    ],
)
def test_groups_refused(cells: list[Any], columns: dict[str, Any], found: str) -> None:
    refused(BASE.assign(sex=cells), found, **columns)


def test_bins() -> None:
    done = make(attr="age", bins="25,28.5", width=3)
    assert done.groups == ("< 25", "[25, 28.5)", ">= 28.5")
    assert np.bincount(done.sample.attributes["age"].codes).tolist() == [5, 4, 3]
    assert any("< 25: 5 rows, [25, 28.5): 4 rows, >= 28.5: 3 rows" in note for note in done.notes)
    assert make(attr="age", bins="25,", width=3).privileged == ">= 25"
    assert make(attr="age", bins=[25], width=3).groups == ("< 25", ">= 25")
    assert make(attr="age", bins="25,", privileged="< 25", width=3).privileged == "< 25"


def test_quantile_bins() -> None:
    done = make(attr="age", bins="4", width=3)
    assert done.groups == ("< 23", "[23, 26)", "[26, 29)", ">= 29")
    assert np.bincount(done.sample.attributes["age"].codes).tolist() == [3, 3, 3, 3]


def test_missing_attribute_dropped() -> None:
    done = make(BASE.assign(sex=["f", "m", None] * 4), missing_attr="drop")
    assert (done.missing, done.dropped, len(done.sample)) == (4, 4, 8)
    assert done.groups == ("f", "m")
    assert done.sample.rows.tolist() == [1, 2, 4, 5, 7, 8, 10, 11]
    assert any("4 rows without a value, left out" in note for note in done.notes)


def test_missing_attribute_as_a_group() -> None:
    frame = BASE.assign(sex=["f", "m", None] * 4)
    done = make(frame, missing_attr="group")
    assert (done.missing, done.dropped, done.groups) == (4, 0, ("f", "m", "(missing)"))
    assert done.sample.attributes["sex"].codes.tolist() == [0, 1, 2] * 4
    assert make(frame, like=done).sample.attributes["sex"].codes.tolist() == [0, 1, 2] * 4


def test_missing_and_one_group_are_two() -> None:
    done = make(BASE.assign(sex=["f", None] * 6), missing_attr="group")
    assert (done.groups, done.privileged) == (("f", "(missing)"), "f")


def test_dropping_rows_may_leave_one_label() -> None:
    frame = BASE.assign(sex=["f", "m", None, None] * 3)
    refused(frame, "one label value is left", missing_attr="drop")


# weights and clusters


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([1.0] * 11 + [-1.0], "'-1.0' in row 12"),
        ([1.0] * 11 + [np.nan], "row 12"),
        (["x"] * 12, "'x' in rows 1"),
        ([0] * 12, "every weight is 0"),
    ],
)
def test_weights_refused(cells: list[Any], found: str) -> None:
    refused(BASE.assign(w=cells), found, weight="w")


def test_cluster_without_a_value() -> None:
    refused(BASE.assign(c=["a"] * 11 + [None]), "column 'c': 1 row without a value: row 12", split_by="c")


# the next table


def test_like_keeps_what_the_first_table_settled() -> None:
    first = make(BASE.assign(sex=["f", "m"] * 6, label=["no", "yes"] * 6), positive="yes", privileged="f")
    frame = BASE.assign(sex=["m", "m", "f"] * 4, label=["yes", "no"] * 6, extra="text")[
        ["extra", "label", "sex", "debt", "age"]
    ]
    done = make(frame, like=first)
    assert done.features == ("age", "debt")
    assert done.sample.y.tolist() == [1, 0] * 6
    assert done.sample.attributes["sex"].codes.tolist() == [1, 1, 0] * 4
    assert (done.positive, done.privileged) == ("yes", "f")


def test_like_keeps_bins() -> None:
    first = make(attr="age", bins="3", width=3)
    done = make(BASE.assign(age=BASE["age"] + 4), like=first, width=3)
    assert done.groups == first.groups
    assert np.bincount(done.sample.attributes["age"].codes).tolist() == [0, 4, 8]


def test_like_refuses_an_unseen_group() -> None:
    first = make(BASE.assign(sex=["f", "m"] * 6))
    refused(
        BASE.assign(sex=["f", "m", "x"] * 4),
        "1 value of the attribute outside the groups 'f', 'm': 'x' in rows 3, 6, 9, 12",
        like=first,
    )
    refused(BASE.assign(sex=["f", "m", None] * 4), "missing in 4 rows", like=first)


def test_like_may_lack_the_cluster_column() -> None:
    first = make(BASE.assign(c=range(12)), split_by="c")
    assert make(BASE, like=first, split_by="c").sample.cluster is None


# hashes


def test_hashes_know_a_row_again(tmp_path: Path) -> None:
    first = make(BASE.assign(debt=[-0.0, 0.1] * 6))
    other = BASE.assign(debt=[0.0, 0.1] * 6).sample(frac=1, random_state=1)[["sex", "label", "debt", "age"]]
    other.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", "test")
    second = prepare(table, first.columns, inputs={"features": 2}, like=first)
    assert overlap(first.sample, second.sample) == N
    changed = make(BASE.assign(debt=[0.0, 0.1] * 6, label=1 - BASE["label"]))
    assert overlap(first.sample, changed.sample) == 0


# contracts

CONTRACT = Contract(
    inputs=(Input(name="x", role="features"),),
    features=(
        Feature(column="age", kind="numeric", mean=25, sd=2, missing="mean"),
        Feature(column="job", kind="category", categories=("a", "b"), missing="category"),
        Feature(column="home", kind="boolean", missing="zero"),
    ),
    label="paid",
    positive="yes",
    favorable="negative",
    attributes=(ProtectedAttribute(column="sex", privileged="f", groups=("m", "f")),),
)
RAW = pd.DataFrame(
    {
        "sex": ["f", "m"] * 3,
        "paid": ["no", "no", "yes"] * 2,
        "home": [True, False, None, True, True, False],
        "job": ["a", "b", None, "a", "b", "b"],
        "age": [25, 27, np.nan, 21, 25, 25],
        "comment": "text",
    }
)


def test_contract_encodes() -> None:
    done = make(RAW, 5, contract=CONTRACT)
    assert done.sample.inputs["features"].tolist() == [
        [0, 1, 0, 0, 1],
        [1, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [-2, 1, 0, 0, 1],
        [0, 0, 1, 0, 1],
        [0, 0, 1, 0, 0],
    ]
    assert (done.label, done.positive, done.favorable, done.privileged) == ("paid", "yes", "negative", "f")
    assert done.groups == ("m", "f")
    assert done.features == ("age", "job", "home")
    assert done.encoding == "contract"


def test_flags_go_before_the_contract() -> None:
    done = make(RAW, 5, contract=CONTRACT, positive="no", privileged="m", favorable="positive")
    assert (done.positive, done.privileged, done.favorable) == ("no", "m", "positive")


def test_other_bins_than_those_of_the_contract() -> None:
    told = ProtectedAttribute(column="age", bins=(24,), groups=("young", "old"), privileged="young")
    contract = CONTRACT.model_copy(update={"attributes": (told,)})
    frame = RAW.assign(age=[20, 21, 22, 24, 25, 26])
    done = make(frame, 5, contract=contract, attr="age")
    assert (done.groups, done.privileged) == (("young", "old"), "young")
    done = make(frame, 5, contract=contract, attr="age", bins="22,")
    assert (done.groups, done.privileged) == (("< 22", ">= 22"), ">= 22")


def test_like_encodes_by_contract_too() -> None:
    first = make(RAW, 5, contract=CONTRACT)
    assert make(RAW, 5, contract=CONTRACT, like=first).sample.inputs["features"].tolist() == (
        first.sample.inputs["features"].tolist()
    )


def test_encoded_tables_are_taken_as_they_are() -> None:
    names = [name for feature in CONTRACT.features for name in feature.encoded]
    frame = pd.DataFrame(np.arange(30.0).reshape(6, 5), columns=names).assign(sex=RAW["sex"], paid=RAW["paid"])
    done = make(frame[["sex", *reversed(names), "paid"]], 5, contract=CONTRACT)
    assert done.sample.inputs["features"].tolist() == np.arange(30.0).reshape(6, 5).tolist()
    assert any("encoded already" in note for note in done.notes)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            {"job": ["a", "z", "b"] * 2},
            "value that the network was not trained on: 'z' in rows 2, 5\n.*known are 'a'",
        ),
        ({"age": ["x", 1] * 3}, "column 'age': text in a numeric column: 'x' in rows 1, 3, 5"),
        ({"age": [np.inf] * 6}, "infinite numbers"),
        ({"home": ["yes", "maybe"] * 3}, "'maybe' is no truth value .* in rows 2, 4, 6"),
        ({"sex": ["f", "m", "x"] * 2}, "outside the groups 'm', 'f': 'x' in rows 3, 6"),
    ],
)
def test_contract_refuses(change: dict[str, Any], found: str) -> None:
    refused(RAW.assign(**change), found, 5, contract=CONTRACT)


def test_contract_names_every_absent_column() -> None:
    problems = refused(RAW.drop(columns=["age", "home"]), None, 5, contract=CONTRACT)
    assert [("'age'" in p, "'home'" in p) for p in problems] == [(True, False), (False, True)]


def test_missing_values_without_a_rule() -> None:
    strict = Contract(
        features=(
            Feature(column="age", kind="numeric"),
            Feature(column="job", kind="category", categories=("a", "b")),
            Feature(column="home", kind="boolean"),
        ),
        label="paid",
        positive="yes",
    )
    problems = refused(RAW, None, 4, contract=strict)
    assert len(problems) == 3
    for problem in problems:
        assert "1 missing value in row 3\n  Fill them in, or state in the contract" in problem


def test_missing_values_as_zero() -> None:
    contract = Contract(
        features=(
            Feature(column="age", kind="numeric", mean=20, sd=5, missing="zero"),
            Feature(column="job", kind="category", categories=("a", "b"), missing="zero"),
        ),
        label="paid",
        positive="yes",
    )
    assert make(RAW, 3, contract=contract).sample.inputs["features"][2].tolist() == [-4, 0, 0]


def test_two_values_as_one_column() -> None:
    contract = Contract(
        features=(Feature(column="sex", kind="boolean", categories=("m", "f")),), label="paid", positive="yes"
    )
    done = make(RAW, 1, contract=contract)
    assert done.sample.inputs["features"].reshape(-1).tolist() == [1, 0] * 3
    assert done.sample.attributes["sex"].is_input


def test_numbers_as_categories() -> None:
    contract = Contract(
        features=(Feature(column="code", kind="category", categories=("1", "10", "2")),), label="paid", positive="yes"
    )
    done = make(RAW.assign(code=[1, 10, 2, 2.0, 1, 1]), 3, contract=contract)
    assert done.sample.inputs["features"].argmax(1).tolist() == [0, 1, 2, 2, 0, 0]


def test_roles_go_to_their_inputs() -> None:
    contract = Contract(
        inputs=(Input(name="x", role="features"), Input(name="z", role="cluster")),
        features=(
            Feature(column="job", kind="category", categories=("a", "b"), missing="zero", role="cluster"),
            Feature(column="age", kind="numeric", mean=0, sd=1, missing="mean"),
        ),
        label="paid",
        positive="yes",
    )
    table = read_table(RAW)
    done = prepare(table, Columns(attr="sex"), inputs={"features": 1, "cluster": 2}, contract=contract)
    assert done.sample.inputs["features"].shape == (6, 1)
    assert done.sample.inputs["cluster"].tolist()[:3] == [[1, 0], [0, 1], [0, 0]]
    with pytest.raises(ContractError, match="makes 2 columns for the input cluster, the network reads 3"):
        prepare(table, Columns(attr="sex"), inputs={"features": 1, "cluster": 3}, contract=contract)
    with pytest.raises(ContractError, match="gives columns to 'cluster', 'features', the network's inputs are 'feat"):
        prepare(table, Columns(attr="sex"), inputs={"features": 1}, contract=contract)


def test_contract_of_another_width() -> None:
    with pytest.raises(ContractError, match="makes 5 columns for the input features, the network reads 7: 'age' 1"):
        make(RAW, 7, contract=CONTRACT)


def test_features_flag_goes_round_the_contract() -> None:
    frame = RAW.assign(home=[0, 1] * 3, age=1.5)
    assert make(frame, 2, contract=CONTRACT, features=["home", "age"]).encoding == "plain"


SHARED = Path(__file__).parents[2].parent / "shared" / "models"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not beside the project")
@pytest.mark.parametrize(("name", "attr"), [("adult", "sex_group"), ("bank", "age_group"), ("compas", "race_group")])
def test_shared_tables(name: str, attr: str) -> None:
    import json

    described = json.loads((SHARED / f"{name}_42.json").read_text())
    inputs = {"features": len(described["features"])}
    data = prepare(read_table(SHARED / f"{name}_42_valid.csv.gz"), Columns(attr=attr), inputs=inputs)
    assert list(data.features) == described["features"]
    assert len(data.sample) == described["rows"]["valid"]
    test = prepare(read_table(SHARED / f"{name}_42_test.csv.gz", "test"), Columns(attr=attr), inputs=inputs, like=data)
    assert test.groups == ("0", "1")
    assert test.privileged == "1"
