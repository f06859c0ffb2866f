"""Report values made by hand, for the writers and the command line."""

from __future__ import annotations

from typing import Any

from debias.report.values.figures import Figures
from debias.report.values.fleet import Fleet, FleetRow
from debias.report.values.inspection import Inspection
from debias.report.values.report import Report

SHA = "0123456789abcdef" * 4
HOSTILE = "[red]se|x[/red]\n<b>\x1b[31m`*_\u202e"


def group(name: str, selected: int, *, n: int = 400, privileged: bool = False, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "privileged": privileged,
        "n": n,
        "weight": float(n),
        "positives": 120,
        "selected": selected,
        "selection_rate": selected / n,
        "tpr": 0.7,
        "fpr": 0.1,
        "balanced_accuracy": 0.8,
        "accuracy": 0.82,
        **changes,
    }


def figures(bias: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "n": 1000,
        "performance": 0.81,
        "balanced_accuracy": 0.81,
        "accuracy": 0.84,
        "f1": 0.7,
        "bias": bias,
        "parities": [parity(bias)],
        "auroc": 0.9,
        "brier": 0.12,
        "threshold": 0.5,
        "objective": 0.0 if bias is None or abs(bias) >= 0.05 else 0.81,
        **changes,
    }


def parity(bias: float | None, **changes: Any) -> dict[str, Any]:
    """Return the groups of one attribute."""
    return {
        "attribute": "sex",
        "bias": bias,
        "mean_pairwise": None if bias is None else abs(bias),
        "pair": ("Female", "Male"),
        "sentence": f"P(+ | Female) − P(+ | Male) = {bias}",
        "groups": [group("Female", 60), group("Male", 180, n=600, privileged=True)],
        **changes,
    }


def report(**changes: Any) -> Report:
    """Return a repair by pruning that met its bound; `changes` replace keys."""
    before = figures(-0.15)
    after = figures(-0.031, brier=0.131)
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "verb": "prune",
        "verdict": "pass",
        "exit_code": 0,
        "statement": "The bound holds: |−0.0310| is below 0.05 on 1,000 rows set aside from --data.",
        "metric": "statistical-parity",
        "metric_formula": "P(+ | unprivileged) − P(+ | privileged)",
        "attributes": [{"name": "sex", "groups": ["Female", "Male"], "privileged": "Male"}],
        "performance": "balanced-accuracy",
        "favorable": "positive",
        "positive_label": "1",
        "eps": 0.05,
        "margin": 0.01,
        "min_performance": 0.55,
        "threshold": 0.5,
        "decision": "score",
        "optimistic": False,
        "uses_attribute": False,
        "rows": {
            "data": 3334,
            "train": 2334,
            "selection": 2334,
            "verdict": 1000,
            "verdict_from": "holdout",
            "missing_attribute": {"data": 12},
            "missing_attribute_policy": "drop",
            "dropped": 12,
            "kept_whole": ["Female, 1: 1 row"],
        },
        "model": {"path": "models/lender.pt", "format": "torchscript", "size": 68_000, "sha256": SHA},
        "output": {"path": "models/lender.prune.pt", "format": "torchscript", "size": 68_400, "sha256": SHA[::-1]},
        "data": {"data": {"path": "data/lender_valid.csv", "rows": 3346, "sha256": SHA}},
        "before": before,
        "best_threshold": figures(-0.2, threshold=0.31),
        "threshold_only": figures(-0.039, balanced_accuracy=0.62, threshold=0.871),
        "after": after,
        "selection": {"before": before, "after": figures(-0.038, n=2334)},
        "change": {
            "method": "prune",
            "settings": {"steps": None, "outgoing": True, "influence": "activation"},
            "summary": "31 of 352 units were pruned by setting their outgoing weights to zero.",
            "units": {"hidden.0": [0, 1, 2, 3, 9, 17], "hidden.3": [*list(range(40, 60)), 3, 5, 7, 90, 101]},
            "details": {},
            "chosen_step": 31,
            "steps": 352,
            "skipped_layers": {"hidden.9": "its units cross a LayerNorm on the way to hidden.12"},
            "feasible": True,
            "folded": True,
            "gain_over_threshold": 0.19,
        },
        "trajectory": [
            {"step": 0, "bias": -0.15, "balanced_accuracy": 0.81, "objective": 0.0, "threshold": 0.0},
            {"step": 1, "bias": -0.03, "balanced_accuracy": 0.81, "objective": 0.81, "threshold": 0.1},
        ],
        "notes": ["The privileged group was taken from the table: Male has the higher rate of favourable labels."],
        "seed": 0,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "command": "debias prune models/lender.pt --data data/lender_valid.csv --attr sex --eps 0.05",
    }
    return Report.model_validate({**values, **changes})


def audit(**changes: Any) -> Report:
    """Return an audit without a bound."""
    nothing = dict.fromkeys(("output", "best_threshold", "threshold_only", "after", "selection", "change", "margin"))
    rows = {"data": 1000, "train": 0, "selection": 0, "verdict": 1000, "verdict_from": "data"}
    return report(
        **{
            **nothing,
            "verb": "audit",
            "verdict": "no-bound",
            "statement": "No bound was asked; the bias is −0.1500 on all 1,000 rows.",
            "eps": None,
            "min_performance": None,
            "rows": rows,
            "trajectory": [],
            "command": None,
            **changes,
        }
    )


