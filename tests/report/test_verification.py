from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from debias.report.as_json import schema, to_json
from debias.report.content.every import document_of
from debias.report.markdown import to_markdown
from debias.report.terminal import print_report, verdict_line
from debias.report.values.verification import Verification
from tests.report import examples


def tensor(name: str, **changes: Any) -> dict[str, Any]:
    """Return how a tensor changed."""
    told = {"shape": [1], "numbers": 1, "changed": 1, "norm": 0.5, "relative": 0.25, "largest": 0.4}
    return {"name": name, **told, **changes}


def verification(**changes: Any) -> Verification:
    """Return a file whose weights were edited."""
    values: dict[str, Any] = {
        "debias_version": "0.1.0",
        "verdict": "differs",
        "statement": "m.prune.pt does not agree with its record in the weights.",
        "model": {"path": "m.prune.pt", "format": "torchscript", "size": 68_400, "sha256": examples.SHA},
        "source": {"path": "m.pt", "format": "torchscript", "size": 68_000, "sha256": examples.SHA[::-1]},
        "method": "prune",
        "written_with": {"debias": "0.1.0", "torch": "2.13.0"},
        "recorded_verdict": "pass",
        "checks": [
            {"subject": "weights", "status": "differs", "told": "The weights are not as written.", "names": ["a.bias"]},
            {"subject": "source", "status": "agrees", "told": "The source is the network of the run."},
            {"subject": "data", "status": "not-checked", "told": "--data was not given.", "recorded": examples.SHA},
        ],
        "changes": {
            "tensors": [
                tensor("a.weight", shape=[8, 2], numbers=16, changed=4),
                tensor("a.bias", shape=[], norm=None, relative=None, largest=None),
            ],
            "same_tensors": 20,
            "added_tensors": ["rule_cuts"],
            "program": ["code/__torch__.py"],
            "contract": [{"entry": "output.threshold", "source": 0.5, "file": 0.25}],
        },
        "recount": {
            "networks": ["after"], "compared": 300, "tolerance": 1e-6,
            "differing": [{"figure": "after.bias", "recorded": 0.0, "found": -0.125}],
        },
        "notes": ["The seal is a checksum."],
        "command": "debias verify m.prune.pt --source m.pt",
    }  # fmt: skip
    return Verification.model_validate({**values, **changes})


def printed(value: Verification, width: int = 100) -> str:
    stream = io.StringIO()
    print_report(value, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_it_is_valid_json() -> None:
    for value in (verification(), verification(changes=None, recount=None, source=None, command=None)):
        jsonschema.validate(json.loads(to_json(value)), schema("verification.schema.json"))
        assert Verification.model_validate_json(to_json(value)) == value


def test_what_is_told() -> None:
    assert verdict_line(verification()).startswith("DIFFERS  m.prune.pt does not agree")
    for text in (printed(verification()), to_markdown(verification()).replace("\\", "")):
        for told in (
            "not compared", "2 of 22 tensors differ", "8×2", "only in the file: rule_cuts", "program: code/",
            "output.threshold", "0.25", "1 of 300 figures", "-0.125", "debias verify m.prune.pt", "a.weight",
        ):  # fmt: skip
            assert told in text, told
    same = verification(changes={"same_tensors": 3})
    assert "All 3 tensors are equal bit for bit." in printed(same) and "The program is the same." in printed(same)
    assert verification().exit_code == 1 and verification(verdict="agrees").exit_code == 0
    with pytest.raises(KeyError):
        verification().of("figures")


def test_sections_have_names_and_long_lists_are_cut() -> None:
    many = [tensor(f"t{k}", relative=k / 100) for k in range(100)]
    names = [f"n{k}" for k in range(100)]
    found = verification(
        changes={"tensors": many, "same_tensors": 0, "added_tensors": names},
        checks=[{"subject": "weights", "status": "differs", "told": "x", "names": names}],
        recount={
            "networks": ["after"], "compared": 100, "tolerance": 1e-6,
            "differing": [{"figure": f"f{k}", "recorded": k, "found": None} for k in range(100)],
        },
    )  # fmt: skip
    told = document_of(found)
    assert [section.key for section in told.sections] == ["", "", "", "change", "files", "notes", "repeat"]
    tables = [section.table for section in told.sections if section.table is not None]
    assert max(len(table.rows) for table in tables) == 40
    shown = {row[0] for row in next(t for t in tables if t.columns[0] == "tensor").rows}
    assert shown == {f"t{k}" for k in range(60, 100)}
    assert "and 60 more" in printed(found)


@pytest.mark.parametrize("name", [examples.HOSTILE, "a" * 100_000, "\udcff\x00\x1b]0;x\x07", "| x | ![](http://e.vil)"])
def test_hostile_names(name: str) -> None:
    value = verification(
        statement=name,
        method=name,
        recorded_verdict=name,
        written_with={name: name},
        checks=[{"subject": "weights", "status": "differs", "told": name, "names": [name] * 6}],
        changes={
            "tensors": [],
            "same_tensors": 1,
            "added_tensors": [name],
            "removed_tensors": [name],
            "program": [name],
            "contract": [{"entry": name, "source": name, "file": [name]}],
        },
        notes=[name],
    )
    for text in (printed(value), to_markdown(value)):
        assert not any(char in text for char in "\x1b\x00\x07\u202e\udcff")
        text.encode()
    marked = to_markdown(value)
    assert "<b>" not in marked and "![](http" not in marked
