"""Labelled rows of clusters that a network does not know: which estimate its effects, which tell what that brings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from debias.contract import Contract
from debias.data.clusters import cluster_column, read_clusters, with_column
from debias.data.columns import find_label
from debias.data.encode import encode, to_tensor_type
from debias.data.grouping import read_attributes
from debias.data.labels import Label, match, read_label, read_target
from debias.data.sample import Clusters, FloatArray, IntArray, Sample
from debias.data.tables import Table
from debias.data.values import to_levels, to_numbers
from debias.errors import ContractError, DataError, Problem
from debias.run.adapting.request import Asked
from debias.words import count, listing, show


@dataclass(frozen=True)
class Newcomer:
    """A cluster that the network does not know.

    Parameters
    ----------
    name : str
        As the table has it.
    used, held : ndarray of int64
        Positions of its rows that estimate its effects, and of those that take no part in that.
    """

    name: str
    used: IntArray
    held: IntArray


@dataclass(frozen=True)
class Labelled:
    """A table read for a network.

    Parameters
    ----------
    sample : Sample
        All rows; the cluster input is zeros in rows of unknown clusters.
    label : str
        Label column.
    positive : str or None
        The positive label; None of a regression.
    newcomers : tuple of Newcomer
        In the order of their names.
    notes : tuple of str
        For the report.
    """

    sample: Sample
    label: str
    positive: str | None
    newcomers: tuple[Newcomer, ...]
    notes: tuple[str, ...]

    @property
    def clusters(self) -> Clusters:
        """The cluster of every row."""
        assert self.sample.clusters is not None
        return self.sample.clusters

    @property
    def outcome(self) -> FloatArray:
        """Labels 0 and 1, or targets, float64 [N]."""
        return self.sample.y.astype(np.float64) if self.sample.target is None else self.sample.target


def labelled_rows(table: Table, asked: Asked, contract: Contract) -> Labelled:
    """Read a table.

    A row without a cluster is left out. The label may be the same in every row where the contract tells the positive
    value.

    Parameters
    ----------
    table : Table
    asked : Asked
        Tells label, positive value, attributes, cluster column, which clusters to take and how many rows of each.
    contract : Contract
        Of the network; tells what is not told there.

    Raises
    ------
    ContractError
        No cluster column is known.
    DataError
        Everything that is wrong with the table.
    """
    columns = asked.columns
    column = cluster_column(columns, contract)
    if column is None:
        found = "the contract does not tell which column names the cluster"
        raise ContractError(Problem(found, str(asked.model), "Name it with --cluster."))
    contract = with_column(contract, column)
    encoded, notes, problems = encode(table, contract, "float32")
    label, outcome, wrong = _outcome(table, asked, contract)
    problems += wrong
    clusters: Clusters | None = None
    newcomers: list[Newcomer] = []
    if column in table.columns:
        clusters, _, wrong = read_clusters(table, columns, contract)
        problems += wrong
    elif not any(show(column) in problem.found for problem in problems):
        remedy = f"Name another with --cluster. Columns: {listing(table.columns)}."
        problems.append(Problem(f"has no column {show(column)}, which names the cluster", table.name, remedy))
    if clusters is not None:
        newcomers, wrong = _newcomers(table, clusters, asked)
        problems += wrong
        if lost := int((clusters.codes < 0).sum()):
            notes.append(f"{table.name}: {count(lost, 'row')} without a cluster took no part.")
    attributes = {}
    if asked.attributes:
        favorable = _favored(outcome, contract) if outcome is not None else None
        protected, wrong = read_attributes(table, columns, contract=contract, favorable=favorable)
        problems += wrong
        if protected is not None:
            attributes = {name: groups.attribute for name, groups in protected.groups.items()}
            notes += protected.notes
    if problems or encoded is None or outcome is None or clusters is None or label is None:
        raise DataError(dict.fromkeys(problems))
    sample = Sample(
        inputs={role: torch.from_numpy(to_tensor_type(values, "float32")) for role, values in encoded.items()},
        y=outcome.label.y,
        attributes=attributes,
        rows=np.arange(1, len(table) + 1, dtype=np.int64),
        name=table.name,
        target=outcome.target,
        clusters=clusters,
    )
    return Labelled(
        sample, label, outcome.label.positive or None, tuple(newcomers), (*table.notes, *notes, *outcome.notes)
    )


@dataclass(frozen=True)
class _Outcome:
    label: Label
    target: FloatArray | None = None
    notes: tuple[str, ...] = ()


def _outcome(table: Table, asked: Asked, contract: Contract) -> tuple[str | None, _Outcome | None, list[Problem]]:
    """Return the label column, what it holds, and what is wrong with it."""
    name, problems = find_label(table, asked.columns, contract)
    if name is None:
        return None, None, problems
    if contract.task == "regression":
        if asked.positive is not None:
            problems.append(Problem("the network predicts a number, which has no positive value", "--positive"))
        target, wrong = _target(table, name)
        label = Label(np.zeros(len(table), np.int64), "")
        return name, None if target is None else _Outcome(label, target), problems + wrong
    positive, told_by = asked.positive, "--positive"
    if positive is None and name == contract.label:
        positive, told_by = contract.positive, "positive of the contract"
    levels = to_levels(table.frame[name])
    if len(levels.names) == 1 and positive is not None and not (levels.codes < 0).any():
        is_it = match(levels, positive) is not None
        told = "the positive" if is_it else f"not {show(positive)}, so the negative"
        note = f"{table.name}, column {show(name)}: the label is always {show(levels.names[0])}, {told} one."
        return name, _Outcome(Label(np.full(len(table), int(is_it), np.int64), str(positive)), notes=(note,)), problems
    read, wrong = read_label(table, name, positive, told_by)
    return name, None if read is None else _Outcome(read), problems + wrong


def _target(table: Table, name: str) -> tuple[FloatArray | None, list[Problem]]:
    """Return the targets, which may all be the same: few rows may well be."""
    values, text = to_numbers(table.frame[name])
    if not text.any() and np.isfinite(values).all() and len(values):
        return values, []
    return read_target(table, name)


def _favored(outcome: _Outcome, contract: Contract) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return the rows with the favourable label, or whose target lies on the favourable side of the mean."""
    negative = contract.favorable == "negative"
    if outcome.target is not None:
        middle = outcome.target.mean()
        return np.asarray(outcome.target < middle if negative else outcome.target > middle)
    return np.asarray(outcome.label.y == int(not negative))


