"""Findings as SARIF 2.1.0 (OASIS standard), for tools that keep track of results, such as GitHub code scanning.

Only findings that the exit code depends on and that are no pass become results: GitHub raises an alert for every
result, whatever its kind. What passed is told in the properties of the run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from debias.report.findings.finding import SETTLED, Finding, Judged, findings_of, model_name, run_of
from debias.report.findings.fleet import fleet_findings
from debias.report.findings.rules import Rule, all_rules
from debias.report.text import clipped, visible
from debias.report.values.fleet import Fleet, FleetRow
from debias.report.values.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "debiasFinding/v1"
LONGEST = 2000
"""Characters of a message; readers cut longer ones where they like."""


def to_sarif(value: Judged | Fleet) -> str:
    """Return the findings of a run, or of all models of a fleet, as a SARIF log with one run."""
    run = _run_of_fleet(value) if isinstance(value, Fleet) else _run(value)
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _run(value: Judged) -> dict[str, Any]:
    report = run_of(value)
    found = [item for item in findings_of(value) if item.gates]
    artifacts = _artifacts(report)
    return {
        "tool": _tool(report.debias_version),
        "automationDetails": {"id": _category(value, report), "description": {"text": _plain(value.statement)}},
        "invocations": [_invocation(value, report)],
        "artifacts": artifacts,
        "results": [_of_run(item, report) for item in found if item.status not in SETTLED],
        "columnKind": "unicodeCodePoints",
        "properties": _properties(value, report, found),
    }


def _run_of_fleet(fleet: Fleet) -> dict[str, Any]:
    artifacts: list[dict[str, Any]] = []
    places: dict[str, int] = {}
    # A model may stand in a fleet twice, with two tables.
    times: Counter[str] = Counter()
    results, settled = [], 0
    for row, items in fleet_findings(fleet):
        index = places.setdefault(uri(row.model), len(places))
        if index == len(artifacts):
            artifacts.append(_artifact(row))
        for item in items:
            if item.status in SETTLED:
                settled += 1
                continue
            times[item.fingerprint] += 1
            result = _result(item, index)
            result["partialFingerprints"]["primaryLocationLineHash"] = f"{item.fingerprint}:{times[item.fingerprint]}"
            results.append(result | {"properties": {**_figures(item), "job": visible(row.name)}})
    named = model_name(fleet.manifest or fleet.folder)
    return {
        "tool": _tool(fleet.debias_version),
        "automationDetails": {
            "id": _joined("debias", "fleet", named),
            "description": {"text": _plain(fleet.statement)},
        },
        "invocations": [_called(fleet.exit_code, fleet.statement, fleet.command, not fleet.interrupted)],
        "artifacts": artifacts,
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"counts": fleet.counts, "settled": settled},
    }


def _artifact(row: FleetRow) -> dict[str, Any]:
    told: dict[str, Any] = {"location": {"uri": uri(row.model)}, "roles": ["analysisTarget"], "length": -1}
    return told | ({"hashes": {"sha-256": visible(row.model_sha256)}} if row.model_sha256 is not None else {})


def _tool(version: str) -> dict[str, Any]:
    return {
        "driver": {
            "name": "debias",
            "version": visible(version),
            "shortDescription": {"text": "Measures and repairs the bias of trained networks."},
            "rules": [_rule(rule) for rule in all_rules()],
        }
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": rule.help},
        "help": {"text": f"{rule.short} {rule.help}"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["fairness", *([rule.metric] if rule.metric else [])]},
    }


def _category(value: Judged, report: Report) -> str:
    """Return what tells this analysis from others of the same tool, by which results are kept apart."""
    attributes = ",".join(attribute.name for attribute in report.attributes)
    return _joined("debias", value.verb, model_name(report.model.path), report.metric, attributes)


def _joined(*parts: str) -> str:
    return "/".join(quote(part[:200], safe="", errors="backslashreplace") for part in parts) + "/"


def _called(code: int, why: str, command: str | None, whole: bool = True) -> dict[str, Any]:
    told: dict[str, Any] = {"executionSuccessful": whole, "exitCode": code, "exitCodeDescription": _plain(why)}
    return told if command is None else {**told, "commandLine": visible(command)}


def _invocation(value: Judged, report: Report) -> dict[str, Any]:
    told = _called(value.exit_code, f"{value.verdict}: {value.statement}", value.command)
    if report.notes:
        told["toolExecutionNotifications"] = [
            {"level": "note", "message": {"text": _plain(note)}} for note in report.notes
        ]
    return told


def _artifacts(report: Report) -> list[dict[str, Any]]:
    """Return the files that took part; the model is the first."""
    files = [(report.model.path, "analysisTarget", report.model.sha256, report.model.size)]
    files += [
        (table.path, "referencedOnCommandLine", table.sha256, -1)
        for table in report.data.values()
        if table.sha256 is not None
    ]
    if report.output is not None:
        files.append((report.output.path, "added", report.output.sha256, report.output.size))
    named: dict[str, dict[str, Any]] = {}
    for path, role, digest, size in files:
        known = named.setdefault(uri(path), {"location": {"uri": uri(path)}, "roles": [], "length": size})
        known["roles"] = [*known["roles"], role]
        known["hashes"] = {"sha-256": visible(digest)}
    return list(named.values())


def uri(path: str) -> str:
    """Return a path as a URI reference: relative as it is named, else as a file's."""
    pure = PurePath(path)
    text = quote(pure.as_posix(), safe="/", errors="backslashreplace")
    return f"file://{text}" if pure.is_absolute() else text


