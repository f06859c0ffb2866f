"""Constrained fine-tuning: the task and the proxy of the bias at once, along a path of growing penalties."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from debias.errors import Problem, UsageError
from debias.methods.base import Flag, Method, Repair, Setting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from debias.methods.search import Search
    from debias.model.network import Network
    from debias.model.tuning import Tuning
    from debias.objective.scorer import Scorer

    Indices = npt.NDArray[np.int64]
    Inputs = dict[str, Tensor]

_LEAST_BATCHES = 32


@dataclass(frozen=True)
class Finetune(Method):
    """Fine-tune for the task and against the bias at once, along a path of growing penalties.

    The loss of a batch is the class-balanced cross-entropy of the logit z, measured from the unchanged network's best
    cut, plus the penalty times the bias of the soft decisions σ(sharpness · z): for every rate that the objective
    compares, the highest less the lowest mean of the groups. The labels of the cross-entropy are in part the unchanged
    network's own probabilities, which are less noisy than the labels. Each epoch has a larger penalty than the one
    before and starts from its network, so that one run walks a whole Pareto front; after every epoch the running
    average of the parameters, at every cut, is a candidate.

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
        Share of the unchanged network's probabilities in the labels of the cross-entropy, in [0, 1].
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
    averaging: Annotated[
        float, Flag("Weight of the past in the running average that is judged; 0 judges the last step.", metavar="X")
    ] = 0.99
    layers: Annotated[Literal["all", "last"], Flag("Fine-tune all layers, or the last one alone.")] = "all"
    name: ClassVar[str] = "finetune"

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
            )
            if not 0 < value < math.inf
        ]
        if not 0 <= self.teacher <= 1:
            problems.append(Problem(f"{self.teacher!r} is out of range", "--teacher", "Give 0 to 1."))
        if not 0 <= self.averaging < 1:
            problems.append(Problem(f"{self.averaging!r} is out of range", "--averaging", "Give 0 to below 1."))
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


@dataclass(frozen=True)
class Compared:
    """A rate that is compared between groups, on the rows of a batch.

    Parameters
    ----------
    shares : Tensor, shape [K, B]
        Weight of each row in the mean of each group that has rows here; each row of the matrix sums to 1.
    ratio : bool
        The means are divided, not subtracted.
    flipped : bool
        The favourable decision is the negative one.
    """

    shares: Tensor
    ratio: bool
    flipped: bool

    def slope(self, soft: Tensor) -> Tensor:
        """Return the gradient of the highest less the lowest mean (or 1 − lowest / highest) by each σ, shape [B]."""
        means = self.shares @ soft
        if self.flipped:
            means = 1 - means
        low, high = int(means.argmin()), int(means.argmax())
        by_high, by_low = 1.0, -1.0
        if self.ratio:
            top = max(float(means[high]), 1e-6)
            by_high, by_low = float(means[low]) / top**2, -1 / top
        slope = by_high * self.shares[high] + by_low * self.shares[low]
        return -slope if self.flipped else slope


@dataclass(frozen=True)
class Loss:
    """The loss on a batch: Σ wᵢ CE(eᵢ, σ(zᵢ)) + penalty · Σ bias of σ(sharpness · z), with z the logit less the cut.

    Parameters
    ----------
    labels, weights : Tensor, shape [B]
        e in [0, 1] and w of each row.
    compared : sequence of Compared
        The rates whose difference is penalised.
    cut, penalty, sharpness : float
        As the formula says.
    """

    labels: Tensor
    weights: Tensor
    compared: Sequence[Compared]
    cut: float
    penalty: float
    sharpness: float

    def slope(self, logits: Tensor) -> Tensor:
        """Return the gradient of the loss with respect to each logit, shape [B]."""
        centred = logits - self.cut
        slope = self.weights * (centred.sigmoid() - self.labels)
        soft = (self.sharpness * centred).sigmoid()
        steep = self.penalty * self.sharpness * soft * (1 - soft)
        for item in self.compared:
            slope = slope + steep * item.slope(soft)
        return slope


