"""The lender: seeded, realistic in its columns, and unequal enough to be an example."""

from __future__ import annotations

import numpy as np
import pandas as pd

from debias.data.lender import ATTRIBUTE, BRANCH_NAMES, CLUSTER, FEATURES, LABEL, lender_table


def test_seeded() -> None:
    pd.testing.assert_frame_equal(lender_table(200, 4), lender_table(200, 4))
    assert not lender_table(200, 4).equals(lender_table(200, 5))


def test_columns() -> None:
    frame = lender_table(3000, 0)
    assert list(frame) == [ATTRIBUTE, CLUSTER, *FEATURES, LABEL]
    assert set(frame[CLUSTER]) == set(BRANCH_NAMES)
    assert len(BRANCH_NAMES) == 30
    assert set(frame[LABEL]) == {"yes", "no"}
    assert set(frame[ATTRIBUTE]) == {"female", "male"}
    gaps = frame.isna().sum()
    assert set(gaps[gaps > 0].index) == {"credit_history_years", "savings"}
    assert frame["age"].between(18, 79).all()
    assert (frame["credit_history_years"].fillna(0) <= frame["age"] - 18).all()


def test_the_groups_differ() -> None:
    frame = lender_table(8000, 0)
    repaid = (frame[LABEL] == "yes").groupby(frame[ATTRIBUTE]).mean()
    assert 0.07 < repaid["male"] - repaid["female"] < 0.17
    income = frame.groupby(ATTRIBUTE)["income"].median()
    assert 0.6 < income["female"] / income["male"] < 0.9


def test_a_plain_model_misses_the_bound_and_a_threshold_alone_is_dear() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    train, valid = lender_table(8000, 1), lender_table(8000, 2)
    numeric = train[list(FEATURES)].select_dtypes("number").columns.tolist()
    others = [name for name in FEATURES if name not in numeric]
    model = make_pipeline(
        make_column_transformer((make_pipeline(SimpleImputer(), StandardScaler()), numeric), (OneHotEncoder(), others)),
        LogisticRegression(max_iter=1000),
    ).fit(train[list(FEATURES)], train[LABEL] == "yes")
    scores = model.predict_proba(valid[list(FEATURES)])[:, 1]
    y, female = (valid[LABEL] == "yes").to_numpy(), (valid[ATTRIBUTE] == "female").to_numpy()
    figures = []
    for cut in np.quantile(scores, np.linspace(0.005, 0.995, 199)):
        decided = scores > cut
        balanced = (decided[y].mean() + (~decided[~y]).mean()) / 2
        figures.append((balanced, decided[female].mean() - decided[~female].mean()))
    balanced, parity = np.array(figures).T
    assert 0.73 < balanced.max() < 0.80
    assert -0.25 < parity[balanced.argmax()] < -0.15
    within = np.abs(parity) < 0.05
    assert 0.52 < balanced[within].max() < balanced.max() - 0.1
