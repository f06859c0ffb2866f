"""The Table 2 network of the parity-proxies paper as a kind beside the mixed-effects family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from debias.training.fit import Fitted
from debias.training.kinds import Kind
from debias.training.rows import Rows, check_rows
from debias.training.selection import curve
from debias.training.settings import Settings
from debias.training.stack import new_networks
from debias.training.trainer import Progress, Recipe, silent, train
from debias.training.trainer import Rows as Pair

TABLE2 = Kind("mlp", "Table 2 network")


@dataclass
class FittedMLP(Fitted):
    """A trained Table 2 network: one head, no clusters. Its `settings` are not those it was trained with."""

    def predict(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return the probability [N] twice; the clusters are not read."""
        with torch.no_grad():
            value = self.module(x)[:, 0]
        return value, value

    def activations(self, x: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002
        """Return the activations of all hidden layers, after normalisation [N, units]."""
        network: Any = self.module
        found = []
        with torch.no_grad():
            x = network.entry_norm(torch.relu(network.entry(x)))
            found.append(x)
            for layer, norm in zip(network.hidden, network.norms, strict=True):
                x = norm(torch.relu(layer(x)))
                found.append(x)
        return torch.cat(found, 1)


def fit_mlp(rows: Rows, valid: Rows, recipe: Recipe, *, seed: int = 0, progress: Progress = silent) -> FittedMLP:
    """Train the Table 2 network by its paper's scheme; the cut is that of the best balanced accuracy.

    Parameters
    ----------
    rows, valid : Rows
        Training rows, and those whose loss ends the training and whose scores settle the cut.
    recipe : Recipe
        Rate, batch, patience.
    seed : int
        Decides every draw.
    progress : callable
        Receives (epochs done, epochs at most, text).

    Raises
    ------
    DataError
        Rows that cannot be trained on.
    """
    check_rows(TABLE2, rows, valid, "classification")

    def told(_: int, __: int, text: str) -> None:
        progress(min(int(text.rpartition(" ")[2]), recipe.max_epochs), recipe.max_epochs, text)

    (network,) = new_networks(rows.width, [seed])
    (done,) = train([network], [Pair(rows.x, rows.y, valid.x, valid.y)], [seed], recipe, told)
    with torch.no_grad():
        scores = torch.logit(done.network(valid.x)[:, 0].double()).clamp(-50, 50).numpy()
    along = curve(scores, valid.y.double().numpy())
    threshold = float(torch.sigmoid(torch.tensor(along.centre()[0], dtype=torch.float64)))
    over = len(done.losses) - 1 - done.best >= recipe.patience
    return FittedMLP(
        kind=TABLE2,
        settings=Settings(),
        task="classification",
        module=done.network,  # type: ignore[arg-type]
        predictor=None,
        threshold=threshold,
        fixed_threshold=None,
        history=[{"epoch": number, "loss_valid": loss} for number, loss in enumerate(done.losses, 1)],
        best_epoch=done.best + 1,
        epochs_run=len(done.losses),
        stopped="patience" if over else "epochs",
        predictor_losses=[],
    )
