"""What a human reads about feature importances, in order and without a format."""

from __future__ import annotations

from collections.abc import Iterator

from debias.report.content.document import Document, Section, Table
from debias.report.text import count, rate, signed
from debias.report.values.importance import ColumnImportance, FeatureImportance, Importance, ModelImportance

MARKS = {"probe": "probe", "protected": "protected"}


def importance_document(found: Importance) -> Document:
    """Return what a human report of feature importances says."""
    return Document(
        title="debias importance",
        headline="MEASURED",
        statement=found.statement,
        warnings=("--trust was given: the checks before loading were overridden.",) if found.trusted else (),
        sections=tuple(_sections(found)),
    )


def _sections(found: Importance) -> Iterator[Section]:
    if found.probes:
        yield _compared(found)
        yield _probes(found)
    for model in found.models:
        yield _columns(found, model)
        if any(feature.columns > 1 for feature in model.features):
            yield _features(found, model)
        if model.random:
            yield Section(_titled(found, "Random effects", model), items=tuple(_random(model)))
        if model.notes:
            yield Section(_titled(found, "Notes", model), items=tuple(model.notes))
    if found.notes:
        yield Section("Notes", items=tuple(found.notes), key="notes")
    yield Section("Files", items=tuple(_files(found)), key="files")
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")


def _titled(found: Importance, title: str, model: ModelImportance) -> str:
    return title if len(found.models) == 1 else f"{title} of {model.title}"


def place(rank: float) -> str:
    """Return a rank: 3, or 3.5 where it is a median between two."""
    return f"{rank:.4g}"


def _compared(found: Importance) -> Section:
    """Where the probes rank in each model, the gate figure first."""
    runs = [run for model in found.models for run in model.runs]
    measure = "MSE" if found.task == "regression" else "bal.acc"
    names = [probe.name for probe in found.probes]
    columns = ("model", "best", "by feature", *(name.replace("Probe ", "P") for name in names), "share", measure)
    rows = []
    for model in found.models:
        of_seeds = [[run.ranks[name] for run in model.runs] for name in names]
        quality = [run.mse if found.task == "regression" else run.balanced_accuracy for run in model.runs]
        rows.append(
            (
                model.title,
                place(model.best_probe_rank or 0),
                place(model.best_probe_feature_rank or 0),
                *(place(_median(ranks)) for ranks in of_seeds),
                f"{100 * _median([run.share for run in model.runs]):.1f}%",
                rate(_median([value for value in quality if value is not None])),
            )
        )
    total = len(found.models[0].columns)
    seeds = len(found.seeds)
    sentences = [
        f"best: rank of the best probe among {count(total)} columns, median over {count(seeds)} seed"
        f"{'s' if seeds > 1 else ''}; by feature: among {count(len(found.models[0].features))} features. P1 to "
        f"P{len(names)}: median rank of each probe. share: of all probes in the sum of importances.",
        "A later rank is a better one: a probe tells the cluster's rate of the label and nothing about the row.",
    ]
    first = found.models[0]
    items = [
        f"{model.title}: the best probe ranks later than in {first.title} on {model.behind} of {count(seeds)} seeds"
        for model in found.models
        if model.behind is not None
    ]
    if seeds > 1:
        items += [
            f"{model.title}: best probe rank by seed {', '.join(place(run.best) for run in model.runs)}"
            for model in found.models
        ]
    if any(run.stopped == "diverged" for run in runs):
        items.append("A training diverged; its last good epoch was measured.")
    return Section(
        "Where the probes rank",
        tuple(sentences),
        Table(columns, tuple(rows), "l" + "r" * (len(columns) - 1)),
        tuple(items),
    )


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _probes(found: Importance) -> Section:
    r = "mean of the standardised target" if found.task == "regression" else "rate of positive labels"
    sentences = (
        f"r is the cluster's {r} among the training rows; each probe has noise N(0, {found.noise:g}²) of its own.",
    )
    rows = tuple(
        (
            probe.name,
            probe.formula,
            signed(probe.with_label),
            signed(probe.with_rate),
            signed(probe.with_column),
            probe.column or "–",
        )
        for probe in found.probes
    )
    columns = ("probe", "formula", "label", "r", "most", "with column")
    return Section("Probes, and what they correlate with", sentences, Table(columns, rows, "llrrrl"))


def _mark(item: ColumnImportance | FeatureImportance) -> str:
    return " ".join(word for name, word in MARKS.items() if getattr(item, name))


def _columns(found: Importance, model: ModelImportance) -> Section:
    what = "the logit" if found.target == "logit" else "the prediction" if found.task == "regression" else "P(positive)"
    of = f"{what} of the fixed effects (cluster input at zero)" if model.head == "fixed" else what
    where = "at the mean of the inputs" if found.at == "mean" else f"over {count(found.rows)} rows"
    kind = "gradient" if found.at == "mean" else "mean gradient magnitude"
    sentence = f"slope: {kind} of {of} {where}; importance: slope × SD of the column on these rows."
    random = any(item.random_slope is not None for item in model.columns)
    marked = any(map(_mark, model.columns))
    columns: tuple[str, ...] = ("rank", "column", "share", "importance", "slope", "SD")
    columns += (("RE slope SD",) if random else ()) + (("kind",) if marked else ())
    rows = tuple(
        (
            place(item.rank),
            item.name,
            f"{100 * item.share:.1f}%",
            f"{item.importance:.4g}",
            f"{item.slope:.4g}",
            f"{item.spread:.4g}",
            *((("–" if item.random_slope is None else f"{item.random_slope:.4g}"),) if random else ()),
            *((_mark(item) or "–",) if marked else ()),
        )
        for item in model.columns[: found.top]
    )
    sentences = [sentence]
    if random:
        sentences.append("RE slope SD: standard deviation over clusters of the column's random slope.")
    if len(model.columns) > found.top:
        sentences.append(f"The first {count(found.top)} of {count(len(model.columns))} columns.")
    align = "rlrrrr" + "r" * random + "l" * marked
    return Section(_titled(found, "Columns", model), tuple(sentences), Table(columns, rows, align), key="importance")


def _features(found: Importance, model: ModelImportance) -> Section:
    marked = any(map(_mark, model.features))
    rows = tuple(
        (
            place(item.rank),
            item.name,
            str(item.columns),
            f"{100 * item.share:.1f}%",
            f"{item.importance:.4g}",
            *((_mark(item) or "–",) if marked else ()),
        )
        for item in model.features[: found.top]
    )
    sentence = "The importances of the columns that a feature becomes, added up."
    columns = ("rank", "feature", "columns", "share", "importance", *(("kind",) if marked else ()))
    return Section(_titled(found, "Features", model), (sentence,), Table(columns, rows, "rlrrr" + "l" * marked))


def _random(model: ModelImportance) -> Iterator[str]:
    for effect in model.random:
        if effect.means is None:
            told = ", ".join(f"{value:.4g}" for value in effect.spread)
            yield f"{effect.entry}: SD over clusters of each coefficient {told}"
            continue
        yield f"{effect.entry}: SD over clusters {effect.spread[0]:.4g}"
        yield from (f"{effect.entry} of {name}: {signed(value)}" for name, value in effect.means.items())


def _files(found: Importance) -> Iterator[str]:
    if found.model is not None:
        yield f"model: {found.model.path}, {found.model.format}, {found.model.sha256}"
    for role, table in found.data.items():
        yield f"{role}: {table.path}, {count(table.rows)} rows" + (f", {table.sha256}" if table.sha256 else "")
