"""What a reader is told of two runs side by side."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from debias.report.content.difference import difference_document
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.values.difference import Difference
from tests.report.examples import HOSTILE, SHA


def run(**changes: Any) -> dict[str, Any]:
    return {
        "path": "first.json",
        "sha256": SHA,
        "debias_version": "0.1.0",
        "verb": "prune",
        "method": "prune",
        "verdict": "pass",
        "statement": "Bound met.",
        "metric": "statistical-parity",
        "eps": 0.05,
        "rows": 1000,
        "model": {"path": "m.pt", "format": "torchscript", "size": 9, "sha256": SHA},
        "output": None,
        "data": {"data": {"path": "d.csv", "rows": 3000, "sha256": SHA}},
        **changes,
    }


def pair(figure: str, first: float | None, second: float | None, **changes: Any) -> dict[str, Any]:
    difference = None if first is None or second is None else second - first
    values = {"stage": "result", "figure": figure, "first": first, "second": second, "difference": difference}
    return {**values, **changes}


def difference(**changes: Any) -> Difference:
    """Return a second run that is worse; `changes` replace keys."""
    interval = {"low": -0.07, "high": 0.01, "confidence": 0.95, "method": "delta"}
    group = {"attribute": "sex", "group": "Female"}
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "outcome": "worse",
        "exit_code": 0,
        "statement": "The second run is worse: |bias| of sex went from 0.0300 to 0.0400.",
        "first": run(),
        "second": run(path="second.json", verb="compare", method="gda", data={}),
        "same_model": True,
        "same_data": True,
        "tolerance": 0.0,
        "worse": ["|bias| of sex went from 0.0300 to 0.0400."],
        "figures": [
            pair("bias", -0.03, -0.04, attribute="sex", first_interval=interval),
            pair("balanced_accuracy", 0.8, 0.75),
            pair("brier", None, 0.1),
            pair("n", 40_000, 27_655, **group),
            pair("selection_rate", 0.2, 0.3, **group),
            pair("tpr", 0.5, 0.5, **group, stage="deployed"),
        ],
        "methods": [
            {"method": "gda", "first_status": "ok", "second_status": None, "first_verdict": "pass", "first_bias": 0.01}
        ],
        "settings": [{"setting": "seed", "first": 0, "second": 7}],
        "command": "debias diff first.json second.json",
    }
    return Difference.model_validate({**values, **changes})


def printed(value: Difference, width: int = 100, *, full: bool = False) -> str:
    stream = StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, markup=False, emoji=False), full=full)
    return stream.getvalue()


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_in_the_terminal() -> None:
    text = printed(difference())
    assert text.startswith("WORSE  The second run is worse: |bias| of sex went from 0.0300 to 0.0400.\n")
    lines = words(text)
    for line in (
        "verb prune compare, gda",
        "--data d.csv (3,000 rows, 0123456789ab) –",
        "sex result −0.0300 [−0.0700, +0.0100] −0.0400 – −0.0100",
        "balanced accuracy result 0.8000 0.7500 −0.0500",
        "Brier result – 0.1000 –",
        "Female n 40,000 27,655 −12,345",
        "selection rate 0.2000 0.3000 +0.1000",
        "gda pass +0.0100 – – – –",
        "seed 0 7",
    ):
        assert line.split() in lines, line
    assert "as deployed" not in text
    assert ["Female", "TPR", "0.5000", "0.5000", "+0.0000"] in words(printed(difference(), full=True))


def test_two_audits_tell_each_figure_once() -> None:
    figures = [
        pair(figure, 0.1, 0.2, stage=stage, **where)
        for stage in ("deployed", "result")
        for figure, where in (("bias", {"attribute": "sex"}), ("auroc", {}), ("n", {"attribute": "sex", "group": "f"}))
    ]
    found = difference(first=run(verb="audit"), second=run(verb="audit"), figures=figures)
    text = printed(found, full=True)
    assert text.count("AUROC") == text.count("sex   ") == text.count("Groups of sex: as deployed") == 1
    assert "result" not in text


def test_hashes_are_cut_alike() -> None:
    found = difference(settings=[{"setting": "data.data.sha256", "first": SHA, "second": None}])
    assert ["data.data.sha256", SHA[:12], "–"] in words(printed(found))


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [("worse", "WORSE"), ("not-worse", "NOT WORSE"), ("same", "SAME"), ("not-compared", "NOT COMPARED")],
)
def test_headlines(outcome: str, headline: str) -> None:
    assert verdict_line(difference(outcome=outcome)).startswith(f"{headline}  ")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"same_model": False}, "different model files"),
        ({"same_data": False}, "different tables"),
        ({"same_data": None}, "cannot be told"),
        ({"figures": [pair("bias", 0.1, 0.2, stage="deployed", attribute="sex")]}, "verdict rows differ"),
        ({}, None),
    ],
)
def test_warnings(changes: dict[str, Any], part: str | None) -> None:
    warnings = difference_document(difference(**changes)).warnings
    assert (part in warnings[0] and len(warnings) == 1) if part else warnings == ()


def test_many_settings_are_counted() -> None:
    settings = [{"setting": f"s{number}", "first": None, "second": number / 3} for number in range(100)]
    text = printed(difference(settings=settings))
    assert "40 more are in the JSON report." in text
    assert ["s1", "–", "0.333333"] in words(text)
    assert "Nothing else differs." in printed(difference(settings=[]))


def test_text_of_others() -> None:
    value = difference(
        settings=[{"setting": HOSTILE, "first": [HOSTILE, True, None], "second": "x" * 100_000}],
        obstacles=[HOSTILE],
        second=run(path=HOSTILE),
        figures=[pair("bias", 0.1, 0.2, attribute=HOSTILE), pair("n", 1, 2, attribute=HOSTILE, group=HOSTILE)],
    )
    for text in (printed(value, full=True), to_markdown(value)):
        assert not re.search("[\x1b\u202e]", text)
        assert len(text) < 20_000
    assert "<b>" not in to_markdown(value)
