"""One cell of Table 1: one method on one network, counted on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import table1_networks as networks

from debias.data.sample import Sample, joined
from debias.data.split import holdout
from debias.run.request import DEFAULT_FIT_SHARE

EPS = 0.05
METRICS = {"spd": "statistical-parity", "eod": "equal-opportunity"}
MODES = {
    "train": "gradients on the training rows, selection on the validation rows",
    "valid": "the validation rows alone, as a run without --train divides them",
}
STANDARD = "standard"
NO_MODE = "none"  # of the unchanged network


@dataclass(frozen=True)
class Variant:
    """A method with its settings; the name is that of its row in the tables.

    Parameters
    ----------
    name : str
        Name of the row.
    method : str
        Name in `debias.methods`, or ``standard``: the unchanged network where its balanced accuracy is best.
    settings : mapping
        Of the method, beside its defaults.
    objective : mapping
        Of `debias.objective.Objective`, beside its defaults.
    pool : bool
        Where there are training rows, the bias of a candidate is estimated on them too.
    modes : tuple of str
        Where it is run unless told otherwise.
    """

    name: str
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=dict)
    pool: bool = False
    modes: tuple[str, ...] = ("train", "valid")

    def all_settings(self) -> dict[str, Any]:
        """Return every setting of the method, defaults too; a result of other settings is another result."""
        if self.method == STANDARD:
            return {}
        from debias import methods

        return {name: _plain(value) for name, value in asdict(methods.load(self.method)(**self.settings)).items()}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Cell:
    """What is run: one variant on one network under one metric, with the rows that a mode gives."""

    data: str
    metric: str
    seed: int
    mode: str
    variant: Variant

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        return self.data, self.metric, self.seed, self.mode, self.variant.name

    def __str__(self) -> str:
        return " ".join(map(str, self.key))

    def described(self) -> dict[str, Any]:
        """Return what identifies the result."""
        keys = ("data", "metric", "seed", "mode", "name")
        variant = {"method": self.variant.method, "settings": self.variant.all_settings()}
        return {
            **dict(zip(keys, self.key, strict=True)),
            **variant,
            "objective_settings": dict(self.variant.objective),
            "pool": self.variant.pool,
        }


def run(cell: Cell, _: Any, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Return the line of results of a cell."""
    from debias.methods.base import Setting
    from debias.model.head import sigmoid
    from debias.objective import Constraint, Objective

    network, samples = _opened(cell.data, cell.seed)
    test = samples["test"]
    train, select = _rows(cell, samples)
    constraint = Constraint(METRICS[cell.metric], next(iter(test.attributes)), EPS)  # type: ignore[arg-type]
    if cell.variant.pool and cell.mode == "train":
        select = joined(select, train, sigmoid(network.logits(train)))
    given = {"verdict_ratio": len(test) / len(select), **cell.variant.objective}
    objective = Objective((constraint,), **given)
    wall, cpu = time.perf_counter(), time.process_time()
    if cell.variant.method == STANDARD:
        best = objective.on(select).sweep(network.logits(select)).best()
        assert best is not None
        state, rule, point, notes = {}, None, best, {}
    else:
        from debias import methods

        method = methods.load(cell.variant.method)(**cell.variant.settings)
        repair = method.repair(Setting(network, train, select, objective, cell.seed, progress=progress))
        state, rule, point = repair.state, repair.rule, repair.point
        notes = {"uses_attribute": repair.uses_attribute, "steps": len(repair.trajectory), "chosen": repair.chosen}
    seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    decisions = decide(network.logits(test, state), test, point.cut, rule)
    selection = {name: getattr(point, name) for name in ("bias", "objective", "feasible", "merit", "cut")}
    selection["balanced_accuracy"] = point.quality
    found = {**cell.described(), "eps": EPS, **counted(decisions, test, objective), **seconds, **notes}
    return {name: _plain(value) for name, value in (found | {"selection": selection}).items()}


def decide(logits: np.ndarray, test: Sample, cut: float, rule: Any | None) -> np.ndarray:
    """Return the decisions of a repair on the test rows: one cut for all, or its rule by group."""
    if rule is None:
        return np.asarray(logits > cut)
    attribute = test.attributes[rule.attribute]
    assert attribute.groups == rule.groups
    return np.asarray(rule.decide(logits, attribute.codes, rule.draws(test.inputs["features"])))


def counted(decisions: np.ndarray, test: Sample, objective: Any) -> dict[str, Any]:
    """Return eq. 3 of the parity-proxies paper on the test rows, with what it is made of."""
    scorer = objective.on(test)
    performance, bias = scorer.at(decisions)
    compared = scorer.comparisons[0]
    return {
        "objective": performance if abs(bias) < compared.eps else 0.0,
        "balanced_accuracy": performance,
        "bias": bias,
        "constant": bool(decisions.all() or not decisions.any()),
        "group_sizes": compared.sizes.astype(int).tolist(),
        "group_rates": compared.rates(decisions).tolist(),
    }


def _rows(cell: Cell, samples: Mapping[str, Sample]) -> tuple[Sample, Sample]:
    """Return the rows for gradients and for selection."""
    valid = samples["valid"]
    if cell.mode == "train":
        return samples["train"], valid
    if cell.mode != "valid" or cell.variant.method == STANDARD:
        return valid, valid
    from debias import methods

    if not methods.load(cell.variant.method).fits:
        return valid, valid
    split = holdout(valid, list(valid.attributes), DEFAULT_FIT_SHARE, cell.seed)
    return valid.take(split.verdict), valid.take(split.selection)


@lru_cache(maxsize=2)
def _opened(data: str, seed: int) -> tuple[Any, dict[str, Sample]]:
    from debias.model.network import Network

    split = networks.load(data, seed)
    network = Network.open(networks.cache() / f"{data}_{seed}.pt")
    return network, {part: split.sample(part) for part in networks.PARTS}


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
