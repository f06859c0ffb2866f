"""Several attributes, intersections and small groups: against pandas, and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.contract import Contract, ProtectedAttribute
from debias.data.columns import Columns
from debias.data.grouping import JOINT, OTHER_GROUP, contract_entries
from debias.data.groups import MISSING_GROUP
from debias.data.prepare import Prepared, prepare
from debias.data.tables import read_table
from debias.errors import DataError

N = 12
BASE = pd.DataFrame(
    {
        "age": np.arange(20.0, 20 + N),
        "sex": ["f", "m"] * 6,
        "race": ["x", "x", "y", "y"] * 3,
        "debt": np.linspace(-1, 1, N),
        "label": [0, 1, 1] * 4,
    }
)


def make(frame: pd.DataFrame = BASE, like: Prepared | None = None, **columns: Any) -> Prepared:
    contract = columns.pop("contract", None)
    told = Columns(**{"attr": ("sex", "race"), "features": ["debt"], **columns})
    return prepare(read_table(frame), told, inputs={"features": 1}, contract=contract, like=like)


def refused(found: str, frame: pd.DataFrame = BASE, **columns: Any) -> list[str]:
    with pytest.raises(DataError, match=found) as caught:
        make(frame, **columns)
    return [str(problem) for problem in caught.value.problems]


def members(done: Prepared, name: str) -> list[str | None]:
    """Return the name of each row's group."""
    attribute = done.sample.attributes[name]
    return [attribute.groups[code] if code >= 0 else None for code in attribute.codes]


cells = st.sampled_from(["a", "b", "c", "ü × 1", "=", "", None])
tables = st.lists(st.tuples(cells, cells, st.integers(0, 1)), min_size=4, max_size=60)


def framed(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["first", "second", "label"]).assign(debt=0.5)
    frame[["first", "second"]] = frame[["first", "second"]].astype(object).where(frame[["first", "second"]] != "", None)
    frame.loc[:1, "label"] = [0, 1]
    return frame


@settings(deadline=None)
@given(tables, st.sampled_from(["drop", "group"]))
def test_an_intersection_is_a_groupby(rows: list[tuple[Any, ...]], policy: str) -> None:
    frame = framed(rows)
    by_pandas = frame.groupby(["first", "second"], sort=True).size()
    gaps = int(frame[["first", "second"]].isna().any(axis=1).sum())
    kept = frame.dropna(subset=["first", "second"]) if policy == "drop" else frame
    n_groups = len(by_pandas) + (policy == "group" and gaps > 0)
    if n_groups < 2 or kept["label"].nunique() < 2:
        with pytest.raises(DataError):
            make(frame, attr="first*second", missing_attr=policy)
        return
    done = make(frame, attr="first*second", missing_attr=policy)
    (grouping,) = done.groupings.values()
    names = [JOINT.join(pair) for pair in by_pandas.index]
    assert list(grouping.names[: len(names)]) == names
    assert grouping.sizes[: len(names)] == tuple(by_pandas)
    assert grouping.names[len(names) :] == ((MISSING_GROUP,) if n_groups > len(names) else ())
    assert sum(grouping.sizes) == len(done.sample)
    assert (done.missing, done.dropped) == (gaps, gaps if policy == "drop" else 0)
    told = [
        None if None in pair or pd.isna(pair[0]) or pd.isna(pair[1]) else JOINT.join(pair)
        for pair in zip(kept["first"], kept["second"], strict=True)
    ]
    assert members(done, "first*second") == [MISSING_GROUP if name is None else name for name in told]


