"""A fleet as a human reads it, and as other tools do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
import xmlschema

from debias.errors import UsageError
from debias.report.as_json import schema, to_json
from debias.report.content.fleet import MOST_PROBLEMS, MOST_ROWS, fleet_document
from debias.report.findings.finding import findings_of
from debias.report.findings.fleet import OUTCOMES, fleet_findings
from debias.report.junit import to_junit
from debias.report.markdown import to_markdown
from debias.report.reading import parse, read
from debias.report.sarif import to_sarif
from debias.report.summary import to_summary
from debias.report.terminal import to_text
from debias.report.values.fleet import Fleet, JobResult
from tests.report import examples
from tests.report.test_junit import XSD
from tests.report.test_sarif import check


def many(rows: int) -> Fleet:
    """Return a fleet in which one of ten misses its bound, and one of a hundred has no report."""
    return examples.fleet(
        [
            examples.unreported(f"m{at}")
            if at % 100 == 99
            else examples.row(f"m{at}", 0.0004 * (at % 100) if at % 10 else 0.2)
            for at in range(rows)
        ]
    )


def job(**changes: Any) -> JobResult:
    values = {
        "debias_version": "0.1.0",
        "name": "lender",
        "key": examples.SHA,
        "model": "models/lender.pt",
        "data": "data/lender_valid.csv",
        "verb": "prune",
        "status": "done",
        "exit_code": 0,
        "report": examples.report(),
        "seconds": 0.5,
    }
    return JobResult.model_validate({**values, **changes})


@pytest.mark.parametrize("value", [examples.fleet(), examples.fleet([]), many(30)])
def test_it_is_as_its_schema_says(value: Fleet) -> None:
    jsonschema.validate(json.loads(to_json(value)), schema("fleet.schema.json"))


def test_a_job_is_as_its_schema_says() -> None:
    for value in (job(), job(status="crashed", report=None, problems=[{"found": "died"}], exit_code=2, key=None)):
        jsonschema.validate(json.loads(to_json(value)), schema("fleet-job.schema.json"))


@pytest.mark.parametrize(
    ("code", "changes", "headline"),
    [
        (0, {}, "PASS"),
        (0, {"counts": {"no-bound": 3}}, "NO BOUND"),
        (1, {}, "FAIL"),
        (3, {}, "INCONCLUSIVE"),
        (2, {}, "INCOMPLETE"),
        (130, {"interrupted": True}, "INTERRUPTED"),
    ],
)
def test_the_headline_is_that_of_the_exit_code(code: int, changes: Any, headline: str) -> None:
    told = fleet_document(examples.fleet(exit_code=code, **changes))
    assert told.headline == headline
    assert bool(told.warnings) == (code == 130)


def test_a_small_fleet_is_told_whole() -> None:
    text = to_text(examples.fleet())
    for row in examples.fleet().rows:
        assert any(row.name in line and OUTCOMES[row.attribute_verdict or row.status] in line for line in lines(text))
    assert "broken (models/broken.pt): crashed: its process ended by signal 11" in text
    assert text.index("lender-4") < text.index("broken"), "in the order of the manifest"


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_of_a_large_fleet_a_terminal_shows_what_matters() -> None:
    value = many(600)
    short, full = to_text(value), to_text(value, full=True)
    table = [line.split() for line in lines(short) if line.lstrip().startswith("m")][1:]
    shown = [cells[0] for cells in table if cells[1] in ("sex", "–")]
    assert len(shown) == MOST_ROWS and f"{MOST_ROWS} of 600 rows" in short
    gone = [row.name for row in value.rows if row.status != "done"]
    assert set(gone) < set(shown)
    missing = {row.name for row in value.rows if row.verdict == "fail"}
    assert set(shown) - set(gone) < missing, "what misses its bound comes before what meets it"
    assert shown == sorted(shown, key=lambda name: int(name[1:])), "in the order of the manifest"
    assert len(re.findall(r"^  • m\d", full, re.MULTILINE)) == 600 + 1
    assert f"  • {gone[0]}, {gone[1]}, " in full
    assert "40 of 600" not in full


def test_markdown_has_every_row_once() -> None:
    text = to_markdown(many(300))
    assert sum(line.startswith("| m") and "| sex |" in line for line in lines(text)) == 297
    assert len(to_summary(many(3000), 50_000).encode()) <= 50_000


def without(*problems: str) -> Fleet:
    rows = [examples.unreported(f"m{at}", "memory") for at in range(len(problems))]
    return examples.fleet([row.model_copy(update={"problem": told}) for row, told in zip(rows, problems, strict=True)])


def test_many_problems_are_counted() -> None:
    text = to_text(without(*(f"needed {at} GiB" for at in range(250))))
    assert sum(line.startswith("  • m") and "out of memory" in line for line in lines(text)) == MOST_PROBLEMS
    assert f"The first {MOST_PROBLEMS} of 250" in text


def test_one_problem_of_many_models_is_told_once() -> None:
    value = without(*(f"m{at}: needed more" for at in range(30)), "needed less")
    section = next(part for part in fleet_document(value).sections if part.key == "problems")
    first, second = section.items
    assert first.startswith("m0, m1, m2, ") and first.endswith(" and 18 more: out of memory: needed more")
    assert second == f"m30 ({value.rows[30].model}): out of memory: needed less"
    assert "More is given by --memory; with --resume" in " ".join(section.sentences)


def test_a_verdict_over_all_attributes_is_told_where_it_is_another() -> None:
    """No step of a repair met the bound where steps are chosen: the model fails, though its attribute passes."""
    fine, unheld = examples.fleet([examples.row()]), examples.fleet([examples.row(verdict="fail", exit_code=1)])
    columns = [
        [section.table.columns for section in fleet_document(one).sections[1:3] if section.table]
        for one in (fine, unheld)
    ]
    assert all("overall" not in names for names in columns[0]) and all("overall" in names for names in columns[1])


def test_columns_that_say_nothing_are_left_out() -> None:
    whole = next(one.table for one in fleet_document(examples.fleet([examples.row()])).sections if one.extra)
    assert whole is not None and not {"before", "interval", "reused", "problem", "metric", "bound"} & set(whole.columns)


@pytest.mark.parametrize("metric", ["mean-difference", "statistical-parity"])
def test_a_bias_in_units_of_the_target_is_not_cut(metric: str) -> None:
    text = to_text(examples.fleet([examples.row(bias=12345.678, metric=metric, eps=1e5)]))
    assert ("+1.235e+04" in text) == (metric == "mean-difference")


def test_hostile_names_stay_on_their_line() -> None:
    value = examples.fleet([examples.row(examples.HOSTILE, model=examples.HOSTILE, attribute=examples.HOSTILE)] * 2)
    text = to_text(value, full=True) + to_markdown(value)
    assert "\x1b" not in text and "\u202e" not in text and "<b>" not in to_markdown(value)


class TestJobs:
    def test_the_file_of_a_job_is_read_as_its_report(self, tmp_path: Path) -> None:
        (tmp_path / "lender.json").write_text(to_json(job()), encoding="utf-8")
        assert read(tmp_path / "lender.json")[0] == examples.report()

    def test_whatever_seals_it(self) -> None:
        document = {**json.loads(to_json(job())), "seal": examples.SHA}
        assert parse(json.dumps(document).encode(), "lender.json") == examples.report()

    def test_a_job_without_a_report_says_why(self) -> None:
        value = job(status="memory", report=None, problems=[{"found": "took more than 4 GiB"}], exit_code=2)
        with pytest.raises(UsageError, match=r"without a report \(memory\): took more than 4 GiB"):
            parse(to_json(value).encode(), "lender.json")

    def test_what_is_wrong_in_its_report_is_told_by_its_place(self) -> None:
        document = json.loads(to_json(job()))
        document["report"]["eps"] = "small"
        with pytest.raises(UsageError, match=r"lender.json, report, eps"):
            parse(json.dumps(document).encode(), "lender.json")


class TestFindings:
    def test_each_model_and_attribute_has_one(self) -> None:
        found = {row.name: [item.status for item in items] for row, items in fleet_findings(examples.fleet())}
        assert found == {
            "lender": ["pass", "pass"],
            "lender-2": ["fail"],
            "lender-3": ["pass"],
            "lender-4": ["undefined"],
            "broken": ["no-report"],
            "hanging": ["no-report"],
        }

    def test_it_is_known_again_when_the_model_is_judged_alone(self) -> None:
        alone = examples.audit(verdict="fail", exit_code=1, eps=0.05, before=examples.figures(-0.15))
        [finding] = findings_of(alone)
        [(_, items)] = fleet_findings(examples.fleet([examples.row("lender", -0.15)]))
        assert [item.fingerprint for item in items] == [finding.fingerprint]

    def test_a_model_that_no_step_repaired(self) -> None:
        [(_, items)] = fleet_findings(examples.fleet([examples.row(verdict="fail", exit_code=1, verb="prune")]))
        assert [item.rule.id for item in items] == ["DB101", "DB201"]

    @pytest.mark.parametrize("value", [examples.fleet(), examples.fleet([examples.row(examples.HOSTILE, 0.3)])])
    def test_junit_is_valid_and_counts_what_the_exit_code_does(self, value: Fleet) -> None:
        xmlschema.XMLSchema(XSD).validate(to_junit(value))
        told = junitparser.JUnitXml.fromstring(to_junit(value).encode())
        rows = value.rows
        assert told.failures == sum(row.attribute_verdict == "fail" for row in rows)
        assert told.errors == sum(row.status != "done" or row.attribute_verdict == "undefined" for row in rows)
        assert len(list(told)) == len({row.name for row in rows})

    def test_sarif_names_every_model_that_needs_a_look(self) -> None:
        document = json.loads(to_sarif(examples.fleet()))
        check("SarifLog", document)
        [run] = document["runs"]
        told = {
            run["artifacts"][place["index"]]["location"]["uri"]: (one["ruleId"], one["kind"])
            for one in run["results"]
            for place in [one["locations"][0]["physicalLocation"]["artifactLocation"]]
            if place["uri"] == run["artifacts"][place["index"]]["location"]["uri"]
        }
        assert told == {
            "models/lender-2.pt": ("DB101", "fail"),
            "models/lender-4.pt": ("DB101", "open"),
            "models/broken.pt": ("DB301", "fail"),
            "models/hanging.pt": ("DB301", "fail"),
        }
        assert run["invocations"][0]["exitCode"] == 2 and run["properties"]["settled"] == 3

    def test_a_model_with_two_tables_has_two_alerts(self) -> None:
        rows = [examples.row(name, 0.3, model="m.pt", data=f"{name}.csv") for name in ("north", "south")]
        [run] = json.loads(to_sarif(examples.fleet(rows)))["runs"]
        assert len(run["artifacts"]) == 1
        hashes = [one["partialFingerprints"]["primaryLocationLineHash"] for one in run["results"]]
        assert len(set(hashes)) == 2
