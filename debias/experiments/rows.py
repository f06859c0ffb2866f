"""Which rows an experiment with folds trains and measures on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from debias.data.clustered import Clustered, Task
from debias.data.tables import Table, read_table
from debias.errors import Problem

FOLDS = 10


@dataclass(frozen=True)
class RowsAsked:
    """A table, what its columns mean, and how many folds it is dealt to.

    Parameters
    ----------
    data : path or DataFrame
    label, cluster, attr, positive, bins, seen, features, ignore, kinds, task, missing_attr
        See `debias.data.clustered.Clustered.read`.
    folds : int
        At least 3: rows that are learnt from, rows that choose, and rows that are measured.
    """

    data: Any
    label: str | None
    cluster: str
    attr: tuple[str, ...]
    positive: str | float | None = None
    bins: Any = None
    seen: int | None = None
    features: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    task: Task = "classification"
    missing_attr: Literal["error", "drop", "group"] = "group"
    folds: int = FOLDS

    def fold_problems(self) -> list[Problem]:
        """Return what is wrong with the number of folds."""
        if self.folds >= 3:
            return []
        return [Problem(f"{self.folds} folds cannot test, validate and train", "--folds", "Give 3 or more.")]

    def read(self) -> tuple[Table, Clustered]:
        """Read the table.

        Raises
        ------
        DebiasError
            With everything that is wrong with it.
        """
        table = read_table(self.data)
        rows = Clustered.read(
            table,
            label=self.label,
            attributes=self.attr,
            cluster=self.cluster,
            positive=self.positive,
            bins=self.bins,
            seen=self.seen,
            features=self.features,
            ignore=self.ignore,
            kinds=self.kinds,
            task=self.task,
            missing_attr=self.missing_attr,
        )
        return table, rows
