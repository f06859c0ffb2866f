"""A protected attribute column to groups: names, bins, missing values, who is privileged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from debias.contract import ProtectedAttribute
from debias.data.labels import match
from debias.data.sample import Attribute
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, Levels, Mask, to_levels, to_numbers
from debias.errors import Problem
from debias.words import count, listing, number, show, spot

MANY = 10
"""A numeric attribute with more distinct values than this needs bins."""
MISSING_GROUP = "(missing)"


@dataclass(frozen=True)
class Grouping:
    """How an attribute's values become groups; what one table settled holds for the next.

    Parameters
    ----------
    names : tuple of str
        All groups.
    edges : tuple of float
        Inner edges of the bins; empty without bins.
    privileged : int or None
    missing_attr : str
        What happens to rows without a value.
    """

    names: tuple[str, ...]
    edges: tuple[float, ...] = ()
    privileged: int | None = None
    missing_attr: Literal["error", "drop", "group"] = "error"


@dataclass(frozen=True)
class Groups:
    """The groups of all rows of a table: an attribute with codes of all rows, −1 where missing."""

    attribute: Attribute
    grouping: Grouping
    missing: IntArray
    notes: tuple[str, ...] = ()


def read_groups(
    table: Table,
    column: str,
    *,
    missing_attr: Literal["error", "drop", "group"] = "error",
    bins: str | Sequence[float] | None = None,
    privileged: str | float | None = None,
    told: ProtectedAttribute | None = None,
    settled: Grouping | None = None,
    favorable: Mask | None = None,
) -> tuple[Groups | None, list[Problem]]:
    """Return the groups of a column, or everything that is wrong with it.

    Parameters
    ----------
    table : Table
    column : str
        An existing column.
    missing_attr : {"error", "drop", "group"}
    bins : str or sequence of float, optional
        Edges, or the number of quantile bins.
    privileged : str or float, optional
        Name of the privileged group.
    told : ProtectedAttribute, optional
        From the contract.
    settled : Grouping, optional
        Of the table before: the same groups, and a value outside them is an error.
    favorable : ndarray of bool, shape [N], optional
        Rows with the favourable label, to tell the privileged of two text groups.
    """
    where = f"{table.name}, column {show(column)}"
    levels = to_levels(table.frame[column])
    gaps = np.flatnonzero(levels.codes < 0)
    problems: list[Problem] = []
    if settled is not None:
        missing_attr = settled.missing_attr
    if gaps.size and missing_attr == "error":
        problems.append(
            Problem(
                f"the attribute is missing in {count(gaps.size, 'row')} of {len(table):,}: {spot(gaps + 1)}",
                where,
                "Say what to do with them: --missing-attr drop leaves them out, --missing-attr group makes them a "
                "group of their own.",
            )
        )
    if not levels.names:
        return None, [Problem("the attribute is missing in every row", where, "Name another column with --attr.")]
    names, edges, codes, notes, wrong = _groups(table, column, levels, bins, told, settled, where)
    problems += wrong
    if names is None or codes is None:
        return None, problems
    if told is not None and edges != (told.bins or ()):
        told = None  # other bins than the contract's: its privileged group is none of these
    if settled is None and missing_attr == "group" and gaps.size:
        names = (*names, MISSING_GROUP)
    if MISSING_GROUP in names and gaps.size and missing_attr == "group":
        codes = np.where(levels.codes < 0, len(names) - 1, codes)
    elif settled is not None and gaps.size and missing_attr == "group":
        problems.append(
            Problem(
                f"the attribute is missing in {count(gaps.size, 'row')} ({spot(gaps + 1)}), and the table before had "
                "no such group",
                where,
            )
        )
    present = np.unique(codes[codes >= 0])
    if settled is None and len(present) < 2:
        problems.append(
            Problem(
                f"the attribute has one group only: {show(names[present[0]])} in all {len(table):,} rows",
                where,
                "A comparison needs two groups or more; name another column with --attr.",
            )
        )
        return None, problems
    best: int | None
    if settled is not None:
        best = settled.privileged
    else:
        best, more, wrong = _privileged(names, edges, levels, codes, privileged, told, favorable, where)
        notes, problems = notes + more, problems + wrong
    if problems:
        return None, problems
    if gaps.size:
        done = "left out" if missing_attr == "drop" else f"the group {MISSING_GROUP}"
        notes.append(f"{where}: {count(gaps.size, 'row')} without a value, {done}.")
    grouping = Grouping(names, edges, best, missing_attr)
    return Groups(Attribute(column, codes, names, best), grouping, gaps, tuple(notes)), []


_Parts = tuple[tuple[str, ...] | None, tuple[float, ...], IntArray | None, list[str], list[Problem]]


def _groups(
    table: Table,
    column: str,
    levels: Levels,
    bins: str | Sequence[float] | None,
    told: ProtectedAttribute | None,
    settled: Grouping | None,
    where: str,
) -> _Parts:
    """Return names, edges, codes, notes and problems."""
    values, text = to_numbers(table.frame[column])
    edges: tuple[float, ...] = ()
    problems: list[Problem] = []
    if settled is not None:
        edges = settled.edges
    elif bins is not None:
        edges, problems = _edges(bins, values, where)
    elif told is not None and told.bins:
        edges = told.bins
    if problems:
        return None, (), None, [], problems
    if edges:
        return _binned(values, text, edges, told, settled, where)
    if settled is not None or (told is not None and told.groups):
        fixed = settled.names if settled is not None else told.groups if told is not None and told.groups else ()
        codes, problems = _fixed(levels, fixed, where)
        return fixed, (), codes, [], problems
    if levels.numbers is not None and len(levels.names) > MANY:
        low, high = levels.numbers[0], levels.numbers[-1]
        middle = number_text(float(np.median(values[~np.isnan(values)])))
        return (
            None,
            (),
            None,
            [],
            [
                Problem(
                    f"the attribute is numeric with {len(levels.names)} values from {number_text(low)} to "
                    f"{number_text(high)}",
                    where,
                    f"Cut it into groups: --bins 25,45 (edges) or --bins 4 (quantile bins); the median is {middle}.",
                )
            ],
        )
    notes = []
    if levels.numbers is None:
        folded: dict[str, list[str]] = {}
        for name in levels.names:
            folded.setdefault(name.casefold(), []).append(name)
        notes = [f"{where}: the groups {listing(same)} differ in case only." for same in folded.values() if same[1:]]
    return levels.names, (), levels.codes, notes, []


def _edges(bins: str | Sequence[float], values: FloatArray, where: str) -> tuple[tuple[float, ...], list[Problem]]:
    """Return inner edges from ``25,45`` (edges), ``25,`` (one edge) or ``4`` (quantile bins)."""
    text = bins.strip() if isinstance(bins, str) else ",".join(map(str, bins)) + ","
    remedy = "Write edges as --bins 25,45 (one edge: --bins 25,) or a number of quantile bins as --bins 4."
    present = values[np.isfinite(values)]
    if not present.size:
        return (), [Problem("--bins needs a numeric attribute, this one holds text", where, "Leave --bins out.")]
    if text.isascii() and text.isdigit():
        parts = int(text)
        if not 2 <= parts <= MANY:
            return (), [Problem(f"--bins {text}: between 2 and {MANY} quantile bins can be had", where, remedy)]
        quantiles = np.quantile(present, np.arange(1, parts) / parts, method="higher")
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
    values: FloatArray,
    text: Mask,
    edges: tuple[float, ...],
    told: ProtectedAttribute | None,
    settled: Grouping | None,
    where: str,
) -> _Parts:
    if text.any():
        rows = np.flatnonzero(text)
        return None, (), None, [], [Problem(f"text in a binned attribute: {spot(rows + 1)}", where, "Mend or drop.")]
    absent = np.isnan(values)
    codes = np.where(absent, -1, np.searchsorted(edges, values, side="right")).astype(np.int64)
    if settled is not None:
        return settled.names, edges, codes, [], []
    names = told.groups if told is not None and told.groups and told.bins == edges else bin_names(edges)
    sizes = np.bincount(codes[~absent], minlength=len(names))
    if empty := [name for name, size in zip(names, sizes, strict=True) if not size]:
        present = values[~absent]
        return (
            None,
            (),
            None,
            [],
            [
                Problem(
                    f"no row falls into the bin {listing(empty)}; values run from {number_text(present.min())} to "
                    f"{number_text(present.max())}",
                    where,
                    "Move the edges of --bins.",
                )
            ],
        )
    counts = ", ".join(f"{name}: {size:,} rows" for name, size in zip(names, sizes, strict=True))
    return names, edges, codes, [f"{where} is cut into {counts}."], []


def _fixed(levels: Levels, names: tuple[str, ...], where: str) -> tuple[IntArray | None, list[Problem]]:
    """Return codes into groups that are already settled; a value outside them is refused with its rows."""
    lookup = np.full(len(levels.names) + 1, -1, dtype=np.int64)
    unseen = []
    for i, name in enumerate(levels.names):
        if name in names and name != MISSING_GROUP:
            lookup[i] = names.index(name)
        else:
            unseen.append(i)
    if unseen:
        shown = "; ".join(
            f"{show(levels.names[i])} in {spot(np.flatnonzero(levels.codes == i) + 1)}" for i in unseen[:5]
        )
        return None, [
            Problem(
                f"{count(len(unseen), 'value')} of the attribute outside the groups {listing(names)}: {shown}",
                where,
                "Recode or remove these rows; the groups are those of the contract or of --data.",
            )
        ]
    return lookup[levels.codes], []


def _privileged(
    names: tuple[str, ...],
    edges: tuple[float, ...],
    levels: Levels,
    codes: IntArray,
    privileged: str | float | None,
    told: ProtectedAttribute | None,
    favorable: Mask | None,
    where: str,
) -> tuple[int | None, list[str], list[Problem]]:
    """Return the privileged group: as told, else the largest number, else the higher rate of favourable labels."""
    asked = privileged if privileged is not None else told.privileged if told is not None else None
    numbers = levels.numbers if not edges and names == levels.names else None
    if asked is not None:
        index = match(Levels(codes, names, numbers), asked)
        if index is not None:
            return index, [], []
        flag = "--privileged" if privileged is not None else "privileged of the contract"
        return None, [], [Problem(f"{flag} {show(asked)} is none of the groups {listing(names)}", where)]
    if len(names) > 2:
        return None, [], []
    if MISSING_GROUP in names:
        return 0, [f"{where}: {show(names[0])} is taken as privileged against {MISSING_GROUP}."], []
    if edges or numbers is not None:
        return 1, [f"{where}: the larger value {show(names[1])} is taken as privileged (--privileged)."], []
    if favorable is None:
        return None, [], []
    rates = [float(favorable[codes == g].mean()) if (codes == g).any() else 0.0 for g in (0, 1)]
    index = int(rates[1] >= rates[0])
    note = (
        f"{where}: {show(names[index])} is taken as privileged: {rates[index]:.1%} favourable labels against "
        f"{rates[1 - index]:.1%} (--privileged)."
    )
    return index, [note], []
