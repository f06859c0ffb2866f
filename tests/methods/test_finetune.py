"""Constrained fine-tuning along a path of penalties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from debias.errors import UsageError
from debias.methods import finetune
from debias.methods.base import Setting
from debias.methods.finetune import Finetune
from debias.methods.fitting import Loss, Rates, spread
from debias.methods.search import Search
from debias.model.network import Network
from debias.model.tuning import Tuning
from debias.objective import Constraint, Objective
from tests.model import nets, opened

Making = Callable[..., Setting]
QUICK = Finetune(epochs=4, lr=3e-3, averaging=0.5)
FIRM = Finetune(epochs=6, lr=1e-2, averaging=0.9)


def _every_state(method: Finetune, given: Setting) -> list[Mapping[str, Tensor]]:
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


def _linear(folder: Path) -> Network:
    torch.manual_seed(5)
    return opened.opened(nn.Sequential(nn.Linear(nets.FEATURES, 1), nn.Sigmoid()).double(), folder)


def _groups(codes: np.ndarray, y: np.ndarray, rate: str, k: int) -> list[np.ndarray]:
    """Return the rows of each group that count in a rate, by the definition of the rate."""
    counts = {"selection": np.ones(len(y), bool), "tpr": y == 1, "fpr": y == 0}[rate]
    return [(codes == group) & counts for group in range(k)]


def _by_hand(
    z: Tensor,
    labels: Tensor,
    y: np.ndarray,
    groups: list[list[np.ndarray]],
    penalty: float,
    sharpness: float,
    kind: str,
) -> Tensor:
    """Write the loss down as its formula has it, for autograd."""
    share = torch.tensor(np.where(y == 1, 0.5 / (y == 1).sum(), 0.5 / (y == 0).sum()))
    task = (share * nn.functional.binary_cross_entropy_with_logits(z, labels, reduction="none")).sum()
    soft = torch.sigmoid(sharpness * z)
    bias = torch.zeros((), dtype=z.dtype)
    for members in groups:
        means = torch.stack([soft[torch.from_numpy(member)].mean() for member in members])
        if kind == "ratio":
            found = 1 - means.min() / means.max()
        elif kind == "ratio-of-negatives":
            found = 1 - (1 - means).min() / (1 - means).max()
        else:
            found = means.max() - means.min()
        bias = bias + torch.sqrt(found**2 + 0.03**2)
    return task + penalty * bias


@pytest.mark.parametrize(
    ("metric", "favorable", "rates"),
    [
        ("statistical-parity", "positive", ["selection"]),
        ("statistical-parity", "negative", ["selection"]),
        ("equal-opportunity", "positive", ["tpr"]),
        ("equal-opportunity", "negative", ["fpr"]),
        ("predictive-equality", "positive", ["fpr"]),
        ("equalized-odds", "positive", ["tpr", "fpr"]),
        ("impact-ratio", "positive", ["selection"]),
        ("impact-ratio", "negative", ["selection"]),
    ],
)
@pytest.mark.parametrize("k", [2, 3])
def test_the_slope_is_the_gradient_of_the_loss_as_it_is_written(
    k: int, metric: str, favorable: str, rates: list[str]
) -> None:
    generator = np.random.default_rng(k)
    y, codes = generator.integers(0, 2, 60), generator.integers(0, k, 60)
    x = torch.zeros(60, 1, dtype=torch.float64)
    rows = opened.sample(x, y, codes, k)
    scorer = Objective(Constraint(metric, "a", 0.05), favorable=favorable).on(rows)  # type: ignore[arg-type]
    masses = [torch.from_numpy((item.members >= 0).astype(float)) for item in scorer.comparisons]
    rates_here = [Rates(item, scorer.flipped, memory=0.0, rounding=0.03) for item in scorer.comparisons]
    compared = [(item, torch.from_numpy(codes), mass) for item, mass in zip(rates_here, masses, strict=True)]
    z = torch.from_numpy(generator.normal(size=60)).requires_grad_()
    labels = torch.from_numpy(0.5 * y + 0.5 * generator.random(60))
    shares = torch.tensor(np.where(y == 1, 0.5 / (y == 1).sum(), 0.5 / (y == 0).sum()))
    loss = Loss(labels, shares, compared, cut=0.3, penalty=1.7, sharpness=2.0)
    kind = {"positive": "ratio", "negative": "ratio-of-negatives"}[favorable] if metric == "impact-ratio" else ""
    _by_hand(z, labels, y, [_groups(codes, y, rate, k) for rate in rates], 1.7, 2.0, kind).backward()
    assert z.grad is not None
    np.testing.assert_allclose(loss.slope(z.detach() + 0.3).numpy(), z.grad.numpy(), rtol=1e-9, atol=1e-15)


def test_weights_count_as_repeated_rows() -> None:
    generator = np.random.default_rng(0)
    times = generator.integers(1, 4, 30)
    y, codes = generator.integers(0, 2, 30), generator.integers(0, 2, 30)
    soft = torch.from_numpy(generator.random(30))

    def slope(repeated: bool) -> np.ndarray:
        index = np.repeat(np.arange(30), times) if repeated else np.arange(30)
        weight = torch.ones(len(index)) if repeated else torch.from_numpy(times)
        rows = opened.sample(torch.zeros(len(index), 1), y[index], codes[index])
        scorer = Objective(Constraint("equal-opportunity", "a", 0.05)).on(rows)
        mass = weight.double() * torch.from_numpy(y[index])
        rates = Rates(scorer.comparisons[0], False, memory=0.0, rounding=0.05)
        found = rates.slope(soft[torch.from_numpy(index)], torch.from_numpy(codes[index]), mass).numpy()
        return np.bincount(index, found, minlength=30)

    np.testing.assert_allclose(slope(True), slope(False), rtol=1e-12, atol=1e-15)


def _rates(groups: int, memory: float) -> Rates:
    rows = opened.sample(torch.zeros(2 * groups, 1), [0, 1] * groups, np.repeat(np.arange(groups), 2), groups)
    scorer = Objective(Constraint("statistical-parity", "a", 0.05)).on(rows)  # type: ignore[arg-type]
    return Rates(scorer.comparisons[0], False, memory, rounding=1e-9)


def test_a_group_without_rows_is_left_out() -> None:
    found = _rates(3, 0.0).slope(torch.tensor([0.1, 0.2, 0.9]), torch.tensor([0, 0, 2]), torch.ones(3))
    np.testing.assert_allclose(found.numpy(), [-0.5, -0.5, 1.0])
    assert not _rates(3, 0.0).slope(torch.tensor([0.1, 0.2, 0.9]), torch.tensor([1, 1, -1]), torch.ones(3)).any()


def test_a_group_without_rows_in_a_batch_is_remembered() -> None:
    rates = _rates(2, 0.5)
    rates.start(torch.tensor([0.2, 0.4, 0.8]), torch.tensor([0, 0, 1]), torch.ones(3), batches=1)
    # Sums: group 0 half of (0.6 of 2) and half of (0.9 of 1); group 1 half of (0.8 of 1). Means 0.5 and 0.8.
    found = rates.slope(torch.tensor([0.9]), torch.tensor([0]), torch.ones(1))
    np.testing.assert_allclose(found.numpy(), [-1 / 1.5], rtol=1e-6)
    assert rates.favorable is not None
    np.testing.assert_allclose(rates.favorable.numpy(), [0.75, 0.4], rtol=1e-6)


def test_a_small_bias_is_pushed_less() -> None:
    rates = _rates(2, 0.0)
    rates.rounding = 0.3
    found = rates.slope(torch.tensor([0.1, 0.5]), torch.tensor([0, 1]), torch.ones(2))
    np.testing.assert_allclose(found.numpy(), [-0.8, 0.8], rtol=1e-6)


def test_equal_means_have_no_slope() -> None:
    assert not _rates(2, 0.0).slope(torch.tensor([0.4, 0.4]), torch.tensor([0, 1]), torch.ones(2)).any()


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize(("metric", "counts"), [("equal-opportunity", 1), ("predictive-equality", 0)])
def test_rows_count_in_a_rate_by_the_labels_that_the_task_has_too(
    metric: str, counts: int, favorable: str, setting: Making
) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 64)
    given = setting(network, rows, metric=metric, favorable=favorable)
    made = finetune._Rows(Finetune(teacher=0.75), given, Tuning(network), 0.4)
    probability = 1 / (1 + np.exp(0.4 - network.logits(rows).astype(float)))
    label = 0.25 * rows.y + 0.75 * probability
    wanted = label if (counts == 1) == (favorable == "positive") else 1 - label
    np.testing.assert_allclose(made.masses[0].numpy(), wanted, atol=1e-6)


def test_one_full_step_is_worked_out_by_hand(setting: Making, tmp_path: Path) -> None:
    network = _linear(tmp_path)
    rows = opened.drawn(network, 24)
    given = setting(network, rows, eps=0.9, margin=0.0, min_performance=0.0)
    method = Finetune(first_penalty=0.7, last_penalty=0.7, epochs=1, lr=0.01, teacher=0.25, averaging=0.0, memory=0.0)
    logits = network.logits(rows)
    best = given.objective.on(rows).sweep(logits).best()
    assert best is not None
    x = rows.inputs["features"]
    weight = network.state["0.weight"].clone().requires_grad_()
    bias = network.state["0.bias"].clone().requires_grad_()
    # 24 rows are fewer than 32 batches: one row a batch, whose only group leaves nothing to compare
    y = torch.from_numpy(rows.y).double()
    order = spread(np.unique(np.stack([rows.y, rows.attributes["a"].codes]), axis=1, return_inverse=True)[1], _seeded())
    optimizer = torch.optim.Adam([weight, bias], lr=0.01)
    labels = 0.75 * y + 0.25 * torch.sigmoid(torch.from_numpy(logits) - best.cut)
    for row in order:
        optimizer.zero_grad()
        z = x[row] @ weight[0] + bias[0] - best.cut
        share = 24 * 0.5 / float((y == y[row]).sum())
        (share * nn.functional.binary_cross_entropy_with_logits(z, labels[row])).backward()
        optimizer.step()
    state = _every_state(method, given)[-1]
    np.testing.assert_allclose(state["0.weight"].numpy(), weight.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(state["0.bias"].numpy(), bias.detach().numpy(), rtol=1e-9)


def _seeded() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("sizes", [[200, 100], [640, 3, 97], [32, 32, 32, 32], [5]])
def test_every_stretch_holds_the_strata_in_their_shares(sizes: list[int]) -> None:
    strata = np.repeat(np.arange(len(sizes)), sizes)
    order = spread(strata, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(order), np.arange(len(strata)))
    for part in np.array_split(order, 4):
        share = np.bincount(strata[part], minlength=len(sizes))
        assert (np.abs(share - np.array(sizes) / 4) <= 2).all()


def test_batches_shrink_with_the_table(setting: Making) -> None:
    network = opened.network("relu")
    for rows, batch, wanted in [(320, 512, 32), (320, 5, 64), (20, 512, 20)]:
        given = setting(network, opened.drawn(network, rows))
        made = finetune._Rows(Finetune(batch_size=batch), given, Tuning(network), 0.0)
        batches = list(made.batches(1.0))
        assert len(batches) == wanted
        weights = torch.cat([loss.weights for _, loss in batches])
        assert float(weights.sum()) == pytest.approx(wanted, rel=1e-6), "the batches' losses average to the table's"


def test_the_best_balanced_weights_stay_where_they_are(setting: Making, tmp_path: Path) -> None:
    """Of own probabilities as labels without bias, the unchanged network is the optimum."""
    network = _linear(tmp_path)
    rows = opened.drawn(network, 400)
    given = setting(network, rows, eps=0.9)
    method = Finetune(first_penalty=1e-9, last_penalty=1e-9, epochs=2, teacher=1.0, averaging=0.0)
    state = _every_state(method, given)[-1]
    for name, value in state.items():
        np.testing.assert_allclose(value.numpy(), network.state[name].numpy(), atol=1e-3)


def test_a_larger_penalty_leaves_less_bias(setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 600)
    left = []
    for penalty in (0.01, 0.3, 3.0):
        method = Finetune(first_penalty=penalty, last_penalty=penalty, epochs=6, lr=1e-2, averaging=0.9)
        trajectory = method.repair(setting(network, rows)).trajectory
        left.append(abs(trajectory[-1].bias))
    assert left[0] > left[1] > left[2]


@pytest.mark.parametrize("favorable", ["positive", "negative"])
@pytest.mark.parametrize("turned", [False, True])
def test_the_bias_is_driven_towards_zero(turned: bool, favorable: str, setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 600)
    if turned:
        rows = opened.sample(rows.inputs["features"], rows.y, 1 - rows.attributes["a"].codes)
    given = setting(network, rows, favorable=favorable, eps=0.02)
    biases = [step.bias for step in FIRM.repair(given).trajectory]
    assert abs(biases[0]) > 0.1
    assert (biases[0] > 0) == (turned == (favorable == "positive"))
    assert abs(biases[-1]) < 0.5 * abs(biases[0])


@pytest.mark.parametrize("metric", ["statistical-parity", "equalized-odds", "impact-ratio"])
@pytest.mark.parametrize("groups", [2, 3, 4])
def test_every_metric_and_number_of_groups_is_narrowed(groups: int, metric: str, setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 600, groups)
    given = setting(network, rows, metric=metric, eps=0.2)
    trajectory = FIRM.repair(given).trajectory
    assert abs(trajectory[-1].bias) < 0.8 * abs(trajectory[0].bias)


def test_several_constraints_are_narrowed_together(setting: Making) -> None:
    network = opened.network("relu")
    rows = opened.drawn(network, 600)
    second = replace(rows.attributes["a"], name="b", codes=opened.drawn(network, 600, 3, seed=1).attributes["a"].codes)
    second = replace(second, groups=("x", "y", "z"), privileged=None)
    both = replace(rows, attributes={**rows.attributes, "b": second})
    objective = Objective((Constraint("spd", "a", 0.05), Constraint("spd", "b", 0.2)))  # type: ignore[arg-type]
    given = replace(setting(network, both), objective=objective)
    trajectory = FIRM.repair(given).trajectory
    assert abs(trajectory[-1].bias) < 0.5 * abs(trajectory[0].bias)


def test_a_seed_repeats_bit_for_bit(setting: Making) -> None:
    network = opened.network("batchnorm_after")
    runs = [_every_state(QUICK, setting(network, seed=seed)) for seed in (4, 4, 5)]
    for one, other in zip(runs[0], runs[1], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(not torch.equal(runs[0][-1][name], runs[2][-1][name]) for name in runs[0][-1])


def test_training_and_selection_rows_are_told_apart(setting: Making) -> None:
    network = opened.network("relu")
    select, train = opened.drawn(network, 100, seed=1), opened.drawn(network, 200, seed=2)
    here = _every_state(QUICK, setting(network, select))
    there = _every_state(QUICK, setting(network, select, train))
    assert any(not torch.equal(here[-1][name], there[-1][name]) for name in here[-1])
    repair = QUICK.repair(setting(network, select, train))
    best = setting(network, select).objective.on(select).sweep(network.logits(select)).best()
    assert best is not None
    assert repair.trajectory[0].bias == pytest.approx(best.bias), "figures are those of the selection rows"


@pytest.mark.parametrize(
    "name", ["relu", "batchnorm_before", "residual_layernorm", "head_softmax", "head_logits2", "gelu"]
)
def test_what_is_returned_is_what_was_judged(name: str, setting: Making) -> None:
    network = opened.network(name)
    given = setting(network, eps=0.25)
    repair = QUICK.repair(given)
    assert [step.detail["epoch"] for step in repair.trajectory] == list(range(5))
    assert [step.detail["penalty"] for step in repair.trajectory] == pytest.approx([0.0, *QUICK.penalties])
    logits = network.logits(given.select, repair.state)
    performance, bias = given.objective.on(given.select).at(logits > repair.point.cut)
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias), abs=1e-9)
    assert repair.chosen == int(np.argmax([step.objective for step in repair.trajectory]))
    assert repair.changes["epochs"] == repair.trajectory[repair.chosen].detail["epoch"]
    assert set(repair.state) <= set(network.parameters)


def test_the_average_is_the_running_mean_of_the_steps(setting: Making) -> None:
    network = opened.network("relu")
    given = setting(network, opened.drawn(network, 64))
    averaged = replace(QUICK, averaging=0.75)
    steps: list[list[Tensor]] = []
    follow = finetune._Average.follow

    def watched(self: Any) -> None:
        steps.append([leaf.clone() for leaf in self.leaves])
        follow(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune._Average, "follow", watched)
        walk = finetune._Walk(averaged, given, Tuning(network), 0.0)
        mean = [value.clone() for value in walk.average.values]
        walk.epoch(1.0)
    for step in steps:
        mean = [0.75 * one + 0.25 * other for one, other in zip(mean, step, strict=True)]
    with walk.average:
        for leaf, value in zip(walk.tuning.leaves, mean, strict=True):
            np.testing.assert_allclose(leaf.detach().numpy(), value.numpy(), **opened.tolerance(network))
    for leaf, value in zip(walk.tuning.leaves, steps[-1], strict=True):
        assert torch.equal(leaf.detach(), value), "the walk goes on from its own last step"


def test_the_last_layer_alone_changes_when_it_is_asked_for(setting: Making) -> None:
    network = opened.network("batchnorm_before")
    last = [name for name in network.parameters if not torch.equal(_last(network, setting)[name], network.state[name])]
    assert last
    layers = {name.rsplit(".", 1)[0] for name in last}
    assert len(layers) == 1
    assert layers == {network.parameters[-1].rsplit(".", 1)[0]}


def _last(network: Network, setting: Making) -> Mapping[str, Tensor]:
    return _every_state(replace(QUICK, layers="last"), setting(network))[-1]


def test_running_statistics_and_the_network_stay(setting: Making) -> None:
    network = opened.network("batchnorm_before")
    states = _every_state(QUICK, setting(network))
    assert all("running" not in name for state in states for name in state)
    for name, value in nets.build("batchnorm_before").state_dict().items():
        assert torch.equal(network.state[name], value)


def test_scores_that_are_no_numbers_end_the_run_with_a_note(setting: Making) -> None:
    network = opened.network("relu")
    repair = Finetune(lr=1e20, epochs=5, averaging=0.0).repair(setting(network))
    assert "a smaller --lr" in " ".join(repair.notes)
    assert len(repair.trajectory) < 6


def test_the_notes_say_what_was_frozen(setting: Making) -> None:
    repair = QUICK.repair(setting(opened.network("relu")))
    assert "eval mode" in " ".join(repair.notes)
    assert "penalty" in QUICK.summary(repair, opened.network("relu"))


def test_progress_counts_the_epochs(setting: Making) -> None:
    seen: list[tuple[int, int, str]] = []
    given = replace(setting(opened.network("relu")), progress=lambda *told: seen.append(told))
    QUICK.repair(given)
    assert [(done, total) for done, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]


def test_penalties_grow_by_a_constant_factor() -> None:
    assert Finetune(first_penalty=1, last_penalty=8, epochs=4).penalties == pytest.approx([1, 2, 4, 8])
    assert Finetune(first_penalty=1, last_penalty=8, epochs=1).penalties == [8]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"first_penalty": 0.0},
        {"last_penalty": float("inf")},
        {"sharpness": -1.0},
        {"teacher": 1.1},
        {"averaging": 1.0},
        {"memory": 1.0},
        {"rounding": 0.0},
        {"layers": "first"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(UsageError):
        Finetune(**wrong)


def test_all_settings_out_of_range_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        Finetune(lr=-1, epochs=0, teacher=2)
    assert len(caught.value.problems) == 3
