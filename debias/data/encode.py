"""Columns of a table to the numbers that a network reads, by contract or as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np

from debias.contract import Contract, Feature
from debias.data.coded import group_columns, is_coded
from debias.data.tables import Table
from debias.data.values import FloatArray, to_levels, to_numbers
from debias.errors import Problem
from debias.words import count, listing, show

DType = Literal["float32", "float64"]
Encoded = Mapping[str, FloatArray]
"""Role to float64 [N, columns of the role]; float32 networks get the nearest float32 of each."""

_TRUE = {"true", "yes", "1"}
_FALSE = {"false", "no", "0"}


def encode_plain(table: Table, names: Sequence[str], dtype: DType) -> tuple[Encoded | None, list[Problem]]:
    """Return numeric columns as they are; text, missing and infinite cells are refused with their rows."""
    columns, problems = [], []
    for name in names:
        values, wrong = _plain(table, name, dtype)
        columns.append(values)
        problems += wrong
    return (None, problems) if problems else ({"features": np.column_stack(columns)}, [])


def encode(table: Table, contract: Contract, dtype: DType) -> tuple[Encoded | None, list[str], list[Problem]]:
    """Encode a raw table by its contract.

    A table that holds every one-hot column of the contract, and none of the columns that they come from, is taken
    as encoded already.

    Parameters
    ----------
    table : Table
    contract : Contract
    dtype : {"float32", "float64"}
        Of the network: a number too large for it is refused.

    Returns
    -------
    Encoded or None, list of str, list of Problem
        Inputs by role, notes for the report, problems with column, rows and values.
    """
    done = already_encoded(table, contract)
    parts: dict[str, list[FloatArray]] = {}
    problems: list[Problem] = []
    for feature in contract.features:
        if is_coded(feature):
            block, wrong = group_columns(table, feature, contract)
            problems += wrong
            parts.setdefault(feature.role, []).append(block)
            continue
        names = feature.encoded if done else (feature.column,)
        if absent := [name for name in names if name not in table.columns]:
            problems.append(
                Problem(
                    f"has no column {listing(absent)}, which the contract names as an input",
                    table.name,
                    f"Columns: {listing(table.columns)}.",
                )
            )
            continue
        if done:
            blocks = [_plain(table, name, dtype) for name in names]
            block, wrong = np.column_stack([values for values, _ in blocks]), [p for _, some in blocks for p in some]
        else:
            block, wrong = _ENCODERS[feature.kind](table, feature)
            if not wrong:
                wrong = _finite(table, block, f"{table.name}, column {show(feature.column)}", dtype)
        problems += wrong
        parts.setdefault(feature.role, []).append(block)
    if problems:
        return None, [], problems
    notes = [f"{table.name}: taken as encoded already, it has the contract's one-hot columns."] if done else []
    return {role: np.column_stack(blocks) for role, blocks in parts.items()}, notes, []


class Header(Protocol):
    """Names of columns."""

    @property
    def columns(self) -> Sequence[str]: ...


def already_encoded(table: Header, contract: Contract) -> bool:
    """Return whether a table holds the contract's encoded columns in place of the raw ones."""
    present = set(table.columns)
    features = [feature for feature in contract.features if not is_coded(feature)]
    categories = [feature for feature in features if feature.kind == "category"]
    return (
        bool(categories)
        and all(name in present for feature in features for name in feature.encoded)
        and not any(f.column in present and f.column not in f.encoded for f in categories)
    )


def to_tensor_type(values: FloatArray, dtype: DType) -> np.ndarray[tuple[int, ...], np.dtype[np.floating]]:
    """Return values in the network's type, contiguous."""
    return np.ascontiguousarray(values.astype(dtype))


def _plain(table: Table, name: str, dtype: DType) -> tuple[FloatArray, list[Problem]]:
    where = f"{table.name}, column {show(name)}"
    values, text = to_numbers(table.frame[name])
    if text.any():
        return values, [_not_a_number(table, name, text, where)]
    gaps = np.flatnonzero(np.isnan(values))
    if gaps.size:
        return values, [
            _gaps(table, gaps, where, "Fill them in, or write a contract that states what a missing value means.")
        ]
    return values, _finite(table, values, where, dtype)


def _finite(table: Table, values: FloatArray, where: str, dtype: DType) -> list[Problem]:
    limit = np.finfo(dtype).max
    rows = np.flatnonzero((np.abs(values) > limit).reshape(len(values), -1).any(axis=1))
    if not rows.size:
        return []
    what = "infinite numbers" if dtype == "float64" else "infinite numbers, or numbers beyond float32,"
    return [
        Problem(f"{what} in {count(table.size(rows), 'row')}: {table.spot(rows)}", where, "Mend or remove these rows.")
    ]


