"""`data_set`: the table returned and written, whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from debias.data.tables import read_table
from debias.errors import DataError, DebiasError, UsageError, WriteError
from debias.run.catalog import data_set
from tests.data.catalog import made


def _adult(folder: Path, out: str | None = None, **settings: object) -> pd.DataFrame:
    source = folder / "official"
    if not source.exists():
        source.mkdir()
        made.adult(source)
    settings = {"allow_other_counts": True, **settings}
    return data_set("adult", source, folder / out if out else None, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("out", ["a.csv", "a.csv.gz", "A.CSV", "a.parquet"])
def test_what_is_written_is_what_is_returned(tmp_path: Path, out: str) -> None:
    frame = _adult(tmp_path, out)
    pd.testing.assert_frame_equal(read_table(tmp_path / out).frame, frame, check_dtype=False, check_column_type=False)


@pytest.mark.parametrize("out", ["a.csv", "a.csv.gz", "a.parquet"])
def test_two_runs_write_the_same_bytes(tmp_path: Path, out: str) -> None:
    _adult(tmp_path, out)
    first = (tmp_path / out).read_bytes()
    _adult(tmp_path, out, force=True)
    assert (tmp_path / out).read_bytes() == first


def test_missing_cells_stay_missing_and_numbers_whole(tmp_path: Path) -> None:
    source = tmp_path / "official"
    source.mkdir()
    frame = data_set("heritage", made.heritage(source), tmp_path / "h.csv.gz", allow_other_counts=True)
    text = gzip.decompress((tmp_path / "h.csv.gz").read_bytes()).decode()
    back = read_table(tmp_path / "h.csv.gz").frame
    assert back["sex"].isna().tolist() == frame["sex"].isna().tolist()
    assert back["drugs"].dtype == "int64"
    assert back["pay_delay"].tolist() == pytest.approx(frame["pay_delay"].tolist(), nan_ok=True, abs=0)
    assert "\r" not in text


def test_notes_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    _adult(tmp_path, note=told.append)
    assert told == [f"{tmp_path / 'official'} has 5 rows; published: 32,561 (adult.data)."]


def test_nothing_is_written_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="32,561"):
        _adult(tmp_path, "a.csv", allow_other_counts=False)
    (tmp_path / "official" / "adult.data").write_text("39, x\n")
    with pytest.raises(DataError, match="other than 15 columns"):
        _adult(tmp_path, "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["official"]


def test_files_that_exist_or_are_read_are_kept(tmp_path: Path) -> None:
    _adult(tmp_path, "a.csv")
    with pytest.raises(WriteError, match="exists already"):
        _adult(tmp_path, "a.csv")
    official = tmp_path / "official" / "adult.data"
    official.rename(tmp_path / "adult.csv")
    with pytest.raises(WriteError, match="is an input"):
        data_set("adult", tmp_path / "adult.csv", tmp_path / "adult.csv", allow_other_counts=True, force=True)
    made.acs(tmp_path)
    with pytest.raises(WriteError, match="is an input"):
        data_set("acs", tmp_path, tmp_path / "psam_p06.csv", allow_other_counts=True, force=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "adlut"}, r"'adlut' is no data set of the catalog\n  Did you mean 'adult'"),
        ({"name": "x"}, r"There are adult, bank, compas, acs, law-school, mimic, heritage, ipums"),
        (
            {"name": "acs", "preset": "parity-proxies"},
            r"--for: acs has no table for 'parity-proxies'\n  acs has 'fair-",
        ),
        ({"name": "law-school", "preset": "fair-medl"}, r"law-school has none: leave it out"),
        ({"name": "adult", "part": "Y2"}, r"--part: adult has no part 'Y2'\n  adult has train, test, both"),
        ({"name": "acs", "part": "train"}, r"acs has no part 'train'\n  Leave it out"),
        ({"name": "bank", "unique": True}, r"repeated rows of bank are different persons"),
        (
            {"name": "heritage", "source": None},
            r"SOURCE: heritage needs its official files\n.*Members.csv.*foreverdata",
        ),
        ({"name": "adult", "out": "a.xlsx"}, r"unknown ending\n  End the name in .csv, .csv.gz or .parquet"),
        ({"name": "adult", "out": "absent/a.csv"}, r"the folder .*absent does not exist"),
    ],
)
def test_what_is_asked_wrongly(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {"source": tmp_path, **settings}
    if "out" in asked:
        asked["out"] = tmp_path / str(asked["out"])
    with pytest.raises(DebiasError, match=message):
        data_set(**asked)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        data_set("acs", None, preset="parity-proxies", part="train", unique=True)
    assert len(caught.value.problems) == 4
