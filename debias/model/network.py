"""A trained network: an immutable program plus a state, with the file that it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from debias.contract import Contract, read_document
from debias.data.sample import Sample
from debias.errors import ModelError, Problem
from debias.model.archive import Archive, open_archive, serialise
from debias.model.exported import input_widths, read_exported, static_batch
from debias.model.head import Head, Kind, find_head
from debias.model.layers import Layer, find_layers
from debias.model.program import (
    ACTIVATIONS,
    IDENTITY,
    Node,
    Param,
    Program,
    Ref,
    is_training_constant,
    normalised,
    transposed,
)
from debias.model.torchscript import read_torchscript

_ROWS_AT_ONCE = 65_536
_REFUSED_OPS = {
    "embedding": "an embedding input (integer codes), which has no float features to score",
    "embedding_bag": "an embedding input (integer codes), which has no float features to score",
    "quantize_per_tensor": "quantised weights",
    "lstm": "a recurrent layer",
    "gru": "a recurrent layer",
}
_ELEMENTWISE = {"add", "sub", "mul", "div"}


@dataclass(frozen=True)
class Input:
    """A tensor input: its name in the signature, its role, and its number of columns (None where unknown)."""

    name: str
    role: str
    width: int | None


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

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the weights."""
        return self.state[self.parameters[0]].dtype

    @cached_property
    def shared(self) -> frozenset[str]:
        """State entries that more than one operation reads, or that stand under two names."""
        return _shared(self.program, self.state)

    @property
    def record(self) -> dict[str, Any]:
        """What an earlier run wrote into the file about its making."""
        embedded = self.archive.extra.get("debias.json")
        return {} if embedded is None else read_document(embedded, f"{self.archive.path}: debias.json")[1]

    def tensors(self, sample: Sample) -> dict[str, Tensor]:
        """Return the sample's inputs by the names of the signature."""
        return {item.name: sample.inputs[item.role] for item in self.inputs}

    def outputs(self, sample: Sample) -> Tensor:
        """Return what the file's own forward gives for each row.

        Raises
        ------
        ModelError
            When a row's output is not finite.
        """
        parts = [self.call(part) for part in _chunks(self.tensors(sample), len(sample))]
        output = torch.cat(parts)
        bad = ~torch.isfinite(output.reshape(len(sample), -1)).all(1).numpy()
        if bad.any():
            raise _not_finite(sample, bad)
        return output

    def call(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Run the file's own forward on inputs by name; a static batch size is padded and cut."""
        with torch.no_grad():
            return _call(self.module, [inputs[item.name] for item in self.inputs], self.batch)

    def logits(self, sample: Sample, state: Mapping[str, Tensor] | None = None) -> npt.NDArray[np.floating[Any]]:
        """Return the logit of each row [N], of this network or with entries of another state.

        Raises
        ------
        ModelError
            When a row's logit is not a number.
        """
        merged = {**self.state, **(state or {})}
        with torch.no_grad():
            values = torch.cat(
                [
                    self.head.logits(self.program.run(part, merged, until=self.head.value))
                    for part in _chunks(self.tensors(sample), len(sample))
                ]
            ).numpy()
        bad = ~np.isfinite(values)
        if bad.any():
            raise _not_finite(sample, bad)
        return values

    def serialised(self, state: Mapping[str, Tensor], extra: Mapping[str, str | bytes]) -> bytes:
        """Return the same file with the entries of `state` replaced: same signature, names and code."""
        module = self.archive.load()
        if isinstance(module, torch.export.ExportedProgram):
            entries: Mapping[str, Tensor] = module.state_dict
        else:
            entries = dict(module.eval().state_dict(keep_vars=True))
        with torch.no_grad():
            for name, value in state.items():
                entries[name].copy_(value)
        return serialise(module, {**self.archive.extra, **extra})


def from_archive(archive: Archive, *, contract: Contract | None = None, output_kind: Kind | None = None) -> Network:
    """Load a checked archive and read its graph; see `Network.open`."""
    read = _read(archive)
    program, state, notes = read.program, read.state, list(read.notes)
    contract = contract or archive_contract(archive)
    if output_kind is None and contract is not None:
        output_kind = contract.output.kind
    inputs = _inputs(archive, read, contract)
    dtype = state[read.parameters[0]].dtype
    trial = {item.name: _trial(item.width or 1, dtype, k, read.batch) for k, item in enumerate(inputs)}
    with torch.no_grad():
        first = _first_run(archive, read, trial)
    shared = _shared(program, state)
    head = find_head(program, state, shared.__contains__, first, output_kind)
    if not head.sure and output_kind is None:
        notes.append(f"The output was taken for {head.kind} from its values; --output-kind overrides.")
    with torch.no_grad():
        layers = find_layers(program, state, shared.__contains__, program.columns(trial, state))
    return Network(
        archive, program, state, inputs, head, layers, read.parameters, read.batch, tuple(notes), contract, read.module
    )


def signature(archive: Archive) -> dict[str, int | None]:
    """Return the tensor inputs of a file by name, with their number of columns where the graph tells it."""
    read = _read(archive)
    return read.widths


@dataclass(frozen=True)
class _Read:
    module: Any
    program: Program
    state: dict[str, Tensor]
    parameters: tuple[str, ...]
    batch: int | None
    widths: dict[str, int | None]
    notes: tuple[str, ...] = ()


def _read(archive: Archive) -> _Read:
    loaded = archive.load()
    notes: tuple[str, ...] = ()
    told: dict[str, int] = {}
    if isinstance(loaded, torch.export.ExportedProgram):
        told = input_widths(loaded)
        program, batch = read_exported(loaded), static_batch(loaded)
        state = {**loaded.state_dict, **{k: v for k, v in loaded.constants.items() if isinstance(v, Tensor)}}
        trained = {name: value for name, value in loaded.state_dict.items() if isinstance(value, torch.nn.Parameter)}
        module: Any = loaded.module()
    else:
        trained = dict(loaded.named_parameters())
        if not trained:
            raise ModelError(_no_parameters(archive))
        if _in_train_mode(loaded):
            notes = ("The file was saved in train mode; it is evaluated and written in eval mode.",)
        module = loaded.eval()
        state = dict(module.state_dict(keep_vars=True))
        program, batch = read_torchscript(module), None
    state = {name: value.detach() for name, value in state.items()}
    parameters = tuple(name for name, value in trained.items() if value.is_floating_point())
    program = normalised(program, state)
    _refuse(archive, program, state, parameters)
    widths = {name: told.get(name) or _width(program, state, name) for name in program.inputs}
    return _Read(module, program, state, parameters, batch, widths, notes)


def archive_contract(archive: Archive) -> Contract | None:
    """Return the contract embedded in the file or standing beside it as MODEL.debias.json, if there is one."""
    embedded = archive.extra.get("debias.json")
    if embedded is not None:
        return read_document(embedded, f"{archive.path}: debias.json")[0]
    sidecar = Path(f"{archive.path}.debias.json")
    return read_document(sidecar.read_bytes(), str(sidecar))[0] if sidecar.is_file() else None


def _in_train_mode(module: Any) -> bool:
    """Return True where a part whose forward asks for its mode was saved in train mode."""

    def owner(value: Any) -> Any:
        node = value.node()
        return getattr(owner(node.inputsAt(0)), node.s("name")) if node.kind() == "prim::GetAttr" else module

    graph = module.inlined_graph  # its nodes live no longer than it does
    asked = [node for node in graph.findAllNodes("prim::GetAttr") if node.s("name") == "training"]
    return any(owner(node.inputsAt(0)).training for node in asked)


def _no_parameters(archive: Archive) -> Problem:
    return Problem(
        "the file holds no parameters: it was frozen (torch.jit.freeze), or its weights are quantised or constants",
        str(archive.path),
        "Save the module as it was before: torch.jit.save(torch.jit.script(model), path).",
    )


def _refuse(archive: Archive, program: Program, state: Mapping[str, Tensor], parameters: tuple[str, ...]) -> None:
    problems = []
    if not parameters:
        problems.append(_no_parameters(archive))
    for node in program.nodes:
        where = ", ".join(dict.fromkeys(p.rpartition(".")[0] for p in node.params)) or node.name
        if is_training_constant(node):
            problems.append(
                Problem(
                    f"{node.op} is fixed in train mode, so two forwards differ",
                    where,
                    "Trace or export the module after model.eval().",
                )
            )
        reason = _REFUSED_OPS.get(node.op) or ("quantised weights" if "quant" in node.op else "")
        if reason:
            problems.append(Problem(f"{node.op}: {reason}", where, "Export the float network without it."))
    kinds = {str(state[name].dtype) for name in parameters}
    if kinds - {"torch.float32", "torch.float64"}:
        problems.append(
            Problem(f"parameters of type {', '.join(sorted(kinds))}", "", "float32 and float64 networks can be read.")
        )
    bad = [name for name in parameters if not bool(torch.isfinite(state[name]).all())]
    if bad:
        problems.append(Problem("weights that are not finite", ", ".join(bad), "Train the network again."))
    if problems:
        raise ModelError(problems)


def _inputs(archive: Archive, read: _Read, contract: Contract | None) -> tuple[Input, ...]:
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
            Input(name, role, widths[name] if widths[name] is not None else width)
            for name, (_, role, width) in zip(program.inputs, roles, strict=True)
        )
    if len(program.inputs) != 1:
        roles_text = " ".join(f"--role {name}=ROLE" for name in program.inputs)
        raise ModelError(
            Problem(
                f"the network takes {len(program.inputs)} inputs ({', '.join(program.inputs)}) and has no contract "
                "that tells their roles",
                str(archive.path),
                f"Run: debias contract {archive.path} --data FILE {roles_text} (roles: features, cluster, group).",
            )
        )
    return (Input(program.inputs[0], "features", widths[program.inputs[0]]),)


