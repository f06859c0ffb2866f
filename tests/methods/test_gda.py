"""Bias gradient descent and ascent (Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.data.sample import Attribute, Sample
from debias.errors import UsageError
from debias.methods.base import Setting
from debias.methods.gda import GDA
from debias.methods.search import Search
from debias.model.network import Network
from debias.model.tuning import Tuning
from debias.objective import Constraint, Objective
from tests.model import nets, opened

Making = Callable[..., Setting]


def _linear(folder: Path) -> Network:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(nets.FEATURES, 1), nn.Sigmoid()).double()
    return opened.opened(net, folder)


def _rows(network: Network, groups: int = 2, weighted: bool = False, rows: int = 120) -> Sample:
    drawn = opened.drawn(network, rows, groups)
    weight = np.linspace(0.5, 2, rows) if weighted else None
    return opened.sample(drawn.inputs["features"], drawn.y, drawn.attributes["a"].codes, groups, weight)


def _proxy(score: np.ndarray, rows: Sample, pair: tuple[int, int], metric: str) -> np.ndarray:
    """Work out the weight of each row by the text of eq. 1 and 2: one group's weighted mean minus the other's."""
    codes = rows.attributes["a"].codes
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    found = np.zeros(len(rows))
    for group, sign in ((pair[0], 1), (pair[1], -1)):
        member = (codes == group) & ((rows.y == 1) | (metric == "statistical-parity"))
        found[member] = sign * weight[member] / weight[member].sum()
    assert found.shape == score.shape
    return found


@pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity"])
@pytest.mark.parametrize(("groups", "weighted"), [(2, False), (2, True), (3, False), (3, True)])
def test_one_full_step_is_worked_out_by_hand(
    groups: int, weighted: bool, metric: str, setting: Making, tmp_path: Path
) -> None:
    network = _linear(tmp_path)
    rows = _rows(network, groups, weighted)
    given = setting(network, rows, metric=metric, eps=0.9, margin=0.0, min_performance=0.0)
    method = GDA(lr=0.5, epochs=1, batch_size=len(rows), optimizer="sgd")
    states = _every_state(method, given)
    scorer = given.objective.on(rows)
    best = scorer.sweep(network.logits(rows)).best()
    assert best is not None
    sign = 1 if best.bias > 0 else -1
    pair = _widest(network.logits(rows) > best.cut, rows, groups, metric)
    x = rows.inputs["features"].numpy()
    w, b = network.state["0.weight"].numpy(), network.state["0.bias"].numpy()
    p = 1 / (1 + np.exp(-(x @ w[0] + b[0])))
    slope = _proxy(p, rows, pair, metric) * p * (1 - p)
    np.testing.assert_allclose(states[-1]["0.weight"].numpy()[0], w[0] - 0.5 * sign * slope @ x, rtol=1e-9)
    np.testing.assert_allclose(states[-1]["0.bias"].numpy()[0], b[0] - 0.5 * sign * slope.sum(), rtol=1e-9)


def _widest(decided: np.ndarray, rows: Sample, groups: int, metric: str) -> tuple[int, int]:
    """Return the groups compared: of two the first and the second (privileged), else those of extreme rates."""
    if groups == 2:
        return 0, 1
    weight = np.ones(len(rows)) if rows.weight is None else rows.weight
    among = weight * ((rows.y == 1) | (metric == "statistical-parity"))
    rates = [np.average(decided, weights=among * (rows.attributes["a"].codes == group)) for group in range(groups)]
    return int(np.argmin(rates)), int(np.argmax(rates))


def _every_state(method: GDA, given: Setting) -> list[Mapping[str, Tensor]]:
    """Return the state of every candidate that the search was offered."""
    kept: list[Mapping[str, Tensor]] = []
    add = Search.add

    def keeping(self: Search, logits: Any, state: Any, *rest: Any) -> Any:
        kept.append(dict(state()))
        return add(self, logits, state, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "add", keeping)
        method.repair(given)
    return kept


def _batches(method: GDA, given: Setting) -> list[np.ndarray]:
    """Return the row numbers of every batch; the first input column holds them."""
    seen: list[np.ndarray] = []
    gradients = Tuning.gradients

    def watched(self: Tuning, inputs: Mapping[str, Tensor], loss: Callable[[Tensor], Tensor]) -> list[Tensor]:
        seen.append(next(iter(inputs.values()))[:, 0].numpy().round().astype(int))
        return gradients(self, inputs, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tuning, "gradients", watched)
        method.repair(given)
    return seen


def _numbered(codes: np.ndarray, y: np.ndarray, groups: int = 2) -> Sample:
    x = nets.example(nets.build("relu"), len(codes))
    x[:, 0] = torch.arange(len(codes))
    return opened.sample(x, y, codes, groups)


@pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity"])
@pytest.mark.parametrize("rare", [2, 13, 40])
def test_every_batch_holds_rows_of_every_group(rare: int, metric: str, setting: Making) -> None:
    network = opened.network("relu")
    generator = np.random.default_rng(rare)
    y = (np.arange(300) % 3 == 0).astype(int)
    codes = np.ones(300, dtype=int)
    codes[generator.choice(np.flatnonzero(y), rare, replace=False)] = 0
    rows = _numbered(codes, y)
    given = setting(network, rows, metric=metric)
    seen = _batches(GDA(epochs=2, batch_size=32), given)
    assert len(seen) == 2 * 10
    wanted = (y == 1) if metric == "equal-opportunity" else np.ones(300, dtype=bool)
    for batch in seen:
        in_proxy = batch[wanted[batch]]
        assert set(codes[in_proxy]) == {0, 1}
    for epoch in (seen[:10], seen[10:]):
        drawn = np.concatenate(epoch)
        assert set(np.flatnonzero(wanted)) <= set(drawn), "a full pass leaves no row out"
        often = drawn[codes[drawn] == 1]
        assert len(often) == len(set(often)), "a group with enough rows is dealt without repetition"


def test_one_batch_an_epoch_is_the_text_of_the_algorithm(setting: Making) -> None:
    network = opened.network("relu")
    rows = _numbered(np.arange(200) % 2, np.arange(200) // 2 % 2)
    seen = _batches(GDA(epochs=7, batch_size=50, one_batch=True), setting(network, rows))
    assert [len(batch) for batch in seen] == [50] * 7
    assert len({tuple(sorted(batch)) for batch in seen}) == 7


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_seed_repeats_bit_for_bit(optimizer: str, setting: Making) -> None:
    network = opened.network("batchnorm_after")
    method = GDA(lr=1e-3, epochs=3, batch_size=32, optimizer=optimizer)  # type: ignore[arg-type]
    runs = [_every_state(method, setting(network, seed=seed)) for seed in (4, 4, 5)]
    for one, other in zip(runs[0], runs[1], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(not torch.equal(runs[0][-1][name], runs[2][-1][name]) for name in runs[0][-1])


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("turned", [False, True])
def test_the_bias_is_driven_towards_zero(turned: bool, favorable: str, setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 300)
    if turned:
        codes = 1 - rows.attributes["a"].codes
        rows = opened.sample(rows.inputs["features"], rows.y, codes)
    given = setting(network, rows, favorable=favorable, eps=0.02)
    repair = GDA(lr=3e-3, epochs=12, batch_size=64).repair(given)
    biases = [step.bias for step in repair.trajectory]
    assert abs(biases[0]) > 0.1
    assert (biases[0] > 0) == (turned == (favorable == "positive"))
    assert abs(biases[-1]) < abs(biases[0])


@pytest.mark.parametrize("groups", [3, 4])
def test_of_more_than_two_groups_the_widest_pair_is_narrowed(groups: int, setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 400, groups)
    repair = GDA(lr=3e-3, epochs=10, batch_size=64).repair(setting(network, rows, eps=0.02))
    assert repair.trajectory[0].bias < -0.2
    assert repair.trajectory[-1].bias > repair.trajectory[0].bias


def _two_attributes(rows: int = 400) -> Sample:
    """Return rows with a second attribute ``b`` whose groups differ the other way and less."""
    network = opened.network("relu")
    sample = opened.drawn(network, rows)
    score = network.logits(sample)
    noise = np.random.default_rng(1).normal(0, 3 * score.std(), rows)
    codes = (score + noise < np.median(score)).astype(np.int64)
    attributes = dict(sample.attributes) | {"b": Attribute("b", codes, ("no", "yes"), 1)}
    return replace(sample, attributes=attributes)


@pytest.mark.parametrize("metric", ["equalized-odds", "predictive-equality", "impact-ratio"])
@pytest.mark.parametrize("groups", [2, 3])
def test_other_metrics_are_driven_towards_zero(metric: str, groups: int, setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 400, groups)
    repair = GDA(lr=3e-3, epochs=12, batch_size=64).repair(setting(network, rows, metric=metric, eps=0.02, margin=0.0))
    biases = [abs(step.bias) for step in repair.trajectory]
    assert biases[0] > 0.1
    assert min(biases) < biases[0] / 2


def test_every_constraint_is_driven() -> None:
    network, rows = opened.network("relu"), _two_attributes()
    constraints = tuple(Constraint("statistical-parity", name, 0.06) for name in ("a", "b"))
    given = Setting(network, rows, rows, Objective(constraints, margin=0.0))
    scorer = given.objective.on(rows)
    before = [abs(target.bias) for target in scorer.targets(network.logits(rows))]
    assert min(before) > 0.1
    states = _every_state(GDA(lr=1e-3, epochs=40, batch_size=64), given)
    after = [max(abs(t.bias) for t in scorer.targets(network.logits(rows, state))) for state in states[1:]]
    assert min(after) < 0.1


def _crossing() -> Setting:
    network = opened.network("relu")
    rows = opened.drawn(network, 300)
    return Setting(network, rows, rows, Objective(Constraint("statistical-parity", "a", 0.1)))


def test_it_stops_when_nothing_better_comes_after_the_crossing() -> None:
    whole = GDA(lr=3e-3, epochs=60, batch_size=64, patience=0).repair(_crossing())
    assert len(whole.trajectory) == 61
    assert "stopped" not in " ".join(whole.notes)
    first = whole.trajectory[0].bias
    crossing = next(step.step for step in whole.trajectory if step.bias * first < 0)
    for patience in (1, 4, 10):
        short = GDA(lr=3e-3, epochs=60, batch_size=64, patience=patience).repair(_crossing())
        assert whole.trajectory[: len(short.trajectory)] == short.trajectory, "the same run until it stops"
        last = len(short.trajectory) - 1
        assert last == max(crossing, short.chosen) + patience
        assert f"stopped after {last} of 60 epochs" in short.notes[0]
    assert short.chosen == whole.chosen
    assert all(torch.equal(short.state[name], whole.state[name]) for name in whole.state)


def test_without_a_crossing_it_goes_on() -> None:
    repair = GDA(lr=1e-7, epochs=15, batch_size=64, patience=1).repair(_crossing())
    assert len(repair.trajectory) == 16


def test_training_and_selection_rows_are_told_apart(setting: Making) -> None:
    network = opened.network("relu")
    select, train = opened.drawn(network, 100, seed=1), opened.drawn(network, 200, seed=2)
    method = GDA(lr=1e-3, epochs=2, batch_size=50)
    here = _every_state(method, setting(network, select))
    there = _every_state(method, setting(network, select, train))
    assert any(not torch.equal(here[-1][name], there[-1][name]) for name in here[-1])
    repair = method.repair(setting(network, select, train))
    best = setting(network, select).objective.on(select).sweep(network.logits(select)).best()
    assert best is not None
    assert repair.trajectory[0].bias == pytest.approx(best.bias), "figures are those of the selection rows"


@pytest.mark.parametrize("name", ["relu", "batchnorm_before", "residual_layernorm", "head_softmax", "head_logits2"])
def test_what_is_returned_is_what_was_judged(name: str, setting: Making) -> None:
    network = opened.network(name)
    given = setting(network, eps=0.25)
    repair = GDA(lr=2e-3, epochs=6, batch_size=64, evaluations=2).repair(given)
    assert len(repair.trajectory) == 1 + 12
    assert [step.detail["epoch"] for step in repair.trajectory] == [k / 2 for k in range(13)]
    logits = network.logits(given.select, repair.state)
    performance, bias = given.objective.on(given.select).at(logits > repair.point.cut)
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=1e-9)
    assert repair.point.feasible
    assert repair.chosen == int(np.argmax([step.objective for step in repair.trajectory]))
    assert repair.changes == {"epochs": repair.trajectory[repair.chosen].detail["epoch"]}
    assert set(repair.state) <= set(network.parameters)


def test_running_statistics_and_the_network_stay(setting: Making) -> None:
    network = opened.network("batchnorm_before")
    states = _every_state(GDA(lr=1e-2, epochs=2), setting(network))
    assert all("running" not in name for state in states for name in state)
    for name, value in nets.build("batchnorm_before").state_dict().items():
        assert torch.equal(network.state[name], value)


class _Saturated(nn.Module):
    """Scores of exactly 0 and 1, whose logits would be infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(nets.FEATURES, 4)
        self.last = nn.Linear(4, 1)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return (2 * self.last(self.first(x)) + 0.5).clamp(0, 1)


