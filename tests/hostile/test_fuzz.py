"""Every reader of others' files reads an input or refuses it with words, those too that once failed."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import pytest

from tests.hostile.fuzzing import TARGETS, content_of, outcome

INPUTS = {"report": 10}
"""Inputs of a reader, 40 of the others; the benchmark reads a hundred thousand."""

FOUND: dict[str, tuple[int, ...]] = {
    "config": (1336,),
    "pt": (15368, 24974),
}
"""Numbers of inputs that were findings."""


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_inputs_are_read_or_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = set()
        numbers = itertools.chain(range(INPUTS.get(name, 40)), FOUND.get(name, ()))
        for number in itertools.chain(numbers, range(100, 400)):
            if number >= 100 and number not in FOUND.get(name, ()) and len(found) == 2:
                break
            found.add(outcome(TARGETS[name], content_of(name, number), tmp_path))
    assert found == {"read", "refused"}, "the inputs are all alike"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_an_input_is_the_same_every_time(name: str) -> None:
    assert content_of(name, 7) == content_of(name, 7)
    assert len({content_of(name, number) for number in range(5)}) > 1
