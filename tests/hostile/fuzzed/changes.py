"""Changes of bytes, of text and of JSON values, by chance."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

Chance = random.Random
NUMBERS = (
    0,
    1,
    -1,
    2,
    255,
    256,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    2**63,
    -(2**63),
    2**64,
    10**30,
)
TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "nan",
    "inf",
    "NaN",
    "None",
    "null",
    "true",
    "\x00",
    "\x1b[2J",
    "\u202e",
    "\ufeff",
    "a" * 5000,
    "'",
    '"',
    "../../x",
    "/dev/zero",
    "=1+1",
    "é",
    "\U0001f600",
    "[" * 300,
    "{" * 300,
    "9" * 5000,
    "*",
    "**",
    "%s%n",
    "\\",
)
VALUES: tuple[Any, ...] = (None, True, False, [], {}, 1.5, -0.0, 1e308, 1e-308, *NUMBERS, *TEXTS)


def bytes_changed(data: bytes, chance: Chance) -> bytes:
    """Return bytes with a few changes that know nothing of them."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not found:
            return bytes(chance.randbytes(chance.randrange(20)))
        at = chance.randrange(len(found))
        end = min(len(found), at + chance.choice((1, 2, 4, 8, 100)))
        match chance.randrange(8):
            case 0:
                found[at] ^= 1 << chance.randrange(8)
            case 1:
                found[at] = chance.randrange(256)
            case 2:
                found[at:end] = b""
            case 3:
                found[at:at] = found[at:end] * chance.choice((1, 2, 50))
            case 4:
                number = chance.choice(NUMBERS) % 2**64
                size = chance.choice((1, 2, 4, 8))
                found[at : at + size] = (number % 256**size).to_bytes(size, chance.choice(("little", "big")))
            case 5:
                del found[at:]
            case 6:
                found[at:at] = chance.randbytes(chance.choice((1, 4, 64)))
            case _:
                other = chance.randrange(len(found))
                found[at:end] = found[other : other + end - at]
    return bytes(found)


def text_changed(text: str, chance: Chance, words: Sequence[str] = TEXTS) -> str:
    """Return text with a few changes of its lines, its words and its characters."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        lines = text.split("\n")
        at = chance.randrange(len(lines))
        match chance.randrange(7):
            case 0:
                lines[at : at + 1] = [lines[at]] * chance.choice((0, 2, 3))
            case 1:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 2:
                lines[at] = chance.choice((" ", "  ", "\t", "")) + lines[at].strip()
            case 3:
                lines[at] = chance.choice(words) + chance.choice(("", lines[at]))
            case _:
                line = lines[at]
                begin, end = sorted((chance.randrange(len(line) + 1), chance.randrange(len(line) + 1)))
                end = min(end, begin + chance.choice((0, 1, 3, 20)))
                lines[at] = line[:begin] + chance.choice((*words, line[begin:end] * 2, "")) + line[end:]
        text = "\n".join(lines)
    return text


def value_changed(document: Any, chance: Chance, words: Sequence[str] = ()) -> Any:
    """Return a JSON value with some of its parts changed, left out, doubled, exchanged or nested."""
    document = json.loads(json.dumps(document))
    for _ in range(chance.choice((1, 1, 2, 5))):
        found = places(document)
        if not found:
            return chance.choice(VALUES)
        table, key = chance.choice(found)
        other_table, other_key = chance.choice(found)
        match chance.randrange(7):
            case 0 | 1:
                table[key] = chance.choice(VALUES)
            case 2:
                del table[key]
            case 3:
                table[key] = json.loads(json.dumps(other_table[other_key]))
            case 4:
                near = table[key]
                table[key] = near + chance.choice((-1, 1, 1000)) if isinstance(near, int) else [near]
            case 5 if isinstance(table, dict):
                table[chance.choice((*words, *TEXTS, "as_graph", "debias", key.upper()))] = table.pop(key)
            case 5:
                table.insert(key, table[key])
            case _:
                nested: Any = table[key]
                for _ in range(chance.choice((2, 50, 150))):
                    nested = {str(key): nested} if isinstance(table, dict) else [nested]
                table[key] = nested
    return document


def places(document: Any) -> list[tuple[Any, Any]]:
    found, waiting = [], [document]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            found.append((item, key))
            waiting.append(item[key])
    return found


def json_bytes(document: Any, chance: Chance) -> bytes:
    """Return the text of a value, now and then with damage to the text itself."""
    text = json.dumps(document, ensure_ascii=chance.random() < 0.9)
    if chance.random() < 0.2:
        text = text_changed(text, chance, (*TEXTS, "NaN", "1e999", "\\ud800", '"a":1,"a":2,'))
    data = text.encode("utf-8", "surrogatepass")
    return bytes_changed(data, chance) if chance.random() < 0.1 else data
