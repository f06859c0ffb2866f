"""Clusters added to a file: beside scipy's minimiser, the closed form and what plain torch gives for the files."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

import debias
from debias.contract import Contract, write_document
from debias.data.encode import encode
from debias.data.sample import Sample
from debias.data.tables import read_table
from debias.errors import ContractError, DataError, DebiasError, ModelError, UsageError, WriteError
from debias.model.archive import serialise
from debias.model.effects import filled
from debias.model.network import Network
from debias.report.values.adaptation import AddedCluster
from debias.run.adapting import adapt
from debias.run.adapting.request import Asked
from debias.run.adapting.rows import Labelled, labelled_rows
from debias.run.training import train
from debias.training.fewshot import NOISE_SD
from tests.run import mixed
from tests.training.clients import clients

FEW: dict[str, Any] = {"epochs": 4, "warmup": 1, "hidden": (8, 6), "lr": 0.01, "batch_size": 64, "prior_sd": 0.3}
ASKED: dict[str, Any] = {
    "attr": ("sex", "age"), "bins": {"age": (31, 46)}, "label": "label", "cluster": "branch", "seen": 3,
    "ignore": ("hours",),
}  # fmt: skip
REGRESSION = {"label": "hours", "ignore": ("label",), "regression": True}
KINDS: dict[str, dict[str, Any]] = {
    "m.pt": {},
    "m.pt2": {},
    "latent.pt": {"slopes": "latent"},
    # as wide as the input: what slopes act on shows in the predictions alone
    "wide.pt2": {"slopes": "latent", "hidden": (8, 7)},
    "value.pt": REGRESSION,
    "value.pt2": REGRESSION,
}
FEATURES = ["income", "age", "sex_f", "sex_m", "home_other", "home_own", "home_rent"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network of each kind, which know three of five branches."""
    folder = tmp_path_factory.mktemp("trained")
    for name, more in KINDS.items():
        train("medl", clients(), out=folder / name, **{**ASKED, **FEW, **more})
    return folder


@pytest.fixture(autouse=True)
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in KINDS:
        copyfile(trained / name, name)
    return tmp_path


def rows(number: int = 1200, seed: int = 5) -> pd.DataFrame:
    return clients(number, seed)


def contract_of(path: str | Path) -> Contract:
    found = Network.open(path).contract
    assert found is not None
    return found


def x_of(path: str | Path, frame: pd.DataFrame) -> torch.Tensor:
    encoded, _, problems = encode(read_table(frame), contract_of(path), "float32")
    assert encoded is not None and not problems
    return torch.from_numpy(encoded["features"].astype(np.float32))


