"""--view from the command line to every report."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

import debias
from debias.errors import UsageError
from debias.report import regulations
from tests.run.world import call, content, told

AUDIT = ("audit", "model.pt", "--data", "rows.csv", "--attr", "sex", "--features", "income,debt")
REPAIR = ("threshold", *AUDIT[1:], "--eps", "0.4", "--keep-best")
VIEWS = ("--view", "nyc-ll144", "--view", "us-credit")

pytestmark = pytest.mark.usefixtures("place")


@pytest.mark.parametrize("verb", [AUDIT, REPAIR, ("prune", *REPAIR[1:])], ids=["audit", "threshold", "prune"])
def test_views_are_in_every_report(verb: tuple[str, ...]) -> None:
    result = call(*verb, *VIEWS, "--report", "out.json", "--report", "out.md", "--report", "out.html")
    assert result.code in (0, 1), result.err
    found = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert [one["id"] for one in found["views"]] == ["nyc-ll144", "us-credit"]
    assert {one["as_of"] for one in found["views"]} == {
        regulations.view(one["id"]).as_of.isoformat() for one in found["views"]
    }
    for name in ("out.md", "out.html"):
        text = Path(name).read_text(encoding="utf-8")
        assert "View nyc-ll144" in text
        assert "View us-credit" in text
        assert "View eu-ai-act" not in text
    assert "View nyc-ll144" in result.out


def test_without_it_no_rule_is_named() -> None:
    result = call(*AUDIT, "--report", "out.md", "--report", "out.html")
    for text in (result.out, Path("out.md").read_text(encoding="utf-8"), Path("out.html").read_text(encoding="utf-8")):
        assert not any(f"View {name}" in text for name in regulations.ids())
    assert "Impact ratios of sex" in Path("out.md").read_text(encoding="utf-8")


def test_the_command_to_repeat_has_them() -> None:
    found = told(*AUDIT, *VIEWS)
    parts = shlex.split(found["command"])
    assert [parts[place + 1] for place, part in enumerate(parts) if part == "--view"] == ["nyc-ll144", "us-credit"]
    assert told(*parts[1:]) == found


def test_comparisons_show_them_of_the_winner() -> None:
    result = call("compare", *REPAIR[1:], "--methods", "threshold", *VIEWS, "--report", "out.md", "--json")
    assert [one["id"] for one in result.json["report"]["views"]] == ["nyc-ll144", "us-credit"]
    assert "View us-credit" in Path("out.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["nyc-ll14", "", "../nyc-ll144", "NYC-LL144", "x" * 9999, "\x1b[31m"])
def test_an_unknown_view_is_refused_before_the_work(name: str) -> None:
    before = content(Path.cwd())
    result = call(*AUDIT, "--view", name, "--view", "mars", "--eps", "-1")
    assert (result.code, result.out) == (2, "")
    assert result.err.count("there is no regulatory view") == 2
    assert "--eps" in result.err  # all problems at once
    assert "us-four-fifths" in result.err
    assert "\x1b[31m" not in result.err
    assert "Traceback" not in result.err
    assert len(result.err) < 3000
    assert content(Path.cwd()) == before


def test_python_takes_one_name_or_several() -> None:
    one = debias.audit("model.pt", "rows.csv", attr="sex", features=["income", "debt"], view="eu-ai-act")
    both = debias.audit(
        "model.pt", "rows.csv", attr="sex", features=["income", "debt"], view=["eu-ai-act", "sr-26-2", "eu-ai-act"]
    )
    assert [chosen.id for chosen in one.views] == ["eu-ai-act"]
    assert [chosen.id for chosen in both.views] == ["eu-ai-act", "sr-26-2"]
    with pytest.raises(UsageError, match="Did you mean eu-ai-act"):
        debias.audit("model.pt", "rows.csv", attr="sex", features=["income", "debt"], view="eu-ai-ac")
