"""`debias importance` on the command line: what it writes, and what it refuses."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from debias.report.values.importance import Importance
from tests.experiments.test_probing import table
from tests.run.world import Result, call, content

FILE = ("importance", "model.pt", "--data", "rows.csv", "--ignore", "sex")
PROBES = ("importance", "--data", "jobs.csv", "--probes", "nnet,medl", "--cluster", "job", "--attr", "sex")
QUICK = ("--seen", "3", "--ignore", "days", "--set", "epochs=2", "--set", "warmup=0", "--set", "hidden=8,4")
QUICK += ("--workers", "1")


@pytest.fixture
def jobs(place: Path) -> Path:
    table().to_csv(place / "jobs.csv", index=False)
    return place


def words(path: Path) -> list[str]:
    root = ElementTree.fromstring(path.read_bytes())
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


def refused(result: Result, folder: Path, before: dict[str, str]) -> str:
    assert result.code == 2, result.out
    assert result.out == ""
    assert "Traceback" not in result.err and "internal error" not in result.err
    assert content(folder) == before
    return " ".join(result.err.split())


def test_a_file_is_measured_and_drawn(place: Path) -> None:
    result = call(*FILE, "--picture", "p.svg", "--report", "r.json", "--report", "r.md", "--top", "1")
    assert result.code == 0, result.err
    assert result.out.startswith("MEASURED  ")
    found = Importance.model_validate_json((place / "r.json").read_text())
    first = found.models[0].columns[0].name
    assert f"1. {first}" in words(place / "p.svg")
    assert f"| 1 | {first} |" in (place / "r.md").read_text()
    assert "The first 1 of 2 columns." in result.out
    assert found.command == shlex.join([*("debias", *FILE), "--top", "1"])
    again = call(*found.command.split()[1:], "--json")
    document = json.loads(again.out)
    assert document["models"] == json.loads((place / "r.json").read_text())["models"]


def test_flags_of_a_file(place: Path) -> None:
    logit, mean = (json.loads(call(*FILE, "--json", *flag).out) for flag in (("--of", "logit"), ("--at-mean",)))
    assert (logit["target"], logit["at"]) == ("logit", "rows")
    assert (mean["target"], mean["at"]) == ("output", "mean")
    assert call(*FILE, "--quiet").out.count("\n") == 1
    assert call(*FILE, "--picture", "p.png", "--quiet").code == 0
    assert (place / "p.png").read_bytes().startswith(b"\x89PNG")
    assert call(*FILE, "--picture", "p.png", "--force", "--quiet").code == 0


def test_probes_are_ranked_and_the_command_repeats_it(jobs: Path) -> None:
    flags = (*QUICK, "--seeds", "2", "--seed", "4", "--probe-noise", "0.1", "--debias-attr", "sex")
    result = call(*PROBES, *flags, "--json", "--picture", "p.svg")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["seeds"] == [4, 5] and found["noise"] == 0.1
    assert [model["name"] for model in found["models"]] == ["nnet", "medl"]
    assert "Where the probes rank" in result.err
    assert {"conventional NNet", "MEDL-NNet", "confounding probe"} <= set(words(jobs / "p.svg"))
    again = json.loads(call(*shlex.split(found["command"])[1:], "--workers", "1", "--json").out)
    for one, other in zip(found["models"], again["models"], strict=True):
        assert one["columns"] == other["columns"]


def test_a_kind_with_settings_of_its_own(jobs: Path) -> None:
    del jobs
    asked = ("importance", "--data", "jobs.csv", "--cluster", "job", "--attr", "sex", "--probes", "nnet")
    result = call(*asked, "--probes", "medl:kl=3,hidden=4,2", *QUICK, "--json")
    assert result.code == 0, result.err
    assert [model["name"] for model in json.loads(result.out)["models"]] == ["nnet", "medl:kl=3,hidden=4,2"]


def test_a_regression(jobs: Path) -> None:
    del jobs
    flags = ("--label", "days", "--ignore", "label", "--regression", "--set", "epochs=2", "--set", "warmup=0")
    result = call(*PROBES, *flags, "--seen", "3", "--workers", "1")
    assert result.code == 0, result.err
    assert "exp(−r)" in result.out and "MSE" in result.out


REFUSED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "neither": (("importance", "--data", "rows.csv"), ("neither a model file nor kinds", "--probes")),
    "both": ((*PROBES, "model.pt"), ("--probes: a model file is measured as it is",)),
    "no such model": (("importance", "none.pt", "--data", "rows.csv"), ("none.pt", "no such file")),
    "no such table": (("importance", "model.pt", "--data", "none.csv"), ("none.csv", "no such file")),
    "flags of probes": (
        (*FILE, "--seeds", "3", "--bins", "sex=2"),
        ("--seeds: belongs to --probes", "--bins: belongs"),
    ),
    "flags of a file": (
        (*PROBES, "--trust", "--output-kind", "logit"),
        ("--trust: belongs to a model file", "--output-kind: belongs to a model file"),
    ),
    "no cluster": (
        ("importance", "--data", "jobs.csv", "--probes", "nnet", "--attr", "sex", "--seeds", "0", "--seed", "-1"),
        ("--cluster: probes tell the cluster's rate", "--seeds: 0 is no number", "--seed: -1 is no seed"),
    ),
    "no attribute": (
        ("importance", "--data", "jobs.csv", "--probes", "nnet", "--cluster", "job"),
        ("no protected attribute named", "--attr"),
    ),
    "an unknown kind": ((*PROBES, "--probes", "net"), ("unknown kind of network 'net'", "'fair-adb-medl'")),
    "an unknown setting": ((*PROBES, "--set", "epoch=3"), ("there is no setting 'epoch'",)),
    "no such cluster column": ((*PROBES, "--cluster", "town"), ("no column 'town'", "--cluster")),
    "negative noise": ((*PROBES, "--probe-noise", "-1"), ("--probe-noise: -1.0 is no standard deviation",)),
    "top": ((*FILE, "--top", "0"), ("--top: 0 is no number of columns",)),
    "a picture of no format": ((*FILE, "--picture", "p.gif"), ("--picture p.gif: ends in .gif", ".svg, .png")),
    "a picture over an input": ((*FILE, "--picture", "rows.svg"), ("--picture rows.svg: exists already", "--force")),
    "a picture in no folder": ((*FILE, "--picture", "none/p.svg"), ("the folder none does not exist",)),
    "a report of no format": ((*FILE, "--report", "r.txt"), ("--report r.txt", ".json, .md")),
    "the logit of a regression": (
        (*PROBES, "--regression", "--label", "days", "--of", "logit"),
        ("--of: a regression predicts a number",),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input(jobs: Path, case: str) -> None:
    (jobs / "rows.svg").write_text("something")
    before = content(jobs)
    arguments, expected = REFUSED[case]
    message = refused(call(*arguments), jobs, before)
    for part in expected:
        assert part in message, message


def test_an_existing_picture_is_not_overwritten_from_python(place: Path) -> None:
    import debias.experiments.importance as module
    from debias.errors import UsageError

    (place / "p.svg").write_text("kept")
    with pytest.raises(UsageError, match=r"exists already[\s\S]*--picture"):
        module.importance("model.pt", "rows.csv", ignore=["sex"], picture="p.svg")
    assert (place / "p.svg").read_text() == "kept"
    found = module.importance("model.pt", "rows.csv", ignore=["sex"], picture="p.svg", force=True)
    assert "1. " + found.models[0].columns[0].name in words(place / "p.svg")
