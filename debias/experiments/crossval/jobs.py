"""One job of a cross-validation: train one kind in one fold and predict what it has not seen."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from debias.data.clustered import Clustered
from debias.data.clusters import UnseenZ
from debias.data.sample import Sample
from debias.data.swap import Swap, find_swap
from debias.data.tables import Table
from debias.data.values import IntArray
from debias.errors import Problem, UsageError
from debias.experiments.crossval.figures import Truth
from debias.experiments.crossval.folds import FoldResult, Head, Predicted, Single, keep, packed
from debias.experiments.rows import RowsAsked
from debias.experiments.variants import Variant
from debias.jobs import Progress

if TYPE_CHECKING:
    import torch

    from debias.contract import Contract
    from debias.training.fit import Fitted
    from debias.training.rows import Rows

ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Protocol(RowsAsked):
    """The rows, their folds, and how unseen clusters are predicted: the same for all kinds.

    Parameters
    ----------
    folds : int
        Fold i tests, fold i + 1 (the first after the last) validates, the others train.
    unseen_z : {"soft", "hard", "zero"}
        The cluster input of a row of an unseen cluster: the probabilities of the seen ones that the z-predictor gives
        it, a 1 for the likeliest, or zeros.
    """

    unseen_z: UnseenZ = "soft"
    seed: int = 0

    def __post_init__(self) -> None:
        problems = self.fold_problems()
        if self.unseen_z not in ("soft", "hard", "zero"):
            problems.append(Problem(f"{self.unseen_z!r} scores nothing", "--unseen-z", "Give soft, hard or zero."))
        if self.seed < 0:
            problems.append(Problem(f"{self.seed!r} is no seed", "--seed", "Give 0 or more."))
        if problems:
            raise UsageError(problems)


@dataclass(frozen=True, eq=False)
class Bench:
    """What is read once for all jobs of a process.

    Parameters
    ----------
    protocol : Protocol
    rows : Clustered
    fold : ndarray of int64, shape [N]
        Fold of each row; −1 for rows of unseen clusters.
    table : Table
        Name and SHA-256 of the file; without its rows.
    """

    protocol: Protocol
    rows: Clustered
    fold: IntArray
    table: Table

    @classmethod
    def open(cls, protocol: Protocol) -> Bench:
        """Read the table and deal its rows to folds.

        Raises
        ------
        DebiasError
            With everything that is wrong with the table.
        """
        table, rows = protocol.read()
        found = replace(table, sha256=table.sha256 or _content(table))
        return cls(protocol, rows, rows.folds(protocol.folds, protocol.seed), replace(found, frame=table.frame[:0]))

    @property
    def truth(self) -> Truth:
        """What is known of all rows."""
        return Truth(self.rows.outcome.astype(np.float64), self.rows.attributes, self.rows.task)

    def split(self, fold: int) -> tuple[IntArray, IntArray, IntArray]:
        """Return the training, validation and test rows of a fold."""
        valid = (fold + 1) % self.protocol.folds
        train = np.flatnonzero((self.fold >= 0) & (self.fold != fold) & (self.fold != valid))
        return train, np.flatnonzero(self.fold == valid), np.flatnonzero(self.fold == fold)

    def digest(self, variant: Variant, fold: int) -> str:
        """Return what identifies a result: rows, columns, folds, kind, settings, versions."""
        import torch

        import debias

        protocol = {
            name: value
            for name, value in vars(self.protocol).items()
            if name != "data" and not (name == "unseen_z" and not variant.kind.reads_clusters)
        }
        told = {
            "data": self.table.sha256,
            "protocol": protocol,
            "kind": variant.kind.name,
            "settings": variant.settings.as_dict(),
            "attributes": variant.attributes,
            "fold": fold,
            "versions": [debias.__version__, torch.__version__, np.__version__],
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _content(table: Table) -> str:
    """Return the SHA-256 of a DataFrame's columns and values."""
    import pandas as pd

    found = hashlib.sha256(json.dumps([[name, str(kind)] for name, kind in table.frame.dtypes.items()]).encode())
    found.update(pd.util.hash_pandas_object(table.frame, index=False).to_numpy().tobytes())
    return found.hexdigest()


def work(variant: Variant, fold: int, path: Path | None, bench: Bench, progress: Progress) -> bytes | None:
    """Train one variant in one fold, predict, and keep the predictions.

    Parameters
    ----------
    variant : Variant
    fold : int
    path : Path or None
        Where to keep them; None returns them as bytes, for who cannot reach the folder.
    bench : Bench
    progress : callable
    """
    result = fold_result(bench, variant, fold, progress)
    digest = bench.digest(variant, fold)
    if path is None:
        return packed(result, digest)
    keep(path, result, digest)
    return None


