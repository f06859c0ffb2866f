"""The report of a comparison: JSON by its schema, and what a human reads."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.charts import charts_of
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.values.comparison import Comparison
from tests.report import examples


def candidate(method: str, **changes: Any) -> dict[str, Any]:
    return {
        "method": method,
        "settings": {},
        "status": "ok",
        "uses_attribute": False,
        "summary": "Something was changed.",
        "chosen_step": 3,
        "steps": 9,
        "feasible": True,
        "merit": 0.71,
        "selection": examples.figures(-0.038, n=2334, balanced_accuracy=0.71),
        "after": examples.figures(-0.031, balanced_accuracy=0.69),
        "verdict": "pass",
        "behind": {"difference": 0.04, "standard_error": 0.0123},
        "seconds": 1.25,
        **changes,
    }


def nothing(method: str, status: str, reason: str) -> dict[str, Any]:
    return {"method": method, "settings": {}, "status": status, "reasons": [reason], "seconds": 0.5}


def point(method: str, step: int, bias: float, accuracy: float, **changes: Any) -> dict[str, Any]:
    values = {"method": method, "step": step, "bias": bias, "balanced_accuracy": accuracy}
    return {**values, "chosen": False, "overall": True, **changes}


def comparison(**changes: Any) -> Comparison:
    """Return a comparison that prune won; `changes` replace keys."""
    report = examples.report()
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "verdict": report.verdict,
        "exit_code": report.exit_code,
        "statement": f"{report.statement} prune was chosen of 5 methods.",
        "winner": "prune",
        "reason": "prune has the largest objective on the selection rows, 0.7500.",
        "attribute_is_input": False,
        "candidates": [
            candidate("threshold"),
            candidate("gda", feasible=False, verdict="inconclusive"),
            candidate("prune", winner=True, behind=None, merit=0.75),
            candidate("roc", uses_attribute=True, verdict="fail", after=examples.figures(-0.06)),
            nothing("finetune", "failed", "its process was killed by SIGKILL. It may have taken too much memory."),
            nothing("eqodds", "impossible", "it is not for this metric."),
        ],
        "front": [
            point("prune", 3, -0.038, 0.75, chosen=True),
            point("gda", 7, 0.05, 0.70, overall=False),
            point("prune", 1, -0.1, 0.8),
        ],
        "report": report,
        "seconds": 12.5,
        "command": "debias compare models/lender.pt --data data/lender_valid.csv --attr sex --eps 0.05",
    }
    return Comparison.model_validate({**values, **changes})


def printed(value: Comparison, width: int = 80) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, color_system=None))
    return stream.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def test_json_is_valid() -> None:
    document = json.loads(to_json(comparison()))
    jsonschema.validate(document, schema("comparison.schema.json"))
    assert document["candidates"][2]["winner"]
    assert document["report"]["verb"] == "prune"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "candidates": []}, schema("comparison.schema.json"))
    again = Comparison.model_validate(document)
    assert again == comparison()


@pytest.mark.parametrize("width", [80, 100])
def test_every_method_is_a_row(width: int) -> None:
    text = words(printed(comparison(), width))
    for told in (
        "threshold no 0.7100 −0.0380 0.6900 −0.0310 0.8100 met 1.2",
        "gda no 0.7100 −0.0380 0.6900 −0.0310 0.8100 open 1.2",
        "prune * no 0.7100",
        "roc yes 0.7100 −0.0380 0.8100 −0.0600 0.0000 missed",
        "finetune – – – – – – failed 0.5",
        "eqodds – – – – – – impossible 0.5",
    ):
        assert told in text, told


def test_says_why_and_what_is_left_out() -> None:
    value = comparison()
    assert printed(value).startswith("PASS  The bound holds")
    assert verdict_line(value).endswith("prune was chosen of 5 methods.")
    text = words(printed(value))
    for told in (
        "prune has the largest objective on the selection rows, 0.7500.",
        "threshold: −0.0400 against it on the selection rows, paired standard error 0.0123",
        "finetune: its process was killed by SIGKILL. It may have taken too much memory.",
        "on the 2,334 rows that chose; the others: on the 1,000 verdict rows",
        "prune, step 3, as returned −0.0380 0.7500",
        "prune, step 1 −0.1000 0.8000",
        "31 of 352 units were pruned",
        "To repeat debias compare models/lender.pt",
        "To repeat the winner alone debias prune models/lender.pt",
    ):
        assert told in text, told
    # A candidate that missed the bound has no distance, and a point that another method beats is no front.
    assert "gda: " not in text
    assert "gda, step 7" not in text
    assert "itself reads" not in text
    assert "itself reads the protected attribute" in words(printed(comparison(attribute_is_input=True)))


def test_a_bound_that_holds_on_the_verdict_rows_alone_is_not_called_missed() -> None:
    """With a bias below the bound beside it, that word would contradict its own row."""
    held = candidate("gda", feasible=False, verdict="fail")
    value = comparison(candidates=[held, *comparison().model_dump()["candidates"][2:]])
    text = words(printed(value))
    assert "gda no 0.7100 −0.0380 0.6900 −0.0310 0.8100 unsure 1.2" in text
    assert "unsure: the bound holds on the verdict rows, but no step of the method met it" in text
    assert "roc yes 0.7100 −0.0380 0.8100 −0.0600 0.0000 missed" in text
    drawn = next(chart for chart in charts_of(value) if chart.id == "chart-methods-bias")
    assert "unsure" in drawn.svg and "not met" in drawn.svg
    assert "unsure" not in words(printed(comparison()))


def test_a_long_front_is_thinned_out() -> None:
    front = [point("prune", step, -0.001 * step, 0.5 + 0.001 * step) for step in range(50)]
    text = words(printed(comparison(front=front)))
    assert "12 of 50 points" in text
    assert "prune, step 0 " in text
    assert "prune, step 49 " in text
    assert text.count("prune, step") == 12


def test_markdown_has_the_same_rows() -> None:
    text = to_markdown(comparison())
    assert text.startswith("### debias compare: pass\n")
    assert "| threshold | no | 0.7100 | −0.0380 | 0.6900 | −0.0310 | 0.8100 | met | 1.2 |" in text
    assert "| prune \\* | no |" in text
    assert "```sh\ndebias compare models/lender.pt" in text
