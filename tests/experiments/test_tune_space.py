"""What is searched for each kind, and how parameters become settings."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.errors import UsageError
from debias.experiments.tune.space import LAYERS, Range, searched, space
from debias.training.fit import first_eligible
from debias.training.kinds import KINDS
from debias.training.settings import Settings

optuna = pytest.importorskip("optuna")

NETWORK = {"lr", "batch_size", "layers", "units_1", "units_2", "units_3", "dropout", "class_weights"}
ADVERSARIES = {"adversary_ratio", "adversary_steps"}
EFFECTS = {"lambda_fixed", "kl", "prior_sd"}
OF_KIND: dict[str, set[str]] = {
    "nnet": NETWORK,
    "cluster-input": NETWORK,
    "da": NETWORK | ADVERSARIES | {"lambda_cluster"},
    "fair-adb-da": NETWORK | ADVERSARIES | {"lambda_cluster", "lambda_fair"},
    "fair-acl-da": NETWORK | ADVERSARIES | {"lambda_cluster", "lambda_correlation"},
    "medl": NETWORK | ADVERSARIES | {"lambda_cluster"} | EFFECTS,
    "fair-adb-medl": NETWORK | ADVERSARIES | {"lambda_cluster", "lambda_fair"} | EFFECTS,
    "fair-adb-nnet": NETWORK | ADVERSARIES | {"lambda_fair"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_searched_for_what_it_uses(kind: str) -> None:
    assert set(searched(space(KINDS[kind], "classification"))) == OF_KIND[kind]
    assert set(searched(space(KINDS[kind], "regression"))) == OF_KIND[kind] - {"class_weights"}
    untied = OF_KIND[kind] | ({"lambda_fair_mixed"} if kind == "fair-adb-medl" else set())
    assert set(searched(space(KINDS[kind], "classification", tied=False))) == untied


def test_the_ranges() -> None:
    kinds = ("fair-adb-medl", "fair-acl-da")
    told = {name: text for kind in kinds for name, text in searched(space(KINDS[kind], "classification")).items()}
    assert told == {
        "lr": "0.0003 to 0.005, log",
        "adversary_ratio": "1 to 5",
        "batch_size": "64, 128, 256, 512",
        "class_weights": "on, off",
        "lambda_fixed": "0.3 to 3",
        "lambda_cluster": "0.01 to 1, log",
        "kl": "0.1 to 10, log",
        "prior_sd": "0.03 to 0.5, log",
        "lambda_fair": "0.03 to 3, log",
        "lambda_correlation": "0.03 to 1, log",
        "adversary_steps": "1, 3",
        "layers": "1 to 3",
        **{f"units_{layer}": "8 to 128, log" for layer in (1, 2, 3)},
        "dropout": "0 to 0.3",
    }


def value(item: Range) -> st.SearchStrategy[Any]:
    if item.choices:
        return st.sampled_from(item.choices)
    if item.whole:
        return st.integers(int(item.low), int(item.high))
    return st.floats(item.low, item.high)


@given(st.data(), st.sampled_from(sorted(KINDS)))
def test_parameters_become_settings(data: st.DataObject, kind: str) -> None:
    found = space(KINDS[kind], "classification", tied=False)
    parameters = {item.name: data.draw(value(item), item.name) for item in found.ranges}
    settings = found.settings(parameters)
    assert settings.hidden == tuple(parameters[f"units_{n + 1}"] for n in range(parameters["layers"]))
    made = {"layers", "adversary_ratio", *(f"units_{n + 1}" for n in range(LAYERS))}
    assert all(getattr(settings, name) == value for name, value in parameters.items() if name not in made)
    if "adversary_ratio" in parameters:
        assert settings.lr_adversary == parameters["lr"] * parameters["adversary_ratio"]
    searched_for = {*parameters, "hidden", "lr_adversary"} - made
    others = {name: value for name, value in settings.as_dict().items() if name not in searched_for}
    expected = Settings(epochs=27, warmup=1 if KINDS[kind].adversarial else 3).as_dict()
    assert others == {name: value for name, value in expected.items() if name in others}


@given(st.integers(0, 2**32 - 1))
def test_what_optuna_draws_lies_in_the_ranges(seed: int) -> None:
    found = space(KINDS["fair-adb-medl"], "classification")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    for item in found.ranges:
        drawn = item.suggest(trial)
        assert trial.distributions[item.name] == item.distribution()
        assert drawn in item.choices if item.choices else item.low <= drawn <= item.high
        assert not item.whole or isinstance(drawn, int)


def test_what_is_fixed_is_not_searched() -> None:
    fixed = {"hidden": (4,), "lr_adversary": 0.002, "lambda_fair": 1.0, "epochs": 9, "kl": 2.0}
    found = space(KINDS["fair-adb-medl"], "classification", fixed)
    left = OF_KIND["fair-adb-medl"] - {
        "layers",
        "units_1",
        "units_2",
        "units_3",
        "adversary_ratio",
        "lambda_fair",
        "kl",
    }
    assert set(searched(found)) == left
    settings = found.settings({"lr": 0.003})
    assert {name: getattr(settings, name) for name in fixed} == fixed
    assert (found.least, found.most) == (3, 9)
    # The ratio is in units of the rate of the network, searched or not.
    assert space(KINDS["da"], "classification", {"lr": 0.5}).settings({"adversary_ratio": 2.0}).lr_adversary == 1.0


@pytest.mark.parametrize("epochs", [1, 2, 3, 27])
@pytest.mark.parametrize("kind", KINDS)
def test_the_shortest_trial_has_an_epoch_that_can_be_chosen(kind: str, epochs: int) -> None:
    found = space(KINDS[kind], "classification", {"epochs": epochs})
    assert first_eligible(KINDS[kind], found.base) <= found.least == min(3, epochs)


@pytest.mark.parametrize(("warmup", "epochs"), [(3, 27), (2, 3), (8, 9)])
def test_a_warm_up_as_long_as_the_shortest_trial_is_refused(warmup: int, epochs: int) -> None:
    with pytest.raises(UsageError, match="no shorter than the shortest trial"):
        space(KINDS["medl"], "classification", {"warmup": warmup, "epochs": epochs})
    assert space(KINDS["nnet"], "classification", {"warmup": warmup, "epochs": epochs}).base.warmup == warmup


def test_nothing_left_to_search_is_refused() -> None:
    every = {name: value for name, value in vars(Settings(epochs=9, warmup=1)).items() if not isinstance(value, float)}
    every |= {
        name: value for name, value in vars(Settings()).items() if isinstance(value, float) and not math.isnan(value)
    }
    with pytest.raises(UsageError, match="every setting is fixed"):
        space(KINDS["medl"], "classification", every)
