"""Charts in a real browser: legible, in both themes, under a policy that forbids styles."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from debias.report.charts import Chart
from debias.report.charts.colours import DARK, LIGHT, css

if TYPE_CHECKING:
    from playwright.sync_api import Page

NONCE = "own"
STYLE = (
    f":root {{ {css(LIGHT)} }} @media (prefers-color-scheme: dark) {{ :root {{ {css(DARK)} }} }}"
    "body { background: var(--paper); color: var(--ink); font: 15px sans-serif; }"
)

# The boxes of all words of a chart, in its own pixels; and what colours they have.
WORDS = """() => [...document.querySelectorAll('svg')].map(svg => {
  const frame = svg.getBoundingClientRect();
  return {id: svg.id, width: frame.width, height: frame.height, words: [...svg.querySelectorAll('text')].map(text => {
    const box = text.getBoundingClientRect();
    return {text: text.textContent, left: box.left - frame.left, top: box.top - frame.top,
            right: box.right - frame.left, bottom: box.bottom - frame.top,
            size: parseFloat(getComputedStyle(text).fontSize), fill: getComputedStyle(text).fill};
  })};
})"""


def page_of(charts: tuple[Chart, ...]) -> str:
    policy = f"default-src 'none'; style-src 'nonce-{NONCE}'"
    figures = "".join(f"<figure><h2>{escape(chart.title)}</h2>{chart.svg}</figure>" for chart in charts)
    return (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<style nonce="{NONCE}">{STYLE}</style><title>Charts</title>{figures}'
    )


def opened(page: Page, folder: Path, charts: tuple[Chart, ...]) -> list[str]:
    """Show the charts; return what the console says."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if "page.html" not in request.url else None)
    path = folder / "page.html"
    path.write_text(page_of(charts), encoding="utf-8")
    page.goto(path.as_uri())
    return said


def overlap(one: dict[str, Any], other: dict[str, Any]) -> float:
    wide = min(one["right"], other["right"]) - max(one["left"], other["left"])
    high = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return max(0.0, wide) * max(0.0, high)


def renamed(charts: tuple[Chart, ...], name: str) -> tuple[Chart, ...]:
    """Return the charts with ids that differ from those of other values on one page."""
    return tuple(replace(chart, svg=chart.svg.replace(chart.id, f"{name}-{chart.id}")) for chart in charts)


def test_words_are_whole_and_apart(
    drawn: dict[str, tuple[Chart, ...]], large: tuple[Chart, ...], browser_page: Page, tmp_path: Path
) -> None:
    """No word leaves its chart or covers another."""
    every = {**drawn, "large": large}
    charts = tuple(chart for name, own in every.items() for chart in renamed(own, name.replace(" ", "-")))
    assert opened(browser_page, tmp_path, charts) == []
    for chart in browser_page.evaluate(WORDS):
        for word in chart["words"]:
            told = (chart["id"], word)
            assert word["left"] > -0.5 and word["right"] < chart["width"] + 0.5, told
            assert word["top"] > -1 and word["bottom"] < chart["height"] + 1, told
            assert word["size"] >= 11, told
        for at, one in enumerate(chart["words"]):
            for other in chart["words"][at + 1 :]:
                assert overlap(one, other) < 6, (chart["id"], one, other)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_follow_the_theme(
    theme: str, drawn: dict[str, tuple[Chart, ...]], browser_page: Page, tmp_path: Path
) -> None:
    browser_page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    assert opened(browser_page, tmp_path, drawn["repair"]) == []
    colours = LIGHT if theme == "light" else DARK

    def rgb(name: str) -> str:
        return f"rgb({', '.join(str(int(colours[name][at : at + 2], 16)) for at in (1, 3, 5))})"

    fills = {word["fill"] for chart in browser_page.evaluate(WORDS) for word in chart["words"]}
    assert fills == {rgb("ink"), rgb("muted")}
    look = "(series) => getComputedStyle(document.querySelector(`#chart-groups-1-tpr [data-series=${series}]`))"
    assert browser_page.evaluate(f"({look})('after').fill") == rgb("after")
    assert browser_page.evaluate(f"({look})('before').stroke") == rgb("before")


def test_names_of_others_are_shown_and_do_nothing(
    hostile: tuple[Chart, ...], browser_page: Page, tmp_path: Path
) -> None:
    dialogs: list[str] = []
    browser_page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert opened(browser_page, tmp_path, hostile) == []
    assert dialogs == []
    assert browser_page.evaluate("document.querySelectorAll('script, img, b').length") == 0
    charts = browser_page.evaluate(WORDS)
    assert len(charts) == len(hostile)
    assert any("$x_1" in word["text"] for chart in charts for word in chart["words"])


def test_a_mark_can_be_pointed_at(drawn: dict[str, tuple[Chart, ...]], browser_page: Page, tmp_path: Path) -> None:
    """What lies under the pointer is the mark, also of a line that shows no symbols."""
    opened(browser_page, tmp_path, drawn["repair"])
    for id in ("chart-groups-1-tpr", "chart-sweep-performance", "chart-layers-units", "chart-crossing-1-before"):
        found = browser_page.evaluate(
            """(id) => {
              const marks = [...document.querySelectorAll(`#${id} .mark`)];
              return marks.map(mark => {
                mark.scrollIntoView({block: 'center'});
                const box = mark.getBoundingClientRect();
                const [x, y] = [box.left + Math.min(4, box.width / 2), box.top + box.height / 2];
                const under = document.elementFromPoint(x, y);
                return under && under.closest('.mark') ? under.closest('.mark').dataset.tip : null;
              });
            }""",
            id,
        )
        assert found and sum(tip is not None for tip in found) >= 0.9 * len(found), id
