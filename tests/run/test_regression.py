"""Networks that predict a number, from the command line to the repaired file."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from torch import Tensor, nn

import debias
from debias.contract import Output, write_document
from debias.errors import DataError, DebiasError, ModelError
from debias.model.archive import serialise
from debias.report.content.report import report_document
from debias.report.markdown import to_markdown
from debias.report.values.report import Report
from tests.model.values import Scaled
from tests.run import mixed
from tests.run.world import call, content, told

FEATURES = ("work", "skill")
ASKED = ("--data", "rows.csv", "--attr", "sex", "--label", "pay", "--output-kind", "value", "--features", "work,skill")
ELSEWHERE = {"impact", "notes"}
"""Sections that speak of a favourable side of numbers too."""
REPAIRS: dict[str, dict[str, Any]] = {
    "finetune": {"epochs": 20, "lr": 3e-3, "last_penalty": 8.0},
    "gda": {"lr": 5e-4, "epochs": 20, "patience": 0},
    "prune": {"fill": "mean"},
    "layerwise": {"evaluations": 80},
    "perturb": {"trials": 400, "variance": 0.3},
}


def table(rows: int = 3000, seed: int = 0, groups: int = 2) -> pd.DataFrame:
    """Return people whose pay depends on work, of which one group has more."""
    random = np.random.default_rng(seed)
    group = random.integers(0, groups, rows)
    work, skill = random.normal(size=rows) + 0.8 * group, random.normal(size=rows)
    pay = 40 + 5 * work + 7 * skill + 2 * work * skill + 4 * random.normal(size=rows)
    names = np.array(["f", "m", "x", "y"])[group]
    return pd.DataFrame({"work": work.round(5), "skill": skill.round(5), "sex": names, "pay": pay.round(4)})


@cache
def network() -> nn.Module:
    """Return a network fitted to the pay."""
    frame = table(seed=9)
    x, y = inputs(frame), torch.tensor(frame["pay"].to_numpy(), dtype=torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Scaled(2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()
    return net.eval()


def inputs(frame: pd.DataFrame) -> Tensor:
    return torch.tensor(frame[list(FEATURES)].to_numpy(), dtype=torch.float32)


def predicted(path: str, frame: pd.DataFrame) -> np.ndarray:
    """Return what a file predicts, loaded by torch alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.endswith(".pt2"):
            return torch.export.load(path).module()(inputs(frame)).detach().double().numpy()
        return torch.jit.load(path)(inputs(frame)).detach().double().numpy()


