"""The official files in the shared folder give the published tables."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from debias.data.catalog import SOURCES, Request

DATA = Path(__file__).parents[3].parent / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared folder is not beside the project"),
]


@cache
def _frame(name: str, file: str, preset: str | None = None, part: str | None = None) -> pd.DataFrame:
    request = Request(source=DATA / file, preset=preset, part=part)  # type: ignore[arg-type]
    return SOURCES[name].make(request).frame


@pytest.mark.parametrize(
    ("name", "file", "preset", "part", "rows"),
    [
        ("adult", "adult.csv.gz", None, None, 32_561),
        ("adult", "adult.csv.gz", None, "test", 16_281),
        ("adult", "adult.csv.gz", None, "both", 48_842),
        ("adult", "adult.csv.gz", "fair-medl", None, 32_537),
        ("adult", "adult.csv.gz", "parity-proxies", None, 45_222),
        ("bank", "bank.csv.gz", None, None, 45_211),
        ("bank", "bank_additional.csv.gz", None, None, 41_188),
        ("bank", "bank_additional.csv.gz", "parity-proxies", None, 30_488),
        ("compas", "compas.csv.gz", None, None, 7_214),
        ("compas", "compas.csv.gz", "parity-proxies", None, 6_167),
        ("law-school", "law_school.csv.gz", None, None, 20_798),
        ("acs", ".", None, None, 665_800),
    ],
)
def test_rows(name: str, file: str, preset: str | None, part: str | None, rows: int) -> None:
    assert len(_frame(name, file, preset, part)) == rows


def test_adult_has_the_figures_of_the_papers_first_table() -> None:
    frame = _frame("adult", "adult.csv.gz", "fair-medl")
    counts = frame["occupation"].value_counts()
    six = ["Prof-specialty", "Craft-repair", "Exec-managerial", "Adm-clerical", "Sales", "Other-service"]
    assert list(counts.index[:6]) == six
    assert counts.iloc[:6].sum() == 23_004
    assert counts["?"] == 1_843
    # exact in the paper; its other counts are of 32,538 rows
    assert (frame["age_bracket"] == "<=30").sum() == 10_558
    assert abs((frame["age_bracket"] == "31-45").sum() - 12_355) <= 3
    assert abs((frame["age_bracket"] == ">45").sum() - 9_625) <= 3
    assert frame["marital-status"].nunique() == 6
    assert (frame["income"] == ">50K").sum() == pytest.approx(7_831, abs=10)
    assert (frame["sex"] == "Female").sum() == pytest.approx(10_757, abs=20)


def test_the_table_is_the_files_rows() -> None:
    raw = pd.read_csv(DATA / "adult.csv.gz", keep_default_na=False)
    raw = raw[raw["part"] == "train"].drop(columns="part").reset_index(drop=True)
    pd.testing.assert_frame_equal(_frame("adult", "adult.csv.gz"), raw, check_dtype=False)
    raw = pd.read_csv(DATA / "bank.csv.gz")
    frame = _frame("bank", "bank.csv.gz")
    pd.testing.assert_frame_equal(frame, raw[list(frame.columns)], check_dtype=False)
    raw = pd.read_csv(DATA / "law_school.csv.gz")
    frame = _frame("law-school", "law_school.csv.gz")
    pd.testing.assert_frame_equal(frame, raw[list(frame.columns)], check_dtype=False)
    assert frame["tier"].dtype == "int64"


def test_acs_counts_each_code_under_its_name() -> None:
    raw = pd.concat([pd.read_parquet(DATA / f"acs_income_2018.{part}.parquet") for part in "ab"], ignore_index=True)
    frame = _frame("acs", ".")
    assert (frame["income"] == ">50K").sum() == raw["PINCP"].sum()
    assert (frame["sex"] == "Female").sum() == (raw["SEX"] == 2).sum()
    assert (frame["race"] == "White").sum() == (raw["RAC1P"] == 0).sum()
    assert (frame["occupation"] == "Management").sum() == raw["OCCP"].between(10, 440).sum()
    assert frame["occupation"].nunique() == 23
    assert not frame.isna().any().any()
    # Asians earn most, as in the files of the Census Bureau
    high = frame.assign(high=frame["income"] == ">50K").groupby("race")["high"].mean()
    assert high.idxmax() == "Asian"
