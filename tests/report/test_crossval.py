"""The report of a cross-validation: JSON by its schema, and what a human reads."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.values.crossval import CrossValidation


def figure(value: float | None, **changes: Any) -> dict[str, Any]:
    known = {} if value is None else {"mean": value + 0.01, "sd": 0.02, "low": value - 0.01, "high": value + 0.03}
    return {"value": value, "folds": 0 if value is None else 3, **known, **changes}


def head(name: str, rows: str, accuracy: float, tpr_sd: float, swap: float | None) -> dict[str, Any]:
    reason = "the network does not read the attribute, so a swap would tell nothing"
    return {
        "head": name,
        "rows": rows,
        "n": 900 if rows == "seen" else 100,
        "performance": {"balanced_accuracy": figure(accuracy), "auroc": figure(0.9), "auprc": figure(0.8)},
        "attributes": [
            {
                "attribute": "sex",
                "figures": {
                    "tpr_sd": figure(tpr_sd),
                    "fpr_sd": figure(0.05),
                    "demographic_parity": figure(0.2),
                    "demographic_parity_soft": figure(0.1),
                    "attribute_swap": figure(swap, reason=reason if swap is None else None),
                },
                "groups": [{"name": "f", "n": 400, "positives": 100, "tpr": 0.6, "fpr": 0.1, "mean": 0.3}],
            }
        ],
    }


def model(name: str, baseline: str | None, *heads: dict[str, Any], **changes: Any) -> dict[str, Any]:
    run = {"fold": 1, "status": "ok", "epochs": 12, "best_epoch": 7, "stopped": "patience", "seconds": 3.25}
    values = {"name": name, "kind": name, "title": f"{name.upper()}-NNet", "settings": {}, "adversaries": []}
    return {**values, "baseline": baseline, "folds": [run], "heads": list(heads), **changes}


def change(metric: str, attribute: str | None, before: float, after: float, **changes: Any) -> dict[str, Any]:
    values = {"model": "fair-adb-medl", "baseline": "medl", "head": "mixed", "rows": "seen", "metric": metric}
    told = {"before": before, "after": after, "difference": after - before, "low": -0.02, "high": 0.001, "p": 0.001}
    return {**values, **told, "attribute": attribute, **changes}


def crossvalidation(**changes: Any) -> CrossValidation:
    """Return a report of two networks and one attribute; `changes` replace keys."""
    failed = {"fold": 2, "status": "failed", "reasons": ["its process was killed by SIGKILL"]}
    ok = model("x", None)["folds"][0]
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "statement": "2 networks in 2 of 10 folds of 900 rows of 2 seen clusters, and 100 rows of unseen clusters.",
        "task": "classification",
        "label": "good",
        "positive": "yes",
        "cluster": "branch",
        "clusters_seen": {"a": 500, "b": 400},
        "clusters_unseen": {"c": 100},
        "attributes": [
            {"name": "sex", "groups": ["f", "m"], "seen": [400, 500], "unseen": [60, 40], "missing": 0},
        ],
        "missing_attr": "group",
        "folds": 10,
        "folds_run": [1, 2],
        "seed": 0,
        "draws": 1000,
        "data": "rows.csv",
        "models": [
            model("medl", None, head("mixed", "seen", 0.83, 0.1, None), head("mixed", "unseen", 0.78, 0.12, None)),
            model(
                "fair-adb-medl",
                "medl",
                head("mixed", "seen", 0.82, 0.06, None),
                head("mixed", "unseen", 0.77, 0.13, None),
                folds=[{**ok, "stopped": "diverged"}, failed],
                adversaries=["sex"],
            ),
        ],
        "changes": [
            change("balanced_accuracy", None, 0.83, 0.82),
            change("tpr_sd", "sex", 0.1, 0.06, improvement=0.4, p_holm=0.004),
            change("fpr_sd", "sex", 0.05, 0.05, improvement=0.0, p=0.9, p_holm=1.0),
        ],
        "signs": [{"model": "fair-adb-medl", "baseline": "medl", "improved": 3, "of": 6, "p": 1.0}],
        "notes": ["A note."],
        "seconds": 12.5,
        "command": "debias crossval medl fair-adb-medl --data rows.csv",
    }
    return CrossValidation.model_validate({**values, **changes})


def printed(value: CrossValidation, width: int = 100) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, color_system=None))
    return " ".join(stream.getvalue().split())


def test_json_is_valid() -> None:
    document = json.loads(to_json(crossvalidation()))
    jsonschema.validate(document, schema("crossval.schema.json"))
    assert CrossValidation.model_validate(document) == crossvalidation()


def test_what_a_human_reads() -> None:
    text = printed(crossvalidation())
    assert verdict_line(crossvalidation()).startswith("MEASURED  2 networks in 2 of 10 folds")
    for told in (
        "fair-adb-medl: no predictions of fold 2; its figures are of the others.",
        "fair-adb-medl: training diverged in fold 1; the last good epoch was taken.",
        "medl ME 0.8300 0.8400 ± 0.0200 0.9000",
        "Of the test rows of all folds together (900)",
        "of 100 rows whose clusters none has seen",
        "fair-adb-medl ME 0.0600 (−40%*) 0.0500 (+0%)",
        "fair-adb-medl ME 0.1300 0.0500",
        "fair-adb-medl against medl: 3 of 6 dispersion figures are lower (sign test p = 1); "
        "bal.acc −0.0100 [−0.0200, +0.0010].",
        "fair-adb-medl FAIR-ADB-MEDL-NNet sex 1/2 12.0 7.0 3.2",
        "sex f 400 60",
        "b seen 400",
        "c unseen 100",
        "A note.",
        "debias crossval medl fair-adb-medl --data rows.csv",
    ):
        assert told in text, told


def test_what_is_undefined_is_told_and_never_zero() -> None:
    text = printed(crossvalidation())
    assert "medl ME 0.2000 –" in text
    assert "– is undefined: the network does not read the attribute" in text


def test_markdown_has_one_table_for_each_pair_of_metrics() -> None:
    text = to_markdown(crossvalidation())
    assert "| network | head | sex TPR SD | sex FPR SD |" in text.replace("  ", " ")
    assert "| fair-adb-medl | ME | 0.0600 (−40%" in text
    assert text.count("Equalized odds") == 2


def test_a_regression_has_its_own_columns() -> None:
    figures = {"mse_sd": figure(5.0), "demographic_parity": figure(1.5), "attribute_swap": figure(0.5)}
    one = head("plain", "seen", 0.5, 0.1, None)
    one["performance"] = {"mse": figure(2.0), "mae": figure(1.0), "r2": figure(0.3)}
    one["attributes"][0]["figures"] = figures
    value = crossvalidation(
        statement="1 network.",
        task="regression",
        models=[model("nnet", None, one)],
        changes=[],
        signs=[],
        clusters_unseen={},
    )
    text = printed(value)
    assert "network head MSE MSE folds MAE MAE folds R² R² folds" in text
    assert "nnet – 2.0000" in text and "sex MSE SD" in text
    assert "Error, seen clusters" in text and "Equalized odds" not in text and "unseen clusters" not in text
