"""Settings: defaults, ranges, flags."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any, get_args, get_type_hints

import pytest

from debias.errors import UsageError
from debias.flags import Flag
from debias.training.settings import Settings


def test_the_mixed_weight_is_tied_unless_given() -> None:
    assert Settings(lambda_fair=0.7).fair_mixed == 0.7
    assert Settings(lambda_fair=0.7, lambda_fair_mixed=0.0).fair_mixed == 0.0
    assert Settings().lambda_fair == 0.3


def test_every_setting_is_a_flag_and_documented() -> None:
    hints = get_type_hints(Settings, include_extras=True)
    for field in dataclasses.fields(Settings):
        assert any(isinstance(item, Flag) for item in get_args(hints[field.name])), field.name
        assert field.name in (Settings.__doc__ or ""), field.name


def test_settings_are_json() -> None:
    told = Settings(hidden=(4, 2)).as_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["hidden"] == [4, 2]


def test_everything_out_of_range_is_told_at_once() -> None:
    wrong: dict[str, Any] = {
        "epochs": 0,
        "batch_size": 0,
        "adversary_steps": 0,
        "lr": math.nan,
        "lr_adversary": 0.0,
        "prior_sd": -1.0,
        "patience": -1,
        "warmup": -1,
        "lambda_fair": -0.1,
        "lambda_swap": math.inf,
        "dropout": 1.0,
        "hidden": (),
        "adversary_hidden": (4, 0),
        "slopes": "both",
        "adversary_input": "score",
    }
    with pytest.raises(UsageError) as caught:
        Settings(**wrong)
    assert {problem.where for problem in caught.value.problems} == {f"--{name.replace('_', '-')}" for name in wrong}
