"""The verbs that write, each on small files of its own, and the check of what a run of them left."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from tests.faults.forge import End, Forge

LEFT = re.compile(r"\..+\.(?:[0-7]|lock)\.tmp|.+\.tune\.lock[0-9a-f-]{36}\.rename")
"""What a killed run may leave beside whole files."""
_PASSING = {"seconds", "created", "sha256", "size", "resumed", "resumed_from", "reused", "seal"}
_WORLD = ("--data", "rows.csv", "--attr", "sex")
_REPAIR = (*_WORLD, "--eps", "0.28", "--keep-best")
_CLIENTS = ("--data", "clients.csv", "--attr", "sex", "--label", "label", "--cluster", "branch", "--ignore", "hours")
_SMALL = ("--epochs", "3", "--warmup", "1", "--hidden", "8,4", "--batch-size", "128")


@dataclass(frozen=True)
class Verb:
    """A command that writes files.

    Parameters
    ----------
    arguments : sequence of str
    outputs : sequence of str
        The files under whose names only whole content may be.
    state : sequence of str
        Files and folders that keep what is done, for the next run.
    again : sequence of str
        Added where a run has to go on, or to write over what is there.
    places, moments : int
        Before how many changes of files, and at how many moments, the benchmark kills it.
    """

    arguments: Sequence[str]
    outputs: Sequence[str]
    state: Sequence[str] = field(default=())
    again: Sequence[str] = ("--force",)
    places: int = 40
    moments: int = 16


VERBS = {
    "prune": Verb(
        ("prune", "model.pt", *_REPAIR, "--limit", "3", "--out", "out.pt", "--report", "r.json", "--report", "r.html",
         "--card", "card.md", "--write-baseline", "known.json"),
        ("out.pt", "r.json", "r.html", "card.md", "known.json"),
    ),
    "gda": Verb(
        ("gda", "model.pt", *_REPAIR, "--epochs", "3", "--out", "out.pt", "--report", "r.md"), ("out.pt", "r.md")
    ),
    "threshold": Verb(
        ("threshold", "model.pt", *_REPAIR, "--out", "out.pt", "--report", "r.sarif", "--report", "r.xml"),
        ("out.pt", "r.sarif", "r.xml"),
    ),
    "compare": Verb(
        ("compare", "model.pt", *_REPAIR, "--methods", "threshold,prune", "--set", "prune.limit=3", "--workers", "1",
         "--out", "out.pt", "--report", "r.json"),
        ("out.pt", "r.json"),
    ),
    "audit": Verb(
        ("audit", "model.pt", *_WORLD, "--eps", "0.9", "--report", "r.json", "--report", "r.md", "--write-baseline",
         "known.json"),
        ("r.json", "r.md", "known.json"),
    ),
    "train": Verb(
        ("train", "medl", *_CLIENTS, *_SMALL, "--checkpoint", "kept", "--out", "out.pt", "--report", "r.json"),
        ("out.pt", "r.json"),
        ("kept",),
    ),
    "tune": Verb(
        ("tune", "nnet", *_CLIENTS, "--set", "epochs=3", "--trials", "3", "--workers", "1", "--out", "out.pt",
         "--report", "r.json"),
        ("out.pt", "r.json"),
        ("out.pt.tune", "out.pt.tune.lock"),
    ),
    "crossval": Verb(
        ("crossval", "nnet", *_CLIENTS, "--set", "epochs=2", "--set", "hidden=8,4", "--folds", "3", "--draws", "20",
         "--workers", "1", "--work", "folds", "--report", "r.json"),
        ("r.json",),
        ("folds",),
    ),
    "adapt": Verb(
        ("adapt", "mixed.pt", "--data", "clients.csv", "--attr", "sex", "--most", "20", "--out", "out.pt", "--report",
         "r.json"),
        ("out.pt", "r.json"),
    ),
    "contract": Verb(
        ("contract", "model.pt", *_WORLD, "--out", "c.json", "--embed", "out.pt"), ("c.json", "out.pt")
    ),
    "data": Verb(
        ("data", "adult", "official", "--allow-other-counts", "--out", "adult.parquet"), ("adult.parquet",)
    ),
    "simulate": Verb(("simulate", "loh", "--rows", "3000", "--alpha", "0.5", "--out", "s.csv"), ("s.csv",)),
    "fleet": Verb(
        ("fleet", "fleet.yaml", "--out", "done", "--workers", "1", "--no-cache", "--report", "r.json"),
        ("done/jobs/a.json", "done/jobs/b.json", "done/models/b.pt", "done/summary.json", "done/summary.csv",
         "done/summary.parquet", "r.json"),
        ("done",),
        ("--resume", "--force"),
        places=8,
        moments=4,
    ),
    "report": Verb(("report", "told.json", "--out", "told.html"), ("told.html",)),
}  # fmt: skip


FLEET = """\
defaults: {data: rows.csv, attr: sex}
jobs:
  - {name: a, model: model.pt, eps: 0.05}
  - {name: b, model: model.pt, eps: 0.28, repair: threshold}