def gap(values: np.ndarray, frame: pd.DataFrame) -> float:
    return float(values[frame["sex"] == "f"].mean() - values[frame["sex"] == "m"].mean())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    table().to_csv("rows.csv", index=False)
    table(seed=1).to_csv("test.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(network()), "model.pt")
        free = {0: torch.export.Dim("rows", min=2)}
        torch.export.save(torch.export.export(network(), (torch.zeros(5, 2),), dynamic_shapes=(free,)), "model.pt2")
    return tmp_path


def run(verb: str, model: str = "model.pt", **asked: Any) -> Report:
    given = {"label": "pay", "output_kind": "value", "features": FEATURES, "attr": "sex", "eps": 1.5, **asked}
    report: Report = getattr(debias, verb)(model, "rows.csv", **given)
    return report


@pytest.mark.parametrize("model", ["model.pt", "model.pt2"])
def test_an_audit_counts_what_the_file_predicts(model: str) -> None:
    report, frame = run("audit", model), table()
    values, y = predicted(model, frame), frame["pay"].to_numpy()
    figures = report.before
    assert (report.task, report.metric, report.performance) == ("regression", "mean-difference", "r2")
    assert (report.threshold, report.decision, report.positive_label, figures.threshold) == (None, None, None, None)
    assert figures.r2 == figures.performance == pytest.approx(r2_score(y, values))
    assert figures.mse == pytest.approx(mean_squared_error(y, values))
    assert figures.mae == pytest.approx(mean_absolute_error(y, values))
    assert figures.bias == pytest.approx(gap(values, frame))
    assert {figures.balanced_accuracy, figures.accuracy, figures.f1, figures.auroc, figures.brier} == {None}
    assert (report.verdict, report.exit_code, figures.objective) == ("fail", 1, 0)
    (parity,) = figures.parities
    assert parity.sentence == f"E[ŷ | f] − E[ŷ | m] = −{abs(gap(values, frame)):.4g}"
    assert parity.interval is not None
    assert parity.interval.low < gap(values, frame) < parity.interval.high
    for group in parity.groups:
        rows = (frame["sex"] == group.name).to_numpy()
        assert group.n == rows.sum()
        assert group.mean_prediction == pytest.approx(values[rows].mean())
        assert group.mean_target == pytest.approx(y[rows].mean())
        assert group.mse == pytest.approx(mean_squared_error(y[rows], values[rows]))
        assert group.mse_share == pytest.approx(1 - r2_score(y[rows], values[rows]))
        assert (group.selected, group.selection_rate, group.tpr) == (None, None, None)
    (spread,) = report.before.dispersion
    errors = [group.mse for group in parity.groups]
    assert spread.mse_sd == pytest.approx(np.std(np.array(errors, float)))
    assert spread.demographic_parity == pytest.approx(abs(gap(values, frame)))


def test_errors_by_group_are_a_metric() -> None:
    report = run("audit", metric="msesd", eps=100.0)
    errors = [group.mse for group in report.before.parities[0].groups]
    assert report.metric == "mse-dispersion"
    assert report.before.bias == pytest.approx(np.std(np.array(errors, float)))
    assert report.verdict == "pass"
    assert report.before.objective == report.before.r2
    assert report.before.parities[0].sentence.startswith("SD of E[(ŷ − y)²] over the two groups = ")


@pytest.mark.parametrize("model", ["model.pt", "model.pt2"])
@pytest.mark.parametrize("verb", REPAIRS)
def test_a_repaired_file_holds_on_rows_that_nobody_chose_by(verb: str, model: str) -> None:
    out = f"out.{model.partition('.')[2]}"
    table(seed=3).to_csv("train.csv", index=False)
    report = run(verb, model, train="train.csv", test="test.csv", out=out, **REPAIRS[verb])
    assert report.verdict == "pass", report.statement
    frame = table(seed=1)
    values, y = predicted(out, frame), frame["pay"].to_numpy()
    assert abs(gap(values, frame)) < 1.5 < abs(gap(predicted(model, frame), frame))
    assert report.after is not None and report.change is not None
    assert report.after.bias == pytest.approx(gap(values, frame))
    assert report.after.r2 == report.after.objective == pytest.approx(r2_score(y, values))
    assert report.after.mse == pytest.approx(mean_squared_error(y, values))
    assert (report.best_threshold, report.threshold_only, report.change.gain_over_threshold) == (None, None, None)
    assert not report.change.folded
    assert all(step.r2 is not None and step.balanced_accuracy is None for step in report.trajectory)
    assert all(step.threshold is None for step in report.trajectory)
    # The file tells the rest by itself.
    again = debias.audit(out, "test.csv", attr="sex", eps=1.5)
    assert (again.verdict, again.before) == ("pass", report.after)
    told_by_file = debias.inspect(out).contract
    assert told_by_file is not None
    assert told_by_file["output"] == {"kind": "value"}
    assert "positive" not in told_by_file


def test_what_the_reports_say() -> None:
    report = run("prune", test="test.csv", out="out.pt", **REPAIRS["prune"])
    text = to_markdown(report)
    for part in ("R²", "MSE", "MAE", "mean ŷ", "MSE / Var y", "in units of the target", "Mean squared error"):
        assert part in text
    told = [str(section) for section in report_document(report).sections if section.key not in ELSEWHERE]
    for part in ("bal.acc", "AUROC", "Brier", "threshold only", "favourable", "calibrat", "selected"):
        assert not any(part in section for section in told)
    assert report.command is not None
    assert "--task" not in report.command


@pytest.mark.parametrize("groups", [3, 4])
def test_more_groups_are_compared_in_all_pairs(groups: int) -> None:
    table(groups=groups).to_csv("rows.csv", index=False)
    table(seed=1, groups=groups).to_csv("test.csv", index=False)
    before = run("audit", eps=None).before
    report = run("finetune", test="test.csv", out="out.pt", eps=0.5 * abs(before.bias or 0), **REPAIRS["finetune"])
    frame = table(seed=1, groups=groups)
    means = pd.Series(predicted("out.pt", frame)).groupby(frame["sex"]).mean().to_numpy()
    pairs = [abs(one - other) for index, one in enumerate(means) for other in means[:index]]
    assert report.after is not None
    assert report.after.bias == pytest.approx(np.mean(pairs))
    assert report.verdict == "pass"
    assert "over all pairs of" in report.after.parities[0].sentence


def test_a_verdict_with_confidence() -> None:
    wide = run("audit", eps=12.0, confidence=0.95)
    assert wide.verdict == "pass"
    assert run("audit", eps=1.5, confidence=0.95).verdict == "fail"
    bias = abs(wide.before.bias or 0)
    near = run("audit", eps=1.05 * bias, confidence=0.95)
    assert (near.verdict, near.exit_code) == ("inconclusive", 3)
    assert near.more_rows
    assert "more rows of f" in near.statement or "more rows of m" in near.statement


def test_rows_of_training_are_pooled_for_the_bias() -> None:
    table(seed=3).to_csv("train.csv", index=False)
    report = run("finetune", train="train.csv", test="test.csv", out="out.pt", **REPAIRS["finetune"])
    assert report.selection_rule == "chance, bias pooled with the rows for gradients"
    assert report.verdict == "pass"


def test_compare_takes_the_methods_that_fit() -> None:
    settings = {name: values for name, values in REPAIRS.items() if name != "perturb"}
    found = debias.compare(
        "model.pt",
        "rows.csv",
        test="test.csv",
        label="pay",
        output_kind="value",
        features=FEATURES,
        attr="sex",
        eps=1.5,
        out="best.pt",
        methods=[*settings, "roc", "adversarial"],
        settings=settings,
        workers=1,
    )
    assert found.verdict == "pass"
    assert found.winner in settings
    for name in ("threshold", "roc", "adversarial"):
        candidate = found.of(name)
        assert candidate.status == "impossible"
        assert "is not for a network that predicts a number" in candidate.reasons[0]
    best = max((one.selection.r2 or 0) for one in found.candidates if one.feasible and one.selection is not None)
    assert found.of(found.winner).selection.r2 == best  # type: ignore[union-attr]
    assert all(point.r2 is not None and point.balanced_accuracy is None for point in found.front)
    for one in found.candidates:
        if one.behind is not None and one.selection is not None:
            winner = found.of(found.winner).selection
            assert winner is not None
            assert one.behind.difference == pytest.approx((winner.r2 or 0) - (one.selection.r2 or 0), abs=1e-5)
    assert "sel.R²" in to_markdown(found)


@pytest.mark.parametrize("verb", ["threshold", "roc", "eqodds", "adversarial"])
def test_methods_that_need_classes_refuse(verb: str, folder: Path) -> None:
    before = content(folder)
    result = call(verb, "model.pt", *ASKED, "--eps", 1)
    assert result.code == 2
    assert f"{verb} is not for a network that predicts a number: " in result.err
    assert "Use prune, gda, finetune, perturb or layerwise." in result.err
    assert content(folder) == before


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (("--metric", "spd"), "statistical-parity is not for a network that predicts a number"),
        (("--metric", "eqodds"), "Choose one of: mean-difference (mdp), mse-dispersion (msesd)."),
        (("--performance", "f1"), "--performance: f1 is not for a network that predicts a number\n  Give r2."),
        (("--threshold", 0.4), "--threshold: the network predicts a number, which is not cut\n  Leave it out."),
        (("--decision", "score"), "--decision: the network predicts a number, which is not cut"),
        (("--positive", 1), "--positive: the network predicts a number, which has no positive value"),
        (("--eps", 0), "--eps: 0.0 is no bound"),
    ],
)
def test_flags_of_classes_are_refused(flags: tuple[Any, ...], found: str) -> None:
    bound = () if "--eps" in flags else ("--eps", 0.5)
    result = call("prune", "model.pt", *ASKED, *bound, *flags)
    assert result.code == 2
    assert found in result.err
    assert not Path("model.prune.pt").exists()


