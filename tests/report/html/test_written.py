"""The page as a file that a verb writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from debias.cli.delivery import Delivery, ReportOptions
from debias.errors import UsageError
from debias.report.html import to_html
from debias.report.writers import render
from tests.report import examples
from tests.report.html.values import EVERY


@pytest.mark.parametrize("name", EVERY)
def test_any_value_by_the_ending(name: str, tmp_path: Path) -> None:
    value = EVERY[name]()
    assert render(value, tmp_path / "page.HTML") == to_html(value).encode()


def test_handed_over_before_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = examples.report(verdict="fail", exit_code=1)
    pages = [tmp_path / "one.html", tmp_path / "two.md"]
    assert Delivery(ReportOptions(report=pages, quiet=True)).hand_over(value) == 1
    assert pages[0].read_text("utf-8") == to_html(value)
    assert "FAIL" in capsys.readouterr().out


def test_a_page_is_not_overwritten_unasked(tmp_path: Path) -> None:
    page = tmp_path / "one.html"
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="exists already"):
        Delivery(ReportOptions(report=[page]))
    assert page.read_text("utf-8") == "mine"
