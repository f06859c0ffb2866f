from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from debias.report.terminal import print_report, to_text, verdict_line
from debias.report.values.inspection import Inspection
from debias.report.values.report import Report
from tests.report import examples


def printed(value: Report | Inspection, width: int = 80, color: bool = False) -> str:
    stream = io.StringIO()
    colors = "standard" if color else None
    print_report(value, Console(file=stream, width=width, highlight=False, force_terminal=color, color_system=colors))
    return stream.getvalue()


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_verdict_comes_first() -> None:
    assert printed(examples.report()).startswith("PASS  The bound holds: |−0.0310| is below 0.05")
    assert printed(examples.audit()).startswith("NO BOUND  No bound was asked")
    assert verdict_line(examples.report(verdict="fail", exit_code=1)).startswith("FAIL  ")


def test_says_what_was_found_and_done() -> None:
    text = words(printed(examples.report()))
    for told in (
        "before: P(+ | Female) − P(+ | Male) = -0.15",
        "after: P(+ | Female) − P(+ | Male) = -0.031",
        "statistical-parity: P(+ | unprivileged) − P(+ | privileged)",
        "Male is privileged over Female",
        "threshold only 0.6200",
        "Female before 400 60 0.1500 0.7000 0.1000 0.8000",
        "Male* before 600 180 0.3000",
        "1,000 rows of --data, set aside before anything looked at them",
        "selection: 2,334",
        "without sex in data: 12 (drop)",
        "kept for selection: Female, 1: 1 row",
        "hidden.0: 6 units pruned (0-3, 9, 17)",
        "hidden.9 left alone: its units cross a LayerNorm",
        "Step 31 of 352 was chosen",
        "threshold: +0.1900 constrained objective",
        "Brier score 0.1200 before, 0.1310 after",
        "folded into the last bias, which moves every score",
        "written: models/lender.prune.pt",
        "The privileged group was taken from the table",
    ):
        assert told in text, told


def test_nobody_is_promised_fairness() -> None:
    assert not re.search(r"\bfair(ness)?\b|complian", printed(examples.report()), re.IGNORECASE)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("value", [examples.report(command=None), examples.audit(), examples.inspection()])
def test_nothing_is_cut_at_any_width(value: Report | Inspection, width: int) -> None:
    text = printed(value, width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "…" not in text
    if isinstance(value, Report):
        for number in ("0.8100", "−0.1500", "0.3000", "180"):
            assert number in text


def test_a_command_to_copy_stays_one_line() -> None:
    command = examples.report().command
    assert command is not None
    assert f"  {command}\n" in printed(examples.report(), width=40)


def test_names_of_others_are_never_markup_or_control() -> None:
    name = examples.HOSTILE
    value = examples.report(
        attributes=[{"name": name, "groups": [name, "Male"], "privileged": name}],
        positive_label=name,
        statement=name,
        command=name,
        notes=[name],
        before=examples.figures(
            -0.1, parities=[examples.parity(-0.1, sentence=name, groups=[examples.group(name, 3, tpr=None)])]
        ),
        threshold_only=None,
        after=None,
    )
    text = printed(value, width=200, color=True)
    assert "\u202e" not in text
    assert "[red]se|x[/red]\\n<b>\\x1b[31m`*_\\u202e" in text
    assert "\x1b[31m" not in text.replace("\\x1b[31m", "")  # its colour did not come through
    assert "undefined: no rows with a favourable label in [red]" in text


def test_optimistic_figures_say_so() -> None:
    rows = examples.report().rows.model_dump()
    text = printed(examples.report(optimistic=True, rows={**rows, "verdict_from": "selection"}))
    assert "Optimistic: the verdict rows also chose the candidate" in text
    text = words(printed(examples.report(optimistic=True, rows={**rows, "verdict_from": "test", "overlap": 1000})))
    assert "Optimistic: every row of --test also occurs in --data" in text
    text = words(printed(examples.report(rows={**rows, "verdict_from": "test", "overlap": 7})))
    assert "7 of the 1,000 rows of --test also occur in --data." in text


def test_other_warnings() -> None:
    text = words(printed(examples.report(trusted=True, uses_attribute=True, output=None)))
    assert "--trust was given" in text
    assert "needs the protected attribute at prediction" in text
    assert "written:" not in text
    assert "candidate 0.8100" in text


@pytest.mark.parametrize(("share", "side"), [(0, "unfavourable"), (1, "favourable")])
def test_one_decision_for_all_is_told_beside_the_verdict(share: int, side: str) -> None:
    """A bound that is met so says nothing about the network."""
    groups = [examples.group("Female", share * 400), examples.group("Male", share * 600, n=600, privileged=True)]
    same = examples.figures(0.0, balanced_accuracy=0.5, parities=[examples.parity(0.0, groups=groups)])
    lines = printed(examples.audit(before=same)).splitlines()
    assert lines[1].startswith(f"Every row gets the {side} decision")
    assert "Every row" not in printed(examples.audit())


def test_more_than_two_groups_show_the_mean_pairwise_difference() -> None:
    names = ["a", "b", "c"]
    three = examples.figures(
        -0.3, parities=[examples.parity(-0.3, mean_pairwise=0.2, groups=[examples.group(name, 10) for name in names])]
    )
    attributes = [{"name": "sex", "groups": names, "privileged": None}]
    text = words(printed(examples.audit(attributes=attributes, before=three)))
    assert "Mean pairwise difference: as deployed 0.2000." in text
    assert "no group is privileged" in text


def test_inspection() -> None:
    text = words(printed(examples.inspection()))
    for told in (
        "USABLE models/lender.pt can be used",
        "weights: 12,345, float32",
        "input x: [N, 14], role features",
        "output: probability [N, 1]; a threshold can be folded",
        "hidden.4: its units are added to those of hidden.0",
        "prune: yes (hidden.4 is left alone)",
        "label: default",
        "features: 2 (age, income)",
        "method: prune",
        "after: n 9, bias -0.01 ",
    ):
        assert told in text, told
    refused = printed(examples.inspection(problems=["hidden.0: quantised", "out: no bias"], trusted=True))
    assert refused.startswith("REFUSED  models/lender.pt: 2 reasons against using it")
    assert "• out: no bias" in refused


def test_no_line_ends_in_spaces() -> None:
    for line in to_text(examples.report(), full=True).split("\n"):
        assert line == line.rstrip(" ")
