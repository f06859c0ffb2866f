"""Networks trained with confounding probes: what is made, measured and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from debias.errors import DataError, DebiasError, UsageError
from debias.experiments.importance.probing import (
    Ground,
    Measured,
    Plan,
    fitted_magnitudes,
    probe,
    probe_infos,
    summarised,
    work,
)
from debias.experiments.variants import variants
from debias.model.importance import Magnitudes, block_sums, ranks
from debias.report.values.importance import Importance, Run
from debias.run.importance import Block, measure
from debias.run.training import fit_on
from debias.training.export import model_bytes
from debias.training.fit import fit
from debias.training.settings import Settings
from debias.training.tables import rows_of

NAMES = [f"Probe {number}" for number in range(1, 6)]
QUICK = {"epochs": 2, "warmup": 0, "hidden": "8,4"}
RATES = {"clerk": 0.15, "nurse": 0.4, "smith": 0.7, "pilot": 0.5}


def table(rows: int = 900, seed: int = 0) -> pd.DataFrame:
    """Return rows whose label depends on the job and hardly on anything else."""
    random = np.random.default_rng(seed)
    job = random.choice(list(RATES), rows, p=[0.35, 0.3, 0.25, 0.1])
    label = (random.random(rows) < [RATES[name] for name in job]).astype(int)
    return pd.DataFrame(
        {
            "a": random.normal(size=rows).round(4) + 0.2 * label,
            "b": random.normal(size=rows).round(4),
            "colour": random.choice(["red", "blue"], rows),
            "sex": random.choice(["f", "m"], rows),
            "job": job,
            "label": label,
            "days": (10 * label + random.normal(size=rows)).round(4),
        }
    )


def plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {"data": table(), "label": "label", "cluster": "job", "attr": ("sex",), "seen": 3}
    return Plan(**{**values, "ignore": ("days",), **changes})


def probed(
    kinds: list[str], *, seeds: tuple[int, ...] = (0,), settings: dict[str, Any] | None = None, **changes: Any
) -> Importance:
    return probe(kinds, plan(**changes), settings=settings or QUICK, seeds=seeds, workers=1)


def silent(*_: object) -> None:
    pass


def test_the_rates_of_probes_are_those_of_the_training_rows() -> None:
    ground = Ground.open(plan())
    train, valid, test = ground.split(3)
    assert not set(train) & set(valid) and not set(train) & set(test) and not set(valid) & set(test)
    assert sorted([*train, *valid, *test]) == ground.rows.index.tolist()
    widened, made = ground.probed(3)
    frame = table()
    rates = frame.iloc[train].groupby("job")["label"].mean()
    np.testing.assert_allclose(made.rates, [rates[name] for name in ground.rows.names])
    unseen = ~ground.rows.seen
    assert unseen.sum() == (frame["job"] == "pilot").sum() > 0
    for name in NAMES:
        values = made.columns[name]
        np.testing.assert_allclose(values[unseen], values[train].mean())
    assert [cell.feature.column for cell in widened.cells][-5:] == NAMES
    contract = widened.contract(train, cluster_input=False)
    encoded = widened.encode(contract, train)[:, -5:]
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-5)  # standardised by the training rows
    np.testing.assert_allclose(encoded.std(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("kind", ["nnet", "medl", "cluster-input"])
@pytest.mark.parametrize("at_mean", [False, True])
def test_magnitudes_of_a_trained_network_equal_autograd(kind: str, at_mean: bool) -> None:
    ground = Ground.open(plan())
    train, valid, test = ground.split(0)
    (variant,) = variants([kind], ["sex"], shared=QUICK)
    contract = ground.rows.contract(train, cluster_input=variant.kind.reads_clusters)
    rows = rows_of(ground.rows, contract, train)
    fitted = fit(variant.kind, rows, rows_of(ground.rows, contract, valid, rows.swaps), variant.settings)
    x = torch.from_numpy(ground.rows.encode(contract, test))
    z = torch.from_numpy(ground.rows.one_hot(test))
    spread = torch.cat([x, z], 1).double().std(0, correction=0).numpy()
    if at_mean:
        x, z = x.double().mean(0, keepdim=True).float(), torch.zeros(1, z.shape[1])
    x, z = x.requires_grad_(), z.requires_grad_()
    for of in ("output", "logit"):
        found = fitted_magnitudes(fitted, ground.rows, contract, test, at_mean=at_mean, of=of)  # type: ignore[arg-type]
        value = {
            "nnet": lambda: fitted.module(x),
            "medl": lambda: fitted.module.predict_fe(x),  # type: ignore[union-attr, operator]
            "cluster-input": lambda: fitted.module(x, z),
        }[kind]()
        value = torch.logit(value) if of == "logit" else value
        wanted = [x, z] if kind == "cluster-input" else [x]
        slopes = [part.abs().double().mean(0).numpy() for part in torch.autograd.grad(value.sum(), wanted)]
        np.testing.assert_allclose(found.slope, np.concatenate(slopes), rtol=2e-4, atol=1e-7)
        np.testing.assert_allclose(found.spread, spread[: len(found.slope)], rtol=1e-6)


def test_a_seed_repeats_every_figure_and_another_differs() -> None:
    ground = Ground.open(plan())
    (variant,) = variants(["medl"], ["sex"], shared=QUICK)
    one, same, other = (work(variant, seed, ground, silent) for seed in (1, 1, 2))
    assert np.array_equal(one.magnitudes.importance, same.magnitudes.importance)
    assert one.run.ranks == same.run.ranks and one.run.auroc == same.run.auroc
    assert not np.array_equal(one.magnitudes.importance, other.magnitudes.importance)


def test_ranks_and_quality_of_a_run() -> None:
    ground = Ground.open(plan())
    (variant,) = variants(["nnet"], ["sex"], shared=QUICK)
    found = work(variant, 0, ground, silent)
    widths = [len(block.columns) for block in found.blocks]
    columns = [block.feature for block in found.blocks for _ in block.columns]
    places = dict(zip(columns, ranks(found.magnitudes.importance).tolist(), strict=True))
    assert found.run.ranks == {name: places[name] for name in NAMES}
    assert found.run.best == min(found.run.ranks.values())
    sums = ranks(block_sums(found.magnitudes.importance, widths)).tolist()
    by_feature = dict(zip([block.feature for block in found.blocks], sums, strict=True))
    assert found.run.feature_ranks == {name: by_feature[name] for name in NAMES}
    total = found.magnitudes.importance
    mask = [name in NAMES for name in columns]
    assert found.run.share == pytest.approx(total[mask].sum() / total.sum())
    assert 0.5 < (found.run.auroc or 0) < 0.95


def test_a_network_that_has_nothing_else_leans_on_the_probes() -> None:
    found = probed(["nnet"], settings={"epochs": 12, "hidden": "16", "patience": 0})
    assert found.models[0].best_probe_rank == 1
    assert found.models[0].runs[0].share > 0.5
    first = found.models[0].columns[0]
    assert first.probe and first.name in NAMES
    # What the probes tell is the job: as good as the rates themselves.
    frame = table()
    known = frame[frame["job"] != "pilot"]
    best = roc_auc_score(known["label"], known["job"].map(RATES))
    assert (found.models[0].runs[0].auroc or 0) > best - 0.1


def test_the_report_holds_what_the_runs_gave() -> None:
    found = probed(["nnet", "medl", "medl:kl=5"], seeds=(0, 1))
    assert [model.name for model in found.models] == ["nnet", "medl", "medl:kl=5"]
    assert [model.title for model in found.models] == ["conventional NNet", "MEDL-NNet", "MEDL-NNet:kl=5"]
    assert [model.head for model in found.models] == ["whole", "fixed", "fixed"]
    assert found.seeds == [0, 1] and found.noise == 0.05
    first = found.models[0]
    for model in found.models:
        assert [run.seed for run in model.runs] == [0, 1]
        assert model.best_probe_rank == np.median([run.best for run in model.runs])
        behind = sum(a.best > b.best for a, b in zip(model.runs, first.runs, strict=True))
        assert model.behind == (None if model is first else behind)
        for column in model.columns:
            if column.probe:
                assert column.rank == np.median([run.ranks[column.name] for run in model.runs])
            assert column.protected == (column.feature == "sex")
    assert first.random == []
    assert list(found.of("medl").random[0].means or {}) == ["clerk", "nurse", "smith"]
    assert "median over 2 seeds: conventional NNet" in found.statement
    assert any("rows of unseen clusters took no part" in note for note in found.notes)
    assert found.training_rows and found.rows < found.training_rows
    with pytest.raises(KeyError):
        found.of("none")


def test_the_number_of_processes_changes_no_figure() -> None:
    here = probe(["nnet", "medl"], plan(), settings=QUICK, workers=1)
    there = probe(["nnet", "medl"], plan(), settings=QUICK, workers=2)
    for a, b in zip(here.models, there.models, strict=True):
        assert a.columns == b.columns
        assert a.runs[0].ranks == b.runs[0].ranks


def test_correlations_of_the_probes_are_told() -> None:
    ground = Ground.open(plan(noise=0.0))
    infos = probe_infos(ground, 0)
    assert [info.name for info in infos] == NAMES
    assert infos[0].with_rate == pytest.approx(1)
    train = ground.split(0)[0]
    frame = table().iloc[train]
    own = ground.probed(0)[1].columns["Probe 1"][train]
    assert infos[0].with_label == pytest.approx(np.corrcoef(own, frame["label"])[0, 1])
    assert infos[0].column in {"a", "b", "colour_blue", "colour_red", "sex_f", "sex_m", "colour", "sex"}
    assert 0 <= (infos[0].with_column or 0) < 0.2


def test_a_regression_has_its_own_probes_and_error() -> None:
    found = probed(["nnet", "medl"], label="days", ignore=("label",), task="regression")
    assert found.probes[2].formula == "exp(−r)"
    run = found.models[0].runs[0]
    assert run.mse is not None and run.auroc is None and run.mse > 0
    assert found.task == "regression"


def run_of(seed: int, best: float) -> Run:
    values: dict[str, Any] = {"ranks": {"Probe 1": best}, "feature_ranks": {"Probe 1": best}, "share": 0.1}
    return Run(seed=seed, best=best, best_feature=best, epochs=1, seconds=0.1, **values)


def test_the_first_is_what_the_others_are_compared_with() -> None:
    ground = Ground.open(plan())
    chosen = variants(["nnet", "medl"], ["sex"])
    blocks = (Block("a", "features", ("a",)), Block("Probe 1", "features", ("Probe 1",)))
    flat = Magnitudes(np.ones(2), np.ones(2))

    def measured(*best: float) -> list[Measured]:
        return [Measured(blocks, flat, (), run_of(seed, one)) for seed, one in enumerate(best)]

    first, second = summarised(chosen, {"nnet": measured(3, 5, 9), "medl": measured(4, 5, 11)}, ground)
    assert (first.best_probe_rank, first.behind) == (5, None)
    assert (second.best_probe_rank, second.behind) == (5, 2)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"noise": -1.0}, "--probe-noise"),
        ({"noise": float("nan")}, "--probe-noise"),
        ({"task": "regression", "of": "logit"}, "--of"),
        ({"folds": 2}, "--folds"),
    ],
)
def test_plans_that_are_none(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        plan(**changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"cluster": "town"}, "no column 'town'"),
        ({"seen": 1}, "1"),
        ({"data": table().rename(columns={"b": "Probe 2"})}, "has a column 'Probe 2', which is the name of a probe"),
        ({"data": table().assign(job="one")}, "job"),
        ({"label": "days"}, "not binary"),
    ],
)
def test_tables_that_cannot_be_used(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(DebiasError, match=match):
        probed(["nnet"], **changes)


def test_a_column_of_a_probes_name_can_be_ignored() -> None:
    frame = table().rename(columns={"b": "Probe 2"})
    ground = Ground.open(plan(data=frame, ignore=("days", "Probe 2")))
    assert list(ground.probed(0)[1].columns) == NAMES


def test_unknown_kinds_and_failed_trainings_are_told() -> None:
    with pytest.raises(UsageError, match="unknown kind of network 'net'"):
        probed(["net"])
    with pytest.raises(DebiasError, match="nnet, seed 0"):
        probed(["nnet"], settings={**QUICK, "lr": 1e30})
    with pytest.raises(DataError):
        Ground.open(replace(plan(), attr=("race",)))


@pytest.mark.parametrize("end", ["pt", "pt2"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_served_file_gives_what_the_trained_network_gives(tmp_path: Path, task: str, end: str) -> None:
    """`debias train` writes the file, `measure` opens it; beside it the module itself, on the same rows."""
    regression = task == "regression"
    columns = {"label": "days", "ignore": ("label",)} if regression else {"label": "label", "ignore": ("days",)}
    frame = table(400)
    told: dict[str, Any] = {"cluster": "job", "attr": ("sex",), "seen": 3, **columns}
    ground = Ground.open(Plan(data=frame, task=task, **told))  # type: ignore[arg-type]
    train, valid = ground.rows.split(0.15, 0)
    fitted, contract = fit_on(ground.rows, "medl", Settings(epochs=2, warmup=0, hidden=(8, 4)), train, valid)
    path = tmp_path / f"model.{end}"
    path.write_bytes(model_bytes(fitted, contract, {}, "torchscript" if end == "pt" else "export"))
    (found,) = measure(path, frame, attr="sex").models
    everyone = np.arange(ground.rows.n)
    expected = fitted_magnitudes(fitted, ground.rows, contract, everyone)
    names = [name for feature in contract.features if feature.role == "features" for name in feature.encoded]
    values = {item.name: item for item in found.columns}
    np.testing.assert_allclose([values[name].slope for name in names], expected.slope, rtol=1e-4)
    np.testing.assert_allclose([values[name].spread for name in names], expected.spread, rtol=1e-6)
    slopes = fitted.module.state_dict()["slope.mean"].numpy().std(axis=0)
    np.testing.assert_allclose([values[name].random_slope for name in names], slopes, rtol=1e-4)
    assert found.head == "fixed" and [item.entry for item in found.random] == ["intercept.mean"]
