"""`debias help`: the glossary in the terminal."""

from __future__ import annotations

import json

import pytest

from debias.cli.main import app, main
from debias.report.glossary import terms
from tests.cli.test_command import HEAVY, debias_command, python


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch, columns: int = 100) -> int:
    monkeypatch.setattr("sys.argv", ["debias", *arguments])
    monkeypatch.setenv("COLUMNS", str(columns))
    return main()


def test_alone_it_lists_every_term(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help"], monkeypatch) == 0
    out = capsys.readouterr().out
    for term in terms():
        assert f"  {term.name} " in out
    assert "statistical-parity (spd)" in out


def test_a_metric(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "spd"], monkeypatch) == 0
    out = capsys.readouterr().out
    for part in ("P(ŷ = + | a = 0) − P(ŷ = + | a = 1)", "−1 to 1", "a group has no rows", "parity-proxies paper"):
        assert part in " ".join(out.split())


def test_several_words_are_one_term(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "true", "positive", "rate"], monkeypatch) == 0
    assert capsys.readouterr().out.startswith("tpr (")


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "--json"], monkeypatch) == 0
    assert [item["name"] for item in json.loads(capsys.readouterr().out)] == [term.name for term in terms()]
    assert run(["help", "eqodds", "--json"], monkeypatch) == 0
    assert [item["theme"] for item in json.loads(capsys.readouterr().out)] == ["metric", "method"]


@pytest.mark.parametrize("word", ["audit", "compare", "train", "help"])
def test_a_verb_shows_its_help(word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", word], monkeypatch) == 0
    assert f"Usage: debias {word}" in capsys.readouterr().out


def test_every_verb_is_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for command in app.registered_commands:
        assert run(["help", str(command.name)], monkeypatch) == 0, command.name
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "equal", "oportunity"], monkeypatch) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'equal-opportunity'" in captured.err


def test_a_terminal_without_the_signs_shows_escapes() -> None:
    done = debias_command("help", "spd", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert r"\u2212" in done.stdout


def test_neither_torch_nor_pandas_is_imported() -> None:
    heavy = HEAVY - {"numpy"}
    code = f"""
import sys
sys.argv = ["debias", "help", "prune"]
from debias.cli.main import main
code = main()
found = sorted(set(sys.modules) & {heavy!r})
sys.exit(f"imported: {{found}}" if found else code)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
