"""Tables from OpenML, with a made-up answer in place of the network."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest

from debias.data.catalog import SOURCES, Request, Tidy, openml
from debias.errors import DataError
from tests.data.catalog import made

# the function of the same name hides the module
ADULT = import_module("debias.data.catalog.adult")


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[pd.DataFrame | Exception], list[int]]:
    def prepare(result: pd.DataFrame | Exception) -> list[int]:
        asked: list[int] = []

        def fetch(identifier: int) -> pd.DataFrame:
            asked.append(identifier)
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(openml, "_fetch", fetch)
        return asked

    return prepare


def tidy(name: str, **settings: object) -> Tidy:
    return SOURCES[name].make(Request(source=None, **{"exact": False, **settings}))  # type: ignore[arg-type]


def _adult_rows(text: str) -> list[list[str]]:
    return [line.rstrip(".").split(", ") for line in text.splitlines() if ", " in line]


def _adult() -> pd.DataFrame:
    """Return the table as OpenML has it: test rows first, the label named class, '?' missing, text as categories."""
    rows = _adult_rows(made.ADULT_TEST) + _adult_rows(made.ADULT_TRAIN)
    frame = pd.DataFrame(rows, columns=[*made.ADULT_COLUMNS[:-1], "class"]).replace("?", np.nan)
    for name in frame.columns:
        numeric = name in ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
        frame[name] = frame[name].astype("int64" if numeric else "category")
    return frame


def test_adult(answer: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(_adult())
    frame = tidy("adult", part="both").frame
    assert asked == [1590]
    assert frame["age"].tolist() == [25, 45, 39, 30, 31, 31, 46]
    assert list(frame.columns) == made.ADULT_COLUMNS
    assert frame["occupation"].tolist()[4] == "?"
    assert frame["income"].tolist()[:3] == ["<=50K", ">50K", "<=50K"]
    monkeypatch.setattr(ADULT, "TRAIN", 5)
    monkeypatch.setattr(ADULT, "TEST", 2)
    assert tidy("adult", part="train").frame["age"].tolist() == [39, 30, 31, 31, 46]
    assert tidy("adult", part="test").frame["age"].tolist() == [25, 45]


def test_adult_whose_parts_cannot_be_told(answer: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    answer(_adult().iloc[::-1].reset_index(drop=True))
    for name, value in {"TRAIN": 5, "TEST": 2, "BOTH": 7}.items():
        monkeypatch.setattr(ADULT, name, value)
    with pytest.raises(DataError, match=r"the rows of adult.data cannot be told"):
        tidy("adult")


def test_bank(answer: Callable[..., list[int]]) -> None:
    rows = [line.replace('"', "").split(";") for line in made.BANK_FULL.splitlines()[1:]]
    frame = pd.DataFrame(rows, columns=[*(f"V{i}" for i in range(1, 17)), "Class"])
    frame["Class"] = frame["Class"].map({"no": "1", "yes": "2"}).astype("category")
    for name in ("V1", "V6", "V10", "V12", "V13", "V14", "V15"):
        frame[name] = frame[name].astype("int64")
    asked = answer(frame)
    found = tidy("bank").frame
    assert asked == [1461]
    assert found["y"].tolist() == ["no", "yes"]
    assert found["balance"].tolist() == [2143, -29]
    assert list(found.columns)[:3] == ["age", "job", "marital"]
    with pytest.raises(DataError, match="OpenML has the full table only"):
        tidy("bank", preset="parity-proxies")
    answer(frame.drop(columns="V16"))
    with pytest.raises(DataError, match=r"has 16 columns; bank-full.csv has 17"):
        tidy("bank")


def _compas() -> pd.DataFrame:
    columns = {
        "sex": [1, 1, 0],
        "age": [69, 34, 24],
        "juv_fel_count": [0, 0, 1],
        "juv_misd_count": [0, 0, 0],
        "juv_other_count": [0, 0, 0],
        "priors_count": [0, 3, 4],
        "age_cat_25-45": [0, 1, 0],
        "age_cat_Greaterthan45": [1, 0, 0],
        "age_cat_Lessthan25": [0, 0, 1],
        "race_African-American": [0, 1, 1],
        "race_Caucasian": [1, 0, 0],
        "c_charge_degree_F": [1, 1, 0],
        "c_charge_degree_M": [0, 0, 1],
        "twoyearrecid": ["0", "1", "1"],
    }
    return pd.DataFrame(columns)


def test_compas(answer: Callable[..., list[int]]) -> None:
    asked = answer(_compas())
    result = tidy("compas")
    frame = result.frame
    assert asked == [42193]
    assert frame["sex"].tolist() == ["Male", "Male", "Female"]
    assert frame["race"].tolist() == ["Caucasian", "African-American", "African-American"]
    assert frame["age_cat"].tolist() == ["Greater than 45", "25 - 45", "Less than 25"]
    assert frame["c_charge_degree"].tolist() == ["F", "F", "M"]
    assert frame["two_year_recid"].tolist() == [0, 1, 1]
    assert any("two races" in note for note in result.notes)
    answer(_compas().assign(race_Caucasian=1))
    with pytest.raises(DataError, match="exactly one of"):
        tidy("compas")
    answer(_compas().drop(columns="sex"))
    with pytest.raises(DataError, match="OpenML: lacks the columns 'sex'"):
        tidy("compas")
    with pytest.raises(DataError, match="an extract without the rows and columns of the papers"):
        tidy("compas", preset="parity-proxies")


@pytest.mark.parametrize("error", [URLError("no route to host"), TimeoutError("timed out"), ValueError("not found")])
@pytest.mark.parametrize("name", ["adult", "bank", "compas"])
def test_without_a_network_the_way_out_is_named(answer: Callable[..., list[int]], name: str, error: Exception) -> None:
    answer(error)
    with pytest.raises(DataError, match=r"OpenML: data set \d+ could not be fetched") as caught:
        tidy(name)
    remedy = caught.value.problems[0].remedy
    assert SOURCES[name].address in remedy
    assert SOURCES[name].files[0] in remedy


def test_scikit_learn_is_asked_as_its_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, object]] = []

    class Bunch:
        frame = pd.DataFrame({"a": [1]})

    def fetch_openml(**settings: object) -> Bunch:
        calls.append(settings)
        return Bunch()

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    assert openml.fetch(SOURCES["bank"]).equals(Bunch.frame)
    assert calls == [{"data_id": 1461, "as_frame": True, "parser": "auto"}]
