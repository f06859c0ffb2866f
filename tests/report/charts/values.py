"""Report values with every part that is drawn: small, without parts, of others' names, and as large as they come."""

from __future__ import annotations

import math
import random
from typing import Any

from debias.report.values.comparison import Comparison
from debias.report.values.report import Report
from debias.report.values.training import TrainingReport
from debias.report.values.tuning import Tuning
from tests.report import examples
from tests.report.test_adaptation import adaptation
from tests.report.test_comparison import candidate, comparison, point
from tests.report.test_crossval import crossvalidation
from tests.report.test_importance import importance, with_probes
from tests.report.test_training import epoch, training
from tests.report.test_tuning import trial, tuning
from tests.report.test_verification import verification

NAMES = (
    "$x_1$ costs 5$ & <b>_^{more}\\frac{1}{2}",
    "</text></svg><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x00\x1b[31m\ud800\uffff\u202e",
    "]]>-->&#0;&amp;",
    " \n ",
    "",
    "長い名前" * 20,
    "x" * 100_000,
)
"""Names that others may choose."""


def interval(value: float, room: float = 0.05) -> dict[str, Any]:
    return {"low": value - room, "high": value + room, "confidence": 0.95, "method": "wilson"}


def group(name: str, rate: float, n: int = 200, **changes: Any) -> dict[str, Any]:
    values = {"selection_rate": rate, "tpr": min(1.0, rate + 0.2), "fpr": rate / 2, **changes}
    return examples.group(name, round(n * rate), n=n, **values)


def parity(attribute: str, names: list[str], rates: list[float], **changes: Any) -> dict[str, Any]:
    bias = min(rates) - max(rates)
    values = {
        "attribute": attribute,
        "bias": bias,
        "mean_pairwise": -bias / 2,
        "pair": (names[0], names[-1]),
        "sentence": "a sentence",
        "interval": interval(bias),
        "groups": [group(name, rate) for name, rate in zip(names, rates, strict=True)],
    }
    return {**values, **changes}


def figures(attributes: dict[str, list[str]], shift: float = 0.0) -> dict[str, Any]:
    def rates(names: list[str]) -> list[float]:
        return [0.2 + shift + 0.5 * place / len(names) for place in range(len(names))]

    parities = [parity(name, names, rates(names)) for name, names in attributes.items()]
    spread = {"tpr_sd": 0.08 - shift / 2, "fpr_sd": 0.07, "mse_sd": None, "attribute_swap": 0.105}
    dispersion = [
        {"attribute": name, "groups": len(names), "demographic_parity": 0.3, "demographic_parity_soft": None, **spread}
        for name, names in attributes.items()
    ]
    return examples.figures(parities[0]["bias"], parities=parities, dispersion=dispersion)


def sweep(network: str, points: int, attributes: int, rise: float) -> dict[str, Any]:
    def point(place: int) -> dict[str, Any]:
        at = place / (points - 1)
        wave = math.sin(math.pi * at)
        biases = [-rise * wave / (number + 1) for number in range(attributes)]
        return {"threshold": at, "balanced_accuracy": 0.5 + 0.3 * wave, "selection_rate": 1 - at, "biases": biases}

    return {"network": network, "deployed": 0.5, "points": [point(place) for place in range(points)]}


