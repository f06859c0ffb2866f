"""Dispersion and attribute swap in audits and repairs, against fairlearn and loops over the raw table."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

import debias
from debias.contract import Contract, Feature, Input, Output, ProtectedAttribute, write_document
from debias.errors import UsageError
from debias.model.archive import serialise
from tests.run import mixed, world

JOBS = ("clerk", "nurse", "smith", "pilot")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mixed.save(Path("m.pt"))
    mixed.table().to_csv("rows.csv", index=False)


def encoded(frame: pd.DataFrame) -> torch.Tensor:
    columns = [frame["income"], frame["debt"], *(frame["job"] == job for job in JOBS[:3])]
    return torch.tensor(np.column_stack(columns).astype(np.float32))


def plain_model(path: str = "plain.pt") -> torch.nn.Module:
    """Write a network that reads income, debt and the one-hot job (three of four), with its contract."""
    frame = mixed.table(seed=3)
    frame = frame[frame["job"] != "pilot"]
    torch.manual_seed(1)
    net = world.Net(5)
    x, y = encoded(frame), torch.tensor(frame["label"].to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(net(x)[:, 0], y).backward()
        optimizer.step()
    told = Contract(
        inputs=(Input(name="x", role="features", width=5),),
        features=(
            Feature(column="income", kind="numeric"),
            Feature(column="debt", kind="numeric"),
            Feature(column="job", kind="category", categories=JOBS[:3]),
        ),
        label="label",
        attributes=(ProtectedAttribute(column="sex", privileged="m"),),
        output=Output(kind="probability"),
    )
    Path(path).write_bytes(serialise(mixed.scripted(net.eval()), {"debias.json": write_document(told, {})}))
    return net


def scores(net: torch.nn.Module, frame: pd.DataFrame) -> np.ndarray:
    with torch.no_grad():
        return net(encoded(frame))[:, 0].double().numpy()


def known(seed: int = 0) -> pd.DataFrame:
    frame = mixed.table(seed=seed)
    return frame[frame["job"] != "pilot"].reset_index(drop=True)


def test_a_category_by_fairlearn_and_by_the_double_loop() -> None:
    net, frame = plain_model(), known()
    report = debias.audit("plain.pt", frame, attr=["job", "sex"], sd_ddof=1)
    job, sex = report.before.dispersion
    own = scores(net, frame)
    by_group = MetricFrame(
        metrics={"tpr": true_positive_rate, "fpr": false_positive_rate, "selected": selection_rate},
        y_true=frame["label"],
        y_pred=(own > 0.5).astype(int),
        sensitive_features=frame["job"],
    ).by_group
    assert job.groups == 3
    assert job.ddof == 1
    assert job.tpr_sd == pytest.approx(by_group["tpr"].std(ddof=1))
    assert job.fpr_sd == pytest.approx(by_group["fpr"].std(ddof=1))
    pairs = [abs(a - b) for a, b in combinations(by_group["selected"], 2)]
    assert job.demographic_parity == pytest.approx(np.mean(pairs))
    soft = pd.Series(own).groupby(frame["job"]).mean()
    assert job.demographic_parity_soft == pytest.approx(np.mean([abs(a - b) for a, b in combinations(soft, 2)]))
    changed = {name: scores(net, frame.assign(job=name)) for name in JOBS[:3]}
    moves = [
        abs(own[n] - changed[name][n]) for n in range(len(frame)) for name in JOBS[:3] if name != frame["job"].iloc[n]
    ]
    assert job.attribute_swap == pytest.approx(np.mean(moves), abs=1e-6)
    assert job.attribute_swap_reason is None
    # sex is no input: undefined and not 0
    assert sex.attribute_swap is None
    assert sex.attribute_swap_reason == "'sex': no input column of the network tells it"
    assert sex.tpr_sd is not None


def test_the_swap_of_a_mixed_effects_network_leaves_the_cluster() -> None:
    frame = known()
    report = debias.audit("m.pt", frame, attr="sex")
    (found,) = report.before.dispersion
    x, z = mixed.tensors(frame)
    flipped = x.clone()
    flipped[:, 2] = 1 - flipped[:, 2]
    with torch.no_grad():
        moved = (mixed.trained()(x, z) - mixed.trained()(flipped, z)).abs().double().mean()
    assert found.attribute_swap == pytest.approx(float(moved), abs=1e-6)


def test_weights_count() -> None:
    frame = known().assign(w=lambda rows: np.arange(len(rows)) % 3)
    weighted = debias.audit("m.pt", frame, attr="sex", weight="w").before.dispersion[0]
    repeated = frame.loc[frame.index.repeat(frame["w"])].reset_index(drop=True)
    plain = debias.audit("m.pt", repeated.drop(columns="w"), attr="sex").before.dispersion[0]
    for name in ("tpr_sd", "fpr_sd", "demographic_parity", "demographic_parity_soft", "attribute_swap"):
        assert getattr(weighted, name) == pytest.approx(getattr(plain, name), abs=1e-9)


def test_undefined_groups_are_named() -> None:
    frame = known()
    frame = frame[(frame["job"] != "nurse") | (frame["label"] == 0)].reset_index(drop=True)
    plain_model()
    found = debias.audit("plain.pt", frame, attr="job").before.dispersion[0]
    assert found.undefined_groups == {"tpr_sd": ["nurse"]}
    assert found.tpr_sd is not None
    two = frame[frame["job"] != "smith"]
    found = debias.audit("plain.pt", two, attr="job").before.dispersion[0]
    assert found.tpr_sd is None
    assert found.fpr_sd is not None


def test_a_repair_tells_it_of_every_network() -> None:
    options: dict[str, Any] = {"attr": "sex", "eps": 0.1, "unseen_z": "zero", "keep_best": True}
    report = debias.roc("m.pt", "rows.csv", out="roc.pt", **options)
    assert report.after is not None
    assert report.threshold_only is not None
    stages = [report.before, report.threshold_only, report.after]
    swaps = [figures.dispersion[0].attribute_swap for figures in stages]
    assert all(value is not None for value in swaps)
    assert swaps[0] == swaps[1]  # a threshold moves no probability
    # The rule reads the group: its decision changes with it, and that counts.
    again = debias.audit("roc.pt", "rows.csv", attr="sex", unseen_z="zero")
    assert again.before.dispersion[0].attribute_swap is not None


@pytest.mark.parametrize(("options", "where"), [({"sd_ddof": 2}, "--sd-ddof"), ({"draws": 1}, "--draws")])
def test_what_is_refused(options: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        debias.audit("m.pt", "rows.csv", attr="sex", unseen_z="zero", **options)
    assert [problem.where for problem in caught.value.problems] == [where]
