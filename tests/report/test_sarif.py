"""SARIF against classes made from its schema, two independent readers, and the rules of the standard."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import sarif_om
from hypothesis import example, given
from hypothesis import strategies as st
from sarif.loader import load_sarif_file

from debias.report.findings.accepting import to_baseline
from debias.report.findings.finding import SETTLED, findings_of
from debias.report.findings.rules import all_rules
from debias.report.sarif import LONGEST, to_sarif, uri
from debias.report.values.comparison import Comparison
from debias.report.values.report import Report
from tests.report import examples
from tests.report.findings.test_accepting import failing, judged
from tests.report.findings.test_finding import two
from tests.report.test_junit import NASTY, VALUES

# Of each object in the log: its class in sarif_om, which was made from the published schema.
CHILDREN: dict[str, dict[str, str]] = {
    "SarifLog": {"runs": "Run"},
    "Run": {
        "tool": "Tool",
        "automationDetails": "RunAutomationDetails",
        "invocations": "Invocation",
        "artifacts": "Artifact",
        "results": "Result",
    },
    "Tool": {"driver": "ToolComponent"},
    "ToolComponent": {"rules": "ReportingDescriptor", "shortDescription": "MultiformatMessageString"},
    "ReportingDescriptor": {
        "shortDescription": "MultiformatMessageString",
        "fullDescription": "MultiformatMessageString",
        "help": "MultiformatMessageString",
        "defaultConfiguration": "ReportingConfiguration",
    },
    "RunAutomationDetails": {"description": "Message"},
    "Invocation": {"toolExecutionNotifications": "Notification"},
    "Notification": {"message": "Message"},
    "Artifact": {"location": "ArtifactLocation"},
    "Result": {"message": "Message", "locations": "Location", "suppressions": "Suppression"},
    "Location": {"physicalLocation": "PhysicalLocation", "logicalLocations": "LogicalLocation"},
    "PhysicalLocation": {"artifactLocation": "ArtifactLocation", "region": "Region"},
}
# sarif_om was made from a draft in which this had another name.
RENAMED = {"Suppression": {"status": "state"}}


def check(kind: str, value: Any) -> None:
    """Fail where an object has a property that its class does not know, or lacks one that it needs."""
    made = getattr(sarif_om, kind)
    known = {item.metadata["schema_property_name"]: item.name for item in made.__attrs_attrs__}
    renamed = RENAMED.get(kind, {})
    made(**{known[renamed.get(name, name)]: part for name, part in value.items()})
    for name, child in CHILDREN.get(kind, {}).items():
        parts = value.get(name, [])
        for part in parts if isinstance(parts, list) else [parts]:
            check(child, part)


def log(value: Report | Comparison) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_sarif(value))
    return found


def run(value: Report | Comparison) -> dict[str, Any]:
    (found,) = log(value)["runs"]
    return dict(found)


@pytest.mark.parametrize("name", VALUES)
def test_every_property_is_of_the_standard(name: str) -> None:
    check("SarifLog", log(VALUES[name]()))


@pytest.mark.skipif(
    "DEBIAS_TEST_SARIF_SCHEMA" not in os.environ, reason="DEBIAS_TEST_SARIF_SCHEMA names no sarif-2.1.0.json"
)
@pytest.mark.parametrize("name", VALUES)
def test_the_log_is_valid(name: str) -> None:
    schema = json.loads(Path(os.environ["DEBIAS_TEST_SARIF_SCHEMA"]).read_text(encoding="utf-8-sig"))
    jsonschema.validators.validator_for(schema)(schema).validate(log(VALUES[name]()))


@pytest.mark.parametrize("name", VALUES)
def test_values_that_the_standard_enumerates(name: str) -> None:
    found = run(VALUES[name]())
    rules = found["tool"]["driver"]["rules"]
    for item in found["results"]:
        # 3.27.9 and 3.27.10: only a failure has a level.
        assert (item["kind"], item["level"]) in {("fail", "error"), ("open", "none")}
        assert rules[item["ruleIndex"]]["id"] == item["ruleId"]
        assert item["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1
        assert item.get("baselineState", "new") in {"new", "unchanged", "updated"}
        assert all(one["kind"] == "external" and one["status"] == "accepted" for one in item.get("suppressions", []))
        where = item["locations"][0]["physicalLocation"]["artifactLocation"]
        assert found["artifacts"][where["index"]]["location"]["uri"] == where["uri"]
    # 3.27.24 and 3.27.23: all results of a run have these, or none.
    for word in ("baselineState", "suppressions"):
        assert len({word in item for item in found["results"]}) < 2
    for item in found["artifacts"]:
        assert set(item["roles"]) <= {"analysisTarget", "referencedOnCommandLine", "added"}
        assert re.fullmatch("[0-9a-f]{64}", item["hashes"]["sha-256"])
        assert item["length"] >= -1


@pytest.mark.parametrize("name", VALUES)
def test_another_reader_counts_what_the_exit_code_depends_on(name: str, tmp_path: Path) -> None:
    value = VALUES[name]()
    (tmp_path / "r.sarif").write_text(to_sarif(value), encoding="utf-8")
    read = load_sarif_file(str(tmp_path / "r.sarif"))
    assert read.get_distinct_tool_names() == ["debias"]
    shown = [item for item in findings_of(value) if item.gates and item.status not in SETTLED]
    assert read.get_result_count() == len(shown)
    errors = read.get_report().get_issue_count_for_severity("error")
    assert errors == sum(item.status == "fail" for item in shown)


def test_passes_raise_no_alert() -> None:
    found = run(examples.report())
    assert found["results"] == []
    (settled,) = found["properties"]["settled"]
    assert (settled["status"], settled["bias"]) == ("pass", -0.031)
    assert found["invocations"][0]["exitCode"] == 0


def test_open_ones_are_told_as_the_standard_has_it() -> None:
    kinds = [(item["kind"], item["level"]) for item in run(two(["fail", "inconclusive"], [-0.15, 0.04]))["results"]]
    assert kinds == [("fail", "error"), ("open", "none")]


def test_accepted_findings_are_suppressed() -> None:
    known = to_baseline(failing())
    known = known.model_copy(update={"findings": [known.findings[0].model_copy(update={"reason": "Known."})]})
    (same,) = run(judged(failing(), known))["results"]
    assert same["baselineState"] == "unchanged"
    assert same["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "Known."}]
    (better,) = run(judged(failing(-0.1), known))["results"]
    assert (better["baselineState"], len(better["suppressions"])) == ("updated", 1)
    (worse,) = run(judged(failing(-0.2), known))["results"]
    assert (worse["baselineState"], worse["suppressions"]) == ("updated", [])
    (new,) = run(judged(failing(), to_baseline(examples.report())))["results"]
    assert (new["baselineState"], new["suppressions"]) == ("new", [])


def test_fingerprints_are_those_of_the_findings() -> None:
    (result,) = run(failing())["results"]
    (finding,) = findings_of(failing())
    assert result["partialFingerprints"] == {
        "debiasFinding/v1": finding.fingerprint,
        "primaryLocationLineHash": f"{finding.fingerprint}:1",
    }


def test_rules_are_explained() -> None:
    rules = run(failing())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in all_rules()]
    for rule in rules:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["help"]["text"].startswith(rule["shortDescription"]["text"])


def test_analyses_of_one_commit_are_kept_apart() -> None:
    values = (failing(), examples.report(), failing(metric="equal-opportunity"), two(["fail", "pass"], [0.1, 0.01]))
    names = [run(value)["automationDetails"]["id"] for value in values]
    assert len(set(names)) == len(names)
    assert names[0] == "debias/audit/models%2Flender.pt/statistical-parity/sex/"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("models/a.pt", "models/a.pt"),
        ("a b#c?.pt", "a%20b%23c%3F.pt"),
        ("c:x.pt", "c%3Ax.pt"),
        ("/srv/a b.pt", "file:///srv/a%20b.pt"),
        ("\ud800.pt", "%5Cud800.pt"),
    ],
)
def test_paths_are_uri_references(path: str, expected: str) -> None:
    assert uri(path) == expected


@given(st.text(min_size=1))
def test_a_relative_path_is_read_back(path: str) -> None:
    parts = urlsplit(uri("m/" + path))
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")


@given(st.text())
@example(NASTY)
@example("[a](1) {0} {{1}} \\[b](http://x)")
@example("x" * 100_000)
def test_names_of_others_are_shown_as_text(name: str) -> None:
    value = failing(
        statement=name,
        command=name,
        notes=[name],
        verb=name,
        model={"path": name, "format": "torchscript", "size": 1, "sha256": name},
        attributes=[{"name": name, "groups": [name, "b"], "privileged": "b"}],
    ).model_copy(
        update={
            "before": examples.figures_value(-0.15, parities=[examples.parity(-0.15, attribute=name, sentence=name)])
        }
    )
    text = to_sarif(value)
    text.encode()
    assert text.replace("\n", "").isprintable() or not name.isprintable()
    (found,) = json.loads(text)["runs"]
    messages = [found["results"][0]["message"]["text"], found["automationDetails"]["description"]["text"]]
    for message in messages:
        assert len(message) <= 2 * LONGEST + 200
        # 3.11.6: a link has a bracket that is not escaped; 3.11.5: a placeholder has single braces.
        assert not re.search(r"(?<!\\)(?:\\\\)*\[[^\]]*?(?<!\\)(?:\\\\)*\]\(", message)
        assert not re.search(r"(?<!\{)(?:\{\{)*\{\d+\}(?!\})", message)
    assert unquote(found["artifacts"][0]["location"]["uri"]).isprintable() or not name.isprintable()


def test_the_same_bytes_each_time() -> None:
    assert to_sarif(failing()) == to_sarif(failing())
