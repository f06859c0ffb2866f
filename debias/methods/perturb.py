"""Random perturbation of all parameters (Savani et al. 2020; RANDOM of the parity-proxies paper, appendix D.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from debias.errors import Problem, UsageError
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting

if TYPE_CHECKING:
    from torch import Tensor

    from debias.model.network import Network


@dataclass(frozen=True)
class Perturb(Method):
    """Perturb all weights by random factors, many times, and keep the best network.

    Every trial multiplies each parameter of the trained network by its own draw of N(1, σ²); the network with the
    largest objective on the selection rows is kept (Savani et al. 2020, random perturbation). Weights, biases and
    the scales and shifts of normalisations are perturbed; running statistics are not parameters and stay. Random
    effects that may be edited are drawn from their posterior instead.

    Parameters
    ----------
    trials : int
        Number of perturbed networks; the unchanged one is a candidate beside them.
    variance : float
        σ² of the factors, which have mean 1.
    memory : int
        Bound in MiB on what the trials that are evaluated together take. It changes no trial.
    """

    trials: Annotated[int, Flag("Number of perturbed networks.", metavar="N")] = 500
    variance: Annotated[float, Flag("Variance of the random factors, whose mean is 1.", metavar="VARIANCE")] = 0.01
    memory: Annotated[int, Flag("Memory for trials that are evaluated together.", metavar="MIB")] = 256
    name: ClassVar[str] = "perturb"

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{value!r} is out of range", flag, f"Give {least}.")
            for flag, value, fits, least in (
                ("--trials", self.trials, self.trials >= 1, "1 or more"),
                ("--variance", self.variance, 0 < self.variance < math.inf, "a number above 0"),
                ("--memory", self.memory, self.memory >= 1, "1 or more"),
            )
            if not fits
        ]
        if problems:
            raise UsageError(problems)

    def repair(self, setting: Setting) -> Repair:
        """Return the perturbed network with the largest objective on the selection rows."""
        import torch

        from debias.methods.search import Search
        from debias.model.trials import Trials

        network = setting.network
        search = Search(setting.objective.on(setting.select))
        search.add(network.logits(setting.select), dict, {"trial": 0})
        trials = Trials(network, network.tensors(setting.select), setting.device, self.memory)
        for start in range(1, self.trials + 1, trials.at_once):
            numbers = range(start, min(start + trials.at_once, self.trials + 1))
            states = [perturbed(network, self.variance, setting.seed, number) for number in numbers]
            stacked = {name: torch.stack([state[name] for state in states]) for name in network.parameters}
            for number, state, logits in zip(numbers, states, trials.logits(stacked).cpu().numpy(), strict=True):
                search.add(logits, lambda state=state: state, {"trial": number})  # type: ignore[misc]
            setting.progress(numbers[-1], self.trials, f"{numbers[-1]} of {self.trials} trials")
        changes = {"trial": search.chosen, "trials": self.trials, "variance": self.variance}
        return search.repair(changes)

    def summary(self, repair: Repair, network: Network) -> str:
        """Return which trial was taken."""
        trial, trials, variance = (repair.changes[key] for key in ("trial", "trials", "variance"))
        factors = f"factors of mean 1 and variance {variance:g}"
        return (
            f"All {len(network.parameters)} parameter tensors multiplied by {factors}: trial {trial:,} of {trials:,}."
        )


def perturbed(network: Network, variance: float, seed: int, trial: int) -> dict[str, Tensor]:
    """Return the parameters of one trial; they depend on the seed and the trial's number alone.

    Parameters
    ----------
    network : Network
        Where the parameters come from.
    variance : float
        σ² of the factors N(1, σ²).
    seed, trial : int
        Both at least 0.
    """
    import numpy as np
    import torch

    generator = np.random.default_rng((seed, trial))
    found = {}
    for name in network.parameters:
        value = network.state[name]
        exact = np.float64 if value.dtype == torch.float64 else np.float32
        noise = torch.from_numpy(generator.standard_normal(tuple(value.shape), dtype=exact)).to(value)
        if name in network.anchors:
            # Of a random effect the posterior tells which values the data deem plausible.
            found[name] = value + network.anchors[name] * noise
        else:
            found[name] = noise.mul_(math.sqrt(variance)).add_(1).mul_(value)
    return found
