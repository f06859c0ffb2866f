"""What a human reads about a run, in order and without a format."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.content import evidence
from debias.report.content.document import Document, Section, Table
from debias.report.content.effects import dispersion_sections, effects_sections, information_sections
from debias.report.content.findings import accepted_sections
from debias.report.content.impact import impact_sections
from debias.report.content.limits import limit_sections
from debias.report.content.networks import after_name, before_name
from debias.report.content.regression import change_sentences, groups_section, overall_section
from debias.report.content.regulation import view_sections
from debias.report.findings.accepting import exit_reason
from debias.report.text import between, bracketed, count, percent, ranges, rate, signed, signed_amount, size
from debias.report.values.figures import Figures, Parity
from debias.report.values.report import Change, GroupRule, Report, SampleInfo

HEADLINES = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE", "no-bound": "NO BOUND"}
MEASURES = {"balanced-accuracy": "bal.acc", "accuracy": "acc", "f1": "F1", "auroc": "AUROC", "r2": "R²"}
CHOSEN_BY = {
    "test": "rows of --test",
    "holdout": "rows of --data, set aside before anything looked at them",
    "selection": "rows of --data, the same that chose the candidate",
    "data": "rows of --data",
}


def report_document(report: Report) -> Document:
    """Return what a human report of a run says."""
    between = (
        *_groups(report),
        *evidence.crossing_sections(report),
        *dispersion_sections(report, _stages(report)),
        *effects_sections(report),
        *information_sections(report),
        *impact_sections(report),
        *view_sections(report),
    )
    return Document(
        title=f"debias {report.verb}",
        headline=HEADLINES[report.verdict],
        statement=report.statement,
        warnings=tuple(_warnings(report)),
        sections=(
            _bias(report),
            *accepted_sections(report),
            _overall(report),
            *between,
            *_repair(report),
            _rows(report),
            *evidence.small_sections(report),
            *limit_sections(report),
            *_closing(report),
        ),
    )


def _repair(report: Report) -> Iterator[Section]:
    """Yield how the repair got there, what it changed, and what other cuts would do."""
    yield from evidence.trajectory_sections(report)
    yield from _change(report)
    yield from evidence.layer_sections(report)
    yield from evidence.sweep_sections(report)


def _stages(report: Report, every: bool = False) -> list[tuple[str, Figures]]:
    """Networks to show, in reading order; the best threshold only where `every` asks for it."""
    named = [
        (before_name(report), report.before),
        ("best threshold", report.best_threshold if every else None),
        ("threshold only", report.threshold_only if report.verb != "threshold" or report.after is None else None),
        (after_name(report), report.after),
    ]
    return [(name, figures) for name, figures in named if figures is not None]


def _warnings(report: Report) -> Iterator[str]:
    if (reason := exit_reason(report)) is not None:
        yield reason
    if report.optimistic:
        if report.rows.verdict_from == "test":
            yield "Optimistic: every row of --test also occurs in --data, so the verdict rows took part in selection."
        else:
            yield "Optimistic: the verdict rows also chose the candidate; use --test or a --holdout above 0."
    elif report.rows.overlap:
        yield f"{count(report.rows.overlap)} of the {count(report.rows.verdict)} rows of --test also occur in --data."
    if report.trusted:
        yield "--trust was given: the checks before loading were overridden."
    if report.uses_attribute:
        model = "model" if report.verb == "audit" else "repaired model"
        yield f"The {model} needs the protected attribute at prediction."
    judged = report.after or report.before
    rates = {group.selection_rate for parity in judged.parities for group in parity.groups if group.n}
    if rates in ({0.0}, {1.0}):
        side = "favourable" if rates == {1.0} else "unfavourable"
        yield f"Every row gets the {side} decision: groups cannot differ then, whatever the network is worth."


def _bias(report: Report) -> Section:
    favorable = report.positive_label if report.favorable == "positive" else f"not {report.positive_label}"
    told = f"{report.metric}: {report.metric_formula}"
    sentences = [f"{told}; + is the favourable decision (label {favorable})."]
    if report.task == "regression":
        sentences = [f"{told}; ŷ is the prediction in units of the target."]
    for attribute in report.attributes:
        if attribute.privileged is not None:
            others = [name for name in attribute.groups if name != attribute.privileged]
            sentences.append(
                f"Attribute {attribute.name}: {attribute.privileged} is privileged over {', '.join(others)}."
            )
        else:
            sentences.append(f"Attribute {attribute.name}: {', '.join(attribute.groups)}; no group is privileged.")
    if report.task == "classification" and any(len(attribute.groups) > 2 for attribute in report.attributes):
        sentences.append("Of more than two groups, the bias is the lowest rate minus the highest.")
    several = len(report.attributes) > 1
    items = []
    for name, figures in _stages(report):
        for parity in figures.parities:
            who = f"{name}, {parity.attribute}" if several else name
            items.append(f"{who}: {parity.sentence}{_interval(parity, report.task == 'regression')}")
    confidence = [parity.interval.confidence for parity in report.before.parities if parity.interval is not None]
    if confidence:
        sentences.append(f"In brackets: {percent(confidence[0])} interval for the bias, from these rows alone.")
    return Section("Bias", tuple(sentences), items=tuple(items), key="bias")


def _interval(parity: Parity, regression: bool) -> str:
    if parity.interval is None:
        return ""
    limits = bracketed(parity.interval.low, parity.interval.high, signed_amount if regression else signed)
    return f" {limits}"


def _overall(report: Report) -> Section:
    if report.task == "regression":
        return overall_section(report, _stages(report, every=True))
    measure = MEASURES[report.performance]
    # Accuracy, balanced accuracy and AUROC are always there.
    extra = measure == "F1"
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            name,
            *([rate(figures.f1)] if extra else []),
            rate(figures.balanced_accuracy),
            rate(figures.accuracy),
            signed(figures.bias),
            rate(figures.auroc),
            rate(figures.brier),
            f"{figures.threshold:.6g}",
            rate(figures.objective),
        )
        for name, figures in _stages(report, every=True)
    )
    columns: tuple[str, ...] = (
        "network",
        *(["F1"] if extra else []),
        "bal.acc",
        "acc",
        "bias",
        "AUROC",
        "Brier",
        "threshold",
        "objective",
    )
    align = "l" + "r" * (len(columns) - 1)
    if report.eps is None:  # the objective asks for a bound
        columns, rows, align = columns[:-1], tuple(row[:-1] for row in rows), align[:-1]
    sentences = []
    if report.performance != "balanced-accuracy":
        sentences.append(f"The objective is {measure} where every bound is met, else 0.")
    if len(report.attributes) > 1:
        sentences.append("bias is that of the attribute that uses up most of its bound.")
    for index, attribute in enumerate(report.attributes):
        spread = {name: figures.parities[index].mean_pairwise for name, figures in _stages(report)}
        if len(attribute.groups) > 2 and None not in spread.values():
            told = ", ".join(f"{name} {value:.4f}" for name, value in spread.items())
            of = f" of {attribute.name}" if len(report.attributes) > 1 else ""
            sentences.append(f"Mean pairwise difference{of}: {told}.")
    return Section(
        f"Figures on {count(report.before.n)} rows", tuple(sentences), Table(columns, rows, align), key="figures"
    )


def _groups(report: Report) -> Iterator[Section]:
    for index, attribute in enumerate(report.attributes):
        title = "Groups" if len(report.attributes) == 1 else f"Groups of {attribute.name}"
        stages = [(name, figures.parities[index]) for name, figures in _stages(report)]
        yield _groups_of(title, stages)
        yield from _limits_of(f"Intervals of {title[0].lower()}{title[1:]}", stages)


def _groups_of(title: str, stages: list[tuple[str, Parity]]) -> Section:
    before = stages[0][1].groups
    if all(group.selected is None for group in before):
        return groups_section(title, stages)
    weighted = any(abs(group.weight - group.n) > 1e-9 for group in before)
    columns = ("group", "network", "n", "selected", "rate", "TPR", "FPR", "bal.acc")
    rows = []
    undefined = []
    for index, group in enumerate(before):
        name = f"{group.name}*" if group.privileged else group.name
        for stage, parity in stages:
            one = parity.groups[index]
            cells = (one.selection_rate, one.tpr, one.fpr, one.balanced_accuracy)
            rows.append((name, stage, count(one.n), count(one.selected or 0), *map(rate, cells)))
        if group.tpr is None:
            undefined.append(group.name)
    privileged = any(group.privileged for group in before)
    sentences = ["rate is the selection rate" + ("; * is the privileged group." if privileged else ".")]
    if weighted:
        sentences.append("n and selected count rows; rates are weighted.")
    if undefined:
        sentences.append(f"– is undefined: no rows with a favourable label in {', '.join(undefined)}.")
    table = Table(columns, tuple(rows), "llrrrrrr", grouped=len(stages) > 1)
    return Section(title, tuple(sentences), table, key="groups")


def _limits_of(title: str, stages: list[tuple[str, Parity]]) -> Iterator[Section]:
    """Yield the intervals of the groups' rates; nothing where a report has none."""
    rows, how = [], ""
    for index, group in enumerate(stages[0][1].groups):
        for stage, parity in stages:
            found = parity.groups[index].intervals
            if found is None:
                continue
            how = f"{percent(found.confidence)} intervals, each by itself ({found.method})."
            limits = (found.selection_rate, found.tpr, found.fpr, found.balanced_accuracy)
            rows.append((f"{group.name}*" if group.privileged else group.name, stage, *map(between, limits)))
    if rows:
        table = Table(("group", "network", "rate", "TPR", "FPR", "bal.acc"), tuple(rows), "llrrrr", len(stages) > 1)
        yield Section(title, (how,), table, extra=True, key="groups")


