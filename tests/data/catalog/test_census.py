"""American Community Survey and IPUMS: filters, names of codes, groups of occupations."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data.catalog import official
from debias.data.catalog.occupations import ADULT_1990, ADULT_2000, MAJOR_GROUPS_2018, grouped
from debias.data.catalog.people import age_bracket
from debias.errors import DataError
from tests.data.catalog import made
from tests.data.catalog.test_tables import tidy


def test_acs_keeps_the_rows_of_folktables(tmp_path: Path) -> None:
    made.acs(tmp_path)
    frame = tidy("acs", tmp_path).frame
    assert frame["age"].tolist() == [17, 30, 31, 46]
    assert frame["income"].tolist() == ["<=50K", ">50K", ">50K", "<=50K"]
    assert frame["occupation"].tolist() == [
        "Management",
        "Business and financial operations",
        "Computer and mathematical",
        "Military",
    ]
    assert frame["race"].tolist() == ["White", "Black or African American", "Asian", "Two or more races"]
    assert frame["sex"].tolist() == ["Male", "Female", "Male", "Female"]
    assert frame["marital_status"].tolist() == ["Never married", "Married", "Divorced", "Widowed"]
    assert frame["birthplace"].tolist() == ["United States", "Mexico", "Asia", "Oceania or at sea"]
    assert frame["education"].tolist() == ["High school diploma", "Bachelor's degree", "Doctorate", "None"]
    assert frame["education_level"].tolist() == [16, 21, 24, 1]


def test_acs_for_fair_medl_has_brackets(tmp_path: Path) -> None:
    made.acs(tmp_path)
    frame = tidy("acs", tmp_path, preset="fair-medl").frame
    assert frame["age_bracket"].tolist() == ["<=30", "<=30", "31-45", ">45"]
    assert "education" not in frame.columns


def test_acs_of_several_files_in_pieces_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.acs(tmp_path)
    whole = tidy("acs", tmp_path).frame
    made.acs(tmp_path, rows=made.ACS_ROWS[:2])
    made.acs(tmp_path, "psam_p36.csv", made.ACS_ROWS[2:])
    monkeypatch.setattr(official, "PIECE", 300)
    pd.testing.assert_frame_equal(tidy("acs", tmp_path).frame, whole)


def test_acs_that_is_prepared_already_has_races_from_zero(tmp_path: Path) -> None:
    raw = pd.DataFrame(made.ACS_ROWS[:4], columns=list(made.ACS_COLUMNS)).drop(columns="PWGTP").astype(float)
    prepared = raw.assign(PINCP=(raw["PINCP"] > 50_000).astype(int), RAC1P=(raw["RAC1P"] - 1).astype(int))
    prepared.to_parquet(tmp_path / "acs_income_2018.parquet")
    made.acs(tmp_path)
    ours = tidy("acs", tmp_path / "acs_income_2018.parquet").frame
    pd.testing.assert_frame_equal(ours, tidy("acs", tmp_path / "psam_p06.csv").frame)


def test_acs_with_other_codes_and_text(tmp_path: Path) -> None:
    def changed(column: str, value: object) -> Path:
        row = list(made.ACS_ROWS[0])
        row[made.ACS_COLUMNS.index(column)] = value
        return made.acs(tmp_path, rows=(*made.ACS_ROWS[1:4], tuple(row)))

    with pytest.raises(DataError, match=r"column 'MAR' holds '7', which its list of codes does not have"):
        tidy("acs", changed("MAR", 7))
    with pytest.raises(DataError, match=r"column 'OCCP' holds '970', which are no codes of this classification"):
        tidy("acs", changed("OCCP", 970))
    with pytest.raises(DataError, match=r"psam_p06.csv, row 4: column 'PINCP' holds 'rich', which is no number"):
        tidy("acs", changed("PINCP", "rich"))
    with pytest.raises(DataError, match=r"column 'SCHL' has empty cells"):
        tidy("acs", changed("SCHL", ""))
    with pytest.raises(DataError, match=r"no row is left"):
        tidy("acs", made.acs(tmp_path, rows=made.ACS_ROWS[4:]))
    frame = pd.read_csv(made.acs(tmp_path)).drop(columns=["RELP", "COW"])
    frame.to_csv(tmp_path / "psam_p06.csv", index=False)
    with pytest.raises(DataError, match=r"lacks the columns 'COW', 'RELP'; it has"):
        tidy("acs", tmp_path)


def test_ipums_keeps_working_adults_of_2006(tmp_path: Path) -> None:
    made.ipums(tmp_path)
    result = tidy("ipums", tmp_path)
    frame = result.frame
    assert frame["age"].tolist() == [17, 30, 46]
    assert frame["income"].tolist() == ["<=50K", ">50K", ">50K"]
    assert frame["occupation"].tolist() == ["Exec-managerial", "Priv-house-serv", "?"]
    assert frame["race"].tolist() == ["White", "Chinese", "Two major races"]
    assert frame["birthplace"].tolist() == ["United States", "Asia", "Mexico"]
    assert frame["weeks_worked"].tolist() == [52, 50, 10]
    assert len(frame.columns) == 15, "14 attributes and the label, as in the paper"
    assert "Rows of the years 2005 are left out." in result.notes
    assert any("published: 1,572,387 (Fair MEDL paper)" in note for note in result.notes)
    medl = tidy("ipums", tmp_path, preset="fair-medl", exact=True).frame
    assert medl["age_bracket"].tolist() == ["<=30", "<=30", ">45"]


def test_ipums_without_the_wanted_columns_says_so(tmp_path: Path) -> None:
    made.ipums(tmp_path, HISPAN=None, CITIZEN=None, YEAR=None)
    result = tidy("ipums", tmp_path)
    assert "hispanic" not in result.frame.columns
    assert any("HISPAN, CITIZEN" in note for note in result.notes)


def test_ipums_with_codes_of_2000(tmp_path: Path) -> None:
    four = [10, 4230, 0, 4720, 4720, 4720, 4720]
    expected = ["Exec-managerial", "Other-service", "?"]
    made.ipums(tmp_path, OCC1990=None, OCC=four)
    assert tidy("ipums", tmp_path).frame["occupation"].tolist() == expected
    made.ipums(tmp_path, OCC1990=None, OCC=[code // 10 for code in four])
    assert tidy("ipums", tmp_path).frame["occupation"].tolist() == expected


def test_ipums_that_cannot_be_used(tmp_path: Path) -> None:
    made.ipums(tmp_path, OCC1990=None, EDUC=None)
    with pytest.raises(DataError, match=r"lacks 'EDUC', 'OCC1990 \(or OCC\)'"):
        tidy("ipums", tmp_path)
    made.ipums(tmp_path, YEAR=[2005] * 7)
    with pytest.raises(DataError, match=r"no row is left: years '2005'"):
        tidy("ipums", tmp_path)
    made.ipums(tmp_path, "usa_00002.csv")
    with pytest.raises(DataError, match="holds several extracts"):
        tidy("ipums", tmp_path)
    (tmp_path / "usa_00003.dat").write_text("200601")
    with pytest.raises(DataError, match="is an extract of fixed widths"):
        tidy("ipums", tmp_path / "usa_00003.dat")


@pytest.mark.parametrize("ranges", [MAJOR_GROUPS_2018, ADULT_1990, ADULT_2000])
def test_ranges_ascend_and_do_not_meet(ranges: tuple[tuple[int, int, str], ...]) -> None:
    ends = [end for first, last, _ in ranges for end in (first, last)]
    assert all(first <= last for first, last, _ in ranges)
    assert ends == sorted(ends)
    assert all(last < first for (_, last, _), (first, _, _) in pairwise(ranges))


def test_groups_are_those_of_the_classifications() -> None:
    # 23 major groups of SOC 2018, and the code for who has no occupation
    assert len({name for *_, name in MAJOR_GROUPS_2018}) == 24
    assert len({name for *_, name in ADULT_1990}) == 14
    assert {name for *_, name in ADULT_1990} - {name for *_, name in ADULT_2000} == {"Priv-house-serv"}


@pytest.mark.parametrize("ranges", [MAJOR_GROUPS_2018, ADULT_1990, ADULT_2000])
def test_grouping_is_that_of_a_loop(ranges: tuple[tuple[int, int, str], ...]) -> None:
    codes = [code for first, last, _ in ranges for code in {first, (first + last) // 2, last}]
    expected = [next(name for first, last, name in ranges if first <= code <= last) for code in codes]
    found = grouped(np.array([*codes, np.nan, 7_777_777.0]), ranges, "OCC", "file", "?", (7_777_777,))
    assert found.tolist() == [*expected, "?", "?"]


def test_brackets_of_age_at_their_edges() -> None:
    assert age_bracket(np.array([17, 30, 31, 45, 46, 90])).tolist() == ["<=30", "<=30", "31-45", "31-45", ">45", ">45"]
