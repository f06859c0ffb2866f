"""What differs between two model files: their numbers by name, their programs, their contracts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from debias.model.network import archive_contract
from debias.model.seal import compared, is_number_entry, state_of
from debias.model.wrapped import PREFIX
from debias.report.values.verification import Changes, EntryChange, TensorChange

if TYPE_CHECKING:
    from torch import Tensor

    from debias.contract import Contract
    from debias.model.archive import Archive

# written by each program that saves a model, of no meaning to what it computes
_MARKS = frozenset({".data/serialization_id", ".data/version", "version", "byteorder", "archive_version"})


def changes(source: Archive, file: Archive) -> Changes:
    """Return what differs between a network and the file that a run made of it.

    Parameters
    ----------
    source, file : Archive
        Both are loaded. A tensor of the source is looked for under its own name, and under that behind the prefix of
        a file with a rule.

    Returns
    -------
    Changes
    """
    before, after = state_of(source.load()), state_of(file.load())
    names = {name: name if name in after else PREFIX + name for name in before}
    both = {old: new for old, new in names.items() if new in after}
    found = [change for old, new in both.items() if (change := _tensor(new, before[old], after[new])) is not None]
    return Changes(
        tensors=found,
        same_tensors=len(both) - len(found),
        added_tensors=sorted(set(after) - set(both.values())),
        removed_tensors=[old for old, new in names.items() if new not in after],
        program=_program(source, file),
        contract=_contract(archive_contract(source), archive_contract(file)),
    )


def _tensor(name: str, old: Tensor, new: Tensor) -> TensorChange | None:
    """Return how a tensor differs; None for one that is equal bit for bit."""
    import torch

    if old.dtype == new.dtype and old.shape == new.shape and torch.equal(old, new):
        return None
    if old.shape != new.shape:
        size = new.numel()
        return TensorChange(
            name=name, shape=list(new.shape), numbers=size, changed=size, norm=None, relative=None, largest=None
        )
    gap = new.double() - old.double()
    norm, whole = float(gap.norm()), float(old.double().norm())
    finite = bool(torch.isfinite(gap).all())
    return TensorChange(
        name=name,
        shape=list(new.shape),
        numbers=new.numel(),
        changed=int((new != old).sum()),
        norm=norm if finite else None,
        relative=norm / whole if finite and whole > 0 else None,
        largest=float(gap.abs().max()) if finite else None,
    )


def _program(source: Archive, file: Archive) -> list[str]:
    def text(archive: Archive) -> dict[str, bytes]:
        return {
            name: content
            for name, content in archive.entries().items()
            if not (name in _MARKS or name.startswith("extra/") or name.endswith(".debug_pkl") or is_number_entry(name))
        }

    return compared(text(source), text(file)).told


def _contract(source: Contract | None, file: Contract | None) -> list[EntryChange]:
    before, after = dict(_entries(_plain(source))), dict(_entries(_plain(file)))
    return [
        EntryChange(entry=place, source=before.get(place), file=after.get(place))
        for place in dict.fromkeys([*before, *after])
        if before.get(place) != after.get(place)
    ]


def _plain(contract: Contract | None) -> dict[str, Any]:
    return {} if contract is None else contract.model_dump(mode="json", exclude_none=True)


def _entries(value: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _entries(item, f"{place}{name}.")
        else:
            yield f"{place}{name}", item
