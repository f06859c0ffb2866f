"""American Community Survey 2018, folktables' ACSIncome: is a yearly income above 50,000 dollars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from debias.data.catalog.acs_codes import (
    BIRTHPLACES,
    CLASS_OF_WORKER,
    MARITAL,
    RACE,
    RELATIONSHIP,
    SCHOOLING,
    SEX,
)
from debias.data.catalog.occupations import MAJOR_GROUPS_2018, grouped
from debias.data.catalog.official import find_all, matches_name, named, pieces
from debias.data.catalog.people import ABOVE, AGE_BRACKETS, INCOME, above, age_bracket
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count
from debias.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = {"United States, 2018": 1_664_500, "California, 2018": 195_665, "two files of a 40% sample": 665_800}
_CODES = ("AGEP", "COW", "SCHL", "MAR", "OCCP", "POBP", "RELP", "WKHP", "SEX", "RAC1P")
_NEEDED = (*_CODES, "PINCP")
Objects = npt.NDArray[np.object_]
Column = npt.NDArray[np.float32]


def make(request: Request) -> Tidy:
    """Return ACSIncome's rows, codes as names, occupations as major groups.

    The rows of raw files are filtered as folktables does: older than 16, an income above 100, hours of work above 0,
    a weight of at least 1. Files that hold ACSIncome already (PINCP is 0 or 1) are taken as they are.
    """
    assert request.source is not None
    columns = _read(_files(request.source))
    earned = columns.pop("PINCP")
    if set(np.unique(earned)) <= {0.0, 1.0}:
        high = earned == 1
    else:
        kept = earned > 100
        columns = {name: values[kept] for name, values in columns.items()}
        high = earned[kept] > INCOME
    if not len(high):
        raise DataError(Problem("no row is left by the filters of ACSIncome", request.where, "Give person records."))
    notes = check_count(len(high), PUBLISHED, request.where, request.exact)
    return Tidy(_frame(columns, high, request), notes)


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    for pattern in SOURCE.files[1:]:
        if any(matches_name(entry.name, pattern) for entry in source.iterdir()):
            return find_all(source, pattern, SOURCE.address)
    return find_all(source, SOURCE.files[0], SOURCE.address)


def _read(files: list[Path]) -> dict[str, Column]:
    """Return the columns of the working rows as float32, which holds every code and tells incomes about 50,000."""
    kept: dict[str, list[Column]] = {name: [] for name in _NEEDED}
    for file in files:
        for rows in pieces(file, _NEEDED, optional=("PWGTP",)):
            values = {name: rows.whole(name) for name in _NEEDED}
            working = (values["AGEP"] > 16) & (values["WKHP"] > 0) & ~np.isnan(values["PINCP"])
            if "PWGTP" in rows.columns:
                working &= rows.whole("PWGTP") >= 1
            for name, column in values.items():
                kept[name].append(column[working].astype(np.float32))
    return {name: np.concatenate(parts) for name, parts in kept.items()}


def _frame(columns: Mapping[str, Column], high: npt.NDArray[np.bool_], request: Request) -> pd.DataFrame:
    import pandas as pd

    where = request.where
    race = columns["RAC1P"]
    if (race == 0).any():
        # the copy at OpenML counts races from 0, the Census Bureau from 1
        race = race + 1

    def name(column: str, names: Mapping[int, str], codes: Column | None = None) -> Objects:
        return named(columns[column] if codes is None else codes, names, column, where)

    def counted(column: str) -> npt.NDArray[np.int64]:
        if np.isnan(columns[column]).any():
            raise DataError(Problem(f"column {column!r} has empty cells", where, "Give the official file, unchanged."))
        return columns[column].astype(np.int64)

    medl = request.preset == "fair-medl"
    age = columns["AGEP"].astype(np.int64)
    made: dict[str, Callable[[], npt.NDArray[np.generic]]] = {
        "age": lambda: age,
        **({"age_bracket": lambda: age_bracket(age)} if medl else {}),
        "class_of_worker": lambda: name("COW", CLASS_OF_WORKER),
        **({} if medl else {"education": lambda: name("SCHL", SCHOOLING)}),
        "education_level": lambda: counted("SCHL"),
        "marital_status": lambda: name("MAR", MARITAL),
        "occupation": lambda: grouped(columns["OCCP"], MAJOR_GROUPS_2018, "OCCP", where, "Not known"),
        "birthplace": lambda: grouped(columns["POBP"], BIRTHPLACES, "POBP", where, "Not known"),
        "relationship": lambda: name("RELP", RELATIONSHIP),
        "hours_per_week": lambda: counted("WKHP"),
        "sex": lambda: name("SEX", SEX),
        "race": lambda: name("RAC1P", RACE, race),
        "income": lambda: above(high),
    }
    return pd.DataFrame({column: build() for column, build in made.items()})


_ATTRIBUTES = ("sex", "race", "marital_status")
SOURCE = Source(
    name="acs",
    title="American Community Survey 2018, ACSIncome (folktables)",
    address="https://www2.census.gov/programs-surveys/acs/data/pums/2018/1-Year/",
    licence="US Census Bureau, public domain; folktables is MIT",
    files=("psam_p*.csv", "acs_income*.parquet"),
    use=Use(
        label="income",
        positive=ABOVE,
        attributes=(*_ATTRIBUTES, "age"),
        cluster="occupation",
        ignore=("education",),
        rows=PUBLISHED,
        text="ACSIncome's ten columns with names in place of codes; education_level is the code of education, 1 to 24; "
        "occupation is the major group (SOC 2018), birthplace the part of the world.",
    ),
    presets={
        "fair-medl": Use(
            label="income",
            positive=ABOVE,
            attributes=("sex", "age_bracket", *_ATTRIBUTES[1:]),
            cluster="occupation",
            ignore=("age",),
            rows=PUBLISHED,
            text=f"Age also in Adult's brackets ({', '.join(AGE_BRACKETS)}), without education, which says what "
            "education_level says.",
        )
    },
    choices=(
        "The Fair MEDL paper has IPUMS 2006; ACSIncome is the public table nearest to it. The major groups as clusters "
        "are our choice.",
        "Birthplaces, 223 codes, are put together by parts of the world.",
        "Where RAC1P holds a 0 the codes are counted from 0, as in the copy at OpenML.",
    ),
    make=make,
)
