"""A trained network: an immutable program plus a state, with the file that it came from."""

from __future__ import annotations

import contextlib
import shlex
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from debias.contract import SIDECAR_SUFFIX, Contract, contract_bytes, read_document
from debias.data.sample import Sample
from debias.errors import ContractError, DebiasError, ModelError, Problem
from debias.model import effects
from debias.model.archive import LONGEST, Archive, open_archive, serialise
from debias.model.head import Head, Kind, find_head
from debias.model.layers import Layer, find_layers
from debias.model.program import Program
from debias.model.reading import (
    Read,
    call_in_pieces,
    first_run,
    read_archive,
    reads_codes,
    shared_entries,
    trial_codes,
    trial_rows,
)

if TYPE_CHECKING:
    from debias.model.archive import Loaded

_ROWS_AT_ONCE = 8_192
"""What a layer of some hundred units makes of so many rows stays in the processor's cache."""
_ROWS_AT_ONCE_ELSEWHERE = 65_536


@dataclass(frozen=True)
class Input:
    """A tensor input of a network.

    Parameters
    ----------
    name : str
        Its name in the signature.
    role : str
        Role of the sample's input that goes here.
    width : int or None
        Number of columns; None where unknown.
    codes : bool
        True where the network reads one int64 code of a row, the place of the 1 among the sample's `width` columns
        (−1 where there is none), and not the columns themselves.
    """

    name: str
    role: str
    width: int | None
    codes: bool = False


