"""Model files that try to harm whoever opens them, made anew from a seed.

Each has a line that it is to be refused with, and tells what it does to somebody who trusts it.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import socket
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from tests.hostile import archives
from tests.hostile.archives import Calls, export, forward, graph, script
from tests.model import hostile, nets

Kind = Literal["writes", "network", "programs", "time", "memory", "size", "structure", "numbers", "damage", "no model"]
"""What a file is after."""


@dataclass(frozen=True)
class Hostile:
    """One hostile file.

    Parameters
    ----------
    name : str
        Name of the file.
    kind : str
        What it is after.
    make : callable
        Puts it at a path.
    says : str
        Regular expression of the line that refuses it; empty where the pre-flight lets it pass, and the limits of the
        process have to hold it.
    """

    name: str
    kind: Kind
    make: Callable[[Path], None]
    says: str


@dataclass(frozen=True)
class Traps:
    """What a hostile file would touch if it ran.

    Parameters
    ----------
    file : Path
        A file that must never be there.
    port : int
        A port of this machine that nobody must call.
    """

    file: Path
    port: int


@contextlib.contextmanager
def listener() -> Iterator[tuple[int, Callable[[], bool]]]:
    """Listen on a port of the loopback; yield it, and whether anybody called so far."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def called() -> bool:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield server.getsockname()[1], called


