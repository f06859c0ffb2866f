"""The page of `fair_medl.py` from its results: figures beside the paper's, gates, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import fair_medl_paper as paper

SHORT = {
    "tpr_sd": "TPR SD",
    "fpr_sd": "FPR SD",
    "mse_sd": "MSE SD",
    "demographic_parity": "DP",
    "demographic_parity_soft": "soft DP",
    "attribute_swap": "CF",
    "balanced_accuracy": "bal.acc",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "mse": "MSE",
    "mae": "MAE",
    "r2": "R²",
}
HEADS = {"mixed": "ME", "fixed": "FE", "plain": "–"}
PAPERS = ("tpr_sd", "fpr_sd", "demographic_parity", "attribute_swap")
"""The paper's four metrics of a classification."""
NAMES = {
    "fair-adb-medl:attr=sex+age+race+marital-status": "fair-adb-medl, four attributes",
    "fair-adb-medl:attr=sex+age+race+marital_status": "fair-adb-medl, four attributes",
    "fair-adb-medl:lambda_swap=0.3,swap=sex": "fair-adb-medl, pair-swap 0.3 of sex",
    "fair-adb-medl:lambda_swap=1": "fair-adb-medl, pair-swap 1",
    "fair-adb-medl:lambda_fair=1": "fair-adb-medl, λ 1",
    "fair-adb-medl:lambda_fair=1,lambda_swap=1": "fair-adb-medl, λ 1, pair-swap 1",
    "fair-acl-da:correlation_given_label=true": "fair-acl-da, given the label",
}
FOUR, SWAP = "fair-adb-medl:attr=sex+age+race+marital-status", "fair-adb-medl:lambda_swap=0.3,swap=sex"
FAIR = "fair-adb-medl"
FOUR_OF_ACS = "fair-adb-medl:attr=sex+age+race+marital_status"
GIB = 2**30


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page in Markdown; parts without a result are left out."""
    writers = {"adult": _adult, "acs": _acs, "law-school": _law, "speed": _speed}
    return "\n".join(line for part, write in writers.items() if part in results for line in write(results[part]))


class Run:
    """The figures of one cross-validation."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        self.result = result
        self.models = {model["name"]: model for model in result["models"]}
        columns = result["changes"]["columns"]
        told = [dict(zip(columns, row, strict=True)) for row in result["changes"]["rows"]]
        keys = ("model", "head", "rows", "attribute", "metric")
        self.changes = {tuple(item[key] for key in keys): item for item in told}

    def head(self, model: str, rows: str = "seen", head: str | None = None) -> Mapping[str, Any]:
        """Return the figures of a model's head; of the first without a name."""
        heads = [item for item in self.models[model]["heads"] if item["rows"] == rows]
        found: Mapping[str, Any] = next(item for item in heads if head in (None, item["head"]))
        return found

    def value(
        self, model: str, metric: str, attribute: str | None = None, rows: str = "seen", head: Any = None
    ) -> float:
        """Return a figure of the pooled rows."""
        item = self.head(model, rows, head)
        figures = item["performance"] if attribute is None else item["attributes"][attribute]
        return float(figures[metric][0])

    def improvement(self, model: str, metric: str, attribute: str, rows: str = "seen", head: str = "mixed") -> float:
        """Return how much lower a figure is than the baseline's, as a share of that."""
        return float(self.changes[model, head, rows, attribute, metric]["improvement"])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'|'.join(['---'] * words + ['---:'] * (len(columns) - words))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _name(model: str) -> str:
    """Return what the page calls a network."""
    if model in NAMES:
        return NAMES[model]
    return model.replace(":lambda_fair=", ", λ ").replace(",lambda_swap=", ", pair-swap ")


def _percent(value: float | None) -> str:
    """Return a relative improvement as the paper writes it: 44.3%; negative where it got worse."""
    return "–" if value is None else f"{100 * value:.1f}%".replace("-", "−")


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _gates(gates: Iterable[tuple[str, str, str, bool]]) -> Iterator[str]:
    rows = [(what, asked, found, "reached" if met else "**missed**") for what, asked, found, met in gates]
    yield from _table(("gate", "asked", "measured", ""), rows, 4)


