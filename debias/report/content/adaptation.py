"""What a human reads about clusters that were added, in order and without a format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.report.content.document import Document, Section, Table
from debias.report.text import amount, count, rate, signed, signed_amount, size
from debias.report.values.adaptation import Adaptation, AddedCluster, Coefficient, PredictionFigures

PREDICTIONS = {"fixed": "fixed effects alone", "soft": "predicted clusters", "estimate": "estimated effects"}
MOST_CLUSTERS, MOST_SLOPES = 24, 3
EVERYBODY = "all"


def adaptation_document(found: Adaptation) -> Document:
    """Return what a human report of an adaptation says."""
    return Document(
        title="debias adapt", headline="ADAPTED", statement=found.statement, sections=tuple(_sections(found))
    )


def _sections(found: Adaptation) -> Iterator[Section]:
    yield _brings(found)
    yield _clusters(found)
    yield Section("File", items=tuple(_file(found)), key="files")
    if found.notes:
        yield Section("Notes", items=tuple(found.notes), key="notes")
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")


def _brings(found: Adaptation) -> Section:
    title = "What the estimates bring"
    if not found.held:
        told = f"No cluster has more than {count(found.most)} rows: none are left to tell."
        return Section(title, (told,))
    sentences = [f"On {count(found.held)} rows of these clusters that took no part in the estimates."]
    if not any(one.prediction == "soft" for one in found.figures):
        sentences.append("The file has no predictor of the cluster.")
    sides: list[tuple[str, int, Sequence[PredictionFigures]]] = [
        (one.name, one.held, one.figures) for one in found.clusters[:MOST_CLUSTERS] if one.figures
    ]
    if len(found.clusters) > 1:
        sides = [(EVERYBODY, found.held, found.figures), *sides]
        if len(found.clusters) > MOST_CLUSTERS:
            sentences.append(_more(found))
    if found.metric is not None:
        sentences.append(f"Bias: {found.metric}.")
    names = [one.name for one in found.attributes]
    measures = ("MSE",) if found.task == "regression" else ("bal.acc", "AUROC")
    columns = ("cluster", "prediction", "n", *measures, *(f"bias {name}" for name in names))
    rows = tuple(_row(found, name, held, one) for name, held, figures in sides for one in figures)
    table = Table(columns, rows, "llr" + "r" * (len(columns) - 3), grouped=True)
    return Section(title, tuple(sentences), table, key="adaptation")


def _row(found: Adaptation, name: str, held: int, one: PredictionFigures) -> tuple[str, ...]:
    regression = found.task == "regression"
    measures = (amount(one.mse),) if regression else (rate(one.balanced_accuracy), rate(one.auroc))
    biases = (signed_amount(each.bias) if regression else signed(each.bias) for each in one.biases)
    return (name, PREDICTIONS[one.prediction], count(held), *measures, *biases)


def _clusters(found: Adaptation) -> Section:
    on = "the encoded columns" if found.slopes == "input" else "the last hidden layer"
    scale = "the standardised target" if found.task == "regression" else "the logit"
    sentences = [
        f"Intercept and slopes on {on}, with posterior SD, on the scale of {scale}; prior SD {amount(found.prior_sd)}."
    ]
    if len(found.clusters) > MOST_CLUSTERS:
        sentences.append(_more(found))
    rows = tuple(_effects(one) for one in found.clusters[:MOST_CLUSTERS])
    columns = ("cluster", "rows", "used", "mean" if found.task == "regression" else "positive", "intercept", "slopes")
    return Section("Clusters added", tuple(sentences), Table(columns, rows, "lrrrrl"))


def _effects(one: AddedCluster) -> tuple[str, ...]:
    largest = sorted(one.slopes, key=lambda slope: -abs(slope.mean))[:MOST_SLOPES]
    slopes = ", ".join(f"{slope.name} {_told(slope)}" for slope in largest)
    middle = amount(one.mean) if one.positives is None else count(one.positives)
    rest = ", …" if len(one.slopes) > MOST_SLOPES else ""
    return (one.name, count(one.rows), count(one.used), middle, _told(one.intercept), slopes + rest)


def _told(effect: Coefficient) -> str:
    return f"{effect.mean:+.3f} ± {effect.sd:.3f}".replace("-", "−")


def _more(found: Adaptation) -> str:
    return f"{MOST_CLUSTERS} of {count(len(found.clusters))} clusters are shown; the JSON report has all."


def _file(found: Adaptation) -> Iterator[str]:
    yield f"written: {found.output.path} ({found.output.format}, {size(found.output.size)})"
    yield f"SHA-256: {found.output.sha256}"
    known, added = len(found.known), len(found.clusters)
    yield f"clusters: {count(known)} known before, whose predictions stay bit for bit, and {count(added)} added"
    yield f"from: {found.model.path}, SHA-256 {found.model.sha256}"
    for role, table in found.data.items():
        digest = f", SHA-256 {table.sha256}" if table.sha256 else ""
        yield f"--{role}: {table.path}, {count(table.rows)} rows{digest}"
    yield f"{found.seconds:.1f} seconds"
