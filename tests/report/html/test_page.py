"""The page as text: what it holds, what it may do, and what text of others cannot do to it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from debias.report.as_json import to_json
from debias.report.content.every import document_of
from debias.report.html import to_html
from debias.report.html.page import LONGEST_CELL
from debias.report.text import visible
from tests.report import examples
from tests.report.charts import values as charted
from tests.report.html.values import EVERY, HOSTILE, hostile, page_of

VOID = {"meta", "br", "link", "img", "input"}
WORDS = {"content", "title", "data-tip", "data-x", "data-series", "aria-label"}
"""Attributes that hold words."""


class Page(HTMLParser):
    """What a browser reads: elements with their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[int, str] = {}
        self.open: list[int] = []
        self.comments: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def of(self, tag: str) -> list[str]:
        return [self.text.get(place, "") for place, (name, _) in enumerate(self.elements) if name == tag]

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def words(self) -> str:
        return "\n".join(self.text.values())


@pytest.mark.parametrize("name", EVERY)
def test_every_value_is_a_whole_page(name: str) -> None:
    value, text = EVERY[name](), page_of(name)
    page = Page(text)
    assert not page.open, "every element is closed"
    assert text.startswith("<!doctype html>\n") and text.endswith("</html>\n")
    assert len(page.of("h1")) == 1 and page.of("title")[0].startswith(document_of(value).headline)
    shown = page.words()
    for section in document_of(value).sections:
        for part in (*section.sentences, *section.items, *([section.code] if section.code else [])):
            assert visible(part) in shown
    assert to_html(value) == text


