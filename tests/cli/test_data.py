"""`debias data`: the list, what is known of a data set, and the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from debias.cli.main import app
from debias.data.catalog import SOURCES
from tests.data.catalog import made


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["data", *arguments])


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "official").mkdir()
    return made.adult(tmp_path / "official")


def test_alone_it_lists_every_data_set() -> None:
    result = call()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for source in SOURCES.values():
        line = next(line for line in lines if line.startswith(f"{source.name} "))
        assert source.use.label in line


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("width", ["60", "100", "200"])
def test_a_name_alone_says_what_is_known(name: str, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    result = call(name)
    assert result.exit_code == 0
    flowing = " ".join(result.stdout.split())
    source = SOURCES[name]
    for text in (source.title, source.address, source.licence, *source.choices, *source.files):
        assert " ".join(text.split()) in flowing
    for use in (source.use, *source.presets.values()):
        assert f"--label {use.label}" in flowing
        assert " ".join(use.text.split()) in flowing
    words = [word for line in result.stdout.splitlines() if len(line) > int(width) for word in line.split()]
    assert all(len(word) > 30 for word in words if len(words) == 1)


def test_as_json() -> None:
    listed = json.loads(call("--json").stdout)
    assert [entry["name"] for entry in listed] == list(SOURCES)
    one = json.loads(call("adult", "--json").stdout)
    assert one["presets"]["fair-medl"]["cluster"] == "occupation"
    assert one["table"]["rows"]["train"] == 32_561


@pytest.mark.usefixtures("official")
def test_the_table_is_written_and_its_columns_told() -> None:
    result = call("adult", "official", "--for", "fair-medl", "--out", "a.csv", "--allow-other-counts")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "official has 5 rows; published: 32,561" in result.stderr
    assert "written: a.csv (4 rows, 14 columns)" in result.stderr
    assert (
        "--label income --positive '>50K' --cluster occupation --attr sex --attr age_bracket --attr race "
        "--attr marital-status --ignore age" in result.stderr
    )
    assert len(pd.read_csv("a.csv")) == 4


@pytest.mark.usefixtures("official")
def test_flags_reach_the_table() -> None:
    table = ("adult", "official", "--out", "a.csv", "--allow-other-counts", "--force")
    for flags, rows in ((("--part", "both"), 7), (("--unique",), 4), (("--for", "fair-medl", "--repeats"), 5)):
        assert call(*table, *flags).exit_code == 0
        assert len(pd.read_csv("a.csv")) == rows


@pytest.mark.usefixtures("official")
def test_the_table_as_json() -> None:
    result = call("adult", "official", "--out", "a.csv", "--allow-other-counts", "--json")
    document = json.loads(result.stdout)
    assert document["rows"] == 5
    assert document["table"]["label"] in document["columns"]


@pytest.mark.usefixtures("official")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("adult", "official", "--out", "a.csv"), "has 5 rows; published: 32,561"),
        (("adult", "official"), "--out: the table needs a name"),
        (("adult", "--for", "fair-medl"), "--out: the table needs a name"),
        (("--out", "a.csv"), "names no data set"),
        (("adlut",), "Did you mean 'adult'?"),
        (("adult", "absent", "--out", "a.csv"), "absent: no such file or folder"),
        (("adult", "official", "--out", "a.xls"), "unknown ending"),
        (("heritage", "--out", "a.csv"), "heritage needs its official files"),
    ],
)
def test_errors_are_one_message_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not Path("a.csv").exists()


def test_help_names_every_data_set() -> None:
    text = " ".join(call("--help").stdout.replace("│", " ").split())
    for name in SOURCES:
        assert name in text
