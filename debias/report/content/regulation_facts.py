"""What a report tells of itself where a rule asks: one short text for each fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from debias.report.content.networks import after_name, before_name
from debias.report.regulations import Fact
from debias.report.text import bracketed, count, percent, rate, shortened, signed, signed_amount
from debias.report.values.figures import Figures
from debias.report.values.report import Report

NAMES = 8
"""Names that a text lists before it counts the rest."""
LONGEST = 40


def told(report: Report, fact: Fact) -> str:
    """Return what a report says of a fact, as one or a few short sentences.

    Parameters
    ----------
    report : Report
    fact : Fact
        As the data file of a view names it.
    """
    return FACTS[fact](report)


def uses_attribute(report: Report) -> str:
    """Return whether the protected attribute is needed at prediction, as a sentence."""
    who = "model" if report.verb == "audit" else "repaired model"
    answer = "yes" if report.uses_attribute else "no"
    return f"The {who} uses the protected attribute at prediction: {answer}."


def listed(names: list[str]) -> str:
    """Return names of others with commas, cut where they are long and counted where they are many."""
    shown = ", ".join(shortened(name, LONGEST) for name in names[:NAMES])
    return f"{shown} and {len(names) - NAMES} more" if len(names) > NAMES else shown


def _joined(parts: Iterator[str]) -> str:
    return " ".join(parts)


def _stages(report: Report) -> Iterator[tuple[str, Figures]]:
    yield before_name(report), report.before
    if report.after is not None:
        yield after_name(report), report.after


def _alternatives(report: Report) -> str:
    if report.change is None:
        return "None: an audit changes nothing."
    told = f"{count(report.change.steps)} steps of {report.change.method} beside the unchanged network."
    if report.threshold_only is not None and report.task == "classification":
        plain = report.threshold_only
        told += (
            f" Another threshold alone: balanced accuracy {rate(plain.balanced_accuracy)}, bias {signed(plain.bias)}."
        )
    return told


def _bias(report: Report) -> str:
    return _joined(f"{stage}: {parity.sentence}." for stage, figures in _stages(report) for parity in figures.parities)


def _bound(report: Report) -> str:
    if report.eps is None:
        return "No bound was asked."
    least = f"below {report.eps:.6g} in absolute size"
    if report.metric == "impact-ratio":
        least = f"above {1 - report.eps:.6g}"
    sure = "" if report.confidence is None else f", at a confidence of {report.confidence:.6g}"
    return f"{report.metric} {least}{sure}; set before the run."


def _categories(report: Report) -> str:
    told = _joined(f"{shortened(item.name, LONGEST)}: {listed(item.groups)}." for item in report.attributes)
    return f"{told} Rates and ratios by category stand in this report."


def _change(report: Report) -> str:
    if report.change is None:
        return "Nothing was changed: an audit."
    if report.output is None:
        return f"{report.change.summary} No file was written."
    return report.change.summary


def _confidence(report: Report) -> str:
    show = signed_amount if report.task == "regression" else signed
    told = []
    for stage, figures in _stages(report):
        for parity in figures.parities:
            if parity.interval is not None:
                limits = bracketed(parity.interval.low, parity.interval.high, show)
                sure = percent(parity.interval.confidence)
                told.append(f"{stage}, {shortened(parity.attribute, LONGEST)}: {sure} {limits}.")
    return " ".join(told) or "No interval could be given."


def _data(report: Report) -> str:
    tables = (f"{role}: {shortened(table.path, 60)}, {count(table.rows)} rows." for role, table in report.data.items())
    return _joined(tables)


def _hashes(report: Report) -> str:
    files = [("model", report.model.sha256), *((role, table.sha256) for role, table in report.data.items())]
    if report.output is not None:
        files.append(("written", report.output.sha256))
    return "SHA-256 " + ", ".join(f"{role} {digest[:12]}…" for role, digest in files if digest) + "; in full: Files."


def _limits(report: Report) -> str:
    told = f"{len(report.notes)} note{'' if len(report.notes) == 1 else 's'}."
    if report.optimistic:
        told += " The figures are optimistic: the verdict rows took part in the choice."
    return told


def _made(report: Report) -> str:
    return "This report does not tell." if report.created is None else f"This report was made at {report.created}."


def _missing(report: Report) -> str:
    rows = report.rows
    lacking = ", ".join(f"{count(n)} in {table}" for table, n in rows.missing_attribute.items() if n) or "none"
    return (
        f"Rows without a protected attribute: {lacking}; policy: {rows.missing_attribute_policy}; "
        f"left out: {count(rows.dropped)}."
    )


def _performance(report: Report) -> str:
    def figures(item: Figures) -> str:
        if report.task == "regression":
            return f"R² {rate(item.r2)}"
        return (
            f"balanced accuracy {rate(item.balanced_accuracy)}, accuracy {rate(item.accuracy)}, "
            f"AUROC {rate(item.auroc)}"
        )

    return _joined(f"{stage}: {figures(item)}." for stage, item in _stages(report))


def _repeat(report: Report) -> str:
    if report.command is None:
        return f"No command: a table was no file. Seed {report.seed}."
    return f"The command stands under To repeat; seed {report.seed}."


def _rows(report: Report) -> str:
    rows = report.rows
    origin = {
        "test": "of a table of their own",
        "holdout": "set aside before anything looked at them",
        "selection": "which also chose the candidate",
        "data": "all rows of the table",
    }[rows.verdict_from]
    return f"{count(rows.verdict)} rows, {origin}."


def _selection_rows(report: Report) -> str:
    if report.verb == "audit":
        return "Nothing was chosen: an audit."
    apart = "no others" if report.optimistic else "other rows than those of the verdict"
    return (
        f"{count(report.rows.selection)} rows chose, {count(report.rows.verdict)} decided the verdict: {apart}, "
        f"{count(report.rows.overlap)} in both tables."
    )


def _small(report: Report) -> str:
    small = [
        " × ".join(group.groups)
        for item in report.impacts
        for group in (item.before[0].groups if item.before else ())
        if group.small
    ]
    return f"Below 2% of the rows: {listed(small)}." if small else "No category is below 2% of the rows."


def _unknown(report: Report) -> str:
    if report.impacts and not any(item.unknown or item.left_out for item in report.impacts):
        return "None: every verdict row is in a category of each attribute."
    told = []
    for item in report.impacts:
        name = " × ".join(shortened(attribute, LONGEST) for attribute in item.attributes)
        left = f", {count(item.left_out)} left out of the table" if item.left_out else ""
        told.append(f"{name}: {count(item.unknown)} of the verdict rows{left}.")
    return " ".join(told) or "Not counted in this report."


FACTS: dict[Fact, Callable[[Report], str]] = {
    "alternatives": _alternatives,
    "attribute-use": uses_attribute,
    "bias": _bias,
    "bound": _bound,
    "categories": _categories,
    "change": _change,
    "confidence": _confidence,
    "data": _data,
    "hashes": _hashes,
    "limits": _limits,
    "made": _made,
    "missing": _missing,
    "performance": _performance,
    "repeat": _repeat,
    "rows": _rows,
    "selection-rows": _selection_rows,
    "small": _small,
    "unknown": _unknown,
}
"""How each fact is told."""
