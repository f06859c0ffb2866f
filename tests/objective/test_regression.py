"""The objective on rows of a regression, against scikit-learn and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import mean_squared_error, r2_score

from debias.data.sample import Attribute, Sample
from debias.errors import DataError, ModelError, UsageError
from debias.objective import Constraint, Objective, RegressionScorer, unfit_metrics
from debias.objective.comparison import Target
from debias.objective.heading import Heading
from tests.model import opened


def _sample(k: int = 2, weighted: bool = False, rows: int = 120) -> tuple[Sample, np.ndarray]:
    generator = np.random.default_rng(k)
    codes = np.arange(rows) % k
    target = generator.normal(30, 8, rows) + 4 * codes
    weight = generator.uniform(0.3, 2, rows) if weighted else None
    given = opened.sample(torch.zeros(rows, 1), np.zeros(rows), codes, k, weight)
    values = target + generator.normal(size=rows) * (1 + codes)
    return replace(given, target=target), values


def _objective(metric: str = "mdp", eps: float = 3.0, **asked: Any) -> Objective:
    return Objective(
        Constraint(metric, "a", eps),  # type: ignore[arg-type]
        **{"performance": "r2", "min_performance": 0.0, "margin": 0.0, **asked},
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 3])
def test_one_point_without_a_cut(k: int, weighted: bool) -> None:
    sample, values = _sample(k, weighted)
    w, codes = sample.weight, sample.attributes["a"].codes
    sweep = _objective().on(sample).sweep(values)
    assert len(sweep) == 1
    point = sweep.point(0)
    assert np.isnan(point.cut)
    assert point.performance == point.quality == pytest.approx(r2_score(sample.target, values, sample_weight=w))
    own = np.ones(len(codes)) if w is None else w
    means = [np.average(values[codes == g], weights=own[codes == g]) for g in range(k)]
    pairs = [abs(means[a] - means[b]) for a in range(k) for b in range(a)]
    wanted = means[0] - means[1] if k == 2 else np.mean(pairs)
    assert point.bias == pytest.approx(wanted)
    errors = [
        mean_squared_error(sample.target[codes == g], values[codes == g], sample_weight=own[codes == g])
        for g in range(k)
    ]
    found = _objective("msesd").on(sample).sweep(values)
    assert found.point(0).bias == pytest.approx(np.std(errors))


def test_the_margin_and_the_least_performance() -> None:
    sample, values = _sample()
    bias = abs(_objective().on(sample).select(values).bias)
    for eps, margin, least, feasible in [
        (bias + 0.1, 0.0, 0.0, True),
        (bias - 0.1, 0.0, 0.0, False),
        (bias + 0.1, 0.2, 0.0, False),
        (bias + 0.1, 0.0, 0.99, False),
    ]:
        objective = _objective(eps=eps, margin=margin, min_performance=least)
        point = objective.on(sample).select(values)
        assert point.feasible == feasible
        assert point.objective == (point.performance if feasible else 0)


@pytest.mark.parametrize("ratio", [1.0, 0.25])
def test_the_chance_that_the_bound_holds_by_the_normal_distribution(ratio: float) -> None:
    sample, values = _sample(rows=400)
    codes = sample.attributes["a"].codes
    parts = [values[codes == g] for g in range(2)]
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts))
    noise, gap = error * np.sqrt(1 + 1 / ratio), parts[0].mean() - parts[1].mean()

    def feasible(eps: float) -> bool:
        chance = norm.cdf((eps - gap) / noise) - norm.cdf((-eps - gap) / noise)
        return chance >= 0.99 * (norm.cdf(eps / noise) - norm.cdf(-eps / noise)) and abs(gap) < eps

    bounds = np.linspace(abs(gap) * 0.9, abs(gap) + 5 * noise, 25)
    wanted = [feasible(eps) for eps in bounds]
    assert True in wanted
    assert False in wanted
    for eps, one in zip(bounds, wanted, strict=True):
        objective = _objective(eps=float(eps), selection="chance", verdict_ratio=ratio)
        assert objective.on(sample).select(values).feasible == one


def test_predictions_alike_within_groups_have_no_noise() -> None:
    sample, _ = _sample()
    values = 30.0 + sample.attributes["a"].codes
    for eps, feasible in [(1.01, True), (0.99, False)]:
        assert _objective(eps=eps, selection="chance", min_performance=0.0).on(sample).sweep(
            values
        ).differences.tolist() == [[-1.0]]
        objective = replace(_objective(eps=eps, selection="chance"), min_performance=0.0)
        sweep = objective.on(sample).sweep(values)
        assert bool((abs(sweep.differences) < eps).all()) == feasible


def test_several_attributes_must_all_hold() -> None:
    sample, values = _sample()
    other = Attribute("b", np.random.default_rng(0).integers(0, 2, len(sample)), ("x", "y"), 1)
    sample = replace(sample, attributes={**sample.attributes, "b": other})
    constraints = (Constraint("mean-difference", "a", 0.5), Constraint("mean-difference", "b", 50.0))
    point = replace(_objective(), constraints=constraints).on(sample).select(values)
    assert not point.feasible
    assert len(point.biases) == 2
    assert point.bias == point.biases[0], "that which uses up most of its bound"


def test_the_target_of_two_groups_and_of_the_extremes_of_more() -> None:
    for k in (2, 3):
        sample, values = _sample(k)
        codes = sample.attributes["a"].codes
        for metric, column in (("mdp", values), ("msesd", (values - sample.target) ** 2)):
            scorer = _objective(metric).on(sample)
            means = [column[codes == g].mean() for g in range(k)]
            pair = (0, 1) if k == 2 else (int(np.argmin(means)), int(np.argmax(means)))
            target = scorer.target(values)
            assert target.pair == pair
            assert target.bias == pytest.approx(means[pair[0]] - means[pair[1]])
            weights = scorer.proxy_weights(target)
            assert weights @ column == pytest.approx(target.bias)
            heading = Heading(scorer, values)
            assert heading.sign == (1 if target.bias > 0 else -1)


def test_rows_for_gradients_count_for_means_alone() -> None:
    sample, values = _sample()
    judged = np.arange(len(sample)) < 60
    pooled = replace(sample, judged=judged)
    alone, codes = sample.take(np.flatnonzero(judged)), sample.attributes["a"].codes
    point = _objective().on(pooled).select(values)
    assert point.performance == pytest.approx(r2_score(sample.target[judged], values[judged]))
    assert point.bias == pytest.approx(values[codes == 0].mean() - values[codes == 1].mean())
    errors = _objective("msesd").on(pooled).select(values)
    assert errors.bias == pytest.approx(_objective("msesd").on(alone).select(values[judged]).bias)


def test_what_cannot_be_measured_is_told() -> None:
    sample, values = _sample()
    with pytest.raises(DataError, match="target is the same"):
        _objective().on(replace(sample, target=np.full(len(sample), 3.0)))
    with pytest.raises(DataError, match="no finite numbers"):
        _objective().on(replace(sample, target=np.where(np.arange(len(sample)) == 4, np.inf, sample.target)))
    lacking = replace(sample, attributes={"a": replace(sample.attributes["a"], codes=np.zeros(len(sample), int))})
    with pytest.raises(DataError, match="group 'g1' of attribute 'a' has no rows"):
        _objective().on(lacking)
    with pytest.raises(DataError, match="there are no rows"):
        _objective().on(sample.take(np.arange(0)))
    values[7] = np.nan
    with pytest.raises(ModelError, match=r"NaN or infinite scores for 1 of 120 rows \(the first: row 8"):
        _objective().on(sample).sweep(values)


def test_metrics_are_for_what_the_network_predicts() -> None:
    sample, _ = _sample()
    with pytest.raises(UsageError, match="statistical-parity is not for a network that predicts a number"):
        Objective(Constraint("statistical-parity", "a", 0.1)).on(sample)
    with pytest.raises(UsageError, match="mean-difference is not for a network that predicts a class"):
        _objective().on(replace(sample, target=None, y=np.arange(120) // 2 % 2))
    (problem,) = unfit_metrics(["eod", "eod", "msesd"], "regression")
    assert "mean-difference (mdp), mse-dispersion (msesd)" in problem.remedy
    assert unfit_metrics(["mdp", "mse-dispersion"], "regression") == []
    with pytest.raises(UsageError, match="Give r2"):
        _objective(performance="auroc")
    with pytest.raises(UsageError, match="r2 is not for a network that predicts a class"):
        Objective(Constraint("statistical-parity", "a", 0.1), performance="r2")
    with pytest.raises(UsageError, match="metrics of one kind"):
        Objective((Constraint("statistical-parity", "a", 0.1), Constraint("mean-difference", "a", 0.1)))


@pytest.mark.parametrize(("eps", "fits"), [(120.0, True), (1e-9, True), (0.0, False), (np.inf, False), (np.nan, False)])
def test_a_bound_in_units_of_the_target(eps: float, fits: bool) -> None:
    if fits:
        assert _objective(eps=eps).constraints[0].eps == eps
    else:
        with pytest.raises(UsageError, match="is no bound"):
            _objective(eps=eps)


def test_the_right_judge_is_bound() -> None:
    sample, _ = _sample()
    scorer = _objective().on(sample)
    assert isinstance(scorer, RegressionScorer)
    assert scorer.truth is sample.target
    with pytest.raises(DataError, match="has no rows"):
        scorer.proxy_weights(Target(0, (0, 2), 1.0))
