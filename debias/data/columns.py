"""Which column is the label, which are the network's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations, islice
from typing import Literal

from debias.contract import Contract
from debias.data.tables import Table
from debias.data.values import to_levels
from debias.errors import Problem
from debias.words import LONGEST, count, listing, show

LABEL_NAMES = ("label", "y", "target")
MANY_CHOICES = 100
"""So many ways to leave attributes out are counted."""


@dataclass(frozen=True)
class Columns:
    """What a caller says about the columns of a table; the fields have the names of the flags.

    Parameters
    ----------
    attr : str or sequence of str
        Protected attributes: columns, or intersections of columns as ``sex*race``. Kept as a tuple.
    privileged : str, float, sequence or mapping, optional
        Privileged group; of several attributes as a mapping, or as texts ``sex=male``. Kept as a tuple of texts.
    bins : str, sequence or mapping, optional
        Edges ``25,40`` or a number of bins ``4``; of several attributes as a mapping, or as texts ``age=25,40``.
        Kept as a tuple of texts.
    min_group : int
        Groups with fewer rows of ``--data`` than this are merged; 0 merges none.
    cluster : str, optional
        Column that names the cluster of a row. Default: from the contract.
    unseen_z : {"soft", "hard", "zero", "error"}, optional
        What the cluster input holds for a cluster that the network does not know, see `debias.data.clusters`.
    """

    attr: str | Sequence[str]
    label: str | None = None
    positive: str | float | None = None
    favorable: Literal["positive", "negative"] | None = None
    privileged: str | float | Sequence[str | float] | Mapping[str, str | float] | None = None
    features: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    weight: str | None = None
    split_by: str | None = None
    missing_attr: Literal["error", "drop", "group"] = "error"
    bins: str | Sequence[str | float] | Mapping[str, str | int | Sequence[float]] | None = None
    min_group: int = 0
    cluster: str | None = None
    unseen_z: Literal["soft", "hard", "zero", "error"] | None = None

    def __post_init__(self) -> None:
        attr = (self.attr,) if isinstance(self.attr, str) else tuple(self.attr)
        object.__setattr__(self, "attr", attr)
        object.__setattr__(self, "privileged", _privileged_texts(self.privileged))
        object.__setattr__(self, "bins", _bins_texts(self.bins))

    @property
    def attributes(self) -> tuple[str, ...]:
        """The protected attributes as they were named."""
        return tuple(self.attr)

    def problems(self) -> list[Problem]:
        """Return what is wrong whatever the table holds."""
        found = []
        if not self.attributes:
            found.append(Problem("no protected attribute named", "--attr", "Name its column."))
        found += [
            Problem(f"{show(name)} is named more than once", "--attr", "Name each attribute once.")
            for name in dict.fromkeys(self.attributes)
            if self.attributes.count(name) > 1
        ]
        if self.min_group < 0:
            found.append(Problem(f"{self.min_group!r} is no number of rows", "--min-group", "Give 0 or more."))
        return found


def _privileged_texts(given: object) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        return tuple(f"{name}={value}" for name, value in given.items())
    if isinstance(given, Sequence) and not isinstance(given, str):
        return tuple(map(str, given)) or None
    return (str(given),)


def _bins_texts(given: object) -> tuple[str, ...] | None:
    """Return ``25,40,`` for edges given as numbers: with a comma at the end one edge is no number of bins."""
    if given is None or isinstance(given, str):
        return None if given is None else (given,)
    if isinstance(given, Mapping):
        return tuple(f"{name}={text}" for name, value in given.items() for text in _bins_texts(value) or ())
    if not isinstance(given, Sequence) and not hasattr(given, "tolist"):
        return (str(given),)
    items = list(given)  # type: ignore[call-overload]
    if any(isinstance(item, str) for item in items):
        return tuple(map(str, items))
    return (",".join(map(str, items)) + ",",) if items else None


def named(table: Table, name: str, flag: str) -> list[Problem]:
    """Return the problem of a column that is not in the table."""
    if name in table.columns:
        return []
    near = [other for other in table.columns if other.strip().casefold() == name.strip().casefold()]
    parts = [other for other in table.columns if other.startswith(f"{name}_")]
    if near:
        remedy = f"Did you mean {listing(near)}?"
    elif len(parts) > 1:
        remedy = f"Give a table with the column itself, or name one of {listing(parts)}."
    elif close := get_close_matches(name[:LONGEST], [other for other in table.columns if len(other) <= LONGEST], 2):
        remedy = f"Did you mean {listing(close)}?"
    else:
        remedy = f"Columns: {listing(table.columns)}."
    return [Problem(f"has no column {show(name)} ({flag})", table.name, remedy)]


def find_label(table: Table, columns: Columns, contract: Contract | None) -> tuple[str | None, list[Problem]]:
    """Return the label column: as told, else by contract, else the only one named label, y or target."""
    told = columns.label or (contract.label if contract else None)
    if told is not None:
        problems = named(table, told, "--label" if columns.label else "label of the contract")
        return (None if problems else told), problems
    found = [name for name in table.columns if name.strip().casefold() in LABEL_NAMES]
    if len(found) == 1:
        return found[0], []
    what = f"has {listing(found)}" if found else "has no column named label, y or target"
    return None, [
        Problem(
            f"{what}: which column is the label?",
            table.name,
            f"Name it with --label. Columns: {listing(table.columns)}.",
        )
    ]


def find_features(
    table: Table, columns: Columns, protected: Sequence[str], label: str | None, width: int | None
) -> tuple[tuple[str, ...] | None, list[str], list[Problem]]:
    """Return the network's input columns in order, without a contract.

    Parameters
    ----------
    table : Table
    columns : Columns
    protected : sequence of str
        Columns of the protected attributes.
    label : str or None
        None where the label could not be told; columns cannot be counted then.
    width : int or None
        Columns that the network reads; None where unknown: then all columns but label, ``--split-by``, ``--weight``
        and ``--ignore`` are taken.

    Returns
    -------
    tuple of str or None, list of str, list of Problem
        The columns, notes for the report, problems.
    """
    problems = [p for name in columns.ignore for p in named(table, name, "--ignore")]
    if columns.features is not None:
        told = tuple(columns.features)
        problems += [p for name in dict.fromkeys(told) for p in named(table, name, "--features")]
        problems += _clashes(table, columns, told, label)
        if width is not None and len(told) != width:
            problems.append(
                Problem(f"--features names {count(len(told), 'column')}, the network reads {width}", table.name)
            )
        return (None if problems else told), [], problems
    if label is None:
        return None, [], problems
    apart = {label, columns.split_by, columns.weight, columns.cluster, *columns.ignore}
    every = tuple(name for name in table.columns if name not in apart)
    left_out = ", ".join(show(name) for name in table.columns if name in apart)
    if width is None or len(every) == width:
        return every, [f"Network inputs: all columns of the table but {left_out}, in its order."], problems
    without, wrong = _without(table, every, [name for name in every if name in protected], width)
    if without is not None:
        gone = " and ".join(show(name) for name in every if name not in without)
        note = f"Network inputs: all columns of the table but {left_out} and {gone}, in its order."
        return without, [note], problems
    if not wrong:
        fewer = tuple(name for name in every if name not in protected)
        attribute = " and ".join(show(name) for name in protected)
        wrong = [
            Problem(
                f"the network reads {width} columns. All columns but {left_out} are {len(every)}: "
                f"{listing(every, 40)}. Without the attribute {attribute} too they are {len(fewer)}: "
                f"{listing(fewer, 40)}",
                table.name,
                "Name the inputs in the network's order with --features, leave columns out with --ignore, or, where "
                "the table holds raw values, write a contract: debias contract MODEL --data FILE --attr COLUMN",
            )
        ]
    return None, [], problems + wrong


def _without(
    table: Table, every: tuple[str, ...], protected: list[str], width: int
) -> tuple[tuple[str, ...] | None, list[Problem]]:
    """Return all columns but as many of the attributes as are too many, where one choice of these fits alone."""
    surplus = len(every) - width
    if not 0 < surplus <= len(protected):
        return None, []
    choices = list(islice(combinations(protected, surplus), MANY_CHOICES))
    if len(choices) > 1:
        what = " and ".join(map(show, choices[0])), " and ".join(map(show, choices[1]))
        more = f" or {len(choices) - 2} other ways" if len(choices) > 2 else ""
        return None, [
            Problem(
                f"the network reads {width} columns: the table fits without {what[0]}, without {what[1]}{more}",
                table.name,
                f"Say which is no input, as in --ignore {' --ignore '.join(map(show, choices[0]))}, or name the inputs "
                "with --features.",
            )
        ]
    without = tuple(name for name in every if name not in protected)
    for name in protected:
        if twins := _twins(table, name, without):
            return None, [_ambiguous(table, name, twins, width)]
    return without, []


def _clashes(table: Table, columns: Columns, told: tuple[str, ...], label: str | None) -> list[Problem]:
    problems = []
    if twice := [name for name in dict.fromkeys(told) if told.count(name) > 1]:
        problems.append(Problem(f"--features names {listing(twice)} more than once", table.name))
    if label is not None and label in told:
        problems.append(Problem(f"--features names the label {show(label)}", table.name, "Leave the label out."))
    if both := [name for name in columns.ignore if name in told]:
        problems.append(Problem(f"{listing(both)} stands in --features and in --ignore", table.name))
    return problems


def _twins(table: Table, attr: str, others: tuple[str, ...]) -> list[str]:
    """Return columns with the same groups as a standardised attribute: one of the two was never an input.

    Leaving the attribute out fits the width, but so does leaving out its copy, and a standardised attribute most
    likely is an input.
    """
    levels = to_levels(table.frame[attr])
    if levels.numbers is None or not 2 <= len(levels.names) <= 10 or (levels.numbers % 1 == 0).any():
        return []
    found = []
    for name in others:
        other = to_levels(table.frame[name])
        pairs = set(zip(levels.codes.tolist(), other.codes.tolist(), strict=True))
        if len(other.names) == len(levels.names) == len(pairs):
            found.append(name)
    return found


def _ambiguous(table: Table, attr: str, twins: list[str], width: int) -> Problem:
    return Problem(
        f"the network reads {width} columns: the table fits without {show(attr)}, or without {listing(twins)}, "
        "which holds the same groups",
        table.name,
        f"Say which is no input: --ignore {show(twins[0])}, or --ignore {show(attr)}.",
    )
