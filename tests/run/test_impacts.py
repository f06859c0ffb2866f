"""Impact ratios in audits and repairs, against fairlearn, scipy and counts of the raw table by pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn.metrics import MetricFrame, selection_rate
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest

import debias
from debias.report.values.impact import Impact, RateImpact
from debias.report.values.report import Report
from tests.run import test_regression, world

AUDIT: dict[str, Any] = {"features": ["income", "debt"]}
ATTRIBUTES = ["sex", "race"]

pytestmark = pytest.mark.usefixtures("peopled")


@pytest.fixture
def peopled(place: Path) -> pd.DataFrame:
    """Write the table with a second attribute: race has three groups, one of about 1% of the rows."""
    random = np.random.default_rng(11)
    frame = pd.read_csv(place / "rows.csv")
    frame["race"] = random.choice(["a", "b", "c"], len(frame), p=[0.69, 0.3, 0.01])
    frame["w"] = random.integers(1, 4, len(frame))
    frame.to_csv("rows.csv", index=False)
    return frame


def scored(path: str = "model.pt", table: str = "rows.csv") -> pd.DataFrame:
    """Return the table with the network's own score and decision."""
    frame = pd.read_csv(table)
    with torch.no_grad():
        output = torch.jit.load(path)(torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32))
    return frame.assign(score=output.double().numpy().reshape(-1), chosen=output.numpy().reshape(-1) > 0.5)


def rates(report: Report, *attributes: str, kind: str = "selection", after: bool = False) -> RateImpact:
    item = of(report, *attributes)
    return next(one for one in (item.after if after else item.before) if one.rate == kind)


def of(report: Report, *attributes: str) -> Impact:
    return next(item for item in report.impacts if tuple(item.attributes) == attributes)


def numbers(found: RateImpact, tell: Callable[[Any], Any]) -> dict[str, Any]:
    return {"/".join(group.groups): tell(group) for group in found.groups}


@pytest.mark.parametrize("names", [["sex"], ["race"], ["sex", "race"]])
def test_selection_rates_and_ratios_are_those_of_fairlearn(names: list[str]) -> None:
    report, frame = debias.audit("model.pt", "rows.csv", attr=ATTRIBUTES, **AUDIT), scored()
    found = rates(report, *names)
    wanted = MetricFrame(
        metrics=selection_rate, y_true=frame["label"], y_pred=frame["chosen"], sensitive_features=frame[names]
    ).by_group.dropna()
    keys = wanted.index if len(names) == 1 else ["/".join(key) for key in wanted.index]
    assert numbers(found, lambda group: group.rate) == pytest.approx(dict(zip(keys, wanted, strict=True)))
    assert numbers(found, lambda group: group.highest.ratio) == pytest.approx(
        dict(zip(keys, wanted / wanted.max(), strict=True))
    )
    assert "/".join(found.highest or []) == keys[int(wanted.to_numpy().argmax())]


def test_single_attributes_come_first() -> None:
    report = debias.audit("model.pt", "rows.csv", attr=ATTRIBUTES, **AUDIT)
    assert [item.attributes for item in report.impacts] == [["sex"], ["race"], ["sex", "race"]]


def test_counts_shares_and_tests_are_those_of_the_table() -> None:
    report, frame = debias.audit("model.pt", "rows.csv", attr=ATTRIBUTES, **AUDIT), scored()
    found = rates(report, "race")
    sizes, selected = frame.groupby("race").size(), frame.groupby("race")["chosen"].sum()
    reference = (found.highest or [""])[0]
    for group in found.groups:
        name = group.groups[0]
        assert (group.n, group.selected) == (sizes[name], selected[name])
        assert group.share == pytest.approx(sizes[name] / len(frame))
        assert group.small == (sizes[name] / len(frame) < 0.02)
        assert group.highest is not None
        if name == reference:
            assert (group.highest.fisher_p, group.highest.z) == (None, None)
            continue
        pair = [[int(selected[one]), int(sizes[one] - selected[one])] for one in (name, reference)]
        assert group.highest.fisher_p == pytest.approx(stats.fisher_exact(pair).pvalue)
        z, p = proportions_ztest([pair[0][0], pair[1][0]], [sizes[name], sizes[reference]])
        assert (group.highest.z, group.highest.z_p) == pytest.approx((z, p))


def test_small_categories_are_no_reference_of_large_ones() -> None:
    found = rates(debias.audit("model.pt", "rows.csv", attr=ATTRIBUTES, **AUDIT), "race")
    large = {group.groups[0]: group.rate for group in found.groups if not group.small}
    assert set(large) == {"a", "b"}
    top = max(large.values())
    assert found.large == [next(name for name, rate in large.items() if rate == top)]
    for group in found.groups:
        if group.small:
            assert group.large is None
        else:
            assert group.large is not None
            assert group.large.ratio == pytest.approx(group.rate / top)


