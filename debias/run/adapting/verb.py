"""Adapt: add clusters to a mixed-effects network, their effects estimated from a few labelled rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from debias.contract import Contract
from debias.data.tables import Table, read_table
from debias.errors import together
from debias.files import check_output, write_atomic
from debias.jobs import one_thread
from debias.model.network import Network
from debias.report.text import rate
from debias.report.values.adaptation import Adaptation, AddedCluster, Coefficient, PredictionFigures
from debias.report.values.report import AttributeInfo, ModelInfo
from debias.run.adapting.figures import figures, measured_on, scored
from debias.run.adapting.network import Base, Grown, estimated
from debias.run.adapting.request import MOST, Asked
from debias.run.adapting.rows import Labelled, Newcomer, labelled_rows
from debias.run.opening import read_contract
from debias.run.provenance import model_info, table_info, versions
from debias.training.fewshot import Estimate
from debias.words import count

if TYPE_CHECKING:
    import pandas as pd


def adapt(
    model: str | Path,
    data: str | Path | pd.DataFrame,
    *,
    out: str | Path,
    cluster: str | None = None,
    only: str | Sequence[str] = (),
    most: int = MOST,
    attr: str | Sequence[str] = (),
    label: str | None = None,
    positive: str | float | None = None,
    privileged: str | Sequence[str] | Mapping[str, str] | None = None,
    bins: str | Sequence[str | float] | Mapping[str, str | int | Sequence[float]] | None = None,
    missing_attr: Literal["error", "drop", "group"] = "error",
    metric: str | None = None,
    contract: str | Path | Contract | None = None,
    trust: bool = False,
    seed: int = 0,
    force: bool = False,
) -> Adaptation:
    """Add the clusters of a table that a mixed-effects network does not know.

    Intercept and slopes of each are the most probable ones under the prior of the training, the fixed effects as they
    are; their posterior SD follows from the curvature there (Laplace; of a regression both are exact). Rows count as
    in training, where classes were weighted, and what repairs have folded into the network to move its cut is left
    out of the estimate. The predictions for the clusters that the network knew stay bit for bit, and so does the
    fixed-effects prediction.

    Parameters
    ----------
    model : path
        Mixed-effects file that debias wrote, after training or after a repair without a rule by group.
    data : path or DataFrame
        Labelled rows; those of known clusters take no part.
    out : path
        File to write: TorchScript (.pt) or torch.export (.pt2).
    cluster : str, optional
        Column of the cluster. Default: from the contract.
    only : str or sequence of str
        Clusters to add. Default: all that the network does not know.
    most : int
        Rows of a cluster that are used at most, 1 or more; the others tell what the estimate brings.
    attr : str or sequence of str
        Protected attributes whose bias is measured on these others.
    label, positive, privileged, bins, missing_attr, contract, trust
        As for an audit; a row without an attribute is left out of the bias alone.
    metric : str, optional
        The bias. Default: that of the task.
    seed : int
        Of the draw of rows.
    force : bool
        Overwrite `out`.

    Returns
    -------
    Adaptation

    Raises
    ------
    DebiasError
        With every problem of the input that is at fault; nothing is written then.
    """
    started = time.perf_counter()
    asked, _, table, base = together(
        partial(
            Asked, model=model, data=data, out=out, cluster=cluster, only=only, most=most, attr=attr, label=label,
            positive=positive, privileged=privileged, bins=bins, missing_attr=missing_attr, metric=metric,
            contract=contract, trust=trust, seed=seed, force=force,
        ),
        partial(check_output, out, inputs=_files(model, data, contract), force=force),
        partial(read_table, data, "data"),
        partial(_opened, model, contract, trust),
    )  # fmt: skip
    with one_thread():
        labelled, _ = together(
            partial(labelled_rows, table, asked, base.contract), partial(asked.settled_metric, base.contract.task)
        )
        report, content = _Adding(base, asked, table, labelled).done()
    write_atomic(Path(out), content, force=force, verify=True)
    return report.model_copy(update={"seconds": time.perf_counter() - started})


def _files(*given: Any) -> list[str | Path]:
    return [file for file in given if isinstance(file, str | Path)]


def _opened(model: str | Path, contract: str | Path | Contract | None, trust: bool) -> Base:
    return Base.of(Network.open(model, trust=trust, contract=read_contract(contract)))


@dataclass(frozen=True)
class _Adding:
    """Everything that is settled before effects are estimated."""

    base: Base
    asked: Asked
    table: Table
    labelled: Labelled

    def done(self) -> tuple[Adaptation, bytes]:
        """Return the report, and the content of the file, which was opened and held against the one before."""
        base, labelled, newcomers = self.base, self.labelled, self.labelled.newcomers
        out, features = Path(self.asked.out), labelled.sample.inputs["features"]
        module = base.module(features)
        effects = {one.name: estimated(base, module, labelled, one) for one in newcomers}
        grown = Grown.of(base, module, effects, self.asked.form, out)
        network = grown.read(grown.content({}))
        grown.check(network, features)
        found = scored(base.network, network, labelled, self._inputs(len(grown.contract.clusters)))
        measured = measured_on(labelled, self.asked, base.contract)
        held = np.concatenate([one.held for one in newcomers])
        clusters = [
            self._cluster(one, effects[one.name], module.latent, figures(labelled, measured, found, one.held))
            for one in newcomers
        ]
        whole = figures(labelled, measured, found, held)
        content = grown.content(self._record(clusters))
        written = ModelInfo(
            path=str(out),
            format=network.archive.format,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        return self._report(clusters, whole, len(held), module.latent, written), content

    def _inputs(self, clusters: int) -> Tensor:
        """Return the cluster input of the new network [N, clusters]."""
        before = self.labelled.sample.inputs["cluster"]
        found = torch.nn.functional.pad(before, (0, clusters - before.shape[1]))
        for place, one in enumerate(self.labelled.newcomers, before.shape[1]):
            found[torch.from_numpy(np.concatenate([one.used, one.held])), place] = 1.0
        return found

    def _cluster(self, one: Newcomer, effects: Estimate, latent: bool, brings: list[PredictionFigures]) -> AddedCluster:
        sample = self.labelled.sample
        columns = [name for item in self.base.contract.features if item.role == "features" for name in item.encoded]
        names = [f"unit {unit}" for unit in range(len(effects.slope))] if latent else columns
        *slopes, intercept = [
            Coefficient(name=name, mean=float(mean), sd=float(sd))
            for name, mean, sd in zip(
                [*names, "intercept"], [*effects.slope.tolist(), effects.intercept], effects.sd, strict=True
            )
        ]
        return AddedCluster(
            name=one.name,
            rows=len(one.used) + len(one.held),
            used=len(one.used),
            held=len(one.held),
            positives=None if sample.target is not None else int(sample.y[one.used].sum()),
            mean=None if sample.target is None else float(sample.target[one.used].mean()),
            intercept=intercept,
            slopes=slopes,
            figures=brings,
        )

    def _record(self, clusters: Sequence[AddedCluster]) -> dict[str, Any]:
        """Return what the file says about its making: what it said before, and what was added."""
        before = self.base.network.record
        entry = {
            "clusters": [one.model_dump(mode="json", exclude={"intercept", "slopes"}) for one in clusters],
            "most": self.asked.most,
            "seed": self.asked.seed,
            "metric": self.asked.settled_metric(self.base.contract.task),
            "model_sha256": self.base.network.archive.sha256,
            "data_sha256": {"data": self.table.sha256},
            "versions": versions(),
        }
        return {**before, "added": [*before.get("added", []), entry]}

    def _report(
        self,
        clusters: list[AddedCluster],
        whole: list[PredictionFigures],
        held: int,
        latent: bool,
        written: ModelInfo,
    ) -> Adaptation:
        base, labelled, asked = self.base, self.labelled, self.asked
        effects = base.contract.effects
        assert effects is not None
        notes = [*base.network.notes, *labelled.notes]
        if effects.label_weights is None and base.contract.task == "classification":
            notes.append("The contract does not tell how training weighted the classes: every row counts 1.")
        import debias

        return Adaptation(
            debias_version=debias.__version__,
            statement=_statement(clusters, whole, held),
            task=base.contract.task,
            label=labelled.label,
            positive_label=labelled.positive,
            cluster=labelled.clusters.name,
            known=list(base.contract.clusters),
            clusters=clusters,
            figures=whole,
            held=held,
            most=asked.most,
            slopes="latent" if latent else "input",
            prior_sd=base.prior_sd,
            label_weights=effects.label_weights,
            metric=asked.settled_metric(base.contract.task),
            attributes=[
                AttributeInfo(
                    name=each.name,
                    groups=list(each.groups),
                    privileged=None if each.privileged is None else each.groups[each.privileged],
                )
                for each in labelled.sample.attributes.values()
            ],
            seed=asked.seed,
            model=model_info(base.network.archive, asked.model),
            output=written,
            data={"data": table_info(self.table)},
            trusted=base.network.archive.trusted,
            notes=notes,
            versions=versions(),
            seconds=0.0,
            command=asked.command(),
        )


def _statement(clusters: Sequence[AddedCluster], whole: Sequence[PredictionFigures], held: int) -> str:
    used = sum(one.used for one in clusters)
    told = f"{count(len(clusters), 'cluster')} added from {count(used, 'labelled row')}"
    if not held:
        return f"{told}; no other rows tell what that brings"
    by = {one.prediction: one for one in whole}
    with_effects, without = (_performance(by[name]) for name in ("estimate", "fixed"))
    return f"{told}: {with_effects} with the estimated effects; {without} without, on {count(held, 'other row')}"


def _performance(one: PredictionFigures) -> str:
    if one.mse is not None:
        return f"MSE {one.mse:.4g}"
    return f"balanced accuracy {rate(one.balanced_accuracy)}, AUROC {rate(one.auroc)}"
