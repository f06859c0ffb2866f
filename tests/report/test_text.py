from __future__ import annotations

import pytest

from debias.report.text import ranges, signed, size, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größe, 年齢, −", "plain, größe, 年齢, −"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202eabc", "\\u202eabc"),  # right-to-left override
        ("\x9b2J", "\\x9b2J"),  # C1: starts a sequence in some terminals
        ("\u2028", "\\u2028"),
        ("\udc80", "\\udc80"),  # half of a surrogate pair, as in a path that is no UTF-8
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_visible_keeps_newlines_when_asked() -> None:
    assert visible("a\nb\x00", keep_newlines=True) == "a\nb\\x00"


def test_numbers() -> None:
    assert signed(-0.12) == "−0.1200"
    assert signed(None) == "–"
    assert size(1023) == "1,023 B"
    assert size(68_000) == "66.4 KiB"
    assert size(3 * 1024**3) == "3.0 GiB"
    assert ranges([9, 0, 1, 2, 5, 6]) == "0-2, 5, 6, 9"
    assert ranges([]) == ""
