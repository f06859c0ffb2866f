"""Constrained fine-tuning: the task and the proxy of the bias at once, along a path of growing penalties."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from debias.errors import Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting
from debias.methods.fitting import Loss, Rates, SquaredLoss, fitted, spread

if TYPE_CHECKING:
    from torch import Tensor

    from debias.methods.search import Search
    from debias.model.network import Network
    from debias.model.tuning import Tuning

    Inputs = dict[str, Tensor]

_LEAST_BATCHES = 32


@dataclass(frozen=True)
class Finetune(Method):
    """Fine-tune for the task and against the bias at once, along a path of growing penalties.

    The loss of a batch is the class-balanced cross-entropy of the logit z, measured from the unchanged network's best
    cut, plus the penalty times the bias of the soft decisions σ(sharpness · z): for every rate that the objective
    compares, the highest less the lowest mean of the groups, as running averages over batches. The labels are in part
    the unchanged network's own probabilities, which are less noisy. A network that predicts a number has the mean
    squared error in place of the cross-entropy, and its groups' mean predictions or errors in place of the rates, in
    standard deviations of the target. Each epoch has a larger penalty than the one before and starts from its network,
    so that one run walks a whole Pareto front; after every epoch the running average of the parameters, at every cut,
    is a candidate. benchmarks/finetune_forms.py compares this form with others.

    Parameters
    ----------
    first_penalty, last_penalty : float
        Penalty of the first and of the last epoch; between them it grows by a constant factor.
    epochs : int
        Passes over the training rows.
    lr : float
        Learning rate of Adam.
    batch_size : int
        Most rows in a batch; a small table has smaller ones, so that an epoch has 32 batches.
    sharpness : float
        How close the soft decisions are to the hard ones.
    teacher : float
        Share of the unchanged network's own output in the labels, in [0, 1]. Rates that read the label (true and
        false positive rates) count a row by the same mixture.
    memory : float
        Weight of the past in the running averages of the groups' rates, batch by batch, in [0, 1).
    rounding : float
        δ of √(bias² + δ²), which stands for \\|bias\\| in the penalty.
    averaging : float
        Weight of the past in the running average of the parameters, step by step, in [0, 1).
    layers : {"all", "last"}
        What is fine-tuned: every parameter, or those of the last fully connected layer.
    """

    first_penalty: Annotated[float, Flag("Penalty on the bias in the first epoch.", metavar="LAMBDA")] = 0.25
    last_penalty: Annotated[float, Flag("Penalty on the bias in the last epoch.", metavar="LAMBDA")] = 4.0
    epochs: Annotated[int, Flag("Passes over the training rows; each has its own penalty.", metavar="N")] = 48
    lr: Annotated[float, Flag("Learning rate.", metavar="RATE")] = 1e-3
    batch_size: Annotated[int, Flag("Most rows in a batch; fewer where the table is small.", metavar="N")] = 512
    sharpness: Annotated[float, Flag("How close the penalised soft decisions are to hard ones.", metavar="X")] = 2.0
    teacher: Annotated[
        float, Flag("Share of the unchanged network's own probabilities in the labels, 0 to 1.", metavar="SHARE")
    ] = 0.8
    memory: Annotated[
        float,
        Flag("Weight of the past in the groups' rates that are penalised; 0 takes each batch alone.", metavar="X"),
    ] = 0.97
    rounding: Annotated[float, Flag("Size of bias below which the penalty is rounded off.", metavar="DELTA")] = 0.05
    averaging: Annotated[
        float, Flag("Weight of the past in the running average that is judged; 0 judges the last step.", metavar="X")
    ] = 0.99
    layers: Annotated[Literal["all", "last"], Flag("Fine-tune all layers, or the last one alone.")] = "all"
    name: ClassVar[str] = "finetune"
    fits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{value!r} is out of range", flag, "Give a number above 0.")
            for flag, value in (
                ("--first-penalty", self.first_penalty),
                ("--last-penalty", self.last_penalty),
                ("--epochs", self.epochs),
                ("--lr", self.lr),
                ("--batch-size", self.batch_size),
                ("--sharpness", self.sharpness),
                ("--rounding", self.rounding),
            )
            if not 0 < value < math.inf
        ]
        if not 0 <= self.teacher <= 1:
            problems.append(Problem(f"{self.teacher!r} is out of range", "--teacher", "Give 0 to 1."))
        for flag, value in (("--averaging", self.averaging), ("--memory", self.memory)):
            if not 0 <= value < 1:
                problems.append(Problem(f"{value!r} is out of range", flag, "Give 0 to below 1."))
        if self.layers not in ("all", "last"):
            problems.append(Problem(f"unknown value {self.layers!r}", "--layers", "Give all or last."))
        if problems:
            raise UsageError(problems)

    @property
    def penalties(self) -> list[float]:
        """The penalty of each epoch."""
        if self.epochs == 1:
            return [self.last_penalty]
        growth = math.log(self.last_penalty / self.first_penalty) / (self.epochs - 1)
        return [self.first_penalty * math.exp(growth * epoch) for epoch in range(self.epochs)]

    def repair(self, setting: Setting) -> Repair:
        """Return the fine-tuned network with the largest objective on the selection rows."""
        import numpy as np

        from debias.methods.search import Search
        from debias.model.tuning import Tuning

        network, device = setting.network, setting.device
        search = Search(setting.objective.on(setting.select))
        tuning = Tuning(network, device)
        selection = {name: value.to(device) for name, value in network.tensors(setting.select).items()}
        logits = tuning.logits(selection).cpu().numpy()
        search.add(logits, dict, {"epoch": 0, "penalty": 0.0})
        best = search.scorer.sweep(logits).best()
        walk = _Walk(self, setting, tuning, best.cut if best else 0.0)
        notes = []
        for epoch, penalty in enumerate(self.penalties, start=1):
            walk.epoch(penalty)
            with walk.average:
                logits = tuning.logits(selection).cpu().numpy()
                if not np.isfinite(logits).all():
                    notes.append(f"Epoch {epoch} ended in scores that are no numbers; a smaller --lr may go further.")
                    break
                step = search.add(logits, tuning.state, {"epoch": epoch, "penalty": penalty})
            setting.progress(epoch, self.epochs, f"bias {step.bias:+.4f}")
        setting.progress(self.epochs, self.epochs, "fine-tuned")
        return _finished(search, notes)

    def summary(self, repair: Repair, network: Network) -> str:
        """Return how far the network was fine-tuned."""
        del network
        return (
            f"Fine-tuned for {repair.changes['epochs']} epochs for the task and against the bias, "
            f"up to penalty {repair.changes['penalty']:.3g}."
        )


def _finished(search: Search, notes: list[str]) -> Repair:
    chosen, last = search.trajectory[search.chosen].detail, search.trajectory[-1].detail
    if 0 < chosen["epoch"] == last["epoch"]:
        notes.append("The last epoch was the best candidate: a larger --last-penalty may go further.")
    notes.append("Gradients ran in eval mode: dropout off, BatchNorm statistics unchanged.")
    return search.repair({"epochs": chosen["epoch"], "penalty": chosen["penalty"]}, tuple(notes))


class _Walk:
    """Moves the network one epoch at a time; keeps the running average of its parameters."""

    def __init__(self, method: Finetune, setting: Setting, tuning: Tuning, cut: float) -> None:
        import torch

        self.method, self.tuning = method, tuning
        self.rows = _Rows(method, setting, tuning, cut)
        leaves = tuning.leaves
        self.free = leaves if method.layers == "all" else tuning.last_leaves()
        self.optimizer = torch.optim.Adam(self.free, lr=method.lr, fused=True)
        self.average = _Average(self.free, method.averaging)

    def epoch(self, penalty: float) -> None:
        """Pass over the training rows once."""
        kept = {id(leaf) for leaf in self.free}
        for inputs, loss in self.rows.batches(penalty):
            gradients = self.tuning.gradients(inputs, loss.slope)
            for leaf, gradient in zip(self.tuning.leaves, gradients, strict=True):
                if id(leaf) in kept:
                    leaf.grad = gradient
            self.optimizer.step()
            self.average.follow()


class _Average:
    """Running average of parameters, in their place inside a ``with`` block."""

    def __init__(self, leaves: Sequence[Tensor], weight: float) -> None:
        self.leaves, self.weight = [leaf.detach() for leaf in leaves], weight
        self.values = [leaf.clone() for leaf in self.leaves]

    def follow(self) -> None:
        """Take the present parameters into the average."""
        import torch

        torch._foreach_lerp_(self.values, self.leaves, 1 - self.weight)

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *raised: object) -> None:
        self._swap()

    def _swap(self) -> None:
        for leaf, value in zip(self.leaves, self.values, strict=True):
            held = leaf.clone()
            leaf.copy_(value)
            value.copy_(held)


class _Rows:
    """The training rows, and batches of them that hold every group and label in the table's own shares."""

    def __init__(self, method: Finetune, setting: Setting, tuning: Tuning, cut: float) -> None:
        import numpy as np
        import torch

        train, device = setting.train, setting.device
        judge = setting.objective.on(train)
        self.inputs = {name: value.to(device) for name, value in setting.network.tensors(train).items()}
        size = min(method.batch_size, -(-len(train) // _LEAST_BATCHES))
        self.count = max(1, round(len(train) / size))
        self.task = fitted(judge, tuning.logits(self.inputs), cut, method.sharpness, method.teacher)
        self.masses = self.task.masses
        codes = [judge.attributes[item.constraint].codes for item in judge.comparisons]
        self.codes = [torch.tensor(column).to(device) for column in codes]
        self.rates = []
        compared = zip(judge.comparisons, self.task.starts, self.codes, self.masses, strict=True)
        for item, start, column, mass in compared:
            rates = Rates(item, judge.flipped, method.memory, method.rounding)
            rates.start(start, column, mass, self.count)
            self.rates.append(rates)
        _, self.strata = np.unique(np.stack([*self.task.strata, *codes]), axis=1, return_inverse=True)
        self.generator = np.random.default_rng(setting.seed)
        self.device = device

    def batches(self, penalty: float) -> Iterator[tuple[Inputs, Loss | SquaredLoss]]:
        """Yield the batches of an epoch: inputs and loss."""
        import torch

        order = torch.from_numpy(spread(self.strata.reshape(-1), self.generator)).to(self.device)
        labels, weights, *others = self.task.columns
        own = [labels, weights * self.count, *others]
        columns = [*self.inputs.values(), *own, *self.codes, *self.masses]
        dealt = [column.index_select(0, order).tensor_split(self.count) for column in columns]
        width = len(self.inputs)
        for parts in zip(*dealt, strict=True):
            told, rest = parts[width : width + len(own)], parts[width + len(own) :]
            compared = list(zip(self.rates, rest[: len(self.codes)], rest[len(self.codes) :], strict=True))
            yield dict(zip(self.inputs, parts[:width], strict=True)), self.task.loss(told, compared, penalty)
