"""Rules by group: decisions worked out by hand, and the hash that draws."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from debias.errors import DataError, UsageError
from debias.model.rule import Rule, draw, shared_draws

P = 2**31 - 1


def _rule(cuts: list[float], below: list[float], above: list[float], seed: int = 0) -> Rule:
    groups = tuple(f"g{k}" for k in range(len(cuts)))
    return Rule("a", groups, np.array(cuts), np.array(below), np.array(above), seed)


def _constants(seed: int, count: int) -> list[int]:
    found = []
    for place in range(count):
        digest = hashlib.sha256(f"debias/rule/1:{seed}:{place}".encode()).digest()
        found.append(1 + int.from_bytes(digest[:8], "big") % (P - 1))
    return found


def _drawn(row: list[float], seed: int) -> float:
    """Work the draw out in Python's own integers, whose size has no end."""
    constants = _constants(seed, 3 + len(row))
    units = [round(float(value) * 1024) for value in row]
    value = sum(unit * a for unit, a in zip(units, constants[3:], strict=True)) % P
    for key in constants[:3]:
        value = pow(value + key, 5, P)
    return value / P


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_the_draw_is_the_hash_in_exact_arithmetic(dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(50, 4, generator=generator, dtype=torch.float64).to(dtype)
    x[0], x[1], x[2] = -x[3], 1e6 * x[3], torch.tensor([0.0, -0.0, 2.0**-11, -(2.0**-11)])
    drawn = _rule([0, 0], [0, 0], [0.5, 1], seed).draws(x)
    assert drawn.tolist() == [_drawn(row, seed) for row in x.tolist()]


def test_what_no_integer_holds_is_cut_off_and_still_drawn() -> None:
    x = torch.tensor([[3e38, 0.0], [1e38, 0.0], [-3e38, 0.0]])
    drawn = _rule([0, 0], [0, 0], [0.5, 1]).draws(x)
    assert drawn[0] == drawn[1] != drawn[2]


def test_rounded_features_alone_decide_the_draw() -> None:
    rule = _rule([0, 0], [0, 0], [0.5, 1])
    x = torch.tensor([[1.0, 2.0], [1.0 + 2.0**-12, 2.0 - 2.0**-12], [1.0 + 2.0**-10, 2.0], [2.0, 1.0]])
    drawn = rule.draws(x)
    assert drawn[0] == drawn[1]
    assert len(set(drawn.tolist())) == 3
    assert shared_draws(x) == 0.5
    assert shared_draws(x[:0]) == 0.0


def test_another_seed_draws_otherwise_and_the_same_seed_alike() -> None:
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    first, again, other = (_rule([0, 0], [0, 0], [0.5, 1], seed).draws(x) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


@pytest.mark.parametrize("kind", ["one-hot", "count", "noise"])
def test_draws_are_spread_evenly_and_do_not_follow_the_features(kind: str) -> None:
    n = 20_000
    number = torch.arange(n)
    x = {
        "one-hot": torch.stack([(number >> bit) & 1 for bit in range(15)], 1).float(),
        "count": number[:, None].float() / 1024,
        "noise": torch.randn(n, 5, generator=torch.Generator().manual_seed(2)),
    }[kind]
    drawn = _rule([0, 0], [0, 0], [0.5, 1], seed=5).draws(x)
    assert len(np.unique(drawn)) > n - 5
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = np.histogram(drawn, 50, (0, 1))[0]
    # χ² of 49 degrees of freedom: below 94 in all but one of ten thousand.
    assert ((counts - n / 50) ** 2 / (n / 50)).sum() < 94
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 4 / np.sqrt(n)
    assert all(abs(np.corrcoef(drawn, column)[0, 1]) < 4.5 / np.sqrt(n) for column in x.numpy().T)


def test_scripted_and_plain_draws_are_the_same() -> None:
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(4)) * 50
    multipliers, keys = _rule([0, 0], [0, 0], [0.5, 1], 3).constants(6)
    assert torch.equal(torch.jit.script(draw)(x, multipliers, keys), draw(x, multipliers, keys))


def test_decisions_by_hand() -> None:
    rule = _rule([0.0, 1.0], [0.0, 0.25], [1.0, 0.5])
    logits = np.array([0.0, 0.1, 1.0, 1.0, 1.1, 1.1])
    codes = np.array([0, 0, 1, 1, 1, 1])
    draws = np.array([0.0, 0.999, 0.2, 0.25, 0.49, 0.5])
    assert rule.decide(logits, codes, draws).tolist() == [False, True, True, False, True, False]
    assert rule.randomised
    assert not rule.plain
    assert _rule([0, 0], [0, 0], [1, 1]).plain
    turned = _rule([0, 0], [1, 0], [1, 0])
    assert not turned.plain
    assert not turned.randomised


def test_rows_of_no_group_are_not_decided() -> None:
    rule = _rule([0.0, 1.0], [0, 0], [1, 1])
    with pytest.raises(DataError, match="2 rows in none of the groups"):
        rule.decide(np.zeros(3), np.array([0, -1, 2]), np.zeros(3))


@pytest.mark.parametrize(
    ("cuts", "below", "above", "text"),
    [
        ([0.0, np.inf], [0, 0], [1, 1], "cuts that are not finite"),
        ([0.0, 1.0], [0, -0.1], [1, 1.1], "below outside of 0 to 1"),
        ([0.0, 1.0], [0], [1, 1], r"\(1,\) below for 2 groups"),
        ([0.0], [0], [1], "two groups or more"),
    ],
)
def test_what_is_no_rule(cuts: list[float], below: list[float], above: list[float], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        _rule(cuts, below, above)
