"""What a training tells: figures of the file's own predictions, its record, and the report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from debias.contract import Contract
from debias.data.clustered import Clustered
from debias.data.sample import FloatArray, IntArray, Sample
from debias.data.tables import Table
from debias.errors import ModelError, Problem
from debias.fairness.metrics import auroc
from debias.fairness.regression import mae, mse, r2
from debias.model import effects
from debias.model.archive import archive_of
from debias.model.network import Network, from_archive
from debias.report.text import ranges
from debias.report.values.report import AttributeInfo, ModelInfo
from debias.report.values.training import ClusterRows, Head, HeadFigures, TrainingReport, TrainingRows
from debias.run.provenance import table_info, versions
from debias.training.export import Format
from debias.training.fit import Fitted
from debias.training.kinds import Kind
from debias.words import count

NEAR = 1e-5
"""How far the file's predictions may lie from the network's, relative to their size: rounding of another graph."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished training: what was asked, which rows took part, what came out."""

    asked: Mapping[str, Any]
    kind: Kind
    tables: Mapping[str, Table]
    rows: Clustered
    judges: Clustered
    train: IntArray
    valid: IntArray
    fitted: Fitted
    contract: Contract
    settings: Mapping[str, Any]
    resumed_from: int = 0


def predictions(done: Done) -> dict[Head, torch.Tensor]:
    """Return what each head of the network predicts for the validation rows [N]."""
    x = torch.from_numpy(done.judges.encode(done.contract, done.valid))
    mixed, fixed = done.fitted.predict(x, torch.from_numpy(done.judges.one_hot(done.valid)))
    return {"network": mixed} if done.contract.effects is None else {"mixed": mixed, "fixed": fixed}


def measured(done: Done, found: Mapping[Head, torch.Tensor]) -> list[HeadFigures]:
    """Return the figures of predictions of the validation rows."""
    output = done.contract.output
    cuts = {"mixed": output.threshold, "network": output.threshold, "fixed": output.fixed_threshold}
    return [_figures(done, head, value.double().numpy(), cuts[head]) for head, value in found.items()]


def check_file(done: Done, found: Mapping[Head, torch.Tensor], content: bytes) -> None:
    """Refuse a file that does not open, or predicts something else than the network that was trained.

    Raises
    ------
    ModelError
    """
    where = str(done.asked["out"])
    network = from_archive(archive_of(content, Path(where)))
    sample = done.judges.sample(done.contract, done.valid)
    for head, value in found.items():
        own = _prediction(network, effects.fixed(sample) if head == "fixed" else sample)
        gap = float((value - own).abs().max())
        if not gap <= NEAR * max(1.0, float(value.abs().max())):
            raise ModelError(Problem(f"the file's predictions are off by {gap:.3g} from the network's", where))


def _prediction(network: Network, sample: Sample) -> torch.Tensor:
    output = network.outputs(sample)
    return output.reshape(-1) if network.head.kind == "value" else network.head.probabilities(output)


def _figures(done: Done, head: Head, prediction: FloatArray, threshold: float | None) -> HeadFigures:
    n, table = len(done.valid), done.judges
    if table.target is not None:
        target = table.target[done.valid]
        errors = {"mse": mse(prediction, target), "mae": mae(prediction, target), "r2": r2(prediction, target)}
        return HeadFigures(head=head, n=n, **errors)
    y = table.y[done.valid]
    decided, positive = prediction > (threshold or 0.5), y == 1
    sides = [float(np.mean(side)) for side in (decided[positive], ~decided[~positive]) if side.size]
    return HeadFigures(
        head=head,
        n=n,
        threshold=threshold,
        balanced_accuracy=sum(sides) / 2 if len(sides) == 2 else None,
        auroc=auroc(prediction, y),
    )