@settings(deadline=None)
@given(tables, st.integers(0, 12))
def test_small_groups_are_merged(rows: list[tuple[Any, ...]], least: int) -> None:
    frame = framed(rows)
    sizes = frame.groupby("first").size()
    if len(sizes) < 2 or frame.dropna(subset=["first"])["label"].nunique() < 2:
        return
    asked = {"attr": "first", "missing_attr": "drop", "min_group": least}
    small = sizes[sizes < least]
    if len(small) == len(sizes):
        (problem,) = refused("leaves one group", frame, **asked)
        # The way out is one.
        way_out = int(problem.partition("Give --min-group ")[2].split()[0])
        assert len(make(frame, **{**asked, "min_group": way_out}).groups) >= 2
        return
    done = make(frame, **asked)
    large = sizes[sizes >= least]
    assert done.groups == (*large.index, *([OTHER_GROUP] if len(small) else []))
    assert done.grouping.sizes == (*large, *([small.sum()] if len(small) else []))
    expected = [OTHER_GROUP if value in small.index else value for value in frame["first"].dropna()]
    assert members(done, "first") == expected
    notes = [note for note in done.notes if "--min-group" in note and OTHER_GROUP in note]
    assert len(notes) == bool(len(small))
    for name, size in small.items():
        assert f"'{name}' {size}" in notes[0]
    # The next table is merged in the same way, whatever its own sizes are.
    again = make(frame.iloc[::-1], like=done, **asked)
    assert members(again, "first") == expected[::-1]


def test_several_attributes_in_order() -> None:
    done = make(attr=["race", "sex", "sex*race"], privileged={"sex": "m", "race": "x"})
    assert list(done.sample.attributes) == list(done.groupings) == ["race", "sex", "sex*race"]
    assert done.groups == ("x", "y")
    assert done.groupings["sex*race"].names == ("f × x", "f × y", "m × x", "m × y")
    assert done.groupings["sex*race"].sizes == (3, 3, 3, 3)
    assert [done.groupings[name].privileged for name in done.groupings] == [0, 1, None]
    assert [done.sample.attributes[name].privileged for name in done.groupings] == [0, 1, None]


def test_one_attribute_needs_no_sequence() -> None:
    assert Columns(attr="sex").attr == ("sex",)
    assert make(attr="sex").groups == make(attr=["sex"]).groups == ("f", "m")


def test_a_combination_without_rows_is_no_group() -> None:
    frame = BASE.assign(race=["x", "x", "x", "y"] * 3)
    done = make(frame, attr="sex*race")
    assert done.groups == ("f × x", "m × x", "m × y")
    other = frame.assign(race=["y", *frame["race"][1:]])
    (problem,) = refused("1 combination of the attribute that --data lacks", other, like=done)
    assert "attribute 'sex*race'" in problem
    assert "'f × y' in row 1" in problem
    (problem,) = refused("outside the groups 'x', 'y': 'z' in rows 1, 2", frame.assign(race=["z"] * 12), like=done)
    assert "column 'race'" in problem


def test_two_joint_groups_have_a_privileged_one() -> None:
    frame = BASE.assign(race=BASE["sex"].map({"f": "x", "m": "y"}), label=BASE["sex"].map({"f": 0, "m": 1}))
    done = make(frame, attr="sex*race")
    assert (done.groups, done.privileged) == (("f × x", "m × y"), "m × y")
    assert make(frame, attr="sex*race", privileged="f × x").privileged == "f × x"


def test_privileged_of_an_intersection_by_name() -> None:
    done = make(attr="sex * race", privileged="sex*race=m × y")
    assert done.privileged == "m × y"
    assert make(attr="sex * race", privileged="sex * race=m × y").privileged == "m × y"


def test_joint_names_that_read_alike_are_quoted() -> None:
    frame = BASE.assign(sex=["a × b", "a"] * 6, race=["c", "b × c"] * 6)
    done = make(frame, attr="sex*race")
    assert done.groups == ('"a" × "b × c"', '"a × b" × "c"')
    assert done.groupings["sex*race"].sizes == (6, 6)


def test_a_column_of_that_name_wins_over_the_split() -> None:
    frame = BASE.assign(**{"sex*race": ["p", "q", "q"] * 4})
    assert make(frame, attr="sex*race").groups == ("p", "q")
    both = make(frame, attr=["sex*race", "sex * race"], privileged="sex * race=f × x")
    assert list(both.groupings) == ["sex*race", "sex * race"]
    assert both.groupings["sex * race"].names[:2] == ("f × x", "f × y")
    assert both.groupings["sex * race"].privileged == 0
    parted = BASE.rename(columns={"sex": "a*b", "race": "c"})
    for typed in ("a*b*c", "a*b * c"):
        done = make(parted, attr=typed)
        assert [each.column for each in done.groupings["a*b*c"].columns] == ["a*b", "c"]


