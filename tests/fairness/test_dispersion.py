from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from debias.fairness.counts import count
from debias.fairness.dispersion import dispersion, mean_pairwise, regression_dispersion, spread

MAYBE = st.one_of(st.just(float("nan")), st.floats(0, 1))


def rows(seed: int, n: int = 300, groups: int = 4) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    prob = random.random(n)
    return {
        "prob": prob,
        "decisions": prob >= 0.6,
        "y": (random.random(n) < prob).astype(np.int64),
        "codes": random.integers(0, groups, n),
        "weight": random.random(n),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ddof", [0, 1])
def test_as_fairlearn_and_numpy_have_it(weighted: bool, ddof: int) -> None:
    data = rows(0)
    weight = data["weight"] if weighted else None
    kinds = {"tpr": true_positive_rate, "fpr": false_positive_rate, "selection": selection_rate}
    extra = {name: {"sample_weight": data["weight"]} for name in kinds} if weighted else None
    frame = MetricFrame(
        metrics=kinds,
        y_true=data["y"],
        y_pred=data["decisions"].astype(int),
        sensitive_features=data["codes"],
        sample_params=extra,
    ).by_group
    counts = count(data["decisions"], data["y"], data["codes"], 4, weight)
    found = dispersion(counts, probabilities=data["prob"], codes=data["codes"], weight=weight, ddof=ddof)
    assert found.tpr_sd == pytest.approx(np.std(frame["tpr"].to_numpy(float), ddof=ddof), abs=1e-12)
    assert found.fpr_sd == pytest.approx(np.std(frame["fpr"].to_numpy(float), ddof=ddof), abs=1e-12)
    pairs = [abs(a - b) for a, b in itertools.combinations(frame["selection"], 2)]
    assert found.demographic_parity == pytest.approx(np.mean(pairs), abs=1e-12)
    w = np.ones(300) if weight is None else weight
    soft = [np.average(data["prob"][data["codes"] == g], weights=w[data["codes"] == g]) for g in range(4)]
    pairs = [abs(a - b) for a, b in itertools.combinations(soft, 2)]
    assert found.demographic_parity_soft == pytest.approx(np.mean(pairs), abs=1e-12)
    assert found.mse_sd is None
    assert found.undefined_groups == ()


def test_regression_by_hand() -> None:
    prediction, target = np.array([1.0, 2.0, 5.0, 9.0]), np.array([0.0, 2.0, 5.0, 6.0])
    found = regression_dispersion(prediction, target, np.array([0, 0, 1, 2]), 3)
    # MSE 1/2, 0, 9; means 3/2, 5, 9
    assert found.mse_sd == pytest.approx(np.std([0.5, 0.0, 9.0]))
    assert found.demographic_parity == pytest.approx((3.5 + 7.5 + 4.0) / 3)
    assert found.tpr_sd is found.fpr_sd is found.demographic_parity_soft is None


def test_a_group_without_positives_is_left_out_and_named() -> None:
    y = np.array([1, 0, 1, 0, 0, 0])
    decisions = np.array([True, False, False, True, True, False])
    codes = np.array([0, 0, 1, 1, 2, 2])
    found = dispersion(count(decisions, y, codes, 4), probabilities=np.full(6, 0.5), codes=codes)
    assert found.tpr_sd == pytest.approx(0.5)  # TPR 1 and 0
    assert found.fpr_sd == pytest.approx(np.std([0, 1, 0.5]))
    assert found.left_out == {
        "tpr_sd": (2, 3), "fpr_sd": (3,), "demographic_parity": (3,), "demographic_parity_soft": (3,)
    }  # fmt: skip
    assert found.undefined_groups == (2, 3)


def test_fewer_than_two_groups_are_undefined_and_never_0() -> None:
    y, decisions = np.array([1, 0, 1]), np.array([True, True, True])
    one = dispersion(count(decisions, y, np.array([0, 0, 0]), 2), probabilities=np.ones(3), codes=np.zeros(3, int))
    assert one.tpr_sd is one.fpr_sd is one.demographic_parity is one.demographic_parity_soft is None
    assert one.undefined_groups == (1,)
    nobody = regression_dispersion(np.ones(3), np.ones(3), np.full(3, -1), 2)
    assert nobody.mse_sd is nobody.demographic_parity is None
    assert nobody.undefined_groups == (0, 1)


def test_rows_without_a_group_take_no_part() -> None:
    data = rows(1)
    codes = np.where(np.arange(300) % 3 == 0, -1, data["codes"])
    kept = codes >= 0
    every = dispersion(
        count(data["decisions"], data["y"], codes, 4, data["weight"]),
        probabilities=data["prob"], codes=codes, weight=data["weight"],
    )  # fmt: skip
    some = dispersion(
        count(data["decisions"][kept], data["y"][kept], codes[kept], 4, data["weight"][kept]),
        probabilities=data["prob"][kept], codes=codes[kept], weight=data["weight"][kept],
    )  # fmt: skip
    assert every == some


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=MAYBE),
    st.sampled_from([0, 1]),
)
def test_any_number_of_groups_and_gaps(values: Any, ddof: int) -> None:
    sd, pairs = spread(values, ddof), mean_pairwise(values)
    for column, one, two in zip(values.T, sd, pairs, strict=True):
        there = [value for value in column if not np.isnan(value)]
        if len(there) < 2:
            assert np.isnan(one)
            assert np.isnan(two)
        else:
            assert one == pytest.approx(np.std(there, ddof=ddof), abs=1e-12)
            assert two == pytest.approx(np.mean([abs(a - b) for a, b in itertools.combinations(there, 2)]), abs=1e-12)
            assert one >= 0
            assert two >= 0


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="ddof"):
        spread(np.zeros(2), 2)
    counts = count(np.array([True]), np.array([1]), np.array([0]), 2)
    with pytest.raises(ValueError, match="codes"):
        dispersion(counts, probabilities=np.ones(1))
    with pytest.raises(ValueError, match="not finite"):
        dispersion(counts, probabilities=np.array([np.nan]), codes=np.array([0]))
    with pytest.raises(ValueError, match="not finite"):
        regression_dispersion(np.array([np.inf]), np.zeros(1), np.array([0]), 1)
