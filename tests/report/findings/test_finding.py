"""Findings, their fingerprints, and what follows for the exit code."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.fairness.metrics import METRICS
from debias.report.findings.finding import Finding, exit_code_of, findings_of, model_name
from debias.report.findings.rules import RULES, all_rules
from debias.report.values.comparison import Comparison
from debias.report.values.report import Report
from tests.report import examples
from tests.report.test_comparison import comparison

EXIT = {"pass": 0, "no-bound": 0, "fail": 1, "inconclusive": 3}


def two(verdicts: list[str], biases: list[float | None], **changes: Any) -> Report:
    """Return an audit of sex and race with these verdicts."""
    attributes = ("sex", "race")
    parities = [
        examples.parity(bias, attribute=name, pair=("a", "b") if bias is not None else None)
        for name, bias in zip(attributes, biases, strict=True)
    ]
    whole = "fail" if "fail" in verdicts else "pass" if set(verdicts) == {"pass"} else "inconclusive"
    return examples.audit(
        eps=0.05,
        confidence=0.95,
        verdict=whole,
        exit_code=EXIT[whole],
        attributes=[{"name": name, "groups": ["a", "b"], "privileged": "b"} for name in attributes],
        before=examples.figures(biases[0], parities=parities),
        verdicts=[
            {"attribute": name, "verdict": verdict, "reason": f"Reason {name}."}
            for name, verdict in zip(attributes, verdicts, strict=True)
        ],
        **changes,
    )


def gating(value: Report | Comparison) -> list[Finding]:
    return [item for item in findings_of(value) if item.gates]


def test_numbers_of_rules_never_change() -> None:
    assert {metric: rule.id for metric, rule in RULES.items()} == {
        "statistical-parity": "DB101",
        "equal-opportunity": "DB102",
        "predictive-equality": "DB103",
        "equalized-odds": "DB104",
        "impact-ratio": "DB105",
        "mean-difference": "DB106",
        "mse-dispersion": "DB107",
    }
    assert [rule.id for rule in all_rules()][-2:] == ["DB201", "DB301"]


def test_every_metric_has_one_rule_with_its_formula() -> None:
    assert RULES.keys() == METRICS.keys()
    assert len({rule.id for rule in all_rules()}) == len(all_rules())
    for metric, rule in RULES.items():
        assert METRICS[metric].formula in rule.help
        assert re.fullmatch(r"[A-Z][A-Za-z]+", rule.name)


def test_an_audit_has_a_finding_for_each_attribute() -> None:
    found = findings_of(two(["fail", "inconclusive"], [-0.15, 0.04]))
    assert [(item.attribute, item.status, item.subject, item.gates) for item in found] == [
        ("sex", "fail", "deployed", True),
        ("race", "inconclusive", "deployed", True),
    ]
    assert "|bias| is 0.1500, not below 0.05, on 1,000 rows. Reason sex." in found[0].message
    assert "below 0.05 was asked with 0.95 confidence" in found[1].message


def test_a_repair_is_judged_and_the_file_it_came_from_is_shown_beside() -> None:
    found = findings_of(examples.report())
    assert [(item.network, item.subject, item.status, item.gates) for item in found] == [
        ("repaired by prune", "prune", "pass", True),
        ("as deployed", "deployed", "fail", False),
    ]
    assert exit_code_of(found) == 0


def test_a_comparison_is_judged_by_its_winner() -> None:
    value = comparison()
    assert [item.subject for item in gating(value)] == ["compare"]
    beside = {item.subject for item in findings_of(value) if not item.gates}
    assert beside == {"deployed", *(item.method for item in value.candidates if item.after and not item.winner)}


def test_a_bound_that_only_the_verdict_rows_meet_is_a_finding_of_the_run() -> None:
    value = examples.report(verdict="fail", exit_code=1, statement="No candidate.", output=None)
    found = gating(value)
    assert [(item.rule.id, item.attribute, item.status) for item in found] == [
        ("DB101", "sex", "pass"),
        ("DB201", None, "fail"),
    ]
    assert found[1].message == "No candidate."
    assert exit_code_of(tuple(found)) == 1


def test_without_a_bound_nothing_counts() -> None:
    found = findings_of(examples.audit())
    assert {item.status for item in found} == {"no-bound"}
    assert exit_code_of(found) == 0


VERDICTS = ("pass", "fail", "inconclusive", "undefined")


@pytest.mark.parametrize(("one", "other"), list(itertools.product(VERDICTS, VERDICTS)))
def test_the_exit_code_is_that_of_the_verdict(one: str, other: str) -> None:
    biases = [None if verdict == "undefined" else 0.01 for verdict in (one, other)]
    value = two([one, other], biases)
    assert exit_code_of(findings_of(value)) == value.exit_code == EXIT[value.verdict]


@pytest.mark.parametrize(
    ("verdict", "confidence", "bias", "status"),
    [
        ("pass", None, 0.01, "pass"),
        ("fail", None, 0.2, "fail"),
        ("pass", 0.95, 0.01, "pass"),
        ("inconclusive", 0.95, 0.01, "inconclusive"),
        ("fail", 0.95, 0.2, "fail"),
        ("fail", 0.95, None, "undefined"),
    ],
)
def test_older_reports_tell_no_verdict_by_attribute(
    verdict: str, confidence: float | None, bias: float | None, status: str
) -> None:
    value = examples.audit(
        eps=0.05, verdict=verdict, exit_code=EXIT[verdict], confidence=confidence, before=examples.figures(bias)
    )
    assert findings_of(value)[0].status == status
    assert exit_code_of(findings_of(value)) == value.exit_code


def fingerprint(path: str = "models/a.pt", verb: str = "audit", **changes: Any) -> str:
    model = {"path": path, "format": "torchscript", "size": 1, "sha256": changes.pop("sha", examples.SHA)}
    make = examples.audit if verb == "audit" else examples.report
    return findings_of(make(verb=verb, model=model, eps=0.05, **changes))[0].fingerprint


@given(
    st.floats(-1, 1, exclude_min=True, exclude_max=True),
    st.integers(1, 10**6),
    st.sampled_from(["pass", "fail"]),
    st.floats(0.01, 0.99),
    st.sampled_from(["0" * 64, "f" * 64]),
)
def test_a_fingerprint_survives_new_data_and_figures(
    bias: float, rows: int, verdict: str, eps: float, sha: str
) -> None:
    figures = examples.figures(bias, n=rows)
    value = examples.audit(
        eps=eps,
        verdict=verdict,
        exit_code=EXIT[verdict],
        before=figures,
        model={"path": "models/a.pt", "format": "export", "size": 7, "sha256": sha},
        data={"data": {"path": "other.csv", "rows": rows, "sha256": sha}},
        seed=rows,
    )
    assert findings_of(value)[0].fingerprint == fingerprint()


def test_a_fingerprint_is_that_of_one_finding() -> None:
    parity = examples.parity(-0.15)
    others = [
        fingerprint(),
        fingerprint("models/b.pt"),
        fingerprint("a.pt"),
        fingerprint(verb="prune"),
        fingerprint(verb="gda"),
        fingerprint(metric="equal-opportunity"),
        fingerprint(before=examples.figures(-0.15, parities=[{**parity, "attribute": "race"}])),
        fingerprint(before=examples.figures(-0.15, parities=[{**parity, "pair": ("Male", "Female")}])),
        fingerprint(before=examples.figures(-0.15, parities=[{**parity, "pair": ("Female", "Other")}])),
    ]
    assert len(set(others)) == len(others)


def test_a_fingerprint_is_written_down() -> None:
    # Baselines of users hold it: a change of this line takes them from everybody.
    assert fingerprint() == "9eb485511fa861426c7189ae9eadf3e3"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models/a.pt", "models/a.pt"),
        ("./models//a.pt", "models/a.pt"),
        ("models/../models/a.pt", "models/a.pt"),
        ("/home/me/models/a.pt", "a.pt"),
        ("../a.pt", "../a.pt"),
    ],
)
def test_a_model_is_known_by_its_name(path: str, name: str) -> None:
    assert model_name(path) == name


def test_names_of_others_are_short_and_plain_in_messages() -> None:
    parity = examples.parity(-0.15, attribute=examples.HOSTILE * 1000)
    message = findings_of(examples.audit(eps=0.05, verdict="fail", before=examples.figures(-0.15, parities=[parity])))[
        0
    ].message
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    ("metric", "bias", "told"),
    [
        ("impact-ratio", -0.25, "the impact ratio is 0.7500, not above 0.95"),
        ("mean-difference", 12.3456, "|bias| is 12.35, not below 0.05"),
        ("statistical-parity", -0.25, "|bias| is 0.2500, not below 0.05"),
    ],
)
def test_figures_are_told_as_readers_know_them(metric: str, bias: float, told: str) -> None:
    value = examples.audit(metric=metric, eps=0.05, verdict="fail", exit_code=1, before=examples.figures(bias))
    assert told in findings_of(value)[0].message