def figures_value(bias: float | None, **changes: Any) -> Figures:
    return Figures.model_validate(figures(bias, **changes))


def inspection(**changes: Any) -> Inspection:
    """Return a file that can be used but for one layer; `changes` replace keys."""
    values: dict[str, Any] = {
        "path": "models/lender.pt",
        "format": "torchscript",
        "size": 68_000,
        "sha256": SHA,
        "dtype": "float32",
        "parameters": 12_345,
        "inputs": [{"name": "x", "role": "features", "shape": [None, 14]}],
        "output": {"kind": "probability", "shape": [None, 1], "foldable": True, "reason": "ends in sigmoid"},
        "layers": [
            {
                "path": "hidden.0",
                "units": 32,
                "activation": "ReLU",
                "normalisation": "BatchNorm after the activation",
                "consumers": ["hidden.4"],
                "prunable_outgoing": True,
                "prunable_incoming": True,
            },
            {
                "path": "hidden.4",
                "units": 16,
                "activation": "GELU",
                "normalisation": None,
                "consumers": ["hidden.8", "out"],
                "prunable_outgoing": False,
                "prunable_incoming": True,
                "reasons": ["its units are added to those of hidden.0 before hidden.8"],
            },
        ],
        "methods": [
            {"method": "threshold", "ok": True},
            {"method": "prune", "ok": True, "reasons": ["hidden.4 is left alone"]},
            {"method": "gda", "ok": True},
        ],
        "notes": ["Saved in train mode; evaluated and written in eval mode."],
        "contract": {
            "label": "default",
            "positive": "1",
            "features": [{"column": "age"}, {"column": "income"}],
            "attributes": [{"column": "sex", "privileged": "male"}],
            "output": {"kind": "probability", "threshold": 0.5},
        },
        "record": {"method": "prune", "seed": 0, "figures": {"after": {"n": 9, "bias": -0.01, "groups": [{"n": 1}]}}},
    }
    return Inspection.model_validate({**values, **changes})


def row(name: str = "lender", bias: float | None = -0.02, **changes: Any) -> FleetRow:
    """Return a model of a fleet that was audited for sex; `changes` replace keys."""
    verdict = "undefined" if bias is None else "pass" if abs(bias) < 0.05 else "fail"
    values: dict[str, Any] = {
        "name": name,
        "model": f"models/{name}.pt",
        "data": "data/lender_valid.csv",
        "verb": "audit",
        "status": "done",
        "verdict": "inconclusive" if bias is None else verdict,
        "exit_code": {"pass": 0, "fail": 1}.get(verdict, 3),
        "attribute": "sex",
        "attribute_verdict": verdict,
        "metric": "statistical-parity",
        "eps": 0.05,
        "bias": bias,
        "pair": ["Female", "Male"],
        "performance": 0.81,
        "balanced_accuracy": 0.81,
        "auroc": 0.9,
        "rows": 1000,
        "seconds": 0.25,
        "model_sha256": SHA,
        "data_sha256": SHA[::-1],
    }
    return FleetRow.model_validate({**values, **changes})


def unreported(name: str = "broken", status: str = "crashed", **changes: Any) -> FleetRow:
    """Return a model of a fleet without a report."""
    names = ("verdict", "attribute", "attribute_verdict", "metric", "eps", "pair", "rows")
    nothing = dict.fromkeys((*names, "performance", "balanced_accuracy", "auroc"))
    problem = {"problem": "its process ended by signal 11"}
    return row(name, None, **{**nothing, "status": status, "exit_code": 2, **problem, **changes})


def fleet(rows: list[FleetRow] | None = None, **changes: Any) -> Fleet:
    """Return a fleet of six models, two of them without a report; `changes` replace keys."""
    if rows is None:
        rows = [
            row("lender", -0.02),
            row("lender", 0.04, attribute="existing_customer", pair=["no", "yes"]),
            row("lender-2", -0.15, low=-0.19, high=-0.11),
            row("lender-3", 0.03, verb="prune", bias_before=-0.15, balanced_accuracy_before=0.82, output="models/l.pt"),
            row("lender-4", None, reused="resumed"),
            unreported(),
            unreported("hanging", "timeout", problem="took longer than 600 s"),
        ]
    outcomes = {one.name: one.verdict if one.status == "done" else one.status for one in rows}
    told = list(outcomes.values())
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "created": "2030-01-02T03:04:05Z",
        "exit_code": max((one.exit_code for one in rows), key=(0, 3, 1, 2).index, default=0),
        "statement": f"{told.count('pass')} of {len(told)} models meet their bound.",
        "manifest": "fleet.yaml",
        "folder": "fleet.fleet",
        "counts": {str(name): told.count(name) for name in dict.fromkeys(told)},
        "reused": sum(one.reused is not None for one in rows),
        "rows": rows,
        "isolation": "each job in its own process: 4 GiB memory, no new files, no network",
        "workers": 2,
        "seconds": 3.5,
        "command": "debias fleet fleet.yaml --workers 2",
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
    }
    return Fleet.model_validate({**values, **changes})
