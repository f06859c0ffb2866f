"""Splits and trained networks of the paper's Table 1, kept in a cache folder outside the repository.

    python benchmarks/table1_networks.py --seeds 0..19 --data adult bank compas

The folder is DEBIAS_CACHE, by default ~/.cache/debias/table1. For each data set and seed it holds the network
(``adult_0.pt``) and its rows (``adult_0.npz``: x_train, y_train, a_train, and the same for valid and test).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from debias.data import catalog
from debias.training.trainer import Progress, silent

if TYPE_CHECKING:
    import torch

    from debias.data.sample import Sample

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
FILES = {"adult": "adult.csv.gz", "bank": "bank_additional.csv.gz", "compas": "compas.csv.gz"}
PARTS = ("train", "valid", "test")
SHARES = (0.6, 0.2, 0.2)
VERSION = 1  # goes up when rows or networks of the same seed come out otherwise


@dataclass(frozen=True)
class Split:
    """Three parts of a data set, standardised on the first, and the groups."""

    name: str
    attribute: str
    groups: tuple[str, str]
    features: tuple[str, ...]
    x: dict[str, np.ndarray]
    y: dict[str, np.ndarray]
    a: dict[str, np.ndarray]

    def sample(self, part: str) -> Sample:
        """Return a part as a sample for a network."""
        import torch

        from debias.data.sample import Attribute, Sample

        attribute = Attribute(self.attribute, self.a[part], self.groups, 1, is_input=True)
        rows = np.arange(1, len(self.y[part]) + 1)
        features = torch.from_numpy(self.x[part])
        return Sample({"features": features}, self.y[part], {self.attribute: attribute}, rows, name=f"{part} rows")


def cache() -> Path:
    """Return the cache folder."""
    given = os.environ.get("DEBIAS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "debias" / "table1"


def split(data: catalog.Dataset, seed: int) -> Split:
    """Return random parts of 60, 20 and 20 percent, standardised by mean and SD of the first (constant columns: 0)."""
    order = np.random.default_rng(seed).permutation(len(data))
    ends = np.floor(np.cumsum(SHARES) * len(data) + 1e-9).astype(int)
    index = dict(zip(PARTS, np.split(order, ends[:-1]), strict=True))
    mean, sd = data.x[index["train"]].mean(axis=0), data.x[index["train"]].std(axis=0)
    constant = sd < 1e-12
    scaled = np.where(constant, 0.0, (data.x - mean) / np.where(constant, 1.0, sd)).astype(np.float32)
    return Split(
        data.name,
        data.attribute,
        data.groups,
        data.features,
        {part: scaled[rows] for part, rows in index.items()},
        {part: data.y[rows] for part, rows in index.items()},
        {part: data.codes[rows] for part, rows in index.items()},
    )


def read(name: str, mimic: Path | None = None) -> tuple[catalog.Dataset, str]:
    """Return a data set and the digest of its file."""
    path = SHARED / FILES[name] if name in FILES else mimic
    if path is None:
        raise SystemExit(f"{name}: {catalog.MIMIC_DOWNLOAD} Then give its path with --mimic.")
    make: Callable[[Path], catalog.Dataset] = getattr(catalog, name)
    return make(path), hashlib.sha256(path.read_bytes()).hexdigest()


def load(name: str, seed: int) -> Split:
    """Return the rows of a trained network from the cache."""
    with np.load(cache() / f"{name}_{seed}.npz") as held:
        return Split(
            name,
            str(held["attribute"]),
            tuple(held["groups"].tolist()),
            tuple(held["features"].tolist()),
            *({part: held[f"{letter}_{part}"] for part in PARTS} for letter in "xya"),
        )


def made_as(name: str, seed: int) -> str | None:
    """Return what the cached network of a seed was made from, None where there is none."""
    path = cache() / f"{name}_{seed}.npz"
    if not (path.exists() and path.with_suffix(".pt").exists()):
        return None
    with np.load(path) as held:
        return str(held["made"])


def ensure(
    name: str,
    seeds: Sequence[int],
    mimic: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Train the networks that are not in the cache, or were made from other data or in another way."""
    import torch

    from debias.training.mlp import scripted
    from debias.training.stack import new_networks
    from debias.training.trainer import Recipe, Rows, train

    recipe = Recipe()
    data, digest = read(name, mimic)
    made = json.dumps({"version": VERSION, "recipe": asdict(recipe), "data": digest}, sort_keys=True)
    wanted = [seed for seed in seeds if made_as(name, seed) != made]
    if not wanted:
        return
    torch.set_num_threads(1)
    splits = [split(data, seed) for seed in wanted]
    rows = [Rows(*(tensor for part in PARTS[:2] for tensor in _tensors(held, part))) for held in splits]
    results = train(new_networks(data.x.shape[1], wanted), rows, wanted, recipe, progress)
    for seed, held, result in zip(wanted, splits, results, strict=True):
        note = {"made": made, "epochs": len(result.losses), "best": result.best, "losses": np.array(result.losses)}
        _save(name, seed, held, scripted(result.network), note)


def _tensors(held: Split, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    return torch.from_numpy(held.x[part]), torch.from_numpy(held.y[part].astype(np.float32))


def _save(name: str, seed: int, held: Split, model: bytes, note: dict[str, Any]) -> None:
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{letter}_{p}": getattr(held, letter)[p] for letter in "xya" for p in PARTS}
    texts = {key: np.array(getattr(held, key)) for key in ("attribute", "groups", "features")}
    # The rows last: they say how the network was made.
    for suffix in (".pt", ".npz"):
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as stream:
            if suffix == ".pt":
                stream.write(model)
            else:
                np.savez_compressed(stream, **arrays, **texts, **note)
        Path(stream.name).replace(folder / f"{name}_{seed}{suffix}")


def seeds_of(text: str) -> list[int]:
    """Return the seeds that ``0..19`` or ``1,4,7`` name."""
    found: list[int] = []
    for part in text.split(","):
        first, dots, last = part.partition("..")
        found += range(int(first), int(last) + 1) if dots else [int(first)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(FILES), choices=[*FILES, "mimic"])
    parser.add_argument("--seeds", type=seeds_of, default=list(range(20)), help="0..19 or 1,4,7; default 0..19")
    parser.add_argument("--mimic", type=Path, help="the preprocessed MIMIC-III table")
    arguments = parser.parse_args()
    for name in arguments.data:
        start = time.time()
        ensure(
            name,
            arguments.seeds,
            arguments.mimic,
            lambda done, total, text, name=name, start=start: print(
                f"\r{name}: {done} of {total} networks, {text}, {time.time() - start:.0f} s", end="", flush=True
            ),
        )
        print(f"\r{name}: {len(arguments.seeds)} networks in {time.time() - start:.0f} s" + " " * 20)


if __name__ == "__main__":
    main()