def test_flags_of_numbers_are_refused_for_classes() -> None:
    frame = table()
    frame["pay"] = (frame["pay"] > 40).astype(int)
    frame.to_csv("rows.csv", index=False)
    asked = ASKED[:6] + ASKED[8:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(
            torch.jit.script(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())), "c.pt"
        )
    for flags, found in (
        (("--metric", "mdp", "--eps", 0.1), "mean-difference is not for a network that predicts a class"),
        (("--performance", "r2", "--eps", 0.1), "r2 is not for a network that predicts a class"),
        (("--eps", 2), "--eps: 2.0 is no bound"),
    ):
        result = call("prune", "c.pt", *asked, *flags)
        assert result.code == 2
        assert found in result.err


def test_targets_that_are_no_numbers_are_named() -> None:
    frame = table()
    frame.loc[3, "pay"] = np.inf
    frame.to_csv("rows.csv", index=False)
    with pytest.raises(DataError, match="pay"):
        run("audit")


def test_predictions_that_are_no_numbers_are_named() -> None:
    frame = table()
    frame.loc[2, "work"] = 3e38
    frame.to_csv("rows.csv", index=False)
    with pytest.raises(DebiasError, match=r"NaN or an infinite score|NaN or infinite scores"):
        run("audit")


def test_a_network_without_any_answer_is_refused() -> None:
    net = Scaled(2)
    nn.init.zeros_(net.last.weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(net.eval()), "model.pt")
    with pytest.raises(ModelError, match="every row the same"):
        run("audit")


