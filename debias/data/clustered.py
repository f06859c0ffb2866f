"""A raw table with clusters, read once and encoded anew for any of its rows: what training and its protocols need.

Mean and SD of numeric columns and the carriers of brackets come from the rows that a contract is fitted on and from no
others. Names of categories, groups and clusters are those of the whole table, seen and unseen rows alike: they settle
which columns there are, and no number in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from debias.contract import Contract, Feature, Input, Output, ProtectedAttribute
from debias.data import folds as dealing
from debias.data.cells import Cells, Float32Array, read_cells
from debias.data.clusters import all_clusters, with_seen
from debias.data.columns import Columns, find_label, named
from debias.data.grouping import Attributes, Grouping, Groups, contract_entries, read_attributes
from debias.data.labels import read_label, read_target
from debias.data.sample import Attribute, Clusters, Sample
from debias.data.tables import Table
from debias.data.values import FloatArray, IntArray, Mask, to_levels
from debias.errors import DataError, Problem, UsageError
from debias.words import listing, show

if TYPE_CHECKING:
    import torch

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Clustered:
    """Rows of one table, each with its label, cluster and protected attributes.

    Parameters
    ----------
    table : str
        Name of the file.
    columns : Columns
        What the caller said.
    label : str
        Label column.
    positive : str or None
        Value of the label that a high score predicts; None for a regression.
    task : {"classification", "regression"}
    y : ndarray of int64, shape [N]
        1 where the label is the positive value, else 0; zeros for a regression.
    target : ndarray of float64, shape [N], or None
        What a regression predicts, in its own units.
    clusters : Clusters or None
        Its `known` are the seen clusters, which come first in `names`. None where no column was named.
    attributes : mapping of str to Attribute
    groupings : mapping of str to Grouping
        How values of each attribute became groups.
    cells : tuple of Cells
        The input columns.
    rows : ndarray of int64, shape [N]
        Row numbers in the file; the first row below the header is 1.
    dropped : int
        Rows left out by ``--missing-attr drop``.
    notes : tuple of str
        Sentences for the report.
    """

    table: str
    columns: Columns
    label: str
    positive: str | None
    task: Task
    y: IntArray
    target: FloatArray | None
    clusters: Clusters | None
    attributes: Mapping[str, Attribute]
    groupings: Mapping[str, Grouping]
    cells: tuple[Cells, ...]
    rows: IntArray
    dropped: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        table: Table,
        *,
        label: str | None,
        attributes: str | Sequence[str],
        cluster: str | None = None,
        positive: str | float | None = None,
        favorable: Literal["positive", "negative"] | None = None,
        privileged: str | Sequence[str] | Mapping[str, str] | None = None,
        bins: str | Sequence[str | float] | Mapping[str, str | int | Sequence[float]] | None = None,
        seen: int | None = None,
        features: Sequence[str] | None = None,
        ignore: Sequence[str] = (),
        kinds: Mapping[str, str] | None = None,
        task: Task = "classification",
        missing_attr: Literal["error", "drop", "group"] = "error",
    ) -> Clustered:
        """Read a raw table.

        Parameters
        ----------
        table : Table
        label : str or None
            Default: the only column named label, y or target.
        attributes : str or sequence of str
            Protected attributes: columns, or intersections ``sex*race``. They stay among the inputs.
        cluster : str, optional
            Column that names the cluster; it is no input column. A row without a value is of no seen cluster.
        positive, favorable, privileged, bins
            As for an audit. A numeric column that `bins` cuts stays numeric among the inputs.
        seen : int, optional
            The K largest clusters are seen, of equal ones the first by name. Default: all.
        features, ignore : sequence of str
            Input columns. Default: all but label, cluster and ignored ones, in the table's order.
        kinds : mapping of str to {"numeric", "boolean", "category"}, optional
            Where the values do not tell. An attribute of more than two numbers without bins is a category.
        task : {"classification", "regression"}
        missing_attr : {"error", "drop", "group"}
            Rows without an attribute: refuse the table, leave them out, or take them as a group of their own.

        Raises
        ------
        DataError
            Everything that is wrong, at once.
        """
        columns = Columns(
            attr=attributes, label=label, positive=positive, favorable=favorable, privileged=privileged,
            bins=bins, features=features, ignore=ignore, missing_attr=missing_attr, cluster=cluster,
        )  # fmt: skip
        return _read(table, columns, task, seen, dict(kinds or {}), None)

    def read_more(self, table: Table) -> Clustered:
        """Read another table, of validation or test rows, with the columns, groups, categories and clusters of this.

        Raises
        ------
        DataError
            Everything that is wrong, at once; values that this table lacks among it.
        """
        columns = replace(
            self.columns, attr=tuple(self.groupings), label=self.label, positive=self.positive,
            features=tuple(cell.feature.column for cell in self.cells), ignore=(), bins=None, privileged=None,
        )  # fmt: skip
        return _read(table, columns, self.task, None, {}, self)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def outcome(self) -> IntArray | FloatArray:
        """What is predicted: `y`, or of a regression `target`."""
        return self.y if self.target is None else self.target

    @property
    def seen(self) -> Mask:
        """Rows of a seen cluster, shape [N]; all rows where no cluster column was named."""
        return np.ones(self.n, dtype=bool) if self.clusters is None else self.clusters.seen

    @property
    def index(self) -> IntArray:
        """Positions of the seen rows."""
        return np.flatnonzero(self.seen)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the seen clusters, in the order of the columns of z."""
        return () if self.clusters is None else self.clusters.names[: int(self.clusters.known.sum())]

    @property
    def codes(self) -> IntArray:
        """Cluster of each row: an index into `names`, −1 where the cluster is unseen or missing, shape [N]."""
        if self.clusters is None:
            return np.full(self.n, -1, dtype=np.int64)
        return np.where(self.clusters.seen, self.clusters.codes, -1)

    def contract(self, index: IntArray, *, cluster_input: bool = True) -> Contract:
        """Return the contract whose numbers come from the rows `index` alone.

        Parameters
        ----------
        index : ndarray of int64
            Training rows: seen ones.
        cluster_input : bool
            The network has a second input z, one column for each seen cluster.

        Raises
        ------
        ValueError
            A row of an unseen cluster is among them, or none at all, or there are no clusters for z.
        """
        if not len(index) or not self.seen[index].all():
            raise ValueError("a contract is fitted on rows of seen clusters")
        fitted = tuple(cell.fitted(index) for cell in self.cells)
        inputs = [Input(name="x", role="features", width=sum(feature.width for feature in fitted))]
        if cluster_input:
            if self.clusters is None:
                raise ValueError("no cluster column was named")
            column = Feature(
                column=self.clusters.name, kind="category", role="cluster", categories=self.names, missing="zero"
            )
            fitted = (*fitted, column)
            inputs.append(Input(name="z", role="cluster", width=len(self.names)))
        return Contract(
            inputs=tuple(inputs),
            features=fitted,
            label=self.label,
            positive=self.positive,
            favorable=self.columns.favorable or "positive",
            attributes=tuple(self._with_carriers(entry, index) for entry in contract_entries(self.groupings)),
            cluster=None if self.clusters is None else self.clusters.name,
            output=Output(kind="value" if self.task == "regression" else "probability"),
        )

    def _with_carriers(self, entry: ProtectedAttribute, index: IntArray) -> ProtectedAttribute:
        """Return the entry with the median of each bracket; of one without training rows that of all rows."""
        cell = next((cell for cell in self.cells if cell.feature.column == entry.column), None)
        if not entry.bins or cell is None or cell.feature.kind != "numeric":
            return entry
        values = cast(FloatArray, cell.values)
        brackets = np.where(np.isnan(values), -1, np.searchsorted(entry.bins, values, side="right"))
        medians = []
        for bracket in range(len(entry.bins) + 1):
            its = values[index][brackets[index] == bracket]
            medians.append(float(np.median(its if its.size else values[brackets == bracket])))
        return entry.model_copy(update={"carriers": tuple(medians)})

    def encode(self, contract: Contract, index: IntArray | None = None) -> Float32Array:
        """Return the features input of the rows `index` (default: all) as float32 [n, d], encoded by `contract`.

        Bit for bit what `debias.data.encode` makes of the table.
        """
        index = np.arange(self.n) if index is None else index
        features = [feature for feature in contract.features if feature.role == "features"]
        block = np.zeros((len(index), contract.width("features")), dtype=np.float32)
        start = 0
        for cell, feature in zip(self.cells, features, strict=True):
            cell.write(feature, index, block[:, start : start + feature.width])
            start += feature.width
        return block

    def one_hot(self, index: IntArray | None = None) -> Float32Array:
        """Return the cluster input of the rows `index` (default: all) as float32 [n, K]; zeros for unseen clusters."""
        codes = self.codes if index is None else self.codes[index]
        columns: Float32Array = (codes[:, None] == np.arange(len(self.names))).astype(np.float32)
        return columns

    def sample(self, contract: Contract, index: IntArray | None = None) -> Sample:
        """Return the rows `index` (default: all) as a sample, encoded by `contract`."""
        import torch

        index = np.arange(self.n) if index is None else index
        inputs: dict[str, torch.Tensor] = {"features": torch.from_numpy(self.encode(contract, index))}
        if contract.clusters:
            inputs["cluster"] = torch.from_numpy(self.one_hot(index))
        return Sample(
            inputs=inputs,
            y=self.y[index],
            attributes={name: attribute.take(index) for name, attribute in self.attributes.items()},
            rows=self.rows[index],
            name=self.table,
            target=None if self.target is None else self.target[index],
            clusters=None if self.clusters is None else self.clusters.take(index),
        )

    def folds(self, n: int = 10, seed: int = 0) -> IntArray:
        """Return the fold of each row, −1 for unseen ones, shape [N].

        Seen rows are stratified by cluster and label (of a regression by cluster and quantile bin of the target).

        Raises
        ------
        UsageError
            Fewer than two folds, or a fold without rows of each label value.
        """
        members = self._strata()
        self._check_folds(n)
        found = np.full(self.n, -1, dtype=np.int64)
        found[self.index] = dealing.deal(members, n, seed)
        return found

    def split(self, share: float, seed: int = 0) -> tuple[IntArray, IntArray]:
        """Return training and validation rows: positions of seen rows, stratified as `folds` are.

        Raises
        ------
        UsageError
            `share` is not between 0 and 1, or leaves a side without rows of each label value.
        """
        if not 0 < share < 1:
            found = f"{share!r} is no share of the rows"
            raise UsageError(Problem(found, "--valid-share", "Give a number between 0 and 1, such as 0.15."))
        aside = dealing.share(self._strata(), share, seed)
        train, valid = self.index[~aside], self.index[aside]
        problems = [
            Problem(f"of {self.index.size:,} seen rows the {side} get {found}", "--valid-share", "Give another share.")
            for side, part in (("training rows", train), ("validation rows", valid))
            if (found := self._lacking(part))
        ]
        if problems:
            raise UsageError(problems)
        return train, valid

    def _strata(self) -> IntArray:
        return dealing.strata(self.codes[self.index], self.outcome[self.index], binned=self.task == "regression")

    def _lacking(self, index: IntArray) -> str:
        if not len(index):
            return "no row"
        if self.task == "classification" and len(np.unique(self.y[index])) < 2:
            return "one label value only"
        return ""

    def _check_folds(self, folds: int) -> None:
        if folds < 2:
            raise UsageError(Problem(f"{folds} is no number of folds", "--folds", "Give 2 or more."))
        if self.task == "classification":
            least, what = int(np.bincount(self.y[self.index], minlength=2).min()), "rows of the rarer label value"
        else:
            least, what = len(self.index), "rows"
        if least < folds:
            found = f"{folds} folds cannot all be filled: the seen clusters hold {least} {what}"
            raise UsageError(Problem(found, "--folds", f"Give {least} or fewer." if least > 1 else "Give more rows."))


