"""Cross-validation from the table to the report: folds, leakage, what is taken up again, what is refused."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from debias import jobs
from debias.errors import DataError, DebiasError, UsageError
from debias.experiments.crossval import crossval
from debias.experiments.crossval.folds import FoldResult, unpacked
from debias.experiments.crossval.jobs import Bench, Protocol, fold_result
from debias.experiments.variants import Variant, baselines, variants
from debias.report.values.crossval import CrossValidation
from tests.experiments.crossval_table import CLASSES, NUMBERS, SETTINGS, table
from tests.warm import python

KINDS = ("medl", "fair-adb-medl:lambda_fair=1,attr=sex")


def told(found: CrossValidation) -> dict[str, Any]:
    """Return what has to be the same when a run is repeated."""
    values = found.model_dump(mode="json", exclude={"seconds", "command"})
    for model in values["models"]:
        for run in model["folds"]:
            del run["seconds"], run["resumed"]
    return values


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[CrossValidation, Path]:
    """Return a run of all folds and the folder of its predictions."""
    folder = tmp_path_factory.mktemp("work")
    return crossval(KINDS, table(), work=folder, **CLASSES), folder


def opened(frame: pd.DataFrame) -> Bench:
    names = ("label", "positive", "cluster", "attr", "bins", "seen", "ignore", "folds")
    return Bench.open(Protocol(frame, **{name: CLASSES[name] for name in names}))


def variant(text: str = "medl") -> Variant:
    return variants([text], ["sex", "age"], shared=SETTINGS)[0]


def silent(done: int, total: int, text: str) -> None:
    del done, total, text


def test_the_report_tells_what_was_run(whole: tuple[CrossValidation, Path]) -> None:
    found, _ = whole
    frame = table()
    seen = frame["branch"].isin(["a", "b"])
    assert found.clusters_seen == frame[seen]["branch"].value_counts().to_dict()
    assert found.clusters_unseen == frame[~seen]["branch"].value_counts().to_dict()
    assert [model.name for model in found.models] == list(KINDS)
    assert [model.baseline for model in found.models] == [None, "medl"]
    assert [model.adversaries for model in found.models] == [[], ["sex"]]
    assert found.models[1].settings["lambda_fair"] == 1 and found.models[0].settings["epochs"] == 3
    assert {(item.head, item.rows) for item in found.models[0].heads} == {
        (head, rows) for head in ("mixed", "fixed") for rows in ("seen", "unseen")
    }
    assert found.of("medl").of("mixed", "seen").n == seen.sum()
    assert found.of("medl").of("mixed", "unseen").n == (~seen).sum()
    assert found.attributes[1].groups == ["< 31", "[31, 46)", ">= 46"]
    assert sum(found.attributes[1].seen) + sum(found.attributes[1].unseen) == len(frame)
    # Two attributes, four metrics of the paper, two heads, seen and unseen; ties are no sign.
    counted = [c for c in found.changes if c.attribute is not None and c.metric != "demographic_parity_soft"]
    assert len(counted) == 2 * 4 * 2 * 2
    assert found.signs[0].of == sum(change.difference != 0 for change in counted)


def test_figures_are_those_of_the_kept_predictions_put_together(whole: tuple[CrossValidation, Path]) -> None:
    found, folder = whole
    y = (table()["good"] == "yes").to_numpy().astype(int)
    results = [_read(path) for path in folder.glob("medl.*.npz")]
    assert sorted(result.fold for result in results) == [0, 1, 2]
    rows = np.concatenate([result.seen.rows for result in results])
    assert sorted(rows) == np.flatnonzero(table()["branch"].isin(["a", "b"])).tolist()
    score = np.concatenate([result.seen.scores["fixed"] for result in results])
    decided = np.concatenate([r.seen.scores["fixed"] > r.thresholds["fixed"] for r in results])
    performance = found.of("medl").of("fixed").performance
    assert performance["auroc"].value == pytest.approx(roc_auc_score(y[rows], score))
    assert performance["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(y[rows], decided))
    unseen = [roc_auc_score(y[result.unseen.rows], result.unseen.scores["fixed"]) for result in results]
    assert found.of("medl").of("fixed", "unseen").performance["auroc"].value == pytest.approx(np.mean(unseen))


def _read(path: Path) -> FoldResult:
    with np.load(path) as file:
        import json

        digest = json.loads(file["told"].tobytes())["digest"]
    result = unpacked(path.read_bytes(), digest)
    assert result is not None
    return result


def test_a_row_of_the_test_fold_has_no_part_in_its_model() -> None:
    frame = table()
    bench = opened(frame)
    row = int(bench.split(0)[2][3])
    other = frame.copy()
    other.loc[row, ["work", "age"]] = [9.0, 69]
    changed = opened(other)
    assert (changed.fold == bench.fold).all()
    one, two = (fold_result(each, variant("fair-adb-medl"), 0, silent) for each in (bench, changed))
    assert one.thresholds == two.thresholds
    for head in one.heads:
        np.testing.assert_array_equal(one.unseen.scores[head], two.unseen.scores[head])
        rest = one.seen.rows != row
        np.testing.assert_array_equal(one.seen.scores[head][rest], two.seen.scores[head][rest])
        assert one.seen.scores[head][~rest] != two.seen.scores[head][~rest]
    # A row that trains has one.
    third = frame.copy()
    third.loc[int(bench.split(0)[0][0]), "work"] = 9.0
    assert (fold_result(opened(third), variant(), 0, silent).unseen.scores["fixed"] != one.unseen.scores["fixed"]).any()


def test_rows_of_unseen_clusters_have_no_part_in_any_model() -> None:
    frame = table()
    other = frame.copy()
    unseen = ~frame["branch"].isin(["a", "b"])
    other.loc[unseen, "work"] += 3.0
    other.loc[unseen, "good"] = "yes"
    one, two = (fold_result(opened(each), variant(), 1, silent) for each in (frame, other))
    np.testing.assert_array_equal(one.seen.scores["mixed"], two.seen.scores["mixed"])


def test_folds_part_the_rows_and_the_next_one_validates() -> None:
    bench = opened(table())
    seen = np.flatnonzero(bench.fold >= 0)
    for fold in range(3):
        train, valid, test = bench.split(fold)
        assert sorted([*train, *valid, *test]) == seen.tolist()
        assert (bench.fold[valid] == (fold + 1) % 3).all() and (bench.fold[test] == fold).all()


def test_a_swap_changes_the_inputs_of_the_attribute_alone_and_not_the_cluster() -> None:
    bench = opened(table())
    found = fold_result(bench, variant(), 0, silent)
    # Two groups of sex: each row is changed once; three brackets of age: twice.
    assert set(found.seen.changes["sex"]) == {1} and set(found.seen.changes["age"]) == {2}
    assert found.seen.changed["mixed", "sex"].max() > 0


@pytest.mark.parametrize("policy", ["zero", "hard"])
def test_without_a_cluster_both_heads_say_the_same(policy: str) -> None:
    names = ("label", "positive", "cluster", "attr", "bins", "seen", "ignore", "folds")
    bench = Bench.open(Protocol(table(), unseen_z=policy, **{name: CLASSES[name] for name in names}))  # type: ignore[arg-type]
    unseen = fold_result(bench, variant(), 0, silent).unseen
    gap = np.abs(unseen.scores["mixed"] - unseen.scores["fixed"]).max()
    assert gap < 1e-6 if policy == "zero" else gap > 0


class Stopped(jobs.Serial):
    """Jobs of this process that are interrupted after some."""

    def __init__(self, after: int) -> None:
        self.after = after

    def run(self, work: Any, setup: Any, heard: Any) -> Any:
        self.left = len(work)
        return super().run(
            [*work[: self.after], *([jobs.Job("stop", _stop)] if self.after < len(work) else [])], setup, heard
        )


def _stop(bench: Any, progress: Any) -> None:
    del bench, progress
    raise KeyboardInterrupt


def test_a_run_that_was_ended_goes_on(whole: tuple[CrossValidation, Path], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        crossval(KINDS, table(), work=tmp_path, backend=Stopped(4), **CLASSES)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 4
    kept[0].write_bytes(kept[0].read_bytes()[:1000])  # as after a crash of the disk
    times = {path: path.stat().st_mtime_ns for path in kept}
    last = Stopped(9)
    found = crossval(KINDS, table(), work=tmp_path, backend=last, **CLASSES)
    assert last.left == 3
    assert [path for path in kept if path.stat().st_mtime_ns == times[path]] == kept[1:]
    assert told(found) == told(whole[0])
    assert sum(run.resumed for model in found.models for run in model.folds) == 3


SCRIPT = """
from debias.experiments.crossval import crossval
from tests.experiments.crossval_table import CLASSES, table
crossval({kinds!r}, table(), work={folder!r}, **CLASSES)
"""


def test_a_run_that_was_killed_goes_on(whole: tuple[CrossValidation, Path], tmp_path: Path) -> None:
    script = SCRIPT.format(kinds=list(KINDS), folder=str(tmp_path))
    running = subprocess.Popen([python(), "-c", script], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    while running.poll() is None and not list(tmp_path.glob("*.npz")):
        time.sleep(0.02)
    running.kill()
    running.communicate()
    before = len(list(tmp_path.glob("*.npz")))
    found = crossval(KINDS, table(), work=tmp_path, **CLASSES)
    assert sum(run.resumed for model in found.models for run in model.folds) == before > 0
    assert told(found) == told(whole[0])


def test_nothing_of_other_rows_or_settings_is_taken_up(whole: tuple[CrossValidation, Path]) -> None:
    _, folder = whole
    before = len(list(folder.iterdir()))
    crossval("medl", table(), work=folder, **{**CLASSES, "run_folds": 1})
    assert len(list(folder.iterdir())) == before
    crossval("medl:lr=0.002", table(), work=folder, **{**CLASSES, "run_folds": 1})
    crossval("medl", table(seed=1), work=folder, **{**CLASSES, "run_folds": 1})
    assert len(list(folder.iterdir())) == before + 2


def test_the_number_of_workers_changes_no_figure(whole: tuple[CrossValidation, Path]) -> None:
    found = crossval(KINDS, table(), **{**CLASSES, "workers": 2})
    assert told(found) == told(whole[0])


def test_on_ray_the_figures_are_the_same(whole: tuple[CrossValidation, Path], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    found = crossval(KINDS, table(), work=tmp_path, ray="local", **{**CLASSES, "workers": 2})
    assert len(list(tmp_path.iterdir())) == 6
    assert told(found) == told(whole[0])


def test_results_come_back_from_where_the_folder_cannot_be_reached(
    whole: tuple[CrossValidation, Path], tmp_path: Path
) -> None:
    class Away:
        def run(self, *arguments: Any) -> Any:
            return jobs.Serial().run(*arguments)

    found = crossval(KINDS, table(), work=tmp_path, backend=Away(), **CLASSES)
    assert len(list(tmp_path.iterdir())) == 6
    assert told(found) == told(whole[0])


def test_a_regression() -> None:
    found = crossval(["nnet", "medl", "fair-adb-medl"], table(), **NUMBERS)
    heads = found.of("medl").heads
    assert set(heads[0].performance) == {"mse", "mae", "r2"}
    assert set(heads[0].attributes[0].figures) == {"mse_sd", "demographic_parity", "attribute_swap"}
    assert [item.head for item in found.of("nnet").heads] == ["plain", "plain"]
    assert found.change("fair-adb-medl", "mse").improvement is not None
    target = table()["score"]
    assert 0 < found.of("nnet").of().performance["mse"].value < 3 * target.var()


def test_an_attribute_that_is_no_input_has_no_swap() -> None:
    found = crossval("nnet", table(), **{**CLASSES, "ignore": ("score", "sex"), "run_folds": 1})
    figures = found.models[0].of().of("sex").figures
    assert figures["attribute_swap"].value is None and "does not read" in str(figures["attribute_swap"].reason)
    assert figures["tpr_sd"].value is not None


def test_rows_without_an_attribute_are_a_group_by_default() -> None:
    frame = table()
    frame.loc[::9, "sex"] = None
    found = crossval("nnet", frame, **{**CLASSES, "run_folds": 1})
    assert found.attributes[0].groups == ["f", "m", "(missing)"]
    dropped = crossval("nnet", frame, missing_attr="drop", **{**CLASSES, "run_folds": 1})
    assert dropped.attributes[0].groups == ["f", "m"]
    assert "40 rows without an attribute left out." in dropped.notes


def test_a_failed_fold_costs_its_fold_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import debias.experiments.crossval.jobs as module

    def failing(bench: Bench, one: Variant, fold: int, progress: Any) -> FoldResult:
        if one.kind.name == "medl" and fold == 1:
            raise ZeroDivisionError("a bug")
        return fold_result(bench, one, fold, progress)

    monkeypatch.setattr(module, "fold_result", failing)
    found = crossval(["medl", "fair-adb-medl"], table(), **CLASSES)
    runs = found.of("medl").folds
    assert [run.status for run in runs] == ["ok", "failed", "ok"] and "a bug" in runs[1].reasons[0]
    assert found.of("medl").of().n < found.of("fair-adb-medl").of().n
    assert found.change("fair-adb-medl", "tpr_sd", "sex").after is not None
    assert any("medl: fold 2 failed" in note for note in found.notes)


def test_a_kind_without_any_fold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import debias.experiments.crossval.jobs as module

    def never(*arguments: Any) -> FoldResult:
        del arguments
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(module, "fold_result", never)
    with pytest.raises(DebiasError, match="medl, fold 1: unexpected ZeroDivisionError: a bug"):
        crossval("medl", table(), **CLASSES)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"cluster": "town"}, "has no column 'town'"),
        ({"seen": 1}, "1 seen cluster"),
        ({"attr": ("sex", "race")}, "has no column 'race'"),
        ({"folds": 2}, "2 folds cannot test, validate and train"),
        ({"run_folds": 4}, "4 of 3 folds cannot be run"),
        ({"draws": 0}, "0 is no number of draws"),
        ({"workers": 0}, "0 is no number of processes"),
        ({"unseen_z": "error"}, "'error' scores nothing"),
        ({"baseline": "nnet"}, "'nnet' takes no part"),
        ({"debias_attr": ["work"]}, "'work' is none of the protected attributes"),
        ({"settings": {"epoch": 3}}, "there is no setting 'epoch'"),
        ({"settings": {"epochs": "many"}}, "does not fit"),
    ],
)
def test_bad_input_is_told(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(DebiasError) as told_of:
        crossval("medl", table(), **{**CLASSES, **changes})
    assert found in str(told_of.value)


def test_a_constant_cluster_is_refused() -> None:
    with pytest.raises(DataError, match="every row is of the cluster 'a'"):
        crossval("medl", table().assign(branch="a"), **CLASSES)


def test_variants_are_read_with_their_settings() -> None:
    found = variants(
        ["medl", "fair-adb-medl:hidden=8,4,lambda_swap=1,attr=sex+age", "fair-adb-nnet:lambda-fair-mixed=none"],
        ["sex", "age", "race"],
        shared={"epochs": "7"},
        adversaries=["race"],
    )
    assert [item.kind.name for item in found] == ["medl", "fair-adb-medl", "fair-adb-nnet"]
    assert found[1].settings.hidden == (8, 4) and found[1].settings.lambda_swap == 1
    assert [item.settings.epochs for item in found] == [7, 7, 7]
    assert [item.adversaries for item in found] == [(), ("sex", "age"), ("race",)]
    with pytest.raises(UsageError) as told_of:
        variants(["lmm", "medl:lr", "nnet:lr=-1", "da:lr=1,lr=2", "fair-adb-da:attr=town", "medl", "medl"], ["sex"])
    for text in ("'lmm'", "'lr' is not of the form", "-1.0 is out of range", "given twice", "'town'", "named twice"):
        assert text in str(told_of.value)
    with pytest.raises(UsageError, match="no kind of network is named"):
        variants([], ["sex"])


def test_baselines() -> None:
    chosen = variants(["nnet", "da", "medl:lr=0.01", "fair-adb-medl", "fair-acl-da", "fair-adb-nnet"], ["sex"])
    assert baselines(chosen) == {"fair-adb-medl": "medl:lr=0.01", "fair-acl-da": "da", "fair-adb-nnet": "nnet"}
    assert baselines(chosen, "medl") == {item.name: "medl:lr=0.01" for item in chosen if item.kind.name != "medl"}
    assert baselines(variants(["fair-adb-medl"], ["sex"])) == {}