def _not_a_number(table: Table, name: str, text: np.ndarray[tuple[int], np.dtype[np.bool_]], where: str) -> Problem:
    rows = np.flatnonzero(text)
    cell = table.frame[name].iloc[int(rows[0])]
    remedy = "Mend these cells, leave the column out with --ignore, or write a contract that encodes it."
    if rows.size == len(table):
        remedy = (
            "If it is no input, leave it out with --ignore; if the table holds raw values, write a contract that "
            "encodes them: debias contract MODEL --data FILE --attr COLUMN"
        )
    elif isinstance(cell, str) and cell.replace(",", "", 1).lstrip("+-").isdigit() and "," in cell:
        remedy = "This looks like a decimal comma: write decimal points."
    return Problem(f"text in a numeric column: {show(cell)} in {table.spot(rows)}", where, remedy)


def _gaps(table: Table, rows: np.ndarray[tuple[int], np.dtype[np.intp]], where: str, remedy: str) -> Problem:
    return Problem(f"{count(table.size(rows), 'missing value')} in {table.spot(rows)}", where, remedy)


_RULE = 'Fill them in, or state in the contract what a missing value means ("missing").'


def _numeric(table: Table, feature: Feature) -> tuple[FloatArray, list[Problem]]:
    where = f"{table.name}, column {show(feature.column)}"
    values, text = to_numbers(table.frame[feature.column])
    if text.any():
        return values, [_not_a_number(table, feature.column, text, where)]
    gaps = np.isnan(values)
    if gaps.any():
        if feature.missing == "error":
            return values, [_gaps(table, np.flatnonzero(gaps), where, _RULE)]
        values = np.where(gaps, (feature.mean or 0.0) if feature.missing == "mean" else 0.0, values)
    if feature.mean is not None and feature.sd is not None:
        values = (values - feature.mean) / feature.sd
    return values, []


def _boolean(table: Table, feature: Feature) -> tuple[FloatArray, list[Problem]]:
    where = f"{table.name}, column {show(feature.column)}"
    levels = to_levels(table.frame[feature.column])
    lookup = np.full(len(levels.names) + 1, np.nan)
    lookup[-1] = 0.0  # code −1: missing
    for i, name in enumerate(levels.names):
        if feature.categories is not None:
            if name in feature.categories:
                lookup[i] = feature.categories.index(name)
        elif name.lower() in _TRUE | _FALSE:
            lookup[i] = name.lower() in _TRUE
    values = lookup[levels.codes]
    problems = []
    if feature.missing == "error" and (gaps := np.flatnonzero(levels.codes < 0)).size:
        problems.append(_gaps(table, gaps, where, _RULE))
    if np.isnan(values).any():
        rows = np.flatnonzero(np.isnan(values))
        known = listing(feature.categories or ("true", "false", "yes", "no", "1", "0"))
        first = table.frame[feature.column].iloc[int(rows[0])]
        problems.append(
            Problem(f"{show(first)} is no truth value ({known}) in {table.spot(rows)}", where, "Mend these cells.")
        )
    return values, problems


def _category(table: Table, feature: Feature) -> tuple[FloatArray, list[Problem]]:
    where = f"{table.name}, column {show(feature.column)}"
    levels = to_levels(table.frame[feature.column])
    known = {name: i for i, name in enumerate(feature.categories or ())}
    target = np.array([known.get(name, -1) for name in levels.names] + [-1], dtype=np.int64)
    gaps = np.flatnonzero(levels.codes < 0)
    problems = []
    # What becomes of a cluster that the network does not know is settled by debias.data.clusters.
    lenient = feature.role == "cluster" and feature.missing == "zero"
    if not lenient and (unseen := [i for i, name in enumerate(levels.names) if name not in known]):
        shown = "; ".join(
            f"{show(levels.names[i])} in {table.spot(np.flatnonzero(levels.codes == i))}" for i in unseen[:5]
        )
        more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
        problems.append(
            Problem(
                f"{count(len(unseen), 'value')} that the network was not trained on: {shown}{more}",
                where,
                f"Recode or remove these rows; known are {listing(known)}.",
            )
        )
    if gaps.size and feature.missing == "error":
        problems.append(_gaps(table, gaps, where, _RULE))
    if feature.missing == "category":
        target[-1] = len(known)
    codes = target[levels.codes]
    block = np.zeros((len(table), feature.width))
    rows = np.flatnonzero(codes >= 0)
    block[rows, codes[rows]] = 1.0
    return block, problems


_ENCODERS = {"numeric": _numeric, "boolean": _boolean, "category": _category}
