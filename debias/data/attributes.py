"""Names of protected attributes and what flags say of each: columns, intersections ``sex*race``, ``age=25,40``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from debias.data.columns import Columns, named
from debias.data.groups import MANY
from debias.data.tables import Table
from debias.data.values import to_levels, to_numbers
from debias.errors import Problem
from debias.words import listing, show

CROSS = "*"
MOST_PIECES = 64
"""A name with more ``*`` than this is not searched for columns whose own names hold one."""


def resolve(table: Table, columns: Columns) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Return the columns of each protected attribute, by the attribute's name.

    A name that a column has is that column, whatever signs it holds. Any other name is split at ``*``; blanks round
    it do not count, and a part may hold a ``*`` itself where a column does.

    Parameters
    ----------
    table : Table
    columns : Columns
        `attr` as it was typed.

    Returns
    -------
    dict of str to tuple of str, list of Problem
        The attributes that could be told, in the order of the flags, and what is wrong with the others. The name of
        an intersection is its columns joined by ``*``; as it was typed where a column has that very name.
    """
    problems = columns.problems()
    found: dict[str, tuple[str, ...]] = {}
    for typed in dict.fromkeys(columns.attributes):
        parts, wrong = _parts(table, typed)
        problems += wrong
        if parts is None:
            continue
        name = _name(table, typed, parts)
        if len(set(parts)) < len(parts):
            problems.append(Problem(f"{show(typed)} crosses a column with itself", "--attr", "Name each column once."))
        elif name in found or any(set(parts) == set(other) for other in found.values()):
            twin = next(other for other, its in found.items() if other == name or set(its) == set(parts))
            problems.append(Problem(f"{show(typed)} is {show(twin)} again", "--attr", "Name each attribute once."))
        else:
            found[name] = parts
    return found, problems


def typed_names(table: Table, columns: Columns) -> dict[str, str]:
    """Return names of attributes, and the same as they were typed, to the names of the attributes."""
    found: dict[str, str] = {}
    for typed in columns.attributes:
        parts, _ = _parts(table, typed)
        if parts is not None:
            name = _name(table, typed, parts)
            found |= {typed: name, name: name}
    return found


def _name(table: Table, typed: str, parts: tuple[str, ...]) -> str:
    joined = CROSS.join(parts)
    return typed if joined in table.columns else joined


def _parts(table: Table, typed: str) -> tuple[tuple[str, ...] | None, list[Problem]]:
    """Return the columns of an attribute: itself, or the fewest that ``*`` can part it into."""
    if typed in table.columns or CROSS not in typed:
        wrong = named(table, typed, "--attr")
        return (None if wrong else (typed,)), wrong
    known = set(table.columns)
    pieces = typed.split(CROSS)
    # The fewest columns that make up the pieces from each one on.
    best: list[tuple[str, ...] | None] = [None] * len(pieces) + [()]
    for start in reversed(range(len(pieces) if len(pieces) <= MOST_PIECES else 0)):
        for end in range(len(pieces), start, -1):
            text = CROSS.join(pieces[start:end])
            rest = best[end]
            column = next((name for name in (text, text.strip()) if name in known), None)
            if column is not None and rest is not None:
                shorter = best[start]
                if shorter is None or len(rest) + 1 < len(shorter):
                    best[start] = (column, *rest)
    if best[0] is not None:
        return best[0], []
    problems: list[Problem] = []
    for piece in dict.fromkeys(piece.strip() for piece in pieces):
        if piece:
            problems += named(table, piece, f"--attr {show(typed)}")
        else:
            found = f"--attr {show(typed)} has nothing on one side of the {CROSS}"
            problems.append(Problem(found, table.name, "Name a column on both sides, as in --attr 'sex*race'."))
    return None, problems


def told_of(
    texts: Iterable[str] | None, names: Mapping[str, str], flag: str
) -> tuple[dict[str, str], str | None, list[Problem]]:
    """Part the texts of a flag into those of one attribute, ``NAME=VALUE``, and the one without a name.

    Only names of attributes count before the ``=``, the longest first, so that a value may hold one.

    Parameters
    ----------
    texts : iterable of str or None
    names : mapping of str to str
        What may stand before the ``=``, to the name of the attribute or column that is meant.
    flag : str
        For messages.

    Returns
    -------
    dict of str to str, str or None, list of Problem
        Texts with their prefix by name, the plain text, problems.
    """
    by_name: dict[str, str] = {}
    plain: list[str] = []
    problems = []
    longest = sorted(names, key=len, reverse=True)
    for text in dict.fromkeys(texts or ()):
        prefix = next((name for name in longest if text.startswith(f"{name}=")), None)
        if prefix is None:
            plain.append(text)
        elif names[prefix] in by_name:
            found = f"is given twice for {show(names[prefix])}: {listing([by_name[names[prefix]], text])}"
            problems.append(Problem(found, flag, "Give one."))
        else:
            by_name[names[prefix]] = text
    if len(plain) > 1:
        found = f"is given {len(plain)} times without the name of an attribute: {listing(plain)}"
        problems.append(Problem(found, flag, f"Write {flag} ATTRIBUTE=VALUE; attributes: {listing(_values(names))}."))
    return by_name, plain[0] if len(plain) == 1 else None, problems


