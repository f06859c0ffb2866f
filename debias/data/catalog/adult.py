"""UCI Adult: is a yearly income above 50,000 dollars; protected attributes sex, age, race and marital status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from debias.data.catalog import openml
from debias.data.catalog.dataset import Dataset, PathLike, checked, encoded, is_text, numbers, whole_rows
from debias.data.catalog.official import find, header, lines, of_frame, read, shrunk
from debias.data.catalog.people import ABOVE, AGE_BRACKETS, BELOW, age_bracket
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count
from debias.errors import DataError, Problem
from debias.words import count, listing, show

if TYPE_CHECKING:
    import pandas as pd

ROWS, FEATURES = 45_222, 98
TRAIN, TEST, BOTH, DISTINCT = 32_561, 16_281, 48_842, 32_537
_NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
_CATEGORIES = ("workclass", "education", "marital-status", "occupation", "relationship", "native-country")
_BINARY = {"race": "White", "sex": "Male"}
_INCOME = "income"
_WEIGHT = "fnlwgt"
COLUMNS = (
    *("age", "workclass", _WEIGHT, "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", _INCOME),
)
_FIRST = {"train": (39, 77_516), "test": (25, 226_802)}
"""Age and weight in the first row of each official file."""


def make(request: Request) -> Tidy:
    """Return Adult with its columns named, full stops and blanks off, ``?`` as it stands."""
    part = request.part or ("both" if request.preset == "parity-proxies" else "train")
    frame = _read(request, part)
    published = {"train": {"adult.data": TRAIN}, "test": {"adult.test": TEST}, "both": {"both files": BOTH}}
    notes = check_count(len(frame), published[part], request.where, request.exact)
    unique = request.preset == "fair-medl" if request.unique is None else request.unique
    if unique:
        frame = frame.drop_duplicates(ignore_index=True)
        if part == "train":
            notes += check_count(len(frame), {"distinct rows of adult.data": DISTINCT}, request.where, request.exact)
    if request.preset == "parity-proxies":
        frame = whole_rows(frame, ("?",)).drop(columns=_WEIGHT)
        if part == "both" and not unique:
            notes += check_count(len(frame), {"rows without '?'": ROWS}, request.where, request.exact)
    if request.preset == "fair-medl":
        frame = _for_medl(frame)
    return Tidy(frame, notes)


def _for_medl(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the Fair MEDL experiments."""
    frame = frame.drop(columns=[_WEIGHT, "education"])
    married = frame["marital-status"] == "Married-AF-spouse"
    frame["marital-status"] = frame["marital-status"].mask(married, "Married-civ-spouse")
    frame.insert(1, "age_bracket", age_bracket(frame["age"].to_numpy()))
    return frame


def _read(request: Request, part: str) -> pd.DataFrame:
    if request.source is None:
        frame = openml.fetch(SOURCE).rename(columns={"class": _INCOME})
        return _part(_table(frame, "OpenML"), part, None, "OpenML")
    if not request.source.is_dir():
        return _from_file(request.source, part)
    names = {"train": ["adult.data"], "test": ["adult.test"], "both": ["adult.data", "adult.test"]}[part]
    files = find(request.source, names, SOURCE.address)
    return _joined([_from_file(file, None) for file in files])


def _from_file(path: Path, part: str | None) -> pd.DataFrame:
    """Return the rows of one file: as UCI ships them, or a table with a header."""
    import pandas as pd

    if "age" not in header(path):
        frame = _table(_headerless(path), str(path))
        return frame if part is None else _part(frame, part, None, str(path))
    rows = read(path)
    spelled = {name.replace("_", "-").replace(".", "-"): name for name in rows.columns}
    if "class" in spelled and _INCOME not in spelled:
        spelled[_INCOME] = spelled["class"]
    if absent := [name for name in COLUMNS if name not in spelled]:
        raise DataError(Problem(f"lacks the columns {listing(absent)}", str(path), "Give the official file."))
    frame = pd.DataFrame({name: rows.text(spelled[name]) for name in COLUMNS})
    marks = rows.text(spelled["part"]) if "part" in spelled else None
    return _part(_table(frame, str(path)), part or "both", marks, str(path))


def _headerless(path: Path) -> pd.DataFrame:
    import pandas as pd

    cells = [
        (number, [cell.strip() for cell in line.split(",")])
        for number, line in enumerate(lines(path), 1)
        if line.strip() and not line.startswith("|")
    ]
    wrong = [(number, len(row)) for number, row in cells if len(row) != len(COLUMNS)]
    if wrong:
        number, width = wrong[0]
        found = f"{count(len(wrong), 'line')} with other than {len(COLUMNS)} columns, the first with {width}"
        raise DataError(Problem(found, f"{path}, line {number}", "Give the official file, whole and unchanged."))
    if not cells:
        raise DataError(Problem("has no rows", str(path), "Give the official file."))
    return pd.DataFrame(dict(zip(COLUMNS, zip(*(row for _, row in cells), strict=True), strict=True)))


