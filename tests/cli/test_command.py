"""The command as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import debias
from tests import warm

# typer itself imports pydantic to show a default; ours is in the values that a verb returns.
HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "torch", "debias.report.values.report", "debias.contract"}
VERBS = ("inspect", "audit", "threshold", "prune", "gda", "contract")


def python(code: str, interpreter: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", **environment}
    return subprocess.run(
        [interpreter, "-c", code], capture_output=True, text=True, env=variables, encoding="utf-8", check=False
    )


def debias_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return python(
        f"import sys; sys.argv = {['debias', *arguments]!r}; from debias.cli.main import main; sys.exit(main())",
        warm.python(),
        **environment,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["prune", "--help"], ["--version"], ["audit"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = {["debias", *arguments]!r}
from debias.cli.main import main
code = main()
found = sorted(set(sys.modules) & {HEAVY!r})
sys.exit(f"imported: {{found}}" if found else code)
"""
    result = python(code)
    assert "imported" not in result.stderr
    assert result.returncode == (2 if arguments == ["audit"] else 0), result.stderr


def test_the_first_help_is_without_pydantic() -> None:
    code = "import sys; sys.argv = ['debias', '--help']; from debias.cli.main import main; main(); "
    assert python(code + "print('pydantic' in sys.modules)").stdout.endswith("False\n")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, debias; found = sorted(set(sys.modules) & {HEAVY!r}); sys.exit(str(found) if found else 0)"
    result = python(code)
    assert result.returncode == 0, result.stderr


def test_version() -> None:
    result = debias_command("--version")
    assert result.returncode == 0
    first, *libraries = result.stdout.splitlines()
    assert first == f"debias {debias.__version__}"
    told = dict(line.split(" ", 1) for line in libraries)
    assert told["python"] == platform.python_version()
    for name in {"torch", "numpy", "pandas", "scipy"}:
        assert told[name] == python(f"import {name}; print({name}.__version__, end='')", warm.python()).stdout


def test_module_is_the_command() -> None:
    result = subprocess.run([sys.executable, "-m", "debias", "--version"], capture_output=True, text=True, check=False)
    assert result.stdout.startswith(f"debias {debias.__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_in_panels(verb: str) -> None:
    result = debias_command(verb, "--help")
    assert result.returncode == 0
    assert "MODEL" in result.stdout
    panels = re.findall(r"─ (Model|Data|Constraint|Search|Output) ─", result.stdout)
    expected = {
        "inspect": ["Model", "Output"],
        "audit": ["Model", "Data", "Constraint", "Search", "Output"],
        "contract": ["Model", "Data", "Output"],
    }.get(verb, ["Model", "Data", "Constraint", "Search", "Output"])
    assert sorted(panels) == sorted(expected)
    assert verb in debias_command("--help").stdout


def test_defaults_stand_in_the_help() -> None:
    text = " ".join(re.sub(r"[│╭╮╰╯─]", " ", debias_command("gda", "--help").stdout).split())
    for default in ("1e-05", "100", "256", "adam", "0.3", "cpu", "error", "0"):
        assert f"[default: {default}]" in text, default


def test_a_reader_who_leaves_does_not_change_the_verdict() -> None:
    code = """
import sys
from types import ModuleType
from tests.report import examples
run = ModuleType("debias.run")
run.audit = lambda *a, **k: examples.audit(verdict="fail", exit_code=1, eps=0.05)
sys.modules["debias.run"] = run
sys.argv = ["debias", "audit", "m.pt", "--data", "d.csv", "--attr", "sex", "--json"]
from debias.cli.main import main
sys.exit(main())
"""
    root = Path(__file__).parents[2]
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=root, check=False
    )
    os.close(writer)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr
    assert result.stderr.startswith("FAIL  ")


def test_a_terminal_without_unicode() -> None:
    code = """
import sys
from types import ModuleType
from tests.report import examples
run = ModuleType("debias.run")
run.audit = lambda *a, **k: examples.audit(attributes=[{"name": "größe", "groups": ["a", "b"], "privileged": None}])
sys.modules["debias.run"] = run
sys.argv = ["debias", "audit", "m.pt", "--data", "d.csv", "--attr", "sex", "--json"]
from debias.cli.main import main
sys.exit(main())
"""
    result = python(code, PYTHONIOENCODING="ascii", PYTHONPATH=str(Path(__file__).parents[2]))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["attributes"][0]["name"] == "größe"
    assert result.stdout.isascii()
    assert result.stderr.isascii()


STAND_IN = """
import sys, time
from types import ModuleType
from tests.report import examples
run = ModuleType("debias.run")
def prune(*arguments, progress=None, **settings):
    if progress is not None:
        for step in range(4):
            progress(step, 4, "pruning")
            time.sleep(0.15)
    if "WAIT" in __import__("os").environ:
        print("working", file=sys.stderr, flush=True)
        time.sleep(30)
    return examples.report()
run.prune = prune
import debias
sys.modules["debias.run"] = debias.run = run
sys.argv = ["debias", "prune", "m.pt", "--data", "d.csv", "--attr", "sex", "--eps", "0.05", *sys.argv[1:]]
from debias.cli.main import main
sys.exit(main())
"""


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [warm.python(), "-c", STAND_IN, "--report", "r.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root, "WAIT": "1"},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert err == "interrupted: nothing half written was left behind\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals to be had on this system")
@pytest.mark.parametrize("flags", [[], ["--quiet"]])
def test_the_progress_bar_is_for_terminals(tmp_path: Path, flags: list[str]) -> None:
    ours, theirs = os.openpty()
    result = subprocess.run(
        [warm.python(), "-c", STAND_IN, *flags],
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "80"},
        check=False,
    )
    os.close(theirs)
    seen = b""
    # Reading from a terminal whose other side is closed raises on Linux.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65536):
            seen += part
    os.close(ours)
    assert result.returncode == 0
    assert result.stdout.startswith(b"PASS  ")
    assert (b"pruning" in seen and b"left" in seen) is not bool(flags)
