"""ProPublica's COMPAS table: does a defendant not reoffend within two years; protected attribute race."""

from __future__ import annotations

import numpy as np

from debias.data.catalog.dataset import (
    Dataset,
    Path,
    checked,
    encoded,
    is_text,
    numbers,
    read_columns,
    two_values,
    whole_rows,
)

ROWS, FEATURES = 6_167, 401
_COUNTS = ("juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count")
_CATEGORIES = ("age_cat", "c_charge_degree", "c_charge_desc")
_FILTERED_BY = ("days_b_screening_arrest", "is_recid", "score_text")
_LABEL = "two_year_recid"


def compas(path: Path) -> Dataset:
    """Return COMPAS as ProPublica filters and AIF360 encodes it, and with it the code of the parity-proxies paper.

    Kept are screenings within 30 days of the arrest, with a known outcome, no ordinary traffic offence, and a score;
    then rows with a missing value are dropped. Sex (Female) and race (Caucasian) as 0 and 1, age as a number and in
    three classes, charge degree and description one-hot: 6,167 rows, 401 features. The positive label is that the
    person did **not** reoffend, so that the positive decision is the favourable one; the paper's tables have the
    opposite label, and with it the opposite sign of the bias.

    Parameters
    ----------
    path : path-like
        ``compas-scores-two-years.csv``.

    Raises
    ------
    DataError
        When the file cannot be read, or has another number of rows or features.
    """
    frame = read_columns(path, ("sex", "age", "race", *_COUNTS, *_CATEGORIES, _LABEL, *_FILTERED_BY))
    where = str(path)
    days = numbers(frame["days_b_screening_arrest"], where)
    kept = np.abs(days) <= 30
    kept &= numbers(frame["is_recid"], where) != -1
    kept &= ~is_text(frame["c_charge_degree"], "O") & ~is_text(frame["score_text"], "N/A")
    frame = whole_rows(frame[kept].drop(columns=list(_FILTERED_BY)))
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
