"""The network that predicts the cluster of a row, for rows of unknown clusters (Fair MEDL Fig. 1, subnetwork 6)."""

from __future__ import annotations

import math

import torch
from torch import nn

from debias.training.adam import Adam
from debias.training.draws import drawn_seed, generator
from debias.training.networks import ClusterPredictor
from debias.training.rows import Rows
from debias.training.trainer import Progress, silent

_EPOCHS, _PATIENCE, _BATCH, _RATE = 50, 5, 256, 2e-3


def fit_predictor(
    train: Rows,
    valid: Rows,
    *,
    seed: int = 0,
    epochs: int = _EPOCHS,
    patience: int = _PATIENCE,
    progress: Progress = silent,
) -> tuple[ClusterPredictor, list[float]]:
    """Train it on the training rows, and keep the epoch of the lowest cross-entropy on the validation rows.

    Parameters
    ----------
    train, valid : Rows
        Rows of seen clusters; validation rows of another cluster are left out.
    seed : int
        Decides every draw.
    epochs, patience : int
        The most epochs, and how many without a lower cross-entropy end the training.
    progress : callable
        Receives (epochs done, epochs at most, text).

    Returns
    -------
    ClusterPredictor, list of float
        The network in eval mode, and the cross-entropy on the validation rows after each epoch, in nats.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(drawn_seed(seed, 10))
        network = ClusterPredictor(train.width, train.n_clusters)
    order = generator(seed, 11)
    optimizer = Adam(list(network.parameters()), _RATE)
    seen = valid.z >= 0
    x_valid, z_valid = valid.x[seen], valid.z[seen]
    losses: list[float] = []
    best, kept, n = math.inf, network.state_dict(), len(train)
    for epoch in range(epochs):
        for chosen in torch.split(torch.randperm(n, generator=order), min(_BATCH, n)):
            loss = nn.functional.cross_entropy(network.logits(train.x[chosen]), train.z[chosen])
            optimizer.step(loss)
        with torch.no_grad():
            losses.append(float(nn.functional.cross_entropy(network.logits(x_valid), z_valid)))
        if losses[-1] < best:
            best = losses[-1]
            kept = {name: value.detach().clone() for name, value in network.state_dict().items()}
        progress(epoch + 1, epochs, f"cluster predictor: cross-entropy {losses[-1]:.3f}")
        if len(losses) - 1 - losses.index(min(losses)) >= patience:
            break
    network.load_state_dict(kept)
    optimizer.release()
    return network.eval(), losses
