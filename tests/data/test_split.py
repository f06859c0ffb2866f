"""The split: every row once, strata and clusters as stated, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from debias.data.sample import Attribute, Sample
from debias.data.split import holdout, overlap
from debias.errors import DataError, UsageError


def sample(codes: list[int], y: list[int], cluster: list[int] | None = None) -> Sample:
    n = len(y)
    return Sample(
        inputs={"features": torch.arange(n, dtype=torch.float32).reshape(-1, 1)},
        y=np.array(y, dtype=np.int64),
        attributes={"sex": Attribute("sex", np.array(codes, dtype=np.int64), ("f", "m"))},
        rows=np.arange(1, n + 1),
        cluster=None if cluster is None else np.array(cluster, dtype=np.int64),
        hashes=np.arange(n, dtype=np.uint64),
    )


rows = st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 1), st.integers(0, 9)), min_size=2, max_size=80)


@given(rows, st.floats(0.01, 0.99), st.integers(0, 99))
def test_every_row_once_and_strata_on_both_sides(cells: list[tuple[int, int, int]], share: float, seed: int) -> None:
    data = sample([c for c, _, _ in cells], [y for _, y, _ in cells])
    split = holdout(data, "sex", share, seed)
    assert sorted([*split.selection, *split.verdict]) == list(range(len(cells)))
    assert (np.diff(split.selection) > 0).all()
    assert (np.diff(split.verdict) > 0).all()
    for stratum in {(c, y) for c, y, _ in cells}:
        members = [i for i, (c, y, _) in enumerate(cells) if (c, y) == stratum]
        judged = len(set(members) & set(split.verdict.tolist()))
        if len(members) == 1:
            assert judged == 0
        else:
            assert 1 <= judged < len(members)
            assert abs(judged - share * len(members)) <= 1
    alone = sum(len([1 for c, y, _ in cells if (c, y) == s]) == 1 for s in {(c, y) for c, y, _ in cells})
    assert len(split.kept_whole) == alone
    again = holdout(data, "sex", share, seed)
    assert again.verdict.tolist() == split.verdict.tolist()


@given(rows, st.floats(0.05, 0.95), st.integers(0, 99))
def test_clusters_stay_together(cells: list[tuple[int, int, int]], share: float, seed: int) -> None:
    clusters = [k for *_, k in cells]
    data = sample([c for c, _, _ in cells], [y for _, y, _ in cells], clusters)
    if len(set(clusters)) == 1:
        with pytest.raises(DataError, match="one cluster holds all rows"):
            holdout(data, "sex", share, seed)
        return
    split = holdout(data, "sex", share, seed)
    assert sorted([*split.selection, *split.verdict]) == list(range(len(cells)))
    assert len(split.selection)
    assert len(split.verdict)
    names = np.array(clusters)
    assert not set(names[split.selection]) & set(names[split.verdict])


def test_many_clusters_meet_share_and_strata() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.choice(30, 6000, p=np.linspace(6, 1, 30) / np.linspace(6, 1, 30).sum())
    codes, y = rng.integers(0, 2, 6000), (rng.random(6000) < 0.3).astype(int)
    data = sample(codes.tolist(), y.tolist(), cluster.tolist())
    seen = set()
    for seed in range(5):
        split = holdout(data, "sex", 0.3, seed)
        judged = data.take(split.verdict)
        assert abs(len(judged) / 6000 - 0.3) < 0.03
        assert abs(judged.y.mean() - y.mean()) < 0.03
        seen.add(tuple(split.verdict.tolist()))
    assert len(seen) == 5


def test_seeds_differ() -> None:
    data = sample([0, 1] * 50, [0, 0, 1, 1] * 25)
    assert holdout(data, "sex", 0.3, 0).verdict.tolist() != holdout(data, "sex", 0.3, 1).verdict.tolist()


def test_single_rows_stay_with_the_selection_and_are_named() -> None:
    split = holdout(sample([0, 0, 1, 1, 1, -1], [0, 0, 0, 0, 1, 1]), "sex", 0.5, 0)
    assert {4, 5} <= set(split.selection.tolist())
    assert split.kept_whole == ["sex missing, label 1: 1 row", "sex 'm', label 1: 1 row"]


def test_a_single_row_keeps_its_cluster() -> None:
    data = sample([0, 1] * 20 + [-1], [0, 0, 1, 1] * 10 + [1], [i // 4 for i in range(40)] + [3])
    for seed in range(5):
        split = holdout(data, "sex", 0.5, seed)
        assert set(np.flatnonzero(data.cluster == 3)) <= set(split.selection.tolist())
        assert split.kept_whole == ["sex missing, label 1: 1 row"]


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_shares_refused(share: float) -> None:
    with pytest.raises(UsageError, match="is not a share between 0 and 1"):
        holdout(sample([0, 1], [0, 1]), "sex", share, 0)


def test_overlap_counts_rows() -> None:
    data = sample([0, 1, 0, 1], [0, 0, 1, 1])
    assert overlap(data, data) == 4
    assert overlap(data.take(np.array([0])), data) == 1
    assert overlap(data.take(np.array([0])), data.take(np.array([1, 2]))) == 0


# several attributes


def crossed(cells: list[tuple[int, int, int]], cluster: list[int] | None = None) -> Sample:
    """Return a sample of the attributes sex and race from rows of (sex, race, label)."""
    data = sample([c for c, _, _ in cells], [y for *_, y in cells], cluster)
    race = Attribute("race", np.array([r for _, r, _ in cells], dtype=np.int64), ("x", "y", "z"))
    return replace(data, attributes={**data.attributes, "race": race})


pairs = st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 2), st.integers(0, 1)), min_size=2, max_size=80)


@given(pairs, st.floats(0.1, 0.9), st.integers(0, 99))
def test_joint_cells_are_on_both_sides(cells: list[tuple[int, int, int]], share: float, seed: int) -> None:
    data = crossed(cells)
    split = holdout(data, ("sex", "race"), share, seed)
    judged = set(split.verdict.tolist())
    assert sorted([*split.selection, *split.verdict]) == list(range(len(cells)))
    assert (np.diff(split.selection) > 0).all()
    assert (np.diff(split.verdict) > 0).all()
    whole = []
    for name, column in (("sex", 0), ("race", 1)):
        groups = data.attributes[name].groups
        for code, label in sorted({(cell[column], cell[2]) for cell in cells}):
            members = [i for i, cell in enumerate(cells) if (cell[column], cell[2]) == (code, label)]
            if not judged & set(members):
                group = f"'{groups[code]}'" if code >= 0 else "missing"
                whole.append(f"{name} {group}, label {label}: {len(members)} row{'s' if len(members) > 1 else ''}")
    assert sorted(split.kept_whole) == sorted(whole)
    for joint in set(cells):
        members = [i for i, cell in enumerate(cells) if cell == joint]
        if len(members) >= 30:
            assert abs(len(judged & set(members)) - share * len(members)) <= 4
    assert holdout(data, ["sex", "race"], share, seed).verdict.tolist() == split.verdict.tolist()


@given(pairs, st.integers(0, 9))
def test_one_attribute_in_a_sequence_is_the_attribute(cells: list[tuple[int, int, int]], seed: int) -> None:
    data = crossed(cells)
    one, same = holdout(data, "sex", 0.3, seed), holdout(data, ("sex",), 0.3, seed)
    assert one.verdict.tolist() == same.verdict.tolist()
    assert one.kept_whole == same.kept_whole


def test_the_split_of_one_attribute_is_as_it_was() -> None:
    # Figures of version 0.1.0: a seed in an old report still tells its rows.
    rng = np.random.default_rng(1)
    codes, y, cluster = rng.integers(-1, 2, 40), rng.integers(0, 2, 40), rng.integers(0, 12, 40)
    plain = holdout(sample(codes.tolist(), y.tolist()), "sex", 0.3, 5)
    whole = holdout(sample(codes.tolist(), y.tolist(), cluster.tolist()), "sex", 0.3, 5)
    assert plain.verdict.tolist() == [5, 6, 8, 9, 11, 13, 16, 17, 20, 28, 36, 38]
    assert whole.verdict.tolist() == [1, 4, 5, 10, 11, 13, 17, 18, 25, 26, 29, 32]


def test_joint_cells_keep_their_share() -> None:
    rng = np.random.default_rng(0)
    cells = list(zip(rng.integers(0, 2, 3000).tolist(), rng.integers(0, 3, 3000).tolist(), [0, 1] * 1500, strict=True))
    split = holdout(crossed(cells), ("sex", "race"), 0.3, 0)
    for joint in set(cells):
        members = [i for i, cell in enumerate(cells) if cell == joint]
        assert len(set(members) & set(split.verdict.tolist())) == round(0.3 * len(members))


def test_groups_spread_thinly_reach_both_sides() -> None:
    # Every joint cell is a single row; each group has two rows of each label or more.
    cells = [(s, r, y) for s in (0, 1) for r in (0, 1, 2) for y in (0, 1)]
    for seed in range(20):
        split = holdout(crossed(cells), ("sex", "race"), 0.3, seed)
        assert split.kept_whole == []
        for rows in (split.selection, split.verdict):
            assert {(s, y) for s, _, y in np.array(cells)[rows].tolist()} == {(s, y) for s, _, y in cells}
            assert {(r, y) for _, r, y in np.array(cells)[rows].tolist()} == {(r, y) for _, r, y in cells}


def test_clusters_of_several_attributes_stay_together() -> None:
    rng = np.random.default_rng(3)
    cluster = rng.integers(0, 40, 2000)
    race = np.where(cluster < 4, 2, rng.integers(0, 2, 2000))
    cells = list(zip(rng.integers(0, 2, 2000).tolist(), race.tolist(), rng.integers(0, 2, 2000).tolist(), strict=True))
    split = holdout(crossed(cells, cluster.tolist()), ("sex", "race"), 0.3, 0)
    assert not set(cluster[split.selection]) & set(cluster[split.verdict])
    assert abs(len(split.verdict) / 2000 - 0.3) < 0.06
    assert split.kept_whole == []