def _adult(result: Mapping[str, Any]) -> Iterator[str]:
    run = Run(result)
    yield "## Adult\n"
    yield f"{result['statement']} Bootstrap of {result['draws']:,} draws.\n"
    yield "### Gates\n"
    yield from _gates(_adult_gates(run))
    yield "### The paper's figures beside ours\n"
    yield "MEDL → Fair(ADB) MEDL, seen occupations, mixed effects, pooled over folds; in brackets the improvement.\n"
    yield from _beside(run, paper.ADULT, (FAIR, FOUR, SWAP))
    yield from _counted(run)
    yield from _figures(run)
    yield from _improvements(run, (FAIR, FOUR, SWAP))


def _adult_gates(run: Run) -> Iterator[tuple[str, str, str, bool]]:
    for attribute in ("sex", "age"):
        for metric, least in (("tpr_sd", 0.30), ("fpr_sd", 0.15)):
            found = run.improvement(FAIR, metric, attribute)
            yield f"{attribute} {SHORT[metric]} lower by", f"≥ {least:.0%}", _percent(found), found >= least
    auroc = run.value(FAIR, "auroc")
    yield "AUROC", "≥ 0.895", _number(auroc, 4), auroc >= 0.895
    accuracy = {name: run.value(name, "balanced_accuracy") for name in ("medl", FAIR, SWAP)}
    loss = accuracy["medl"] - accuracy[FAIR]
    yield "balanced accuracy lower by", "≤ 0.015", _number(loss, 4), loss <= 0.015
    swap = run.value(SWAP, "attribute_swap", "sex")
    yield "sex CF with the pair-swap penalty", "≤ 0.010", _number(swap, 4), swap <= 0.010
    both = f"{accuracy[SWAP]:.4f} against {accuracy[FAIR]:.4f}"
    yield "its balanced accuracy", "≥ that of ADB alone", both, accuracy[SWAP] >= accuracy[FAIR]


def _beside(
    run: Run, printed: Sequence[paper.Printed], models: Sequence[str], rows: str = "seen", head: str = "mixed"
) -> Iterator[str]:
    lines = []
    for item in printed:
        cells = [f"{item.attribute or 'all'} {SHORT[item.metric]}", _pair(item.before, item.after, item.improvement)]
        for model in models:
            change = run.changes[model, head, rows, _key(run, item.attribute), item.metric]
            cells.append(_pair(change["before"], change["after"], change["improvement"] if item.attribute else None))
        lines.append(cells)
    yield from _table(("figure", "paper", *(f"ours: {_name(model)}" for model in models)), lines)


def _key(run: Run, attribute: str | None) -> str | None:
    """Return the attribute's name in the run: the paper's, or with another sign between its words."""
    known = [item["name"] for item in run.result["attributes"]]
    return next((name for name in known if attribute and name.replace("_", "-") == attribute), attribute)


def _pair(before: float | None, after: float | None, improvement: float | None) -> str:
    told = f"{_number(before)} → {_number(after)}" if before is not None else ""
    share = f"({_percent(improvement)})" if told and improvement is not None else _percent(improvement)
    return f"{told} {share}".strip() if improvement is not None else told


