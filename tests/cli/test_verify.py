"""`debias verify` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.world import ASKED, call, content

MADE = ("threshold", "model.pt", *ASKED, "--eps", "0.3", "--out", "out.pt", "--report", "made.json")


@pytest.fixture(autouse=True)
def repaired(place: Path) -> Path:
    assert call(*MADE).code == 0
    return place


def test_exit_codes() -> None:
    good = call("verify", "out.pt", "--source", "model.pt", "--data", "rows.csv", "--recount", "--against", "made.json")
    assert (good.code, good.err) == (0, "")
    assert good.out.startswith("AGREES  out.pt agrees with its record in the weights,")
    other = call("verify", "out.pt", "--data", "model.pt", "-q")
    assert (other.code, other.out) == (1, "DIFFERS  out.pt does not agree with its record in --data.\n")
    for arguments in (("model.pt",), ("none.pt",), ("out.pt", "--against", "rows.csv"), ("out.pt", "--recount")):
        bad = call("verify", *arguments)
        assert bad.code == 2 and bad.err.startswith("error: ") and not bad.out, arguments


def test_json_and_report_files() -> None:
    found = call("verify", "out.pt", "--json", "--report", "v.json", "--report", "v.md")
    assert found.code == 0 and found.json == json.loads(Path("v.json").read_text())
    assert found.json["verb"] == "verify" and Path("v.md").read_text().startswith("### debias verify")


def test_inputs_are_never_overwritten() -> None:
    before = content(Path())
    for name in ("out.pt", "model.pt", "rows.csv", "made.json"):
        arguments = ("--source", "model.pt", "--data", "rows.csv", "--against", "made.json")
        bad = call("verify", "out.pt", *arguments, "--report", name, "--force")
        assert bad.code == 2
    assert content(Path()) == before


def test_the_command_in_the_report_repeats_it() -> None:
    import shlex

    first = call("verify", "out.pt", "--source", "model.pt", "--data", "rows.csv", "--recount", "--json").json
    again = call(*shlex.split(first["command"])[1:], "--json").json
    assert again == first


def test_inspect_does_not_print_every_digest() -> None:
    shown = call("inspect", "out.pt").out
    assert "seal: " in shown and "hidden.weight e" not in shown
    assert len(shown) < 6000
