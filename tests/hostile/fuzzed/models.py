"""Model files with other program text, graphs, pickles and numbers."""

# ruff: noqa: SIM905  (a table of words reads better as one text)

from __future__ import annotations

import io
import itertools
import json
import pickletools
import struct
import zipfile
from functools import cache
from pathlib import Path

from tests.hostile import archives
from tests.hostile.fuzzed.changes import (
    NUMBERS,
    TEXTS,
    Chance,
    bytes_changed,
    json_bytes,
    places,
    text_changed,
    value_changed,
)
from tests.model import hostile, nets


def pickle_changed(data: bytes, chance: Chance) -> bytes:
    """Return a pickle with some opcodes changed, left out, doubled or exchanged."""
    ends = [position or 0 for _, _, position in pickletools.genops(data)] + [len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(ends)]
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(parts))
        match chance.randrange(6):
            case 0:
                parts[at : at + 1] = [parts[at]] * chance.choice((0, 2, 300))
            case 1:
                other = chance.randrange(len(parts))
                parts[at], parts[other] = parts[other], parts[at]
            case 2:
                parts[at] = bytes_changed(parts[at], chance)
            case 3:
                number = chance.choice(NUMBERS)
                size = max(1, (number.bit_length() + 8) // 8)
                parts[at] = b"\x8a" + bytes([size]) + number.to_bytes(size, "little", signed=True)
            case 4:
                text = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
                parts[at] = b"X" + struct.pack("<I", len(text)) + text
            case _:
                parts[at] = chance.choice(_OPCODES)
        if not parts:
            return b""
    return b"".join(parts)


_OPCODES = (
    b"N",
    b"]",
    b"}",
    b")",
    b"(",
    b"a",
    b"e",
    b"s",
    b"u",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"b",
    b"R",
    b"Q",
    b"\x81",
    b"0",
    b"2",
    b"h\x00",
    b"q\x00",
    b".",
    b"cos\nsystem\n",
    b"c__builtin__\neval\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch\nDoubleStorage\n",
    b"c__torch__.net\nNet\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"\x88",
    b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
)
_PROGRAM = """\
self
input
torch.relu(input)
torch.save
getattr(self, "weight")
while True:
for i in range(9):
return input
pass
1 + 1
x = x
True
[]
()
((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((
~x
lambda: 1
__torch__.net.Net
:
ops.prim.device(x)
CONSTANTS.c0
annotate(int, 3)
uninitialized(Tensor)
Final[int] = 4
# a
\\
torch.zeros([9, 9])
input.T
0x
1_000
1e999
'''
f''
@x
*x
**x
a: int = 3
if True:""".split("\n")


@cache
def _scripts() -> tuple[dict[str, bytes], ...]:
    made = tuple(
        hostile.contents(hostile.torchscript(nets.build(name)))
        for name in ("batchnorm_before", "residual", "head_softmax")
    )
    remembers = hostile.contents(hostile.torchscript(hostile.Remembers()))
    return archives.scripted(), *made, remembers


@cache
def _exports() -> tuple[dict[str, bytes], ...]:
    others = (
        hostile.contents(hostile.exported(nets.build(name))) for name in ("batchnorm_after", "residual_layernorm")
    )
    return archives.exported(), *others


def _zip(files: dict[str, bytes], chance: Chance) -> bytes:
    """An archive with the entries, and now and then damage to the archive itself."""
    names = list(files)
    if chance.random() < 0.1:
        name = chance.choice(names)
        match chance.randrange(4):
            case 0:
                del files[name]
            case 1:
                files[f"archive/{chance.choice(TEXTS)[:200]}"] = b"x"
            case 2:
                files[name.upper()] = files[name]
            case _:
                other = chance.choice(names)
                files[name], files[other] = files[other], files[name]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, content, zipfile.ZIP_DEFLATED if chance.random() < 0.02 else zipfile.ZIP_STORED)
    data = buffer.getvalue()
    if chance.random() < 0.15:
        # the directory and the end of the archive are where a reader is led astray
        at = chance.choice((0, data.rindex(b"PK\x05\x06"), data.index(b"PK\x01\x02")))
        data = data[:at] + bytes_changed(data[at:], chance)
    return data


def script_made(chance: Chance) -> bytes:
    """A TorchScript file with other program text, pickles or numbers."""
    files = dict(chance.choice(_scripts()))
    texts = [name for name in files if name.endswith(".py")]
    pickles = [name for name in files if name.endswith(".pkl") and len(files[name]) > 10]
    draw = chance.random()
    if draw < 0.5:
        name = chance.choice(texts)
        changed = text_changed(files[name].decode(), chance, _PROGRAM if chance.random() < 0.8 else TEXTS)
        files[name] = changed.encode("utf-8", "surrogatepass")
    elif draw < 0.85:
        name = chance.choice(pickles)
        files[name] = pickle_changed(files[name], chance)
    else:
        name = chance.choice(list(files))
        files[name] = bytes_changed(files[name], chance)
    return _zip(files, chance)


_SIZES = """\
s0
Symbol('s0', positive=True, integer=True)
s0**16
(s0**2)**3
Max(s0, 3)
Mod(s0, 0)
s0//0
oo
Float('1.5', precision=53)
9223372036854775807
~s0
s0 if s0 else 1
f(s0)
Pow(s0, Integer(3))
1/0""".split("\n")


def export_made(chance: Chance) -> bytes:
    """An exported program with another graph, other descriptions of numbers, or other numbers."""
    files = dict(chance.choice(_exports()))
    draw = chance.random()
    if draw < 0.6:
        document = json.loads(files[archives.MODEL])
        document = value_changed(document, chance)
        if chance.random() < 0.3:
            for table, key in places(document):
                if key == "expr_str" and chance.random() < 0.5:
                    table[key] = text_changed(chance.choice(_SIZES), chance, _SIZES)
        files[archives.MODEL] = json_bytes(document, chance)
    elif draw < 0.8:
        document = value_changed(json.loads(files[archives.WEIGHTS]), chance)
        files[archives.WEIGHTS] = json_bytes(document, chance)
    elif draw < 0.9 and files.get(archives.SAMPLE):
        inner = hostile.contents(files[archives.SAMPLE])
        name = next(n for n in inner if n.endswith("data.pkl"))
        inner[name] = pickle_changed(inner[name], chance)
        files[archives.SAMPLE] = _zip(inner, chance)
    else:
        name = chance.choice(list(files))
        files[name] = bytes_changed(files[name], chance)
    return _zip(files, chance)


def model_read(content: bytes, folder: Path) -> None:
    """Open a model file as every verb does."""
    from debias.model.archive import archive_of
    from debias.model.network import from_archive

    from_archive(archive_of(content, folder / "m.pt"))
