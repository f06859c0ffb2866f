"""What a request refuses, all at once, what it measures, and the command that repeats it."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.errors import UsageError
from debias.run.request import Request


def request(**asked: Any) -> Request:
    return Request(**{"verb": "prune", "model": "m.pt", "data": "d.csv", "attr": "sex", "eps": 0.05, **asked})


def refused(**asked: Any) -> list[str]:
    with pytest.raises(UsageError) as caught:
        request(**asked)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"eps": None}, "--eps: no bound was given\n  A repair needs one, such as --eps 0.05."),
        ({"eps": None, "metric": "air"}, "--min-ratio: no bound was given\n  A repair needs one"),
        ({"metric": "air"}, "--eps: the impact ratio is bounded by its least value\n  Give --min-ratio 0.8 instead."),
        ({"metric": "impact-ratio", "min_ratio": 0.8}, "--eps: the impact ratio is bounded"),
        ({"min_ratio": 0.8}, "--min-ratio: is for the metric impact-ratio (air), the metric is 'statistical-parity'"),
        ({"metric": "air", "eps": None, "min_ratio": 1.0}, "--min-ratio: 1.0 is no ratio"),
        ({"metric": "air", "eps": None, "min_ratio": 0.0}, "--min-ratio: 0.0 is no ratio"),
        ({"metric": "air", "eps": None, "min_ratio": float("nan")}, "--min-ratio: nan is no ratio"),
        ({"metric": "air", "eps": None, "min_ratio": 0.995}, "--margin: 0.01 leaves no room"),
        ({"metric": "odds"}, "--metric: unknown metric 'odds'"),
        ({"confidence": 0.5}, "--confidence: 0.5 is no confidence"),
        ({"confidence": 1.0}, "--confidence: 1.0 is no confidence"),
        ({"performance": "recall"}, "--performance: unknown value 'recall'"),
        ({"selection": "best"}, "--selection: unknown value 'best'"),
        ({"min_group": -1}, "--min-group: -1 is no number of rows"),
        ({"attr": ()}, "--attr: no protected attribute named"),
        ({"attr": ("sex", "race", "sex")}, "--attr: 'sex' is named more than once"),
        ({"attr": ("sex", "")}, "--attr: no protected attribute named"),
        ({"eps": -2}, "--eps: -2 is no bound"),
        ({"eps": 2, "metric": "spd"}, "--eps: 2 is no bound"),
        ({"eps": 2, "task": "classification"}, "--eps: 2 is no bound"),
        ({"metric": "mdp", "task": "classification"}, "--metric: mean-difference is not for a network that predicts a"),
        ({"metric": "eod", "task": "regression"}, "--metric: equal-opportunity is not for a network that predicts a"),
        ({"performance": "auroc", "task": "regression"}, "--performance: auroc is not for a network that predicts a"),
        ({"performance": "r2", "task": "classification"}, "--performance: r2 is not for a network that predicts a"),
    ],
)
def test_requests_refused(asked: dict[str, Any], found: str) -> None:
    (problem,) = refused(**asked)
    assert problem.startswith(found)


def test_all_problems_at_once() -> None:
    problems = refused(
        attr=("a", "a", "b"), eps=3, metric="spd", min_ratio=7, performance="x", confidence=2, selection="y", seed=-1
    )
    flags = [problem.partition(":")[0] for problem in problems]
    assert flags.count("--eps") == 1  # wrong for both attributes, told once
    assert flags.count("--min-ratio") == 2  # no ratio, and none is asked
    assert {"--attr", "--performance", "--confidence", "--selection", "--seed"} < set(flags)


def test_an_audit_needs_no_bound() -> None:
    asked = request(verb="audit", eps=None)
    assert (asked.bound, asked.objective.margin) == (None, 0.0)
    assert request(verb="audit", eps=None, metric="air").bound is None


def test_one_constraint_for_each_attribute() -> None:
    asked = request(attr=["sex", "race*age"], metric="eqodds", performance="f1", selection="expected", confidence=0.9)
    objective = asked.objective
    assert [item.attribute for item in objective.constraints] == ["sex", "race*age"]
    assert {(item.metric, item.eps) for item in objective.constraints} == {("equalized-odds", 0.05)}
    assert (objective.performance, objective.selection, objective.confidence) == ("f1", "expected", 0.9)


def test_the_bound_of_the_impact_ratio() -> None:
    asked = request(eps=None, metric="air", min_ratio=0.75)
    assert asked.bound == asked.objective.constraints[0].eps == 0.25
    assert (asked.objective.constraints[0].metric, asked.objective.margin) == ("impact-ratio", 0.01)


def parsed(command: str) -> dict[str, Any]:
    """Return the options that the command line makes of a command."""
    import typer.main

    from debias.cli.main import app

    verb, *arguments = shlex.split(command)[1:]
    made = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    return dict(made.make_context(verb, arguments).params)


names = st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable())


@given(st.lists(names, min_size=1, max_size=3, unique=True), names)
def test_the_command_repeats_hostile_attributes(attr: list[str], group: str) -> None:
    asked = request(
        attr=attr, privileged=dict.fromkeys(attr, group), bins={attr[0]: [25, 40.5]}, min_group=7, confidence=0.9
    )
    params = parsed(asked.command() or "")
    again = request(**{name: params[name] for name in ("attr", "privileged", "bins", "min_group", "confidence", "eps")})
    assert again == asked


def test_the_command_repeats_every_flag() -> None:
    asked = request(
        attr=["sex", "se\nx * race"],
        eps=None,
        metric="air",
        min_ratio=0.8,
        performance="auroc",
        selection="confident",
        confidence=0.95,
        bins="25,",
    )
    params = parsed(asked.command() or "")
    for name in ("attr", "eps", "metric", "min_ratio", "performance", "selection", "confidence", "bins"):
        value = params[name]
        told = tuple(value) if isinstance(value, list) else getattr(value, "value", value)
        assert told == getattr(asked, name), name


def test_texts_of_bins() -> None:
    assert request(bins=[25]).bins == request(bins=np.array([25])).bins == ("25,",)
    assert request(bins="4").bins == request(bins=4).bins == ("4",)
    assert request(bins={"age": 4, "income": [1.5, 2]}).bins == ("age=4", "income=1.5,2,")
    assert request(bins=["age=4"]).bins == ("age=4",)
    assert request(bins=[]).bins is None
    assert request(privileged=0).privileged == ("0",)
