"""Several attributes, intersections, small groups and other metrics from the command line to the report."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

from tests.run import world
from tests.run.world import call, content, told

AUDIT = ("audit", "model.pt", "--data", "rows.csv", "--features", "income,debt")
REPAIR = ("threshold", "model.pt", "--data", "rows.csv", "--features", "income,debt", "--keep-best")
BOTH = ("--attr", "sex", "--attr", "race")

pytestmark = pytest.mark.usefixtures("peopled")


@pytest.fixture
def peopled(place: Path) -> Path:
    """Return the working folder with a table of more attributes: race has three groups, age is a number."""
    random = np.random.default_rng(11)
    frame = pd.read_csv("rows.csv")
    race = random.choice(["a", "b", "c"], len(frame), p=[0.6, 0.3, 0.1])
    frame.assign(race=race, age=random.integers(18, 70, len(frame))).to_csv("rows.csv", index=False)
    return place


def rows(**columns: Any) -> pd.DataFrame:
    frame = pd.read_csv("rows.csv").assign(**columns)
    frame.to_csv("rows.csv", index=False)
    return frame


def frame_of(groups: pd.Series | pd.DataFrame, metric: Any) -> pd.Series:
    """Return rates by group as fairlearn counts them."""
    frame = pd.read_csv("rows.csv")
    scores = torch.jit.load("model.pt")(torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32))
    decisions = (scores > 0.5).numpy().reshape(-1).astype(int)
    return MetricFrame(metrics=metric, y_true=frame["label"], y_pred=decisions, sensitive_features=groups).by_group


def parities(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {parity["attribute"]: parity for parity in report["before"]["parities"]}


def refused(*arguments: object) -> str:
    before = content(Path.cwd())
    result = call(*arguments)
    assert (result.code, result.out) == (2, ""), result.err
    assert "Traceback" not in result.err
    assert content(Path.cwd()) == before
    return result.err


class TestSeveral:
    def test_attr_is_repeatable(self) -> None:
        both = told(*AUDIT, *BOTH)
        assert [item["name"] for item in both["attributes"]] == ["sex", "race"]
        for name in ("sex", "race"):
            alone = told(*AUDIT, "--attr", name)
            assert parities(both)[name] == parities(alone)[name]
        rates = frame_of(pd.read_csv("rows.csv")["race"], selection_rate)
        assert parities(both)["race"]["bias"] == pytest.approx(rates.min() - rates.max())

    def test_an_intersection_is_that_of_fairlearn(self) -> None:
        report = told(*AUDIT, "--attr", "sex * race")
        rates = frame_of(pd.read_csv("rows.csv")[["sex", "race"]], selection_rate)
        ours = {group["name"]: group["selection_rate"] for group in parities(report)["sex*race"]["groups"]}
        assert ours == pytest.approx({" × ".join(pair): rate for pair, rate in rates.items()})
        assert report["attributes"][0]["privileged"] is None

    def test_every_bound_must_hold(self) -> None:
        wide = max(abs(parity["bias"]) for parity in parities(told(*AUDIT, *BOTH)).values())
        narrow = min(abs(parity["bias"]) for parity in parities(told(*AUDIT, *BOTH)).values())
        middle = repr((wide + narrow) / 2)
        assert call(*AUDIT, *BOTH, "--eps", middle).code == 1
        codes = [call(*AUDIT, "--attr", name, "--eps", middle).code for name in ("sex", "race")]
        assert sorted(codes) == [0, 1]

    def test_a_repair_under_several_bounds(self) -> None:
        report = told(*REPAIR, *BOTH, "--attr", "sex*race", "--eps", "0.5", "--margin", "0.05")
        assert report["change"]["feasible"] is True
        met = all(abs(parity["bias"]) < 0.5 for parity in report["after"]["parities"])
        assert report["verdict"] == ("pass" if met else "fail")
        assert [parity["attribute"] for parity in report["after"]["parities"]] == ["sex", "race", "sex*race"]
        assert all(abs(parity["bias"]) < 0.45 for parity in report["selection"]["after"]["parities"])
        again = told("audit", "model.threshold.pt", "--data", "rows.csv", "--attr", "sex*race")
        assert len(again["attributes"][0]["groups"]) == 6

    def test_the_verdict_rows_hold_every_group(self) -> None:
        report = told(*REPAIR, *BOTH, "--eps", "0.5")
        frame = pd.read_csv("rows.csv")
        for parity in report["before"]["parities"]:
            for group in parity["groups"]:
                whole = int((frame[parity["attribute"]] == group["name"]).sum())
                assert abs(group["n"] - 0.3 * whole) <= 3

    def test_attributes_refused(self) -> None:
        assert "'sex' is named more than once" in refused(*AUDIT, "--attr", "sex", "--attr", "sex")
        assert "'race*sex' is 'sex*race' again" in refused(*AUDIT, "--attr", "sex*race", "--attr", "race*sex")
        message = refused(*AUDIT, "--attr", "sex*Race", "--attr", "gender")
        assert "has no column 'Race' (--attr 'sex*Race')" in message
        assert "Did you mean 'race'" in message
        assert "has no column 'gender'" in message

    def test_a_combination_of_another_table(self) -> None:
        frame = rows()
        frame[~((frame["sex"] == "f") & (frame["race"] == "c"))].to_csv("rows.csv", index=False)
        frame.iloc[:200].to_csv("test.csv", index=False)
        first = int(np.flatnonzero((frame["sex"] == "f") & (frame["race"] == "c"))[0]) + 1
        message = refused(*REPAIR, "--attr", "sex*race", "--eps", "0.3", "--test", "test.csv")
        assert "test.csv, attribute 'sex*race': 1 combination of the attribute that --data lacks: 'f × c'" in message
        assert f"in rows {first}" in message
        assert len(told(*AUDIT, "--attr", "sex*race")["attributes"][0]["groups"]) == 5

    def test_uses_attribute_is_any_of_them(self) -> None:
        assert told(*AUDIT, *BOTH)["uses_attribute"] is False
        rows(debt=pd.read_csv("rows.csv")["sex"].map({"f": 0.25, "m": 0.75}))
        assert told(*AUDIT, *BOTH)["uses_attribute"] is True
        assert told(*AUDIT, "--attr", "race")["uses_attribute"] is False
        assert told(*AUDIT, "--attr", "race*debt")["uses_attribute"] is True

    def test_hostile_columns_in_an_intersection(self) -> None:
        names = {"sex": 's,"e"*x = 1', "race": "r\n👩🏽‍🚀 \x1b[31m--eps"}
        plain = told(*AUDIT, "--attr", "sex*race", *BOTH)
        pd.read_csv("rows.csv").rename(columns=names).to_csv("rows.csv", index=False)
        flags = ("--attr", "*".join(names.values()), "--attr", names["sex"], "--attr", names["race"])
        flags += ("--privileged", f"{names['sex']}=f")
        hostile = told(*AUDIT, *flags)
        assert [item["name"] for item in hostile["attributes"]] == [flags[1], flags[3], flags[5]]
        for ours, theirs in zip(hostile["before"]["parities"], plain["before"]["parities"], strict=True):
            assert [group["n"] for group in ours["groups"]] == [group["n"] for group in theirs["groups"]]
        assert hostile["attributes"][1]["privileged"] == "f"
        assert told(*shlex.split(hostile["command"])[1:]) == hostile
        shown = call(*AUDIT, *flags)
        assert "\x1b" not in shown.out
        repaired = told(*REPAIR, *flags, "--eps", "0.5", "--out", "r.pt")
        assert repaired["output"] is not None
        entries = call("inspect", "r.pt", "--json").json["contract"]["attributes"]
        assert [entry["column"] for entry in entries] == list(names.values())
        assert told("audit", "r.pt", "--data", "rows.csv", "--attr", flags[1])["before"]["n"] == world.ROWS


class TestFlags:
    def test_min_group(self) -> None:
        frame = rows(race=np.r_[["z"] * 7, ["y"] * 5, pd.read_csv("rows.csv")["race"][12:]])
        report = told(*AUDIT, *BOTH, "--min-group", "10")
        groups = {group["name"]: group["n"] for group in parities(report)["race"]["groups"]}
        sizes = frame["race"].value_counts()
        assert groups == {**{name: sizes[name] for name in "abc"}, "(other)": 12}
        (note,) = [note for note in report["notes"] if "--min-group" in note]
        assert "of 12 rows: 'y' 5, 'z' 7" in note
        assert len(parities(told(*AUDIT, *BOTH))["race"]["groups"]) == 5
        assert told(*shlex.split(report["command"])[1:]) == report
        assert "--min-group 1000 leaves one group" in refused(*AUDIT, *BOTH, "--min-group", "1000")
        assert "--min-group: -1 is no number of rows" in refused(*AUDIT, *BOTH, "--min-group", "-1")

    def test_the_written_contract_tells_groups_that_were_merged(self) -> None:
        rows(race=np.r_[["z"] * 7, pd.read_csv("rows.csv")["race"][7:]])
        told(*REPAIR, "--attr", "race", "--eps", "0.5", "--min-group", "10", "--out", "r.pt")
        audit = told("audit", "r.pt", "--data", "rows.csv", "--attr", "race")
        assert audit["attributes"][0]["groups"] == ["a", "b", "c", "z"]

    def test_bins_and_privileged_by_attribute(self) -> None:
        frame = pd.read_csv("rows.csv")
        flags = ("--attr", "age", "--attr", "sex", "--attr", "debt")
        report = told(*AUDIT, *flags, "--bins", "age=25,40", "--bins", "debt=2", "--privileged", "sex=f")
        by_name = {item["name"]: item for item in report["attributes"]}
        assert by_name["age"]["groups"] == ["< 25", "[25, 40)", ">= 40"]
        assert len(by_name["debt"]["groups"]) == 2
        assert by_name["sex"]["privileged"] == "f"
        sizes = [group["n"] for group in parities(report)["age"]["groups"]]
        assert sizes == pd.cut(frame["age"], [0, 25, 40, 99], right=False).value_counts(sort=False).tolist()
        plain = told(*AUDIT, "--attr", "age", "--attr", "sex", "--bins", "25,40", "--privileged", "f")
        assert [item["groups"] for item in plain["attributes"]] == [by_name["age"]["groups"], ["f", "m"]]
        assert plain["attributes"][1]["privileged"] == "f"
        message = refused(*AUDIT, *flags, "--bins", "25,40", "--privileged", "x")
        assert "--bins: '25,40': which attribute does it cut?" in message
        assert "--bins 'age=25,40'" in message
        message = refused(*AUDIT, *BOTH, "--privileged", "x")
        assert "--privileged: 'x' is a group of no attribute; groups of 'sex': 'f', 'm'" in message

    def test_missing_values_of_several_attributes(self) -> None:
        frame = rows()
        frame.loc[[2, 5], "sex"] = None
        frame.loc[[5, 8, 9], "race"] = None
        frame.to_csv("rows.csv", index=False)
        message = refused(*AUDIT, *BOTH)
        assert "column 'sex': the attribute is missing in 2 rows of 600: rows 3, 6" in message
        assert "column 'race': the attribute is missing in 3 rows of 600: rows 6, 9, 10" in message
        dropped = told(*AUDIT, *BOTH, "--missing-attr", "drop")
        assert (dropped["before"]["n"], dropped["rows"]["dropped"]) == (596, 4)
        assert dropped["rows"]["missing_attribute"] == {"data": 4}
        for name, n in (("sex", 2), ("race", 3)):
            assert any(f"'{name}': {n} rows without a value, left out" in note for note in dropped["notes"])
        grouped = told(*AUDIT, *BOTH, "--attr", "sex*race", "--missing-attr", "group")
        last = [parity["groups"][-1] for parity in grouped["before"]["parities"]]
        assert [(group["name"], group["n"]) for group in last] == [("(missing)", n) for n in (2, 3, 4)]

    @pytest.mark.parametrize(
        ("alias", "rate", "fairlearn_rate"),
        [
            ("spd", "selection_rate", selection_rate),
            ("eod", "tpr", true_positive_rate),
            ("fprd", "fpr", false_positive_rate),
        ],
    )
    def test_differences(self, alias: str, rate: str, fairlearn_rate: Any) -> None:
        rates = frame_of(pd.read_csv("rows.csv")["race"], fairlearn_rate)
        parity = parities(told(*AUDIT, "--attr", "race", "--metric", alias))["race"]
        assert {group["name"]: group[rate] for group in parity["groups"]} == pytest.approx(dict(rates))
        assert parity["bias"] == pytest.approx(rates.min() - rates.max())

    def test_equalized_odds_is_the_larger_difference(self) -> None:
        each = [parities(told(*AUDIT, *BOTH, "--metric", alias)) for alias in ("eod", "fprd")]
        both = parities(told(*AUDIT, *BOTH, "--metric", "eqodds"))
        for name in ("sex", "race"):
            assert abs(both[name]["bias"]) == max(abs(parity[name]["bias"]) for parity in each)

    def test_min_ratio_is_the_bound_of_the_impact_ratio(self) -> None:
        rates = frame_of(pd.read_csv("rows.csv")["sex"], selection_rate)
        ratio = rates.min() / rates.max()
        asked = (*AUDIT, "--attr", "sex", "--metric", "air")
        assert abs(told(*asked)["before"]["bias"]) == pytest.approx(1 - ratio)
        assert call(*asked, "--min-ratio", repr(float(ratio) - 1e-6)).code == 0
        assert call(*asked, "--min-ratio", repr(float(ratio) + 1e-6)).code == 1
        assert told(*asked, "--min-ratio", "0.75")["eps"] == 0.25
        assert "bounded by its least value" in refused(*asked, "--eps", "0.2")
        assert "is for the metric impact-ratio" in refused(*AUDIT, "--attr", "sex", "--min-ratio", "0.8")
        assert "no bound was given" in refused(*REPAIR, "--attr", "sex", "--metric", "air")
        assert "--eps: no bound was given" in refused(*REPAIR, "--attr", "sex")
        report = told(*REPAIR, "--attr", "sex", "--metric", "air", "--min-ratio", "0.5")
        assert report["command"].count("--min-ratio 0.5") == 1
        assert "--eps" not in report["command"]
        bias = abs(report["selection"]["after"]["bias"])
        assert bias < 0.5 - 0.01 or not report["change"]["feasible"]

    def test_performance_is_what_counts(self) -> None:
        asked = (*REPAIR, "--attr", "sex", "--eps", "0.4", "--force")
        for measure, figure in (("accuracy", "accuracy"), ("f1", "f1"), ("auroc", "auroc")):
            report = told(*asked, "--performance", measure)
            assert report["performance"] == measure
            assert report["before"]["performance"] == report["before"][figure]
        best = {name: told(*asked, "--performance", name)["selection"]["after"] for name in ("accuracy", "f1")}
        assert best["accuracy"]["accuracy"] >= best["f1"]["accuracy"]
        assert best["f1"]["f1"] >= best["accuracy"]["f1"]
        assert "Invalid value" in refused(*asked, "--performance", "recall")

    def test_confidence(self) -> None:
        bias = abs(told(*AUDIT, "--attr", "sex")["before"]["bias"])
        asked = (*AUDIT, "--attr", "sex", "--eps", repr(bias + 0.001))
        assert call(*asked).code == 0
        report = call(*asked, "--confidence", "0.95")
        assert report.code == 3
        for wrong in ("0.5", "1", "95"):
            assert "is no confidence" in refused(*asked, "--confidence", wrong)

    def test_selection(self) -> None:
        asked = (*REPAIR, "--attr", "sex", "--eps", "0.28", "--force")
        biases = {}
        for rule in ("margin", "expected", "confident"):
            report = told(*asked, "--selection", rule)
            biases[rule] = abs(report["selection"]["after"]["bias"])
            assert report["selection_rule"] == rule
            assert told(*shlex.split(report["command"])[1:])["after"] == report["after"]
        assert biases["confident"] <= biases["margin"] < 0.27

    def test_pool(self) -> None:
        world.table(300, seed=8).to_csv("train.csv", index=False)
        asked = (*REPAIR, "--attr", "sex", "--eps", "0.28", "--force")
        assert "nothing to pool" in refused(*asked, "--pool")
        report = told(*asked, "--pool", "--train", "train.csv")
        assert "pooled" in report["selection_rule"]


class TestContract:
    def test_entries_of_every_attribute(self) -> None:
        flags = ("--attr", "sex", "--attr", "race*age", "--bins", "25,40", "--privileged", "sex=f")
        made = call("contract", "model.pt", "--data", "rows.csv", *flags, "--features", "income,debt", "--json")
        assert made.code == 0, made.err
        sex, race, age = json.loads(made.out)["attributes"]
        assert sex == {"column": "sex", "privileged": "f", "groups": ["f", "m"]}
        assert race == {"column": "race", "groups": ["a", "b", "c"]}
        assert age == {"column": "age", "groups": ["< 25", "[25, 40)", ">= 40"], "bins": [25.0, 40.0]}
        audit = told("audit", "model.pt", "--data", "rows.csv", "--attr", "race * age", "--attr", "sex")
        assert audit["attributes"][0]["groups"][0] == "a × < 25"
        assert audit["attributes"][1]["privileged"] == "f"
        call("contract", "model.pt", "--data", "rows.csv", *flags, "--features", "income,debt", "--embed", "e.pt")
        shown = call("inspect", "e.pt")
        assert shown.code == 0
        for column in ("sex", "race", "age"):
            assert column in shown.out
        assert "named more than once" in refused(
            "contract", "model.pt", "--data", "rows.csv", "--attr", "sex", "--attr", "sex", "--out", "c.json"
        )
