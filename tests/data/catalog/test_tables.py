"""Adult, Bank, COMPAS, law school and MIMIC-III: small files of the official form to tidy tables."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from debias.data.catalog import SOURCES, Request, Tidy
from debias.errors import DataError
from tests.data.catalog import made
from tests.data.catalog.test_forms import _admissions


def tidy(name: str, source: Path, **settings: object) -> Tidy:
    settings = {"exact": False, **settings}
    return SOURCES[name].make(Request(source=source, **settings))  # type: ignore[arg-type]


def test_adult_as_uci_ships_it(tmp_path: Path) -> None:
    result = tidy("adult", made.adult(tmp_path))
    frame = result.frame
    assert list(frame.columns) == made.ADULT_COLUMNS
    assert len(frame) == 5
    assert frame["age"].tolist() == [39, 30, 31, 31, 46]
    assert frame["age"].dtype == frame["fnlwgt"].dtype == "int64"
    assert frame["occupation"].tolist() == ["Adm-clerical", "Sales", "?", "?", "Craft-repair"]
    assert frame["income"].tolist() == ["<=50K", ">50K", "<=50K", "<=50K", ">50K"]
    assert result.notes == (f"{tmp_path} has 5 rows; published: 32,561 (adult.data).",)


def test_adults_test_part_without_its_first_line_and_full_stops(tmp_path: Path) -> None:
    frame = tidy("adult", made.adult(tmp_path), part="test").frame
    assert frame["income"].tolist() == ["<=50K", ">50K"]
    assert tidy("adult", tmp_path, part="both").frame["age"].tolist() == [39, 30, 31, 31, 46, 25, 45]
    one = tidy("adult", tmp_path / "adult.test").frame
    assert one.equals(frame)


def test_adult_packed_and_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "Adult.data.gz").write_bytes(gzip.compress(made.ADULT_TRAIN.encode()))
    assert len(tidy("adult", tmp_path).frame) == 5


def test_adult_for_fair_medl(tmp_path: Path) -> None:
    frame = tidy("adult", made.adult(tmp_path), preset="fair-medl").frame
    assert frame["age"].tolist() == [39, 30, 31, 46], "a row that repeats one is left out"
    assert frame["age_bracket"].tolist() == ["31-45", "<=30", "31-45", ">45"]
    states = ["Never-married", "Married-civ-spouse", "Divorced", "Married-civ-spouse"]
    assert frame["marital-status"].tolist() == states
    assert frame["occupation"].tolist()[2] == "?"
    assert not {"fnlwgt", "education"} & set(frame.columns)
    assert len(tidy("adult", tmp_path, preset="fair-medl", unique=False).frame) == 5
    assert len(tidy("adult", tmp_path, unique=True).frame) == 4


def test_adult_for_parity_proxies(tmp_path: Path) -> None:
    frame = tidy("adult", made.adult(tmp_path), preset="parity-proxies").frame
    assert frame["age"].tolist() == [39, 46, 25, 45], "both parts, no '?'"
    assert "fnlwgt" not in frame.columns


def test_adult_as_a_table_with_a_part_column(tmp_path: Path) -> None:
    frame = tidy("adult", made.adult(tmp_path), part="both").frame
    frame["part"] = ["train"] * 5 + ["test"] * 2
    path = tmp_path / "adult.csv"
    frame.to_csv(path, index=False)
    assert tidy("adult", path).frame["age"].tolist() == [39, 30, 31, 31, 46]
    assert tidy("adult", path, part="test").frame["age"].tolist() == [25, 45]
    assert len(tidy("adult", path, part="both").frame) == 7


def test_adult_with_cells_that_do_not_belong(tmp_path: Path) -> None:
    made.adult(tmp_path)
    path = tmp_path / "adult.data"
    path.write_text(made.ADULT_TRAIN.replace("215646", "many"))
    with pytest.raises(DataError, match=r"row 2: column 'fnlwgt' holds 'many', which is no number"):
        tidy("adult", tmp_path)
    path.write_text(made.ADULT_TRAIN.replace(">50K", "50K+"))
    with pytest.raises(DataError, match=r"row 2: column 'income' holds '50K\+', not '>50K' or '<=50K'"):
        tidy("adult", tmp_path)
    path.write_text(made.ADULT_TRAIN[:260])
    with pytest.raises(DataError, match=r"line 3: 1 line with other than 15 columns, the first with"):
        tidy("adult", tmp_path)


def test_other_counts_are_refused_unless_allowed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 5 rows; published: 32,561 \(adult.data\)\n.*--allow-other-counts"):
        tidy("adult", made.adult(tmp_path), exact=True)
    with pytest.raises(DataError, match=r"7,214"):
        tidy("compas", made.compas(tmp_path), exact=True)
    with pytest.raises(DataError, match=r"45,211"):
        tidy("bank", made.bank(tmp_path), exact=True)


def test_missing_files_of_a_set_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        tidy("adult", tmp_path, part="both")
    assert [problem.found for problem in caught.value.problems] == [
        "holds no file 'adult.data'",
        "holds no file 'adult.test'",
    ]
    assert "archive.ics.uci.edu" in caught.value.problems[0].remedy


def test_both_tables_of_bank(tmp_path: Path) -> None:
    full = tidy("bank", made.bank(tmp_path)).frame
    assert full["balance"].tolist() == [2143, -29]
    assert full["job"].tolist() == ["management", "admin."]
    additional = tidy("bank", tmp_path, part="additional").frame
    assert additional["euribor3m"].tolist() == [4.857, 4.857, 1.299]
    assert list(additional.columns)[-1] == "y"
    assert tidy("bank", tmp_path / "bank-additional-full.csv").frame.equals(additional)
    kept = tidy("bank", tmp_path, preset="parity-proxies").frame
    assert kept["age"].tolist() == [56, 30], "rows with an unknown are left out"


def test_bank_says_which_table_it_is(tmp_path: Path) -> None:
    made.bank(tmp_path)
    with pytest.raises(DataError, match="is the full table"):
        tidy("bank", tmp_path / "bank-full.csv", part="additional")
    with pytest.raises(DataError, match="is the full table; the parity-proxies paper's code reads the additional one"):
        tidy("bank", tmp_path / "bank-full.csv", preset="parity-proxies")
    (tmp_path / "other.csv").write_text(made.BANK_FULL.replace('"poutcome"', '"outcome"'))
    with pytest.raises(DataError, match="lacks the columns 'poutcome'"):
        tidy("bank", tmp_path / "other.csv")


def test_compas_with_names_twice_in_its_header(tmp_path: Path) -> None:
    frame = tidy("compas", made.compas(tmp_path)).frame
    assert not {"name", "dob", "c_case_number", "id"} & set(frame.columns)
    assert frame["decile_score"].tolist() == [1, 3, 4, 4]
    assert frame["c_charge_desc"].isna().tolist() == [False, False, False, True]
    assert frame["days_b_screening_arrest"].isna().tolist() == [False, False, False, True]
    kept = tidy("compas", tmp_path, preset="parity-proxies").frame
    assert kept["age"].tolist() == [69, 34], "31 days, and a missing description, are left out"
    assert "score_text" not in kept.columns


def test_law_school(tmp_path: Path) -> None:
    (tmp_path / "law_dataset.csv").write_text(made.LAW)
    frame = tidy("law-school", tmp_path).frame
    assert frame["tier"].tolist() == [4, 2]
    assert frame["zfygpa"].tolist() == [1.33, -0.11]
    assert frame["lsat"].tolist() == [44.0, 29.5]
    assert frame["race"].tolist() == ["White", "Black"]
    (tmp_path / "law_dataset.csv").write_text(made.LAW.replace("2.0,Black", "2.5,Black"))
    with pytest.raises(DataError, match=r"row 2: column 'tier' holds '2.5', which is no whole number"):
        tidy("law-school", tmp_path)


def test_mimic_keeps_features_insurance_and_label(tmp_path: Path) -> None:
    _admissions().to_csv(tmp_path / "mimic_saps.csv", index=False)
    frame = tidy("mimic", tmp_path).frame
    assert list(frame.columns)[-2:] == ["insurance", "hospital_mort"]
    assert frame["insurance"].tolist() == ["Private", "Medicare", "Medicaid", "Self Pay"]
    assert "religion" not in frame.columns
    assert frame["age"].tolist() == [45.2, 78.0, 77.9, 91.4]
    _admissions().assign(hospital_mort=2).to_csv(tmp_path / "mimic_saps.csv", index=False)
    with pytest.raises(DataError, match="'hospital_mort' holds"):
        tidy("mimic", tmp_path)


def test_every_use_names_columns_of_its_table(tmp_path: Path) -> None:
    made.adult(tmp_path), made.bank(tmp_path), made.compas(tmp_path), made.acs(tmp_path), made.ipums(tmp_path)
    made.heritage(tmp_path)
    (tmp_path / "law_dataset.csv").write_text(made.LAW)
    _admissions().to_csv(tmp_path / "mimic.csv", index=False)
    for source in SOURCES.values():
        for preset, use in {None: source.use, **source.presets}.items():
            frame = tidy(source.name, tmp_path, preset=preset).frame
            named = {use.label, *use.attributes, *use.ignore, *([use.cluster] if use.cluster else [])}
            assert named <= set(frame.columns), (source.name, preset)
            if use.positive is not None:
                assert use.positive in set(frame[use.label].astype(str)), (source.name, preset)
            kinds = {str(dtype) for dtype in pd.DataFrame(frame).dtypes}
            assert kinds <= {"int64", "float64", "str", "object"}, kinds