def test_without_small_categories_there_is_one_reference() -> None:
    found = rates(debias.audit("model.pt", "rows.csv", attr="sex", **AUDIT), "sex")
    assert found.large is None
    assert all(group.large is None for group in found.groups)


def test_the_privileged_group_is_a_reference_of_its_own() -> None:
    report = debias.audit("model.pt", "rows.csv", attr="sex", privileged="f", **AUDIT)
    found, frame = rates(report, "sex"), scored()
    by = frame.groupby("sex")["chosen"].mean()
    assert (found.highest, found.privileged) == (["m"], ["f"])
    ratios = numbers(found, lambda group: group.privileged.ratio)
    assert ratios == pytest.approx({"f": 1.0, "m": by["m"] / by["f"]})


def test_scoring_rates_and_smd_are_those_of_pandas() -> None:
    report, frame = debias.audit("model.pt", "rows.csv", attr="sex", **AUDIT), scored()
    found = rates(report, "sex", kind="scoring")
    assert found.median == pytest.approx(frame["score"].median())
    above = (frame["score"] > frame["score"].median()).groupby(frame["sex"])
    assert numbers(found, lambda group: group.rate) == pytest.approx(above.mean().to_dict())
    assert numbers(found, lambda group: group.selected) == above.sum().to_dict()
    means = frame.groupby("sex")["score"].mean()
    assert numbers(found, lambda group: group.mean_score) == pytest.approx(means.to_dict())
    smd = (means - means["m"]) / frame["score"].std(ddof=0)
    assert numbers(found, lambda group: group.privileged.smd) == pytest.approx(smd.to_dict())


def test_a_negative_decision_that_is_favourable_turns_rates_and_scores() -> None:
    report = debias.audit("model.pt", "rows.csv", attr="sex", favorable="negative", **AUDIT)
    frame = scored()
    by = frame.groupby("sex")
    assert numbers(rates(report, "sex"), lambda group: group.rate) == pytest.approx((1 - by["chosen"].mean()).to_dict())
    scoring = rates(report, "sex", kind="scoring")
    low = frame["score"] < frame["score"].median()
    assert numbers(scoring, lambda group: group.rate) == pytest.approx(low.groupby(frame["sex"]).mean().to_dict())
    assert scoring.median == pytest.approx(1 - frame["score"].median())
    assert numbers(scoring, lambda group: group.mean_score) == pytest.approx((1 - by["score"].mean()).to_dict())
    means = 1 - by["score"].mean()
    smd = (means - means[(scoring.privileged or [""])[0]]) / frame["score"].std(ddof=0)
    assert numbers(scoring, lambda group: group.privileged.smd) == pytest.approx(smd.to_dict())


def test_weights_make_rates_and_leave_fisher_out() -> None:
    report, frame = debias.audit("model.pt", "rows.csv", attr="sex", weight="w", **AUDIT), scored()
    found = rates(report, "sex")
    by = frame.assign(k=frame["w"] * frame["chosen"]).groupby("sex")
    assert numbers(found, lambda group: group.rate) == pytest.approx((by["k"].sum() / by["w"].sum()).to_dict())
    assert numbers(found, lambda group: group.n) == by.size().to_dict()
    assert numbers(found, lambda group: group.highest.fisher_p) == {"f": None, "m": None}
    sizes = by["w"].sum() ** 2 / by["w"].apply(lambda w: (w**2).sum())
    z, _ = proportions_ztest(list(by["k"].sum() / by["w"].sum() * sizes), list(sizes))
    assert next(g.highest.z for g in found.groups if g.highest and g.groups == ["f"]) == pytest.approx(z)
    heavy = frame.loc[frame.index.repeat(frame["w"])]
    assert rates(report, "sex", kind="scoring").median == pytest.approx(heavy["score"].median())


@pytest.fixture
def gappy(peopled: pd.DataFrame) -> pd.DataFrame:
    """Write a table where 40 rows lack sex, 30 race, 10 of them both."""
    frame = peopled.copy()
    frame.loc[:39, "sex"] = None
    frame.loc[30:59, "race"] = None
    frame.to_csv("rows.csv", index=False)
    return frame


UNKNOWN = {("sex",): 40, ("race",): 30, ("sex", "race"): 60}


@pytest.mark.usefixtures("gappy")
@pytest.mark.parametrize("attr", [["sex", "race"], ["sex*race"]])
def test_rows_without_a_value_are_in_no_category(attr: list[str]) -> None:
    report = debias.audit("model.pt", "rows.csv", attr=attr, missing_attr="group", **AUDIT)
    assert {tuple(item.attributes): item.unknown for item in report.impacts} == UNKNOWN
    assert all(item.left_out == 0 for item in report.impacts)
    frame = scored()
    assert all(item.n + item.unknown == len(frame) for item in report.impacts)
    for names in UNKNOWN:
        by = frame.dropna(subset=list(names)).groupby(list(names))["chosen"]
        wanted = {"/".join(key): value for key, value in by.mean().items()}
        assert numbers(rates(report, *names), lambda group: group.rate) == pytest.approx(wanted)