class _Rows:
    """The training rows, and batches of them that hold every group and label in the table's own shares."""

    def __init__(self, method: Finetune, setting: Setting, tuning: Tuning, cut: float) -> None:
        import numpy as np
        import torch

        train, device = setting.train, setting.device
        self.method, self.cut = method, cut
        self.scorer = setting.objective.on(train)
        self.inputs = {name: value.to(device) for name, value in setting.network.tensors(train).items()}
        size = min(method.batch_size, -(-len(train) // _LEAST_BATCHES))
        self.count = max(1, round(len(train) / size))
        probability = (tuning.logits(self.inputs) - cut).sigmoid()
        weight = np.ones(len(train)) if train.weight is None else train.weight

        def told(values: npt.NDArray[np.floating]) -> Tensor:
            return torch.from_numpy(values).to(probability)

        self.labels = torch.lerp(told(train.y.astype(float)), probability, method.teacher)
        self.weights = told(_balanced(train.y, weight)) * self.count
        favorable = 1 - self.labels if self.scorer.flipped else self.labels
        mass = {"selection": torch.ones_like(favorable), "tpr": favorable, "fpr": 1 - favorable}
        self.masses = [mass[item.rate] * told(weight) for item in self.scorer.comparisons]
        codes = [self.scorer.attributes[item.constraint].codes for item in self.scorer.comparisons]
        self.codes = [torch.from_numpy(column).to(device) for column in codes]
        _, self.strata = np.unique(np.stack([train.y, *codes]), axis=1, return_inverse=True)
        self.generator = np.random.default_rng(setting.seed)
        self.device = device

    def batches(self, penalty: float) -> Iterator[tuple[Inputs, Loss]]:
        """Yield the batches of an epoch: inputs and loss."""
        import torch

        order = torch.from_numpy(spread(self.strata.reshape(-1), self.generator)).to(self.device)
        columns = [*self.inputs.values(), self.labels, self.weights, *self.codes, *self.masses]
        dealt = [column.index_select(0, order).tensor_split(self.count) for column in columns]
        width = len(self.inputs)
        for parts in zip(*dealt, strict=True):
            labels, weights, *rest = parts[width:]
            compared = compare(self.scorer, rest[: len(self.codes)], rest[len(self.codes) :])
            loss = Loss(labels, weights, compared, self.cut, penalty, self.method.sharpness)
            yield dict(zip(self.inputs, parts[:width], strict=True)), loss


def compare(scorer: Scorer, codes: Sequence[Tensor], masses: Sequence[Tensor]) -> list[Compared]:
    """Return what is compared on a batch: rates of which at least two groups have rows there.

    Parameters
    ----------
    scorer : Scorer
        Whose comparisons they are.
    codes : sequence of Tensor of int64, each of shape [B]
        For each comparison, the group of each row of the batch; −1 where it is missing.
    masses : sequence of Tensor, each of shape [B]
        For each comparison, how much each row counts in the rate: its weight, times its label for the true positive
        rate, times the rest to 1 for the false positive rate.
    """
    import torch

    found = []
    for item, column, mass in zip(scorer.comparisons, codes, masses, strict=True):
        shares = (column == torch.arange(item.n_groups, device=column.device)[:, None]) * mass
        sums = shares.sum(1, keepdim=True)
        present = sums[:, 0] > 0
        if int(present.sum()) > 1:
            found.append(Compared(shares[present] / sums[present], item.ratio, scorer.flipped))
    return found


def _balanced(y: Indices, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return weights under which each class weighs one half."""
    import numpy as np

    positive = y == 1
    sums = np.where(positive, weight[positive].sum(), weight[~positive].sum())
    balanced: npt.NDArray[np.float64] = weight / (2 * sums)
    return balanced


def spread(strata: Indices, generator: np.random.Generator) -> Indices:
    """Return a random order of the rows in which every stretch holds the strata in their own shares.

    Parameters
    ----------
    strata : ndarray of int64, shape [N]
        Stratum of each row, from 0.
    generator : numpy Generator
        Deals the rows of each stratum.
    """
    import numpy as np

    place = np.empty(len(strata))
    for stratum in range(int(strata.max()) + 1):
        rows = generator.permutation(np.flatnonzero(strata == stratum))
        place[rows] = (np.arange(len(rows)) + generator.random()) / max(1, len(rows))
    return np.argsort(place, kind="stable")
