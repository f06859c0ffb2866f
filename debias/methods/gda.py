"""Bias gradient descent/ascent on the differentiable proxy (parity-proxies paper, Algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from debias.errors import Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting, Step

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor

    from debias.fairness.proxies import Proxy
    from debias.methods.search import Search
    from debias.model.network import Network
    from debias.model.tuning import Tuning
    from debias.objective.comparison import Target

    Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GDA(Method):
    """Fine-tune by gradient descent or ascent on the bias (Algorithm 2).

    The proxy of the bias is followed, and the network with the largest objective on the selection rows is kept.
    Gradients and selection run in eval mode: dropout is off and the running statistics of BatchNorm stay, so that the
    network that is judged is the network that is returned.

    Parameters
    ----------
    lr : float
        Learning rate η.
    epochs : int
        Number of epochs E.
    batch_size : int
        Rows M of a mini-batch. Every batch holds rows of both groups that are compared (for equal opportunity: with
        the favourable label); rows that carry no weight in the proxy count for the size of a batch and cost nothing.
    optimizer : {"adam", "sgd"}
        Adam by default: plain SGD at the paper's rate hardly moves the bias (benchmarks/README.md).
    one_batch : bool
        One mini-batch an epoch, as Algorithm 2 is printed; else a full pass over the training rows.
    evaluations : int
        How often an epoch's network is judged on the selection rows, evenly spaced.
    patience : int
        Stop after this many evaluations without a better network once the bias has crossed zero; 0 never stops, as
        the paper has it. Until it stops the run is the same.
    """

    lr: Annotated[float, Flag("Learning rate.", metavar="RATE")] = 1e-5
    epochs: Annotated[int, Flag("Number of epochs.", metavar="N")] = 100
    batch_size: Annotated[int, Flag("Rows in a batch; each holds every group.", metavar="N")] = 256
    optimizer: Annotated[
        Literal["adam", "sgd"],
        Flag("adam, or sgd as the paper has it, which hardly moves the bias at its learning rate."),
    ] = "adam"
    one_batch: Annotated[bool, Flag("One batch an epoch, as Algorithm 2 has it. Default: a full pass.")] = False
    evaluations: Annotated[
        int, Flag("How often in an epoch the network is judged on the selection rows.", metavar="N")
    ] = 1
    patience: Annotated[
        int,
        Flag(
            "Stop after so many evaluations without a better network once the bias has crossed zero; 0 never stops.",
            metavar="N",
        ),
    ] = 10
    name: ClassVar[str] = "gda"

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{value!r} is out of range", flag, "Give a number above 0.")
            for flag, value in (
                ("--lr", self.lr if math.isfinite(self.lr) else 0),
                ("--epochs", self.epochs),
                ("--batch-size", self.batch_size),
                ("--evaluations", self.evaluations),
            )
            if not value > 0
        ]
        if self.patience < 0:
            problems.append(Problem(f"{self.patience!r} is out of range", "--patience", "Give 0 or more."))
        if self.optimizer not in ("adam", "sgd"):
            problems.append(Problem(f"unknown optimizer {self.optimizer!r}", "--optimizer", "Give adam or sgd."))
        if problems:
            raise UsageError(problems)

    def repair(self, setting: Setting) -> Repair:
        """Return the fine-tuned network with the largest objective on the selection rows."""
        import numpy as np

        from debias.methods.search import Search
        from debias.model.tuning import Tuning
        from debias.objective.heading import Heading

        network, device = setting.network, setting.device
        search = Search(setting.objective.on(setting.select))
        tuning = Tuning(network, device)
        step = _Step(tuning, self)
        batches = _Batches(setting, self.batch_size)
        selection = {name: value.to(device) for name, value in network.tensors(setting.select).items()}
        logits = tuning.logits(selection).cpu().numpy()
        search.add(logits, dict, {"epoch": 0})
        heading = Heading(search.scorer, logits)
        crossing: int | None = None
        count = 1 if self.one_batch else batches.count
        judged = set(np.linspace(0, count, min(self.evaluations, count) + 1).round().astype(int)[1:])
        for epoch in range(self.epochs):
            sign = heading.sign
            for number, (inputs, proxy) in enumerate(batches.epoch(heading.target, count), start=1):
                step(inputs, proxy, sign)
                if number in judged:
                    logits = tuning.logits(selection).cpu().numpy()
                    last = search.add(logits, tuning.state, {"epoch": epoch + number / count})
                    heading.look(logits)
                    if heading.crossed and crossing is None:
                        crossing = last.step
                    if self._is_over(search, crossing):
                        setting.progress(self.epochs, self.epochs, "stopped")
                        return _finished(self, search)
            setting.progress(epoch + 1, self.epochs, f"bias {search.trajectory[-1].bias:+.4f}")
        return _finished(self, search)

    def _is_over(self, search: Search, crossing: int | None) -> bool:
        """Return whether the bias has crossed zero and nothing better came for long enough."""
        if not self.patience or crossing is None:
            return False
        return len(search.trajectory) - 1 - max(crossing, search.chosen) >= self.patience

    def summary(self, repair: Repair, network: Network) -> str:
        """Return how far the network was fine-tuned."""
        del network
        return f"Fine-tuned for {repair.changes['epochs']:g} epochs along the gradient of the bias."


def _finished(method: GDA, search: Search) -> Repair:
    chosen, last = search.trajectory[search.chosen], search.trajectory[-1]
    return search.repair({"epochs": chosen.detail["epoch"]}, tuple(_notes(method, chosen, last)))


def _notes(method: GDA, chosen: Step, last: Step) -> Iterator[str]:
    if last.detail["epoch"] < method.epochs:
        yield (
            f"gda stopped after {last.detail['epoch']:g} of {method.epochs} epochs: the bias had crossed zero, and "
            f"{method.patience} evaluations brought nothing better (--patience)."
        )
    elif chosen is last:
        yield "The last epoch was the best candidate: more --epochs or a larger --lr may go further."
    if method.optimizer == "adam" or not method.one_batch:
        yield (
            f"gda ran {method.optimizer} with {'one batch' if method.one_batch else 'a full pass'} per epoch; "
            "the paper's text is --optimizer sgd --one-batch --patience 0."
        )
    yield "Gradients ran in eval mode: dropout off, BatchNorm statistics unchanged."


class _Step:
    """Moves every parameter against sgn(μ0) times the gradient of the proxy on one batch (Algorithm 2, line 6)."""

    def __init__(self, tuning: Tuning, method: GDA) -> None:
        import torch

        self.tuning = tuning
        self.leaves = tuning.leaves
        make = torch.optim.Adam if method.optimizer == "adam" else torch.optim.SGD
        self.optimizer: torch.optim.Optimizer = make(self.leaves, lr=method.lr, fused=True)

    def __call__(self, inputs: Mapping[str, Tensor], proxy: Proxy, sign: int) -> None:
        def slope(logits: Tensor) -> Tensor:
            return sign * proxy.slope(logits)

        for leaf, gradient in zip(self.leaves, self.tuning.gradients(inputs, slope), strict=True):
            leaf.grad = gradient
        self.optimizer.step()


class _Batches:
    """Mini-batches with rows of every group, drawn by stratum and without replacement within an epoch.

    A group with fewer rows than there are batches is repeated, so that no batch lacks it.
    """

    def __init__(self, setting: Setting, batch_size: int) -> None:
        import numpy as np
        import torch

        train = setting.train
        self.scorer = setting.objective.on(train)
        self.count = max(1, -(-len(train) // batch_size))
        self.inputs = {name: value.to(setting.device) for name, value in setting.network.tensors(train).items()}
        self.device = setting.device
        self.truth = None if self.scorer.truth is None else torch.from_numpy(self.scorer.truth).to(self.device)
        self.generator = np.random.default_rng(setting.seed)

    def epoch(self, target: Target, count: int) -> Iterator[tuple[dict[str, Tensor], Proxy]]:
        """Yield the first `count` batches of an epoch: inputs, and the proxy on the rows of the batch.

        The two group means of a batch each have weight 1.
        """
        import numpy as np
        import torch

        from debias.fairness.proxies import Proxy

        form = self.scorer.comparisons[target.comparison].form
        weights = self.scorer.proxy_weights(target)
        ups, downs = (self._dealt(np.flatnonzero(sign * weights > 0))[:count] for sign in (1, -1))
        sides = [side for both in zip(ups, downs, strict=True) for side in both]
        shares = np.concatenate([weights[side] / abs(weights[side].sum()) for side in sides])
        sizes = [len(up) + len(down) for up, down in zip(ups, downs, strict=True)]
        # One pass over the table an epoch: fetching its rows batch by batch costs more.
        rows = torch.from_numpy(np.concatenate(sides)).to(self.device)
        dealt = [value.index_select(0, rows).split_with_sizes(sizes) for value in self.inputs.values()]
        parts = torch.from_numpy(shares).to(self.device).split_with_sizes(sizes)
        truths = [None] * len(sizes) if self.truth is None else self.truth[rows].split_with_sizes(sizes)
        for *inputs, part, truth in zip(*dealt, parts, truths, strict=True):
            yield dict(zip(self.inputs, inputs, strict=True)), Proxy(part, form, truth)

    def _dealt(self, rows: Indices) -> list[Indices]:
        import numpy as np

        shuffled = self.generator.permutation(rows)
        if len(shuffled) < self.count:
            shuffled = np.resize(shuffled, self.count)
        return np.array_split(shuffled, self.count)
