"""A whole training: what is kept, when it ends, what bad input gets, and that a seed repeats it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from debias.errors import DataError, ModelError, UsageError
from debias.training.course import Course
from debias.training.fit import Fitted, fit
from debias.training.kinds import KINDS
from debias.training.networks import MixedEffects
from debias.training.rows import Rows
from debias.training.settings import Settings
from tests.training.made import CLUSTERS, WIDTH, halves, made_rows

SMALL = Settings(hidden=(8, 4), adversary_hidden=(6, 6), batch_size=32, epochs=5, warmup=1, patience=0)


def _same(one: Fitted, two: Fitted) -> bool:
    states = one.module.state_dict(), two.module.state_dict()
    return (
        all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        and one.history == two.history
        and (one.threshold, one.fixed_threshold, one.best_epoch, one.stopped)
        == (two.threshold, two.fixed_threshold, two.best_epoch, two.stopped)
    )


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_trains(kind: str, task: str) -> None:
    train, valid = halves(regression=task == "regression")
    before = torch.get_rng_state()
    fitted = fit(kind, train, valid, SMALL, task=task)  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), before)
    assert fitted.stopped == "epochs"
    assert fitted.epochs_run == len(fitted.history) == 5
    best = fitted.history[fitted.best_epoch - 1]
    assert best["eligible"]
    assert best["j"] == max(epoch["j"] for epoch in fitted.history if epoch["eligible"])
    mixed, fixed = fitted.predict(valid.x, valid.design())
    assert mixed.shape == fixed.shape == valid.y.shape
    assert not mixed.requires_grad
    reads = KINDS[kind].reads_clusters
    assert torch.equal(mixed, fixed) is not reads
    assert (fitted.predictor is not None) is reads
    if reads:
        shares = fitted.clusters(valid.x)
        assert shares.shape == (len(valid), CLUSTERS)
        torch.testing.assert_close(shares.sum(1), torch.ones(len(valid)))
    else:
        with pytest.raises(UsageError, match="does not read the cluster"):
            fitted.clusters(valid.x)
    assert fitted.activations(valid.x, valid.design()).shape == (len(valid), 12)
    if task == "regression":
        assert fitted.threshold is None
        wanted = float(((mixed - valid.y) ** 2).double().mean())
        assert best["mse"] == pytest.approx(wanted, rel=1e-5)
    else:
        assert fitted.threshold is not None
        assert fitted.fixed_threshold is not None
        for value, cut, name in ((mixed, fitted.threshold, ""), (fixed, fitted.fixed_threshold, "_fixed")):
            y, p = valid.y.numpy(), value.double().numpy()
            assert best[f"auroc{name}"] == pytest.approx(roc_auc_score(y, p))
            assert best[f"balanced_accuracy{name}"] == pytest.approx(balanced_accuracy_score(y, p > cut))


def test_the_rule_of_the_best_epoch_counts_dispersion_where_a_kind_is_debiased() -> None:
    train, valid = halves()
    fitted = fit("fair-adb-medl", train, valid, SMALL)
    best = fitted.history[fitted.best_epoch - 1]
    y, codes = valid.y.numpy(), valid.sensitive
    assert fitted.threshold is not None
    decided = fitted.predict(valid.x, valid.design())[0].double().numpy() > fitted.threshold
    parts = []
    for code in codes.values():
        for label in (0, 1):
            groups = code.numpy()
            rates = [decided[(groups == g) & (y == label)].mean() for g in np.unique(groups)]
            parts.append(np.std(rates))
    assert best["dispersion"] == pytest.approx(sum(parts) / 2)
    assert best["j"] == pytest.approx(best["balanced_accuracy"] - 0.5 * sum(parts) / 2)
    plain = fit("medl", train, valid, SMALL)
    assert all(epoch["j"] == epoch["balanced_accuracy"] for epoch in plain.history)


def test_epochs_before_the_adversaries_were_heard_are_never_kept() -> None:
    train, valid = halves()
    settings = replace(SMALL, warmup=2, epochs=4)
    eligible = [epoch["eligible"] for epoch in fit("medl", train, valid, settings).history]
    assert eligible == [False, False, False, True]
    assert all(epoch["eligible"] for epoch in fit("nnet", train, valid, settings).history)
    with pytest.raises(UsageError, match="none of 3 can be chosen"):
        fit("medl", train, valid, replace(settings, epochs=3))


@pytest.mark.parametrize("kind", ["fair-adb-medl", "fair-acl-da", "cluster-input"])
def test_a_seed_repeats_every_bit(kind: str) -> None:
    train, valid = halves(weighted=True)
    settings = replace(SMALL, dropout=0.2, lambda_swap=0.5, adversary_steps=2)
    one, two = (fit(kind, train, valid, settings, seed=3) for _ in range(2))
    assert _same(one, two)
    assert not _same(one, fit(kind, train, valid, settings, seed=4))
    if one.predictor is not None:
        assert two.predictor is not None
        assert torch.equal(one.predictor(valid.x), two.predictor(valid.x))


class _Killed(Exception):
    pass


def _killed_after(epochs: int) -> Any:
    def on_epoch(epoch: Any) -> None:
        if epoch["epoch"] == epochs:
            raise _Killed

    return on_epoch


@pytest.mark.parametrize("kind", ["fair-adb-medl", "nnet"])
@pytest.mark.parametrize("killed", [1, 3])
def test_a_killed_training_goes_on_to_the_same_bits(kind: str, killed: int, tmp_path: Path) -> None:
    train, valid = halves()
    settings = replace(SMALL, dropout=0.2, lambda_swap=0.5)
    whole = fit(kind, train, valid, settings, seed=3)
    path = tmp_path / "training.ckpt"
    with pytest.raises(_Killed):
        fit(kind, train, valid, settings, seed=3, checkpoint=path, on_epoch=_killed_after(killed))
    told: list[int] = []
    resumed = fit(kind, train, valid, settings, seed=3, checkpoint=path, progress=lambda done, *_: told.append(done))
    assert told[0] == killed + 1
    assert _same(whole, resumed)
    # a finished training is not trained again, a longer one goes on
    again = fit(kind, train, valid, settings, seed=3, checkpoint=path, on_epoch=_killed_after(1))
    assert _same(whole, again)
    longer = fit(kind, train, valid, replace(settings, epochs=7), seed=3, checkpoint=path)
    assert _same(longer, fit(kind, train, valid, replace(settings, epochs=7), seed=3))
    assert [item.name for item in tmp_path.iterdir()] == ["training.ckpt"]


def test_without_resuming_a_checkpoint_is_replaced(tmp_path: Path) -> None:
    train, valid = halves()
    path = tmp_path / "training.ckpt"
    fit("nnet", train, valid, SMALL, seed=1, checkpoint=path)
    seen: list[int] = []
    fit(
        "nnet",
        train,
        valid,
        SMALL,
        seed=2,
        checkpoint=path,
        resume=False,
        on_epoch=lambda epoch: seen.append(epoch["epoch"]),
    )
    assert seen == [1, 2, 3, 4, 5]


def test_patience_ends_a_training_that_gets_no_better() -> None:
    train, valid = halves()
    settings = replace(SMALL, epochs=60, patience=3, lr=0.01)
    fitted = fit("nnet", train, valid, settings)
    assert fitted.stopped == "patience"
    assert fitted.epochs_run == fitted.best_epoch + 3


def _break_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    epoch, calls = Course.epoch, [0]

    def broken(self: Course, listened: bool) -> dict[str, float]:
        calls[0] += 1
        found = epoch(self, listened)
        if calls[0] == number:
            self.optimizer._flat[0] = math.nan
        return found

    monkeypatch.setattr(Course, "epoch", broken)


def test_a_diverged_training_keeps_the_last_good_epoch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    train, valid = halves()
    settings = replace(SMALL, epochs=9)
    whole = fit("medl", train, valid, replace(SMALL, epochs=4))
    _break_at(monkeypatch, 5)
    path = tmp_path / "training.ckpt"
    fitted = fit("medl", train, valid, settings, checkpoint=path)
    assert fitted.stopped == "diverged"
    assert fitted.best_epoch == whole.best_epoch
    assert fitted.history[-1]["events"] == ["diverged: a number is not finite"]
    assert all(bool(torch.isfinite(value).all()) for value in fitted.module.state_dict().values())
    states = fitted.module.state_dict(), whole.module.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert fit("medl", train, valid, settings, checkpoint=path).stopped == "diverged"


def test_a_training_that_diverges_at_once_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    train, valid = halves()
    _break_at(monkeypatch, 1)
    with pytest.raises(UsageError, match="diverged in its first epoch"):
        fit("nnet", train, valid, SMALL)


def test_before_an_eligible_epoch_the_last_good_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    train, valid = halves()
    _break_at(monkeypatch, 3)
    fitted = fit("medl", train, valid, replace(SMALL, warmup=2, epochs=6))
    assert (fitted.stopped, fitted.best_epoch) == ("diverged", 2)


def test_the_history_tells_whether_random_effects_collapse() -> None:
    train, valid = halves()
    loose, tight = (fit("medl", train, valid, replace(SMALL, kl=kl, epochs=8, lr=0.01)) for kl in (0.1, 1000.0))
    assert isinstance(loose.module, MixedEffects)
    assert tight.history[-1]["slope_spread"] < 0.3 < loose.history[-1]["slope_spread"]
    last = fit("medl", train, valid, replace(SMALL, epochs=3, patience=0))
    if last.best_epoch == 3:
        assert isinstance(last.module, MixedEffects)
        spread = np.std(last.module.slope.mean.detach().numpy()) / 0.1
        assert last.history[-1]["slope_spread"] == pytest.approx(spread, rel=1e-4)


def test_adversaries_and_swaps_do_what_they_are_for() -> None:
    train, valid = halves(900)
    settings = Settings(hidden=(16, 8), batch_size=32, epochs=10, warmup=1, lr=3e-3, lr_adversary=3e-3, patience=0)
    plain = fit("medl", train, valid, settings)
    strong = replace(settings, lambda_fair=1.0)
    fair = fit("fair-adb-medl", train, valid, strong)
    swapped = fit("fair-adb-medl", train, valid, replace(strong, lambda_swap=1.0))
    assert fair.history[fair.best_epoch - 1]["dispersion"] < 0.8 * plain.history[plain.best_epoch - 1]["dispersion"]

    def change(fitted: Fitted) -> float:
        x = valid.x.clone()
        x[:, 0] = 1 - x[:, 0]
        z = valid.design()
        return float((fitted.predict(x, z)[0] - fitted.predict(valid.x, z)[0]).abs().mean())

    assert change(swapped) < 0.3 * change(plain)


def _with(rows: Rows, **changed: Any) -> Rows:
    return replace(rows, **changed)


def test_rows_that_cannot_be_trained_on_are_refused_all_at_once() -> None:
    train, valid = halves()
    x = train.x.clone()
    x[3, 2] = math.inf
    broken = _with(train, x=x, y=torch.ones(len(train)), z=torch.full((len(train),), -1))
    with pytest.raises(DataError) as caught:
        fit("medl", broken, _with(valid, y=valid.y + 0.5), SMALL)
    found = [problem.found for problem in caught.value.problems]
    assert found == [
        "a feature holds a value that is not finite",
        "all rows have the same label",
        "a row's cluster is none of the seen ones",
        "a label is neither 0 nor 1",
    ]


@pytest.mark.parametrize(
    ("changed", "task", "message"),
    [
        ({"n_clusters": 1, "z": torch.zeros(320, dtype=torch.long)}, "classification", "1 seen clusters are too few"),
        ({"sensitive": {}, "categories": {}}, "classification", "no protected attribute is given"),
        (
            {"sensitive": {"s": torch.zeros(320, dtype=torch.long)}, "categories": {"s": 2}, "swaps": {}},
            "classification",
            "fewer than two groups of 's' have rows",
        ),
        ({"y": torch.full((320,), math.nan)}, "regression", "the target holds a value that is not finite"),
        ({"y": torch.full((320,), 2.0)}, "regression", "the target is constant"),
    ],
)
def test_bad_rows_are_named(changed: dict[str, Any], task: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit("fair-adb-medl", _with(made_rows(320), **changed), made_rows(200), SMALL, task=task)


@pytest.mark.parametrize(
    ("swap", "swaps", "message"),
    [
        ("s,u", made_rows(10).swaps, "'u' is no protected attribute among the inputs"),
        (None, {}, "no protected attribute is an input of the network"),
    ],
)
def test_a_swap_of_what_is_no_input_is_refused(swap: str | None, swaps: Any, message: str) -> None:
    train, valid = halves()
    with pytest.raises(UsageError, match=message):
        fit("medl", _with(train, swaps=swaps), valid, replace(SMALL, lambda_swap=1.0, swap=swap))


def test_unknown_kinds_are_refused() -> None:
    train, valid = halves()
    with pytest.raises(UsageError, match="unknown kind of network 'medle'"):
        fit("medle", train, valid)


def test_a_plain_network_needs_neither_clusters_nor_attributes() -> None:
    rows = made_rows(200)
    bare = Rows(rows.x, rows.y, torch.full((200,), -1), 0)
    fitted = fit("nnet", bare, bare, SMALL)
    assert fitted.predict(rows.x, torch.zeros(200, 0))[0].shape == (200,)
    assert fitted.module.state_dict()["fe.layers.0.weight"].shape == (8, WIDTH)


def test_validation_rows_of_unknown_clusters_are_measured_without_one() -> None:
    train, valid = halves()
    unknown = _with(valid, z=torch.full((len(valid),), -1))
    fitted = fit("medl", train, unknown, SMALL)
    best = fitted.history[fitted.best_epoch - 1]
    assert best["auroc"] == best["auroc_fixed"]
    assert fitted.threshold == fitted.fixed_threshold


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": replace(SMALL, lr=0.5, kl=2.0)}, r"other settings \(lr, kl\)"),
        ({"seed": 4}, "seed 3, not 4"),
        ({"kind": "da"}, "kind medl, not da"),
        ({"train": made_rows(320, seed=9)}, "other training rows"),
        ({"valid": made_rows(160, seed=9)}, "other validation rows"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    train, valid = halves()
    given: dict[str, Any] = {"kind": "medl", "train": train, "valid": valid, "settings": SMALL, "seed": 3}
    path = tmp_path / "training.ckpt"
    short = replace(SMALL, epochs=3)
    fit(**(given | {"settings": short}), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ModelError, match=message):
        fit(**(given | changes), checkpoint=path)
    assert path.read_bytes() == before
