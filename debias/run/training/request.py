"""What a training is asked, and everything that is wrong with it before a table is read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from debias.data.clustered import Clustered
from debias.data.columns import Columns
from debias.data.tables import Table
from debias.errors import Problem, UsageError
from debias.run.commands import flag_parts
from debias.training.export import Format
from debias.training.kinds import KINDS, Kind
from debias.training.settings import Settings
from debias.training.table2 import TABLE2
from debias.training.trainer import Recipe
from debias.words import listing, show

FORMATS: Mapping[str, Format] = {".pt": "torchscript", ".pt2": "export"}
MLP_SETTINGS = {"lr": "lr", "batch_size": "batch_size", "epochs": "max_epochs", "patience": "patience"}
"""Settings of the Table 2 network, and the names they have in `Recipe`."""


def check_kind(kind: Kind, task: str, clusters: bool) -> None:
    """Refuse a kind that the task or the table does not go with.

    Raises
    ------
    UsageError
        With every reason.
    """
    problems = []
    if kind.needs_clusters and not clusters:
        problems.append(Problem(f"{kind.name} needs the cluster of every row", "--cluster", "Name its column."))
    if kind is TABLE2 and task == "regression":
        problems.append(Problem("mlp predicts classes", "--regression", "Take nnet, or another kind."))
    if problems:
        raise UsageError(problems)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a training was asked; the fields have the names of the flags."""

    kind: str
    data: Any
    attr: str | Sequence[str]
    out: str | Path
    label: str | None = None
    cluster: str | None = None
    seen: int | None = None
    positive: str | float | None = None
    favorable: Literal["positive", "negative"] | None = None
    privileged: Any = None
    bins: Any = None
    features: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    kinds: Mapping[str, str] | None = None
    regression: bool = False
    missing_attr: Literal["error", "drop", "group"] = "error"
    valid: Any = None
    valid_share: float | None = None
    seed: int = 0
    checkpoint: str | Path | None = None
    resume: bool = True
    force: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.kind not in {*KINDS, TABLE2.name}:
            kinds = listing([*KINDS, TABLE2.name])
            problems.append(Problem(f"unknown kind of network {show(self.kind)}", "KIND", f"Give one of {kinds}."))
        else:
            try:
                check_kind(self.network, self.task, self.cluster is not None)
            except UsageError as error:
                problems += error.problems
        if Path(self.out).suffix.lower() not in FORMATS:
            problems.append(Problem("unknown ending", f"--out {self.out}", "End the name in .pt or .pt2."))
        if self.seen is not None and self.cluster is None:
            problems.append(Problem("there are no clusters without --cluster", "--seen", "Name their column too."))
        if self.valid is not None and self.valid_share is not None:
            problems.append(Problem("--valid names the validation rows", "--valid-share", "Leave one of the two out."))
        if self.valid_share is not None and not 0 < self.valid_share < 1:
            problems.append(Problem(f"{self.valid_share!r} is no share", "--valid-share", "Give one between 0 and 1."))
        if self.seed < 0:
            problems.append(Problem(f"{self.seed!r} is no seed", "--seed", "Give 0 or more."))
        if self.kind == TABLE2.name and self.checkpoint is not None:
            problems.append(Problem("mlp keeps no checkpoint", "--checkpoint", "Leave it out."))
        if problems:
            raise UsageError(problems)

    @property
    def network(self) -> Kind:
        """The kind of network."""
        return TABLE2 if self.kind == TABLE2.name else KINDS[self.kind]

    @property
    def task(self) -> Literal["classification", "regression"]:
        """What is predicted."""
        return "regression" if self.regression else "classification"

    def table(self, table: Table) -> Clustered:
        """Read the table as asked."""
        return Clustered.read(
            table, label=self.label, attributes=self.attr, cluster=self.cluster, positive=self.positive,
            favorable=self.favorable, privileged=self.privileged, bins=self.bins, seen=self.seen,
            features=self.features, ignore=self.ignore, kinds=self.kinds, task=self.task,
            missing_attr=self.missing_attr,
        )  # fmt: skip

    def command(self, settings: Mapping[str, Any]) -> str | None:
        """Return the command that repeats the training; None where a table is no file."""
        if not all(source is None or isinstance(source, str | Path) for source in (self.data, self.valid)):
            return None
        parts = ["debias", "train", self.kind]
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in {"kind", "kinds", "resume"} or value is None or value == item.default:
                continue
            if item.name in {"attr", "bins", "privileged"}:
                value = _texts(item.name, value)
            parts += flag_parts(item.name, value)
        parts += [part for name, kind in (self.kinds or {}).items() for part in ("--kind", f"{name}={kind}")]
        for name, value in settings.items():
            parts += _setting(name, value)
        return shlex.join(parts)


def _setting(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        default = next(item.default for item in fields(Settings) if item.name == name)
        return [] if value == default else [f"--{flag}" if value else f"--no-{flag}"]
    if value is None:
        return []
    return [f"--{flag}", ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]


def _texts(name: str, value: Any) -> Any:
    """Return what `Columns` makes of a flag that takes one text each time."""
    told = Columns(**{"attr": "", name: value})
    return getattr(told, name)


def read_settings(kind: str, settings: Mapping[str, Any]) -> Settings | Recipe:
    """Return the settings of a kind from those that were named.

    Raises
    ------
    UsageError
        A setting that the kind does not have, or out of range.
    """
    known = list(MLP_SETTINGS) if kind == TABLE2.name else [item.name for item in fields(Settings)]
    if strange := [name for name in settings if name not in known]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        raise UsageError(Problem(f"{kind} has no such setting", flags, f"Settings: {listing(known, 40)}."))
    if kind == TABLE2.name:
        return _recipe({MLP_SETTINGS[name]: value for name, value in settings.items()})
    return Settings(**settings)


def _recipe(settings: dict[str, Any]) -> Recipe:
    flags = {new: old for old, new in MLP_SETTINGS.items()}
    wrong = [name for name, value in settings.items() if not value > 0]
    if wrong:
        raise UsageError(
            [
                Problem(
                    f"{settings[name]!r} is out of range", f"--{flags[name].replace('_', '-')}", "Give more than 0."
                )
                for name in wrong
            ]
        )
    return Recipe(**settings)


def told_settings(settings: Settings | Recipe) -> dict[str, Any]:
    """Return settings by the names of their flags."""
    if isinstance(settings, Settings):
        return settings.as_dict()
    return {name: getattr(settings, inner) for name, inner in MLP_SETTINGS.items()}
