"""The step summary: verdict first, the rest folded, never larger than its room."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from debias.report.content.report import report_document
from debias.report.summary import ROOM, to_summary
from tests.report import examples
from tests.report.findings.test_accepting import failing
from tests.report.test_junit import NASTY, VALUES


def test_the_verdict_comes_first_and_the_rest_is_folded() -> None:
    text = to_summary(examples.report())
    assert text.startswith("### debias prune: pass\n\n**The bound holds")
    head, *folded = text.split("<details><summary>")
    assert "| sex | repaired by prune | \\|bias\\| is 0.0310 | below 0.05 | pass |" in head
    assert "####" not in text
    titles = [part.partition("</summary>")[0] for part in folded]
    assert titles == [section.title for section in report_document(examples.report()).sections]
    assert text.count("</details>") == len(titles)


def test_a_reader_folds_it_and_reads_tables_inside() -> None:
    page = MarkdownIt("commonmark").enable("table").render(to_summary(examples.report()))
    assert page.startswith("<h3>debias prune: pass</h3>")
    inside = page.split("<summary>Groups</summary>")[1].split("</details>")[0]
    assert "<table>" in inside
    assert "<td>Female</td>" in inside


def test_values_without_a_verdict_have_no_findings() -> None:
    text = to_summary(examples.inspection())
    assert text.startswith("### ")
    assert "| attribute | network |" not in text


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("room", [0, 10, 60, 500, 2000, 4000, ROOM])
def test_it_keeps_to_its_room(name: str, room: int) -> None:
    text = to_summary(VALUES[name](), room)
    assert len(text.encode()) <= room
    assert text.count("<details>") == text.count("</details>")
    assert not text or text.startswith("### debias ")


def test_what_is_left_out_is_counted() -> None:
    whole = to_summary(examples.report())
    sections = len(report_document(examples.report()).sections)
    text = to_summary(examples.report(), len(whole.encode()) - 10)
    shown = text.count("<details>")
    assert f"no room for {sections - shown} of the {sections} parts of this report; a file of --report" in text
    assert "no room" not in whole


@settings(max_examples=50)
@given(st.text(min_size=1))
@example(NASTY)
@example(" ")
@example("</summary></details><script>")
@example("| --- |\n# h")
def test_names_of_others_are_shown_as_text(name: str) -> None:
    parity = examples.parity(-0.15, attribute=name, groups=[examples.group(name, 60), examples.group("b", 10)])
    value = failing(
        statement=name, notes=[name], attributes=[{"name": name, "groups": [name, "b"], "privileged": "b"}]
    ).model_copy(update={"before": examples.figures_value(-0.15, parities=[parity])})
    text = to_summary(value)
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    tags = set(re.findall(r"<(/?[a-zA-Z0-9]+)", page))
    assert {tag.strip("/") for tag in tags} <= {
        "h3", "p", "strong", "blockquote", "table", "thead", "tbody", "tr", "th", "td",
        "details", "summary", "ul", "li", "pre", "code",
    }  # fmt: skip
    assert page.count("<details>") == page.count("</details>") == text.count("<details>")


def test_a_huge_report_still_fits() -> None:
    value = failing(notes=["x" * 300_000] * 5, statement="y" * 2_000_000)
    assert 0 < len(to_summary(value).encode()) <= ROOM
