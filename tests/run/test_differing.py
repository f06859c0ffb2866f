"""Two runs side by side: figures from their own JSON, what differs, and when one is worse."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import debias
from debias.errors import UsageError
from debias.report.as_json import schema, to_json
from debias.report.markdown import to_markdown
from debias.report.reading import parse
from debias.report.values.difference import Difference
from debias.report.values.report import Report
from debias.run.differing import diff
from tests.report import examples
from tests.report.html.values import full
from tests.report.test_comparison import candidate, comparison
from tests.report.test_training import training
from tests.run.world import ASKED, call

pytestmark = pytest.mark.usefixtures("_here")


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def of(first: Any, second: Any, **settings: Any) -> Difference:
    """Return the difference of two values, by way of their files."""
    for name, value in (("a.json", first), ("b.json", second)):
        Path(name).write_text(to_json(value), encoding="utf-8")
    found = diff("a.json", "b.json", **settings)
    jsonschema.validate(json.loads(to_json(found)), schema("difference.schema.json"))
    assert parse(to_json(found).encode(), "d.json") == found
    return found


def run(after: float | None, verdict: str = "pass", **changes: Any) -> Report:
    return examples.report(after=examples.figures(after), verdict=verdict, **changes)


class TestOutcome:
    @pytest.mark.parametrize(
        ("first", "second", "outcome"),
        [
            (-0.03, -0.03, "same"),
            (-0.03, -0.031, "worse"),
            (-0.03, 0.031, "worse"),
            (-0.03, 0.03, "not-worse"),
            (-0.03, -0.02, "not-worse"),
            (-0.03, None, "worse"),
            (None, -0.9, "not-worse"),
            (None, None, "same"),
        ],
    )
    def test_of_the_size_of_the_bias(self, first: float | None, second: float | None, outcome: str) -> None:
        found = of(run(first), run(second))
        assert found.outcome == outcome
        assert found.exit_code == 0
        assert of(run(first), run(second), fail_if_worse=True).exit_code == (outcome == "worse")

    def test_the_tolerance_is_the_largest_that_is_not_worse(self) -> None:
        step = abs(-0.05) - abs(-0.03)
        assert of(run(-0.03), run(-0.05), tolerance=step).outcome == "not-worse"
        assert of(run(-0.03), run(-0.05), tolerance=math.nextafter(step, 0)).outcome == "worse"

    @pytest.mark.parametrize(
        ("first", "second"), list(itertools.product(["pass", "inconclusive", "fail", "no-bound"], repeat=2))
    )
    def test_of_the_verdict(self, first: str, second: str) -> None:
        order = ["pass", "inconclusive", "fail"]
        worse = first in order and second in order and order.index(second) > order.index(first)
        assert (of(run(-0.03, first), run(-0.03, second)).outcome == "worse") is worse
        # Under another bound a verdict says something else.
        assert of(run(-0.03, first, eps=0.1), run(-0.03, second)).outcome != "worse"
        assert of(run(-0.03, first, confidence=0.9), run(-0.03, second)).outcome != "worse"

    def test_a_smaller_performance_is_told_and_is_not_worse(self) -> None:
        found = of(run(-0.03), examples.report(after=examples.figures(-0.03, balanced_accuracy=0.6)))
        assert found.outcome == "not-worse"
        pair = next(pair for pair in found.figures if (pair.figure, pair.stage) == ("balanced_accuracy", "result"))
        assert (pair.first, pair.second, pair.difference) == (0.81, 0.6, 0.6 - 0.81)

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"metric": "equal-opportunity"}, "metric is statistical-parity in the first run and equal-opportunity"),
            ({"favorable": "negative"}, "favourable decision is positive in the first run and negative"),
            ({"attributes": [{"name": "race", "groups": ["x", "y"], "privileged": None}]}, "no protected attribute in"),
        ],
    )
    def test_different_questions_are_not_compared(self, changes: dict[str, Any], part: str) -> None:
        if "attributes" in changes:
            parities = [examples.parity(-0.9, attribute="race")]
            changes = {**changes, "after": examples.figures(-0.9, parities=parities), "before": examples.figures(0.1)}
            changes["before"]["parities"] = parities
        found = of(run(-0.03), examples.report(**{"after": examples.figures(-0.9), **changes}))
        assert (found.outcome, found.worse, found.exit_code) == ("not-compared", [], 0)
        assert part in found.obstacles[0]
        assert part.partition(" is ")[0] in found.statement
        with pytest.raises(UsageError, match=part):
            diff("a.json", "b.json", fail_if_worse=True)

    @pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
    def test_no_tolerance(self, tolerance: float) -> None:
        with pytest.raises(UsageError, match="no tolerance"):
            of(run(-0.03), run(-0.03), tolerance=tolerance)


class TestFigures:
    def test_every_figure_stands_in_both_reports(self) -> None:
        first, second = full(), full(after=examples.figures(-0.01, auroc=None, brier=0.2))
        found = of(first, second)
        documents = [json.loads(Path(name).read_text(encoding="utf-8")) for name in ("a.json", "b.json")]
        for pair in found.figures:
            values = []
            for document in documents:
                part = document["before" if pair.stage == "deployed" else "after"]
                if pair.attribute is not None:
                    part = next(item for item in part["parities"] if item["attribute"] == pair.attribute)
                if pair.group is not None:
                    part = next(item for item in part["groups"] if item["name"] == pair.group)
                values.append(part[pair.figure])
            assert [pair.first, pair.second] == values
            assert pair.difference == (None if None in values else values[1] - values[0])
        groups = {(pair.attribute, pair.group) for pair in found.figures if pair.group is not None}
        assert groups == {
            (item["attribute"], group["name"])
            for item in documents[0]["before"]["parities"]
            for group in item["groups"]
        }

    def test_audit_beside_repair(self) -> None:
        found = of(examples.audit(), run(-0.03))
        biases = {pair.stage: (pair.first, pair.second) for pair in found.figures if pair.figure == "bias"}
        assert biases == {"deployed": (-0.15, -0.15), "result": (-0.15, -0.03)}
        assert found.outcome == "not-worse"
        assert "from 0.1500 to 0.0300" in found.statement

    def test_attributes_and_groups_of_one_run_alone(self) -> None:
        more = examples.parity(-0.02, groups=[examples.group("Female", 60), examples.group("Other", 9, n=30)])
        attributes = [{"name": "sex", "groups": ["Female", "Other"], "privileged": None}]
        found = of(
            run(-0.03), run(-0.03, before=examples.figures(-0.15, parities=[more]), attributes=attributes)
        )  # fmt: skip
        assert found.obstacles == [
            "Groups of sex in the first run alone: Male.", "Groups of sex in the second run alone: Other."
        ]  # fmt: skip
        assert {pair.group for pair in found.figures if pair.stage == "deployed"} == {None, "Female"}

    def test_methods_of_two_comparisons(self) -> None:
        first = comparison()
        names = [item.method for item in first.candidates]
        second = comparison(candidates=[candidate(names[0]), candidate("newcomer")])
        found = {pair.method: pair for pair in of(first, second).methods}
        assert list(found) == [*names, "newcomer"]
        assert (found["newcomer"].first_status, found["newcomer"].second_status) == (None, "ok")
        after = second.candidates[0].after
        assert after is not None
        assert found[names[0]].second_bias == after.bias
        assert of(first, run(-0.03)).methods == []


class TestSettings:
    def test_what_differs_and_nothing_else(self) -> None:
        first = full()
        document = json.loads(to_json(first))
        document["seed"] = 7
        document["rows"]["verdict"] = 12
        document["change"]["settings"] = {"steps": 3, "outgoing": True, "influence": "activation", "new": [1, 2]}
        document["versions"]["torch"] = "9.9"
        document["data"]["test"] = {"path": "t.csv", "rows": 5, "sha256": None}
        document["notes"] = ["something else"]
        found = {
            item.setting: (item.first, item.second) for item in of(first, Report.model_validate(document)).settings
        }
        torch = json.loads(to_json(first))["versions"]["torch"]
        assert found == {
            "rows.verdict": (first.rows.verdict, 12),
            "seed": (first.seed, 7),
            "versions.torch": (torch, "9.9"),
            "change.settings.steps": (None, 3),
            "change.settings.new": (None, [1, 2]),
            "data.test.path": (None, "t.csv"),
            "data.test.rows": (None, 5),
        }

    def test_same_files(self) -> None:
        one = run(-0.03)
        assert (of(one, one).same_model, of(one, one).same_data) == (True, True)
        assert of(one, one).settings == []
        data = {"data": {"path": "x", "rows": 1, "sha256": "f" * 64}}
        assert of(one, run(-0.03, data=data)).same_data is False
        assert of(one, run(-0.03, data={"data": {**data["data"], "sha256": None}})).same_data is None
        assert of(one, run(-0.03, model={**one.model.model_dump(), "sha256": "f" * 64})).same_model is False


class TestRefused:
    def test_both_files_at_once(self) -> None:
        Path("a.json").write_text(to_json(training()), encoding="utf-8")
        Path("b.json").write_text("[]", encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            diff("a.json", "b.json")
        first, second = map(str, caught.value.problems)
        assert "a.json: is a report of train, which has no verdict" in first
        assert "b.json: holds a JSON list" in second


def test_text_of_others_is_shown_as_text() -> None:
    text = examples.HOSTILE
    attributes = [{"name": text, "groups": [text, "b"], "privileged": None}]
    parity = examples.parity(-0.1, attribute=text, groups=[examples.group(text, 6), examples.group("b", 9)])
    value = run(-0.1, before=examples.figures(-0.1, parities=[parity]), attributes=attributes)
    page = to_markdown(of(value, run(-0.2, seed=3)))
    assert "<b>" not in page
    assert "\x1b" not in page and "\u202e" not in page


@pytest.mark.usefixtures("place")
def test_two_real_runs() -> None:
    for name, eps in (("a", "0.28"), ("b", "0.2")):
        flags = ("--eps", eps, "--out", f"{name}.pt", "--keep-best", "--report", f"{name}.json")
        assert call("threshold", "model.pt", *ASKED, *flags).code in (0, 1)
    done = call("diff", "a.json", "b.json", "--report", "d.html", "--report", "d.md", "--json")
    document = json.loads(done.out)
    biases = [json.loads(Path(f"{name}.json").read_text())["after"]["bias"] for name in "ab"]
    pair = next(item for item in document["figures"] if item["stage"] == "result" and item["figure"] == "bias")
    assert [pair["first"], pair["second"]] == biases
    assert {"setting": "eps", "first": 0.28, "second": 0.2} in document["settings"]
    assert (document["same_model"], document["same_data"]) == (True, True)
    assert Path("d.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert call("diff", "a.json", "b.json", "--report", "d.sarif").code == 2
    assert call("diff", "b.json", "a.json", "--fail-if-worse", "--quiet").code == int(abs(biases[0]) > abs(biases[1]))
    assert debias.diff("a.json", "b.json").figures == Difference.model_validate(document).figures
