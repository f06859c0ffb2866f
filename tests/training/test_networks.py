"""The served networks beside the paper's formula written out, eager and scripted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from debias.training.kinds import KINDS
from debias.training.networks import ClusterInput, ClusterPredictor, MixedEffects, Plain, Served, build
from debias.training.rows import design

N, D, K, HIDDEN = 40, 5, 3, (7, 4)


@pytest.fixture
def rows() -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(3)
    x = torch.randn((N, D), generator=draws)
    z = torch.softmax(torch.randn((N, K), generator=draws), 1)
    return x, z


def _served(kind: str, regression: bool = False, slopes: str = "input") -> Served:
    found = build(KINDS[kind], D, K, HIDDEN, regression=regression, slopes=slopes, seed=4)  # type: ignore[arg-type]
    if regression:
        found.set_scale(20.0, 3.0)
    return found.eval()


def _fixed(module: Served, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return output, last hidden layer and all activations, by matrix products."""
    state = module.state_dict()
    acts = []
    for k in range(len(HIDDEN)):
        x = (x @ state[f"fe.layers.{k}.weight"].T + state[f"fe.layers.{k}.bias"]).clamp(min=0)
        acts.append(x)
    return (x @ state["fe.out.weight"].T + state["fe.out.bias"])[:, 0], x, torch.cat(acts, 1)


def _link(value: Tensor, regression: bool) -> Tensor:
    return value * 3.0 + 20.0 if regression else 1 / (1 + torch.exp(-value))


@pytest.mark.parametrize("slopes", ["input", "latent"])
@pytest.mark.parametrize("regression", [False, True])
def test_mixed_effects_are_the_formula(slopes: str, regression: bool, rows: tuple[Tensor, Tensor]) -> None:
    x, z = rows
    module = _served("medl", regression, slopes)
    assert isinstance(module, MixedEffects)
    f, h, acts = _fixed(module, x)
    reads = h if slopes == "latent" else x
    state = module.state_dict()
    u, b = state["slope.mean"], state["intercept.mean"]
    assert u.shape == (K, HIDDEN[-1] if slopes == "latent" else D)
    assert b.shape == (K, 1)
    m = f.clone()
    for n in range(N):
        for k in range(K):
            m[n] += z[n, k] * ((reads[n] * u[k]).sum() + b[k, 0])
    torch.testing.assert_close(module(x, z), _link(m, regression))
    torch.testing.assert_close(module.predict_fe(x), _link(f, regression))
    mixed, fixed, found = module.heads(x, z)
    on_logits = (lambda v: _link(v, True)) if regression else (lambda v: v)
    torch.testing.assert_close(mixed, on_logits(m))
    torch.testing.assert_close(fixed, on_logits(f))
    torch.testing.assert_close(found, acts)


@pytest.mark.parametrize("slopes", ["input", "latent"])
@pytest.mark.parametrize("regression", [False, True])
def test_no_cluster_makes_both_heads_equal(slopes: str, regression: bool, rows: tuple[Tensor, Tensor]) -> None:
    x, _ = rows
    module = _served("medl", regression, slopes)
    assert isinstance(module, MixedEffects)
    unknown = torch.full((N,), -1)
    assert torch.equal(module(x, torch.zeros(N, K)), module.predict_fe(x))
    assert torch.equal(module.predict_index(x, unknown), module.predict_fe(x))


@pytest.mark.parametrize("kind", ["medl", "cluster-input"])
def test_a_number_is_its_column(kind: str, rows: tuple[Tensor, Tensor]) -> None:
    x, _ = rows
    module = _served(kind)
    assert isinstance(module, MixedEffects | ClusterInput)
    numbers = torch.arange(N) % (K + 1) - 1
    columns = torch.zeros(N, K)
    for n, k in enumerate(numbers.tolist()):
        if k >= 0:
            columns[n, k] = 1
    assert torch.equal(module.predict_index(x, numbers), module(x, columns))
    assert torch.equal(design(numbers, K), columns)


