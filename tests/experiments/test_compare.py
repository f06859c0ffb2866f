"""Several methods under one objective, from the files to the written winner."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pandas as pd
import pytest
import torch
from torch import nn

from debias import methods, run
from debias.errors import DebiasError, ModelError, UsageError
from debias.experiments.compare import compare
from debias.flags import Flag
from debias.methods.base import Method, Repair, Setting
from debias.methods.threshold import Threshold
from debias.model.network import Network
from debias.report.values.comparison import Comparison
from tests.run import world

CHEAP = {"gda": {"epochs": 3, "lr": 0.01}}


@dataclass(frozen=True)
class Own(Method):
    """A method that is no part of the package: it dies, fails, or returns the threshold as if it used the attribute."""

    what: Annotated[str, Flag("What it does.")] = "aware"
    name: ClassVar[str] = "own"

    def repair(self, setting: Setting) -> Repair:
        if self.what == "dies":
            os._exit(5)
        if self.what == "fails":
            raise ZeroDivisionError("a bug")
        found = Threshold().repair(setting)
        better = replace(found.point, merit=found.point.merit + float(self.what))
        return replace(found, point=better, uses_attribute=True)

    def summary(self, repair: Repair, network: Network) -> str:
        del repair, network
        return "Nothing was changed."


def compared(*asked: str | Method, eps: float = 0.1, workers: int = 1, **options: Any) -> Comparison:
    settings = {name: values for name, values in CHEAP.items() if name in asked}
    options.setdefault("settings", settings)
    return compare("model.pt", "rows.csv", attr="sex", eps=eps, methods=asked, workers=workers, **options)


def told(found: Comparison) -> dict[str, Any]:
    """Return what has to be the same when a comparison is repeated."""
    values = found.model_dump(mode="json", exclude={"seconds"})
    for candidate in values["candidates"]:
        del candidate["seconds"]
    return values


@pytest.mark.usefixtures("place")
def test_every_candidate_is_what_its_own_verb_reaches_and_the_winner_is_written() -> None:
    found = compared("prune", "gda", out="best.pt", keep_best=True)
    assert [item.method for item in found.candidates] == ["threshold", "gda", "prune"]
    for item in found.candidates:
        kind = methods.load(item.method)
        alone = run.repair(
            kind(**item.settings), "model.pt", "rows.csv", attr="sex", eps=0.1, out=f"{item.method}.alone.pt",
            keep_best=True,
        )  # fmt: skip
        assert item.status == "ok"
        assert item.after == alone.after
        assert alone.selection is not None
        assert item.selection == alone.selection.after
        assert item.verdict == alone.verdict
        assert item.winner == (item.method == found.winner)
        assert (item.behind is None) == item.winner
        if item.winner:
            assert (found.verdict, found.exit_code) == (alone.verdict, alone.exit_code)
            assert found.report.output is not None
            assert Path("best.pt").read_bytes() == Path(f"{item.method}.alone.pt").read_bytes()
            assert found.report.model_dump(exclude={"output", "command"}) == alone.model_dump(
                exclude={"output", "command"}
            )
    best = max((item for item in found.candidates if item.feasible), key=lambda item: item.merit or 0)
    assert found.winner == best.method
    assert found.winner in found.statement
    assert found.of("gda").settings["lr"] == 0.01
    with pytest.raises(KeyError):
        found.of("roc")


@pytest.mark.usefixtures("place")
def test_the_number_of_workers_changes_nothing() -> None:
    first, second = (compared("prune", "gda", workers=workers, force=True, keep_best=True) for workers in (1, 2))
    assert told(first) == told(second)
    assert Path("model.compare.pt").is_file()


@pytest.mark.usefixtures("place")
def test_the_verdict_rows_take_no_part_in_the_choice() -> None:
    table = world.table(400, seed=9)
    table.to_csv("test.csv", index=False)
    table.assign(label=1 - table["label"]).to_csv("other.csv", index=False)
    first, second = (compared("prune", "gda", test=name, force=True) for name in ("test.csv", "other.csv"))
    assert first.of("prune").after != second.of("prune").after
    assert (first.winner, first.reason, first.front) == (second.winner, second.reason, second.front)


def test_a_method_that_cannot_work_is_a_row_with_its_reason(place: Path) -> None:
    torch.manual_seed(1)
    frame = pd.read_csv(place / "rows.csv")
    linear = world.trained(frame, net=_Linear())
    world.save(linear, place / "model.pt")
    found = compared("prune", "gda")
    prune = found.of("prune")
    assert (prune.status, prune.selection, prune.winner) == ("impossible", None, False)
    assert any("layer" in reason for reason in prune.reasons)
    assert found.of("gda").status == "ok"


class _Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.last(x))


@pytest.mark.usefixtures("place")
def test_a_method_that_dies_or_fails_costs_only_itself() -> None:
    dead = compared("prune", Own("dies"), workers=2).of("own")
    assert (dead.status, dead.reasons) == ("failed", ["its process ended with exit code 5."])
    failed = compared("prune", Own("fails"), force=True).of("own")
    assert (failed.status, failed.reasons) == ("failed", ["unexpected ZeroDivisionError: a bug."])


@pytest.mark.usefixtures("place")
def test_a_repair_that_uses_the_attribute_has_to_be_better_by_a_standard_error() -> None:
    same, far = (compared(Own(more), margin=0.01, force=True) for more in ("0", "0.5"))
    assert [found.winner for found in (same, far)] == ["threshold", "own"]
    assert "standard error" in far.reason
    assert (far.of("own").uses_attribute, far.of("threshold").uses_attribute) == (True, False)
    assert far.report.uses_attribute


@pytest.mark.usefixtures("place")
def test_no_file_where_the_winner_misses_the_bound() -> None:
    found = compared("threshold", eps=0.0101, margin=0.01)
    assert (found.verdict, found.exit_code, found.report.output) == ("fail", 1, None)
    assert not Path("model.compare.pt").exists()
    assert "comes closest" in found.reason


@pytest.mark.usefixtures("place")
def test_the_front_holds_what_was_returned_and_what_was_tried() -> None:
    found = compared("prune")
    chosen = {point.method for point in found.front if point.chosen}
    assert chosen <= {"threshold", "prune"}
    steps = found.of("prune").steps
    assert steps is not None
    assert all(0 <= point.step <= steps for point in found.front if point.method == "prune")
    assert any(point.overall for point in found.front)


def test_a_table_in_memory(place: Path) -> None:
    frame = pd.read_csv(place / "rows.csv")
    found = compare("model.pt", frame, attr="sex", eps=0.1, methods=["prune"], workers=2)
    assert found.command is None
    assert found.of("prune").after == compared("prune", force=True).of("prune").after


@pytest.mark.usefixtures("place")
def test_the_commands_to_repeat() -> None:
    found = compared("gda", out="best.pt", seed=3)
    assert found.command == (
        "debias compare model.pt --attr sex --data rows.csv --eps 0.1 --seed 3 --out best.pt "
        "--methods threshold,gda --set gda.lr=0.01 --set gda.epochs=3"
    )
    assert (found.report.command or "").startswith(f"debias {found.winner} model.pt")


@pytest.mark.usefixtures("place")
def test_progress_tells_the_methods() -> None:
    steps: list[tuple[int, int, str]] = []
    compared("gda", progress=lambda *step: steps.append(step))
    assert steps[-1][:2] == (2, 2)
    assert any(text.startswith("gda 3/3") for _, _, text in steps)


@pytest.mark.usefixtures("place")
def test_what_is_wrong_is_told_at_once_and_nothing_is_written() -> None:
    with pytest.raises(UsageError) as caught:
        compared("gda", "magic", eps=-2.0, workers=0, timeout=-1.0, settings={"gda": {"lr": "x"}})
    where = {problem.where for problem in caught.value.problems}
    assert {"--methods", "--set gda.lr", "--eps", "--workers", "--timeout"} <= where
    assert not Path("model.compare.pt").exists()


def test_where_no_method_is_left_every_reason_is_told(place: Path) -> None:
    world.save(world.constant(), place / "model.pt")
    with pytest.raises(DebiasError, match="same score"):
        compared("prune")
    assert not (place / "model.compare.pt").exists()


@pytest.mark.usefixtures("place")
def test_where_all_run_out_of_time() -> None:
    with pytest.raises(ModelError, match="prune: was ended after") as caught:
        compared("prune", timeout=0.001, workers=2)
    assert {problem.where for problem in caught.value.problems} == {"threshold", "prune"}
