"""Alternating updates: signs, shares and steps beside plain autograd and torch's own Adam."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from debias.training.adam import Adam
from debias.training.course import Course
from debias.training.kinds import KINDS
from debias.training.networks import MixedEffects
from debias.training.settings import Settings
from tests.training.made import CLUSTERS, made_rows

SMALL = Settings(hidden=(6, 4), adversary_hidden=(5, 5), batch_size=32)


def _course(kind: str = "fair-adb-medl", settings: Settings = SMALL, regression: bool = False) -> Course:
    task = "regression" if regression else "classification"
    return Course(KINDS[kind], made_rows(160, regression=regression), settings, task, 0)  # type: ignore[arg-type]


def _no_noise(course: Course) -> None:
    """Make every draw from the posterior its mean, so that two passes agree."""
    assert isinstance(course.module, MixedEffects)
    with torch.no_grad():
        for effects in (course.module.slope, course.module.intercept):
            effects.rho.fill_(-40.0)


def _cross_entropies(course: Course, batch: object) -> list[float]:
    """Return the cross-entropy of every adversary on a batch: clusters first."""
    with torch.no_grad():
        terms = course.terms(batch, course.run(batch.x), True)  # type: ignore[arg-type, attr-defined]
    assert terms.cluster is not None
    assert terms.mixed is not None
    assert terms.fixed is not None
    return [float(terms.cluster), *terms.mixed.tolist(), *terms.fixed.tolist()]


def test_the_adversaries_step_lowers_their_cross_entropy_and_leaves_the_network() -> None:
    course = _course()
    _no_noise(course)
    batch = next(course.data.batches(course.order, course.draws))
    before, network = _cross_entropies(course, batch), course.network_state()
    for _ in range(5):
        course.adversary_step(batch, course.run(batch.x), defaultdict(list))
    assert all(after < first for after, first in zip(_cross_entropies(course, batch), before, strict=True))
    assert all(torch.equal(value, network[name]) for name, value in course.module.state_dict().items())


@pytest.mark.parametrize("heard", ["cluster", "fixed", "mixed"])
def test_the_networks_step_raises_the_cross_entropy_of_an_adversary_and_leaves_it(heard: str) -> None:
    weights = {"cluster": (50.0, 0.0, 0.0), "fixed": (0.0, 50.0, 0.0), "mixed": (0.0, 0.0, 50.0)}[heard]
    settings = Settings(
        hidden=(6, 4),
        adversary_hidden=(5, 5),
        batch_size=32,
        lambda_cluster=weights[0],
        lambda_fair=weights[1],
        lambda_fair_mixed=weights[2],
        lambda_fixed=0.0,
        kl=0.0,
    )
    course = _course(settings=settings)
    _no_noise(course)
    batch = next(course.data.batches(course.order, course.draws))
    for _ in range(60):
        course.adversary_step(batch, course.run(batch.x), defaultdict(list))
    assert course.adversary_optimizer is not None
    adversaries = course.adversary_optimizer.state()["parameters"]

    def heard_now() -> float:
        with torch.no_grad():
            terms = course.terms(batch, course.run(batch.x), True)
        value = getattr(terms, heard)
        return float(value.sum())

    before = heard_now()
    for _ in range(5):
        course.main_step(batch, course.run(batch.x), True, defaultdict(list))
    assert heard_now() > before
    assert torch.equal(course.adversary_optimizer.state()["parameters"], adversaries)


def test_an_adversary_of_one_head_reads_that_head() -> None:
    both = _course()
    batch = next(both.data.batches(both.order, both.draws))
    outputs = torch.stack((torch.zeros(32), torch.ones(32)))
    for left_out, value in (("mixed_adversary", 1.0), ("fixed_adversary", 0.0)):
        kind = replace(KINDS["fair-adb-medl"], **{left_out: False})
        course = Course(kind, made_rows(160), SMALL, "classification", 0)
        read = course._read(outputs, batch.y)
        assert read.shape == (1, 2, 32)
        torch.testing.assert_close(read[0, 0], torch.sigmoid(torch.full((32,), value)))
    assert both._read(outputs, batch.y).shape == (2, 2, 32)


def test_during_warm_up_the_network_does_not_hear_its_adversaries() -> None:
    course, other = _course(), _course("medl")
    _no_noise(course)
    batch = next(course.data.batches(course.order, course.draws))
    terms = course.terms(batch, course.run(batch.x), False)
    assert terms.cluster is None
    assert terms.fixed is None
    assert terms.mixed is None
    # the fixed effects begin alike for every kind
    assert torch.equal(course.network_state()["fe.out.weight"], other.network_state()["fe.out.weight"])


@pytest.mark.parametrize("slopes", ["input", "latent"])
@pytest.mark.parametrize("regression", [False, True])
def test_training_and_serving_compute_the_same(slopes: str, regression: bool) -> None:
    settings = Settings(hidden=(6, 4), batch_size=32, slopes=slopes)  # type: ignore[arg-type]
    course = _course("medl", settings, regression)
    _no_noise(course)
    batch = next(course.data.batches(course.order, course.draws))
    passed = course.run(batch.x)
    outputs = course._outputs(passed.f, passed.reads, batch.z, course._coefficients(passed.posterior))
    assert isinstance(course.module, MixedEffects)
    z = (batch.z.unsqueeze(1) == torch.arange(CLUSTERS)).float()
    mixed, fixed, acts = course.module.heads(batch.x, z)
    scale = (outputs - 0) * course.scale.sd + course.scale.mean
    # the least posterior SD is 1e-5
    torch.testing.assert_close(scale[0], mixed, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(scale[1], fixed)
    torch.testing.assert_close(torch.cat(passed.acts, 1), acts)


def test_one_draw_from_the_posterior_serves_a_whole_batch() -> None:
    course = _course("medl")
    assert isinstance(course.module, MixedEffects)
    module = course.module
    with torch.no_grad():
        for effects in (module.slope, module.intercept):
            effects.rho.fill_(1.0)
    state = course.draws.get_state()
    noise = torch.randn((CLUSTERS, 7), generator=torch.Generator().manual_seed(0).set_state(state.clone()))
    course.draws.set_state(state)
    batch = next(made for made in _course("medl").data.batches(course.order, torch.Generator()))
    passed = course.run(batch.x)
    outputs = course._outputs(passed.f, passed.reads, batch.z, course._coefficients(passed.posterior))
    z = (batch.z.unsqueeze(1) == torch.arange(CLUSTERS)).float()
    served = module.predict_with_noise(batch.x, z, noise[:, :6], noise[:, 6:])
    torch.testing.assert_close(torch.sigmoid(outputs[0]), served)


def test_the_plain_networks_epoch_is_that_of_torch() -> None:
    settings = Settings(hidden=(6, 4), batch_size=32, lr=0.01)
    course = _course("nnet", settings)
    rows = made_rows(160)
    net = copy.deepcopy(course.module)
    net.load_state_dict(course.network_state())
    for parameter in net.parameters():
        parameter.data = parameter.data.clone()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    order = torch.randperm(160, generator=torch.Generator().manual_seed(0).set_state(course.order.get_state()))
    share = float(rows.y.mean())
    weight = torch.where(rows.y == 1, 0.5 / share, 0.5 / (1 - share))
    for chosen in torch.split(order, 32):
        loss = nn.functional.binary_cross_entropy(net(rows.x[chosen]), rows.y[chosen], weight[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    course.epoch(True)
    for name, value in course.module.state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_the_ragged_last_batch_is_left_out_and_few_rows_are_one_batch() -> None:
    course = _course(settings=Settings(batch_size=50))
    sizes = [len(batch.y) for batch in course.data.batches(course.order, course.draws)]
    assert sizes == [50, 50, 50]
    course = _course(settings=Settings(batch_size=500))
    assert [len(batch.y) for batch in course.data.batches(course.order, course.draws)] == [160]


def test_a_swap_changes_its_columns_alone_to_another_category() -> None:
    course = _course(settings=Settings(batch_size=160, lambda_swap=1.0))
    rows = made_rows(160)
    batch = next(course.data.batches(course.order, course.draws))
    swapped = course.data.swapped(batch).view(2, 160, -1)
    for place, (name, swap) in enumerate(rows.swaps.items()):
        columns = list(swap.columns)
        others = [column for column in range(6) if column not in columns]
        assert torch.equal(swapped[place][:, others], batch.x[:, others])
        same = (swapped[place][:, columns] == batch.x[:, columns]).all(1)
        assert not bool(same.any())
        allowed = {tuple(value) for value in swap.values.tolist()}
        assert {tuple(value) for value in swapped[place][:, columns].tolist()} == allowed, name


def test_the_swap_penalty_is_worked_out_with_the_served_network() -> None:
    course = _course(settings=Settings(hidden=(6, 4), batch_size=160, lambda_swap=1.0))
    _no_noise(course)
    assert isinstance(course.module, MixedEffects)
    batch = next(course.data.batches(course.order, course.draws))
    found = course.terms(batch, course.run(batch.x), False).swap
    assert found is not None
    z = (batch.z.unsqueeze(1) == torch.arange(CLUSTERS)).float()
    wanted = torch.zeros(())
    for x in course.data.swapped(batch).view(2, 160, -1):
        wanted += (course.module(x, z) - course.module(batch.x, z)).abs().mean()
        wanted += (course.module.predict_fe(x) - course.module.predict_fe(batch.x)).abs().mean()
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_only_the_attributes_named_are_swapped() -> None:
    course = _course(settings=Settings(batch_size=160, lambda_swap=1.0, swap="t"))
    batch = next(course.data.batches(course.order, course.draws))
    swapped = course.data.swapped(batch)
    assert swapped.shape == (160, 6)
    assert torch.equal(swapped[:, 0], batch.x[:, 0])
    assert not torch.equal(swapped[:, 1:3], batch.x[:, 1:3])


def test_capped_adversaries_give_no_gain_beyond_chance() -> None:
    course = _course(settings=Settings(batch_size=160, cap_chance=True))
    assert course.fair_adversaries is not None
    with torch.no_grad():
        course.fair_adversaries.biases[-1][:, 0] += 9.0  # says the first category of all rows
    batch = next(course.data.batches(course.order, course.draws))
    terms = course.terms(batch, course.run(batch.x), True)
    assert terms.mixed is not None
    torch.testing.assert_close(terms.mixed, torch.log(torch.tensor([2.0, 3.0])))


def test_missing_categories_take_no_part() -> None:
    rows = made_rows(160)
    hidden = {name: torch.where(torch.arange(160) < 80, codes, -1) for name, codes in rows.sensitive.items()}
    other = {name: torch.where(torch.arange(160) < 80, codes, 0) for name, codes in rows.sensitive.items()}
    course = _course(settings=Settings(batch_size=160))
    made = type(rows)(rows.x, rows.y, rows.z, CLUSTERS, hidden, rows.categories)
    course = Course(KINDS["fair-adb-nnet"], made, Settings(batch_size=160), "classification", 0)
    batch = next(course.data.batches(course.order, course.draws))
    assert float(batch.code_weights.sum()) == pytest.approx(160, rel=1e-4)
    assert int((batch.code_weights[0] == 0).sum()) == 80
    assert other.keys() == hidden.keys()


def test_a_dead_adversary_is_drawn_anew_and_told() -> None:
    course = _course()
    assert course.fair_adversaries is not None
    assert course.adversary_optimizer is not None
    for _ in range(2):
        losses = course.epoch(False)
    names = course.fair_adversaries.names
    alive = dict.fromkeys(names, 0.1) | {"cluster_adversary": 0.1}
    assert course.revive(alive) == []
    with torch.no_grad():
        for weight in (*course.fair_adversaries.weights, *course.fair_adversaries.biases):
            weight[2] = 0.0
        for layer in course.cluster_adversary.layers:  # type: ignore[union-attr]
            layer.weight.zero_()  # type: ignore[union-attr, operator]
            layer.bias.zero_()  # type: ignore[union-attr, operator]
    course.adversary_optimizer.lr = 0.0  # a dead network does not learn
    kept = [weight[3].clone() for weight in course.fair_adversaries.weights]
    losses = course.epoch(False)
    assert losses[names[2]] == pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-5)
    revived = course.revive(losses | {names[0]: 0.1, names[1]: 0.1, names[3]: 0.1})
    assert revived == ["cluster_adversary", names[2]]
    assert all(bool((weight[2] != 0).all()) for weight in course.fair_adversaries.weights)
    assert all(torch.equal(w[3], was) for w, was in zip(course.fair_adversaries.weights, kept, strict=True))
    moments = course.adversary_optimizer.state()["first"]
    assert 0 < int((moments == 0).sum()) < moments.numel()


def test_adam_is_that_of_torch() -> None:
    draws = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=draws) for shape in ((4, 3), (3,), ())]
    ours = [nn.Parameter(value.clone()) for value in start]
    theirs = [nn.Parameter(value.clone()) for value in start]

    def loss(values: list[nn.Parameter]) -> Tensor:
        return (values[0] @ values[1] - 1).square().sum() + (values[2] * values[1]).exp().sum()

    optimizer, reference = Adam(ours, 0.05), torch.optim.Adam(theirs, lr=0.05)
    for _ in range(20):
        optimizer.step(loss(ours))
        reference.zero_grad()
        loss(theirs).backward()
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)
    optimizer.release()
    assert ours[0].data_ptr() != ours[1].data_ptr()
    assert ours[0].untyped_storage().nbytes() == 48
