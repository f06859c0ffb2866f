"""A value of each kind for the page, and text that tries to break out of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.report.as_json import to_json
from debias.report.html import to_html
from debias.report.values.report import Report
from debias.run.differing import diff
from tests.kept import kept
from tests.report import examples
from tests.report.charts import values as charted
from tests.report.test_adaptation import adaptation
from tests.report.test_comparison import comparison
from tests.report.test_crossval import crossvalidation
from tests.report.test_importance import importance
from tests.report.test_training import training
from tests.report.test_tuning import tuning
from tests.report.test_verification import verification

if TYPE_CHECKING:
    from debias.report.values.every import Value

EVERY: dict[str, Callable[[], Value]] = {
    "repair": lambda: full(),
    "bare repair": lambda: examples.report(),
    "audit": lambda: examples.audit(),
    "regression": lambda: charted.regression(),
    "clusters and impact ratios": lambda: charted.full(),
    "inspection": lambda: examples.inspection(),
    "comparison": lambda: comparison(report=full()),
    "importance": lambda: importance(),
    "training": lambda: training(),
    "crossval": lambda: crossvalidation(),
    "tuning": lambda: tuning(),
    "adaptation": lambda: adaptation(),
    "verification": lambda: verification(),
    "fleet": lambda: examples.fleet(),
}

HOSTILE = (
    "</title></style></script></svg></table><img src=x onerror=alert(1)><script>alert(2)</script>"
    "<a href='javascript:alert(3)'>\"'`&lt;&#x3c;{{ 7+7 }}{% raw %}$x^2$\x00\x1b[31m\u202e\ud800]]>--><!--"
)


@cache
def page_of(name: str) -> str:
    """Return the page of a value, made once."""
    made = kept(f"{name}.html", lambda path: path.write_bytes(to_html(EVERY[name]()).encode()))
    return made.read_bytes().decode()


def difference() -> Value:
    """Return two runs side by side."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (Path(folder) / name for name in ("first.json", "second.json"))
        first.write_text(to_json(full()), encoding="utf-8")
        second.write_text(to_json(full(after=examples.figures(-0.04), seed=1)), encoding="utf-8")
        return diff(first, second)


def full(one: str = "Female", other: str = "Male", column: str = "sex", **changes: Any) -> Report:
    """Return a repair with every part that a page has a place for."""
    groups = [examples.group(one, 60), examples.group(other, 180, n=600, privileged=True)]
    pair = (one, other)

    def stage(bias: float, **more: Any) -> dict[str, Any]:
        interval = {"low": bias - 0.03, "high": bias + 0.03, "confidence": 0.95, "method": "wald"}
        parity = examples.parity(
            bias, attribute=column, pair=pair, groups=groups, interval=interval, sentence=f"P({one}) − P({other})"
        )
        return examples.figures(bias, parities=[parity], **more)

    points = [
        {"threshold": cut, "balanced_accuracy": 0.5 + cut / 3, "selection_rate": 1 - cut, "biases": [-cut / 9]}
        for cut in (0.1, 0.3, 0.5, 0.7)
    ]
    layer = {"units": 32, "inputs": 14, "weights": 480, "changed": 30, "relative": 0.12, "largest": 0.4}
    cells = [
        {"groups": [name, age], "before": examples.group(name, 20, n=90), "after": examples.group(name, 30, n=90)}
        for name in pair
        for age in ("young", "old")
    ]
    values: dict[str, Any] = {
        "attributes": [{"name": column, "groups": [one, other], "privileged": other}],
        "before": stage(-0.15),
        "best_threshold": stage(-0.2, threshold=0.31),
        "threshold_only": stage(-0.039, balanced_accuracy=0.62),
        "after": stage(-0.031, brier=0.131),
        "sweeps": [{"network": name, "deployed": 0.5, "points": points} for name in ("before", "after")],
        "layers": [{"layer": "hidden.0", "pruned": [0, 1, 7], **layer}, {"layer": "out", "output": True, **layer}],
        "crossings": [{"attributes": [column, "age"], "cells": cells, "unknown": 3}],
    }
    return examples.report(**{**values, **changes})


def hostile(text: str = HOSTILE) -> Report:
    """Return the repair with `text` wherever text of others can stand."""
    table = {"path": text, "rows": 9, "sha256": examples.SHA}
    return full(
        f"1{text}",
        f"2{text}",
        text,
        statement=text,
        positive_label=text,
        notes=[text],
        command=f"debias prune {text}",
        model={"path": text, "format": "torchscript", "size": 9, "sha256": examples.SHA},
        data={text: table},
        versions={text: text},
    )
