"""The page in a real browser: quiet, equal to the JSON, to be used by pointer and by keyboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from debias.report.as_json import to_json
from debias.report.html import to_html
from debias.report.values.comparison import Comparison
from tests.report.html.looks import Watch, assert_readable, written
from tests.report.html.values import HOSTILE, hostile, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_figures_of_the_groups_are_those_of_the_json(
    compared: Comparison, compared_page: str, browser_page: Page, tmp_path: Path
) -> None:
    document = json.loads(to_json(compared))["report"]
    browser_page.goto(written(tmp_path, compared_page))
    fields = {"n": "n", "selected": "selected", "rate": "selection_rate", "TPR": "tpr", "FPR": "fpr"}
    fields["bal.acc"] = "balanced_accuracy"
    seen = 0
    for index, attribute in enumerate(document["attributes"]):
        heading = browser_page.get_by_role("heading", name=f"Groups of {attribute['name']}", exact=True)
        table = browser_page.locator(f"[aria-labelledby='{heading.get_attribute('id')}'] table")
        heads = table.locator("thead th").all_inner_texts()
        group = ""
        for row in table.locator("tbody tr").all():
            if row.locator("th[scope=rowgroup]").count():
                group = row.locator("th[scope=rowgroup]").inner_text().removesuffix("*")
            stage = row.locator("th[scope=row]").inner_text().replace(" ", "_").replace("candidate", "after")
            figures = next(one for one in document[stage]["parities"][index]["groups"] if one["name"] == group)
            for head, cell in zip(heads[2:], row.locator("td").all(), strict=True):
                shown = cell.locator("data")
                assert float(shown.get_attribute("value") or "nan") == figures[fields[head]]
                told = float(shown.inner_text().replace(",", "").replace("−", "-"))
                assert abs(told - figures[fields[head]]) <= 0.00005
                seen += 1
    assert seen == 2 * 2 * 3 * 6


def test_charts_show_the_figures_of_the_json(
    compared: Comparison, compared_page: str, browser_page: Page, tmp_path: Path
) -> None:
    document = json.loads(to_json(compared))["report"]
    browser_page.goto(written(tmp_path, compared_page))
    marks = browser_page.locator("figure .mark[data-figure]").evaluate_all(
        "all => all.map(one => ({chart: one.ownerSVGElement.id, ...one.dataset}))"
    )
    for index, _ in enumerate(document["attributes"]):
        for field in ("selection_rate", "tpr", "fpr"):
            own = [
                (mark["series"], mark["x"], float(mark["y"]))
                for mark in marks
                if mark["chart"] == f"chart-groups-{index + 1}-{field.replace('_', '-')}"
            ]
            assert sorted(own) == sorted(
                (name, group["name"], group[field])
                for name, stage in (("before", "before"), ("after", "after"))
                for group in document[stage]["parities"][index]["groups"]
            )


def test_a_mark_tells_what_it_is(browser_page: Page, tmp_path: Path) -> None:
    browser_page.goto(written(tmp_path, page_of("repair")))
    tip = browser_page.get_by_role("status")
    assert not tip.is_visible()
    mark = browser_page.locator("#chart-groups-1-tpr .mark[data-series='after']").first
    mark.hover(force=True)
    assert tip.is_visible() and tip.inner_text() == mark.get_attribute("data-tip")
    assert "0.7000" in tip.inner_text()
    box, around = tip.bounding_box(), browser_page.viewport_size
    assert box and around and box["x"] >= 0 and box["x"] + box["width"] <= around["width"]
    # The others of its series stay as they are, the rest steps back.
    rest = browser_page.locator("#chart-groups-1-tpr .mark[data-series='before']").first
    browser_page.wait_for_function("one => getComputedStyle(one).opacity < 0.5", arg=rest.element_handle())
    assert mark.evaluate("one => getComputedStyle(one).opacity") == "1"
    browser_page.get_by_role("heading", level=1).hover()
    assert not tip.is_visible()


def test_charts_by_keyboard(browser_page: Page, tmp_path: Path) -> None:
    browser_page.goto(written(tmp_path, page_of("repair")))
    browser_page.keyboard.press("Tab")
    assert browser_page.evaluate("document.activeElement.className") == "skip"
    browser_page.keyboard.press("Enter")
    assert browser_page.evaluate("document.activeElement.id") == "report"
    stops = []
    for _ in range(60):
        browser_page.keyboard.press("Tab")
        stops.append(browser_page.evaluate("document.activeElement.id || document.activeElement.className"))
        if stops[-1] == "chart-groups-1-tpr":
            break
    assert stops[-1] == "chart-groups-1-tpr", stops
    outline = browser_page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "one sees where one is"
    tip = browser_page.get_by_role("status")
    told = []
    for key in ("ArrowRight", "ArrowRight", "Home", "End", "ArrowRight"):
        browser_page.keyboard.press(key)
        told.append(tip.inner_text())
    assert told[0] == told[2] == told[4] and len(set(told)) == 3
    browser_page.keyboard.press("Escape")
    assert not tip.is_visible()
    browser_page.keyboard.press("ArrowRight")
    browser_page.keyboard.press("Tab")
    assert not tip.is_visible()


def test_the_contents_lead_to_the_chapters(browser_page: Page, tmp_path: Path) -> None:
    browser_page.goto(written(tmp_path, page_of("repair")))
    links = browser_page.locator("nav a")
    titles = links.all_inner_texts()
    assert titles == browser_page.locator("main h2").all_inner_texts()
    assert titles[0] == "Figures, group by group" and titles[-1] == "Limits"
    links.nth(3).click()
    assert browser_page.get_by_role("heading", name=titles[3], exact=True).first.is_visible()
    browser_page.wait_for_function("document.querySelectorAll('nav a[aria-current]').length === 1")


def test_without_a_script(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(written(tmp_path, page_of("repair")))
    assert page.get_by_role("heading", level=1).is_visible()
    assert page.locator("figure svg").count() == page.locator("figure svg > title").count() > 5
    assert page.locator("figure .mark > title").count() == page.locator("figure .mark[data-tip]").count() > 20
    folded = page.locator("details table").first
    assert not folded.is_visible()
    page.locator("summary").first.click()
    assert folded.is_visible()
    context.close()


@pytest.mark.parametrize("width", [375, 1280])
def test_hostile_names_do_nothing(width: int, axe: str, browser_page: Page, tmp_path: Path) -> None:
    watch = Watch(browser_page)
    browser_page.set_viewport_size({"width": width, "height": 800})
    where = written(tmp_path, to_html(hostile()))
    browser_page.goto(where, wait_until="networkidle")
    assert watch.said == [] and watch.asked == [where]
    assert browser_page.locator("img, iframe, a[href^=javascript]").count() == 0
    assert browser_page.locator("script").count() == 1
    assert_readable(browser_page, axe)
    assert browser_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    mark = browser_page.locator("#chart-groups-1-tpr .mark").first
    mark.hover(force=True)
    assert HOSTILE[:20] in browser_page.get_by_role("status").inner_text()
    assert watch.said == []


def test_a_policy_stops_what_is_not_ours(browser_page: Page, tmp_path: Path) -> None:
    """Even with text that got in as markup, nothing would run and nothing would be fetched."""
    watch = Watch(browser_page)
    evil = '<script>alert(1)</script><img src="http://example.invalid/x.png" onerror="alert(2)"><p style="color:red">x'
    where = written(tmp_path, page_of("repair").replace("</main>", f"{evil}</main>"))
    browser_page.goto(where, wait_until="networkidle")
    assert watch.refused == [("http://example.invalid/x.png", "csp")]
    assert not {"1", "2"} & set(watch.said)
    assert sum("Content Security Policy" in one for one in watch.said) >= 3
