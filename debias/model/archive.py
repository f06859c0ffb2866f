"""Open a model file without running it, load it from memory, and write it again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from debias.errors import ModelError, Problem, WriteError
from debias.inputs import open_input, read_at_most
from debias.model.preflight import entries
from debias.model.preflight.check import check
from debias.model.preflight.export import SAMPLE
from debias.model.preflight.torchscript import UNUSED

if TYPE_CHECKING:
    import torch

    Loaded = torch.jit.ScriptModule | torch.export.ExportedProgram

Format = Literal["torchscript", "export"]

LONGEST = 400
"""Most characters that are told of an error of torch, which may hold the text of the file."""

# read here or needed by nobody: torch gets the program and its numbers only
_NOT_LOADED = ("extra/", *UNUSED)


@dataclass(frozen=True)
class Archive:
    """A model file that passed the pre-flight; nothing of it has run.

    Parameters
    ----------
    path : Path
        Where the file was read.
    format : {"torchscript", "export"}
        Scripted or traced TorchScript (``.pt``), or ``torch.export`` (``.pt2``), by content, not by name.
    size : int
        Size of the file in bytes.
    sha256 : str
        Digest of the file as it came, in hexadecimal.
    extra : mapping of str to bytes
        The extra files inside it, such as ``debias.json``.
    trusted : bool
        True when the user said that the file is to be trusted.
    waived : tuple of Problem
        What would have been refused otherwise; empty for a file that passes by itself.
    static : bool
        True for a ``.pt2`` that was exported for one batch size.
    """

    path: Path
    format: Format
    size: int
    sha256: str
    extra: Mapping[str, bytes] = field(repr=False)
    trusted: bool
    waived: tuple[Problem, ...]
    static: bool
    _payload: bytes = field(repr=False)

    def entries(self) -> dict[str, bytes]:
        """Return all entries that torch is given, and the extra files as ``extra/NAME``."""
        found, _ = entries.read_entries(self._payload, str(self.path))
        assert found is not None  # it was made by `entries.rebuild`
        return {**found.files, **{f"extra/{name}": content for name, content in self.extra.items()}}

    def load(self, device: str = "cpu") -> Loaded:
        """Load the program from the entries that were checked.

        Parameters
        ----------
        device : str
            Where its numbers shall lie.

        Raises
        ------
        ModelError
            torch cannot load it.
        """
        import torch

        try:
            with warnings.catch_warnings():
                # the formats are given; torch says at each call that TorchScript is deprecated
                warnings.simplefilter("ignore")
                if self.format == "torchscript":
                    return torch.jit.load(io.BytesIO(self._payload), map_location=device)  # type: ignore[no-untyped-call,no-any-return]
                with _unlogged("torch.export"):
                    program = torch.export.load(io.BytesIO(self._payload))
                return program if device == "cpu" else _moved(program, device)
        except Exception as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0][:LONGEST]
            raise ModelError(
                Problem(f"torch {torch.__version__} cannot load it: {text}", str(self.path), "Save the model again.")
            ) from None


def _moved(program: torch.export.ExportedProgram, device: str) -> torch.export.ExportedProgram:
    """Return a program on another device, the places that its own operations name among them."""
    from torch.export.passes import move_to_device_pass

    return move_to_device_pass(program, device)


def open_archive(path: str | os.PathLike[str], *, trust: bool = False) -> Archive:
    """Read a model file, check it, and return it ready to be loaded.

    Parameters
    ----------
    path : path-like
        A TorchScript or ``torch.export`` file.
    trust : bool
        Accept content that the pre-flight refuses. A zip that is broken or ambiguous is refused all the same.

    Raises
    ------
    ModelError
        With every reason at once. Nothing of the file was executed.
    """
    place = Path(path)
    return archive_of(_read(place), place, trust=trust)


def archive_of(data: bytes, place: Path, *, trust: bool = False) -> Archive:
    """Check the content of a model file that is named `place` in messages; see `open_archive`."""
    result = check(data, str(place))
    blocking = [reason.problem for reason in result.reasons if not (trust and reason.content)]
    if blocking:
        raise ModelError(blocking)
    assert result.format is not None
    return Archive(
        path=place,
        format=result.format,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        extra={name[6:]: content for name, content in result.files.items() if name.startswith("extra/")},
        trusted=trust,
        waived=tuple(reason.problem for reason in result.reasons),
        static=result.static,
        _payload=_rebuilt(result.files),
    )


def serialise(loaded: Loaded, extra: Mapping[str, str | bytes]) -> bytes:
    """Return the file content of a loaded program, with extra files.

    Parameters
    ----------
    loaded : ScriptModule or ExportedProgram
        What `Archive.load` returned, with other numbers in its state.
    extra : mapping of str to str or bytes
        Name to content of every extra file. Those of the input file that shall stay have to be among them:
        ``serialise(loaded, {**archive.extra, "debias.json": text})``.
    """
    import torch

    buffer = io.BytesIO()
    try:
        text = {name: content if isinstance(content, str) else content.decode() for name, content in extra.items()}
    except UnicodeDecodeError as error:
        found = f"an extra file of the model is no text ({error})"
        raise WriteError(Problem(found, "", "Save the model without that extra file.")) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(loaded, torch.jit.ScriptModule):
            torch.jit.save(loaded, buffer, _extra_files=text)
        else:
            torch.export.save(loaded, buffer, extra_files=text)
    return buffer.getvalue()


def entries_of(content: bytes) -> dict[str, bytes]:
    """Return what `Archive.entries` does, of content that `serialise` made."""
    found, problems = entries.read_entries(content, "the file to be written")
    if found is None:
        raise WriteError(problems)
    extra = {name: data for name, data in found.files.items() if name.startswith("extra/")}
    return {**_needed(found.files), **extra}


def _rebuilt(files: Mapping[str, bytes]) -> bytes:
    """The archive that torch gets to see."""
    return entries.rebuild(_needed(files))


def _needed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The entries that torch gets to see; the example inputs of a .pt2 are an archive of their own."""
    needed = {name: content for name, content in files.items() if not name.startswith(_NOT_LOADED)}
    if needed.get(SAMPLE):
        inner, _ = entries.read_entries(needed[SAMPLE], SAMPLE)
        if inner is not None:
            needed[SAMPLE] = entries.rebuild(inner.files)
    return needed


@contextlib.contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """Keep a library from telling the terminal, with traceback and text of the file, what it raises as well."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _read(path: Path) -> bytes:
    try:
        with open_input(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > entries.MAX_FILE:
                found = f"{size:,} bytes; at most {entries.MAX_FILE:,} are read"
                raise ModelError(Problem(found, str(path), "Is this the model file?"))
            data = read_at_most(stream, entries.MAX_FILE)
    except FileNotFoundError:
        raise ModelError(Problem("no such file", str(path), "Check the name.")) from None
    except IsADirectoryError:
        found = "is a directory, not a model file"
        raise ModelError(Problem(found, str(path), "Name the .pt or .pt2 file in it.")) from None
    except PermissionError:
        raise ModelError(Problem("no permission to read it", str(path), "Check the rights of the file.")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(Problem(f"cannot be read: {reason}", repr(str(path)), "Check the name.")) from None
    if not data:
        raise ModelError(Problem("the file is empty", str(path), "Fetch or save it again."))
    if len(data) > entries.MAX_FILE:
        raise ModelError(Problem(f"more than {entries.MAX_FILE:,} bytes", str(path), "Is this the model file?"))
    return data