@pytest.mark.parametrize(
    ("attr", "found"),
    [
        ((), "no protected attribute named"),
        (("sex", "sex"), "'sex' is named more than once"),
        (("sex*race", "race*sex"), r"'race\*sex' is 'sex\*race' again"),
        (("sex*race", " sex * race"), r"' sex \* race' is 'sex\*race' again"),
        (("sex*sex",), "crosses a column with itself"),
        (("sex*",), r"nothing on one side of the \*"),
        (("*",), r"nothing on one side of the \*"),
        (("sex*Race",), r"has no column 'Race' \(--attr 'sex\*Race'\)\n.*Did you mean 'race'"),
        (("sex", "gender", "colour"), "has no column 'gender'(.|\n)*has no column 'colour'"),
        (("sex", "label*race"), "'label' is both the label and the attribute"),
    ],
)
def test_attributes_refused(attr: tuple[str, ...], found: str) -> None:
    refused(found, attr=attr)


def test_very_many_stars() -> None:
    refused("has no column|nothing on one side", attr="*".join("ab" * 5000))


HOSTILE = ('a,"b"', "=", "x=y", "*", "a * b", "' or 1", "--attr", "\x1b[2J\n", "👩🏽‍🚀", "select * from t;")


@settings(deadline=None)
@given(st.permutations(HOSTILE))
def test_hostile_names(names: list[str]) -> None:
    first, second, third = names[:3]
    frame = BASE.rename(columns={"sex": first, "race": second, "age": third})
    done = make(frame, attr=[first, second, third], bins={third: "25,"}, privileged={first: "f", second: "y"})
    assert list(done.groupings) == [first, second, third]
    assert [done.groupings[name].privileged for name in names[:3]] == [0, 1, 1]
    assert done.groupings[third].names == ("< 25", ">= 25")
    crossed = make(frame, attr=f"{first}*{second}")
    assert [each.column for each in crossed.grouping.columns] == [first, second]
    assert crossed.groups == ("f × x", "f × y", "m × x", "m × y")
    for entry, name in zip(contract_entries(done.groupings), names, strict=False):
        assert entry.column == name


# flags of several attributes


def test_bins_by_name() -> None:
    done = make(attr=["age", "debt", "sex*age"], bins=["age=25,28", "debt=0,"])
    assert done.groupings["age"].names == ("< 25", "[25, 28)", ">= 28")
    assert done.groupings["debt"].names == ("< 0", ">= 0")
    assert done.groupings["sex*age"].names[:2] == ("f × < 25", "f × [25, 28)")
    assert done.groupings["sex*age"].edges == ()
    assert done.groupings["age"].edges == (25, 28)
    assert make(attr=["age", "debt"], bins={"age": [25, 28], "debt": 2}).groupings["age"] == done.groupings["age"]


