"""A raw table to a contract: what each column is, and whether the columns add up to what the network reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal, get_args

import numpy as np

from debias.contract import Contract, Feature, Input, Kind, Output, Role
from debias.data.columns import Columns, find_label, named
from debias.data.grouping import Grouping, contract_entries, read_attributes
from debias.data.labels import read_label
from debias.data.tables import Table
from debias.data.values import missing, to_levels, to_numbers
from debias.errors import ContractError, DataError, Problem
from debias.words import count, listing, show

MOST_ATTRIBUTES = 6
"""Of more protected attributes than this, either all or none are left out of the inputs."""


def infer_contract(
    table: Table,
    columns: Columns,
    inputs: Mapping[str, int | None],
    *,
    roles: Mapping[str, str] | None = None,
    cluster: str | None = None,
    kinds: Mapping[str, str] | None = None,
    standardise: bool | None = None,
    output: Output | None = None,
) -> tuple[Contract, tuple[str, ...]]:
    """Make a contract from a raw table.

    Numeric columns get the table's mean and SD, text columns one column per distinct value in sorted order, booleans
    0 and 1. Missing values: the mean, a column of their own, false.

    Parameters
    ----------
    table : Table
        Best the one that the network was trained on: mean and SD are taken from it.
    columns : Columns
        `features` names the raw columns in the network's order; without it all columns but label, attribute (when
        the widths say so), cluster, weight, split-by and ignored ones, in the table's order.
    inputs : mapping of str to int or None
        Name of each tensor that the network takes, in its order, to its width; None where it is unknown.
    roles : mapping of str to {"features", "cluster", "group"}, optional
        Needed where there are several inputs. The cluster input is made from `cluster`, the group input from the
        attribute.
    cluster : str, optional
        Column that names the cluster of a row.
    kinds : mapping of str to {"numeric", "boolean", "category"}, optional
        Kinds of columns where the values do not tell: a category coded as a number, two values as one 0/1 column.
    standardise : bool, optional
        Whether numeric columns are standardised. Default: unless they look standardised already.
    output : Output, optional
        Kind of output, decision and threshold, as far as they are known.

    Returns
    -------
    Contract, tuple of str
        The contract, and notes on what was assumed.

    Raises
    ------
    ContractError
        Several inputs without roles, or the columns do not add up to the network's width.
    DataError
        The table itself is off.
    """
    by_role = _roles(inputs, roles)
    label, problems = find_label(table, columns, None)
    positive = None
    if label is not None:
        read, wrong = read_label(table, label, columns.positive, "--positive")
        positive, problems = (read.positive if read else None), problems + wrong
    groupings, wrong = _attributes(table, columns)
    problems += wrong
    needed = {"cluster": cluster} if cluster is not None else {}
    for flag, name in {**needed, "weight": columns.weight, "split-by": columns.split_by}.items():
        problems += named(table, name, f"--{flag}") if name is not None else []
    for name in (*columns.ignore, *(columns.features or ()), *(kinds or ())):
        problems += named(table, name, "--features, --ignore or --kind")
    if problems or label is None or groupings is None:
        raise DataError(problems)
    if "cluster" in by_role and cluster is None:
        raise ContractError(
            Problem("an input has the role cluster: which column is it made from?", table.name, "Name it: --cluster.")
        )
    apart = {label, cluster, columns.weight, columns.split_by, *columns.ignore}
    names = list(columns.features) if columns.features is not None else [c for c in table.columns if c not in apart]
    plain, notes = _standardised(table, names, standardise)
    made = _features(table, names, kinds or {}, plain)
    entries = contract_entries(groupings)
    protected = [entry.column for entry in entries]
    features, more = _fitting(table, columns, protected, made, by_role["features"][1])
    notes += more
    extra: dict[Role, str | None] = {"cluster": cluster}
    if "group" in by_role:
        extra["group"] = _group_column(groupings, table.name)
        if len(protected) > 1:
            notes.append(f"The group input is made from {show(extra['group'])}, the first --attr.")
    features += [_one_column(table, str(extra[role]), role, by_role[role][1]) for role in extra if role in by_role]
    inputs_made = {feature.column for feature in features}
    notes += [
        f"The attribute {show(name)} is no input of the network." for name in protected if name not in inputs_made
    ]
    contract = Contract(
        inputs=tuple(
            Input(name=name, role=role, width=sum(f.width for f in features if f.role == role))
            for role, (name, _) in by_role.items()
        ),
        features=tuple(features),
        label=label,
        positive=positive,
        favorable=columns.favorable or "positive",
        attributes=entries,
        cluster=cluster,
        output=output or Output(),
    )
    return contract, tuple(notes)


def _roles(inputs: Mapping[str, int | None], roles: Mapping[str, str] | None) -> dict[Role, tuple[str, int | None]]:
    """Return role to input name and width, in the network's order."""
    known: tuple[Role, ...] = get_args(Role)
    if len(inputs) == 1 and not roles:
        roles = {next(iter(inputs)): "features"}
    roles = roles or {}
    example = " ".join(f"--role {name}={role}" for name, role in zip(inputs, known, strict=False))
    problems = [
        Problem(f"--role {name}: the network has no such input; it has {listing(inputs)}", "", f"E.g. {example}")
        for name in roles
        if name not in inputs
    ]
    if absent := [name for name in inputs if name not in roles]:
        problems.append(
            Problem(
                f"the network has {count(len(inputs), 'input')}; no role for {listing(absent)}", "", f"E.g. {example}"
            )
        )
    problems += [
        Problem(f"--role {name}={role}: a role is {listing(known)}", "", f"E.g. {example}")
        for name, role in roles.items()
        if role not in known
    ]
    given = list(roles.values())
    if not problems and (len(set(given)) < len(given) or "features" not in given):
        problems.append(Problem("each role belongs to one input, and one input has the role features", "", example))
    if problems:
        raise ContractError(problems)
    return {role: (name, inputs[name]) for name in inputs for role in known if roles[name] == role}