def _counted(run: Run) -> Iterator[str]:
    yield "### How many figures improve\n"
    rows = []
    for item in run.result["signs"]:
        seen = [
            change["difference"] < 0
            for change in run.changes.values()
            if change["model"] == item["model"]
            and change["rows"] == "seen"
            and change["attribute"] is not None
            and change["metric"] in PAPERS
        ]
        p = "–" if item["p"] is None else f"{item['p']:.2g}"
        cells = [_name(item["model"]), item["baseline"], f"{sum(seen)} of {len(seen)}"]
        rows.append([*cells, f"{item['improved']} of {item['of']}", p])
    columns = ("network", "baseline", "seen", "seen and unseen", "sign test")
    yield from _table(columns, rows, 2)
    adb, acl = paper.SIGNS["Fair(ADB)"], paper.SIGNS["Fair(ACL)"]
    yield f"The paper: Fair(ADB) {adb[0]} of {adb[1]}, Fair(ACL) {acl[0]} of {acl[1]} on Adult.\n"
    both = [run.value(name, "balanced_accuracy") for name in (FAIR, "fair-adb-da", "medl", "da")]
    fairer = sum(
        run.value(FAIR, metric, attribute) < run.value("fair-adb-da", metric, attribute)
        for attribute in run.head(FAIR)["attributes"]
        for metric in ("tpr_sd", "fpr_sd")
    )
    yield (
        f"Without random effects (Fair(ADB) DA): balanced accuracy {_signed(both[1] - both[0])}, and Fair(ADB) MEDL is "
        f"fairer in {fairer} of {2 * len(run.head(FAIR)['attributes'])} TPR and FPR SDs (the paper: "
        f"{_signed(-paper.ABLATION_GAIN)}, {paper.ABLATION_FAIRER}). What adversaries cost in balanced "
        f"accuracy: {_signed(both[0] - both[2])} in MEDL, {_signed(both[1] - both[3])} in DA (the paper: "
        f"{_signed(paper.COST[FAIR])}, {_signed(paper.COST['fair-adb-da'])}).\n"
    )


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _figures(run: Run) -> Iterator[str]:
    """Yield the paper's tables: performance and dispersion, seen and unseen."""
    for rows, told in (("seen", "Seen clusters, pooled"), ("unseen", "Unseen clusters, means over the folds' models")):
        shown = [(name, head) for name, model in run.models.items() for head in model["heads"] if head["rows"] == rows]
        if not shown:
            continue
        yield f"### {told} ({shown[0][1]['n']:,} rows)\n"
        pairs = [(a, m) for a in shown[0][1]["attributes"] for m in shown[0][1]["attributes"][a] if "soft" not in m]
        performance = list(shown[0][1]["performance"])
        columns = ["network", "head", *(SHORT[m] for m in performance), *(f"{a} {SHORT[m]}" for a, m in pairs)]
        lines = [
            [
                _name(name),
                HEADS[head["head"]],
                *(_number(head["performance"][m][0], 4) for m in performance),
                *(_number(head["attributes"][a][m][0]) for a, m in pairs),
            ]
            for name, head in shown
        ]
        yield from _table(columns, lines, 2)


def _improvements(run: Run, models: Sequence[str]) -> Iterator[str]:
    """Yield relative improvements with their significance, seen and unseen, both heads."""
    yield "### Relative improvements over MEDL\n"
    yield (
        "\\* p < 0.05, paired bootstrap over rows corrected by Holm over attributes and metrics; † p < 0.001, paired "
        "t-test over folds, as the paper tests.\n"
    )
    columns = [(model, head, rows) for model in models for rows in ("seen", "unseen") for head in ("mixed", "fixed")]
    lines = []
    for item in run.result["attributes"]:
        metrics = run.head(models[0])["attributes"][item["name"]]
        for metric in (name for name in metrics if "soft" not in name):
            cells = [run.changes[model, head, rows, item["name"], metric] for model, head, rows in columns]
            lines.append([f"{item['name']} {SHORT[metric]}", *map(_starred, cells)])
    titles = [f"{_name(model)}: {HEADS[head]} {rows}" for model, head, rows in columns]
    yield from _table(["figure", *titles], lines)


def _starred(change: Mapping[str, Any]) -> str:
    star = "\\*" if change["p_holm"] is not None and change["p_holm"] < 0.05 else ""
    dagger = "†" if change["p_folds"] is not None and change["p_folds"] < 0.001 else ""
    return f"{_percent(change['improvement'])}{star}{dagger}"


