"""UCI Bank Marketing (additional): does a client subscribe a deposit; protected attribute age."""

from __future__ import annotations

from debias.data.catalog.dataset import Dataset, Path, checked, encoded, numbers, read_columns, two_values, whole_rows

ROWS, FEATURES = 30_488, 57
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


def bank(path: Path) -> Dataset:
    """Return Bank Marketing as AIF360 0.4 prepares it, and with it the published code of the parity-proxies paper.

    Rows with an ``unknown`` dropped; age is replaced by whether it is 25 or more, which is the privileged group;
    categories one-hot: 30,488 rows, 57 features. The positive label is a subscription. The paper describes
    ``bank-full.csv``, its code reads this file.

    Parameters
    ----------
    path : path-like
        ``bank-additional-full.csv``.

    Raises
    ------
    DataError
        When the file cannot be read, or has another number of rows or features.
    """
    frame = whole_rows(read_columns(path, ("age", *_NUMBERS, *_CATEGORIES, "y")), ("unknown",))
    where = str(path)
    old = numbers(frame["age"], where) >= PRIVILEGED_AGE
    plain = {"age": old.astype(float)} | {name: numbers(frame[name], where) for name in _NUMBERS}
    x, features = encoded(plain, frame, _CATEGORIES)
    y = two_values(frame["y"], "yes", "no", where)
    groups = (f"under {PRIVILEGED_AGE}", f"{PRIVILEGED_AGE} or older")
    return checked(Dataset("bank", x, features, y, "age", old.astype("int64"), groups), path, ROWS, FEATURES)
