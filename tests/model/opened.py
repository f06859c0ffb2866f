"""The networks of `nets` as files and as opened networks, each made once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from debias.data.sample import Attribute, Sample
from debias.model.network import Network
from tests.kept import kept
from tests.model import nets

FORMS = ("scripted", "traced", "dynamic", "static")
"""Scripted and traced TorchScript, torch.export with a free and with a fixed batch size."""

ROWS = 16
"""Batch size of the static form."""


def save(net: nn.Module, path: Path, form: str = "scripted") -> Path:
    """Write `net`, in the mode in which it stands, as a file of the form."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "scripted":
            torch.jit.save(nets.scripted(net), path)
        elif form == "traced":
            torch.jit.save(nets.traced(net, ROWS), path)
        else:
            torch.export.save(nets.exported(net, dynamic=form == "dynamic", rows=ROWS), path)
    return path


@cache
def path(name: str, form: str) -> Path:
    """Return the file of a network of `nets`."""
    suffix = "pt" if form in {"scripted", "traced"} else "pt2"
    return kept(f"{name}.{form}.{suffix}", lambda path: save(nets.build(name), path, form))


@cache
def network(name: str, form: str = "scripted") -> Network:
    """Return a network of `nets`, opened from its file."""
    return Network.open(path(name, form))


def opened(net: nn.Module, folder: Path, form: str = "traced") -> Network:
    """Write any network and open it."""
    return Network.open(save(net.eval(), folder / f"m.{'pt' if form in {'scripted', 'traced'} else 'pt2'}", form))


def inputs(network: Network, x: Tensor) -> dict[str, Tensor]:
    """Return the rows by the name of the only input."""
    return {network.inputs[0].name: x}


def tolerance(network: Network) -> dict[str, float]:
    """Return what rounding allows in the network's precision."""
    return {"rtol": 1e-11, "atol": 1e-12} if network.dtype == torch.float64 else {"rtol": 2e-5, "atol": 2e-6}


def plain(path: Path, rows: int = ROWS) -> Callable[[Tensor], Tensor]:
    """Load a file with torch alone; a static batch size gets as many rows as it wants, one call after the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt":
            return torch.jit.load(str(path))  # type: ignore[no-any-return]
        program = torch.export.load(path)
    module = program.module()
    static = any(
        node.op == "placeholder"
        and node.name in program.graph_signature.user_inputs
        and isinstance(node.meta["val"].shape[0], int)
        for node in program.graph.nodes
    )

    def call(x: Tensor) -> Tensor:
        if not static:
            return module(x)  # type: ignore[no-any-return]
        assert len(x) % rows == 0
        return torch.cat([module(part) for part in x.split(rows)])

    return call


def sample(x: Tensor, y: object, codes: object, groups: int = 2, weight: object = None, name: str = "rows") -> Sample:
    """Return rows with labels and one attribute ``a``; with two groups the second is privileged."""
    labels = np.asarray(y, dtype=np.int64)
    attribute = Attribute(
        "a",
        np.asarray(codes, dtype=np.int64),
        tuple(f"g{k}" for k in range(groups)),
        1 if groups == 2 else None,
    )
    return Sample(
        {"features": x},
        labels,
        {"a": attribute},
        np.arange(1, len(labels) + 1),
        weight=None if weight is None else np.asarray(weight, dtype=np.float64),
        name=name,
    )


def drawn(network: Network, rows: int = 200, groups: int = 2, seed: int = 0) -> Sample:
    """Return rows whose labels follow the network's own scores, and whose groups differ in them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, nets.FEATURES, generator=generator, dtype=torch.float64).to(network.dtype)
    everyone = sample(x, np.zeros(rows), np.zeros(rows))
    logits = network.logits(everyone).astype(np.float64)
    noise = torch.randn(rows, 2, generator=generator, dtype=torch.float64).numpy()
    spread = logits.std() or 1.0
    y = (logits - np.median(logits)) / spread + noise[:, 0] > 0
    ranks = np.argsort(np.argsort((logits - logits.mean()) / spread + 2 * noise[:, 1]))
    return sample(x, y, ranks * groups // rows, groups)