def _change(report: Report) -> Iterator[Section]:
    change = report.change
    if change is None:
        return
    sentences = [change.summary]
    if change.method != "threshold":
        sentences.append(f"Step {count(change.chosen_step)} of {count(change.steps)} was chosen.")
    if change.gain_over_threshold is not None and change.method != "threshold":
        sentences.append(
            f"Gain over the unchanged network at its best feasible threshold: {signed(change.gain_over_threshold)} "
            "constrained objective."
        )
    if report.task == "regression":
        sentences += change_sentences(report)
    else:
        sentences += _scores(report, change)
    items = [
        f"layer {path}: {count(len(units))} unit{'s' if len(units) > 1 else ''} pruned ({ranges(units)})"
        for path, units in change.units.items()
    ]
    if change.rule is not None:
        items += [_group_rule(group) for group in change.rule.groups]
    items += [f"layer {path} left alone: {reason}" for path, reason in change.skipped_layers.items()]
    yield Section("What was changed", tuple(sentences), items=tuple(items), key="change")


def _scores(report: Report, change: Change) -> Iterator[str]:
    """Yield what became of the scores, and the figures on the rows that chose."""
    before, after = report.before.brier, report.after.brier if report.after else None
    if change.folded:
        yield (
            "The cut is folded into the last bias, which moves every score; "
            "calibrate again before reading it as a probability."
        )
    elif change.rule is not None:
        yield f"Each group of {change.rule.attribute} has its own cut of the unchanged network's score."
        if change.rule.shared_draws is not None:
            yield (
                "Some decisions are drawn, by a seeded hash of the features: the same person gets the same decision. "
                f"{percent(change.rule.shared_draws)} of the verdict rows share their draw with another row."
            )
    elif report.after is not None:
        yield (
            f"The scores stay as they come: the deployed system has to cut them at {report.after.threshold!r}"
            + (", which the file's contract records." if report.output else ".")
        )
    if before is not None and after is not None:
        yield f"Brier score {rate(before)} before, {rate(after)} after."
    elif report.after is not None:
        yield "The scores are no probabilities, so calibration was not measured."
    if report.selection is not None and report.selection.after is not None:
        chosen = report.selection.after
        yield (
            f"On the {count(chosen.n)} rows that chose it: balanced accuracy {rate(chosen.balanced_accuracy)}, "
            f"bias {signed(chosen.bias)} (optimistic by construction)."
        )


