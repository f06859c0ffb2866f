"""The page of a fleet in a real browser: its rows sorted, found, chosen, and what stays without a script."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from debias.report.content.fleet import fleet_document
from debias.report.findings.fleet import OUTCOMES
from debias.report.html import to_html
from debias.report.values.fleet import Fleet, FleetRow
from tests.report import examples
from tests.report.html.looks import Watch, assert_readable, written
from tests.report.html.values import HOSTILE, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

STEP = 250


@pytest.fixture(scope="module")
def value() -> Fleet:
    """Return a fleet of 300 models, half of them under two attributes, some without a report."""
    draw = random.Random(3)
    rows: list[FleetRow] = []
    for at in range(300):
        name = f"model {at} {'north' if at % 3 else 'Süd'}"
        if at % 20 == 7:
            rows.append(examples.unreported(name, draw.choice(["crashed", "timeout", "refused"])))
            continue
        for attribute in ("sex", "age")[: 1 + at % 2]:
            bias = None if at % 20 == 8 else draw.gauss(0, 0.03)
            rows.append(examples.row(name, bias, attribute=attribute, eps=draw.choice([0.05, 0.1])))
    return examples.fleet(rows)


@pytest.fixture(scope="module")
def page_text(value: Fleet) -> str:
    return to_html(value)


@pytest.fixture
def page(page_text: str, browser_page: Page, tmp_path: Path) -> Page:
    browser_page.goto(written(tmp_path, page_text))
    return browser_page


def head(page: Page, name: str) -> Locator:
    return page.locator(".browser thead th").filter(has_text=re.compile(f"^{re.escape(name)}$"))


def shown(page: Page) -> list[tuple[str, str]]:
    """Return model and attribute of the rows that are there, in their order."""
    cells = page.locator(".browser tbody tr").evaluate_all(
        "rows => rows.map(row => [row.cells[0].textContent, row.cells[1].textContent])"
    )
    return [(name, attribute) for name, attribute in cells]


def named(rows: list[FleetRow]) -> list[tuple[str, str]]:
    return [(row.name, row.attribute or "–") for row in rows]


def ordered(rows: list[FleetRow], key: Callable[[FleetRow], float | None], descending: bool) -> list[FleetRow]:
    """Return rows by a number, those without one last, and as they were where it is the same."""
    known = [row for row in rows if key(row) is not None]
    known.sort(key=lambda row: (key(row) or 0.0) * (-1 if descending else 1))
    return known + [row for row in rows if key(row) is None]


def ratio(row: FleetRow) -> float | None:
    return None if row.bias is None or row.eps is None else abs(row.bias) / row.eps


@pytest.mark.parametrize(
    ("column", "key"), [("bias", lambda row: row.bias), ("|bias|/bound", ratio), ("rows", lambda row: row.rows)]
)
def test_sorted_by_a_number(column: str, key: Any, value: Fleet, page: Page) -> None:
    button = head(page, column).get_by_role("button")
    assert head(page, column).get_attribute("aria-sort") is None
    for state, descending in (("ascending", False), ("descending", True)):
        button.click()
        assert head(page, column).get_attribute("aria-sort") == state
        assert shown(page) == named(ordered(value.rows, key, descending))[:STEP]
        assert f"sorted by {column}, {state}." in page.locator(".told").inner_text()
    button.click()
    assert page.locator("[aria-sort]").count() == 0
    assert shown(page) == named(value.rows)[:STEP]


def test_sorted_by_words_and_only_by_one_column(value: Fleet, page: Page) -> None:
    head(page, "bias").get_by_role("button").click()
    head(page, "model").get_by_role("button").click()
    assert page.locator("[aria-sort]").count() == 1
    # Numbers in names count as numbers: model 9 comes before model 10.
    assert shown(page) == named(sorted(value.rows, key=lambda row: int(row.name.split()[1])))[:STEP]


def test_sorted_by_keyboard(page: Page) -> None:
    head(page, "verdict").get_by_role("button").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert head(page, "verdict").get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert head(page, "verdict").get_attribute("aria-sort") == "descending"
    assert page.evaluate("document.activeElement.closest('th').textContent") == "verdict", "the focus stays"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('th').textContent") == "overall"


def test_chosen_by_what_columns_say(value: Fleet, page: Page) -> None:
    def choose(name: str, text: str) -> None:
        options = page.get_by_label(name, exact=True).locator("option").all_inner_texts()
        [option] = [one for one in options if one.rpartition(" (")[0] == text]
        page.get_by_label(name, exact=True).select_option(label=option)

    def verdict(row: FleetRow) -> str:
        return OUTCOMES[row.attribute_verdict or row.status]

    choose("verdict", "fail")
    failing = [row for row in value.rows if verdict(row) == "fail"]
    assert shown(page) == named(failing) != []
    choose("attribute", "age")
    assert shown(page) == named([row for row in failing if row.attribute == "age"]) != []
    page.get_by_role("button", name="Clear filters").click()
    assert shown(page) == named(value.rows)[:STEP]
    choose("status", "crashed")
    crashed = [row for row in value.rows if row.status == "crashed"]
    assert shown(page) == named(crashed) != []
    assert page.locator(".told").inner_text() == f"{len(crashed)} of {len(value.rows)} rows."
    head(page, "model").get_by_role("button").click()
    head(page, "model").get_by_role("button").click()
    assert shown(page) == named(crashed)[::-1]


def test_found_by_words(value: Fleet, page: Page) -> None:
    told = page.locator(".told")
    # Small letters, decomposed letters and several words in any order are found.
    page.get_by_label("Find").press_sequentially("su\u0308D model")
    southern = [row for row in value.rows if "Süd" in row.name]
    told.filter(has_text=f"{len(southern)} of {len(value.rows)} rows").wait_for()
    assert shown(page) == named(southern)[:STEP]
    page.get_by_label("Find").fill("signal 11")
    ended = [row for row in value.rows if row.problem]
    told.filter(has_text=f"{len(ended)} of").wait_for()
    assert shown(page) == named(ended)
    page.get_by_label("Find").fill("\\d .* <")
    told.filter(has_text=f"0 of {len(value.rows)} rows.").wait_for()
    assert shown(page) == []


def test_a_long_table_is_shown_in_parts(value: Fleet, page: Page) -> None:
    assert len(shown(page)) == STEP < len(value.rows)
    page.get_by_role("button", name=f"Show {len(value.rows) - STEP} more").click()
    assert shown(page) == named(value.rows)
    assert not page.locator(".more").is_visible()
    assert "shown" not in page.locator(".told").inner_text()


def test_on_paper_stand_all_rows_that_were_chosen(value: Fleet, page: Page) -> None:
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown(page) == named(value.rows)
    assert not page.locator(".choose").is_visible()
    assert page.evaluate("document.querySelector('.browser .scroll').scrollHeight") <= page.evaluate(
        "document.querySelector('.browser .scroll').clientHeight"
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(shown(page)) == STEP


def test_without_a_script_all_is_there_to_be_read(
    value: Fleet, page_text: str, chromium: Browser, tmp_path: Path
) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(written(tmp_path, page_text))
    assert page.locator(".browser tbody tr").count() == len(value.rows)
    assert page.locator(".browser tbody tr").last.is_visible()
    assert page.locator(".choose, .more, .browser button").filter(visible=True).count() == 0
    context.close()


def test_rows_stay_in_sight_where_the_script_is_refused(
    value: Fleet, page_text: str, browser_page: Page, tmp_path: Path
) -> None:
    """Some servers of reports forbid every script."""
    refused = page_text.replace("script-src &#39;sha256-", "script-src &#39;sha256-A")
    assert refused != page_text
    browser_page.goto(written(tmp_path, refused))
    assert browser_page.locator(".browser tbody tr").count() == len(value.rows)
    assert browser_page.locator(".browser tbody tr").last.is_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 375)])
def test_readable_and_operable(theme: Any, width: int, axe: str, browser_page: Page, tmp_path: Path) -> None:
    page = browser_page
    page.goto(written(tmp_path, page_of("fleet")))
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    head(page, "bias").get_by_role("button").click()
    assert_readable(page, axe)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    head(page, "rows").get_by_role("button").focus()
    box, around = head(page, "rows").bounding_box(), page.locator(".browser .scroll").bounding_box()
    assert box and around and around["x"] <= box["x"] < around["x"] + around["width"], "what has the focus is in sight"


def test_hostile_names_do_nothing(axe: str, browser_page: Page, tmp_path: Path) -> None:
    text = HOSTILE + "x" * 2000
    rows = [
        examples.row(text, 0.1, model=text, data=text, attribute=text, pair=[text, "b"]),
        examples.row(f"{text}2", 0.2, output=text, verb=text),
        examples.unreported(f"={text}", problem=text),
    ]
    watch = Watch(browser_page)
    where = written(tmp_path, to_html(examples.fleet(rows, manifest=text, folder=text, isolation=text, statement=text)))
    browser_page.goto(where, wait_until="networkidle")
    head(browser_page, "model").get_by_role("button").click()
    browser_page.get_by_label("attribute", exact=True).select_option(index=2)
    assert len(shown(browser_page)) == 1
    assert_readable(browser_page, axe)
    assert watch.said == [] and watch.asked == [where]
    assert browser_page.locator("img, iframe, a[href^=javascript]").count() == 0
    assert browser_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_columns_of_choices_are_there(value: Fleet) -> None:
    [table] = [one.table for one in fleet_document(value).sections if one.table is not None and one.table.choices]
    assert set(table.choices) == {"attribute", "verdict", "overall", "status"} <= set(table.columns)