def _attributes(table: Table, columns: Columns) -> tuple[Mapping[str, Grouping] | None, list[Problem]]:
    """Return the groups of every attribute; a contract tells them as the table holds them, none is merged."""
    rule: Literal["drop", "group"] = "group" if columns.missing_attr == "group" else "drop"
    read, problems = read_attributes(table, replace(columns, missing_attr=rule, min_group=0))
    return None if read is None else {name: groups.grouping for name, groups in read.groups.items()}, problems


def _group_column(groupings: Mapping[str, Grouping], where: str) -> str:
    """Return the column that the group input is made from: the first attribute."""
    name, first = next(iter(groupings.items()))
    if len(first.columns) > 1:
        raise ContractError(
            Problem(
                f"the group input is made from one column, {show(name)} is an intersection",
                where,
                f"Name its column first, as in --attr {show(first.columns[0].column)} --attr {show(name)}.",
            )
        )
    return first.columns[0].column


def _standardised(table: Table, names: list[str], asked: bool | None) -> tuple[bool, list[str]]:
    """Return whether numeric columns stay as they are, with a note on what was assumed."""
    moments = []
    for name in names:
        values, text = to_numbers(table.frame[name])
        if not text.any() and np.isfinite(values).any():
            present = values[np.isfinite(values)]
            moments.append((abs(present.mean()), present.std()))
    if not moments:
        return True, []
    mean, sd = np.median(moments, axis=0)
    looks = bool(mean < 0.1 and 0.8 < sd < 1.2)
    plain = looks if asked is None else not asked
    if plain:
        note = "Numeric columns are taken as they are" + (": they look standardised already." if looks else ".")
    else:
        note = (
            "Mean and SD of numeric columns are those of this table; put in those of the training table where it is "
            "another, or 0 and 1 where the network takes the numbers as they are."
        )
    return plain, [note]


def _features(table: Table, names: list[str], kinds: Mapping[str, str], plain: bool) -> dict[str, Feature]:
    made: dict[str, Feature] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            made[name] = feature_of(table, name, kinds.get(name), plain)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return made


