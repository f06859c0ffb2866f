"""Which methods take part, with which settings."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from debias import methods
from debias.errors import UsageError
from debias.experiments.compare.contestants import contestants, flags
from debias.methods.gda import GDA
from debias.methods.prune import Prune


def names(*asked: Any, **settings: Any) -> list[str]:
    return [method.name for method in contestants(asked or None, settings)]


def test_all_take_part_in_the_order_of_their_names() -> None:
    assert names() == list(methods.names())
    assert flags(contestants()) == []


def test_the_yardstick_always_takes_part_and_comes_first() -> None:
    assert names("prune", "gda") == ["threshold", "gda", "prune"]
    assert names("threshold") == ["threshold"]


def test_settings_are_read_as_on_the_command_line() -> None:
    given = {
        "gda": {"lr": "0.001", "batch-size": "64", "optimizer": "sgd", "one_batch": "true"},
        "prune": {"outgoing": "no", "steps": "none"},
    }
    _, gda, prune = contestants(["prune", "gda"], given)
    assert isinstance(gda, GDA)
    assert (gda.lr, gda.batch_size, gda.optimizer, gda.one_batch) == (0.001, 64, "sgd", True)
    assert isinstance(prune, Prune)
    assert (prune.outgoing, prune.steps) == (False, None)


def test_values_and_methods_as_python_has_them() -> None:
    _, gda = contestants([GDA(epochs=7)], {"gda": {"lr": 0.5}})
    assert gda == GDA(epochs=7, lr=0.5)


def test_flags_give_the_same_again() -> None:
    first = contestants(["gda", "prune"], {"gda": {"lr": "0.001"}, "prune": {"outgoing": "false"}})
    told = flags(first)
    assert told == ["--methods", "threshold,gda,prune", "--set", "gda.lr=0.001", "--set", "prune.outgoing=False"]
    settings: dict[str, dict[str, str]] = {}
    for text in told[3::2]:
        left, _, value = text.partition("=")
        method, _, name = left.partition(".")
        settings.setdefault(method, {})[name] = value
    assert contestants(told[1].split(","), settings) == first


def test_everything_that_is_wrong_is_told_at_once() -> None:
    given = {
        "gda": {"lr": "fast", "rate": "1", "optimizer": "lbfgs"},
        "prune": {"quantile": "1"},
        "magic": {"x": "1"},
        "perturb": {},
    }
    with pytest.raises(UsageError) as caught:
        contestants(["gda", "prune", "gda", "unknown"], given)
    told = [(problem.where, problem.found) for problem in caught.value.problems]
    own = ", ".join(item.name for item in dataclasses.fields(GDA))
    assert [item for item in told if item[0] == "--methods"] == [
        ("--methods", "gda is named twice"),
        ("--methods", "there is no method 'unknown'"),
    ]
    assert ("--set", "there is no method 'magic'") in told
    assert ("--set", "perturb takes no part, so it needs no settings") in told
    assert ("--set gda.lr", "'fast' does not fit") in told
    assert ("--set gda.optimizer", "'lbfgs' does not fit") in told
    assert ("--set prune.quantile", "prune has no setting 'quantile'") in told
    assert f"Settings of gda: {own}." in str(caught.value)


def test_a_value_that_the_method_refuses_names_the_method() -> None:
    with pytest.raises(UsageError) as caught:
        contestants(["gda"], {"gda": {"lr": "-1", "epochs": "0"}})
    assert [problem.where for problem in caught.value.problems] == ["gda --lr", "gda --epochs"]
