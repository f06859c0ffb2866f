"""Files that a verb is asked to write are checked before it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from debias.cli.files import check_files
from debias.errors import UsageError, WriteError
from debias.files import write_atomic


def test_a_link_to_nothing_takes_its_name(tmp_path: Path) -> None:
    """It would be refused after the work too."""
    link = tmp_path / "report.md"
    link.symlink_to("nothing")
    with pytest.raises(WriteError):
        write_atomic(link, b"")
    with pytest.raises(UsageError, match="exists already"):
        check_files([("--report", link)], (), force=False)
    check_files([("--report", link)], (), force=True)


def test_every_problem_of_every_file_is_told(tmp_path: Path) -> None:
    taken = tmp_path / "rows.csv"
    taken.write_text("a")
    files = [("--report", tmp_path / "r.pdf"), ("--out", taken), ("--card", tmp_path / "no" / "c.md"), ("--out", None)]
    with pytest.raises(UsageError) as refused:
        check_files(files, (taken, None), force=True)
    assert [problem.where.split(" ")[0] for problem in refused.value.problems] == ["--report", "--out", "--card"]
