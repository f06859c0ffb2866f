"""Many networks of one program, evaluated together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.model.network import Network
from debias.model.trials import Trials
from tests.model import nets, opened


def _stacked(network: Network, trials: int, seed: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.stack(
            [
                network.state[name] * (1 + 0.2 * torch.randn(network.state[name].shape, generator=generator))
                for _ in range(trials)
            ]
        ).to(network.state[name])
        for name in network.parameters
    }


def _one_at_a_time(network: Network, rows: object, stacked: Mapping[str, Tensor]) -> np.ndarray:
    count = len(next(iter(stacked.values())))
    return np.stack(
        [network.logits(rows, {name: value[t] for name, value in stacked.items()}) for t in range(count)]  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", list(nets.ALL))
def test_every_trial_is_the_network_with_its_numbers(name: str) -> None:
    network = opened.network(name)
    rows = opened.drawn(network, 50)
    stacked = _stacked(network, 5)
    found = Trials(network, network.tensors(rows)).logits(stacked)
    expected = _one_at_a_time(network, rows, stacked)
    scale = np.abs(expected).max()
    limit = opened.tolerance(network)
    np.testing.assert_allclose(found.numpy() / scale, expected / scale, rtol=limit["rtol"], atol=limit["atol"])


def _deep() -> nn.Module:
    torch.manual_seed(2)
    layers: list[nn.Module] = []
    width = nets.FEATURES
    for _ in range(3):
        layers += [nn.Linear(width, 12), nn.ReLU(), nn.Dropout(0.1), nn.BatchNorm1d(12, affine=len(layers) > 0)]
        width = 12
    net = nn.Sequential(*layers, nn.Linear(width, 1), nn.Sigmoid())
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)
    return net


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 700])
def test_normalisations_are_folded_for_each_trial(form: str, rows: int, tmp_path: Path) -> None:
    network = opened.opened(_deep(), tmp_path, form)
    sample = opened.sample(nets.example(nets.build("relu"), rows), np.zeros(rows), np.zeros(rows))
    stacked = _stacked(network, 7)
    trials = Trials(network, network.tensors(sample))
    assert trials.at_once > 1
    expected = _one_at_a_time(network, sample, stacked)
    np.testing.assert_allclose(trials.logits(stacked).numpy(), expected, rtol=2e-5, atol=2e-5)


def test_only_some_entries_may_differ() -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 30)
    stacked = {name: value for name, value in _stacked(network, 4).items() if name.startswith("second")}
    found = Trials(network, network.tensors(rows)).logits(stacked).numpy()
    np.testing.assert_allclose(found, _one_at_a_time(network, rows, stacked), rtol=2e-5, atol=2e-6)


def test_other_graphs_go_one_by_one_and_forget_the_trial_before() -> None:
    network = opened.network("residual")
    rows = opened.drawn(network, 30)
    trials = Trials(network, network.tensors(rows))
    assert trials.at_once == 1
    stacked = _stacked(network, 2)
    one, two = ({name: value for name, value in stacked.items() if name.startswith(part)} for part in ("one", "two"))
    for part in (one, two, one):
        expected = _one_at_a_time(network, rows, part)
        np.testing.assert_allclose(trials.logits(part).numpy(), expected, rtol=2e-5, atol=2e-6)


def test_memory_bounds_the_batch_and_one_trial_always_fits(tmp_path: Path) -> None:
    network = opened.opened(_deep(), tmp_path)
    rows = opened.drawn(network, 20_000)
    inputs = network.tensors(rows)
    counts = [Trials(network, inputs, memory=mib).at_once for mib in (0, 1, 2, 64)]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[-1] > counts[1]
    stacked = _stacked(network, 3)
    small, large = (Trials(network, inputs, memory=mib).logits(stacked) for mib in (0, 64))
    torch.testing.assert_close(small, large, rtol=1e-5, atol=1e-5)
