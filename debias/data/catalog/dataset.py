"""Encoded rows of a public data set, and the steps that the data sets share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from debias.data.sample import FloatArray, IntArray
from debias.data.values import Mask, missing, to_levels, to_numbers
from debias.errors import DataError, Problem
from debias.words import show

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Dataset:
    """Rows as a network reads them, before any split and any scaling.

    Parameters
    ----------
    name : str
        Short name, such as ``adult``.
    x : ndarray of float64, shape [N, d]
        Numbers as they are, categories as 0 and 1.
    features : tuple of str
        Names of the d columns of `x`.
    y : ndarray of int64, shape [N]
        1 is the positive value of the label.
    attribute : str
        Protected attribute.
    codes : ndarray of int64, shape [N]
        Group of each row: 1 is the privileged one.
    groups : tuple of str
        Names of the groups 0 and 1.
    """

    name: str
    x: FloatArray
    features: tuple[str, ...]
    y: IntArray
    attribute: str
    codes: IntArray
    groups: tuple[str, str]

    def __len__(self) -> int:
        return len(self.y)


def whole_rows(frame: pd.DataFrame, markers: Iterable[str] = ()) -> pd.DataFrame:
    """Return the rows without a missing cell; `markers` are texts that stand for one."""
    gone = np.zeros(len(frame), dtype=bool)
    for name in frame.columns:
        gone |= missing(frame[name])
        for marker in markers:
            gone |= is_text(frame[name], marker)
    return frame[~gone].reset_index(drop=True)


def is_text(column: pd.Series, *texts: str) -> Mask:
    """Return where a column holds one of `texts`, blanks at the ends left out."""
    levels = to_levels(column)
    wanted = np.array([*(name in texts for name in levels.names), False])
    return np.asarray(wanted[levels.codes], dtype=bool)


def numbers(column: pd.Series, where: str) -> FloatArray:
    """Return a column as numbers.

    Raises
    ------
    DataError
        When a cell is no number, with the first such row.
    """
    values, wrong = to_numbers(column)
    if wrong.any():
        row = int(np.argmax(wrong))
        found = f"column {show(str(column.name))} holds {show(str(column.iloc[row]))}, which is no number"
        raise DataError(Problem(found, where, "Give the official file."))
    return values


def encoded(
    plain: dict[str, FloatArray], frame: pd.DataFrame, categories: Sequence[str]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return plain columns first, then one 0/1 column per value of each category, and their names."""
    columns, names = list(plain.values()), list(plain)
    for category in categories:
        levels = to_levels(frame[category])
        for code, value in enumerate(levels.names):
            columns.append((levels.codes == code).astype(np.float64))
            names.append(f"{category}_{value}")
    return np.stack(columns, axis=1), tuple(names)


def two_values(column: pd.Series, positive: str, negative: str, where: str) -> IntArray:
    """Return 1 where a column holds `positive`, 0 where `negative`.

    Raises
    ------
    DataError
        When it holds anything else.
    """
    yes, no = is_text(column, positive), is_text(column, negative)
    if not (yes | no).all():
        other = column.iloc[int(np.argmin(yes | no))]
        found = f"column {show(str(column.name))} holds {show(str(other))}, not {show(positive)} or {show(negative)}"
        raise DataError(Problem(found, where, "Give the official file."))
    return yes.astype(np.int64)


def checked(dataset: Dataset, where: PathLike, rows: int, features: int) -> Dataset:
    """Return the data set when it has the published number of rows and features.

    Raises
    ------
    DataError
        When it has others: the file is then another version, or part of one.
    """
    n, d = dataset.x.shape
    if (n, d) != (rows, features):
        found = f"gives {n:,} rows and {d} features; the published data have {rows:,} and {features}"
        raise DataError(Problem(found, str(where), "Give the official file, whole and unchanged."))
    return dataset
