"""Make the files of sample_models/: draw the tables of the made-up lender and train the network that misses its bound.

    python benchmarks/train_sample.py [--out FOLDER]

The same versions of torch and numpy give the same tables and the same weights. The training rows are not written:
``debias.data.lender.lender_table(TRAIN_ROWS, TRAIN_SEED)`` draws them again.
"""

from __future__ import annotations

import argparse
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from debias.contract import Contract, Output, write_document
from debias.data.columns import Columns
from debias.data.infer import infer_contract
from debias.data.lender import ATTRIBUTE, CLUSTER, FEATURES, LABEL, POSITIVE, lender_table
from debias.data.prepare import prepare
from debias.data.tables import read_table
from debias.model.archive import serialise
from debias.model.preflight.entries import rebuild

HERE = Path(__file__).parent.parent / "sample_models"
TRAIN_ROWS, TRAIN_SEED = 20_000, 1
VALID_ROWS, VALID_SEED = 6_000, 106
TEST_ROWS, TEST_SEED = 4_000, 200
SEED, EPOCHS, BATCH = 0, 12, 256


class Lender(nn.Module):
    """A plain network: three hidden layers of 32 units, one probability a row."""

    def __init__(self, width: int, hidden: int = 32, depth: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(width, hidden), nn.ReLU(), nn.BatchNorm1d(hidden), nn.Dropout(dropout)]
            width = hidden
        self.hidden = nn.Sequential(*layers)
        self.score = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the probability of repayment, shape [N, 1], of encoded rows [N, width]."""
        return torch.sigmoid(self.score(self.hidden(features)))


def encoded() -> tuple[Contract, Tensor, Tensor]:
    """Return the contract, and the training rows as it encodes them: features [N, width] and labels [N, 1]."""
    table = read_table(lender_table(TRAIN_ROWS, TRAIN_SEED), "train")
    columns = Columns(attr=ATTRIBUTE, label=LABEL, positive=POSITIVE, privileged="male", features=list(FEATURES))
    output = Output(kind="probability", decision="score", threshold=0.5)
    contract, _ = infer_contract(table, columns, {"features": None}, cluster=CLUSTER, output=output)
    by_contract = Columns(attr=ATTRIBUTE)
    sample = prepare(table, by_contract, inputs={"features": None}, contract=contract).sample
    labels = torch.from_numpy(np.asarray(sample.y)).float()
    return contract, sample.inputs["features"], labels[:, None]


def trained(features: Tensor, labels: Tensor) -> Lender:
    """Return the network in eval mode."""
    torch.manual_seed(SEED)
    network = Lender(features.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(features)).split(BATCH):
            loss = nn.functional.binary_cross_entropy(network(features[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


def write(folder: Path) -> None:
    """Write the tables and the network in both formats."""
    torch.set_num_threads(1)  # sums in another order would give other weights
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows, seed in (("valid", VALID_ROWS, VALID_SEED), ("test", TEST_ROWS, TEST_SEED)):
        lender_table(rows, seed).to_csv(folder / f"lender_{name}.csv", index=False, lineterminator="\n")
    contract, features, labels = encoded()
    network = trained(features, labels)
    extra = {"debias.json": write_document(contract, {})}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        save(torch.jit.script(network), extra, folder / "lender_mlp.pt")
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(network, (features[:8].clone(),), dynamic_shapes={"features": {0: batch}})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    save(program, extra, folder / "lender_mlp.pt2")


def save(program: torch.jit.ScriptModule | torch.export.ExportedProgram, extra: dict[str, str], path: Path) -> None:
    """Write the file without what names the source files of this machine."""
    with zipfile.ZipFile(io.BytesIO(serialise(program, extra))) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    path.write_bytes(rebuild({name: content for name, content in files.items() if not name.endswith(".debug_pkl")}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="default: sample_models/")
    write(parser.parse_args().out)
