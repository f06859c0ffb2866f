"""From a checked archive to its program, its numbers and the first rows that went through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from debias.errors import ModelError, Problem
from debias.model.archive import Archive
from debias.model.exported import input_widths, read_exported, static_batch
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

_REFUSED_OPS = {
    "embedding": "an embedding input (integer codes), which has no float features to score",
    "embedding_bag": "an embedding input (integer codes), which has no float features to score",
    "quantize_per_tensor": "quantised weights",
    "lstm": "a recurrent layer",
    "gru": "a recurrent layer",
}
_ELEMENTWISE = {"add", "sub", "mul", "div"}


@dataclass(frozen=True)
class Read:
    """What a file holds: its program in eval mode, its numbers by name, and what the graph tells of its inputs."""

    module: Any
    program: Program
    state: dict[str, Tensor]
    parameters: tuple[str, ...]
    batch: int | None
    widths: dict[str, int | None]
    notes: tuple[str, ...] = ()


def read_archive(archive: Archive) -> Read:
    """Load a checked archive and read its graph.

    Raises
    ------
    ModelError
        With every reason why the network cannot be worked on.
    """
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
    return Read(module, program, state, parameters, batch, widths, notes)


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


def trial_rows(width: int, dtype: torch.dtype, seed: int, batch: int | None) -> Tensor:
    """Return random rows [batch or 7, width]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch or 7, width, generator=generator, dtype=torch.float64).to(dtype)


def trial_codes(width: int, batch: int | None) -> Tensor:
    """Return int64 codes [batch or 7] below `width`."""
    return torch.arange(batch or 7) % width


def reads_codes(program: Program, name: str) -> bool:
    """Return True where the network reads an input as the number of an entry of a table, not as columns."""
    return any(node.op == "index_select" and node.argument(2) == Ref(name) for node in program.consumers[name])


def call_in_pieces(module: Any, tensors: list[Tensor], batch: int | None) -> Tensor:
    """Run a file's forward; where its batch size is static, in padded pieces of that size."""
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


def first_run(archive: Archive, read: Read, trial: Mapping[str, Tensor]) -> Tensor:
    """Run the file twice on random rows, and the program as read beside it; return the output."""
    try:
        first = call_in_pieces(read.module, list(trial.values()), read.batch)
        second = call_in_pieces(read.module, list(trial.values()), read.batch)
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


def shared_entries(program: Program, state: Mapping[str, Tensor]) -> frozenset[str]:
    """Return the state entries that more than one operation reads, or that stand under two names."""
    places: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, value in state.items():
        if value.numel():
            places.setdefault((value.data_ptr(), tuple(value.shape)), []).append(name)
    twice = {name for names in places.values() if len(names) > 1 for name in names}
    return frozenset(twice | {name for name, users in program.param_users.items() if len(users) > 1})