def _table(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a frame of the columns, in their order and of their types."""
    import pandas as pd

    rows = of_frame(frame, COLUMNS, where)
    made: dict[str, Any] = {}
    for name in COLUMNS:
        if name in (*_NUMBERS, _WEIGHT):
            made[name] = rows.integers(name)
        else:
            # OpenML and spreadsheets leave '?' empty
            made[name] = rows.text(name, empty="?")
    # adult.test writes its labels with a full stop
    income = np.array([text.removesuffix(".") for text in made[_INCOME]], dtype=object)
    other = (income != ABOVE) & (income != BELOW)
    if other.any():
        found = f"column {show(_INCOME)} holds {show(income[other][0])}, not {show(ABOVE)} or {show(BELOW)}"
        raise DataError(Problem(found, f"{where}, row {int(np.argmax(other)) + 1}", "Give the official file."))
    return shrunk(pd.DataFrame(made | {_INCOME: income}))


def _part(frame: pd.DataFrame, part: str, marks: object, where: str) -> pd.DataFrame:
    """Return the rows of a part: by the column `part`, else by the first rows of the official files."""
    if part == "both":
        return frame
    if marks is not None:
        return frame[np.asarray(marks, dtype=object) == part].reset_index(drop=True)
    length = {"train": TRAIN, "test": TEST}[part]
    other = len(frame) - length
    for start in (0, other) if other > 0 else (0,):
        if start < len(frame) and tuple(frame.loc[start, ["age", _WEIGHT]]) == _FIRST[part]:
            return frame.iloc[start : start + length].reset_index(drop=True)
    if len(frame) not in (TRAIN, TEST, BOTH):
        return frame
    found = f"the rows of adult.{'data' if part == 'train' else 'test'} cannot be told"
    raise DataError(Problem(found, where, "Give the official files, or take all rows with --part both."))


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def adult(path: PathLike) -> Dataset:
    """Return Adult as AIF360 prepares it, and with it the published code of the parity-proxies paper.

    Both official parts, rows with a missing value dropped; race (White) and sex (Male) as 0 and 1, ``fnlwgt`` left
    out, the other categories one-hot: 45,222 rows, 98 features. The positive label is an income above 50,000.

    Parameters
    ----------
    path : path-like
        Folder of ``adult.data`` and ``adult.test``, or both below each other in one table with a header, as UCI names
        the columns.

    Raises
    ------
    DataError
        When the file cannot be read, or has another number of rows or features.
    """
    frame = make(Request(source=Path(path), preset="parity-proxies", exact=False)).frame
    where = str(path)
    plain = {name: numbers(frame[name], where) for name in _NUMBERS[:2]}
    plain |= {name: is_text(frame[name], value).astype(float) for name, value in _BINARY.items()}
    plain |= {name: numbers(frame[name], where) for name in _NUMBERS[2:]}
    x, features = encoded(plain, frame, _CATEGORIES)
    y = is_text(frame[_INCOME], ABOVE).astype("int64")
    codes = plain["sex"].astype("int64")
    return checked(Dataset("adult", x, features, y, "sex", codes, ("Female", "Male")), path, ROWS, FEATURES)


_ATTRIBUTES = ("sex", "race", "marital-status", "age")

SOURCE = Source(
    name="adult",
    title="UCI Adult (census income, 1994)",
    address="https://archive.ics.uci.edu/dataset/2/adult",
    licence="CC BY 4.0",
    files=("adult.data", "adult.test"),
    openml=1590,
    parts=("train", "test", "both"),
    repeats=True,
    use=Use(
        label=_INCOME,
        positive=ABOVE,
        attributes=_ATTRIBUTES,
        cluster="occupation",
        ignore=(_WEIGHT, "education"),
        rows={"train": TRAIN, "test": TEST, "both": BOTH},
        text="All columns, raw values; '?' is a value of workclass, occupation and native-country.",
    ),
    presets={
        "fair-medl": Use(
            label=_INCOME,
            positive=ABOVE,
            attributes=("sex", "age_bracket", "race", "marital-status"),
            cluster="occupation",
            ignore=("age",),
            rows={"train, distinct rows": DISTINCT},
            text=f"adult.data without rows that repeat one, age also in brackets ({', '.join(AGE_BRACKETS)}), "
            "six marital states.",
        ),
        "parity-proxies": Use(
            label=_INCOME,
            positive=ABOVE,
            attributes=("sex",),
            rows={"both, without '?'": ROWS},
            text="Both files without rows that hold a '?', without fnlwgt.",
        ),
    },
    choices=(
        "The Fair MEDL paper has 32,538 rows and 23,002 in six occupations; without repeats there are 32,537 and "
        "23,004. Its 10,558 of at most 30 years are met exactly.",
        "Six marital states in the paper, seven in the file: Married-AF-spouse (23 rows) counts as Married-civ-spouse "
        "here.",
        "fair-medl leaves out fnlwgt (a weight) and education (the same as education-num).",
        "Occupation '?' is a cluster of its own, too small to be among the six.",
    ),
    make=make,
)
