"""What a run found, piece by piece: one finding for each model, attribute and metric.

A finding has a fingerprint, by which other tools know it again. It is made of the model's name, what was judged (the
file as deployed, or what a verb made of it), the metric, the attribute and the two groups that lie apart, and of
nothing else: other rows and other figures keep it.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

from debias.fairness.metrics import METRICS, Metric
from debias.report.findings.rules import NO_CANDIDATE, RULES, Rule
from debias.report.text import count
from debias.report.values.baseline import Accepted
from debias.report.values.comparison import Comparison
from debias.report.values.figures import Figures, IntervalFigures, Parity
from debias.report.values.report import Report
from debias.words import bare

Status = Literal["pass", "fail", "inconclusive", "undefined", "no-bound", "no-report"]
Judged = Report | Comparison
"""Values with a verdict."""

DEPLOYED = "deployed"
"""The subject of a finding about the file as it came."""
SETTLED: tuple[Status, ...] = ("pass", "no-bound")
"""Statuses that nobody has to act on."""


@dataclass(frozen=True)
class Finding:
    """One thing that was judged.

    Parameters
    ----------
    rule : Rule
        What was asked.
    model : str
        The file that came in, as named.
    subject : str
        "deployed", or the verb that repaired it.
    network : str
        What was judged, for a reader.
    attribute : str or None
        The protected attribute; None where the finding is about the whole run.
    metric : str or None
        How groups are compared; None where no report tells.
    pair : tuple of str or None
        The two groups whose difference is `bias`.
    status : {"pass", "fail", "inconclusive", "undefined", "no-bound", "no-report"}
        What was found.
    bias, bound : float or None
        The figure, and the bound on its size.
    interval : IntervalFigures or None
        Of the figure.
    message : str
        One or two sentences. Holds text of others.
    gates : bool
        The exit code depends on it.
    accepted : Accepted or None
        It was accepted beforehand, and is no worse.
    """

    rule: Rule
    model: str
    subject: str
    network: str
    attribute: str | None
    metric: Metric | None
    pair: tuple[str, str] | None
    status: Status
    bias: float | None
    bound: float | None
    interval: IntervalFigures | None
    message: str
    gates: bool = True
    accepted: Accepted | None = None

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that name it, whatever its figures."""
        parts = ["debias-finding-1", model_name(self.model), self.subject, self.rule.id, self.metric]
        told = json.dumps([*parts, self.attribute, self.pair])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def counts(self) -> bool:
        """It keeps the exit code from 0."""
        return self.gates and self.status not in SETTLED and self.accepted is None


def model_name(path: str) -> str:
    """Return what a fingerprint knows a model by: its path, without the part that other machines have otherwise."""
    if PurePath(path).is_absolute():
        return PurePath(path).name
    return posixpath.normpath(PurePath(path).as_posix())


def run_of(value: Judged) -> Report:
    """Return the run that a verdict is of: of a comparison that of its winner."""
    return value.report if isinstance(value, Comparison) else value


def findings_of(value: Judged) -> tuple[Finding, ...]:
    """Return what the exit code depends on, then what stands beside it: the file as it came, other candidates."""
    report = run_of(value)
    subject = subject_of(value)
    gating = list(_gating(report, subject))
    beside: list[Finding] = []
    if report.change is not None:
        beside += _beside(report, report.before, DEPLOYED, "as deployed")
    if isinstance(value, Comparison):
        for candidate in value.candidates:
            if not candidate.winner and candidate.after is not None:
                beside += _beside(report, candidate.after, candidate.method, f"candidate {candidate.method}")
    return (*gating, *beside)


def subject_of(value: Judged) -> str:
    """Return what was judged: the file as deployed, or what a verb made of it.

    The winner of a comparison is judged as the comparison's, whichever method made it.
    """
    report = run_of(value)
    if report.change is None:
        return DEPLOYED
    return report.baseline.subject if report.baseline is not None else value.verb


def exit_code_of(found: tuple[Finding, ...]) -> int:
    """Return 1 where a finding that counts is a miss, 3 where one is open, else 0."""
    left = {item.status for item in found if item.counts}
    return 1 if "fail" in left else 3 if left else 0


