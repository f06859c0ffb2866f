"""Contracts, reports, manifests and configuration files with other values and other lines."""

# ruff: noqa: SIM905  (a table of words reads better as one text)

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.hostile.fuzzed.changes import TEXTS, Chance, bytes_changed, json_bytes, text_changed, value_changed

_CONTRACT = {
    "schema": "debias/1",
    "contract": {
        "version": 1,
        "inputs": [{"name": "x", "role": "features", "width": 4}],
        "features": [
            {"column": "age", "kind": "numeric", "mean": 40.0, "sd": 10.0, "missing": "mean"},
            {"column": "member", "kind": "boolean", "categories": ["no", "yes"]},
            {"column": "city", "kind": "category", "categories": ["a", "b"]},
        ],
        "label": "label",
        "positive": "1",
        "favorable": "positive",
        "attributes": [
            {"column": "sex", "privileged": "m", "groups": ["m", "f"]},
            {"column": "age", "bins": [30.0, 50.0], "carriers": [20.0, 40.0, 60.0]},
        ],
        "output": {"kind": "probability", "decision": "score", "threshold": 0.4},
    },
    "record": {"verb": "prune", "seed": 1},
}


def contract_made(chance: Chance) -> bytes:
    """A contract with other values."""
    document: Any = _CONTRACT if chance.random() < 0.7 else _CONTRACT["contract"]
    return json_bytes(value_changed(document, chance), chance)


def contract_read(content: bytes, folder: Path) -> None:
    """Read a contract and write it again."""
    from debias.contract import Contract

    contract = Contract.from_json(content, str(folder / "c.json"))
    assert Contract.from_json(contract.to_json()) == contract


@cache
def _reports() -> tuple[Any, ...]:
    from tests.report import examples

    found = []
    for make in (getattr(examples, name) for name in dir(examples)):
        if callable(make) and getattr(make, "__module__", "") == examples.__name__ and not isinstance(make, type):
            try:
                value = make()
            except TypeError:
                continue
            if hasattr(value, "model_dump_json"):
                found.append(json.loads(value.model_dump_json()))
    assert found, "no example of a report"
    return tuple(found)


def report_made(chance: Chance) -> bytes:
    """A report with other values."""
    return json_bytes(value_changed(chance.choice(_reports()), chance), chance)


def report_read(content: bytes, folder: Path) -> None:
    """Read a report and show it as every format does."""
    from debias.report.reading import parse
    from debias.report.writers import render

    value = parse(content, str(folder / "r.json"))
    for name in ("r.md", "r.html", "r.json"):
        render(value, Path(name))


_MANIFEST_YAML = """# models of a year
defaults: &all
  data: table.csv
  attr: [sex, age]
  eps: 0.05
  bins: {age: [30, 50]}
jobs:
  - model: m.pt
    name: first
    privileged: {sex: m}
    confidence: 0.95
  - model: n.pt
    threshold: 0.4
    metric: equal-opportunity
    repair: {method: prune, steps: 20}
  - {model: "*.pt2", repair: prune, label: 'y'}
"""
_MANIFEST_TOML = """# models of a year
[defaults]
data = "table.csv"
attr = ["sex", "age"]
eps = 0.05

[[jobs]]
model = "m.pt"
name = "first"
confidence = 0.95

[[jobs]]
model = "n.pt"
threshold = 0.4
repair = { method = "prune", steps = 20 }
"""
_YAML = """\
&a
*a
!!python/object:os.system x
!!binary eA==
<<: *all
? x
-
---
...
%YAML 1.1
|
>
~
yes
0o17
0x1F
1:30
2020-01-01
!!set {a}
{a: [b
[[[[[[
@
`
'
model: x.pt""".split("\n")
_TOML = (
    "[a]",
    "[[jobs]]",
    "a.b.c = 1",
    '"""',
    "'''",
    "= 1",
    "1979-05-27T07:32:00Z",
    "0b11",
    "{ a = 1 }",
    "nan",
    "[a.b]",
    "a = [" * 60,
)


def manifest_made(kind: str) -> Callable[[Chance], bytes]:
    """A manifest with other lines."""
    good, words = (_MANIFEST_TOML, _TOML) if kind == "toml" else (_MANIFEST_YAML, _YAML)

    def make(chance: Chance) -> bytes:
        text = text_changed(good, chance, (*words, *TEXTS))
        data = text.encode("utf-8", "surrogatepass")
        return bytes_changed(data, chance) if chance.random() < 0.1 else data

    return make


def manifest_read(kind: str) -> Callable[[bytes, Path], None]:
    """Read a manifest up to its jobs."""

    def read(content: bytes, folder: Path) -> None:
        from debias.experiments.fleet.document import parse_document
        from debias.experiments.fleet.manifest import of_document

        for name in ("m.pt", "n.pt", "a.pt2", "table.csv"):
            (folder / name).touch()
        of_document(parse_document(content, f"m.{kind}", folder, toml=kind == "toml"))

    return read


_CONFIG = """eps = 0.05
attr = ["sex"]

[audit]
confidence = 0.95
report = ["a.json"]

[prune]
steps = 20
"""


def config_made(chance: Chance) -> bytes:
    """A configuration file with other lines."""
    data = text_changed(_CONFIG, chance, (*_TOML, *TEXTS)).encode("utf-8", "surrogatepass")
    return bytes_changed(data, chance) if chance.random() < 0.1 else data


def config_read(content: bytes, folder: Path) -> None:
    """Read a configuration file for every verb."""
    import debias.cli.main  # noqa: F401  (names the settings)
    from debias.cli.configuration import load
    from debias.cli.settings import settings_of_verbs

    path = folder / "debias.toml"
    path.write_bytes(content)
    load(settings_of_verbs(), named=path, environ={})
