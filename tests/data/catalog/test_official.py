"""The official files give the published rows and features (shared/data), and what the shared tables hold."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data import catalog

SHARED = Path(__file__).parents[3].parent / "shared"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder is not beside the project"),
]
FILES = {"adult": "adult.csv.gz", "bank": "bank_additional.csv.gz", "compas": "compas.csv.gz"}
SHAPES = {"adult": (45_222, 98), "bank": (30_488, 57), "compas": (6_167, 401)}


@cache
def _data(name: str) -> catalog.Dataset:
    made: catalog.Dataset = getattr(catalog, name)(SHARED / "data" / FILES[name])
    return made


@pytest.mark.parametrize("name", FILES)
def test_rows_features_and_groups(name: str) -> None:
    data = _data(name)
    assert data.x.shape == SHAPES[name]
    assert data.x.dtype == np.float64
    assert np.isfinite(data.x).all()
    assert len(set(data.features)) == len(data.features) == data.x.shape[1]
    assert set(data.y) == set(data.codes) == {0, 1}
    column = data.x[:, data.features.index(data.attribute)]
    assert np.array_equal(column, data.codes), "the attribute is a feature, as in the published code"


@pytest.mark.parametrize("name", ["adult", "compas"])
def test_features_are_those_of_the_shared_networks_in_their_order(name: str) -> None:
    described = json.loads((SHARED / "models" / f"{name}_42.json").read_text())
    assert [feature.replace(" ", "_") for feature in _data(name).features] == described["features"]


def test_adult_counts_each_value_as_pandas_does() -> None:
    raw = pd.read_csv(SHARED / "data" / FILES["adult"], na_values=["?", ""], skipinitialspace=True).dropna()
    data = _data("adult")
    assert data.y.mean() == (raw["income"] == ">50K").mean()
    assert data.codes.sum() == (raw["sex"] == "Male").sum()
    of = dict(zip(data.features, data.x.T, strict=True))
    assert of["race"].sum() == (raw["race"] == "White").sum()
    assert np.array_equal(of["capital-gain"], raw["capital-gain"])
    for category in ("workclass", "education", "marital-status", "occupation", "relationship", "native-country"):
        for value, count in raw[category].value_counts().items():
            assert of[f"{category}_{value}"].sum() == count


def test_adult_is_the_shared_tables_rows() -> None:
    data = _data("adult")
    tables = [pd.read_csv(SHARED / "models" / f"adult_42_{part}.csv.gz") for part in ("train", "valid", "test")]
    shared = pd.concat(tables)
    assert len(shared) == len(data)
    ours = pd.crosstab(data.y, data.codes).to_numpy()
    assert np.array_equal(pd.crosstab(shared["label"], shared["sex_group"]).to_numpy(), ours)
    # Standardised there: a feature differs by a straight line.
    age = np.sort(data.x[:, 0])
    assert np.corrcoef(age, np.sort(shared["age"]))[0, 1] == pytest.approx(1)


def test_bank_keeps_the_rows_without_unknown() -> None:
    raw = pd.read_csv(SHARED / "data" / FILES["bank"])
    raw = raw[~raw.eq("unknown").any(axis=1)]
    data = _data("bank")
    assert np.array_equal(data.codes, raw["age"] >= 25)
    assert np.array_equal(data.y, raw["y"] == "yes")
    of = dict(zip(data.features, data.x.T, strict=True))
    assert np.array_equal(of["euribor3m"], raw["euribor3m"])
    assert of["month_may"].sum() == (raw["month"] == "may").sum()


def test_compas_keeps_propublicas_rows() -> None:
    raw = pd.read_csv(SHARED / "data" / FILES["compas"])
    raw = raw.query("-30 <= days_b_screening_arrest <= 30 and is_recid != -1 and c_charge_degree != 'O'")
    raw = raw[raw["score_text"].ne("N/A") & raw["c_charge_desc"].notna()]
    data = _data("compas")
    assert np.array_equal(data.y, raw["two_year_recid"] == 0), "positive: did not reoffend"
    assert np.array_equal(data.codes, raw["race"] == "Caucasian")
    of = dict(zip(data.features, data.x.T, strict=True))
    assert np.array_equal(of["sex"], raw["sex"] == "Female")
    assert np.array_equal(of["priors_count"], raw["priors_count"])
    assert of["c_charge_desc_Battery"].sum() == (raw["c_charge_desc"] == "Battery").sum()