def _source_of_train(report: Report) -> str:
    if "train" in report.data:
        return "--train"
    return "--data, apart from those that chose" if report.rows.apart else "the selection rows"


def _group_rule(rule: GroupRule) -> str:
    if (rule.below, rule.above) == (0.0, 1.0):
        return f"{rule.group}: positive where the score is above {rule.cut:.6g}"
    return (
        f"{rule.group}: positive with probability {rule.above:.4g} where the score is above {rule.cut:.6g}, else with "
        f"{rule.below:.4g}"
    )


def _rows(report: Report) -> Section:
    rows = report.rows
    chosen_by = CHOSEN_BY[rows.verdict_from]
    if rows.sample is not None and rows.verdict_from == "holdout":
        chosen_by = "rows of --data, all that are not in the sample"
    items = [f"verdict: {count(rows.verdict)} {chosen_by}"]
    if rows.sample is not None:
        items.append(_sample(rows.sample))
    if report.verb != "audit":
        items.append(f"selection: {count(rows.selection)} of --data")
        if report.verb != "threshold":
            items.append(f"influences and gradients: {count(rows.train)} of {_source_of_train(report)}")
    for table, missing in rows.missing_attribute.items():
        if missing:
            names = ", ".join(attribute.name for attribute in report.attributes)
            items.append(f"without {names} in {table}: {count(missing)} ({rows.missing_attribute_policy})")
    if rows.dropped:
        items.append(f"left out by the stated policies: {count(rows.dropped)}")
    if rows.kept_whole:
        items.append(f"too few rows to split, kept for selection: {', '.join(rows.kept_whole)}")
    if report.decision_disagreements is not None:
        items.append(f"rows where argmax and score disagree: {count(report.decision_disagreements)}")
    return Section("Rows", items=tuple(items), key="rows")


def _sample(sample: SampleInfo) -> str:
    """Return how rows were drawn, and how far the strata's shares are from that of the whole."""
    shares = [stratum.rows / stratum.of for stratum in sample.strata]
    least, most = percent(min(shares, default=0.0)), percent(max(shares, default=0.0))
    spread = f"; {least} of every stratum" if least == most else f"; of a stratum {least} to {most} of its rows"
    by = ", ".join((*sample.by, "label"))
    return f"sample of --data: {count(sample.rows)} of {count(sample.of)} rows, stratified by {by}{spread}"


def _closing(report: Report) -> Iterator[Section]:
    if report.notes:
        yield Section("Notes", items=tuple(report.notes), key="notes")
    model = report.model
    items = [] if report.created is None else [f"made: {report.created}"]
    items += [f"model: {model.path}, {model.format}, {size(model.size)}, {model.sha256}"]
    for role, table in report.data.items():
        items.append(f"{role}: {table.path}, {count(table.rows)} rows" + (f", {table.sha256}" if table.sha256 else ""))
    if report.output is not None:
        items.append(f"written: {report.output.path}, {size(report.output.size)}, {report.output.sha256}")
    yield Section("Files", items=tuple(items), key="files")
    if report.command:
        yield Section("To repeat", code=report.command, key="repeat")
