"""UCI Adult: is a yearly income above 50,000 dollars; protected attribute sex."""

from __future__ import annotations

from debias.data.catalog.dataset import Dataset, Path, checked, encoded, is_text, numbers, read_columns, whole_rows

ROWS, FEATURES = 45_222, 98
_NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
_CATEGORIES = ("workclass", "education", "marital-status", "occupation", "relationship", "native-country")
_BINARY = {"race": "White", "sex": "Male"}
_INCOME = "income"


def adult(path: Path) -> Dataset:
    """Return Adult as AIF360 prepares it, and with it the published code of the parity-proxies paper.

    Both official parts, rows with a missing value dropped; race (White) and sex (Male) as 0 and 1, ``fnlwgt`` left
    out, the other categories one-hot: 45,222 rows, 98 features. The positive label is an income above 50,000.

    Parameters
    ----------
    path : path-like
        ``adult.data`` and ``adult.test`` below each other in one table with a header, as UCI names the columns.

    Raises
    ------
    DataError
        When the file cannot be read, or has another number of rows or features.
    """
    frame = whole_rows(read_columns(path, (*_NUMBERS, *_BINARY, *_CATEGORIES, _INCOME)), ("?",))
    where = str(path)
    plain = {name: numbers(frame[name], where) for name in _NUMBERS[:2]}
    plain |= {name: is_text(frame[name], value).astype(float) for name, value in _BINARY.items()}
    plain |= {name: numbers(frame[name], where) for name in _NUMBERS[2:]}
    x, features = encoded(plain, frame, _CATEGORIES)
    # adult.test writes its labels with a full stop
    y = is_text(frame[_INCOME], ">50K", ">50K.").astype("int64")
    codes = plain["sex"].astype("int64")
    return checked(Dataset("adult", x, features, y, "sex", codes, ("Female", "Male")), path, ROWS, FEATURES)
