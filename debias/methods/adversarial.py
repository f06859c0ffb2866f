"""Adversarial fine-tuning with a critic of the bias (Savani et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from debias.errors import ModelError, Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting

if TYPE_CHECKING:
    from torch import Tensor

    from debias.methods.search import Logits
    from debias.model.network import Network
    from debias.model.tuning import Tuning
    from debias.objective import Judge

# Slope of the soft decisions σ(k (logit − cut)), k in units of the logits' standard deviation: were it fixed, small
# logits would pass for a small bias.
_SHARPNESS = 4.0
# How strongly the critic's batches are tilted.
_TILT = 8.0
_WARM_UP = 1000


@dataclass(frozen=True)
class Adversarial(Method):
    """Fine-tune against a critic that estimates the bias of a batch from the last hidden layer.

    The critic sees the hidden activations of a batch, not the groups, and learns the batch's bias by its squared
    error. The network minimises its task loss times max(1, λ (\\|critic\\| − eps + δ) + 1), so that the bias that the
    critic sees costs as soon as it exceeds eps − δ (Savani et al. 2020, adversarial fine-tuning). Both take turns;
    after every epoch the network is judged on the selection rows. Gradients run in eval mode.

    The task loss is the cross-entropy with both labels of the same weight, at the cut of best performance, because
    balanced accuracy is what is judged. The bias of plain batches hardly varies beyond its noise, and a critic that
    knows their mean alone moves nothing; so it learns from batches that were tilted by leaving rows out at random,
    which is not in the paper. With several differences it estimates each, and the one furthest beyond costs.

    Parameters
    ----------
    lr : float
        Learning rate of the network.
    epochs : int
        Passes of the network over the training rows.
    batch_size : int
        Rows of a batch.
    penalty : float
        λ: what a unit of bias beyond the bound costs, in shares of the task loss.
    delta : float
        δ: the bias costs from eps − δ on.
    critic_steps : int
        Batches from which the critic learns before each step of the network.
    critic_lr : float
        Learning rate of the critic.
    """

    lr: Annotated[float, Flag("Learning rate of the network.", metavar="RATE")] = 3e-4
    epochs: Annotated[int, Flag("Passes over the training rows.", metavar="N")] = 10
    batch_size: Annotated[int, Flag("Rows in a batch.", metavar="N")] = 512
    penalty: Annotated[float, Flag("How much the bias that the critic sees costs.", metavar="LAMBDA")] = 20.0
    delta: Annotated[float, Flag("The bias costs from --eps less this much on.", metavar="DELTA")] = 0.05
    critic_steps: Annotated[int, Flag("Steps of the critic before each of the network.", metavar="N")] = 8
    critic_lr: Annotated[float, Flag("Learning rate of the critic.", metavar="RATE")] = 3e-3
    name: ClassVar[str] = "adversarial"
    fits: ClassVar[bool] = True
    decides: ClassVar[str] = "its critic learns the bias of soft decisions"

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{value!r} is out of range", flag, "Give a number above 0.")
            for flag, value in (
                ("--lr", self.lr),
                ("--epochs", self.epochs),
                ("--batch-size", self.batch_size),
                ("--penalty", self.penalty),
                ("--critic-steps", self.critic_steps),
                ("--critic-lr", self.critic_lr),
            )
            if not 0 < value < math.inf
        ]
        if not 0 <= self.delta < math.inf:
            problems.append(Problem(f"{self.delta!r} is out of range", "--delta", "Give 0 or more."))
        if problems:
            raise UsageError(problems)

    def repair(self, setting: Setting) -> Repair:
        """Return the fine-tuned network with the largest objective on the selection rows.

        Raises
        ------
        ModelError
            When the network has no hidden layer.
        """
        import numpy as np

        from debias.methods.search import Search
        from debias.model.tuning import Tuning

        if reasons := self.reasons(setting.network):
            raise ModelError(reasons)
        network = setting.network
        search = Search(setting.objective.on(setting.select))
        tuning = Tuning(network, setting.device)
        selection = {name: value.to(setting.device) for name, value in network.tensors(setting.select).items()}
        logits = tuning.logits(selection).cpu().numpy()
        search.add(logits, dict, {"epoch": 0})
        game = _Game(self, setting, tuning)
        game.aim(search.scorer, logits)
        game.warm_up()
        notes = ["Gradients ran in eval mode: dropout off, BatchNorm statistics unchanged."]
        for epoch in range(1, self.epochs + 1):
            error = game.epoch()
            logits = tuning.logits(selection).cpu().numpy()
            if not np.isfinite(logits).all():
                notes.append(f"Epoch {epoch} ended in scores that are no numbers; a smaller --lr may go further.")
                break
            step = search.add(logits, tuning.state, {"epoch": epoch, "critic_error": error})
            game.aim(search.scorer, logits)
            setting.progress(epoch, self.epochs, f"bias {step.bias:+.4f}")
        setting.progress(self.epochs, self.epochs, "trained")
        return search.repair({"epochs": search.trajectory[search.chosen].detail["epoch"]}, tuple(notes))

    def summary(self, repair: Repair, network: Network) -> str:
        """Return how far the network was fine-tuned."""
        del network
        return f"Fine-tuned for {repair.changes['epochs']} epochs against a critic of the bias."

    def reasons(self, network: Network) -> list[Problem]:
        """Return why there is nothing that a critic could read; nothing where there is."""
        if network.layers:
            return []
        return [Problem("the network has no hidden fully connected layer for a critic to read", "", "Use gda.")]


class _Game:
    """The network and its critic on the training rows."""

    def __init__(self, method: Adversarial, setting: Setting, tuning: Tuning) -> None:
        import torch

        from debias.model.critic import Critic

        self.method, self.tuning = method, tuning
        self.inputs = {name: value.to(setting.device) for name, value in setting.network.tensors(setting.train).items()}
        self.scorer = setting.objective.deciding(setting.train)
        self.generator = torch.Generator().manual_seed(setting.seed)
        _, hidden = tuning.hidden_values(self.inputs)
        self.critic = Critic(hidden, len(self.scorer.comparisons), seed=setting.seed).to(setting.device)
        self.dtype, self.device = hidden.dtype, hidden.device
        self.labels, self.balance = self._task()
        self.count = max(1, -(-len(self.labels) // method.batch_size))
        self.batches = self._batches()
        eps = [item.eps for item in self.scorer.comparisons]
        self.eps = torch.tensor(eps, dtype=self.dtype, device=self.device)
        self.optimizer = torch.optim.Adam(tuning.leaves, lr=method.lr, fused=True)
        self.learner = torch.optim.Adam(self.critic.parameters(), lr=method.critic_lr, fused=True)

    def _task(self) -> tuple[Tensor, Tensor]:
        """Return the labels [N], and weights [N] of mean 1 that give both labels the same weight."""
        import numpy as np
        import torch

        y, weight = self.scorer.y, self.scorer.weights
        masses = np.array([weight[y == label].sum() for label in (0, 1)])
        balance = weight / masses[y] * len(y) / 2
        return (
            torch.from_numpy(y).to(self.device, self.dtype),
            torch.from_numpy(balance).to(self.device, self.dtype),
        )

    def aim(self, scorer: Judge, logits: Logits) -> None:
        """Take the cut and the pairs of groups from the network as it is now, on the selection rows."""
        import numpy as np
        import torch

        best = scorer.sweep(logits).best()
        self.cut = best.cut if best else 0.0
        self.spread = float(logits.std()) or 1.0
        targets = scorer.targets(logits)
        weight = self.scorer.weights

        def side(which: int) -> Tensor:
            pairs = zip(self.scorer.comparisons, targets, strict=True)
            members = np.stack([weight * (item.members == target.pair[which]) for item, target in pairs])
            return torch.from_numpy(members).to(self.device, self.dtype)

        self.low, self.high = side(0), side(1)

    def _biases(self, rows: Tensor, logits: Tensor) -> Tensor:
        """Return the bias [M] of the soft decisions of a batch; NaN where it lacks a group."""
        import torch

        scores = self._soft(logits)
        if self.scorer.flipped:
            scores = 1 - scores
        low, high = self.low[:, rows], self.high[:, rows]
        one, other = low @ scores / low.sum(1), high @ scores / high.sum(1)
        ratio = torch.tensor([item.ratio for item in self.scorer.comparisons], device=self.device)
        return torch.where(ratio, (one - other) / torch.maximum(one, other), one - other)

    def _tilted(self, rows: Tensor, logits: Tensor) -> Tensor:
        """Return a part of a batch, by places, in which one difference is larger or smaller than in the whole."""
        import torch

        draw = torch.rand(2 + len(rows), generator=self.generator).to(self.device, self.dtype)
        which = int(draw[0] * len(self.low))
        group = self.low[which, rows].sign() - self.high[which, rows].sign()
        along = _TILT * (2 * draw[1] - 1) * group * (self._soft(logits) - 0.5)
        return torch.nonzero(draw[2:] < torch.sigmoid(along))[:, 0]

    def _soft(self, logits: Tensor) -> Tensor:
        """Return soft decisions [N] of the positive class."""
        return (_SHARPNESS / self.spread * (logits - self.cut)).sigmoid()

    def _batches(self) -> Iterator[Tensor]:
        import torch

        while True:
            shuffled = torch.randperm(len(self.labels), generator=self.generator)
            yield from shuffled.to(self.device).tensor_split(self.count)

    def warm_up(self) -> None:
        """Let the critic learn the unchanged network first: what it reads is worked out once."""
        logits, hidden = self.tuning.hidden_values(self.inputs)
        for _ in range(_WARM_UP):
            rows = next(self.batches)
            rows = rows[self._tilted(rows, logits[rows])]
            self._learn(hidden[rows], self._biases(rows, logits[rows]))

    def _learn(self, hidden: Tensor, biases: Tensor) -> float:
        import torch

        known = torch.isfinite(biases)
        if not known.any():  # a batch may lack a group
            return 0.0
        self.learner.zero_grad()
        error = ((self.critic(hidden) - biases)[known] ** 2).mean()
        error.backward()
        self.learner.step()
        return float(error.detach())

    def epoch(self) -> float:
        """Let both take turns for a pass over the rows; return the critic's mean squared error."""
        errors = []
        for _ in range(self.count):
            for _ in range(self.method.critic_steps):
                rows = next(self.batches)
                logits, hidden = self.tuning.hidden_values({n: v[rows] for n, v in self.inputs.items()})
                part = self._tilted(rows, logits)
                errors.append(self._learn(hidden[part], self._biases(rows[part], logits[part])))
            self._move(next(self.batches))
        return sum(errors) / len(errors)

    def _move(self, rows: Tensor) -> None:
        import torch

        labels, balance = self.labels[rows], self.balance[rows]

        def slopes(logits: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
            shifted = logits - self.cut
            task = torch.nn.functional.binary_cross_entropy_with_logits(shifted, labels, balance)
            along = balance * (torch.sigmoid(shifted) - labels) / len(labels)
            with torch.enable_grad():
                seen = hidden.detach().requires_grad_()
                excess = (self.critic(seen).abs() - self.eps + self.method.delta).amax()
                if not excess > 0:
                    return along, None
                (toward,) = torch.autograd.grad(excess, seen)
            factor = 1 + self.method.penalty * excess.detach()
            return factor * along, self.method.penalty * task * toward

        part = {name: value[rows] for name, value in self.inputs.items()}
        for leaf, gradient in zip(self.tuning.leaves, self.tuning.gradients_from(part, slopes), strict=True):
            leaf.grad = gradient
        self.optimizer.step()