def _newcomers(table: Table, clusters: Clusters, asked: Asked) -> tuple[list[Newcomer], list[Problem]]:
    """Return the clusters to add with their rows divided."""
    where = f"{table.name}, column {show(clusters.name)}"
    known = {name for name, one in zip(clusters.names, clusters.known, strict=True) if one}
    present = [clusters.names[code] for code in np.unique(clusters.codes) if code >= 0]
    unknown = [name for name in present if name not in known]
    wanted = list(dict.fromkeys(asked.only)) or unknown
    problems = []
    if strange := [name for name in wanted if name not in unknown]:
        already, absent = [n for n in strange if n in known], [n for n in strange if n not in known]
        if already:
            found = f"the network knows {listing(already)} already"
            problems.append(Problem(found, "--only", f"Unknown are {listing(unknown)}." if unknown else ""))
        if absent:
            remedy = f"Unknown clusters there are {listing(unknown)}." if unknown else ""
            problems.append(Problem(f"no row is of {listing(absent)}", f"--only, {where}", remedy))
    elif not wanted:
        found = "every cluster is one that the network knows" if present else "no row has a cluster"
        problems.append(Problem(found, where, f"Give rows of others; known are {listing(sorted(known))}."))
    if problems:
        return [], problems
    return [
        _divided(name, np.flatnonzero(clusters.codes == clusters.names.index(name)), asked.most, asked.seed)
        for name in sorted(wanted)
    ], []


def _divided(name: str, rows: IntArray, most: int, seed: int) -> Newcomer:
    """Draw the rows that estimate the effects of a cluster; the draw depends on its name and the seed alone."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    order = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")]).permutation(rows)
    return Newcomer(name, np.sort(order[:most]), np.sort(order[most:]))
