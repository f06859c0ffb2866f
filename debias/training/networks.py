"""The networks that are served: fixed effects alone, mixed effects, and the cluster as an input.

Each can be scripted. What only training needs (adversaries, dropout, draws from the posterior) is not in them.
"""

# Annotations are not deferred here: TorchScript reads those of a class as they stand.

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from debias.training.kinds import Kind

_FIRST_MEAN_SD = 0.1
_FIRST_SDS = (0.01, 0.05)


class FixedEffects(nn.Module):
    """Hidden layers with ReLU and one output, the fixed-effects predictor (Fair MEDL Fig. 1, subnetwork 1).

    Parameters
    ----------
    width : int
        Number of inputs.
    hidden : sequence of int
        Units of the hidden layers, one layer or more.
    """

    def __init__(self, width: int, hidden: Sequence[int]) -> None:
        super().__init__()
        sizes = [width, *hidden]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])
        self.out = nn.Linear(sizes[-1], 1)

    @torch.jit.unused
    def sizes(self) -> list[int]:
        """Return the number of inputs, and the units of each hidden layer."""
        weights = [layer.get_parameter("weight") for layer in self.layers]
        return [weights[0].shape[1], *(weight.shape[0] for weight in weights)]

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the last hidden layer [N, units]."""
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x

    def activations(self, x: Tensor) -> list[Tensor]:
        """Return the activations of every hidden layer, each [N, units]."""
        found = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            found.append(x)
        return found


class RandomEffects(nn.Module):
    """Coefficients of each cluster with a mean-field normal posterior (Fair MEDL Fig. 1, subnetwork 4).

    The standard deviation of the posterior is ``1e-5 + softplus(rho)``.

    Parameters
    ----------
    clusters, width : int
        Number of clusters K, and of coefficients r of each.
    """

    def __init__(self, clusters: int, width: int) -> None:
        super().__init__()
        low, high = (math.log(math.expm1(sd)) for sd in _FIRST_SDS)
        self.mean = nn.Parameter(torch.randn(clusters, width) * _FIRST_MEAN_SD)
        self.rho = nn.Parameter(torch.empty(clusters, width).uniform_(low, high))

    def forward(self, z: Tensor) -> Tensor:
        """Return the posterior means of rows [N, r] for z [N, K]; a soft z mixes those of its clusters."""
        return z @ self.mean

    def sd(self) -> Tensor:
        """Return the standard deviations of the posterior [K, r]."""
        # debias.model.effects.LEAST_SD, as a number: TorchScript reads no constants of a module.
        return 1e-5 + torch.nn.functional.softplus(self.rho)

    def drawn(self, noise: Tensor) -> Tensor:
        """Return coefficients drawn from the posterior [K, r], for standard normal noise [K, r]."""
        return self.mean + self.sd() * noise


class _Scaled(nn.Module):
    """What the served networks share: whether they return a value, and in which units."""

    __constants__: tuple[str, ...] = ("regression",)
    target_mean: Tensor
    target_sd: Tensor

    def __init__(self, regression: bool) -> None:
        super().__init__()
        self.regression = regression
        if regression:
            self.register_buffer("target_mean", torch.tensor(0.0))
            self.register_buffer("target_sd", torch.tensor(1.0))

    @torch.jit.unused
    def set_scale(self, mean: float, sd: float) -> None:
        """Set mean and standard deviation of the training rows' targets."""
        self.target_mean.fill_(mean)
        self.target_sd.fill_(sd)


