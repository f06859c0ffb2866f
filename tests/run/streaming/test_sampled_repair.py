"""A repair that chooses by a sample and is judged in batches, beside the same repair of two tables in memory."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import debias
from debias.data import batches
from debias.data.tables import read_table
from debias.errors import DebiasError
from debias.methods.base import silent
from debias.methods.roc import ROC
from debias.report.values.report import Report
from debias.run.request import Request
from debias.run.streaming.bench import SampledBench, open_sampled
from tests.run.streaming.world import FEATURES, Net, differences, save, table, write
from tests.run.world import told

ASKED: dict[str, Any] = {"label": "label", "positive": "yes", "features": FEATURES, "eps": 0.1, "keep_best": True}
APART = ("created", "command", "rows", "data", "statement", "notes", "selection", "output", "streaming")
UNMEASURED = ("swap", "dispersion", "impacts")

pytestmark = pytest.mark.usefixtures("few_points")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sampled")
    write(table(), place / "rows.parquet")
    write(table(200, seed=5), place / "test.parquet")
    save(Net(nn.Sigmoid()), place / "net.pt")
    return place


def opened(place: Path, **asked: Any) -> SampledBench:
    request = Request(verb="prune", model=place / "net.pt", data=place / "rows.parquet", **ASKED | asked)
    return open_sampled(request, silent, fits=False)


def halves(place: Path, tmp_path: Path, **asked: Any) -> dict[str, Path]:
    """Return the sample and the rest as two files."""
    drawn = opened(place, **asked).drawn
    frame = read_table(place / "rows.parquet").frame
    taken = np.isin(np.arange(1, len(frame) + 1), drawn)
    assert taken.sum() == len(drawn)
    return {
        "data": write(frame[taken], tmp_path / "sample.parquet"),
        "test": write(frame[~taken], tmp_path / "rest.parquet"),
    }


def unlike(one: Report, two: Report) -> list[str]:
    """Return how two reports of repairs differ in what does not say which rows took part."""
    first, second = one.model_dump(), two.model_dump()
    for name in APART:
        del first[name], second[name]
    return [found for found in sorted(differences(first, second)) if not any(part in found for part in UNMEASURED)]


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "threshold": ("threshold", {"attr": "sex"}),
    "prune": ("prune", {"attr": "sex", "steps": 2}),
    "two attributes, weights": ("threshold", {"attr": ["sex", "age"], "bins": "age=40,", "weight": "w"}),
    "a group for missing values": ("threshold", {"attr": "race", "missing_attr": "group", "favorable": "negative"}),
    "a rule for each group": ("roc", {"attr": "sex"}),
    "at a confidence": ("threshold", {"attr": "sex", "confidence": 0.9, "metric": "eqodds"}),
}


@pytest.mark.parametrize("case", CASES)
def test_as_of_two_tables_in_memory(place: Path, tmp_path: Path, case: str) -> None:
    verb, asked = CASES[case]
    steps = {name: asked.pop(name) for name in ("steps",) if name in (asked := dict(asked))}
    sampled = {**asked, "sample_rows": 400}
    repair = getattr(debias, verb)
    files = halves(place, tmp_path, **sampled)
    before = hashlib.sha256((place / "net.pt").read_bytes()).hexdigest()
    parts = repair(place / "net.pt", place / "rows.parquet", out=tmp_path / "a.pt", **ASKED | steps | sampled)
    whole = repair(place / "net.pt", out=tmp_path / "b.pt", **ASKED | steps | asked | files)
    assert not unlike(whole, parts)
    assert hashlib.sha256((place / "net.pt").read_bytes()).hexdigest() == before
    assert parts.rows.verdict_from == "holdout"
    assert (parts.rows.data, parts.rows.selection, parts.rows.verdict) == (1200, 400, 800)
    sample = parts.rows.sample
    assert sample is not None
    assert (sample.rows, sample.of) == (400, 1200)
    for stratum in sample.strata:
        assert abs(stratum.rows - stratum.of / 3) <= 1
    assert "that are not in the sample" in parts.statement


def test_dropped_rows_take_no_part(place: Path, tmp_path: Path) -> None:
    frame = table()
    asked = {"attr": "race", "missing_attr": "drop", "sample_rows": 300}
    report = debias.threshold(place / "net.pt", place / "rows.parquet", out=tmp_path / "a.pt", **ASKED | asked)
    gaps = int(frame["race"].isna().sum())
    assert gaps > 10
    assert report.rows.dropped == report.rows.missing_attribute["data"] == gaps
    assert report.rows.selection + report.rows.verdict == report.rows.data == 1200 - gaps
    assert report.impacts[0].left_out == gaps


def test_batches_change_nothing(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"attr": "sex", "sample_rows": 400}
    one = debias.threshold(place / "net.pt", place / "rows.parquet", out=tmp_path / "a.pt", **ASKED | asked)
    monkeypatch.setattr(batches, "PIECE_ROWS", 250)
    two = debias.threshold(
        place / "net.pt", place / "rows.parquet", out=tmp_path / "b.pt", batch_rows=90, **ASKED | asked
    )
    assert one.rows == two.rows
    assert not unlike(one, two)
    assert (tmp_path / "a.pt").stat().st_size == (tmp_path / "b.pt").stat().st_size


def test_another_process_scores_by_the_same_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PIECE_ROWS", 250)
    bench = opened(place, attr="sex", sample_rows=400)
    attempt = bench.attempt(ROC())
    assert attempt.repair.rule is not None
    scoring = bench.rescoring(bench.file_of(attempt))
    sent = pickle.loads(pickle.dumps(scoring))
    assert sent.network is None
    assert len(bench.streamed.stream.pieces) == 5
    tallies = [each.opened().tally(bench.streamed.stream.pieces[2]) for each in (scoring, sent)]
    assert tallies[0].counts.rows.sum() == 250 - ((bench.drawn > 500) & (bench.drawn <= 750)).sum()
    np.testing.assert_array_equal(tallies[0].counts.rows, tallies[1].counts.rows)
    np.testing.assert_array_equal(tallies[0].scores.high, tallies[1].scores.high)


def test_rows_of_another_table_judge(place: Path, tmp_path: Path) -> None:
    asked = {"attr": "sex", "test": place / "test.parquet"}
    sampled = {"sample_rows": 400}
    files = halves(place, tmp_path, attr="sex", **sampled)
    parts = debias.threshold(place / "net.pt", place / "rows.parquet", out=tmp_path / "a.pt", **ASKED | asked | sampled)
    drawn = opened(place, **asked, **sampled)
    assert drawn.parts.rows.verdict_from == "test"
    # With --test no stratum has to keep a row, which changes nothing where each has many.
    whole = debias.threshold(place / "net.pt", files["data"], out=tmp_path / "b.pt", **ASKED | asked)
    assert not unlike(whole, parts)
    assert parts.rows.verdict == 200
    assert parts.data["data"].rows == 1200


def test_rows_of_the_file_judge_candidates_pooled_with_other_rows(place: Path) -> None:
    bench = opened(place, attr="sex", sample_rows=400, train=place / "test.parquet")
    assert bench.pooled
    assert len(bench.parts.verdict) < 100  # what stands for them
    assert bench.objective.verdict_ratio == 800 / (400 + 200)


def test_figures_are_counted_again_from_the_same_rows(place: Path, tmp_path: Path) -> None:
    out, rows = tmp_path / "a.pt", place / "rows.parquet"
    debias.threshold(place / "net.pt", rows, out=out, attr="sex", sample_rows=400, **ASKED)
    recount = told("verify", out, "--data", rows, "--source", place / "net.pt", "--recount")["recount"]
    assert set(recount["networks"]) == {"before", "best_threshold", "threshold_only", "after"}
    assert recount["compared"] > 50
    assert not recount["differing"]


def test_the_command_repeats_the_run(place: Path, tmp_path: Path) -> None:
    flags = ["--attr", "sex", "--label", "label", "--positive", "yes", "--features", ",".join(FEATURES)]
    flags += ["--eps", "0.1", "--keep-best", "--sample-rows", "400", "--out", str(tmp_path / "a.pt")]
    found = told("threshold", place / "net.pt", "--data", place / "rows.parquet", *flags)
    assert found["rows"]["sample"]["rows"] == 400
    assert "--sample-rows 400" in found["command"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"sample_rows": 1200}, "leaves none of 1,200 for the verdict"),
        ({"sample_rows": 1}, "rows are no sample"),
        ({"sample_rows": 400, "holdout": 0.2}, "judge the repair"),
        ({"sample_rows": 400, "split_by": "race"}, "does not keep clusters whole"),
    ],
)
def test_what_a_sample_cannot_give_is_refused(place: Path, tmp_path: Path, asked: dict[str, Any], found: str) -> None:
    out = tmp_path / "a.pt"
    with pytest.raises(DebiasError) as caught:
        debias.threshold(place / "net.pt", place / "rows.parquet", attr="sex", out=out, **ASKED | asked)
    assert any(found in problem.found for problem in caught.value.problems)
    assert not out.exists()


def test_a_frame_and_a_regression_are_refused(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.pt"
    with pytest.raises(DebiasError, match="only a file can be sampled"):
        debias.threshold(place / "net.pt", table(), attr="sex", sample_rows=400, out=out, **ASKED)
    save(Net(), tmp_path / "value.pt")
    regression = {"label": "score", "features": FEATURES, "eps": 5.0, "output_kind": "value"}
    with pytest.raises(DebiasError, match="predicts a number"):
        debias.prune(tmp_path / "value.pt", place / "rows.parquet", attr="sex", sample_rows=400, out=out, **regression)
    assert not out.exists()
