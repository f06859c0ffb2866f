"""The rules that choose among candidates, against simulated draws and against each other."""

import numpy as np
import pytest
from scipy.stats import norm

from debias.data.sample import Attribute, Sample, joined
from debias.fairness.noise import chance_within, difference_error, quantile, ratio_error
from debias.objective import Constraint, Objective
from debias.objective.selection import judge

EPS = np.array([0.05])


def test_the_margin_is_equation_3():
    judged = judge("margin", np.array([0.9, 0.8, 0.7]), np.array([[0.045, -0.0399, 0.04]]), None, EPS, margin=0.01)
    assert judged.feasible.tolist() == [False, True, False]
    assert judged.merit.tolist() == [0.9, 0.8, 0.7]


def test_the_expected_objective_is_performance_times_the_chance():
    differences, errors = np.array([[0.0, 0.04, 0.06]]), np.full((1, 3), 0.02)
    judged = judge("expected", np.ones(3), differences, errors, EPS, verdict_ratio=0.25)
    noise = 0.02 * np.sqrt(1 + 4)
    expected = norm.cdf((0.05 - differences[0]) / noise) - norm.cdf((-0.05 - differences[0]) / noise)
    assert judged.merit == pytest.approx(expected)
    assert judged.feasible.tolist() == [True, True, False]
    # Two constraints: both have to hold.
    twice = (np.vstack([differences] * 2), np.vstack([errors] * 2), np.array([0.05, 0.05]))
    both = judge("expected", np.ones(3), *twice, verdict_ratio=0.25)
    assert both.merit == pytest.approx(expected**2)


def test_the_chance_asked_for_is_a_share_of_what_no_bias_would_have():
    differences = np.array([[0.0, 0.01, 0.02, 0.03, 0.04, 0.049]])
    for error, ratio in ((0.002, 1.0), (0.02, 1.0), (0.05, 0.25)):
        noise = error * np.sqrt(1 + 1 / ratio)
        chance = norm.cdf((0.05 - differences[0]) / noise) - norm.cdf((-0.05 - differences[0]) / noise)
        judged = judge("chance", np.ones(6), differences, np.full((1, 6), error), EPS, verdict_ratio=ratio)
        assert judged.feasible.tolist() == (chance >= 0.99 * (2 * norm.cdf(0.05 / noise) - 1)).tolist()
        assert judged.feasible[0] and judged.merit.tolist() == [1.0] * 6
    # A gate that so few rows can hardly pass still asks for a small bias.
    gated = judge("chance", np.ones(6), differences, np.full((1, 6), 0.05), EPS, confidence=0.95)
    assert gated.feasible[0] and not gated.feasible[-1]


def test_a_gate_with_a_confidence_is_aimed_at():
    sure = judge("expected", np.ones(1), np.zeros((1, 1)), np.full((1, 1), 0.02), EPS, confidence=0.95)
    reach = EPS[0] - norm.ppf(0.95) * 0.02
    noise = 0.02 * np.sqrt(2)
    assert sure.merit[0] == pytest.approx(norm.cdf(reach / noise) - norm.cdf(-reach / noise))


def test_a_confident_choice_has_its_bounds_inside():
    differences = np.array([[0.0, 0.02, -0.03, np.nan]])
    judged = judge("confident", np.ones(4), differences, np.full((1, 4), 0.0155), EPS)
    # 1.645 · 0.0155 = 0.0255
    assert judged.feasible.tolist() == [True, True, False, False]


@pytest.mark.parametrize(("first", "second", "n"), [(0.3, 0.5, (200, 900)), (0.05, 0.1, (150, 3000))])
def test_errors_match_simulated_draws(first, second, n):
    random = np.random.default_rng(0)
    a, b = random.binomial(n[0], first, 200_000) / n[0], random.binomial(n[1], second, 200_000) / n[1]
    told = difference_error(np.array([first]), n[0], np.array([second]), n[1])[0]
    assert told == pytest.approx((a - b).std(), rel=0.05)
    kept = (a > 0) & (b > 0)
    ratio = (np.minimum(a, b) / np.maximum(a, b))[kept]
    assert ratio_error(np.array([first]), n[0], np.array([second]), n[1])[0] == pytest.approx(ratio.std(), rel=0.15)


