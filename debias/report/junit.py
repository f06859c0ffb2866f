"""Findings as JUnit XML, as continuous integration shows tests: a suite per model, a case per attribute and metric.

The shape is the one that the XSD of the Jenkins xUnit plugin (junit-10.xsd) allows. A missed bound is a failure; one
that the rows cannot decide is an error; what was accepted, asked no bound or does not gate is skipped where it misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from debias.report.findings.finding import Finding, Judged, findings_of, run_of
from debias.report.findings.fleet import fleet_findings
from debias.report.text import amount, bracketed, count, percent, rate, signed_amount, visible
from debias.report.values.comparison import Comparison
from debias.report.values.figures import Figures, GroupFigures, Parity
from debias.report.values.fleet import Fleet, FleetRow
from debias.report.values.report import Report

_COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


def to_junit(value: Judged | Fleet) -> str:
    """Return the findings of a run, or of all models of a fleet, as one XML document."""
    root = ElementTree.Element("testsuites", name=f"debias {visible(value.verb)}")
    if isinstance(value, Fleet):
        _of_fleet(root, value)
    else:
        _of_run(root, value)
    _count(root, ("tests", "failures", "errors"))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _of_run(root: ElementTree.Element, value: Judged) -> None:
    report = run_of(value)
    found: dict[tuple[str, str, bool], list[Finding]] = {}
    for item in findings_of(value):
        found.setdefault((item.model, item.network, item.gates), []).append(item)
    for (model, network, gates), items in found.items():
        figures = _figures(value, report, items[0])
        _suite(root, f"{model} ({network})", _told(value, report, gates), items, figures)


def _of_fleet(root: ElementTree.Element, fleet: Fleet) -> None:
    """Add a suite for each model."""
    for row, items in fleet_findings(fleet):
        _suite(root, f"{row.name}: {row.model}", _told_of(fleet, row), items)


def _suite(
    root: ElementTree.Element,
    name: str,
    told: Iterator[tuple[str, object]],
    items: Sequence[Finding],
    figures: Figures | None = None,
) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=visible(name))
    _properties(suite, told)
    for item in items:
        _case(suite, item, figures)
    _count(suite, ("tests", "failures", "errors", "skipped"))


def _count(element: ElementTree.Element, names: tuple[str, ...]) -> None:
    for name in names:
        element.set(name, str(sum(1 for _ in element.iter(_COUNTED[name]))))


def _properties(suite: ElementTree.Element, told: Iterator[tuple[str, object]]) -> None:
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in told:
        if value is not None:
            ElementTree.SubElement(properties, "property", name=visible(name), value=visible(str(value)))


def _told(value: Judged, report: Report, gates: bool) -> Iterator[tuple[str, object]]:
    yield "debias", report.debias_version
    yield "verb", value.verb
    if gates:
        yield "verdict", value.verdict
        yield "statement", value.statement
        yield "exit_code", value.exit_code
    yield "metric", report.metric
    yield "bound", report.eps
    yield "confidence", report.confidence
    yield "rows", report.rows.verdict
    yield "rows_from", report.rows.verdict_from
    yield "model_sha256", report.model.sha256
    if gates and report.output is not None:
        yield "output", report.output.path
        yield "output_sha256", report.output.sha256
    for role, table in report.data.items():
        yield f"{role}_sha256", table.sha256
    yield "uses_attribute", str(report.uses_attribute).lower() if gates else None
    yield "seed", report.seed
    yield "command", value.command if gates else None


def _told_of(fleet: Fleet, row: FleetRow) -> Iterator[tuple[str, object]]:
    yield "debias", fleet.debias_version
    yield "verb", row.verb
    yield "status", row.status
    yield "verdict", row.verdict
    yield "exit_code", row.exit_code
    yield "metric", row.metric
    yield "bound", row.eps
    yield "rows", row.rows
    yield "model_sha256", row.model_sha256
    yield "data_sha256", row.data_sha256
    yield "output", row.output


def _figures(value: Judged, report: Report, item: Finding) -> Figures | None:
    """Return the figures that a finding is about."""
    if item.gates:
        return report.before if report.change is None else report.after
    if item.network == "as deployed":
        return report.before
    return value.of(item.subject).after if isinstance(value, Comparison) else None


def _case(suite: ElementTree.Element, item: Finding, figures: Figures | None) -> None:
    parts = (item.metric, item.rule.name) if item.attribute is None else (item.attribute, item.metric)
    name = ": ".join(part for part in parts if part is not None)
    # A dot would be read as the end of a package's name.
    where = visible(f"{item.model} {item.network}").replace(".", "_")
    case = ElementTree.SubElement(suite, "testcase", name=visible(name), classname=where)
    outcome = _outcome(item)
    if outcome is not None:
        tag, kind, why = outcome
        message = visible(f"{why}{item.message}")
        told = ElementTree.SubElement(case, tag, type=kind, message=message)
        told.text = f"{message}\n{item.rule.id}: {item.rule.help}\nFingerprint {item.fingerprint}"
    parity = next((one for one in figures.parities if one.attribute == item.attribute), None) if figures else None
    if parity is not None:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(visible, _lines(parity)))


def _outcome(item: Finding) -> tuple[str, str, str] | None:
    """Return tag, type and first words of what is told about a finding; None of a pass."""
    if item.status == "pass":
        return None
    if item.accepted is not None:
        reason = f" ({item.accepted.reason})" if item.accepted.reason else ""
        return "skipped", "accepted", f"Accepted beforehand at bias {signed_amount(item.accepted.bias)}{reason}. "
    if item.status == "no-bound":
        return "skipped", item.status, ""
    if not item.gates:
        return "skipped", item.status, "The exit code does not depend on this. "
    return ("failure" if item.status == "fail" else "error"), item.status, ""


def _lines(parity: Parity) -> Iterator[str]:
    """Yield the figures of an attribute's groups."""
    yield f"bias {signed_amount(parity.bias)}: {parity.sentence}"
    if parity.interval is not None:
        limits = bracketed(parity.interval.low, parity.interval.high, signed_amount)
        yield f"{percent(parity.interval.confidence)} interval {limits}"
    for group in parity.groups:
        yield f"{group.name}{' (privileged)' if group.privileged else ''}: {_group(group)}"


def _group(group: GroupFigures) -> str:
    rows = f"n {count(group.n)}"
    if group.selected is None:
        return f"{rows}, mean prediction {amount(group.mean_prediction)}, MSE {amount(group.mse)}"
    return (
        f"{rows}, selected {count(group.selected)}, rate {rate(group.selection_rate)}, TPR {rate(group.tpr)}, "
        f"FPR {rate(group.fpr)}, balanced accuracy {rate(group.balanced_accuracy)}"
    )