def value_of(text: str, name: str, names: Mapping[str, str]) -> str:
    """Return what follows the prefix that names `name`."""
    prefix = max((key for key, meant in names.items() if meant == name and text.startswith(f"{key}=")), key=len)
    return text[len(prefix) + 1 :]


def bins_of(table: Table, columns: Columns, cut: Sequence[str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the text of ``--bins`` for each column that it cuts.

    Text without a name goes to the only column, else to the only numeric one, else to the only one with so many
    values that it needs bins.

    Parameters
    ----------
    table : Table
    columns : Columns
    cut : sequence of str
        Columns of the protected attributes.
    """
    names = {name: name for name in cut}
    by_name, plain, problems = told_of(_texts(columns.bins), names, "--bins")
    found = {name: value_of(text, name, names) for name, text in by_name.items()}
    if plain is None:
        return found, problems
    if len(cut) == 1:
        if cut[0] in found:
            problems.append(
                Problem(f"is given twice for {show(cut[0])}: {listing([plain, by_name[cut[0]]])}", "--bins")
            )
        return found | {cut[0]: plain}, problems
    if not cut:
        return found, problems  # no attribute can be read, which is told of each
    free = [name for name in cut if name not in found]
    numeric = [name for name in free if _numeric(table, name)]
    takers = numeric if len(numeric) == 1 else [n for n in numeric if len(to_levels(table.frame[n]).names) > MANY]
    if len(takers) == 1:
        return found | {takers[0]: plain}, problems
    what = f"numeric are {listing(numeric)}" if numeric else "none is numeric"
    example = (takers or numeric or list(cut))[0]
    problems.append(
        Problem(
            f"{show(plain)}: which attribute does it cut? Of {listing(free)}, {what}",
            "--bins",
            f"Name it, as in --bins {show(f'{example}={plain}')}.",
        )
    )
    return found, problems


def _numeric(table: Table, name: str) -> bool:
    values, text = to_numbers(table.frame[name])
    return not text.any() and bool(np.isfinite(values).any())


def privileged_of(
    columns: Columns, typed: Mapping[str, str], groups: Mapping[str, Sequence[str]]
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Return what ``--privileged`` says of each attribute: the value, and the whole text where that is a group too.

    Parameters
    ----------
    columns : Columns
    typed : mapping of str to str
        Names of attributes, also as they were typed, to the names of the attributes.
    groups : mapping of str to sequence of str
        Groups of each attribute: text without a name goes to the only attribute, else to the only one that has it.
    """
    by_name, plain, problems = told_of(_texts(columns.privileged), typed, "--privileged")
    found: dict[str, tuple[str, ...]] = {name: (value_of(text, name, typed), text) for name, text in by_name.items()}
    if plain is None:
        return found, problems
    takers = list(groups)
    if len(groups) > 1:
        takers = [name for name, its in groups.items() if plain.strip() in its]
    if len(takers) == 1 and takers[0] not in found:
        return found | {takers[0]: (plain,)}, problems
    if len(takers) == 1:
        text = f"is given twice for {show(takers[0])}: {listing([plain, by_name[takers[0]]])}"
        return found, [*problems, Problem(text, "--privileged", "Give one.")]
    if takers:
        text, ours = f"{show(plain)} is a group of {listing(takers)}: which is meant?", takers[0]
        problems.append(Problem(text, "--privileged", f"Name it, as in --privileged {show(f'{ours}={plain}')}."))
    else:
        lists = "; ".join(f"{show(name)}: {listing(its)}" for name, its in groups.items())
        text = f"{show(plain)} is a group of no attribute; groups of {lists}"
        problems.append(Problem(text, "--privileged", "Name the attribute too, as in --privileged ATTRIBUTE=GROUP."))
    return found, problems


def _texts(given: object) -> tuple[str, ...] | None:
    """Return texts of a flag as `Columns` keeps them."""
    return given if isinstance(given, tuple) else None


def _values(names: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(names.values()))