def corpus(traps: Traps, *, damaged: int = 50, seed: int = 0) -> list[Hostile]:
    """Return every hostile file; `damaged` is the number of those that are cut or flipped by chance."""
    found = [*_writers(traps), *_callers(traps), *_endless(), *_greedy(), *_bombs(), *_structures(), *_numbers()]
    found += [*_no_models(), *_odd_names(), *_damaged(damaged, seed)]
    names = [item.name for item in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found


def _bytes(name: str, kind: Kind, data: Callable[[], bytes], says: str) -> Hostile:
    return Hostile(name, kind, lambda path: path.write_bytes(data()) and None, says)


def _writers(traps: Traps) -> Iterator[Hostile]:
    """Files that write, each in another way."""
    file = str(traps.file)
    command = f"touch {file}"
    yield _bytes("setstate.pt", "writes", lambda: _setstate(file), "__[gs]etstate__ runs when the file is loaded")
    yield _bytes(
        "forward_saves.pt", "writes", lambda: forward([f'torch.save(input, "{file}")']), "calls or names torch.save"
    )
    yield _bytes(
        "forward_maps.pt",
        "writes",
        lambda: forward([f'input = torch.add(input, ops.aten.from_file("{file}", True, 1))']),
        "ops.aten.from_file",
    )
    for name, entry in {
        "data": "data.pkl",
        "constants": "constants.pkl",
        "lines": "code/__torch__/net.py.debug_pkl",
    }.items():
        for protocol in (0, 2, 4):
            yield _bytes(
                f"pickle_{name}_{protocol}.pt",
                "programs",
                lambda entry=entry, protocol=protocol: script(
                    {f"archive/{entry}": pickle.dumps(Calls(os.system, command), protocol)}
                ),
                r"calls for posix.system|uses (STACK_GLOBAL|SHORT_BINUNICODE|PUT|GLOBAL|FRAME|UNICODE)",
            )
    yield _bytes("bare_pickle.pt", "programs", lambda: pickle.dumps(Calls(os.system, command)), "bare pickle")
    yield _bytes("torch_save.pt", "programs", lambda: archives.saved(Calls(os.system, command)), "torch.save file")
    yield _bytes(
        "legacy_save.pt", "programs", lambda: _legacy(Calls(os.system, command)), "bare pickle or an old torch.save"
    )
    yield _bytes(
        "sample.pt2",
        "programs",
        lambda: export({archives.SAMPLE: archives.saved(Calls(os.system, command))}),
        "calls for posix.system",
    )
    yield _bytes(
        "weights_pickle.pt2",
        "programs",
        lambda: graph(*_payload(), "use_pickle", value=True, entry=archives.WEIGHTS),
        "a weight in a pickle",
    )
    yield _bytes(
        "constant.pt2",
        "programs",
        lambda: export({"archive/data/constants/opaque_0": pickle.dumps(Calls(os.system, command))}),
        "an object in a pickle",
    )
    yield _bytes(
        "compiled.pt2",
        "programs",
        lambda: export({"archive/data/aotinductor/model/run.so": b"\x7fELF"}),
        "compiled code",
    )
    for name, code in _expressions(traps).items():
        size = {"as_expr": {"expr_str": code, "hint": None}}
        yield _bytes(
            f"size_{name}.pt2",
            "programs",
            lambda size=size: graph("graph_module", "graph", "tensor_values", "x", "sizes", 0, value=size),
            "is not an expression of sizes",
        )
        yield _bytes(
            f"guard_{name}.pt2",
            "programs",
            lambda code=code: graph("guards_code", value=[code]),
            "guards_code|expression",
        )
    yield _bytes(
        "name.pt2",
        "programs",
        lambda: export({archives.MODEL: lambda c: c.replace(b'"linear_1"', b"\"x=__import__('os').abort()\"")}),
        "is not a name",
    )
    yield _bytes(
        "target.pt2",
        "programs",
        lambda: graph("graph_module", "graph", "nodes", 0, "target", value="os.system"),
        "not on the list of harmless operators",
    )


def _expressions(traps: Traps) -> dict[str, str]:
    """Python that an expression of sizes would be read as."""
    imported = "__import__({!r})".format
    return {
        "system": f"{imported('os')}.system('touch {traps.file}')",
        "open": f"open({str(traps.file)!r}, 'w').write('x')",
        "socket": f"{imported('socket')}.create_connection(('127.0.0.1', {traps.port}))",
        "environ": f"{imported('os')}.environ.__setitem__('DEBIAS_TEST_CANARY', '1')",
        "kill": f"{imported('os')}.kill({imported('os')}.getppid(), 9)",
        "fork": f"[{imported('os')}.fork() for _ in range(64)]",
        "lambda": f"(lambda: {imported('os')}.system('touch {traps.file}'))()",
        "attribute": f"().__class__.__base__.__subclasses__()[0].__init__.__globals__['open']('{traps.file}', 'w')",
    }


def _callers(traps: Traps) -> Iterator[Hostile]:
    """Pickles that call a port."""
    call = Calls(socket.create_connection, ("127.0.0.1", traps.port))
    yield _bytes("calls_out.pt", "network", lambda: pickle.dumps(call), "bare pickle")
    yield _bytes(
        "calls_out_inside.pt",
        "network",
        lambda: script({"archive/data.pkl": pickle.dumps(call, 2)}),
        "calls for socket.create_connection",
    )


def _endless() -> Iterator[Hostile]:
    """Files that need not end."""
    loops = {
        "while": (["while True:", "  input = torch.mul(input, 1.0)"], "a while loop"),
        "range": (["for i in range(1000000000000):", "  input = torch.mul(input, 1.0)"], "other than a short range"),
        "computed_range": (
            ["for i in range(torch.mul(99999, 99999)):", "  input = torch.mul(input, 1.0)"],
            "over a computed range",
        ),
        "size_range": (["for i in range(torch.len(input)):", "  input = torch.cat([input, input])"], ""),
        "nested_ranges": (
            ["for i in range(99999):", "  for j in range(99999):", "    input = torch.mul(input, 1.0)"],
            "loops within loops",
        ),
        "heavy": (["for i in range(99999):", "  input = torch.mm(torch.mm(input, torch.t(input)), input)"], ""),
    }
    for name, (lines, says) in loops.items():
        yield _bytes(f"loop_{name}.pt", "time", lambda lines=lines: forward(lines), says)
    yield _bytes("recursion.pt", "time", _recursion, "a function that calls itself")
    yield _bytes("mutual_recursion.pt", "time", lambda: _chain(3, 1, closed=True), "a function that calls itself")
    yield _bytes("calls_doubled.pt", "time", lambda: _chain(40, 2), "takes more than")
    yield _bytes("calls_deep.pt", "structure", lambda: _chain(10_000, 1), "calls within calls")
    yield _bytes("getattr_nested.pt", "time", _getattrs, "of something that is not known|nested")
    yield _bytes("names_in_reverse.pt", "time", _reversed_names, "")
    for name, code in {
        "power": "((((((9**16)**16)**16)**16)**16)**16)**16",
        "power_call": "Pow(Pow(Pow(Pow(Pow(Pow(9, 16), 16), 16), 16), 16), 16)",
        "precision": "Float('1.5', precision=9000000000000000000)",
    }.items():
        size = {"as_expr": {"expr_str": code, "hint": None}}
        yield _bytes(
            f"size_{name}.pt2",
            "time",
            lambda size=size: graph("graph_module", "graph", "tensor_values", "x", "sizes", 0, value=size),
            "is not an expression of sizes",
        )


def _recursion() -> bytes:
    return forward(["again = self", "input = (again).forward(input, )"])


def _chain(count: int, times: int, *, closed: bool = False) -> bytes:
    """Functions that each call the next one so many times."""
    texts = []
    for number in range(count):
        following = (number + 1) % count
        last = number == count - 1 and not closed
        lines = ["x = torch.relu(x)"] if last else [f"x = __torch__.more.f{following}(x, )"] * times
        body = "".join(f"  {line}\n" for line in lines)
        texts.append(f"def f{number}(x: Tensor) -> Tensor:\n{body}  return x\n")
    return forward(["input = __torch__.more.f0(input, )"], "".join(texts))


def _getattrs() -> bytes:
    nested = "self"
    for _ in range(60):
        nested = f'getattr({nested}, "weight")'
    return forward([f"input = torch.add(input, {nested})"])


def _reversed_names() -> bytes:
    """Names of which each takes its class from the one that is set after it."""
    count = 3_000
    lines = [f"n{number} = n{number + 1}" for number in range(count)]
    return forward([*(f"n{count - number} = input" for number in range(count + 1)), *lines])


def _greedy() -> Iterator[Hostile]:
    """Files that take memory without end, by allowed operators alone."""
    programs = {
        "zeros": ["input = torch.add(input, torch.sum(torch.ones([1000000000000])))"],
        "repeat": ["input = torch.add(input, torch.sum(torch.repeat(input, [100000, 100000])))"],
        "doubled": ["for i in range(60):", "  input = torch.cat([input, input])"],
        "outer": ["wide = torch.flatten(torch.repeat(input, [20000, 1]))", "input = torch.outer(wide, wide)"],
        "list": ["kept = [input]", "for i in range(99999):", "  _0 = torch.append(kept, torch.ones([1000000]))"],
        "text": ['word = "x"', "for i in range(60):", "  word = torch.add(word, word)"],
    }
    for name, lines in programs.items():
        yield _bytes(f"memory_{name}.pt", "memory", lambda lines=lines: forward(lines), "")
    nodes = {
        "full": ([[10**6, 10**6], 1.0], "torch.ops.aten.full.default"),
    }
    for name, (values, target) in nodes.items():
        yield _bytes(f"memory_{name}.pt2", "memory", lambda v=values, t=target: _allocating(v, t), "")


def _allocating(values: list[object], target: str) -> bytes:
    """An exported program whose first layer reads numbers that it makes itself."""
    sizes, number = values
    inputs = [
        {"name": "size", "arg": {"as_ints": sizes}, "kind": 1},
        {"name": "fill_value", "arg": {"as_float": number}, "kind": 1},
    ]
    node = {
        "target": target,
        "inputs": inputs,
        "outputs": [{"as_tensor": {"name": "relu"}}],
        "metadata": {},
        "is_hop_single_tensor_return": None,
        "name": "relu",
    }
    return graph("graph_module", "graph", "nodes", 1, value=node)


def _bombs() -> Iterator[Hostile]:
    """Zips that unpack to more than they are, or hold what no zip of a model holds."""
    zeros = bytes(64 << 20)
    yield _bytes(
        "bomb.pt", "size", lambda: _zipped(script(), "archive/extra/zeros", zeros, zipfile.ZIP_DEFLATED), "zip bomb"
    )
    yield _bytes("bomb_many.pt", "size", _many_bombs, "zip bomb")
    yield _bytes("bomb_nested.pt", "size", _nested_bomb, "zip bomb")
    yield _bytes("bomb_quoted.pt", "size", _overlapping, "overlaps|hidden bytes|its own header")
    yield _bytes(
        "entries.pt", "size", lambda: script({f"archive/extra/e{n}": b"" for n in range(20_001)}), "entries; at most"
    )
    yield _bytes("long_directory.pt", "size", _long_directory, "a directory of")
    yield _bytes("huge_size.pt", "size", lambda: _declared(1 << 40), "unpacked; at most|two sizes|64-bit")
    yield _bytes("small_size.pt", "size", lambda: _declared(1), "two sizes|announced|disagrees")
    outside = {
        "dots": "../../../etc/cron.d/x",
        "absolute": "/etc/passwd",
        "inside": "archive/../../x",
        "backslash": "archive\\..\\x",
        "drive": "C:/x",
        "zero": "archive/a\0b",
        "newline": "archive/a\nb",
        "escape": "archive/\x1b[2Jx",
    }
    for name, entry in outside.items():
        yield _bytes(
            f"name_{name}.pt",
            "structure",
            lambda entry=entry: _zipped(script(), entry, b"x"),
            "leads out of the archive|not one that torch writes",
        )
    yield _bytes("twice.pt", "structure", lambda: _zipped(script(), archives.LINEAR, b"x"), "occurs twice")
    yield _bytes(
        "method.pt", "structure", lambda: archives.packed(archives.scripted(), zipfile.ZIP_LZMA), "packed by method"
    )
    yield _bytes("prefixed.pt", "structure", lambda: b"MZ" + script(), "no zip, it starts with")
    yield _bytes("appended.pt", "structure", lambda: script() + b"#!/bin/sh\n", "behind the zip's end record")
    yield _bytes(
        "both.pt",
        "structure",
        lambda: archives.packed({**archives.scripted(), **archives.exported()}),
        "both a TorchScript",
    )
    yield _bytes(
        "long_text.pt",
        "size",
        lambda: script({archives.LINEAR: lambda t: t + b"\n" * (3 << 20)}),
        "bytes of it; at most",
    )
    yield _bytes(
        "long_pickle.pt",
        "size",
        lambda: script({"archive/data.pkl": lambda p: p + bytes(9 << 20)}),
        "a pickle of .* bytes",
    )
    yield _bytes(
        "long_name.pt",
        "size",
        lambda: script({archives.LINEAR: lambda t: t.replace(b"weight", b"w" * 200_000)}),
        "not known to have it|of something|missing|cannot load",
    )


def _zipped(data: bytes, name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO(data)
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
        warnings.simplefilter("ignore")
        info = zipfile.ZipInfo("entry")
        info.filename = name
        archive.writestr(info, content, method)
    return buffer.getvalue()


def _many_bombs() -> bytes:
    """Entries that are each just below the limits of one entry."""
    noise = random.Random(0).randbytes(1 << 18)
    content = noise * 128  # 32 MiB at a ratio below the limit
    data = script()
    for number in range(9):
        data = _zipped(data, f"archive/extra/z{number}", content, zipfile.ZIP_DEFLATED)
    return data


def _nested_bomb() -> bytes:
    data = _zipped(b"", "archive/zeros", bytes(16 << 20), zipfile.ZIP_DEFLATED)
    data = _zipped(b"", "archive/inner.zip", data * 1000, zipfile.ZIP_DEFLATED)
    return _zipped(script(), "archive/extra/inner.zip", data * 400, zipfile.ZIP_DEFLATED)


def _overlapping() -> bytes:
    """Two lines of the directory that unpack the same bytes."""
    data = _zipped(script(), "archive/extra/one", bytes(1 << 16), zipfile.ZIP_DEFLATED)
    data = _zipped(data, "archive/extra/two", bytes(1 << 16), zipfile.ZIP_DEFLATED)
    at = data.rindex(b"archive/extra/two") - 46
    first = data.index(b"archive/extra/one") - 30
    return data[: at + 42] + struct.pack("<I", first) + data[at + 46 :]


def _long_directory() -> bytes:
    line = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, *(0,) * 7, 1, *(0,) * 6) + b"x"
    lines = line * 200_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65_535, 65_535, len(lines), 4, 0)
    return b"PK\x03\x04" + lines + end


