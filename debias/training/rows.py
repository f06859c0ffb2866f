"""Rows of a table as the tensors that training reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from debias.errors import DataError, Problem
from debias.training.kinds import Kind
from debias.words import show

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Swap:
    """What the network's input columns hold for each category of a protected attribute.

    Parameters
    ----------
    columns : tuple of int
        Columns of x that carry the attribute.
    values : Tensor of float32, shape [categories, len(columns)]
        Their values for each category, encoded as in x.
    """

    columns: tuple[int, ...]
    values: Tensor


@dataclass(frozen=True)
class Rows:
    """Training or validation rows.

    Parameters
    ----------
    x : Tensor of float32, shape [N, d]
        Encoded features.
    y : Tensor of float32, shape [N]
        Label, 0 or 1; of a regression the target in its own units.
    z : Tensor of int64, shape [N]
        Cluster of a row, from 0 to n_clusters − 1; −1 for one that training does not know.
    n_clusters : int
        Number of clusters K; 0 where there are none.
    sensitive : mapping of str to Tensor of int64, shape [N]
        Category of each protected attribute; −1 is missing and takes no part in adversaries and correlations.
    categories : mapping of str to int
        Number of categories of each attribute.
    weight : Tensor of float32, shape [N], optional
        Weight of a row in the losses of the label.
    swaps : mapping of str to Swap
        Of the attributes that are inputs of the network; the others are absent.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    n_clusters: int
    sensitive: Mapping[str, Tensor] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    weight: Tensor | None = None
    swaps: Mapping[str, Swap] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def width(self) -> int:
        """Number of encoded features d."""
        return int(self.x.shape[1])

    def take(self, index: Tensor) -> Rows:
        """Return some of the rows, by place."""
        return Rows(
            self.x[index],
            self.y[index],
            self.z[index],
            self.n_clusters,
            {name: codes[index] for name, codes in self.sensitive.items()},
            self.categories,
            None if self.weight is None else self.weight[index],
            self.swaps,
        )

    def design(self) -> Tensor:
        """Return z as columns, float32 [N, K]: one 1 in a row, zeros for an unknown cluster."""
        return design(self.z, self.n_clusters)

    def digest(self) -> str:
        """Return the SHA-256 of everything the rows hold."""
        found = hashlib.sha256()
        parts: list[tuple[str, Tensor]] = [("x", self.x), ("y", self.y), ("z", self.z)]
        parts += [(f"sensitive {name} {self.categories[name]}", codes) for name, codes in self.sensitive.items()]
        parts += [] if self.weight is None else [("weight", self.weight)]
        parts += [(f"swap {name} {swap.columns}", swap.values) for name, swap in self.swaps.items()]
        found.update(f"{self.n_clusters}".encode())
        for name, value in parts:
            found.update(f"\n{name} {value.dtype} {tuple(value.shape)}\n".encode())
            found.update(value.contiguous().numpy().tobytes())
        return found.hexdigest()


def design(z: Tensor, n_clusters: int) -> Tensor:
    """Return cluster codes as float32 columns [N, K]; −1 becomes zeros."""
    return (z.unsqueeze(1) == torch.arange(n_clusters)).to(torch.float32)


def check_rows(kind: Kind, train: Rows, valid: Rows, task: Task) -> None:
    """Refuse rows that a kind cannot be trained on.

    Raises
    ------
    DataError
        With every reason at once.
    """
    if problems := [*_problems(kind, train, "training rows", task), *_problems(kind, valid, "validation rows", task)]:
        raise DataError(problems)


def _problems(kind: Kind, rows: Rows, where: str, task: Task) -> Iterator[Problem]:
    if len(rows) < 2:
        yield Problem(f"{len(rows)} rows cannot be trained on", where, "Give more rows.")
        return
    if not bool(torch.isfinite(rows.x).all()):
        yield Problem("a feature holds a value that is not finite", where, "Fill in or drop these rows.")
    if not bool(torch.isfinite(rows.y).all()):
        yield Problem("the target holds a value that is not finite", where, "Drop these rows.")
    elif task == "classification":
        values = set(rows.y.tolist())
        if not values <= {0.0, 1.0}:
            yield Problem("a label is neither 0 nor 1", where, "Name the positive value of the label.")
        elif len(values) < 2:
            yield Problem("all rows have the same label", where, "Give rows of both classes.")
    elif float(rows.y.var()) == 0:
        yield Problem("the target is constant", where, "Give rows whose targets differ.")
    if kind.needs_clusters:
        yield from _cluster_problems(rows, where)
    if kind.needs_attributes and not rows.sensitive:
        yield Problem("no protected attribute is given", where, f"{kind.title} needs one: --attr COLUMN")
    for name, codes in rows.sensitive.items() if kind.needs_attributes else ():
        groups = len(set(codes[codes >= 0].tolist()))
        if groups < 2 and where.startswith("training"):
            yield Problem(f"fewer than two groups of {show(name)} have rows", where, "Name another attribute.")


def _cluster_problems(rows: Rows, where: str) -> Iterator[Problem]:
    if rows.n_clusters < 2:
        yield Problem(f"{rows.n_clusters} seen clusters are too few", where, "Give a cluster column with two or more.")
    elif int(rows.z.max()) >= rows.n_clusters or int(rows.z.min()) < -1:
        yield Problem("a cluster code is out of range", where)
    elif where.startswith("training") and int(rows.z.min()) < 0:
        yield Problem("a row's cluster is none of the seen ones", where, "Train on rows of seen clusters only.")
