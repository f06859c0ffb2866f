"""A run that is stopped, or has no room, leaves whole files or none, and the input as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import debias
from tests.run.world import ASKED, call, content
from tests.warm import python

ROOT = Path(__file__).parents[2]
PRUNE = ("prune", "model.pt", *ASKED, "--eps", "0.28", "--keep-best", "--report", "r.json")

# Runs the command, and ends or stops it in the middle of the file that PLACE says.
STAGE = """
import os, signal, sys, tempfile, time
import debias.files as files
from debias.cli.main import main

place, number, what = os.environ["PLACE"].split(":")
left = int(number)

def act():
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("here", flush=True)
    time.sleep(30)

if place == "half":
    real = os.fdopen
    def fdopen(*arguments, **settings):
        stream = real(*arguments, **settings)
        class Half:
            def __enter__(self): return self
            def __exit__(self, *error): return stream.__exit__(*error)
            def write(self, data):
                global left
                left -= 1
                if left == 0:
                    stream.write(data[:len(data) // 2]); stream.flush(); act()
                return stream.write(data)
            def __getattr__(self, name): return getattr(stream, name)
        return Half()
    files.os.fdopen = fdopen
sys.argv = ["debias", *sys.argv[1:]]
sys.exit(main())
"""


def start(place: Path, at: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python(), "-c", STAGE, *(arguments or PRUNE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PLACE": at, "OMP_NUM_THREADS": "1"},
    )


def whole(place: Path, before: dict[str, str]) -> set[str]:
    """Check that every file under a final name is whole and every input unchanged; return the new names."""
    after = content(place)
    assert {name: after[name] for name in before} == before
    new = {name for name in set(after) - set(before) if not name.startswith(".")}
    assert new <= {"model.prune.pt", "r.json"}
    if "model.prune.pt" in new:
        assert debias.inspect(place / "model.prune.pt").usable
        assert debias.audit(place / "model.prune.pt", place / "rows.csv", attr="sex").before.n == 600
    if "r.json" in new:
        debias.Report.model_validate_json((place / "r.json").read_bytes())
    return new


def test_disk_full_at_the_report(place: Path) -> None:
    # A file may not grow beyond what the model needs; the report of all steps is larger.
    assert call(*PRUNE, "--out", "size.pt").code in (0, 1)
    model, report = ((place / name).stat().st_size for name in ("size.pt", "r.json"))
    assert report != model
    (place / "r.json").unlink()
    before = content(place)
    room = (report + model) // 2
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n{STAGE}"
    found = subprocess.run(
        [python(), "-c", code, *PRUNE],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PLACE": "nowhere:0:kill", "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert found.returncode == 2
    assert found.stdout == ""
    assert "no room for" in found.stderr
    whole(place, before)
    assert not [name for name in content(place) if name.startswith(".")]


def mounted(folder: Path) -> bool:
    """Mount a file system of 64 KiB on `folder`, where this user may."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_full_disk(place: Path) -> None:
    small = place / "small"
    small.mkdir()
    if not mounted(small):
        pytest.skip("a small file system cannot be mounted here")
    try:
        (small / "other").write_bytes(bytes(60_000))
        before, inside = content(place), content(small)
        result = call(*PRUNE, "--out", "small/out.pt")
        assert result.code == 2
        assert result.out == ""
        assert "error: small/out.pt: no room for" in result.err
        assert content(place) == before
        assert content(small) == inside
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("name", ["model.pt", "./model.pt", "soft.pt", "hard.pt", "rows.csv"])
def test_the_input_is_never_the_output(place: Path, name: str) -> None:
    (place / "soft.pt").symlink_to("model.pt")
    os.link(place / "model.pt", place / "hard.pt")
    before = content(place)
    result = call("threshold", "model.pt", *ASKED, "--eps", "0.28", "--keep-best", "--force", "--out", name)
    assert result.code == 2
    assert "never overwritten" in result.err
    assert content(place) == before
    with pytest.raises(debias.DebiasError, match="never overwritten"):
        debias.threshold("model.pt", "rows.csv", attr="sex", eps=0.28, keep_best=True, force=True, out=name)
    assert content(place) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no JSON"),
        ('{"version": 1,\n "label": }', "in line 2, column 11"),
        ("[]", "is a JSON list"),
        ('{"version": 7}', "version"),
        ('{"label": "label", "colour": 3}', "colour"),
        ('{"features": [{"column": "income", "kind": "numeric", "mean": 1}]}', "features.0"),
        ('{"output": {"threshold": NaN}}', "NaN"),
        ('{"output": {"threshold": 3}}', "output.threshold"),
        ('{"schema": "debias/9"}', "'debias/9'"),
        ('{"label": "outcome"}', "'outcome' (label of the contract)"),
        ('{"features": [{"column": "income", "kind": "numeric"}]}', "makes 1 columns"),
    ],
)
def test_a_broken_sidecar(place: Path, text: str, told: str) -> None:
    (place / "model.pt.debias.json").write_text(text)
    before = content(place)
    for arguments in (("audit", "model.pt", *ASKED), PRUNE):
        result = call(*arguments)
        assert result.code == 2
        assert result.out == ""
        assert told in " ".join(result.err.split())
        assert "internal error" not in result.err
        assert content(place) == before
    if "outcome" not in text and "makes" not in told:
        assert "model.pt.debias.json" in result.err
        assert call("inspect", "model.pt").code == 2
