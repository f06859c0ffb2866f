"""What the verdict is, on which rows, and that the written file bears it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import debias
from debias.contract import Contract
from debias.errors import UsageError
from debias.report.values.figures import Figures
from debias.report.values.report import Report
from tests.run import world
from tests.run.world import ASKED, call, told

VERBS = ("threshold", "prune", "gda")
OWN: dict[str, dict[str, Any]] = {"threshold": {}, "prune": {}, "gda": {"epochs": 3, "lr": 0.01}}


def repaired(verb: str, data: Any = "rows.csv", **options: Any) -> Report:
    settings = {"attr": "sex", "eps": 0.28, "keep_best": True, "force": True, **OWN[verb], **options}
    report: Report = getattr(debias, verb)(settings.pop("model", "model.pt"), data, **settings)
    return report


def counts(figures: Figures) -> list[tuple[int, int, float | None, float | None]]:
    return [(group.n, group.selected, group.tpr, group.fpr) for group in figures.parities[0].groups]


def measured(figures: Figures | None) -> dict[str, Any]:
    """Return the figures without the objective, which depends on the bound that was asked."""
    assert figures is not None
    return figures.model_dump(exclude={"objective"})


@pytest.mark.usefixtures("place")
class TestExitCodes:
    @pytest.mark.parametrize("verb", VERBS)
    def test_the_verdict_is_of_the_verdict_rows(self, verb: str) -> None:
        world.table(2000, seed=11).to_csv("test.csv", index=False)
        for eps in (0.05, 0.15, 0.28, 0.9):
            report = repaired(verb, eps=eps, test="test.csv", out="out.pt")
            assert report.after is not None and report.after.bias is not None and report.change is not None
            met = report.change.feasible and abs(report.after.bias) < eps
            assert (report.verdict, report.exit_code) == (("pass", 0) if met else ("fail", 1))
            assert report.statement.startswith("Bound met" if met else "Bound not met")
            assert report.after.objective == (report.after.balanced_accuracy if abs(report.after.bias) < eps else 0)

    def test_the_table(self) -> None:
        passed = call("threshold", "model.pt", *ASKED, "--eps", "0.9", "--out", "a.pt")
        failed = call("threshold", "model.pt", *ASKED, "--eps", "0.02", "--min-performance", "0.8", "--out", "b.pt")
        usage = call("threshold", "model.pt", *ASKED, "--eps", "9")
        unasked = call("audit", "model.pt", *ASKED)
        assert [result.code for result in (passed, failed, usage, unasked)] == [0, 1, 2, 0]
        assert [Path(name).exists() for name in ("a.pt", "b.pt")] == [True, False]
        assert [result.out.split()[0] for result in (passed, failed, unasked)] == ["PASS", "FAIL", "NO"]

    def test_a_bound_met_by_chance_does_not_pass(self) -> None:
        # No candidate is feasible on the selection rows: good verdict rows do not mend that.
        frame = world.table(100, seed=2)
        frame.assign(sex=["f", "m"] * 50).to_csv("test.csv", index=False)
        report = repaired("threshold", eps=0.9, margin=0.899, min_performance=0.7, test="test.csv")
        assert report.change is not None and report.after is not None
        assert report.change.feasible is False
        assert abs(report.after.bias or 0) < 0.9
        assert report.verdict == "fail"
        assert "The closest is step 0" in report.statement

    def test_a_repair_needs_a_bound(self) -> None:
        with pytest.raises(UsageError, match="--eps"):
            debias.threshold("model.pt", "rows.csv", attr="sex", eps=None)


@pytest.mark.usefixtures("place")
class TestTheWrittenFile:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("keep_scores", [False, True])
    def test_an_audit_without_flags_repeats_the_figures(self, verb: str, keep_scores: bool) -> None:
        world.table(300, seed=12).to_csv("test.csv", index=False)
        report = repaired(verb, test="test.csv", out="out.pt", keep_scores=keep_scores)
        audit = debias.audit("out.pt", "test.csv", attr="sex", eps=0.28)
        assert audit.before == report.after
        assert audit.threshold == report.after.threshold  # type: ignore[union-attr]

    def test_the_contract_holds_what_the_flags_settled(self) -> None:
        frame = world.table(300, seed=12)
        frame["paid"] = frame.pop("label").map({0: "no", 1: "yes"})
        frame["noise"] = 1.5
        frame.to_csv("odd.csv", index=False)
        flags = {"label": "paid", "positive": "no", "favorable": "negative", "privileged": "f", "ignore": ["noise"]}
        report = repaired("threshold", "odd.csv", holdout=0, out="out.pt", **flags)
        # The sign must not turn where another table has other rates.
        frame["paid"] = frame["paid"].map({"no": "yes", "yes": "no"})
        frame.to_csv("turned.csv", index=False)
        audit = debias.audit("out.pt", "odd.csv", attr="sex", eps=0.28)
        assert audit.before == report.after
        assert (
            audit.attributes[0].privileged
            == debias.audit("out.pt", "turned.csv", attr="sex").attributes[0].privileged
            == "f"
        )
        assert (audit.favorable, audit.positive_label) == ("negative", "no")

    def test_flags_go_before_the_contract_and_into_the_new_one(self) -> None:
        call("contract", "model.pt", *ASKED, "--ignore", "sex", "--embed", "told.pt", "--privileged", "m")
        report = repaired("prune", model="told.pt", privileged="f", favorable="negative", holdout=0, out="out.pt")
        assert debias.audit("out.pt", "rows.csv", attr="sex", eps=0.28).before == report.after

    def test_bins_and_a_group_for_missing_values(self) -> None:
        frame = world.table(300, seed=12)
        frame["age"] = np.random.default_rng(0).uniform(20, 80, 300).round(1)
        frame.drop(columns="sex").to_csv("aged.csv", index=False)
        report = repaired("threshold", "aged.csv", attr="age", bins="40,60", holdout=0, out="out.pt")
        assert debias.audit("out.pt", "aged.csv", attr="age", eps=0.28).before == report.after
        frame.loc[:9, "sex"] = None
        frame.drop(columns="age").to_csv("gaps.csv", index=False)
        report = repaired("threshold", "gaps.csv", missing_attr="group", holdout=0, out="out.pt")
        audit = debias.audit("out.pt", "gaps.csv", attr="sex", eps=0.28, missing_attr="group")
        assert measured(audit.before) == measured(report.after)

    def test_a_plain_reader_gets_the_counted_decisions(self) -> None:
        world.table(300, seed=12).to_csv("test.csv", index=False)
        report = repaired("prune", test="test.csv", out="out.pt")
        test = pd.read_csv("test.csv")
        inputs = torch.tensor(test[["income", "debt"]].to_numpy(), dtype=torch.float32)
        chosen = (torch.jit.load("out.pt")(inputs).detach().numpy().ravel() > 0.5).astype(int)
        assert report.after is not None
        for group in report.after.parities[0].groups:
            assert int(chosen[test["sex"] == group.name].sum()) == group.selected

    def test_the_record(self) -> None:
        report = repaired("prune", out="out.pt", metric="spd", seed=4)
        extra = {"debias.json": ""}
        torch.jit.load("out.pt", _extra_files=extra)
        document = json.loads(extra["debias.json"])
        record = document["record"]
        assert record["method"] == "prune"
        assert (record["seed"], record["eps"], record["metric"]) == (4, 0.28, "statistical-parity")
        assert record["model_sha256"] == report.model.sha256
        assert record["data_sha256"] == {"data": report.data["data"].sha256}
        assert record["figures"]["after"]["bias"] == report.after.bias  # type: ignore[union-attr]
        assert Contract.model_validate(document["contract"]).attribute("sex") is not None

    def test_again_and_again(self) -> None:
        first = repaired("prune", out="one.pt", eps=0.28)
        second = repaired("threshold", model="one.pt", out="two.pt", eps=0.2)
        assert measured(second.before) == measured(first.after)
        assert debias.inspect("two.pt").usable


@pytest.mark.usefixtures("place")
class TestTheReport:
    @pytest.mark.parametrize("verb", VERBS)
    def test_the_unchanged_network_stands_beside_the_repair(self, verb: str) -> None:
        world.table(300, seed=12).to_csv("test.csv", index=False)
        report = repaired(verb, test="test.csv", out="out.pt")
        plain = repaired("threshold", test="test.csv", out="plain.pt")
        assert report.threshold_only is not None and report.best_threshold is not None and plain.after is not None
        assert counts(report.threshold_only) == counts(plain.after)
        assert report.before == debias.audit("model.pt", "test.csv", attr="sex", eps=0.28).before
        assert report.selection is not None and report.selection.best_threshold is not None
        best = report.selection.best_threshold.balanced_accuracy or 0
        first = report.trajectory[0]
        assert best == pytest.approx(first.balanced_accuracy)
        for other in (report.selection.before, report.selection.threshold_only, report.selection.after):
            assert other is not None
            if verb == "threshold":
                assert (other.balanced_accuracy or 0) <= best + 1e-12
        assert report.change is not None and report.after is not None
        assert report.change.gain_over_threshold == report.after.objective - report.threshold_only.objective

    def test_the_chosen_step_is_the_best_of_the_trajectory(self) -> None:
        report = repaired("prune", out="out.pt")
        assert report.change is not None and report.selection is not None and report.selection.after is not None
        chosen = report.trajectory[report.change.chosen_step]
        assert chosen.objective == max(step.objective for step in report.trajectory)
        assert report.selection.after.balanced_accuracy == pytest.approx(chosen.objective)

    def test_a_frame_is_a_table(self) -> None:
        frame = pd.read_csv("rows.csv")
        by_frame, by_file = repaired("prune", frame, out="a.pt"), repaired("prune", out="b.pt")
        assert by_frame.after == by_file.after
        assert by_frame.trajectory == by_file.trajectory
        assert by_frame.command is None
        assert by_frame.data["data"].sha256 is None
        contract = debias.contract("model.pt", frame, attr="sex", ignore=["sex"])
        assert debias.audit("model.pt", "rows.csv", attr="sex", contract=contract).command is None


@pytest.mark.usefixtures("place")
class TestOverlap:
    def test_rows_of_test_that_occur_in_data_are_counted(self) -> None:
        frame = pd.read_csv("rows.csv")
        mixed = pd.concat([frame.iloc[:40], world.table(200, seed=13)])
        mixed.to_csv("test.csv", index=False)
        report = repaired("threshold", test="test.csv", out="a.pt")
        assert (report.rows.overlap, report.optimistic) == (40, False)
        asked = ("threshold", "model.pt", *ASKED, "--eps", "0.28", "--keep-best", "--force")
        assert "40 of the 240 rows of --test also occur in --data." in call(*asked, "--test", "test.csv").out

    def test_where_all_do_the_verdict_is_optimistic(self) -> None:
        pd.read_csv("rows.csv").sample(frac=0.5, random_state=1)[["sex", "debt", "label", "income"]].to_csv(
            "test.csv", index=False
        )
        report = repaired("threshold", test="test.csv", out="a.pt")
        assert (report.rows.overlap, report.rows.verdict, report.optimistic) == (300, 300, True)
        asked = ("threshold", "model.pt", *ASKED, "--eps", "0.28", "--keep-best", "--force")
        assert "Optimistic: every row of --test also occurs in --data" in call(*asked, "--test", "test.csv").out


@pytest.mark.usefixtures("place")
class TestMoreGroups:
    def frame(self) -> pd.DataFrame:
        frame = pd.read_csv("rows.csv")
        coin = np.random.default_rng(5).random(len(frame)) < 0.5
        return frame.assign(sex=np.where(frame["sex"] == "f", "a", np.where(coin, "b", "c")))

    @pytest.mark.parametrize("metric", ["statistical-parity", "equal-opportunity"])
    def test_the_largest_pairwise_difference(self, metric: str) -> None:
        frame = self.frame()
        report = debias.audit("model.pt", frame, attr="sex", metric=metric, eps=0.05)
        name = "selection_rate" if metric == "statistical-parity" else "tpr"
        rates = {group.name: getattr(group, name) for group in report.before.parities[0].groups}
        low, high = min(rates, key=lambda key: rates[key]), max(rates, key=lambda key: rates[key])
        assert report.before.parities[0].pair == (low, high)
        assert report.before.bias == pytest.approx(rates[low] - rates[high])
        pairs = [abs(rates[a] - rates[b]) for a, b in (("a", "b"), ("a", "c"), ("b", "c"))]
        assert report.before.parities[0].mean_pairwise == pytest.approx(np.mean(pairs))
        assert f"{low}) − P(" in report.before.parities[0].sentence
        assert report.before.parities[0].sentence.count(f"{high})") == 1
        assert report.attributes[0].privileged is None
        assert report.exit_code == 1

    @pytest.mark.parametrize("verb", VERBS)
    def test_repairs(self, verb: str) -> None:
        frame = self.frame()
        frame.to_csv("three.csv", index=False)
        report = repaired(verb, "three.csv", holdout=0, out="out.pt")
        assert report.verdict == "pass"
        assert report.attributes[0].groups == ["a", "b", "c"]
        assert debias.audit("out.pt", "three.csv", attr="sex", eps=0.28).before == report.after
        result = call(verb, "model.pt", "--data", "three.csv", "--attr", "sex", "--eps", "0.28", "--force")
        assert "the bias is the lowest rate minus the highest" in result.out
        assert "Mean pairwise difference: before" in result.out


@pytest.mark.usefixtures("place")
class TestUsesAttribute:
    def test_an_attribute_among_the_inputs(self) -> None:
        frame = pd.read_csv("rows.csv").assign(sex=lambda rows: (rows["sex"] == "m").astype(int))
        frame.to_csv("rows.csv", index=False)
        world.save(world.trained(frame, ("income", "debt", "sex")), Path("reads.pt"))
        assert told("audit", "model.pt", *ASKED, "--features", "income,debt")["uses_attribute"] is False
        report = told("audit", "reads.pt", *ASKED)
        assert report["uses_attribute"] is True
        assert (report["attributes"][0]["groups"], report["attributes"][0]["privileged"]) == (["0", "1"], "1")
        assert "needs the protected attribute at prediction" in call("audit", "reads.pt", *ASKED).out

    def test_a_standardised_copy_tells_it_too(self) -> None:
        frame = pd.read_csv("rows.csv")
        one = (frame["sex"] == "m").astype(float)
        frame["coded"] = (one - one.mean()) / one.std()
        frame.to_csv("rows.csv", index=False)
        features = ("income", "debt", "coded")
        world.save(world.trained(frame, features), Path("reads.pt"))
        assert told("audit", "reads.pt", *ASKED, "--features", ",".join(features))["uses_attribute"] is True
        # The same column as the attribute itself: read back as its two values.
        frame.drop(columns="sex").to_csv("rows.csv", index=False)
        report = told("audit", "reads.pt", "--data", "rows.csv", "--attr", "coded")
        assert report["uses_attribute"] is True
        assert report["attributes"][0]["groups"] == sorted(
            (f"{value:.6g}" for value in frame["coded"].unique()), key=float
        )
        assert report["attributes"][0]["privileged"] == report["attributes"][0]["groups"][-1]
