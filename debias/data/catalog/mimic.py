"""MIMIC-III, first 24 hours in intensive care: does a patient die in hospital; protected attribute insurance."""

from __future__ import annotations

import numpy as np

from debias.data.catalog.dataset import Dataset, Path, encoded, is_text, numbers, two_values
from debias.data.tables import read_table
from debias.errors import DataError, Problem
from debias.words import listing, show

DOWNLOAD = (
    "MIMIC-III needs a credentialed download from PhysioNet (physionet.org/content/mimiciii/1.4), prepared with the "
    "17-feature routine of Purushotham et al. (2018); add ADMISSIONS' insurance and the label hospital_mort."
)
PUBLIC = ("Medicare", "Medicaid")
_NUMBERS = (
    "age",
    "heartrate",
    "sysbp",
    "tempc",
    "pao2fio2_vent",
    "urineoutput",
    "bun",
    "wbc",
    "potassium",
    "sodium",
    "bicarbonate",
    "bilirubin",
)
_CATEGORIES = ("mingcs", "aids", "hem", "mets", "admissiontype")
_LABEL, _INSURANCE = "hospital_mort", "insurance"
_OLD = 78


def mimic(path: Path) -> Dataset:
    """Return the preprocessed MIMIC-III table (parity-proxies paper, appendix D.1).

    The 17 features of the SAPS-II score: twelve numbers, each as one column (an average) or as its extremes
    (``NAME_min``, ``NAME_max``), and five categories, one-hot. Age is replaced by whether it is 78 or more, as in the
    published code. Insurance is a feature too: Medicare or Medicaid (1, privileged) against the rest (0). The positive
    label is death in hospital. Other columns are left out.

    Parameters
    ----------
    path : path-like
        Table of one admission a row: the 17 features, ``insurance`` and ``hospital_mort``.

    Raises
    ------
    DataError
        When the file cannot be read, lacks a feature, or has a missing value.
    """
    table = read_table(path)
    frame, where = table.frame, str(path)
    columns = {name: [column for column in table.columns if _is_of(column, name)] for name in _NUMBERS}
    absent = [name for name, found in columns.items() if not found]
    absent += [name for name in (*_CATEGORIES, _INSURANCE, _LABEL) if name not in table.columns]
    if absent:
        raise DataError(Problem(f"lacks {listing([show(name) for name in absent])}", where, DOWNLOAD))
    used = [*(column for found in columns.values() for column in found), *_CATEGORIES, _INSURANCE, _LABEL]
    if gaps := [name for name in used if frame[name].isna().any()]:
        found = f"has missing values in {listing([show(name) for name in gaps])}"
        raise DataError(Problem(found, where, "Fill them, as the preprocessing does."))
    public = is_text(frame[_INSURANCE], *PUBLIC)
    plain = {column: numbers(frame[column], where) for found in columns.values() for column in found}
    plain["age"] = (plain["age"] >= _OLD).astype(np.float64)
    plain[_INSURANCE] = public.astype(np.float64)
    x, features = encoded(plain, frame, _CATEGORIES)
    y = two_values(frame[_LABEL], "1", "0", where)
    groups = ("other insurance", "Medicare or Medicaid")
    return Dataset("mimic", x, features, y, _INSURANCE, public.astype(np.int64), groups)


def _is_of(column: str, name: str) -> bool:
    return column in ((name,) if name == "age" else (name, f"{name}_min", f"{name}_max"))
