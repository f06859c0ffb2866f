"""Other thresholds, layers and crossed groups of whole runs, beside figures worked out by other libraries."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, mean_squared_error
from torch import nn

import debias
from debias.report.values.evidence import Crossing, LayerChange, Sweep
from debias.report.values.report import Report
from tests.run import mixed, world
from tests.run.test_regression import network as value_network
from tests.run.test_regression import table as value_table

ASKED: dict[str, Any] = {"attr": "sex", "eps": 0.28, "keep_best": True, "force": True}
ROWS = 900


def rows(seed: int = 3) -> pd.DataFrame:
    """Return rows with a second attribute and a weight."""
    frame = world.table(ROWS, seed=seed)
    random = np.random.default_rng(seed)
    frame["race"] = random.choice(["a", "b", "c"], ROWS, p=[0.6, 0.37, 0.03])
    frame["w"] = random.exponential(size=ROWS).round(3) + 0.1
    return frame


@pytest.fixture(autouse=True)
def folder(place: Path) -> Path:
    rows().to_csv("rows.csv", index=False)
    rows(4).to_csv("test.csv", index=False)
    return place


IGNORED: dict[str, Any] = {"features": list(world.FEATURES)}


def scores(path: str, frame: pd.DataFrame) -> np.ndarray:
    """Return what a file gives, loaded by torch alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.jit.load(path)
    with torch.no_grad():
        found: np.ndarray = loaded(torch.tensor(frame[list(world.FEATURES)].to_numpy(), dtype=torch.float32)).numpy()
    return found


def check_sweep(sweep: Sweep, given: np.ndarray, frame: pd.DataFrame, **asked: Any) -> None:
    """Count every threshold anew; some of them by other libraries."""
    y, sex = frame["label"].to_numpy(), frame["sex"].to_numpy()
    weight = frame[asked["weight"]].to_numpy() if "weight" in asked else np.ones(len(y))
    negative = asked.get("favorable") == "negative"
    points = sweep.points
    assert [point.threshold for point in points] == sorted({point.threshold for point in points})
    assert (points[0].selection_rate, points[-1].selection_rate) == ((0, 1) if negative else (1, 0))
    for number, point in enumerate(points):
        positive = given > np.float32(point.threshold)
        chosen = positive != negative
        rates = {name: np.average(chosen[sex == name], weights=weight[sex == name]) for name in "fm"}
        right = [np.average(positive[y == label] == label, weights=weight[y == label]) for label in (0, 1)]
        if number % 25 == 0:
            params = {"y_true": y, "y_pred": chosen, "sample_params": {"sample_weight": weight}}
            by_group = MetricFrame(metrics=selection_rate, sensitive_features=sex, **params).by_group
            assert dict(by_group) == pytest.approx(rates, abs=1e-12)
            assert np.mean(right) == pytest.approx(balanced_accuracy_score(y, positive, sample_weight=weight))
        assert point.selection_rate == pytest.approx(np.average(chosen, weights=weight), abs=1e-12)
        assert point.balanced_accuracy == pytest.approx(np.mean(right), abs=1e-12)
        assert point.biases == [pytest.approx(rates["f"] - rates["m"], abs=1e-12)]


