"""The page in a real browser: quiet, whole, readable in both themes, on a phone, on paper, by keyboard and by ear."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import debias
from debias.report.as_json import to_json
from debias.report.comparison import Comparison
from debias.report.html import to_html
from tests.report.html.values import EVERY, HOSTILE, full, hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
CHECKS = Path(__file__).with_name("checks.js").read_text(encoding="utf-8")
PHONE, DESK = {"width": 375, "height": 740}, {"width": 1280, "height": 900}
LEAST = 4.5
"""Contrast of small letters that WCAG 2.2 asks for at level AA."""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe, which judges what a page is to people who cannot see it well."""
    try:
        return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    except ModuleNotFoundError:
        if os.environ.get("DEBIAS_TEST_BROWSER") == "required":
            raise
        pytest.skip("needs the package axe-playwright-python")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return a real comparison for two attributes."""
    samples = ROOT / "sample_models"
    return debias.compare(
        samples / "lender_mlp.pt",
        samples / "lender_valid.csv",
        attr=["sex", "existing_customer"],
        eps=0.2,
        methods=["threshold", "prune"],
        out=tmp_path_factory.mktemp("compared") / "repaired.pt",
    )


def written(folder: Path, text: str) -> str:
    path = folder / "report.html"
    path.write_bytes(text.encode())
    return path.as_uri()


class Watch:
    """What a page does while it is looked at."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.refused: list[tuple[str, str | None]] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("requestfailed", lambda request: self.refused.append((request.url, request.failure)))


def assert_readable(page: Page, axe: str) -> None:
    """Check what a script can check: names, roles, order, contrast, tables."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
    assert len(found["passes"]) > 20
    assert_in_order(page)


def assert_in_order(page: Page) -> None:
    letters = page.evaluate(f"{CHECKS}.letters()")
    assert letters and [one for one in letters if one["ratio"] < LEAST] == []
    levels = page.evaluate(f"{CHECKS}.headings()")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in page.evaluate(f"{CHECKS}.tables()"):
        assert table["caption"] and not table["unscoped"] and not table["headless"]
    ids = page.evaluate(f"{CHECKS}.ids()")
    assert len(ids) == len(set(ids))
    assert page.evaluate(f"{CHECKS}.dangling()") == []


def accessible(page: Page) -> Iterator[tuple[str, str]]:
    """Yield role and name of what Chromium tells a screen reader."""
    session = page.context.new_cdp_session(page)
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        if not node["ignored"]:
            yield node["role"]["value"], node.get("name", {}).get("value", "")


@pytest.mark.parametrize("name", EVERY)
def test_every_value_opens_in_silence(name: str, browser_page: Page, tmp_path: Path) -> None:
    watch = Watch(browser_page)
    where = written(tmp_path, to_html(EVERY[name]()))
    browser_page.goto(where, wait_until="networkidle")
    assert watch.said == []
    assert watch.asked == [where]
    assert_in_order(browser_page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_readable_in_both_themes_and_sizes(
    theme: Any, size: str, axe: str, compared: Comparison, browser_page: Page, tmp_path: Path
) -> None:
    browser_page.emulate_media(color_scheme=theme)
    browser_page.set_viewport_size(PHONE if size == "phone" else DESK)  # type: ignore[arg-type]
    browser_page.goto(written(tmp_path, to_html(compared)))
    ground = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 3 * 64) == (theme == "dark")
    browser_page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert_readable(browser_page, axe)
    # The page itself never scrolls sideways; wide tables do in their own box.
    assert browser_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    # Where letters of another font are wider than those that matplotlib measured, they still fit.
    assert browser_page.evaluate(f"{CHECKS}.cut()") == []


def test_what_a_screen_reader_is_told(compared: Comparison, browser_page: Page, tmp_path: Path) -> None:
    browser_page.goto(written(tmp_path, to_html(compared)))
    told = list(accessible(browser_page))
    roles = [role for role, _ in told]
    assert {"banner", "navigation", "main", "contentinfo"} <= set(roles)
    pictures = [name for role, name in told if role in ("image", "img", "graphics-document")]
    assert len(pictures) == browser_page.locator("figure svg").count() > 5
    assert all(pictures) and len(set(pictures)) == len(pictures)
    assert next(name for role, name in told if role == "heading").startswith("PASS")


def test_figures_of_the_groups_are_those_of_the_json(compared: Comparison, browser_page: Page, tmp_path: Path) -> None:
    document = json.loads(to_json(compared))["report"]
    browser_page.goto(written(tmp_path, to_html(compared)))
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


def test_charts_show_the_figures_of_the_json(compared: Comparison, browser_page: Page, tmp_path: Path) -> None:
    document = json.loads(to_json(compared))["report"]
    browser_page.goto(written(tmp_path, to_html(compared)))
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
    browser_page.goto(written(tmp_path, to_html(full())))
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
    browser_page.goto(written(tmp_path, to_html(full())))
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
    browser_page.goto(written(tmp_path, to_html(full())))
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
    page.goto(written(tmp_path, to_html(full())))
    assert page.get_by_role("heading", level=1).is_visible()
    assert page.locator("figure svg").count() == page.locator("figure svg > title").count() > 5
    assert page.locator("figure .mark > title").count() == page.locator("figure .mark[data-tip]").count() > 20
    folded = page.locator("details table").first
    assert not folded.is_visible()
    page.locator("summary").first.click()
    assert folded.is_visible()
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_paper(theme: Any, browser_page: Page, tmp_path: Path) -> None:
    browser_page.emulate_media(color_scheme=theme, media="print")
    browser_page.goto(written(tmp_path, to_html(full())))
    assert browser_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser_page.locator("nav").is_visible()
    browser_page.evaluate("dispatchEvent(new Event('beforeprint'))")
    tables = browser_page.locator("table")
    assert tables.count() == browser_page.locator("table:visible").count() > 5
    assert_in_order(browser_page)
    assert browser_page.pdf(format="A4").startswith(b"%PDF")


def test_nothing_is_folded_on_paper_without_a_script(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.emulate_media(media="print")
    page.goto(written(tmp_path, to_html(full())))
    box = page.locator("details table").first.bounding_box()
    assert box and box["height"] > 40
    context.close()


@pytest.mark.parametrize("width", [375, 1280])
def test_hostile_names_do_nothing(width: int, axe: str, browser_page: Page, tmp_path: Path) -> None:
    watch = Watch(browser_page)
    browser_page.set_viewport_size({"width": width, "height": 800})
    where = written(tmp_path, to_html(hostile()))
    browser_page.goto(where, wait_until="networkidle")
    assert watch.said == [] and watch.asked == [where]
    assert browser_page.locator("img, iframe, a[href^=javascript]").count() == 0
    assert browser_page.locator("body script").count() == 1
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
    where = written(tmp_path, to_html(full()).replace("</main>", f"{evil}</main>"))
    browser_page.goto(where, wait_until="networkidle")
    assert watch.refused == [("http://example.invalid/x.png", "csp")]
    assert not {"1", "2"} & set(watch.said)
    assert sum("Content Security Policy" in one for one in watch.said) >= 3


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