def test_plain_flags_go_to_the_one_that_can_take_them() -> None:
    done = make(attr=["sex", "age"], bins="25,", privileged="f")
    assert done.groupings["age"].names == ("< 25", ">= 25")
    assert done.groupings["sex"].privileged == 0
    # 0 and 1 need no bins, twelve ages do.
    done = make(BASE.assign(sex=[0, 1] * 6), attr=["sex", "age"], bins="25,")
    assert (done.groups, done.groupings["age"].names) == (("0", "1"), ("< 25", ">= 25"))
    assert make(attr="sex*age", bins="25,").groups[0] == "f × < 25"


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"attr": ["age", "debt"], "bins": "25,"}, "'25,': which attribute does it cut.*\n.*--bins 'age=25,'"),
        ({"bins": "25,"}, "Of 'sex', 'race', none is numeric"),
        ({"attr": ["age", "sex"], "bins": ["age=25,", "age=30,"]}, "given twice for 'age'"),
        ({"attr": ["age", "sex"], "bins": ["25,", "30,"]}, "given 2 times without the name"),
        ({"attr": ["age", "sex"], "bins": ["age=25,", "sex=3,"]}, "column 'sex': --bins needs a numeric attribute"),
        ({"attr": "age", "bins": ["age=25,", "30,"]}, "given twice for 'age'"),
        ({"privileged": "z"}, "'z' is a group of no attribute; groups of 'sex': 'f', 'm'; 'race': 'x', 'y'"),
        ({"privileged": "sex=z"}, "--privileged 'z' is none of the groups 'f', 'm'"),
        ({"privileged": ["m", "sex=f"]}, "given twice for 'sex'"),
        ({"privileged": ["sex=m", "sex=f"]}, "given twice for 'sex'"),
        ({"privileged": ["m", "f"]}, "given 2 times without the name"),
        ({"attr": ["sex", "sex2"], "privileged": "m"}, "'m' is a group of 'sex', 'sex2': which.*\n.*'sex=m'"),
        ({"attr": "sex*race", "privileged": "sex=m"}, "--privileged 'sex=m' is none of the groups 'f × x'"),
    ],
)
def test_flags_refused(columns: dict[str, Any], found: str) -> None:
    refused(found, BASE.assign(sex2=BASE["sex"]), **columns)


def test_an_equals_sign_in_a_group() -> None:
    frame = BASE.assign(sex=["a=b", "c"] * 6, race=["sex=c", "d"] * 6)
    assert make(frame, attr="sex", privileged="a=b").privileged == "a=b"
    assert make(frame, privileged=["sex=a=b", "race=sex=c"]).groupings["race"].privileged == 1
    # Only names of attributes count before the sign; the whole text is a group too.
    same = BASE.assign(sex=["sex=f", "sex=m"] * 6)
    assert make(same, attr="sex", privileged="sex=f").privileged == "sex=f"
    named = BASE.rename(columns={"sex": "a", "race": "a=b"})
    done = make(named, attr=["a", "a=b"], privileged=["a=b=y", "a=f"])
    assert [grouping.privileged for grouping in done.groupings.values()] == [0, 1]


# missing values

GAPS = BASE.assign(sex=["f", "m", None] * 4, race=["x", "y", "y", None] * 3)


def test_missing_attributes_are_all_told() -> None:
    problems = refused("missing in", GAPS)
    assert [problem.partition(":")[0] for problem in problems] == [f"DataFrame, column '{c}'" for c in ("sex", "race")]
    assert "missing in 4 rows of 12: rows 3, 6, 9, 12" in problems[0]
    assert "missing in 3 rows of 12: rows 4, 8, 12" in problems[1]
    assert len(refused("missing in", GAPS, attr=["sex", "race", "sex*race"])) == 2


def test_rows_that_lack_any_attribute_are_dropped() -> None:
    done = make(GAPS, attr=["sex", "race", "sex*race"], missing_attr="drop")
    assert (done.missing, done.dropped, len(done.sample)) == (6, 6, 6)
    assert done.sample.rows.tolist() == [1, 2, 5, 7, 10, 11]
    assert sum(done.groupings["sex"].sizes) == 6
    for name, n in (("column 'sex'", 4), ("column 'race'", 3), ("attribute 'sex*race'", 6)):
        assert any(f"{name}: {n} rows without a value, left out" in note for note in done.notes), name