@dataclass(frozen=True)
class Network:
    """A trained network, ready to score samples.

    Parameters
    ----------
    archive : Archive
        The checked file.
    program : Program
        What the file computes in eval mode.
    state : mapping of str to Tensor
        The numbers, by the file's own names; never changed.
    inputs : tuple of Input
        Inputs in the order of the signature.
    head : Head
        How the output becomes a score.
    layers : tuple of Layer
        Hidden fully connected layers.
    parameters : tuple of str
        State entries that are trained, by name.
    batch : int or None
        The one batch size that the file accepts, if it is static.
    notes : tuple of str
        What a report must say about the file.
    contract : Contract or None
        Embedded, from a sidecar, or as given.
    anchors : mapping of str to Tensor
        Parameters that a method keeps near where they are, with the SD that tells what near is.
    anchor_weight : float
        What ½ Σ ((μ − μ₀) / SD)² over the anchors counts for beside a loss that is a mean over rows.
    device : str
        Where rows are scored; the state itself stays on the processor.
    """

    archive: Archive
    program: Program
    state: Mapping[str, Tensor]
    inputs: tuple[Input, ...]
    head: Head
    layers: tuple[Layer, ...]
    parameters: tuple[str, ...]
    batch: int | None
    notes: tuple[str, ...]
    contract: Contract | None
    module: Any = field(compare=False, repr=False, default=None)
    anchors: Mapping[str, Tensor] = field(default_factory=dict)
    anchor_weight: float = 1.0
    device: str = "cpu"

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        trust: bool = False,
        contract: Contract | None = None,
        output_kind: Kind | None = None,
    ) -> Network:
        """Check a file without running it, load it, and read its graph.

        Raises
        ------
        ModelError
            With every reason at once.
        """
        return from_archive(open_archive(path, trust=trust), contract=contract, output_kind=output_kind)

    def on(self, device: str) -> Network:
        """Return the network scoring rows on another device, such as ``cuda``.

        Raises
        ------
        ModelError
            The program cannot run there: one that was exported or traced may name a device of its own.
        """
        if device == self.device:
            return self
        try:
            loaded = self.archive.load(device)
            module = loaded.module() if isinstance(loaded, torch.export.ExportedProgram) else loaded.eval()
            moved = replace(self, module=module, device=device)
            with torch.no_grad():
                moved._forward(moved.zeros(self.batch or 1))
        except (RuntimeError, NotImplementedError) as error:
            reason = str(error).strip().splitlines()[0]
            found = f"the network cannot run on the device {device}: {reason}"
            raise ModelError(Problem(found, str(self.archive.path), "Leave --device out.")) from None
        return moved

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the weights."""
        return self.state[self.parameters[0]].dtype

    @property
    def record(self) -> dict[str, Any]:
        """What an earlier run wrote into the file about its making."""
        embedded = self.archive.extra.get("debias.json")
        return {} if embedded is None else read_document(embedded, f"{self.archive.path}: debias.json")[1]

    def tensors(self, sample: Sample) -> dict[str, Tensor]:
        """Return the sample's inputs by the names of the signature.

        Raises
        ------
        ModelError
            When the network reads a group, and a row has none.
        """
        found = {item.name: sample.inputs[item.role] for item in self.inputs}
        for item in self.inputs:
            if item.codes:
                found[item.name] = codes = _codes(found[item.name])
                if bool((codes < 0).any()):
                    raise _no_group(sample, (codes < 0).numpy())
        return found

    def zeros(self, rows: int) -> dict[str, Tensor]:
        """Return rows of zeros by the names of the signature, to see what shape comes out."""
        return {
            item.name: torch.zeros(rows, dtype=torch.int64)
            if item.codes
            else torch.zeros(rows, item.width or 1, dtype=self.dtype)
            for item in self.inputs
        }

    def outputs(self, sample: Sample) -> Tensor:
        """Return what the file's own forward gives for each row.

        Raises
        ------
        ModelError
            When a row's output is not finite.
        """
        parts = [self.call(part) for part in _chunks(self.tensors(sample), len(sample), self.device)]
        output = torch.cat(parts)
        bad = ~torch.isfinite(output.reshape(len(sample), -1)).all(1).numpy()
        if bad.any():
            raise _not_finite(sample, bad)
        return output

    def call(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Run the file's own forward on inputs by name; a static batch size is padded and cut."""
        with torch.no_grad(), _told(self.archive, "its forward failed"):
            return self._forward(inputs)

    def _forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        there = self._there(inputs)
        return call_in_pieces(self.module, [there[item.name] for item in self.inputs], self.batch).cpu()

    def logits(self, sample: Sample, state: Mapping[str, Tensor] | None = None) -> npt.NDArray[np.floating[Any]]:
        """Return the logit of each row [N], of this network or with entries of another state.

        Raises
        ------
        ModelError
            When a row's logit is not a number.
        """
        merged = {name: value.to(self.device) for name, value in {**self.state, **(state or {})}.items()}
        with torch.no_grad():
            values = torch.cat(
                [
                    self.head.logits(self.program.run(self._there(part), merged, until=self.head.value)).cpu()
                    for part in _chunks(self.tensors(sample), len(sample), self.device)
                ]
            ).numpy()
        bad = ~np.isfinite(values)
        if bad.any():
            raise _not_finite(sample, bad)
        return values

    def _there(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.device) for name, value in inputs.items()}

    def serialised(self, state: Mapping[str, Tensor], extra: Mapping[str, str | bytes]) -> bytes:
        """Return the same file with the entries of `state` replaced: same signature, names and code."""
        return serialise(self.loaded(state), {**self.archive.extra, **extra})

    def loaded(self, state: Mapping[str, Tensor]) -> Loaded:
        """Return the file's own program, loaded anew, with the entries of `state` replaced."""
        module = self.archive.load()
        if isinstance(module, torch.export.ExportedProgram):
            entries: Mapping[str, Tensor] = module.state_dict
        else:
            entries = dict(module.eval().state_dict(keep_vars=True))
        with torch.no_grad():
            for name, value in state.items():
                entries[name].copy_(value)
        return module


def from_archive(archive: Archive, *, contract: Contract | None = None, output_kind: Kind | None = None) -> Network:
    """Load a checked archive and read its graph; see `Network.open`."""
    with _told(archive, "its graph cannot be read"):
        return _from_archive(archive, contract, output_kind)


