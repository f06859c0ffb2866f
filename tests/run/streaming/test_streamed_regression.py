"""The audit of a regression in batches beside that of the whole table: every entry of the report is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import debias
from debias.errors import DebiasError
from debias.fairness import histogram
from tests.run.streaming.world import FEATURES, Net, alike, both, save, table, write

NUMBER: dict[str, Any] = {"label": "score", "positive": None, "features": FEATURES, "output_kind": "value"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("numbers")
    for ending in ("parquet", "csv"):
        write(table(700), place / f"rows.{ending}", 150)
    save(Net(), place / "net.pt")
    return place


CASES: dict[str, dict[str, Any]] = {
    "one attribute": {"attr": "sex", "eps": 0.05},
    "no bound": {"attr": "sex"},
    "errors": {"attr": ["sex", "race"], "missing_attr": "group", "eps": 5.0, "metric": "mse-dispersion"},
    "missing left out": {"attr": ["race", "sex"], "missing_attr": "drop", "eps": 0.3, "confidence": 0.9},
    "intersection": {"attr": ["sex*race", "age"], "missing_attr": "group", "bins": "age=3", "min_group": 30},
    "weights": {"attr": ["sex", "race"], "missing_attr": "group", "weight": "w", "eps": 0.5, "sd_ddof": 1},
    "low is favourable": {"attr": ["sex", "age"], "bins": "age=40,", "favorable": "negative", "eps": 0.4},
    "low is favourable, weights": {"attr": "race", "missing_attr": "drop", "favorable": "negative", "weight": "w"},
    "errors at a confidence": {"attr": "sex", "metric": "mse-dispersion", "confidence": 0.95, "eps": 2.0},
    "its input is the attribute": {"attr": "sex_code", "eps": 0.1},
}


@pytest.mark.parametrize("case", CASES)
def test_as_of_the_whole_table(place: Path, case: str) -> None:
    data = place / ("rows.csv" if case == "one attribute" else "rows.parquet")
    whole, parts = both(place / "net.pt", data, **NUMBER | CASES[case])
    assert not alike(whole, parts)
    assert parts.before.r2 is not None
    assert parts.streaming is not None
    assert parts.streaming.exact
    assert parts.streaming.auroc_low is None
    assert len(parts.impacts[0].before) == 1


def test_predictions_in_few_bins(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "default_bins", lambda _: 64)
    whole, parts = both(place / "net.pt", place / "rows.parquet", attr="sex", eps=0.1, **NUMBER)
    told = parts.streaming
    assert told is not None
    assert not told.exact
    assert not alike(whole, parts, "impacts", "notes")
    scoring = whole.impacts[0].before[0], parts.impacts[0].before[0]
    assert told.median_low <= scoring[0].median <= told.median_high
    for one, two in zip(scoring[0].groups, scoring[1].groups, strict=True):
        assert abs(one.rate - two.rate) * one.n <= told.median_share * whole.before.n + 1e-9


FAULTS: dict[str, tuple[tuple[Any, Any], dict[str, Any], str]] = {
    "a gap": ((500, np.nan), {}, r"column 'score': the target is missing or infinite in 1 row: row 501"),
    "infinite": ((20, -np.inf), {}, r"column 'score': the target is missing or infinite in 1 row: row 21"),
    "all the same": ((slice(None), 3.5), {}, r"column 'score': the target is the same in every row"),
    "a positive value": ((0, 1.0), {"positive": "yes"}, r"predicts a number, which has no positive value"),
    "a metric of decisions": ((0, 1.0), {"metric": "spd"}, r"is not for a network that predicts a number"),
    "no weight": ((0, 1.0), {"weight": "nothing"}, r"every weight is 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_as_of_the_whole_table(place: Path, tmp_path: Path, fault: str) -> None:
    (rows, value), asked, said = FAULTS[fault]
    frame = table(700).assign(nothing=0.0)
    frame.iloc[rows, frame.columns.get_loc("score")] = value
    data = write(frame, tmp_path / "rows.parquet")
    for stream in (True, False):
        with pytest.raises(DebiasError, match=said):
            debias.audit(place / "net.pt", data, stream=stream, **NUMBER | {"attr": "sex"} | asked)