def _declared(size: int) -> bytes:
    """An archive whose first storage is said to be of another size."""
    data = bytearray(script())
    held = struct.pack("<II", 96, 96)
    said = struct.pack("<II", size & 0xFFFFFFFF or 0xFFFFFFFE, size & 0xFFFFFFFF or 0xFFFFFFFE)
    at = data.rindex(held)
    data[at : at + 8] = said
    return bytes(data)


def _structures() -> Iterator[Hostile]:
    """Programs and pickles without measure."""
    yield _bytes("modules.pt", "structure", lambda: _modules(10_000), "nested more than 200 deep|calls within calls")
    yield _bytes("modules_some.pt", "structure", lambda: _modules(90), "")
    yield _bytes(
        "tuples.pt", "structure", lambda: script({"archive/data.pkl": _tuples(100_000)}), "nested more than|broken"
    )
    yield _bytes("itself.pt", "structure", lambda: script({"archive/data.pkl": _itself()}), "part of itself")
    yield _bytes(
        "dots.pt",
        "structure",
        lambda: forward([f"input = {'self.' * 5_000}weight"]),
        "nested more than|not program text",
    )
    yield _bytes(
        "parens.pt", "structure", lambda: forward([f"input = {'(' * 5_000}input{')' * 5_000}"]), "not program text"
    )
    yield _bytes(
        "sums.pt", "structure", lambda: forward([f"n = {'1 + ' * 20_000}1"]), "nested more than|not program text"
    )
    yield _bytes("json.pt2", "structure", lambda: export({archives.MODEL: b"[" * 200_000}), "no JSON that torch writes")
    yield _bytes(
        "json_dict.pt2",
        "structure",
        lambda: export({archives.MODEL: b'{"graph_module":' * 50_000 + b"1" + b"}" * 50_000}),
        "no JSON|nested too deep",
    )
    yield _bytes(
        "json_number.pt2",
        "structure",
        lambda: export({archives.MODEL: b'{"as_int": ' + b"9" * 100_000 + b"}"}),
        "no JSON",
    )
    yield _bytes("backwards.pt2", "structure", _backwards, "cannot load|is not a name|not part of|missing|broken")
    yield _bytes(
        "itself.pt2",
        "structure",
        lambda: graph("graph_module", "graph", "nodes", 0, "inputs", 0, "arg", value={"as_tensor": {"name": "linear"}}),
        "cannot load|is not a name|not part of|missing|broken",
    )
    yield _bytes(
        "inner_graph.pt2",
        "structure",
        lambda: graph(
            "graph_module", "graph", "nodes", 0, "inputs", 0, "arg", value={"as_graph": {"name": "g", "graph": {}}}
        ),
        "not plain tensor arithmetic",
    )


