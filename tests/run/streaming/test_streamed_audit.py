"""The audit of a table in batches beside that of the whole table: every entry of the report is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import debias
from debias.contract import Contract, Feature
from debias.errors import DebiasError
from debias.fairness import histogram
from debias.run.streaming import opening
from tests.run.streaming.world import FEATURES, Net, alike, both, differences, save, table, write

pytestmark = pytest.mark.usefixtures("few_points")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("streamed")
    frame = table()
    for ending in ("parquet", "arrow", "arrows", "csv", "csv.gz"):
        write(frame, place / f"rows.{ending}")
    save(Net(nn.Sigmoid()), place / "net.pt")
    save(Net(), place / "logit.pt")
    save(Net(nn.Softmax(dim=1), columns=2), place / "softmax.pt")
    save(Net(columns=2), place / "logits2.pt")
    return place


CASES: dict[str, dict[str, Any]] = {
    "one attribute": {"attr": "sex", "eps": 0.05},
    "no bound": {"attr": "sex"},
    "group of missing values": {"attr": ["sex", "race"], "missing_attr": "group", "eps": 0.1},
    "missing left out": {"attr": ["race", "sex"], "missing_attr": "drop", "eps": 0.1, "metric": "eqodds"},
    "intersection": {"attr": ["sex*race"], "missing_attr": "drop", "eps": 0.1, "min_group": 30},
    "everything crossed": {"attr": ["sex*race", "sex", "age"], "missing_attr": "group", "bins": "age=3", "eps": 0.2},
    "edges": {"attr": "exact_age", "bins": "30,50", "eps": 0.1, "metric": "eod"},
    "quantiles": {"attr": "age", "bins": "4", "eps": 0.1, "privileged": None},
    "weights": {"attr": ["sex", "age"], "bins": "age=40,", "weight": "w", "eps": 0.1, "sd_ddof": 1},
    "weights, missing left out": {"attr": "race", "missing_attr": "drop", "weight": "w", "eps": 0.1},
    "the negative decision": {"attr": ["sex", "age"], "bins": "age=3", "favorable": "negative", "eps": 0.1},
    "the negative decision, weights": {"attr": "race", "missing_attr": "group", "favorable": "negative", "weight": "w"},
    "at a confidence": {"attr": "race", "missing_attr": "group", "confidence": 0.9, "eps": 0.1, "metric": "eqodds"},
    "impact ratio": {"attr": "sex", "metric": "air", "min_ratio": 0.8, "performance": "auroc", "threshold": 0.6},
    "its input is the attribute": {"attr": "sex_code", "eps": 0.1},
}


@pytest.mark.parametrize("case", CASES)
def test_as_of_the_whole_table(place: Path, case: str) -> None:
    whole, parts = both(place / "net.pt", place / "rows.parquet", **CASES[case])
    assert not alike(whole, parts)
    assert parts.streaming is not None
    assert parts.streaming.exact


@pytest.mark.parametrize("model", ["logit", "softmax", "logits2"])
def test_outputs(place: Path, model: str) -> None:
    whole, parts = both(place / f"{model}.pt", place / "rows.parquet", attr=["sex", "age"], bins="age=3", eps=0.1)
    assert not alike(whole, parts)
    if model == "logits2":
        whole, parts = both(place / f"{model}.pt", place / "rows.parquet", attr="sex", decision="argmax")
        assert not alike(whole, parts)
        assert parts.decision_disagreements == whole.decision_disagreements is not None


@pytest.mark.parametrize("ending", ["arrow", "arrows", "csv", "csv.gz"])
def test_formats(place: Path, ending: str) -> None:
    whole, parts = both(place / "net.pt", place / f"rows.{ending}", attr=["sex", "race"], missing_attr="group")
    assert not alike(whole, parts)


def test_an_input_that_tells_the_attribute_by_another_name(place: Path, tmp_path: Path) -> None:
    frame = table().sort_values("sex", kind="stable")  # the first rows show one group alone
    data = write(frame, tmp_path / "sorted.parquet")
    whole, parts = both(place / "net.pt", data, attr=["sex", "race"], missing_attr="group", eps=0.1)
    assert not alike(whole, parts)
    assert parts.uses_attribute
    assert parts.before.dispersion[0].attribute_swap
    assert parts.before.dispersion[1].attribute_swap is None


def test_a_contract_encodes_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BATCH_ROWS", 100)
    frame = table()
    frame.loc[5:30, "income"] = np.nan
    frame["member"] = np.where(frame["years"] > 20, "yes", "no")
    features = (
        Feature(column="income", kind="numeric", mean=0.2, sd=1.5, missing="mean"),
        Feature(column="sex", kind="category", categories=("f", "m")),
        Feature(column="member", kind="boolean"),
        Feature(column="race", kind="category", categories=("a", "b", "c", "rare"), missing="category"),
    )
    net = Net(nn.Sigmoid(), width=sum(item.width for item in features))
    model, data = save(net, tmp_path / "net.pt"), write(frame, tmp_path / "rows.parquet")
    contract = Contract(features=features, label="label", positive="yes")
    asked = {"attr": ["sex", "race*sex"], "missing_attr": "group", "eps": 0.1}
    whole, parts = both(model, data, contract=contract, features=None, **asked)
    assert not alike(whole, parts)
    assert parts.before.dispersion[0].attribute_swap
    late = frame.assign(race=frame["race"].where(frame.index != 900, "new"))
    data = write(late, tmp_path / "late.parquet")
    with pytest.raises(DebiasError, match=r"rows 901 to 1,050, column 'race'.*'new' in row 901"):
        debias.audit(model, data, attr="sex", contract=contract, stream=True, batch_rows=150)


def test_one_batch_size_for_all(tmp_path: Path, place: Path) -> None:
    program = torch.export.export(Net(nn.Sigmoid()).eval(), (torch.zeros(16, len(FEATURES), dtype=torch.float64),))
    torch.export.save(program, tmp_path / "net.pt2")
    whole, parts = both(tmp_path / "net.pt2", place / "rows.parquet", attr="sex", eps=0.1)
    assert not alike(whole, parts)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 120), part=st.integers(1, 60), batch=st.integers(1, 130), seed=st.integers(0, 5))
def test_any_batches(place: Path, tmp_path: Path, rows: int, part: int, batch: int, seed: int) -> None:
    data = write(table(rows, seed), tmp_path / "rows.parquet", part)
    asked = {"attr": ["sex", "race"], "missing_attr": "group", "weight": "w", "confidence": 0.9, "eps": 0.1}
    try:
        whole, parts = both(place / "net.pt", data, batch_rows=batch, **asked)
    except DebiasError as error:
        with pytest.raises(type(error)) as other:
            debias.audit(place / "net.pt", data, label="label", positive="yes", features=FEATURES, stream=True, **asked)
        assert str(other.value) == str(error)
        return
    assert not alike(whole, parts)


def test_scores_in_few_bins(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "default_bins", lambda _: 64)
    asked = {"attr": ["sex", "age"], "bins": "age=3", "eps": 0.1}
    whole, parts = both(place / "net.pt", place / "rows.parquet", **asked)
    told = parts.streaming
    assert told is not None
    assert not told.exact
    assert told.score_bins <= 64
    assert told.auroc_low < whole.before.auroc < told.auroc_high
    assert abs(parts.before.auroc - whole.before.auroc) < 0.01
    assert any(note.startswith("AUROC lies between") for note in parts.notes)
    scoring = whole.impacts[0].before[1], parts.impacts[0].before[1]
    assert told.median_low <= scoring[0].median <= told.median_high
    for one, two in zip(scoring[0].groups, scoring[1].groups, strict=True):
        assert abs(one.rate - two.rate) * one.n <= told.median_share * len(table()) + 1e-9
    # what is counted at the deployed threshold does not depend on the bins
    one, two = (each.before.model_dump(exclude={"auroc"}) for each in (whole, parts))
    assert not list(differences(one, two))
    assert not alike(whole, parts, "before", "sweeps", "impacts", "notes")
    here = max(point.threshold for point in parts.sweeps[0].points if point.threshold <= 0.5)
    deployed = next(point for point in parts.sweeps[0].points if point.threshold == here)
    assert deployed.biases == pytest.approx([parity.bias for parity in whole.before.parities])


FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a gap": ({"income": (700, np.nan)}, {}, r"rows 681 to 850, column 'income': 1 missing value in row 701"),
    "infinite": ({"debt": (20, np.inf)}, {}, r"infinite numbers in 1 row: row 21"),
    "weights": ({"w": (699, -1.0)}, {"weight": "w"}, r"a weight must be a number of 0 or more: '-1.0' in row 700"),
    "no weight": ({"w": (slice(None), 0.0)}, {"weight": "w"}, r"every weight is 0"),
    "a gap in the attribute": ({"sex": (slice(590, 900), None)}, {}, r"310 rows of 1,200: rows 591, 592 and 308 more"),
    "a third label": ({"label": (777, "maybe")}, {}, r"besides 'no', 'yes' also 'maybe' first in row 778"),
    "one label": ({"label": (slice(None), "yes")}, {}, r"the label is always 'yes'"),
    "a column that is none": ({}, {"attr": "sexx"}, r"has no column 'sexx' \(--attr\).*\n?.*Did you mean 'sex'"),
    "draws": ({}, {"draws": 10}, r"--draws.*read a batch at a time"),
    "an adversary": ({}, {"fresh_adversary": True}, r"--fresh-adversary.*read a batch at a time"),
    "too many values": ({}, {"attr": "exact_age"}, r"numeric with 1200 values"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_by_the_rows_of_the_file(
    place: Path, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BATCH_ROWS", 100)  # the first rows are looked at beforehand
    changes, asked, said = FAULTS[fault]
    frame = table()
    for name, (rows, value) in changes.items():
        column = frame[name].astype(object) if isinstance(value, str) else frame[name].copy()
        column.iloc[rows] = value
        frame[name] = column
    data = write(frame, tmp_path / "rows.parquet")
    told = {"attr": "sex", "label": "label", "positive": "yes", "features": FEATURES, "batch_rows": 170, **asked}
    with pytest.raises(DebiasError) as error:
        debias.audit(place / "net.pt", data, stream=True, **told)
    assert pd.Series([str(error.value)]).str.contains(f"(?s){said}").all(), str(error.value)


def test_nothing_but_a_file_can_be_streamed(place: Path) -> None:
    with pytest.raises(DebiasError, match="only a file can be read a batch at a time"):
        debias.audit(place / "net.pt", table(), attr="sex", stream=True)


def test_a_file_that_changes_is_noticed(place: Path, tmp_path: Path) -> None:
    data = write(table(), tmp_path / "rows.parquet")
    more = table(ROWS_LATER)
    done = []

    def move(*told: object) -> None:
        if not done:
            write(more, data)
            done.append(told)

    with pytest.raises(DebiasError, match="changed while it was read"):
        debias.audit(
            place / "net.pt",
            data,
            attr="sex",
            label="label",
            positive="yes",
            features=FEATURES,
            stream=True,
            progress=move,
        )
    assert done


ROWS_LATER = 1300


def test_large_files_are_streamed_unasked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from debias.run.streaming import choosing

    asked = {"attr": "sex", "label": "label", "positive": "yes", "features": FEATURES}
    data = place / "rows.parquet"
    assert debias.audit(place / "net.pt", data, **asked).streaming is None
    told = debias.audit(place / "net.pt", data, batch_rows=500, **asked).streaming
    assert told is not None
    assert told.batch_rows == 500
    monkeypatch.setattr(choosing, "LARGE", 1000)
    assert debias.audit(place / "net.pt", data, **asked).streaming is not None
    assert debias.audit(place / "net.pt", data, stream=False, **asked).streaming is None
