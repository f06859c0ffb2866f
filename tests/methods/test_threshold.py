"""The unchanged network at its best feasible common threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from debias.methods.base import Setting
from debias.methods.threshold import Threshold
from tests.model import opened


@pytest.mark.parametrize("form", opened.FORMS)
@pytest.mark.parametrize("name", ["relu", "head_softmax", "head_logit", "double"])
def test_no_other_cut_is_better(name: str, form: str, setting: Callable[..., Setting]) -> None:
    network = opened.network(name, form)
    given = setting(network, eps=0.3)
    repair = Threshold().repair(given)
    assert not repair.state
    assert not repair.uses_attribute
    assert len(repair.trajectory) == 1
    scorer = given.objective.on(given.select)
    logits = network.logits(given.select)
    performance, bias = scorer.at(logits > repair.point.cut)
    assert (performance, bias) == pytest.approx((repair.point.quality, repair.point.bias))
    assert repair.point.feasible
    assert abs(bias) < 0.29
    ordered = np.unique(logits.astype(np.float64))
    for cut in (ordered[1:] + ordered[:-1]) / 2:
        other, its_bias = scorer.at(logits > cut)
        assert not (abs(its_bias) < 0.29 and other > performance + 1e-12)


def test_where_no_cut_is_feasible_the_closest_is_named(setting: Callable[..., Setting]) -> None:
    given = setting(opened.network("relu"), eps=0.05, min_performance=0.7)
    repair = Threshold().repair(given)
    assert not repair.point.feasible
    assert repair.point.objective == 0
    assert repair.point.quality >= 0.7
