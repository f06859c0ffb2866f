"""Rows that a network can be run on and measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_Item = TypeVar("_Item", np.int64, np.float64, np.uint64)


POOL_SHARE = 0.5
"""Weight of a training row beside a selection row (benchmarks/README.md compares)."""
OWN_SHARE = 0.8
"""Share of the network's own probability in the label of a training row."""


@dataclass(frozen=True)
class Attribute:
    """A protected attribute of every row.

    Parameters
    ----------
    name : str
        Column of the table, or the columns of an intersection: ``sex*race``.
    codes : ndarray of int64, shape [N]
        Index into `groups`; −1 where the value is missing.
    groups : tuple of str
        Names of the groups, as a reader knows them.
    privileged : int or None
        Index of the privileged group. None where more than two groups have none.
    is_input : bool
        True when the network reads the attribute, or a column of an intersection, as one of its inputs.
    """

    name: str
    codes: IntArray
    groups: tuple[str, ...]
    privileged: int | None = None
    is_input: bool = False

    def take(self, index: IntArray) -> Attribute:
        """Return the attribute of the rows `index`; the groups stay as they are."""
        return replace(self, codes=self.codes[index])


@dataclass(frozen=True)
class Clusters:
    """The cluster of every row, as a mixed-effects network knows it.

    Parameters
    ----------
    name : str
        Column of the table.
    codes : ndarray of int64, shape [N]
        Index into `names`; −1 where the value is missing.
    names : tuple of str
        Names of the clusters.
    known : ndarray of bool, shape [K]
        Clusters that the network was trained on; all of them for a network without a cluster input.
    """

    name: str
    codes: IntArray
    names: tuple[str, ...]
    known: npt.NDArray[np.bool_]

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Rows of a known cluster, shape [N]."""
        found: npt.NDArray[np.bool_] = np.append(self.known, False)[self.codes]
        return found

    def take(self, index: IntArray) -> Clusters:
        """Return the clusters of the rows `index`; the names stay as they are."""
        return replace(self, codes=self.codes[index])


@dataclass(frozen=True)
class Sample:
    """Rows of one table, ready for a network.

    Parameters
    ----------
    inputs : mapping of str to Tensor
        Role (``features``, and where there are such ``cluster``, ``group``) to a float tensor [N, d].
    y : ndarray of int64, shape [N]
        1 where the label is the positive value (what a high score predicts), else 0.
    attributes : mapping of str to Attribute
        The protected attributes by name.
    rows : ndarray of int64, shape [N]
        Row numbers in the file; the first row below the header is 1.
    weight : ndarray of float64, shape [N], optional
        Weight of each row.
    cluster : ndarray of int64, shape [N], optional
        Cluster or person of each row: rows of one stay together in a split.
    hashes : ndarray of uint64, shape [N], optional
        Hash of each row's inputs and label, to find rows that occur twice.
    name : str
        File name, or ``DataFrame``.
    judged : ndarray of bool, shape [N], optional
        Rows that count for performance; the others count for the bias alone. Default: all.
    soft : ndarray of float64, shape [N], optional
        How far each row has label 1, in [0, 1], for rates that read the label. Default: `y`.
    target : ndarray of float64, shape [N], optional
        Of a regression, what is to be predicted, in its own units; `y` is 0 everywhere then.
    clusters : Clusters, optional
        The cluster of each row, where the table tells it; `cluster` above only keeps rows together.
    columns : mapping of str to Attribute, optional
        The columns that make the attributes, each on its own: those of an intersection too, before small groups were
        merged, −1 where the column has no value.
    """

    inputs: Mapping[str, torch.Tensor]
    y: IntArray
    attributes: Mapping[str, Attribute]
    rows: IntArray
    weight: FloatArray | None = None
    cluster: IntArray | None = None
    hashes: npt.NDArray[np.uint64] | None = None
    name: str = "DataFrame"
    notes: tuple[str, ...] = field(default=())
    judged: npt.NDArray[np.bool_] | None = None
    soft: FloatArray | None = None
    target: FloatArray | None = None
    clusters: Clusters | None = None
    columns: Mapping[str, Attribute] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: IntArray) -> Sample:
        """Return the rows `index` (integers into this sample) as a sample."""
        import torch

        tensor_index = torch.from_numpy(np.ascontiguousarray(index))

        return replace(
            self,
            inputs={role: values[tensor_index] for role, values in self.inputs.items()},
            y=self.y[index],
            attributes={name: attribute.take(index) for name, attribute in self.attributes.items()},
            rows=self.rows[index],
            weight=None if self.weight is None else self.weight[index],
            cluster=None if self.cluster is None else self.cluster[index],
            hashes=None if self.hashes is None else self.hashes[index],
            judged=None if self.judged is None else self.judged[index],
            soft=None if self.soft is None else self.soft[index],
            target=None if self.target is None else self.target[index],
            clusters=None if self.clusters is None else self.clusters.take(index),
            columns={name: column.take(index) for name, column in self.columns.items()},
        )


def joined(select: Sample, train: Sample, probabilities: FloatArray | None = None, share: float = POOL_SHARE) -> Sample:
    """Return the rows of both as one sample; those of `train` count for the bias alone, not for performance.

    Parameters
    ----------
    select, train : Sample
        Rows with the same inputs and attributes.
    probabilities : ndarray of float64, shape [M], optional
        The unchanged network's own P(y = 1) of the rows of `train`. With these, a rate that reads the label takes
        four fifths of it from there: the network knows the labels of the rows that it was fitted to, so that its
        rates among them are better than among others, and not by the same amount in every group.
    share : float
        What a row of `train` counts for: less than one of `select`, because the network has been fitted to it.
    """
    import torch

    def both(first: npt.NDArray[_Item] | None, second: npt.NDArray[_Item] | None) -> npt.NDArray[_Item] | None:
        return None if first is None or second is None else np.concatenate([first, second])

    judged = np.zeros(len(select) + len(train), bool)
    judged[: len(select)] = True
    return replace(
        select,
        inputs={role: torch.cat([values, train.inputs[role]]) for role, values in select.inputs.items()},
        y=np.concatenate([select.y, train.y]),
        attributes={
            name: replace(attribute, codes=np.concatenate([attribute.codes, train.attributes[name].codes]))
            for name, attribute in select.attributes.items()
        },
        rows=np.concatenate([select.rows, train.rows]),
        weight=np.concatenate([_weights(select), share * _weights(train)]),
        cluster=both(select.cluster, train.cluster),
        hashes=both(select.hashes, train.hashes),
        judged=judged,
        target=both(select.target, train.target),
        clusters=_both_clusters(select.clusters, train.clusters),
        columns={},
        soft=None
        if probabilities is None
        else np.concatenate([select.y, OWN_SHARE * probabilities + (1 - OWN_SHARE) * train.y]),
    )


def _both_clusters(first: Clusters | None, second: Clusters | None) -> Clusters | None:
    """Return the clusters of both, the names of the second looked up among those of the first."""
    if first is None or second is None:
        return None
    names = tuple(dict.fromkeys((*first.names, *second.names)))
    known = {name: bool(k) for item in (first, second) for name, k in zip(item.names, item.known, strict=True)}
    place = np.array([*(names.index(name) for name in second.names), -1], dtype=np.int64)
    codes = np.concatenate([first.codes, place[second.codes]])
    return Clusters(first.name, codes, names, np.array([known[name] for name in names], bool))


def _weights(sample: Sample) -> FloatArray:
    return np.ones(len(sample)) if sample.weight is None else sample.weight
