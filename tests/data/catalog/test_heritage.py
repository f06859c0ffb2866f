"""Heritage Health: five small files of the official form, put together against pandas, patient by patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data.catalog import official
from debias.data.catalog.heritage import FEATURES
from debias.errors import DataError
from tests.data.catalog import made
from tests.data.catalog.test_tables import tidy

BRACKETS = {"0-9": "0-29", "20-29": "0-29", "30-39": "30-49", "40-49": "30-49", "60-69": "50-69"}
DAYS = dict(zip(made.LENGTHS, (0, 1, 3, 6, 10.5, 70, 182), strict=True))
CHARLSON = {"0": 0, "1-2": 1.5, "3-4": 3.5, "5+": 5}


def _csv(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)


def _most(column: pd.Series) -> str | None:
    counts = column[column != ""].value_counts()
    best = [name for name, count in counts.items() if count == counts.max()]
    return min(best, key=lambda name: (int(name), "") if name.isdigit() else (0, name)) if best else None


def _expected(folder: Path, part: str, year: str) -> list[dict[str, object]]:
    members = _csv(folder, "Members").set_index("MemberID")
    claims, drugs, labs = (_csv(folder, name) for name in ("Claims", "DrugCount", "LabCount"))
    claims, drugs, labs = (table[table["Year"] == year] for table in (claims, drugs, labs))
    rows = []
    for _, stay in _csv(folder, f"DaysInHospital_{part}").sort_values("MemberID").iterrows():
        own = claims[claims["MemberID"] == stay["MemberID"]]
        provider = _most(own["ProviderID"])
        if provider is None:
            continue
        age, sex = members.loc[stay["MemberID"]]
        delays = [float(cell.rstrip("+")) for cell in own["PayDelay"] if cell]
        row: dict[str, object] = {
            "age_bracket": BRACKETS.get(age, age) or None,
            "sex": sex or None,
            "claims_truncated": int(stay["ClaimsTruncated"]),
            "claims": len(own),
            "vendors": len(set(own["Vendor"]) - {""}),
            "primary_care_physicians": len(set(own["PCP"]) - {""}),
            "specialty": _most(own["Specialty"]),
            "place_of_service": _most(own["PlaceSvc"]),
            "condition_group": _most(own["PrimaryConditionGroup"]),
            "procedure_group": _most(own["ProcedureGroup"]),
            "pay_delay": np.mean(delays) if delays else np.nan,
            "length_of_stay": sum(DAYS[cell] for cell in own["LengthOfStay"]),
            "suppressed_stays": (own["SupLOS"] == "1").sum(),
            "charlson_index": max(CHARLSON[cell] for cell in own["CharlsonIndex"]),
            "months_since_first_claim": max(made.MONTHS.index(c) + 1 if c else 0 for c in own["DSFS"]),
            "provider": provider,
            "days_in_hospital": int(stay["DaysInHospital"]),
        }
        for table, total, months in ((drugs, "drugs", "drug_months"), (labs, "labs", "lab_months")):
            entries = table[table["MemberID"] == stay["MemberID"]]
            row[total] = sum(int(cell.rstrip("+")) for cell in entries.iloc[:, 3])
            row[months] = entries["DSFS"].nunique()
        rows.append(row)
    return rows


@pytest.mark.parametrize(("part", "year"), [("Y2", "Y1"), ("Y3", "Y2")])
@pytest.mark.parametrize("seed", [0, 1])
def test_each_patient_is_what_pandas_makes_of_the_claims(tmp_path: Path, part: str, year: str, seed: int) -> None:
    made.heritage(tmp_path, seed=seed)
    frame = tidy("heritage", tmp_path, part=part).frame
    expected = pd.DataFrame(_expected(tmp_path, part, year))[list(frame.columns)]
    assert list(frame.columns) == [*FEATURES, "provider", "days_in_hospital"]
    assert len(FEATURES) == 19
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_in_pieces_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.heritage(tmp_path)
    whole = tidy("heritage", tmp_path).frame
    monkeypatch.setattr(official, "PIECE", 1000)
    pd.testing.assert_frame_equal(tidy("heritage", tmp_path).frame, whole)


def test_patients_without_a_provider_are_told(tmp_path: Path) -> None:
    notes = tidy("heritage", made.heritage(tmp_path)).notes
    assert "1 patient without a provider in Y1 left out." in notes
    assert any("the Fair MEDL paper has 76,013" in note for note in notes)


def test_missing_age_and_sex_are_empty_cells(tmp_path: Path) -> None:
    frame = tidy("heritage", made.heritage(tmp_path)).frame
    assert set(frame["sex"].dropna()) == {"M", "F"}
    assert frame["sex"].isna().any()
    assert set(frame["age_bracket"].dropna()) <= {"0-29", "30-49", "50-69", "70-79", "80+"}


def test_counts_of_the_files_are_checked(tmp_path: Path) -> None:
    made.heritage(tmp_path)
    with pytest.raises(DataError, match=r"DaysInHospital_Y2.csv: has 21 rows; published: 76,038 \(release 3\)"):
        tidy("heritage", tmp_path, exact=True)


def test_files_that_are_missing_or_another_release(tmp_path: Path) -> None:
    made.heritage(tmp_path)
    with pytest.raises(DataError, match="is one file, the table is made of five"):
        tidy("heritage", tmp_path / "Claims.csv")
    claims = (tmp_path / "Claims.csv").read_text()
    (tmp_path / "Claims.csv").write_text(claims.replace("5+", "many"))
    with pytest.raises(
        DataError, match=r"column 'CharlsonIndex' holds 'many', which the data dictionary does not have"
    ):
        tidy("heritage", tmp_path)
    (tmp_path / "Claims.csv").write_text(claims.replace("Y1", "year 1"))
    with pytest.raises(DataError, match=r"column 'Year' holds 'year 1'"):
        tidy("heritage", tmp_path)
    (tmp_path / "Claims.csv").unlink()
    (tmp_path / "LabCount.csv").unlink()
    with pytest.raises(DataError) as caught:
        tidy("heritage", tmp_path)
    assert [p.found for p in caught.value.problems] == ["holds no file 'Claims.csv'", "holds no file 'LabCount.csv'"]


def test_members_that_are_missing_or_come_twice(tmp_path: Path) -> None:
    made.heritage(tmp_path)
    members = _csv(tmp_path, "Members")
    members[members["MemberID"] != "1000"].to_csv(tmp_path / "Members.csv", index=False)
    with pytest.raises(DataError, match="lacks 1 members with days in hospital, such as 1000"):
        tidy("heritage", tmp_path)
    members.to_csv(tmp_path / "Members.csv", index=False)
    days = _csv(tmp_path, "DaysInHospital_Y2")
    pd.concat([days, days.iloc[:1]]).to_csv(tmp_path / "DaysInHospital_Y2.csv", index=False)
    with pytest.raises(DataError, match="row 22: member 1000 comes twice"):
        tidy("heritage", tmp_path)
