"""Networks that would write a file, and the tools to forge archives."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.model import nets


class SetState(nn.Module):
    """Writes a file while it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x.sum(1))

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        self.training = state[1]
        torch.save(torch.ones(1), self.path)


class Saves(nn.Module):
    """Writes a file while it runs."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.layer = nn.Linear(nets.FEATURES, 1)
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.path)
        return torch.sigmoid(self.layer(x)).squeeze(1)


class Reads(nn.Module):
    """Maps a file into memory, and writes to it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.layer = nn.Linear(nets.FEATURES, 1)
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(x)).squeeze(1) + torch.from_file(self.path, True, 1).sum()


class Loops(nn.Module):
    """Need not end."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(nets.FEATURES, 1)

    def forward(self, x: Tensor) -> Tensor:
        while bool(x.sum() < 1e9):
            x = x * 1.0
        return torch.sigmoid(self.layer(x)).squeeze(1)


class Remembers(nn.Module):
    """A harmless network with fields of every kind, a constant, a loop and a second method."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(nets.FEATURES, 4)
        self.numbers = [1, 2]
        self.table = {"a": 1.5}
        self.word = "on"
        self.pair = (torch.ones(2), None)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 2, "rows and columns"
        y = self.layer(x) * self.table["a"]
        for number in self.numbers:
            y = y * number
        if self.word == "on":
            y = y + self.pair[0].sum()
        return torch.sigmoid(y.mean(1))

    @torch.jit.export
    def other(self, number: int) -> int:
        return number + 1


def torchscript(net: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(nets.scripted(net), buffer)
    return buffer.getvalue()


def exported(net: nn.Module, **options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(nets.exported(net, **options), buffer)
    return buffer.getvalue()


def contents(data: bytes) -> dict[str, bytes]:
    """The entries of a zip, with the root folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def entry(data: bytes, pattern: str) -> str:
    """The one entry whose name ends in `pattern`; torch numbers the classes of a process (``___torch_mangle_3``)."""
    names = [name for name in contents(data) if re.search(pattern + r"\Z", name)]
    assert len(names) == 1, names
    return names[0]


def edited(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with one entry changed; checksums are right again."""
    files = contents(data)
    before = files[name]
    files[name] = change(before)
    assert files[name] != before, f"the edit of {name} changed nothing"
    return packed(files)


def replaced(data: bytes, name: str, old: str, new: str) -> bytes:
    return edited(data, name, lambda content: content.replace(old.encode(), new.encode(), 1))