def test_rows_that_were_dropped_are_counted(gappy: pd.DataFrame) -> None:
    report = debias.audit("model.pt", "rows.csv", attr=ATTRIBUTES, missing_attr="drop", **AUDIT)
    assert {tuple(item.attributes): item.left_out for item in report.impacts} == UNKNOWN
    assert all((item.unknown, item.n) == (0, len(gappy) - 60) for item in report.impacts)


@pytest.mark.usefixtures("gappy")
def test_dropped_rows_are_those_of_the_table_of_the_verdict() -> None:
    test = world.table(300, seed=5).assign(race="a")
    test.loc[:99, "race"] = "b"
    test.loc[100:109, "race"] = "c"
    test.loc[:6, "sex"] = None
    test.to_csv("test.csv", index=False)
    report = debias.threshold(
        "model.pt", "rows.csv", attr=ATTRIBUTES, missing_attr="drop", eps=0.4, test="test.csv", keep_best=True, **AUDIT
    )
    assert {tuple(item.attributes): item.left_out for item in report.impacts} == {
        ("sex",): 7,
        ("race",): 0,
        ("sex", "race"): 7,
    }
    assert all(item.n == 293 for item in report.impacts)


def test_an_intersection_has_its_columns_too() -> None:
    report = debias.audit("model.pt", "rows.csv", attr="sex*race", min_group=50, privileged="m × a", **AUDIT)
    assert [item.attributes for item in report.impacts] == [["sex"], ["race"], ["sex", "race"]]
    by = scored().groupby(["sex", "race"])["chosen"].mean()
    found = rates(report, "sex", "race")
    wanted = {"/".join(key): value for key, value in by.items()}
    assert numbers(found, lambda group: group.rate) == pytest.approx(wanted)
    assert found.privileged == ["m", "a"]


def test_a_repair_tells_both_networks() -> None:
    report = debias.prune("model.pt", "rows.csv", attr=ATTRIBUTES, eps=0.3, holdout=0, keep_best=True, **AUDIT)
    assert report.output is not None
    for after, path in ((False, "model.pt"), (True, report.output.path)):
        frame = scored(path)
        for names in (["sex"], ["race"], ["sex", "race"]):
            found = numbers(rates(report, *names, after=after), lambda group: group.rate)
            wanted = frame.groupby(names)["chosen"].mean()
            keys = ["/".join(key) for key in wanted.index]
            assert found == pytest.approx(dict(zip(keys, wanted, strict=True)))
    groups = {group.name: group.selection_rate for group in report.after.parities[0].groups} if report.after else {}
    assert numbers(rates(report, "sex", after=True), lambda group: group.rate) == pytest.approx(groups)


def test_a_rule_by_group_tells_the_decisions_of_its_file() -> None:
    report = debias.eqodds("model.pt", "rows.csv", attr="sex", eps=0.3, keep_best=True, **AUDIT)
    assert report.after is not None
    wanted = {group.name: group.selected for group in report.after.parities[0].groups}
    assert numbers(rates(report, "sex", after=True), lambda group: group.selected) == wanted


def test_an_audit_has_no_after() -> None:
    assert all(not item.after for item in debias.audit("model.pt", "rows.csv", attr="sex", **AUDIT).impacts)


def test_regressions_have_scoring_rates_alone() -> None:
    frame = test_regression.table(600)
    frame.to_csv("pay.csv", index=False)
    world.save(test_regression.network(), Path("pay.pt"))
    asked: dict[str, Any] = {"attr": "sex", "label": "pay", "output_kind": "value", "features": ["work", "skill"]}
    report = debias.audit("pay.pt", "pay.csv", **asked)
    (found,) = of(report, "sex").before
    with torch.no_grad():
        predicted = test_regression.network()(test_regression.inputs(frame)).double().numpy().reshape(-1)
    above = pd.Series(predicted > np.median(predicted)).groupby(frame["sex"])
    assert found.rate == "scoring"
    assert numbers(found, lambda group: group.rate) == pytest.approx(above.mean().to_dict())
    means = pd.Series(predicted).groupby(frame["sex"]).mean()
    assert numbers(found, lambda group: group.mean_score) == pytest.approx(means.to_dict())
    low = debias.audit("pay.pt", "pay.csv", favorable="negative", **asked)
    (turned,) = of(low, "sex").before
    below = pd.Series(predicted < np.median(predicted)).groupby(frame["sex"])
    assert numbers(turned, lambda group: group.rate) == pytest.approx(below.mean().to_dict())
    assert numbers(turned, lambda group: group.mean_score) == pytest.approx(means.to_dict())
    smd = numbers(turned, lambda group: (group.privileged or group.highest).smd)
    assert max(smd.values()) == 0.0 or min(smd.values()) == 0.0
    assert np.sign(smd["m"] - smd["f"]) == np.sign(means["f"] - means["m"])