def layer(name: str, units: int, relative: float, pruned: list[int], **changes: Any) -> dict[str, Any]:
    size = 10 * units
    values = {"layer": name, "units": units, "inputs": 9, "pruned": pruned, "weights": size, "changed": size // 2}
    return {**values, "relative": relative, "largest": 0.25, **changes}


def crossing(first: list[str], second: list[str]) -> dict[str, Any]:
    cells = [
        {
            "groups": [one, other],
            "before": group(other, 0.1 + 0.7 * (row + column) / (len(first) + len(second)), n=20 + 10 * column),
            "after": group(other, 0.3 + 0.01 * row, n=20 + 10 * column),
        }
        for row, one in enumerate(first)
        for column, other in enumerate(second)
        if (row, column) != (0, 1)
    ]
    return {"attributes": ["sex", "age"], "cells": cells, "unknown": 7}


def effects(names: list[str], attributes: dict[str, list[str]], shift: float = 0.0) -> dict[str, Any]:
    def cluster(place: int, name: str) -> dict[str, Any]:
        rate = 0.2 + shift + 0.5 * place / len(names)
        return {
            "name": name,
            "known": place % 3 != 2,
            "n": 100 + place,
            "positives": 30,
            "selected": 25,
            "selection_rate": rate,
            "selection_interval": interval(rate),
            "balanced_accuracy": 0.79,
            "biases": [
                {"attribute": attribute, "bias": -rate / 2, "interval": interval(-rate / 2, 0.1)}
                for attribute in attributes
            ],
        }

    return {"cluster": "site", "known": names, "seen": 100, "clusters": [cluster(*one) for one in enumerate(names)]}


def impact(attribute: str, names: list[str]) -> dict[str, Any]:
    def one(place: int, name: str) -> dict[str, Any]:
        ratio = (place + 1) / len(names)
        compared = {"ratio": ratio, "below_four_fifths": ratio < 0.8, "fisher_p": None, "z": None, "z_p": None}
        rate = {"n": 100, "share": 0.1, "small": False, "selected": 10, "rate": 0.6 * ratio}
        return {"groups": [name], "highest": compared, "privileged": None, **rate}

    rates = {"rate": "selection", "highest": [names[-1]], "groups": [one(*each) for each in enumerate(names)]}
    return {"attributes": [attribute], "n": 500, "small_share": 0.02, "before": [rates], "after": [rates]}


def full(
    attributes: dict[str, list[str]] | None = None,
    clusters: list[str] | None = None,
    layers: list[dict[str, Any]] | None = None,
    steps: int = 30,
    points: int = 60,
    **changes: Any,
) -> Report:
    """Return a repair with all that charts draw; `changes` replace keys."""
    attributes = attributes or {"sex": ["f", "m"], "age": ["< 25", "25-40", ">= 40"]}
    clusters = clusters or [f"site {number}" for number in range(6)]
    pair = [*attributes.values()]
    hidden = [layer("hidden.0", 32, 0.0, [0, 1, 5]), layer("hidden.4", 16, 0.8, [])]
    trajectory = [
        {"step": step, "bias": -0.3 + 0.4 * step / steps, "balanced_accuracy": 0.8 - step / steps / 5, "objective": 0.0}
        for step in range(steps)
    ]
    base = examples.report().model_dump()
    values = {
        "attributes": [{"name": name, "groups": names, "privileged": None} for name, names in attributes.items()],
        "before": figures(attributes),
        "threshold_only": figures(attributes, 0.02),
        "after": figures(attributes, 0.1),
        "trajectory": trajectory,
        "change": {**base["change"], "chosen_step": steps // 2},
        "sweeps": [sweep(name, points, len(attributes), rise) for name, rise in (("before", 0.4), ("after", 0.1))],
        "layers": layers or [*hidden, layer("out", 1, 0.4, [], output=True), layer("norm", 16, 0.1, [], kind="other")],
        "crossings": [crossing(pair[0], pair[-1])],
        "effects_before": effects(clusters, attributes),
        "effects": effects(clusters, attributes, 0.1),
        "information": [
            {"attribute": name, "prediction": head, "bits": 0.02, "error": 0.01, "entropy": 0.9, "rows": 500}
            for name in attributes
            for head in ("mixed", "fixed")
        ],
        "impacts": [impact(name, names) for name, names in attributes.items()],
    }
    return examples.report(**{**values, **changes})


def regression() -> Report:
    """Return a repair of a regression."""

    def means(shift: float) -> dict[str, Any]:
        undefined = dict.fromkeys(("positives", "selected", "selection_rate", "tpr", "fpr", "balanced_accuracy"))
        own = {**undefined, "accuracy": None, "mae": 1.5, "mse_share": 0.4, "mean_target": 11.0}
        groups = [
            {**group(name, 0.5), **own, "mean_prediction": 10.5 - at + shift, "mse": 2.0 + at}
            for at, name in enumerate(("f", "m"))
        ]
        none = dict.fromkeys(("balanced_accuracy", "accuracy", "f1", "auroc", "brier", "threshold"))
        parities = [examples.parity(1.0 - shift, groups=groups)]
        return examples.figures(1.0 - shift, parities=parities, **{**none, "r2": 0.4, "mse": 2.5, "mae": 1.1})

    steps = [{"step": step, "bias": 1 - step / 9, "r2": 0.4 - step / 90, "objective": 0.0} for step in range(9)]
    asked = {"metric": "mean-difference", "task": "regression", "performance": "r2", "threshold": None, "eps": 0.5}
    base = examples.report().model_dump()
    return examples.report(
        before=means(0.0),
        after=means(0.7),
        threshold_only=None,
        best_threshold=None,
        selection=None,
        trajectory=steps,
        change={**base["change"], "chosen_step": 4},
        positive_label=None,
        decision=None,
        **asked,
    )


def hostile() -> Report:
    """Return a repair whose every name was chosen by others."""
    names = list(NAMES)
    layers = [layer(name, 8, 0.5, [1]) for name in names]
    return full({NAMES[0]: names, NAMES[8]: names[:2]}, clusters=names, layers=layers)


def large() -> Report:
    """Return a repair as large as they come: 60 groups, 300 clusters, 40 layers of 512 units, 2,000 steps."""
    draw = random.Random(0)
    layers = [
        layer(f"encoder.block.{number}.linear", 512, draw.random(), sorted(draw.sample(range(512), 150)))
        for number in range(40)
    ]
    names = [f"group number {number}" for number in range(60)]
    clusters = [f"cluster {number}" for number in range(300)]
    attributes = {"origin": names, "sex": ["f", "m"]}
    return full(attributes, clusters, layers, steps=2000, points=201)


def many_methods() -> Comparison:
    """Return a comparison of more methods than there are colours."""
    methods = [f"method {number}" for number in range(14)]
    front = [
        point(method, step, -0.3 * step / 40, 0.6 + 0.005 * step - 0.01 * number, chosen=step == 20)
        for number, method in enumerate(methods)
        for step in range(40)
    ]
    verdicts = ("pass", "fail", "inconclusive", "no-bound")
    candidates = [
        candidate(method, winner=not number, verdict=verdicts[number % 4], after=examples.figures(-0.01 * number))
        for number, method in enumerate(methods)
    ]
    return comparison(winner=methods[0], candidates=candidates, front=front)


def many_trials() -> Tuning:
    """Return a search of 500 trials."""
    draw = random.Random(1)
    states = ("complete", "complete", "complete", "pruned", "diverged")
    trials = [
        trial(number, 0.5 + 0.3 * draw.random(), 0.3 * draw.random(), state=states[number % 5], front=number % 60 == 0)
        for number in range(499)
    ]
    trials.append(trial(499, 0.81, 0.1, chosen=True, front=True))
    return tuning(trials=trials, asked=500, training=training(history=[epoch(number) for number in range(1, 300)]))


def heads() -> TrainingReport:
    """Return a training whose history has two predictions, one of them undefined at first."""
    history = [
        epoch(number, balanced_accuracy_fixed=None if number < 3 else 0.7, auroc=0.8, dispersion_fixed=0.2)
        for number in range(1, 12)
    ]
    return training(history=history)


def every() -> dict[str, Any]:
    """Return a value of every kind, by name."""
    return {
        "repair": full(),
        "plain repair": examples.report(),
        "audit": examples.audit(),
        "regression": regression(),
        "comparison": comparison(),
        "many methods": many_methods(),
        "training": training(),
        "two predictions": heads(),
        "tuning": tuning(),
        "cross-validation": crossvalidation(),
        "importance": importance(),
        "probes": with_probes(),
        "adaptation": adaptation(),
        "inspection": examples.inspection(),
        "verification": verification(),
        "fleet": examples.fleet(),
    }
