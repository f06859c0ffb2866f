"""UCI Bank Marketing: does a client subscribe a deposit; protected attribute age."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from debias.data.catalog import openml
from debias.data.catalog.dataset import Dataset, PathLike, checked, encoded, numbers, two_values, whole_rows
from debias.data.catalog.official import Rows, find, header, of_frame, read, shrunk
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count
from debias.errors import DataError, Problem
from debias.words import listing, show

if TYPE_CHECKING:
    import pandas as pd

ROWS, FEATURES = 30_488, 57
FULL, ADDITIONAL = 45_211, 41_188
PRIVILEGED_AGE = 25
_NUMBERS = (
    "duration",
    "campaign",
    "pdays",
    "previous",
    "emp.var.rate",
    "cons.price.idx",
    "cons.conf.idx",
    "euribor3m",
    "nr.employed",
)
_CATEGORIES = (
    "job",
    "marital",
    "education",
    "default",
    "housing",
    "loan",
    "contact",
    "month",
    "day_of_week",
    "poutcome",
)
_FULL = (
    *("age", "job", "marital", "education", "default", "balance", "housing", "loan", "contact", "day", "month"),
    *("duration", "campaign", "pdays", "previous", "poutcome", "y"),
)
_ADDITIONAL = (
    *("age", "job", "marital", "education", "default", "housing", "loan", "contact", "month", "day_of_week"),
    *("duration", "campaign", "pdays", "previous", "poutcome", "emp.var.rate", "cons.price.idx", "cons.conf.idx"),
    *("euribor3m", "nr.employed", "y"),
)
_COLUMNS = {"full": _FULL, "additional": _ADDITIONAL}
_FILES = {"full": "bank-full.csv", "additional": "bank-additional-full.csv"}
_WHOLE = ("age", "balance", "day", "duration", "campaign", "pdays", "previous")
_OPENML_LABELS = {"1": "no", "2": "yes"}


def make(request: Request) -> Tidy:
    """Return one of the two tables with its columns in the official order; 'unknown' as it stands."""
    frame, part = _read(request)
    published = {"full": {"bank-full.csv": FULL}, "additional": {"bank-additional-full.csv": ADDITIONAL}}[part]
    notes = check_count(len(frame), published, request.where, request.exact)
    if request.preset == "parity-proxies":
        if part != "additional":
            found = "is the full table; the parity-proxies paper's code reads the additional one"
            raise DataError(Problem(found, request.where, f"Give {_FILES['additional']}."))
        frame = whole_rows(frame, ("unknown",))
        notes += check_count(len(frame), {"rows without 'unknown'": ROWS}, request.where, request.exact)
    return Tidy(frame, notes)


def _read(request: Request) -> tuple[pd.DataFrame, str]:
    default = "additional" if request.preset == "parity-proxies" else "full"
    if request.source is None:
        if (request.part or default) != "full":
            raise DataError(
                Problem("OpenML has the full table only", "OpenML", f"Get {_FILES['additional']} from {SOURCE.address}")
            )
        return _from_openml(), "full"
    path = request.source
    if path.is_dir():
        (path,) = find(path, [_FILES[request.part or default]], SOURCE.address)
    names = header(path)
    fitting = [part for part, columns in _COLUMNS.items() if not set(columns) - set(names)]
    if not fitting:
        nearest = min(_COLUMNS.values(), key=lambda columns: len(set(columns) - set(names)))
        absent = [name for name in nearest if name not in names]
        raise DataError(Problem(f"lacks the columns {listing(absent)}", str(path), "Give the official file."))
    if request.part and request.part not in fitting:
        raise DataError(Problem(f"is the {fitting[0]} table", str(path), f"Leave out --part {request.part}."))
    return _typed(read(path, _COLUMNS[fitting[0]]), _COLUMNS[fitting[0]]), fitting[0]


def _from_openml() -> pd.DataFrame:
    frame = openml.fetch(SOURCE)
    # OpenML names them V1 to V16 and Class
    if len(frame.columns) != len(_FULL):
        found = f"has {len(frame.columns)} columns; bank-full.csv has {len(_FULL)}"
        raise DataError(Problem(found, "OpenML", f"Get {_FILES['full']} from {SOURCE.address}"))
    frame = frame.set_axis(list(_FULL), axis=1)
    frame["y"] = [_OPENML_LABELS.get(str(value), str(value)) for value in frame["y"]]
    return _typed(of_frame(frame, _FULL, "OpenML"), _FULL)


def _typed(rows: Rows, columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    made: dict[str, Any] = {}
    for name in columns:
        if name in _WHOLE:
            made[name] = rows.integers(name)
        else:
            made[name] = rows.numbers(name) if name in _NUMBERS else rows.text(name)
    label = made["y"]
    other = (label != "yes") & (label != "no")
    if other.any():
        row = int(np.argmax(other))
        found = f"column 'y' holds {show(label[row])}, not 'yes' or 'no'"
        raise DataError(Problem(found, f"{rows.where}, row {row + 1}", "Give the official file."))
    return shrunk(pd.DataFrame(made))


def bank(path: PathLike) -> Dataset:
    """Return Bank Marketing as AIF360 0.4 prepares it, and with it the published code of the parity-proxies paper.

    Rows with an ``unknown`` dropped; age is replaced by whether it is 25 or more, which is the privileged group;
    categories one-hot: 30,488 rows, 57 features. The positive label is a subscription. The paper describes
    ``bank-full.csv``, its code reads this file.

    Parameters
    ----------
    path : path-like
        ``bank-additional-full.csv``, or its folder.

    Raises
    ------
    DataError
        When the file cannot be read, or has another number of rows or features.
    """
    frame = make(Request(source=Path(path), preset="parity-proxies", exact=False)).frame
    where = str(path)
    old = numbers(frame["age"], where) >= PRIVILEGED_AGE
    plain = {"age": old.astype(float)} | {name: numbers(frame[name], where) for name in _NUMBERS}
    x, features = encoded(plain, frame, _CATEGORIES)
    y = two_values(frame["y"], "yes", "no", where)
    groups = (f"under {PRIVILEGED_AGE}", f"{PRIVILEGED_AGE} or older")
    return checked(Dataset("bank", x, features, y, "age", old.astype("int64"), groups), path, ROWS, FEATURES)


SOURCE = Source(
    name="bank",
    title="UCI Bank Marketing",
    address="https://archive.ics.uci.edu/dataset/222/bank+marketing",
    licence="CC BY 4.0",
    files=("bank-full.csv", "bank-additional-full.csv"),
    openml=1461,
    parts=("full", "additional"),
    use=Use(
        label="y",
        positive="yes",
        attributes=("age", "marital"),
        cluster="job",
        rows={"full": FULL, "additional": ADDITIONAL},
        text="One of the two official tables, told by its columns; 'unknown' is a value.",
    ),
    presets={
        "parity-proxies": Use(
            label="y",
            positive="yes",
            attributes=("age",),
            rows={"additional, without 'unknown'": ROWS},
            text="bank-additional-full.csv without rows that hold an 'unknown'; the paper's privileged group is 25 "
            "years or older: --bins 25,",
        )
    },
    choices=("The job as cluster is our choice: no paper has random effects on this table.",),
    make=make,
)