def _read(
    table: Table, columns: Columns, task: Task, seen: int | None, kinds: dict[str, str], like: Clustered | None
) -> Clustered:
    label, problems = find_label(table, columns, None)
    y: IntArray | None = None
    target: FloatArray | None = None
    positive: str | None = None
    if label is not None:
        y, target, positive, wrong = _outcome(table, label, columns, task)
        problems += wrong
    read, wrong = read_attributes(
        table, columns, settled=like.groupings if like else None, favorable=_favoured(y, target, columns)
    )
    problems += wrong
    clusters, wrong = all_clusters(table, columns.cluster, None if like is None else like.names)
    problems += wrong
    names, wrong = _input_columns(table, columns, label)
    problems += wrong
    kinds = {**_kinds_of(read, kinds), **kinds}
    problems += [problem for name in kinds for problem in named(table, name, "--kind")]
    problems += _clashes(table, columns, label, read)
    told = None if like is None else {cell.feature.column: cell.feature for cell in like.cells}
    cells, wrong = read_cells(table, names, kinds, told)
    problems += wrong
    if problems or label is None or y is None or read is None:
        raise DataError(problems)
    kept = np.arange(len(table))
    if columns.missing_attr == "drop":
        kept = np.flatnonzero(~read.missing)
    if clusters is not None:
        clusters = clusters.take(kept)
        clusters = with_seen(table, clusters, seen) if like is None else clusters
    found = Clustered(
        table=table.name,
        columns=columns,
        label=label,
        positive=positive,
        task=task,
        y=y[kept],
        target=None if target is None else target[kept],
        clusters=clusters,
        attributes={name: _attribute(groups, names).take(kept) for name, groups in read.groups.items()},
        groupings={name: groups.grouping for name, groups in read.groups.items()},
        cells=tuple(cell.take(kept) for cell in cells),
        rows=np.arange(1, len(table) + 1, dtype=np.int64)[kept],
        dropped=len(table) - len(kept),
        notes=(*table.notes, *read.notes),
    )
    if like is None and (lacking := found._lacking(found.index)):
        left = "rows" if clusters is None else "rows of seen clusters"
        raise DataError(Problem(f"the {left} hold {lacking}", table.name, "Give more rows, or more seen clusters."))
    return found


