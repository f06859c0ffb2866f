"""Heritage Health Prize, release 3: how many days does a patient spend in hospital in the following year."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from debias.data.catalog.heritage_claims import (
    MONTHS,
    Claims,
    Objects,
    Patients,
    capped,
    in_year,
    measured,
    strange_cells,
)
from debias.data.catalog.official import Rows, find, pieces, read
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count
from debias.errors import DataError, Problem
from debias.words import count

PATIENTS = 76_013
"""Patients of the Fair MEDL paper."""
PUBLISHED = {
    "Claims.csv": {"release 3": 2_668_990},
    "Members.csv": {"release 3": 113_000},
    "DaysInHospital_Y2.csv": {"release 3": 76_038, "patients of the Fair MEDL paper": PATIENTS},
    "DaysInHospital_Y3.csv": {"release 3": 71_435},
}

BRACKETS = ("0-29", "30-49", "50-69", "70-79", "80+")
_AGES = ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80+")
_BRACKET_OF = dict(zip(_AGES, [BRACKETS[i] for i in (0, 0, 0, 1, 1, 2, 2, 3, 4)], strict=True))
_SEXES = {"M": "M", "F": "F"}
_LABEL = "days_in_hospital"
FEATURES = (
    *("age_bracket", "sex", "claims_truncated", "claims", "vendors", "primary_care_physicians"),
    *("specialty", "place_of_service", "condition_group", "procedure_group"),
    *("pay_delay", "length_of_stay", "suppressed_stays", "charlson_index", "months_since_first_claim"),
    *("drugs", "drug_months", "labs", "lab_months"),
)
Column = npt.NDArray[np.generic]


def make(request: Request) -> Tidy:
    """Return one row a patient: 19 features of a year's claims, the provider, and the days in hospital of the next."""
    import pandas as pd

    assert request.source is not None
    if not request.source.is_dir():
        found = "is one file, the table is made of five"
        raise DataError(Problem(found, str(request.source), f"Give the folder of {', '.join(SOURCE.files)}."))
    part = request.part or "Y2"
    days = f"DaysInHospital_{part}.csv"
    names = ["Members.csv", "Claims.csv", days, "DrugCount.csv", "LabCount.csv"]
    members, claims, target, drugs, labs = find(request.source, names, SOURCE.address)
    year = {"Y2": "Y1", "Y3": "Y2"}[part]
    stays = read(target, ("MemberID", "ClaimsTruncated", "DaysInHospital"))
    notes = check_count(len(stays), PUBLISHED[days], stays.where, request.exact)
    patients = Patients.of(stays)
    columns: dict[str, Column] = {}
    sides, more = _members(members, patients, request.exact)
    columns |= sides
    columns["claims_truncated"] = patients.ordered(stays.integers("ClaimsTruncated"))
    year_claims, counted = Claims.read(claims, patients, year)
    notes += (*more, *check_count(counted, PUBLISHED["Claims.csv"], str(claims), request.exact))
    columns |= year_claims.features()
    columns |= _monthly(drugs, patients, year, "DrugCount", "drugs", "drug_months", 7)
    columns |= _monthly(labs, patients, year, "LabCount", "labs", "lab_months", 10)
    frame = pd.DataFrame({name: columns[name] for name in FEATURES})
    frame["provider"] = year_claims.most_frequent("ProviderID")
    frame[_LABEL] = patients.ordered(stays.integers("DaysInHospital"))
    known = frame["provider"].notna()
    if not known.any():
        raise DataError(
            Problem(f"no patient has a claim of {year} with a provider", str(claims), "Give the whole file.")
        )
    if not known.all():
        notes = (*notes, f"{count(int((~known).sum()), 'patient')} without a provider in {year} left out.")
    frame = frame[known].reset_index(drop=True)
    if part == "Y2" and len(frame) != PATIENTS:
        notes = (*notes, f"{len(frame):,} patients; the Fair MEDL paper has {PATIENTS:,}.")
    return Tidy(frame, notes)


