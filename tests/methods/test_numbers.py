"""Every method on networks that predict a number: slopes by autograd, steps by hand, repairs that hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torch import Tensor

from debias import methods
from debias.data.sample import Sample
from debias.errors import ModelError, UsageError
from debias.fairness.proxies import Proxy
from debias.methods.base import Method, Setting
from debias.methods.finetune import Finetune
from debias.methods.fitting import Numbers, Rates, SquaredLoss
from debias.methods.gda import GDA
from debias.methods.layerwise import Layerwise
from debias.methods.perturb import Perturb
from debias.methods.prune import Prune
from debias.methods.search import Search
from debias.model.evaluation import Evaluation
from debias.model.network import Network
from debias.model.tuning import Tuning
from debias.objective import Constraint, Objective
from tests.model import opened, values

FORMS = {"mean-difference": "value", "mse-dispersion": "squared-error"}


def _setting(
    network: Network, rows: Sample, metric: str = "mean-difference", eps: float = 1.0, **asked: Any
) -> Setting:
    constraint = Constraint(metric, "a", eps)  # type: ignore[arg-type]
    objective = Objective(constraint, **{"performance": "r2", "min_performance": 0.0, "margin": 0.0, **asked})
    return Setting(network, rows, rows, objective)


def _column(metric: str, predicted: Any, target: Any) -> Any:
    return predicted if metric == "mean-difference" else (predicted - target) ** 2


def _every_state(method: Method, given: Setting) -> list[Mapping[str, Tensor]]:
    kept: list[Mapping[str, Tensor]] = []
    add = Search.add

    def keeping(self: Search, logits: Any, state: Callable[[], Any], *rest: Any) -> Any:
        kept.append(dict(state()))
        return add(self, logits, state, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Search, "add", keeping)
        method.repair(given)
    return kept


@pytest.mark.parametrize("metric", FORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_one_full_step_of_gda_is_worked_out_by_hand(weighted: bool, metric: str, tmp_path: Path) -> None:
    network = values.linear(tmp_path)
    rows = values.rows_of(network, 80, weight=np.linspace(0.5, 2, 80) if weighted else None)
    given = _setting(network, rows, metric, eps=1e-9)
    x, y = rows.inputs["features"].numpy(), rows.target
    w, b = network.state["0.weight"].numpy()[0], network.state["0.bias"].numpy()[0]
    predicted, codes = x @ w + b, rows.attributes["a"].codes
    mass = np.ones(80) if rows.weight is None else rows.weight
    sides = [mass * (codes == g) / mass[codes == g].sum() for g in range(2)]
    shares = sides[0] - sides[1]
    sign = np.sign(shares @ _column(metric, predicted, y))
    slope = shares * (1 if metric == "mean-difference" else 2 * (predicted - y))
    state = _every_state(GDA(lr=0.5, epochs=1, batch_size=80, optimizer="sgd"), given)[-1]
    np.testing.assert_allclose(state["0.weight"].numpy()[0], w - 0.5 * sign * slope @ x, rtol=1e-9)
    np.testing.assert_allclose(state["0.bias"].numpy()[0], b - 0.5 * sign * slope.sum(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("metric", FORMS)
@pytest.mark.parametrize("at", ["preactivation", "activation"])
def test_influences_are_the_gradient_at_every_unit(at: Any, metric: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    net = values.Scaled().double()
    network = values.opened_value(net, tmp_path)
    rows = values.rows_of(network, 60)
    x, y = rows.inputs["features"], torch.from_numpy(rows.target)
    weights = torch.randn(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    first = net.first(x)
    hidden = torch.relu(first)
    second = net.second(hidden)
    last = torch.relu(second)
    for value in (first, hidden, second, last):
        value.retain_grad()
    out = net.last(last).squeeze(1) * net.target_sd + net.target_mean
    (weights @ _column(metric, out, y)).backward()
    wanted = [first, second] if at == "preactivation" else [hidden, last]
    evaluation = Evaluation(network, opened.inputs(network, x), network.layers, at)
    found = evaluation.influences(Proxy(weights, FORMS[metric], y))  # type: ignore[arg-type]
    for one, value in zip(found, wanted, strict=True):
        assert value.grad is not None
        np.testing.assert_allclose(one.detach().numpy(), value.grad.mean(0).numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("metric", FORMS)
@pytest.mark.parametrize("k", [2, 3])
def test_the_slope_of_the_squared_loss_is_its_gradient(k: int, metric: str) -> None:
    generator = np.random.default_rng(k)
    codes, target = np.arange(60) % k, generator.normal(30, 7, 60)
    rows = replace(opened.sample(torch.zeros(60, 1), np.zeros(60), codes, k), target=target)
    objective = _setting(None, rows, metric).objective  # type: ignore[arg-type]
    scorer = objective.on(rows)
    own = torch.from_numpy(target + generator.normal(size=60)).double()
    numbers = Numbers(scorer, own, teacher=0.3)  # type: ignore[arg-type]
    rates = Rates(scorer.comparisons[0], False, memory=0.0, rounding=0.03)
    groups = torch.from_numpy(codes)
    loss = numbers.loss(numbers.columns, [(rates, groups, numbers.masses[0])], 1.7)
    assert isinstance(loss, SquaredLoss)
    predicted = torch.from_numpy(generator.normal(31, 7, 60)).requires_grad_()
    middle, unit = target.mean(), target.std()
    u, t = (predicted - middle) / unit, torch.from_numpy((target - middle) / unit)
    labels = 0.7 * t + 0.3 * (own - middle) / unit
    means = torch.stack([_column(metric, u, t)[groups == g].mean() for g in range(k)])
    bias = means.max() - means.min()
    (((u - labels) ** 2).mean() + 1.7 * torch.sqrt(bias**2 + 0.03**2)).backward()
    assert predicted.grad is not None
    np.testing.assert_allclose(loss.slope(predicted.detach()).numpy(), predicted.grad.numpy(), rtol=1e-9, atol=1e-14)


def test_without_penalty_and_with_its_own_labels_nothing_moves(tmp_path: Path) -> None:
    network = values.linear(tmp_path)
    given = _setting(network, values.rows_of(network, 300), eps=50.0)
    method = Finetune(first_penalty=1e-9, last_penalty=1e-9, epochs=2, teacher=1.0, averaging=0.0)
    for name, value in _every_state(method, given)[-1].items():
        np.testing.assert_allclose(value.numpy(), network.state[name].numpy(), atol=1e-3)


REPAIRS: list[Method] = [
    Finetune(epochs=16, lr=2e-3),
    GDA(lr=1e-3, epochs=12, patience=0),
    Prune(),
    Prune(fill="mean"),
    Prune(outgoing=False),
    Layerwise(evaluations=60),
    Perturb(trials=300, variance=0.25),
]


def _identity(method: Method) -> str:
    return " ".join([method.name, *method.flags()])


@pytest.mark.parametrize("form", ["scripted", "dynamic"])
@pytest.mark.parametrize("method", REPAIRS, ids=_identity)
def test_a_biased_regression_is_repaired(method: Method, form: str, tmp_path: Path) -> None:
    net, x, y, codes = values.trained()
    network = values.opened_value(net, tmp_path, form)
    rows = replace(opened.sample(x, np.zeros(len(y)), codes), target=y)
    given = _setting(network, rows, eps=1.2)
    assert abs(given.objective.on(rows).select(network.logits(rows)).bias) > 3
    repair = method.repair(given)
    assert repair.point.feasible
    assert repair.chosen > 0
    predicted = network.logits(rows, repair.state).astype(float)
    bias = predicted[codes == 0].mean() - predicted[codes == 1].mean()
    assert abs(bias) < 1.2
    assert repair.point.bias == pytest.approx(bias, abs=1e-3)
    assert repair.point.performance == pytest.approx(r2_score(y, predicted), abs=1e-4)
    assert repair.point.performance > 0.1
    assert np.isnan(repair.point.cut)
    assert repair.trajectory[0].quality == pytest.approx(r2_score(y, network.logits(rows)), abs=1e-6)


@pytest.mark.parametrize(
    "method", [Finetune(epochs=16, lr=2e-3, last_penalty=8.0), GDA(lr=3e-3, epochs=30)], ids=_identity
)
def test_the_dispersion_of_errors_falls(method: Method, tmp_path: Path) -> None:
    net, x, y, codes = values.trained()
    network = values.opened_value(net, tmp_path)
    noisy = y + np.where(codes == 1, 6, 0) * np.random.default_rng(0).normal(size=len(y))
    rows = replace(opened.sample(x, np.zeros(len(y)), codes), target=noisy)
    objective = _setting(network, rows, "mse-dispersion").objective
    before = objective.on(rows).select(network.logits(rows)).bias
    given = _setting(network, rows, "mse-dispersion", eps=0.8 * before)
    repair = method.repair(given)
    assert repair.point.feasible
    predicted = network.logits(rows, repair.state).astype(float)
    errors = [((predicted - noisy) ** 2)[codes == g].mean() for g in range(2)]
    assert np.std(errors) < 0.8 * before
    assert repair.point.bias == pytest.approx(np.std(errors), rel=1e-4)


@pytest.mark.parametrize("k", [3, 4])
@pytest.mark.parametrize("method", [Finetune(epochs=16, lr=2e-3), GDA(lr=5e-4, epochs=30)], ids=_identity)
def test_more_than_two_groups(method: Method, k: int, tmp_path: Path) -> None:
    net, x, y, _ = values.trained()
    network = values.opened_value(net, tmp_path)
    ranks = np.argsort(np.argsort(x[:, 0].numpy() + np.random.default_rng(0).normal(size=len(y))))
    codes = ranks * k // len(y)
    rows = replace(opened.sample(x, np.zeros(len(y)), codes, k), target=y)
    before = _setting(network, rows).objective.on(rows).select(network.logits(rows)).bias
    repair = method.repair(_setting(network, rows, eps=0.4 * before))
    assert repair.point.feasible
    predicted = network.logits(rows, repair.state).astype(float)
    means = [predicted[codes == g].mean() for g in range(k)]
    assert np.mean([abs(one - other) for i, one in enumerate(means) for other in means[:i]]) < 0.4 * before


@pytest.mark.parametrize("method", REPAIRS[:3], ids=_identity)
def test_a_seed_repeats_bit_for_bit(method: Method, tmp_path: Path) -> None:
    net, x, y, codes = values.trained()
    network = values.opened_value(net, tmp_path)
    rows = replace(opened.sample(x, np.zeros(len(y)), codes), target=y)
    one, other = (_every_state(method, _setting(network, rows)) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_methods_that_need_classes_say_so() -> None:
    objective = _setting(None, None).objective  # type: ignore[arg-type]
    refused = {}
    for name in methods.names():
        if problems := methods.load(name)().unsuited(objective):
            refused[name] = problems[0]
    assert set(refused) == {"threshold", "roc", "eqodds", "adversarial"}
    for name, problem in refused.items():
        assert problem.found.startswith(f"{name} is not for a network that predicts a number: ")
        assert "prune" in problem.remedy


@pytest.mark.parametrize("name", ["roc", "eqodds"])
def test_a_rule_is_refused_before_any_work(name: str, tmp_path: Path) -> None:
    network = values.linear(tmp_path)
    with pytest.raises((UsageError, ModelError), match="predicts a number"):
        methods.load(name)().repair(_setting(network, values.rows_of(network)))


def test_pruning_stops_where_it_is_asked_to(tmp_path: Path) -> None:
    net, x, y, codes = values.trained()
    network = values.opened_value(net, tmp_path)
    rows = replace(opened.sample(x, np.zeros(len(y)), codes), target=y)
    whole = Prune().repair(_setting(network, rows)).trajectory
    assert len(whole) == 1 + 18, "by default every unit is taken out"
    some = Prune(stop_below=0.5).repair(_setting(network, rows)).trajectory
    assert all(step.quality >= 0.5 for step in some[:-1])
    assert some[-1].quality < 0.5


def test_gradients_of_every_parameter(tmp_path: Path) -> None:
    """The gradients that gda follows, through the buffers of the output, are those of autograd."""
    torch.manual_seed(2)
    net = values.Scaled().double()
    network = values.opened_value(net, tmp_path)
    rows = values.rows_of(network, 40)
    x, y = rows.inputs["features"], torch.from_numpy(rows.target)
    weights = torch.randn(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (weights @ (net(x) - y) ** 2).backward()
    tuning = Tuning(network)
    proxy = Proxy(weights, "squared-error", y)
    gradients = tuning.gradients(opened.inputs(network, x), proxy.slope)
    optimizer = torch.optim.SGD(tuning.leaves, lr=1.0)
    for leaf, gradient in zip(tuning.leaves, gradients, strict=True):
        leaf.grad = gradient
    optimizer.step()
    for name, value in tuning.state().items():
        parameter = net.get_parameter(name)
        assert parameter.grad is not None
        np.testing.assert_allclose(value.numpy(), (parameter - parameter.grad).detach().numpy(), rtol=1e-8, atol=1e-9)