"""


def world(folder: Path, forge: Forge) -> Path:
    """Fill a folder with what the verbs read."""
    from tests.data.catalog import made
    from tests.run.world import fill
    from tests.training.clients import clients

    fill(folder)
    clients(400).to_csv(folder / "clients.csv", index=False)
    (folder / "fleet.yaml").write_text(FLEET)
    (folder / "official").mkdir()
    made.adult(folder / "official")
    mixed = ("train", "medl", *_CLIENTS, *_SMALL, "--seen", "3", "--out", "mixed.pt")
    for arguments in (mixed, ("audit", "model.pt", *_WORLD, "--report", "told.json")):
        end = forge.run(folder, arguments, learn=True)
        assert end.code == 0, end.err
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Course:
    """What a verb does where nothing disturbs it, and what may be left where something does.

    Parameters
    ----------
    forge : Forge
    place : Path
        Folder with the inputs; it stays as it is.
    verb : Verb
    work : Path
        A folder for those of the runs.
    """

    def __init__(self, forge: Forge, place: Path, verb: Verb, work: Path) -> None:
        self.forge, self.place, self.verb, self.work = forge, place, verb, work
        self.inputs = hashes(place)
        self.number = 0
        self.folder = self.fresh()
        self.reference = forge.run(self.folder, verb.arguments, learn=True)
        assert self.reference.code in (0, 1, 3), self.reference.err
        left = self.left(self.folder)
        assert not left, left
        assert self.found(self.folder) == set(verb.outputs)
        self.whole = {name: content(self.folder / name) for name in verb.outputs}

    def fresh(self) -> Path:
        """Return a folder with the inputs."""
        self.number += 1
        folder = self.work / str(self.number)
        shutil.copytree(self.place, folder)
        return folder

    def left(self, folder: Path) -> set[str]:
        """Return what lies there beside inputs, outputs and kept state."""
        return {
            name
            for name in hashes(folder)
            if name not in self.inputs
            and name not in self.verb.outputs
            and (name.partition("/")[0] not in self.verb.state or LEFT.fullmatch(Path(name).name))
        }

    def found(self, folder: Path) -> set[str]:
        """Return the final names that are there."""
        return {name for name in self.verb.outputs if (folder / name).exists()}

    def check(self, folder: Path) -> tuple[set[str], set[str]]:
        """Check what a broken-off run left: whole files or none, nothing unexpected, the inputs as they were.

        Returns
        -------
        set of str, set of str
            Final names that are there, and what else was left.
        """
        after = hashes(folder)
        assert {name: after.get(name) for name in self.inputs} == self.inputs, "an input was touched"
        found, left = self.found(folder), self.left(folder)
        for name in found:
            if (told := content(folder / name)) != self.whole[name]:
                raise AssertionError(f"{name} is not whole: {_first(told, self.whole[name])}")
        strange = {name for name in left if not LEFT.fullmatch(Path(name).name)}
        assert not strange, f"left behind: {strange}"
        return found, left

    def again(self, folder: Path) -> End:
        """Do it again: all files come about as if nothing had happened, and what was left is gone."""
        begun = self.found(folder) or ("--resume" in self.verb.again and (folder / self.verb.state[0]).exists())
        more = self.verb.again if begun else ()
        end = self.forge.run(folder, (*self.verb.arguments, *more))
        assert end.code == self.reference.code, f"exit code {end.code}: {end.err}"
        found, left = self.check(folder)
        assert found == set(self.verb.outputs), f"missing: {set(self.verb.outputs) - found}"
        assert not left, f"not cleared: {left}"
        return end


def content(path: Path) -> Any:
    """Return what a file says, but for the time that it took: equal for two runs that say the same."""
    ending = path.suffix
    if ending == ".pt":
        return _network(path)
    if ending == ".json":
        return _lasting(json.loads(path.read_text()))
    if ending in (".csv", ".parquet"):
        table = pd.read_csv(path) if ending == ".csv" else pd.read_parquet(path)
        return table.drop(columns=list(_PASSING), errors="ignore").to_csv()
    # the figures that pass are those of seconds and of digests of files with seconds in them
    told = path.read_text().replace(" --force", "")
    return re.sub(r"[0-9a-f]{12,}…?|\d+(?:[.,]\d+)*(?: (?:s|ms|KB|bytes|seconds?)\b)?", "#", told)


def _first(one: Any, other: Any) -> str:
    """Return the first place where two contents differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        name = next(name for name in one if one[name] != other[name])
        return f"{name}: {_first(one[name], other[name])}"
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return next((_first(*pair) for pair in zip_longest(one, other) if pair[0] != pair[1]), "")
    if isinstance(one, str) and isinstance(other, str) and "\n" in one:
        return _first(one.splitlines(), other.splitlines())
    return f"{one!r:.200} instead of {other!r:.200}"


def _network(path: Path) -> Any:
    from debias.model.archive import open_archive
    from debias.model.network import Network
    from debias.model.seal import broken, tensor_digest

    assert not any((broken(open_archive(path)) or {}).values()), f"the seal of {path.name} is broken"
    network = Network.open(path)
    return {name: tensor_digest(value) for name, value in network.state.items()}, network.contract


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(one) for name, one in value.items() if name not in _PASSING and "seconds" not in name}
    if isinstance(value, list):
        return [_lasting(one) for one in value]
    return value.replace(" --force", "") if isinstance(value, str) else value