@pytest.mark.parametrize("name", EVERY)
def test_nothing_from_elsewhere(name: str) -> None:
    page = Page(page_of(name))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "image",
        "audio",
        "video",
        "foreignobject",
    }
    assert len(page.of("script")) == len(page.of("style")) == 1
    assert "@import" not in page.of("style")[0] and "url(" not in page.of("style")[0]
    for tag, attributes in page.elements:
        assert not {"src", "srcset", "style", "background", "action", "xlink:href"} & set(attributes)
        assert not [attribute for attribute in attributes if attribute.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#"), tag
        for attribute, value in attributes.items():
            if attribute not in WORDS and attribute != "xmlns":
                assert "//" not in (value or "") and "javascript:" not in (value or "")


def test_only_this_style_and_script_run() -> None:
    page = Page(page_of("repair"))
    policy = next(
        one["content"] or "" for tag, one in page.elements if one.get("http-equiv") == "Content-Security-Policy"
    )
    allowed = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert allowed == {
        "default-src": "'none'",
        "style-src": digest(page.of("style")[0]),
        "script-src": digest(page.of("script")[0]),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    first = [tag for tag, one in page.elements if tag in ("meta", "style", "script", "title")]
    assert first[1] == "meta", "the policy comes before what it is for"


def test_the_script_is_short() -> None:
    assert Page(page_of("repair")).of("script")[0].count("\n") <= 150


def test_hostile_text_changes_nothing_but_the_text() -> None:
    benign, evil = Page(to_html(hostile("x"))), Page(to_html(hostile()))
    assert evil.shape() == benign.shape()
    assert not evil.comments
    assert evil.of("script") == benign.of("script") and evil.of("style") == benign.of("style")
    shown = visible(HOSTILE)
    assert any(shown == told for told in evil.of("span")), "the statement"
    assert any(f"1{shown}" in cell for cell in evil.of("th")), "a group"
    assert any(cell == f"debias prune {shown}" for cell in evil.of("code"))
    assert any(cell == shown for cell in evil.of("li")), "a note"
    text = to_html(hostile())
    assert not set(map(ord, text)) & (set(range(32)) - {10})
    assert "\u202e" not in text and "14" not in evil.of("title")[0]
    text.encode()


def test_a_template_is_never_read_from_a_name() -> None:
    shown = Page(to_html(hostile("{{ 7+7 }}{% for x in y %}"))).words()
    assert "{{ 7+7 }}{% for x in y %}" in shown


def test_endless_names_do_not_make_an_endless_page() -> None:
    text = to_html(hostile("ab " * 34_000))
    assert len(text.encode()) < 2_000_000
    cells = [cell for cell in Page(text).of("th") if "ab ab" in cell]
    assert cells and all(len(cell) < LONGEST_CELL + 30 for cell in cells)
    assert "… (102,001 characters)" in text


def test_the_largest_page_is_below_two_megabytes() -> None:
    assert len(to_html(charted.large()).encode()) < 2_000_000


def at(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) leads to."""
    for step in pointer.split("/")[1:]:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


@pytest.mark.parametrize("name", ["repair", "bare repair", "audit", "comparison"])
def test_the_figures_at_the_head_are_those_of_the_json(name: str) -> None:
    value = EVERY[name]()
    document = json.loads(to_json(value))
    page = Page(page_of(name))
    found = [(one, page.text[place]) for place, (_, one) in enumerate(page.elements) if "data-at" in one]
    root = "/report" if name == "comparison" else ""
    last = f"{root}/before" if name == "audit" else f"{root}/after"
    assert {f"{last}/parities/0/bias", f"{last}/balanced_accuracy"} <= {one["data-at"] for one, _ in found}
    for one, text in found:
        number = at(document, one["data-at"] or "")
        assert json.loads(one["value"] or "") == number
        assert abs(float(text.replace("−", "-")) - number) <= 0.00005


def test_what_is_undefined_is_a_dash() -> None:
    nothing = examples.figures(None, parities=[examples.parity(None, pair=None)])
    page = Page(to_html(examples.report(before=nothing, after=nothing)))
    found = [
        (tag, page.text[place]) for place, (tag, one) in enumerate(page.elements) if "/bias" in str(one.get("data-at"))
    ]
    assert found == [("span", "–"), ("span", "–")]


def test_numbers_in_tables_are_exact() -> None:
    value = examples.report(before=examples.figures(-1 / 7), after=examples.figures(-1 / 33))
    numbers = [one["value"] for tag, one in Page(to_html(value)).elements if tag == "data"]
    assert repr(-1 / 7) in numbers and repr(-1 / 33) in numbers
    assert all(re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", number or "") for number in numbers)


@pytest.mark.parametrize(
    ("verdict", "tone"), [("pass", "good"), ("fail", "bad"), ("inconclusive", "open"), ("no-bound", "plain")]
)
def test_the_verdict_has_a_word_a_shape_and_a_colour(verdict: str, tone: str) -> None:
    page = Page(to_html(examples.report(verdict=verdict, confidence=0.95)))
    assert ("div", {"class": f"verdict {tone}"}) in page.elements
    at = page.elements.index(
        ("svg", {"class": "mark", "viewbox": "0 0 24 24", "aria-hidden": "true", "focusable": "false"})
    )
    shape = page.elements[at + 1][0]
    assert shape == {"good": "circle", "bad": "path", "open": "path", "plain": "rect"}[tone]
    assert any(verdict.upper().replace("-", " ") in text for text in page.of("span"))


def test_a_folded_table_of_one_row_has_one_row() -> None:
    spread = {"attribute": "sex", "groups": 3, "tpr_sd": 0.08, "fpr_sd": 0.07, "mse_sd": None}
    rest = {"demographic_parity": 0.3, "demographic_parity_soft": 0.2, "attribute_swap": None}
    value = examples.audit(
        attributes=[{"name": "sex", "groups": ["f", "m", "x"], "privileged": None}],
        before=examples.figures(-0.15, dispersion=[{**spread, **rest}]),
    )
    folded = Page(to_html(value)).of("summary")
    assert any(text.endswith(", 1 row") for text in folded)
    assert not any("1 rows" in text for text in folded)
