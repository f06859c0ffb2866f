"""Searches with small networks: what is chosen, what repeats, what a kill leaves, and the same on Ray Tune."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from debias.errors import DebiasError, ModelError, UsageError
from debias.experiments.tune import ray as tune_ray
from debias.experiments.tune import study as tune_study
from debias.experiments.tune import tune
from debias.experiments.tune.space import space
from debias.experiments.tune.study import Left, Place, kept, left, reached_by, work
from debias.experiments.tune.trial import Reached
from debias.jobs import JobError, ray_search
from debias.model.network import Network
from debias.report.values.tuning import Tuning
from debias.run.training import train
from debias.training.kinds import KINDS
from tests.training.clients import clients
from tests.warm import python

optuna = pytest.importorskip("optuna")

ASKED: dict[str, Any] = {
    "attr": ("sex", "age"), "bins": {"age": (31, 46)}, "label": "label", "cluster": "branch", "seen": 4,
    "ignore": ("hours",), "out": "m.pt", "trials": 6, "workers": 1, "fixed": {"epochs": 9},
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    clients(400).to_csv("rows.csv", index=False)
    return tmp_path


def run(kind: str = "fair-adb-medl", **more: Any) -> Tuning:
    return tune(kind, "rows.csv", **{**ASKED, **more})


def told(found: Tuning) -> list[dict[str, Any]]:
    """Return the trials without what no two runs share."""
    return [trial.model_dump(exclude={"seconds"}) for trial in found.trials]


def test_the_best_is_trained_again_and_written() -> None:
    found = run()
    assert [trial.number for trial in found.trials] == list(range(6))
    assert (found.exit_code, found.search, found.asked, found.resumed) == (0, "optuna", 6, 0)
    complete = [trial for trial in found.trials if trial.state == "complete"]
    assert found.best.objective == max(trial.objective or -9 for trial in complete)
    for trial in found.trials:
        assert trial.balanced_accuracy is not None and trial.dispersion is not None
        assert trial.objective == pytest.approx(trial.balanced_accuracy - 0.5 * trial.dispersion)
    # The file is the one that `debias train` makes of the settings, and reaches what the trial reached.
    assert max(epoch["j"] for epoch in found.training.history if epoch["eligible"]) == found.best.objective
    assert found.training.best_epoch == found.best.best_epoch
    rows = {name: ASKED[name] for name in ("attr", "bins", "label", "cluster", "seen", "ignore")}
    train("fair-adb-medl", "rows.csv", **rows, out="again.pt", **found.settings)
    one, other = (dict(Network.open(path).state) for path in ("m.pt", "again.pt"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    # It is no lucky number: the trial's own parameters are these settings.
    best = found.best.parameters
    assert found.settings["hidden"] == [best[f"units_{n + 1}"] for n in range(best["layers"])]
    assert found.settings["lambda_fair"] == best["lambda_fair"]
    assert (found.settings["epochs"], found.settings["warmup"]) == (9, 1)


def test_the_same_seed_repeats_the_search() -> None:
    one, other = run(), run(out="other.pt")
    assert told(one) == told(other)
    assert told(run(out="third.pt", seed=1)) != told(one)


SCRIPT = """
    import os, signal, sys
    from debias.experiments.tune import tune

    def progress(done, total, text):
        if done == 2 and " 2/9" in text:
            os.kill(os.getpid(), signal.SIGKILL)

    if __name__ == "__main__":
        tune("fair-adb-medl", "rows.csv", progress=progress, **{asked})
