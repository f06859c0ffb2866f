"""ProPublica's COMPAS table: does a defendant not reoffend within two years; protected attributes race and sex."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from debias.data.catalog import openml
from debias.data.catalog.dataset import Dataset, PathLike, checked, encoded, is_text, numbers, two_values, whole_rows
from debias.data.catalog.official import Rows, find, of_frame, read, shrunk
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count
from debias.errors import DataError, Problem
from debias.words import listing

if TYPE_CHECKING:
    import pandas as pd

ROWS, FEATURES = 6_167, 401
WHOLE, OPENML_ROWS = 7_214, 5_278
_COUNTS = ("juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count")
_CATEGORIES = ("age_cat", "c_charge_degree", "c_charge_desc")
_FILTERED_BY = ("days_b_screening_arrest", "is_recid", "score_text")
_LABEL = "two_year_recid"
_FILE = "compas-scores-two-years.csv"
_COLUMNS = ("sex", "age", *_CATEGORIES[:1], "race", *_COUNTS, *_CATEGORIES[1:], *_FILTERED_BY, "decile_score", _LABEL)
_NUMBERS = ("age", *_COUNTS, "days_b_screening_arrest", "is_recid", "decile_score", _LABEL)


def make(request: Request) -> Tidy:
    """Return what is known of a defendant at the screening, ProPublica's filter columns, the score and the outcome."""
    if request.source is None:
        return _from_openml(request)
    path = request.source
    if path.is_dir():
        (path,) = find(path, [_FILE], SOURCE.address)
    frame = _typed(read(path, _COLUMNS))
    notes = check_count(len(frame), {_FILE: WHOLE}, str(path), request.exact)
    if request.preset == "parity-proxies":
        frame = _filtered(frame)
        notes += check_count(len(frame), {"rows that the paper keeps": ROWS}, str(path), request.exact)
    return Tidy(frame, notes)


def _typed(rows: Rows) -> pd.DataFrame:
    import pandas as pd

    return shrunk(pd.DataFrame({name: rows.whole(name) if name in _NUMBERS else rows.text(name) for name in _COLUMNS}))


def _filtered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ProPublica's rows without a missing value, and without the columns that the filter reads."""
    kept = frame["days_b_screening_arrest"].abs() <= 30
    kept &= frame["is_recid"] != -1
    kept &= ~is_text(frame["c_charge_degree"], "O") & ~is_text(frame["score_text"], "N/A")
    return whole_rows(frame[kept].drop(columns=[*_FILTERED_BY, "decile_score"]))


def _from_openml(request: Request) -> Tidy:
    """Return OpenML's extract: its 0/1 columns named again, columns that it lacks left out."""
    import pandas as pd

    if request.preset is not None:
        found = "OpenML has an extract without the rows and columns of the papers"
        raise DataError(Problem(found, "OpenML", f"Get {_FILE} from {SOURCE.address}"))
    needed = ["sex", "age", *_COUNTS, *(name for names in _OPENML.values() for name in names), "twoyearrecid"]
    rows = of_frame(openml.fetch(SOURCE), needed, "OpenML")
    male = rows.integers("sex")
    # which code is which is not written down there; four in five defendants are men
    male = male if male.mean() >= 0.5 else 1 - male
    made: dict[str, object] = {"sex": np.where(male == 1, "Male", "Female").astype(object), "age": rows.integers("age")}
    for name, columns in _OPENML.items():
        held = np.stack([rows.integers(column) for column in columns])
        if not (held.sum(axis=0) == 1).all():
            found = f"exactly one of {listing(columns)} should be 1 in each row"
            raise DataError(Problem(found, "OpenML", f"Get {_FILE} from {SOURCE.address}"))
        made[name] = np.array(list(columns.values()), dtype=object)[held.argmax(axis=0)]
    made |= {name: rows.integers(name) for name in _COUNTS} | {_LABEL: rows.integers("twoyearrecid")}
    frame = pd.DataFrame({name: made[name] for name in _COLUMNS if name in made})
    notes = check_count(len(frame), {"extract at OpenML": OPENML_ROWS}, "OpenML", request.exact)
    return Tidy(frame, (*notes, "OpenML's extract: two races, no charge description, no score."))


_OPENML: dict[str, dict[str, str]] = {
    "age_cat": {
        "age_cat_25-45": "25 - 45",
        "age_cat_Greaterthan45": "Greater than 45",
        "age_cat_Lessthan25": "Less than 25",
    },
    "race": {"race_African-American": "African-American", "race_Caucasian": "Caucasian"},
    "c_charge_degree": {"c_charge_degree_F": "F", "c_charge_degree_M": "M"},
}


def compas(path: PathLike) -> Dataset:
    """Return COMPAS as ProPublica filters and AIF360 encodes it, and with it the code of the parity-proxies paper.

    Kept are screenings within 30 days of the arrest, with a known outcome, no ordinary traffic offence, and a score;
    then rows with a missing value are dropped. Sex (Female) and race (Caucasian) as 0 and 1, age as a number and in
    three classes, charge degree and description one-hot: 6,167 rows, 401 features. The positive label is that the
    person did **not** reoffend, so that the positive decision is the favourable one; the paper's tables have the
    opposite label, and with it the opposite sign of the bias.

    Parameters
    ----------
    path : path-like
        ``compas-scores-two-years.csv``, or its folder.

    Raises
    ------
    DataError
        When the file cannot be read, or has another number of rows or features.
    """
    frame = make(Request(source=Path(path), preset="parity-proxies", exact=False)).frame
    where = str(path)
    caucasian = is_text(frame["race"], "Caucasian")
    plain = {
        "sex": two_values(frame["sex"], "Female", "Male", where).astype(float),
        "age": numbers(frame["age"], where),
        "race": caucasian.astype(float),
    }
    plain |= {name: numbers(frame[name], where) for name in _COUNTS}
    x, features = encoded(plain, frame, _CATEGORIES)
    y = 1 - two_values(frame[_LABEL], "1", "0", where)
    groups = ("not Caucasian", "Caucasian")
    return checked(Dataset("compas", x, features, y, "race", caucasian.astype("int64"), groups), path, ROWS, FEATURES)


SOURCE = Source(
    name="compas",
    title="ProPublica COMPAS (two-year recidivism, Broward County)",
    address="https://github.com/propublica/compas-analysis",
    licence="none stated; published by ProPublica for reuse with attribution",
    files=(_FILE,),
    openml=42193,
    use=Use(
        label=_LABEL,
        positive="1",
        favorable="negative",
        attributes=("race", "sex"),
        ignore=("days_b_screening_arrest", "is_recid", "score_text", "decile_score"),
        rows={"whole": WHOLE, "at OpenML": OPENML_ROWS},
        text="Without names, birth dates and case numbers. A high score predicts that a person reoffends: the "
        "negative decision is the favourable one.",
    ),
    presets={
        "parity-proxies": Use(
            label=_LABEL,
            positive="0",
            attributes=("race",),
            rows={"kept": ROWS},
            text="ProPublica's filter, then rows without a missing value; positive is 0, did not reoffend.",
        )
    },
    choices=("is_recid and the days to the screening are there for ProPublica's filter, and are no features.",),
    make=make,
)
