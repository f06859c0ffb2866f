"""The pickles inside a model file, read without running them."""

# ruff: noqa: SIM905  (a table of words reads better as one text)

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from debias.words import bare

# what torch's own pickler writes; the text forms, extension codes and computed names are not among them
_OPCODES = frozenset(
    """
    PROTO STOP GLOBAL MARK EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS
    NEWOBJ REDUCE BUILD BINPERSID BINUNICODE BINGET LONG_BINGET BINPUT LONG_BINPUT BININT BININT1 BININT2 LONG1 BINFLOAT
    NONE NEWTRUE NEWFALSE
    """.split()
)
_STORAGES = {
    "FloatStorage": 4,
    "DoubleStorage": 8,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
    "QInt8Storage": 1,
    "QUInt8Storage": 1,
    "QInt32Storage": 4,
}
TENSOR_GLOBALS: frozenset[str] = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "torch device",
        "torch Size",
    }
    | {f"torch {name}" for name in _STORAGES}
)
"""What the pickle of plain tensors, lists, tuples and dicts names."""

TORCHSCRIPT_GLOBALS: frozenset[str] = TENSOR_GLOBALS | frozenset(
    {"torch._utils _rebuild_qtensor", "torch per_tensor_affine", "torch per_channel_affine"}
    | {
        f"torch.jit._pickle {name}"
        for name in ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
    }
    | {"torch.jit._pickle restore_type_tag"}
)
"""What the pickles of a TorchScript file name, besides the classes of its own program."""

DEBUG_GLOBALS: frozenset[str] = frozenset({"torch.jit._pickle build_intlist"})
"""What the table of source lines beside a program text names."""

MAX_DEPTH = 200
"""Deepest nesting that is read."""
MAX_SHARED = 1 << 24
"""Most numbers of a tensor that shows the same stored ones again and again."""
MAX_SIZES = 64
"""Most dimensions of a tensor that torch can compute with."""
MAX_PICKLE = 8 << 20
"""Largest pickle that is read, in bytes; the numbers of tensors stand outside of it."""
MAX_FOUND = 40
"""Most different things that are told of one pickle."""


def scan(data: bytes, allowed: Callable[[str], bool]) -> list[str]:
    """Return what is wrong with the opcodes of a pickle, without running any.

    Parameters
    ----------
    data : bytes
        The pickle.
    allowed : callable
        Tells whether the pickle may name ``"module name"``.

    Returns
    -------
    list of str
        What was found; empty where the pickle builds nothing but what `allowed` names.
    """
    if len(data) > MAX_PICKLE:
        return [f"a pickle of {len(data):,} bytes; at most {MAX_PICKLE:,} are read"]
    found: dict[str, None] = {}
    count = end = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            count += 1
            if opcode.name not in _OPCODES:
                found[f"the pickle uses {opcode.name}, which torch does not write"] = None
            elif opcode.name == "GLOBAL":
                if not allowed(str(argument)):
                    found[f"the pickle calls for {bare(str(argument).replace(' ', '.'))}"] = None
            elif opcode.name == "LONG_BINPUT" and argument is not None and argument > count:
                # a huge index would make the reader reserve memory for all below it
                found["the pickle numbers an object beyond their count"] = None
            if len(found) >= MAX_FOUND:
                return list(found)
            end = (position or 0) + 1
        if end != len(data):
            found[f"{len(data) - end:,} bytes stand behind the end of the pickle"] = None
    except (ValueError, EOFError, UnicodeDecodeError, IndexError, OverflowError) as error:
        found[f"the pickle is broken ({bare(error)})"] = None
    return list(found)


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def tensor_problems(data: bytes, files: Mapping[str, bytes], folder: str) -> list[str]:
    """Return which tensors of a scanned pickle reach beyond their own data.

    torch's reader of TorchScript files takes sizes, strides and offsets as they stand, so that a wrong one would read
    or write foreign memory. The pickle is read with names that stand for nothing: no function of it exists here.

    Parameters
    ----------
    data : bytes
        A pickle in which `scan` found nothing.
    files : mapping of str to bytes
        The entries of the archive.
    folder : str
        The folder that holds the storages.
    """
    tensors: list[_Tensor] = []
    try:
        root = _inert(io.BytesIO(data), tensors).load()
        if _depth(root) > MAX_DEPTH:
            return [f"the pickle is nested more than {MAX_DEPTH} deep"]
        if _holds_itself(root):
            return ["the pickle holds an object that is part of itself"]
    except Exception as error:  # whatever a broken pickle makes of the stand-ins
        return [f"the pickle is broken ({bare(error)})"]
    return list(dict.fromkeys(filter(None, (_beyond(tensor, files, folder) for tensor in tensors))))


