"""IPUMS USA, American Community Survey 2006: is a yearly income above 50,000 dollars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from debias.data.catalog.ipums_codes import BIRTHPLACES, CITIZEN, CLASS_OF_WORKER, HISPANIC, MARITAL, RACE, RELATE, SEX
from debias.data.catalog.occupations import ADULT_1990, ADULT_2000, grouped
from debias.data.catalog.official import find_all, header, named, pieces
from debias.data.catalog.people import ABOVE, AGE_BRACKETS, INCOME, above, age_bracket
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count
from debias.errors import DataError, Problem
from debias.words import listing

if TYPE_CHECKING:
    import pandas as pd

YEAR = 2006
PAPER = 1_572_387
UNKNOWN_INCOME = 9_999_999
_NEEDED = ("AGE", "SEX", "RACE", "MARST", "EDUC", "UHRSWORK", "INCTOT")
_OCCUPATION = ("OCC1990", "OCC")
_WANTED = ("HISPAN", "RELATE", "CLASSWKR", "WKSWORK1", "BPL", "CITIZEN", "NCHILD")
_FILTERS = ("YEAR", "PERWT")
_NO_OCCUPATION = {"OCC1990": (0, 991, 999), "OCC": (0, 9920)}
Column = npt.NDArray[np.float32]


def make(request: Request) -> Tidy:
    """Return the working adults of 2006, codes as names, occupations in the 15 categories of Adult."""
    assert request.source is not None
    files = find_all(request.source, "usa_*.csv", SOURCE.address)
    if len(files) > 1:
        found = f"holds several extracts: {listing(file.name for file in files)}"
        raise DataError(Problem(found, str(request.source), "Name the file itself."))
    columns, notes = _read(files[0])
    frame = _frame(columns, str(files[0]), request.preset == "fair-medl")
    if absent := [name for name in _WANTED if name not in columns]:
        notes = (*notes, f"The extract has no {', '.join(absent)}: the table lacks these columns.")
    if len(frame) != PAPER:
        # the paper does not say which of the 2006 records it took, so another number is no sign of a broken file
        count = check_count(len(frame), {"Fair MEDL paper": PAPER}, str(files[0]), exact=False)
        notes = (*notes, *count)
    return Tidy(frame, notes)


def _read(path: Path) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Return the columns of the rows that are kept."""
    if path.name.lower().removesuffix(".gz").endswith(".dat"):
        found = "is an extract of fixed widths"
        raise DataError(Problem(found, str(path), "Order the extract as CSV, under 'data format'."))
    names = header(path)
    occupation = next((name for name in _OCCUPATION if name in names), None)
    absent = [name for name in _NEEDED if name not in names]
    if absent or occupation is None:
        lacks = [*absent, *(() if occupation else ("OCC1990 (or OCC)",))]
        remedy = "Add these variables to the extract, sample ACS 2006."
        raise DataError(Problem(f"lacks {listing(lacks)}", str(path), remedy))
    kept: dict[str, list[Column]] = {}
    years: set[int] = set()
    for rows in pieces(path, (*_NEEDED, occupation), optional=(*_WANTED, *_FILTERS)):
        values = {name: rows.whole(name) for name in rows.columns}
        use = (values["AGE"] > 16) & (values["UHRSWORK"] > 0)
        use &= (values["INCTOT"] > 100) & (values["INCTOT"] < UNKNOWN_INCOME - 1)
        if "PERWT" in values:
            use &= values["PERWT"] >= 1
        if "YEAR" in values:
            years |= {int(year) for year in np.unique(values["YEAR"][~np.isnan(values["YEAR"])])}
            use &= values["YEAR"] == YEAR
        for name, column in values.items():
            if name not in _FILTERS:
                kept.setdefault(name, []).append(column[use].astype(np.float32))
    columns = {name: np.concatenate(parts) for name, parts in kept.items()}
    if not len(columns["AGE"]):
        found = f"no row is left: years {listing(sorted(years))}" if years else "no row is left by the filters"
        raise DataError(Problem(found, str(path), f"The extract needs the sample ACS {YEAR}, with adults who work."))
    others = sorted(years - {YEAR})
    return columns, (f"Rows of the years {', '.join(map(str, others))} are left out.",) if others else ()


