"""Every command of the pages in docs/ runs, in the order in which a reader meets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_readme import PAGES, ROOT, check_command, commands_of, filled


def steps(text: str) -> list[tuple[str, str | int]]:
    """Return what a reader of a page does, in order: commands with their exit codes, files with what goes into them.

    A block whose first line is a comment with the name of a file is that file.
    """
    found: list[tuple[str, str | int]] = []
    for language, block in re.findall(r"^```(bash|toml|yaml)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        name = re.match(r"# ([\w./-]+\.(?:toml|ya?ml))\n", block)
        if name:
            found.append((name[1], block))
        elif language == "bash":
            found += commands_of(block)
    return found


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_run_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    monkeypatch.chdir(filled(tmp_path))
    for step, what in steps(text):
        if isinstance(what, str):
            Path(step).parent.mkdir(parents=True, exist_ok=True)
            Path(step).write_text(what, encoding="utf-8")
            continue
        check_command(step, what)


def test_steps_of_a_page_keep_their_order() -> None:
    page = "```bash\ndebias help  # exit code 0\n```\n```toml\n# a/b.toml\neps = 1\n```\n```toml\neps = 2\n```\n"
    page += "```bash\ndebias config \\\n  audit  # exit code 2\n```\n"
    assert steps(page) == [("debias help", 0), ("a/b.toml", "# a/b.toml\neps = 1\n"), ("debias config    audit", 2)]