@contextlib.contextmanager
def _told(archive: Archive, what: str) -> Iterator[None]:
    """Turn whatever torch makes of a graph that contradicts itself into words, and show no warning that it wrote."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (DebiasError, MemoryError):
        raise
    except Exception as error:
        first = (str(error).strip() or "no reason").splitlines()[0][:LONGEST]
        found = f"{what} ({type(error).__name__}: {first})"
        raise ModelError(Problem(found, str(archive.path), "Save the model again.")) from error


def _from_archive(archive: Archive, contract: Contract | None, output_kind: Kind | None) -> Network:
    read = read_archive(archive)
    program, state, notes = read.program, read.state, list(read.notes)
    contract = contract or archive_contract(archive)
    if output_kind is None and contract is not None:
        output_kind = contract.output.kind
    inputs = _inputs(archive, read, contract)
    if contract is not None and (wrong := effects.problems(contract, state, str(archive.path))):
        raise ContractError(wrong)
    dtype = state[read.parameters[0]].dtype
    trial = {
        item.name: trial_codes(item.width or 1, read.batch)
        if item.codes
        else trial_rows(item.width or 1, dtype, k, read.batch)
        for k, item in enumerate(inputs)
    }
    with torch.no_grad():
        first = first_run(archive, read, trial)
    shared = shared_entries(program, state)
    head = find_head(program, state, shared.__contains__, first, output_kind)
    if any(item.codes for item in inputs):
        head = replace(head, reason="the file decides by group, by the rule of an earlier repair")
    if not head.sure and output_kind is None:
        notes.append(f"The output was taken for {head.kind} from its values; --output-kind overrides.")
    with torch.no_grad():
        layers = find_layers(program, state, shared.__contains__, program.columns(trial, state))
    return Network(
        archive, program, state, inputs, head, layers, read.parameters, read.batch, tuple(notes), contract, read.module
    )


def signature(archive: Archive) -> dict[str, int | None]:
    """Return the tensor inputs of a file by name, with their number of columns where the graph tells it."""
    with _told(archive, "its graph cannot be read"):
        return read_archive(archive).widths


def archive_contract(archive: Archive) -> Contract | None:
    """Return the contract embedded in the file or standing beside it as MODEL.debias.json, if there is one."""
    embedded = archive.extra.get("debias.json")
    if embedded is not None and (contract := read_document(embedded, f"{archive.path}: debias.json")[0]):
        return contract
    sidecar = Path(f"{archive.path}{SIDECAR_SUFFIX}")
    return read_document(contract_bytes(sidecar), str(sidecar))[0] if sidecar.is_file() else None


def _inputs(archive: Archive, read: Read, contract: Contract | None) -> tuple[Input, ...]:
    program, widths = read.program, read.widths
    if contract is not None and contract.inputs:
        roles = [(item.name, item.role, item.width) for item in contract.inputs]
        if len(roles) != len(program.inputs):
            raise ModelError(
                Problem(
                    f"the contract names {len(roles)} inputs, the network has {len(program.inputs)}", str(archive.path)
                )
            )
        return tuple(
            Input(name, role, widths[name] if widths[name] is not None else width, reads_codes(program, name))
            for name, (_, role, width) in zip(program.inputs, roles, strict=True)
        )
    if len(program.inputs) != 1:
        roles_text = " ".join(f"--role {name}=ROLE" for name in program.inputs)
        raise ModelError(
            Problem(
                f"the network takes {len(program.inputs)} inputs ({', '.join(program.inputs)}) and has no contract "
                "that tells their roles",
                str(archive.path),
                f"Run: debias contract {shlex.quote(str(archive.path))} --data FILE --attr COLUMN {roles_text} (roles: "
                "features, cluster, group; a cluster needs --cluster COLUMN).",
            )
        )
    return (Input(program.inputs[0], "features", widths[program.inputs[0]]),)


def _codes(columns: Tensor) -> Tensor:
    """Return the place of the 1 in each row of 0s and 1s, −1 where there is none, int64 [N]."""
    return torch.where(columns.sum(1) > 0, columns.argmax(1), -1)


def _chunks(inputs: Mapping[str, Tensor], rows: int, device: str) -> Iterator[dict[str, Tensor]]:
    size = _ROWS_AT_ONCE if device == "cpu" else _ROWS_AT_ONCE_ELSEWHERE
    for start in range(0, rows, size):
        yield {name: value[start : start + size] for name, value in inputs.items()}


def _no_group(sample: Sample, bad: npt.NDArray[np.bool_]) -> ModelError:
    return ModelError(
        Problem(
            f"the network decides by group, and {_rows_text(bad)} no group that it knows",
            _place(sample, bad),
            "Leave them out (--missing-attr drop), or fill the attribute in.",
        )
    )


def _place(sample: Sample, bad: npt.NDArray[np.bool_]) -> str:
    rows = sample.rows[bad]
    shown = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
    return f"{sample.name}, row{'s' if len(rows) > 1 else ''} {shown}"


def _rows_text(bad: npt.NDArray[np.bool_]) -> str:
    number = int(bad.sum())
    return f"{number} row{'s have' if number > 1 else ' has'}"


def _not_finite(sample: Sample, bad: npt.NDArray[np.bool_]) -> ModelError:
    return ModelError(
        Problem(
            f"the network returns NaN or an infinite score for {int(bad.sum())} of {len(sample)} rows",
            _place(sample, bad),
            "Look at those rows' features, or retrain the network.",
        )
    )