def program(path: str | Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if str(path).endswith(".pt2"):
            return torch.export.load(path).module(check_guards=False)
        return torch.jit.load(path).eval()


def plain(path: str | Path, x: torch.Tensor, codes: Any, width: int) -> torch.Tensor:
    """Return what plain torch gives for the file; a code of −1 is no cluster."""
    z = (torch.as_tensor(codes).expand(len(x)).unsqueeze(1) == torch.arange(width)).float()
    with torch.no_grad():
        found: torch.Tensor = program(path)(x, z)
        return found


def coefficients(one: AddedCluster) -> np.ndarray:
    return np.array([*(each.mean for each in one.slopes), one.intercept.mean])


def deviations(one: AddedCluster) -> np.ndarray:
    return np.array([*(each.sd for each in one.slopes), one.intercept.sd])


def divided(path: str, frame: pd.DataFrame, **more: Any) -> Labelled:
    asked = Asked(model=path, data=frame, out="never.pt", **more)
    return labelled_rows(read_table(frame), asked, contract_of(path))


def taken(sample: Sample, index: np.ndarray) -> torch.Tensor:
    return sample.inputs["features"][torch.from_numpy(index)]


@pytest.mark.parametrize("out", ["new.pt", "new.pt2"])
@pytest.mark.parametrize("name", KINDS)
def test_what_was_known_stays_bit_for_bit(name: str, out: str) -> None:
    frame = rows()
    report = adapt(name, frame, out=out)
    assert report.known == list(contract_of(name).clusters)
    assert [one.name for one in report.clusters] == ["w", "x"]
    assert contract_of(out).clusters == (*report.known, "w", "x")
    x = x_of(name, frame)
    for code in (-1, 0, 1, 2):
        assert torch.equal(plain(name, x, code, 3), plain(out, x, code, 5))
    for code in (3, 4):
        assert not torch.allclose(plain(out, x, code, 5), plain(out, x, -1, 5))
    old, new = Network.open(name), Network.open(out)
    for entry, value in old.state.items():
        kept = new.state[entry]
        assert torch.equal(kept[:3] if entry.startswith(("slope", "intercept")) else kept, value)
    was, now = ({k: v for k, v in one.record.items() if k not in ("added", "seal")} for one in (old, new))
    assert now == was
    assert new.record["added"][0]["model_sha256"] == report.model.sha256
    audited = debias.audit(out, frame, attr="sex", eps=0.5 if "value" not in name else 5.0)
    assert audited.effects is not None and audited.effects.unknown == []


def test_every_method_of_the_module_stays() -> None:
    frame = rows()
    report = adapt("m.pt", frame, out="new.pt")
    old, new, x = program("m.pt"), program("new.pt"), x_of("m.pt", frame)
    codes = torch.arange(len(x)) % 4 - 1
    with torch.no_grad():
        assert torch.equal(old.predict_fe(x), new.predict_fe(x))
        assert torch.equal(old.predict_index(x, codes), new.predict_index(x, codes))
        z = torch.nn.functional.one_hot(torch.full((len(x),), 3), 5).float()
        m, f, acts = new.heads(x, z)
        assert torch.equal(acts, old.heads(x, torch.zeros(len(x), 3))[2])
        by_hand = torch.cat([x, torch.ones(len(x), 1)], 1) @ torch.tensor(coefficients(report.clusters[0])).float()
        torch.testing.assert_close(m - f, by_hand, atol=1e-5, rtol=1e-4)
        noise = torch.ones(5, 7), torch.ones(5, 1)
        drawn = torch.logit(new.predict_with_noise(x, z, *noise)) - m
        sd = torch.tensor(deviations(report.clusters[0])).float()
    torch.testing.assert_close(drawn, torch.cat([x, torch.ones(len(x), 1)], 1) @ sd, atol=1e-3, rtol=1e-3)


def test_the_effects_are_the_most_probable_ones_with_the_weights_of_training() -> None:
    trained = train("medl", clients(), out="again.pt", **{**ASKED, **FEW})
    frame = rows()
    report = adapt("again.pt", frame, out="new.pt", most=60)
    share = sum(one.positives or 0 for one in trained.clusters) / trained.rows.train
    assert report.label_weights == pytest.approx((0.5 / (1 - share), 0.5 / share), rel=1e-6)
    labelled = divided("again.pt", frame, most=60)
    module = program("again.pt")
    for one, newcomer in zip(report.clusters, labelled.newcomers, strict=True):
        x, y = taken(labelled.sample, newcomer.used), labelled.sample.y[newcomer.used]
        with torch.no_grad():
            offset = module.heads(x, torch.zeros(len(x), 3))[1].double().numpy()
        design = np.column_stack([x.double().numpy(), np.ones(len(x))])
        weight = np.where(y == 1, 0.5 / share, 0.5 / (1 - share))

        def cost(at: np.ndarray, parts: tuple[Any, ...] = (offset, design, weight, y)) -> float:
            offset, design, weight, y = parts
            logit = offset + design @ at
            return float((weight * (np.logaddexp(0, logit) - y * logit)).sum() + (at**2).sum() / (2 * 0.3**2))

        found = minimize(cost, np.zeros(8), method="BFGS", options={"gtol": 1e-8})
        np.testing.assert_allclose(coefficients(one), found.x, atol=1e-4)
        p = 1 / (1 + np.exp(-(offset + design @ found.x)))
        curvature = (design.T * (weight * p * (1 - p))) @ design + np.eye(8) / 0.3**2
        np.testing.assert_allclose(deviations(one), np.sqrt(np.diag(np.linalg.inv(curvature))), rtol=1e-3)
        assert one.positives == y.sum()
    assert [each.name for each in report.clusters[0].slopes] == FEATURES
    spread = Network.open("new.pt").state
    sd = 1e-5 + torch.nn.functional.softplus(torch.cat([spread["slope.rho"], spread["intercept.rho"]], 1))
    np.testing.assert_allclose(sd[3], deviations(report.clusters[0]), rtol=1e-4)


def test_the_effects_of_a_regression_are_the_closed_form() -> None:
    frame = rows()
    report = adapt("value.pt", frame, out="new.pt")
    labelled = divided("value.pt", frame)
    state = Network.open("value.pt").state
    for one, newcomer in zip(report.clusters, labelled.newcomers, strict=True):
        x = taken(labelled.sample, newcomer.used)
        residual = frame["hours"].to_numpy()[newcomer.used] - plain("value.pt", x, -1, 3).double().numpy()
        design = np.column_stack([x.double().numpy(), np.ones(len(x))])
        precision = design.T @ design / NOISE_SD**2 + np.eye(8) / 0.3**2
        target = design.T @ (residual / float(state["target_sd"])) / NOISE_SD**2
        np.testing.assert_allclose(coefficients(one), np.linalg.solve(precision, target), atol=1e-4)
        np.testing.assert_allclose(deviations(one), np.sqrt(np.diag(np.linalg.inv(precision))), rtol=1e-4)
        assert one.mean == pytest.approx(frame["hours"].to_numpy()[newcomer.used].mean())


def test_more_rows_come_nearer_to_the_truth_and_predict_better() -> None:
    frame = rows(4000, 8)
    frame["branch"] = "new"
    x = x_of("m.pt", frame)
    truth = np.random.default_rng(1).normal(0, 0.3, 8)
    folded = np.random.default_rng(2)
    with torch.no_grad():
        logit = program("m.pt").heads(x, torch.zeros(len(x), 3))[1].double().numpy()
    # a network of weighted classes predicts for a population of as many positives as negatives
    weights = contract_of("m.pt").effects.label_weights  # type: ignore[union-attr]
    assert weights is not None
    logit = logit + x.double().numpy() @ truth[:7] + truth[7] - np.log(weights[1] / weights[0])
    frame["label"] = (folded.random(len(x)) < 1 / (1 + np.exp(-logit))).astype(int)
    gaps, losses = [], []
    design = np.column_stack([x.double().numpy(), np.ones(len(x))])
    for most in (10, 200, 3500):
        report = adapt("m.pt", frame, out="new.pt", most=most, force=True)
        # constant and one-hot columns share one effect: what they add up to is what shows
        gaps.append(np.sqrt(np.mean((design @ (coefficients(report.clusters[0]) - truth)) ** 2)))
        by = {one.prediction: one for one in report.figures}
        losses.append((by["estimate"].auroc or 0) - (by["fixed"].auroc or 0))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.15
    assert losses[2] > 0


def test_the_figures_are_of_rows_that_took_no_part() -> None:
    frame = rows()
    report = adapt("m.pt", frame, out="new.pt", attr=("sex", "age"), most=30)
    labelled = divided("m.pt", frame, most=30)
    output = contract_of("m.pt").output
    for code, (one, newcomer) in enumerate(zip(report.clusters, labelled.newcomers, strict=True), 3):
        assert (one.used, one.held, one.rows) == (30, len(newcomer.held), (frame["branch"] == one.name).sum())
        assert not set(newcomer.used) & set(newcomer.held)
        assert set(frame["branch"].iloc[newcomer.held]) == {one.name}
        its = frame.iloc[newcomer.held]
        x = taken(labelled.sample, newcomer.held)
        scores = {
            "fixed": (plain("m.pt", x, -1, 3), output.fixed_threshold),
            "estimate": (plain("new.pt", x, code, 5), output.threshold),
        }
        assert [each.prediction for each in one.figures] == ["fixed", "soft", "estimate"]
        for each in one.figures:
            if each.prediction == "soft":
                continue
            score, cut = scores[each.prediction]
            decided = (score > cut).numpy()
            assert each.balanced_accuracy == pytest.approx(balanced_accuracy_score(its["label"], decided))
            assert each.auroc == pytest.approx(roc_auc_score(its["label"], score))
            women, men = (decided[its["sex"] == sex].mean() for sex in ("f", "m"))
            assert each.biases[0].bias == pytest.approx(women - men)
            assert [bias.attribute for bias in each.biases] == ["sex", "age"]
    assert report.held == sum(one.held for one in report.clusters)
    assert report.metric == "statistical-parity"


def test_the_soft_prediction_is_the_one_that_an_audit_of_the_old_file_makes() -> None:
    frame = rows()
    report = adapt("m.pt", frame, out="new.pt", only="w", most=1)
    labelled = divided("m.pt", frame, only="w", most=1)
    held = frame.iloc[labelled.newcomers[0].held]
    audited = debias.audit("m.pt", held, attr="sex")
    soft = next(one for one in report.figures if one.prediction == "soft")
    assert soft.balanced_accuracy == pytest.approx(audited.before.balanced_accuracy)
    assert soft.auroc == pytest.approx(audited.before.auroc)
    after = debias.audit("new.pt", held, attr="sex")
    estimate = next(one for one in report.figures if one.prediction == "estimate")
    assert estimate.balanced_accuracy == pytest.approx(after.before.balanced_accuracy)


def test_a_regression_tells_squared_errors() -> None:
    frame = rows()
    report = adapt("value.pt", frame, out="new.pt", attr="sex")
    assert report.metric == "mean-difference"
    labelled = divided("value.pt", frame)
    held = labelled.newcomers[0].held
    x, hours = taken(labelled.sample, held), frame["hours"].to_numpy()[held]
    by = {one.prediction: one for one in report.clusters[0].figures}
    assert by["fixed"].mse == pytest.approx(np.mean((plain("value.pt", x, -1, 3).double().numpy() - hours) ** 2))
    assert by["estimate"].mse == pytest.approx(np.mean((plain("new.pt", x, 3, 5).double().numpy() - hours) ** 2))
    assert (by["estimate"].mse or 0) < (by["fixed"].mse or 0)
    assert by["estimate"].biases[0].bias is not None


@pytest.mark.parametrize("name", ["m.pt", "m.pt2"])
def test_rows_of_other_unknown_clusters_are_predicted_as_before(name: str) -> None:
    frame = rows()
    adapt(name, frame, out=f"new{name[1:]}", only=["x"])
    old, new = Network.open(name), Network.open(f"new{name[1:]}")
    x = x_of(name, frame)[:50]

    def soft(network: Network, width: int, policy: Any = "soft") -> torch.Tensor:
        labelled = divided(name, frame[:50].assign(branch="z"))
        inputs = {"features": x, "cluster": torch.zeros(50, width)}
        sample = replace(labelled.sample, inputs=inputs)
        return network.outputs(filled(network, sample, policy))

    torch.testing.assert_close(soft(old, 3), soft(new, 4))
    torch.testing.assert_close(soft(old, 3, "hard"), soft(new, 4, "hard"))


def test_a_predictor_of_fewer_clusters_than_told_is_still_refused() -> None:
    adapt("m.pt", rows(), out="new.pt")
    told = contract_of("new.pt")
    assert told.effects is not None and told.effects.predictor_clusters == 3
    for wrong in (None, 2):
        effects = told.effects.model_copy(update={"predictor_clusters": wrong})
        other = told.model_copy(update={"effects": effects})
        with pytest.raises(ModelError, match="predictor of the cluster gives"):
            debias.audit("new.pt", rows().assign(branch="z"), attr="sex", contract=other)


def test_clusters_can_be_added_one_after_another() -> None:
    frame = rows()
    both = adapt("m.pt", frame, out="both.pt")
    adapt("m.pt", frame, out="one.pt", only="x")
    second = adapt("one.pt", frame, out="two.pt")
    assert [one.name for one in second.clusters] == ["w"]
    assert second.clusters[0] == both.clusters[0]
    assert contract_of("two.pt").clusters[3:] == ("x", "w")
    assert contract_of("two.pt").effects.predictor_clusters == 3  # type: ignore[union-attr]
    assert [len(entry["clusters"]) for entry in Network.open("two.pt").record["added"]] == [1, 1]


def test_a_seed_draws_the_same_rows_whatever_else_the_table_holds() -> None:
    frame = rows()
    one = adapt("m.pt", frame, out="a.pt", seed=3, only="x", most=20)
    again = adapt("m.pt", frame[frame["branch"] != "w"], out="b.pt", seed=3, most=20)
    other = adapt("m.pt", frame, out="c.pt", seed=4, only="x", most=20)
    assert one.clusters == again.clusters
    assert one.clusters[0].intercept != other.clusters[0].intercept
    assert Path("a.pt").read_bytes() != Path("c.pt").read_bytes()


def test_after_a_threshold_was_folded_in_the_effects_are_those_of_before() -> None:
    frame = rows()
    known = frame[frame["branch"].isin(contract_of("m.pt").clusters)]
    debias.threshold("m.pt", known, attr="sex", eps=0.9, holdout=0, out="cut.pt", keep_best=True)
    folded = contract_of("cut.pt").effects.folded  # type: ignore[union-attr]
    moved = Network.open("cut.pt").state["fe.out.bias"] - Network.open("m.pt").state["fe.out.bias"]
    assert folded == pytest.approx(float(moved), abs=1e-5)
    assert folded != 0
    before, after = adapt("m.pt", frame, out="a.pt"), adapt("cut.pt", frame, out="b.pt")
    for one, other in zip(before.clusters, after.clusters, strict=True):
        np.testing.assert_allclose(coefficients(one), coefficients(other), atol=1e-5)


@pytest.mark.parametrize("name", ["m.pt", "m.pt2"])
def test_after_a_repair_by_gradients(name: str) -> None:
    frame = rows()
    known = frame[frame["branch"].isin(contract_of(name).clusters)]
    repaired, out = f"gda{name[1:]}", f"new{name[1:]}"
    debias.gda(name, known, attr="sex", eps=0.3, out=repaired, keep_best=True, lr=0.01, epochs=3)
    assert "kind" not in Network.open(repaired).record
    report = adapt(repaired, frame, out=out)
    assert report.label_weights == contract_of(name).effects.label_weights  # type: ignore[union-attr]
    x = x_of(name, frame)
    for code in (-1, 0, 2):
        assert torch.equal(plain(repaired, x, code, 3), plain(out, x, code, 5))
    # and a repair after it
    again = debias.gda(out, frame, attr="sex", eps=0.3, out=f"last{name[1:]}", keep_best=True, lr=0.01, epochs=2)
    assert again.after is not None
    assert contract_of(f"last{name[1:]}").clusters == contract_of(out).clusters


def test_a_cluster_of_one_label_is_held_by_the_prior() -> None:
    frame = rows()
    few = frame[(frame["branch"] == "x") & (frame["label"] == 0)]
    report = adapt("m.pt", few, out="new.pt")
    assert report.clusters[0].positives == 0
    assert np.isfinite(coefficients(report.clusters[0])).all()
    assert report.clusters[0].intercept.mean < 0
    assert any("label is always '0'" in note for note in report.notes)
    single = adapt("value.pt", frame[frame["branch"] == "x"][:1], out="one.pt")
    assert (single.clusters[0].used, single.held, single.figures) == (1, 0, [])
    assert "no other rows" in single.statement


def test_rows_without_a_cluster_and_other_names_of_the_column() -> None:
    frame = rows()
    frame.loc[[0, 5], "branch"] = None
    report = adapt("m.pt", frame.rename(columns={"branch": "office"}), out="new.pt", cluster="office")
    assert report.cluster == "office"
    assert contract_of("new.pt").cluster == "branch"
    assert any("2 rows without a cluster" in note for note in report.notes)


def test_everything_wrong_with_the_table_at_once() -> None:
    frame = rows()
    frame["label"] = frame["label"].astype(object)
    frame.loc[3, "label"] = None
    with pytest.raises(DataError) as caught:
        adapt("m.pt", frame.drop(columns="branch"), out="new.pt")
    told = [problem.found for problem in caught.value.problems]
    assert len(told) == 2
    assert any("label is missing in 1 row: row 4" in one for one in told)
    assert any("no column 'branch'" in one for one in told)
    assert not Path("new.pt").exists()


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (lambda frame: frame[frame["branch"].isin(["n", "s", "e"])], {}, "every cluster is one that the network knows"),
    (lambda frame: frame.assign(branch=None), {}, "no row has a cluster"),
    (rows, {"only": ["n", "x"]}, "the network knows 'n' already"),
    (rows, {"only": "q"}, "no row is of 'q'"),
    (rows, {"most": 0}, "0 is no number of rows"),
    (rows, {"seed": -1}, "-1 is no seed"),
    (rows, {"out": "new.bin"}, "unknown ending"),
    (rows, {"metric": "spd"}, "none is named"),
    (rows, {"attr": "sex", "metric": "mdp"}, "not for a network that predicts a class"),
    (rows, {"attr": "sect"}, "has no column 'sect'"),
    (rows, {"out": "m.pt", "force": True}, "is an input"),
    (rows, {"out": "m.pt2"}, "exists already"),
    (rows, {"label": "home"}, "label is not binary"),
]


