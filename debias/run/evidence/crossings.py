"""The groups of several attributes crossed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.data.grouping import JOINT, Grouping
from debias.data.sample import Attribute
from debias.fairness.counts import IntArray, count
from debias.fairness.moments import moments
from debias.objective import Scorer
from debias.report.values.evidence import CrossedGroup, Crossing
from debias.report.values.figures import GroupFigures
from debias.run import figures, regression
from debias.run.figures import Measured


@dataclass(frozen=True)
class Cells:
    """A group of each attribute by row: `codes` [N] is an index into `names`, −1 where an attribute is missing."""

    attributes: tuple[str, ...]
    codes: IntArray
    names: tuple[tuple[str, ...], ...]

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(map(JOINT.join, self.names))

    @property
    def privileged(self) -> None:
        return None


Tell = Callable[[Cells], list[GroupFigures]]
"""Returns the figures of every cell."""


def crossings(
    measured: Measured,
    groupings: Mapping[str, Grouping],
    before: npt.NDArray[Any],
    after: npt.NDArray[Any] | None = None,
) -> list[Crossing]:
    """Return every pair of attributes crossed, and the parts of every intersection that was asked.

    Parameters
    ----------
    measured : Measured
        The rows.
    groupings : mapping of str to Grouping
        How the values of each attribute became groups.
    before, after : ndarray, shape [N]
        Decisions (bool) or predictions (float64) of the two networks; no `after` for an audit.
    """
    sample = measured.sample
    each = all_cells(list(sample.attributes.values()), groupings, sample.columns)
    one = partial(_figures, measured, before)
    two = None if after is None else partial(_figures, measured, after)
    return [crossing(cells, one, two) for cells in each if cells.names]


def all_cells(
    attributes: Sequence[Attribute], groupings: Mapping[str, Grouping], columns: Mapping[str, Attribute]
) -> Iterator[Cells]:
    """Yield what is crossed; columns that are crossed once are not crossed again.

    Parameters
    ----------
    attributes : sequence of Attribute
        As asked, of the rows.
    groupings : mapping of str to Grouping
        How the values of each attribute became groups.
    columns : mapping of str to Attribute
        The columns of the attributes, each on its own (`Sample.columns`).
    """
    parts = {item.name: tuple(each.column for each in groupings[item.name].columns) for item in attributes}
    done = set()
    for first, second in combinations(attributes, 2):
        one, two = frozenset(parts[first.name]), frozenset(parts[second.name])
        if not (one <= two or two <= one):  # not an intersection and its own part
            done.add(one | two)
            yield _crossed((first, second))
    for item in attributes:
        its = parts[item.name]
        if len(its) > 1 and frozenset(its) not in done:
            done.add(frozenset(its))
            yield _crossed([columns[name] for name in its])


def _crossed(attributes: Sequence[Attribute]) -> Cells:
    """Return the combinations of groups that have rows, in the order of the groups."""
    matrix = np.stack([item.codes for item in attributes], axis=1)
    known = (matrix >= 0).all(axis=1)
    present, place = np.unique(matrix[known], axis=0, return_inverse=True)
    codes = np.full(len(matrix), -1, np.int64)
    codes[known] = place.reshape(-1)
    names = tuple(tuple(item.groups[code] for item, code in zip(attributes, cell, strict=True)) for cell in present)
    return Cells(tuple(item.name for item in attributes), codes, names)


def crossing(cells: Cells, before: Tell, after: Tell | None = None, amounts: IntArray | None = None) -> Crossing:
    """Return the figures of groups crossed; `amounts` [N] are the rows that each of the rows stands for."""
    one, two = before(cells), None if after is None else after(cells)
    unknown = cells.codes < 0
    return Crossing(
        attributes=list(cells.attributes),
        cells=[
            CrossedGroup(groups=list(names), before=one[index], after=two[index] if two else None)
            for index, names in enumerate(cells.names)
            if one[index].n
        ],
        unknown=int(unknown.sum() if amounts is None else amounts[unknown].sum()),
    )


def _figures(measured: Measured, decided: npt.NDArray[Any], cells: Cells) -> list[GroupFigures]:
    sample, scorer = measured.sample, measured.scorer
    if sample.target is not None:
        found = moments(decided, sample.target, cells.codes, len(cells.names), sample.weight)
        return regression.group_figures(found, cells)
    assert isinstance(scorer, Scorer)
    y, chosen = (1 - sample.y, ~decided) if scorer.flipped else (sample.y, decided)
    return figures.group_figures(count(chosen, y, cells.codes, len(cells.names), sample.weight), cells)