def _width(program: Program, state: Mapping[str, Tensor], name: str) -> int | None:
    """Number of columns of an input, from the first weights that read it."""
    for node in program.consumers[name]:
        width = _width_read(program, node, name, state)
        if width is None and node.op in IDENTITY | set(ACTIVATIONS) | _ELEMENTWISE:
            width = _width(program, state, node.name)
        if width is not None:
            return width
    return None


def _width_read(program: Program, node: Node, name: str, state: Mapping[str, Tensor]) -> int | None:
    """Number of columns that the weights of one operation ask of the value `name`."""
    shapes = [state[a.name].shape for a in node.args if isinstance(a, Param)]
    if node.op == "linear" and node.args[0] == Ref(name):
        return int(state[node.params[0]].shape[1])
    if node.op in {"batch_norm", "layer_norm"} and shapes:
        return int(shapes[0][-1])
    if node.op in {"addmm", "mm", "matmul"}:
        if weight := transposed(program, node.args[-1]):
            return int(state[weight.name].shape[1])
        return int(shapes[-1][0]) if isinstance(node.args[-1], Param) else None
    if node.op in _ELEMENTWISE:
        return next((int(shape[-1]) for shape in shapes if len(shape) and shape[-1] > 1), None)
    return None


def _trial(width: int, dtype: torch.dtype, seed: int, batch: int | None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch or 7, width, generator=generator, dtype=torch.float64).to(dtype)