"""


def test_a_killed_search_goes_on_where_it_was(place: Path) -> None:
    whole = run(out="whole.pt")
    (place / "script.py").write_text(textwrap.dedent(SCRIPT).format(asked=repr(ASKED)))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run([python(), "script.py"], env=environment, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not Path("m.pt").exists()
    again = run()
    assert again.resumed == 2
    assert told(again) == told(whole)
    # More trials go on from there, and none has nothing left to do.
    assert told(run(trials=8, force=True))[:6] == told(whole)
    assert run(trials=8, force=True).resumed == 8


def test_several_workers_share_one_search() -> None:
    found = run("medl", trials=5, workers=2)
    assert [trial.number for trial in found.trials] == list(range(5))
    assert len({json.dumps(trial.parameters) for trial in found.trials}) == 5


def test_a_regression_is_judged_by_its_errors() -> None:
    rows = clients(400)
    found = run("fair-adb-medl", label="hours", ignore=("label",), regression=True, trials=3)
    variance = float(rows["hours"].var())
    for trial in found.trials:
        assert trial.mse is not None and trial.dispersion is not None and trial.objective is not None
        assert trial.balanced_accuracy is None
        # The variance is that of the validation rows, near that of all.
        assert trial.objective == pytest.approx(-(trial.mse + 0.5 * trial.dispersion) / variance, rel=0.5)
    assert found.training.task == "regression"


def test_a_kind_without_fairness_is_judged_by_performance() -> None:
    found = run("nnet", trials=2)
    assert all(trial.objective == trial.balanced_accuracy for trial in found.trials)
    assert "nothing in the loss" in found.measure


def test_trials_that_diverge_are_never_chosen() -> None:
    with pytest.raises(ModelError, match="none of 3 trials came to its end"):
        run(fixed={"epochs": 9, "lr": 1e30}, trials=3)
    states = [trial.user_attrs[tune_study.REACHED]["state"] for trial in study(1e30).get_trials()]
    assert states == ["diverged"] * 3
    assert not Path("m.pt").exists()


def study(lr: float) -> Any:
    settings = space(KINDS["fair-adb-medl"], "classification", {"epochs": 9, "lr": lr})
    return Place("m.pt.tune", settings, 0).study()


def test_a_trial_that_fails_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = tune_study.run_trial, []

    def sometimes(*given: Any) -> Reached:
        calls.append(given)
        if len(calls) == 2:
            raise RuntimeError("something broke")
        if len(calls) == 3:
            raise ModelError("something else")
        return real(*given)

    monkeypatch.setattr(tune_study, "run_trial", sometimes)
    found = run("nnet", trials=5)
    assert [trial.state for trial in found.trials][1:3] == ["failed", "failed"]
    assert found.trials[1].reasons == ["trial 1: unexpected RuntimeError: something broke"]
    assert found.trials[2].reasons == ["something else"]
    assert (found.trials[1].objective, found.trials[1].front) == (None, False)
    assert run("nnet", trials=5, force=True).resumed == 5  # they are not tried again


def test_no_trial_begins_after_the_time() -> None:
    with pytest.raises(ModelError, match="in time"):
        run(timeout=1e-9)
    assert len(run(trials=2).trials) == 2


# The search itself, with a trial that costs nothing.


def made(parameters: dict[str, Any], report: Any, epochs: int = 27, bad: bool = False) -> Reached:
    """Grow slowly to a height that the learning rate alone decides."""
    height = -abs(parameters["lr"] - 0.002)
    reached = Reached()
    for epoch in range(1, epochs + 1):
        if bad and epoch == 2:
            return Reached(epochs=2, epoch=1, objective=height - 1, figures=reached.figures, state="diverged")
        reached = Reached(height - 1 / epoch, epoch, epoch, {"balanced_accuracy": 0.5, "dispersion": 0.0})
        if report(reached) and epoch < epochs:
            return Reached(reached.objective, epoch, epoch, reached.figures, state="pruned")
    return reached


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Place:
    def trial(bench: Any, parameters: dict[str, Any], report: Any, progress: Any) -> Reached:
        del bench, progress
        return made(parameters, report, bad=parameters["batch_size"] == 512)

    monkeypatch.setattr(tune_study, "run_trial", trial)
    return Place("search", space(KINDS["nnet"], "classification"), 0)


NONE: Any = None


def test_pruning_spares_epochs(cheap: Place) -> None:
    for item in left(cheap.study(), 40):
        assert work(cheap, item, None, NONE, NONE)
    found = cheap.study().get_trials()
    by_state: dict[str, list[Any]] = {"complete": [], "pruned": [], "diverged": []}
    for trial in found:
        reached = reached_by(trial)
        assert reached is not None
        by_state[reached.state].append(trial)
    assert all(trial.user_attrs[tune_study.REACHED]["epochs"] in (3, 9) for trial in by_state["pruned"])
    assert all(trial.user_attrs[tune_study.REACHED]["epochs"] == 27 for trial in by_state["complete"])
    assert len(by_state["pruned"]) > len(by_state["complete"]) > 1
    # Successive halving within a bracket: of those that got to a rung, one that was ended there was not of the best.
    whole = cheap.study()
    pruner = whole.pruner
    pruner.prune(whole, found[0])  # makes the brackets
    for ended in by_state["pruned"]:
        step = ended.last_step
        bracket = pruner._get_bracket_id(whole, ended)
        before = [
            trial.intermediate_values[step]
            for trial in found[: ended.number]
            if step in trial.intermediate_values and pruner._get_bracket_id(whole, trial) == bracket
        ]
        better = sum(value > ended.intermediate_values[step] for value in before)
        assert better >= max(1, (len(before) + 1) // 3)
    # One that diverged lies behind all others for the sampler.
    assert by_state["diverged"]
    assert all(trial.constraints["diverged"] > 0 for trial in by_state["diverged"])
    assert all(trial.state.name == "PRUNED" for trial in by_state["diverged"])


def test_the_search_learns(cheap: Place) -> None:
    for item in left(cheap.study(), 60):
        work(cheap, item, None, NONE, NONE)
    away = [abs(trial.params["lr"] - 0.002) for trial in cheap.study().get_trials()]
    assert sum(away[-20:]) < 0.7 * sum(away[:20])


def test_a_lost_trial_counts_and_is_told(cheap: Place) -> None:
    trial = cheap.study().ask()
    trial.set_user_attr(tune_study.ORDINAL, 0)
    tune_study.fail(cheap.study(), Left(0), JobError("its process was killed by SIGKILL", "crash"))
    (found,) = cheap.study().get_trials()
    assert found.state.name == "FAIL"
    assert reached_by(found) is None
    assert found.user_attrs[tune_study.REASONS] == ["its process was killed by SIGKILL"]
    assert [item.ordinal for item in left(cheap.study(), 3)] == [1, 2]


@pytest.mark.parametrize("drawn", [0, 2, 8])
@pytest.mark.parametrize("done", [3, 24])  # while parameters are drawn at random, and afterwards
def test_a_trial_left_behind_is_done_again_under_its_number(cheap: Place, done: int, drawn: int) -> None:
    for item in left(cheap.study(), done):
        work(cheap, item, None, NONE, NONE)
    behind = cheap.study(done).ask()
    for each in cheap.space.ranges[:drawn]:
        each.suggest(behind)
    behind.report(-1.0, 1)
    first, *others = left(cheap.study(), done + 2)
    assert (first.ordinal, first.steps, [item.ordinal for item in others]) == (done, 1, [done + 1])
    for again in (first, *others):
        work(cheap, again, None, NONE, NONE)
    whole = Place("whole", cheap.space, 0)
    for item in left(whole.study(), done + 2):
        work(whole, item, None, NONE, NONE)
    assert [trial.params for trial in cheap.study().get_trials()] == [
        trial.params for trial in whole.study().get_trials()
    ]


def test_one_run_holds_the_journal(cheap: Place) -> None:
    path = Path(cheap.path)
    with kept(path), pytest.raises(UsageError, match="another search is at work"), kept(path):
        pass
    with kept(path):  # free again
        work(cheap, Left(0), None, NONE, NONE)


def test_a_torn_line_is_mended(cheap: Place) -> None:
    path = Path(cheap.path)
    work(cheap, Left(0), None, NONE, NONE)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":8,"worker')
    given_back = path.with_name("search.lock0f6510fc-33a4-4c83-acc1-eb151e7b669c.rename")
    for lock in (path.with_name("search.lock"), given_back):
        lock.touch()
    with kept(path):
        work(cheap, Left(1), None, NONE, NONE)
    assert not given_back.exists()
    assert path.read_bytes().startswith(whole)
    assert len(cheap.study().get_trials()) == 2
    with kept(path, restart=True):
        assert cheap.study().get_trials() == []


def test_a_file_of_another_kind_is_left_alone() -> None:
    for content in ("income,age\n1,2\n", "{}\n", "[1]\n"):
        Path("notes").write_text(content)
        for restart in (False, True):
            with pytest.raises(UsageError, match="no journal of a search"):
                run(storage="notes", restart=restart)
        assert Path("notes").read_text() == content


def test_another_search_is_refused_by_what_differs() -> None:
    run("nnet", trials=1)
    with pytest.raises(UsageError) as caught:
        run("medl", trials=1, force=True, seed=3)
    found = caught.value.problems[0].found
    assert all(name in found for name in ("'kind'", "'seed'", "'ranges'", "'training rows'"))
    assert "--restart" in caught.value.problems[0].remedy
    assert len(run("medl", trials=1, force=True, seed=3, restart=True).trials) == 1


# What is refused.


def problems(**more: Any) -> list[str]:
    with pytest.raises(DebiasError) as caught:
        run(**more)
    assert not Path("m.pt").exists()
    assert not Path("m.pt.tune").exists()
    return [f"{problem.where}: {problem.found}" for problem in caught.value.problems]


def test_every_problem_is_told_at_once() -> None:
    wrong = {"fixed": {"lambda": 1, "epochs": "many"}, "trials": 0, "timeout": -1.0, "workers": 0, "reference": 2.0}
    found = " ".join(problems(kind="mlp", **wrong))
    for part in ("'mlp' is no kind", "there is no setting 'lambda'", "epochs", "--trials", "--timeout", "--workers"):
        assert part in found
    assert "--reference: 2.0 is no balanced accuracy" in found
    assert "a regression has no balanced accuracy" in " ".join(problems(regression=True, reference=0.8, label="hours"))
    assert "tune has no option 'checkpoint'" in " ".join(problems(checkpoint="folder"))
    assert "no column" in " ".join(problems(cluster="nowhere"))
    assert "is an input" in " ".join(problems(storage="rows.csv"))
    assert "is written as --out too" in " ".join(problems(storage="m.pt"))


def test_without_optuna_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError) as caught:
        run()
    assert 'pip install "debias[tune]"' in caught.value.problems[0].remedy


def test_rows_are_those_of_a_training() -> None:
    found = run("nnet", trials=1)
    assert (found.train, found.valid) == (found.training.rows.train, found.training.rows.valid)
    assert found.command is not None and found.command.startswith("debias tune nnet --data rows.csv")
    assert "--set epochs=9" in found.command and "--workers 1" in found.command


# On Ray Tune.


def test_what_a_trial_tells_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    bench: Any = SimpleNamespace(space=space(KINDS["nnet"], "classification"))
    heard: list[dict[str, Any]] = []

    def trial(bench: Any, parameters: dict[str, Any], report: Any, progress: Any) -> Reached:
        del bench, progress
        if parameters["lr"] < 0:
            raise ModelError("something")
        return made(parameters, report, epochs=parameters["epochs"], bad=parameters["bad"])

    monkeypatch.setattr(tune_ray, "run_trial", trial)

    def tried(**parameters: Any) -> Any:
        heard.clear()
        tune_ray.trial(bench, {"lr": 0.001, "epochs": 27, "bad": False, **parameters}, heard.append)
        assert json.loads(json.dumps(heard)) == heard
        return tune_ray._of(ray_search.Tried(4, parameters, heard[-1]), 27)

    whole = tried()
    assert (whole.state, whole.best.epochs, [each["epochs"] for each in heard]) == ("complete", 27, [*range(1, 28)])
    assert [each["objective"] for each in heard] == sorted(each["objective"] for each in heard)
    assert tried(epochs=5).state == "complete"  # its patience was at an end
    assert tune_ray._of(ray_search.Tried(4, {}, heard[2]), 27).state == "pruned"  # that is where Ray Tune ended it
    assert tried(bad=True).state == "diverged"
    assert heard[-1]["objective"] == ray_search.WORST
    assert (tried(lr=-1.0).state, tried(lr=-1.0).reasons) == ("failed", ["something"])
    assert tune_ray._of(ray_search.Tried(4, {}, {}, "the worker died"), 27).reasons == ["the worker died"]


def test_ray_tune_searches_and_keeps_its_trials() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    asked: dict[str, Any] = {"trials": 4, "fixed": {"epochs": 3}, "ray": "local", "workers": 2}
    found = run(**asked)
    assert (found.search, [trial.number for trial in found.trials]) == ("ray", [0, 1, 2, 3])
    assert {trial.state for trial in found.trials} <= {"complete", "pruned"}
    assert found.best.objective == max(epoch["j"] for epoch in found.training.history if epoch["eligible"])
    assert all(trial.epochs == 3 for trial in found.trials if trial.state == "complete")
    assert not Path.home().joinpath("ray_results", "trials").exists()
    again = run(**asked, force=True)
    assert told(again) == told(found)
    assert again.resumed == 4
    with pytest.raises(UsageError, match="is another search: it differs in 'trials'"):
        run(**{**asked, "trials": 5}, force=True)
    Path("full").mkdir()
    Path("full/notes").touch()
    with pytest.raises(UsageError, match="no folder of a search on Ray Tune"):
        run(**asked, storage="full", restart=True, force=True)
    assert Path("full/notes").exists()
