"""--card and --mlflow as they are typed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tests.run.world import ASKED, call, content

REPAIR = ("threshold", "model.pt", *ASKED, "--out", "out.pt")
pytestmark = [pytest.mark.usefixtures("place"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def rows(query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect("runs.db") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_a_card_of_what_was_written_or_audited() -> None:
    assert call(*REPAIR, "--eps", "0.3", "--card", "card.md", "--card-license", "mit").code == 0
    data = ModelCard(Path("card.md").read_text()).data
    assert (data.license, data.model_name) == ("mit", "out.pt")
    assert call("audit", "model.pt", *ASKED, "--card", "audit.md").code == 0
    assert ModelCard(Path("audit.md").read_text()).data.model_name == "model.pt"
    best = ("--methods", "threshold", "--workers", "1", "--out", "best.pt", "--card", "best.md")
    told = call("compare", "model.pt", *ASKED, "--eps", "0.3", *best)
    assert told.code == 0 and ModelCard(Path("best.md").read_text()).data.model_name == "best.pt"


def test_no_model_no_card() -> None:
    told = call("audit", "model.pt", *ASKED, "--eps", "0.001", "--card", "card.md")
    assert told.code == 1 and Path("card.md").exists()  # the file audited is there whatever the verdict
    missed = call(*REPAIR, "--eps", "0.02", "--margin", "0.001", "--min-performance", "0.7", "--card", "none.md")
    assert missed.code == 1 and not Path("none.md").exists() and not Path("out.pt").exists()
    assert "No card was written: the run wrote no model" in missed.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--card", "card.txt"), "does not end in .md"),
        (("--card", "rows.csv"), "is an input of this run"),
        (("--card", "none/card.md"), "the folder none does not exist"),
        (("--card", "r.md", "--report", "r.md"), "is written by"),
        (("--card-license", "mit"), "belongs to --card"),
        (("--card", "card.md", "--card-license", "my own words"), "is no identifier of a licence"),
        (("--mlflow", "runs.db"), "is no address of a store"),
        (("--mlflow", "sqlite:///runs.db", "--mlflow-experiment", " "), "--mlflow-experiment: is empty"),
    ],
)
def test_what_cannot_be_is_told_before_the_work(flags: tuple[str, ...], message: str) -> None:
    before = content(Path())
    told = call(*REPAIR, "--eps", "0.3", *flags, "--force")
    assert told.code == 2 and message in told.err
    assert content(Path()) == before


def test_runs_of_every_verb_in_a_store(place: Path) -> None:
    pytest.importorskip("mlflow")
    store = ("--mlflow", "sqlite:///runs.db", "--mlflow-experiment", "loans", "-q")
    assert call("audit", "model.pt", *ASKED, *store).code == 0
    assert call(*REPAIR, "--eps", "0.3", *store, "--card", "card.md", "--report", "r.html").code == 0
    trained = call("train", "nnet", *ASKED, "--epochs", "1", "--warmup", "0", "--out", "new.pt", *store)
    assert trained.code == 0, trained.err
    assert rows("select name from experiments where name != 'Default'") == [("loans",)]
    names = [name for (name,) in rows("select name from runs order by start_time")]
    assert names == ["debias audit model.pt", "debias threshold model.pt", "debias train nnet"]
    assert {status for (status,) in rows("select status from runs")} == {"FINISHED"}
    places = dict(rows("select name, artifact_uri from runs"))
    kept = Path(places["debias threshold model.pt"].removeprefix("file://"))
    found = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert found == {"report.json", "reports/card.md", "reports/r.html", "model/out.pt"}
    assert (kept / "model" / "out.pt").read_bytes() == (place / "out.pt").read_bytes()


def test_a_store_that_fails_loses_nothing() -> None:
    pytest.importorskip("mlflow")
    told = call(
        *REPAIR, "--eps", "0.3", "--mlflow", "http://me:secret@127.0.0.1:9", "--report", "r.md", "--card", "c.md"
    )
    assert told.code == 2 and told.out.startswith("PASS")
    assert "could not be logged" in told.err and "secret" not in told.err
    assert Path("out.pt").exists() and Path("r.md").exists() and Path("c.md").exists()


def test_other_verbs_have_no_tracker() -> None:
    for verb in ("inspect", "verify", "tune", "data"):
        assert "--mlflow" not in call(verb, "--help").out
