"""Tables with clusters: encodings fitted on training rows alone, folds as scikit-learn has them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from debias.data import folds
from debias.data.clustered import Clustered
from debias.data.columns import Columns
from debias.data.prepare import prepare
from debias.data.tables import read_table
from debias.errors import DataError, UsageError

N = 240


def frame(seed: int = 0, n: int = N) -> pd.DataFrame:
    """Return rows of five clusters of falling size, the last without a name."""
    rng = np.random.default_rng(seed)
    job = rng.choice(["b", "a", "d", "c", None], n, p=[0.35, 0.3, 0.2, 0.1, 0.05])
    age = rng.integers(18, 70, n).astype(float)
    return pd.DataFrame(
        {
            "age": age,
            "pay": np.where(rng.random(n) < 0.1, np.nan, rng.normal(30, 8, n)),
            "sex": rng.choice(["f", "m"], n),
            "race": rng.integers(1, 4, n),
            "home": rng.random(n) < 0.5,
            "town": rng.choice(["x", "y", None], n, p=[0.5, 0.4, 0.1]),
            "job": job,
            "label": (rng.random(n) < 0.3 + 0.005 * (age - 40)).astype(int),
        }
    )


def read(table: pd.DataFrame | None = None, **more: Any) -> Clustered:
    asked: dict[str, Any] = {
        "label": "label",
        "attributes": ("sex", "age"),
        "bins": {"age": [31, 46]},
        "cluster": "job",
    }
    return Clustered.read(read_table(frame() if table is None else table), **{**asked, **more})


def refused(table: pd.DataFrame | None = None, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(table, **more)
    return str(caught.value)


# clusters


def test_the_largest_clusters_are_seen_and_unnamed_ones_never() -> None:
    table = frame()
    found = read(table, seen=2)
    sizes = Counter(table["job"].dropna())
    assert set(found.names) == {name for name, _ in sizes.most_common(2)}
    assert found.clusters is not None
    assert set(found.clusters.names) == {"a", "b", "c", "d"}
    assert found.seen.tolist() == table["job"].isin(found.names).tolist()
    for row, code in enumerate(found.codes):
        assert code == (found.names.index(table["job"][row]) if table["job"][row] in found.names else -1)
    assert (read(table).codes >= 0).tolist() == table["job"].notna().tolist()


def test_of_equal_clusters_the_first_by_name_is_seen() -> None:
    table = frame().assign(job=np.resize(["d", "c", "b", "a"], N))
    assert read(table, seen=3).names == ("a", "b", "c")


def test_z_has_a_one_for_seen_clusters_only() -> None:
    found = read(seen=3)
    z = found.one_hot()
    assert z.shape == (N, 3)
    assert (z.sum(1) == found.seen).all()
    assert (z.argmax(1)[found.seen] == found.codes[found.seen]).all()


def test_without_a_cluster_column_all_rows_are_seen() -> None:
    found = read(cluster=None)
    assert found.seen.all()
    assert found.names == ()
    assert "job" in [cell.feature.column for cell in found.cells]
    contract = found.contract(found.index, cluster_input=False)
    assert contract.cluster is None
    with pytest.raises(ValueError, match="no cluster column"):
        found.contract(found.index)


# encoding


@given(st.integers(0, 1000))
def test_numbers_come_from_the_training_rows_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = frame(seed % 7)
    found = read(table, seen=3)
    index = rng.choice(found.index, 60, replace=False)
    contract = found.contract(index)
    pay = table["pay"].to_numpy()[index]
    feature = next(f for f in contract.features if f.column == "pay")
    assert feature.mean == pytest.approx(np.nanmean(pay), abs=1e-12)
    assert feature.sd == pytest.approx(np.nanstd(pay), abs=1e-12)
    changed = table.copy()
    others = np.setdiff1d(np.arange(N), index)
    changed.loc[others, ["age", "pay"]] = changed.loc[others, ["age", "pay"]].to_numpy() * 1.5 + 3
    again = read(changed, seen=3, bins={"age": [31, 46]}).contract(index)
    assert again == contract


def test_carriers_are_training_medians() -> None:
    table = frame()
    found = read(table, seen=3)
    index = found.index[:90]
    age = table["age"].to_numpy()[index]
    entry = found.contract(index).attribute("age")
    assert entry is not None
    assert entry.bins == (31.0, 46.0)
    assert entry.carriers == tuple(
        float(np.median(part)) for part in (age[age < 31], age[(age >= 31) & (age < 46)], age[age >= 46])
    )


def test_what_is_encoded_is_what_an_audit_of_the_file_encodes() -> None:
    table = read_table(frame())
    found = read(seen=3, missing_attr="group", attributes=("sex", "town", "race"), bins=None)
    contract = found.contract(found.index[:100])
    asked = Columns(attr=("sex", "town", "race"), missing_attr="group", unseen_z="zero")
    other = prepare(table, asked, inputs={"features": contract.width(), "cluster": 3}, contract=contract).sample
    own = found.sample(contract)
    for role in ("features", "cluster"):
        assert (own.inputs[role] == other.inputs[role]).all()
    assert own.clusters is not None and other.clusters is not None
    assert own.clusters.seen.tolist() == other.clusters.seen.tolist()
    assert (own.y == other.y).all()
    for name, attribute in own.attributes.items():
        assert attribute.groups == other.attributes[name].groups
        assert (attribute.codes == other.attributes[name].codes).all()
        assert attribute.is_input


def test_inputs_are_all_but_label_and_cluster() -> None:
    found = read()
    contract = found.contract(found.index)
    kinds = {feature.column: feature.kind for feature in contract.features if feature.role == "features"}
    assert list(kinds) == ["age", "pay", "sex", "race", "home", "town"]
    assert kinds["age"] == "numeric"
    assert [item.name for item in contract.inputs] == ["x", "z"]
    assert contract.clusters == ("a", "b", "c", "d")
    plain = found.contract(found.index, cluster_input=False)
    assert [item.name for item in plain.inputs] == ["x"]
    assert plain.cluster == "job"
    assert [f.column for f in read(features=("pay", "sex")).contract(found.index).features] == ["pay", "sex", "job"]
    assert "town" not in [cell.feature.column for cell in read(ignore=("town",)).cells]


def test_an_attribute_of_several_numbers_is_a_category() -> None:
    kinds = {cell.feature.column: cell.feature for cell in read(attributes=("race",), bins=None).cells}
    assert kinds["race"].categories == ("1", "2", "3")
    told = read(attributes=("race",), bins=None, kinds={"race": "numeric"})
    assert {c.feature.column: c.feature.kind for c in told.cells}["race"] == "numeric"


def test_a_column_that_is_constant_among_training_rows_stays_finite() -> None:
    found = read(frame().assign(pay=lambda f: np.where(np.arange(N) < 100, 0.1, f["age"])))
    feature = found.contract(found.index[found.index < 100]).features[1]
    assert feature.sd == 1.0
    assert feature.mean == pytest.approx(0.1)


def test_unseen_rows_are_kept_from_a_contract() -> None:
    found = read(seen=2)
    with pytest.raises(ValueError, match="seen clusters"):
        found.contract(np.arange(N))


# another table


def test_another_table_is_read_like_the_first() -> None:
    first = read(seen=3)
    more = first.read_more(read_table(frame(5).assign(job=lambda f: f["job"].replace({"a": "new"}))))
    assert more.names == first.names
    assert more.clusters is not None
    assert "new" in more.clusters.names
    assert not more.seen[more.clusters.codes == more.clusters.names.index("new")].any()
    contract = first.contract(first.index)
    assert more.encode(contract).shape == (N, contract.width())
    assert [cell.feature for cell in more.cells] == [cell.feature for cell in first.cells]
    with pytest.raises(DataError, match="not trained on: 'z'"):
        first.read_more(read_table(frame().assign(town="z")))


# folds


@pytest.mark.parametrize("k", [2, 5, 10])
def test_folds_have_the_counts_of_stratified_k_fold(k: int) -> None:
    found = read(seen=3)
    dealt = found.folds(k, seed=3)
    assert (dealt >= 0).tolist() == found.seen.tolist()
    joint = found.codes[found.index] * 2 + found.y[found.index]
    theirs = StratifiedKFold(k, shuffle=True, random_state=0).split(joint, joint)
    expected = np.array([np.bincount(joint[test], minlength=6) for _, test in theirs])
    counted = np.array([np.bincount(joint[dealt[found.index] == i], minlength=6) for i in range(k)])
    assert (np.sort(counted, axis=0) == np.sort(expected, axis=0)).all()
    assert sorted(counted.sum(1)) == sorted(expected.sum(1))
    assert (found.folds(k, seed=3) == dealt).all()
    assert (found.folds(k, seed=4) != dealt).any()


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 9))
def test_rows_of_a_stratum_are_dealt_evenly(seed: int, k: int, kinds: int) -> None:
    member = np.random.default_rng(seed).integers(0, kinds, 97)
    dealt = folds.deal(member, k, seed)
    for part in (dealt, *(dealt[member == one] for one in range(kinds))):
        sizes = np.bincount(part, minlength=k)
        assert sizes.max() - sizes.min() <= 1


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_a_share_is_taken_of_every_stratum(seed: int, fraction: float) -> None:
    member = np.random.default_rng(seed).integers(0, 4, 150)
    aside = folds.share(member, fraction, seed)
    for part in (aside, *(aside[member == one] for one in range(4))):
        assert abs(part.sum() - fraction * len(part)) <= 1


def test_folds_of_a_regression_are_stratified_by_quantile_bins() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat([0, 1, 2], [600, 300, 7])
    y = rng.gamma(1.0, size=clusters.size)
    strata = folds.strata(clusters, y, binned=True)
    assert (np.bincount(strata) < folds.LEAST).sum() <= 1
    dealt = folds.deal(strata, 10, 0)
    means = [y[dealt == fold].mean() for fold in range(10)]
    drawn = rng.permutation(y.size) % 10
    assert np.std(means) < np.std([y[drawn == fold].mean() for fold in range(10)])
    # a target that is 0 in most rows has fewer bins
    few = np.bincount(folds.strata(clusters, np.where(y < 2, 0.0, y), binned=True))
    assert (few < folds.LEAST).sum() <= 1
    assert len(few) < len(np.bincount(strata))


def test_split_is_stratified_and_of_seen_rows() -> None:
    found = read(seen=3)
    train, valid = found.split(0.25, seed=1)
    assert not set(train) & set(valid)
    assert sorted([*train, *valid]) == found.index.tolist()
    joint = found.codes * 2 + found.y
    for cell in range(6):
        assert abs((joint[valid] == cell).sum() - 0.25 * (joint[found.index] == cell).sum()) <= 1


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 0.001, 0.999])
def test_a_share_that_leaves_a_side_empty(share: float) -> None:
    with pytest.raises(UsageError, match="--valid-share"):
        read().split(share)


@pytest.mark.parametrize("k", [0, 1, 500])
def test_folds_that_cannot_be_filled(k: int) -> None:
    with pytest.raises(UsageError, match="--folds"):
        read().folds(k)


# regression


def test_regression_reads_a_number() -> None:
    table = frame().drop(columns="label").assign(days=lambda f: f["age"] / 10)
    found = read(table, label="days", task="regression")
    assert found.target is not None
    assert (found.target == table["days"]).all()
    assert (found.outcome == found.target).all()
    assert not found.y.any()
    contract = found.contract(found.index)
    assert (contract.output.kind, contract.positive, contract.task) == ("value", None, "regression")
    assert found.sample(contract).target is not None


# what is refused


def test_all_problems_at_once() -> None:
    text = refused(
        frame().assign(label=lambda f: f["age"]),
        attributes=("sex", "gender"),
        cluster="branch",
        ignore=("no",),
        bins=None,
    )
    assert "the label is not binary" in text
    assert "--regression" in text
    assert "no column 'gender'" in text
    assert "no column 'branch' (--cluster)" in text
    assert "no column 'no' (--ignore)" in text


@pytest.mark.parametrize(
    ("change", "asked", "text"),
    [
        ({"job": "a"}, {}, "every row is of the cluster 'a'"),
        ({"job": None}, {}, "no row has a value"),
        ({}, {"seen": 1}, "1 seen cluster: there must be two"),
        ({}, {"seen": 9}, "--seen 9: there are 4 clusters"),
        ({"job": np.arange(N)}, {}, "tell rows apart"),
        (
            {"pay": np.where(np.arange(N) == 4, np.inf, 1.0)},
            {"label": "pay", "task": "regression"},
            "infinite in 1 row",
        ),
        ({"pay": np.nan}, {"label": "pay", "task": "regression"}, "missing or infinite"),
        ({"pay": 1.0}, {"label": "pay", "task": "regression"}, "the same in every row"),
        ({}, {"positive": "1", "label": "pay", "task": "regression"}, "no positive value"),
        ({}, {"label": "town"}, "the label is missing"),
        ({"sex": ["f", None] * (N // 2)}, {}, "--missing-attr"),
        ({}, {"features": ("job", "age")}, "--features names the cluster 'job'"),
        ({}, {"features": ("label",)}, "--features names the label 'label'"),
        ({}, {"kinds": {"nothing": "category"}}, "--kind"),
        ({}, {"cluster": "label"}, "both the label and the cluster"),
        ({}, {"attributes": ("label",), "bins": None}, "both the label and an attribute"),
        ({"town": [f"t{row}" for row in range(N)]}, {}, "240 different values in 240 rows"),
        ({"label": lambda f: (~f["job"].isin(["a", "b"])).astype(int)}, {"seen": 2}, "hold one label value only"),
    ],
)
def test_refused(change: dict[str, Any], asked: dict[str, Any], text: str) -> None:
    assert text in refused(frame().assign(**change), **asked)


def test_the_cluster_may_be_an_attribute_too() -> None:
    found = read(attributes=("job",), bins=None, seen=3, missing_attr="group")
    assert not found.attributes["job"].is_input
    assert found.contract(found.index).attribute("job") is not None


def test_missing_attributes_dropped_or_a_group() -> None:
    table = frame().assign(sex=lambda f: f["sex"].where(np.arange(N) % 10 > 0))
    dropped = read(table, missing_attr="drop")
    assert (dropped.n, dropped.dropped) == (N - N // 10, N // 10)
    assert (dropped.rows % 10 != 1).all()
    grouped = read(table, missing_attr="group")
    assert grouped.attributes["sex"].groups == ("f", "m", "(missing)")
    sex = next(cell.feature for cell in grouped.cells if cell.feature.column == "sex")
    assert sex.missing == "category"