def test_each_attribute_has_its_missing_group() -> None:
    done = make(GAPS, attr=["sex", "race", "sex*race"], missing_attr="group")
    assert (done.missing, done.dropped, len(done.sample)) == (6, 0, 12)
    assert done.groupings["sex"].names == ("f", "m", MISSING_GROUP)
    assert done.groupings["sex"].sizes == (4, 4, 4)
    assert done.groupings["race"].sizes == (3, 6, 3)
    joint = done.groupings["sex*race"]
    assert dict(zip(joint.names, joint.sizes, strict=True)) == {"f × x": 1, "f × y": 2, "m × x": 1, "m × y": 2} | {
        MISSING_GROUP: 6
    }
    again = make(GAPS, like=done, missing_attr="group")
    assert members(again, "sex*race") == members(done, "sex*race")
    full = make(attr=["sex", "race"], missing_attr="group")
    refused("the table before had no such group", GAPS, like=full, missing_attr="group")


def test_a_group_that_only_dropped_rows_have_is_none() -> None:
    frame = BASE.assign(sex=["f", "m", "z"] * 4, race=["x", "y", None] * 4)
    done = make(frame, missing_attr="drop")
    assert done.groups == ("f", "m")
    # A row that is left out may hold it; one that is not may not.
    assert make(frame, like=done, missing_attr="drop").groups == ("f", "m")
    refused("1 value of the attribute that --data lacks: 'z' in rows 3, 6", frame.assign(race="x"), like=done)


def test_text_that_says_missing_is_missing() -> None:
    frame = BASE.assign(sex=["f", "(missing)", None] * 4)
    done = make(frame, attr="sex", missing_attr="group")
    assert sorted(done.groups) == [MISSING_GROUP, "f"]
    assert dict(zip(done.groups, done.grouping.sizes, strict=True)) == {MISSING_GROUP: 8, "f": 4}
    assert done.privileged == "f"


def test_no_row_has_every_attribute() -> None:
    frame = BASE.assign(sex=["f", "m", None, None] * 3, race=[None, None, "x", "y"] * 3)
    refused("every row lacks one of the attributes", frame, missing_attr="drop")
    assert len(refused("missing in 6 rows", frame, attr="sex*race")) == 2
    assert len(refused("missing in 6 rows", frame, privileged="z", min_group=100)) == 4


def test_what_is_wrong_is_told_at_once() -> None:
    problems = refused("missing", GAPS, attr=["sex", "race"], privileged="sex=z")
    assert ["--privileged 'z'" in problem for problem in problems] == [False, False, True]
    assert len(refused("has no column 'gender'", attr=["sex", "gender"], privileged="gender=z")) == 1


# small groups

SIZES = BASE.assign(sex=["a"] * 6 + ["b"] * 3 + ["c"] * 2 + ["d"])


def test_min_group_says_which_and_how_many() -> None:
    done = make(SIZES, attr="sex", min_group=3)
    assert (done.groups, done.grouping.sizes) == (("a", "b", OTHER_GROUP), (6, 3, 3))
    (note,) = [note for note in done.notes if OTHER_GROUP in note]
    assert "2 groups with fewer than 3 rows (--min-group) became the group (other) of 3 rows: 'c' 2, 'd' 1." in note
    assert "still fewer" in " ".join(make(SIZES, attr="sex", min_group=2).notes)
    refused(r"leaves one group: each of the 4 has fewer rows, the largest 6 \('a'\)", SIZES, attr="sex", min_group=7)
    assert make(SIZES, attr="sex").groups == ("a", "b", "c", "d")


def test_min_group_counts_rows_that_are_kept() -> None:
    frame = SIZES.assign(race=["x", "y"] * 4 + [None] + ["x", "y", "x"])
    assert make(frame, missing_attr="drop", min_group=3).groupings["sex"].sizes == (6, 5)


