"""The critic of the bias."""

from __future__ import annotations

import torch

from debias.model.critic import Critic


def _hidden(rows: int = 50, units: int = 5) -> torch.Tensor:
    return torch.randn(rows, units, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_order_of_the_rows_is_no_matter_and_any_size_will_do() -> None:
    hidden = _hidden()
    critic = Critic(hidden, 3)
    assert critic(hidden).shape == (3,)
    torch.testing.assert_close(critic(hidden.flip(0)), critic(hidden))
    torch.testing.assert_close(critic(hidden[:7].repeat(4, 1)), critic(hidden[:7]))


def test_activations_are_scaled_and_dead_units_left_out() -> None:
    hidden = _hidden()
    hidden[:, 2] = 1.5
    moved = 40 * hidden + 3
    moved[:, 2] = 7
    torch.testing.assert_close(Critic(moved, 1)(moved), Critic(hidden, 1)(hidden))
    other = hidden.clone()
    other[:, 2] = -100
    critic = Critic(hidden, 1)
    torch.testing.assert_close(critic(other), critic(hidden))


def test_a_seed_fixes_the_start_and_torchs_generator_is_left_alone() -> None:
    hidden = _hidden()
    before = torch.random.get_rng_state()
    one, same, other = (Critic(hidden, 1, seed=seed)(hidden) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_it_learns_what_the_mean_of_the_rows_tells() -> None:
    hidden = _hidden(4000)
    critic = Critic(hidden, 1)
    learner = torch.optim.Adam(critic.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        rows = hidden[torch.randint(0, 4000, (40,), generator=generator)]
        return rows, rows[:, 0].relu().mean() - rows[:, 1].mean()

    for _ in range(400):
        rows, wanted = batch()
        learner.zero_grad()
        ((critic(rows) - wanted) ** 2).sum().backward()
        learner.step()
    with torch.no_grad():
        pairs = [(float(critic(rows)), float(wanted)) for rows, wanted in (batch() for _ in range(200))]
    found, expected = torch.tensor(pairs).T
    assert float(torch.corrcoef(torch.stack([found, expected]))[0, 1]) > 0.9
