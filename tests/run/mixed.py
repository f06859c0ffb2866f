"""A small clustered population and a mixed-effects network trained on it; none of the package's own networks."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from debias.contract import Contract, Effects, Feature, Input, Output, ProtectedAttribute, RandomEffect, write_document
from debias.model.archive import serialise

KNOWN = ("clerk", "nurse", "smith")
UNKNOWN = "pilot"
FEATURES = ("income", "debt", "sex")
ROWS = 1200
PREDICTOR = "z-predictor.pt.b64"


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Return rows whose label depends on income, sex and the job; a tenth has a job that the network never saw."""
    random = np.random.default_rng(seed)
    sex = random.integers(0, 2, rows)
    job = random.choice(4, rows, p=[0.3, 0.3, 0.3, 0.1])
    income = random.normal(size=rows) + 0.6 * sex + 0.4 * (job == 1)
    debt = random.normal(size=rows)
    effect = np.array([-0.8, 0.0, 0.8, 0.3])[job]
    label = (income - debt + 0.5 * sex + effect + random.normal(size=rows) > 0.5).astype(int)
    columns = {"income": income.round(6), "debt": debt.round(6), "sex": np.array(["f", "m"])[sex]}
    return pd.DataFrame({**columns, "job": np.array([*KNOWN, UNKNOWN])[job], "label": label})


class Random(nn.Module):
    """Posterior means and spreads of one kind of random effect."""

    def __init__(self, clusters: int, width: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(clusters, width))
        self.rho = nn.Parameter(torch.full((clusters, width), -2.0))


class Mixed(nn.Module):
    """f(x) + Σ x_j u_j(z) + b(z), as Fair MEDL section 2.2 has it."""

    def __init__(self, width: int = 3, clusters: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(width, 8)
        self.second = nn.Linear(8, 6)
        self.last = nn.Linear(6, 1)
        self.slope = Random(clusters, width)
        self.intercept = Random(clusters, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        f = self.last(torch.relu(self.second(torch.relu(self.first(x))))).squeeze(1)
        effects = (x * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)
        return torch.sigmoid(f + effects)

    @torch.jit.export
    def predict_index(self, x: Tensor, zi: Tensor) -> Tensor:
        """Return the prediction by the number of the cluster, −1 for none."""
        z = (zi.unsqueeze(1) == torch.arange(3)).to(x.dtype)
        return self.forward(x, z)


class Predictor(nn.Module):
    """Says the second cluster for rows of low income and the third for others, not quite surely."""

    def forward(self, x: Tensor) -> Tensor:
        low = (x[:, 0] < 0).to(x.dtype)
        return torch.stack([torch.full_like(low, 0.1), 0.1 + 0.7 * low, 0.8 - 0.7 * low], 1)


def contract(state: dict[str, Tensor], predictor: bytes | None = None, **changes: object) -> Contract:
    """Return the contract of the network."""
    made = Contract(
        inputs=(Input(name="x", role="features", width=3), Input(name="z", role="cluster", width=3)),
        features=(
            Feature(column="income", kind="numeric", mean=0.3, sd=1.1),
            Feature(column="debt", kind="numeric"),
            Feature(column="sex", kind="boolean", categories=("f", "m")),
            Feature(column="job", kind="category", role="cluster", categories=KNOWN, missing="zero"),
        ),
        label="label",
        attributes=(ProtectedAttribute(column="sex", privileged="m"),),
        cluster="job",
        effects=Effects(
            fixed=tuple(name for name in state if name.split(".")[0] in {"first", "second", "last"}),
            random=(
                RandomEffect(mean="slope.mean", spread="slope.rho", prior_sd=0.1),
                RandomEffect(mean="intercept.mean", spread="intercept.rho", prior_sd=0.1),
            ),
            predictor=None if predictor is None else PREDICTOR,
            predictor_sha256=None if predictor is None else hashlib.sha256(predictor).hexdigest(),
        ),
        output=Output(kind="probability", threshold=0.5, fixed_threshold=0.5),
    )
    return made.model_copy(update=changes)


def tensors(frame: pd.DataFrame) -> tuple[Tensor, Tensor]:
    """Return the inputs of the rows, worked out by hand."""
    x = np.column_stack([(frame["income"] - 0.3) / 1.1, frame["debt"], frame["sex"] == "m"])
    z = np.column_stack([frame["job"] == name for name in KNOWN])
    return torch.tensor(x.astype(np.float32)), torch.tensor(z.astype(np.float32))


@cache
def trained() -> Mixed:
    """Return the network fitted to the known clusters' labels."""
    frame = table(seed=7)
    frame = frame[frame["job"] != UNKNOWN]
    x, z = tensors(frame)
    y = torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Mixed()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy(net(x, z), y).backward()
        optimizer.step()
    return net.eval()


def scripted(module: nn.Module) -> torch.jit.ScriptModule:
    """Return a module as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(module)


def predictor_bytes() -> bytes:
    """Return the predictor of the cluster as a file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(scripted(Predictor()), buffer)
    return buffer.getvalue()


def save(path: Path, *, predictor: bytes | None = None, told: Contract | None = None) -> Path:
    """Write the network as the file that the ending of `path` names, with its contract."""
    net = trained()
    made = told or contract(net.state_dict(), predictor)
    extra = {"debias.json": write_document(made, {})}
    if predictor is not None:
        extra[PREDICTOR] = base64.b64encode(predictor).decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt":
            loaded = scripted(net)
        else:
            free = {0: torch.export.Dim("rows", min=2)}
            loaded = torch.export.export(net, (torch.zeros(5, 3), torch.zeros(5, 3)), dynamic_shapes=(free, free))
        path.write_bytes(serialise(loaded, extra))
    return path
