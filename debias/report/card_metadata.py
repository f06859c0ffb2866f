"""The metadata of a model card: what stands as YAML above its text, in the layout of the Hugging Face Hub.

The layout is that of ``huggingface_hub.ModelCardData`` with a ``model-index``; nothing is asked of the Hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from debias.report.text import clipped, visible
from debias.report.values.figures import Figures
from debias.report.values.report import ModelInfo, Report

LONGEST = 200
"""Characters of a name in the metadata."""

_MEASURES = {
    "balanced_accuracy": ("balanced_accuracy", "Balanced accuracy"),
    "accuracy": ("accuracy", "Accuracy"),
    "f1": ("f1", "F1"),
    "auroc": ("roc_auc", "AUROC"),
    "brier": ("brier_score", "Brier score"),
    "r2": ("r_squared", "R²"),
    "mse": ("mse", "Mean squared error"),
    "mae": ("mae", "Mean absolute error"),
}
_PLAIN_KEY = re.compile(r"[a-z][a-z0-9_-]*\Z")


def metadata(report: Report, model: ModelInfo, figures: Figures, licence: str | None = None) -> dict[str, Any]:
    """Return the metadata of a card.

    Parameters
    ----------
    report : Report
        The run.
    model : ModelInfo
        The file that the card is of.
    figures : Figures
        Of that file, on the verdict rows.
    licence : str, optional
        Identifier of the licence, such as ``apache-2.0``; left out where nobody told one.
    """
    regression = report.task == "regression"
    task = "tabular-regression" if regression else "tabular-classification"
    found: dict[str, Any] = {"license": licence} if licence else {}
    measures = list(_results(report, figures))
    return {
        **found,
        "library_name": "pytorch",
        "pipeline_tag": task,
        "tags": _tags(report, model),
        "metrics": list(dict.fromkeys(one["type"] for one in measures)),
        "model-index": [
            {
                "name": base_name(model.path),
                "results": [
                    {
                        "task": {
                            "type": task,
                            "name": "Tabular regression" if regression else "Tabular classification",
                        },
                        "dataset": _dataset(report),
                        "metrics": measures,
                    }
                ],
            }
        ],
    }


def base_name(path: str) -> str:
    """Return a path without its folders, which say where someone's files stand."""
    return PurePath(path.replace("\\", "/")).name or path


def _tags(report: Report, model: ModelInfo) -> list[str]:
    method = [] if report.change is None else [f"debias-{report.change.method}"]
    return [
        "fairness",
        "debias",
        *method,
        report.metric,
        "torchscript" if model.format == "torchscript" else "torch-export",
    ]


def _dataset(report: Report) -> dict[str, Any]:
    role = "test" if report.rows.verdict_from == "test" and "test" in report.data else "data"
    table = report.data[role]
    name = base_name(table.path)
    kind = re.sub(r"[^A-Za-z0-9._-]+", "-", name.split(".")[0])[:LONGEST].strip("-.") or "table"
    found: dict[str, Any] = {"type": kind, "name": name, "split": report.rows.verdict_from}
    if table.sha256 is not None:
        found["revision"] = table.sha256
    return {**found, "args": {"rows": report.rows.verdict}}


def _results(report: Report, figures: Figures) -> Iterator[dict[str, Any]]:
    for field, (kind, name) in _MEASURES.items():
        value = getattr(figures, field)
        if value is not None:
            yield {"type": kind, "name": name, "value": value}
    for parity in figures.parities:
        if parity.bias is None:
            continue
        told: dict[str, Any] = {"attribute": parity.attribute, "groups": [group.name for group in parity.groups]}
        if report.eps is not None:
            told["bound"] = report.eps
        if parity.interval is not None:
            told |= {"confidence": parity.interval.confidence, "low": parity.interval.low, "high": parity.interval.high}
        yield {
            "type": report.metric,
            "name": f"Bias of {parity.attribute} ({report.metric})",
            "value": parity.bias,
            "args": {name: value for name, value in told.items() if value is not None},
        }


def to_yaml(value: Mapping[str, Any]) -> str:
    """Return a mapping as YAML in block style; every text is quoted, on one line, and at most `LONGEST` long."""
    return "\n".join(_block(value, "")) + "\n"


def _block(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, item in value.items():
        yield from _entry(f"{indent}{_key(name)}:", item, indent)


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping) and item:
        yield head
        yield from _block(item, f"{indent}  ")
    elif isinstance(item, list) and item:
        yield head
        for one in item:
            yield from _item(one, indent)
    else:
        yield f"{head} {_scalar(item)}"


def _item(value: Any, indent: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{indent}- {_scalar(value)}"
        return
    first, *rest = _block(value, f"{indent}  ")
    yield f"{indent}- {first.lstrip(' ')}"
    yield from rest


def _key(name: str) -> str:
    return name if _PLAIN_KEY.match(name) else _scalar(name)


def _scalar(value: Any) -> str:
    """Return JSON, which YAML reads too; exponents get the point that YAML 1.1 asks for."""
    if isinstance(value, str):
        return json.dumps(clipped(visible(value), LONGEST), ensure_ascii=False)
    text = json.dumps(value)
    return re.sub(r"\A(-?\d+)e", r"\1.0e", text)