def _modules(depth: int) -> bytes:
    """Modules within modules."""
    texts = []
    content = archives.net()[2:-1]
    for number in range(depth):
        inner = "__torch__.net.Net" if number == 0 else f"__torch__.deep.M{number - 1}"
        texts.append(
            f"class M{number}(Module):\n  inner : {inner}\n"
            f"  def forward(self: __torch__.deep.M{number}, x: Tensor) -> Tensor:\n"
            f"    inner = self.inner\n    return (inner).forward(x, )\n"
        )
    # innermost last in the text of a pickle: begin and end of each around what is within
    begin = [
        f"c__torch__.deep\nM{number}\n)\x81}}(".encode("latin-1") + archives.text("inner") for number in range(depth)
    ]
    whole = b"".join([*reversed(begin), content, *[b"ub"] * depth])
    text = "".join(texts).encode()
    return script({"archive/data.pkl": archives.short_pickle(whole), "archive/code/__torch__/deep.py": text})


def _tuples(depth: int) -> bytes:
    return archives.short_pickle(b")" + b"\x85" * depth)


def _itself() -> bytes:
    """A list that holds itself in place of a weight."""
    first = archives.layer("Linear", b"]q\x00h\x00a", archives.tensor("1", (4,), (1,)))
    return archives.net(first)


