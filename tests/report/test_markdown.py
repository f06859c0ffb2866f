from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from debias.report.content.report import report_document
from debias.report.markdown import block, inline, to_markdown
from debias.report.text import visible
from tests.report import examples


def test_headings_start_at_h3_with_the_verdict() -> None:
    text = to_markdown(examples.report())
    assert text.startswith("### debias prune: pass\n\n**The bound holds: \\|−0.0310\\| is below 0.05")
    assert not re.search(r"^#{1,2} ", text, re.MULTILINE)


def test_same_content_as_the_terminal() -> None:
    text = to_markdown(examples.report())
    for section in report_document(examples.report()).sections:
        assert f"#### {section.title}\n" in text
        for item in section.items:
            assert f"- {block(item)}\n" in text
        for sentence in section.sentences:
            assert f"\n{block(sentence)}\n" in text


def test_tables_are_whole() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", to_markdown(examples.report(positive_label=examples.HOSTILE)), re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1
    assert "| before | 0.8100 | 0.8400 | −0.1500 |" in tables[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("[x](y) ![z]", "\\[x\\](y) !\\[z\\]"),
        ("a\nb", "a\\\\nb"),
        ("`*_~$@#", "\\`\\*\\_\\~\\$\\@\\#"),
        ("https://x www.y.z", "https\\://x www\\.y.z"),
        ("\x1b[2J", "\\\\x1b\\[2J"),
    ],
)
def test_inline(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("- a", "\\- a"), ("+ a", "\\+ a"), ("1. a", "1\\. a"), ("12) a", "12\\) a"), ("1.5", "1\\.5")]
)
def test_block(text: str, shown: str) -> None:
    assert block(text) == shown


def test_code_cannot_be_left() -> None:
    text = to_markdown(examples.report(command="debias ```\n# hello"))
    assert "````sh\ndebias ```\\n# hello\n````\n" in text


@given(st.text())
@example("a*b_c`d<e>&amp;![x](y)|~~z~~\\\n# h")
@example("&copy; \\* <!-- -->")
def test_a_reader_sees_the_text_and_nothing_else(text: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    # A paragraph's outer spaces are not shown by any reader.
    shown = reader.render("x" + inline(text) + "x")
    assert html.unescape(shown.removeprefix("<p>").removesuffix("</p>\n")) == "x" + visible(text) + "x"
    assert "<" not in shown.removeprefix("<p>").removesuffix("</p>\n")


@given(st.text(min_size=1).map(str.strip).filter(bool))
@example("1. a")
@example("- - -")
@example("===")
@example("    code")
def test_a_line_starts_no_block(text: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    assert [token.type for token in reader.parse(block(text))] == ["paragraph_open", "inline", "paragraph_close"]