def test_a_bound_that_no_candidate_meets_leaves_no_file() -> None:
    result = call("prune", "model.pt", *ASKED, "--eps", 0.001, "--limit", 2)
    assert result.code == 1
    assert "and R² of at least 0 on the selection rows" in " ".join(result.err.split() + result.out.split())
    assert not Path("model.prune.pt").exists()


def test_json_has_no_figures_of_classes() -> None:
    found = told("audit", "model.pt", *ASKED)
    assert found["task"] == "regression"
    assert found["before"]["parities"][0]["groups"][0]["tpr"] is None
    assert found["before"]["mse"] > 0
    assert json.dumps(found)


class MixedValue(mixed.Mixed):
    """The mixed-effects network of a number."""

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        f = self.last(torch.relu(self.second(torch.relu(self.first(x))))).squeeze(1)
        effects = (x * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)
        return 20.0 + 6.0 * (f + effects)


@cache
def mixed_network() -> nn.Module:
    frame = mixed_table(seed=7)
    frame = frame[frame["job"] != mixed.UNKNOWN]
    x, z = mixed.tensors(frame)
    y = torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = MixedValue()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        ((net(x, z) - y) ** 2).mean().backward()
        optimizer.step()
    return net.eval()


def mixed_table(seed: int = 0) -> pd.DataFrame:
    frame, random = mixed.table(3000, seed), np.random.default_rng(seed + 100)
    effect = frame["job"].map({"clerk": -3.0, "nurse": 0.0, "smith": 3.0, "pilot": 1.0})
    noise = 2 * random.normal(size=len(frame))
    frame["label"] = 20 + 4 * frame["income"] - 3 * frame["debt"] + 3 * (frame["sex"] == "m") + effect + noise
    return frame


@pytest.mark.parametrize("suffix", ["pt", "pt2"])
@pytest.mark.parametrize(
    ("verb", "settings"),
    [
        ("finetune", {"epochs": 20, "lr": 3e-3, "last_penalty": 8.0}),
        ("finetune", {"epochs": 20, "lr": 3e-3, "last_penalty": 8.0, "edit": "fe+re"}),
        ("gda", {"lr": 2e-3, "epochs": 20, "patience": 0}),
        ("layerwise", {"evaluations": 100, "selection": "margin"}),
    ],
)
def test_a_mixed_effects_regression_is_repaired(verb: str, settings: dict[str, Any], suffix: str) -> None:
    net = mixed_network()
    made = mixed.contract(net.state_dict(), output=Output(kind="value"))
    extra = {"debias.json": write_document(made, {})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if suffix == "pt":
            loaded: Any = mixed.scripted(net)
        else:
            free = {0: torch.export.Dim("rows", min=2)}
            loaded = torch.export.export(net, (torch.zeros(5, 3), torch.zeros(5, 3)), dynamic_shapes=(free, free))
        Path(f"mixed.{suffix}").write_bytes(serialise(loaded, extra))
    for seed, name in ((0, "m.csv"), (1, "n.csv")):
        frame = mixed_table(seed)
        frame[frame["job"] != mixed.UNKNOWN].to_csv(name, index=False)
    report = getattr(debias, verb)(
        f"mixed.{suffix}", "m.csv", test="n.csv", attr="sex", eps=2.0, out=f"out.{suffix}", **settings
    )
    assert report.verdict == "pass", report.statement
    frame = pd.read_csv("n.csv")
    x, z = mixed.tensors(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = torch.jit.load("out.pt") if suffix == "pt" else torch.export.load("out.pt2").module()
    values = again(x, z).detach().double().numpy()
    assert abs(report.before.bias) > 4
    assert report.after.bias == pytest.approx(gap(values, frame), abs=1e-4)
    assert report.after.mse == pytest.approx(mean_squared_error(frame["label"], values), rel=1e-5)
    assert report.effects is not None and report.effects.gaps
    state = again.state_dict()
    same = torch.equal(state["slope.mean"], net.state_dict()["slope.mean"])
    assert same == (settings.get("edit") != "fe+re"), "random effects stay unless they are asked for"
    assert torch.equal(state["slope.rho"], net.state_dict()["slope.rho"])
    bare = again(x, torch.zeros_like(z)).detach().double().numpy()
    fixed = next(head for head in report.effects.heads if head.head == "fixed")
    assert fixed.seen is not None
    assert fixed.seen.bias == pytest.approx(gap(bare, frame), abs=1e-4)