def fold_result(bench: Bench, variant: Variant, fold: int, progress: Progress) -> FoldResult:
    """Train one variant on its rows of one fold and predict the fold's test rows and all rows of unseen clusters."""
    start = time.perf_counter()
    train, valid, test = bench.split(fold)
    fitted, contract = _fitted(bench, variant, train, valid, fold, progress)
    trained = time.perf_counter() - start
    ways = _ways(bench, contract, train)
    unseen = np.flatnonzero(bench.fold < 0)
    heads: tuple[Head, ...] = ("mixed", "fixed") if variant.kind.random_effects else ("plain",)
    predict = _Predict(bench, contract, fitted, heads, ways)
    parts = [predict.all(index) for index in (test, unseen)]
    thresholds: dict[Head, float] = {}
    if bench.rows.task == "classification":
        cuts = (fitted.threshold, fitted.fixed_threshold)
        thresholds = {head: float(cut) for head, cut in zip(heads, cuts, strict=False) if cut is not None}
    facts = {
        "epochs": fitted.epochs_run,
        "best_epoch": fitted.best_epoch,
        "stopped": fitted.stopped,
        "rows": len(train),
        "seconds": time.perf_counter() - start,
        "training_seconds": trained,
    }
    return FoldResult(fold, parts[0], parts[1], thresholds, facts)


def _fitted(
    bench: Bench, variant: Variant, train: IntArray, valid: IntArray, fold: int, progress: Progress
) -> tuple[Fitted, Contract]:
    from debias.training.fit import fit
    from debias.training.tables import rows_of

    table = bench.rows
    contract = table.contract(train, cluster_input=variant.kind.reads_clusters)

    for_training = narrowed(rows_of(table, contract, train), variant)
    for_choosing = narrowed(rows_of(table, contract, valid, for_training.swaps), variant)
    seed = bench.protocol.seed + fold
    found = fit(
        variant.kind, for_training, for_choosing, variant.settings, task=table.task, seed=seed, progress=progress
    )
    return found, contract


def narrowed(rows: Rows, variant: Variant) -> Rows:
    """Return the rows with the attributes alone that take part in the training of a variant."""
    return replace(
        rows,
        sensitive={name: rows.sensitive[name] for name in variant.attributes},
        categories={name: rows.categories[name] for name in variant.attributes},
        swaps={name: swap for name, swap in rows.swaps.items() if name in variant.attributes},
    )


def _ways(bench: Bench, contract: Contract, train: IntArray) -> dict[str, Swap]:
    """Return how the inputs are set to each group of an attribute; those that are no input are left out."""
    sample = bench.rows.sample(contract, train[:ROWS_AT_ONCE])
    ways = {name: find_swap(sample, name, item, contract) for name, item in bench.rows.groupings.items()}
    return {name: way for name, way in ways.items() if isinstance(way, Swap)}


@dataclass(frozen=True, eq=False)
class _Predict:
    """The predictions of one trained network, in blocks of rows."""

    bench: Bench
    contract: Contract
    fitted: Fitted
    heads: tuple[Head, ...]
    ways: Mapping[str, Swap]

    def all(self, index: IntArray) -> Predicted:
        """Return what it predicts for these rows, as they are and with each attribute swapped."""
        scores: dict[Head, Single] = {head: np.zeros(len(index), np.float32) for head in self.heads}
        changed: dict[tuple[Head, str], Single] = {
            (head, name): np.zeros(len(index), np.float32) for name in self.ways for head in self.heads
        }
        changes = {name: np.zeros(len(index), np.int8) for name in self.ways}
        for start in range(0, len(index), ROWS_AT_ONCE):
            block = slice(start, start + ROWS_AT_ONCE)
            sample = self.bench.rows.sample(self.contract, index[block])
            z = self._design(sample, index[block])
            own = self._predictions(sample, z)
            for head in self.heads:
                scores[head][block] = own[head]
            for name, group, others in self._swaps(sample):
                other = self._predictions(self.ways[name].to(sample, group), z)
                changes[name][block] += others
                for head in self.heads:
                    changed[head, name][block] += np.where(others, np.abs(other[head] - own[head]), 0)
        return Predicted(index, scores, changed, changes)

    def _swaps(self, sample: Sample) -> Iterator[tuple[str, int, Any]]:
        for name, way in self.ways.items():
            codes = sample.attributes[name].codes
            for group in map(int, np.flatnonzero(way.known)):
                yield name, group, (codes >= 0) & (codes != group)

    def _predictions(self, sample: Sample, z: torch.Tensor) -> dict[Head, Single]:
        mixed, fixed = self.fitted.predict(sample.inputs["features"], z)
        both = (mixed, fixed) if len(self.heads) == 2 else (mixed,)
        return {head: values.numpy().astype(np.float32) for head, values in zip(self.heads, both, strict=True)}

    def _design(self, sample: Sample, index: IntArray) -> torch.Tensor:
        """Return the cluster input, which stays the same when an attribute is swapped."""
        import torch

        z = torch.from_numpy(self.bench.rows.one_hot(index))
        unseen = torch.from_numpy(self.bench.rows.codes[index] < 0)
        if self.bench.protocol.unseen_z == "zero" or self.fitted.predictor is None or not bool(unseen.any()):
            return z
        soft = self.fitted.clusters(sample.inputs["features"][unseen])
        if self.bench.protocol.unseen_z == "hard":
            soft = torch.nn.functional.one_hot(soft.argmax(1), soft.shape[1]).to(z.dtype)
        z[unseen] = soft.to(z.dtype)
        return z
