"""The groups of several attributes crossed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from debias.data.grouping import OTHER_GROUP, Grouping
from debias.data.sample import Attribute
from debias.fairness.counts import IntArray, count
from debias.fairness.moments import moments
from debias.objective import Scorer
from debias.report.evidence import CrossedGroup, Crossing
from debias.report.figures import GroupFigures
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
        return tuple(" × ".join(each) for each in self.names)

    @property
    def privileged(self) -> None:
        return None


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
    attributes = list(measured.sample.attributes.values())
    found = [_crossing(measured, cells, before, after) for cells in all_cells(attributes, groupings)]
    return [each for each in found if each.cells]


def all_cells(attributes: Sequence[Attribute], groupings: Mapping[str, Grouping]) -> Iterator[Cells]:
    """Yield what is crossed; columns that are crossed once are not crossed again."""
    columns = {item.name: frozenset(each.column for each in groupings[item.name].columns) for item in attributes}
    done = set()
    for first, second in combinations(attributes, 2):
        one, two = columns[first.name], columns[second.name]
        if one <= two or two <= one:
            continue  # an intersection and its own part
        done.add(one | two)
        yield _pair(first, second)
    for item in attributes:
        if len(columns[item.name]) > 1 and columns[item.name] not in done:
            done.add(columns[item.name])
            yield _parts(item, groupings[item.name])


def _pair(first: Attribute, second: Attribute) -> Cells:
    width = len(second.groups)
    known = (first.codes >= 0) & (second.codes >= 0)
    codes = np.where(known, first.codes * width + second.codes, -1)
    names = tuple((one, two) for one in first.groups for two in second.groups)
    return Cells((first.name, second.name), codes, names)


def _parts(item: Attribute, grouping: Grouping) -> Cells:
    """Return an intersection as its parts; combinations that were merged for being small are one cell."""
    cells: dict[int, list[tuple[int, ...]]] = {}
    for cell, group in grouping.cells.items():
        cells.setdefault(group, []).append(cell)
    names = tuple(
        tuple(column.names[code] for column, code in zip(grouping.columns, cells[group][0], strict=True))
        if len(cells.get(group, ())) == 1
        else (OTHER_GROUP,) * len(grouping.columns)
        for group in range(len(grouping.names))
    )
    unknown = -1 if grouping.missing is None else grouping.missing
    # Which part is missing cannot be told from the group of missing ones.
    codes = np.where(item.codes == unknown, -1, item.codes)
    return Cells(tuple(each.column for each in grouping.columns), codes, names)


def _crossing(measured: Measured, cells: Cells, before: npt.NDArray[Any], after: npt.NDArray[Any] | None) -> Crossing:
    sides = [_figures(measured, cells, each) if each is not None else None for each in (before, after)]
    assert sides[0] is not None
    return Crossing(
        attributes=list(cells.attributes),
        cells=[
            CrossedGroup(groups=list(names), before=sides[0][index], after=sides[1][index] if sides[1] else None)
            for index, names in enumerate(cells.names)
            if sides[0][index].n
        ],
        unknown=int((cells.codes < 0).sum()),
    )


def _figures(measured: Measured, cells: Cells, decided: npt.NDArray[Any]) -> list[GroupFigures]:
    sample, scorer = measured.sample, measured.scorer
    if sample.target is not None:
        found = moments(decided, sample.target, cells.codes, len(cells.names), sample.weight)
        return regression.group_figures(found, cells)
    assert isinstance(scorer, Scorer)
    y, chosen = (1 - sample.y, ~decided) if scorer.flipped else (sample.y, decided)
    return figures.group_figures(count(chosen, y, cells.codes, len(cells.names), sample.weight), cells)
