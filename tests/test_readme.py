"""Every command and every line of Python in the README runs; continuous integration runs its two."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.run.world import call
from tests.warm import python

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
COMMAND = Path(sys.executable).with_name("debias")


def blocks(language: str, text: str = README) -> list[str]:
    """Return the fenced blocks of a language, in order."""
    return [block.strip() for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def commands(text: str = README) -> list[tuple[str, int]]:
    """Return every line that starts with debias, with the exit code that its comment states."""
    return [found for block in blocks("bash", text) for found in commands_of(block)]


def commands_of(block: str) -> list[tuple[str, int]]:
    """Return the commands of a block with their exit codes."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("debias "):
            command, _, comment = line.partition("#")
            code = re.search(r"exit code (\d)", comment)
            found.append((command.strip(), int(code[1]) if code else 0))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as a reader has it; the commands follow one another in it."""
    return filled(tmp_path_factory.mktemp("readme"))


def filled(folder: Path) -> Path:
    """Return a folder with the sample models in it."""
    (folder / "sample_models").mkdir()
    for name in ("lender_mlp.pt", "lender_mlp.pt2", "lender_valid.csv", "lender_test.csv", "fleet.yaml"):
        shutil.copy(ROOT / "sample_models" / name, folder / "sample_models" / name)
    return folder


def run(arguments: list[str | Path], place: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        arguments, cwd=place, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False
    )


def test_there_are_commands() -> None:
    assert len(commands()) > 5
    assert len(blocks("python")) == 1


@pytest.mark.usefixtures("one_thread")
def test_commands_run_in_order(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for command, code in commands():
        check_command(command, code)


def check_command(command: str, code: int) -> None:
    """Run a command of a page in this process and in the working directory, and compare its exit code."""
    with warnings.catch_warnings():
        # What a library warns of is no error on the command line.
        warnings.simplefilter("default")
        done = call(*shlex.split(command)[1:])
    assert done.code == code, f"{command}\n{done.out}{done.err}"


def test_python_runs(place: Path) -> None:
    done = run([python(), "-c", blocks("python")[0]], place)
    assert done.returncode == 0, done.stderr


def test_worked_example_is_what_is_printed(place: Path) -> None:
    """Each line of the README's report stands in a report of today; other machines may differ in late digits."""
    shown = next(block for block in blocks("text") if block.startswith("PASS"))
    command = next(command for command, _ in commands() if command.startswith("debias prune"))
    done = run([COMMAND, *shlex.split(command)[1:], "--out", "again.pt"], place)
    today: dict[str, list[list[float]]] = {}
    for line in done.stdout.splitlines():
        words, numbers = parted(line)
        today.setdefault(words, []).append(numbers)
    joined, figures = parted(" ".join(done.stdout.split()))
    for line in shown.splitlines():
        words, numbers = parted(line)
        if line == "…":
            continue
        if line.startswith("PASS"):
            assert joined.startswith(words), words
            assert numbers == pytest.approx(figures[: len(numbers)], abs=0.02)
            continue
        assert any(numbers == pytest.approx(found, abs=0.03, rel=0.1) for found in today.get(words, [])), line


def parted(line: str) -> tuple[str, list[float]]:
    """Return a line with its numbers taken out, and the numbers."""
    number = r"[−+-]?\d[\d,]*(?:\.\d+)?"
    numbers = [float(text.replace("−", "-").replace(",", "")) for text in re.findall(number, line)]
    return " ".join(re.sub(number, "#", line).split()), numbers


def test_first_two_commands_are_those_of_continuous_integration() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace("\\\n", " ")
    steps = " ".join(steps.split())
    repair, tests = blocks("bash")[:2]
    for block, verb in ((repair, "debias prune"), (tests, "python -m pytest")):
        assert block.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        last = block.replace("\\\n", " ").split("&&")[-1].strip().removeprefix(".venv/bin/")
        assert last.startswith(verb)
        assert " ".join(last.split()) in steps


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in PAGES)])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert ((ROOT / page).parent / target).exists(), target
