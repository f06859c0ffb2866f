"""The groups that a rule written into a model tells apart: raw columns to the columns of its ``group`` input."""

from __future__ import annotations

import numpy as np

from debias.contract import Contract, Feature
from debias.data.tables import Table
from debias.data.values import FloatArray
from debias.errors import Problem
from debias.words import count, listing, show


def is_coded(feature: Feature) -> bool:
    """Return True for the feature of a rule: its categories are the groups of an attribute.

    The column is the attribute's name, which may be an intersection (``sex*race``); groups may be bins, merged small
    groups or the rows without a value, as the contract's attributes and the categories tell.
    """
    return feature.role == "group" and feature.kind == "category" and feature.missing == "zero"


def group_columns(table: Table, feature: Feature, contract: Contract) -> tuple[FloatArray, list[Problem]]:
    """Return one column for each group, 1 where a row belongs to it, float64 [N, K].

    A row without a value is 0 in all of them, unless the rule has a group for such rows.

    Parameters
    ----------
    table : Table
    feature : Feature
        Of a rule, see `is_coded`.
    contract : Contract
        Tells bins and groups of the columns.

    Returns
    -------
    ndarray, list of Problem
        Values and combinations that are none of the groups are refused with their rows.
    """
    from debias.data.attributes import resolve
    from debias.data.columns import Columns
    from debias.data.grouping import JOINT, OTHER_GROUP
    from debias.data.groups import MISSING_GROUP, read_column

    known = {name: place for place, name in enumerate(feature.categories or ())}
    block = np.zeros((len(table), len(known)))
    parts, problems = resolve(table, Columns(attr=feature.column))
    reads = []
    for column in next(iter(parts.values()), ()):
        read, wrong = read_column(table, column, told=contract.attribute(column))
        problems += wrong
        if read is not None:
            reads.append(read)
    if problems:
        return block, problems
    matrix = np.stack([read.codes for read in reads], axis=1)
    cells, cell_of = np.unique(matrix, axis=0, return_inverse=True)
    cell_of = cell_of.reshape(-1)
    unseen = []
    for number, cell in enumerate(cells):
        if (cell < 0).any():
            name, place = "", known.get(MISSING_GROUP, -1)
        else:
            name = JOINT.join(read.groups.names[code] for read, code in zip(reads, cell, strict=True))
            quoted = JOINT.join(f'"{read.groups.names[code]}"' for read, code in zip(reads, cell, strict=True))
            place = known.get(name, known.get(quoted, known.get(OTHER_GROUP, -1)))
        rows = np.flatnonzero(cell_of == number)
        if place >= 0:
            block[rows, place] = 1.0
        elif name:
            unseen.append(f"{show(name)} in {table.spot(rows)}")
    if unseen:
        more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
        found = f"{count(len(unseen), 'group')} that the model's rule does not know: {'; '.join(unseen[:5])}{more}"
        remedy = f"Recode or remove these rows; known are {listing(known)}."
        problems = [Problem(found, f"{table.name}, attribute {show(feature.column)}", remedy)]
    return block, problems