def feature_of(table: Table, name: str, kind: str | None, plain: bool, role: Role = "features") -> Feature:
    """Return how a column becomes inputs: by its values, or as the kind told.

    Parameters
    ----------
    table : Table
    name : str
        An existing column.
    kind : {"numeric", "boolean", "category"}, optional
        Default: by the values.
    plain : bool
        Numbers stay as they are; else they are standardised by this table.
    role : str
        Input that the columns go to.

    Raises
    ------
    DataError
        The column is empty, or not of the kind.
    """
    series = table.frame[name]
    levels = to_levels(series)
    gaps = bool(missing(series).any())
    where = f"{table.name}, column {show(name)}"
    if kind is not None and kind not in get_args(Kind):
        raise DataError(Problem(f"{show(kind)} is no kind of column", where, f"Kinds: {listing(get_args(Kind))}."))
    if not levels.names:
        raise DataError(Problem("every value is missing", where, "Leave the column out with --ignore."))
    values, text = to_numbers(series)
    if kind is None:
        truth = set(levels.names) <= {"True", "False"}
        kind = "boolean" if truth else "category" if text.any() else "numeric"
    if kind == "category":
        return Feature(
            column=name, kind="category", role=role, categories=levels.names, missing="category" if gaps else "error"
        )
    if kind == "boolean":
        if len(levels.names) > 2 or (len(levels.names) < 2 and not set(levels.names) <= {"True", "False"}):
            raise DataError(
                Problem(f"a boolean column needs two values, found {listing(levels.names)}", where, "Mend --kind.")
            )
        truth_names = ("False", "True") if set(levels.names) <= {"False", "True"} else levels.names
        return Feature(
            column=name, kind="boolean", role=role, categories=truth_names, missing="zero" if gaps else "error"
        )
    if text.any() or np.isinf(values).any():
        odd = series.iloc[int(np.flatnonzero(text | np.isinf(values))[0])]
        raise DataError(Problem(f"{show(odd)} in a numeric column", where, "Mend the cell, or mend --kind."))
    present = values[~np.isnan(values)]
    if plain:
        mean, sd = (0.0, 1.0) if gaps else (None, None)
    else:
        # a constant column says nothing: SD 1 keeps it at 0
        mean, sd = float(present.mean()), float(present.std()) or 1.0
    return Feature(column=name, kind="numeric", role=role, mean=mean, sd=sd, missing="mean" if gaps else "error")


def _one_column(table: Table, name: str, role: Role, width: int | None) -> Feature:
    """Return the encoding of a cluster or group input: one-hot, or 0/1 where the network reads one column."""
    levels = to_levels(table.frame[name])
    if width == 1 and len(levels.names) == 2:
        return feature_of(table, name, "boolean", True, role)
    feature = feature_of(table, name, "category", True, role)
    if width is not None and feature.width != width:
        raise ContractError(
            Problem(
                f"the {role} input is {width} wide, {show(name)} has {count(feature.width, 'value')} here",
                table.name,
                "Give the table that the network was trained on, which holds them all.",
            )
        )
    return feature


def _fitting(
    table: Table, columns: Columns, protected: Sequence[str], made: Mapping[str, Feature], width: int | None
) -> tuple[list[Feature], list[str]]:
    """Return the features whose widths add up to the network's: the one way in which they do.

    Tried are all columns and all but one or more attributes, each with a column of its own for a missing category and
    without.
    """
    variants = [(list(made.values()), "")]
    if columns.features is None:
        variants += [
            ([f for name, f in made.items() if name not in gone], "")
            for gone in _choices([name for name in protected if name in made])
        ]
    if any(feature.missing == "category" for feature in made.values()):
        note = "A missing category is 0 in all its columns: only so do the columns add up to the network's width."
        variants += [
            ([f.model_copy(update={"missing": "zero"}) if f.missing == "category" else f for f in some], note)
            for some, _ in variants
            if any(f.missing == "category" for f in some)
        ]
    fitting = [(some, note) for some, note in variants if width is None or sum(f.width for f in some) == width]
    if width is None or len(fitting) == 1:
        return list(fitting[0][0]), [fitting[0][1]] if fitting[0][1] else []
    sums = " or ".join(str(total) for total in sorted({sum(f.width for f in some) for some, _ in variants}))
    sizes = ", ".join(f"{show(name)} {feature.width}" for name, feature in made.items())
    two = [name for name, feature in made.items() if feature.kind == "category" and len(feature.categories or ()) == 2]
    hint = f" A column of two values is one wide as a boolean: --kind {two[0]}=boolean." if two else ""
    what = "in more than one way" if fitting else f"to {sums} columns, with or without the attribute"
    raise ContractError(
        Problem(
            f"the network reads {width} columns; those of the table encode {what}: {sizes}",
            table.name,
            "Name the raw columns in the network's order with --features, leave some out with --ignore, or say what "
            f"a column is with --kind COLUMN=numeric|boolean|category.{hint}",
        )
    )


def _choices(protected: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the attributes to leave out: one or more of them; of very many, all."""
    if len(protected) > MOST_ATTRIBUTES:
        return [tuple(protected)]
    return [some for n in range(1, len(protected) + 1) for some in combinations(protected, n)]
