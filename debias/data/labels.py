"""The label column to 0 and 1, never a guess which value is the positive one; or to the numbers of a regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, Levels, to_levels, to_numbers
from debias.errors import Problem
from debias.words import count, listing, show


@dataclass(frozen=True)
class Label:
    """Labels of all rows: `y` is 1 where the value is `positive`."""

    y: IntArray
    positive: str


def read_label(
    table: Table, column: str, positive: str | float | None, told_by: str
) -> tuple[Label | None, list[Problem]]:
    """Return the labels, or everything that is wrong with them.

    Parameters
    ----------
    table : Table
    column : str
        An existing column.
    positive : str, float or None
        The positive value. None is enough only for labels {0, 1}, {-1, 1} and booleans.
    told_by : str
        Who named the positive value, for messages.
    """
    where = f"{table.name}, column {show(column)}"
    levels = _numeric(to_levels(table.frame[column]))
    problems = []
    if (gaps := np.flatnonzero(levels.codes < 0)).size:
        problems.append(
            Problem(
                f"the label is missing in {count(table.size(gaps), 'row')}: {table.spot(gaps)}",
                where,
                "Remove these rows from the table, or fill the label in; a missing label is never guessed.",
            )
        )
    if len(levels.names) < 2:
        found = f"the label is always {show(levels.names[0])}" if levels.names else "the label is missing everywhere"
        return None, [*problems, Problem(found, where, "Both label values must occur; is this the label column?")]
    if len(levels.names) > 2:
        return None, [*problems, _not_binary(table, levels, where)]
    known = _known(levels)
    if positive is None:
        if known is None:
            return None, [
                *problems,
                Problem(
                    f"the label holds {listing(levels.names)}: which one does a high score predict?",
                    where,
                    f"Say it with --positive, e.g. --positive {show(levels.names[-1])}.",
                ),
            ]
        index = known
    else:
        found_at = match(levels, positive)
        if found_at is None:
            return None, [
                *problems,
                Problem(f"{told_by} {show(positive)} is no label; there are {listing(levels.names)}", where),
            ]
        index = found_at
    if problems:
        return None, problems
    return Label((levels.codes == index).astype(np.int64), levels.names[index]), []


def read_target(table: Table, column: str) -> tuple[FloatArray | None, list[Problem]]:
    """Return the numbers that a regression predicts, shape [N], or everything that is wrong with them."""
    where = f"{table.name}, column {show(column)}"
    values, text = to_numbers(table.frame[column])
    problems = []
    if text.any():
        rows = np.flatnonzero(text)
        cell = show(table.frame[column].iloc[int(rows[0])])
        remedy = "Mend these cells, or name another column with --label."
        problems.append(Problem(f"the target must be a number: {cell} in {table.spot(rows)}", where, remedy))
    bad = np.flatnonzero(~np.isfinite(values) & ~text)
    if bad.size:
        found = f"the target is missing or infinite in {count(table.size(bad), 'row')}: {table.spot(bad)}"
        problems.append(Problem(found, where, "Remove these rows from the table; a missing target is never guessed."))
    if not problems and (not len(values) or (values == values[0]).all()):
        problems.append(same_target(table.name, column))
    return (None if problems else values), problems


def same_target(table: str, column: str) -> Problem:
    """Return what is said of a target that does not vary."""
    where = f"{table}, column {show(column)}"
    return Problem("the target is the same in every row", where, "Is this the column to predict?")


def match(levels: Levels, value: str | float) -> int | None:
    """Return the level that a flag's text names: the text itself, or the same number or truth value."""
    text = str(value).strip()
    if text in levels.names:
        return levels.names.index(text)
    if levels.numbers is None:
        return None
    lowered = [name.lower() for name in levels.names]
    if text.lower() in lowered:
        return lowered.index(text.lower())
    try:
        wanted = float(text)
    except ValueError:
        return None
    near = np.flatnonzero(np.isclose(levels.numbers, wanted, rtol=1e-5, atol=0))
    return int(near[0]) if near.size == 1 else None


def _numeric(levels: Levels) -> Levels:
    """Return text levels that are all numbers as numbers: '0' and '1' of a DataFrame of text."""
    if levels.numbers is not None or not levels.names:
        return levels
    try:
        return Levels(levels.codes, levels.names, np.array([float(name) for name in levels.names]))
    except ValueError:
        return levels


def _known(levels: Levels) -> int | None:
    """Return the positive level of {0, 1}, {-1, 1} and booleans."""
    if levels.numbers is None or sorted(levels.numbers) not in ([0, 1], [-1, 1]):
        return None
    return int(np.argmax(levels.numbers))


def _not_binary(table: Table, levels: Levels, where: str) -> Problem:
    """Name the values that are too many: all but 0 and 1 where these are the common ones."""
    sizes = table.sizes(levels.codes, len(levels.names))
    kept = set(np.argsort(-sizes, kind="stable")[:2].tolist())
    for pair in ((0, 1), (-1, 1)):
        if levels.numbers is not None and set(pair) <= set(levels.numbers):
            kept = {int(np.argmax(levels.numbers == value)) for value in pair}
            break
    odd = [i for i in range(len(levels.names)) if i not in kept]
    shown = "; ".join(
        f"{show(levels.names[i])} first in {table.spot(np.flatnonzero(levels.codes == i), first=True)}" for i in odd[:5]
    )
    return Problem(
        f"the label is not binary: {count(len(levels.names), 'value')}, besides "
        f"{listing(levels.names[i] for i in sorted(kept))} also {shown}{' …' if len(odd) > 5 else ''}",
        where,
        "Recode the label to two values, or say --output-kind value where the network predicts a number.",
    )