class TestSweeps:
    @pytest.mark.parametrize("asked", [{}, {"weight": "w"}, {"favorable": "negative"}, {"threshold": 0.31}])
    def test_every_point_is_that_threshold(self, asked: dict[str, Any]) -> None:
        flags: dict[str, Any] = {**IGNORED, "privileged": "m", **asked}
        report = debias.audit("model.pt", "rows.csv", attr="sex", eps=0.1, **flags)
        [sweep] = report.sweeps
        frame, given = rows(), scores("model.pt", rows()).reshape(-1)
        assert (sweep.network, sweep.deployed) == ("before", asked.get("threshold", 0.5))
        assert len(sweep.points) <= 201
        check_sweep(sweep, given, frame, **asked)
        below = [point for point in sweep.points if point.threshold <= sweep.deployed]
        assert below[-1].threshold == given[given <= np.float32(sweep.deployed)].max()
        above = [point for point in sweep.points if point.threshold > sweep.deployed]
        assert above[0].threshold == given[given > np.float32(sweep.deployed)].min()
        assert sweep.points[-1].threshold == given.max()
        # The lower neighbour decides as the network in use.
        assert below[-1].biases[0] == pytest.approx(report.before.bias, abs=1e-12)
        assert below[-1].balanced_accuracy == pytest.approx(report.before.balanced_accuracy, abs=1e-12)

    @pytest.mark.parametrize("keep_scores", [False, True])
    def test_both_networks_of_a_repair(self, keep_scores: bool) -> None:
        report = debias.prune(
            "model.pt", "rows.csv", test="test.csv", out="out.pt", keep_scores=keep_scores, **IGNORED, **ASKED
        )
        before, after = report.sweeps
        frame = rows(4)
        assert (before.network, after.network) == ("before", "after")
        assert report.after is not None
        assert (before.deployed, after.deployed) == (0.5, report.after.threshold)
        for sweep, path, figures in ((before, "model.pt", report.before), (after, "out.pt", report.after)):
            check_sweep(sweep, scores(path, frame).reshape(-1), frame)
            used = [point for point in sweep.points if point.threshold <= sweep.deployed][-1]
            assert used.biases == [pytest.approx(figures.bias, abs=1e-12)]
            assert used.selection_rate is not None and figures.balanced_accuracy is not None
            assert used.balanced_accuracy == pytest.approx(figures.balanced_accuracy, abs=1e-12)

    @pytest.mark.parametrize(("columns", "output"), [(1, nn.Identity()), (2, nn.Identity()), (2, nn.Softmax(1))])
    def test_other_outputs_are_told_as_probabilities(self, columns: int, output: nn.Module) -> None:
        torch.manual_seed(2)
        net = world.Net(2, columns, output)
        world.save(net, Path("other.pt"))
        report = debias.audit("other.pt", "rows.csv", attr="sex", threshold=0.4, **IGNORED)
        [sweep] = report.sweeps
        raw = scores("other.pt", rows()).astype(np.float64)
        if isinstance(output, nn.Softmax):
            given = raw[:, 1]
        else:
            given = 1 / (1 + np.exp(-(raw[:, 1] - raw[:, 0] if columns == 2 else raw[:, 0])))
        assert len(sweep.points) > 100
        for point in sweep.points[:: len(sweep.points) // 20]:
            # Half a gap above the score, so that the rounding of the score cannot matter.
            positive = given > point.threshold + 1e-7
            assert point.selection_rate == pytest.approx(positive.mean(), abs=1.5 / ROWS)
        used = [point for point in sweep.points if point.threshold <= 0.4][-1]
        assert used.biases == [pytest.approx(report.before.bias, abs=1e-12)]

    def test_a_score_at_the_threshold_is_below_it(self) -> None:
        frame = rows()
        given = np.sort(scores("model.pt", frame).reshape(-1))
        at = float(np.nextafter(float(given[400]), 0))  # a float64 that is this score when rounded to float32
        report = debias.audit("model.pt", "rows.csv", attr="sex", threshold=at, **IGNORED)
        used = [point for point in report.sweeps[0].points if point.threshold <= at][-1]
        assert used.threshold == pytest.approx(at, rel=1e-7)
        assert used.biases == [pytest.approx(report.before.bias, abs=1e-12)]

    def test_the_metric_and_the_attributes_are_those_asked(self) -> None:
        frame = rows()
        report = debias.audit("model.pt", "rows.csv", attr=["sex", "race"], metric="equal-opportunity", **IGNORED)
        [sweep] = report.sweeps
        given, y = scores("model.pt", frame).reshape(-1), frame["label"]
        for point in sweep.points[::23]:
            chosen = given > np.float32(point.threshold)
            for bias, name in zip(point.biases, ("sex", "race"), strict=True):
                rates = MetricFrame(
                    metrics=true_positive_rate, y_true=y, y_pred=chosen, sensitive_features=frame[name]
                ).by_group
                told = rates["f"] - rates["m"] if name == "sex" else rates.min() - rates.max()
                assert bias == pytest.approx(told, abs=1e-12)

    def test_few_scores_are_all_there(self) -> None:
        rows().head(60).to_csv("few.csv", index=False)
        [sweep] = debias.audit("model.pt", "few.csv", attr="sex", **IGNORED).sweeps
        given = np.unique(scores("model.pt", rows().head(60)))
        assert [point.threshold for point in sweep.points] == [0.0, *given]

    def test_what_is_undefined_is_none(self) -> None:
        frame = rows().head(80)
        [sweep] = debias.audit("model.pt", frame, attr="sex", metric="impact-ratio", **IGNORED).sweeps
        assert sweep.points[-1].biases == [None]  # nobody is selected in any group

    def test_a_rule_for_each_group_has_no_common_threshold(self) -> None:
        report = debias.roc("model.pt", "rows.csv", test="test.csv", out="out.pt", **IGNORED, **ASKED)
        assert report.change is not None and report.change.rule is not None
        assert [sweep.network for sweep in report.sweeps] == ["before"]
        assert debias.audit("out.pt", "test.csv", attr="sex").sweeps == []


def differences(before: dict[str, Any], after: dict[str, Any], names: list[str]) -> tuple[int, float, float]:
    """Return changed numbers, relative norm and largest change, from two state dictionaries."""
    one, two = (np.concatenate([state[name].double().numpy().ravel() for name in names]) for state in (before, after))
    return int((one != two).sum()), float(np.linalg.norm(two - one) / np.linalg.norm(one)), float(abs(two - one).max())


def state_of(path: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: dict[str, Any] = torch.jit.load(path).state_dict()
    return found


def check_layer(layer: LayerChange, before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> None:
    names = [name for name in (f"{layer.layer}.weight", f"{layer.layer}.bias") if name in before]
    changed, relative, largest = differences(before, {name: after[prefix + name] for name in names}, names)
    assert (layer.changed, layer.weights) == (changed, sum(before[name].numel() for name in names))
    assert (layer.units, layer.inputs) == tuple(before[names[0]].shape)
    assert layer.relative == pytest.approx(relative, rel=1e-9)
    assert layer.largest == pytest.approx(largest, rel=1e-9)


class TestLayers:
    @pytest.mark.parametrize(
        ("verb", "settings"),
        [
            ("prune", {}),
            ("gda", {"epochs": 2, "lr": 0.01}),
            ("threshold", {}),
            ("roc", {}),
            ("finetune", {"epochs": 3}),
        ],
    )
    def test_the_difference_of_the_two_files(self, verb: str, settings: dict[str, Any]) -> None:
        made = getattr(debias, verb)("model.pt", "rows.csv", out="out.pt", **IGNORED, **ASKED, **settings)
        assert [(layer.layer, layer.output) for layer in made.layers] == [("hidden", False), ("last", True)]
        before, after = state_of("model.pt"), state_of("out.pt")
        prefix = "" if "hidden.weight" in after else "network."
        for layer in made.layers:
            check_layer(layer, before, after, prefix)
        pruned = {layer.layer: layer.pruned for layer in made.layers if layer.pruned}
        assert pruned == {path: units for path, units in made.change.units.items() if units}
        if verb in {"threshold", "roc"}:
            assert [layer.changed for layer in made.layers] == [0, 1]  # the cut, folded into the last bias
        if verb == "prune":
            columns = (after["last.weight"] == 0).all(0) & ~(before["last.weight"] == 0).all(0)
            assert made.layers[0].pruned == np.flatnonzero(columns.numpy()).tolist()
            assert made.layers[0].pruned

    def test_nothing_is_changed_where_scores_stay(self) -> None:
        made = debias.threshold("model.pt", "rows.csv", out="out.pt", keep_scores=True, **IGNORED, **ASKED)
        assert [(layer.changed, layer.relative, layer.largest) for layer in made.layers] == [(0, 0.0, 0.0)] * 2

    def test_random_effects_that_moved_are_told(self) -> None:
        mixed.save(Path("mixed.pt"))
        mixed.table().to_csv("jobs.csv", index=False)
        asked = {**ASKED, "eps": 0.05, "out": "out.pt", "epochs": 3, "lr": 0.01}
        made = debias.gda("mixed.pt", "jobs.csv", edit="fe+re", unseen_z="zero", **asked)
        before, after = state_of("mixed.pt"), state_of("out.pt")
        assert made.change is not None and made.change.chosen_step > 0
        dense = {layer.layer: layer for layer in made.layers if layer.kind == "dense"}
        others = {layer.layer: layer for layer in made.layers if layer.kind == "other"}
        assert list(dense) == ["first", "second", "last"]
        for layer in dense.values():
            check_layer(layer, before, after)
        moved = {name.rpartition(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert {name for name in dense if dense[name].changed} | set(others) == moved
        assert set(others) == {"slope", "intercept"}
        assert (others["slope"].units, others["slope"].inputs) == (3, 3)
        assert others["slope"].changed == differences(before, after, ["slope.mean"])[0]

    @pytest.mark.parametrize("suffix", [".pt", ".pt2"])
    def test_behind_a_rule_the_numbers_are_found_again(self, suffix: str) -> None:
        mixed.save(Path(f"mixed{suffix}"))
        frame = mixed.table()
        frame[frame["job"] != mixed.UNKNOWN].to_csv("jobs.csv", index=False)
        made = debias.roc(f"mixed{suffix}", "jobs.csv", **{**ASKED, "out": f"out{suffix}"})
        assert [(layer.layer, layer.changed) for layer in made.layers] == [("first", 0), ("second", 0), ("last", 1)]

    def test_an_audit_has_none(self) -> None:
        assert debias.audit("model.pt", "rows.csv", attr="sex", **IGNORED).layers == []


def by_fairlearn(frame: pd.DataFrame, chosen: np.ndarray, names: list[str], weight: str | None) -> MetricFrame:
    metrics = {"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    params = {} if weight is None else {"sample_weight": frame[weight].to_numpy()}
    return MetricFrame(
        metrics=metrics,
        y_true=frame["label"].to_numpy(),
        y_pred=chosen,
        sensitive_features=frame[names],
        sample_params=dict.fromkeys(metrics, params),
    )


def check_crossing(crossing: Crossing, frame: pd.DataFrame, decided: dict[str, np.ndarray], weight: str | None) -> None:
    """Count every cell anew."""
    names = crossing.attributes
    sizes = frame.groupby(names).size()
    assert {tuple(cell.groups): cell.before.n for cell in crossing.cells} == dict(sizes.items())
    for side, chosen in decided.items():
        found = by_fairlearn(frame, chosen, names, weight).by_group
        for cell in crossing.cells:
            one = getattr(cell, side)
            here = (frame[names] == cell.groups).all(axis=1).to_numpy()
            assert one.name == " × ".join(cell.groups)
            assert (one.n, one.selected) == (here.sum(), chosen[here].sum())
            assert one.positives == (frame["label"][here] == 1).sum()
            for figure in ("selection_rate", "tpr", "fpr"):
                told = getattr(one, figure)
                among = {
                    "selection_rate": here,
                    "tpr": here & (frame["label"] == 1),
                    "fpr": here & (frame["label"] == 0),
                }
                if not among[figure].any():
                    assert told is None  # where fairlearn says 0
                else:
                    assert told == pytest.approx(found.loc[tuple(cell.groups), figure], abs=1e-12)


class TestCrossings:
    @pytest.mark.parametrize("weight", [None, "w"])
    def test_a_pair_of_attributes(self, weight: str | None) -> None:
        flags: dict[str, Any] = {} if weight is None else {"weight": weight}
        report = debias.audit("model.pt", "rows.csv", attr=["sex", "race"], **IGNORED, **flags)
        [crossing] = report.crossings
        assert (crossing.attributes, crossing.unknown) == (["sex", "race"], 0)
        frame = rows()
        check_crossing(crossing, frame, {"before": scores("model.pt", frame).reshape(-1) > 0.5}, weight)
        assert all(cell.after is None for cell in crossing.cells)

    def test_both_networks_of_a_repair(self) -> None:
        asked = {**ASKED, "attr": ["sex", "race"], "eps": 0.5}
        report = debias.prune("model.pt", "rows.csv", test="test.csv", out="out.pt", **IGNORED, **asked)
        [crossing] = report.crossings
        frame = rows(4)
        decided = {
            side: scores(path, frame).reshape(-1) > 0.5 for side, path in (("before", "model.pt"), ("after", "out.pt"))
        }
        check_crossing(crossing, frame, decided, None)

    def test_an_intersection_is_told_by_its_parts(self) -> None:
        report = debias.audit("model.pt", "rows.csv", attr="sex*race", min_group=40, **IGNORED)
        [crossing] = report.crossings
        assert crossing.attributes == ["sex", "race"]
        # Small combinations are merged in the attribute, and stand for themselves here.
        assert "(other)" in report.attributes[0].groups
        check_crossing(crossing, rows(), {"before": scores("model.pt", rows()).reshape(-1) > 0.5}, None)

    def test_the_same_columns_are_crossed_once(self) -> None:
        def crossed(*attributes: str) -> list[list[str]]:
            report = debias.audit("model.pt", frame, attr=list(attributes), **IGNORED)
            return [crossing.attributes for crossing in report.crossings]

        frame = rows().assign(age=np.random.default_rng(0).choice(["old", "young"], ROWS))
        assert crossed("sex") == []
        assert crossed("sex", "race") == [["sex", "race"]]
        assert crossed("sex", "sex*race") == [["sex", "race"]]
        assert crossed("sex", "race", "sex*race") == [["sex", "race"]]
        assert crossed("sex", "race", "age") == [["sex", "race"], ["sex", "age"], ["race", "age"]]
        assert crossed("sex*race", "age") == [["sex*race", "age"], ["sex", "race"]]
        assert crossed("sex*race*age") == [["sex", "race", "age"]]

    def test_rows_without_an_attribute_are_counted(self) -> None:
        frame = rows()
        frame.loc[:6, "sex"] = None
        frame.loc[5:9, "race"] = None
        given = scores("model.pt", frame).reshape(-1) > 0.5
        dropped = debias.audit("model.pt", frame, attr=["sex", "race"], missing_attr="drop", **IGNORED)
        whole = frame.dropna()
        check_crossing(dropped.crossings[0], whole, {"before": given[whole.index]}, None)
        kept = debias.audit("model.pt", frame, attr=["sex", "race"], missing_attr="group", **IGNORED)
        check_crossing(kept.crossings[0], frame.fillna("(missing)"), {"before": given}, None)
        joint = debias.audit("model.pt", frame, attr="sex*race", missing_attr="group", **IGNORED)
        assert joint.crossings[0].unknown == 10
        check_crossing(joint.crossings[0], whole, {"before": given[whole.index]}, None)

    def test_the_favourable_side(self) -> None:
        asked: dict[str, Any] = {"attr": ["sex", "race"], "favorable": "negative", **IGNORED}
        report = debias.audit("model.pt", "rows.csv", **asked)
        frame = rows()
        turned = frame.assign(label=1 - frame["label"])
        check_crossing(report.crossings[0], turned, {"before": scores("model.pt", frame).reshape(-1) <= 0.5}, None)


def test_numbers_are_crossed_and_not_cut() -> None:
    frame = value_table(800)
    frame["race"] = np.random.default_rng(1).choice(["a", "b"], len(frame))
    frame.to_csv("pay.csv", index=False)
    world.save(value_network(), Path("value.pt"))
    asked: dict[str, Any] = {"label": "pay", "output_kind": "value", "features": ["work", "skill"]}
    report: Report = debias.audit("value.pt", "pay.csv", attr=["sex", "race"], **asked)
    assert report.sweeps == []
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = torch.jit.load("value.pt")(torch.tensor(frame[["work", "skill"]].to_numpy(), dtype=torch.float32))
    frame["given"] = given.reshape(-1).double().numpy()
    [crossing] = report.crossings
    assert len(crossing.cells) == 4
    for cell in crossing.cells:
        here = frame[(frame[["sex", "race"]] == cell.groups).all(axis=1)]
        assert (cell.before.n, cell.before.selected, cell.before.selection_rate) == (len(here), None, None)
        assert cell.before.mean_prediction == pytest.approx(here["given"].mean())
        assert cell.before.mean_target == pytest.approx(here["pay"].mean())
        assert cell.before.mse == pytest.approx(mean_squared_error(here["pay"], here["given"]))
        assert cell.before.mae == pytest.approx(mean_absolute_error(here["pay"], here["given"]))
