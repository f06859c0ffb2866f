"""Protected attributes to groups: intersections, missing values, small groups, who is privileged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from debias.contract import Contract, ProtectedAttribute
from debias.data.attributes import bins_of, privileged_of, resolve, typed_names
from debias.data.columns import Columns, named
from debias.data.groups import MISSING_GROUP, ColumnGroups, ColumnRead, read_column
from debias.data.labels import match
from debias.data.sample import Attribute
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, Levels, Mask
from debias.errors import Problem
from debias.words import count, listing, show

OTHER_GROUP = "(other)"
"""Where small groups are merged."""
JOINT = " × "
"""Joins the groups of an intersection."""

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Grouping:
    """How an attribute's values become groups; what one table settled holds for the next.

    Parameters
    ----------
    names : tuple of str
        All groups.
    columns : tuple of ColumnGroups
        The columns that make the attribute; several are an intersection.
    cells : mapping of tuple of int to int
        A group of each column, by its code, to the group of the attribute. Of an intersection only those that
        ``--data`` holds.
    missing : int or None
        Group of the rows without a value; None where they belong to none.
    sizes : tuple of int
        Rows of ``--data`` in each group.
    privileged : int or None
    missing_attr : str
        What happens to rows without a value.
    """

    names: tuple[str, ...]
    columns: tuple[ColumnGroups, ...]
    cells: Mapping[Cell, int]
    missing: int | None = None
    sizes: tuple[int, ...] = ()
    privileged: int | None = None
    missing_attr: Literal["error", "drop", "group"] = "error"

    @property
    def edges(self) -> tuple[float, ...]:
        """Inner edges of the bins of an attribute of one column; empty without bins."""
        return self.columns[0].edges if len(self.columns) == 1 else ()


@dataclass(frozen=True)
class Groups:
    """The groups of all rows of a table: an attribute with codes of all rows, −1 where missing."""

    attribute: Attribute
    grouping: Grouping
    missing: Mask


@dataclass(frozen=True)
class Attributes:
    """All protected attributes of a table.

    Parameters
    ----------
    groups : mapping of str to Groups
        By the attribute's name, in the order of the flags.
    missing : ndarray of bool, shape [N]
        Rows that lack any attribute.
    notes : tuple of str
        Sentences for the report.
    columns : mapping of str to ColumnRead
        The columns that make the attributes, each on its own.
    """

    groups: Mapping[str, Groups]
    missing: Mask
    notes: tuple[str, ...] = ()
    columns: Mapping[str, ColumnRead] = field(default_factory=dict)


def read_attributes(
    table: Table,
    columns: Columns,
    *,
    contract: Contract | None = None,
    settled: Mapping[str, Grouping] | None = None,
    favorable: Mask | None = None,
) -> tuple[Attributes | None, list[Problem]]:
    """Return the groups of every protected attribute, or everything that is wrong with them.

    Parameters
    ----------
    table : Table
    columns : Columns
        What the caller says: `attr`, `bins`, `privileged`, `missing_attr`, `min_group`.
    contract : Contract, optional
        Tells groups, bins and privileged groups of columns; flags go before it.
    settled : mapping of str to Grouping, optional
        Of the table before: the same groups, and a value or combination outside them is an error.
    favorable : ndarray of bool, shape [N], optional
        Rows with the favourable label, to tell the privileged of two groups.
    """
    if settled is None:
        parts, problems = resolve(table, columns)
        policy = columns.missing_attr
    else:
        parts = {name: tuple(each.column for each in grouping.columns) for name, grouping in settled.items()}
        absent = {part: named(table, part, "--attr") for part in _distinct(parts)}
        problems = [problem for wrong in absent.values() for problem in wrong]
        parts = {name: its for name, its in parts.items() if not any(absent[part] for part in its)}
        policy = next(iter(settled.values())).missing_attr
    named_all = bool(parts) and not problems
    reads, notes, wrong = _read(table, columns, _distinct(parts), contract, settled, policy)
    problems += wrong
    # What can be read is looked at even so, to tell all problems at once.
    crossed = {name: [reads[part] for part in its] for name, its in parts.items() if reads.keys() >= set(its)}
    if not crossed:
        return None, problems
    missing = {name: np.any([read.missing for read in its], axis=0) for name, its in crossed.items()}
    lacking: Mask = np.any(list(missing.values()), axis=0)
    kept = ~lacking if policy == "drop" else np.ones(len(table), dtype=bool)
    if not kept.any():
        found_none = Problem("every row lacks one of the attributes", table.name, "Use --missing-attr group.")
        return None, [*problems, found_none]
    found: dict[str, Groups] = {}
    for name, its in crossed.items():
        if settled is None:
            grouping, more, wrong = _settle(table, name, its, kept, columns)
            notes += more
        else:
            grouping, wrong = settled[name], []
        problems += wrong
        if grouping is None:
            continue
        codes, wrong = _codes(table, name, its, grouping, kept)
        problems += wrong
        found[name] = Groups(Attribute(name, codes, grouping.names), grouping, missing[name])
    if settled is None and named_all and len(found) == len(parts):
        found, more, wrong = _with_privileged(table, columns, found, crossed, contract, favorable, kept)
        notes, problems = notes + more, problems + wrong
    if problems:
        return None, problems
    done = "left out" if policy == "drop" else f"the group {MISSING_GROUP}"
    for name, groups in found.items():
        if n := table.size(groups.missing):
            notes.append(f"{_where(table, name, crossed[name])}: {count(n, 'row')} without a value, {done}.")
    with_privileged = {
        name: replace(groups, attribute=replace(groups.attribute, privileged=groups.grouping.privileged))
        for name, groups in found.items()
    }
    return Attributes(with_privileged, lacking, tuple(notes), reads), []


def contract_entries(
    groupings: Mapping[str, Grouping], contract: Contract | None = None
) -> tuple[ProtectedAttribute, ...]:
    """Return what a contract tells of the columns of these attributes: groups as the table holds them, bins.

    Merged groups and intersections are left to the flags: an entry is of one column. The privileged group of a
    column that is only part of an intersection stays as `contract` tells it.
    """
    whole = {each.columns[0].column: each for each in groupings.values() if len(each.columns) == 1}
    entries = {}
    for column in (column for grouping in groupings.values() for column in grouping.columns):
        privileged = None
        if column.column in whole:
            grouping = whole[column.column]
            privileged = None if grouping.privileged is None else grouping.names[grouping.privileged]
        elif contract is not None and (before := contract.attribute(column.column)) is not None:
            privileged = before.privileged
        entries[column.column] = ProtectedAttribute(
            column=column.column,
            privileged=privileged if privileged in column.names else None,
            groups=column.names if len(column.names) > 1 else None,
            bins=column.edges or None,
        )
    return tuple(entries.values())


def _distinct(parts: Mapping[str, Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(part for its in parts.values() for part in its))


def _where(table: Table, name: str, its: Sequence[ColumnRead]) -> str:
    return f"{table.name}, {'column' if len(its) == 1 else 'attribute'} {show(name)}"


def _read(
    table: Table,
    columns: Columns,
    names: Sequence[str],
    contract: Contract | None,
    settled: Mapping[str, Grouping] | None,
    policy: Literal["error", "drop", "group"],
) -> tuple[dict[str, ColumnRead], list[str], list[Problem]]:
    """Read every column once."""
    bins, problems = ({}, []) if settled is not None else bins_of(table, columns, names)
    before = {each.column: each for grouping in (settled or {}).values() for each in grouping.columns}
    reads: dict[str, ColumnRead] = {}
    notes: list[str] = []
    for name in names:
        told = contract.attribute(name) if contract else None
        read, wrong = read_column(table, name, bins=bins.get(name), told=told, settled=before.get(name))
        gaps = np.array([], dtype=np.int64) if read is None else np.flatnonzero(read.missing)
        if gaps.size and policy == "error":
            problems.append(
                Problem(
                    f"the attribute is missing in {count(table.size(gaps), 'row')} of {table.total:,}: "
                    f"{table.spot(gaps)}",
                    f"{table.name}, column {show(name)}",
                    "Say what to do with them: --missing-attr drop leaves them out, --missing-attr group makes them a "
                    "group of their own.",
                )
            )
        problems += wrong
        if read is not None:
            reads[name] = read
            notes += read.notes
    return reads, notes, problems


def _settle(
    table: Table, name: str, its: Sequence[ColumnRead], kept: Mask, columns: Columns
) -> tuple[Grouping | None, list[str], list[Problem]]:
    """Settle the groups of an attribute by the kept rows of ``--data``."""
    where = _where(table, name, its)
    codes = np.stack([read.codes for read in its], axis=1)
    known = (codes >= 0).all(axis=1)
    seen, place = np.unique(codes[kept & known], axis=0, return_inverse=True)
    amounts_of = None if table.amounts is None else table.amounts[kept & known]
    sizes = np.bincount(place.reshape(-1), amounts_of, minlength=len(seen))
    rows = {tuple(map(int, cell)): int(size) for cell, size in zip(seen, sizes, strict=True)}
    if len(its) == 1 and its[0].groups.told:
        rows = {(code,): rows.get((code,), 0) for code in range(len(its[0].groups.names))}
    names = _names(list(rows), [read.groups for read in its])
    amounts = list(rows.values())
    gaps = table.size(kept & ~known) if columns.missing_attr == "group" else 0
    if gaps and MISSING_GROUP not in names:
        names, amounts = [*names, MISSING_GROUP], [*amounts, 0]
    missing = names.index(MISSING_GROUP) if MISSING_GROUP in names and columns.missing_attr == "group" else None
    if missing is not None:
        amounts[missing] += gaps
    present = [group for group, amount in zip(names, amounts, strict=True) if amount]
    if not present:
        return None, [], []  # no row has a value in every column: told as missing
    if len(present) < 2:
        found = f"the attribute has one group only: {show(present[0])} in all {table.size(kept):,} rows"
        remedy = "A comparison needs two groups or more; name another column with --attr."
        return None, [], [Problem(found, where, remedy)]
    small = [group for group, amount in enumerate(amounts) if amount < columns.min_group]
    if len(small) == len(names):
        largest = max(amounts)
        found = (
            f"--min-group {columns.min_group} leaves one group: each of the {len(names)} has fewer rows, the largest "
            f"{largest:,} ({show(names[amounts.index(largest)])})"
        )
        remedy = f"Give --min-group {largest} or less, or name another column with --attr."
        return None, [], [Problem(found, where, remedy)]
    target, notes = list(range(len(names))), []
    if small:
        notes = [_merging(where, names, amounts, small, columns.min_group)]
        pool = {*small, *(group for group, text in enumerate(names) if text == OTHER_GROUP)}
        left = [group for group in range(len(names)) if group not in pool]
        target = [len(left) if group in pool else left.index(group) for group in range(len(names))]
        names = [*(names[group] for group in left), OTHER_GROUP]
    merged = np.bincount(target, weights=amounts, minlength=len(names))
    grouping = Grouping(
        names=tuple(names),
        columns=tuple(read.groups for read in its),
        cells=dict(zip(rows, target, strict=False)),
        missing=None if missing is None else target[missing],
        sizes=tuple(map(int, merged)),
        missing_attr=columns.missing_attr,
    )
    return grouping, notes, []


def _merging(where: str, names: Sequence[str], amounts: Sequence[int], small: Sequence[int], least: int) -> str:
    each = ", ".join(f"{show(names[group])} {amounts[group]:,}" for group in small[:12])
    more = f" and {len(small) - 12} more" if len(small) > 12 else ""
    total = sum(amounts[group] for group in small)
    still = f", still fewer than {least:,}" if total < least else ""
    return (
        f"{where}: {count(len(small), 'group')} with fewer than {least:,} rows (--min-group) became the group "
        f"{OTHER_GROUP} of {count(total, 'row')}{still}: {each}{more}."
    )


def _names(cells: Sequence[Cell], columns: Sequence[ColumnGroups]) -> list[str]:
    """Return names of the cells, such as ``female × black``; in quotes where two would read alike."""
    texts = [[column.names[code] for column, code in zip(columns, cell, strict=True)] for cell in cells]
    names = [JOINT.join(parts) for parts in texts]
    if len(set(names)) == len(names):
        return names
    return [JOINT.join(json.dumps(part, ensure_ascii=False) for part in parts) for parts in texts]


def _codes(
    table: Table, name: str, its: Sequence[ColumnRead], grouping: Grouping, kept: Mask
) -> tuple[IntArray, list[Problem]]:
    """Return the group of every row; −1 where it has none."""
    problems = []
    where = _where(table, name, its)
    matrix = np.stack([read.codes for read in its], axis=1)
    known = (matrix >= 0).all(axis=1)
    gaps = np.flatnonzero(~known)
    codes = np.full(len(table), -1, dtype=np.int64)
    if grouping.missing is not None:
        codes[gaps] = grouping.missing
    elif gaps.size and grouping.missing_attr == "group":
        found = f"the attribute is missing in {count(table.size(gaps), 'row')} ({table.spot(gaps)})"
        problems.append(Problem(f"{found}, and the table before had no such group", where))
    cells, inverse = np.unique(matrix[known & kept], axis=0, return_inverse=True)
    cell_of = inverse.reshape(-1)
    targets = [grouping.cells.get(tuple(map(int, cell)), -1) for cell in cells]
    codes[known & kept] = np.array(targets, dtype=np.int64)[cell_of]
    if unseen := [index for index, target in enumerate(targets) if target < 0]:
        rows = np.flatnonzero(known & kept)
        texts = _names([tuple(map(int, cells[index])) for index in unseen], [read.groups for read in its])
        shown = "; ".join(
            f"{show(text)} in {table.spot(rows[cell_of == index])}"
            for text, index in zip(texts[:5], unseen[:5], strict=True)
        )
        what = "value" if len(its) == 1 else "combination"
        found = f"{count(len(unseen), what)} of the attribute that --data lacks: {shown}"
        problems.append(Problem(found, where, "Recode or remove these rows; the groups are those of --data."))
    return codes, problems


def _with_privileged(
    table: Table,
    columns: Columns,
    found: Mapping[str, Groups],
    crossed: Mapping[str, Sequence[ColumnRead]],
    contract: Contract | None,
    favorable: Mask | None,
    kept: Mask,
) -> tuple[dict[str, Groups], list[str], list[Problem]]:
    """Settle who is privileged in each attribute."""
    names = {name: groups.grouping.names for name, groups in found.items()}
    asked, problems = privileged_of(columns, typed_names(table, columns), names)
    done: dict[str, Groups] = {}
    notes: list[str] = []
    for name, groups in found.items():
        its = crossed[name]
        told = contract.attribute(name) if contract is not None and len(its) == 1 else None
        if told is not None and its[0].groups.edges != (told.bins or ()):
            told = None  # other bins than the contract's: its privileged group is none of these
        choice = _Choice(
            table, groups, its, None if favorable is None else favorable & kept, _where(table, name, its), kept
        )
        index, more, wrong = choice.privileged(asked.get(name), told.privileged if told else None)
        notes, problems = notes + more, problems + wrong
        done[name] = replace(groups, grouping=replace(groups.grouping, privileged=index))
    return done, notes, problems


@dataclass(frozen=True)
class _Choice:
    """Which group of one attribute is privileged."""

    table: Table
    groups: Groups
    its: Sequence[ColumnRead]
    favorable: Mask | None
    where: str
    kept: Mask

    @property
    def numbers(self) -> FloatArray | None:
        """The groups as numbers, where they are the values of one numeric column."""
        only = self.its[0]
        same = len(self.its) == 1 and self.groups.grouping.names == only.groups.names
        return only.numbers if same else None

    def privileged(
        self, asked: tuple[str, ...] | None, told: str | None
    ) -> tuple[int | None, list[str], list[Problem]]:
        """Return the privileged group: as asked, as told, else the default."""
        names = self.groups.grouping.names
        levels = Levels(self.groups.attribute.codes, names, self.numbers)
        for text in asked or (() if told is None else (told,)):
            index = match(levels, text)
            if index is not None:
                return index, [], []
        merged = OTHER_GROUP in names and OTHER_GROUP not in _raw(self.its)
        if asked:
            also = f"; {OTHER_GROUP} holds what --min-group merged" if merged else ""
            found = f"--privileged {show(asked[0])} is none of the groups {listing(names)}{also}"
            return None, [], [Problem(found, self.where)]
        if told is not None and not (merged and told in self.its[0].groups.names):
            found = f"privileged of the contract {show(told)} is none of the groups {listing(names)}"
            return None, [], [Problem(found, self.where)]
        index, notes = self._default()
        return index, notes, []

    def _default(self) -> tuple[int | None, list[str]]:
        """Return the larger number of two, else the group with the higher rate of favourable labels."""
        grouping, where = self.groups.grouping, self.where
        names = grouping.names
        if len(names) > 2:
            return None, []
        if grouping.missing is not None and names[grouping.missing] == MISSING_GROUP:
            other = 1 - grouping.missing
            return other, [f"{where}: {show(names[other])} is taken as privileged against {MISSING_GROUP}."]
        if self.numbers is not None or (grouping.edges and OTHER_GROUP not in names):
            return 1, [f"{where}: the larger value {show(names[1])} is taken as privileged (--privileged)."]
        if self.favorable is None:
            return None, []
        codes = np.where(self.kept, self.groups.attribute.codes, -1)
        sizes = self.table.sizes(codes, 2)
        favored = self.table.sizes(np.where(self.favorable, codes, -1), 2)
        rates = [float(favored[g] / sizes[g]) if sizes[g] else 0.0 for g in (0, 1)]
        index = int(rates[1] >= rates[0])
        note = (
            f"{where}: {show(names[index])} is taken as privileged: {rates[index]:.1%} favourable labels against "
            f"{rates[1 - index]:.1%} (--privileged)."
        )
        return index, [note]


def _raw(its: Sequence[ColumnRead]) -> tuple[str, ...]:
    return its[0].groups.names if len(its) == 1 else ()
