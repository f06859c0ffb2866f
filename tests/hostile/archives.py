"""Model files taken apart and put together again, with one thing in them that should not be there."""

from __future__ import annotations

import io
import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from tests.model import hostile, nets

MODEL = "archive/models/model.json"
WEIGHTS = "archive/data/weights/model_weights_config.json"
SAMPLE = "archive/data/sample_inputs/model.pt"
LINEAR = "archive/code/__torch__/linear.py"
FORWARD = "    return torch.linear(input, weight, bias)\n"


class Calls:
    """Pickles to a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@cache
def scripted() -> dict[str, bytes]:
    """The entries of a plain network of two layers, with names that do not depend on what was scripted before."""
    torch.manual_seed(0)
    return {
        "archive/data.pkl": _modules(),
        "archive/data/0": _numbers(nets.FEATURES * 4, 3),
        "archive/data/1": _numbers(4, 4),
        "archive/data/2": _numbers(4, 5),
        "archive/data/3": _numbers(1, 6),
        LINEAR: _linear("Linear") + _linear("Last"),
        "archive/code/__torch__/net.py": _NET.encode(),
        "archive/constants.pkl": pickle.dumps((), 2),
        "archive/version": b"3\n",
        "archive/byteorder": b"little",
    }


@cache
def exported() -> dict[str, bytes]:
    """The entries of an exported network of three layers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hostile.contents(hostile.exported(nets.build("relu")))


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these entries, the same every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def script(edits: dict[str, bytes | Callable[[bytes], bytes]] | None = None) -> bytes:
    """The scripted network with other entries: new bytes, or a change of what is there."""
    return packed(_edited(scripted(), edits or {}))


def export(edits: dict[str, bytes | Callable[[bytes], bytes]] | None = None) -> bytes:
    """The exported network with other entries."""
    return packed(_edited(exported(), edits or {}))


def forward(lines: Sequence[str], functions: str = "") -> bytes:
    """The scripted network whose first layer does these lines before its own; ``input`` is its batch."""
    body = "".join(f"    {line}\n" for line in lines)

    def change(text: bytes) -> bytes:
        return text.replace(FORWARD.encode(), body.encode() + FORWARD.encode(), 1)

    edits: dict[str, bytes | Callable[[bytes], bytes]] = {LINEAR: change}
    if functions:
        edits["archive/code/__torch__/more.py"] = functions.encode()
    return script(edits)


def graph(*path: Any, value: Any, entry: str = MODEL) -> bytes:
    """The exported network with one value of its JSON changed."""

    def change(content: bytes) -> bytes:
        document = place = json.loads(content)
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return json.dumps(document).encode()

    return export({entry: change})


def saved(value: object) -> bytes:
    """What `torch.save` makes of an object."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def short_pickle(*parts: bytes) -> bytes:
    """A pickle of these opcodes."""
    return b"\x80\x02" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    """The opcode of a text."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _edited(files: dict[str, bytes], edits: dict[str, bytes | Callable[[bytes], bytes]]) -> dict[str, bytes]:
    found = dict(files)
    for name, edit in edits.items():
        new = edit if isinstance(edit, bytes) else edit(found[name])
        assert new != found.get(name), f"the edit of {name} changed nothing"
        found[name] = new
    return found


def _numbers(count: int, seed: int) -> bytes:
    values = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    return values.numpy().astype("<f4").tobytes()


def _linear(name: str) -> bytes:
    return f"""class {name}(Module):
  __parameters__ = ["weight", "bias", ]
  __buffers__ = []
  weight : Tensor
  bias : Tensor
  training : bool
  def forward(self: __torch__.linear.{name},
    input: Tensor) -> Tensor:
    weight = self.weight
    bias = self.bias
    return torch.linear(input, weight, bias)
""".encode()


_NET = """class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  first : __torch__.linear.Linear
  last : __torch__.linear.Last
  def forward(self: __torch__.net.Net,
    x: Tensor) -> Tensor:
    first = self.first
    last = self.last
    y = torch.relu((first).forward(x, ))
    return torch.squeeze(torch.sigmoid((last).forward(y, )), 1)
"""


def tensor(key: str, size: Sequence[int], stride: Sequence[int], count: int | None = None, offset: int = 0) -> bytes:
    """The opcodes of a tensor of float32 over the storage `key`."""
    held = count if count is not None else _product(size)
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + _integer(held) + b"tQ"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + _integer(offset)
        + _integers(size)
        + _integers(stride)
        + b"\x88ccollections\nOrderedDict\n)RtR"
    )


def module(name: str, fields: Iterable[tuple[str, bytes]]) -> bytes:
    """The opcodes of an object of the class `name` with these fields."""
    where, _, what = name.rpartition(".")
    state = b"".join(text(key) + value for key, value in fields)
    return f"c{where}\n{what}\n".encode() + b")\x81}(" + state + b"ub"


def layer(name: str, weight: bytes, bias: bytes) -> bytes:
    """The opcodes of a layer."""
    return module(f"__torch__.linear.{name}", (("weight", weight), ("bias", bias), ("training", b"\x89")))


def net(first: bytes | None = None, last: bytes | None = None) -> bytes:
    """The pickle of the scripted network, with other opcodes for a layer."""
    first = first or layer("Linear", tensor("0", (4, nets.FEATURES), (nets.FEATURES, 1)), tensor("1", (4,), (1,)))
    last = last or layer("Last", tensor("2", (1, 4), (4, 1)), tensor("3", (1,), (1,)))
    return short_pickle(module("__torch__.net.Net", (("training", b"\x89"), ("first", first), ("last", last))))


def _modules() -> bytes:
    return net()


def _product(sizes: Sequence[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


def _integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _integers(values: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(_integer, values)) + b"t"


def plain() -> nn.Module:
    """The scripted network, loaded: to see that it works when nothing is wrong with it."""
    return torch.jit.load(io.BytesIO(script()))  # type: ignore[no-any-return,no-untyped-call]
