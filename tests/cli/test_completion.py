"""What a real bash offers after the tab key, by the script that the command prints."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from debias import methods
from debias.fairness.metrics import METRICS
from debias.training.kinds import KINDS
from tests.warm import commands

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="no bash on this system")

HEADER = 'age,sex,secret income,"se""x",$(touch hit),se\x1bx,größe,sec-1\n'


def bash(script: str, folder: Path) -> str:
    """Return what a script prints in a bash that has the command and an empty home."""
    variables = {
        "PATH": f"{commands()}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "PYTHONUTF8": "1",
        "LANG": "C.UTF-8",
    }  # fmt: skip
    done = subprocess.run(
        [str(BASH), "--norc", "-c", script], capture_output=True, encoding="utf-8", cwd=folder, env=variables,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def offered(folder: Path, *words: str) -> list[str]:
    """Return the words that bash has to choose from; the last of `words` is half typed."""
    line = " ".join(f"'{word}'" for word in ("debias", *words))
    return bash(
        f'eval "$(debias --show-completion)"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; '
        '_debias_completion debias; printf "%s\\n" "${COMPREPLY[@]}"',
        folder,
    ).split("\n")[:-1]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "d.csv").write_text(HEADER, encoding="utf-8")
    return tmp_path


def test_columns_of_the_header(table: Path) -> None:
    assert offered(table, "audit", "m.pt", "--data", "d.csv", "--attr", "se") == ["sex", "sec-1"]
    assert offered(table, "audit", "m.pt", "--data", "d.csv", "--features", "age,gr") == ["age,größe"]
    assert not (table / "hit").exists()


def test_columns_of_the_configured_table(table: Path) -> None:
    with gzip.open(table / "d.csv.gz", "wb") as packed:
        packed.write(HEADER.encode())
    (table / "debias.toml").write_text('data = "d.csv.gz"', encoding="utf-8")
    assert offered(table, "prune", "--label", "a") == ["age"]
    (table / "debias.toml").write_text("broken = [", encoding="utf-8")
    assert offered(table, "prune", "--label", "a") == [""]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'"' + b"a" * 10**6, b"\x1f\x8b broken"])
def test_tables_that_are_none_offer_nothing(table: Path, content: bytes) -> None:
    for name in ("d.csv", "d.csv.gz", "d.parquet"):
        (table / name).write_bytes(content)
        assert offered(table, "audit", "m.pt", "--data", name, "--attr", "a") == [""]


def test_names(tmp_path: Path) -> None:
    assert set(offered(tmp_path, "audit", "m.pt", "--metric", "")) == {
        name for info in METRICS.values() for name in (info.name, info.alias)
    }
    assert offered(tmp_path, "compare", "m.pt", "--methods", "prune,g") == ["prune,gda"]
    assert set(offered(tmp_path, "compare", "m.pt", "--methods", "")) == set(methods.names())
    assert set(offered(tmp_path, "train", "")) == {*KINDS, "mlp"}
    assert offered(tmp_path, "crossval", "nnet", "me") == ["medl"]
    assert offered(tmp_path, "audit", "--missing-attr", "") == ["error", "drop", "group"]
    assert offered(tmp_path, "conf") == ["config"]
    assert offered(tmp_path, "config", "aud") == ["audit"]
    assert offered(tmp_path, "audit", "m.pt", "--view", "us-") == ["us-credit", "us-four-fifths"]
    assert offered(tmp_path, "help", "statistical") == ["statistical-parity"]
    assert offered(tmp_path, "audit", "--min") == ["--min-group", "--min-ratio"]


def test_installed_for_a_shell(tmp_path: Path) -> None:
    bash("debias --install-completion; true", tmp_path)
    assert bash(". ./.bashrc; complete -p debias", tmp_path).strip().endswith("_debias_completion debias")