@pytest.mark.parametrize(("change", "more", "message"), REFUSED)
def test_refused(change: Any, more: dict[str, Any], message: str) -> None:
    frame = rows() if change is rows else change(rows())
    before = {path: path.read_bytes() for path in Path().iterdir()}
    with pytest.raises((DataError, UsageError, WriteError, DebiasError), match=message):
        adapt("m.pt", frame, **{"out": "new.pt", **more})
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_files_that_cannot_be_made_again_are_refused_with_the_reason() -> None:
    frame = rows()
    train("nnet", clients(), out="nnet.pt", **{**ASKED, **FEW})
    with pytest.raises(ContractError, match="tells no random effects"):
        adapt("nnet.pt", frame, out="new.pt")
    known = frame[frame["branch"].isin(contract_of("m.pt").clusters)]
    debias.eqodds("m.pt", known, attr="sex", eps=0.5, out="rule.pt", keep_best=True)
    with pytest.raises(ContractError, match="by the rule of an earlier repair"):
        adapt("rule.pt", frame, out="new.pt")
    mixed.save(Path("other.pt"))
    with pytest.raises(ModelError, match=r"such a network has no entry first\.weight"):
        adapt("other.pt", mixed.table(), out="new.pt", cluster="job")
    told = contract_of("m.pt")
    assert told.effects is not None
    random = tuple(item.model_copy(update={"prior_sd": None}) for item in told.effects.random)
    without = told.model_copy(update={"effects": told.effects.model_copy(update={"random": random})})
    with pytest.raises(ContractError, match="tells no prior"):
        adapt("m.pt", frame, out="new.pt", contract=without)
    assert not Path("new.pt").exists()


