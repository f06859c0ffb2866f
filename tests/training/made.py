"""Small made-up rows with clusters, two attributes and a swap, for tests of the training."""

from __future__ import annotations

import torch

from debias.training.rows import Rows, Swap

WIDTH, CLUSTERS = 6, 3


def made_rows(n: int = 320, seed: int = 0, *, regression: bool = False, weighted: bool = False) -> Rows:
    """Return rows whose first column is the attribute `s`, whose second and third carry `t`."""
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn((n, WIDTH), generator=draws)
    s = torch.randint(0, 2, (n,), generator=draws)
    t = torch.randint(0, 3, (n,), generator=draws)
    x[:, 0] = s.float()
    x[:, 1:3] = torch.stack((t == 1, t == 2), 1).float()
    z = torch.randint(0, CLUSTERS, (n,), generator=draws)
    score = x[:, 3] + 0.8 * x[:, 0] + 0.5 * (z - 1) * x[:, 4] + 0.4 * torch.randn(n, generator=draws) - 0.4
    y = 3 * score + 7 if regression else (score > 0).float()
    return Rows(
        x,
        y,
        z,
        CLUSTERS,
        {"s": s, "t": t},
        {"s": 2, "t": 3},
        torch.rand(n, generator=draws) + 0.5 if weighted else None,
        {
            "s": Swap((0,), torch.tensor([[0.0], [1.0]])),
            "t": Swap((1, 2), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])),
        },
    )


def halves(n: int = 480, **how: bool) -> tuple[Rows, Rows]:
    """Return training and validation rows, two to one."""
    rows = made_rows(n, **how)  # type: ignore[arg-type]
    place = torch.arange(n)
    return rows.take(place[: 2 * n // 3]), rows.take(place[2 * n // 3 :])
