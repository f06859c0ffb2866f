"""JUnit XML against an XSD, two independent readers, and counting by hand."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import junitparser
import pytest
import xmlschema
from hypothesis import example, given
from hypothesis import strategies as st

from debias.report.findings.accepting import accept, to_baseline
from debias.report.junit import to_junit
from debias.report.text import visible
from debias.report.values.comparison import Comparison
from debias.report.values.report import Report
from tests.report import examples
from tests.report.findings.test_accepting import failing, judged
from tests.report.findings.test_finding import two
from tests.report.test_comparison import comparison

XSD = Path(__file__).with_name("junit.xsd")


@pytest.fixture(scope="module")
def grammar() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(XSD)


VALUES = {
    "repair": examples.report,
    "no bound": examples.audit,
    "miss": failing,
    "accepted": lambda: judged(failing(), to_baseline(failing())),
    "two": lambda: two(["fail", "inconclusive"], [-0.1, 0.04]),
    "undefined": lambda: two(["undefined", "pass"], [None, 0.01]),
    "run": lambda: examples.report(verdict="fail", exit_code=1, output=None),
    "compare": comparison,
}


@pytest.mark.parametrize("name", VALUES)
def test_the_document_is_valid(name: str, grammar: xmlschema.XMLSchema) -> None:
    grammar.validate(to_junit(VALUES[name]()))


@pytest.mark.skipif("DEBIAS_TEST_JUNIT_XSD" not in os.environ, reason="DEBIAS_TEST_JUNIT_XSD names no junit-10.xsd")
@pytest.mark.parametrize("name", VALUES)
def test_the_document_is_valid_for_jenkins(name: str) -> None:
    xmlschema.XMLSchema(os.environ["DEBIAS_TEST_JUNIT_XSD"]).validate(to_junit(VALUES[name]()))


def outcomes(value: Report | Comparison) -> dict[str, list[str]]:
    """Return by suite what another reader finds: the result of each case, or pass."""
    read = junitparser.JUnitXml.fromstring(to_junit(value).encode())
    found: dict[str, list[str]] = {}
    for suite in read:
        found[suite.name] = [type(case.result[0]).__name__ if case.result else "pass" for case in suite]
    return found


def test_another_reader_finds_a_suite_per_model_and_a_case_per_attribute() -> None:
    assert outcomes(two(["fail", "inconclusive"], [-0.15, 0.04])) == {
        "models/lender.pt (as deployed)": ["Failure", "Error"]
    }
    assert outcomes(two(["undefined", "pass"], [None, 0.01])) == {"models/lender.pt (as deployed)": ["Error", "pass"]}
    assert outcomes(examples.audit()) == {"models/lender.pt (as deployed)": ["Skipped"]}
    assert outcomes(examples.report()) == {
        "models/lender.pt (repaired by prune)": ["pass"],
        "models/lender.pt (as deployed)": ["Skipped"],
    }
    assert outcomes(examples.report(verdict="fail", exit_code=1))["models/lender.pt (repaired by prune)"] == [
        "pass",
        "Failure",
    ]


def test_what_was_accepted_fails_nothing() -> None:
    assert outcomes(judged(failing(), to_baseline(failing()))) == {"models/lender.pt (as deployed)": ["Skipped"]}


@pytest.mark.parametrize("name", VALUES)
def test_failures_and_errors_are_those_of_the_exit_code(name: str) -> None:
    value = VALUES[name]()
    read = junitparser.JUnitXml.fromstring(to_junit(value).encode())
    assert (1 if read.failures else 3 if read.errors else 0) == value.exit_code


@pytest.mark.parametrize("name", VALUES)
def test_counts_are_those_of_the_cases(name: str) -> None:
    root = ElementTree.fromstring(to_junit(VALUES[name]()))
    for element in (root, *root.findall("testsuite")):
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase"))) > 0
        for attribute, tag in (("failures", "failure"), ("errors", "error")):
            assert int(element.attrib[attribute]) == len(list(element.iter(tag)))
    for suite in root.findall("testsuite"):
        assert int(suite.attrib["skipped"]) == len(list(suite.iter("skipped")))


def test_figures_and_provenance_are_told() -> None:
    root = ElementTree.fromstring(to_junit(examples.report()))
    suite = root.find("testsuite")
    assert suite is not None
    told = {item.attrib["name"]: item.attrib["value"] for item in suite.iter("property")}
    assert told["statement"] == examples.report().statement
    assert (told["exit_code"], told["bound"], told["seed"], told["rows"]) == ("0", "0.05", "0", "1000")
    assert told["output_sha256"] == examples.SHA[::-1]
    out = suite.findtext("testcase/system-out")
    assert out is not None
    assert "Female: n 400, selected 60, rate 0.1500, TPR 0.7000, FPR 0.1000" in out
    assert "Male (privileged): n 600, selected 180, rate 0.3000" in out


def test_the_same_bytes_each_time() -> None:
    assert to_junit(examples.report()) == to_junit(examples.report())


NASTY = "a<b>&\"'\x00\x1b[31m\ud800\u202e]]>\ufffe\U0001ffff\r\n\t-->" + examples.HOSTILE


@given(st.text())
@example(NASTY)
@example("]]>")
@example("x" * 100_000)
def test_names_of_others_are_shown_as_text(name: str) -> None:
    parity = examples.parity(-0.15, attribute=name, groups=[examples.group(name, 60), examples.group("b", 10)])
    value = failing(
        statement=name, command=name, model={"path": name, "format": "torchscript", "size": 1, "sha256": name}
    ).model_copy(update={"before": examples.figures_value(-0.15, parities=[parity])})
    root = ElementTree.fromstring(to_junit(value).encode())
    case = root.find("testsuite/testcase")
    assert case is not None
    assert case.attrib["name"] == f"{visible(name)}: statistical-parity"
    told = {item.attrib["name"]: item.attrib["value"] for item in root.iter("property")}
    assert told["command"] == told["statement"] == visible(name)
    assert visible(name) + ": n 400" in (case.findtext("system-out") or "")
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "system-out"
    }  # fmt: skip


def test_hostile_reasons_of_a_baseline() -> None:
    known = to_baseline(failing())
    known = known.model_copy(update={"findings": [known.findings[0].model_copy(update={"reason": NASTY})]})
    value = accept(failing(), known, NASTY, "0" * 64)
    skipped = ElementTree.fromstring(to_junit(value).encode()).find(".//skipped")
    assert skipped is not None
    assert visible(NASTY) in skipped.attrib["message"]