def test_a_file_of_the_same_numbers_that_predicts_otherwise_is_refused() -> None:
    network = Network.open("m.pt")

    class Doubled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("fe", "slope", "intercept"):
                setattr(self, name, torch.nn.Module())
            self.fe.layers = torch.nn.ModuleList([torch.nn.Linear(7, 8), torch.nn.Linear(8, 6)])
            self.fe.out = torch.nn.Linear(6, 1)
            for name, width in (("slope", 7), ("intercept", 1)):
                for part in ("mean", "rho"):
                    setattr(getattr(self, name), part, torch.nn.Parameter(torch.zeros(3, width)))

        def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            h = torch.relu(self.fe.layers[1](torch.relu(self.fe.layers[0](x))))
            effects = (x * (z @ self.slope.mean)).sum(1) + (z @ self.intercept.mean).squeeze(1)
            return torch.sigmoid(self.fe.out(h).squeeze(1) + 2 * effects)

    module = Doubled()
    module.load_state_dict(dict(network.state))
    dims = {0: torch.export.Dim("rows", min=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.export.export(module.eval(), (torch.zeros(2, 7), torch.zeros(2, 3)), dynamic_shapes=(dims, dims))
    extra = {**network.archive.extra, "debias.json": write_document(network.contract, {})}
    Path("doubled.pt2").write_bytes(serialise(loaded, extra))
    with pytest.raises(ModelError, match="predicts something else"):
        adapt("doubled.pt2", rows(), out="new.pt2")


def test_it_says_where_the_weights_of_training_are_not_told() -> None:
    told = contract_of("m.pt")
    assert told.effects is not None
    without = told.model_copy(update={"effects": told.effects.model_copy(update={"label_weights": None})})
    report = adapt("m.pt", rows(), out="new.pt", contract=without)
    assert report.label_weights is None
    assert any("every row counts 1" in note for note in report.notes)
