"""Random draws of one seed: a stream of its own for each use, so that one does not shift another."""

from __future__ import annotations

import numpy as np
import torch


def generator(seed: int, stream: int) -> torch.Generator:
    """Return a generator of its own for one use of a seed."""
    return torch.Generator().manual_seed(drawn_seed(seed, stream))


def drawn_seed(seed: int, stream: int) -> int:
    """Return the seed of one use of a seed."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
