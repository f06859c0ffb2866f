"""What one model of one fold predicts, and how it is kept in a file until all folds are done."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from debias.data.values import IntArray
from debias.fairness.bootstrap import Scores
from debias.files import write_atomic

Head = Literal["mixed", "fixed", "plain"]
Rows = Literal["seen", "unseen"]
Single = npt.NDArray[np.float32]

LAYOUT = 1
"""Of the kept files; a file of another layout is made anew."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of some rows.

    Parameters
    ----------
    rows : ndarray of int64, shape [M]
        Places of the rows in the table, from 0.
    scores : mapping of head to ndarray of float32, shape [M]
        Probability, or value in units of the target.
    changed : mapping of (head, attribute) to ndarray of float32, shape [M]
        Sum over the other categories of the attribute of ``|score − score with that category|``.
    changes : mapping of attribute to ndarray of int8, shape [M]
        Number of those categories; 0 in a row without the attribute.
    """

    rows: IntArray
    scores: Mapping[Head, Single]
    changed: Mapping[tuple[Head, str], Single] = field(default_factory=dict)
    changes: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)

    def of(self, head: Head, threshold: float | None) -> Scores:
        """Return what a head says of the rows; its decisions where there is a threshold."""
        score = self.scores[head].astype(np.float64)
        swapped = {
            name: (self.changed[head, name].astype(np.float64), count.astype(np.float64))
            for name, count in self.changes.items()
        }
        return Scores(score, None if threshold is None else score > threshold, swapped)


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What the model of one fold predicts for its test rows and for all rows of unseen clusters.

    Parameters
    ----------
    fold : int
        The test fold, from 0.
    seen, unseen : Predicted
    thresholds : mapping of head to float
        Of a classification, where the validation fold has its best balanced accuracy.
    facts : mapping
        Of the training: ``epochs``, ``best_epoch``, ``stopped``, ``seconds`` and the like; JSON values.
    """

    fold: int
    seen: Predicted
    unseen: Predicted
    thresholds: Mapping[Head, float]
    facts: Mapping[str, Any]

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads, the mixed-effects one first."""
        return tuple(self.seen.scores)

    def part(self, rows: Rows) -> Predicted:
        """Return the predictions of the rows of seen or of unseen clusters."""
        return self.seen if rows == "seen" else self.unseen

    def scores(self, head: Head, rows: Rows) -> Scores:
        """Return what a head says of the rows of seen or of unseen clusters."""
        return self.part(rows).of(head, self.thresholds.get(head))


def pooled(results: Sequence[FoldResult], head: Head) -> tuple[IntArray, Scores]:
    """Return the test rows of all folds, ascending, and what the head of each row's own fold says of it."""
    parts = [(result.seen.rows, result.scores(head, "seen")) for result in results]
    rows = np.concatenate([rows for rows, _ in parts])
    order = np.argsort(rows, kind="stable")

    def joined(arrays: Iterator[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate(list(arrays))[order]

    decided = None
    if all(one.decided is not None for _, one in parts):
        decided = joined(one.decided for _, one in parts if one.decided is not None)
    shared = [name for name in parts[0][1].swapped if all(name in one.swapped for _, one in parts)]
    swapped = {
        name: (joined(one.swapped[name][0] for _, one in parts), joined(one.swapped[name][1] for _, one in parts))
        for name in shared
    }
    return rows[order], Scores(joined(one.score for _, one in parts), decided, swapped)


def keep(path: Path, result: FoldResult, digest: str) -> None:
    """Write the result under `path`, whole or not at all.

    Raises
    ------
    WriteError
        If that fails.
    """
    write_atomic(path, packed(result, digest), force=True)


def kept(path: Path, digest: str) -> FoldResult | None:
    """Return the result that `path` holds; None where there is none, or one of other data, settings or versions."""
    try:
        return unpacked(path.read_bytes(), digest)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def packed(result: FoldResult, digest: str) -> bytes:
    """Return the result as the bytes of an .npz file."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    told: dict[str, Any] = {
        "layout": LAYOUT,
        "digest": digest,
        "fold": result.fold,
        "heads": list(result.heads),
        "attributes": list(result.seen.changes),
        "thresholds": dict(result.thresholds),
        "facts": dict(result.facts),
    }
    for part in ("seen", "unseen"):
        one = result.seen if part == "seen" else result.unseen
        arrays[f"{part}.rows"] = one.rows
        for head in result.heads:
            arrays[f"{part}.{head}"] = one.scores[head]
        for number, name in enumerate(result.seen.changes):
            arrays[f"{part}.changes.{number}"] = one.changes[name]
            for head in result.heads:
                arrays[f"{part}.changed.{number}.{head}"] = one.changed[head, name]
    arrays["told"] = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpacked(data: bytes, digest: str) -> FoldResult | None:
    """Return the result that `packed` made into bytes; None where it is of another digest or layout."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        told = json.loads(file["told"].tobytes())
        if told["digest"] != digest or told["layout"] != LAYOUT:
            return None
        heads, names = told["heads"], list(enumerate(told["attributes"]))

        def part(which: Rows) -> Predicted:
            return Predicted(
                rows=file[f"{which}.rows"],
                scores={head: file[f"{which}.{head}"] for head in heads},
                changed={(head, name): file[f"{which}.changed.{i}.{head}"] for i, name in names for head in heads},
                changes={name: file[f"{which}.changes.{i}"] for i, name in names},
            )

        return FoldResult(told["fold"], part("seen"), part("unseen"), told["thresholds"], told["facts"])