def test_min_group_and_privileged() -> None:
    two = SIZES.assign(sex=["a"] * 6 + list("bbccdd"), label=[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
    assert make(two, attr="sex", min_group=3).privileged == OTHER_GROUP
    assert make(two, attr="sex", min_group=3, privileged="a").privileged == "a"
    refused(
        r"'b' is none of the groups 'a', '\(other\)'; \(other\) holds", two, attr="sex", min_group=3, privileged="b"
    )
    numbers = two.assign(sex=[1] * 6 + [2, 2, 3, 3, 4, 4])
    assert make(numbers, attr="sex", min_group=3).privileged == OTHER_GROUP  # no number, so by the labels
    bins = make(attr="age", bins="21,30", min_group=3)
    assert (bins.groups, bins.grouping.sizes) == (("[21, 30)", OTHER_GROUP), (9, 3))
    told = Contract(attributes=(ProtectedAttribute(column="sex", groups=("a", "b", "c", "d"), privileged="b"),))
    assert make(two, attr="sex", min_group=3, contract=told).privileged == OTHER_GROUP
    assert make(two, attr="sex", contract=told).privileged == "b"


def test_a_group_called_other_joins_the_others() -> None:
    done = make(SIZES.replace({"sex": {"b": OTHER_GROUP}}), attr="sex", min_group=3)
    assert (done.groups, done.grouping.sizes) == (("a", OTHER_GROUP), (6, 6))


def test_min_group_of_intersections_and_missing_values() -> None:
    done = make(GAPS, attr="sex*race", missing_attr="group", min_group=3)
    refused("leaves one group", GAPS, attr="sex*race", missing_attr="group", min_group=7)
    assert (done.groups, done.grouping.sizes) == ((MISSING_GROUP, OTHER_GROUP), (6, 6))
    few = make(GAPS.iloc[:11], attr=["sex", "race"], missing_attr="group", min_group=3)
    assert few.groupings["race"].names == ("x", "y", OTHER_GROUP)
    again = make(GAPS, like=few, missing_attr="group")
    assert members(again, "race") == ["x", "y", "y", OTHER_GROUP] * 3


# contracts


def test_a_contract_tells_groups_and_bins_of_the_parts() -> None:
    told = Contract(
        attributes=(
            ProtectedAttribute(column="age", bins=(25,), groups=("young", "old")),
            ProtectedAttribute(column="sex", groups=("m", "f"), privileged="m"),
        )
    )
    done = make(attr=["sex*age", "sex"], contract=told)
    assert done.groups == ("m × young", "m × old", "f × young", "f × old")
    assert done.groupings["sex"].privileged == 0
    refused("outside the groups 'm', 'f': 'z' in row 1", BASE.assign(sex=["z", *"mf" * 5, "m"]), contract=told)


def test_entries_hold_raw_groups() -> None:
    frame = SIZES.assign(race=GAPS["race"])
    done = make(frame, attr=["race*age", "sex"], bins={"age": "25,"}, missing_attr="group", min_group=3)
    before = Contract(attributes=(ProtectedAttribute(column="race", groups=("x", "y"), privileged="y"),))
    race, age, sex = contract_entries(done.groupings, before)
    assert (race.column, race.groups, race.privileged, race.bins) == ("race", ("x", "y"), "y", None)
    assert (age.column, age.groups, age.bins) == ("age", ("< 25", ">= 25"), (25,))
    assert (sex.column, sex.groups, sex.privileged) == ("sex", ("a", "b", "c", "d"), None)


def test_attribute_columns_among_the_inputs() -> None:
    frame = BASE.assign(sex=[0, 1] * 6, race=[0, 0, 1, 1] * 3)

    def features(width: int, attr: Sequence[str], **columns: Any) -> Prepared:
        told = Columns(attr=attr, **columns)
        return prepare(read_table(frame), told, inputs={"features": width})

    assert features(2, ["sex", "race"]).features == ("age", "debt")
    assert features(2, ["sex*race"]).features == ("age", "debt")
    every = features(4, ["sex", "race", "sex*race"])
    assert every.features == ("age", "sex", "race", "debt")
    assert all(attribute.is_input for attribute in every.sample.attributes.values())
    with pytest.raises(DataError, match=r"fits without 'sex', without 'race'\n.*--ignore 'sex'"):
        features(3, ["sex", "race"])
    part = features(3, ["sex*race", "sex"], ignore=["sex"])
    assert [attribute.is_input for attribute in part.sample.attributes.values()] == [True, False]
    with pytest.raises(DataError, match="Without the attribute 'sex' and 'race' too they are 2"):
        features(1, ["sex", "race"])
