"""Tables and networks for `audit_throughput.py`: made with a fixed seed, row group by row group, or from ACS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

GROUP = 1_000_000
"""Rows of a row group of a generated table."""
FEATURES = tuple(f"f{index}" for index in range(10))
RACES = ("asian", "black", "other", "white")
NETWORKS = {"small": (64, 32), "table2": (32,) * 11}
"""Hidden layers: of a network as users have it, and of the one that the parity-proxies paper trains."""


@dataclass(frozen=True)
class Case:
    """What is audited.

    Parameters
    ----------
    name : str
        For the results.
    model, table : Path
        A TorchScript network and a Parquet table.
    attr, label : str
        Columns.
    features : tuple of str
        Columns of the network's input, in its order.
    contract : bool
        The network comes with a contract that encodes the columns.
    """

    name: str
    model: Path
    table: Path
    attr: str
    label: str
    features: tuple[str, ...]
    contract: bool = False

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return int(pq.read_metadata(self.table).num_rows)


def piece(index: int, rows: int) -> pa.Table:
    """Return a row group of a generated table; the same for the same index, whatever the table's length."""
    random = np.random.default_rng([20_260, index])
    sex = random.random(rows) < 0.52
    race = random.choice(len(RACES), rows, p=[0.08, 0.13, 0.09, 0.70])
    features = random.standard_normal((len(FEATURES), rows), dtype=np.float32)
    features[0] += np.float32(0.5) * sex
    features[1] -= np.float32(0.4) * (race == 1)
    logit = features[0] + 0.7 * features[1] - 0.5 * features[2] * features[3] + 0.4 * sex - 0.3
    label = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    columns = {name: pa.array(values) for name, values in zip(FEATURES, features, strict=True)}
    names = pa.DictionaryArray.from_arrays(pa.array(race.astype(np.int8)), pa.array(RACES))
    return pa.table({**columns, "sex": pa.array(sex.astype(np.int8)), "race": names, "label": pa.array(label)})


def generate(path: Path, rows: int) -> None:
    """Write a table of so many rows; a file that is there whole is left as it is."""
    if path.exists() and pq.read_metadata(path).num_rows == rows:
        return
    unfinished = path.with_suffix(".part")
    with pq.ParquetWriter(unfinished, piece(0, 1).schema, compression="none", use_dictionary=["race"]) as writer:
        for index, start in enumerate(range(0, rows, GROUP)):
            writer.write_table(piece(index, min(GROUP, rows - start)), row_group_size=GROUP)
    unfinished.replace(path)


def network(path: Path, kind: str) -> None:
    """Train a network on rows that no generated table holds, and write it as TorchScript."""
    if path.exists():
        return
    torch.manual_seed(0)
    widths = (len(FEATURES), *NETWORKS[kind])
    layers: list[nn.Module] = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), nn.ReLU()]
        if kind == "table2":
            layers += [nn.Dropout(0.05), nn.BatchNorm1d(following)]
    whole = nn.Sequential(*layers, nn.Linear(widths[-1], 1), nn.Sigmoid())
    rows = piece(2**31, 200_000)
    x = torch.from_numpy(np.stack([rows.column(name).to_numpy() for name in FEATURES], axis=1))
    y = torch.from_numpy(rows.column("label").to_numpy().astype(np.float32))
    optimiser = torch.optim.Adam(whole.parameters(), 3e-3)
    for start in range(0, len(x), 1_000):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy(whole(x[start : start + 1_000])[:, 0], y[start : start + 1_000]).backward()
        optimiser.step()
    torch.jit.script(whole.eval()).save(str(path))


def acs(folder: Path, source: Path) -> Case:
    """Return the case of ACSIncome 2018: one table of both files, and a network that `debias train nnet` makes."""
    import debias

    table, model = folder / "acs.parquet", folder / "acs.pt"
    features = ("AGEP", "SCHL", "WKHP", "SEX", "COW", "MAR", "RELP")
    if not table.exists():
        parts = [pq.read_table(source / f"acs_income_2018.{part}.parquet") for part in "ab"]
        whole = pa.concat_tables(parts).replace_schema_metadata(None)
        pq.write_table(whole.take(np.random.default_rng(0).permutation(len(whole))), table, row_group_size=100_000)
    if not model.exists():
        debias.train(
            "nnet", table, attr="SEX", label="PINCP", features=list(features), epochs=2, batch_size=1024, out=model
        )
    return Case("ACSIncome 2018, 665,800 rows", model, table, "SEX", "PINCP", features, contract=True)


def generated(folder: Path, rows: int, kind: str) -> Case:
    """Return the case of a generated table."""
    table, model = folder / f"generated_{rows}.parquet", folder / f"{kind}.pt"
    generate(table, rows)
    network(model, kind)
    return Case(f"{kind}, {rows:,} rows", model, table, "sex", "label", FEATURES)


def batches(case: Case, columns: list[str], rows: int = 65_536) -> Iterator[pa.RecordBatch]:
    """Return a table's batches, read one after the other on one thread."""
    with pq.ParquetFile(case.table, pre_buffer=False) as file:
        yield from file.iter_batches(batch_size=rows, columns=columns, use_threads=False)