def test_saturated_scores_leave_the_parameters_finite(setting: Making, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = opened.opened(_Saturated(), tmp_path)
    output = network.outputs(opened.drawn(network, 240))
    assert bool((output == 0).any())
    assert bool((output == 1).any())
    for state in _every_state(GDA(lr=1e-2, epochs=3), setting(network, eps=0.2)):
        assert all(bool(torch.isfinite(value).all()) for value in state.values())


def test_the_note_says_what_the_text_is(setting: Making) -> None:
    network = opened.network("relu")
    given = setting(network)
    assert "--optimizer sgd --one-batch" in " ".join(GDA(epochs=1).repair(given).notes)
    printed = GDA(epochs=1, optimizer="sgd", one_batch=True).repair(given).notes
    assert "--optimizer" not in " ".join(printed)
    assert "eval mode" in " ".join(printed)


def test_progress_counts_the_epochs(setting: Making) -> None:
    seen: list[tuple[int, int, str]] = []
    given = replace(setting(opened.network("relu")), progress=lambda *told: seen.append(told))
    GDA(epochs=3).repair(given)
    assert [(done, total) for done, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0.0}, {"epochs": 0}, {"batch_size": 0}, {"evaluations": 0}, {"optimizer": "lbfgs"}, {"patience": -1}],
)
def test_settings_out_of_range_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError):
        GDA(**wrong)


def test_all_settings_out_of_range_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        GDA(lr=-1, epochs=0)
    assert len(caught.value.problems) == 2
