"""What a process that is not trusted says: what was sent comes back, and nothing else is taken for an answer."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from debias.errors import DataError, DebiasError, Problem
from debias.jobs import JobError, answers
from debias.jobs.answers import Frames, Garbled

texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)
seconds = st.floats(0, 1e9)


def through(data: bytes, size: int) -> list[tuple[bytes, bytes]]:
    frames = Frames(1 << 20)
    return [frame for at in range(0, len(data), size) for frame in frames.feed(data[at : at + size])]


@given(st.binary(max_size=200) | st.lists(st.binary(max_size=50), max_size=5), seconds, st.integers(1, 40))
def test_values_come_back(value: bytes | list[bytes], time: float, size: int) -> None:
    ((kind, content),) = through(answers.value(value, time), size)
    assert kind == b"v"
    assert answers.read_value(content) == (time, value if isinstance(value, bytes) else tuple(value))


@given(
    st.lists(st.builds(Problem, texts, texts, texts), max_size=4), st.sampled_from([None, "memory", "crash"]), seconds
)
def test_errors_come_back(problems: list[Problem], kind: str | None, time: float) -> None:
    error = DataError(problems) if kind is None else JobError(problems, kind, "trace\nof two")  # type: ignore[arg-type]
    ((letter, content),) = through(answers.error(error, time), 7)
    took, again = answers.read_error(content)
    assert (letter, took, type(again), again.problems) == (b"e", time, type(error), error.problems)
    assert vars(again).get("trace") == vars(error).get("trace")
    assert vars(again).get("kind") == kind


def test_several_frames_in_one_piece() -> None:
    data = answers.frame(b"b") + answers.progress(1, 2, "x" * 1000) + answers.value(b"v", 1.0)
    assert [kind for kind, _ in through(data, 10**6)] == [b"b", b"p", b"v"]
    assert answers.read_progress(through(data, 1)[1][1]) == (1, 2, "x" * 200)


def test_a_class_that_is_not_known_is_told_as_the_one_that_it_is() -> None:
    class Own(DataError):
        """Made by somebody else."""

    _, again = answers.read_error(through(answers.error(Own("x"), 0.0), 99)[0][1])
    assert type(again) is DataError


def test_errors_of_any_length_are_cut() -> None:
    error = DebiasError([Problem("x" * 10**5, "\n" * 10**5, "\x00" * 10**5)] * 1500)
    ((_, content),) = through(answers.error(error, 0.0), 1 << 20)
    assert len(content) <= answers.ERROR
    _, again = answers.read_error(content)
    assert again.problems
    assert len(again.problems[0].found) == answers.LONGEST
    assert "\0" not in str(again)


DEEP = b"[" * 100_000
NOT_READ = [
    b"",
    b"{}",
    b"[1, 2]",
    b"[1, 2, 3]",
    b'{"class": "SystemExit", "seconds": 1.0, "problems": []}',
    b'{"class": "JobError", "seconds": 1.0, "problems": [], "kind": "made up", "trace": ""}',
    b'{"class": "JobError", "seconds": 1.0, "problems": [[1, 2, 3]], "kind": "crash", "trace": ""}',
    b'{"class": "DataError", "seconds": NaN, "problems": []}',
    b'{"class": "DataError", "seconds": -1.0, "problems": []}',
    DEEP,
    b'"' + bytes(range(256)),
]


@pytest.mark.parametrize("content", NOT_READ, ids=range(len(NOT_READ)))
def test_what_is_no_answer_is_told(content: bytes) -> None:
    for read in (answers.read_progress, answers.read_value, answers.read_error):
        with pytest.raises(Garbled):
            read(content)


@given(st.binary(max_size=100))
@example(answers.RETURNED.pack(1.0, True, 2**64 - 1))
@example(answers.RETURNED.pack(1.0, False, 1) + answers.LENGTH.pack(2**64 - 1))
@example(answers.RETURNED.pack(math.nan, True, 1) + answers.LENGTH.pack(0))
@example(answers.RETURNED.pack(1.0, True, 0))
def test_any_bytes_are_a_value_or_are_refused(content: bytes) -> None:
    try:
        time, value = answers.read_value(content)
    except Garbled:
        return
    assert answers.value(value, time)[answers.HEAD.size :][8:] == content[8:]


@given(st.binary(max_size=200))
@example(b"v" + b"\xff" * 8)
@example(b"e" + b"\0\0\0\0\1\0\0\0")
def test_no_more_is_kept_than_a_frame_may_have(data: bytes) -> None:
    frames = Frames(100)
    try:
        for at in range(0, len(data), 11):
            frames.feed(data[at : at + 11])
    except Garbled:
        return
    assert len(frames.held) <= max(frames.lengths.values())


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
    )
)
def test_any_json_is_an_answer_or_is_refused(value: object) -> None:
    content = json.dumps(value).encode()
    for read in (answers.read_progress, answers.read_error):
        with pytest.raises(Garbled):
            read(content)
