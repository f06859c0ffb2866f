from __future__ import annotations

import re
from typing import Any

import pytest

from debias.report.content.report import report_document
from debias.report.values.report import Report
from tests.report import examples


def limits(value: Report) -> str:
    [found] = [section for section in report_document(value).sections if section.key == "limits"]
    return "\n".join(found.items)


def with_interval(low: float, high: float, **changes: Any) -> Report:
    interval = {"low": low, "high": high, "confidence": 0.95, "method": "Newcombe"}
    return examples.report(
        after=examples.figures(-0.03, parities=[examples.parity(-0.03, interval=interval)]), **changes
    )


def changed(**changes: Any) -> dict[str, Any]:
    change = examples.report().change
    assert change is not None
    return {**change.model_dump(), **changes}


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-0.04, 0.01, "is −0.0400 to +0.0100, within the bound of 0.05."),
        (-0.09, 0.01, "crosses the bound of 0.05"),
        (0.01, 0.06, "crosses the bound of 0.05"),
        (-0.06, 0.06, "crosses the bound of 0.05"),
        (-0.05, 0.01, "crosses the bound of 0.05"),  # the bound itself does not meet it
        (0.05, 0.09, "beyond the bound of 0.05 as a whole"),
        (-0.2, -0.06, "beyond the bound of 0.05 as a whole"),
    ],
)
def test_the_interval_beside_the_bound(low: float, high: float, told: str) -> None:
    [line] = [line for line in limits(with_interval(low, high)).splitlines() if "interval" in line]
    assert line.startswith("The 95% interval of the bias of sex is ")
    assert told in line


def test_without_a_bound_nothing_is_said_of_one() -> None:
    text = limits(examples.audit())
    assert "No bound was asked" in text
    assert "the bound" not in text
    assert "was not worked out" in text


def test_an_undefined_bias() -> None:
    text = limits(examples.audit(before=examples.figures(None)))
    assert "On these rows the bias of sex is undefined." in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optimistic": True}, "These rows also chose the network"),
        ({"uses_attribute": True}, "Each prediction needs sex"),
        ({"trusted": True}, "checks before loading refused it"),
        ({"verdict": "fail", "exit_code": 1}, "misses the bound on these rows; it was written all the same"),
        ({"verdict": "fail", "exit_code": 1, "output": None}, "misses the bound on these rows; it was not written"),
        ({"more_rows": [{"attribute": "sex", "group": "Female", "rows": 1200}]}, "1,200 more verdict rows of Female"),
        ({"after": examples.figures(-0.03, brier=0.2)}, "Brier score 0.1200 before, 0.2000 after"),
        ({"after": examples.figures(-0.03, auroc=0.8)}, "AUROC 0.9000 before, 0.8000 after"),
        ({"after": examples.figures(-0.03, brier=0.11)}, "The scores moved with the cut"),
        (
            {
                "before": examples.figures(
                    -0.1, parities=[examples.parity(-0.1, groups=[examples.group("tiny", 1, n=4)])]
                )
            },
            "Rates of small groups are rough: tiny.",
        ),
        (
            {"change": changed(rule={"attribute": "sex", "groups": [], "shared_draws": 0.01})},
            "Some decisions are drawn by lot",
        ),
    ],
)
def test_what_is_told_depends_on_the_figures(changes: dict[str, Any], told: str) -> None:
    assert told in limits(examples.report(**changes))
    plain = {"before": examples.figures(-0.1, brier=None), "after": examples.figures(-0.03, brier=None)}
    assert told not in limits(examples.report(**plain, change=changed(folded=False)))


def test_rows_that_repeat_or_were_left_out() -> None:
    rows = examples.report().rows
    assert "12 rows were left out for a missing attribute" in limits(examples.report())
    gone = rows.model_copy(update={"dropped": 0, "missing_attribute": {"data": 4}, "missing_attribute_policy": "error"})
    assert "Rows without an attribute are in no group" in limits(examples.report(rows=gone.model_dump()))
    whole = rows.model_copy(update={"dropped": 0, "missing_attribute": {}, "overlap": 31})
    text = limits(examples.report(rows=whole.model_dump()))
    assert "31 of these rows also took part in choosing" in text
    assert "attribute;" not in text


def test_several_attributes_are_not_crossed_by_the_bound() -> None:
    attributes = [{"name": name, "groups": ["a", "b"], "privileged": "b"} for name in ("sex", "race")]
    figures = examples.figures(-0.1, parities=[examples.parity(-0.1), examples.parity(-0.1, attribute="race")])
    stages = dict.fromkeys(("before", "after"), figures)
    text = limits(
        examples.report(attributes=attributes, best_threshold=None, threshold_only=None, uses_attribute=True, **stages)
    )
    assert "groups crossed may lie further apart" in text
    assert "Each prediction needs sex or race" in text
    assert "Only " not in text
    assert "Only sex was looked at" in limits(examples.report())


def test_numbers_have_no_scores() -> None:
    figures = examples.figures(-0.03, mse=4.0, brier=None, auroc=None)
    text = limits(examples.report(task="regression", before={**figures, "mse": 3.5}, after=figures))
    assert "mean squared error 3.5 before, 4 after" in text
    assert "score" not in text


def test_nothing_is_promised() -> None:
    for value in (examples.report(), examples.audit(), with_interval(-0.01, 0.01)):
        assert not re.search(r"\bfair(ness)?\b|complian|guarant|\bsafe\b", limits(value), re.IGNORECASE)
