"""What a process that is not trusted says to its parent: frames of bytes and text, of which nothing can run.

A frame is a letter, a length and a content: ``b`` the job begins; ``p`` progress, as JSON; ``v`` what the job returned,
as it is; ``e`` its error, as JSON. The parent never waits for the rest of a frame, and holds each to a length.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

from debias import errors
from debias.errors import DebiasError, Problem
from debias.jobs.work import FAULTS, JobError

HEAD = struct.Struct(">cQ")
RETURNED = struct.Struct(">d?Q")
LENGTH = struct.Struct(">Q")

PROGRESS, ERROR = 1 << 16, 1 << 22
"""Most bytes of a frame of progress, and of an error."""
LONGEST, MOST = 4_000, 1_000
"""Characters of a text of an error, and problems of one."""
TRACE = 20_000
"""Characters of its traceback, of which the end is kept."""
SHOWN = 200
"""Characters of progress."""
PIECE = 1 << 20

KINDS = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DebiasError) and kind.__module__ == errors.__name__
}


class Garbled(Exception):
    """What a process said is no answer."""


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """Return a frame."""
    return HEAD.pack(kind, len(content)) + content


def progress(done: int, total: int, text: str) -> bytes:
    """Return the frame of a step."""
    return frame(b"p", json.dumps([done, total, text[:SHOWN]]).encode())


def value(returned: bytes | Sequence[bytes], seconds: float) -> bytes:
    """Return the frame of what a job returned.

    Raises
    ------
    TypeError
        It is not bytes.
    """
    single = isinstance(returned, bytes | bytearray | memoryview)
    parts: list[bytes] = [bytes(returned)] if single else list(returned)  # type: ignore[arg-type]
    if not all(isinstance(part, bytes) for part in parts) or isinstance(returned, str):
        raise TypeError(f"a job with limits returns bytes, not {type(returned).__name__}")
    lengths = b"".join(LENGTH.pack(len(part)) for part in parts)
    return frame(b"v", b"".join([RETURNED.pack(seconds, single, len(parts)), lengths, *parts]))


def error(found: DebiasError, seconds: float) -> bytes:
    """Return the frame of an error; what is too long for a message is cut."""
    name = next(kind.__name__ for kind in type(found).__mro__ if kind is JobError or kind.__name__ in KINDS)
    told: dict[str, Any] = {"seconds": seconds, "class": name}
    if isinstance(found, JobError):
        told |= {"kind": found.kind, "trace": found.trace[-TRACE:]}
    problems = [[text[:LONGEST] for text in (item.found, item.where, item.remedy)] for item in found.problems[:MOST]]
    while len(data := json.dumps(told | {"problems": problems}).encode()) > ERROR:
        problems = problems[: len(problems) // 2]
    return frame(b"e", data)


class Frames:
    """The frames of one process, put together from pieces."""

    def __init__(self, answer: int) -> None:
        self.lengths = {b"b": 0, b"p": PROGRESS, b"e": ERROR, b"v": answer + PIECE}
        self.held = bytearray()

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """Return the frames that a piece completes.

        Raises
        ------
        Garbled
            It is no frame, or too long.
        """
        self.held += piece
        at, complete = 0, []
        while len(self.held) - at >= HEAD.size:
            kind, length = HEAD.unpack_from(self.held, at)
            if kind not in self.lengths:
                raise Garbled("what it sent is no answer")
            if length > self.lengths[kind]:
                raise Garbled(f"its answer of {length:,} bytes is longer than it may be")
            if len(self.held) - at - HEAD.size < length:
                break
            at += HEAD.size
            complete.append((kind, bytes(self.held[at : at + length])))
            at += length
        del self.held[:at]
        return complete


def printable(text: str, kept: str = "") -> str:
    """Return a text that can be shown and encoded: what steers a terminal is replaced."""
    return "".join(c if c.isprintable() or c in kept else "\ufffd" for c in text)


def read_progress(content: bytes) -> tuple[int, int, str]:
    """Return a step; its text is safe for a terminal.

    Raises
    ------
    Garbled
        It is none.
    """
    match _json(content):
        case [done, total, str() as text] if type(done) is type(total) is int and 0 <= done <= total < 1 << 53:
            return done, total, printable(text[:SHOWN])
    raise Garbled("what it sent is no progress")


def read_value(content: bytes) -> tuple[float, bytes | tuple[bytes, ...]]:
    """Return the seconds and what the job returned.

    Raises
    ------
    Garbled
        The content does not hold what it says.
    """
    if len(content) >= RETURNED.size:
        seconds, single, count = RETURNED.unpack_from(content)
        at = RETURNED.size + count * LENGTH.size
        if at <= len(content) and (count == 1 or not single):
            lengths = [LENGTH.unpack_from(content, RETURNED.size + n * LENGTH.size)[0] for n in range(count)]
            if at + sum(lengths) == len(content):
                parts = []
                for length in lengths:
                    parts.append(content[at : at + length])
                    at += length
                return _seconds(seconds), parts[0] if single else tuple(parts)
    raise Garbled("what it returned is cut off")


def read_error(content: bytes) -> tuple[float, DebiasError]:
    """Return the seconds and the error.

    Raises
    ------
    Garbled
        It is none.
    """
    match _json(content):
        case {"class": str() as name, "seconds": float() as seconds, "problems": [*problems], **rest}:
            read = [_problem(item) for item in problems]
            if name == JobError.__name__:
                kind, trace = rest.get("kind"), rest.get("trace")
                if kind in FAULTS and isinstance(trace, str):
                    return _seconds(seconds), JobError(read, kind, printable(trace, "\n"))
            elif name in KINDS:
                return _seconds(seconds), KINDS[name](read)
    raise Garbled("what it sent is no error")


def _problem(item: Any) -> Problem:
    match item:
        case [str() as found, str() as where, str() as remedy]:
            return Problem(*(printable(text.replace("\n", " ")) for text in (found, where, remedy)))
    raise Garbled("what it sent is no error")


def _seconds(value: float) -> float:
    if not 0 <= value < float("inf"):
        raise Garbled("its time is no number")
    return value


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Garbled("what it sent is no JSON") from None
