"""Small networks of every supported kind, in a real source file so that they can be scripted.

`ALL` maps a name to a factory; `build` makes one with fixed weights, `example` gives rows for it, `HEADS` tells the
output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = 6
UNITS = 8


class Head(nn.Module):
    """Two hidden layers, an activation as a module, and one of the five outputs."""

    def __init__(self, activation: nn.Module, output: nn.Module, last: int = 1) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, UNITS)
        self.second = nn.Linear(UNITS, UNITS)
        self.act = activation
        self.last = nn.Linear(UNITS, last)
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.last(self.act(self.second(self.act(self.first(x))))))


class Squeeze(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze(-1)


class SigmoidFlat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x).squeeze(1)


class Functional(nn.Module):
    """All in the functional style: what the network does is only in `forward`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.first = nn.Linear(FEATURES, UNITS)
        self.last = nn.Linear(UNITS, 1)

    def act(self, x: Tensor) -> Tensor:
        if self.name == "relu":
            return F.relu(x)
        if self.name == "leaky_relu":
            return F.leaky_relu(x, 0.2)
        if self.name == "elu":
            return F.elu(x, 0.7)
        if self.name == "gelu":
            return F.gelu(x)
        if self.name == "gelu_tanh":
            return F.gelu(x, approximate="tanh")
        if self.name == "silu":
            return F.silu(x)
        if self.name == "tanh":
            return torch.tanh(x)
        return torch.sigmoid(x)

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(self.last(F.dropout(self.act(self.first(x)), 0.1, self.training))).view(-1)


