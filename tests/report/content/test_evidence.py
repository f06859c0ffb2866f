from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from debias.report.content.document import Section
from debias.report.content.evidence import CELLS, STEPS
from debias.report.content.report import report_document
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report
from debias.report.values.report import Report
from tests.report import examples


def step(number: int, **changes: Any) -> dict[str, Any]:
    values = {"step": number, "bias": -0.2 + number / 400, "balanced_accuracy": 0.9 - number / 400, "objective": 0.0}
    return {**values, **changes}


def point(threshold: float, bias: float | None, **changes: Any) -> dict[str, Any]:
    values = {"threshold": threshold, "balanced_accuracy": 0.7, "selection_rate": 1 - threshold, "biases": [bias]}
    return {**values, **changes}


def sweep(network: str = "before", **changes: Any) -> dict[str, Any]:
    points = [point(place / 200, -place / 1000, balanced_accuracy=0.5 + place / 1000) for place in range(201)]
    return {"network": network, "deployed": 0.503, "points": points, **changes}


def layer(path: str, **changes: Any) -> dict[str, Any]:
    values = {"layer": path, "units": 32, "inputs": 14, "weights": 480, "changed": 40, "relative": 0.25, "largest": 0.5}
    return {**values, **changes}


def cell(first: str, second: str, n: int, selected: int, **changes: Any) -> dict[str, Any]:
    before = examples.group(f"{first} × {second}", selected, n=n)
    after = examples.group(f"{first} × {second}", selected, n=n, selection_rate=0.5)
    return {"groups": [first, second], "before": before, "after": after, **changes}


def crossing(**changes: Any) -> dict[str, Any]:
    cells = [cell("f", "a", 400, 60), cell("f", "b", 12, 1), cell("m", "a", 600, 180)]
    return {"attributes": ["sex", "race"], "cells": cells, "unknown": 7, **changes}


def report(**changes: Any) -> Report:
    values = {
        "trajectory": [step(number) for number in range(353)],
        "layers": [layer("hidden.0", pruned=[0, 1, 2, 9]), layer("score", units=1, output=True, relative=None)],
        "sweeps": [sweep(), sweep("after", deployed=0.5)],
        "crossings": [crossing()],
    }
    return examples.report(**{**values, **changes})


def sections(value: Report, key: str) -> list[Section]:
    return [section for section in report_document(value).sections if section.key == key]


def only(value: Report, key: str) -> Section:
    [found] = sections(value, key)
    return found


def printed(value: Report, full: bool, width: int = 100) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False, color_system=None), full=full)
    return stream.getvalue()


class TestSteps:
    def test_those_round_the_chosen_one(self) -> None:
        found = only(report(), "trajectory")
        assert found.table is not None
        steps = [row[0] for row in found.table.rows]
        assert len(steps) == STEPS
        assert {"0", "29", "30", "31*", "32", "33", "352"} <= set(steps)
        assert found.table.rows[steps.index("31*")][1:] == ("0.8225", "−0.1225", "0.0000")
        assert "12 of 353 steps; the JSON report has all." in found.sentences
        assert "2,334 selection rows" in found.sentences[0]

    def test_few_steps_are_all_told(self) -> None:
        found = only(report(trajectory=[step(number) for number in range(27, 32)]), "trajectory")
        assert found.table is not None
        assert [row[0] for row in found.table.rows] == ["27", "28", "29", "30", "31*"]
        assert not any("JSON" in sentence for sentence in found.sentences)

    def test_what_tries_nothing_has_none(self) -> None:
        assert sections(report(trajectory=[step(0)]), "trajectory") == []
        assert sections(examples.audit(), "trajectory") == []

    def test_numbers_have_another_measure(self) -> None:
        steps = [step(0, balanced_accuracy=None, r2=0.4), step(1, balanced_accuracy=None, r2=0.3, bias=-12.346)]
        found = only(report(task="regression", trajectory=steps), "trajectory")
        assert found.table is not None
        assert found.table.columns == ("step", "R²", "bias", "objective")
        assert found.table.rows[1] == ("1", "0.3000", "−12.35", "0.0000")