def _backwards() -> bytes:
    """An exported graph whose first node reads what the last one makes."""
    arg = {"as_tensor": {"name": "squeeze"}}
    return graph("graph_module", "graph", "nodes", 0, "inputs", 0, "arg", value=arg)


def _numbers() -> Iterator[Hostile]:
    """Weights that are missing, lie about themselves, or are no numbers."""

    def weight(
        size: tuple[int, ...], stride: tuple[int, ...], count: int = 24, key: str = "0", offset: int = 0
    ) -> bytes:
        first = archives.layer(
            "Linear", archives.tensor(key, size, stride, count, offset), archives.tensor("1", (4,), (1,))
        )
        return script({"archive/data.pkl": archives.net(first)})

    huge = 1 << 40
    cases: dict[str, tuple[Callable[[], bytes], str]] = {
        "missing_storage.pt": (lambda: weight((4, 6), (6, 1), key="77"), "the data of a tensor are missing"),
        "outside_storage.pt": (lambda: weight((4, 6), (6, 1), key="../../../etc/passwd"), "not a storage"),
        "short_storage.pt": (lambda: script({"archive/data/0": b"1234"}), "holds 4 bytes, not 24"),
        "beyond.pt": (lambda: weight((4, 600), (600, 1)), "reaches beyond"),
        "beyond_offset.pt": (lambda: weight((4, 6), (6, 1), offset=huge), "reaches beyond"),
        "negative.pt": (lambda: weight((-4, 6), (6, 1)), "impossible shape"),
        "negative_step.pt": (lambda: weight((4, 6), (-6, 1)), "impossible shape"),
        "shape_huge.pt": (lambda: weight((huge, huge), (1, 1), count=huge), "holds 96 bytes"),
        "shape_shared.pt": (lambda: weight((huge, 6), (0, 1)), "again and again"),
        "shape_bits.pt": (lambda: weight((1 << 700, 6), (0, 1)), "again and again|impossible"),
        "many_sizes.pt": (lambda: weight((1,) * 2_000, (1,) * 2_000), "impossible shape"),
        "nan.pt": (lambda: script({"archive/data/0": struct.pack("<f", float("nan")) * 24}), "not finite"),
        "inf.pt": (lambda: script({"archive/data/3": struct.pack("<f", float("inf"))}), "not finite"),
        "weights_gone.pt2": (
            lambda: archives.packed({n: c for n, c in archives.exported().items() if not n.endswith("weight_0")}),
            "the numbers are missing",
        ),
        "nan.pt2": (
            lambda: export({"archive/data/weights/weight_0": struct.pack("<f", float("nan")) * 48}),
            "not finite",
        ),
        "shape_huge.pt2": (lambda: _shape([huge, huge], [1, 1]), "reaches beyond"),
        "shape_shared.pt2": (lambda: _shape([huge, 6], [0, 1]), "again and again"),
        "kind.pt2": (
            lambda: graph(*_payload(), "tensor_meta", "dtype", value=99, entry=archives.WEIGHTS),
            "unknown type",
        ),
    }
    for name, (data, says) in cases.items():
        yield _bytes(name, "numbers", data, says)


