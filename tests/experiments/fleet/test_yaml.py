"""YAML as plain values: checked against PyYAML's own reader, and against what it may not do."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.experiments.fleet.yaml_values import YamlError, read_yaml

# PyYAML writes 0E0 as a text, after YAML 1.1; YAML 1.2 has it as a number.
LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))
TEXT = st.text(LETTERS, max_size=8).filter(lambda text: not re.fullmatch(r"[-+.eE\d]+", text))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def read(text: str) -> Any:
    return read_yaml(text, deepest=24)[0]


def wrong(text: str) -> list[tuple[int, str]]:
    with pytest.raises(YamlError) as caught:
        read(text)
    return [(line, found) for line, found, _ in caught.value.problems]


@given(PLAIN)
@settings(max_examples=60)
def test_what_pyyaml_writes_is_read_as_it_was(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    if "<<" not in text:
        assert read(text) == yaml.safe_load(text) == value


@pytest.mark.parametrize(
    "text", ["no", "on", "yes", "off", "010", "1:30", "2001-12-14", "0x1F", "1_000", "nan", "=", "+"]
)
def test_words_of_yaml_1_1_are_texts(text: str) -> None:
    assert read(f"a: {text}") == {"a": text}


def test_lines() -> None:
    value, lines = read_yaml("# jobs\njobs:\n  - model: a.pt\n    eps: 0.1\n  - {model: b.pt}\n", deepest=24)
    assert value == {"jobs": [{"model": "a.pt", "eps": 0.1}, {"model": "b.pt"}]}
    assert lines["jobs",] == 2
    assert lines["jobs", 0, "eps"] == 4
    assert lines["jobs", 1, "model"] == 5


def test_anchors() -> None:
    assert read("a: &x [1, {b: 2}]\nc: *x") == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}
    assert read("- &x text\n- *x") == ["text", "text"]


def test_repetition_is_bounded() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert "holds more than 500,000 values" in wrong(laughs)[0][1]


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands here twice"),
        ("a: !!python/object/apply:os.system [id]", 1, "has the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("a: !x 1", 1, "has the tag '!x'"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, "has a merge key (<<)"),
        ("a: &x [*x]", 1, "'x' holds itself"),
        ("a: *y", 1, "is no YAML"),
        ("a: 1\n---\nb: 2", 2, "has a second document"),
        ("? [1, 2]\n: 3", 1, "has a list or mapping for a key"),
        ("a: [1,\nb: {", 2, "is no YAML"),
        ("a:\n\t- 1", 2, "is no YAML"),
        ("[" * 100_000, 1, "is nested too deeply"),
        ("a: \x00", 1, "is no YAML"),
    ],
)
def test_what_is_refused(text: str, line: int, found: str) -> None:
    told = wrong(text)
    assert any(where == line and found in what for where, what in told) or (
        found == "is no YAML" and any("before" in what or found in what for _, what in told)
    )


def test_every_problem_is_told() -> None:
    told = [found for _, found in wrong("a: !x 1\na: 2\nb:\n  <<: {}\n")]
    assert len(told) == 3


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t01.~<", max_size=60))
@settings(max_examples=150)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        value, _ = read_yaml(text, deepest=5)
    except YamlError as error:
        assert error.problems
    else:
        json.dumps(value)