def _attribute(groups: Groups, inputs: Sequence[str]) -> Attribute:
    return replace(groups.attribute, is_input=any(column.column in inputs for column in groups.grouping.columns))


def _outcome(
    table: Table, label: str, columns: Columns, task: Task
) -> tuple[IntArray | None, FloatArray | None, str | None, list[Problem]]:
    if task == "regression":
        target, problems = read_target(table, label)
        if columns.positive is not None:
            found = "a regression predicts a number, which has no positive value"
            problems = [*problems, Problem(found, "--positive", "Leave it out.")]
        return (None if target is None else np.zeros(len(table), np.int64)), target, None, problems
    read, problems = read_label(table, label, columns.positive, "--positive")
    levels = to_levels(table.frame[label])
    if levels.numbers is not None and len(levels.names) > 2:
        problems = [
            replace(problem, remedy="Recode the label to two values, or add --regression to predict the number.")
            if "not binary" in problem.found
            else problem
            for problem in problems
        ]
    return (None, None, None, problems) if read is None else (read.y, None, read.positive, problems)


def _favoured(y: IntArray | None, target: FloatArray | None, columns: Columns) -> Mask | None:
    """Return the rows with the favourable label, or whose target is on the favourable side of the mean."""
    negative = columns.favorable == "negative"
    if target is not None:
        return np.asarray(target < target.mean() if negative else target > target.mean())
    return None if y is None else np.asarray(y == int(not negative))