def _payload() -> tuple[str, ...]:
    return "config", "first.weight"


def _shape(sizes: list[int], strides: list[int]) -> bytes:
    import json

    def change(content: bytes) -> bytes:
        document = json.loads(content)
        meta = document["config"]["first.weight"]["tensor_meta"]
        meta["sizes"] = [{"as_int": size} for size in sizes]
        meta["strides"] = [{"as_int": stride} for stride in strides]
        return json.dumps(document).encode()

    return export({archives.WEIGHTS: change})


def _no_models() -> Iterator[Hostile]:
    """What is no model file, or no file."""
    contents = {
        "empty.pt": (b"", "the file is empty"),
        "text.pt": (b"hello\n", "no zip, it starts with"),
        "picture.pt": (b"\x89PNG\r\n\x1a\n" + bytes(100), "no zip"),
        "program.pt": (b"\x7fELF" + bytes(100), "no zip"),
        "page.pt": (b"<!DOCTYPE html><script>alert(1)</script>", "no zip"),
        "gzip.pt": (b"\x1f\x8b\x08" + bytes(100), "no zip"),
        "letters.pt": (b"PK", "broken or cut off"),
        "local.pt": (b"PK\x03\x04" + bytes(100), "broken or cut off"),
        "end.pt": (b"PK\x05\x06" + bytes(18), "the zip is empty|no entries"),
        "zeros.pt": (bytes(1000), "no zip"),
        "escape.pt": (b"\x1b[31m\x1b]0;owned\x07", "no zip"),
    }
    for name, (data, says) in contents.items():
        yield _bytes(name, "no model", lambda data=data: data, says)
    yield _bytes("tar.pt", "no model", _tar, "old torch.save file|no zip")
    yield _bytes("zip.pt", "no model", lambda: _zipped(b"", "a/b.txt", b"hello"), "neither a TorchScript file nor")
    yield _bytes("weights.pt", "no model", lambda: archives.saved({"w": torch.ones(2)}), "torch.save file")
    yield Hostile("directory.pt", "no model", lambda path: path.mkdir(), "a directory, not a")
    yield Hostile("dangling.pt", "no model", lambda path: path.symlink_to("nowhere"), "[Nn]o such file")
    yield Hostile("loop.pt", "no model", lambda path: path.symlink_to(path.name), "cannot be read")
    yield Hostile("device.pt", "no model", lambda path: path.symlink_to("/dev/zero"), "a device, not a file")
    yield Hostile("random.pt", "no model", lambda path: path.symlink_to("/dev/urandom"), "a device, not a file")
    yield Hostile(
        "system.pt", "no model", lambda path: path.symlink_to("/proc/self/mem"), "cannot be read|no zip|empty"
    )
    yield Hostile("pipe.pt", "no model", os.mkfifo, "a named pipe, not a file")
    yield Hostile("socket.pt", "no model", _socket, "a socket, not a file|cannot be read")
    yield Hostile("sparse.pt", "size", _sparse, "at most .* are read")


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../x"))
    return buffer.getvalue()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
        server.bind(path.name)


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(b"PK\x03\x04")
        stream.truncate(3 << 30)


