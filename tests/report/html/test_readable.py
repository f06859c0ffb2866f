"""The page in a real browser: readable in both themes, on a phone, on paper, by ear."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.html.looks import CHECKS, LEAST, Watch, accessible, assert_in_order, assert_readable, written
from tests.report.html.values import EVERY, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE, DESK = {"width": 375, "height": 740}, {"width": 1280, "height": 900}


@pytest.mark.parametrize("name", EVERY)
def test_every_value_opens_in_silence(name: str, browser_page: Page, tmp_path: Path) -> None:
    watch = Watch(browser_page)
    where = written(tmp_path, page_of(name))
    browser_page.goto(where, wait_until="networkidle")
    assert watch.said == []
    assert watch.asked == [where]
    assert_in_order(browser_page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_readable_in_both_themes_and_sizes(
    theme: Any, size: str, axe: str, compared_page: str, browser_page: Page, tmp_path: Path
) -> None:
    browser_page.emulate_media(color_scheme=theme)
    browser_page.set_viewport_size(PHONE if size == "phone" else DESK)  # type: ignore[arg-type]
    browser_page.goto(written(tmp_path, compared_page))
    ground = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 3 * 64) == (theme == "dark")
    browser_page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert_readable(browser_page, axe)
    # The page itself never scrolls sideways; wide tables do in their own box.
    assert browser_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    # Where letters of another font are wider than those that matplotlib measured, they still fit.
    assert browser_page.evaluate(f"{CHECKS}.cut()") == []


def test_what_a_screen_reader_is_told(compared_page: str, browser_page: Page, tmp_path: Path) -> None:
    browser_page.goto(written(tmp_path, compared_page))
    told = list(accessible(browser_page))
    roles = [role for role, _ in told]
    assert {"banner", "navigation", "main", "contentinfo"} <= set(roles)
    pictures = [name for role, name in told if role in ("image", "img", "graphics-document")]
    assert len(pictures) == browser_page.locator("figure svg").count() > 5
    assert all(pictures) and len(set(pictures)) == len(pictures)
    assert next(name for role, name in told if role == "heading").startswith("PASS")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_paper(theme: Any, browser_page: Page, tmp_path: Path) -> None:
    browser_page.emulate_media(color_scheme=theme, media="print")
    browser_page.goto(written(tmp_path, page_of("repair")))
    assert browser_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser_page.locator("nav").is_visible()
    browser_page.evaluate("dispatchEvent(new Event('beforeprint'))")
    tables = browser_page.locator("table")
    assert tables.count() == browser_page.locator("table:visible").count() > 5
    assert_in_order(browser_page)
    assert browser_page.pdf(format="A4").startswith(b"%PDF")


def test_on_paper_a_short_table_stays_whole_and_follows_its_words(browser_page: Page, tmp_path: Path) -> None:
    browser_page.emulate_media(media="print")
    browser_page.goto(written(tmp_path, page_of("repair")))
    told = browser_page.evaluate(
        """[...document.querySelectorAll('.scroll')].map(box =>
            [Math.max(...[...box.querySelectorAll('tbody')].map(body => body.rows.length)),
             getComputedStyle(box).breakInside])"""
    )
    assert {inside for rows, inside in told if rows < 16} == {"avoid"}
    assert {inside for rows, inside in told if rows >= 16} <= {"auto"}
    after = "[...document.querySelectorAll('h2, h3, .note')].map(words => getComputedStyle(words).breakAfter)"
    assert set(browser_page.evaluate(after)) == {"avoid"}


def test_nothing_is_folded_on_paper_without_a_script(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.emulate_media(media="print")
    page.goto(written(tmp_path, page_of("repair")))
    box = page.locator("details table").first.bounding_box()
    assert box and box["height"] > 40
    context.close()


def test_the_measure_of_contrast_is_right(browser_page: Page) -> None:
    """By pairs whose ratio is published."""
    for one, other, ratio in (
        ("rgb(0, 0, 0)", "rgb(255, 255, 255)", 21.0),
        ("rgb(119, 119, 119)", "rgb(255, 255, 255)", 4.48),
        ("rgb(118, 118, 118)", "rgb(255, 255, 255)", 4.54),
    ):
        assert abs(browser_page.evaluate(f"{CHECKS}.contrast('{one}', '{other}')") - ratio) < 0.005
    browser_page.set_content("<body style='background:#fff'><p style='color:#777'>pale</p><h1>a</h1><h3>b</h3>")
    ratios = {one["text"]: one["ratio"] for one in browser_page.evaluate(f"{CHECKS}.letters()")}
    assert ratios["pale"] < LEAST < ratios["a"]
    with pytest.raises(AssertionError):
        assert_in_order(browser_page)
