"""What a human reads about a cross-validation, in order and without a format: tables as the paper prints them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.report.content.document import Document, Section, Table
from debias.report.text import count, rate
from debias.report.values.crossval import Change, CrossValidation, Figure, Head, HeadFigures, Model, Rows

SHORT = {
    "balanced_accuracy": "bal.acc",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mse": "MSE",
    "mae": "MAE",
    "r2": "R²",
    "tpr_sd": "TPR SD",
    "fpr_sd": "FPR SD",
    "mse_sd": "MSE SD",
    "demographic_parity": "DP",
    "demographic_parity_soft": "soft DP",
    "attribute_swap": "swap",
}
HEADS: dict[Head, str] = {"mixed": "ME", "fixed": "FE", "plain": "–"}
WHERE: dict[Rows, str] = {"seen": "seen clusters", "unseen": "unseen clusters"}
PARTS = (
    ("Equalized odds", ("tpr_sd", "fpr_sd")),
    ("Error", ("mse_sd",)),
    ("Demographic parity and attribute swap", ("demographic_parity", "attribute_swap")),
    ("Demographic parity of probabilities", ("demographic_parity_soft",)),
)
SURE = 0.05


def crossval_document(found: CrossValidation) -> Document:
    """Return what a human report of a cross-validation says."""
    return Document(
        title="debias crossval",
        headline="MEASURED",
        statement=found.statement,
        warnings=tuple(_warnings(found)),
        sections=tuple(_sections(found)),
    )


def _warnings(found: CrossValidation) -> Iterator[str]:
    for model in found.models:
        failed = [str(run.fold) for run in model.folds if run.status == "failed"]
        if failed:
            yield f"{model.name}: no predictions of fold {', '.join(failed)}; its figures are of the others."
        diverged = [str(run.fold) for run in model.folds if run.stopped == "diverged"]
        if diverged:
            yield f"{model.name}: training diverged in fold {', '.join(diverged)}; the last good epoch was taken."


def _sections(found: CrossValidation) -> Iterator[Section]:
    for rows in WHERE:
        shown = [(model, item) for model in found.models for item in model.heads if item.rows == rows]
        if not shown:
            continue
        yield _performance(rows, shown)
        names = shown[0][1].attributes
        for title, metrics in PARTS:
            own = [metric for metric in metrics if metric in names[0].figures] if names else []
            if own:
                yield _dispersion(found, rows, shown, title, own)
    yield from _beside(found)
    yield _models(found)
    yield from _groups(found)
    if found.notes:
        yield Section("Notes", items=tuple(found.notes), key="notes")
    if found.command:
        yield Section("To repeat", code=found.command, key="repeat")


def _performance(rows: Rows, shown: Sequence[tuple[Model, HeadFigures]]) -> Section:
    metrics = list(shown[0][1].performance)
    columns = ("network", "head", *(f"{SHORT[metric]}{part}" for metric in metrics for part in ("", " folds")))
    cells = tuple(
        (
            model.name,
            HEADS[item.head],
            *(cell for metric in metrics for cell in _both(item.performance[metric])),
        )
        for model, item in shown
    )
    n = count(shown[0][1].n)
    if rows == "seen":
        told = f"Of the test rows of all folds together ({n}); folds: mean ± SD over folds."
    else:
        told = f"Means over the folds' models, of {n} rows whose clusters none has seen; folds: mean ± SD."
    sentences = [told]
    if any(item.head != "plain" for _, item in shown):
        sentences.append("ME is the mixed-effects prediction, FE that of the fixed effects alone.")
    return Section(
        f"Performance, {WHERE[rows]}",
        tuple(sentences),
        Table(columns, cells, "ll" + "r" * 2 * len(metrics)),
        key=f"crossval-{rows}",
    )


def _both(figure: Figure) -> tuple[str, str]:
    if figure.mean is None:
        return rate(figure.value), "–"
    return rate(figure.value), rate(figure.mean) + (f" ± {figure.sd:.4f}" if figure.sd is not None else "")


def _dispersion(
    found: CrossValidation,
    rows: Rows,
    shown: Sequence[tuple[Model, HeadFigures]],
    title: str,
    metrics: Sequence[str],
) -> Section:
    attributes = [item.attribute for item in shown[0][1].attributes]
    pairs = [(attribute, metric) for attribute in attributes for metric in metrics]
    columns = ("network", "head", *(f"{attribute} {SHORT[metric]}" for attribute, metric in pairs))
    lower = {
        (c.model, c.head, c.attribute, c.metric): c for c in found.changes if c.rows == rows and c.attribute is not None
    }
    cells = tuple(
        (
            model.name,
            HEADS[item.head],
            *(
                _cell(item.of(attribute).figures[metric], lower.get((model.name, item.head, attribute, metric)))
                for attribute, metric in pairs
            ),
        )
        for model, item in shown
    )
    sentences = [
        "Lower is better. In brackets: change relative to the baseline, * where it is other than 0 "
        f"(p < {SURE:g}, paired bootstrap, corrected by Holm)."
    ]
    if any(cell == "–" for row in cells for cell in row[2:]):
        sentences.append("– is undefined: the network does not read the attribute, or fewer than two groups count.")
    return Section(f"{title}, {WHERE[rows]}", tuple(sentences), Table(columns, cells, "ll" + "r" * len(pairs)))


def _cell(figure: Figure, change: Change | None) -> str:
    if change is None or change.improvement is None:
        return rate(figure.value)
    star = "*" if change.p_holm is not None and change.p_holm < SURE else ""
    return f"{rate(figure.value)} ({round(-100 * change.improvement):+d}%{star})".replace("-", "−")


def _beside(found: CrossValidation) -> Iterator[Section]:
    """How each model does against its baseline, in sentences."""
    items = []
    for told in found.signs:
        p = "" if told.p is None else f" (sign test p = {told.p:.2g})"
        items.append(
            f"{told.model} against {told.baseline}: {told.improved} of {told.of} dispersion figures are lower{p}; "
            f"{_cost(found, told.model)}"
        )
    if items:
        yield Section("Beside the baseline", items=tuple(items))


def _cost(found: CrossValidation, model: str) -> str:
    metric = "mse" if found.task == "regression" else "balanced_accuracy"
    change = found.change(model, metric)
    if change.difference is None:
        return f"{SHORT[metric]} is undefined."
    sign = f"{change.difference:+.4f}".replace("-", "−")
    if change.low is None or change.high is None:
        return f"{SHORT[metric]} {sign}."
    return f"{SHORT[metric]} {sign} [{change.low:+.4f}, {change.high:+.4f}].".replace("-", "−")


def _models(found: CrossValidation) -> Section:
    columns = ("network", "kind", "debiased on", "folds", "epochs", "best", "sec")
    rows = tuple(
        (
            model.name,
            model.title,
            ", ".join(model.adversaries) or "–",
            f"{sum(run.status == 'ok' for run in model.folds)}/{len(model.folds)}",
            _mean([run.epochs for run in model.folds]),
            _mean([run.best_epoch for run in model.folds]),
            _mean([run.seconds for run in model.folds]),
        )
        for model in found.models
    )
    told = "Epochs that were run, epoch that was kept, and seconds of a fold: means over folds."
    return Section("Networks", (told,), Table(columns, rows, "lllrrrr"))


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.1f}" if known else "–"


def _groups(found: CrossValidation) -> Iterator[Section]:
    rows = tuple(
        (attribute.name, group, count(seen), count(unseen))
        for attribute in found.attributes
        for group, seen, unseen in zip(attribute.groups, attribute.seen, attribute.unseen, strict=True)
    )
    sentences = [f"Rows without an attribute: {found.missing_attr}."]
    sentences += [f"{item.name} is missing in {count(item.missing)} rows." for item in found.attributes if item.missing]
    columns = ("attribute", "group", "rows, seen", "rows, unseen")
    yield Section("Groups", tuple(sentences), Table(columns, rows, "llrr", grouped=True))
    clusters = [("seen", found.clusters_seen), ("unseen", found.clusters_unseen)]
    cells = tuple((name, which, count(n)) for which, sizes in clusters for name, n in sizes.items())
    yield Section(f"Clusters of {found.cluster}", table=Table(("cluster", "", "rows"), cells, "llr"))