def _members(path: Path, patients: Patients, exact: bool) -> tuple[dict[str, Column], tuple[str, ...]]:
    rows = read(path, ("MemberID", "AgeAtFirstClaim", "Sex"))
    notes = check_count(len(rows), PUBLISHED["Members.csv"], str(path), exact)
    at = patients.positions(rows.integers("MemberID"))
    absent = np.setdiff1d(np.arange(len(patients)), at)
    if len(absent):
        found = f"lacks {len(absent):,} members with days in hospital, such as {patients.members[absent[0]]}"
        raise DataError(Problem(found, str(path), "Give the official files of one release."))
    made: dict[str, Column] = {}
    for column, name, known in (("AgeAtFirstClaim", "age_bracket", _BRACKET_OF), ("Sex", "sex", _SEXES)):
        values = np.full(len(patients), None, dtype=object)
        values[at[at >= 0]] = _renamed(rows, column, known)[at >= 0]
        made[name] = values
    return made, notes


def _renamed(rows: Rows, column: str, known: Mapping[str, str]) -> Objects:
    text = rows.text(column)
    if strange := sorted(set(text) - set(known) - {None}):
        raise strange_cells(rows, column, strange)
    return np.array([None if cell is None else known[cell] for cell in text], dtype=object)


def _monthly(
    path: Path, patients: Patients, year: str, column: str, total: str, months: str, highest: int
) -> dict[str, Column]:
    """Return how many a patient had in the year, and in how many of its months; 0 where the file has none."""
    sums = np.zeros(len(patients))
    seen = np.zeros((len(patients), 13), dtype=bool)
    for rows in pieces(path, ("MemberID", "Year", "DSFS", column)):
        at = patients.positions(rows.integers("MemberID"))
        kept = in_year(rows, year) & (at >= 0)
        amount = np.nan_to_num(capped(rows, column, highest))
        sums += np.bincount(at[kept], weights=amount[kept], minlength=len(patients))
        month = measured(rows, "DSFS", MONTHS).astype(np.int64)
        seen[at[kept], month[kept]] = True
    return {total: sums.astype(np.int64), months: seen[:, 1:].sum(axis=1)}


_USE = Use(
    label=_LABEL,
    attributes=("age_bracket", "sex"),
    cluster="provider",
    rows={"Fair MEDL paper": PATIENTS},
    text="A regression: 19 features of a patient's claims in one year, and the days in hospital (0 to 15) of the "
    "next. --part Y3 takes the claims of Y2 and DaysInHospital_Y3.csv. Missing sex or age is an empty cell: "
    "--missing-attr group makes it a group, as in the paper.",
)
SOURCE = Source(
    name="heritage",
    title="Heritage Health Prize, release 3",
    address="https://foreverdata.org/1015/index.html (HHP_release3.zip)",
    licence="Heritage Provider Network, for research",
    files=("Members.csv", "Claims.csv", "DaysInHospital_Y2.csv", "DrugCount.csv", "LabCount.csv"),
    parts=("Y2", "Y3"),
    use=_USE,
    presets={"fair-medl": _USE},
    choices=(
        "The paper names 76,013 patients, 19 features, 2,708 providers and the brackets of age; the rest is our "
        "choice.",
        "The provider is the one with most of the patient's claims in the year, the lower number of two; patients "
        "without any known provider are left out.",
        "Vendor and PCP: how many different ones. Specialty, PlaceSvc, PrimaryConditionGroup, ProcedureGroup: the most "
        "frequent one.",
        "PayDelay: the mean, 162+ as 162. LengthOfStay: the sum, ranges at their middle (1-2 weeks: 10.5 days), 26+ "
        "weeks as 182 days. CharlsonIndex: the largest, 1-2 as 1.5, 3-4 as 3.5, 5+ as 5. DSFS: the last month.",
        "DrugCount and LabCount: the sum (7+ as 7, 10+ as 10) and the number of months with any; 0 without an entry.",
        "Target.csv has no outcome, and is not read.",
    ),
    make=make,
)
