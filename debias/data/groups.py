"""One column of a protected attribute to groups: names, bins, values outside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.contract import ProtectedAttribute
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, Levels, Mask, to_levels, to_numbers
from debias.errors import Problem
from debias.words import count, listing, number, show

MANY = 10
"""A numeric attribute with more distinct values than this needs bins."""
MISSING_GROUP = "(missing)"


@dataclass(frozen=True)
class ColumnGroups:
    """How the values of one column become groups.

    Parameters
    ----------
    column : str
        Column of the table.
    names : tuple of str
        All groups, in the order of their codes.
    edges : tuple of float
        Inner edges of the bins; empty without bins.
    told : bool
        True where a contract names the groups: one without rows is a group too.
    """

    column: str
    names: tuple[str, ...]
    edges: tuple[float, ...] = ()
    told: bool = False


@dataclass(frozen=True)
class ColumnRead:
    """One column of a table, read.

    Parameters
    ----------
    groups : ColumnGroups
    codes : ndarray of int64, shape [N]
        Group of each row; −1 where the value is missing.
    numbers : ndarray of float64 or None
        The groups as numbers, where they are the values of a numeric column.
    notes : tuple of str
        Sentences for the report.
    """

    groups: ColumnGroups
    codes: IntArray
    numbers: FloatArray | None
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> Mask:
        """Rows without a value."""
        return self.codes < 0


def read_column(
    table: Table,
    column: str,
    *,
    bins: str | None = None,
    told: ProtectedAttribute | None = None,
    settled: ColumnGroups | None = None,
) -> tuple[ColumnRead | None, list[Problem]]:
    """Return the groups of a column, or everything that is wrong with it.

    Parameters
    ----------
    table : Table
    column : str
        An existing column.
    bins : str, optional
        Edges, or the number of quantile bins.
    told : ProtectedAttribute, optional
        From the contract.
    settled : ColumnGroups, optional
        Of the table before: the same groups, and a value outside them is an error.
    """
    where = f"{table.name}, column {show(column)}"
    levels = to_levels(table.frame[column])
    if not levels.names:
        return None, [Problem("the attribute is missing in every row", where, "Name another column with --attr.")]
    values, text = to_numbers(table.frame[column])
    edges: tuple[float, ...] = ()
    problems: list[Problem] = []
    if settled is not None:
        edges = settled.edges
    elif bins is not None:
        edges, problems = _edges(bins, table.amounts, values, where)
    elif told is not None and told.bins:
        edges = told.bins
    if problems:
        return None, problems
    if edges:
        known = settled.names if settled else told.groups if told and told.groups and told.bins == edges else None
        return _binned(table, column, values, text, edges, known, settled is not None, where)
    fixed = settled.names if settled is not None else told.groups if told is not None else None
    if fixed:
        codes, problems = _fixed(table, levels, fixed, where)
        if codes is None:
            return None, problems
        numbers = levels.numbers if fixed == levels.names else None
        return ColumnRead(ColumnGroups(column, fixed, (), True), codes, numbers), []
    if levels.numbers is not None and len(levels.names) > MANY:
        return None, [_uncut(table, levels, values, where)]
    notes: list[str] = []
    if levels.numbers is None:
        folded: dict[str, list[str]] = {}
        for name in levels.names:
            folded.setdefault(name.casefold(), []).append(name)
        notes = [f"{where}: the groups {listing(same)} differ in case only." for same in folded.values() if same[1:]]
    return ColumnRead(ColumnGroups(column, levels.names), levels.codes, levels.numbers, tuple(notes)), []


def _uncut(table: Table, levels: Levels, values: FloatArray, where: str) -> Problem:
    assert levels.numbers is not None
    low, high = levels.numbers[0], levels.numbers[-1]
    middle = number_text(median(values, table.amounts))
    return Problem(
        f"the attribute is numeric with {len(levels.names)} values from {number_text(low)} to {number_text(high)}",
        where,
        f"Cut it into groups: --bins 25,45 (edges) or --bins 4 (quantile bins); the median is {middle}.",
    )


def _edges(
    bins: str, amounts: IntArray | None, values: FloatArray, where: str
) -> tuple[tuple[float, ...], list[Problem]]:
    """Return inner edges from ``25,45`` (edges), ``25,`` (one edge) or ``4`` (quantile bins)."""
    text = bins.strip()
    remedy = "Write edges as --bins 25,45 (one edge: --bins 25,) or a number of quantile bins as --bins 4."
    present = values[np.isfinite(values)]
    if not present.size:
        return (), [Problem("--bins needs a numeric attribute, this one holds text", where, "Leave --bins out.")]
    if text.isascii() and text.isdigit():
        parts = int(text)
        if not 2 <= parts <= MANY:
            return (), [Problem(f"--bins {text}: between 2 and {MANY} quantile bins can be had", where, remedy)]
        quantiles = _quantiles(np.where(np.isfinite(values), values, np.nan), amounts, parts)
        edges = tuple(float(edge) for edge in np.unique(quantiles) if edge > present.min())
        if not edges:
            return (), [Problem(f"--bins {text}: too few different values for quantile bins", where, remedy)]
        return edges, []
    try:
        edges = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        return (), [Problem(f"--bins {show(text)} is no list of numbers", where, remedy)]
    if not edges or not np.isfinite(edges).all() or any(b <= a for a, b in pairwise(edges)):
        return (), [Problem(f"--bins {show(text)}: edges must be finite and ascending", where, remedy)]
    return edges, []


def _quantiles(values: FloatArray, amounts: IntArray | None, parts: int) -> FloatArray:
    """Return the values with 1/parts, 2/parts, … of the rows below them, each the higher of two in question."""
    ordered, ends = _ordered(values, amounts)
    at = np.ceil(np.arange(1, parts) / parts * (int(ends[-1]) - 1))
    return ordered[np.searchsorted(ends, at, side="right")].astype(np.float64)


def median(values: npt.NDArray[np.floating[Any]], amounts: IntArray | None = None) -> float:
    """Return the median of what is not missing, each value standing for `amounts` rows."""
    ordered, ends = _ordered(values, amounts)
    rows = int(ends[-1])
    middle = np.searchsorted(ends, np.array([(rows - 1) // 2, rows // 2]), side="right")
    return float(ordered[middle].mean())


def _ordered(
    values: npt.NDArray[np.floating[Any]], amounts: IntArray | None
) -> tuple[npt.NDArray[np.floating[Any]], IntArray]:
    """Return the numbers in ascending order, and how many rows there are up to each and with it."""
    present = np.flatnonzero(~np.isnan(values))
    order = present[np.argsort(values[present], kind="stable")]
    each = np.ones(len(order), np.int64) if amounts is None else amounts[order]
    return values[order], np.cumsum(each)


def bin_names(edges: Sequence[float]) -> tuple[str, ...]:
    """Return ``< 25``, ``[25, 45)``, ``>= 45``."""
    shown = [number_text(edge) for edge in edges]
    inner = [f"[{low}, {high})" for low, high in pairwise(shown)]
    return (f"< {shown[0]}", *inner, f">= {shown[-1]}")


def number_text(value: float) -> str:
    """Return a number in six digits where these are the whole number, else in all."""
    short = f"{value:.6g}"
    return short if float(short) == value else number(value)


def _binned(
    table: Table,
    column: str,
    values: FloatArray,
    text: Mask,
    edges: tuple[float, ...],
    known: tuple[str, ...] | None,
    settled: bool,
    where: str,
) -> tuple[ColumnRead | None, list[Problem]]:
    if text.any():
        rows = np.flatnonzero(text)
        return None, [Problem(f"text in a binned attribute: {table.spot(rows)}", where, "Mend or drop.")]
    absent = np.isnan(values)
    codes = np.where(absent, -1, np.searchsorted(edges, values, side="right")).astype(np.int64)
    groups = ColumnGroups(column, known or bin_names(edges), edges)
    if settled:
        return ColumnRead(groups, codes, None), []
    sizes = table.sizes(codes, len(groups.names))
    if empty := [name for name, size in zip(groups.names, sizes, strict=True) if not size]:
        present = values[~absent]
        found = (
            f"no row falls into the bin {listing(empty)}; values run from {number_text(present.min())} to "
            f"{number_text(present.max())}"
        )
        return None, [Problem(found, where, "Move the edges of --bins.")]
    counts = ", ".join(f"{name}: {size:,} rows" for name, size in zip(groups.names, sizes, strict=True))
    return ColumnRead(groups, codes, None, (f"{where} is cut into {counts}.",)), []


def _fixed(table: Table, levels: Levels, names: tuple[str, ...], where: str) -> tuple[IntArray | None, list[Problem]]:
    """Return codes into groups that are already settled; a value outside them is refused with its rows."""
    lookup = np.full(len(levels.names) + 1, -1, dtype=np.int64)
    unseen = []
    for i, name in enumerate(levels.names):
        if name in names:
            lookup[i] = names.index(name)
        else:
            unseen.append(i)
    if unseen:
        shown = "; ".join(
            f"{show(levels.names[i])} in {table.spot(np.flatnonzero(levels.codes == i))}" for i in unseen[:5]
        )
        return None, [
            Problem(
                f"{count(len(unseen), 'value')} of the attribute outside the groups {listing(names)}: {shown}",
                where,
                "Recode or remove these rows; the groups are those of the contract or of --data.",
            )
        ]
    return lookup[levels.codes], []