def _call(module: Any, tensors: list[Tensor], batch: int | None) -> Tensor:
    if batch is None:
        return module(*tensors)  # type: ignore[no-any-return]
    rows = len(tensors[0])
    parts = []
    for start in range(0, rows, batch):
        piece = [t[start : start + batch] for t in tensors]
        missing = batch - len(piece[0])
        if missing:
            piece = [torch.cat([t, t[:1].expand(missing, *t.shape[1:])]) for t in piece]
        parts.append(module(*piece)[: batch - missing])
    return torch.cat(parts)


def _first_run(archive: Archive, read: _Read, trial: Mapping[str, Tensor]) -> Tensor:
    """Run the file twice on random rows, and the program as read beside it; return the output."""
    try:
        first = _call(read.module, list(trial.values()), read.batch)
        second = _call(read.module, list(trial.values()), read.batch)
        own = read.program.run(trial, read.state)
    except (RuntimeError, AssertionError, IndexError, TypeError, ValueError) as error:
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in trial.items())
        raise ModelError(
            Problem(
                f"a trial run failed: {str(error).strip().splitlines()[-1]}",
                f"{archive.path}, inputs {shapes}",
                "A network of rows [N, columns] can be read; a contract tells the widths of several inputs.",
            )
        ) from None
    if not isinstance(first, Tensor):
        raise ModelError(Problem(f"forward returns a {type(first).__name__}, not one tensor", str(archive.path)))
    if not torch.equal(first, second) and bool(torch.isfinite(first).all()):
        raise ModelError(
            Problem(
                "two forwards of the same rows differ: dropout or another random operation is on for good",
                str(archive.path),
                "Trace or export the module after model.eval().",
            )
        )
    rows = len(next(iter(trial.values())))
    if not first.ndim or len(first) != rows:
        raise ModelError(
            Problem(
                f"the output has shape {list(first.shape)} for {rows} rows",
                str(archive.path),
                "Scores of shape [N], [N, 1] or [N, 2] can be read.",
            )
        )
    if own.shape != first.shape or not torch.allclose(own, first, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ModelError(
            Problem(
                "the graph as read does not compute what the file computes",
                str(archive.path),
                "Please report this network's operations (debias inspect lists them).",
            )
        )
    few = {name: value[:3] for name, value in trial.items()}
    alone = own[:3] if read.batch is not None else read.program.run(few, read.state)
    if not torch.allclose(alone, own[:3], rtol=1e-3, atol=1e-4, equal_nan=True):
        raise ModelError(
            Problem(
                "the score of a row depends on the rows beside it",
                str(archive.path),
                "Export a module whose forward works row by row (a softmax over dim=1).",
            )
        )
    return first


def _shared(program: Program, state: Mapping[str, Tensor]) -> frozenset[str]:
    places: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, value in state.items():
        if value.numel():
            places.setdefault((value.data_ptr(), tuple(value.shape)), []).append(name)
    twice = {name for names in places.values() if len(names) > 1 for name in names}
    return frozenset(twice | {name for name, users in program.param_users.items() if len(users) > 1})


def _chunks(inputs: Mapping[str, Tensor], rows: int) -> Iterator[dict[str, Tensor]]:
    for start in range(0, rows, _ROWS_AT_ONCE):
        yield {name: value[start : start + _ROWS_AT_ONCE] for name, value in inputs.items()}


def _not_finite(sample: Sample, bad: npt.NDArray[np.bool_]) -> ModelError:
    rows = sample.rows[bad]
    shown = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
    return ModelError(
        Problem(
            f"the network returns NaN or an infinite score for {len(rows)} of {len(sample)} rows",
            f"{sample.name}, row{'s' if len(rows) > 1 else ''} {shown}",
            "Look at those rows' features, or retrain the network.",
        )
    )
