"""The seal of a file: digests of all that it holds, in its own record, so that an edit after writing is found.

The record cannot hold the digest of the file that it stands in. It holds one of every entry that a reader is given, of
every tensor by name (so that an edited weight can be named), and of every part of the contract and of the record. A
seal is a checksum, not a signature: whoever edits the file on purpose can make it anew. Against that, keep the SHA-256
of the file, which the report tells, in another place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from debias.contract import Contract, write_document
from debias.errors import ContractError, Problem, WriteError
from debias.model.archive import entries_of, serialise

if TYPE_CHECKING:
    from torch import Tensor

    from debias.model.archive import Archive, Loaded

DOCUMENT = "debias.json"
SEAL = "seal"
PARTS = ("tensors", "entries", "contract", "record")
"""What a seal has digests of, each by name."""

# torch numbers each file that it writes by a digest of names and checksums, those of debias.json among them
_UNSEALED = (".data/serialization_id", f"extra/{DOCUMENT}")


@dataclass(frozen=True)
class Broken:
    """Names within one part of a seal whose content is not what was sealed."""

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed)

    def only(self, wanted: Callable[[str], bool]) -> Broken:
        """Return the names that are `wanted`."""
        return Broken(*(tuple(filter(wanted, names)) for names in (self.changed, self.added, self.removed)))

    @property
    def told(self) -> list[str]:
        """The names for a reader: which were added and which are gone is said."""
        return [
            *self.changed,
            *(f"{name} (added)" for name in self.added),
            *(f"{name} (gone)" for name in self.removed),
        ]


def sealed(
    loaded: Loaded, extra: Mapping[str, str | bytes], contract: Contract | None, record: Mapping[str, Any]
) -> bytes:
    """Return the content of a file with its contract and its record, and the seal in the record.

    Parameters
    ----------
    loaded : ScriptModule or ExportedProgram
        The program with its numbers.
    extra : mapping of str to str or bytes
        Extra files; ``debias.json`` among them is replaced.
    contract : Contract or None
        Of the file.
    record : mapping
        JSON values: how the file came about.

    Raises
    ------
    WriteError
        torch writes the same program otherwise each time.
    """
    plain = write_document(contract, record)
    document, state = json.loads(plain), state_of(loaded)
    content = serialise(loaded, {**extra, DOCUMENT: plain})
    # How torch pickles a module depends on which of its tensors Python has touched: seldom once more is needed.
    for _ in range(3):
        seal = _seal(entries_of(content), state, document)
        content = serialise(loaded, {**extra, DOCUMENT: write_document(contract, {**record, SEAL: seal})})
        if _seal(entries_of(content), state, document) == seal:
            return content
    raise WriteError(Problem("torch writes the same network otherwise each time, so that it cannot be sealed"))


def broken(archive: Archive) -> dict[str, Broken] | None:
    """Return what of a file is not as it was sealed, by the parts of the seal; None for a file without a seal.

    Parameters
    ----------
    archive : Archive
        The file; it is loaded.

    Raises
    ------
    ContractError
        The seal is none that this version reads.
    """
    document = json.loads(archive.extra[DOCUMENT])
    told = (document.get("record") or {}).get(SEAL)
    if told is None:
        return None
    if not _is_seal(told):
        raise ContractError(
            Problem("the seal in the record is none that this version reads", f"{archive.path}: {DOCUMENT}")
        )
    found = _seal(archive.entries(), state_of(archive.load()), document)
    return {part: compared(told[part], found[part]) for part in PARTS}


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Broken:
    """Return which names of two mappings differ, in the order of the mappings."""
    return Broken(
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
    )


def state_of(loaded: Loaded) -> dict[str, Tensor]:
    """Return the numbers of a loaded program by name, the constants of an exported one among them."""
    import torch

    state = dict(loaded.state_dict if isinstance(loaded, torch.export.ExportedProgram) else loaded.state_dict())
    if isinstance(loaded, torch.export.ExportedProgram):
        state |= {name: value for name, value in loaded.constants.items() if isinstance(value, torch.Tensor)}
    return {name: value.detach() for name, value in state.items()}


def is_number_entry(name: str) -> bool:
    """Return True for an entry of a model file that holds the numbers of tensors, and no program."""
    folder, _, last = name.rpartition("/")
    if folder in {"data", "constants"}:
        return last.isdigit()
    return folder in {"data/weights", "data/constants"} and not last.endswith(".json")


def _seal(entries: Mapping[str, bytes], state: Mapping[str, Tensor], document: Mapping[str, Any]) -> dict[str, Any]:
    record = {name: value for name, value in (document.get("record") or {}).items() if name != SEAL}
    # What else an edited document may hold is nobody's; it counts as a part of the record.
    record |= {name: value for name, value in document.items() if name not in ("schema", "contract", "record")}
    return {
        "digest": "sha256",
        "tensors": {name: tensor_digest(value) for name, value in state.items()},
        "entries": {name: _digest(content) for name, content in entries.items() if name not in _UNSEALED},
        "contract": {name: _json_digest(value) for name, value in (document.get("contract") or {}).items()},
        "record": {name: _json_digest(value) for name, value in record.items()},
    }


def _is_seal(told: Any) -> bool:
    return (
        isinstance(told, dict)
        and told.get("digest") == "sha256"
        and all(isinstance(told.get(part), dict) for part in PARTS)
    )


def tensor_digest(value: Tensor) -> str:
    """Return the SHA-256 of a tensor's type, shape and numbers."""
    import torch

    numbers = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return _digest(f"{value.dtype} {list(value.shape)} ".encode() + numbers.tobytes())


def _json_digest(value: Any) -> str:
    return _digest(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