@pytest.mark.parametrize("slopes", ["input", "latent"])
def test_a_draw_shifts_means_by_noise_times_the_posterior_sd(slopes: str, rows: tuple[Tensor, Tensor]) -> None:
    x, z = rows
    module = _served("medl", slopes=slopes)
    assert isinstance(module, MixedEffects)
    noise = torch.randn(K, module.slope.mean.shape[1]), torch.randn(K, 1)
    found = module.predict_with_noise(x, z, *noise)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    for name, eps in zip(("slope", "intercept"), noise, strict=True):
        state[f"{name}.mean"] += (1e-5 + torch.log1p(torch.exp(state[f"{name}.rho"]))) * eps
    module.load_state_dict(state)
    torch.testing.assert_close(found, module(x, z))


def test_first_posterior_sds_are_between_one_and_five_hundredths() -> None:
    module = build(KINDS["medl"], 200, 50, HIDDEN, seed=0)
    assert isinstance(module, MixedEffects)
    sd = torch.log1p(torch.exp(module.slope.rho.detach()))
    assert 0.0099 < float(sd.min()) < 0.011
    assert 0.045 < float(sd.max()) < 0.0501
    assert abs(float(module.slope.mean.detach().std()) - 0.1) < 0.005


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize(("kind", "slopes"), [(k, "input") for k in KINDS] + [("medl", "latent")])
def test_scripted_is_eager(
    kind: str, slopes: str, regression: bool, rows: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    x, z = rows
    module = _served(kind, regression, slopes)
    torch.jit.save(torch.jit.script(module), str(tmp_path / "m.pt"))
    loaded = torch.jit.load(str(tmp_path / "m.pt")).eval()
    assert {name for name, _ in loaded.named_parameters()} == {name for name, _ in module.named_parameters()}
    inputs = (x,) if isinstance(module, Plain) else (x, z)
    assert torch.equal(loaded(*inputs), module(*inputs))
    for got, wanted in zip(loaded.heads(*inputs), module.heads(*inputs), strict=True):
        assert torch.equal(got, wanted)
    if isinstance(module, MixedEffects | ClusterInput):
        numbers = torch.arange(N) % (K + 1) - 1
        assert torch.equal(loaded.predict_fe(x), module.predict_fe(x))
        assert torch.equal(loaded.predict_index(x, numbers), module.predict_index(x, numbers))
    if isinstance(module, MixedEffects):
        noise = torch.randn(module.slope.mean.shape), torch.randn(K, 1)
        assert torch.equal(loaded.predict_with_noise(x, z, *noise), module.predict_with_noise(x, z, *noise))


def test_names_of_the_state() -> None:
    names = set(_served("medl", regression=True).state_dict())
    layers = {f"fe.layers.{k}.{part}" for k in range(2) for part in ("weight", "bias")}
    effects = {f"{name}.{part}" for name in ("slope", "intercept") for part in ("mean", "rho")}
    assert names == layers | effects | {"fe.out.weight", "fe.out.bias", "target_mean", "target_sd"}
    assert set(_served("nnet").state_dict()) == layers | {"fe.out.weight", "fe.out.bias"}


def test_the_cluster_input_is_a_plain_network_on_joined_columns(rows: tuple[Tensor, Tensor]) -> None:
    x, z = rows
    module = _served("cluster-input")
    assert isinstance(module, ClusterInput)
    plain = Plain(D + K, HIDDEN)
    plain.load_state_dict(module.state_dict())
    assert torch.equal(module(x, z), plain(torch.cat([x, z], 1)))
    assert torch.equal(module.predict_fe(x), plain(torch.cat([x, torch.zeros(N, K)], 1)))
    assert torch.equal(module.heads(x, z)[1], module.heads(x, torch.zeros(N, K))[0])


def test_the_cluster_predictor_is_a_leaky_network(rows: tuple[Tensor, Tensor]) -> None:
    x, _ = rows
    with torch.random.fork_rng(devices=[]):
        module = ClusterPredictor(D, K).eval()
    layers: list[nn.Module] = []
    for layer in module.layers:
        layers += [layer, nn.LeakyReLU(0.1)]
    by_hand = nn.Sequential(*layers, module.out, nn.Softmax(1))
    torch.testing.assert_close(module(x), by_hand(x))
    torch.testing.assert_close(torch.jit.script(module)(x), module(x))
    assert [layer.out_features for layer in module.layers] == [32, 16]  # type: ignore[union-attr]


def test_a_seed_draws_the_same_network_and_leaves_the_global_state() -> None:
    before = torch.get_rng_state()
    one, two, other = (build(KINDS["medl"], D, K, HIDDEN, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["fe.out.weight"], other["fe.out.weight"])
