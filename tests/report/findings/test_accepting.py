"""Baselines: what is accepted, what counts, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from debias.errors import UsageError
from debias.report.as_json import schema, to_json
from debias.report.findings.accepting import accept, exit_reason, exit_zero, read_baseline, to_baseline
from debias.report.markdown import to_markdown
from debias.report.values.baseline import BaselineFile
from debias.report.values.comparison import Comparison
from debias.report.values.report import Report
from tests.report import examples
from tests.report.findings.test_finding import two
from tests.report.test_comparison import comparison

SHA = "0" * 64


def failing(bias: float | None = -0.15, **changes: Any) -> Report:
    return examples.audit(eps=0.05, verdict="fail", exit_code=1, before=examples.figures(bias), **changes)


def judged(value: Report, known: BaselineFile) -> Report:
    found = accept(value, known, "b.json", SHA)
    assert isinstance(found, Report)
    return found


def states(value: Report) -> tuple[int, int, int, int]:
    """Return the exit code and how many are accepted, worse and gone."""
    use = value.baseline
    assert use is not None
    return value.exit_code, len(use.accepted), len(use.worse), len(use.gone)


def test_what_was_found_is_accepted() -> None:
    assert states(judged(failing(), to_baseline(failing()))) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        (-0.15, (0, 1, 0, 0)),
        (-0.10, (0, 1, 0, 0)),
        (-0.1500001, (1, 0, 1, 0)),
        (-0.2, (1, 0, 1, 0)),
        (0.10, (1, 0, 1, 0)),
    ],
)
def test_a_worse_bias_is_a_new_finding(bias: float, expected: tuple[int, ...]) -> None:
    assert states(judged(failing(bias), to_baseline(failing(-0.15)))) == expected


def test_one_that_was_open_and_is_shown_now_counts() -> None:
    was = examples.audit(eps=0.05, verdict="inconclusive", exit_code=3, confidence=0.95)
    assert states(judged(was, to_baseline(was))) == (0, 1, 0, 0)
    assert states(judged(failing(), to_baseline(was))) == (1, 0, 1, 0)
    assert states(judged(was, to_baseline(failing()))) == (0, 1, 0, 0)


def test_an_undefined_figure_is_accepted_as_such_only() -> None:
    was = two(["undefined", "pass"], [None, 0.01])
    assert states(judged(was, to_baseline(was))) == (0, 1, 0, 0)
    assert states(judged(two(["inconclusive", "pass"], [0.04, 0.01]), to_baseline(was)))[0] == 3


def test_what_is_left_decides() -> None:
    both = two(["fail", "inconclusive"], [-0.15, 0.04])
    known = to_baseline(both)
    assert judged(both, known).exit_code == 0
    only_sex = known.model_copy(update={"findings": known.findings[:1]})
    assert states(judged(both, only_sex)) == (3, 1, 0, 0)
    only_race = known.model_copy(update={"findings": known.findings[1:]})
    assert states(judged(both, only_race)) == (1, 1, 0, 0)


def test_what_is_no_longer_found_is_told() -> None:
    mended = failing(-0.01).model_copy(update={"verdict": "pass", "exit_code": 0})
    assert states(judged(mended, to_baseline(failing()))) == (0, 0, 0, 1)


def test_a_run_without_a_bound_takes_nothing_back() -> None:
    known = to_baseline(failing())
    assert states(judged(examples.audit(), known)) == (0, 0, 0, 0)
    assert to_baseline(examples.audit(), known).findings == known.findings


def test_other_models_and_attributes_have_no_part() -> None:
    other = failing(model={"path": "b.pt", "format": "export", "size": 1, "sha256": SHA})
    assert states(judged(other, to_baseline(failing()))) == (1, 0, 0, 0)


def test_the_verdict_stays_what_was_measured() -> None:
    found = judged(failing(), to_baseline(failing()))
    assert (found.verdict, found.exit_code, found.statement) == ("fail", 0, failing().statement)


def test_a_comparison_is_accepted_as_a_whole() -> None:
    value = comparison(verdict="fail", exit_code=1)
    missed = value.report.model_copy(update={"verdict": "fail", "exit_code": 1, "after": examples.figures_value(-0.09)})
    value = value.model_copy(update={"report": missed})
    found = accept(value, to_baseline(value), "b.json", SHA)
    assert isinstance(found, Comparison)
    assert (found.exit_code, found.report.exit_code, found.verdict) == (0, 0, "fail")
    # The winner's own report is shown within the comparison's.
    assert "accepted by b.json" in exit_reason(found.report).replace("\n", " ")  # type: ignore[union-attr]
    assert [item.subject for item in found.report.baseline.accepted] == ["compare"]  # type: ignore[union-attr]


def test_exit_zero() -> None:
    found = exit_zero(failing())
    assert (found.exit_code, found.verdict) == (0, "fail")
    assert exit_reason(found) == "Exit code 0 instead of 1: --exit-zero was given."
    assert exit_reason(exit_zero(examples.report())) is None
    both = exit_zero(judged(failing(), to_baseline(failing())))
    assert exit_reason(both) == "Exit code 0: 1 finding accepted by b.json, none beside."


def test_reasons_are_told() -> None:
    assert exit_reason(failing()) is None
    assert exit_reason(judged(failing(), to_baseline(examples.report()))) == (
        "Exit code 1: 1 finding not accepted by b.json."
    )
    assert exit_reason(judged(failing(-0.2), to_baseline(failing()))) == (
        "Exit code 1: 1 finding not accepted by b.json, 1 of them worse than accepted."
    )


def test_people_read_what_was_accepted() -> None:
    known = to_baseline(failing())
    known = known.model_copy(
        update={"findings": [known.findings[0].model_copy(update={"reason": "<b>Old</b> | model"})]}
    )
    text = to_markdown(judged(failing(-0.1), known))
    assert "> Exit code 0: 1 finding accepted by b.json, none beside." in text
    assert "| sex | DB101 | −0.15 | −0.1 | accepted | &lt;b&gt;Old&lt;/b&gt; \\| model |" in text


def test_a_baseline_is_written_anew_without_losing_others() -> None:
    other = failing(model={"path": "b.pt", "format": "export", "size": 1, "sha256": SHA})
    first = to_baseline(failing())
    first = first.model_copy(update={"findings": [first.findings[0].model_copy(update={"reason": "Known."})]})
    second = to_baseline(other, first)
    assert [item.model for item in second.findings] == ["models/lender.pt", "b.pt"]
    third = to_baseline(failing(-0.3), second)
    assert {(item.model, item.bias, item.reason) for item in third.findings} == {
        ("b.pt", -0.15, ""),
        ("models/lender.pt", -0.3, "Known."),
    }
    mended = failing(-0.01).model_copy(update={"verdict": "pass", "exit_code": 0})
    assert [item.model for item in to_baseline(mended, third).findings] == ["b.pt"]


def test_the_file_is_valid_and_read_back(tmp_path: Path) -> None:
    known = to_baseline(two(["fail", "undefined"], [-0.15, None]))
    text = to_json(known)
    jsonschema.Draft202012Validator(schema("baseline.schema.json")).validate(json.loads(text))
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    assert read_baseline(tmp_path / "b.json")[0] == known


def test_a_report_with_a_baseline_is_valid() -> None:
    found = judged(failing(), to_baseline(failing()))
    jsonschema.Draft202012Validator(schema("report.schema.json")).validate(json.loads(to_json(found)))
    assert Report.model_validate_json(to_json(found)) == found


ONE = json.loads(to_json(to_baseline(failing())))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "invalid JSON"),
        (b"[]", "should be an object"),
        (b"\xff\xfe", "invalid JSON"),
        (b'{"findings": []}', "debias_version"),
        (b'{"verb": "audit", "verdict": "fail"}', "is no baseline"),
        (json.dumps({**ONE, "schema_version": "2.0"}).encode(), "has the layout '2.0'"),
        (json.dumps({**ONE, "findings": ONE["findings"] * 2}).encode(), "stands in it twice"),
        (json.dumps({**ONE, "findings": [{**ONE["findings"][0], "fingerprint": "x"}]}).encode(), "findings.0.fingerp"),
        (json.dumps({**ONE, "findings": [{**ONE["findings"][0], "status": "pass"}]}).encode(), "findings.0.status"),
        (json.dumps({**ONE, "\x1b[31m": 1}).encode(), "extra inputs"),
        (b"[" * 100_000, "invalid JSON"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "b.json").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_baseline(tmp_path / "b.json")
    assert any(told in problem.found for problem in caught.value.problems), caught.value.problems
    assert all(problem.where.startswith("--baseline ") for problem in caught.value.problems)
    assert caught.value.problems[-1].remedy


def test_another_file_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(to_json(failing()))
    with pytest.raises(UsageError) as caught:
        read_baseline(tmp_path / "b.json")
    assert [problem.found for problem in caught.value.problems] == ["is no baseline: it has no findings"]


def test_all_problems_of_a_file_are_told(tmp_path: Path) -> None:
    broken = {"debias_version": 3, "findings": [{**ONE["findings"][0], "status": "x", "bias": "y"}]}
    (tmp_path / "b.json").write_text(json.dumps(broken))
    with pytest.raises(UsageError) as caught:
        read_baseline(tmp_path / "b.json")
    assert len(caught.value.problems) == 3


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError):
            read_baseline(path)
