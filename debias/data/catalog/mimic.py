"""MIMIC-III, first 24 hours in intensive care: does a patient die in hospital; protected attribute insurance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from debias.data.catalog.dataset import Dataset, PathLike, encoded, is_text, numbers, two_values
from debias.data.catalog.official import find_all, read, shrunk
from debias.data.catalog.source import Request, Source, Tidy, Use
from debias.errors import DataError, Problem
from debias.words import listing

if TYPE_CHECKING:
    import pandas as pd

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


def make(request: Request) -> Tidy:
    """Return the 17 features, insurance and label of the preprocessed table; other columns are left out."""
    assert request.source is not None
    files = find_all(request.source, "*mimic*.csv", SOURCE.address)
    if len(files) > 1:
        found = f"holds several files: {listing(file.name for file in files)}"
        raise DataError(Problem(found, str(request.source), "Name the file itself."))
    frame = _read(files[0])
    return Tidy(frame)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    rows, where = read(path), str(path)
    columns = _columns_of(rows.columns)
    absent = [name for name, found in columns.items() if not found]
    absent += [name for name in (*_CATEGORIES, _INSURANCE, _LABEL) if name not in rows.columns]
    if absent:
        raise DataError(Problem(f"lacks {listing(absent)}", where, DOWNLOAD))
    plain = [column for found in columns.values() for column in found]
    made = {name: rows.numbers(name) for name in plain}
    made |= {name: rows.whole(name) for name in (*_CATEGORIES, _LABEL)}
    frame = pd.DataFrame({**made, _INSURANCE: rows.text(_INSURANCE)})
    if gaps := [str(name) for name in frame.columns if frame[name].isna().any()]:
        found = f"has missing values in {listing(gaps)}"
        raise DataError(Problem(found, where, "Fill them, as the preprocessing does."))
    if strange := sorted(set(frame[_LABEL]) - {0, 1}):
        raise DataError(Problem(f"column {_LABEL!r} holds {listing(strange)}, not 0 or 1", where, DOWNLOAD))
    return shrunk(frame[[*plain, *_CATEGORIES, _INSURANCE, _LABEL]].copy())


def mimic(path: PathLike) -> Dataset:
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
    frame, where = make(Request(source=Path(path))).frame, str(path)
    public = is_text(frame[_INSURANCE], *PUBLIC)
    columns = [column for found in _columns_of(list(frame.columns)).values() for column in found]
    plain = {column: numbers(frame[column], where) for column in columns}
    plain["age"] = (plain["age"] >= _OLD).astype(np.float64)
    plain[_INSURANCE] = public.astype(np.float64)
    x, features = encoded(plain, frame, _CATEGORIES)
    y = two_values(frame[_LABEL], "1", "0", where)
    groups = ("other insurance", "Medicare or Medicaid")
    return Dataset("mimic", x, features, y, _INSURANCE, public.astype(np.int64), groups)


def _columns_of(columns: list[str]) -> dict[str, list[str]]:
    return {name: [column for column in columns if _is_of(column, name)] for name in _NUMBERS}


def _is_of(column: str, name: str) -> bool:
    return column in ((name,) if name == "age" else (name, f"{name}_min", f"{name}_max"))


_USE = Use(
    label=_LABEL,
    positive="1",
    attributes=(_INSURANCE,),
    text="The 17 features of the SAPS-II score, insurance, and death in hospital. The parity-proxies paper takes "
    "Medicare and Medicaid as the privileged group.",
)
SOURCE = Source(
    name="mimic",
    title="MIMIC-III, first 24 hours in intensive care",
    address="https://physionet.org/content/mimiciii/1.4/",
    licence="PhysioNet Credentialed Health Data License; not to be passed on",
    files=("*mimic*.csv",),
    use=_USE,
    presets={"parity-proxies": _USE},
    choices=(DOWNLOAD, "No number of rows is checked: it depends on how the preprocessing is run."),
    make=make,
)
