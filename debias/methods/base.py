"""The one shape of all methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_type_hints

from debias.errors import Problem
from debias.flags import Flag

if TYPE_CHECKING:
    import torch

    from debias.data.sample import Sample
    from debias.fairness.metrics import Task
    from debias.model.network import Network
    from debias.model.rule import Rule
    from debias.objective import Objective, OperatingPoint

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what is going on)."""


def silent(done: int, total: int, text: str) -> None:
    """Take progress and show nothing."""


@dataclass(frozen=True)
class Setting:
    """All that a method may know.

    Parameters
    ----------
    network : Network
        The trained network; never changed.
    train : Sample
        Rows for influences and gradients.
    select : Sample
        Rows on which candidates are compared and the operating point is chosen.
    objective : Objective
        The bias-constrained objective (parity-proxies paper, eq. 3).
    seed : int
        Seed of every random choice.
    device : str
        Device on which tensors are worked on, as torch names it.
    progress : callable
        Receives (done, total, text).
    """

    network: Network
    train: Sample
    select: Sample
    objective: Objective
    seed: int = 0
    device: str = "cpu"
    progress: Progress = silent


@dataclass(frozen=True)
class Step:
    """One candidate on the way, on the selection rows.

    Parameters
    ----------
    step : int
        0 is the unchanged network.
    bias, quality : float
        At the cut of best performance (the paper's Figure 1); the quality is the balanced accuracy, R² of a regression.
    objective : float
        Eq. 3 at the best feasible cut; 0 where there is none.
    cut : float
        The best feasible cut, else that of best performance; on the logit scale. NaN where nothing is cut.
    detail : mapping
        What the method says about the step.
    """

    step: int
    bias: float
    quality: float
    objective: float
    cut: float
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Repair:
    """What a method returns.

    Parameters
    ----------
    state : mapping of str to Tensor
        The entries of the network's state that change; empty for a threshold alone.
    point : OperatingPoint
        Where the score is cut (logit scale), with the figures on the selection rows.
    trajectory : tuple of Step
        Every candidate, the unchanged network first.
    chosen : int
        Index into `trajectory` of the candidate returned.
    changes : mapping
        What was changed, for the report: e.g. ``{"units": {"hidden.0": [3, 7]}}`` or ``{"epochs": 12}``.
    uses_attribute : bool
        True when the repaired model needs the protected attribute at prediction.
    notes : tuple of str
        Sentences for the report.
    rule : Rule, optional
        How scores become decisions by group; then the point has no cut, and the model needs the attribute.
    """

    state: Mapping[str, torch.Tensor]
    point: OperatingPoint
    trajectory: tuple[Step, ...]
    chosen: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    uses_attribute: bool = False
    notes: tuple[str, ...] = ()
    rule: Rule | None = None


class Method(ABC):
    """A method of repair: a frozen dataclass of its own settings, with a name.

    One method is one file of this package and needs no other: its fields, annotated with `Flag`, are its flags, the
    first paragraph of its docstring is its help. It reads no file, prints nothing and decides no exit code. What is
    slow to import is imported in the functions, so that ``--help`` stays fast.
    """

    name: ClassVar[str]
    fits: ClassVar[bool] = False
    """It fits the bias of its rows so closely that other rows have to choose among what it made."""
    folds: ClassVar[bool] = True
    """The chosen cut is folded into the last bias; False where a rule by group decides."""

    @abstractmethod
    def repair(self, setting: Setting) -> Repair:
        """Return the best candidate under the objective."""

    @abstractmethod
    def summary(self, repair: Repair, network: Network) -> str:
        """Return what was changed, in one sentence; asked only where something was."""

    decides: ClassVar[str] = ""
    """Why it is for networks that decide, not for those that predict a number; empty where it is for both."""

    def flags(self) -> list[str]:
        """Return the settings that are not the default as they are written on the command line."""
        hints = get_type_hints(type(self), include_extras=True)
        parts: list[str] = []
        for item in fields(cast(Any, self)):
            value = getattr(self, item.name)
            flag = next(extra for extra in hints[item.name].__metadata__ if isinstance(extra, Flag))
            yes, _, no = flag.on_command_line(item.name).partition("/")
            if value != item.default:
                parts += [yes if value else no] if isinstance(value, bool) else [yes, str(value)]
        return parts

    def reasons(self, network: Network) -> list[Problem]:
        """Return why the method cannot work on a network; nothing where it can."""
        del network
        return []

    def unsuited(self, objective: Objective) -> list[Problem]:
        """Return why the method cannot work under an objective; nothing where it can."""
        return self.off_task(objective.task)

    def off_task(self, task: Task) -> list[Problem]:
        """Return why the method is not for networks that predict a class, or a number; nothing where it is."""
        if task == "classification" or not self.decides:
            return []
        found = f"{self.name} is not for a network that predicts a number: {self.decides}"
        return [Problem(found, "", "Use prune, gda, finetune, perturb or layerwise.")]

    def skipped(self, network: Network) -> dict[str, str]:
        """Return the layers that the method leaves alone, by path, with the reason."""
        del network
        return {}