def _result(item: Finding, index: int) -> dict[str, Any]:
    """Return a finding about the artifact with that index."""
    rules = [rule.id for rule in all_rules()]
    undecided = item.status in ("inconclusive", "undefined")
    return {
        "ruleId": item.rule.id,
        "ruleIndex": rules.index(item.rule.id),
        # The standard has a word for what a tool had not enough information to decide.
        **({"kind": "open", "level": "none"} if undecided else {"kind": "fail", "level": "error"}),
        "message": {"text": _plain(item.message)},
        "locations": [_location(item, index)],
        # GitHub tells alerts apart by the hash of a line, which a binary file has none of.
        "partialFingerprints": {FINGERPRINT: item.fingerprint, "primaryLocationLineHash": f"{item.fingerprint}:1"},
        "properties": _figures(item),
    }


def _of_run(item: Finding, report: Report) -> dict[str, Any]:
    """Return a finding about the model of a run, with what its baseline says."""
    told = _result(item, 0)
    if report.baseline is not None:
        told["baselineState"] = _state(item, report)
    if item.accepted is not None:
        suppression = {"kind": "external", "status": "accepted"}
        if item.accepted.reason:
            suppression["justification"] = _plain(item.accepted.reason)
        told["suppressions"] = [suppression]
    elif report.baseline is not None:
        told["suppressions"] = []
    return told


def _state(item: Finding, report: Report) -> str:
    assert report.baseline is not None
    if item.accepted is not None:
        return "unchanged" if item.accepted.bias == item.bias else "updated"
    return "updated" if any(one.fingerprint == item.fingerprint for one in report.baseline.worse) else "new"


def _location(item: Finding, index: int) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri(item.model), "index": index}, "region": {"startLine": 1}}
    }
    if item.attribute is not None:
        name = visible(item.attribute)[:LONGEST]
        location["logicalLocations"] = [{"name": name, "fullyQualifiedName": f"{item.metric}/{name}", "kind": "member"}]
    return location


def _figures(item: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {"status": item.status, "network": visible(item.network), "metric": item.metric}
    if item.attribute is not None:
        told |= {"attribute": visible(item.attribute), "bias": item.bias, "bound": item.bound}
        told["pair"] = None if item.pair is None else [visible(name) for name in item.pair]
    if item.interval is not None:
        told["interval"] = [item.interval.low, item.interval.high]
        told["confidence"] = item.interval.confidence
    return told


def _properties(value: Judged, report: Report, found: list[Finding]) -> dict[str, Any]:
    return {
        "verdict": value.verdict,
        "metric": report.metric,
        "bound": report.eps,
        "verdictRows": report.rows.verdict,
        "usesAttributeAtPrediction": report.uses_attribute,
        "seed": report.seed,
        "settled": [
            {"ruleId": item.rule.id, "fingerprint": item.fingerprint, **_figures(item)}
            for item in found
            if item.status in SETTLED
        ],
    }


def _plain(text: str) -> str:
    """Return text as a message: no embedded link, no placeholder (sections 3.11.5 and 3.11.6 of the standard)."""
    text = clipped(visible(text), LONGEST)
    if "](" in text:
        text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    if re.search(r"\{\d+\}", text):
        text = text.replace("{", "{{").replace("}", "}}")
    return text
