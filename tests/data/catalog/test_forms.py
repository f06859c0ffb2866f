"""Small tables of the official forms: what is refused, and MIMIC-III, which cannot be had here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data import catalog
from debias.errors import DataError

SAPS = {
    "heartrate": (80.0, 120.0, 95.0, 60.0),
    "sysbp": (120.0, 80.0, 101.0, 99.0),
    "tempc": (36.6, 38.2, 37.0, 36.9),
    "pao2fio2_vent": (0.0, 250.0, 0.0, 310.5),
    "urineoutput": (1500.0, 300.0, 900.0, 20.0),
    "bun": (15.0, 60.0, 22.0, 33.0),
    "wbc": (8.0, 19.5, 11.0, 3.0),
    "potassium": (4.0, 5.5, 3.9, 4.2),
    "sodium": (140.0, 128.0, 136.0, 141.0),
    "bicarbonate": (24.0, 15.0, 21.0, 26.0),
    "bilirubin": (0.7, 4.0, 1.1, 0.5),
}


def _admissions() -> pd.DataFrame:
    """Return made-up admissions in the form of the preprocessed table, numbers as extremes."""
    numbers = {f"{name}_{end}": values for name, values in SAPS.items() for end in ("max", "min")}
    return pd.DataFrame(
        {
            "age": (45.2, 78.0, 77.9, 91.4),
            **numbers,
            "mingcs": (15.0, 3.0, 15.0, 8.0),
            "aids": (0, 0, 1, 0),
            "hem": (0, 0, 0, 0),
            "mets": (0, 1, 0, 0),
            "admissiontype": (0, 2, 1, 2),
            "insurance": ("Private", "Medicare", "Medicaid", "Self Pay"),
            "religion": ("A", "B", "A", "B"),
            "hospital_mort": (0, 1, 0, 1),
            "30_day_mort": (0, 1, 1, 1),
        }
    )


def test_mimic_of_extremes(tmp_path: Path) -> None:
    path = tmp_path / "mimic.csv"
    _admissions().to_csv(path, index=False)
    data = catalog.mimic(path)
    of = dict(zip(data.features, data.x.T, strict=True))
    assert data.y.tolist() == [0, 1, 0, 1]
    assert data.codes.tolist() == of["insurance"].tolist() == [0, 1, 1, 0]
    assert data.groups == ("other insurance", "Medicare or Medicaid")
    assert of["age"].tolist() == [0, 1, 0, 1]
    assert of["bun_max"].tolist() == list(SAPS["bun"])
    assert of["mingcs_3"].tolist() == [0, 1, 0, 0]
    assert of["admissiontype_2"].tolist() == [0, 1, 0, 1]
    assert not {"religion", "30_day_mort", "hospital_mort"} & set(data.features)
    assert data.x.shape == (4, 1 + 2 * 11 + 1 + 3 + 2 + 1 + 2 + 3)


def test_mimic_of_averages(tmp_path: Path) -> None:
    frame = _admissions()
    frame = frame[[name for name in frame if not name.endswith("_min")]].rename(
        columns=lambda name: name.removesuffix("_max")
    )
    path = tmp_path / "mimic.csv"
    frame.to_csv(path, index=False)
    data = catalog.mimic(path)
    assert data.features[:13] == ("age", *SAPS, "insurance")
    np.testing.assert_array_equal(data.x[:, 1:12], np.transpose(list(SAPS.values())))


def test_mimic_says_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "mimic.csv"
    _admissions().drop(columns=["wbc_min", "wbc_max", "insurance"]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"'?wbc'?.*'?insurance'?") as caught:
        catalog.mimic(path)
    assert "credentialed download" in str(caught.value)


def test_mimic_with_gaps_is_refused(tmp_path: Path) -> None:
    frame = _admissions()
    frame.loc[2, "sodium_min"] = np.nan
    path = tmp_path / "mimic.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"missing values.*sodium_min"):
        catalog.mimic(path)


def _bank_rows() -> pd.DataFrame:
    row = dict.fromkeys(
        ("job", "marital", "education", "default", "housing", "loan", "contact", "month", "day_of_week", "poutcome"),
        "a",
    )
    numbers = ("duration", "campaign", "pdays", "previous", "emp.var.rate", "cons.price.idx", "cons.conf.idx")
    row |= dict.fromkeys((*numbers, "euribor3m", "nr.employed"), 1)
    return pd.DataFrame([{**row, "age": 24 + k, "y": "yes"} for k in range(3)])


def test_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    _bank_rows().to_csv(path, index=False)
    with pytest.raises(DataError, match=r"gives 3 rows and 20 features; the published data have 30,488 and 57"):
        catalog.bank(path)


def test_other_labels_and_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    _bank_rows().assign(y="maybe").to_csv(path, index=False)
    with pytest.raises(DataError, match="maybe"):
        catalog.bank(path)
    _bank_rows().assign(pdays="never").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"never.*no number"):
        catalog.bank(path)
    _bank_rows().drop(columns=["age", "month"]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"lacks the columns.*age.*month"):
        catalog.bank(path)


@pytest.mark.parametrize("name", ["adult", "bank", "compas", "mimic"])
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        getattr(catalog, name)(tmp_path / "absent.csv")
