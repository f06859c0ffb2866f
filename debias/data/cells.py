"""Input columns of a raw table held in memory, so that their encoding can be fitted to any of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.contract import Contract, Feature
from debias.data.encode import encode
from debias.data.infer import feature_of
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, to_levels, to_numbers
from debias.errors import DataError, Problem
from debias.words import show

Float32Array = npt.NDArray[np.float32]
MOST_CATEGORIES = 100
"""A category may have so many values whatever the number of rows."""


@dataclass(frozen=True)
class Cells:
    """One input column.

    Parameters
    ----------
    feature : Feature
        What kind of column it is, its categories and its rule for missing values, by the whole table.
    values : ndarray, shape [N]
        Of a numeric column its numbers, NaN where missing; of a boolean 0 and 1; of a category the place of the 1 among
        its columns, −1 where all are 0.
    """

    feature: Feature
    values: FloatArray | IntArray

    def fitted(self, index: IntArray) -> Feature:
        """Return the feature with mean and SD (ddof 0) of the rows `index` alone; a constant column has SD 1."""
        if self.feature.kind != "numeric":
            return self.feature
        values = self.values[index]
        present = values[~np.isnan(values)]
        mean = float(present.mean()) if present.size else 0.0
        varies = present.size > 0 and present.max() > present.min()
        sd = float(present.std()) if varies else 1.0
        return self.feature.model_copy(update={"mean": mean, "sd": sd if sd > 0 else 1.0})

    def write(self, feature: Feature, index: IntArray, into: Float32Array) -> None:
        """Write the columns of the rows `index` into a block of zeros [n, width], encoded by `feature`."""
        values = self.values[index]
        if feature.kind == "category":
            rows = np.flatnonzero(values >= 0)
            into[rows, values[rows]] = 1.0
        elif feature.kind == "numeric":
            mean, sd = feature.mean or 0.0, 1.0 if feature.sd is None else feature.sd
            into[:, 0] = (np.where(np.isnan(values), mean, values) - mean) / sd
        else:
            into[:, 0] = values

    def take(self, index: IntArray) -> Cells:
        """Return the cells of the rows `index`."""
        return replace(self, values=self.values[index])


def read_cells(
    table: Table, names: Sequence[str], kinds: Mapping[str, str], like: Mapping[str, Feature] | None = None
) -> tuple[tuple[Cells, ...], list[Problem]]:
    """Return the input columns of a table, or everything that is wrong with them.

    Parameters
    ----------
    table : Table
    names : sequence of str
        Existing columns.
    kinds : mapping of str to str
        Kind of a column where its values do not tell.
    like : mapping of str to Feature, optional
        Of the training table: kinds and categories are those, and a value outside them is refused.
    """
    found: list[Cells] = []
    problems: list[Problem] = []
    for name in names:
        try:
            found.append(_read(table, name, kinds.get(name), None if like is None else like[name]))
        except DataError as error:
            problems += error.problems
    return tuple(found), problems


def _read(table: Table, name: str, kind: str | None, told: Feature | None) -> Cells:
    feature = told or feature_of(table, name, kind, plain=False)
    if feature.kind == "category" and told is None:
        _refuse_names(table, name, feature)
        # its categories are the column's own levels, in their order
        codes = to_levels(table.frame[name]).codes
        last = len(feature.categories or ())
        return Cells(feature, np.where(codes < 0, last, codes) if feature.missing == "category" else codes)
    encoded, _, problems = encode(table, Contract(features=(feature,)), "float32")
    if encoded is None:
        raise DataError(problems)
    block: Any = encoded["features"]
    if feature.kind == "numeric":
        return Cells(feature, to_numbers(table.frame[name])[0])
    if feature.kind == "boolean":
        return Cells(feature, block[:, 0])
    places = np.where(block.any(axis=1), block.argmax(axis=1), -1)
    return Cells(feature, places.astype(np.int64))


def _refuse_names(table: Table, name: str, feature: Feature) -> None:
    """Refuse a category that tells rows apart: one column for each of its values says nothing about other rows."""
    values = len(feature.categories or ())
    if values > max(MOST_CATEGORIES, len(table) / 2):
        found = f"{values:,} different values in {len(table):,} rows: a name or number of each row?"
        remedy = "Leave the column out with --ignore, or say what it is with --kind COLUMN=numeric."
        raise DataError(Problem(found, f"{table.name}, column {show(name)}", remedy))
