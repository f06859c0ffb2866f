"""A report is read back as what was written; what is none says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.errors import UsageError
from debias.report.as_json import SCHEMA_FILES, schema, to_json
from debias.report.content.every import document_of
from debias.report.reading import MOST, parse, read
from debias.report.values.report import SCHEMA_VERSION, Report
from debias.report.writers import writers
from tests.report import examples
from tests.report.html.values import EVERY
from tests.report.test_comparison import comparison
from tests.report.test_tuning import tuning

OLD = Path(__file__).parent / "old" / "report-2.0.json"


def problems(document: Any) -> list[str]:
    """Return what is said against a document, or against bytes."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(UsageError) as caught:
        parse(data, "r.json")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", EVERY)
def test_every_value_is_read_as_it_was(name: str, tmp_path: Path) -> None:
    value = EVERY[name]()
    path = tmp_path / "r.json"
    path.write_text(to_json(value), encoding="utf-8")
    again, data = read(path)
    assert type(again) is type(value)
    assert again == value
    assert to_json(again).encode() == data
    for write in (writers(judged=False)[".md"], document_of):
        assert write(again) == write(value)  # type: ignore[operator]


def test_every_schema_of_a_value_is_read() -> None:
    verbs = {kind.model_fields["verb"].default for kind, _ in SCHEMA_FILES.values() if "verb" in kind.model_fields}
    read_as = {type(EVERY[name]()) for name in EVERY}
    assert Report in read_as
    assert {"compare", "train", "tune", "adapt", "crossval", "importance"} <= verbs


@pytest.mark.parametrize("text", [examples.HOSTILE, "</script>", "a" * 100_000, "\x00\u2028\u202e"])
def test_text_of_others_comes_back(text: str) -> None:
    value = examples.report(attributes=[{"name": text, "groups": [text, "b"], "privileged": None}], notes=[text])
    assert parse(to_json(value).encode(), "r.json") == value


class TestOlder:
    def test_a_report_that_an_older_version_wrote(self) -> None:
        value, _ = read(OLD)
        assert isinstance(value, Report)
        assert json.loads(OLD.read_text(encoding="utf-8"))["schema_version"] == "2.0"
        assert value.schema_version == SCHEMA_VERSION
        assert value.after is not None
        assert value.after.bias == json.loads(OLD.read_text(encoding="utf-8"))["after"]["bias"]
        assert value.sweeps == []
        jsonschema.validate(json.loads(to_json(value)), schema("report.schema.json"))
        for ending, write in writers(judged=True).items():
            assert write(value), ending

    def test_a_newer_or_much_older_layout(self) -> None:
        document = json.loads(to_json(examples.report()))
        for told, part in (("2.99", "reads up to"), ("3.0", "reads up to"), ("1.0", "reads 2.x")):
            [found] = problems({**document, "schema_version": told, "surprise": 1})
            assert f"layout {told} of debias 0.1.0" in found
            assert part in found

    @pytest.mark.parametrize("value", [comparison(), tuning()])
    def test_values_within_are_held_to_their_own_layout(self, value: Any) -> None:
        document = json.loads(to_json(value))
        inner = next(name for name in ("report", "training") if name in document)
        document[inner]["schema_version"] = "9.0"
        [found] = problems(document)
        assert found.startswith(f"r.json, {inner}: has the layout 9.0")
        document[inner]["schema_version"] = f"{json.loads(to_json(value))[inner]['schema_version'].split('.')[0]}.0"
        assert parse(json.dumps(document).encode(), "r.json") == value

    @pytest.mark.parametrize("told", [None, 2, "2", "2.x", "\x1b[31m", "2." + "9" * 5000, [], "²·²"])
    def test_no_layout(self, told: Any) -> None:
        [found] = problems({**json.loads(to_json(examples.report())), "schema_version": told})
        assert "tells no version of its layout" in found


class TestBroken:
    def test_all_that_is_wrong(self) -> None:
        document = json.loads(to_json(examples.report()))
        document["verdict"] = "fair"
        document["after"]["parities"][0]["bias"] = "small"
        document["rows"]["surprise\x1b[31m"] = 1
        del document["seed"]
        found = problems(document)
        assert [line.split(":")[0] for line in found] == [
            "r.json, verdict", "r.json, rows.surprise\\x1b[31m", "r.json, after.parities.0.bias", "r.json, seed"
        ]  # fmt: skip
        assert found[-1].endswith("Repeat the run.")

    def test_half_a_character(self) -> None:
        document = {**json.loads(to_json(examples.report())), "statement": "\ud800"}
        assert "unexpected end of hex escape" in problems(document)[0]

    def test_many_are_counted(self) -> None:
        document = json.loads(to_json(examples.report()))
        document["notes"] = [1] * 1000
        found = problems(document)
        assert len(found) == 21
        assert "980 more entries are wrong" in found[-1]

    @pytest.mark.parametrize(
        ("data", "part"),
        [
            (b"", "is no JSON"),
            (b"\xff\xfe", "is no JSON"),
            (b'{"verb": "prune", "eps": NaN}', "is no JSON"),
            (b"[" * 200_000, "recursion limit"),
            (b"1" * 5000, "out of range"),
            (b"[1]", "holds a JSON list"),
            (b'"text"', "holds a JSON str"),
            (b"{}", "is no report of debias"),
            (b'{"verb": "prune"}', "is no report of debias"),
            (b'{"verb": ["compare"]}', "is no report of debias"),
            (b'{"version": "2.1.0", "runs": []}', "is no report of debias"),
            (b'{"verb": "compare", "schema_version": "1.0"}', "field required"),
        ],
    )
    def test_what_is_no_report(self, data: bytes, part: str) -> None:
        assert any(part in line for line in problems(data))

    def test_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        with path.open("wb") as stream:
            stream.truncate(MOST + 1)
        with pytest.raises(UsageError, match="larger than 64 MiB"):
            read(path)

    @pytest.mark.parametrize("name", ["none.json", ".", "a\0b", "x" * 300])
    def test_no_file(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            read(tmp_path / name)

    @given(st.data())
    def test_a_changed_report_is_read_or_refused(self, data: st.DataObject) -> None:
        document = json.loads(to_json(examples.report()))
        part: Any = document
        while isinstance(part, dict | list) and part:
            key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
            if data.draw(st.booleans()) or not isinstance(part[key], dict | list):
                part[key] = data.draw(st.sampled_from([None, -1, 1e308, "x", [], {}, True, [[]], {"a": 1}]))
                break
            part = part[key]
        try:
            value = parse(json.dumps(document).encode(), "r.json")
        except UsageError as error:
            assert error.problems
        else:
            jsonschema.validate(json.loads(to_json(value)), schema("report.schema.json"))
