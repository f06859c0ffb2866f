"""What a training of the mixed-effects family can be told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from debias.errors import Problem, UsageError
from debias.flags import Flag


@dataclass(frozen=True)
class Settings:
    """How a network of the mixed-effects family is trained; the defaults are our own, the paper gives none.

    Parameters
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    dropout : float
        Share of activations dropped in training, in [0, 1).
    epochs, batch_size : int
        The most passes over the training rows; rows of a mini-batch.
    lr, lr_adversary : float
        Learning rates of Adam.
    patience : int
        Eligible epochs without a better one after which training stops; 0 never stops.
    warmup : int
        First epochs in which the adversaries learn and the network ignores them. Where there are adversaries, the
        first epoch with them and all before it are never chosen.
    lambda_fixed : float
        λ_F, weight of the fixed-effects loss (eq. 1).
    lambda_cluster : float
        λ_g and λ_z, weight of the cluster adversary (eq. 1 and 8).
    kl : float
        κ; the divergence from the prior has the weight λ_K = κ / training rows.
    prior_sd : float
        Standard deviation of the prior of slopes and intercepts.
    lambda_fair, lambda_fair_mixed : float
        λ_FE and λ_ME, weights of the adversaries that read protected attributes (eq. 9 and 11); None: the same.
    lambda_correlation : float
        λ_s, weight of the absolute correlation (eq. 10).
    correlation_given_label : bool
        Take the correlation among rows of one label (regression: given the target); eq. 10 takes it among all.
    adversary_steps : int
        Steps of the adversaries for each step of the network.
    adversary_hidden : tuple of int
        Units of the adversaries' hidden layers.
    adversary_class_weights : bool
        Groups weigh the same in the adversaries, however many rows they have.
    slopes : {"input", "latent"}
        Random slopes act on the network's inputs, or on its last hidden layer.
    class_weights : bool
        Both classes weigh the same in the losses L_M and L_F.
    lambda_swap : float
        Weight of the mean change of a prediction when a protected attribute among the inputs is swapped.
    swap : str, optional
        Attributes whose swap is weighed, with commas between; else all that are inputs.
    adversary_input : {"paper", "logit"}
        What the adversaries read of a prediction ŷ and a label y: (ŷ, y), or (logit, logit · y, y).
    cap_chance : bool
        An adversary worse than chance is no gain for the network.
    """

    hidden: Annotated[tuple[int, ...], Flag("Units of the hidden layers.", metavar="N,N,…")] = (64, 32, 16)
    dropout: Annotated[float, Flag("Share of activations dropped in training.", metavar="SHARE")] = 0.0
    epochs: Annotated[int, Flag("The most passes over the training rows.", metavar="N")] = 30
    batch_size: Annotated[int, Flag("Rows of a mini-batch.", metavar="N")] = 128
    lr: Annotated[float, Flag("Learning rate of the network.", metavar="RATE")] = 1e-3
    lr_adversary: Annotated[float, Flag("Learning rate of the adversaries.", metavar="RATE")] = 1e-3
    patience: Annotated[int, Flag("Stop after so many epochs without a better one; 0 never stops.", metavar="N")] = 8
    warmup: Annotated[
        int, Flag("First epochs in which the network ignores its adversaries; never chosen.", metavar="N")
    ] = 3
    lambda_fixed: Annotated[float, Flag("λ_F: weight of the fixed-effects loss.", metavar="WEIGHT")] = 1.0
    lambda_cluster: Annotated[float, Flag("λ_g, λ_z: weight of the cluster adversary.", metavar="WEIGHT")] = 0.1
    kl: Annotated[float, Flag("Weight of the divergence from the prior, times 1 / rows.", metavar="WEIGHT")] = 1.0
    prior_sd: Annotated[float, Flag("Standard deviation of the prior of random effects.", metavar="SD")] = 0.1
    lambda_fair: Annotated[
        float, Flag("λ_FE: weight of the adversaries that read protected attributes.", metavar="WEIGHT")
    ] = 0.3
    lambda_fair_mixed: Annotated[
        float | None, Flag("λ_ME: the same for mixed-effects predictions. Default: λ_FE.", metavar="WEIGHT")
    ] = None
    lambda_correlation: Annotated[
        float, Flag("λ_s: weight of the correlation of prediction and attribute.", metavar="WEIGHT")
    ] = 0.3
    correlation_given_label: Annotated[
        bool, Flag("Take the correlation among rows of one label, which is equalized odds.")
    ] = False
    adversary_steps: Annotated[int, Flag("Steps of the adversaries for each step of the network.", metavar="N")] = 1
    adversary_hidden: Annotated[tuple[int, ...], Flag("Units of the adversaries' hidden layers.", metavar="N,N,…")] = (
        32,
        32,
    )
    adversary_class_weights: Annotated[
        bool,
        Flag(
            "Groups weigh the same in the adversaries, however many rows they have.",
            names="--adversary-class-weights/--no-adversary-class-weights",
        ),
    ] = True
    slopes: Annotated[
        Literal["input", "latent"], Flag("Random slopes act on the inputs, or on the last hidden layer.")
    ] = "input"
    class_weights: Annotated[
        bool, Flag("Both classes weigh the same in the loss.", names="--class-weights/--no-class-weights")
    ] = True
    lambda_swap: Annotated[
        float, Flag("Weight of the change of a prediction when a protected attribute is swapped.", metavar="WEIGHT")
    ] = 0.0
    swap: Annotated[
        str | None, Flag("Attributes whose swap is weighed. Default: all that are inputs.", metavar="COLUMN,…")
    ] = None
    adversary_input: Annotated[
        Literal["paper", "logit"], Flag("What adversaries read: prediction and label, or logit, logit · label, label.")
    ] = "paper"
    cap_chance: Annotated[bool, Flag("An adversary worse than chance is no gain for the network.")] = False

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise UsageError(problems)

    @property
    def fair_mixed(self) -> float:
        """λ_ME."""
        return self.lambda_fair if self.lambda_fair_mixed is None else self.lambda_fair_mixed

    @property
    def swapped(self) -> tuple[str, ...] | None:
        """Names of the attributes whose swap is weighed; None: all that are inputs."""
        return None if self.swap is None else tuple(part.strip() for part in self.swap.split(","))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name; tuples are lists, as in JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def _problems(self) -> Iterator[Problem]:
        for name in ("epochs", "batch_size", "adversary_steps"):
            if getattr(self, name) < 1:
                yield _off(getattr(self, name), name, "Give 1 or more.")
        for name in ("lr", "lr_adversary", "prior_sd"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                yield _off(getattr(self, name), name, "Give a number above 0.")
        for name in ("patience", "warmup"):
            if getattr(self, name) < 0:
                yield _off(getattr(self, name), name, "Give 0 or more.")
        weights = ("lambda_fixed", "lambda_cluster", "kl", "lambda_fair", "lambda_fair_mixed")
        for name in (*weights, "lambda_correlation", "lambda_swap"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                yield _off(value, name, "Give 0 or more.")
        if not 0 <= self.dropout < 1:
            yield _off(self.dropout, "dropout", "Give a share from 0 to below 1.")
        for name in ("hidden", "adversary_hidden"):
            value = getattr(self, name)
            if not value or min(value) < 1:
                yield _off(value, name, "Give the units of one or more layers, such as 64,32.")
        for name, choices in (("slopes", ("input", "latent")), ("adversary_input", ("paper", "logit"))):
            if getattr(self, name) not in choices:
                yield _off(getattr(self, name), name, f"Give {' or '.join(choices)}.")


def _off(value: object, name: str, remedy: str) -> Problem:
    return Problem(f"{value!r} is out of range", f"--{name.replace('_', '-')}", remedy)
