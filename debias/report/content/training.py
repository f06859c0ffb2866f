"""What a human reads about a training, in order and without a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from debias.report.content.document import Document, Section, Table
from debias.report.content.thinning import spread
from debias.report.text import count, rate, size
from debias.report.values.training import HeadFigures, TrainingReport

HEADS = {"mixed": "mixed effects", "fixed": "fixed effects", "network": "network"}
STOPPED = {
    "epochs": "all epochs were run",
    "patience": "no later epoch was better",
    "diverged": "a loss was not finite any more",
}
MOST_EPOCHS, MOST_CLUSTERS = 12, 24
COLUMNS = {
    "j": "J",
    "balanced_accuracy": "bal.acc",
    "mse": "MSE",
    "dispersion": "disp.",
    "loss_valid": "loss",
    "loss_mixed": "L_M",
    "loss_fixed": "L_F",
    "cluster_adversary": "A_c",
    "mixed_adversary": "A_M",
    "fixed_adversary": "A_F",
    "divergence": "KL",
    "correlation": "corr.",
    "swap": "swap",
}
"""Figures of an epoch that a reader sees, in order."""
MEANING = {
    "J": "J is what chose the epoch",
    "disp.": "disp. the dispersion over groups in it",
    "loss": "loss the cross-entropy on the validation rows",
    "L_M": "L_M and L_F the losses of the mixed- and fixed-effects prediction",
    "A_c": "A_c the cross-entropy of the cluster adversary",
    "A_F": "A_M and A_F those of the adversaries of the predictions, summed over attributes",
    "KL": "KL the divergence of the random effects from their prior",
}


def training_document(found: TrainingReport) -> Document:
    """Return what a human report of a training says."""
    diverged = found.stopped == "diverged"
    warning = (
        f"Training diverged in epoch {found.epochs}: the file holds epoch {found.best_epoch}, the best before it. "
        "A smaller --lr or smaller weights of the adversaries may help."
    )
    return Document(
        title=f"debias train {found.kind}",
        headline="DIVERGED" if diverged else "TRAINED",
        statement=found.statement,
        warnings=(warning,) if diverged else (),
        sections=tuple(_sections(found)),
    )


def _sections(found: TrainingReport) -> Iterator[Section]:
    yield _figures(found)
    if found.history:
        yield _course(found)
    if found.events:
        yield Section("Adversaries started anew", items=tuple(found.events))
    if found.clusters:
        yield _clusters(found)
    yield Section("Rows", items=tuple(_rows(found)), key="rows")
    yield Section("File", items=tuple(_file(found)), key="files")
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in found.settings.items())
    yield Section("Settings", (f"{settings}; seed {found.seed}.",))
    if found.notes:
        yield Section("Notes", items=tuple(found.notes), key="notes")
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")


def _figures(found: TrainingReport) -> Section:
    sentence = f"On the {count(found.rows.valid)} validation rows, which chose the epoch"
    if found.task == "regression":
        columns: tuple[str, ...] = ("prediction", "MSE", "MAE", "R²")
        rows = tuple((HEADS[one.head], _number(one.mse), _number(one.mae), _number(one.r2)) for one in found.figures)
        return Section("Figures", (f"{sentence}: optimistic. In units of the target.",), Table(columns, rows, "lrrr"))
    columns = ("prediction", "bal.acc", "AUROC", "threshold")
    rows = tuple(_classified(one) for one in found.figures)
    return Section("Figures", (f"{sentence} and the thresholds: optimistic.",), Table(columns, rows, "lrrr"))


def _classified(one: HeadFigures) -> tuple[str, str, str, str]:
    return HEADS[one.head], rate(one.balanced_accuracy), rate(one.auroc), rate(one.threshold)


def _course(found: TrainingReport) -> Section:
    epochs = [(number, summed(entry)) for number, entry in enumerate(found.history, 1)]
    names = [name for name in COLUMNS if any(name in entry for _, entry in epochs)]
    heads = [COLUMNS[name] for name in names]
    shown = [epochs[place] for place in spread(len(epochs), MOST_EPOCHS, [found.best_epoch - 1])]
    told = f"{count(found.epochs)} epochs; {STOPPED[found.stopped]}. * is the one that the file holds."
    if found.resumed_from:
        told += f" {count(found.resumed_from)} of them were done by an earlier, interrupted run."
    meaning = ", ".join(text for head, text in MEANING.items() if head in heads)
    sentences = [told, f"{meaning}."] if meaning else [told]
    if len(shown) < len(epochs):
        sentences.append(f"{len(shown)} of {len(epochs)} epochs are shown; the JSON report has all.")
    rows = tuple(
        (f"{number}{' *' if number == found.best_epoch else ''}", *(_number(entry.get(name)) for name in names))
        for number, entry in shown
    )
    return Section("Course", tuple(sentences), Table(("epoch", *heads), rows, "l" + "r" * len(heads)), key="history")


def summed(entry: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of one epoch; those of several attributes, ``name.attribute``, as one sum under ``name``."""
    found: dict[str, float] = {}
    for key, value in entry.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            name = key.partition(".")[0]
            found[name] = found.get(name, 0.0) + value
    return found


def _clusters(found: TrainingReport) -> Section:
    regression = found.task == "regression"
    rows = tuple(
        (
            one.name,
            count(one.train),
            count(one.valid),
            _number(one.mean) if regression else rate(None if not one.train else (one.positives or 0) / one.train),
        )
        for one in found.clusters[:MOST_CLUSTERS]
    )
    sentences = [f"Clusters of the column {found.cluster} that the network knows."]
    if len(found.clusters) > MOST_CLUSTERS:
        sentences.append(f"{MOST_CLUSTERS} of {count(len(found.clusters))}; the JSON report has all.")
    last = "mean target" if regression else "positive"
    return Section("Seen clusters", tuple(sentences), Table(("cluster", "train", "valid", last), rows, "lrrr"))


def _rows(found: TrainingReport) -> Iterator[str]:
    rows = found.rows
    yield f"training: {count(rows.train)} rows of {found.inputs} encoded columns"
    origin = "of --valid" if rows.valid_from == "valid" else "set aside from the seen rows"
    yield f"validation: {count(rows.valid)} rows, {origin}"
    if rows.unseen:
        yield f"of unseen clusters, or none: {count(rows.unseen)} rows, which took no part"
    if rows.dropped:
        yield f"without an attribute, left out: {count(rows.dropped)}"
    for one in found.attributes:
        yield f"attribute {one.name}: {', '.join(one.groups)}"


def _file(found: TrainingReport) -> Iterator[str]:
    if found.output is not None:
        yield f"written: {found.output.path} ({found.output.format}, {size(found.output.size)})"
        yield f"SHA-256: {found.output.sha256}"
    for role, table in found.data.items():
        digest = f", SHA-256 {table.sha256}" if table.sha256 else ""
        yield f"--{role}: {table.path}, {count(table.rows)} rows{digest}"
    yield f"{found.seconds:.1f} seconds"


def _setting(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(value: float | None) -> str:
    """Return a number in four significant digits or decimals, or ``–`` where it is undefined."""
    if value is None:
        return "–"
    size = abs(value)
    text = f"{value:.4f}" if value == 0 or 1e-3 <= size < 10 else f"{value:.4g}" if 10 <= size < 1e4 else f"{value:.3g}"
    return text.replace("-", "−", 1) if value < 0 else text
