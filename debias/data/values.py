"""Cells of a column as numbers or as named levels, whatever the column's type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from debias.words import number

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column, in ascending order.

    Parameters
    ----------
    codes : ndarray of int64, shape [N]
        Index into `names`; −1 where missing.
    names : tuple of str
        Values as text.
    numbers : ndarray of float64 or None
        The same values as numbers; None for text.
    """

    codes: IntArray
    names: tuple[str, ...]
    numbers: FloatArray | None


def missing(series: pd.Series) -> Mask:
    """Return where a cell is missing: null, NaN, or text of blanks."""
    if _is_number(series):
        return np.asarray(series.isna(), dtype=bool)
    return _cells(series)[0] < 0


def to_numbers(series: pd.Series) -> tuple[FloatArray, Mask]:
    """Return a column as float64 and where a cell is no number.

    Returns
    -------
    ndarray of float64, ndarray of bool
        Values, NaN where missing or no number; and where the cell holds something that is no number.
    """
    if _is_number(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(series), dtype=bool)
    codes, cells = _cells(series)
    parsed = [_parsed(cell) for cell in cells]
    values = np.array([np.nan if value is None else value for value in parsed] + [np.nan])
    wrong = np.array([value is None for value in parsed] + [False])
    return values[codes], wrong[codes]


def to_levels(series: pd.Series) -> Levels:
    """Return the distinct values of a column; numbers sorted as numbers, text as text."""
    import pandas as pd

    if _is_number(series) and not pd.api.types.is_bool_dtype(series):
        absent = missing(series)
        dtype: type = np.float64
        if pd.api.types.is_integer_dtype(series):  # float64 would merge integers beyond 2**53
            dtype = np.uint64 if pd.api.types.is_unsigned_integer_dtype(series) else np.int64
        distinct, inverse = np.unique(series[~absent].to_numpy(dtype=dtype), return_inverse=True)
        codes = np.full(len(series), -1, dtype=np.int64)
        codes[~absent] = inverse
        shown = number_names(distinct.tolist()) if dtype is np.float64 else [str(value) for value in distinct]
        return Levels(codes, tuple(shown), distinct.astype(np.float64))
    raw, cells = _cells(series)
    texts = [text_of(cell) for cell in cells]
    names = sorted(set(texts))
    rank = {name: i for i, name in enumerate(names)}
    lookup = np.array([rank[text] for text in texts] + [-1], dtype=np.int64)
    numbers = np.array([float(name == "True") for name in names]) if set(names) <= {"False", "True"} else None
    return Levels(lookup[raw], tuple(names), numbers)


def _cells(series: pd.Series) -> tuple[IntArray, list[Any]]:
    """Return cells that are no numbers as codes (−1 where missing) and the cells that they stand for.

    Columns of nothing but text are reduced to their distinct cells; in mixed ones 1 and True would become one.
    """
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype) or pd.api.types.infer_dtype(series, skipna=True) == "string":
        codes, uniques = pd.factorize(series)
        cells = list(uniques)
    else:
        present = np.flatnonzero(series.notna().to_numpy())
        cells = list(series.iloc[present])
        codes = np.full(len(series), -1, dtype=np.int64)
        codes[present] = np.arange(len(present))
    kept = [i for i, cell in enumerate(cells) if not (isinstance(cell, str) and not cell.strip())]
    lookup = np.full(len(cells) + 1, -1, dtype=np.int64)
    lookup[kept] = np.arange(len(kept))
    return lookup[codes], [cells[i] for i in kept]


def text_of(cell: object) -> str:
    """Return a cell as the text that names its category: 1 and 1.0 are both ``1``."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    if isinstance(cell, float | np.floating):
        return number(float(cell))
    return str(cell)


def number_names(values: list[float]) -> list[str]:
    """Return numbers as text: integers plainly, others with six digits where that keeps them apart."""
    short = [number(v) if float(v).is_integer() else f"{v:.6g}" for v in values]
    return short if len(set(short)) == len(short) else [number(v) for v in values]


def _is_number(series: pd.Series) -> bool:
    import pandas as pd

    dtype = series.dtype
    return bool(pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype))


def _parsed(cell: object) -> float | None:
    if isinstance(cell, str) and "_" in cell:
        return None
    if not isinstance(cell, str | int | float | np.number | np.bool_) and type(cell).__name__ != "Decimal":
        return None
    try:
        return float(cell)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError):
        return None
