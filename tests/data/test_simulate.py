"""The simulations: seeded, with the moments and odds that the paper's appendix D.1 states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from scipy import stats
from typer.testing import CliRunner

from debias.cli import simulate
from debias.data.simulate import COVARIANCES, LOH_FEATURES, MEANS, loh_table, share_of_one, zafar_table
from debias.errors import UsageError

N = 60_000


def test_seeded() -> None:
    pd.testing.assert_frame_equal(loh_table(200, 1.0, 4), loh_table(200, 1.0, 4))
    assert not loh_table(200, 1.0, 4).equals(loh_table(200, 1.0, 5))
    pd.testing.assert_frame_equal(zafar_table(200, 1.0, 4), zafar_table(200, 1.0, 4))
    assert not zafar_table(200, 1.0, 4).equals(zafar_table(200, 1.0, 5))
    assert not zafar_table(200, 1.0, 4)["x1"].equals(zafar_table(200, 1.0, 4, map_seed=1)["x1"])


def test_loh_features_have_the_marginals_and_correlations_of_the_text() -> None:
    table = loh_table(N, 1.5, 1)
    assert list(table) == [*LOH_FEATURES, "a", "y"]
    for j in (1, 2, 3, 7, 8, 9, 10):
        assert stats.kstest(table[f"x{j}"], "norm").pvalue > 1e-4
    assert stats.kstest(table["x4"], "expon").pvalue > 1e-4
    assert table["x5"].mean() == pytest.approx(0.5, abs=0.01)
    assert table["x6"].value_counts(normalize=True).sort_index().to_dict() == pytest.approx(
        dict.fromkeys(range(1, 11), 0.1), abs=0.006
    )
    expected = pd.DataFrame(np.eye(10), index=LOH_FEATURES, columns=list(LOH_FEATURES))
    expected.loc["x2", "x3"] = expected.loc["x3", "x2"] = 0.5
    last = ["x7", "x8", "x9", "x10"]
    expected.loc[last, last] = 0.5 + 0.5 * np.eye(4)
    np.testing.assert_allclose(table[list(LOH_FEATURES)].corr(), expected, atol=0.02)


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_loh_label_follows_equation_9(alpha: float) -> None:
    from sklearn.linear_model import LogisticRegression

    table = loh_table(N, alpha, 2)
    design = table[["x1", "x2", "x3", "x5", "x9"]].assign(both=table["a"] * (table["x6"] % 2), a=table["a"])
    found = LogisticRegression(C=1e6, max_iter=1000).fit(design, table["y"])
    np.testing.assert_allclose(found.coef_[0], [0.5, 0.5, 0, -0.5, 0, 2 * alpha, 0], atol=0.09)
    assert found.intercept_[0] == pytest.approx(0, abs=0.06)


def test_loh_attribute_is_independent_of_the_features() -> None:
    table = loh_table(N, 2.5, 3)
    assert table["a"].mean() == pytest.approx(0.5, abs=0.01)
    assert table[list(LOH_FEATURES)].corrwith(table["a"]).abs().max() < 0.02
    rates = table.groupby("a")["y"].mean()
    assert rates[1] - rates[0] > 0.2
    level = loh_table(N, 0.0, 3).groupby("a")["y"].mean()
    assert level[1] - level[0] == pytest.approx(0, abs=0.02)


def test_zafar_share_is_the_ratio_of_the_densities() -> None:
    points = np.random.default_rng(0).normal(0, 4, (50, 2))
    none, one = (stats.multivariate_normal(MEANS[y], COVARIANCES[y]).pdf(points) for y in (0, 1))
    np.testing.assert_allclose(share_of_one(points), one / (one + none), rtol=1e-10)
    far = share_of_one(np.array([[1e4, 1e4], [-1e4, 1e4]]))
    assert np.isfinite(far).all()


def test_zafar_attribute_goes_with_the_label_the_more_the_smaller_the_angle() -> None:
    gaps = []
    for theta in (0.0, 0.7, 0.95, 1.2):
        table = zafar_table(N, theta, 5)
        assert table["y"].mean() == pytest.approx(0.5, abs=0.01)
        rates = table.groupby("a")["y"].mean()
        gaps.append(rates[1] - rates[0])
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] > 0.05


def test_zafar_features_are_a_map_of_two_dimensions_that_tables_of_one_map_share() -> None:
    """Rows of two tables that come from the same latent point would have the same features: neighbours agree."""
    from sklearn.neighbors import KNeighborsClassifier

    one, other = zafar_table(4000, 0.8, 1, width=6), zafar_table(4000, 0.8, 2, width=6)
    features = [f"x{j}" for j in range(1, 7)]
    assert list(one) == [*features, "a", "y"]
    neighbours = KNeighborsClassifier(25).fit(one[features], one["y"])
    assert neighbours.score(other[features], other["y"]) > 0.75
    strange = zafar_table(4000, 0.8, 2, width=6, map_seed=9)
    assert neighbours.score(strange[features], strange["y"]) < neighbours.score(other[features], other["y"])


def test_every_argument_out_of_range_is_told() -> None:
    with pytest.raises(UsageError) as caught:
        loh_table(0, -1.0, -1)
    assert len(caught.value.problems) == 3
    with pytest.raises(UsageError) as caught:
        zafar_table(0, float("nan"), -1, 0, 0, -1)
    assert len(caught.value.problems) == 6


def _run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    simulate.register(app)
    app.callback()(lambda: None)
    found = CliRunner().invoke(app, ["simulate", *arguments])
    return found.exit_code, found.output


def test_the_verb_writes_the_table_that_the_function_returns(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "loh.csv", tmp_path / "zafar.parquet"
    code, said = _run("loh", "--rows", "50", "--alpha", "1.5", "--seed", "3", "--out", str(csv))
    assert (code, "50 rows" in said) == (0, True)
    pd.testing.assert_frame_equal(pd.read_csv(csv), loh_table(50, 1.5, 3), check_exact=True)
    code, _ = _run("zafar", "--rows", "40", "--theta", "0.9", "--width", "4", "--map-seed", "2", "--out", str(parquet))
    assert code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), zafar_table(40, 0.9, 0, 4, map_seed=2))
    assert {path.name for path in tmp_path.iterdir()} == {"loh.csv", "zafar.parquet"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["loh", "--rows", "5"], "loh needs --alpha"),
        (["zafar", "--rows", "5"], "zafar needs --theta"),
        (["loh", "--rows", "5", "--alpha", "1", "--theta", "1"], "no such setting"),
        (["zafar", "--rows", "5", "--theta", "1", "--alpha", "1"], "no such setting"),
        (["loh", "--rows", "0", "--alpha", "1"], "no number of rows"),
    ],
)
def test_what_is_wrong_with_the_flags_is_told_and_nothing_written(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    code, said = _run(*arguments, "--out", str(tmp_path / "t.csv"))
    assert code == 2
    assert told in said
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("mine")
    assert _run("loh", "--rows", "5", "--alpha", "1", "--out", str(path))[0] == 2
    assert path.read_text() == "mine"
    assert _run("loh", "--rows", "5", "--alpha", "1", "--out", str(path), "--force")[0] == 0
    assert _run("loh", "--rows", "5", "--alpha", "1", "--out", str(tmp_path / "t.xlsx"))[0] == 2