def file_record(done: Done, figures: Sequence[HeadFigures]) -> dict[str, Any]:
    """Return what the file says about its own making."""
    fitted = done.fitted
    return {
        "verb": "train",
        "kind": done.kind.name,
        "title": done.kind.title,
        "task": done.rows.task,
        "settings": dict(done.settings),
        "seed": done.asked["seed"],
        "epochs": fitted.epochs_run,
        "best_epoch": fitted.best_epoch,
        "stopped": fitted.stopped,
        "clusters": list(done.rows.names),
        "training_rows": len(done.train),
        "validation_rows": len(done.valid),
        "figures": {one.head: one.model_dump(mode="json", exclude={"head"}, exclude_none=True) for one in figures},
        "data_sha256": {role: table.sha256 for role, table in done.tables.items()},
        "versions": versions(),
    }


def told_events(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the watchdog did, each thing once with its epochs: ``epochs 1-3, 7: …``."""
    when: dict[str, list[int]] = {}
    for epoch in history:
        for event in epoch.get("events", ()):
            when.setdefault(event, []).append(int(epoch["epoch"]))
    return [f"epoch{'s' if len(epochs) > 1 else ''} {ranges(epochs)}: {event}" for event, epochs in when.items()]


def report(
    done: Done, figures: list[HeadFigures], content: bytes, form: Format, command: str | None, seconds: float
) -> TrainingReport:
    """Return the report of a training whose file was written."""
    fitted, rows = done.fitted, done.rows
    seen = int(rows.seen.sum())
    notes = [*rows.notes]
    if done.judges is not rows and (left := done.judges.n - len(done.valid)):
        notes.append(f"{done.judges.table}: {count(left, 'row')} of other clusters took no part.")
    return TrainingReport(
        debias_version=versions()["debias"],
        statement=_statement(done, figures),
        kind=done.kind.name,
        title=done.kind.title,
        task=rows.task,
        label=rows.label,
        positive_label=rows.positive,
        attributes=[
            AttributeInfo(
                name=name,
                groups=list(each.groups),
                privileged=None if each.privileged is None else each.groups[each.privileged],
            )
            for name, each in rows.attributes.items()
        ],
        cluster=None if rows.clusters is None else rows.clusters.name,
        clusters=_clusters(done),
        rows=TrainingRows(
            data=rows.n,
            dropped=rows.dropped,
            seen=seen,
            unseen=rows.n - seen,
            train=len(done.train),
            valid=len(done.valid),
            valid_from="share" if done.judges is rows else "valid",
        ),
        inputs=done.contract.width("features"),
        settings=dict(done.settings),
        seed=done.asked["seed"],
        epochs=fitted.epochs_run,
        best_epoch=fitted.best_epoch,
        stopped=fitted.stopped,  # type: ignore[arg-type]
        figures=figures,
        history=[dict(epoch) for epoch in fitted.history],
        events=told_events(fitted.history),
        resumed_from=done.resumed_from or None,
        output=ModelInfo(
            path=str(done.asked["out"]), format=form, size=len(content), sha256=hashlib.sha256(content).hexdigest()
        ),
        data={role: table_info(table) for role, table in done.tables.items()},
        notes=notes,
        versions=versions(),
        seconds=seconds,
        command=command,
    )


def _statement(done: Done, figures: Sequence[HeadFigures]) -> str:
    first = figures[0]
    of = f" of {len(done.rows.names)} clusters" if done.rows.names else ""
    if done.rows.task == "regression":
        told = f"MSE {first.mse:.4g}" + ("" if first.r2 is None else f", R² {first.r2:.4f}")
    else:
        told = f"balanced accuracy {first.balanced_accuracy:.4f}, AUROC {first.auroc:.4f}"
    trained = f"{done.kind.title} trained on {count(len(done.train), 'row')}{of}"
    with_effects = ", mixed effects" if first.head == "mixed" else ""
    return f"{trained}: {told} on {count(first.n, 'validation row')}{with_effects}"


def _clusters(done: Done) -> list[ClusterRows]:
    rows = done.rows
    codes, others = rows.codes[done.train], done.judges.codes[done.valid]
    found = []
    for place, name in enumerate(rows.names):
        its = done.train[codes == place]
        found.append(
            ClusterRows(
                name=name,
                train=len(its),
                valid=int((others == place).sum()),
                positives=None if rows.target is not None else int(rows.y[its].sum()),
                mean=float(rows.target[its].mean()) if rows.target is not None and len(its) else None,
            )
        )
    return found