class TestLayers:
    def test_every_layer_is_a_row(self) -> None:
        found = only(report(), "layers")
        assert found.table is not None
        assert found.table.rows == (
            ("hidden.0", "32", "14", "4", "480", "40", "0.25", "0.5"),
            ("score (output)", "1", "14", "0", "480", "40", "–", "0.5"),
        )
        assert found.items == ("hidden.0: units 0-2, 9 pruned",)
        assert found.sentences[0].startswith("80 of the 960 numbers")

    def test_other_parts_and_methods(self) -> None:
        found = only(report(layers=[layer("score", output=True), layer("norm", kind="other", inputs=1)]), "layers")
        assert found.table is not None
        assert found.table.columns == ("layer", "units", "inputs", "numbers", "changed", "move", "most")
        assert found.table.rows[1] == ("norm", "32", "–", "480", "40", "0.25", "0.5")
        assert found.items == ()

    def test_nothing_changed(self) -> None:
        found = only(report(layers=[layer("score", changed=0, relative=0.0, largest=0.0)]), "layers")
        assert found.sentences[0] == "No number in these layers was changed."

    def test_cuts_of_groups_move_the_last_bias(self) -> None:
        change = examples.report().change
        assert change is not None
        rule = {"attribute": "sex", "groups": [{"group": "Female", "cut": 0.4, "below": 0.0, "above": 1.0}]}
        ruled = report(change={**change.model_dump(), "rule": rule}, sweeps=[sweep()])
        assert any("cuts of the groups" in sentence for sentence in only(ruled, "layers").sentences)
        assert any("no common threshold" in sentence for sentence in only(ruled, "sweep").sentences)


class TestSweep:
    def test_the_threshold_in_use_is_marked(self) -> None:
        found = only(report(), "sweep")
        assert found.table is not None
        before = [row for row in found.table.rows if row[0] == "before"]
        after = [row for row in found.table.rows if row[0] == "after"]
        assert len(before) == len(after) == 11
        # 0.503 lies between the points 0.5 and 0.505: the lower one decides as it does.
        assert [row[1] for row in before if row[1].endswith("*")] == ["0.5*"]
        assert (before[0][1], before[-1][1]) == ("0", "1")
        assert before[5][2:] == ("0.6000", "0.5000", "−0.1000")

    def test_where_the_bound_holds(self) -> None:
        found = only(report(), "sweep")
        # |bias| is place / 1000, below 0.05 at the places 0 … 49.
        assert found.items[0] == (
            "before: every |bias| is below 0.05 at 50 of 201 thresholds; the best balanced accuracy among them is "
            "0.5490, at 0.245"
        )
        never = report(sweeps=[sweep(points=[point(0.1, -0.3), point(0.2, None)])])
        assert only(never, "sweep").items == ("before: no threshold keeps every |bias| below 0.05",)
        assert only(report(eps=None, verdict="no-bound"), "sweep").items == ()

    def test_an_audit_speaks_of_the_network_as_deployed(self) -> None:
        found = only(examples.audit(eps=0.05, sweeps=[sweep()]), "sweep")
        assert found.items[0].startswith("as deployed: every |bias| is below 0.05 at 50 of 201 thresholds")

    def test_one_network_needs_no_column(self) -> None:
        found = only(report(sweeps=[sweep()]), "sweep")
        assert found.table is not None
        assert found.table.columns == ("threshold", "bal.acc", "rate", "bias")
        assert found.table.align == "lrrr"

    def test_every_attribute_has_a_column(self) -> None:
        attributes = [{"name": name, "groups": ["a", "b"], "privileged": "b"} for name in ("sex", "race")]
        figures = examples.figures(-0.1, parities=[examples.parity(-0.1), examples.parity(-0.1, attribute="race")])
        swept = [sweep(points=[point(0.1, 0.2, biases=[-0.01, -0.06]), point(0.5, 0.2, biases=[-0.01, -0.02])])]
        value = report(
            attributes=attributes, before=figures, after=figures, sweeps=swept, best_threshold=None, threshold_only=None
        )
        found = only(value, "sweep")
        assert found.table is not None
        assert found.table.columns[-2:] == ("bias sex", "bias race")
        assert "at 1 of 2 thresholds" in found.items[0]


