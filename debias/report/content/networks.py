"""What the networks of a report are called."""

from __future__ import annotations

from debias.report.values.report import Report


def before_name(report: Report) -> str:
    """Return what the network that came in is called."""
    return "as deployed" if report.verb == "audit" else "before"


def after_name(report: Report) -> str:
    """Return what the network that was made is called; a candidate was not written."""
    return "after" if report.output is not None else "candidate"