def test_rates_of_0_and_1_are_not_without_noise():
    assert difference_error(np.array([0.0]), 20, np.array([1.0]), 20)[0] > 0.04
    assert chance_within(np.array([0.0, np.nan]), np.array([0.1, 0.1]), 0.1) == pytest.approx([0.6827, 0.0], abs=1e-4)
    assert quantile(0.95) == pytest.approx(norm.ppf(0.95))


def sample(n, seed):
    random = np.random.default_rng(seed)
    codes, y = random.integers(0, 2, n), random.integers(0, 2, n)
    return Sample({}, y, {"g": Attribute("g", codes, ("a", "b"), 1)}, np.arange(n))


def test_the_expected_rule_keeps_away_from_the_edge_where_rows_are_few():
    few = sample(400, 1)
    logits = (np.random.default_rng(2).normal(size=400) + few.y + 0.6 * few.attributes["g"].codes).astype(np.float32)
    points = {
        rule: Objective(Constraint("spd", "g", 0.11), margin=0.0, selection=rule).on(few).select(logits)
        for rule in ("margin", "expected", "confident")
    }
    assert abs(points["expected"].bias) < abs(points["margin"].bias)
    assert points["expected"].merit < points["expected"].quality
    assert abs(points["confident"].bias) < abs(points["margin"].bias)


def test_pooled_rows_count_for_the_bias_alone_and_for_less():
    select, train = sample(300, 3), sample(900, 4)
    pooled = joined(select, train)
    assert len(pooled) == 1200 and pooled.judged.sum() == 300
    logits = np.random.default_rng(5).normal(size=1200).astype(np.float32)
    scorer = Objective(Constraint("spd", "g", 0.25), min_performance=0.0).on(pooled)
    alone = Objective(Constraint("spd", "g", 0.25), min_performance=0.0).on(select)
    decisions = logits > 0.1
    assert scorer.judge(decisions).quality == pytest.approx(alone.judge(decisions[:300]).quality)
    codes, weight = pooled.attributes["g"].codes, np.repeat([1.0, 0.5], [300, 900])
    rates = [np.average(decisions[codes == group], weights=weight[codes == group]) for group in (0, 1)]
    assert scorer.judge(decisions).bias == pytest.approx(rates[0] - rates[1])
    sweep = scorer.sweep(logits)
    for index in range(0, len(sweep), 97):
        point = scorer.judge(logits > sweep.cuts[index])
        assert (sweep.quality[index], sweep.bias[index]) == pytest.approx((point.quality, point.bias))


@pytest.mark.parametrize("metric", ["tpr", "fpr"])
@pytest.mark.parametrize("favorable", ["positive", "negative"])
def test_labels_of_pooled_rows_are_in_part_the_networks_own_probabilities(metric, favorable):
    select, train = sample(200, 6), sample(500, 7)
    own = np.random.default_rng(8).random(500)
    pooled = joined(select, train, own)
    name = {"tpr": "eod", "fpr": "fprd"}[metric]
    scorer = Objective(Constraint(name, "g", 0.25), min_performance=0.0, favorable=favorable).on(pooled)
    logits = np.random.default_rng(9).normal(size=700).astype(np.float32)
    decisions = (logits > 0.2) == (favorable == "positive")
    label = np.concatenate([select.y, 0.8 * own + 0.2 * train.y])
    weight = np.repeat([1.0, 0.5], [200, 500])
    told = label if (metric == "tpr") == (favorable == "positive") else 1 - label
    codes = pooled.attributes["g"].codes
    rates = [np.average(decisions[codes == g], weights=(weight * told)[codes == g]) for g in (0, 1)]
    assert scorer.judge(logits > 0.2).bias == pytest.approx(rates[0] - rates[1])
    target = scorer.target(logits)
    proxy = scorer.proxy_weights(target) @ (logits > 0.2)
    assert proxy == pytest.approx(rates[0] - rates[1])
    sweep = scorer.sweep(logits)
    for index in range(0, len(sweep), 53):
        point = scorer.judge(logits > sweep.cuts[index])
        assert (sweep.quality[index], sweep.bias[index]) == pytest.approx((point.quality, point.bias))
    comparison = scorer.comparisons[0]
    part = comparison.part(scorer.weight)
    assert np.bincount(codes, weight * part, 2) == pytest.approx(comparison.sizes)
