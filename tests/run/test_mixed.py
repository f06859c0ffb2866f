"""Mixed-effects files, from opening to the repaired file."""

from __future__ import annotations

import base64
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import debias
from debias.contract import Contract
from debias.data.sample import Sample
from debias.errors import ContractError, DataError, DebiasError
from debias.model.effects import cluster_predictor, draw, editable, fixed, posterior_sds
from debias.model.network import Network
from debias.run.opening import open_request
from debias.run.request import Request
from tests.run import mixed

FORMS = ("m.pt", "m.pt2")
REPAIRS = ("threshold", "prune", "gda", "perturb", "finetune", "layerwise", "roc", "eqodds")
SETTINGS = {
    "gda": {"lr": 0.005, "epochs": 10},
    "perturb": {"trials": 40, "variance": 0.1},
    "finetune": {"epochs": 5},
    "prune": {"steps": 8},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mixed.table().to_csv("rows.csv", index=False)
    mixed.table(seed=1).to_csv("other.csv", index=False)


def known(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["job"] != mixed.UNKNOWN].reset_index(drop=True)


def opened(path: str, data: object = "rows.csv", **options: object) -> tuple[Network, Sample]:
    found = open_request(Request(verb="audit", model=path, data=data, attr="sex", **options))  # type: ignore[arg-type]
    return found.network, found.data.sample


def plain(path: str | Path, x: torch.Tensor, z: torch.Tensor) -> np.ndarray:
    """Return what plain torch gives for the file."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        if str(path).endswith(".pt2"):
            module = torch.export.load(path).module(check_guards=False)
        else:
            module = torch.jit.load(path).eval()
        return module(x, z).numpy()


@pytest.mark.parametrize("form", FORMS)
def test_the_predictions_are_those_of_the_network(form: str) -> None:
    mixed.save(Path(form))
    frame = known(mixed.table())
    network, sample = opened(form, frame)
    with torch.no_grad():
        expected = mixed.trained()(*mixed.tensors(frame)).numpy()
    np.testing.assert_allclose(network.outputs(sample).numpy(), expected, atol=1e-6)
    assert sample.clusters is not None
    assert sample.clusters.seen.all()
    assert {layer.path for layer in network.layers} == {"first", "second"}
    assert network.head.bias == "last.bias"


@pytest.mark.parametrize("form", FORMS)
def test_without_a_cluster_both_heads_are_equal(form: str) -> None:
    mixed.save(Path(form))
    network, sample = opened(form, unseen_z="zero")
    assert sample.clusters is not None
    unseen = ~sample.clusters.seen
    assert unseen.any()
    both = network.logits(sample), network.logits(fixed(sample))
    np.testing.assert_array_equal(both[0][unseen], both[1][unseen])
    assert not np.allclose(both[0][~unseen], both[1][~unseen])


def test_an_unknown_cluster_is_refused_with_its_rows_unless_a_flag_says_what_to_do() -> None:
    mixed.save(Path("m.pt"))
    with pytest.raises(DataError, match=r"1 cluster that the network does not know: 'pilot' in rows .*") as caught:
        opened("m.pt")
    assert "--unseen-z" in caught.value.problems[0].remedy
    with pytest.raises(ContractError, match="no predictor of the cluster"):
        opened("m.pt", unseen_z="soft")


def test_a_missing_cluster_is_an_unknown_one() -> None:
    mixed.save(Path("m.pt"))
    frame = known(mixed.table())
    frame.loc[3, "job"] = None
    with pytest.raises(DataError, match=r"\(missing\).* in row 4"):
        opened("m.pt", frame)
    _, sample = opened("m.pt", frame, unseen_z="zero")
    assert sample.inputs["cluster"][3].tolist() == [0, 0, 0]


def test_the_cluster_of_unknown_ones_is_predicted() -> None:
    content = mixed.predictor_bytes()
    mixed.save(Path("m.pt"), predictor=content)
    frame = mixed.table()
    x, z = mixed.tensors(frame)
    unseen = (frame["job"] == mixed.UNKNOWN).to_numpy().copy()
    for policy, expected in (
        (None, mixed.Predictor()(x)),
        ("soft", mixed.Predictor()(x)),
        ("hard", torch.nn.functional.one_hot(mixed.Predictor()(x).argmax(1), 3)),
    ):
        _, sample = opened("m.pt", unseen_z=policy)
        np.testing.assert_allclose(sample.inputs["cluster"][unseen], expected[unseen], atol=1e-6)
        np.testing.assert_array_equal(sample.inputs["cluster"][~unseen], z[~unseen])


def test_another_predictor_than_the_contract_names_is_refused() -> None:
    content = mixed.predictor_bytes()
    path = mixed.save(Path("m.pt"), predictor=content)
    told = mixed.contract(mixed.trained().state_dict(), content + b"x")
    mixed.save(path, told=told)
    with pytest.raises(ContractError, match="is not in the file"):
        opened("m.pt")
    network = Network.open(mixed.save(path, predictor=content))
    archive = network.archive
    swapped = {**archive.extra, mixed.PREDICTOR: base64.b64encode(content[:-1] + b"!")}
    object.__setattr__(archive, "extra", swapped)
    with pytest.raises(ContractError, match="SHA-256"):
        cluster_predictor(network)


def test_a_cluster_column_of_another_name_is_read_where_told() -> None:
    mixed.save(Path("m.pt"))
    frame = known(mixed.table())
    _, expected = opened("m.pt", frame)
    _, sample = opened("m.pt", frame.rename(columns={"job": "Beruf"}), cluster="Beruf")
    torch.testing.assert_close(sample.inputs["cluster"], expected.inputs["cluster"])
    with pytest.raises(DebiasError, match="job"):
        opened("m.pt", frame.rename(columns={"job": "Beruf"}))


def test_a_contract_of_another_file_is_refused() -> None:
    state = mixed.trained().state_dict()
    told = mixed.contract(state)
    assert told.effects is not None
    strange = told.effects.model_copy(update={"fixed": ("fe.weight", *told.effects.fixed)})
    mixed.save(Path("m.pt"), told=told.model_copy(update={"effects": strange}))
    with pytest.raises(ContractError, match=r"no entry fe\.weight"):
        opened("m.pt")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", REPAIRS)
def test_every_method_repairs_the_mixed_head_and_leaves_the_random_effects(method: str, form: str) -> None:
    mixed.save(Path(form))
    out = Path(f"out.{form.partition('.')[2]}")
    options = {"attr": "sex", "eps": 0.1, "unseen_z": "zero", "test": "other.csv", "fit_share": 0.0, "keep_best": True}
    report = getattr(debias, method)(form, "rows.csv", out=out, **options, **SETTINGS.get(method, {}))
    assert report.after is not None
    before, after = Network.open(form), Network.open(out)
    prefix = "network." if method in {"roc", "eqodds"} else ""
    for name in ("slope.mean", "slope.rho", "intercept.mean", "intercept.rho"):
        assert torch.equal(after.state[prefix + name], before.state[name])
    again = debias.audit(out, "other.csv", attr="sex", eps=0.1, unseen_z="zero")
    assert again.before.bias == pytest.approx(report.after.bias)
    assert again.before.balanced_accuracy == pytest.approx(report.after.balanced_accuracy)
    assert abs(again.before.bias or 1) < abs(report.before.bias or 0)
    if not prefix:
        x, z = mixed.tensors(mixed.table(seed=1))
        favoured = plain(out, x, z) > 0.5
        assert favoured.mean() == pytest.approx(_selection_rate(again))


def _selection_rate(report: debias.Report) -> float:
    groups = report.before.parities[0].groups
    return sum(group.selected for group in groups) / sum(group.n for group in groups)


@pytest.mark.parametrize("form", FORMS)
def test_the_fixed_threshold_is_relative_to_what_was_folded_in(form: str) -> None:
    mixed.save(Path(form))
    out = Path(f"out.{form.partition('.')[2]}")
    debias.threshold(form, "rows.csv", attr="sex", eps=0.1, unseen_z="zero", holdout=0, out=out, keep_best=True)
    network, sample = opened(str(out), unseen_z="zero")
    before, _ = opened(form, unseen_z="zero")
    moved = network.logits(sample) - before.logits(sample)
    np.testing.assert_allclose(moved, moved[0], atol=1e-5)
    contract = network.contract
    assert isinstance(contract, Contract)
    cut = contract.output.fixed_threshold
    assert cut is not None
    # The cut of the unchanged fixed-effects score that the objective chooses, moved as the scores were.
    objective = Request(verb="gda", model=form, data="rows.csv", attr="sex", eps=0.1).objective
    wanted = objective.on(sample).select(before.logits(fixed(sample))).cut
    assert np.log(cut / (1 - cut)) == pytest.approx(wanted + moved[0], abs=1e-4)
    unseen = ~sample.clusters.seen  # type: ignore[union-attr]
    np.testing.assert_array_equal(network.logits(sample)[unseen], network.logits(fixed(sample))[unseen])


def test_random_effects_move_only_where_they_may_and_stay_near_their_posterior() -> None:
    mixed.save(Path("m.pt"))
    options = {"attr": "sex", "eps": 0.02, "unseen_z": "zero", "out": "o.pt", "keep_best": True, "force": True}
    report = debias.gda("m.pt", "rows.csv", edit="fe+re", lr=0.003, epochs=8, patience=0, **options)
    moved = [note for note in report.notes if note.startswith("Random effects moved")]
    assert len(moved) == (report.change.chosen_step != 0)  # type: ignore[union-attr]
    network = Network.open("m.pt")
    assert set(editable(network, "fe", 10).parameters) == set(network.contract.effects.fixed)  # type: ignore[union-attr]
    both = editable(network, "fe+re", 10)
    assert {"slope.mean", "intercept.mean"} < set(both.parameters)
    assert "slope.rho" not in both.parameters


def test_editing_random_effects_needs_a_contract_that_names_them() -> None:
    told = mixed.contract(mixed.trained().state_dict()).model_copy(update={"effects": None})
    mixed.save(Path("m.pt"), told=told)
    with pytest.raises(ContractError, match="random effects"):
        debias.gda("m.pt", "rows.csv", attr="sex", eps=0.1, unseen_z="zero", edit="fe+re")
    with pytest.raises(DebiasError, match="cannot be edited"):
        debias.gda("m.pt", "rows.csv", attr="sex", eps=0.1, unseen_z="zero", edit="re")  # type: ignore[arg-type]


def test_the_anchor_is_the_gradient_of_the_posterior_penalty() -> None:
    from debias.model.tuning import Tuning

    mixed.save(Path("m.pt"))
    network, sample = opened("m.pt", unseen_z="zero")
    tuning = Tuning(editable(network, "fe+re", 50))
    inputs = network.tensors(sample)
    free = Tuning(editable(network, "fe+re", 10**12))
    for both in (tuning, free):
        for leaf in both.leaves:
            with torch.no_grad():
                leaf += 0.01
    found = tuning.gradients(inputs, torch.ones_like)
    without = free.gradients(inputs, torch.ones_like)
    sds = posterior_sds(network)
    expected = {tuple(sd.shape): 0.01 / sd**2 / 50 for sd in sds.values()}
    extra = {tuple(a.shape): a - b for a, b in zip(found, without, strict=True) if tuple(a.shape) in expected}
    for shape, wanted in expected.items():
        np.testing.assert_allclose(extra[shape].detach(), wanted, rtol=2e-2, atol=1e-3)


def test_draws_come_from_the_posterior() -> None:
    mixed.save(Path("m.pt"))
    network = Network.open("m.pt")
    generator = np.random.default_rng(0)
    values = torch.stack([draw(network, generator)["slope.mean"] for _ in range(2000)])
    sd = 1e-5 + np.log1p(np.exp(-2.0)) if bool((network.state["slope.rho"] == -2).all()) else None
    spread = posterior_sds(network)["slope.mean"] if sd is None else torch.full((3, 3), sd)
    np.testing.assert_allclose(values.mean(0), network.state["slope.mean"], atol=0.02)
    np.testing.assert_allclose(values.std(0), spread, rtol=0.1)