class InPlace(nn.Module):
    """Activations that overwrite their input."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(FEATURES, UNITS),
            nn.ReLU(inplace=True),
            nn.Dropout(0.1, inplace=True),
            nn.Linear(UNITS, UNITS),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Linear(UNITS, UNITS),
            nn.ELU(inplace=True),
            nn.Linear(UNITS, UNITS),
            nn.SiLU(inplace=True),
            nn.Linear(UNITS, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.net(x)[:, 0])


class Norm(nn.Module):
    """A normalisation before or after the activation."""

    def __init__(self, kind: type[nn.Module], before: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(FEATURES, UNITS), nn.Linear(UNITS, UNITS)])
        self.norms = nn.ModuleList([kind(UNITS), kind(UNITS)])
        self.drop = nn.Dropout(0.2)
        self.before = before
        self.last = nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=False):
            x = self.drop(torch.relu(norm(layer(x)))) if self.before else norm(self.drop(torch.relu(layer(x))))
        return torch.sigmoid(self.last(x)).flatten()


class Residual(nn.Module):
    """Blocks whose result is added to what came in."""

    def __init__(self, kind: type[nn.Module] = nn.Identity, in_place: bool = False) -> None:
        super().__init__()
        self.entry = nn.Linear(FEATURES, UNITS)
        self.one = nn.Linear(UNITS, UNITS)
        self.two = nn.Linear(UNITS, UNITS)
        self.norm = kind(UNITS)
        self.in_place = in_place
        self.last = nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.entry(x))
        h = h + self.two(torch.relu(self.one(self.norm(h))))
        if self.in_place:
            h += torch.tanh(h)
        return torch.sigmoid(self.last(h)).reshape(-1)


class Concat(nn.Module):
    """Hidden units that the next layer and the last one both read."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(FEATURES, UNITS)
        self.two = nn.Linear(UNITS, UNITS)
        self.last = nn.Linear(2 * UNITS + FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.silu(self.one(x))
        g = F.silu(self.two(h))
        return torch.sigmoid(self.last(torch.cat([x, h, g], dim=1))).squeeze(1)


class Branches(nn.Module):
    """Two layers that read the same units; one weighs the other."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(FEATURES, UNITS)
        self.gate = nn.Linear(UNITS, UNITS)
        self.value = nn.Linear(UNITS, UNITS)
        self.last = nn.Linear(UNITS, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.one(x))
        return self.last(torch.sigmoid(self.gate(h)) * self.value(h)).squeeze(1)


class Rank(nn.Module):
    """Affine arithmetic between the layers, and a bare parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.weight = nn.Parameter(torch.randn(FEATURES, UNITS))
        self.bias = nn.Parameter(torch.zeros(UNITS))
        self.last = nn.Linear(UNITS, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(torch.addmm(self.bias, (x - self.mean) / self.scale, self.weight))
        return torch.sigmoid(self.last(h) * 2.0).squeeze(-1)


def _relu(output: nn.Module, last: int = 1) -> Callable[[], nn.Module]:
    return lambda: Head(nn.ReLU(), output, last)


ALL: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: Head(nn.ReLU(), SigmoidFlat()),
    "leaky_relu": lambda: Head(nn.LeakyReLU(0.1), SigmoidFlat()),
    "elu": lambda: Head(nn.ELU(), SigmoidFlat()),
    "gelu": lambda: Head(nn.GELU(), SigmoidFlat()),
    "gelu_tanh": lambda: Head(nn.GELU(approximate="tanh"), SigmoidFlat()),
    "silu": lambda: Head(nn.SiLU(), SigmoidFlat()),
    "tanh": lambda: Head(nn.Tanh(), SigmoidFlat()),
    "sigmoid": lambda: Head(nn.Sigmoid(), SigmoidFlat()),
    "functional_relu": lambda: Functional("relu"),
    "functional_leaky_relu": lambda: Functional("leaky_relu"),
    "functional_elu": lambda: Functional("elu"),
    "functional_gelu": lambda: Functional("gelu"),
    "functional_gelu_tanh": lambda: Functional("gelu_tanh"),
    "functional_silu": lambda: Functional("silu"),
    "functional_tanh": lambda: Functional("tanh"),
    "functional_sigmoid": lambda: Functional("sigmoid"),
    "in_place": InPlace,
    "batchnorm_before": lambda: Norm(nn.BatchNorm1d, True),
    "batchnorm_after": lambda: Norm(nn.BatchNorm1d, False),
    "layernorm_before": lambda: Norm(nn.LayerNorm, True),
    "layernorm_after": lambda: Norm(nn.LayerNorm, False),
    "residual": Residual,
    "residual_layernorm": lambda: Residual(nn.LayerNorm),
    "residual_in_place": lambda: Residual(in_place=True),
    "concat": Concat,
    "branches": Branches,
    "arithmetic": Rank,
    "head_column": _relu(nn.Sigmoid()),
    "head_logit": _relu(Squeeze()),
    "head_logit_column": _relu(nn.Identity()),
    "head_softmax": _relu(nn.Softmax(dim=1), 2),
    "head_softmax_last": _relu(nn.Softmax(dim=-1), 2),
    "head_logits2": _relu(nn.Identity(), 2),
    "double": lambda: Norm(nn.BatchNorm1d, False).double(),
    "double_softmax": lambda: Head(nn.Tanh(), nn.Softmax(dim=1), 2).double(),
}
"""Name to factory. Weights are drawn from torch's generator: use `build` for fixed ones."""

HEADS: dict[str, str] = dict.fromkeys(ALL, "probability") | {
    "branches": "logit",
    "head_logit": "logit",
    "head_logit_column": "logit",
    "head_softmax": "softmax",
    "head_softmax_last": "softmax",
    "head_logits2": "logits2",
    "double_softmax": "softmax",
}
"""Name to kind of output: probability, logit, softmax or logits2."""


def build(name: str, *, train: bool = False, seed: int = 0) -> nn.Module:
    """Return the network `name` with weights and running statistics that depend on `seed` only."""
    generator = torch.random.get_rng_state()
    torch.manual_seed(seed)
    net = ALL[name]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.2, 0.5)
            module.running_var.uniform_(0.2, 1.0)
    torch.random.set_rng_state(generator)
    return net.train(train)


def example(net: nn.Module, rows: int = 16, seed: int = 1) -> Tensor:
    """Return random rows [rows, FEATURES] in the precision of `net`."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, FEATURES, generator=generator).to(next(net.parameters()).dtype)


def scripted(net: nn.Module) -> torch.jit.ScriptModule:
    """Script `net`, without torch's notice that TorchScript is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(net)


def traced(net: nn.Module, rows: int = 16) -> torch.jit.ScriptModule:
    """Trace `net` as it stands, without that notice, and without the remark that a train-mode trace is random."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(net, example(net, rows), check_trace=False)


def exported(net: nn.Module, *, dynamic: bool = True, rows: int = 16) -> torch.export.ExportedProgram:
    """Export `net` for any number of rows, or for exactly `rows`."""
    shapes = ({0: torch.export.Dim("batch", min=1)},) if dynamic else None
    return torch.export.export(net, (example(net, rows),), dynamic_shapes=shapes)