def _acs(result: Mapping[str, Any]) -> Iterator[str]:
    run = Run(result)
    yield "## ACS 2018 at scale\n"
    yield f"{result['statement']} {len(result['folds_run'])} of {result['folds']} folds were run.\n"
    peak = result["peak_bytes"] / GIB
    seen = sum(result["clusters"][0].values())
    rows = seen * (result["folds"] - 2) // result["folds"]
    speeds = []
    for model in result["models"]:
        done = [fold for fold in model["folds"] if fold["status"] == "ok" and fold["seconds"]]
        epochs = sum(fold["epochs"] for fold in done)
        seconds = sum(fold["seconds"] for fold in done)
        speeds.append(
            (
                _name(model["name"]),
                f"{epochs / len(done):.1f}",
                f"{seconds / len(done):.0f}",
                f"{rows * epochs / seconds:,.0f}",
            )
        )
    yield from _gates([("peak memory of the whole run", "< 4 GiB", f"{peak:.2f} GiB", peak < 4)])
    yield from _table(("network", "epochs a fold", "seconds a fold", "training rows a second"), speeds)
    yield "### The paper's IPUMS figures beside ACS\n"
    yield "Other people, another year, other occupation groups: the direction is what can be compared.\n"
    fair = [name for name in (FAIR, FOUR_OF_ACS) if name in run.models]
    yield from _beside(run, paper.IPUMS, fair)
    yield "Unseen, fixed effects:\n"
    yield from _beside(run, paper.IPUMS_UNSEEN, fair, "unseen", "fixed")
    yield from _figures(run)
    yield from _improvements(run, fair)


def _law(result: Mapping[str, Any]) -> Iterator[str]:
    run = Run(result)
    yield "## Law school, a regression\n"
    yield f"{result['statement']} Beside `medl`, mixed effects, pooled.\n"
    attributes = [item["name"] for item in result["attributes"]]
    columns = ["network", "MSE", "more MSE", *(f"{name} {what}" for name in attributes for what in ("DP", "lower by"))]
    lines = []
    reached: dict[str, list[str]] = {name: [] for name in (*attributes, "all at once")}
    for name in run.models:
        if not name.startswith((FAIR, "medl")):
            continue
        mse = run.value(name, "mse")
        more = mse / run.value("medl", "mse") - 1
        cells = [_name(name), _number(mse, 4), _percent(more)]
        lower = []
        for attribute in attributes:
            value = run.value(name, "demographic_parity", attribute)
            lower.append(1 - value / run.value("medl", "demographic_parity", attribute))
            cells += [_number(value, 4), _percent(lower[-1])]
        lines.append(cells)
        for what, share in zip(reached, (*lower, min(lower)), strict=True):
            if more <= 0.10 and share >= 0.5:
                reached[what].append(_name(name))
    asked = "DP ≥ 50% lower, MSE ≤ 10% higher"
    yield from _gates((f"aim: {what}", asked, "; ".join(by) or "by none", bool(by)) for what, by in reached.items())
    yield from _table(columns, lines)
    yield from _figures(run)


def _speed(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## Training speed\n"
    yield f"{result['epochs']} epochs on {result['rows']:,} rows of one Adult fold, one thread, encoding included.\n"
    kinds = result["kinds"]
    fair = kinds[FAIR]
    wall = f"{fair['seconds']:.1f} s ({fair['cpu_seconds']:.1f} s of processor)"
    yield from _gates([("30 epochs of Fair MEDL", "< 60 s", wall, fair["seconds"] < 60)])
    plain = kinds["nnet"]["epochs_per_second"]
    lines = [
        (
            _name(name),
            f"{item['seconds']:.1f}",
            f"{item['cpu_seconds']:.1f}",
            f"{item['epochs_per_second']:.2f}",
            f"{item['epochs_per_second'] / plain:.2f}",
        )
        for name, item in kinds.items()
    ]
    yield from _table(("network", "seconds", "processor", "epochs / s", "of nnet's"), lines)
