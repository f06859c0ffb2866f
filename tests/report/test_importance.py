"""The report of feature importances: JSON by its schema, what a human reads, and the picture."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.importance_picture import FORMATS, LONGEST, picture, unknown_picture
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.text import shortened
from debias.report.values.importance import Importance
from tests.report import examples

COSTLY = "$x_1$ costs 5$ & <b>_^{more}\\frac{1}{2}\n"


def column(name: str, rank: float, share: float, **changes: Any) -> dict[str, Any]:
    values = {"name": name, "feature": name, "rank": rank, "share": share, "importance": share / 10}
    return {**values, "slope": share / 10, "spread": 1.0, **changes}


def feature(name: str, rank: float, share: float, **changes: Any) -> dict[str, Any]:
    return {"name": name, "rank": rank, "share": share, "importance": share / 10, "columns": 1, **changes}


def model(name: str = "m.pt", **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": name,
        "title": name,
        "head": "whole",
        "columns": [
            column("education", 1, 0.5),
            column("sex_male", 2, 0.3, feature="sex", protected=True),
            column("sex_female", 3, 0.2, feature="sex", protected=True),
        ],
        "features": [feature("education", 1, 0.5), feature("sex", 1, 0.5, columns=2, protected=True)],
    }
    return {**values, **changes}


def run(seed: int, first: float, second: float) -> dict[str, Any]:
    ranks = {"Probe 1": first, "Probe 2": second}
    best = min(first, second)
    return {
        "seed": seed,
        "ranks": ranks,
        "feature_ranks": ranks,
        "best": best,
        "best_feature": best,
        "share": 0.1,
        "balanced_accuracy": 0.8,
        "epochs": 3,
        "seconds": 1.5,
    }


def probed(name: str, rank: float, **changes: Any) -> dict[str, Any]:
    columns = [column("education", 1, 0.6), column("hours", 2, 0.3)]
    columns += [column("Probe 1", 3, 0.07, probe=True), column("Probe 2", 4, 0.03, probe=True)]
    values = {"columns": columns, "features": [feature("education", 1, 1.0)], "best_probe_rank": rank}
    values |= {"runs": [run(seed, rank, rank + 1) for seed in (0, 1)], "best_probe_feature_rank": rank}
    return model(name, **{**values, **changes})


def importance(**changes: Any) -> Importance:
    """Return the importances of one file; `changes` replace keys."""
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "statement": "education moves P(positive) most: 50.0% of all importances, 3 columns of m.pt on 600 rows.",
        "task": "classification",
        "target": "output",
        "at": "rows",
        "rows": 600,
        "models": [model()],
        "top": 15,
        "model": {"path": "m.pt", "format": "torchscript", "size": 9, "sha256": examples.SHA},
        "data": {"data": {"path": "d.csv", "rows": 600, "sha256": examples.SHA}},
        "versions": {"debias": "0.1.0"},
        "command": "debias importance m.pt --data d.csv",
        "seconds": 0.5,
    }
    return Importance.model_validate({**values, **changes})


def with_probes(**changes: Any) -> Importance:
    """Return the importances of two kinds trained with two probes on two seeds."""
    told = {"formula": "r", "with_label": 0.3, "with_rate": 0.9, "with_column": 0.2, "column": "education"}
    probes = [{"name": "Probe 1", **told}, {"name": "Probe 2", **told, "formula": "r²"}]
    models = [probed("nnet", 3), probed("fair-adb-medl", 5.5, behind=2)]
    values = {"models": models, "probes": probes, "seeds": [0, 1], "noise": 0.05, "model": None, "top": 2}
    return importance(**{**values, **changes})


def mixed() -> Importance:
    effects = [{"entry": "intercept.mean", "spread": [0.4], "means": {"Sales": 0.4, examples.HOSTILE: -0.4}}]
    latent = {"entry": "slope.mean", "spread": [0.1, 0.2], "means": None}
    columns = [column("education", 1, 1.0, random_slope=0.123)]
    return importance(models=[model(head="fixed", columns=columns, random=[*effects, latent], notes=["Told."])])


def printed(found: Importance, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        print_report(found, console)
    return captured.get()


@pytest.mark.parametrize("found", [importance(), with_probes(), mixed()])
def test_json_is_valid_by_its_schema(found: Importance) -> None:
    document = json.loads(to_json(found))
    jsonschema.validate(document, schema("importance.schema.json"))
    assert Importance.model_validate(document) == found
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "models": []}, schema("importance.schema.json"))


def test_a_reader_learns_the_ranks() -> None:
    text = printed(importance())
    assert text.startswith("MEASURED  education moves P(positive) most")
    assert verdict_line(importance()) == f"MEASURED  {importance().statement}"
    for part in ("Columns", "rank", "education", "50.0%", "sex_male", "protected", "Features", "m.pt, torchscript"):
        assert part in text
    assert "RE slope SD" not in text
    assert "The first 2 of 3 columns." in printed(importance(top=2))
    assert "sex_female" not in printed(importance(top=2))


def test_a_reader_learns_where_the_probes_rank() -> None:
    text = printed(with_probes(), 120)
    assert "Where the probes rank" in text
    assert "nnet: best probe rank by seed 3, 3" in text
    assert "fair-adb-medl: the best probe ranks later than in nnet on 2 of 2 seeds" in text
    row = next(line for line in text.splitlines() if line.strip().startswith("fair-adb-medl  "))
    assert row.split() == ["fair-adb-medl", "5.5", "5.5", "5.5", "6.5", "10.0%", "0.8000"]
    for part in ("Columns of nnet", "N(0, 0.05²)", "r²", "+0.9000", "rate of positive labels"):
        assert part in text


def test_a_regression_speaks_of_predictions_and_mse() -> None:
    runs = [{**run(0, 3, 4), "balanced_accuracy": None, "mse": 0.25}]
    text = printed(with_probes(task="regression", models=[probed("nnet", 3, runs=runs)], seeds=[0]), 120)
    for part in ("MSE", "0.2500", "mean of the standardised target", "of the prediction"):
        assert part in text


def test_a_reader_learns_of_the_random_effects() -> None:
    text = printed(mixed(), 140)
    assert "of the fixed effects (cluster input at zero)" in text
    assert "0.123" in text and "RE slope SD" in text
    assert "intercept.mean of Sales: +0.4000" in text
    assert "slope.mean: SD over clusters of each coefficient 0.1, 0.2" in text
    assert "\x1b" not in text and "\u202e" not in text


def test_markdown_holds_the_same_and_no_markup_of_others() -> None:
    text = to_markdown(importance(models=[model(columns=[column(examples.HOSTILE, 1, 1.0)])]))
    assert "#### Columns" in text and "| rank | column |" in text
    assert "<b>" not in text and "\x1b" not in text


def drawn(found: Importance, format: str = "svg", **options: Any) -> bytes:
    return picture(found.models, format, top=found.top, **options)


def words(svg: bytes) -> list[str]:
    """Return the texts of an SVG, which must be valid XML."""
    root = ElementTree.fromstring(svg)
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_tells_names_ranks_and_models() -> None:
    found = words(drawn(with_probes(top=4), "svg"))
    for text in (
        "1. education",
        "3. Probe 1",
        "nnet",
        "fair-adb-medl",
        "best probe: rank 5.5 (median over seeds)",
        "confounding probe",
    ):
        assert text in found, found
    assert found.count("1. education") == 2
    assert "protected attribute" not in found


def test_the_best_probe_is_shown_behind_the_first_ones() -> None:
    found = words(drawn(with_probes(top=2), "svg"))
    assert "3. Probe 1" in found and "4. Probe 2" not in found


def test_features_can_be_shown_instead() -> None:
    found = words(drawn(importance(), "svg", by="feature"))
    assert "1. sex" in found and "2. sex_male" not in found
    assert "protected attribute" in found


@pytest.mark.parametrize(
    "name", [COSTLY, "a" * 5000, "$", "_", "", "名前" * 30, "\ud800", "a\x00b", "e\u0301" * 50, "%%"]
)
def test_names_of_others_stay_words(name: str) -> None:
    value = importance(models=[model(columns=[column(name or "-", 1, 1.0)], title=name)])
    svg = drawn(value, "svg")
    found = words(svg)
    assert f"1. {shortened(name or '-', LONGEST)}" in found
    assert drawn(value, "png").startswith(b"\x89PNG")


def test_a_dollar_starts_no_formula() -> None:
    svg = drawn(importance(models=[model(columns=[column("$\\alpha_1$ & <b>", 1, 1.0)])]), "svg").decode()
    assert "1. $\\alpha_1$ &amp; &lt;b&gt;" in svg


def test_shortened_keeps_both_ends() -> None:
    assert shortened("short", 10) == "short"
    assert shortened("abcdefghijklmnop", 9) == "abcd…mnop"
    assert shortened(" \n ", 9) == "\\n"
    assert shortened("", 9) == "(blank)"
    wide = shortened("名前" * 30, 11)
    assert wide == "名前…名前"
    assert len(shortened("x" * 500, LONGEST)) == LONGEST


@pytest.mark.parametrize("format", ["svg", "png"])
def test_the_same_report_gives_the_same_bytes(format: str) -> None:
    value = with_probes()
    first = drawn(value, format)
    assert drawn(value, format) == first
    for word in (b"<dc:date>", b"matplotlib version", b"matplotlib.org"):
        assert word.lower() not in first.lower()


def test_nothing_of_matplotlib_is_left_changed() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    drawn(importance(), "svg")
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_the_ending_names_the_format() -> None:
    assert [unknown_picture(Path(f"p{ending.upper()}")) for ending in FORMATS] == [None, None]
    problem, bare = unknown_picture(Path("p.gif")), unknown_picture(Path("p"))
    assert problem is not None and "ends in .gif" in problem.found and ".svg, .png" in problem.remedy
    assert bare is not None and "no ending" in bare.found
