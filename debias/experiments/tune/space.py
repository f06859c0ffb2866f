"""What `tune` searches: which settings of a kind of network, in which ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from debias.errors import Problem, UsageError
from debias.training.fit import first_eligible
from debias.training.kinds import Kind
from debias.training.settings import Settings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Task = Literal["classification", "regression"]
LEAST, MOST, FACTOR = 3, 27, 3
"""Epochs of the shortest and of the longest trial, and how many times longer each rung is than the one before."""
WARMUP = 1
"""Warm-up of a trial: the shortest then ends with an epoch that can be chosen."""
LAYERS = 3


@dataclass(frozen=True)
class Range:
    """Values that one parameter of the search may take.

    Parameters
    ----------
    name : str
        A setting of `Settings`, or one of the parameters that `Space.settings` makes settings from.
    low, high : float
        Ends of the range, both possible.
    log : bool
        Drawn on a logarithmic scale.
    whole : bool
        Only whole numbers.
    choices : tuple
        The values themselves, in place of a range.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Trial) -> Any:
        """Return the value of an Optuna trial."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        """Return the same for a search that samples by itself."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices:
            return CategoricalDistribution(self.choices)
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def told(self) -> str:
        """Return the range as a reader sees it."""
        if self.choices:
            return ", ".join("on" if item is True else "off" if item is False else str(item) for item in self.choices)
        return f"{self.low:g} to {self.high:g}" + (", log" if self.log else "")


@dataclass(frozen=True)
class Space:
    """The search of one kind of network.

    Parameters
    ----------
    ranges : tuple of Range
        What is searched.
    base : Settings
        All other settings; `epochs` is the budget of the longest trial.
    least : int
        Epochs of the shortest trial.
    """

    ranges: tuple[Range, ...]
    base: Settings
    least: int

    @property
    def most(self) -> int:
        """Epochs of the longest trial."""
        return self.base.epochs

    def settings(self, parameters: Mapping[str, Any]) -> Settings:
        """Return the settings of a trial.

        ``layers`` and the first so many of ``units_1`` … become `hidden`; ``adversary_ratio`` is the adversaries'
        learning rate in units of the network's. All parameters are there in every trial, used or not, so that the
        search has one space.
        """
        told = dict(parameters)
        if "layers" in told:
            units = [int(told.pop(f"units_{layer}")) for layer in range(1, LAYERS + 1)]
            told["hidden"] = tuple(units[: int(told.pop("layers"))])
        if "adversary_ratio" in told:
            told["lr_adversary"] = told.pop("adversary_ratio") * told.get("lr", self.base.lr)
        return replace(self.base, **told)


def space(kind: Kind, task: Task, fixed: Mapping[str, Any] | None = None, *, tied: bool = True) -> Space:
    """Return what is searched for a kind of network: the settings that it has a use for.

    The ranges are our own, round the defaults of `Settings`; the paper names none.

    Parameters
    ----------
    kind : Kind
    task : {"classification", "regression"}
    fixed : mapping of str to object, optional
        Settings that are not searched. ``epochs`` is the budget of the longest trial, 27 by default.
    tied : bool
        Mixed- and fixed-effects predictions have one weight of their fair adversaries.

    Raises
    ------
    UsageError
        Values out of range; a warm-up that is no shorter than the shortest trial; nothing is left to search.
    """
    fixed = dict(fixed or {})
    base = Settings(**{"epochs": MOST, **fixed})
    least = min(LEAST, base.epochs)
    if kind.adversarial and "warmup" not in fixed:
        base = replace(base, warmup=max(0, min(WARMUP, least - 2)))
    if kind.adversarial and (base.warmup >= least or first_eligible(kind, base) > base.epochs):
        found = f"a warm-up of {base.warmup} epochs is no shorter than the shortest trial, which has {least}"
        raise UsageError(Problem(found, "--set warmup", f"Give {max(0, least - 2)} or less."))
    ranges = tuple(item for item in _ranges(kind, task, tied) if not _settles(item.name) & fixed.keys())
    if not ranges:
        raise UsageError(Problem("every setting is fixed", "--set", "Leave one out, or take `debias train`."))
    return Space(ranges, base, least)


def _settles(name: str) -> set[str]:
    """Return the settings that a parameter is for."""
    if name == "layers" or name.startswith("units_"):
        return {"hidden"}
    return {"lr_adversary"} if name == "adversary_ratio" else {name}


def _ranges(kind: Kind, task: Task, tied: bool) -> Iterator[Range]:
    yield Range("lr", 3e-4, 5e-3, log=True)
    yield Range("batch_size", choices=(64, 128, 256, 512))
    yield Range("layers", 1, LAYERS, whole=True)
    for layer in range(1, LAYERS + 1):
        yield Range(f"units_{layer}", 8, 128, log=True, whole=True)
    yield Range("dropout", 0.0, 0.3)
    if task == "classification":
        yield Range("class_weights", choices=(True, False))
    if kind.adversarial:
        yield Range("adversary_ratio", 1.0, 5.0)
        yield Range("adversary_steps", choices=(1, 3))
    if kind.random_effects:
        yield Range("lambda_fixed", 0.3, 3.0)
        yield Range("kl", 0.1, 10.0, log=True)
        yield Range("prior_sd", 0.03, 0.5, log=True)
    if kind.cluster_adversary:
        yield Range("lambda_cluster", 0.01, 1.0, log=True)
    if kind.debiased:
        yield Range("lambda_fair", 0.03, 3.0, log=True)
    if kind.mixed_adversary and not tied:
        yield Range("lambda_fair_mixed", 0.03, 3.0, log=True)
    if kind.correlation:
        yield Range("lambda_correlation", 0.03, 1.0, log=True)


def searched(found: Space) -> dict[str, str]:
    """Return the ranges by name, as a reader sees them."""
    return {item.name: item.told() for item in found.ranges}