def _frame(columns: Mapping[str, Column], where: str, medl: bool) -> pd.DataFrame:
    import pandas as pd

    def name(column: str, names: Mapping[int, str]) -> npt.NDArray[np.object_]:
        return named(columns[column], names, column, where)

    age = columns["AGE"].astype(np.int64)
    made: dict[str, npt.NDArray[np.generic]] = {"age": age}
    if medl:
        made["age_bracket"] = age_bracket(age)
    made["sex"] = name("SEX", SEX)
    made["race"] = name("RACE", RACE)
    if "HISPAN" in columns:
        made["hispanic"] = name("HISPAN", HISPANIC)
    made["marital_status"] = name("MARST", MARITAL)
    if "RELATE" in columns:
        made["relationship"] = name("RELATE", RELATE)
    # EDUC is ordered: 0 none, 6 grade 12, 10 four years of college, 11 more
    made["education_level"] = _counted(columns, "EDUC", where)
    if "CLASSWKR" in columns:
        made["class_of_worker"] = name("CLASSWKR", CLASS_OF_WORKER)
    made["occupation"] = _occupation(columns, where)
    made["hours_per_week"] = _counted(columns, "UHRSWORK", where)
    if "WKSWORK1" in columns:
        made["weeks_worked"] = _counted(columns, "WKSWORK1", where)
    if "BPL" in columns:
        made["birthplace"] = grouped(columns["BPL"], BIRTHPLACES, "BPL", where, "Not known")
    if "CITIZEN" in columns:
        made["citizenship"] = name("CITIZEN", CITIZEN)
    if "NCHILD" in columns:
        made["children"] = _counted(columns, "NCHILD", where)
    made["income"] = above(columns["INCTOT"] > INCOME)
    return pd.DataFrame(made)


def _counted(columns: Mapping[str, Column], name: str, where: str) -> npt.NDArray[np.int64]:
    if np.isnan(columns[name]).any():
        raise DataError(Problem(f"column {name!r} has empty cells", where, "Give the extract as IPUMS delivers it."))
    return columns[name].astype(np.int64)


def _occupation(columns: Mapping[str, Column], where: str) -> npt.NDArray[np.object_]:
    column = next(name for name in _OCCUPATION if name in columns)
    codes = columns[column]
    if column == "OCC1990":
        return grouped(codes, ADULT_1990, column, where, "?", _NO_OCCUPATION[column])
    # some extracts give the 2000 census codes with three digits
    codes = codes * 10 if np.nanmax(codes) < 1000 else codes
    return grouped(codes, ADULT_2000, column, where, "?", _NO_OCCUPATION[column])


_ATTRIBUTES = ("sex", "race", "marital_status")
SOURCE = Source(
    name="ipums",
    title="IPUMS USA, American Community Survey 2006",
    address="https://usa.ipums.org (extract of the sample ACS 2006 as CSV)",
    licence="IPUMS terms of use: cite, do not redistribute; doi.org/10.18128/D010.V13.0",
    files=("usa_*.csv",),
    use=Use(
        label="income",
        positive=ABOVE,
        attributes=(*_ATTRIBUTES, "age"),
        cluster="occupation",
        rows={"Fair MEDL paper": PAPER},
        text=f"Needed variables: {', '.join(_NEEDED)} and OCC1990 (or OCC); wanted: {', '.join(_WANTED)}. "
        "Names in place of codes; education_level is EDUC, 0 to 11.",
    ),
    presets={
        "fair-medl": Use(
            label="income",
            positive=ABOVE,
            attributes=("sex", "age_bracket", *_ATTRIBUTES[1:]),
            cluster="occupation",
            ignore=("age",),
            rows={"Fair MEDL paper": PAPER},
            text=f"Age also in Adult's brackets ({', '.join(AGE_BRACKETS)}).",
        )
    },
    choices=(
        "Income is INCTOT, all income of a person, above 50,000.",
        "The paper has 1,572,387 rows and does not say which. Here Adult's own conditions: older than 16, income above "
        "100, weekly hours above 0, a weight of at least 1. Another number of rows is told, and is no error.",
        "The paper has 15 occupations and does not name them. Here Adult's 15, which are the groups of the 1990 census "
        "classification; '?' is the fifteenth. With OCC (2000 classification) there are 14: it knows no private "
        "households.",
        "The paper has 14 attributes and does not name them: the 14 here are our choice.",
    ),
    make=make,
)
