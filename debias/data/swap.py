"""The inputs of a network with a protected attribute set to another of its groups; everything else as it is.

For the attribute swap of Fair MEDL eq. 6 and 7. The attribute's own input columns are set to what they hold in the rows
of the other group: its one-hot columns, its 0 or 1. Of a number that is cut into brackets the contract's `carriers`
(training medians) stand for each bracket, else its median in the table at hand. Where the attribute's column is no
input by name, the input columns that hold one value for each group are taken. The cluster input stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.contract import Contract, Feature
from debias.data.coded import is_coded
from debias.data.grouping import Cell, Grouping
from debias.data.groups import ColumnGroups, median
from debias.data.sample import Sample
from debias.data.values import FloatArray, IntArray, Mask
from debias.words import show

Place = tuple[str, int]
"""A column of an input: its role and number."""
Encoded = npt.NDArray[np.floating[Any]]
"""The input ``features`` [N, d]."""


@dataclass(frozen=True, eq=False)
class Swap:
    """What the input columns hold for each group of an attribute.

    Parameters
    ----------
    attribute : str
        Its name.
    values : mapping of (str, int) to ndarray of float64, shape [K]
        Role and number of an input's column to its value for each group; NaN for a group that the network does not
        know.
    notes : tuple of str
        What a reader should know.
    """

    attribute: str
    values: Mapping[Place, FloatArray]
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> Mask:
        """Groups that the inputs can be set to, shape [K]."""
        found: Mask = ~np.any([np.isnan(each) for each in self.values.values()], axis=0)
        return found

    def to(self, sample: Sample, group: int) -> Sample:
        """Return the rows with the attribute set to a known group in their inputs; the codes stay as they are."""
        inputs = dict(sample.inputs)
        for role in {role for role, _ in self.values}:
            inputs[role] = inputs[role].clone()
        for (role, column), value in self.values.items():
            inputs[role][:, column] = float(value[group])
        return replace(sample, inputs=inputs)


@dataclass(frozen=True)
class NoSwap:
    """Why an attribute cannot be swapped."""

    reason: str


def find_swap(
    sample: Sample,
    name: str,
    grouping: Grouping,
    contract: Contract | None,
    features: Sequence[str] | None = None,
    amounts: IntArray | None = None,
) -> Swap | NoSwap:
    """Find the input columns that tell an attribute.

    Parameters
    ----------
    sample : Sample
        Rows of ``--data``: medians and values by group are taken from them.
    name : str
        The attribute; one of several columns (an intersection) is set in all of them.
    grouping : Grouping
        Its groups.
    contract : Contract or None
        Of the network; it encodes the table, unless `features` says otherwise.
    features : sequence of str, optional
        The columns of the input ``features``, where they are taken as they are.
    amounts : ndarray of int64, shape [N], optional
        How many rows each row stands for. Default: one.

    Returns
    -------
    Swap or NoSwap
        No swap where no input column tells the attribute, or a part of an intersection.
    """
    values, notes, absent = _crossed(sample, name, grouping, contract, features, amounts)
    rule = _rule(contract, name)
    if rule is not None:
        block = _one_hot(rule, grouping.names)
        values = {**(values if not absent else {}), **{("group", j): column for j, column in enumerate(block.T)}}
    elif absent:
        return NoSwap(f"{' and '.join(map(show, absent))}: no input column of the network tells it")
    swap = Swap(name, values, tuple(notes))
    if int(swap.known.sum()) < 2:
        return NoSwap("the inputs can be set to fewer than two of its groups")
    if left := [show(group) for group, known in zip(grouping.names, swap.known, strict=True) if not known]:
        notes.append(f"Attribute swap of {show(name)}: {', '.join(left)} left out, no one input value stands for it.")
    return replace(swap, notes=tuple(notes))


def _crossed(
    sample: Sample,
    name: str,
    grouping: Grouping,
    contract: Contract | None,
    features: Sequence[str] | None,
    amounts: IntArray | None,
) -> tuple[dict[Place, FloatArray], list[str], list[str]]:
    """Return the value of each input column by group, notes, and the columns that no input tells."""
    encoded = sample.inputs["features"].numpy()
    values: dict[Place, FloatArray] = {}
    notes: list[str] = []
    absent: list[str] = []
    for index, part in enumerate(grouping.columns):
        of_part = _of_part(grouping, index)
        codes = np.append(of_part, len(part.names) + 1)[sample.attributes[name].codes]
        feature, columns = _columns(encoded, part, codes, contract, features)
        if not columns:
            absent.append(part.column)
            continue
        by_group = _by_group(encoded[:, columns], codes, len(part.names) + 1)
        if part.edges and feature is not None and feature.kind == "numeric":
            column = encoded[:, columns[0]]
            by_group[:-1, 0], note = _brackets(column, amounts, part, codes, feature, contract, sample.name)
            notes += note
        elif feature is not None and feature.kind == "category":
            unseen = np.append(np.isnan(by_group[:-1]).all(axis=1), False)
            by_group[unseen] = _one_hot(feature, part.names)[unseen[:-1]]
        none = np.full((1, len(columns)), np.nan)
        by_group = np.concatenate([by_group, none])[of_part]
        values |= {("features", column): by_group[:, j] for j, column in enumerate(columns)}
    return values, notes, absent


def _of_part(grouping: Grouping, index: int) -> IntArray:
    """Return the value of one column that each group stands for, shape [K].

    One more than the column's last stands for no value, two more for several (merged groups).
    """
    none = len(grouping.columns[index].names)
    cells: dict[int, list[Cell]] = {}
    for cell, group in grouping.cells.items():
        cells.setdefault(group, []).append(cell)
    if len(grouping.columns) == 1 and grouping.missing is not None:
        cells.setdefault(grouping.missing, [(none,)])
    single = {group: each[0][index] for group, each in cells.items() if len(each) == 1}
    return np.array([single.get(group, none + 1) for group in range(len(grouping.names))], dtype=np.int64)


def _columns(
    encoded: Encoded, part: ColumnGroups, codes: IntArray, contract: Contract | None, features: Sequence[str] | None
) -> tuple[Feature | None, list[int]]:
    """Return the columns of the input ``features`` that tell a column of the table, and its entry in the contract."""
    if features is not None:
        if part.column in features:
            return Feature(column=part.column, kind="numeric"), [list(features).index(part.column)]
    elif contract is not None:
        start = 0
        for feature in contract.features:
            if feature.role == "features":
                if feature.column == part.column:
                    return feature, list(range(start, start + feature.width))
                start += feature.width
    return None, _telling(encoded, codes, len(part.names))


def _telling(encoded: Encoded, codes: IntArray, n_groups: int) -> list[int]:
    """Return the columns with one value in each group, where together they tell every group from the others."""
    known = codes < n_groups
    groups, first = np.unique(codes[known], return_index=True)
    if len(groups) < 2:
        return []
    rows = encoded[known]
    by_group = rows[first]
    constant = (rows == by_group[np.searchsorted(groups, codes[known])]).all(axis=0) & (by_group != by_group[0]).any(0)
    apart = len(np.unique(by_group[:, constant], axis=0)) == len(groups)
    return list(map(int, np.flatnonzero(constant))) if apart else []


def _by_group(encoded: Encoded, codes: IntArray, n_groups: int) -> FloatArray:
    """Return the one value of each column in every group [K, columns]; NaN where a group has none, or several."""
    values = np.full((n_groups, encoded.shape[1]), np.nan)
    for group in range(n_groups):
        rows = encoded[codes == group]
        if len(rows):
            values[group] = np.where((rows == rows[0]).all(axis=0), rows[0], np.nan)
    return values


def _brackets(
    encoded: Encoded,
    amounts: IntArray | None,
    part: ColumnGroups,
    codes: IntArray,
    feature: Feature,
    contract: Contract | None,
    table: str,
) -> tuple[FloatArray, list[str]]:
    """Return what stands for each bracket of a number in the network's units, shape [K]."""
    told = contract.attribute(part.column) if contract is not None else None
    if told is not None and told.carriers is not None and told.bins == part.edges:
        mean, sd = (0.0, 1.0) if feature.sd is None else (feature.mean or 0.0, feature.sd)
        return (np.array(told.carriers) - mean) / sd, []
    medians = np.full(len(part.names), np.nan)
    for group in range(len(medians)):
        rows = np.flatnonzero(codes == group)
        if len(rows):
            medians[group] = median(encoded[rows], None if amounts is None else amounts[rows])
    return medians, [f"Attribute swap: the median in {table} stands for each group of {show(part.column)}."]


def _rule(contract: Contract | None, name: str) -> Feature | None:
    """Return the feature of a rule that reads the group, see `debias.data.coded`."""
    features = () if contract is None else contract.features
    return next((each for each in features if is_coded(each) and each.column == name), None)


def _one_hot(feature: Feature, names: Sequence[str]) -> FloatArray:
    """Return the columns of a category for every group [K, width]; NaN for a group that is no category of it."""
    known = {text: place for place, text in enumerate(feature.categories or ())}
    block = np.full((len(names), feature.width), np.nan)
    for row, text in zip(block, names, strict=True):
        if text in known:
            row[:] = np.arange(feature.width) == known[text]
    return block
