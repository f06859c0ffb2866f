"""The cluster of every row: which the network knows, and what it is to do with one that it does not know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from debias.contract import Contract
from debias.data.columns import Columns, named
from debias.data.sample import Clusters
from debias.data.tables import Table
from debias.data.values import to_levels
from debias.errors import DataError, Problem
from debias.words import count, listing, show

LEAST_ROWS = 2
"""Fewer rows than this in a cluster on average: the column tells rows apart, not clusters."""

UnseenZ = Literal["soft", "hard", "zero", "error"]
"""What the cluster input holds in rows of a cluster that the network does not know: the predicted probabilities of the
known ones, a 1 for the likeliest, zeros (the fixed effects alone), or nothing: the rows are refused."""


def cluster_column(columns: Columns, contract: Contract | None) -> str | None:
    """Return the column that names the cluster: as told, else by contract."""
    return columns.cluster or (contract.cluster if contract else None)


def with_column(contract: Contract, column: str | None) -> Contract:
    """Return the contract with its cluster input made from another column of the table."""
    if column is None or column == contract.cluster:
        return contract
    features = tuple(
        item.model_copy(update={"column": column}) if item.role == "cluster" else item for item in contract.features
    )
    return contract.model_copy(update={"features": features, "cluster": column})


def read_clusters(
    table: Table, columns: Columns, contract: Contract | None
) -> tuple[Clusters | None, list[str], list[Problem]]:
    """Return the cluster of every row, notes and problems.

    Parameters
    ----------
    table : Table
    columns : Columns
        `cluster` names the column; a contract may name it too.
    contract : Contract or None
        Of the network; its cluster input's categories are the known clusters, in order.

    Returns
    -------
    Clusters or None, list of str, list of Problem
        None where no column is named, or the one of the contract is not in the table and no input is made from it.
    """
    name = cluster_column(columns, contract)
    known = contract.clusters if contract else ()
    if name is None or (columns.cluster is None and not known and name not in table.columns):
        return None, [], []
    if wrong := named(table, name, "--cluster"):
        # A table that is encoded already has no such column; what is missing is told with the other inputs.
        return None, [], wrong if columns.cluster is not None else []
    clusters = _placed(table, name, known)
    if not known:
        return clusters, [], []
    notes, problems = _unseen(table, clusters, columns, contract)
    return clusters, notes, problems


def _placed(table: Table, name: str, known: Sequence[str]) -> Clusters:
    """Return the cluster of every row; the known ones come first, in their order. Without any, all are known."""
    levels = to_levels(table.frame[name])
    names = tuple(dict.fromkeys((*known, *levels.names)))
    rank = {text: place for place, text in enumerate(names)}
    place = np.array([*(rank[text] for text in levels.names), -1], dtype=np.int64)
    is_known = np.arange(len(names)) < (len(known) or len(names))
    return Clusters(name, place[levels.codes], names, is_known)


def all_clusters(
    table: Table, column: str | None, known: Sequence[str] | None
) -> tuple[Clusters | None, list[Problem]]:
    """Return the cluster of every row of a table that a network is trained on.

    Parameters
    ----------
    table : Table
    column : str or None
        None where no column was named.
    known : sequence of str or None
        Clusters of another table of the same training, which come first; None for the table that is learnt from.
    """
    if column is None:
        return None, []
    if wrong := named(table, column, "--cluster"):
        return None, wrong
    clusters = _placed(table, column, known or ())
    if known is None and len(clusters.names) < 2:
        found = f"every row is of the cluster {show(clusters.names[0])}" if clusters.names else "no row has a value"
        where = f"{table.name}, column {show(column)}"
        return None, [Problem(found, where, "Name another column with --cluster; there must be two clusters or more.")]
    return clusters, []


def with_seen(table: Table, clusters: Clusters, seen: int | None) -> Clusters:
    """Return the clusters with the `seen` largest first, and known.

    Raises
    ------
    DataError
        Fewer than two, more than there are, or a column that tells rows apart.
    """
    where = f"{table.name}, column {show(clusters.name)}"
    sizes = np.bincount(clusters.codes[clusters.codes >= 0], minlength=len(clusters.names))
    present = int((sizes > 0).sum())
    wanted = present if seen is None else seen
    if wanted < 2:
        found = f"{count(wanted, 'seen cluster')}: there must be two or more"
        raise DataError(Problem(found, where if seen is None else "--seen", "A cluster effect needs others beside it."))
    if wanted > present:
        raise DataError(Problem(f"--seen {wanted}: there are {count(present, 'cluster')}", where, "Give fewer."))
    order = np.argsort(-sizes, kind="stable")
    chosen = np.zeros(len(sizes), dtype=bool)
    chosen[order[:wanted]] = True
    if sizes[chosen].sum() < LEAST_ROWS * wanted:
        found = f"{wanted:,} clusters in {int(sizes.sum()):,} rows: the column seems to tell rows apart"
        raise DataError(Problem(found, where, "Name another column with --cluster, or take the largest with --seen K."))
    by_rank = np.concatenate([np.flatnonzero(chosen), np.flatnonzero(~chosen & (sizes > 0))])
    place = np.full(len(sizes) + 1, -1, dtype=np.int64)
    place[by_rank] = np.arange(len(by_rank))
    names = tuple(clusters.names[code] for code in by_rank)
    return Clusters(clusters.name, place[clusters.codes], names, np.arange(len(names)) < wanted)


def policy(columns: Columns, contract: Contract | None) -> UnseenZ:
    """Return what becomes of unknown clusters: as told, else soft where the file can predict them, else error."""
    if columns.unseen_z is not None:
        return columns.unseen_z
    return "soft" if contract is not None and contract.effects and contract.effects.predictor else "error"


def _unseen(
    table: Table, clusters: Clusters, columns: Columns, contract: Contract | None
) -> tuple[list[str], list[Problem]]:
    rows = np.flatnonzero(~clusters.seen)
    if not rows.size:
        return [], []
    asked = policy(columns, contract)
    where = f"{table.name}, column {show(clusters.name)}"
    present = dict.fromkeys(clusters.codes[rows].tolist())
    strange = [clusters.names[code] for code in present if code >= 0] + ["(missing)"] * (-1 in present)
    if asked == "error":
        found = f"{count(len(strange), 'cluster')} that the network does not know: {listing(strange)} in "
        known = listing(_known(clusters))
        remedy = f"Choose with --unseen-z what they are scored with, or remove the rows; known are {known}."
        return [], [Problem(f"{found}{table.spot(rows)}", where, remedy)]
    how = {
        "soft": "their cluster input is the predicted probability of each known cluster",
        "hard": "their cluster input is the likeliest known cluster",
        "zero": "they are scored by the fixed effects alone",
    }[asked]
    return [f"{table.name}: {count(table.size(rows), 'row')} of clusters that the network does not know; {how}."], []


def _known(clusters: Clusters) -> list[str]:
    return [name for name, known in zip(clusters.names, clusters.known, strict=True) if known]
