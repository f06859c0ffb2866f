"""The importances of a file: which columns are measured, what they are called, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from debias.contract import Contract, write_document
from debias.errors import ContractError, DataError, DebiasError, ModelError, UsageError
from debias.model.importance import Magnitudes, RandomSpread
from debias.run.importance import Block, measure, model_importance
from tests.run import mixed, world


@pytest.fixture
def clustered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a mixed-effects file and its table."""
    monkeypatch.chdir(tmp_path)
    mixed.save(tmp_path / "model.pt")
    mixed.table().to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def by_hand(net: nn.Module, *inputs: torch.Tensor) -> np.ndarray:
    """Return mean |∂p/∂x| times the SD of each column of the first input."""
    leaf = inputs[0].clone().requires_grad_()
    gradient = torch.autograd.grad(net(leaf, *inputs[1:]).sum(), leaf)[0]
    return (gradient.abs().double().mean(0) * inputs[0].double().std(0, correction=0)).numpy()


@pytest.mark.usefixtures("place")
class TestPlainFiles:
    def test_columns_are_found_by_count(self) -> None:
        frame = pd.read_csv("rows.csv")
        found = measure("model.pt", frame, attr="sex")
        expected = by_hand(
            world.trained(world.table()), torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32)
        )
        (model,) = found.models
        values = {item.name: item.importance for item in model.columns}
        np.testing.assert_allclose([values["income"], values["debt"]], expected, rtol=1e-5)
        assert [item.rank for item in model.columns] == [1, 2]
        assert sum(item.share for item in model.columns) == pytest.approx(1)
        assert model.head == "whole" and found.at == "rows" and found.rows == len(frame)
        assert found.statement.startswith(f"'{model.columns[0].name}' moves P(positive) most: ")
        assert any("'sex' is no input" in note for note in found.notes)

    def test_no_attribute_is_needed_where_columns_are_told(self) -> None:
        one = measure("model.pt", "rows.csv", ignore=["sex"])
        other = measure("model.pt", "rows.csv", features=["income", "debt"])
        assert one.models == other.models
        assert one.data["data"].rows == world.ROWS

    def test_no_label_is_needed(self) -> None:
        frame = pd.read_csv("rows.csv")
        expected = measure("model.pt", frame, ignore=["sex"]).models
        assert measure("model.pt", frame[["income", "debt"]]).models == expected
        assert measure("model.pt", frame.drop(columns="label"), features=["income", "debt"]).models == expected

    def test_the_labels_are_not_read(self) -> None:
        frame = pd.read_csv("rows.csv")
        expected = measure("model.pt", frame, ignore=["sex"]).models
        assert measure("model.pt", frame.assign(label="?"), ignore=["sex"]).models == expected

    def test_at_the_mean_and_of_the_logit(self) -> None:
        frame = pd.read_csv("rows.csv")
        mean = measure("model.pt", frame, ignore=["sex"], at_mean=True)
        logit = measure("model.pt", frame, ignore=["sex"], of="logit")
        assert (mean.at, logit.target) == ("mean", "logit")
        x = torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32)
        net = world.trained(world.table())
        point = x.mean(0, keepdim=True).requires_grad_()
        slope = torch.autograd.grad(net(point).sum(), point)[0][0].abs().numpy()
        found = {item.name: item.slope for item in mean.models[0].columns}
        np.testing.assert_allclose([found["income"], found["debt"]], slope, rtol=1e-4)
        assert logit.models[0].columns[0].slope > mean.models[0].columns[0].slope
        assert "moves the logit most" in logit.statement

    @pytest.mark.parametrize("end", ["pt", "pt2"])
    def test_a_file_that_decides_by_group_has_a_gradient_by_feature(self, end: str) -> None:
        """The rule of a reject option shifts the score of a group; the group itself is a name, not a quantity."""
        frame = pd.read_csv("rows.csv")
        out = f"roc.{end}"
        model = "model.pt"
        if end == "pt2":
            model = "model.pt2"
            net, free = world.trained(world.table()), {0: torch.export.Dim("rows", min=2)}
            torch.export.save(torch.export.export(net, (torch.zeros(5, 2),), dynamic_shapes=(free,)), model)
        result = world.call("roc", model, *world.ASKED, "--eps", "0.3", "--out", out, "--keep-best", "--quiet")
        assert Path(out).exists(), result.err
        found = measure(out, frame).models[0]
        assert [item.name for item in found.columns] in (["income", "debt"], ["debt", "income"])
        module = torch.jit.load(out) if end == "pt" else torch.export.load(out).module()
        x = torch.tensor(frame[["income", "debt"]].to_numpy(), dtype=torch.float32).requires_grad_()
        group = torch.tensor((frame["sex"] == "m").to_numpy(), dtype=torch.int64)
        slope = torch.autograd.grad(module(x, group).sum(), x)[0].abs().double().mean(0).numpy()
        slopes = {item.name: item.slope for item in found.columns}
        np.testing.assert_allclose([slopes["income"], slopes["debt"]], slope, rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize(
        ("options", "error", "match"),
        [
            ({"data": "none.csv"}, DataError, "no such file"),
            ({"ignore": ["sex", "nothing"]}, DataError, "no column 'nothing'"),
            ({"features": ["income"]}, DataError, "the network reads 2"),
            ({"features": ["income", "sex"]}, DataError, "text in a numeric column"),
            ({"ignore": ["sex"], "attr": "race"}, DataError, "no column 'race'"),
            ({}, DataError, "the network reads 2 columns"),
            ({"ignore": ["sex"], "top": 0}, UsageError, "--top"),
            ({"ignore": ["sex"], "contract": "none.json"}, UsageError, "the contract cannot be read"),
        ],
    )
    def test_bad_input(self, options: dict[str, object], error: type[DebiasError], match: str) -> None:
        with pytest.raises(error, match=match):
            measure("model.pt", **{"data": "rows.csv", **options})  # type: ignore[arg-type]

    def test_model_and_table_are_refused_together(self) -> None:
        with pytest.raises(DebiasError) as caught:
            measure("none.pt", "none.csv")
        assert len(caught.value.problems) == 2

    def test_a_constant_output_has_no_importances(self) -> None:
        world.save(world.constant(), Path("constant.pt"))
        with pytest.raises(ModelError, match="does not move with any input"):
            measure("constant.pt", "rows.csv", ignore=["sex"])


class TestContracts:
    def test_one_hot_columns_are_summed_by_feature(self) -> None:
        """The lender's contract tells which columns come from which."""
        folder = Path(__file__).parents[2] / "sample_models"
        found = measure(folder / "lender_mlp.pt", folder / "lender_valid.csv", attr="age").models[0]
        columns = pd.DataFrame([item.model_dump() for item in found.columns])
        sums = columns.groupby("feature")["importance"].sum()
        assert len(found.features) < len(found.columns)
        for feature in found.features:
            assert feature.importance == pytest.approx(sums[feature.name])
            assert feature.columns == (columns["feature"] == feature.name).sum()
        order = sums.sort_values(ascending=False).index.tolist()
        assert [feature.name for feature in found.features] == order
        assert [feature.rank for feature in found.features] == list(range(1, len(order) + 1))
        assert {item.name for item in found.columns if item.protected} == {"age"}

    def test_pt2_gives_the_same(self) -> None:
        folder = Path(__file__).parents[2] / "sample_models"
        one, other = (measure(folder / f"lender_mlp.{end}", folder / "lender_valid.csv") for end in ("pt", "pt2"))
        for a, b in zip(one.models[0].columns, other.models[0].columns, strict=True):
            assert (a.name, a.rank) == (b.name, b.rank)
            assert a.importance == pytest.approx(b.importance, rel=1e-4)

    def test_named_features_go_before_the_contract(self, clustered: Path) -> None:
        del clustered
        with pytest.raises(DataError, match="--features names 2 columns, the network reads 3"):
            measure("model.pt", "rows.csv", features=["income", "debt"])


class TestMixedEffects:
    def test_the_fixed_head_is_measured_and_the_random_effects_told(self, clustered: Path) -> None:
        del clustered
        net, frame = mixed.trained(), mixed.table()
        found = measure("model.pt", "rows.csv", attr="sex")
        (model,) = found.models
        x, z = mixed.tensors(frame)
        values = {item.name: item for item in model.columns}
        expected = by_hand(net, x, torch.zeros_like(z))
        np.testing.assert_allclose([values[name].importance for name in mixed.FEATURES], expected, rtol=1e-4)
        slopes = net.slope.mean.detach().numpy().std(axis=0)
        np.testing.assert_allclose([values[name].random_slope for name in mixed.FEATURES], slopes, rtol=1e-5)
        (intercept,) = model.random
        means = net.intercept.mean.detach().numpy()[:, 0]
        assert intercept.means == pytest.approx(dict(zip(mixed.KNOWN, means.tolist(), strict=True)))
        assert intercept.spread == pytest.approx([means.std()], rel=1e-5)
        assert model.head == "fixed" and "of the fixed effects" in found.statement
        assert values["sex"].protected and not values["debt"].protected

    def test_no_cluster_column_is_needed(self, clustered: Path) -> None:
        del clustered
        frame = mixed.table()
        assert measure("model.pt", frame.drop(columns=["job", "label"])).models == measure("model.pt", frame).models

    def test_the_cluster_of_a_plain_two_input_network_is_an_input(self, clustered: Path) -> None:
        told = mixed.contract(mixed.trained().state_dict()).model_copy(update={"effects": None})
        mixed.save(clustered / "plain.pt", told=told)
        frame = mixed.table()
        frame = frame[frame["job"] != mixed.UNKNOWN]
        (model,) = measure("plain.pt", frame).models
        names = [f"job_{name}" for name in mixed.KNOWN]
        assert {item.name for item in model.columns} == {*mixed.FEATURES, *names}
        assert {item.role for item in model.columns if item.name in names} == {"cluster"}
        assert {item.name: item.columns for item in model.features}["job"] == 3
        x, z = mixed.tensors(frame)
        values = {item.name: item.importance for item in model.columns}
        np.testing.assert_allclose([values[name] for name in mixed.FEATURES], by_hand(mixed.trained(), x, z), rtol=1e-4)
        with pytest.raises(DataError, match="no column 'job'"):
            measure("plain.pt", frame.drop(columns="job"))

    def test_an_unknown_cluster_of_such_a_network_is_zeros(self, clustered: Path) -> None:
        told = mixed.contract(mixed.trained().state_dict()).model_copy(update={"effects": None})
        mixed.save(clustered / "plain.pt", told=told)
        frame = mixed.table()
        found = measure("plain.pt", frame)
        x, z = mixed.tensors(frame)
        values = {item.name: item.importance for item in found.models[0].columns}
        np.testing.assert_allclose([values[name] for name in mixed.FEATURES], by_hand(mixed.trained(), x, z), rtol=1e-4)
        unknown = (frame["job"] == mixed.UNKNOWN).sum()
        assert (
            f"{unknown} rows of clusters that the network does not know: their cluster input is zeros." in found.notes
        )

    def test_without_features_in_the_contract_the_columns_of_two_inputs_are_unknown(self, clustered: Path) -> None:
        told = Contract.model_validate(
            {"inputs": [{"name": "x", "role": "features"}, {"name": "z", "role": "cluster"}]}
        )
        (clustered / "told.json").write_text(write_document(told, {}))
        with pytest.raises(ContractError, match="which columns go where"):
            measure("model.pt", "rows.csv", contract="told.json")


def test_medians_over_seeds_worked_by_hand() -> None:
    blocks = [Block("a", "features", ("a",)), Block("b", "features", ("b_x", "b_y"))]
    ones = np.ones(3)
    seeds = [Magnitudes(np.array(slope), ones) for slope in ([6.0, 3.0, 1.0], [1.0, 6.0, 3.0], [2.0, 2.0, 6.0])]
    random = [[RandomSpread("slope", np.array([[0.0] * 3, [size] * 3])), RandomSpread("i", np.array([[1.0], [size]]))]
              for size in (2.0, 4.0, 9.0)]  # fmt: skip
    found = model_importance("m", "M", blocks, seeds, fixed=True, probes={"a"}, random=random, clusters=("k", "l"))
    columns = {item.name: item for item in found.columns}
    assert [columns[name].rank for name in ("a", "b_x", "b_y")] == [2, 2, 2]
    assert [columns[name].importance for name in ("a", "b_x", "b_y")] == [2, 3, 3]
    assert [columns[name].share for name in ("a", "b_x", "b_y")] == [0.2, 0.3, 0.3]
    assert [item.name for item in found.features] == ["b", "a"]
    assert [item.rank for item in found.features] == [1, 2]
    assert columns["a"].probe and not columns["b_x"].probe
    assert columns["a"].random_slope == 2.0  # SDs 1, 2 and 4.5
    (intercept,) = found.random
    assert intercept.means == {"k": 1.0, "l": 4.0}
    assert intercept.spread == [1.5]


def test_slopes_of_a_hidden_layer_are_no_slopes_of_columns() -> None:
    blocks = [Block("a", "features", ("a",)), Block("b", "features", ("b",))]
    random = [[RandomSpread("slope", np.ones((2, 5))), RandomSpread("i", np.zeros((2, 1)))]]
    found = model_importance("m", "M", blocks, [Magnitudes(np.ones(2), np.ones(2))], fixed=True, random=random)
    assert all(item.random_slope is None for item in found.columns)
    assert [(item.entry, len(item.spread), item.means) for item in found.random] == [("slope", 5, None), ("i", 1, None)]
