from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks import report_html
from debias.report.as_json import to_json
from debias.report.html import to_html
from tests.report import examples


def test_the_page_that_is_measured_is_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(to_json(examples.report()), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["report_html.py", str(path), "--runs", "1"])
    report_html.main()
    told = capsys.readouterr().out
    page = to_html(examples.report())
    assert f"page {len(page.encode()) / 1000:,.0f} kB" in told
    assert f"{page.count('<figure')} charts" in told
    rows = re.findall(r"^\| (?:of|again).* \| (\d+\.\d\d) \| (\d+\.\d\d) \|$", told, re.MULTILINE)
    assert len(rows) == 3 and all(float(clock) >= 0 for clock, _ in rows)