class Plain(_Scaled):
    """A network of fixed effects alone: `forward(x)`.

    Parameters
    ----------
    width : int
        Number of features d.
    hidden : sequence of int
        Units of the hidden layers.
    regression : bool
        Return a value in target units, by the buffers `target_mean` and `target_sd`; else a probability.
    """

    def __init__(self, width: int, hidden: Sequence[int], regression: bool = False) -> None:
        super().__init__(regression)
        self.fe = FixedEffects(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Return the prediction [N] for features [N, d]."""
        f: Tensor = self.fe.out(self.fe(x)).squeeze(1)
        if self.regression:
            return f * self.target_sd + self.target_mean
        return torch.sigmoid(f)

    @torch.jit.export
    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logit (regression: the value in target units) [N], and all hidden activations [N, units]."""
        hidden = self.fe.activations(x)
        f: Tensor = self.fe.out(hidden[-1]).squeeze(1)
        if self.regression:
            f = f * self.target_sd + self.target_mean
        return f, torch.cat(hidden, 1)


class ClusterInput(_Scaled):
    """A network that reads the cluster as further input columns: `forward(x, z)`.

    Parameters
    ----------
    width, clusters : int
        Number of features d and of clusters K.
    hidden : sequence of int
        Units of the hidden layers.
    regression : bool
        See `Plain`.
    """

    __constants__: tuple[str, ...] = ("clusters", "regression")

    def __init__(self, width: int, clusters: int, hidden: Sequence[int], regression: bool = False) -> None:
        super().__init__(regression)
        self.clusters = clusters
        self.fe = FixedEffects(width + clusters, hidden)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the prediction [N] for features [N, d] and clusters [N, K]."""
        f: Tensor = self.fe.out(self.fe(torch.cat([x, z], 1))).squeeze(1)
        if self.regression:
            return f * self.target_sd + self.target_mean
        return torch.sigmoid(f)

    @torch.jit.export
    def predict_fe(self, x: Tensor) -> Tensor:
        """Return the prediction [N] for an unknown cluster: all its columns are 0."""
        return self.forward(x, torch.zeros([x.shape[0], self.clusters], dtype=x.dtype))

    @torch.jit.export
    def predict_index(self, x: Tensor, zi: Tensor) -> Tensor:
        """Return the prediction [N] for cluster numbers, int64 [N]; −1 is an unknown one."""
        return self.forward(x, (zi.unsqueeze(1) == torch.arange(self.clusters)).to(x.dtype))

    @torch.jit.export
    def heads(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits (regression: values) with and without the cluster [N], and all hidden activations."""
        hidden = self.fe.activations(torch.cat([x, z], 1))
        m: Tensor = self.fe.out(hidden[-1]).squeeze(1)
        f: Tensor = self.fe.out(self.fe(torch.cat([x, torch.zeros_like(z)], 1))).squeeze(1)
        if self.regression:
            m = m * self.target_sd + self.target_mean
            f = f * self.target_sd + self.target_mean
        return m, f, torch.cat(hidden, 1)


class MixedEffects(_Scaled):
    """Fixed effects plus a random slope and intercept of each cluster: `forward(x, z)` (Fair MEDL section 2.2).

    On the scale of the logit (regression: of the standardised target) the mixed-effects prediction is
    ``f + Σ_j x_j u_j(z) + b(z)``; with z = 0 it is the fixed-effects prediction.

    Parameters
    ----------
    width, clusters : int
        Number of features d and of clusters K.
    hidden : sequence of int
        Units of the hidden layers.
    regression : bool
        See `Plain`.
    slopes : {"input", "latent"}
        Slopes act on x, or on the last hidden layer.
    """

    __constants__: tuple[str, ...] = ("clusters", "latent", "regression")

    def __init__(
        self,
        width: int,
        clusters: int,
        hidden: Sequence[int],
        regression: bool = False,
        slopes: Literal["input", "latent"] = "input",
    ) -> None:
        super().__init__(regression)
        self.clusters = clusters
        self.latent = slopes == "latent"
        self.fe = FixedEffects(width, hidden)
        self.slope = RandomEffects(clusters, hidden[-1] if self.latent else width)
        self.intercept = RandomEffects(clusters, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the mixed-effects prediction [N] for features [N, d] and clusters [N, K]."""
        h: Tensor = self.fe(x)
        f: Tensor = self.fe.out(h).squeeze(1)
        if self.latent:
            m = f + (h * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)
        else:
            m = f + (x * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)
        if self.regression:
            return m * self.target_sd + self.target_mean
        return torch.sigmoid(m)

    @torch.jit.export
    def predict_fe(self, x: Tensor) -> Tensor:
        """Return the fixed-effects prediction [N]."""
        f: Tensor = self.fe.out(self.fe(x)).squeeze(1)
        if self.regression:
            return f * self.target_sd + self.target_mean
        return torch.sigmoid(f)

    @torch.jit.export
    def predict_index(self, x: Tensor, zi: Tensor) -> Tensor:
        """Return the mixed-effects prediction [N] for cluster numbers, int64 [N]; −1 is an unknown one: z = 0."""
        return self.forward(x, (zi.unsqueeze(1) == torch.arange(self.clusters)).to(x.dtype))

    @torch.jit.export
    def heads(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mixed- and fixed-effects logits [N] (regression: values), and all hidden activations."""
        hidden = self.fe.activations(x)
        f: Tensor = self.fe.out(hidden[-1]).squeeze(1)
        reads = hidden[-1] if self.latent else x
        m = f + (reads * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)
        if self.regression:
            m = m * self.target_sd + self.target_mean
            f = f * self.target_sd + self.target_mean
        return m, f, torch.cat(hidden, 1)

    @torch.jit.export
    def predict_with_noise(self, x: Tensor, z: Tensor, eps_slope: Tensor, eps_int: Tensor) -> Tensor:
        """Return the prediction [N] of one draw from the posterior, for noise [K, r] and [K, 1]."""
        h: Tensor = self.fe(x)
        f: Tensor = self.fe.out(h).squeeze(1)
        reads = h if self.latent else x
        slope, intercept = self.slope.drawn(eps_slope), self.intercept.drawn(eps_int)
        m = f + (reads * (z @ slope)).sum(1) + (z @ intercept).squeeze(1)
        if self.regression:
            return m * self.target_sd + self.target_mean
        return torch.sigmoid(m)


class ClusterPredictor(nn.Module):
    """Predicts the cluster from the features: `forward(x)` [N, K] (Fair MEDL Fig. 1, subnetwork 6).

    Parameters
    ----------
    width, clusters : int
        Number of features d and of clusters K.
    hidden : sequence of int
        Units of the hidden layers.
    """

    def __init__(self, width: int, clusters: int, hidden: Sequence[int] = (32, 16)) -> None:
        super().__init__()
        sizes = [width, *hidden]
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])
        self.out = nn.Linear(sizes[-1], clusters)

    def logits(self, x: Tensor) -> Tensor:
        """Return one logit a cluster [N, K]."""
        for layer in self.layers:
            x = torch.nn.functional.leaky_relu(layer(x), 0.1)
        logits: Tensor = self.out(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of each cluster [N, K]."""
        return torch.softmax(self.logits(x), 1)


Served = Plain | ClusterInput | MixedEffects


def build(
    kind: Kind,
    width: int,
    clusters: int,
    hidden: Sequence[int],
    *,
    regression: bool = False,
    slopes: Literal["input", "latent"] = "input",
    seed: int = 0,
) -> Served:
    """Return the freshly drawn network of a kind; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind.random_effects:
            return MixedEffects(width, clusters, hidden, regression, slopes)
        if kind.cluster_input:
            return ClusterInput(width, clusters, hidden, regression)
        return Plain(width, hidden, regression)
