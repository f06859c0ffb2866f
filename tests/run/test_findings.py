"""Findings of real runs: the verdict of each attribute, the gate that they make, and baselines over new rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import debias
from debias.fairness.metrics import METRICS
from debias.report.findings.finding import exit_code_of, findings_of
from debias.report.values.report import Report
from tests.run import world
from tests.run.world import ASKED, call

pytestmark = pytest.mark.usefixtures("place")


def two_attributes(path: str = "two.csv", rows: int = world.ROWS, seed: int = 0) -> None:
    """Write rows with an attribute beside sex that has nothing to do with the label."""
    frame = world.table(rows, seed)
    coin = np.random.default_rng(seed + 1).integers(0, 2, rows)
    frame.assign(coin=np.array(["h", "t"])[coin]).to_csv(path, index=False)


def rates(path: str, attribute: str) -> dict[str, float]:
    """Count the selection rate of each group with pandas, from the file's own scores."""
    import torch

    frame = pd.read_csv(path)
    inputs = torch.tensor(frame[list(world.FEATURES)].to_numpy(), dtype=torch.float32)
    with torch.no_grad():
        score = torch.jit.load("model.pt")(inputs).reshape(-1).numpy()
    return frame.assign(chosen=score > 0.5).groupby(attribute)["chosen"].mean().to_dict()


def test_each_attribute_has_its_own_verdict() -> None:
    two_attributes()
    biases = {}
    for attribute in ("sex", "coin"):
        low, high = rates("two.csv", attribute).values()
        biases[attribute] = abs(low - high)
    assert biases["coin"] < 0.1 < biases["sex"]
    report = debias.audit("model.pt", "two.csv", attr=["sex", "coin"], features=["income", "debt"], eps=0.1)
    found = findings_of(report)
    assert {item.attribute: item.status for item in found} == {"sex": "fail", "coin": "pass"}
    for item in found:
        assert abs(item.bias or 0) == pytest.approx(biases[item.attribute or ""], abs=1e-9)


@pytest.mark.parametrize("eps", [0.01, 0.06, 0.12, 0.3, 0.9])
def test_at_a_confidence_too(eps: float) -> None:
    two_attributes(rows=400)
    both = debias.audit(
        "model.pt", "two.csv", attr=["sex", "coin"], features=["income", "debt"], eps=eps, confidence=0.95
    )
    assert exit_code_of(findings_of(both)) == both.exit_code
    statuses = [item.status for item in findings_of(both)]
    assert statuses == [item.verdict for item in both.verdicts]
    # One attribute alone is judged more boldly than two together, never the other way round.
    for attribute, status in zip(("sex", "coin"), statuses, strict=True):
        alone = debias.audit(
            "model.pt", "two.csv", attr=attribute, features=["income", "debt"], eps=eps, confidence=0.95
        )
        assert status in (alone.verdict, "inconclusive")
        assert all(item.reason for item in both.verdicts)


@pytest.mark.parametrize("metric", [name for name, info in METRICS.items() if info.task == "classification"])
def test_the_gate_is_the_same_in_every_metric(metric: str) -> None:
    bound = {"min_ratio": 0.9} if METRICS[metric].ratio else {"eps": 0.1}  # type: ignore[index]
    report = debias.audit("model.pt", "rows.csv", attr="sex", metric=metric, **bound)  # type: ignore[arg-type]
    assert exit_code_of(findings_of(report)) == report.exit_code == 1


def test_a_repair_without_a_candidate_is_a_finding_of_the_run() -> None:
    result = call("threshold", "model.pt", *ASKED, "--eps", "0.02", "--min-performance", "0.8", "--report", "r.json")
    report = Report.model_validate_json(Path("r.json").read_text(encoding="utf-8"))
    assert result.code == exit_code_of(findings_of(report)) == 1


def audit(*flags: str, data: str = "rows.csv") -> Any:
    return call("audit", "model.pt", "--data", data, "--attr", "sex", "--eps", "0.05", *flags)


def test_a_baseline_holds_over_new_rows() -> None:
    world.table(seed=5).to_csv("later.csv", index=False)
    assert audit("--write-baseline", "known.json").code == 1
    (known,) = json.loads(Path("known.json").read_text(encoding="utf-8"))["findings"]
    later = audit("--baseline", "known.json", "--json", data="later.csv")
    report = json.loads(later.out)
    grown = abs(report["before"]["bias"]) > abs(known["bias"])
    assert (later.code, len(report["baseline"]["accepted"]), len(report["baseline"]["worse"])) == (
        (1, 0, 1) if grown else (0, 1, 0)
    )
    assert audit("--baseline", "known.json").code == 0


def test_other_models_and_metrics_are_not_accepted() -> None:
    assert audit("--write-baseline", "known.json").code == 1
    Path("other.pt").write_bytes(Path("model.pt").read_bytes())
    assert call("audit", "other.pt", *ASKED, "--eps", "0.05", "--baseline", "known.json").code == 1
    assert audit("--baseline", "known.json", "--metric", "eod").code == 1
    assert audit("--baseline", "known.json").code == 0


def test_a_failed_repair_is_accepted_by_its_verb() -> None:
    asked = [*ASKED, "--eps", "0.02", "--min-performance", "0.8"]
    assert call("threshold", "model.pt", *asked, "--write-baseline", "known.json").code == 1
    again = call("threshold", "model.pt", *asked, "--baseline", "known.json", "--report", "r.xml")
    assert again.code == 0, again.out
    assert 'failures="0"' in Path("r.xml").read_text(encoding="utf-8")
    # What was accepted of the repair says nothing about the file as it came.
    assert audit("--baseline", "known.json").code == 1


def test_a_comparison_is_accepted_whichever_method_wins() -> None:
    asked = [*ASKED, "--eps", "0.02", "--min-performance", "0.8", "--methods", "roc"]
    first = call("compare", "model.pt", *asked, "--write-baseline", "known.json", "--report", "r.sarif")
    again = call("compare", "model.pt", *asked, "--baseline", "known.json", "--json")
    if first.code == 0:
        pytest.fail("the bound was meant to be missed")
    told = json.loads(again.out)
    assert (again.code, told["exit_code"], told["report"]["exit_code"], told["verdict"]) == (0, 0, 0, "fail")
    assert {item["subject"] for item in told["report"]["baseline"]["accepted"]} == {"compare"}
