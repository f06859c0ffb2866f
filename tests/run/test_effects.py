"""Figures by cluster: known and other clusters, mixed and fixed effects, draws, fresh adversaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

import debias
from debias.contract import Output, write_document
from debias.errors import UsageError
from debias.model.archive import serialise
from debias.report.markdown import to_markdown
from tests.run import mixed, world


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mixed.save(Path("m.pt"), predictor=mixed.predictor_bytes())
    mixed.table().to_csv("rows.csv", index=False)


def by_hand(frame: pd.DataFrame, *, fixed: bool = False) -> np.ndarray:
    """Return the probabilities; unknown clusters are scored with the predicted ones."""
    x, z = mixed.tensors(frame)
    strange = np.array(frame["job"] == mixed.UNKNOWN)
    z[strange] = mixed.Predictor()(x)[strange]
    with torch.no_grad():
        return mixed.trained()(x, torch.zeros_like(z) if fixed else z).double().numpy()


def gap(frame: pd.DataFrame, decided: np.ndarray) -> float:
    rates = pd.Series(decided, index=frame.index).groupby(frame["sex"]).mean()
    return float(rates["f"] - rates["m"])


def test_heads_and_parts_by_hand() -> None:
    frame = mixed.table()
    report = debias.audit("m.pt", "rows.csv", attr="sex")
    effects = report.effects
    assert effects is not None
    assert effects.cluster == "job"
    assert effects.known == list(mixed.KNOWN)
    assert effects.unknown == [mixed.UNKNOWN]
    assert effects.unseen_z == "soft"
    strange = frame["job"] == mixed.UNKNOWN
    assert (effects.seen, effects.unseen) == (int((~strange).sum()), int(strange.sum()))
    assert [head.head for head in effects.heads] == ["mixed", "fixed"]
    for head in effects.heads:
        decided = by_hand(frame, fixed=head.head == "fixed") > 0.5
        for figures, its in ((head.seen, ~strange), (head.unseen, strange)):
            assert figures is not None
            assert figures.n == its.sum()
            assert figures.balanced_accuracy == pytest.approx(
                balanced_accuracy_score(frame["label"][its], decided[its])
            )
            assert figures.bias == pytest.approx(gap(frame[its], decided[its]))
    gaps = {one.rows: one for one in effects.gaps}
    assert set(gaps) == {"all", "seen", "unseen"}
    mixed_bias, fixed_bias = (gap(frame, by_hand(frame, fixed=fixed) > 0.5) for fixed in (False, True))
    assert gaps["all"].mixed == pytest.approx(mixed_bias)
    assert gaps["all"].fixed == pytest.approx(fixed_bias)
    assert gaps["all"].gap == pytest.approx(mixed_bias - fixed_bias)


def test_the_fixed_head_has_its_own_threshold() -> None:
    told = mixed.contract(mixed.trained().state_dict())
    output = told.output.model_copy(update={"fixed_threshold": 0.3})
    mixed.save(Path("m.pt"), told=told.model_copy(update={"output": output}))
    frame = mixed.table()
    frame = frame[frame["job"] != mixed.UNKNOWN].reset_index(drop=True)
    effects = debias.audit("m.pt", frame, attr="sex").effects
    assert effects is not None
    figures = effects.heads[1].seen
    assert figures is not None
    assert effects.heads[1].unseen is None
    assert effects.heads[1].threshold == 0.3
    decided = by_hand(frame, fixed=True) > 0.3
    assert figures.balanced_accuracy == pytest.approx(balanced_accuracy_score(frame["label"], decided))
    assert {one.rows for one in effects.gaps} == {"all"}


def test_each_cluster_by_hand() -> None:
    frame = mixed.table()
    effects = debias.audit("m.pt", "rows.csv", attr="sex").effects
    assert effects is not None
    decided = by_hand(frame) > 0.5
    assert [cluster.name for cluster in effects.clusters] == [*mixed.KNOWN, mixed.UNKNOWN]
    for cluster in effects.clusters:
        its = frame["job"] == cluster.name
        assert cluster.known == (cluster.name != mixed.UNKNOWN)
        assert cluster.n == its.sum()
        assert cluster.positives == frame["label"][its].sum()
        assert cluster.selected == decided[its].sum()
        assert cluster.selection_rate == pytest.approx(decided[its].mean())
        assert cluster.balanced_accuracy == pytest.approx(balanced_accuracy_score(frame["label"][its], decided[its]))
        (bias,) = cluster.biases
        assert bias.bias == pytest.approx(gap(frame[its], decided[its]))
        for value, interval in (
            (bias.bias, bias.interval),
            (cluster.selection_rate, cluster.selection_interval),
            (cluster.balanced_accuracy, cluster.accuracy_interval),
        ):
            assert interval is not None
            assert interval.low < value < interval.high  # type: ignore[operator]


def test_few_rows_have_wide_intervals_and_undefined_figures() -> None:
    frame = mixed.table()
    frame = pd.concat([frame[frame["job"] == "clerk"], frame[frame["job"] == "nurse"][:12]])
    lone = frame[(frame["job"] == "clerk")][:1].assign(job="smith")
    effects = debias.audit("m.pt", pd.concat([frame, lone]).reset_index(drop=True), attr="sex").effects
    assert effects is not None
    clerk, nurse, smith = effects.clusters
    assert smith.n == 1
    assert smith.balanced_accuracy is None
    assert smith.biases[0].bias is None
    assert smith.accuracy_interval is None
    widths = [each.selection_interval.high - each.selection_interval.low for each in (clerk, nurse, smith)]  # type: ignore[union-attr]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_the_favourable_side_decides_positives_and_rates() -> None:
    frame = mixed.table()
    effects = debias.audit("m.pt", "rows.csv", attr="sex", favorable="negative").effects
    assert effects is not None
    clerk = effects.clusters[0]
    its = frame["job"] == "clerk"
    assert clerk.positives == (frame["label"][its] == 0).sum()
    assert clerk.selection_rate == pytest.approx((by_hand(frame)[its] <= 0.5).mean())


def test_a_plain_network_gets_the_table_alone(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(original)
    frame = world.table().assign(site=lambda rows: np.array(["a", "b", "c"])[np.arange(len(rows)) % 3])
    features = list(world.FEATURES)
    report = debias.audit("model.pt", frame, attr="sex", features=features, cluster="site")
    assert report.effects is not None
    assert report.effects.heads == []
    assert report.effects.gaps == []
    assert [cluster.n for cluster in report.effects.clusters] == [200, 200, 200]
    assert debias.audit("model.pt", frame, attr="sex", features=features).effects is None


def test_a_repair_tells_both_networks() -> None:
    options = {"attr": "sex", "eps": 0.1, "out": "o.pt", "keep_best": True}
    report = debias.threshold("m.pt", "rows.csv", **options)
    assert report.effects_before is not None
    assert report.effects is not None
    assert report.after is not None
    assert report.effects.gaps[0].mixed == pytest.approx(report.after.bias)
    assert report.effects_before.gaps[0].mixed == pytest.approx(report.before.bias)
    again = debias.audit("o.pt", "rows.csv", attr="sex").effects
    assert again is not None
    assert [head.threshold for head in again.heads] == [head.threshold for head in report.effects.heads]
    ruled = debias.roc("m.pt", "rows.csv", **{**options, "out": "roc.pt"})
    assert ruled.effects is not None
    assert ruled.after is not None
    assert ruled.effects.gaps[0].mixed == pytest.approx(ruled.after.bias)


def test_draws_by_hand() -> None:
    frame = mixed.table()
    frame = frame[frame["job"] != mixed.UNKNOWN].reset_index(drop=True)
    draws = 40
    report = debias.audit("m.pt", frame, attr="sex", draws=draws, seed=3)
    assert report.effects is not None
    found = report.effects.draws
    assert found is not None
    assert found.draws == draws
    x, z = mixed.tensors(frame)
    net = mixed.Mixed()
    net.load_state_dict(mixed.trained().state_dict())
    random = np.random.default_rng(3)
    served = by_hand(frame)
    numbers, biases = [], []
    for _ in range(draws):
        with torch.no_grad():
            for part, start in ((net.slope, mixed.trained().slope), (net.intercept, mixed.trained().intercept)):
                sd = 1e-5 + torch.nn.functional.softplus(start.rho)
                part.mean.copy_(start.mean + sd * torch.from_numpy(random.standard_normal(tuple(sd.shape))).float())
            numbers.append(net(x, z).double().numpy())
        biases.append(gap(frame, numbers[-1] > 0.5))
    flips = np.array([(one > 0.5) != (served > 0.5) for one in numbers])
    assert found.flipped == pytest.approx(flips.any(axis=0).mean())
    assert found.flipped_per_draw == pytest.approx(flips.mean())
    assert found.prediction_sd == pytest.approx(np.std(numbers, axis=0, ddof=1).mean(), abs=1e-6)
    figures = {(one.figure, one.attribute, one.rows): one for one in found.figures}
    bias = figures["bias", "sex", "all"]
    assert bias.value == pytest.approx(report.before.bias)
    assert (bias.low, bias.high) == pytest.approx(tuple(np.quantile(biases, [0.025, 0.975])))
    assert {rows for _, _, rows in figures} == {"all"}
    swap = figures["attribute_swap", "sex", "all"]
    assert swap.value == pytest.approx(report.before.dispersion[0].attribute_swap, abs=1e-6)
    assert swap.low is not None
    assert swap.high is not None
    assert swap.low < swap.value < swap.high  # type: ignore[operator]


def test_draws_repeat_with_the_seed_and_leave_global_state() -> None:
    state = torch.get_rng_state()
    first, second = (debias.audit("m.pt", "rows.csv", attr="sex", draws=5).effects for _ in range(2))
    assert first == second
    other = debias.audit("m.pt", "rows.csv", attr="sex", draws=5, seed=1).effects
    assert other is not None
    assert first is not None
    assert other.draws != first.draws
    assert torch.equal(torch.get_rng_state(), state)
    assert first.draws is not None
    assert {one.rows for one in first.draws.figures} == {"all", "seen", "unseen"}


def test_draws_need_a_posterior(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(original)
    with pytest.raises(UsageError, match="nothing to draw"):
        debias.audit("model.pt", "rows.csv", attr="sex", draws=5)


def test_a_fresh_adversary_reads_what_a_prediction_tells() -> None:
    frame = mixed.table(rows=2500)
    report = debias.audit("m.pt", frame, attr="sex", fresh_adversary=True)
    assert [(one.attribute, one.prediction) for one in report.information] == [("sex", "mixed"), ("sex", "fixed")]
    for one in report.information:
        assert one.bits is not None
        assert one.entropy is not None
        assert one.error is not None
        assert 2 * one.error < one.bits < one.entropy  # the network reads the sex
    shuffled = frame.assign(other=np.random.default_rng(0).permutation(["a", "b"] * (len(frame) // 2)))
    (one, *_) = debias.audit("m.pt", shuffled, attr="other", fresh_adversary=True).information
    assert one.bits is not None
    assert abs(one.bits) < 0.01
    rare = frame.assign(other=np.where(np.arange(len(frame)) < 3, "a", "b"))
    (one, *_) = debias.audit("m.pt", rare, attr="other", fresh_adversary=True).information
    assert one.bits is None
    assert one.reason is not None


class MixedNumber(mixed.Mixed):
    """The same network without a sigmoid: it predicts a number."""

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        f = self.last(torch.relu(self.second(torch.relu(self.first(x))))).squeeze(1)
        return f + (x * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)


def regression_file(path: Path) -> MixedNumber:
    net = MixedNumber()
    net.load_state_dict(mixed.trained().state_dict())
    told = mixed.contract(net.state_dict(), output=Output(kind="value"), favorable="positive")
    path.write_bytes(serialise(mixed.scripted(net.eval()), {"debias.json": write_document(told, {})}))
    return net


def test_a_regression_by_cluster_by_hand() -> None:
    net = regression_file(Path("value.pt"))
    frame = mixed.table()
    frame = frame[frame["job"] != mixed.UNKNOWN].reset_index(drop=True)
    frame["label"] = frame["income"] - frame["debt"]
    report = debias.audit("value.pt", frame, attr="sex", draws=20, fresh_adversary=True)
    effects = report.effects
    assert effects is not None
    x, z = mixed.tensors(frame)
    with torch.no_grad():
        heads = net(x, z).double().numpy(), net(x, torch.zeros_like(z)).double().numpy()
    target = frame["label"].to_numpy()
    for head, values in zip(effects.heads, heads, strict=True):
        assert head.threshold is None
        assert head.seen is not None
        assert head.seen.mse == pytest.approx(np.mean((values - target) ** 2), rel=1e-5)
        assert head.seen.bias == pytest.approx(gap(frame, values), rel=1e-4)
        errors = pd.Series((values - target) ** 2).groupby(frame["sex"]).mean()
        assert head.seen.dispersion[0].mse_sd == pytest.approx(errors.std(ddof=0), rel=1e-4)
        assert head.seen.dispersion[0].demographic_parity == pytest.approx(abs(gap(frame, values)), rel=1e-4)
    for cluster in effects.clusters:
        its = (frame["job"] == cluster.name).to_numpy()
        assert cluster.mse == pytest.approx(np.mean((heads[0] - target)[its] ** 2), rel=1e-5)
        assert cluster.selected is None
        assert cluster.biases[0].bias == pytest.approx(gap(frame[its], heads[0][its]), rel=1e-4)
    flipped = x.clone()
    flipped[:, 2] = 1 - flipped[:, 2]
    with torch.no_grad():
        moved = (net(x, z) - net(flipped, z)).abs().double().mean()
    assert report.before.dispersion[0].attribute_swap == pytest.approx(float(moved), abs=1e-6)  # eq. 7
    assert effects.draws is not None
    assert effects.draws.flipped is None
    assert effects.draws.prediction_sd > 0
    figures = {one.figure for one in effects.draws.figures}
    assert {"mse", "bias", "mse_sd", "attribute_swap"} <= figures
    assert [one.bits is not None for one in report.information] == [True, True]
    assert "MSE SD" in to_markdown(report)