class TestCrossings:
    def test_every_cell_is_a_row_of_each_network(self) -> None:
        found = only(report(), "crossings")
        assert found.table is not None
        assert found.title == "Crossed: sex × race"
        assert [row[:5] for row in found.table.rows[:2]] == [
            ("f × a", "before", "400", "60", "0.1500"),
            ("f × a", "after", "400", "60", "0.5000"),
        ]
        assert "7 rows lack one of the attributes and are not shown." in found.sentences
        assert "1 of the 3 have fewer than 30 rows." in found.sentences
        assert found.items[0] == ("before: selection rates from 0.0833 (f × b, 12 rows) to 0.3000 (m × a, 600 rows)")

    def test_an_audit_has_one_network(self) -> None:
        cells = [cell("f", "a", 400, 60, after=None), cell("m", "a", 600, 180, after=None)]
        found = only(examples.audit(crossings=[crossing(cells=cells, unknown=0)]), "crossings")
        assert found.table is not None
        assert found.table.columns[:2] == ("sex × race", "n")
        assert found.table.rows[0][:3] == ("f × a", "400", "60")
        assert found.sentences == ("Rows of each group of sex and race together; no bound was asked of them.",)
        attributes = [{"name": "sex*race", "groups": ["f × a", "m × a"], "privileged": None}]
        asked = only(examples.audit(crossings=[crossing(cells=cells, unknown=0)], attributes=attributes), "crossings")
        assert asked.sentences == ("Rows of each group of sex and race together.",)

    def test_many_cells_are_thinned_out(self) -> None:
        cells = [cell("f", str(number), 10 + number, 1) for number in range(200)]
        found = only(report(crossings=[crossing(cells=cells)]), "crossings")
        assert found.table is not None
        assert len(found.table.rows) == 2 * CELLS
        assert found.table.rows[0][0] == "f × 140"
        assert "The 60 largest of 200 crossed groups; the JSON report has all." in found.sentences

    def test_numbers_have_other_figures(self) -> None:
        one = {"name": "f × a", "n": 40, "weight": 40.0, "mean_prediction": 12.346, "mean_target": 12.0, "mse": 4.0}
        cells = [{"groups": ["f", "a"], "before": one}]
        found = only(examples.audit(task="regression", crossings=[crossing(cells=cells)]), "crossings")
        assert found.table is not None
        assert found.table.columns[1:] == ("n", "mean y", "mean ŷ", "MSE", "MAE")
        assert found.table.rows == (("f × a", "40", "12", "12.35", "4", "–"),)
        assert found.items == ()


class TestSmallGroups:
    def value(self, *sizes: int, whole: int = 5000) -> Report:
        groups = [examples.group(name, n // 2, n=n) for name, n in zip("abcd", sizes, strict=False)]
        return examples.audit(before=examples.figures(-0.1, n=whole, parities=[examples.parity(-0.1, groups=groups)]))

    def test_named_by_number_and_by_share(self) -> None:
        found = [section for section in sections(self.value(29, 99, 100, 4772), "rows") if section.title != "Rows"]
        [small] = found
        assert small.title == "Small groups"
        assert small.items == ("a: 29 rows, 0.58%", "b: 99 rows, 2%")

    @pytest.mark.parametrize("sizes", [(30, 970), (20, 980)])
    def test_fewer_than_thirty(self, sizes: tuple[int, int]) -> None:
        titles = [section.title for section in sections(self.value(*sizes, whole=1000), "rows")]
        assert titles == (["Rows", "Small groups"] if sizes[0] < 30 else ["Rows"])


def test_a_terminal_shows_them_when_asked() -> None:
    short, full = printed(report(), full=False), printed(report(), full=True)
    for title in ("Steps", "Layers", "Other thresholds", "Crossed: sex × race", "Limits"):
        assert f"\n{title}\n" not in short
        assert f"\n{title}\n" in full
        assert f"#### {title}\n" in to_markdown(report())


@pytest.mark.parametrize("width", [40, 80])
def test_names_of_others_are_text(width: int) -> None:
    hostile = examples.HOSTILE
    groups = [cell(hostile, hostile, 400, 60), cell("m", "a", 600, 180)]
    value = report(
        crossings=[crossing(cells=groups, attributes=[hostile, "race"])], layers=[layer(hostile, pruned=[3])]
    )
    text = printed(value, full=True, width=width)
    assert "\x1b" not in text and "\u202e" not in text
    markdown = to_markdown(value)
    assert "<b>" not in markdown and "\x1b" not in markdown
    rows = re.findall(r"^\|.*\|$", markdown, re.MULTILINE)
    # A bar or a line feed in a name makes no cell and no row.
    assert (
        len({row.replace("\\|", "").count("|") for row in rows if "60" in row and "400" in row and "before" in row})
        == 1
    )
