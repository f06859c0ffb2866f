"""What the figures of a report do not say, in plain words: each sentence holds for this run."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.content.document import Section
from debias.report.content.evidence import FEW, small_groups
from debias.report.text import amount, count, percent, rate, signed, signed_amount
from debias.report.values.figures import Figures, Parity
from debias.report.values.report import Report

NAMED = 8
"""Small groups that are named in a sentence."""


def limit_sections(report: Report) -> Iterator[Section]:
    """Yield the section that tells what the figures do not say."""
    items = (
        *_rows(report),
        *_bound(report),
        *_uncertain(report),
        *_groups(report),
        *_use(report),
        *_metric(report),
    )
    yield Section("Limits", items=items, extra=True, key="limits")


def _final(report: Report) -> Figures:
    return report.after or report.before


def _rows(report: Report) -> Iterator[str]:
    """Yield of whom the figures are, and of whom they are not."""
    rows = report.rows
    yield (
        f"The figures are of {count(rows.verdict)} rows. Of people who differ from these, of later times and of other "
        "uses they say nothing."
    )
    if report.optimistic:
        yield "These rows also chose the network, so that the figures are better than others would be."
    elif rows.overlap:
        yield f"{count(rows.overlap)} of these rows also took part in choosing, which makes the figures look better."
    if rows.dropped:
        yield f"{count(rows.dropped)} rows were left out for a missing attribute; how they fare is not known."
    elif rows.missing_attribute_policy != "group" and any(rows.missing_attribute.values()):
        yield "Rows without an attribute are in no group of it; how they fare is not known."
    unknown = 0 if report.effects is None else report.effects.unseen
    if report.effects is not None and report.effects.heads and unknown:
        yield f"{count(unknown)} rows are of clusters that the network was not trained on: it knows what holds for all."
    yield "Labels are taken as they stand: what is wrong or one-sided in them is not seen here."


def _bound(report: Report) -> Iterator[str]:
    if report.eps is None:
        yield "No bound was asked, so nothing is said on whether the bias is small enough."
    elif report.verdict == "fail" and report.change is not None:
        written = "was written all the same" if report.output is not None else "was not written"
        yield f"The repaired network misses the bound on these rows; it {written}."
    selection = report.selection.after if report.selection is not None else None
    final = report.after
    if selection is not None and final is not None and not report.optimistic and report.eps is not None:
        show = signed_amount if report.task == "regression" else signed
        yield (
            f"The bias was {show(selection.bias)} on the rows that chose, which is optimistic by construction, and is "
            f"{show(final.bias)} on the verdict rows."
        )


def _uncertain(report: Report) -> Iterator[str]:
    """Yield how sure the bias of each attribute is on other rows of the same kind."""
    show = signed_amount if report.task == "regression" else signed
    for parity in _final(report).parities:
        of = f"the bias of {parity.attribute}"
        if parity.bias is None:
            yield f"On these rows {of} is undefined."
        elif parity.interval is None:
            yield f"How far {of} would move on other rows was not worked out."
        else:
            low, high = parity.interval.low, parity.interval.high
            told = f"The {percent(parity.interval.confidence)} interval of {of} is {show(low)} to {show(high)}"
            yield f"{told}{_beside_bound(parity, report.eps)}."
    for missing in report.more_rows:
        yield (
            f"{count(missing.rows)} more verdict rows of {missing.group} ({missing.attribute}) would settle it if the "
            "rates stay."
        )


def _beside_bound(parity: Parity, eps: float | None) -> str:
    assert parity.interval is not None
    if eps is None:
        return ""
    low, high = parity.interval.low, parity.interval.high
    if -eps < low and high < eps:
        return f", within the bound of {eps:g}"
    if low >= eps or high <= -eps:
        return f", beyond the bound of {eps:g} as a whole"
    return f" and crosses the bound of {eps:g}: other rows of the same kind may give the other verdict"


def _groups(report: Report) -> Iterator[str]:
    small = small_groups(report)
    if small:
        several = len(report.attributes) > 1
        names = [f"{group.name} ({attribute})" if several else group.name for attribute, group in small]
        rest = f" and {count(len(names) - NAMED)} more" if len(names) > NAMED else ""
        yield f"Rates of small groups are rough: {', '.join(names[:NAMED])}{rest}."
    if len(report.attributes) > 1 and report.eps is not None:
        yield "Each attribute was asked to meet the bound by itself; groups crossed may lie further apart."
    cells = [cell.before.n for crossing in report.crossings for cell in crossing.cells]
    few = sum(n < FEW for n in cells)
    if few:
        yield f"{count(few)} of {count(len(cells))} crossed groups have fewer than {FEW} rows."
    if len(report.attributes) == 1 and "*" not in report.attributes[0].name:
        yield f"Only {report.attributes[0].name} was looked at; by other attributes the groups may lie further apart."


def _use(report: Report) -> Iterator[str]:
    """Yield what to mind when the network is used."""
    if report.uses_attribute:
        names = " or ".join(attribute.name for attribute in report.attributes)
        yield f"Each prediction needs {names}: it has to be known of everybody, and its use has to be allowed."
    change = report.change
    if change is None or report.after is None:
        return
    before, after = report.before, report.after
    if report.task == "regression":
        yield f"Errors moved: mean squared error {amount(before.mse)} before, {amount(after.mse)} after."
        return
    if before.brier is not None and after.brier is not None and after.brier > before.brier:
        yield (
            f"The scores say less than before: Brier score {rate(before.brier)} before, {rate(after.brier)} after, 0 "
            "being best. Calibrate them again before they are read as probabilities."
        )
    elif change.folded:
        yield "The scores moved with the cut; calibrate them again before they are read as probabilities."
    if before.auroc is not None and after.auroc is not None and after.auroc < before.auroc:
        yield f"The scores rank less well: AUROC {rate(before.auroc)} before, {rate(after.auroc)} after."
    if change.rule is not None:
        yield "Groups are decided by different cuts: people with one score may get different decisions."
        if change.rule.shared_draws is not None:
            yield "Some decisions are drawn by lot, though the same for the same features."


def _metric(report: Report) -> Iterator[str]:
    if report.eps is not None:
        yield f"The bound is on {report.metric} alone; by another metric the groups may lie further apart."
    yield "How groups differ is told, not why: no figure here is causal."
    if report.trusted:
        yield "The file was loaded though the checks before loading refused it."