def _gating(report: Report, subject: str) -> Iterator[Finding]:
    accepted = {item.fingerprint: item for item in report.baseline.accepted} if report.baseline is not None else {}
    judged = report.before if report.change is None else report.after
    network = "as deployed" if report.change is None else f"repaired by {report.change.method}"
    found = []
    for index, parity in enumerate(judged.parities if judged is not None else ()):
        found.append(_finding(report, parity, subject, network, _status(report, index, parity)))
    if report.verdict == "fail" and not any(item.status == "fail" for item in found):
        found.append(_unheld(report, subject, network))
    for item in found:
        yield replace(item, accepted=accepted.get(item.fingerprint))


def _beside(report: Report, figures: Figures, subject: str, network: str) -> Iterator[Finding]:
    for parity in figures.parities:
        yield _finding(report, parity, subject, network, _point_status(report, parity), gates=False)


def _finding(
    report: Report, parity: Parity, subject: str, network: str, status: Status, *, gates: bool = True
) -> Finding:
    return Finding(
        rule=RULES[report.metric],
        model=report.model.path,
        subject=subject,
        network=network,
        attribute=parity.attribute,
        metric=report.metric,
        pair=parity.pair,
        status=status,
        bias=parity.bias,
        bound=report.eps,
        interval=parity.interval,
        message=_message(report, parity, network, status, gates),
        gates=gates,
    )


def _unheld(report: Report, subject: str, network: str) -> Finding:
    return Finding(
        rule=NO_CANDIDATE,
        model=report.model.path,
        subject=subject,
        network=network,
        attribute=None,
        metric=report.metric,
        pair=None,
        status="fail",
        bias=None,
        bound=report.eps,
        interval=None,
        message=report.statement,
    )


def _status(report: Report, index: int, parity: Parity) -> Status:
    if report.eps is None:
        return "no-bound"
    if index < len(report.verdicts):
        return report.verdicts[index].verdict
    # A report of before verdicts were told by attribute.
    if report.verdict == "inconclusive" or (report.verdict == "pass" and report.confidence is not None):
        return report.verdict
    return _point_status(report, parity)


def _point_status(report: Report, parity: Parity) -> Status:
    if report.eps is None:
        return "no-bound"
    if parity.bias is None:
        return "undefined"
    return "pass" if abs(parity.bias) < report.eps else "fail"


def _message(report: Report, parity: Parity, network: str, status: Status, gates: bool) -> str:
    """Return which figure meets which bound on which rows."""
    rows = f"on {count(report.rows.verdict)} rows"
    text = f"{bare(parity.attribute)}, {network}: {parity.sentence}"
    if report.eps is None:
        return f"{text}, {rows}; no bound was asked."
    figure, bound = told_figure(report, parity.bias), told_bound(report)
    if status == "undefined":
        text += f": {figure}, {bound} was asked, {rows}."
    elif status == "inconclusive":
        sure = "" if report.confidence is None else f" with {report.confidence:g} confidence"
        text += f": {figure}, {bound} was asked{sure}, {rows}."
    else:
        text += f": {figure}, {'' if status == 'pass' else 'not '}{bound}, {rows}."
    reason = next((item.reason for item in report.verdicts if gates and item.attribute == parity.attribute), "")
    return f"{text} {reason}".rstrip()


def told_figure(report: Report, bias: float | None) -> str:
    """Return the size of a bias as a reader knows it: of the impact ratio the ratio itself."""
    return figure_words(report.metric, bias)


def told_bound(report: Report) -> str:
    """Return the bound as a reader knows it; empty where none was asked."""
    return bound_words(report.metric, report.eps)


def figure_words(metric: Metric, bias: float | None) -> str:
    """Return what `told_figure` says of a metric."""
    info = METRICS[metric]
    what = "the impact ratio" if info.ratio else "|bias|"
    if bias is None:
        return f"{what} is undefined"
    if info.task == "regression":
        return f"{what} is {abs(bias):.4g}"
    return f"{what} is {1 - abs(bias) if info.ratio else abs(bias):.4f}"


def bound_words(metric: Metric, eps: float | None) -> str:
    """Return what `told_bound` says of a metric."""
    if eps is None:
        return ""
    return f"above {1 - eps:g}" if METRICS[metric].ratio else f"below {eps:g}"
