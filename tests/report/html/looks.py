"""How a page is looked at in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHECKS = Path(__file__).with_name("checks.js").read_text(encoding="utf-8")
LEAST = 4.5
"""Contrast of small letters that WCAG 2.2 asks for at level AA."""


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