def _inert(stream: io.BytesIO, tensors: list[_Tensor]) -> pickle.Unpickler:
    # all stand-ins are made anew for each file: a pickle can set attributes on what it names
    class Thing:
        def __init__(self, *args: Any) -> None:
            self.content: Any = args

        def __setstate__(self, state: Any) -> None:
            self.content = state

    def rebuild(storage: _Storage, offset: int, size: Sequence[int], stride: Sequence[int], *_: Any) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without a storage")
        tensor = _Tensor(storage, offset, tuple(size), tuple(stride))
        tensors.append(tensor)
        return tensor

    def first(*args: Any) -> Any:
        return args[0] if args else None

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if name in ("_rebuild_tensor_v2", "_rebuild_qtensor"):
                return rebuild
            if module == "torch" and name in _STORAGES:
                return type(name, (Thing,), {})
            if module.startswith("__torch__"):
                return type("Thing", (Thing,), {})
            if name == "OrderedDict":
                return type("Table", (dict,), {})
            return lambda *args: first(*args)

        def persistent_load(self, pid: Any) -> _Storage:
            word, kind, key, _, count = pid
            if word != "storage" or not re.fullmatch(r"\w{1,80}", str(key)) or type(count) is not int:
                raise ValueError(f"not a storage: {str(pid)[:80]}")
            if kind.__name__ not in _STORAGES:
                raise ValueError(f"a storage of the kind {str(kind.__name__)[:40]}")
            return _Storage(kind.__name__, str(key), count)

    return Reader(stream)


def _beyond(tensor: _Tensor, files: Mapping[str, bytes], folder: str) -> str:
    storage = tensor.storage
    name = f"{folder}/{storage.key}"
    if name not in files:
        return f"the data of a tensor are missing ({name})"
    held = len(files[name])
    numbers = (storage.count, tensor.offset, *tensor.size, *tensor.stride)
    whole = all(type(number) is int and number >= 0 for number in numbers)
    if not whole or len(tensor.size) != len(tensor.stride) or len(tensor.size) > MAX_SIZES:
        return f"a tensor of {name} has an impossible shape ({bare(tensor.size)}, {bare(tensor.stride)})"
    if storage.count * _STORAGES[storage.kind] > held:
        return f"{name} holds {held:,} bytes, not {storage.count:,} numbers of a {storage.kind}"
    if 0 in tensor.size:
        return ""
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.size, tensor.stride, strict=True))
    if last >= storage.count:
        return f"a tensor of shape {bare(tensor.size)} reaches beyond {name}"
    if math.prod(tensor.size) > max(storage.count, MAX_SHARED):
        return f"a tensor of shape {bare(tensor.size)} shows the {storage.count:,} numbers of {name} again and again"
    return ""


def _parts(item: Any) -> Collection[Any]:
    """What a tuple, list, dict or object is made of, without what has no parts."""
    parts: Collection[Any] = ()
    if isinstance(item, dict):
        parts = [*item.keys(), *item.values()]
    elif isinstance(item, tuple | list):
        parts = item
    elif hasattr(item, "content"):
        parts = [item.content]
    return [part for part in parts if not isinstance(part, str | int | float | _Tensor | None)]


def _depth(root: Any) -> int:
    """Nesting of tuples, lists, dicts and objects, without recursion; shared parts count once."""
    seen: set[int] = set()
    level: list[Any] = [root]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        below: list[Any] = []
        for item in level:
            if id(item) not in seen:
                seen.add(id(item))
                below.extend(_parts(item))
        level = below
    return depth


def _holds_itself(root: Any) -> bool:
    """Whether an object can be reached from itself; torch would follow it for ever."""
    kept: list[Any] = []  # an id counts while its object lives
    done: set[int] = set()
    above: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        item, left = stack.pop()
        if left:
            above.discard(id(item))
            done.add(id(item))
        elif id(item) in above:
            return True
        elif id(item) not in done:
            above.add(id(item))
            kept.append(item)
            stack.append((item, True))
            stack.extend((part, False) for part in _parts(item))
    return False