def _input_columns(table: Table, columns: Columns, label: str | None) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the input columns: those told, or all but label, cluster and ignored ones."""
    problems = [problem for name in columns.ignore for problem in named(table, name, "--ignore")]
    apart = {label, columns.cluster, *columns.ignore}
    if columns.features is None:
        names = tuple(name for name in table.columns if name not in apart)
    else:
        told = tuple(dict.fromkeys(columns.features))
        problems += [problem for name in told for problem in named(table, name, "--features")]
        for name, what in ((label, "label"), (columns.cluster, "cluster")):
            if name is not None and name in told:
                problems.append(Problem(f"--features names the {what} {show(name)}", table.name, "Leave it out."))
        if both := [name for name in columns.ignore if name in told]:
            problems.append(Problem(f"{listing(both)} stands in --features and in --ignore", table.name))
        names = tuple(name for name in told if name in table.columns and name not in apart)
    if not names and not problems:
        problems.append(Problem("no column is left for the network's inputs", table.name, "Give a wider table."))
    return names, problems


def _clashes(table: Table, columns: Columns, label: str | None, read: Attributes | None) -> list[Problem]:
    """Return the problem of a label that is the cluster or an attribute too."""
    if label is None:
        return []
    found = [Problem(f"{show(label)} is both the label and the cluster", table.name)] * (label == columns.cluster)
    parts = {each.column for groups in (read.groups if read else {}).values() for each in groups.grouping.columns}
    return found + [Problem(f"{show(label)} is both the label and an attribute", table.name)] * (label in parts)


def _kinds_of(read: Attributes | None, kinds: Mapping[str, str]) -> dict[str, str]:
    """Return ``category`` for attributes whose groups are more than two values, numbers or not."""
    if read is None:
        return {}
    each = (column for groups in read.groups.values() for column in groups.grouping.columns)
    return {c.column: "category" for c in each if not c.edges and len(c.names) > 2 and c.column not in kinds}
