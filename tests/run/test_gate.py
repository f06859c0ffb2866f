"""The verdict at a confidence, over several attributes and metrics: the same in the command and in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import debias
from debias.errors import DataError, ModelError
from debias.fairness.assessment import assess
from debias.fairness.counts import count
from tests.run import world
from tests.run.world import call

METRICS = ("statistical-parity", "equal-opportunity", "predictive-equality", "equalized-odds")


def decided(rows: int, seed: int = 3) -> pd.DataFrame:
    """Write a table with a second attribute that has nothing to do with anything, and return it."""
    frame = world.table(rows, seed=seed)
    frame["region"] = np.random.default_rng(seed + 100).choice(["north", "south", "west"], rows)
    frame.to_csv("decided.csv", index=False)
    return frame


@pytest.mark.usefixtures("place")
class TestConfidence:
    @pytest.mark.parametrize(
        ("rows", "eps", "verdict", "code"),
        [(3000, 0.05, "fail", 1), (3000, 0.6, "pass", 0), (60, 0.35, "inconclusive", 3)],
    )
    def test_an_audit_is_three_valued(self, rows: int, eps: float, verdict: str, code: int) -> None:
        decided(rows)
        result = call(
            "audit", "model.pt", "--data", "decided.csv", "--attr", "sex", "--features", "income,debt",
            "--eps", eps, "--confidence", 0.95, "--report", "out.json", "--report", "out.md", "--force",
        )  # fmt: skip
        assert result.code == code, result.err
        assert result.out.split()[0] == {"fail": "FAIL", "pass": "PASS", "inconclusive": "INCONCLUSIVE"}[verdict]
        report = debias.audit(
            "model.pt", "decided.csv", attr="sex", features=["income", "debt"], eps=eps, confidence=0.95
        )
        assert (report.verdict, report.exit_code, report.confidence) == (verdict, code, 0.95)
        assert f'"verdict": "{verdict}"' in Path("out.json").read_text()
        assert verdict in Path("out.md").read_text().splitlines()[0]
        if verdict == "inconclusive":
            assert report.more_rows
            for item in report.more_rows:
                assert f"{item.rows:,} more rows of group {item.group}" in report.statement or item.group in (
                    report.statement
                )

    def test_the_verdict_is_that_of_the_written_decisions(self) -> None:
        decided(2000)
        asked = {"attr": "sex", "features": ["income", "debt"], "eps": 0.3, "confidence": 0.9}
        report = debias.threshold("model.pt", "rows.csv", test="decided.csv", out="out.pt", keep_best=True, **asked)
        audit = debias.audit("out.pt", "decided.csv", attr="sex", eps=0.3, confidence=0.9)
        assert report.after is not None
        assert (audit.verdict, audit.before) == (report.verdict, report.after)
        groups = audit.before.parities[0].groups
        frame = pd.read_csv("decided.csv")
        decisions = np.concatenate([np.arange(group.n) < group.selected for group in groups])
        codes = np.repeat(np.arange(2), [group.n for group in groups])
        found = assess(count(decisions, np.zeros(len(frame), int), codes, 2), "statistical-parity", 0.3, 0.9)
        assert found.verdict == report.verdict

    def test_rows_that_took_part_in_selection_pass_nothing(self) -> None:
        report = debias.threshold("model.pt", "rows.csv", attr="sex", eps=0.9, confidence=0.95, holdout=0, out="out.pt")
        assert (report.verdict, report.exit_code) == ("inconclusive", 3)
        assert "took part in selection" in report.statement
        assert not Path("out.pt").exists()

    def test_a_rate_that_is_undefined_on_the_verdict_rows(self) -> None:
        frame = decided(300)
        frame = frame[(frame["sex"] == "m") | (frame["label"] == 0)]
        frame.to_csv("undefined.csv", index=False)
        asked = {"attr": "sex", "metric": "eod", "features": ["income", "debt"], "eps": 0.3}
        for verb, options in (
            (debias.audit, {"data": "undefined.csv"}),
            (debias.threshold, {"data": "rows.csv", "test": "undefined.csv", "out": "out.pt"}),
        ):
            with pytest.raises(DataError, match="no favourable labels"):
                verb("model.pt", **options, **asked)
            report = verb("model.pt", **options, **asked, confidence=0.95)
            assert report.exit_code == 3 or not report.change.feasible
        report = debias.audit("model.pt", "undefined.csv", **asked, confidence=0.95)
        assert (report.verdict, report.before.bias) == ("inconclusive", None)


@pytest.mark.usefixtures("place")
class TestSeveralAttributes:
    def test_every_bound_must_hold(self) -> None:
        frame = decided(3000)
        asked = {"features": ["income", "debt"], "eps": 0.1}
        both = debias.audit("model.pt", "decided.csv", attr=["sex", "region"], **asked)
        alone = {name: debias.audit("model.pt", "decided.csv", attr=name, **asked) for name in ("sex", "region")}
        assert [alone["sex"].verdict, alone["region"].verdict] == ["fail", "pass"]
        assert both.verdict == "fail"
        assert [item.name for item in both.attributes] == ["sex", "region"]
        assert both.before.parities == [alone[name].before.parities[0] for name in ("sex", "region")]
        assert both.before.bias == alone["sex"].before.bias
        assert f"{abs(both.before.parities[1].bias):.4f} (region)" in both.statement
        wide = debias.audit("model.pt", "decided.csv", attr=["sex", "region"], **{**asked, "eps": 0.5})
        assert wide.verdict == "pass"
        assert wide.before.n == len(frame)

    def test_a_repair_meets_all_of_them(self) -> None:
        decided(4000)
        report = debias.gda(
            "model.pt", "decided.csv", attr=["sex", "region"], features=["income", "debt"], eps=0.15, lr=0.01,
            epochs=20, out="out.pt", keep_best=True,
        )  # fmt: skip
        assert report.selection is not None and report.selection.after is not None
        assert report.change is not None and report.change.feasible
        assert all(abs(parity.bias) < 0.15 for parity in report.selection.after.parities)
        audit = debias.audit("out.pt", "decided.csv", attr=["sex", "region"], eps=0.15)
        assert len(audit.before.parities) == 2

    def test_intersections(self) -> None:
        frame = decided(3000)
        report = debias.audit("model.pt", "decided.csv", attr="sex*region", features=["income", "debt"], eps=0.1)
        groups = {group.name: group.n for group in report.before.parities[0].groups}
        assert len(groups) == 6
        sizes = frame.groupby(["sex", "region"]).size()
        assert groups == {f"{sex} × {region}": size for (sex, region), size in sizes.items()}


@pytest.mark.usefixtures("place")
class TestMetricsAndPerformance:
    @pytest.mark.parametrize("metric", METRICS)
    def test_every_metric_is_bounded(self, metric: str) -> None:
        decided(3000)
        report = debias.threshold(
            "model.pt", "rows.csv", attr="sex", features=["income", "debt"], metric=metric, eps=0.25,
            test="decided.csv", out="out.pt", keep_best=True,
        )  # fmt: skip
        assert report.metric == metric and report.after is not None and report.selection is not None
        women, men = report.after.parities[0].groups
        gaps = {
            "statistical-parity": [women.selection_rate - men.selection_rate],
            "equal-opportunity": [women.tpr - men.tpr],
            "predictive-equality": [women.fpr - men.fpr],
            "equalized-odds": [women.tpr - men.tpr, women.fpr - men.fpr],
        }[metric]
        assert report.after.bias == pytest.approx(max(gaps, key=abs))
        assert report.change is not None
        if report.change.feasible:
            assert report.selection.after is not None
            assert abs(report.selection.after.bias) < 0.25 - 0.01

    def test_the_impact_ratio(self) -> None:
        decided(3000)
        asked = {"attr": "sex", "metric": "air", "features": ["income", "debt"]}
        report = debias.audit("model.pt", "decided.csv", min_ratio=0.8, **asked)
        women, men = report.before.parities[0].groups
        assert 1 + report.before.bias == pytest.approx(women.selection_rate / men.selection_rate)
        assert report.verdict == "fail"
        assert f"the impact ratio is {women.selection_rate / men.selection_rate:.4f}, not above 0.8" in report.statement
        assert debias.audit("model.pt", "decided.csv", min_ratio=0.3, **asked).verdict == "pass"
        repaired = debias.threshold("model.pt", "rows.csv", min_ratio=0.8, out="out.pt", keep_best=True, **asked)
        assert repaired.selection is not None and repaired.selection.after is not None and repaired.change is not None
        if repaired.change.feasible:
            assert 1 - abs(repaired.selection.after.bias) > 0.8

    @pytest.mark.parametrize("performance", ["accuracy", "f1", "auroc", "balanced-accuracy"])
    def test_performance_measures(self, performance: str) -> None:
        decided(3000)
        report = debias.threshold(
            "model.pt", "rows.csv", attr="sex", features=["income", "debt"], eps=0.3, performance=performance,
            test="decided.csv", out="out.pt", keep_best=True,
        )  # fmt: skip
        assert report.after is not None
        name = {"accuracy": "accuracy", "f1": "f1", "auroc": "auroc", "balanced-accuracy": "balanced_accuracy"}
        assert report.after.performance == getattr(report.after, name[performance])
        if abs(report.after.bias) < 0.3:
            assert report.after.objective == report.after.performance

    def test_each_selection_rule_and_pooled_rows(self) -> None:
        decided(3000)
        world.table(2000, seed=8).to_csv("train.csv", index=False)
        cuts = {}
        for rule in ("chance", "margin", "expected", "confident"):
            for pool in (False, True):
                report = debias.gda(
                    "model.pt", "rows.csv", attr="sex", features=["income", "debt"], eps=0.2, selection=rule,
                    pool=pool, train="train.csv", test="decided.csv", lr=0.01, epochs=5, out="out.pt",
                    keep_best=True, force=True,
                )  # fmt: skip
                assert report.selection_rule == rule + (", bias pooled with the rows for gradients" if pool else "")
                assert report.selection is not None and report.selection.after is not None
                assert report.selection.after.n == report.rows.selection == 600
                cuts[rule, pool] = report.trajectory[report.change.chosen_step].threshold  # type: ignore[union-attr]
        assert len(set(cuts.values())) > 1


@pytest.mark.usefixtures("place")
class TestRules:
    def test_a_file_with_a_rule_is_read_but_not_repaired_again(self) -> None:
        asked = {"attr": "sex", "eps": 0.3, "force": True}
        report = debias.roc("model.pt", "rows.csv", out="ruled.pt", keep_best=True, **asked)
        assert report.uses_attribute and report.change is not None and report.change.rule is not None
        assert [group.group for group in report.change.rule.groups] == ["f", "m"]
        audit = debias.audit("ruled.pt", "rows.csv", attr="sex")
        assert audit.uses_attribute
        for method in (debias.threshold, debias.prune, debias.roc):
            with pytest.raises(ModelError, match="rule of an earlier repair"):
                method("ruled.pt", "rows.csv", out="again.pt", **asked)
        told = {item.method: item for item in debias.inspect("ruled.pt").methods}
        assert not told["prune"].ok and "rule of an earlier repair" in told["prune"].reasons[0]

    def test_drawn_decisions_are_those_of_the_file(self) -> None:
        decided(2000)
        report = debias.eqodds(
            "model.pt", "rows.csv", attr="sex", features=["income", "debt"], eps=0.3, test="decided.csv",
            randomised=True, out="drawn.pt", keep_best=True, metric="equalized-odds",
        )  # fmt: skip
        assert report.change is not None and report.change.rule is not None
        assert report.change.rule.shared_draws is not None
        assert debias.audit("drawn.pt", "decided.csv", attr="sex", metric="eqodds", eps=0.3).before == report.after