def _odd_names() -> Iterator[Hostile]:
    """Names of files that would spoil a message or a name made of them."""
    wrong = "no zip, it starts with"
    names = {
        "long": "n" * 252 + ".pt",
        "newline": "a\nb.pt",
        "escape": "\x1b[2J\x1b]0;owned\x07.pt",
        "bidi": "\u202etp.exe.pt",
        "markup": "<img src=x onerror=alert(1)>.pt",
        "flag": "--force.pt",
        "formula": "=cmd|' ||.pt",
        "surrogate": os.fsdecode(b"\xff\xfe.pt"),
        "spaces": " .pt",
        "dots": "...pt",
    }
    for name in names.values():
        yield _bytes(name, "no model", lambda: b"hello", wrong)


def _damaged(count: int, seed: int) -> Iterator[Hostile]:
    """Files that were cut off or have a wrong bit where it matters."""
    chance = random.Random(seed)
    for number in range(count):
        data, ending = (script(), "pt") if number % 2 else (export(), "pt2")
        content = data[: chance.randrange(1, len(data))]
        while number % 4 >= 2 and (len(content) < len(data) or _same(content, data)):
            at = chance.randrange(len(data))
            content = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        yield _bytes(f"damaged_{number}.{ending}", "damage", lambda content=content: content, _DAMAGE)


def _same(content: bytes, data: bytes) -> bool:
    """Whether two archives hold the same entries: a wrong bit in a date changes nothing."""
    try:
        return hostile.contents(content) == hostile.contents(data)
    except Exception:  # whatever a broken archive makes of the reader
        return False


_DAMAGE = (
    "broken or cut off|no zip|hidden bytes|checksum|header|disagrees|overlaps|end record|announced|packed|encrypted|"
    "zip flags|not one that torch writes|outside the root|past the end|leads out|occurs twice|no TorchScript|"
    "neither a|at most"
)


def _setstate(path: str) -> bytes:
    return hostile.torchscript(hostile.SetState(path))


def _legacy(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


__all__ = ["Hostile", "Traps", "corpus", "listener", "nets"]
